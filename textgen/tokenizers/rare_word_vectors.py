"""Rare words by the vectors that gensim learns of them: clusters, and the nearest known word."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.settings import Count
from textgen.embeddings.vectors import train_vectors
from textgen.tokenizers.casing import CAPITAL, FIRST_OWN, UPPER
from textgen.tokenizers.encoded import Surface
from textgen.tokenizers.rare_words import (
    Classifier,
    FittedRareWords,
    Pieces,
    PolicyTrainingData,
    RareWords,
    TokenAndSurface,
    join_unless,
)
from textgen.tokenizers.segmentation import LETTERS
from textgen.tokenizers.steps import Steps, StepsOf, chance, spelled
from textgen.tokenizers.vocabulary import RareWord, Vocabulary, split_space
from textgen.tokenizers.writing import WordWriter

MAX_ENDING = 6
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
EXCESSES = (0.5, 1.0, 1.5, 2.0, 3.0)
BLOCK = 1000  # rare words compared with all known ones at once


@dataclass(frozen=True)
class VectorPolicy(RareWords):
    """The base of policies whose classes are learnt from vectors of words, rare ones included. A
    word that training lacks is classed as those with its ending are.

    Args:
        vectors: ``"fasttext"`` or ``"word2vec"``, trained on the training split.
        size: size of a vector.
        epochs: passes over the training split.
    """

    vectors: Literal["fasttext", "word2vec"] = "fasttext"
    size: Count = 64
    epochs: Count = 5

    def word_vectors(self, data: PolicyTrainingData) -> Any:
        """gensim's ``KeyedVectors``: word of the training split (as :func:`known_form` gives it) →
        (size,) float32."""
        words = [[known_form(p, data.vocabulary) for p in pieces] for pieces, _ in data.training]
        return train_vectors(words, self.vectors, self.size, self.epochs, window=5, seed=data.seed)


@dataclass(frozen=True)
class Cluster(VectorPolicy):
    """One token for each cluster: k-means over gensim vectors of the rare words.

    A word has the probability P(cluster | history) · P(word | cluster); the latter mixes the
    cluster's training words with spelling.

    Args:
        clusters: number of clusters at most.
    """

    clusters: Annotated[int, Field(gt=1)] = 50

    def learn(self, data: PolicyTrainingData) -> Classifier:
        """By direction (k-means++; Lloyd 1982)."""
        from scipy.cluster.vq import kmeans2

        words = rare_types(data)
        if not words:
            return Clusters([[]])
        points = directions(self.word_vectors(data), words).astype(np.float64)
        number = min(self.clusters, len(words))
        _, cluster_of = kmeans2(points, number, minit="++", seed=data.seed, missing="warn")
        members = dict[int, list[str]]()
        for word, cluster in zip(words, cluster_of.tolist(), strict=True):
            members.setdefault(cluster, []).append(word)
        return Clusters([members[cluster] for cluster in sorted(members)])  # without empty ones

    def load_classifier(self, state: list[list[str]]) -> Classifier:
        return Clusters(state)


@dataclass(frozen=True)
class Clusters(Classifier):
    """The clusters that words belong to.

    Attributes:
        words: those of each cluster in the training split.
    """

    words: Sequence[Sequence[str]]

    @cached_property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.words))]

    @cached_property
    def _guess(self) -> "Guess":
        cluster_of_word = dict[str, str]()
        for class_name, words in zip(self.classes, self.words, strict=True):
            for word in words:
                cluster_of_word[word] = class_name
        # where training has no rare word there is one cluster
        return Guess(cluster_of_word, default=self.classes[0])

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]

    def state(self) -> Sequence[Sequence[str]]:
        return self.words


@dataclass(frozen=True)
class Neighbour(VectorPolicy):
    """The nearest word of the vocabulary, by cosine of gensim vectors, stands in for a rare one.

    The substitute is an ordinary word of the text, so every occurrence of a word that can stand in
    has to say whether it does, and for which word: P(v | h) · P(substituted | v) · P(w | v), while
    a literal v is charged 1 − P(substituted | v). After a case modifier, a word never stands in.
    """

    @property
    def fitted_class(self) -> type[FittedRareWords]:
        return FittedNeighbour

    def learn(self, data: PolicyTrainingData) -> Classifier:
        """Chances are tuned on validation.

        Raises:
            TextgenError: no word of the vocabulary can stand in.
        """
        stand_ins = self._stand_ins(data)
        return StandIns(stand_ins, _chances(data, Guess(stand_ins)))

    def load_classifier(self, state: dict[str, Any]) -> Classifier:
        return StandIns(state["stand_ins"], state["chances"])

    def _stand_ins(self, data: PolicyTrainingData) -> dict[str, str]:
        rare = rare_types(data)
        known = [word for word in data.vocabulary.cores if LETTERS.fullmatch(word)]
        if not known:
            message = "no known word of letters can stand in for a rare one"
            hint = "lower tokenizer.minimum_count, or use another policy or more text"
            raise TextgenError(f"tokenizer.rare_words: {message}", hint)
        if not rare:
            most_frequent = known[0]  # stands in for the new words of other texts
            return {most_frequent: most_frequent}
        vectors = self.word_vectors(data)
        targets = directions(vectors, known)
        nearest = list[int]()
        for start in range(0, len(rare), BLOCK):
            block = directions(vectors, rare[start : start + BLOCK])
            nearest += (block @ targets.T).argmax(axis=1).tolist()
        return {word: known[i] for word, i in zip(rare, nearest, strict=True)}


@dataclass(frozen=True)
class StandIns(Classifier):
    """The known words that stand in for rare ones; each is a class.

    Attributes:
        stand_ins: the known word for each rare word of the training split.
        chances: P(substituted | v) of every word v that may stand in.
    """

    stand_ins: Mapping[str, str]
    chances: Mapping[str, float]

    @cached_property
    def classes(self) -> Sequence[str]:
        return list(self.chances)

    @cached_property
    def _guess(self) -> "Guess":
        return Guess(self.stand_ins)

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self._guess(word.core) for word in rare]

    def state(self) -> dict[str, Any]:
        return {"stand_ins": self.stand_ins, "chances": self.chances}


@dataclass(frozen=True)
class FittedNeighbour(FittedRareWords):
    """The tokens of known words stand for rare ones, too."""

    classifier: StandIns
    names = ()

    @cached_property
    def _tokens(self) -> dict[str, int]:
        index = self.vocabulary.index
        return {word: FIRST_OWN + index[" " + word] for word in self.classifier.classes}

    @cached_property
    def _words(self) -> dict[int, str]:
        return {token: word for word, token in self._tokens.items()}

    def encode_rare(self, piece: str, class_name: str) -> list[TokenAndSurface]:
        space, word = split_space(piece)
        return [*join_unless(space), (self._tokens[class_name], word)]

    def encode_known(self, modifiers: Sequence[int], number: int) -> list[TokenAndSurface]:
        word = self.first_word + number
        before: list[TokenAndSurface] = [(modifier, None) for modifier in modifiers]
        return [*before, (word, self._word_that_may_stand_in([*modifiers, word]))]

    def _word_that_may_stand_in(self, tokens: Sequence[int]) -> str | None:
        """The word of the last token, if it may stand in for another one there."""
        if len(tokens) > 1 and tokens[-2] in (CAPITAL, UPPER):
            return None
        return self._words.get(tokens[-1])

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        literal = self._words.get(token)
        if surface is None or literal is None or surface == literal:
            writer.add_token(token)
        else:
            writer.add_filled(surface, literal)

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        literal = self._word_that_may_stand_in(tokens)
        return None if literal is None else partial(self._chosen, literal)

    def _chosen(self, literal: str, known: Surface | None) -> Steps[str]:
        stands_in = None if known is None else known != literal
        if not (yield from chance(self.classifier.chances[literal], stands_in)):
            return literal
        return (yield from spelled(self.speller, literal, literal, known))

    def rare_tokens(self) -> list[int]:
        return list(self._words)

    def rare_openings(self, begins_white: Callable[[str], float]) -> dict[int, float]:
        chances = self.classifier.chances
        return {token: chances[word] * begins_white(word) for token, word in self._words.items()}


def _chances(data: PolicyTrainingData, guess: "Guess") -> dict[str, float]:
    """P(substituted | v): a word's own rate in training, drawn towards the overall one as by
    ``strength`` occurrences, times the ``excess`` of new text over training text. Both are chosen
    by the likelihood of the validation split."""
    vocabulary = data.vocabulary
    words = vocabulary.cores
    numbers = [vocabulary.index[" " + word] for word in words]
    stood_in = Counter(guess(word.core) for _, rare in data.training for word in rare)
    new_stood_in = Counter(guess(word.core) for _, rare in data.tuning for word in rare)
    known = _known_words(data.training, vocabulary)
    new_known = _known_words(data.tuning, vocabulary)
    # how often each word stood for itself, and for another one, in training and in validation
    literal = np.array([known[number] for number in numbers], dtype=np.float64)
    replacing = np.array([stood_in[word] for word in words], dtype=np.float64)
    new_literal = np.array([new_known[number] for number in numbers], dtype=np.float64)
    new_replacing = np.array([new_stood_in[word] for word in words], dtype=np.float64)
    substitutions = stood_in.total()
    overall = (substitutions + 1) / (literal.sum() + substitutions + 2)

    def chances(strength: float, excess: float) -> np.ndarray:
        rates = (replacing + strength * overall) / (literal + replacing + strength)
        return np.minimum(excess * rates, 0.99)

    def cost(setting: tuple[float, float]) -> float:
        p = chances(*setting)
        return -float(new_literal @ np.log2(1 - p) + new_replacing @ np.log2(p))

    best = min(itertools.product(STRENGTHS, EXCESSES), key=cost)
    return dict(zip(words, chances(*best).tolist(), strict=True))


def _known_words(
    documents: Sequence[tuple[Pieces, Sequence[RareWord]]], vocabulary: Vocabulary
) -> Counter[int]:
    """How often each known word occurs where another one might stand in: behind no case modifier.

    Args:
        documents: the pieces of each, and the rare words among them.
        vocabulary: the known words, by whose numbers they are counted.
    """
    occurrences = Counter[str]()
    for pieces, _ in documents:
        occurrences.update(pieces)
    words = Counter[int]()
    for piece, number in occurrences.items():
        known = vocabulary.parts(piece)
        if known is not None and not {CAPITAL, UPPER} & {*known.modifiers}:
            words[known.number] += number
    return words


def rare_types(data: PolicyTrainingData) -> list[str]:
    """The rare words of the training split, each once."""
    return sorted({word.core for _, rare in data.training for word in rare})


def directions(vectors: Any, words: Sequence[str]) -> np.ndarray:
    """(n, size): the vectors of words, all of length one."""
    matrix = np.stack([vectors[word] for word in words])
    return matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)


def known_form(piece: str, vocabulary: Vocabulary) -> str:
    """The vocabulary's word for a piece, or a rare piece itself, without the leading space."""
    known = vocabulary.parts(piece)
    word = piece if known is None else vocabulary.words[known.number]
    _, core = split_space(word)
    return core


class Guess:
    """The value of a word: its own, or the most frequent one among words with the same ending.

    Args:
        known: word → value.
        default: the value of every word, if none is known.
    """

    def __init__(self, known: Mapping[str, str], default: str = "") -> None:
        self._known = known
        self._default = default
        self._endings = dict[str, Counter[str]]()
        for word, value in known.items():
            for ending in _endings(word):
                self._endings.setdefault(ending, Counter())[value] += 1

    def __call__(self, word: str) -> str:
        if word in self._known:
            return self._known[word]
        for ending in _endings(word):
            values = self._endings.get(ending)
            if values is not None:
                return min(values, key=lambda value: (-values[value], value))
        return self._default


def _endings(word: str) -> list[str]:
    """The endings of a word, long ones first, and last the empty one."""
    longest = min(MAX_ENDING, len(word))
    return [word[len(word) - length :] for length in range(longest, -1, -1)]
