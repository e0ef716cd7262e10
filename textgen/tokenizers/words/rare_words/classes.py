"""What stands in for rare words: policies that put the token of a class there.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. A piece of the
vocabulary becomes one token, behind modifiers where only another form of the word is known. The
other pieces are rare, and the policy decides what becomes of them. Its own tokens have the ids from
``FIRST_OWN`` on; those of the vocabulary's words follow, frequent ones first.
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
from textgen.tokenizers.words.tagging import describe_tagger, find_tagger, tag_pieces

SENTENCE_PIECES = 1000  # at once for gensim
MAX_ENDING = 6
UNK, NOUN, REST = "unk", "NOUN", "other"
# tags of the Penn Treebank (Marcus et al. 1993) that new words join, and the universal ones
FINE = "NN NNS NNP NNPS VB VBD VBG VBN VBP VBZ JJ JJR JJS RB RBR RBS CD".split()
UNIVERSAL = "NOUN PROPN VERB ADJ ADV NUM".split()
NOUNS, NAMES = {"NN", "NNS", "NNP", "NNPS", "NOUN", "PROPN"}, {"NNP", "NNPS", "PROPN"}
Hidden = tuple[int, str | None]  # a token, and its surface form if it leaves one open
Pieces = Sequence[str]


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
    def joining(self) -> list[Hidden]:
        """The modifier that stands before its tokens where it has no leading space."""
        return [] if self.piece != self.core else [(JOIN, None)]


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
        language: of the text, an ISO code.
    """

    documents: Sequence[Pieces]
    rare: Sequence[Sequence[RareWord]]
    tuning: Sequence[Pieces]
    tuning_rare: Sequence[Sequence[RareWord]]
    vocabulary: Vocabulary
    pooled: bool
    seed: int
    language: str


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
        never_drawn: classes whose tokens are never drawn in generation.
        extra_data: data from outside the training split that it uses, in words for the reports.
        charged: whether every bit of what it hides is charged.
        gaps: whether there is a surface form before every token and at the end of the text.
    """

    learnt: Any = field(default=None, init=False, repr=False, compare=False)
    vocabulary: Vocabulary = field(init=False, repr=False, compare=False)
    speller: Speller = field(init=False, repr=False, compare=False)
    never_drawn: ClassVar[Sequence[str]] = ()
    extra_data: ClassVar[tuple[str, ...]] = ()
    charged: ClassVar[bool] = True
    gaps: ClassVar[bool] = False

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
        policy = self._with(learnt=self.learn(data), vocabulary=data.vocabulary)
        training, validation = (
            [
                [(w.core, name) for w, name in zip(rare, policy.classes_of(p, rare), strict=True)]
                for p, rare in zip(documents, words, strict=True)
            ]
            for documents, words in ((data.documents, data.rare), (data.tuning, data.tuning_rare))
        )
        settings = _spelling_settings(data.vocabulary)
        speller = fit_speller(training, validation, pooled=data.pooled, **settings)
        return policy._with(speller=speller)

    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""
        return {"learnt": self.learnt, "speller": self.speller.state()}

    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> Self:
        """The fitted policy from its ``state()``."""
        speller = Speller(**state["speller"], **_spelling_settings(vocabulary))
        return self._with(learnt=state["learnt"], vocabulary=vocabulary, speller=speller)

    def _with(self, **fitted: Any) -> Self:
        policy = copy.copy(self)
        for name, value in fitted.items():
            object.__setattr__(policy, name, value)
        return policy

    def classes_of(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
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

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of its own tokens, from ``FIRST_OWN`` on."""
        return tuple(f"<{name}>" for name in self.classes)

    @cached_property
    def first_word(self) -> int:
        """The token of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    @property
    def unwritable(self) -> tuple[int, ...]:
        """Tokens of its own that are never drawn in generation."""
        return tuple(FIRST_OWN + self.names.index(f"<{name}>") for name in self.never_drawn)

    def spans(self, pieces: Pieces, known: Sequence[list[int] | None]) -> Iterator[Span]:
        """The spans of a document; ``known`` has the tokens of each piece, None for a rare one."""
        rare = [RareWord(pieces[i], i) for i, tokens in enumerate(known) if tokens is None]
        encoded, end = iter(self.encode(pieces, rare)), 0
        for piece, tokens in zip(pieces, known, strict=True):
            start, end = end, end + len(piece)
            *before, last = next(encoded) if tokens is None else self.encode_known(tokens)
            for token, surface in before:  # these stand for no text by themselves
                yield Span(token, surface, start, start)
            yield Span(*last, start, end)

    def encode(self, pieces: Pieces, rare: Sequence[RareWord]) -> Iterator[list[Hidden]]:
        """The tokens of each rare word of a document."""
        for word, name in zip(rare, self.classes_of(pieces, rare), strict=True):
            yield [*word.joining, (self.token_of(name), word.core)]

    def token_of(self, name: str) -> int:
        """The token that stands for the words of a class."""
        return FIRST_OWN + self.names.index(f"<{name}>")

    def encode_known(self, tokens: list[int]) -> list[Hidden]:
        """The modifiers and the token of a known word."""
        return [(token, None) for token in tokens]

    def write(self, writer: WordWriter, token: int | None, surface: str | None) -> None:
        """Write a token, with the surface form of what it hides."""
        assert token is not None
        if FIRST_OWN <= token < self.first_word:
            writer.add_filled(surface or "", self.names[token - FIRST_OWN][1:-1])
        else:
            writer.add_token(token)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """As :meth:`textgen.tokenizers.base.Tokenizer.surface_steps`."""
        if not len(tokens) or not FIRST_OWN <= tokens[-1] < self.first_word:
            return None
        return partial(self._spelled, self.names[tokens[-1] - FIRST_OWN])

    def _spelled(self, mark: str, known: str | None) -> Steps:
        return (yield Word(self.speller, mark[1:-1], known, mark))

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


def _spelling_settings(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "alphabet": vocabulary.characters,
        "vocabulary": lambda: vocabulary.never_spelled,
        "related": vocabulary.cores,
    }


@dataclass(frozen=True)
class Unk(ClassPolicy):
    """One token for every rare word, whose spelling is charged.

    Args:
        recall: a rare word of the training split may come back whole, which is cheaper than
            spelling it. Without, every rare word is spelled as if it were new.
    """

    recall: bool = True
    classes = (UNK,)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [UNK] * len(rare)

    def fit(self, data: PolicyTrainingData) -> Self:
        return super().fit(replace(data, pooled=data.pooled and self.recall))


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

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        tags, classes = tag_pieces(pieces, self.learnt["model"]), self.classes
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
        """The words of each cluster, by direction (k-means++; Lloyd 1982)."""
        from scipy.cluster.vq import kmeans2

        words = sorted({word.core for rare in data.rare for word in rare})
        if not words:
            return [[]]
        vectors = word_vectors(data, self.vectors, self.size, self.epochs)
        points, number = directions(vectors, words).astype(np.float64), len(words)
        _, numbers = kmeans2(
            points, min(self.clusters, number), minit="++", seed=data.seed, missing="warn"
        )
        clusters = dict[int, list[str]]()
        for word, number in zip(words, numbers.tolist(), strict=True):
            clusters.setdefault(number, []).append(word)
        return [clusters[number] for number in sorted(clusters)]

    @cached_property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.learnt))]

    @cached_property
    def _guess(self) -> Callable[[str], str]:
        members = zip(self.classes, self.learnt, strict=True)
        known = {word: name for name, words in members for word in words}
        return Guess(known or {"": self.classes[0]})

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]


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
    return split_space(piece if parts is None else vocabulary.words[parts[1]])[1]


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
