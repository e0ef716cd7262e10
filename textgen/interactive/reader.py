"""A trained model that reads a text token by token, and can go on from any place of it."""

from __future__ import annotations

import itertools
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from textgen.core import RefusedText, TextgenError, raise_if_cancelled
from textgen.evaluation import MemoryState, next_logits_step, softmax
from textgen.interactive.texts import TokenTexts
from textgen.runs import Run, check_prompt, encode_prompt

KEPT = 64
"""Places that are kept, so that a text that grows is not read again from its beginning."""
LAST_WORD = re.compile(r"(?:\s?\S{1,40}|\s{1,40})\Z")
"""What a token that is not yet complete may reach back to."""
MODIFIERS = 2
"""Modifiers of one word, at most."""
LONGEST = 4000
"""Characters of a text that is gone on from, at most: they are read one after another."""
ROWS = 16
"""Continuations of a text that are looked at together."""


class Place(NamedTuple):
    """What a model knows after some tokens of a document.

    Attributes:
        carry: of the objective, a nest of tensors.
        counts: the memory of the document so far; None for the network alone.
        chances: (V,) float64, P(next token).
    """

    carry: Any
    counts: MemoryState | None
    chances: np.ndarray

    def owned(self) -> Place:
        """The same with a memory of its own, to go on from with :meth:`Reader.after`."""
        return self._replace(counts=self.counts and self.counts.copy())


class Reader:
    """A finished run that is asked.

    Several threads may ask at once.

    Args:
        run: the run.
        label: what it is called among others.

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
        self._step = next_logits_step(self.run.objective, self.run.network)
        self._places: OrderedDict[tuple[bool, tuple[int, ...]], Place] = OrderedDict()
        self._tables: dict[tuple[int, ...], TokenTexts] = {}
        self._lock = threading.Lock()

    def table(self, modifiers: tuple[int, ...] = ()) -> TokenTexts:
        """What tokens stand for behind some modifiers (of case, or without a space)."""
        with self._lock:
            if modifiers not in self._tables:
                self._tables[modifiers] = TokenTexts(self.tokenizer, modifiers)
            return self._tables[modifiers]

    @property
    def texts(self) -> list[str | None]:
        """(V,): the text of each token, see :class:`TokenTexts`."""
        return self.table().texts

    def tokens(self, text: str) -> tuple[int, ...]:
        """The tokens of a prompt.

        Raises:
            RefusedText: characters that the model has never seen, or too many.
        """
        self.check(text)
        return tuple(encode_prompt(self.tokenizer, text).tolist())

    def check(self, text: str) -> None:
        """Check that the model can go on from a text.

        Raises:
            RefusedText: characters that it has never seen, or too many.
        """
        if (beyond := len(text) - LONGEST) > 0:
            raise RefusedText(
                "the text", text=text, place=(0, beyond), found=f"{len(text):,} characters",
                expected=f"at most {LONGEST:,}", hint=f"leave out the first {beyond:,}",
            )  # fmt: skip
        check_prompt(self.tokenizer, text, f"the text, for {self.label}")

    def cut(self, text: str) -> tuple[tuple[int, ...], str]:
        """The tokens of a text up to its last, perhaps unfinished, word, and that word as it
        stands; of characters, all tokens and no word.

        Raises:
            RefusedText: characters that the model has never seen, or too many.
        """
        if self.table().single:
            return self.tokens(text), ""
        self.check(text)
        last = LAST_WORD.search(text)
        ends = self.tokenizer.encode(text).ends
        kept = int(np.searchsorted(ends, last.start() if last else len(text), side="right"))
        start = int(ends[kept - 1]) if kept else 0
        return tuple(self.tokenizer.encode(text[:start]).tokens.tolist()), text[start:]

    def may_agree(self, modifiers: tuple[int, ...], lacking: str) -> bool:
        """Whether the text behind some modifiers can begin so."""
        if len(modifiers) > MODIFIERS or len({*modifiers}) < len(modifiers):
            return False  # no text is encoded so
        table = self.table(modifiers)
        further = ((*modifiers, token) for token in table.modifiers)
        return any(table.agreeing(lacking)) or any(self.may_agree(m, lacking) for m in further)

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
            while len(self._places) > KEPT:
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

    def branch(
        self, carry: Any, rows: Sequence[int], tokens: Sequence[int]
    ) -> tuple[Any, np.ndarray]:
        """Up to :data:`ROWS` continuations, all one token on.

        Args:
            carry: of one row, or of :data:`ROWS` as this function returned it.
            rows: (n,) the row that each continues.
            tokens: (n,) with which token.

        Returns:
            The carry of :data:`ROWS` rows, those beyond n without meaning, and (n, V) float64,
            P(next token) of the network alone.
        """
        import tensorflow as tf

        raise_if_cancelled()
        padded = [*rows, *([0] * (ROWS - len(rows)))]
        # position in the document first, which all rows share; then tensors (rows, …)
        position, *others = carry
        gathered = tf.nest.map_structure(lambda leaf: tf.gather(leaf, padded), others)
        written = np.array([*tokens, *([0] * (ROWS - len(tokens)))], dtype=np.int32)
        carry = self._objective.append((position, *gathered), written)
        logits, carry = self._step(carry)
        return carry, np.stack([softmax(row) for row in logits.numpy()[: len(rows)]])

    def warm(self) -> None:
        """Compile what is compiled once, so that the first answer does not wait for it."""
        place = self.read(())
        self.branch(place.carry, [0], [self.table().tokens[0]])
        following = self.tokenizer.placeholder_texts()
        for token in self.table().open:
            following((token,), " a")
        for pair in itertools.permutations(self.table().modifiers, 2):
            self.table(pair[:1])
            self.table(pair)


def _place(logits: Any, carry: Any, counts: MemoryState | None) -> Place:
    chances = softmax(logits.numpy()[0])
    return Place(carry, counts, chances if counts is None else counts.mixed(chances))
