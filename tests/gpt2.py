"""A Hugging Face folder of a tiny model, and modules that answer as ``transformers`` and ``torch``.

These are a gigabyte and not among what the tests install. So the adapter is tested with modules
that answer as they do, and with the libraries themselves and a tiny GPT-2 where they are installed.
"""

import contextlib
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np

CONTEXT, END, WIDTH = 96, 256, 16
WEIGHTS = "model.safetensors"


def write_folder(folder: Path) -> Path:
    """A folder with a GPT-2 of bytes; without the libraries, files of its names."""
    folder.mkdir()
    if not importlib.util.find_spec("transformers"):
        (folder / "config.json").write_text("{}")
        (folder / WEIGHTS).touch()
        return folder
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    ends = dict.fromkeys(("bos_token", "eos_token"), "<|endoftext|>")
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)
    fast.save_pretrained(folder)
    torch.manual_seed(5)
    config = transformers.GPT2Config(
        vocab_size=END + 1, n_positions=CONTEXT, n_embd=WIDTH, n_layer=2, n_head=2,
        bos_token_id=END, eos_token_id=END, initializer_range=0.3,
    )  # fmt: skip
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


class Network:
    """What ``AutoModelForCausalLM`` gives: the next token depends on the last one, on its place and
    on the mean of all before it."""

    config = SimpleNamespace(max_position_embeddings=CONTEXT)
    masked = True

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self._vectors = 0.5 * random.normal(size=(END + 1, WIDTH))
        self._places = 0.5 * random.normal(size=(CONTEXT, WIDTH))

    def eval(self):
        return self

    float = eval

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        tokens = np.array([*(past_key_values or []), *input_ids[0]])  # all is read again
        x = self._vectors[tokens] + self._places[: len(tokens)]
        seen = np.tri(len(x)) if self.masked else np.ones((len(x), len(x)))
        x = x + 2 * seen @ x / seen.sum(axis=1, keepdims=True)
        logits = (x @ self._vectors.T)[-len(input_ids[0]) :]
        tensor = SimpleNamespace(double=lambda: SimpleNamespace(numpy=lambda: logits))
        return SimpleNamespace(logits=[tensor], past_key_values=tokens.tolist())

    __call__ = forward


class Seeing(Network):
    """Its attention has no mask: as it reads a text at once, it sees what comes."""

    masked = False


class Bytes:
    """What ``AutoTokenizer`` gives."""

    bos_token_id = eos_token_id = END
    unk_token_id = None

    def encode(self, text, add_special_tokens, split_special_tokens):
        assert (add_special_tokens, split_special_tokens) == (False, True)
        return list(text.encode())

    def decode(self, tokens, skip_special_tokens, clean_up_tokenization_spaces):
        assert not skip_special_tokens
        assert not clean_up_tokenization_spaces
        return bytes(token for token in tokens if token != END).decode(errors="replace")


def modules(network=Network):
    """``transformers`` and ``torch``, as far as the adapter uses them."""

    def reader(kind):
        def from_pretrained(folder, local_files_only, trust_remote_code):
            assert (local_files_only, trust_remote_code) == (True, False)
            if not Path(folder, WEIGHTS).exists():
                raise OSError("no weights")
            return kind()

        return SimpleNamespace(from_pretrained=from_pretrained)

    return {
        "transformers": SimpleNamespace(
            AutoTokenizer=reader(Bytes),
            AutoModelForCausalLM=reader(network),
            logging=SimpleNamespace(disable_progress_bar=lambda: None),
        ),
        "torch": SimpleNamespace(no_grad=contextlib.nullcontext, tensor=np.array),
    }
