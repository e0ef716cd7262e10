"""Words: pieces that keep their leading space, and a policy for those that are rare.

A piece is a word as Unicode cuts them, with its marks and apostrophes, a number, a run of one
punctuation mark, a run of line ends, or any other character; a single space before it belongs to
it. Joined together the pieces are the text. A text is scored on one canonical sequence of tokens (a
known word is never spelled), so the bits are an upper bound.

Languages written without spaces need a segmenter; without one their words are single characters.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from textgen.core import Count, TextgenError
from textgen.tokenizers.words.pieces import pretokenize
from textgen.tokenizers.words.rare_words.base import (
    PolicyTrainingData,
    RareWord,
    RareWordPolicy,
)
from textgen.tokenizers.words.segmenters.base import Segmenter
from textgen.tokenizers.words.tokenizer import WordTokenizer
from textgen.tokenizers.words.vocabulary import Vocabulary


@dataclass(frozen=True)
class Words:
    """The word tokenizer.

    Args:
        rare_words: the policy for words outside the vocabulary.
        minimum_count: a word belongs to the vocabulary if it occurs at least so often in the
            training split. With 1 every word does; half of those that occur once are then shown to
            the network as rare ones all the same, which otherwise it would never see.
        size: in place of a minimum count, the number of words, the most frequent ones.
        segmenter: cuts words of scripts without spaces between them, Japanese or Thai; without one
            Unicode's rules cut between any two characters.

    Raises:
        ValueError: both a size and a minimum count other than its default.
    """

    rare_words: RareWordPolicy
    minimum_count: Count = 2
    size: Count | None = None
    segmenter: Segmenter | None = None
    language: str = field(default="en", init=False, repr=False, compare=False)
    """Of the text, as :meth:`in_language` was told."""

    def __post_init__(self) -> None:
        if self.size is not None and self.minimum_count != 2:
            raise ValueError("size and minimum_count both given: one of them decides")

    def in_language(self, language: str) -> Words:
        """The settings for texts in a language: the tagger that the policy takes, if it takes one.

        Args:
            language: a code of ISO 639.

        Raises:
            TextgenError: there is no such tagger.
        """
        choose = getattr(self.rare_words, "in_language", None)
        made = replace(self, rare_words=choose(language) if choose else self.rare_words)
        object.__setattr__(made, "language", language)
        return made

    def fit(
        self, texts: Sequence[str], tuning: Sequence[str] = (), seed: int = 0, alphabet: str = ""
    ) -> WordTokenizer:
        """The fitted tokenizer; arguments as in :class:`textgen.tokenizers.base.TokenizerConfig`.

        Raises:
            TextgenError: no word occurs often enough.
        """
        once: dict[str, str] = {}  # one string for each type, not for each piece
        documents = [
            [once.setdefault(t, t) for t in pretokenize(text, self.segmenter)] for text in texts
        ]
        vocabulary = self._vocabulary(documents, set(alphabet).union(*texts))
        withheld = self._withheld(vocabulary)
        others = [pretokenize(text, self.segmenter) for text in tuning]
        data = PolicyTrainingData(
            documents=documents,
            rare=[_rare(pieces, vocabulary, withheld) for pieces in documents],
            tuning=others,
            tuning_rare=[_rare(pieces, vocabulary) for pieces in others],
            vocabulary=vocabulary,
            pooled=not withheld,
            seed=seed,
        )
        policy = self.rare_words.fit(data)
        fitted = WordTokenizer(vocabulary, policy, withheld, 1.0, self.segmenter, self.language)
        tokens = sum(len(fitted.encode_pieces(p, withheld).tokens) for p in documents[:50])
        characters = sum(len(text) for text in texts[:50])
        return replace(fitted, average=max(characters, 1) / max(tokens, 1))

    def _vocabulary(self, documents: list[list[str]], characters: Set[str]) -> Vocabulary:
        counts: Counter[str] = Counter()
        for pieces in documents:
            counts.update(pieces)
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if self.size is not None:
            ranked = ranked[: self.size]
        else:
            ranked = [pair for pair in ranked if pair[1] >= self.minimum_count]
        if not ranked:
            raise TextgenError(
                "tokenizer.minimum_count",
                found=f"{self.minimum_count}, and no word of the training split occurs so often",
                expected="a vocabulary of at least one word",
                hint="lower it, or use more text",
            )
        return Vocabulary(
            tuple(word for word, _ in ranked),
            tuple(count for _, count in ranked),
            "".join(sorted(characters)),
        )

    def _withheld(self, vocabulary: Vocabulary) -> frozenset[str]:
        """Half of the words that occur once, where the vocabulary holds all words."""
        if self.size is not None or self.minimum_count > 1:
            return frozenset()
        return frozenset(
            word
            for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)
            if count == 1 and zlib.crc32(word.encode("utf-8", "surrogatepass")) % 2
        )

    def load(self, state: dict[str, Any]) -> WordTokenizer:
        """The fitted tokenizer from its ``state()``."""
        vocabulary = Vocabulary(tuple(state["words"]), tuple(state["counts"]), state["characters"])
        policy = self.rare_words.load(state["rare_words"], vocabulary)
        return WordTokenizer(
            vocabulary,
            policy,
            self._withheld(vocabulary),
            state["characters_per_token"],
            self.segmenter,
            state["language"],
        )


def _rare(
    pieces: Sequence[str], vocabulary: Vocabulary, withheld: frozenset[str] = frozenset()
) -> list[RareWord]:
    return [
        RareWord(piece, place)
        for place, piece in enumerate(pieces)
        if piece in withheld or vocabulary.parts(piece) is None
    ]
