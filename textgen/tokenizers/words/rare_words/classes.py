"""What stands in for rare words: fitted policies, and those that put the token of a class there.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. A piece of the
vocabulary becomes one token, behind modifiers where only another form of the word is known. The
other pieces are rare, and the policy decides what becomes of them. Its own tokens have the ids from
``FIRST_OWN`` on; those of the vocabulary's words follow, frequent ones first.

A policy of another package is a :class:`ClassPolicy`, which sorts rare words into classes.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from textgen.core.settings import Count
from textgen.embeddings.vectors import train_vectors
from textgen.tokenizers.base import Span
from textgen.tokenizers.tokens import Steps, StepsOf, Word
from textgen.tokenizers.words.filling import WordWriter
from textgen.tokenizers.words.pieces import FIRST_OWN, JOIN, Vocabulary, split_space
from textgen.tokenizers.words.spelling import Speller, fit_speller
from textgen.tokenizers.words.tagging import (
    describe_tagger,
    model_for,
    model_language,
    tag_pieces,
)

SENTENCE_PIECES = 1000  # at once for gensim
MAX_ENDING = 6
Hidden = tuple[int, str | None]  # a token, and its surface form if it leaves one open


@dataclass(frozen=True)
class RareWord:
    """A piece outside the vocabulary: ``pieces[place]`` of its document."""

    piece: str
    place: int

    @property
    def core(self) -> str:
        """The piece without its leading space."""
        return split_space(self.piece)[1]

    @property
    def spaced(self) -> bool:
        """Whether the piece has a leading space."""
        return self.piece != self.core

    @property
    def joining(self) -> list[Hidden]:
        """The modifier that stands before its tokens where it has no leading space."""
        return [] if self.spaced else [(JOIN, None)]


@dataclass(frozen=True)
class PolicyTrainingData:
    """What a policy is fitted on.

    Attributes:
        documents: the pieces of each training document.
        rare: the rare words of each training document.
        tuning, tuning_rare: the same of the validation documents, for tuning alone.
        vocabulary: the words with tokens of their own.
        pooled: whether the rare words of training are outside the vocabulary; where it holds every
            word, the withheld ones are examples of rare words all the same.
        seed: of whatever is random.
    """

    documents: Sequence[Sequence[str]]
    rare: Sequence[Sequence[RareWord]]
    tuning: Sequence[Sequence[str]]
    tuning_rare: Sequence[Sequence[RareWord]]
    vocabulary: Vocabulary
    pooled: bool
    seed: int


class FittedPolicy:
    """A policy fitted on the training split: here, one token a class.

    A rare word costs −log2 P(class | history) − log2 P(word | class), the latter by the
    word-spelling model.

    Args:
        settings: classifies rare words.
        vocabulary: the known words.
        speller: P(word | class).

    Attributes:
        charged: whether every bit of what it hides is charged.
        gaps: whether there is a surface form before every token and at the end of the text.
        names: the names of its own tokens, from ``FIRST_OWN`` on.
        first_word: the token of the vocabulary's first word.
    """

    charged, gaps = True, False

    def __init__(self, settings: ClassPolicy, vocabulary: Vocabulary, speller: Speller) -> None:
        self.settings, self.vocabulary, self.speller = settings, vocabulary, speller
        self.classes = tuple(settings.classes)
        self.names = self.own_names()
        self.first_word = FIRST_OWN + len(self.names)

    def own_names(self) -> tuple[str, ...]:
        return tuple(f"<{name}>" for name in self.classes)

    @property
    def unwritable(self) -> tuple[int, ...]:
        """Tokens of its own that are never drawn in generation."""
        return tuple(FIRST_OWN + self.classes.index(name) for name in self.settings.never_drawn)

    def spans(self, pieces: Sequence[str], known: Sequence[list[int] | None]) -> Iterator[Span]:
        """The spans of a document; ``known`` has the tokens of each piece, None for a rare one."""
        rare = [RareWord(pieces[i], i) for i, tokens in enumerate(known) if tokens is None]
        encoded, end = iter(self.encode(pieces, rare)), 0
        for piece, tokens in zip(pieces, known, strict=True):
            start, end = end, end + len(piece)
            *before, last = next(encoded) if tokens is None else self.encode_known(tokens)
            for token, surface in before:  # these stand for no text by themselves
                yield Span(token, surface, start, start)
            yield Span(*last, start, end)

    def encode(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Iterator[list[Hidden]]:
        """The tokens of each rare word of a document."""
        names = self.settings.classes_of(pieces, rare)
        for word, name in zip(rare, names, strict=True):
            yield [*word.joining, (FIRST_OWN + self.classes.index(name), word.core)]

    def encode_known(self, tokens: list[int]) -> list[Hidden]:
        """The modifiers and the token of a known word."""
        return [(token, None) for token in tokens]

    def write(self, writer: WordWriter, token: int | None, surface: str | None) -> None:
        """Write a token, with the surface form of what it hides."""
        if token is not None and FIRST_OWN <= token < self.first_word:
            writer.add_filled(surface or "", self.classes[token - FIRST_OWN])
        elif token is not None:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """As :meth:`textgen.tokenizers.base.Tokenizer.surface_steps`."""
        if not len(tokens) or not FIRST_OWN <= tokens[-1] < self.first_word:
            return None
        return partial(self._spelled, self.classes[tokens[-1] - FIRST_OWN])

    def _spelled(self, name: str, known: str | None) -> Steps:
        return (yield Word(self.speller, name, known, f"<{name}>"))

    def proper(self, name: str) -> bool | None:
        """Whether a class consists of proper names; None where that is not known."""
        return self.settings.proper(name)

    def known(self, word: str) -> bool:
        """Whether the training split has this word in exactly this form."""
        return word in self.speller.known

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""
        return {"learnt": self.settings.learnt, "speller": self.speller.state()}

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs: ``speller``, the settings of a spelling
        model or None, and ``only``, the class of all rare words, None if there are several.

        Raises:
            ValueError: it cannot do the same; says why.
        """
        state = self.speller.state()
        speller = {key: state[key] for key in ("examples", "pooled", "order", "weights")}
        return {
            "speller": {"alphabet": self.speller.alphabet, **speller},
            "only": self.classes[0] if len(self.classes) == 1 else None,
        }


@dataclass(frozen=True)
class ClassPolicy(ABC):
    """The base of policies that replace each rare word by the token of its class.

    A subclass gives :attr:`classes` and :meth:`classify`; it is a frozen dataclass, whose fields
    are its settings. Fitting, charging, generation, saving and loading are done here: a rare word
    costs −log2 P(class | history) − log2 P(word | class), the latter by the word-spelling model.

    Attributes:
        learnt: what :meth:`learn` returned, once the policy is fitted or loaded.
        classes: the names of the classes, each of which becomes a token ``<name>``.
        never_drawn: classes whose tokens are never drawn in generation.
        extra_data: data from outside the training split that it uses, in words for the reports.
    """

    learnt: Any = field(default=None, init=False, repr=False, compare=False)
    never_drawn: ClassVar[Sequence[str]] = ()
    extra_data: ClassVar[tuple[str, ...]] = ()
    fitted: ClassVar[type[FittedPolicy]] = FittedPolicy

    @property
    @abstractmethod
    def classes(self) -> Sequence[str]: ...

    @abstractmethod
    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        """The class of each rare word of a document.

        Since the class itself is encoded, it may depend on anything in the document.

        Args:
            pieces: all pieces of the document.
            rare: those outside the vocabulary, each with its place in ``pieces``; at least one.
        """

    def in_language(self, language: str) -> Self:
        """The settings for texts in a language, a code of ISO 639; these by default."""
        return self

    def learn(self, data: PolicyTrainingData) -> Any:
        """What the classes depend on beside the settings, as JSON data; in ``self.learnt`` from
        then on."""
        return None

    def proper(self, name: str) -> bool | None:
        """Whether a class consists of proper names; None where that is not known."""
        return None

    def fit(self, data: PolicyTrainingData) -> FittedPolicy:
        """Learn the classes, and the spelling model of the rare words of each."""
        policy = self._with(self.learn(data))

        def classified(
            documents: Sequence[Sequence[str]], rare: Sequence[Sequence[RareWord]]
        ) -> list[list[tuple[str, str]]]:
            return [
                [(w.core, c) for w, c in zip(words, policy.classes_of(pieces, words), strict=True)]
                for pieces, words in zip(documents, rare, strict=True)
            ]

        speller = fit_speller(
            classified(data.documents, data.rare),
            classified(data.tuning, data.tuning_rare),
            pooled=data.pooled,
            **_spelling_of(data.vocabulary),
        )
        return self.fitted(policy, data.vocabulary, speller)

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> FittedPolicy:
        """The fitted policy from its ``state()``."""
        speller = Speller(**state["speller"], **_spelling_of(vocabulary))
        return self.fitted(self._with(state["learnt"]), vocabulary, speller)

    def classes_of(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        """As :meth:`classify`, checked, and also without a single rare word.

        Raises:
            ValueError: a class that is not among :attr:`classes`, or not one for each word.
        """
        names = self.classify(pieces, rare) if rare else ()
        if len(names) != len(rare) or not set(names) <= set(self.classes):
            raise ValueError(
                f"{type(self).__name__}.classify: {len(rare)} of {list(self.classes)} expected, "
                f"received {list(names)}"
            )
        return names

    def _with(self, learnt: Any) -> Self:
        policy = copy.copy(self)
        object.__setattr__(policy, "learnt", learnt)
        return policy


def _spelling_of(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "alphabet": vocabulary.characters,
        "vocabulary": lambda: vocabulary.never_spelled,
        "related": vocabulary.cores,
    }


UNK = "unk"


@dataclass(frozen=True)
class Unk(ClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
    """

    recall: bool = True
    classes = (UNK,)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [UNK] * len(rare)

    def fit(self, data: PolicyTrainingData) -> FittedPolicy:
        return super().fit(replace(data, pooled=data.pooled and self.recall))


# tags of the Penn Treebank (Marcus et al. 1993) that new words join, and the universal ones
FINE = "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD".split()
UNIVERSAL = "NOUN PROPN VERB ADJ ADV NUM".split()
NOUNS, NAMES = {"NN", "NNS", "NNP", "NNPS", "NOUN", "PROPN"}, {"NNP", "NNPS", "PROPN"}
NOUN, REST = "NOUN", "other"


@dataclass(frozen=True)
class Pos(ClassPolicy):
    """One token for each part of speech.

    Args:
        tags: ``"fine"`` for Penn Treebank tags, which carry the inflection, in languages other than
            English for six universal classes; ``"noun"`` for one class of all nouns and one of
            everything else.
        model: a spaCy package, or ``"auto"`` for one of the text's language.
    """

    tags: Literal["fine", "noun"] = "fine"
    model: str = "auto"
    never_drawn = (REST,)

    @property
    def classes(self) -> Sequence[str]:
        if self.tags == "noun":
            return (NOUN, REST)
        return (*(FINE if self.learnt["language"] == "en" else UNIVERSAL), REST)

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # the tagger knows
        return (describe_tagger(self.learnt["model"]),)

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        tags, classes = tag_pieces(pieces, self.learnt["model"]), self.classes
        own = [tags[word.place] for word in rare]
        if self.tags == "noun":
            return [NOUN if tag in NOUNS else REST for tag in own]
        return [tag if tag in classes else REST for tag in own]

    def in_language(self, language: str) -> Pos:
        """With the tagger of a language, if none is named.

        Raises:
            TextgenError: it is not installed.
        """
        return replace(self, model=model_for(language)) if self.model == "auto" else self

    def learn(self, data: PolicyTrainingData) -> Any:
        """The model and its language."""
        return {"model": self.model, "language": model_language(self.model)}

    def proper(self, name: str) -> bool | None:
        return None if self.tags == "noun" and name != REST else name in NAMES


@dataclass(frozen=True)
class Cluster(ClassPolicy):
    """One token for each cluster: k-means over gensim vectors of the rare words.

    A word costs P(cluster | history) · P(word | cluster), the latter a mixture of the cluster's
    training words and of spelling.

    Args:
        clusters: how many at most.
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: of a vector.
        epochs: passes over the training split.
    """

    clusters: Annotated[int, Field(gt=1)] = 50
    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5

    def learn(self, data: PolicyTrainingData) -> list[list[str]]:
        """The words of each cluster."""
        words = sorted({word.core for rare in data.rare for word in rare})
        if not words:
            return [[]]
        learnt = word_vectors(data, self.vectors, self.size, self.epochs)
        numbers = _k_means(directions(learnt, words), min(self.clusters, len(words)), data.seed)
        clusters = dict[int, list[str]]()
        for word, number in zip(words, numbers.tolist(), strict=True):
            clusters.setdefault(number, []).append(word)
        return [clusters[number] for number in sorted(clusters)]

    @property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.learnt))]

    @cached_property
    def _guess(self) -> Callable[[str], str]:
        members = zip(self.classes, self.learnt, strict=True)
        known = {word: name for name, words in members for word in words}
        return Guess(known or {"": self.classes[0]})

    def classify(self, pieces: Sequence[str], rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]


def _k_means(points: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """(n,): the cluster of each of (n, size) vectors by direction (Lloyd 1982; k-means++)."""
    from scipy.cluster.vq import kmeans2

    points = points.astype(np.float64)
    return kmeans2(points, clusters, minit="++", seed=seed, missing="warn")[1]


def word_vectors(
    data: PolicyTrainingData, kind: Literal["word2vec", "fasttext"], size: int, epochs: int
) -> Any:
    """gensim vectors of every word of the training split, rare ones included.

    Args:
        data: the training split.
        kind: the algorithm.
        size: of a vector.
        epochs: passes over the training split.

    Returns:
        ``KeyedVectors``: word (as :func:`known_form` gives it) → (size,) float32.
    """
    sentences = [
        [known_form(piece, data.vocabulary) for piece in pieces[i : i + SENTENCE_PIECES]]
        for pieces in data.documents
        for i in range(0, len(pieces), SENTENCE_PIECES)
    ]
    return train_vectors(sentences, kind=kind, size=size, epochs=epochs, seed=data.seed)


def directions(vectors: Any, words: Sequence[str]) -> np.ndarray:
    """(n, size): the vectors of words, all of length one."""
    matrix = np.stack([vectors[word] for word in words])
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)


def known_form(piece: str, vocabulary: Vocabulary) -> str:
    """The vocabulary's word for a piece, or a rare piece itself, without the leading space."""
    parts = vocabulary.parts(piece)
    word = piece if parts is None else vocabulary.words[parts[1]]
    return split_space(word)[1]


class Guess:
    """The value of a word: its own, or the most frequent one among words with the same ending.

    Args:
        known: word → value.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._endings: dict[str, Counter[str]] = {}
        for word, value in known.items():
            for length in range(min(MAX_ENDING, len(word)) + 1):
                self._endings.setdefault(word[len(word) - length :], Counter())[value] += 1

    def __call__(self, word: str) -> str:
        if word in self._known:
            return self._known[word]
        for length in range(min(MAX_ENDING, len(word)), -1, -1):
            if values := self._endings.get(word[len(word) - length :]):
                return min(values, key=lambda value: (-values[value], value))
        raise LookupError("no known words")
