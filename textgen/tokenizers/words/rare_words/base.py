"""What every rare-word policy gives: a fitted policy, which stands in for rare words.

The word tokenizer cuts a text into pieces, a leading space belonging to its piece. A piece of the
vocabulary becomes one token, behind modifiers where only another form of the word is known. The
other pieces are rare, and the policy decides what becomes of them. Its own tokens have the ids from
``FIRST_OWN`` on; those of the vocabulary's words follow, frequent ones first.

A policy that sorts rare words into classes needs none of this: see
:class:`textgen.tokenizers.words.rare_words.classes.ClassPolicy`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from textgen.embeddings.vectors import train_vectors
from textgen.tokenizers.tokens import ESCAPE, StepsOf, unseen_character
from textgen.tokenizers.words.pieces import FIRST_OWN, JOIN, Vocabulary, split_space
from textgen.tokenizers.words.spelling import Speller, fit_speller


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
    def joining(self) -> list[int]:
        """The modifier that stands before its tokens where it has no leading space."""
        return [] if self.spaced else [JOIN]


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


@dataclass
class EncodedWords:
    """A document as token ids, while it is being encoded.

    Attributes:
        tokens, surfaces, places, replaced: as those of ``EncodedDocument``.
        sources: for each token, the number of the item it came from.
    """

    tokens: list[int] = field(default_factory=list)
    surfaces: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    replaced: int = 0
    sources: list[int] = field(default_factory=list)

    def add(self, source: int, *tokens: int) -> None:
        """Append the tokens of one item."""
        self.tokens += tokens
        self.sources += [source] * len(tokens)

    def add_surface(self, surface: str) -> None:
        """Append the surface form of the last token, a placeholder."""
        self.surfaces.append(surface)
        self.places.append(len(self.tokens) - 1)


@dataclass(frozen=True)
class Placeholder:
    """A placeholder that has been filled.

    Attributes:
        word: its surface form.
        spaced: whether a space stands before it.
        token: what it is called where filled words are marked.
    """

    word: str
    spaced: bool
    token: str


FillCallback = Callable[[int, int], str]
"""(token id, its place in the document) → the surface form of a placeholder."""


class FittedPolicy(ABC):
    """A policy fitted on the training split."""

    charged: bool = True
    """Whether every bit of what it hides is charged."""
    extra_data: tuple[str, ...] = ()
    """Data from outside the training split that it uses, in words for the reports."""
    unwritable: tuple[int, ...] = ()
    """Tokens of its own that are never drawn in generation."""
    names: tuple[str, ...] = ()
    """The names of its own tokens, from ``FIRST_OWN`` on."""

    @property
    def first_word(self) -> int:
        """The token of the vocabulary's first word."""
        return FIRST_OWN + len(self.names)

    @abstractmethod
    def encode(self, items: Sequence[int | RareWord], pieces: Sequence[str]) -> EncodedWords:
        """A document as token ids.

        Args:
            items: tokens of known words and modifiers, and the rare words between them.
            pieces: all pieces of the document, for policies that look at the context.
        """

    @abstractmethod
    def decode(self, tokens: Sequence[int], fill: FillCallback) -> Iterator[int | Placeholder]:
        """The tokens of known words and modifiers, and the filled placeholders between them;
        ``fill`` is called once for each placeholder, in order."""

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        """As :meth:`textgen.tokenizers.Tokenizer.surface_steps`; to be defined wherever there are
        placeholders."""
        return unseen_character if len(tokens) and tokens[-1] == ESCAPE else None

    def known(self, word: str) -> bool:
        """Whether the training split has this word in exactly this form."""
        return False

    def proper(self, token: int) -> bool | None:
        """Whether a token stands for names; None where that is not known."""
        return None

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Everything ``load`` needs, as JSON data."""

    def portable(self) -> dict[str, Any]:
        """What ``textgen/interactive/tokenizers.js`` needs: ``speller``, the settings of a spelling
        model or None, and ``only``, the class of all rare words, None where several are told apart.

        Raises:
            ValueError: it cannot do the same; says why.
        """
        raise ValueError(f"{type(self).__name__} rare words, which only Python has")


class RareWordPolicy(Protocol):
    """The settings of a policy: fitting and loading give the fitted one."""

    def fit(self, data: PolicyTrainingData) -> FittedPolicy: ...
    def load(self, state: dict[str, Any], vocabulary: Vocabulary) -> FittedPolicy: ...


Classify = Callable[[Sequence[str], Sequence[RareWord]], Sequence[str]]
"""(pieces of a document, its rare words) → the class of each."""


def fit_rare_speller(data: PolicyTrainingData, classify: Classify) -> Speller:
    """The spelling model of the training split's rare words by class, tuned on validation: alone,
    and with a memory of the document."""
    return fit_speller(
        _classified(data.documents, data.rare, classify),
        _classified(data.tuning, data.tuning_rare, classify),
        pooled=data.pooled,
        **_spelling_of(data.vocabulary),
    )


def load_speller(state: dict[str, Any], vocabulary: Vocabulary) -> Speller:
    """The spelling model as it was fitted, from its ``state()``."""
    return Speller(**state, **_spelling_of(vocabulary))


def _spelling_of(vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        "alphabet": vocabulary.characters,
        "vocabulary": lambda: vocabulary.never_spelled,
        "related": vocabulary.cores,
    }


def _classified(
    documents: Sequence[Sequence[str]], rare: Sequence[Sequence[RareWord]], classify: Classify
) -> list[list[tuple[str, str]]]:
    """Each rare word of each document, without its leading space, and its class."""
    return [
        [(w.core, name) for w, name in zip(words, classify(pieces, words), strict=True)]
        for pieces, words in zip(documents, rare, strict=True)
    ]


SENTENCE_PIECES = 1000
"""Pieces at once for gensim."""
MAX_ENDING = 6
"""Characters of an ending."""


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
            found = self._endings.get(word[len(word) - length :])
            if found:
                return min(found, key=lambda value: (-found[value], value))
        raise LookupError("no known words")
