"""Rare words by the vectors that gensim learns of them: clusters, and the nearest known word."""

import itertools
from abc import abstractmethod
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
from textgen.tokenizers.rare_words import ClassPolicy, Hidden, Pieces, PolicyTrainingData
from textgen.tokenizers.segmentation import LETTERS
from textgen.tokenizers.steps import Steps, StepsOf, chance, spelled
from textgen.tokenizers.vocabulary import RareWord, Vocabulary, split_space
from textgen.tokenizers.writing import WordWriter

MAX_ENDING = 6
STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
EXCESSES = (0.5, 1.0, 1.5, 2.0, 3.0)
BLOCK = 1000  # rare words compared with all known ones at once


@dataclass(frozen=True)
class VectorPolicy(ClassPolicy):
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

    @property
    @abstractmethod
    def class_of_word(self) -> "Guess":
        """The class of any rare word, from those of the training split."""

    def classify(self, pieces: Pieces, rare: Sequence[RareWord]) -> Sequence[str]:
        return [self.class_of_word(word.core) for word in rare]

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

    def learn(self, data: PolicyTrainingData) -> list[list[str]]:
        """The words of each cluster, by direction (k-means++; Lloyd 1982)."""
        from scipy.cluster.vq import kmeans2

        words = rare_types(data)
        if not words:
            return [[]]
        points = directions(self.word_vectors(data), words).astype(np.float64)
        number = min(self.clusters, len(words))
        _, numbers = kmeans2(points, number, minit="++", seed=data.seed, missing="warn")
        types = np.array(words, dtype=object)
        return [types[numbers == n].tolist() for n in np.unique(numbers)]

    @cached_property
    def classes(self) -> Sequence[str]:
        return [f"cluster {number}" for number in range(len(self.learnt))]

    @cached_property
    def class_of_word(self) -> "Guess":
        members = zip(self.classes, self.learnt, strict=True)
        known = {word: name for name, words in members for word in words}
        return Guess(known or {"": self.classes[0]})


@dataclass(frozen=True)
class Neighbour(VectorPolicy):
    """The nearest word of the vocabulary, by cosine of gensim vectors, stands in for a rare one.

    The substitute is an ordinary word of the text, so every occurrence of a word that can stand in
    has to say whether it does, and for which word: P(v | h) · P(substituted | v) · P(w | v), while
    a literal v is charged 1 − P(substituted | v). After a case modifier, a word never stands in.
    """

    names = ()

    @cached_property
    def classes(self) -> Sequence[str]:
        return list(self.learnt["chances"])

    @cached_property
    def class_of_word(self) -> "Guess":
        return Guess(self.learnt["stand_ins"])

    def token_of(self, name: str) -> int:
        return FIRST_OWN + self.vocabulary.index[" " + name]

    @cached_property
    def _stand_ins_of_tokens(self) -> dict[int, str]:
        return {self.token_of(name): name for name in self.classes}

    def _literal(self, tokens: Sequence[int]) -> str | None:
        """The word of the last token, if that may stand in for another one."""
        cased = len(tokens) > 1 and tokens[-2] in (CAPITAL, UPPER)
        return None if cased or not len(tokens) else self._stand_ins_of_tokens.get(tokens[-1])

    def encode_known(self, modifiers: Sequence[int], number: int) -> list[Hidden]:
        hidden = super().encode_known(modifiers, number)
        tokens = [token for token, _ in hidden]
        return [*hidden[:-1], (tokens[-1], self._literal(tokens))]

    def write(self, writer: WordWriter, token: int, surface: str | None) -> None:
        literal = self._stand_ins_of_tokens.get(token)
        if surface is None or literal in (None, surface):
            writer.add_token(token)
        else:
            writer.add_filled(surface, literal or "")

    def surface_steps(self, tokens: Sequence[int]) -> StepsOf | None:
        literal = self._literal(tokens)
        return None if literal is None else partial(self._chosen, literal)

    def _chosen(self, literal: str, known: Surface | None) -> Steps[str]:
        stands_in = None if known is None else known != literal
        if not (yield from chance(self.learnt["chances"][literal], stands_in)):
            return literal
        return (yield from spelled(self.speller, literal, literal, known))

    def rare_openings(self, white: Callable[[str], float]) -> dict[int, float]:
        chances = self.learnt["chances"]
        return {t: chances[name] * white(name) for t, name in self._stand_ins_of_tokens.items()}

    def portable(self) -> dict[str, Any]:
        raise ValueError("the rare-word policy neighbour")

    def learn(self, data: PolicyTrainingData) -> dict[str, dict[str, Any]]:
        """``stand_ins``: the known word for each rare word of the training split; ``chances``:
        P(substituted | v) of every word v that may stand in, tuned on validation.

        Raises:
            TextgenError: no word of the vocabulary can stand in.
        """
        stand_ins = self._stand_ins(data)
        return {"stand_ins": stand_ins, "chances": _chances(data, Guess(stand_ins))}

    def _stand_ins(self, data: PolicyTrainingData) -> dict[str, str]:
        rare = rare_types(data)
        known = [word for word in data.vocabulary.cores if LETTERS.fullmatch(word)]
        if not known:
            message = "no known word of letters can stand in for a rare one"
            hint = "lower tokenizer.minimum_count, or use another policy or more text"
            raise TextgenError(f"tokenizer.rare_words: {message}", hint)
        if not rare:
            return {known[0]: known[0]}
        vectors = self.word_vectors(data)
        targets, nearest = directions(vectors, known), list[int]()
        for start in range(0, len(rare), BLOCK):
            block = directions(vectors, rare[start : start + BLOCK])
            nearest += (block @ targets.T).argmax(axis=1).tolist()
        return {word: known[i] for word, i in zip(rare, nearest, strict=True)}


def _chances(data: PolicyTrainingData, guess: "Guess") -> dict[str, float]:
    """P(substituted | v): a word's own rate in training, drawn towards the overall one as by
    ``strength`` occurrences, times the ``excess`` of new text over training text. Both are chosen
    by the likelihood of the validation split."""
    vocabulary, words = data.vocabulary, data.vocabulary.cores
    stood_in, substituted = (
        Counter(guess(word.core) for _, rare in part for word in rare)
        for part in (data.training, data.tuning)
    )
    parts = (vocabulary.parts(piece) for pieces, _ in data.tuning for piece in pieces)
    literal = Counter(known[1] for known in parts if known is not None)
    overall = (stood_in.total() + 1) / (sum(vocabulary.counts) + stood_in.total() + 2)
    pairs = [(word, vocabulary.index[" " + word]) for word in words]
    rows = [(vocabulary.counts[i], stood_in[w], literal[i], substituted[w]) for w, i in pairs]
    known, replaced, new_known, new_replaced = np.array(rows, dtype=np.float64).T

    def chances(strength: float, excess: float) -> np.ndarray:
        own = (replaced + strength * overall) / (known + replaced + strength)
        return np.minimum(excess * own, 0.99)

    def cost(setting: tuple[float, float]) -> float:
        p = chances(*setting)
        return -float(new_known @ np.log2(1 - p) + new_replaced @ np.log2(p))

    best = min(itertools.product(STRENGTHS, EXCESSES), key=cost)
    return dict(zip(words, chances(*best).tolist(), strict=True))


def rare_types(data: PolicyTrainingData) -> list[str]:
    """The rare words of the training split, each once."""
    return sorted({word.core for _, rare in data.training for word in rare})


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
        known: word → value; at least one.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known, self._endings = known, dict[str, Counter[str]]()
        for word, value in known.items():
            for ending in _endings(word):
                self._endings.setdefault(ending, Counter())[value] += 1

    def __call__(self, word: str) -> str:
        if word in self._known:
            return self._known[word]
        values = next(filter(None, map(self._endings.get, _endings(word))))
        return min(values, key=lambda value: (-values[value], value))


def _endings(word: str) -> list[str]:
    """The endings of a word, long ones first, and last the empty one."""
    return [word[len(word) - n :] for n in range(min(MAX_ENDING, len(word)), -1, -1)]
