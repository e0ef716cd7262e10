"""An n-gram model in an ARPA file, as a model that is audited.

The words of a line stand between single spaces, and ``</s>`` is its end, so that a text of lines is
a text of tokens; where every entry is one character, tokens are characters, ``<space>`` among them.
A word that the file does not have is ``<unk>``, from which it does not come back. The model has no
end of the text: how many lines there are is not charged.
"""

from __future__ import annotations

import gzip
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textgen.core import UNREADABLE, TextgenError

BEGIN, LINE_END, UNKNOWN, SPACE = "<s>", "</s>", "<unk>", "<space>"
ORDER = re.compile(r"\\(\d+)-grams:")
IMPOSSIBLE = -90.0
"""log10 P from which on a file means zero: it writes -99."""


@dataclass(frozen=True)
class Table:
    """The content of a file, in natural logarithms.

    Attributes:
        words: (V,) without ``<s>``, which is never predicted.
        order: n.
        following: context → tokens, and log P of each behind it.
        backoff: context → what is left to shorter ones.
    """

    words: tuple[str, ...]
    order: int
    following: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]
    backoff: dict[tuple[str, ...], float]

    @property
    def characters(self) -> bool:
        own = {*self.words} - {LINE_END, UNKNOWN, SPACE}
        return all(len(word) == 1 for word in own)


def read_arpa(path: Path) -> Table:
    """An ARPA file, which may be compressed with gzip.

    Raises:
        TextgenError: it is none, or a damaged one.
    """
    rows: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    backoff: dict[tuple[str, ...], float] = {}
    number = order = 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
            for line in file:
                number += 1
                if found := ORDER.match(line):
                    order = int(found[1])
                elif order and (cells := line.rstrip("\n").split("\t"))[1:]:
                    *context, word = cells[1].split(" ")
                    if len(context) + 1 != order:
                        raise ValueError(f"{cells[1]!r} among those of {order}")
                    rows.setdefault(tuple(context), []).append((word, _number(cells[0])))
                    if cells[2:]:
                        backoff[*context, word] = _number(cells[2]) * math.log(10)
        if () not in rows:
            raise ValueError("no \\1-grams:")
    except UNREADABLE as error:
        raise TextgenError(
            f"{path}, line {number}", found=f"no n-grams that can be read ({error})",
            expected="an ARPA file: log10 P, tab, words, tab, log10 of the backoff weight",
        ) from None  # fmt: skip
    words = tuple(word for word, _ in rows[()] if word != BEGIN)
    index = {word: i for i, word in enumerate(words)}
    following = {
        context: (
            np.array([index[w] for w, _ in each if w in index], dtype=np.int64),
            np.array([_natural(p) for w, p in each if w in index]),
        )
        for context, each in rows.items()
    }
    return Table(words, order, following, backoff)


def _number(cell: str) -> float:
    """Raises:
    ValueError: it is none, or no logarithm of anything.
    """
    if not (found := float(cell)) < math.inf:
        raise ValueError(f"{cell!r} as a logarithm")
    return found


def _natural(log10: float) -> float:
    return -math.inf if log10 <= IMPOSSIBLE else log10 * math.log(10)


class ArpaModel:
    """A model of a file: P(w | h) = what the file has of h w, or else the backoff weight of h times
    P(w | h without its first word)."""

    end: int | None = None
    tolerance = 1e-4  # the file holds seven digits

    def __init__(self, table: Table) -> None:
        self._table = table
        self._index = {word: i for i, word in enumerate(table.words)}
        self.unknown = self._index.get(UNKNOWN)
        self._joint = "" if table.characters else " "

    def start(self) -> None:
        self._context = [BEGIN]

    def append(self, token: int) -> None:
        word = self._table.words[token]
        self._context = [BEGIN] if word == LINE_END else [*self._context, word]

    def next_log_probabilities(self) -> np.ndarray:
        table, found = self._table, np.full(len(self._table.words), -math.inf)
        for length in range(min(table.order - 1, len(self._context)) + 1):
            context = tuple(self._context[len(self._context) - length :])
            found = found + table.backoff.get(context, 0.0) * bool(length)
            tokens, logs = table.following.get(context, ((), ()))
            found[np.asarray(tokens, dtype=np.int64)] = logs
        return found

    def encode(self, text: str) -> list[int]:
        """As in :class:`textgen.auditing.Model`.

        Raises:
            ValueError: a word that the file does not have, and no ``<unk>``.
        """
        lines = text.split("\n")
        tokens = list[int]()
        for number, line in enumerate(lines):
            words = list(line) if self._table.characters else line.split(" ") if line else []
            tokens += [self._number(SPACE if word == " " else word) for word in words]
            if number + 1 < len(lines):
                tokens.append(self._number(LINE_END))
        return tokens

    def _number(self, word: str) -> int:
        found = self._index.get(word, self.unknown)
        if found is None:
            raise ValueError(f"{word!r} has no entry in the file, nor has <unk>")
        return found

    def decode(self, tokens: Sequence[int]) -> str:
        text, fresh = "", True
        for token in tokens:
            word = self._table.words[token]
            if word == LINE_END:
                text, fresh = text + "\n", True
                continue
            text += ("" if fresh else self._joint) + (" " if word == SPACE else word)
            fresh = False
        return text
