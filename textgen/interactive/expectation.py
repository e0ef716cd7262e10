"""What a model expects next, in characters and words, so that models of different tokens can be
compared."""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from textgen.evaluation import MemoryState
from textgen.interactive.reader import ROWS, Place, Reader

LAST_WORD = re.compile(r"(?:\s?\w+|\s+|\s?[^\w\s]+)\Z")
"""What a token that is not yet complete may reach back to."""
NEXT_WORD = re.compile(r"\W*[\w'’]+")
DEPTH = 24
"""Tokens that a search goes on for."""
SMALLEST = 1e-9
"""Probability below which it does not matter what a token's text is."""
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
    place, lacking = _cut(reader, text, memory)
    found = _Found(reader, reader.tokenizer.placeholder_texts(text, memory))
    level = found.expand(place.chances, _Node(0, -1, 1.0, lacking, "", place.counts))
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


def _cut(reader: Reader, text: str, memory: bool) -> tuple[Place, str]:
    """The place before the last, perhaps unfinished, word of a text, and that word."""
    tokens = reader.tokens(text)
    if max(len(each) for each in reader.texts if each) == 1:
        return reader.read(tokens, memory), ""
    last = LAST_WORD.search(text)
    ends = reader.tokenizer.layout(text).ends
    before = last.start() if last else len(text)
    kept = int(np.searchsorted(ends, before, side="right"))
    start = int(ends[kept - 1]) if kept else 0
    return reader.read(tuple(reader.tokenizer.encode(text[:start]).tokens.tolist()), memory), text[
        start:
    ]


class _Found:
    """What has been found so far."""

    def __init__(self, reader: Reader, following: Callable[[int, str], dict[str, float]]) -> None:
        self._reader, self._following = reader, following
        self.characters = defaultdict[str, float](float)
        self.words = defaultdict[str, float](float)
        self.open_characters = self.open_words = 0.0

    def expand(self, chances: np.ndarray, node: _Node) -> list[_Node]:
        """Count what a node's next token decides, and return the continuations it does not."""
        if node.lacking:
            candidates = self._beginning(chances, node)
        else:
            if not node.beyond:
                self._count_characters(chances, node.mass)
            best = np.argpartition(-chances, min(BREADTH, len(chances) - 1))[:BREADTH]
            candidates = [
                (int(token), self._reader.texts[token] or "", float(chances[token]))
                for token in best
                if self._reader.texts[token]
            ]
            known = sum(chance for _, _, chance in candidates)
            self.open_words += node.mass * max(0.0, 1 - known)
        children = list[_Node]()

        def child(token: int, mass: float, lacking: str, beyond: str) -> None:
            counts = node.counts and node.counts.beyond(token)
            children.append(_Node(node.row, token, mass, lacking, beyond, counts))

        for token, text, chance in candidates:
            mass = node.mass * chance
            if len(text) < len(node.lacking) or text == node.lacking:
                child(token, mass, node.lacking[len(text) :], "")
                continue
            beyond = node.beyond + text[len(node.lacking) :]
            if node.lacking:
                self.characters[beyond[0]] += mass
            word = NEXT_WORD.match(beyond)
            if word and (word.end() < len(beyond) or self._reader.whole_words):
                self.words[word.group()] += mass
            else:
                child(token, mass, "", beyond)
        return children

    def _beginning(self, chances: np.ndarray, node: _Node) -> list[tuple[int, str, float]]:
        """The tokens that agree with what is lacking; all others are impossible, but for those
        whose text is open, which are counted."""
        texts, tokens = self._reader.by_text
        for token in self._reader.open_tokens:
            self._placeholder(token, node.mass * float(chances[token]), node.lacking)
        low = bisect.bisect_left(texts, node.lacking)
        found = list[tuple[int, str, float]]()
        while low < len(texts) and texts[low].startswith(node.lacking):
            found.append((tokens[low], texts[low], float(chances[tokens[low]])))
            low += 1
        for end in range(1, len(node.lacking)):
            part = node.lacking[:end]
            at = bisect.bisect_left(texts, part)
            while at < len(texts) and texts[at] == part:
                found.append((tokens[at], part, float(chances[tokens[at]])))
                at += 1
        return found

    def _count_characters(self, chances: np.ndarray, mass: float) -> None:
        starts, numbers = self._reader.first_characters
        sums = np.bincount(numbers, weights=chances, minlength=len(starts) + 1)
        for character, share in zip(starts, sums, strict=False):
            self.characters[character] += mass * float(share)
        for token in self._reader.open_tokens:
            self._placeholder(token, mass * float(chances[token]), "", words=False)

    def _placeholder(self, token: int, mass: float, lacking: str, words: bool = True) -> None:
        """Count a token whose text is open: what its text may be if it is a placeholder, which
        shrinks with every character that it has to agree with."""
        for end in range(len(lacking)):
            if mass < SMALLEST:
                break
            following = self._following(token, lacking[:end])
            mass *= following.get(lacking[end], 0.0) if following else 1.0
        self.open_words += mass * words
        following = self._following(token, lacking) if mass >= SMALLEST else {}
        for character, share in following.items():
            if len(character) == 1 and character != "\ufffd":
                self.characters[character] += mass * share
        told = sum(p for c, p in following.items() if len(c) == 1 and c != "\ufffd")
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
