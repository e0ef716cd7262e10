"""Which words does a text use: known or new ones?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textgen.data import word_list
from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample
from textgen.evaluation.metrics.real_words import is_real


@dataclass(frozen=True)
class KnownWords(Ratios):
    """Shares of words that occur in the training text, once in it, not in it."""

    labels: ClassVar[dict[str, Label]] = {
        "words_in_training": Label("in the training text", "of words"),
        "words_once_in_training": Label("once in the training text", "of words"),
        "unseen_words": Label("not in the training text", "of words"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        training = human.counts
        for sample in samples:
            once = unseen = 0
            for word, n in sample.counts.items():
                seen = training.get(word, 0)
                once += n * (seen == 1)
                unseen += n * (seen == 0)
            total = len(sample.words)
            yield [(n, total) for n in (total - unseen, once, unseen)]


@dataclass(frozen=True)
class RealWords(Ratios):
    """Shares of words of the language, and of new ones among them.

    A word of the language stands in the training text or in the frequency list of wordfreq (Speer
    2022, zenodo.org/records/7199437), under the rule of ``real_words.is_real``. The last share is
    the article's question: would the network ever write a word like "pandemonium"?

    Applies to some forty languages with a list.
    """

    labels: ClassVar[dict[str, Label]] = {
        "real_words": Label("in the training text, or a word of {language}", "of words"),
        "unseen_real_words": Label(
            "not in the training text, but a word of {language}", "of words", ".2%"
        ),
    }

    def applies(self, language: str) -> bool:
        return word_list(language) is not None

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        training = human.counts
        for sample in samples:
            unseen = new = 0
            for word, n in sample.counts.items():
                if word not in training:
                    unseen += n
                    new += n * is_real(word, training.keys(), human.language)
            total = len(sample.words)
            yield [(total - unseen + new, total), (new, total)]
