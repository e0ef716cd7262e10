"""Are words real, are they rare, and does the model write real words that it never saw?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table
from textgen.evaluation.metrics.real_words import is_real


@dataclass(frozen=True)
class KnownWords:
    """Shares of words by whether the training text and the English language have them.

    English is the frequency list of wordfreq (Speer 2022, zenodo.org/records/7199437), under the
    rule of ``real_words.is_real``. The article asks for the last of these:
    would the network ever write a word like "pandemonium"?

    Does not handle: languages other than English, beyond what the training text holds.
    """

    labels: ClassVar[dict[str, Label]] = {
        "real_words": Label(
            "in the training text, or a word of English", "of words", ".1%", "human"
        ),
        "words_in_training": Label("in the training text", "of words", ".1%", "human"),
        "words_once_in_training": Label("once in the training text", "of words", ".1%", "human"),
        "unseen_words": Label("not in the training text", "of words", ".1%", "human"),
        "unseen_real_words": Label(
            "not in the training text, but a word of English", "of words", ".2%", "human"
        ),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        training = human.counts
        rows = []
        for sample in samples:
            once = unseen = new = 0
            for word, n in sample.counts.items():
                seen = training.get(word, 0)
                if seen == 1:
                    once += n
                elif not seen:
                    unseen += n
                    new += n * is_real(word, training.keys())
            rows.append([len(sample.words), once, unseen, new])
        return table(rows, 4)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        words, once, unseen, new = np.moveaxis(total, -1, 0)
        return {
            "real_words": ratio(words - unseen + new, words),
            "words_in_training": ratio(words - unseen, words),
            "words_once_in_training": ratio(once, words),
            "unseen_words": ratio(unseen, words),
            "unseen_real_words": ratio(new, words),
        }
