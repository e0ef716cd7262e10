"""PLUG-IN: how generated text compares with human text.

A metric turns each sample into a row of counts that may be added up, and sums of rows into figures.
So a bootstrap over samples is one matrix product. textgen's own are in
:data:`textgen.evaluation.figures.METRICS`; other packages bring theirs by entry points.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

import numpy as np

from textgen.data.language import WORD, word_list

TABLE: dict[str, str] = {}
"""textgen's own metrics have no kinds: all of them are always measured."""
PASSAGE_MARGIN = 40
"""Characters within which the start of a word is looked for."""
MIN_ZIPF_FREQUENCY = 2.0
"""log10 occurrences per thousand million words (van Heuven et al. 2014): 2 is one in 10 million."""
MAX_ABBREVIATION = 3
"""Up to this length every string is some abbreviation in the list (tf 3.6, sas 3.5): such a word
counts only if the training text has it. The same goes for other languages' lists."""
SPACE = re.compile(r"\s+")
HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


def words(text: str) -> list[str]:
    """The words of a text, lower-cased, apostrophes kept; numbers are not words. In scripts without
    spaces between words every character is one."""
    return [match.group().lower().replace("’", "'") for match in WORD.finditer(text)]


def training_words(texts: Iterable[str]) -> set[str]:
    """The types of the training split."""
    return {word for text in texts for word in words(text)}


def is_real(word: str, training: Collection[str], language: str = "en") -> bool:
    """Is a lower-cased word in the training text, or longer than three letters with a Zipf
    frequency of at least 2 in the language, an English possessive 's left aside? In a language
    without a list (see :func:`textgen.data.language.word_list`) the training text alone decides."""
    if word in training:
        return True
    stem = word.removesuffix("'s") if language == "en" else word
    code = word_list(language)
    if code is None or len(stem) <= MAX_ABBREVIATION:
        return False
    from wordfreq import zipf_frequency

    return zipf_frequency(stem, code) >= MIN_ZIPF_FREQUENCY


def real_words(text: str, training: Collection[str], language: str = "en") -> dict[str, float]:
    """Shares of a text's words that are words.

    Returns:
        ``in_training``: occurs in the training text. ``strict``: see :func:`is_real`. ``words``:
        how many there are.
    """
    written = words(text)
    total = max(len(written), 1)
    return {
        "in_training": sum(word in training for word in written) / total,
        "strict": sum(is_real(word, training, language) for word in written) / total,
        "words": len(written),
    }


@dataclass(frozen=True)
class Sample:
    """A text, and (start, end, token) of every stretch of it that fills in a placeholder."""

    text: str
    filled: tuple[tuple[int, int, str], ...] = ()

    @cached_property
    def words(self) -> list[str]:
        """Lower-cased, in order; see :func:`words`."""
        return words(self.text)

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each of its words occurs."""
        return Counter(self.words)

    @cached_property
    def letters(self) -> Counter[str]:
        """How often each letter or combining mark (an accent, a vowel sign) occurs, lower-cased."""
        counts = Counter(self.text.lower()).items()
        return Counter({c: n for c, n in counts if unicodedata.category(c)[0] in "LM"})


class Human:
    """Human text to compare with: the documents of the training split, and nothing else.

    Args:
        documents: raw texts.
        language: their code of ISO 639.
    """

    def __init__(self, documents: Sequence[str], language: str = "en") -> None:
        self.samples = [Sample(text) for text in documents]
        self.language = language
        self._ngrams: dict[tuple[bool, int], np.ndarray] = {}

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word occurs."""
        return _sum(sample.counts for sample in self.samples)

    @cached_property
    def letters(self) -> Counter[str]:
        """How often each letter occurs."""
        return _sum(sample.letters for sample in self.samples)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.counts, start=1)}

    def contains(self, sample: Sample, n: int, *, by_words: bool) -> np.ndarray:
        """(N − n + 1,) bool: whether the n words, or else characters, from each place of a sample
        on stand in a document."""
        if (by_words, n) not in self._ngrams:
            hashes = [ngram_hashes(self._codes(s, by_words), n) for s in self.samples]
            hashes.append(np.zeros(1, np.uint64))  # searched only for a place: never empty
            self._ngrams[by_words, n] = np.unique(np.concatenate(hashes))
        known, wanted = self._ngrams[by_words, n], ngram_hashes(self._codes(sample, by_words), n)
        return known[np.searchsorted(known, wanted).clip(max=len(known) - 1)] == wanted

    def _codes(self, sample: Sample, by_words: bool) -> np.ndarray:
        if by_words:
            return np.array([self._numbers.get(word, 0) for word in sample.words], np.uint64)
        encoded = sample.text.encode("utf-32-le", "surrogatepass")
        return np.frombuffer(encoded, dtype="<u4").astype(np.uint64)


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total = Counter[str]()
    for counter in counters:
        total.update(counter)
    return total


def ngram_hashes(codes: np.ndarray, n: int) -> np.ndarray:
    """(N − n + 1,) uint64: a hash of every n codes in a row, from (N,) uint64."""
    hashes = np.zeros(max(0, len(codes) - n + 1), dtype=np.uint64)
    for place in range(n):
        hashes = hashes * HASH_BASE + codes[place : place + len(hashes)] + np.uint64(1)
    return hashes


class Label(NamedTuple):
    """How a figure is shown.

    Attributes:
        meaning: what it is, in plain words; ``{language}`` stands for that of the text.
        unit: what it is counted in.
        form: its format specification, such as ``.1%``.
        better: which direction is better; ``"human"`` is closer to the figure of human text.
        group: the heading that it stands under in a report.
    """

    meaning: str
    unit: str
    form: str = ".1%"
    better: Literal["higher", "lower", "human"] = "human"
    group: str = "Others"


class Metric(Protocol):
    """A family of figures.

    One that means something in certain languages alone also has ``applies(language) -> bool``; in
    others it is neither computed nor shown.
    """

    @property
    def labels(self) -> Mapping[str, Label]:
        """One for each figure, in the order shown."""
        ...

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        """(P, K) float64, one row per sample; rows may be added up."""
        ...

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        """Figures of summed rows.

        Args:
            total: (…, K) float64 sums of rows, each row taken any number of times.

        Returns:
            (…) float64 for every label; NaN where there was nothing to count.
        """
        ...


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def table(rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    """(P, ``columns``) float64, also without rows."""
    return np.array(rows, dtype=float).reshape(len(rows), columns)


def human_passages(documents: Sequence[str], count: int, length: int, seed: int) -> list[Sample]:
    """Random passages of equal size that start where a word does, and do not overlap.

    There are fewer than asked for where the documents have no room for more. Documents that are
    shorter than a passage are taken whole, and only if there is nothing longer.

    Args:
        documents: raw text, held out of training.
        count: how many passages at most.
        length: characters in each.

    Raises:
        ValueError: no document has any text.
    """
    random = np.random.default_rng(seed)
    long = [d for d in documents if len(d) >= length] or [d for d in documents if d]
    if not long:
        raise ValueError("no documents to take passages from")
    slot = length + PASSAGE_MARGIN
    places = []
    for document in long:
        fit = len(document) // slot
        offset = int(random.integers(0, len(document) - fit * slot + 1))
        places += [(document, offset + i * slot) for i in range(fit)]
    places = places or [(document, 0) for document in long]
    chosen = [places[i] for i in random.permutation(len(places))[:count]]
    return [Sample(_from_word_start(document, place, length)) for document, place in chosen]


def _from_word_start(document: str, place: int, length: int) -> str:
    """``length`` characters from the first word that starts at ``place`` or soon after."""
    latest = min(place + PASSAGE_MARGIN, max(0, len(document) - length))
    space = SPACE.search(document, place - 1) if place else None
    if space and space.end() <= latest:
        place = space.end()
    return document[place : place + length]


def shuffled_text(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """The words of each sample in random order; what is between the words stays in place."""
    random = np.random.default_rng(seed)
    result = []
    for sample in samples:
        shuffled = iter(random.permutation(np.array(WORD.findall(sample.text), dtype=object)))
        result.append(Sample(WORD.sub(lambda match, rest=shuffled: next(rest), sample.text)))
    return result
