"""A rare word becomes the known word that is most like it.

The stand-in is an ordinary word of the text, so every occurrence of a word that can stand in has to
say whether it does, and for which word: P(v | h) · P(substituted | v) · P(w | v), while a literal v
is charged 1 − P(substituted | v). Behind a case modifier a word never stands in.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.settings import Count
from textgen.tokenizers.tokens import Chance, Steps, StepsOf, Word
from textgen.tokenizers.words.pieces import (
    CAPITAL,
    FIRST_OWN,
    JOIN,
    UPPER,
    Vocabulary,
    only_letters,
)
from textgen.tokenizers.words.rare_words.base import (
    EncodedWords,
    FillCallback,
    FittedPolicy,
    Guess,
    Placeholder,
    PolicyTrainingData,
    RareWord,
    fit_rare_speller,
    known_form,
    load_speller,
    word_vectors,
)
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.tagging import describe_tagger, model_for, tag_documents

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
EXCESSES = (0.5, 1.0, 1.5, 2.0, 3.0)
BLOCK = 1000
"""Rare words compared with all known ones at once."""


@dataclass(frozen=True)
class Neighbour:
    """The nearest word of the vocabulary by cosine of gensim vectors.

    Args:
        same_tag: only a word whose usual part of speech is that of the rare word.
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
        model: the spaCy package for ``same_tag``, or ``"auto"``.
    """

    same_tag: bool = False
    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5
    model: str = "auto"

    def in_language(self, language: str) -> Neighbour:
        """With the tagger of a language, if it takes one and none is named.

        Raises:
            TextgenError: it is not installed.
        """
        tagged = self.same_tag and self.model == "auto"
        return replace(self, model=model_for(language)) if tagged else self

    def fit(self, data: PolicyTrainingData) -> Substituted:
        """Choose stand-ins by the training split, and how often they stand in by validation.

        Raises:
            TextgenError: no word of the vocabulary can stand in.
        """
        stand_ins = self._stand_ins(data)
        guess = Guess(stand_ins)
        speller = fit_rare_speller(data, lambda pieces, rare: [guess(word.core) for word in rare])
        strength, excess = _tune(data, guess, Rates(data.vocabulary, speller))
        extra = (describe_tagger(self.model),) if self.same_tag else ()
        return Substituted(data.vocabulary, speller, stand_ins, strength, excess, extra)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Substituted:
        """The fitted policy from its ``state()``."""
        return Substituted(
            vocabulary, **{**state, "speller": load_speller(state["speller"], vocabulary)}
        )

    def _stand_ins(self, data: PolicyTrainingData) -> dict[str, str]:
        """The known word for each rare word of the training split."""
        rare = sorted({word.core for each in data.rare for word in each})
        known = [w for w in candidates(data.vocabulary) if only_letters(w)]
        withheld = frozenset() if data.pooled else frozenset(rare)
        known = [word for word in known if word not in withheld]
        if not known:
            raise TextgenError(
                "tokenizer.minimum_count",
                found="a vocabulary without a single word of letters",
                expected="known words that can stand in for rare ones",
                hint="lower it, or use another policy or more text",
            )
        if not rare:
            return {known[0]: known[0]}
        learnt = word_vectors(data, self.vectors, self.size, self.epochs)
        known = [w for w in known if w in learnt.key_to_index]
        tags = _usual_tags(data, self.model) if self.same_tag else {}
        targets = _directions(learnt, known)
        kinds = np.array([tags.get(word, "") for word in known])
        result = {}
        for start in range(0, len(rare), BLOCK):
            block = rare[start : start + BLOCK]
            likeness = _directions(learnt, block) @ targets.T
            for word, row in zip(block, likeness, strict=True):
                same = kinds == tags.get(word, "")
                allowed = np.where(same, row, -2.0) if same.any() else row
                result[word] = known[int(allowed.argmax())]
        return result


def candidates(vocabulary: Vocabulary) -> list[str]:
    """The words that may stand in: those known behind a space, without it."""
    return [word[1:] for word in vocabulary.words if word[:1] == " " and word != " "]


def _directions(learnt: Any, words: Sequence[str]) -> np.ndarray:
    matrix = np.stack([learnt[word] for word in words])
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)


def _usual_tags(data: PolicyTrainingData, model: str) -> dict[str, str]:
    """The most frequent tag of every training word."""
    counts: dict[str, Counter[str]] = {}
    tagged = tag_documents(data.documents, model)
    for pieces, tags in zip(data.documents, tagged, strict=True):
        for piece, tag in zip(pieces, tags, strict=True):
            counts.setdefault(known_form(piece, data.vocabulary), Counter())[tag] += 1
    return {word: min(c, key=lambda tag: (-c[tag], tag)) for word, c in counts.items()}


class Rates:
    """P(substituted | v): a word's own rate in training, drawn towards the overall one, times the
    excess of new text over training text.

    Args:
        vocabulary: the words and how often each was itself.
        speller: its examples tell how often each stood in.
    """

    def __init__(self, vocabulary: Vocabulary, speller: Speller) -> None:
        self._vocabulary = vocabulary
        self._substituted = {name: sum(w.values()) for name, w in speller.examples.items()}
        total = sum(self._substituted.values())
        self._overall = (total + 1) / (sum(vocabulary.counts) + total + 2)

    def __call__(self, word: str, strength: float, excess: float) -> float:
        literal = self._vocabulary.counts[self._vocabulary.index[" " + word]]
        substituted = self._substituted.get(word, 0)
        own = (substituted + strength * self._overall) / (literal + substituted + strength)
        return min(excess * own, 0.99)


def _tune(data: PolicyTrainingData, guess: Guess, rates: Rates) -> tuple[float, float]:
    """Strength and excess of the rates by the likelihood of the validation split."""
    vocabulary = data.vocabulary
    able = set(candidates(vocabulary))
    literal: Counter[str] = Counter()
    substituted: Counter[str] = Counter()
    for pieces, rare in zip(data.tuning, data.tuning_rare, strict=True):
        substituted.update(guess(word.core) for word in rare)
        for piece in pieces:
            if (parts := vocabulary.parts(piece)) is not None:
                word = vocabulary.words[parts[1]].removeprefix(" ")
                literal[word] += vocabulary.words[parts[1]] == " " + word

    def cost(setting: tuple[float, float]) -> float:
        bits = 0.0
        for word in able & (literal.keys() | substituted.keys()):
            p = rates(word, *setting)
            bits -= literal[word] * math.log2(1 - p) + substituted[word] * math.log2(p)
        return bits

    return min(itertools.product(STRENGTHS, EXCESSES), key=cost)


class Substituted(FittedPolicy):
    """Known words stand in for rare ones.

    Args:
        vocabulary: the known words.
        speller: P(rare word | stand-in), its classes named after the stand-ins.
        stand_ins: the stand-in of each rare training word.
        strength, excess: of the :class:`Rates`.
        extra_data: where the tags came from, if any were used.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        speller: Speller,
        stand_ins: dict[str, str],
        strength: float,
        excess: float,
        extra_data: Sequence[str] = (),
    ) -> None:
        self.speller, self.stand_ins, self.extra_data = speller, stand_ins, tuple(extra_data)
        self.strength, self.excess = strength, excess
        self._guess, rates = Guess(stand_ins), Rates(vocabulary, speller)
        words = candidates(vocabulary)
        self._tokens = {word: FIRST_OWN + vocabulary.index[" " + word] for word in words}
        self._able = {token: word for word, token in self._tokens.items()}
        self._chances = {word: rates(word, strength, excess) for word in words}

    def encode(self, items: Sequence[int | RareWord], pieces: Sequence[str]) -> EncodedWords:
        coded, cased = EncodedWords(), False
        for number, item in enumerate(items):
            if isinstance(item, RareWord):
                coded.replaced += 1
                coded.add(number, *item.joining, self._tokens[self._guess(item.core)])
                coded.add_surface(item.core)
                continue
            coded.add(number, item)
            if item in self._able and not cased:
                coded.add_surface(self._able[item])
            cased = item in (CAPITAL, UPPER)
        return coded

    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        joined = cased = False
        for place, token in enumerate(tokens):
            literal = None if cased else self._able.get(token)
            word = literal if literal is None else fill(token, place)
            if word is None or word == literal:
                yield token
            else:
                yield Placeholder(word, not joined, literal or "")
            cased = token in (CAPITAL, UPPER)
            joined = token == JOIN

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        cased = len(tokens) > 1 and tokens[-2] in (CAPITAL, UPPER)
        literal = self._able.get(tokens[-1]) if len(tokens) and not cased else None
        return None if literal is None else partial(self._chosen, literal)

    def _chosen(self, literal: str, known: str | None) -> Steps:
        if not (yield Chance(self._chances[literal], None if known is None else known != literal)):
            return literal
        return (yield Word(self.speller, literal, known, literal))

    def state(self) -> dict[str, Any]:
        return {
            "speller": self.speller.state(),
            "stand_ins": self.stand_ins,
            "strength": self.strength,
            "excess": self.excess,
            "extra_data": list(self.extra_data),
        }
