"""A rare word becomes its part of speech.

The tag is a token of the text and is charged like any other, so the tagger may look ahead. Only
classes that new words join are told apart (nouns, verbs, adjectives, adverbs, numerals); the rest
share one token, which is never drawn in generation, for nothing sensible could fill it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from textgen.tokenizers.words.rare_words.base import PolicyTrainingData, RareWord
from textgen.tokenizers.words.rare_words.classes import ClassPolicy
from textgen.tokenizers.words.tagging import (
    describe_tagger,
    model_for,
    model_language,
    tag_documents,
)

COARSE = {
    "NN": "NOUN", "NNS": "NOUN", "NNP": "PROPN", "NNPS": "PROPN",
    "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB",
    "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "RB": "ADV", "RBR": "ADV", "RBS": "ADV", "CD": "NUM",
}  # fmt: skip
"""Tags of the Penn Treebank (Marcus et al. 1993) that new words join, and their coarse classes,
which are those of Universal Dependencies."""
NOUNS = ("NN", "NNS", "NNP", "NNPS")
NAMES = ("NNP", "NNPS", "PROPN")
REST = "other"


@dataclass(frozen=True)
class Pos(ClassPolicy):
    """One token for each part of speech.

    Args:
        tags: ``"fine"`` for Penn Treebank tags, which carry the inflection; ``"coarse"`` for six
            classes, in languages other than English ``"fine"`` too; ``"noun"`` for one class of all
            nouns and one of everything else.
        model: a spaCy package, or ``"auto"`` for one of the text's language.
    """

    tags: Literal["fine", "coarse", "noun"] = "fine"
    model: str = "auto"
    never_drawn = (REST,)

    @property
    def _package(self) -> str:
        """The spaCy package that the classes were fitted with."""
        return str(self.learnt["model"]) if self.learnt else self.model

    @property
    def _class_of_tag(self) -> dict[str, str]:
        universal = self.learnt is not None and self.learnt["language"] != "en"
        if self.tags == "noun":
            return dict.fromkeys(("NOUN", "PROPN") if universal else NOUNS, "NOUN")
        if universal:
            return {tag: tag for tag in COARSE.values()}
        return dict(zip(COARSE, COARSE, strict=True)) if self.tags == "fine" else COARSE

    @property
    def classes(self) -> Sequence[str]:
        return (*dict.fromkeys(self._class_of_tag.values()), REST)

    @property
    def extra_data(self) -> tuple[str, ...]:
        return (describe_tagger(self._package),)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        (tags,), known = tag_documents([pieces], self._package), self._class_of_tag
        return [known.get(tags[word.place], REST) for word in rare]

    def in_language(self, language: str) -> Pos:
        """With the tagger of a language, if none is named.

        Raises:
            TextgenError: it is not installed.
        """
        return replace(self, model=model_for(language)) if self.model == "auto" else self

    def learn(self, data: PolicyTrainingData) -> Any:
        if self.model == "auto":
            return None
        return {"model": self.model, "language": model_language(self.model)}

    def proper(self, name: str) -> bool | None:
        return None if self.tags == "noun" and name != REST else name in NAMES
