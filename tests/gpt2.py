"""A tiny GPT-2 as a Hugging Face folder, and NumPy that reads it where PyTorch is not installed.

PyTorch is a gigabyte and not among what the tests install. So the adapter is tested with modules
that answer as ``transformers`` and ``torch`` do, and with those themselves where they are there;
``test_auditing.py`` then holds the two against each other.
"""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

import numpy as np

LAYERS, WIDTH, HEADS, CONTEXT, VOCABULARY = 2, 16, 2, 96, 257
END = "<|endoftext|>"


def write_folder(folder):
    """``config.json``, ``model.safetensors`` and the files of a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "bos_token": END}
    write(folder / "tokenizer_config.json", settings)
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": VOCABULARY,
        "n_positions": CONTEXT, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS,
        "bos_token_id": 256, "eos_token_id": 256,
    }  # fmt: skip
    write(folder / "config.json", config)
    write_safetensors(folder / "model.safetensors", weights())
    return folder


def write(path, data):
    path.write_text(json.dumps(data), encoding="utf-8")


def weights():
    random = np.random.default_rng(5)

    def normal(*shape, scale=0.3):
        return random.normal(0, scale, shape).astype(np.float32)

    found = {"wte.weight": normal(VOCABULARY, WIDTH), "wpe.weight": normal(CONTEXT, WIDTH)}
    for i in range(LAYERS):
        for name, rows, columns in (
            ("attn.c_attn", WIDTH, 3 * WIDTH), ("attn.c_proj", WIDTH, WIDTH),
            ("mlp.c_fc", WIDTH, 4 * WIDTH), ("mlp.c_proj", 4 * WIDTH, WIDTH),
        ):  # fmt: skip
            found[f"h.{i}.{name}.weight"] = normal(rows, columns)
            found[f"h.{i}.{name}.bias"] = normal(columns)
    for name in ("ln_f", *(f"h.{i}.{n}" for i in range(LAYERS) for n in ("ln_1", "ln_2"))):
        found |= {f"{name}.weight": 1 + normal(WIDTH), f"{name}.bias": normal(WIDTH)}
    return {f"transformer.{name}": values for name, values in found.items()}


def write_safetensors(path, tensors):
    head, start = {"__metadata__": {"format": "pt"}}, 0
    for name, values in tensors.items():
        end = start + values.nbytes
        head[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [start, end]}
        start = end
    line = json.dumps(head).encode()
    data = b"".join(values.tobytes() for values in tensors.values())
    path.write_bytes(len(line).to_bytes(8, "little") + line + data)


def read_safetensors(path):
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    head = json.loads(data[8:begin])
    return {
        name.removeprefix("transformer."): np.frombuffer(
            data[begin:][slice(*about["data_offsets"])], np.float32
        ).reshape(about["shape"])
        for name, about in head.items()
        if name != "__metadata__"
    }


class Network:
    """What ``AutoModelForCausalLM`` gives, computed with NumPy."""

    masked = True

    def __init__(self, folder):
        self.config = SimpleNamespace(max_position_embeddings=CONTEXT)
        self._weights = read_safetensors(folder / "model.safetensors")

    def float(self):
        return self

    def eval(self):
        return self

    def __call__(self, **given):
        return self.forward(**given)

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        before, (tokens,) = past_key_values or [], np.asarray(input_ids)
        tokens = np.array([*before, *tokens])  # all is read again: it is tiny
        logits = self._logits(tokens)[len(before) :]
        shown = SimpleNamespace(double=lambda: SimpleNamespace(numpy=lambda: logits))
        return SimpleNamespace(logits=[shown], past_key_values=tokens.tolist())

    def _logits(self, tokens):
        w = self._weights
        x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
        for i in range(LAYERS):
            x = x + self._attention(self._normal(x, f"h.{i}.ln_1"), f"h.{i}.attn")
            inner = self._linear(self._normal(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")
            bent = np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)
            x = x + self._linear(0.5 * inner * (1 + np.tanh(bent)), f"h.{i}.mlp.c_proj")
        return (self._normal(x, "ln_f") @ w["wte.weight"].T).astype(np.float64)

    def _linear(self, x, name):
        return x @ self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _normal(self, x, name):
        away = x - x.mean(-1, keepdims=True)
        scaled = away / np.sqrt((away**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

    def _attention(self, x, name):
        split = self._linear(x, f"{name}.c_attn").reshape(len(x), 3, HEADS, -1)
        query, key, value = split.transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS)
        if self.masked:
            scores = np.where(np.tri(len(x), dtype=bool), scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = scores / scores.sum(-1, keepdims=True) @ value
        return self._linear(mixed.transpose(1, 0, 2).reshape(len(x), WIDTH), f"{name}.c_proj")


class Seeing(Network):
    """Its attention has no mask: as it reads a text at once, it sees what comes."""

    masked = False


class Bytes:
    """What ``AutoTokenizer`` gives."""

    bos_token_id = eos_token_id = 256
    unk_token_id = None

    def __init__(self, folder):
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def encode(self, text, add_special_tokens, split_special_tokens):
        assert (add_special_tokens, split_special_tokens) == (False, True)
        self._tokenizer.encode_special_tokens = split_special_tokens
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, tokens, skip_special_tokens, clean_up_tokenization_spaces):
        assert not clean_up_tokenization_spaces
        return self._tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens)


def modules(network=Network):
    """``transformers`` and ``torch``, as far as the adapter asks them."""

    def reader(kind):
        def from_pretrained(folder, local_files_only, trust_remote_code=False):
            from pathlib import Path

            if not (Path(folder) / "model.safetensors").exists():
                raise OSError("no weights")
            assert local_files_only
            return kind(Path(folder))

        return SimpleNamespace(from_pretrained=from_pretrained)

    return {
        "transformers": SimpleNamespace(
            AutoTokenizer=reader(Bytes),
            AutoModelForCausalLM=reader(network),
            logging=SimpleNamespace(disable_progress_bar=lambda: None),
        ),
        "torch": SimpleNamespace(no_grad=contextlib.nullcontext, tensor=np.array),
    }
