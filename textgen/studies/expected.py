"""Which level has won so far, on texts with about as many unknown words and for about as long?

``experiments/map.json`` has every training of the map that ``experiments/map.py`` made: texts of
several sizes and languages, each in folds. Its networks are those of ``char.toml`` and the like,
larger than those of ``textgen try``.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from textgen.core.experiment import EXPERIMENT_FOLDERS
from textgen.data.loading import Corpus
from textgen.report import sentences
from textgen.report.schema import ContrastRow
from textgen.tokenizers.pieces import unknown_words

# What still counts as alike: shares of unknown words that differ by so much, and budgets by this
# factor. Fewer trainings than the last do not show how sure it is.
NEAR_SHARE, NEAR_SECONDS, FEWEST_TRAININGS = 0.05, 3.0, 5
# A level is expected to win that was ahead in this share of them.
SURE = 0.9


class Expected(NamedTuple):
    """How far words were ahead of characters on other texts, in per cent of the characters' bits.

    Attributes:
        unknown: the share of words of the user's test text that its training text has not.
        texts: which those were.
        leads: of their trainings; above 0 words were ahead.
    """

    unknown: float
    texts: list[str]
    leads: list[float]

    @property
    def winner(self) -> str:
        """The level that was ahead in nine of ten trainings or more, or ``""``."""
        ahead = sum(lead > 0 for lead in self.leads) / len(self.leads)
        return "words" if ahead >= SURE else "characters" if 1 - ahead >= SURE else ""

    def __str__(self) -> str:
        ahead = sum(lead > 0 for lead in self.leads)
        outcome = f"{self.winner} to win" if self.winner else "a close race"
        return (
            f"expected: {outcome}. Where about as many words were unknown ({self.unknown:.1%} "
            f"here), in about as much time, words were ahead of characters in {ahead} of "
            f"{len(self.leads)} trainings of larger networks, by {min(self.leads):.0f} to "
            f"{max(self.leads):.0f} % of the bits "
            f"({', '.join(self.texts)})"
        )

    def compared_with(self, found: ContrastRow) -> str:
        """What to say when words (first) and characters are compared."""
        better = sentences.winner(found) or ""
        level = "equal" if found.verdict == "equal" else "too close to call"
        outcome = f"words and characters are {level}"
        if better:
            outcome = f"{better} win by {100 * found.share:.1f} % of the bits"
        if better == self.winner:
            return f"as expected, {outcome}"
        return f"{'contrary to expectation, ' if self.winner else ''}{outcome}"


def expect(corpus: Corpus, seconds: float) -> Expected | None:
    """What the map says of a text divided like this, for trainings of so many seconds; None where
    it has too few like it."""
    file = next(f for folder in EXPERIMENT_FOLDERS if (f := folder / "map.json").exists())
    unknown = unknown_words((d.text for d in corpus.sample), (d.text for d in corpus.test))
    near = [
        training
        for training in json.loads(file.read_text(encoding="utf-8"))
        if abs(training["unknown"] - unknown) < NEAR_SHARE
        and 1 / NEAR_SECONDS <= training["seconds"] / seconds <= NEAR_SECONDS
    ]
    texts = sorted({training["text"] for training in near})
    leads = [training["lead"] for training in near]
    return Expected(unknown, texts, leads) if len(leads) >= FEWEST_TRAININGS else None
