"""PLUG-IN: first vectors of the embedding layer: random ones, gensim's from the training split
alone, or pretrained ones from text files: those of word2vec and fastText (``.vec``), whose first
line has the number of words and of dimensions, and GloVe's, which have no such line.

An embedding derives from :class:`Embedding`.

Does not handle: words with several meanings, which share one vector; several threads, which would
make every run differ; binary files, and fastText's vectors of words that are not in its list.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.files import UNREADABLE, sha256_of
from textgen.core.settings import Count

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

TABLE = {"random": "Random", "word2vec": "Word2Vec", "fasttext": "FastText", "file": "File"}
# Root mean square of the components of a network's first vectors. Learnt vectors come in every
# size, and a network that starts from large ones saturates.
SCALE = 0.1
# Tokens that gensim gets at once; it ignores everything beyond 10,000.
SENTENCE_TOKENS = 1000
Kind = Literal["word2vec", "fasttext"]


class Vectors(NamedTuple):
    """The vectors that the embedding layer starts from.

    Attributes:
        matrix: (V, width) float32, or None for the random vectors of Keras.
        extra_data: external resources that the vectors come from, for the reports; usually none.
    """

    matrix: np.ndarray | None = None
    extra_data: tuple[str, ...] = ()


class Embedding(ABC):
    """The base of embeddings, which are frozen dataclasses.

    Attributes:
        frozen: whether the vectors stay fixed during training.
    """

    frozen: bool = False

    @abstractmethod
    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        """A vector for each token.

        Args:
            names: (V,) the text of each token (see :class:`textgen.tokenizers.base.Tokenizer`).
            documents: the training documents as tokens, (n,) integers each.
            width: size of a vector.
            seed: of the random numbers.

        Raises:
            TextgenError: a file that cannot be read, or vectors of another width.
        """


@dataclass(frozen=True)
class Random(Embedding):
    """The small random vectors of Keras, for all tokens: nothing is learnt beforehand."""

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        return Vectors()


@dataclass(frozen=True)
class _Learnt(Embedding):
    """Vectors that gensim learns from the training documents."""

    epochs: Count = 10
    window: Count = 5
    frozen: bool = False
    kind: ClassVar[Kind]

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        words = list(map(str, range(len(names))))  # two tokens may share a name
        if self.kind == "fasttext":
            words = distinct_spellings(names)
        named = [[words[token] for token in document.tolist()] for document in documents]
        keyed = train_vectors(named, self.kind, width, self.epochs, self.window, seed)
        known = {i: keyed[word] for i, word in enumerate(words) if word in keyed.key_to_index}
        return Vectors(starting_matrix(known, width, len(names), seed))


@dataclass(frozen=True)
class Word2Vec(_Learnt):
    """Tokens in the same contexts get similar vectors (Mikolov et al. 2013).

    Spelling plays no part, so characters, words and subwords are treated alike. A token that is
    not in the training split starts with a random vector.

    Args:
        epochs: passes over the text.
        window: tokens on either side that count as context.
        frozen: keep the vectors fixed while the network is trained.
    """

    kind = "word2vec"


@dataclass(frozen=True)
class FastText(_Learnt):
    """Tokens in the same contexts or with the same letters get similar vectors (Bojanowski et al.
    2017), which helps rare tokens. A token that is not in the training split starts with a
    random vector.

    The character n-grams are those of the name without its leading space. If that is the name of
    another token (" the" and "the"), the space is kept as a letter; the two still share most
    n-grams.

    Args:
        epochs: passes over the text.
        window: tokens on either side that count as context.
        frozen: keep the vectors fixed while the network is trained.
    """

    kind = "fasttext"


@dataclass(frozen=True)
class File(Embedding):
    """Vectors from a file: an external resource, which the reports name.

    A token is looked up by its name without the leading space, then by the same in lower case. A
    token that the file does not list starts with a random vector.

    Args:
        path: word2vec, fastText or GloVe vectors as text, which may be compressed (``.gz``,
            ``.bz2``).
        frozen: keep the vectors fixed while the network is trained.
    """

    path: Path
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        wanted = {form for name in names for form in _forms(name)}
        try:
            read = read_vectors(self.path, width, wanted)
            checksum = sha256_of(self.path)
        except (*UNREADABLE, ImportError) as error:  # the latter of .zst and the like
            problem = getattr(error, "strerror", None) or str(error)
            hint = f"give word2vec, fastText or GloVe vectors of {width} numbers as text, or set "
            hint += "[backbone] embedding_size to their width"
            raise TextgenError(f"embedding.path: {self.path}: {problem}", hint) from None
        found = dict[int, np.ndarray]()
        for token, name in enumerate(names):
            listed = [form for form in _forms(name) if form in read]
            if listed:
                found[token] = read[listed[0]]
        if not found:
            message = f"embedding.path: {self.path}: the file lists none of the {len(names)} tokens"
            hint = "such files hold words: use a word tokenizer, and the language of the corpus"
            raise TextgenError(message, hint)
        matrix = starting_matrix(found, width, len(names), seed)
        source = f"vectors {self.path.name} (sha256 {checksum[:12]}…), "
        return Vectors(matrix, (f"{source}{len(found)} of {len(names)} tokens found",))


def distinct_spellings(names: Sequence[str]) -> list[str]:
    """A distinct string for each token: its name, if possible without the leading space."""
    full_names = set(names)
    taken = set[str]()
    spellings = list[str]()
    for token, name in enumerate(names):
        bare = name.removeprefix(" ")
        spelling = bare if bare and bare not in full_names else name
        if spelling in taken:
            spelling = f"{spelling}\0{token}"
        taken.add(spelling)
        spellings.append(spelling)
    return spellings


def train_vectors(
    documents: Sequence[Sequence[str]], kind: Kind, size: int, epochs: int, window: int, seed: int
) -> "KeyedVectors":
    """Vectors of the words of a text, bit-identical for the same documents and seed.

    ``"word2vec"`` predicts a word from the mean of its neighbours (continuous bag of words,
    Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space", section
    3.1) against negative samples ("Distributed Representations of Words and Phrases and their
    Compositionality", equation 4). ``"fasttext"`` predicts the neighbours from the word
    (skip-gram), whose vector is the mean of its own and those of its character n-grams of 3 to 6
    (Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information", section 3.2, has
    their sum).

    Args:
        documents: lists of words.
        kind: one of the two models.
        size: dimensions of a vector.
        epochs: passes over the documents.
        window: words on either side that count as context.
        seed: of the first vectors and of the negative samples.

    Returns:
        gensim's ``KeyedVectors``: ``key_to_index`` of each word, ``vectors`` (words, ``size``)
        float32. Empty where there are no words.
    """
    from gensim.models import FastText, KeyedVectors, Word2Vec
    from gensim.utils import grouper

    logging.getLogger("gensim").setLevel(logging.ERROR)  # small corpora do no harm here
    sentences = [part for words in documents for part in grouper(words, SENTENCE_TOKENS)]
    types = len(set[str]().union(*sentences))
    if not types:
        return KeyedVectors(size)
    # gensim drops occurrences of words more frequent than this: 1 in 1000 by default, which among
    # 90 characters would be nearly all; so those 10 times as frequent as the average
    settings = {
        "sample": max(1e-3, 10 / types),
        "min_count": 1,
        "workers": 1,
        "vector_size": size,
        "window": window,
        "epochs": epochs,
        "seed": seed,
    }
    if kind == "word2vec":
        return Word2Vec(sentences, sg=0, **settings).wv
    # by default the n-grams share ten times as many vectors, which cost 780 MB
    return FastText(sentences=sentences, sg=1, bucket=200_000, min_n=3, max_n=6, **settings).wv


def starting_matrix(known: dict[int, np.ndarray], width: int, size: int, seed: int) -> np.ndarray:
    """First weights of an embedding layer: learnt vectors, and random ones for the other tokens.

    The components of either kind have a root mean square of :data:`SCALE`.

    Args:
        known: the learnt vectors of some tokens, (width,) float each.
        width: of a vector.
        size: number of tokens.
        seed: of the random vectors.

    Returns:
        (``size``, width) float32.
    """
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((size, width), dtype=np.float32) * np.float32(SCALE)
    if known:
        vectors = np.stack([*known.values()])
        rms = float(np.sqrt(np.mean(np.square(vectors, dtype=np.float64))))
        if rms > np.finfo(np.float32).tiny:  # below it the factor is no float32
            vectors = vectors * (SCALE / rms)
        matrix[[*known]] = vectors
    return matrix


def _forms(name: str) -> tuple[str, ...]:
    """The words under which a token is looked up, in order of preference."""
    word = name.removeprefix(" ")
    return (word, word.lower()) if word else ()


def read_vectors(path: Path, width: int, wanted: set[str]) -> dict[str, np.ndarray]:
    """The vectors of the wanted words, (width,) float32 each.

    Gensim's own reader parses and keeps every vector, of 2 million words in some ten minutes, and
    fails at words with a space in them, which GloVe has. Here only the wanted lines are parsed.

    Raises:
        ValueError: something else than vectors, of another width, or cut off.
    """
    lines = _lines(path)
    expected = 1  # at least
    announced = _announced(next(lines, ""))
    if announced is None:  # the first line is a vector, too
        lines = _lines(path)
    else:
        expected = max(expected, announced)
    vectors = dict[str, np.ndarray]()
    found = 0
    for line in lines:
        found += 1
        # Words may have spaces in them, so numbers are counted from the end. Of the first line the
        # word has none, else any file of wider vectors could be read: as words with spaces.
        spaces = line.count(" ")
        is_too_long = found == 1 and spaces > width
        if spaces < width or is_too_long:
            raise ValueError(f"a vector of {spaces} numbers: {line[:40]!r}")
        word, *numbers = line.rsplit(" ", width)
        if word in wanted and word not in vectors:
            vector = np.array(numbers, dtype=np.float32)
            if not np.isfinite(vector).all():
                raise ValueError(f"a vector with numbers that are not finite: {word!r}")
            vectors[word] = vector
    if found < expected:
        raise ValueError(f"{found} vectors, where {expected} are expected")
    return vectors


def _announced(line: str) -> int | None:
    """The number of words that the first line of a file says; None if it says none."""
    numbers = line.split(" ")
    if len(numbers) == 2 and all(map(str.isdecimal, numbers)):
        return int(numbers[0])
    return None


def _lines(path: Path) -> Iterator[str]:
    """The lines that are not empty, without white space at their ends."""
    from gensim.utils import open as read  # decompresses, but takes `a:b.vec` for a URL

    with read(str(path.absolute()), "rt", encoding="utf-8-sig", errors="backslashreplace") as lines:
        for line in lines:
            stripped = line.rstrip()
            if stripped:
                yield stripped
