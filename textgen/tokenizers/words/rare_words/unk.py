"""All rare words are one symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from textgen.tokenizers.words.rare_words.base import Material, Rare, fitted_speller, loaded_speller
from textgen.tokenizers.words.rare_words.placeholders import Placeholders
from textgen.tokenizers.words.vocabulary import Vocabulary

NAME = "unk"


@dataclass(frozen=True)
class Unk:
    """One symbol for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
        document_cache: a rare word that stood in the document before is cheaper than a new one.
    """

    recall: bool = True
    document_cache: bool = False

    def fit(self, material: Material) -> Placeholders:
        material = replace(material, pooled=material.pooled and self.recall)
        speller = fitted_speller(
            material, lambda tokens, rare: [NAME] * len(rare), self.document_cache
        )
        return OneClass((NAME,), speller)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Placeholders:
        return OneClass((NAME,), loaded_speller(state["speller"], vocabulary))


class OneClass(Placeholders):
    """Every rare word is of the same class."""

    def classify(self, tokens: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        return [self.classes[0]] * len(rare)
