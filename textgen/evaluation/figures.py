"""What is counted in a text: a function for each family of figures, with what they are called; and
all figures of a set of samples.

A figure is a part over a whole, both added up over samples, or the distance of a distribution from
that of the training text. Unless stated otherwise, words are lower-cased and without punctuation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from textgen.core.settings import lookup, plugin_table
from textgen.data.language import language_name, word_list
from textgen.evaluation.metrics import Human, Label, Metric, Sample, is_real, ratio, table

CONFIDENCE = 0.95
COPY_LENGTH = 30
"""Characters: a stretch of the training text of at least this length is called copied."""
NEW_ORDERS = (2, 3, 4, 5)
DISTINCT_BLOCK = 100
"""Words. The number of different ones falls with the length of a text: hence blocks of one size."""
DISTINCT = {1: "single words", 2: "pairs of words", 3: "triples of words"}
MAX_LOOP = 10
MAX_LETTERS = 63
"""Longer words count as this long."""
COMMON_WORDS = ("the", "and", "than", "that")
ENDINGS = ("ing", "ed", "tion")
PREPOSITIONS = frozenset(
    """aboard about above across after against along amid amidst among amongst around at athwart
    before behind below beneath beside besides between betwixt beyond by concerning despite down
    during except for from in inside into like near of off on onto opposite out outside over past
    regarding round since through throughout till to toward towards under underneath until unto up
    upon via with within without""".split()
)
PRONOUNS = frozenset(
    """i me my mine myself we us our ours ourselves you your yours yourself yourselves thou thee thy
    thine thyself ye he him his himself she her hers herself it its itself they them their theirs
    themselves who whom whose whoever whomever which what whatever anybody anyone anything everybody
    everyone everything nobody none nothing somebody someone something oneself""".split()
)
"""Personal, possessive, reflexive, relative, interrogative and indefinite; not "this" and "that"
and their plurals, which stand before a noun as a rule or join clauses."""
FIRST_LETTER = re.compile(r"""(?:^|[\s“‘«‹(\[{—–_*-])["'`“‘’]*([^\W\d_])""")

LETTERS, WORDS = "Letters and lengths", "Words"
COMMON, VARIETY, COPIES = "Common words and endings", "Variety", "Copied and new"
Pairs = Iterator[tuple[float, float]]
PairsOf = Callable[[Sample, Human], Pairs]


@dataclass(frozen=True)
class Shares:
    """Figures that are each a part over a whole, both added up over samples.

    Attributes:
        labels: of the figures.
        pairs: a text → (part, whole) for every label.
        applies: to a language.
    """

    labels: Mapping[str, Label]
    pairs: PairsOf
    applies: Callable[[str], bool]

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = [[n for pair in self.pairs(sample, human) for n in pair] for sample in samples]
        return table(rows, 2 * len(self.labels))

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        figures = ratio(total[..., ::2], total[..., 1::2])
        return {name: figures[..., i] for i, name in enumerate(self.labels)}


class LettersDivergence:
    """How far the frequencies of letters are from those of the training text, capitals taken as
    small letters: H(m) − (H(p) + H(q)) / 2 with m = (p + q) / 2, from 0, the same, to 1 bit, no
    letter in common (Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
    Information Theory 37, 1991, equation 4.1 with logarithms to base 2)."""

    meaning = "distance of the letter frequencies from the training text's"
    labels: ClassVar = {"letters_divergence": Label(meaning, "bits", ".4f", "lower", LETTERS)}

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        rows = [self._counts(sample.letters, human) for sample in samples]
        return table(rows, len(human.letters) + 1)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        known = np.array(self._counts(human.letters, human))
        p, q = ratio(total, total.sum(-1, keepdims=True)), ratio(known, known.sum())
        divergence = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
        return {"letters_divergence": np.maximum(divergence, 0)}

    def _counts(self, letters: Counter[str], human: Human) -> list[float]:
        """How often each letter of the training text occurs, then how often the rest do."""
        counts = [letters[letter] for letter in human.letters]
        return [*counts, letters.total() - sum(counts)]


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(-1)


METRICS: list[Metric] = [LettersDivergence()]
"""All families, in the order shown."""


def metric(
    group: str,
    unit: str,
    form: str = ".1%",
    better: Any = "human",
    *,
    applies: Any = lambda language: True,
    **meanings: str,
) -> Callable[[PairsOf], PairsOf]:
    """Add the figures of a function to METRICS; ``meanings`` are those of :class:`Label`, by the
    names of the figures."""
    labels = {name: Label(text, unit, form, better, group) for name, text in meanings.items()}

    def add(function: PairsOf) -> PairsOf:
        METRICS.append(Shares(labels, function, applies))
        return function

    return add


@metric(LETTERS, "letters", ".2f", word_length="mean length of a word")
def word_length(sample: Sample, human: Human) -> Pairs:
    lengths = {word: sum(map(str.isalpha, word)) for word in sample.counts}
    total = sum(n * min(lengths[word], MAX_LETTERS) for word, n in sample.counts.items())
    yield total, len(sample.words)


@metric(LETTERS, "of capital letters", capitals_in_place="capitals that start a word")
def capitals(sample: Sample, human: Human) -> Pairs:
    """Capitals that start a word, in any script that has some.

    A capital is in place at the start of the text or after white space, an opening bracket, a dash,
    an asterisk or an underscore, with or without an opening quote between; the inner capitals of
    "NASA" and "McCoy" are not, nor the second initial of "H.P.".
    """
    placed = sum(match.group(1).isupper() for match in FIRST_LETTER.finditer(sample.text))
    yield placed, sum(map(str.isupper, sample.text))


@metric(
    WORDS,
    "of words",
    ".2%",
    applies=lambda language: word_list(language) is not None,
    real_words="in the training text, or a word of {language}",
    unseen_real_words="not in the training text, but a word of {language}",
)
def real(sample: Sample, human: Human) -> Pairs:
    """Words of the language, and new ones among them: would the network ever write a word like
    "pandemonium"? They stand in the training text or in the list of wordfreq (Speer 2022,
    zenodo.org/records/7199437), under the rule of :func:`textgen.evaluation.metrics.is_real`."""
    unseen = {word: n for word, n in sample.counts.items() if word not in human.counts}
    new = sum(n for w, n in unseen.items() if is_real(w, human.counts, human.language))
    total = len(sample.words)
    yield total - sum(unseen.values()) + new, total
    yield new, total


@metric(
    WORDS,
    "of words",
    words_in_training="in the training text",
    words_once_in_training="once in the training text",
    unseen_words="not in the training text",
)
def known(sample: Sample, human: Human) -> Pairs:
    times = [min(human.counts[word], 2) for word in sample.words]
    yield len(times) - times.count(0), len(times)
    yield times.count(1), len(times)
    yield times.count(0), len(times)


@metric(
    COMMON,
    "of words",
    ".2%",
    applies=lambda language: language == "en",
    **{f"word_{word}": f"“{word}”" for word in COMMON_WORDS},
    **{f"ending_{end}": f"words ending in -{end}" for end in ENDINGS},
    prepositions="prepositions",
    pronouns="pronouns",
)
def english(sample: Sample, human: Human) -> Pairs:
    """What the article's author counted by hand.

    A form counts whatever its use, without a tagger: "like" and "to" are prepositions, "her" a
    pronoun, "thing" ends in -ing. A pronoun may carry a clitic ("I'm", "they'd").
    """
    words = sample.words
    yield from ((sample.counts[word], len(words)) for word in COMMON_WORDS)
    yield from ((sum(word.endswith(end) for word in words), len(words)) for end in ENDINGS)
    yield sum(word in PREPOSITIONS for word in words), len(words)
    yield sum(word.split("'")[0] in PRONOUNS for word in words), len(words)


@metric(
    VARIETY,
    "of them",
    **{
        f"distinct_{n}": f"different {grams} in {DISTINCT_BLOCK} words"
        for n, grams in DISTINCT.items()
    },
)
def distinct(sample: Sample, human: Human) -> Pairs:
    """Different n-grams of words over all of them, in blocks of 100 words side by side; what is
    left over is not counted.

    Li et al., "A diversity-promoting objective function for neural conversation models", NAACL
    2016, but over n-grams where they divide by words, so that no repetition is 1.
    """
    words, size = sample.words, DISTINCT_BLOCK
    blocks = [words[i : i + size] for i in range(0, len(words) - size + 1, size)]
    for n in DISTINCT:
        different = (len({tuple(b[i : i + n]) for i in range(size - n + 1)}) for b in blocks)
        yield sum(different), len(blocks) * (size - n + 1)


@metric(VARIETY, "of words", better="lower", loops="words in a stretch repeated immediately")
def loops(sample: Sample, human: Human) -> Pairs:
    yield len(looped(sample.words)), len(sample.words)


def looped(words: Sequence[str]) -> set[int]:
    """The places of words in an n-gram that is repeated immediately, for n from 1 to 10: every
    repetition of it. A single word counts from three in a row on ("very very" is English)."""
    places = set[int]()
    for n in range(1, MAX_LOOP + 1):
        run, enough = 0, max(n, 2)
        for place in range(n, len(words)):
            run = run + 1 if words[place] == words[place - n] else 0
            if run >= enough:
                places.update(range(place - run - n + 1 if run == enough else place, place + 1))
    return places


@metric(
    COPIES,
    "of characters",
    copied=f"characters in stretches of {COPY_LENGTH} or more copied from the training text",
)
def copied(sample: Sample, human: Human) -> Pairs:
    """Capitals and white space count. Human text has some too: set phrases, names, an author's
    favourite expressions."""
    yield sum(end - start for start, end in copied_spans(sample.text, human)), len(sample.text)


@metric(COPIES, "characters", ".1f", longest_copy="longest such stretch of a sample, mean")
def longest_copy(sample: Sample, human: Human) -> Pairs:
    yield max((end - start for start, end in copied_spans(sample.text, human)), default=0), 1


def copied_spans(text: str, human: Human) -> list[tuple[int, int]]:
    """(start, end) of the stretches of a text in which any 30 characters in a row stand in the
    training text. Where two overlap, the later one starts where the earlier ends."""
    hits = human.contains(Sample(text), COPY_LENGTH, by_words=False).astype(np.int8)
    edges = np.flatnonzero(np.diff(hits, prepend=0, append=0)).tolist()
    spans, end = list[tuple[int, int]](), 0
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        start, end = max(start, end), stop + COPY_LENGTH - 1
        spans.append((start, end))
    return spans


@metric(COPIES, "of them", **{f"novel_{n}": f"new sequences of {n} words" for n in NEW_ORDERS})
def new_ngrams(sample: Sample, human: Human) -> Pairs:
    """n-grams of words that do not occur in the training text (McCoy et al., "How much do language
    models copy from their training data?", TACL 11, 2023). Fewer than in human text indicates
    copying, more indicates words in random order."""
    for n in NEW_ORDERS:
        seen = human.contains(sample, n, by_words=True)
        yield int((~seen).sum()), len(seen)


class Figure(NamedTuple):
    """A value and its 95 % interval; NaN where there was nothing to count."""

    value: float
    low: float
    high: float


def every_metric(language: str = "en") -> list[Metric]:
    """All that say something about texts in a language, those of other packages last."""
    brought = [lookup("metric", kind, "metrics")() for kind in plugin_table("metric")]
    metrics: list[Any] = [*METRICS, *brought]
    return [m for m in metrics if not hasattr(m, "applies") or m.applies(language)]


def metric_labels(language: str = "en") -> dict[str, Label]:
    """What each figure of :func:`measure` is for texts in a language, in the same order."""
    return {
        name: label._replace(meaning=label.meaning.replace("{language}", language_name(language)))
        for metric in every_metric(language)
        for name, label in metric.labels.items()
    }


def measure(
    samples: Sequence[Sample], human: Human, *, resamples: int = 200, seed: int = 0
) -> dict[str, Figure]:
    """Every figure of a set of samples, with a percentile bootstrap over them.

    Samples are drawn with replacement (Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
    section 13.3). A distance grows when samples are drawn twice; an interval that lies beyond its
    value for that reason is stretched to take it in. What is the same in all samples, or seen in
    one of them only, has an interval that is too narrow.

    Args:
        samples: at least one; of equal length, if sets are to be compared.
        human: the training text.
        resamples: 0 leaves the intervals at NaN.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no samples to measure")
    count = len(samples)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)
    weights = np.concatenate([np.ones((1, count)), drawn])
    figures: dict[str, Figure] = {}
    for metric in every_metric(human.language):
        values = metric.values(weights @ metric.counts(samples, human), human)
        figures |= {name: _figure(values[name]) for name in metric.labels}
    return figures


def _figure(values: np.ndarray) -> Figure:
    value, resampled = float(values[0]), values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or not len(resampled):
        return Figure(value, np.nan, np.nan)
    low, high = np.quantile(resampled, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Figure(value, min(float(low), value), max(float(high), value))
