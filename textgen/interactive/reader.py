"""A trained model that reads a text token by token, and can go on from any place of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from textgen.core.errors import RefusedText, TextgenError, raise_if_cancelled
from textgen.evaluation.memory import MemoryState
from textgen.evaluation.sampler import softmax
from textgen.evaluation.scorer import scorer
from textgen.runs.finished import Run
from textgen.runs.generation import encode_prompt
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE

MAX_KEPT_PLACES = 64
"""Places that are kept, so that a growing text is not read again from its beginning."""
MAX_PROMPT_CHARACTERS = 4000
"""They are read one after another."""
BROKEN_CHARACTER = "\ufffd"
"""What a character is shown as while some of its bytes are missing."""


class Place(NamedTuple):
    """What a model knows after some tokens of a document.

    Attributes:
        carry: of the objective, a nest of tensors.
        counts: the memory of the document so far; None for the network alone.
        probabilities: (V,) float64, P(next token).
    """

    carry: Any
    counts: MemoryState | None
    probabilities: np.ndarray

    def owned(self) -> Place:
        """The same with a memory of its own, to go on from with :meth:`Reader.after`."""
        return self._replace(counts=self.counts and self.counts.copy())


class Reader:
    """A finished run that is read token by token, by several threads at once.

    Args:
        run: the run.
        label: its name on the page.

    Raises:
        TextgenError: a damaged run.
    """

    def __init__(self, run: Run, label: str) -> None:
        self.run, self.label = Run(run.folder), label  # of its own: it may lose its memory
        memory = self.run.memory
        self._learns = memory is not None and memory.learning is not None
        if self._learns:  # its weights would change under whoever else is reading
            self.run.memory = None
        self.tokenizer, self._objective = self.run.tokenizer, self.run.objective
        self._step = scorer(self.run.objective, self.run.network).next_logits
        self._places: OrderedDict[tuple[bool, tuple[int, ...]], Place] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def texts(self) -> list[str]:
        """(V,): the text that each token always stands for; "" where it depends on others."""
        texts = list[str]()
        for token in range(self.tokenizer.size):
            shown = self.tokenizer.render(np.array([token]), before="a", fill="mark")
            known = token not in (BOUNDARY, ESCAPE) and not shown.filled
            texts.append(shown.text if known and BROKEN_CHARACTER not in shown.text else "")
        return texts

    def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a prompt.

        Raises:
            RefusedText: characters that the model has never seen, or too many.
        """
        if (excess := len(text) - MAX_PROMPT_CHARACTERS) > 0:
            raise RefusedText(
                "the text", text=text, place=(0, excess), found=f"{len(text):,} characters",
                expected=f"at most {MAX_PROMPT_CHARACTERS:,}",
                hint=f"leave out the first {excess:,}",
            )  # fmt: skip
        return tuple(encode_prompt(self.tokenizer, text, f"the text, for {self.label}").tolist())

    def check_memory(self) -> None:
        """Raises:
        TextgenError: there is no memory that could be used here.
        """
        if self.run.memory is None:
            learns = "a network that goes on learning, which those who ask would share"
            raise TextgenError(
                f"memory, {self.label}", found=learns if self._learns else "none",
                expected="a memory of the document that counts",
                hint="leave the memory off; textgen generate --memory writes with any",
            )  # fmt: skip

    def read(self, tokens: Sequence[int], memory: bool = False, keep: bool = True) -> Place:
        """The place after some tokens of a document.

        Args:
            tokens: those of the document so far.
            memory: whether the memory of the document counts.
            keep: whether the place may be asked for again.

        Raises:
            TextgenError: a memory that there is not.
        """
        if memory:
            self.check_memory()
        given = tuple(tokens)
        with self._lock:
            kept = [key for key in self._places if key[0] == memory]
            known = [key for key in kept if given[: len(key[1])] == key[1]]
            best = max(known, key=lambda key: len(key[1]), default=None)
            place = self._places[best] if best else None
            if best:
                self._places.move_to_end(best)
        done = len(best[1]) if best else 0
        if place is None:
            place = self._begin(memory)
        if done < len(given):
            place = self._on(place.owned(), given[done:])
        if not keep:
            return place
        with self._lock:
            self._places[memory, given] = place
            while len(self._places) > MAX_KEPT_PLACES:
                self._places.popitem(last=False)
        return place

    def _begin(self, memory: bool) -> Place:
        counts = MemoryState(self.run.memory) if memory and self.run.memory else None
        logits, carry = self._step(self._objective.begin(self.run.network, 1))
        return _place(logits, carry, counts)

    def _on(self, place: Place, tokens: Sequence[int]) -> Place:
        carry, counts, _ = place
        logits: Any = None
        for token in tokens:
            raise_if_cancelled()
            if counts is not None:
                counts.add(token)
            carry = self._objective.append(carry, np.array([token], dtype=np.int32))
            logits, carry = self._step(carry)
        return _place(logits, carry, counts)

    def after(self, place: Place, token: int) -> Place:
        """The place one token on; it takes the memory of ``place`` with it, which has to be one
        that is :meth:`Place.owned`."""
        return self._on(place, (token,))


def _place(logits: Any, carry: Any, counts: MemoryState | None) -> Place:
    probabilities = softmax(logits.numpy()[0])
    return Place(carry, counts, counts.mixed(probabilities) if counts else probabilities)
