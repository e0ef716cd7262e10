"""A run of textgen as a model that is audited, whatever its tokenizer, policy and objective.

Its tokens are choices: those of the network, and behind a placeholder those of its surface form,
one after another, whose numbers follow on those of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from textgen.auditing.protocol import Claim
from textgen.data import Document
from textgen.evaluation import Stepper
from textgen.runs import Run
from textgen.tokenizers import BOUNDARY, EncodedDocument, walk


class RunModel:
    """A finished run, alone or with its memory of the document.

    Args:
        run: read by nobody else, for a network that goes on learning changes its weights.
        memory: whether the memory counts.
    """

    end = BOUNDARY

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
