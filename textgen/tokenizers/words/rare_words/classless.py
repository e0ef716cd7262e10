"""Policies without a token for a class of rare words: a known word, nothing or their characters
stand in their place."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, Self

from textgen.core.errors import TextgenError
from textgen.core.settings import Count
from textgen.tokenizers.base import Span
from textgen.tokenizers.tokens import ESCAPE, Chance, Steps, StepsOf, Word, unseen_character
from textgen.tokenizers.words.filling import WordWriter
from textgen.tokenizers.words.pieces import (
    CAPITAL,
    FIRST_OWN,
    UPPER,
    Vocabulary,
    only_letters,
    split_space,
)
from textgen.tokenizers.words.rare_words.classes import (
    UNK,
    ClassPolicy,
    Guess,
    Hidden,
    Pieces,
    PolicyTrainingData,
    RareWord,
    Unk,
    directions,
    word_vectors,
)

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
EXCESSES = (0.5, 1.0, 1.5, 2.0, 3.0)
BLOCK = 1000  # rare words compared with all known ones at once


@dataclass(frozen=True)
class Neighbour(ClassPolicy):
    """The nearest word of the vocabulary, by cosine of gensim vectors, stands in for a rare one.

    It is an ordinary word of the text, so every occurrence of a word that can stand in has to say
    whether it does, and for which word: P(v | h) · P(substituted | v) · P(w | v), while a literal v
    is charged 1 − P(substituted | v). Behind a case modifier a word never stands in.

    Args:
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
    """

    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5
    names = ()

    @cached_property
    def classes(self) -> Sequence[str]:
        return list(self.learnt["chances"])

    @cached_property
    def _guess(self) -> Guess:
        return Guess(self.learnt["stand_ins"])

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]

    def token_of(self, name: str) -> int:
        return FIRST_OWN + self.vocabulary.index[" " + name]

    @cached_property
    def _stand_ins_of_tokens(self) -> dict[int, str]:
        return {self.token_of(name): name for name in self.classes}

    def _literal(self, tokens: Sequence[int]) -> str | None:
        """The word of the last token, if that may stand in for another one."""
        cased = len(tokens) > 1 and tokens[-2] in (CAPITAL, UPPER)
        return None if cased or not len(tokens) else self._stand_ins_of_tokens.get(tokens[-1])

    def encode_known(self, tokens: list[int]) -> list[Hidden]:
        return [*((token, None) for token in tokens[:-1]), (tokens[-1], self._literal(tokens))]

    def write(self, writer: WordWriter, token: int | None, surface: str | None) -> None:
        assert token is not None
        literal = self._stand_ins_of_tokens.get(token)
        if surface is None or surface == literal:
            writer.add_token(token)
        else:
            writer.add_filled(surface, literal or "")

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        literal = self._literal(tokens)
        return None if literal is None else partial(self._chosen, literal)

    def _chosen(self, literal: str, known: str | None) -> Steps:
        chance = self.learnt["chances"][literal]
        if not (yield Chance(chance, None if known is None else known != literal)):
            return literal
        return (yield Word(self.speller, literal, known, literal))

    def portable(self) -> dict[str, Any]:
        raise ValueError("rare words behind known ones, which only Python has")

    def learn(self, data: PolicyTrainingData) -> dict[str, dict[str, Any]]:
        """``stand_ins``: the known word for each rare word of the training split; ``chances``:
        P(substituted | v) of every word v that may stand in, tuned on validation.

        Raises:
            TextgenError: no word of the vocabulary can stand in.
        """
        stand_ins = self._stand_ins(data)
        return {"stand_ins": stand_ins, "chances": _chances(data, Guess(stand_ins))}

    def _stand_ins(self, data: PolicyTrainingData) -> dict[str, str]:
        rare = sorted({word.core for words in data.rare for word in words})
        known = [word for word in _candidates(data.vocabulary) if only_letters(word)]
        if not data.pooled:
            known = [word for word in known if word not in set(rare)]
        if not known:
            raise TextgenError(
                "tokenizer.rare_words: no known word of letters can stand in for a rare one",
                hint="lower tokenizer.minimum_count, or use another policy or more text",
            )
        if not rare:
            return {known[0]: known[0]}
        vectors = word_vectors(data, self.vectors, self.size, self.epochs)
        known = [word for word in known if word in vectors.key_to_index]
        targets, result = directions(vectors, known), dict[str, str]()
        for start in range(0, len(rare), BLOCK):
            block = rare[start : start + BLOCK]
            nearest = (directions(vectors, block) @ targets.T).argmax(axis=1)
            result |= {word: known[i] for word, i in zip(block, nearest.tolist(), strict=True)}
        return result


def _candidates(vocabulary: Vocabulary) -> list[str]:
    """The words that may stand in: those known behind a space, without it."""
    return [word[1:] for word in vocabulary.words if word[:1] == " " and word != " "]


def _chances(data: PolicyTrainingData, guess: Guess) -> dict[str, float]:
    """P(substituted | v): a word's own rate in training, drawn towards the overall one as by
    ``strength`` occurrences, times the ``excess`` of new text over training text. Both are chosen
    by the likelihood of the validation split."""
    vocabulary = data.vocabulary
    stood_in = Counter(guess(word.core) for words in data.rare for word in words)
    overall = (stood_in.total() + 1) / (sum(vocabulary.counts) + stood_in.total() + 2)
    substituted = Counter(guess(word.core) for words in data.tuning_rare for word in words)
    literal: Counter[str] = Counter()
    for parts in map(vocabulary.parts, itertools.chain.from_iterable(data.tuning)):
        if parts is not None and vocabulary.words[parts[1]][:1] == " ":
            literal[vocabulary.words[parts[1]][1:]] += 1
    words = _candidates(vocabulary)

    def chance(word: str, strength: float, excess: float) -> float:
        counts = vocabulary.counts[vocabulary.index[" " + word]], stood_in[word]
        own = (counts[1] + strength * overall) / (sum(counts) + strength)
        return min(excess * own, 0.99)

    def cost(setting: tuple[float, float]) -> float:
        bits = 0.0
        for word in words:
            if literal[word] or substituted[word]:
                p = chance(word, *setting)
                bits -= literal[word] * math.log2(1 - p) + substituted[word] * math.log2(p)
        return bits

    best = min(itertools.product(STRENGTHS, EXCESSES), key=cost)
    return {word: chance(word, *best) for word in words}


class Gap(str):
    """The words missing in a gap as one text, which knows how they were cut: a segmenter cuts them
    otherwise where they stand alone."""

    pieces: tuple[str, ...]

    def __new__(cls, pieces: Sequence[str]) -> Gap:
        gap = super().__new__(cls, "".join(pieces))
        gap.pieces = tuple(pieces)
        return gap


@dataclass(frozen=True)
class Drop(ClassPolicy):
    """Leave rare words out, as the article's author considered.

    What is removed has to be described separately, or the text is not: how many words are missing
    in each gap between two tokens, k with P(k) = (1 − q) q^k, whether a space stood before each,
    and their spelling.

    Args:
        charged: charge for what is left out. Without it, as when people compare perplexities of
            texts they have filtered, there is no distribution over the text and no figure is
            printed.
    """

    charged: bool = True  # type: ignore[misc]  # a setting here
    gaps = True
    classes = (UNK,)
    names = ()
    classify = Unk.classify

    def learn(self, data: PolicyTrainingData) -> dict[str, float]:
        """q, and the probability of a space before a missing word, counted on validation."""
        missing = sum(map(len, data.tuning_rare))
        spaced = sum(word.piece != word.core for words in data.tuning_rare for word in words)
        gaps = sum(map(len, data.tuning)) - missing + len(data.tuning)
        q, space = (missing + 0.5) / (gaps + missing + 1), (spaced + 0.5) / (missing + 1)
        return {"missing": q, "spaced": space}

    def spans(self, pieces: Pieces, known: Sequence[list[int] | None]) -> Iterator[Span]:
        missing, end = list[str](), 0
        for piece, tokens in zip(pieces, known, strict=True):
            start, end = end, end + len(piece)
            if tokens is None:
                missing.append(piece)
                continue
            for token in tokens:
                stop = end if token == tokens[-1] else start
                yield Span(token, Gap(missing), start, stop)
                missing = []
        yield Span(None, Gap(missing), end, end)

    def write(self, writer: WordWriter, token: int | None, surface: str | None) -> None:
        if surface:
            writer.add_filled(surface, UNK, joined=True)
        if token is not None:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf:
        return self._gap

    def _gap(self, known: str | None) -> Steps:
        """The words that are missing in a gap; what is not charged for is not described."""
        pieces, gap = getattr(known, "pieces", None), ""
        words: Iterable[tuple[bool | None, bool | None, str | None]]
        words = itertools.repeat((None, None, None))
        if pieces is not None:
            cut = map(split_space, pieces)
            words = [*((True, bool(space), core) for space, core in cut), (False, None, None)]
        for more, spaced, core in words if self.charged else ():
            if not (yield Chance(self.learnt["missing"], more)):
                break
            gap += " " * (yield Chance(self.learnt["spaced"], spaced))
            gap += yield Word(self.speller, UNK, core, "")
        return gap

    def portable(self) -> dict[str, Any]:
        raise ValueError("rare words that are left out, which only Python has")


@dataclass(frozen=True)
class Spell(ClassPolicy):
    """Characters of the main model and a token for the end of the word, which comes first. Nothing
    is hidden, so nothing is charged beside the model but characters that were never seen."""

    classes = (UNK,)
    classify = Unk.classify

    def fit(self, data: PolicyTrainingData) -> Self:
        """Without a spelling model."""
        empty = [()] * len(data.rare), [()] * len(data.tuning_rare)
        return super().fit(replace(data, rare=empty[0], tuning_rare=empty[1]))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return ("<end>", *(f"<{letter}>" for letter in self.vocabulary.characters))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {c: FIRST_OWN + 1 + i for i, c in enumerate(self.vocabulary.characters)}

    def encode(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[list[Hidden]]:
        for word in rare:
            codes = [(self._codes.get(letter, ESCAPE), letter) for letter in word.core]
            letters = [(code, letter if code == ESCAPE else None) for code, letter in codes]
            yield [*word.joining, *letters, (FIRST_OWN, None)]

    def write(self, writer: WordWriter, token: int | None, surface: str | None) -> None:
        assert token is not None
        if token == FIRST_OWN:
            writer.end_letters()
        elif surface is not None:
            writer.add_letter(surface)
        elif FIRST_OWN < token < self.first_word:
            writer.add_letter(self.vocabulary.characters[token - FIRST_OWN - 1])
        else:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return unseen_character if len(tokens) and tokens[-1] == ESCAPE else None

    def portable(self) -> dict[str, Any]:
        return {"speller": None, "only": None}
