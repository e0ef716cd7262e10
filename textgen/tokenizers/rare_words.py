"""PLUG-IN: what stands in for rare words, the token of a class, nothing, or their characters.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. A piece of the
vocabulary becomes one token, behind modifiers where only another form of the word is known. The
other pieces are rare, and the policy decides what becomes of them. Its own tokens have the ids from
``FIRST_OWN`` on; those of the vocabulary's words follow, frequent ones first.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar

from textgen.core.tokens import BOUNDARY, ESCAPE
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.casing import FIRST_OWN, JOIN
from textgen.tokenizers.encoded import Surface, text_of
from textgen.tokenizers.placeholders import Span
from textgen.tokenizers.spelling import Speller, fit_speller
from textgen.tokenizers.steps import Steps, StepsOf, chance, spelled
from textgen.tokenizers.tagging import describe_tagger, find_tagger, tag_pieces
from textgen.tokenizers.vocabulary import RareWord, Vocabulary, split_space
from textgen.tokenizers.writing import WordWriter

TABLE = {
    "unk": "Unk",
    "pos": "Pos",
    "cluster": "textgen.tokenizers.rare_word_vectors:Cluster",
    "neighbour": "textgen.tokenizers.rare_word_vectors:Neighbour",
    "drop": "Drop",
    "signature": "textgen.tokenizers.signatures:Signature",
    "spell": "Spell",
}
UNK, NOUN, REST = "unk", "NOUN", "other"
# tags of the Penn Treebank (Marcus et al. 1993) that new words join, and the universal ones
FINE = "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD".split()
UNIVERSAL = "NOUN PROPN VERB ADJ ADV NUM".split()
NOUNS, NAMES = {"NN", "NNS", "NNP", "NNPS", "NOUN", "PROPN"}, {"NNP", "NNPS", "PROPN"}
Hidden = tuple[int, str | None]  # a token, and its surface form if it leaves one open
Pieces = Sequence[str]


class PolicyTrainingData(NamedTuple):
    """What a policy is fitted on.

    Attributes:
        training: of each training document, the pieces and the rare words among them.
        tuning: the same of the validation documents, for tuning alone.
        vocabulary: the words with tokens of their own.
        seed: of whatever is random.
        language: of the text, an ISO code.
    """

    training: Sequence[tuple[Pieces, Sequence[RareWord]]]
    tuning: Sequence[tuple[Pieces, Sequence[RareWord]]]
    vocabulary: Vocabulary
    seed: int
    language: str


Settings = TypeVar("Settings")


def completed(settings: Settings, **values: Any) -> Settings:
    """A copy of frozen settings with the values that only the text can give."""
    settings = copy.copy(settings)
    for name, value in values.items():
        object.__setattr__(settings, name, value)
    return settings


@dataclass(frozen=True)
class ClassPolicy(ABC):
    """The base of policies that replace each rare word by the token of its class.

    A subclass gives :attr:`classes` and :meth:`classify`; it is a frozen dataclass, whose fields
    are its settings. Fitting, charging, generation, saving and loading are done here: a rare word
    costs −log2 P(class | history) − log2 P(word | class), the latter by the word-spelling model.

    Attributes:
        learnt: what :meth:`learn` returned, once the policy is fitted or loaded; then there are
            also the vocabulary and the speller, P(word | class).
        classes: the names of the classes, each of which becomes a token ``<name>``.
        extra_data: data from outside the training split that it uses, in words for the reports.
        charged: whether every bit of what it hides is charged.
        recall: whether a rare word of the training split may come back whole.
        looks_ahead: whether the class of a word depends on what comes behind it.
    """

    learnt: Any = field(default=None, init=False, repr=False, compare=False)
    vocabulary: Vocabulary = field(init=False, repr=False, compare=False)
    speller: Speller = field(init=False, repr=False, compare=False)
    extra_data: ClassVar[tuple[str, ...]] = ()
    charged: ClassVar[bool] = True
    recall: ClassVar[bool] = True
    looks_ahead: ClassVar[bool] = False

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]: ...

    @abstractmethod
    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        """The class of each rare word of a document.

        Since the class itself is encoded, it may depend on anything in the document.

        Args:
            pieces: all pieces of the document.
            rare: those outside the vocabulary, each with its place in ``pieces``; at least one.
        """

    def learn(self, data: PolicyTrainingData) -> Any:
        """What the classes depend on beside the settings, as JSON data; in ``self.learnt`` from
        then on.

        Raises:
            TextgenError: something that it needs is missing.
        """
        return None

    def proper(self, name: str) -> bool | None:
        """Whether a class consists of proper names; None where that is not known."""
        return None

    def fit(self, data: PolicyTrainingData) -> Self:
        """The fitted policy, which has learnt the classes and to spell the words of each."""
        policy = completed(self, learnt=self.learn(data), vocabulary=data.vocabulary)
        training, tuning = (
            [[(w.core, name) for w, name in policy.classified(*document)] for document in documents]
            for documents in (data.training, data.tuning)
        )
        settings = {"pooled": self.recall, **policy.spelling_settings()}
        return completed(policy, speller=fit_speller(training, tuning, **settings))

    def spelling_settings(self) -> dict[str, Any]:
        """What the speller takes from a policy that has learnt its classes, as arguments."""
        return {
            "alphabet": self.vocabulary.characters,
            "vocabulary": lambda: self.vocabulary.never_spelled,
            "related": self.vocabulary.cores,
        }

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""
        return {"learnt": self.learnt, "speller": self.speller.state()}

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Self:
        """The fitted policy from its ``state()``."""
        policy = completed(self, learnt=state["learnt"], vocabulary=vocabulary)
        speller = Speller(**state["speller"], **policy.spelling_settings())
        return completed(policy, speller=speller)

    def classified(self, pieces: Pieces, rare: Sequence[RareWord]) -> list[tuple[RareWord, str]]:
        """Each rare word of a document with its class.

        Raises:
            ValueError: a class that is not among :attr:`classes`, or not one for each word.
        """
        names = self.classify(pieces, rare) if rare else ()
        if len(names) != len(rare) or not set(names) <= set(self.classes):
            expected = f"{len(rare)} of {list(self.classes)} expected, received {list(names)}"
            raise ValueError(f"{type(self).__name__}.classify: {expected}")
        return list(zip(rare, names, strict=True))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its own tokens, from ``FIRST_OWN`` on."""
        return tuple(f"<{name}>" for name in self.classes)

    @cached_property
    def first_word(self) -> int:
        """The token of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    def spans(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[Span]:
        """The spans of a document, of which some pieces are rare."""
        names = {word.place: name for word, name in self.classified(pieces, rare)}
        end = 0
        for place, piece in enumerate(pieces):
            start, end = end, end + len(piece)
            parts = self.vocabulary.parts(piece)
            tokens = self.encode_known(*parts) if parts else self.encode_rare(piece, names[place])
            for token, surface in tokens[:-1]:  # these stand for no text by themselves
                yield Span(token, surface, start, start)
            yield Span(*tokens[-1], start, end)

    def encode_rare(self, piece: str, name: str) -> list[Hidden]:
        """The tokens of a rare word of a class, and what they hide."""
        space, word = split_space(piece)
        joined: list[Hidden] = [] if space else [(JOIN, None)]
        return joined + self.stand_ins(word, name)

    def stand_ins(self, word: str, name: str) -> list[Hidden]:
        """What stands for a rare word behind its space."""
        return [(self.token_of(name), word)]

    def token_of(self, name: str) -> int:
        """The token that stands for the words of a class."""
        return FIRST_OWN + self.names.index(f"<{name}>")

    def temperature_offsets(self, temperature: float) -> dict[int, float]:
        """Its own tokens, with what they gain where the logits are divided by a temperature
        below 1: each stands for many words, and it is these that the temperature is about."""
        names = [name for name in self.classes if f"<{name}>" in self.names]
        return {self.token_of(n): self.speller.log_tempered_mass(n, temperature) for n in names}

    def encode_known(self, modifiers: Sequence[int], number: int) -> list[Hidden]:
        """The modifiers and the token of the vocabulary's word of a number, and what they hide."""
        return [(token, None) for token in (*modifiers, self.first_word + number)]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        """Write a token, with the surface form of what it hides."""
        if FIRST_OWN <= token < self.first_word:
            writer.add_filled(surface or "", self.names[token - FIRST_OWN][1:-1])
        else:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """As :meth:`textgen.tokenizers.base.Tokenizer.surface_steps`, of its own tokens."""
        if not len(tokens) or not FIRST_OWN <= tokens[-1] < self.first_word:
            return None
        mark = self.names[tokens[-1] - FIRST_OWN]
        return partial(spelled, self.speller, mark[1:-1], mark)

    def rare_openings(self, white: Callable[[str], float]) -> dict[int, float]:
        """The tokens that rare words begin with, each with the probability that what it stands for
        begins with white space; ``white`` gives that of a word of a class."""
        return {FIRST_OWN + i: white(name[1:-1]) for i, name in enumerate(self.names)}

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs: ``speller``, the settings of a spelling
        model, or None.

        Raises:
            ValueError: it cannot do the same; says why.
        """
        return {"speller": self.speller.portable(self.classes)}


@dataclass(frozen=True)
class Unk(ClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may be repeated as a whole, which is cheaper
            than spelling it. If false, every rare word is spelled as if it were new.
    """

    recall: bool = True  # type: ignore[misc]  # a setting here
    classes = (UNK,)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [UNK] * len(rare)


@dataclass(frozen=True)
class Pos(ClassPolicy):
    """One token for each part of speech.

    Args:
        tags: ``"fine"``: Penn Treebank tags, which show inflection, or, in languages other than
            English, six universal classes; ``"noun"``: one class of all nouns and one of everything
            else.
        model: a spaCy package, or ``"auto"`` for one in the language of the text.
    """

    tags: Literal["fine", "noun"] = "fine"
    model: str = "auto"
    looks_ahead = True

    @property
    def classes(self) -> Sequence[str]:
        if self.tags == "noun":
            return (NOUN, REST)
        return (*(FINE if self.learnt["language"] == "en" else UNIVERSAL), REST)

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the tagger knows
        return (describe_tagger(self.learnt["model"]),)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        tags = tag_pieces(pieces, self.learnt["model"])
        classes = self.classes
        own = [tags[word.place] for word in rare]
        if self.tags == "noun":
            own = [NOUN if tag in NOUNS else REST for tag in own]
        return [tag if tag in classes else REST for tag in own]

    def learn(self, data: PolicyTrainingData) -> dict[str, str]:
        """The model and its language."""
        model, language = find_tagger(self.model, data.language)
        return {"model": model, "language": language}

    def proper(self, name: str) -> bool | None:
        return None if self.tags == "noun" and name != REST else name in NAMES


@dataclass(frozen=True)
class Drop(ClassPolicy):
    """Leave rare words out, as the article's author considered.

    What is left out is charged separately: the number of words missing in each gap between two
    tokens, k with P(k) = (1 − q) q^k; whether a space stood before each; and their spelling.

    Args:
        charged: charge for what is left out. If false, as in perplexities of filtered texts, there
            is no distribution over the text, and no figure is printed.
    """

    charged: bool = True  # type: ignore[misc]  # a setting here
    classes = (UNK,)
    names = ()
    classify = Unk.classify

    def learn(self, data: PolicyTrainingData) -> dict[str, float]:
        """q, and the probability of a space before a missing word, counted on validation."""
        missing = sum(len(rare) for _, rare in data.tuning)
        spaced = sum(word.piece != word.core for _, rare in data.tuning for word in rare)
        gaps = sum(len(pieces) + 1 for pieces, _ in data.tuning) - missing
        q = (missing + 0.5) / (gaps + missing + 1)
        return {"missing": q, "spaced": (spaced + 0.5) / (missing + 1)}

    def spans(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[Span]:
        missing, end = list[str](), sum(map(len, pieces))
        for span in (*super().spans(pieces, rare), Span(BOUNDARY, None, end, end)):
            if span.surface is not None:
                missing.append(text_of(span.surface))
            else:
                yield span._replace(surface=tuple(missing))
                missing = []

    def encode_rare(self, piece: str, name: str) -> list[Hidden]:
        return [(ESCAPE, piece)]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        if surface:
            writer.add_filled(surface, UNK, joined=True)
        writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf:
        return self._gap

    def _gap(self, known: Surface | None) -> Steps[str]:
        """The words that are missing in a gap; what is not charged for is not described."""
        missing, gap = None if known is None else list(known), ""
        while self.charged:
            more = spaced = core = None
            if missing is not None and (more := bool(missing)):
                space, core = split_space(missing.pop(0))
                spaced = bool(space)
            if not (yield from chance(self.learnt["missing"], more)):
                break
            gap += " " * (yield from chance(self.learnt["spaced"], spaced))
            gap += yield from spelled(self.speller, UNK, "", core)
        return gap

    def portable(self) -> dict[str, Any]:
        raise ValueError("the rare-word policy drop")


@dataclass(frozen=True)
class Spell(ClassPolicy):
    """The network itself spells rare words, by tokens for characters and one for the end of a
    word. Only characters that training text lacks are charged separately."""

    classes = (UNK,)
    classify = Unk.classify

    def fit(self, data: PolicyTrainingData) -> Self:
        """Without a spelling model."""
        return super().fit(data._replace(training=(), tuning=()))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return ("<end>", *(f"<{letter}>" for letter in self.vocabulary.characters))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {c: FIRST_OWN + 1 + i for i, c in enumerate(self.vocabulary.characters)}

    def stand_ins(self, word: str, name: str) -> list[Hidden]:
        letters = [(self._codes[c], None) if c in self._codes else (ESCAPE, c) for c in word]
        return [*letters, (FIRST_OWN, None)]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        if token == FIRST_OWN:
            writer.end_letters()
        elif surface is not None:
            writer.add_letter(surface)
        elif FIRST_OWN < token < self.first_word:
            writer.add_letter(self.vocabulary.characters[token - FIRST_OWN - 1])
        else:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        return None

    def rare_openings(self, white: Callable[[str], float]) -> dict[int, float]:
        letters = {code: float(letter in WHITE) for letter, code in self._codes.items()}
        return letters | {ESCAPE: white_escapes(self._codes)}

    def portable(self) -> dict[str, Any]:
        return {"speller": None}
