"""Which level has won so far, in the same language, else on texts with about as many unknown words?

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
        where: how they are like the user's.
        texts: which those were.
        leads: of their trainings; above 0 words were ahead.
    """

    where: str
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
            f"expected: {outcome}. {self.where}, in about as much time, words were ahead of "
            f"characters in {ahead} of {len(self.leads)} trainings of larger networks, by "
            f"{min(self.leads):.0f} to {max(self.leads):.0f} % of the bits "
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
    trainings = [
        training
        for training in json.loads(file.read_text(encoding="utf-8"))
        if 1 / NEAR_SECONDS <= training["seconds"] / seconds <= NEAR_SECONDS
    ]
    language = corpus.language
    near, where = [t for t in trainings if t["language"] == language.code], f"In {language.name}"
    if len(near) < FEWEST_TRAININGS:
        unknown = unknown_words((d.text for d in corpus.sample), (d.text for d in corpus.test))
        near = [t for t in trainings if abs(t["unknown"] - unknown) < NEAR_SHARE]
        where = f"Where about as many words were unknown ({unknown:.1%} here)"
    texts = sorted({training["text"] for training in near})
    leads = [training["lead"] for training in near]
    return Expected(where, texts, leads) if len(leads) >= FEWEST_TRAININGS else None
