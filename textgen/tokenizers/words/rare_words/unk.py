"""All rare words are one token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from textgen.tokenizers.words.rare_words.base import (
    PolicyTrainingData,
    Rare,
    fitted_speller,
    loaded_speller,
)
from textgen.tokenizers.words.rare_words.placeholders import Placeholders
from textgen.tokenizers.words.vocabulary import Vocabulary

NAME = "unk"


@dataclass(frozen=True)
class Unk:
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
        memory: a rare word that stood in the document before is cheaper than a new one.
    """

    recall: bool = True
    memory: bool = False

    def fit(self, data: PolicyTrainingData) -> Placeholders:
        data = replace(data, pooled=data.pooled and self.recall)
        speller = fitted_speller(data, lambda pieces, rare: [NAME] * len(rare), self.memory)
        return OneClass((NAME,), speller)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Placeholders:
        return OneClass((NAME,), loaded_speller(state["speller"], vocabulary))


class OneClass(Placeholders):
    """Every rare word is of the same class."""

    def classify(self, pieces: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        return [self.classes[0]] * len(rare)
