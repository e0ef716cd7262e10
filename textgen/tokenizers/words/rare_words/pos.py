"""A rare word becomes its part of speech.

The tag is a token of the text and is paid for like any other, so the tagger may look ahead. Only
classes that new words join are told apart (nouns, verbs, adjectives, adverbs, numerals); the rest
share one token, which generation never draws, for nothing sensible could fill it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textgen.tokenizers.words.rare_words.base import (
    PolicyTrainingData,
    Rare,
    fitted_speller,
    loaded_speller,
)
from textgen.tokenizers.words.rare_words.placeholders import Placeholders
from textgen.tokenizers.words.spelling import Speller
from textgen.tokenizers.words.tagging import describe_tagger, tag_documents
from textgen.tokenizers.words.vocabulary import FIRST_OWN, Vocabulary

COARSE = {
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "NNPS": "PROPN",
    "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB",
    "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "CD": "NUM",
}  # fmt: skip
"""Tags of the Penn Treebank (Marcus et al. 1993) that new words join, and their coarse classes."""
NOUNS = ("NN", "NNS", "NNP", "NNPS")
NAMES = ("NNP", "NNPS", "PROPN")
REST = "other"


@dataclass(frozen=True)
class Pos:
    """One token a part of speech.

    Args:
        tags: ``"fine"`` for Penn Treebank tags, which carry the inflection; ``"coarse"`` for six
            classes; ``"noun"`` replaces all nouns with the same one and tells nothing else apart.
        model: a spaCy package, or ``"auto"``.
        memory: a rare word that stood in the document before is cheaper than a new one.
    """

    tags: Literal["fine", "coarse", "noun"] = "fine"
    model: str = "auto"
    memory: bool = False

    def classes(self) -> tuple[str, ...]:
        if self.tags == "noun":
            return ("NOUN", REST)
        return (*dict.fromkeys(COARSE if self.tags == "fine" else COARSE.values()), REST)

    def class_of(self, tag: str) -> str:
        if self.tags == "noun":
            return "NOUN" if tag in NOUNS else REST
        if tag not in COARSE:
            return REST
        return tag if self.tags == "fine" else COARSE[tag]

    def classify(self, pieces: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        """The class of each rare word of a document, from the whole of it."""
        if not rare:
            return []
        (tags,) = tag_documents([pieces], self.model)
        return [self.class_of(tags[word.place]) for word in rare]

    def fit(self, data: PolicyTrainingData) -> Placeholders:
        return Tagged(self, fitted_speller(data, self.classify, self.memory))

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Placeholders:
        return Tagged(self, loaded_speller(state["speller"], vocabulary))


class Tagged(Placeholders):
    """The class of a rare word is its part of speech."""

    def __init__(self, settings: Pos, speller: Speller) -> None:
        super().__init__(settings.classes(), speller)
        self._settings = settings
        self.extra_data = (describe_tagger(settings.model),)
        self.unwritable = (FIRST_OWN + self.classes.index(REST),)

    def classify(self, pieces: Sequence[str], rare: Sequence[Rare]) -> Sequence[str]:
        return self._settings.classify(pieces, rare)

    def proper(self, token: int) -> bool | None:
        name = self.classes[token - FIRST_OWN]
        return None if name == "NOUN" and self._settings.tags == "noun" else name in NAMES
