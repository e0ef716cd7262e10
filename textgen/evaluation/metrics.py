"""PLUG-IN: figures of generated text, beside those of human text.

A figure is a part over a whole, both added up over samples, or the distance of a distribution from
that of the training text. A metric, which may have several, turns each sample into a row of counts
that may be added up, and sums of rows into figures: a bootstrap over samples is one matrix product.
textgen's own are a distance and the :data:`SHARES`, which :data:`LABELS` describes;
other packages bring theirs by entry points. Unless stated otherwise, words are lower-cased and
without punctuation.
"""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np

from textgen.core.registry import lookup, plugin_table
from textgen.data.language import WORD, language_name, word_list
from textgen.ngrams.kneser_ney import find

# textgen's own metrics have no kinds: all of them are always measured.
TABLE: dict[str, str] = {}
# Characters within which the start of a word is looked for.
PASSAGE_MARGIN = 40
# log10 occurrences per thousand million words (van Heuven et al. 2014): 2 is one in 10 million.
MIN_ZIPF_FREQUENCY = 2.0
# Up to this length every string is some abbreviation in the list (tf 3.6, sas 3.5): such a word
# counts only if the training text has it. The same goes for other languages' lists.
MAX_ABBREVIATION = 3
SPACE = re.compile(r"\s+")
HASH_BASE = np.uint64(0x9E3779B97F4A7C15)


def words(text: str) -> list[str]:
    """The words of a text, lower-cased, apostrophes kept; numbers are not words. In scripts without
    spaces between words every character is one."""
    return [match.group().lower().replace("’", "'") for match in WORD.finditer(text)]


def is_listed(word: str, language: str) -> bool:
    """Whether a word stands in the list of a language as more than an abbreviation: is longer than
    three letters and has a Zipf frequency of at least 2.

    Args:
        word: lower-cased; an English possessive 's is left aside.
        language: one without a list (see :func:`textgen.data.language.word_list`) has no such word.
    """
    listed_in = word_list(language)
    if listed_in is None:
        return False
    stem = word
    if language == "en":
        stem = word.removesuffix("'s")
    if len(stem) <= MAX_ABBREVIATION:
        return False
    from wordfreq import zipf_frequency

    return zipf_frequency(stem, listed_in) >= MIN_ZIPF_FREQUENCY


@dataclass(frozen=True)
class Sample:
    """A text to be measured."""

    text: str

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
        return count_letters([self.text])


def count_letters(texts: Iterable[str]) -> Counter[str]:
    characters = Counter(itertools.chain.from_iterable(text.lower() for text in texts))
    letters = Counter[str]()
    for character, times in characters.items():
        major_category = unicodedata.category(character)[0]
        if major_category in ("L", "M"):  # letters and marks
            letters[character] = times
    return letters


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
        return Counter(itertools.chain.from_iterable(sample.words for sample in self.samples))

    @cached_property
    def letters(self) -> Counter[str]:
        """How often each letter occurs."""
        return count_letters(sample.text for sample in self.samples)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.counts, start=1)}

    def contains(self, sample: Sample, n: int, *, by_words: bool) -> np.ndarray:
        """(N − n + 1,) bool: whether the n words, or else characters, from each place of a sample
        on stand in a document."""
        key = (by_words, n)
        if key not in self._ngrams:
            hashes = [np.zeros(0, np.uint64)]  # there may be no documents
            for document in self.samples:
                hashes.append(ngram_hashes(self._codes(document, by_words), n))
            self._ngrams[key] = np.sort(np.concatenate(hashes))
        wanted = ngram_hashes(self._codes(sample, by_words), n)
        _, known = find(self._ngrams[key], wanted)
        return known

    def _codes(self, sample: Sample, by_words: bool) -> np.ndarray:
        if by_words:
            return np.array([self._numbers.get(word, 0) for word in sample.words], np.uint64)
        encoded = sample.text.encode("utf-32-le", "surrogatepass")
        return np.frombuffer(encoded, dtype="<u4").astype(np.uint64)


def ngram_hashes(codes: np.ndarray, n: int) -> np.ndarray:
    """(N − n + 1,) uint64: a hash of every n codes in a row, from (N,) uint64."""
    hashes = np.zeros(max(0, len(codes) - n + 1), dtype=np.uint64)
    for place in range(n):
        hashes = hashes * HASH_BASE + codes[place : place + len(hashes)] + np.uint64(1)
    return hashes


@dataclass(frozen=True)
class Label:
    """How a figure is shown.

    Attributes:
        meaning: what it is, in plain words; ``{language}`` stands for that of the text.
        unit: what it is counted in.
        form: its format specification, such as ``.1%``.
    """

    meaning: str
    unit: str
    form: str = ".1%"


class Metric(Protocol):
    """A family of figures; one that means something in certain languages alone is also a
    :class:`LanguageBound`."""

    @property
    def labels(self) -> Mapping[str, Label]:
        """One for each figure, in the order shown."""

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        """(P, K) float64, one row per sample; rows may be added up."""

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        """Figures of summed rows.

        Args:
            total: (…, K) float64 sums of rows, each row taken any number of times.

        Returns:
            (…) float64 for every label; NaN where there was nothing to count.
        """


@runtime_checkable
class LanguageBound(Protocol):
    """Of a metric: in which languages it is computed and shown."""

    def applies(self, language: str) -> bool:
        """Whether it says something about texts in a language, an ISO code."""


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, NaN where the whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def table(rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    """(P, ``columns``) float64, also without rows."""
    return np.array(rows, dtype=float).reshape(len(rows), columns)


CONFIDENCE = 0.95
# Characters: a stretch of the training text of at least this length is called copied.
COPY_LENGTH = 30
NEW_ORDERS = (2, 3, 4, 5)
# Words. The number of different ones falls with the length of a text: hence blocks of one size.
DISTINCT_BLOCK = 100
DISTINCT = {1: "single words", 2: "pairs of words", 3: "triples of words"}
MAX_LOOP = 10
# Longer words count as this long.
MAX_LETTERS = 63
COMMON_WORDS = ("the", "and", "than", "that")
ENDINGS = ("ing", "ed", "tion")
PREPOSITIONS = frozenset(
    """aboard about above across after against along amid amidst among amongst around at athwart
    before behind below beneath beside besides between betwixt beyond by concerning despite down
    during except for from in inside into like near of off on onto opposite out outside over past
    regarding round since through throughout till to toward towards under underneath until unto up
    upon via with within without""".split()
)
# Personal, possessive, reflexive, relative, interrogative and indefinite; not "this" and "that" and
# their plurals, which stand before a noun as a rule or join clauses.
PRONOUNS = frozenset(
    """i me my mine myself we us our ours ourselves you your yours yourself yourselves thou thee thy
    thine thyself ye he him his himself she her hers herself it its itself they them their theirs
    themselves who whom whose whoever whomever which what whatever anybody anyone anything everybody
    everyone everything nobody none nothing somebody someone something oneself""".split()
)
FIRST_LETTER = re.compile(r"""(?:^|[\s“‘«‹(\[{—–_*-])["'`“‘’]*([^\W\d_])""")


# Names of textgen's own shares → what they are.
LABELS = {
    "word_length": Label("mean length of a word", "letters", ".2f"),
    "capitals_in_place": Label("capitals that start a word", "of capital letters"),
    "real_words": Label("in the training text, or a word of {language}", "of words", ".2%"),
    "unseen_real_words": Label(
        "not in the training text, but a word of {language}", "of words", ".2%"
    ),
    "words_in_training": Label("in the training text", "of words"),
    "words_once_in_training": Label("once in the training text", "of words"),
    "unseen_words": Label("not in the training text", "of words"),
    **{f"word_{word}": Label(f"“{word}”", "of words", ".2%") for word in COMMON_WORDS},
    **{f"ending_{end}": Label(f"words ending in -{end}", "of words", ".2%") for end in ENDINGS},
    "prepositions": Label("prepositions", "of words", ".2%"),
    "pronouns": Label("pronouns", "of words", ".2%"),
    **{f"distinct_{n}": Label(f"distinct {DISTINCT[n]} in 100 words", "of all") for n in DISTINCT},
    "loops": Label("words in immediate repetitions", "of words"),
    "copied": Label(
        f"characters in stretches of {COPY_LENGTH} or more copied from the training text",
        "of characters",
    ),
    "longest_copy": Label("longest copied stretch of a sample, mean", "characters", ".1f"),
    **{f"novel_{n}": Label(f"new sequences of {n} words", "of all") for n in NEW_ORDERS},
}


# Name, part and whole of figures of a text.
Parts = Iterator[tuple[str, float, float]]


def word_length(sample: Sample, human: Human) -> Parts:
    lengths = {word: sum(map(str.isalpha, word)) for word in sample.counts}
    total = sum(n * min(lengths[word], MAX_LETTERS) for word, n in sample.counts.items())
    yield "word_length", total, len(sample.words)


def capitals(sample: Sample, human: Human) -> Parts:
    """Capitals that start a word, in any script that has some.

    A capital is in place at the start of the text or after white space, an opening bracket, a dash,
    an asterisk or an underscore, with or without an opening quote between; the inner capitals of
    "NASA" and "McCoy" are not, nor the second initial of "H.P.".
    """
    placed = sum(match.group(1).isupper() for match in FIRST_LETTER.finditer(sample.text))
    yield "capitals_in_place", placed, sum(map(str.isupper, sample.text))


def known_words(sample: Sample, human: Human) -> Parts:
    """Words of the training text, and new ones that are words of the language: would the network
    ever write a word like "pandemonium"? These stand in the list of wordfreq (Speer 2022,
    zenodo.org/records/7199437), under the rule of :func:`is_listed`."""
    total = len(sample.words)
    unseen = sample.counts.keys() - human.counts.keys()
    in_training = total - sum(sample.counts[word] for word in unseen)
    if word_list(human.language) is not None:
        new = sum(sample.counts[word] for word in unseen if is_listed(word, human.language))
        yield "real_words", in_training + new, total
        yield "unseen_real_words", new, total
    yield "words_in_training", in_training, total
    yield "words_once_in_training", sum(human.counts[word] == 1 for word in sample.words), total
    yield "unseen_words", total - in_training, total


def english_words(sample: Sample, human: Human) -> Parts:
    """What the article's author counted by hand, in English.

    A form counts whatever its use, without a tagger: "like" and "to" are prepositions, "her" a
    pronoun, "thing" ends in -ing. A pronoun may carry a clitic ("I'm", "they'd").
    """
    if human.language == "en":
        words = sample.words
        total = len(words)
        for word in COMMON_WORDS:
            yield f"word_{word}", sample.counts[word], total
        for end in ENDINGS:
            yield f"ending_{end}", sum(word.endswith(end) for word in words), total
        yield "prepositions", sum(word in PREPOSITIONS for word in words), total
        yield "pronouns", sum(word.split("'")[0] in PRONOUNS for word in words), total


def distinct(sample: Sample, human: Human) -> Parts:
    """Different n-grams of words over all of them, in blocks of 100 words side by side; what is
    left over is not counted.

    Li et al., "A diversity-promoting objective function for neural conversation models", NAACL
    2016, but over n-grams where they divide by words, so that no repetition is 1.
    """
    words = sample.words
    size = DISTINCT_BLOCK
    blocks = [words[i : i + size] for i in range(0, len(words) - size + 1, size)]
    for n in DISTINCT:
        each = size - n + 1  # n-grams in a block
        different = 0
        for block in blocks:
            different += len({tuple(block[i : i + n]) for i in range(each)})
        yield f"distinct_{n}", different, len(blocks) * each


def loops(sample: Sample, human: Human) -> Parts:
    yield "loops", len(looped(sample.words)), len(sample.words)


def looped(words: Sequence[str]) -> set[int]:
    """The places of words in an n-gram that is repeated immediately, for n from 1 to 10: every
    repetition of it. A single word counts from three in a row on ("very very" is English)."""
    places = set[int]()
    for n in range(1, MAX_LOOP + 1):
        enough = max(n, 2)
        run = 0  # words in a row that are as n words before
        for place in range(n, len(words)):
            if words[place] != words[place - n]:
                run = 0
                continue
            run += 1
            if run == enough:  # the n-gram, and what has repeated it so far
                places.update(range(place - run - n + 1, place + 1))
            elif run > enough:
                places.add(place)
    return places


def copies(sample: Sample, human: Human) -> Parts:
    """Capitals and white space count. Human text has some too: set phrases, names, an author's
    favourite expressions."""
    lengths = [end - start for start, end in copied_spans(sample.text, human)]
    yield "copied", sum(lengths), len(sample.text)
    yield "longest_copy", max(lengths, default=0), 1


def copied_spans(text: str, human: Human) -> list[tuple[int, int]]:
    """(start, end) of the stretches of a text in which any 30 characters in a row stand in the
    training text. Where two overlap, the later one starts where the earlier ends."""
    begins_copy = human.contains(Sample(text), COPY_LENGTH, by_words=False)
    spans = list[tuple[int, int]]()
    earlier_end = 0
    for first, after_last in runs_of_true(begins_copy):
        end = after_last + COPY_LENGTH - 1
        spans.append((max(first, earlier_end), end))
        earlier_end = end
    return spans


def runs_of_true(values: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of the stretches of (n,) bool that are true."""
    changes = np.diff(values.astype(np.int8), prepend=0, append=0)
    starts = np.flatnonzero(changes == 1).tolist()
    ends = np.flatnonzero(changes == -1).tolist()
    return list(zip(starts, ends, strict=True))


def new_ngrams(sample: Sample, human: Human) -> Parts:
    """n-grams of words that do not occur in the training text (McCoy et al., "How much do language
    models copy from their training data?", TACL 11, 2023). Fewer than in human text indicates
    copying, more indicates words in random order."""
    for n in NEW_ORDERS:
        seen = human.contains(sample, n, by_words=True)
        yield f"novel_{n}", int((~seen).sum()), len(seen)


SHARES = (word_length, capitals, known_words, english_words, distinct, loops, copies, new_ngrams)


def every_share(sample: Sample, human: Human) -> Parts:
    return itertools.chain.from_iterable(share(sample, human) for share in SHARES)


def share_names(language: str) -> list[str]:
    """The shares that say something about texts in a language: which these are depends on nothing
    but the language, so an empty text names them all."""
    nothing = Sample("")
    return [name for name, _, _ in every_share(nothing, Human([], language))]


class Shares:
    """All figures that are a part over a whole and say something about texts in a language."""

    def __init__(self, language: str) -> None:
        self.labels = {name: LABELS[name] for name in share_names(language)}

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = list[list[float]]()
        for sample in samples:
            row = list[float]()
            for _, part, whole in every_share(sample, human):
                row += [part, whole]
            rows.append(row)
        return table(rows, 2 * len(self.labels))

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        pairs = total.reshape(*total.shape[:-1], len(self.labels), 2)
        figures = ratio(pairs[..., 0], pairs[..., 1])  # parts over wholes
        return {name: figures[..., i] for i, name in enumerate(self.labels)}


class LettersDivergence:
    """How far the frequencies of letters are from those of the training text, capitals taken as
    small letters: H(m) − (H(p) + H(q)) / 2 with m = (p + q) / 2, from 0, the same, to 1 bit, no
    letter in common (Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory 37, 1991, equation 4.1 with logarithms to base 2)."""

    meaning = "divergence of letter frequencies from the training text"
    labels: ClassVar = {"letters_divergence": Label(meaning, "bits", ".4f")}

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = [self._counts(sample.letters, human) for sample in samples]
        return table(rows, len(human.letters) + 1)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        from scipy.special import rel_entr

        known = np.array(self._counts(human.letters, human))
        p = ratio(total, total.sum(-1, keepdims=True))
        q = ratio(known, known.sum())
        nats = (rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum(-1) / 2
        return {"letters_divergence": np.maximum(nats / np.log(2), 0)}

    def _counts(self, letters: Counter[str], human: Human) -> list[float]:
        """How often each letter of the training text occurs, then how often the rest do."""
        counts = [letters[letter] for letter in human.letters]
        return [*counts, letters.total() - sum(counts)]


class Figure(NamedTuple):
    """A value and its 95% interval; None where there was nothing to count."""

    value: float | None
    low: float | None
    high: float | None


def every_metric(language: str = "en") -> list[Metric]:
    """All that say something about texts in a language, those of other packages last."""
    brought: list[Metric] = [lookup("metric", kind)() for kind in plugin_table("metric")]
    applying = [
        metric
        for metric in brought
        if not isinstance(metric, LanguageBound) or metric.applies(language)
    ]
    return [LettersDivergence(), Shares(language), *applying]


def metric_labels(language: str = "en") -> dict[str, Label]:
    """What each figure of :func:`measure` is for texts in a language, in the same order."""
    return {
        name: replace(label, meaning=label.meaning.replace("{language}", language_name(language)))
        for metric in every_metric(language)
        for name, label in metric.labels.items()
    }


def measure(samples: Sequence[Sample], human: Human, *, resamples: int = 200) -> dict[str, Figure]:
    """Every figure of a set of samples, with a percentile bootstrap over them.

    Samples are drawn with replacement (Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
    section 13.3). A distance grows when samples are drawn twice; an interval that lies beyond its
    value for that reason is stretched to take it in. What is the same in all samples, or seen in
    one of them only, has an interval that is too narrow.

    Args:
        samples: at least one; of equal length, if sets are to be compared.
        human: the training text.
        resamples: 0 gives no intervals.
    """
    count = len(samples)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), resamples)
    whole_set_first = np.concatenate([np.ones((1, count)), drawn])
    figures: dict[str, Figure] = {}
    for metric in every_metric(human.language):
        values = metric.values(whole_set_first @ metric.counts(samples, human), human)
        for name in metric.labels:
            figures[name] = _figure(float(values[name][0]), values[name][1:])
    return figures


def _figure(value: float, resampled: np.ndarray) -> Figure:
    """A value of all samples, with its interval from the values of resamples."""
    if np.isnan(value):
        return Figure(None, None, None)
    resampled = resampled[~np.isnan(resampled)]
    if not len(resampled):
        return Figure(value, None, None)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value, min(float(low), value), max(float(high), value))


def human_passages(documents: Sequence[str], count: int, length: int, seed: int) -> list[Sample]:
    """Passages of human text of one length, to be measured beside samples.

    Each is the beginning of a document, as a sample is the beginning of a text. Where more passages
    are wanted than there are documents, those that follow are taken as well, nearest to a beginning
    first: they start where a word does, and do not overlap. There are fewer than are wanted where
    documents have no room for more. Documents that are shorter than a passage are taken whole, and
    only if there is none that is longer.

    Args:
        documents: raw text, held out of training.
        count: how many passages at most.
        length: characters in each.
    """
    random = np.random.default_rng(seed)
    long_enough = [document for document in documents if len(document) >= length]
    if not long_enough:
        long_enough = [document for document in documents if document]
    slot = length + PASSAGE_MARGIN
    places = [
        (i * slot, random.random(), document)
        for document in long_enough
        for i in range(max(1, len(document) // slot))
    ]
    chosen = sorted(places)[:count]
    return [Sample(_from_word_start(document, place, length)) for place, _, document in chosen]


def _from_word_start(document: str, place: int, length: int) -> str:
    """``length`` characters from the first word that starts at ``place`` or soon after."""
    latest = min(place + PASSAGE_MARGIN, max(0, len(document) - length))
    space = SPACE.search(document, place - 1) if place else None
    if space and space.end() <= latest:
        place = space.end()
    return document[place : place + length]
