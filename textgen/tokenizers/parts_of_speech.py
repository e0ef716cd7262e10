"""Rare words by their part of speech, as spaCy tags them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from textgen.data.language import Language, is_same_language, language_name
from textgen.tokenizers.rare_words import Classifier, Pieces, PolicyTrainingData, RareWords
from textgen.tokenizers.tagging import describe_tagger, find_tagger, language_of_model, tag_pieces
from textgen.tokenizers.vocabulary import RareWord

NOUN, REST = "NOUN", "other"
# tags of the Penn Treebank (Marcus et al. 1993) that new words join, and the universal ones
FINE = "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD".split()
UNIVERSAL = "NOUN PROPN VERB ADJ ADV NUM".split()
NAMES = {"NNP", "NNPS", "PROPN"}
NOUNS = NAMES | {"NN", "NNS", "NOUN"}


@dataclass(frozen=True)
class Pos(RareWords):
    """One token for each part of speech.

    Args:
        tags: ``"fine"``: Penn Treebank tags, which show inflection, or, in languages other than
            English, six universal classes; ``"noun"``: one class of all nouns and one of everything
            else.
        model: a spaCy package, or ``"auto"`` for one in the language of the text.
    """

    tags: Literal["fine", "noun"] = "fine"
    model: str = "auto"

    def learn(self, data: PolicyTrainingData) -> Classifier:
        model, language = find_tagger(self.model, data.language)
        return PartsOfSpeech(model, language, self.tags)

    def load_classifier(self, state: dict[str, str]) -> Classifier:
        return PartsOfSpeech(state["model"], state["language"], self.tags)

    def language_warnings(self, language: Language) -> list[str]:
        tagger_language = language_of_model(self.model)
        if self.model == "auto" or is_same_language(tagger_language, language.code):
            return []
        advice = "choose a tagger for that language or another policy"
        if not language.stated:
            advice += f'; if the text is not, state language = "{tagger_language}"'
        return [
            f"The tagger {self.model} is for {language_name(tagger_language)}, but the text is in "
            f"{language.name}: {advice}."
        ]


@dataclass(frozen=True)
class PartsOfSpeech(Classifier):
    """The tags of a spaCy model.

    Attributes:
        model: the name of its package.
        language: an ISO code.
        tags: as in :class:`Pos`.
    """

    model: str
    language: str
    tags: Literal["fine", "noun"]
    looks_ahead = True

    @property
    def classes(self) -> Sequence[str]:
        if self.tags == "noun":
            return (NOUN, REST)
        tags = FINE if self.language == "en" else UNIVERSAL
        return (*tags, REST)

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the tagger knows
        return (describe_tagger(self.model),)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        tags = tag_pieces(pieces, self.model)
        return [self._class_of(tags[word.place]) for word in rare]

    def _class_of(self, tag: str) -> str:
        if self.tags == "noun":
            return NOUN if tag in NOUNS else REST
        return tag if tag in self.classes else REST

    def proper(self, class_name: str) -> bool | None:
        if self.tags == "noun" and class_name == NOUN:
            return None
        return class_name in NAMES

    def state(self) -> dict[str, str]:
        return {"model": self.model, "language": self.language}
