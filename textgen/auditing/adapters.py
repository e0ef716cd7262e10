"""What can be audited besides a class of one's own: finished runs and Hugging Face folders."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.auditing.claims import Claim
from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.mixture import Stepper
from textgen.runs.finished import Run
from textgen.tokenizers.tokens import BOUNDARY, EncodedDocument, walk

DEFAULT_CONTEXT_TOKENS = 1024
"""Tokens that a model reads at once where its settings name no limit."""


class RunModel:
    """A finished run, alone or with its memory of the document.

    Args:
        run: read by nobody else, for a network that goes on learning changes its weights.
        memory: whether the memory counts.
    """

    end: int | None = BOUNDARY

    def __init__(self, run: Run, memory: bool) -> None:
        self._run, self._memory = run, run.memory if memory else None
        self._tokenizer, self._size = run.tokenizer, run.tokenizer.size
        self._stepper: Stepper | None = None

    def start(self) -> None:
        self._close()
        self._stepper = Stepper(self._run.objective, self._run.network, self._memory)
        self._walk = walk(self._tokenizer, None, self._memory is not None)
        self._chances = next(self._walk).probabilities

    def _close(self) -> None:
        if self._stepper is not None:
            self._stepper.close()
        self._stepper = None

    def next_log_probabilities(self) -> np.ndarray:
        assert self._stepper is not None
        with np.errstate(divide="ignore"):
            if self._chances is None:
                return np.log(self._stepper.probabilities())
            return np.concatenate([np.full(self._size, -math.inf), np.log(self._chances())])

    def append(self, token: int) -> None:
        assert self._stepper is not None
        if self._chances is None:
            self._stepper.append(token)
            self._chances = self._walk.send(token).probabilities
        else:
            self._chances = self._walk.send(token - self._size).probabilities

    def encode(self, text: str) -> list[int]:
        return self._choices(self._tokenizer.encode(text))[0]

    def _choices(self, encoded: EncodedDocument) -> tuple[list[int], list[bool], list[int]]:
        """The choices of a document, without its end; of each part, whether it is a token or else
        a surface form; and how many choices it and those before it have, the end included."""
        walking = walk(self._tokenizer, encoded, self._memory is not None)
        tokens, kinds, ends = list[int](), list[bool](), list[int]()
        choice = next(walking)
        while True:
            of_token = choice.probabilities is None
            assert choice.known is not None
            tokens.append(choice.known if of_token else self._size + choice.known)
            if of_token or not kinds or kinds[-1]:
                kinds.append(of_token)
                ends.append(len(tokens))
            ends[-1] = len(tokens)
            try:
                choice = walking.send(choice.known)
            except StopIteration:
                return tokens[:-1], kinds, ends

    def decode(self, tokens: Sequence[int]) -> str:
        walking = walk(self._tokenizer, None, self._memory is not None)
        choice = next(walking)
        try:
            for token in (*tokens, BOUNDARY):
                sent = token if choice.probabilities is None else token - self._size
                choice = walking.send(sent)
        except StopIteration as end:
            return self._tokenizer.decode(end.value)
        raise ValueError("tokens that end within a word")

    def claim(self, text: str) -> Claim:
        """What ``textgen score`` says: all windows of the text at once, not step by step."""
        self._close()
        (scored,) = self._run.score_documents([Document("text", text)])
        if self._memory is not None:
            assert scored.with_memory is not None
            scored = scored.with_memory
        _, kinds, ends = self._choices(self._tokenizer.encode(text))
        model, surfaces = iter(scored.model_bits.tolist()), iter(scored.surface_bits.tolist())
        parts = [next(model if of_token else surfaces) for of_token in kinds]
        figure = scored.bits_per_character if self._tokenizer.charged else None
        return Claim(figure, "bits_per_character", True, len(text) + 1, sum(parts), parts, ends)


def libraries() -> tuple[Any, Any]:
    """``transformers`` and ``torch``.

    Raises:
        TextgenError: they are not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise TextgenError(
            "a Hugging Face folder", found=f"no {error.name}",
            expected="transformers and torch, which read it",
            hint="pip install transformers torch",
        ) from None  # fmt: skip
    transformers.logging.disable_progress_bar()
    return transformers, torch


class HuggingFaceModel:
    """A model of a folder, with its own tokenizer.

    A text begins behind the token for the beginning, or else that for the end. Where the context is
    full, its older half is forgotten; so it is in :meth:`claim`, which reads whole stretches at
    once.

    Args:
        folder: with ``config.json``, the weights and the tokenizer.
        end: whether the end of a text is a token.

    Raises:
        TextgenError: the folder cannot be read, or has neither token.
    """

    def __init__(self, folder: Path, end: bool = True) -> None:
        transformers, self._torch = libraries()
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **local)
            network = transformers.AutoModelForCausalLM.from_pretrained(str(folder), **local)
        except (OSError, ValueError, KeyError) as error:
            told = str(error).partition("\n")[0][:200]
            raise TextgenError(
                str(folder), found=f"a folder that cannot be read: {told}",
                expected="config.json, weights and a tokenizer of a causal language model",
            ) from None  # fmt: skip
        self._network = network.float().eval()
        # what is kept from token to token has one name in some versions and another in others
        names = inspect.signature(network.forward).parameters
        self._kept = "cache" if "cache" in names else "past_key_values"
        ids = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        if ids == (None, None):
            raise TextgenError(
                str(folder), found="a tokenizer without a token for beginning or end",
                expected="bos_token or eos_token in tokenizer_config.json: what a text begins with",
            )  # fmt: skip
        self._begin = int(ids[1] if ids[0] is None else ids[0])
        self.end = ids[1] if end else None
        self.unknown = self._tokenizer.unk_token_id
        if self.unknown in ids:
            self.unknown = None  # as GPT-2 has it: bytes need none
        self._most = int(
            getattr(network.config, "max_position_embeddings", None) or DEFAULT_CONTEXT_TOKENS
        )

    def start(self) -> None:
        self._read, self._past, self._new = list[int](), None, [self._begin]

    def append(self, token: int) -> None:
        self._new.append(token)

    def next_log_probabilities(self) -> np.ndarray:
        if len(self._read) + len(self._new) > self._most:
            whole = self._read + self._new
            self._read, self._past, self._new = [], None, whole[len(whole) - self._most // 2 :]
        logits, self._past = self._logits(self._new, self._past)
        self._read, self._new = self._read + self._new, []
        return _logs(logits[-1])

    def _logits(self, tokens: Sequence[int], past: Any = None) -> tuple[np.ndarray, Any]:
        """(n, V) float64 of what follows each token, and what is kept for those behind them."""
        with self._torch.no_grad():
            given = {"input_ids": self._torch.tensor([list(tokens)]), self._kept: past}
            found = self._network(**given, use_cache=True)
        return found.logits[0].double().numpy(), getattr(found, self._kept)

    def encode(self, text: str) -> list[int]:
        # a special token's name in a text is text
        return list(
            self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        )

    def decode(self, tokens: Sequence[int]) -> str:
        return str(
            self._tokenizer.decode(
                list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )

    def claim(self, text: str) -> Claim:
        """Bits of a text, read in stretches as long as the context."""
        tokens = [self._begin, *self.encode(text), *([] if self.end is None else [self.end])]
        parts, start, fresh = list[float](), 0, 0
        while fresh < len(tokens) - 1:
            logits, _ = self._logits(tokens[start : start + self._most])
            for place in range(fresh - start, min(self._most, len(tokens) - 1 - start)):
                logs = _logs(logits[place])
                parts.append(-float(logs[tokens[start + place + 1]]) / math.log(2))
            fresh = start + self._most
            start = fresh + 1 - self._most // 2
        return Claim(bits=sum(parts), parts=parts)


def _logs(logits: np.ndarray) -> np.ndarray:
    away = logits - logits.max()
    return away - np.log(np.exp(away).sum())
