"""What a model expects next, in characters and words, so that models of different tokens can be
compared."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from textgen.evaluation import MemoryState
from textgen.interactive.reader import ROWS, Reader
from textgen.interactive.texts import BROKEN, TokenTexts
from textgen.interactive.unfinished import Following, beginning

NEXT_WORD = re.compile(r"\W*[\w'’]+")
DEPTH = 24
"""Tokens that a search goes on for."""
RARE = 1e-3
"""Probability below which a modifier is not followed."""
BREADTH = 48
"""Tokens that are looked at after each place."""


@dataclass(frozen=True)
class Expectation:
    """What comes next in a text.

    Attributes:
        characters: (character, P), the most probable first: P(the text goes on with it), summed
            over all tokens that begin so.
        words: (text up to the end of the next word, P), the most probable first. Of a model whose
            tokens are words, P is that of the token.
        open_characters, open_words: the probability that is not told apart: of tokens whose text is
            open (a modifier of the next word, a byte that is no character yet, the end of the text;
            of words also all rare ones), and of what was not searched. What is told is never more
            than this below the truth.
    """

    characters: list[tuple[str, float]]
    open_characters: float
    words: list[tuple[str, float]]
    open_words: float


class _Node(NamedTuple):
    """A continuation: its probability, what of the text's end it has still to spell, and what it
    has written beyond the text."""

    row: int
    token: int
    mass: float
    lacking: str
    beyond: str
    modifiers: tuple[int, ...]
    counts: MemoryState | None


def expect(reader: Reader, text: str, memory: bool = False, words: int = 10) -> Expectation:
    """What a model expects after a text.

    The last word of the text may be unfinished: the model is read up to the word before, and all
    continuations that begin with the rest are searched, level by level, the most probable first.

    Args:
        reader: the model.
        text: the text so far.
        memory: whether the memory of the document counts. Where it does, it is that of the text,
            and does not grow within a word.
        words: how many words are wanted.

    Raises:
        TextgenError: characters that the model has never seen, or a memory that there is not.
    """
    before, lacking = reader.cut(text)
    place = reader.read(before, memory)
    whole = text[: len(text) - len(lacking)]
    found = _Found(reader, reader.tokenizer.placeholder_texts(whole, memory))
    level = found.expand(place.chances, _Node(0, -1, 1.0, lacking, "", (), place.counts))
    carry = place.carry
    for _ in range(DEPTH):
        level = found.worth_it(level, words)
        if not level:
            break
        rows, tokens = [node.row for node in level], [node.token for node in level]
        carry, chances = reader.branch(carry, rows, tokens)
        level = [
            child
            for row, node in enumerate(level)
            for child in found.expand(_mixed(node, chances[row]), node._replace(row=row))
        ]
    found.drop(level)
    return found.result(words)


def _mixed(node: _Node, chances: np.ndarray) -> np.ndarray:
    return chances if node.counts is None else node.counts.mixed(chances)


class _Found:
    """What has been found so far."""

    def __init__(self, reader: Reader, following: Following) -> None:
        self._reader, self._following = reader, following
        self.characters = defaultdict[str, float](float)
        self.words = defaultdict[str, float](float)
        self.open_characters = self.open_words = 0.0

    def expand(self, chances: np.ndarray, node: _Node) -> list[_Node]:
        """Count what a node's next token decides, and return the continuations it does not."""
        table, children = self._reader.table(node.modifiers), list[_Node]()

        def child(token: int, lacking: str, beyond: str, modifiers: tuple[int, ...] = ()) -> None:
            counts = node.counts and node.counts.beyond(token)
            mass = node.mass * float(chances[token])
            children.append(_Node(node.row, token, mass, lacking, beyond, modifiers, counts))

        if not node.beyond:  # and what is lacking comes next, or the next character
            for token in table.open:
                self._open(table, token, node, float(chances[token]))
        for token in table.modifiers:
            after = (*node.modifiers, token)
            mass = node.mass * float(chances[token])
            if not self._reader.may_agree(after, node.lacking):
                continue
            if mass < RARE * node.mass and not node.lacking:
                self.drop([node._replace(mass=mass)])
            else:
                child(token, node.lacking, node.beyond, after)
        if node.lacking:
            candidates = list(table.agreeing(node.lacking))
        else:
            if not node.beyond:
                self._first_characters(table, chances, node.mass)
            best = np.argpartition(-chances, min(BREADTH, len(chances) - 1))[:BREADTH]
            candidates = [(int(token), text) for token in best if (text := table.texts[token])]
            known = sum(float(chances[token]) for token, _ in candidates)
            known += float(chances[table.modifiers].sum())
            self.open_words += node.mass * max(0.0, 1 - known)
        for token, text in candidates:
            if len(text) <= len(node.lacking):
                child(token, node.lacking[len(text) :], "")
                continue
            beyond, mass = node.beyond + text[len(node.lacking) :], node.mass * chances[token]
            if node.lacking:
                self.characters[beyond[0]] += mass
            word = NEXT_WORD.match(beyond)
            if word and (word.end() < len(beyond) or self._reader.tokenizer.whole_words):
                self.words[word.group()] += mass
            else:
                child(token, "", beyond)
        return children

    def _first_characters(self, table: TokenTexts, chances: np.ndarray, mass: float) -> None:
        sums = np.bincount(table.numbers, weights=chances, minlength=len(table.starts) + 1)
        for character, share in zip(table.starts, sums, strict=False):
            self.characters[character] += mass * float(share)

    def _open(self, table: TokenTexts, token: int, node: _Node, chance: float) -> None:
        """Count a token whose text is open: what its text may be if it is a placeholder, which
        shrinks with every character that it has to agree with."""
        lacking, own = node.lacking, (*node.modifiers, token)
        if not table.may_agree(token, lacking):
            return
        following = self._following(own, "")
        mass = node.mass * chance * (beginning(self._following, own, lacking) if following else 1.0)
        if lacking:  # elsewhere all that is no candidate is counted at once
            self.open_words += mass
        told = 0.0
        for character, share in (self._following(own, lacking) if following else {}).items():
            if len(character) == 1 and character != BROKEN:
                self.characters[character] += mass * share
                told += share
        self.open_characters += mass * max(0.0, 1 - told)

    def worth_it(self, level: list[_Node], words: int) -> list[_Node]:
        """The continuations that are looked at: the most probable, until enough words are found
        that no other can be among the first."""
        level = sorted(level, key=lambda node: -node.mass)
        kept, others = level[:ROWS], level[ROWS:]
        ranked = sorted(self.words.values(), reverse=True)[:words]
        spelled = any(not node.beyond for node in kept)
        if not spelled and len(ranked) == words and kept and ranked[-1] >= kept[0].mass:
            self.drop(level)
            return []
        self.drop(others)
        return kept

    def drop(self, nodes: list[_Node]) -> None:
        """Leave these continuations undecided."""
        for node in nodes:
            self.open_words += node.mass
            if not node.beyond:
                self.open_characters += node.mass

    def result(self, words: int) -> Expectation:
        """All, as shares of what agrees with the text."""

        def shares(
            found: Mapping[str, float], left: float
        ) -> tuple[list[tuple[str, float]], float]:
            total = sum(found.values()) + left
            if not total:  # nothing agrees: a character that the model has never seen
                return [], 1.0
            most = sorted(found.items(), key=lambda item: -item[1])
            return [(text, mass / total) for text, mass in most], left / total

        characters, open_characters = shares(self.characters, self.open_characters)
        most, open_words = shares(self.words, self.open_words)
        unseen = sum(share for _, share in most[words:])
        return Expectation(characters, open_characters, most[:words], open_words + unseen)


def as_json(found: Expectation, characters: int = 12) -> dict[str, Any]:
    """An expectation as JSON data, with so many characters."""
    return {
        "characters": found.characters[:characters],
        "open_characters": found.open_characters,
        "words": found.words,
        "open_words": found.open_words,
    }
