"""All rare words are one token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from textgen.tokenizers.words.rare_words.base import PolicyTrainingData, RareWord
from textgen.tokenizers.words.rare_words.classes import ClassPolicy, FittedClasses

NAME = "unk"


@dataclass(frozen=True)
class Unk(ClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
    """

    recall: bool = True
    classes = (NAME,)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [NAME] * len(rare)

    def fit(self, data: PolicyTrainingData) -> FittedClasses:
        return super().fit(replace(data, pooled=data.pooled and self.recall))
