"""The word-spelling model, P(word | class): what a replaced word costs, and how a new one is made.

The word model generates a placeholder, a character model the spelling of the word behind it, after
Mielke & Eisner, "Spell Once, Summon Anywhere: A Two-Level Open-Vocabulary Language Model", AAAI
2019. Here the spelling comes from counts: a mixture of up to three distributions, which are the
training words of the placeholder's class (the pool), character n-grams over those words, and
character n-grams over all words, frequent ones included, for they are built alike. Words of the
vocabulary are never spelled, so the n-grams are divided by the mass they leave to other strings.
What remains open is small and on the safe side: strings that would be cut into two pieces keep
their mass.

Rare words come back in their document, above all names. With a cache of the document (Kuhn & De
Mori 1990) the model becomes the base of a Pitman–Yor process over the rare words of the document so
far, one table a word (Teh 2006):

    P(w | class, before) = (n(w) − d) / (n + θ) + (θ + d t) / (n + θ) · P(w | class)

after n rare words of the class, n(w) of them w and t different ones.

A word is a string of codes, one a character: :data:`FIRST` and up for the alphabet, :data:`OTHER`
for a character that training never saw. To the n-grams it is a document of its own, so that their
boundary, :data:`END`, both begins and ends it.

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
A character that training never saw is charged in full each time, also in a word that comes back.
"""

import bisect
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import count, product, starmap
from typing import Any, NamedTuple

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.ngrams.kneser_ney import KneserNeyModel, fit_kneser_ney
from textgen.ngrams.mixture import THIRDS, mixture_weights
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.encoded import CHARACTER_BITS
from textgen.tokenizers.steps import UNSEEN, Choices, Filling, one_of, unseen_character
from textgen.tokenizers.word_cache import DocumentCounts

END, OTHER, FIRST = BOUNDARY, ESCAPE, RESERVED
CACHED_NUMBERS = 5_000_000  # of what may follow a prefix, in each component
ORDERS = (4, 5, 6, 7)
MIN_TYPES_FOR_OWN_MODEL = 200  # different words of a class that has a character model of its own
DISCOUNTS = tuple((np.arange(1, 20) / 20).tolist())
STRENGTHS = tuple((2.0 ** np.arange(-2, 11)).tolist())
# of the squared distance from USUAL_CACHE, in ln θ and log-odds of d, against nats
CACHE_PRIOR = 0.25
MAX_WORD_CHARACTERS, TRIES = 200, 100


class OutOfVocabulary:
    """A character model of the words outside a vocabulary: P(word) / (1 − P(vocabulary)). Of a
    class of words that are spelled alike at first, only what follows is left open, so that P is
    everywhere behind that beginning.

    Args:
        model: a distribution over all strings.
        vocabulary: the words that are never spelled, as codes.
        beginnings: what the words begin with, and longer beginnings, none of another: those of the
            words of other classes.
    """

    def __init__(
        self, model: KneserNeyModel, vocabulary: Iterable[str], beginnings: Sequence[str] = ("",)
    ) -> None:
        self._model, (self._first, *self._others) = model, beginnings
        within = (word for word in vocabulary if word.startswith(self._first))
        known = (word for word in within if not word.startswith(tuple(self._others)))
        self._vocabulary = sorted([*known, *self._others])
        cached = lru_cache(max(1, CACHED_NUMBERS // model.size))
        # (A,) float64: P(code | context) over all strings; the mass of the vocabulary in each
        # continuation of a prefix
        self._after = cached(lambda context: model.distribution([*map(ord, context)]))
        self._known = cached(
            lambda prefix: tally(self._vocabulary, self._masses / self._left, prefix, model.size)
        )

    def within(self, beginnings: Sequence[str]) -> "OutOfVocabulary":
        """The same model of a class of words."""
        return OutOfVocabulary(self._model, self._vocabulary, beginnings) if beginnings[0] else self

    @cached_property
    def _masses(self) -> np.ndarray:
        logs = self._model.log_masses(as_arrays(self._vocabulary)) - self._log_steps(self._first)
        for beginning in self._others:
            place = bisect.bisect_left(self._vocabulary, beginning)
            logs[place] = self._log_steps(beginning, len(self._first))
        return np.exp(logs)

    def _log_steps(self, prefix: str, start: int = 0) -> float:
        """ln P(the rest of a prefix | its first ``start`` codes) over all strings."""
        order = self._model.order
        rows = (self._after(prefix[max(0, i - order) : i]) for i in range(start, len(prefix)))
        steps = zip(rows, prefix[start:], strict=True)
        return sum(math.log(row[ord(code)]) for row, code in steps)

    @cached_property
    def _left(self) -> float:
        return max(1.0 - float(self._masses.sum()), 1e-12)

    def log_masses(self, words: Sequence[str]) -> np.ndarray:
        """(n,) float64: ln P(word) of words outside the vocabulary."""
        behind = self._log_steps(self._first) + math.log(self._left)
        return self._model.log_masses(as_arrays(words)) - behind

    def log_continuations(self, prefix: str) -> np.ndarray:
        """(A,) float64: ln of the mass of all words outside the vocabulary that begin with
        ``prefix`` and each code (or end there). Words have no greatest length, so the mass itself
        may be too small for a float64."""
        start, size = len(self._first), self._model.size
        with np.errstate(divide="ignore"):
            if len(prefix) < start:
                return np.log(np.eye(1, size, ord(self._first[len(prefix)]))[0])
            # of the vocabulary's words, too
            whole = self._log_steps(prefix, start) - math.log(self._left)
            known = np.exp(np.log(self._known(prefix)) - whole)
            after = self._after(prefix[max(0, len(prefix) - self._model.order) :])
            return whole + np.log(np.maximum(after - known, 0.0))


class Pool:
    """Given words, by how often they occurred; methods as in :class:`OutOfVocabulary`.

    Args:
        counts: words as codes, each with its number of occurrences.
        size: number of codes, A.
    """

    def __init__(self, counts: Mapping[str, float], size: int) -> None:
        total = sum(counts.values())
        self._masses = {word: counts[word] / total for word in sorted(counts)}
        self._words, self._size = list(self._masses), size
        self.log_continuations = lru_cache(max(1, CACHED_NUMBERS // size))(self._continuations)

    def log_masses(self, words: Sequence[str]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log([self._masses.get(word, 0.0) for word in words])

    def _continuations(self, prefix: str) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(tally(self._words, list(self._masses.values()), prefix, self._size))


Component = OutOfVocabulary | Pool


def tally(
    words: Sequence[str], masses: Sequence[float] | np.ndarray, prefix: str, size: int
) -> np.ndarray:
    """(A,) float64: the mass of sorted words behind a prefix, by the code that follows it."""
    first, last = prefix, prefix + chr(sys.maxunicode)
    start, stop = (bisect.bisect_left(words, end) for end in (first, last))
    result, place = np.zeros(size), len(prefix)
    for word, mass in zip(words[start:stop], masses[start:stop], strict=True):
        result[ord(word[place]) if len(word) > place else END] += mass
    return result


def fit_characters(words: Sequence[str], order: int, size: int) -> KneserNeyModel:
    """n-grams of characters over words as codes, each counted once; ``size`` is that of the
    alphabet of codes, A."""
    return fit_kneser_ney(as_arrays(words), order, size)


def as_arrays(words: Sequence[str]) -> list[np.ndarray]:
    """The codes of each word: (n,) uint32."""
    return [np.frombuffer(w.encode("utf-32-le", "surrogatepass"), dtype="<u4") for w in words]


class WordCache(NamedTuple):
    """A document cache of rare words: discount d and strength θ."""

    discount: float
    strength: float

    def shares(self, count: Any, types: Any, total: Any) -> tuple[Any, Any]:
        """The mass that a word of a class has for having come earlier, and the mass that all such
        words leave to P(w | class); of numbers or arrays, as :meth:`DocumentCounts.before` gives
        them."""
        d, total = self.discount, total + self.strength
        return np.maximum(count - d, 0.0) / total, (self.strength + d * types) / total


class Form:
    """How words are spelled: as they are written, from the first letter to the last; or behind a
    sign of their case, one of three ``signs``, backwards."""

    signs = ""

    def spelling(self, word: str) -> str:
        """How a word is spelled."""
        return word

    def word(self, spelling: str) -> str:
        """The word that is spelled so; more than one spelling may lead to it."""
        return spelling

    def beginnings(self, name: str) -> Sequence[str]:
        """What the spellings of a class begin with; and those longer beginnings, none of another,
        that only the spellings of other classes have."""
        return ("",)


Classed = Sequence[tuple[str, str]]  # words, each with its class
USUAL_CACHE = WordCache(0.8, 32.0)  # where no validation words say otherwise
Weights = Mapping[str, Sequence[float]]


@dataclass(eq=False)
class Speller:
    """P(word | class), and new words of a class.

    Args:
        examples: class → word → occurrences in the training split: the rare words.
        alphabet: every character of the training split, or of spellings.
        vocabulary: gives the words that are never spelled; called at the first probability.
        related: known words from which to learn how words are built.
        pooled: whether the examples can be met again, that is, are not in the vocabulary.
        order: of the character n-grams.
        weights: class → weights of (pool, own n-grams, shared n-grams); the key ``""`` holds those
            of a class that is not listed.
        memory: (discount d, strength θ) of the document cache, by the name that it is stored under.
        memory_weights: the weights behind that cache, where a word is new to its document.
        form: how words are spelled.
    """

    examples: Mapping[str, Mapping[str, int]]
    alphabet: str
    vocabulary: Callable[[], Iterable[str]]
    related: Iterable[str] = ()
    pooled: bool = True
    order: int = 5
    weights: Weights = field(default_factory=lambda: {"": THIRDS})
    memory: WordCache = USUAL_CACHE
    memory_weights: Weights = field(default_factory=lambda: {"": THIRDS})
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        self.alphabet, self.memory = "".join(sorted(self.alphabet)), WordCache(*self.memory)
        self._size = FIRST + len(self.alphabet)
        self._codes = defaultdict(lambda: OTHER, zip(map(ord, self.alphabet), count(FIRST)))
        self._components = lru_cache(maxsize=None)(self._components_of)
        self._log_examples = lru_cache(maxsize=None)(self._log_examples_of)

    def _encode(self, word: str) -> str:
        return self.form.spelling(word).translate(self._codes)

    @cached_property
    def known(self) -> frozenset[str]:
        """The examples and the related words."""
        return frozenset(self.related).union(*self.examples.values())

    @cached_property
    def _words(self) -> list[str]:
        return sorted({self._encode(w) for w in self.known})

    @cached_property
    def _never_spelled(self) -> list[str]:
        # a form with a character never seen, such as the capital of an é, is spelled like any
        # other word that has one: its code stands for all of them
        codes = {self._encode(w) for w in self.vocabulary()}
        return sorted(code for code in codes if chr(OTHER) not in code)

    def _components_of(
        self, name: str
    ) -> tuple[Pool | None, OutOfVocabulary | None, OutOfVocabulary]:
        """The components of a class: pool, own n-grams, shared ones; None for one it lacks. Those
        of the class ``""`` are the shared n-grams."""
        if not name:
            return None, None, self._n_grams(self._words)
        beginnings = [b.translate(self._codes) for b in self.form.beginnings(name)]
        members = {self._encode(w): n for w, n in self.examples.get(name, {}).items()}
        pool = Pool(members, self._size) if members and self.pooled else None
        own = self._n_grams(sorted(members)) if len(members) >= MIN_TYPES_FOR_OWN_MODEL else None
        return pool, own and own.within(beginnings), self._components("")[-1].within(beginnings)

    def _n_grams(self, words: Sequence[str]) -> OutOfVocabulary:
        return OutOfVocabulary(fit_characters(words, self.order, self._size), self._never_spelled)

    def _mixture(self, name: str, cached: bool) -> list[tuple[float, Component]]:
        of_class = self.memory_weights if cached else self.weights
        weights = of_class.get(name, of_class[""])
        pairs = zip(weights, self._components(name), strict=True)
        present = [(w, component) for w, component in pairs if component is not None]
        total = sum(w for w, _ in present)
        if not total:
            return [(1.0, self._components(name)[-1])]
        return [(w / total, component) for w, component in present if w]

    def _log_masses(self, words: Classed, cached: bool) -> np.ndarray:
        """(n,) float64: ln P(word | class) of words as codes, each with its class, whatever came
        earlier; ``cached``, of words that are new to their document. All words of a class at once
        are faster than one by one."""
        result = dict[tuple[str, str], float]()
        for name, codes in _by_class(dict.fromkeys(words)).items():
            mixture = self._mixture(name, cached)
            logs = [math.log(weight) + c.log_masses(codes) for weight, c in mixture]
            pairs = zip(codes, np.logaddexp.reduce(logs), strict=True)
            result.update(((code, name), log) for code, log in pairs)
        return np.array([result[word] for word in words])

    def remember(self, word: str, name: str, earlier: DocumentCounts | None) -> None:
        """Add a word of a class to what came earlier, if that is given."""
        if earlier is not None:
            earlier.add(self._encode(word), name)

    def document_bits(self, words: Classed) -> tuple[np.ndarray, np.ndarray]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a cache
        of those before it; both (n,) float64."""
        coded = [(self._encode(word), name) for word, name in words]
        alone, new = (self._log_masses(coded, cached) for cached in (False, True))
        held, left = self.memory.shares(*_seen_before(coded))
        with np.errstate(divide="ignore"):
            remembered = np.logaddexp(new + np.log(left), np.log(held))
        unseen = CHARACTER_BITS * np.array([code.count(chr(OTHER)) for code, _ in coded])
        return unseen - alone / math.log(2), unseen - remembered / math.log(2)

    def following(
        self, prefix: str, name: str, earlier: DocumentCounts | None = None
    ) -> tuple[list[str], np.ndarray]:
        """What may follow the first characters of the spelling of a word of a class; given what
        came ``earlier`` in the document, with a cache of it.

        Returns:
            Characters, ``""`` for the end and ``"\\ufffd"`` for a character never seen first; and
            (A,) float64, their probabilities, which sum to 1. The product along a word is exactly
            what :meth:`document_bits` charges.
        """
        code = prefix.translate(self._codes)
        mixture = self._mixture(name, earlier is not None)
        if earlier is not None and earlier.totals[name]:
            _, new = self.memory.shares(*earlier.before("", name))
            held = {w: n - self.memory.discount for w, n in earlier.counts[name].items()}
            mixture = [(1 - new, Pool(held, self._size)), *((w * new, c) for w, c in mixture)]
        logs = [math.log(weight) + c.log_continuations(code) for weight, c in mixture]
        log_masses = np.logaddexp.reduce(logs)
        options = ["", UNSEEN, *self.alphabet]
        if log_masses.max() == -math.inf:  # no word outside the vocabulary starts with the prefix
            return options, np.eye(1, len(options))[0]
        masses = np.exp(log_masses - log_masses.max())
        return options, masses / masses.sum()

    def begins_white(self, name: str, earlier: DocumentCounts | None = None) -> float:
        """P(a word of a class begins with white space). One that does has nothing else, so the
        character that is spelled first tells, from whichever end."""
        sign, mass = self.form.spelling(" ")[:-1], 1.0
        for place, letter in enumerate(sign):
            mass *= dict(zip(*self.following(sign[:place], name, earlier), strict=True))[letter]
        white = [0.0, white_escapes(self.alphabet), *(c in WHITE for c in self.alphabet)]
        return mass * float(self.following(sign, name, earlier)[1] @ white)

    def draw(self, name: str, filling: Filling) -> str:
        """A word of a class with exactly the probability that :meth:`document_bits` charges, among
        the words of known characters; with a cache of what came earlier, if given. After TRIES
        that lead to a character never seen, or to a spelling that no word has, the last one ends
        there.

        Below a temperature of 1 the probability is proportional to P(word)^(1 / temperature): each
        letter is drawn with this power, and the word begun anew as often as the powers sum to less
        than 1; after TRIES only the letters are. Above 1, where the sum over words need not be
        finite, only the letters have the temperature.
        """
        random, power = filling.random, 1 / filling.temperature
        whole = TRIES if power > 1 else 0
        for attempt in range(whole + TRIES):
            word = ""
            while len(word) < MAX_WORD_CHARACTERS:
                options, chances = self.following(word, name, filling.earlier)
                highest = chances.max()
                masses = (chances / highest) ** power if power != 1 else chances
                (letter,) = random.choices(options, masses.tolist())
                if attempt < whole and random.random() >= masses.sum() * highest**power:
                    break
                if not letter and self.form.spelling(self.form.word(word)) == word:
                    return self.form.word(word)
                if letter in ("", UNSEEN):
                    break
                word += letter
        return self.form.word(word)

    def fill(self, name: str, filling: Filling) -> str:
        """A word that fills a placeholder of a class."""
        examples = self.examples.get(name)
        if filling.fill == "pool" and examples:
            return filling.random.choices([*examples], [*examples.values()])[0]
        word = self.draw(name, filling)
        self.remember(word, name, filling.earlier)
        return word

    def choices(self, name: str, known: str | None, earlier: DocumentCounts | None) -> Choices[str]:
        """A word of a class, one character after another and then the end: 0 is the end, 1 a
        character never seen. It becomes a part of what came earlier, if that is given."""
        spelling, known = "", None if known is None else self.form.spelling(known)

        def probabilities() -> np.ndarray:
            return self.following(spelling, name, earlier)[1]

        while True:
            letter = number = None
            if known is not None:
                letter = known[len(spelling) : len(spelling) + 1]
                number = max(self.alphabet.find(letter) + 2, 1) if letter else 0
            if not (chosen := (yield from one_of(probabilities, number))):
                break
            seen = chosen > 1
            spelling += self.alphabet[chosen - 2] if seen else (yield from unseen_character(letter))
        word = self.form.word(spelling)
        self.remember(word, name, earlier)
        return word

    def log_tempered_mass(self, name: str, temperature: float) -> float:
        """ln Σ P(word | class)^(1 / temperature) over the words of a class, at a temperature
        below 1: the mean of P^(1 / temperature − 1) over the occurrences of its examples."""
        if not self.examples.get(name):
            return 0.0
        logs, numbers = self._log_examples(name)
        powers = (1 / temperature - 1) * logs + np.log(numbers / numbers.sum())
        return float(np.logaddexp.reduce(powers))

    def _log_examples_of(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) float64 each: ln P(word | class) of the examples, and how often they occur."""
        words = [(self._encode(word), name) for word in self.examples[name]]
        numbers = [*self.examples[name].values()]
        return self._log_masses(words, False), np.array(numbers, dtype=float)

    def tune(self, documents: Sequence[Classed]) -> None:
        """Choose the order, the weights and the cache by the likelihood of the rare words, each
        with its class, of whole validation documents."""
        coded = [[(self._encode(word), name) for word, name in words] for words in documents]
        everything = [pair for words in coded for pair in words]
        if not everything:
            return
        arrays = as_arrays([code for code, _ in everything])

        def likelihood(order: int) -> float:
            return fit_characters(self._words, order, self._size).log_masses(arrays).sum()

        self.order = max(ORDERS, key=likelihood)
        self._components.cache_clear()
        self.weights = self._likeliest(everything)
        # behind the cache, only the first occurrence in a document counts
        first = [pair for words in coded for pair in dict.fromkeys(words)]
        self.memory_weights = self._likeliest(first)
        self.memory = tuned_word_cache(coded, np.exp(self._log_masses(everything, True)))

    def _likeliest(self, words: Iterable[tuple[str, str]]) -> Weights:
        """The weights of each class that make its words, as codes, most likely."""
        masses = {}
        for name, codes in _by_class(words).items():
            columns = [
                np.exp(c.log_masses(codes)) if c else np.zeros(len(codes))
                for c in self._components(name)
            ]
            masses[name] = np.stack(columns, axis=1)
        common = mixture_weights(np.concatenate(list(masses.values())))
        return {"": common, **{n: mixture_weights(m, common) for n, m in masses.items()}}

    def state(self) -> dict[str, Any]:
        """What the constructor takes beside alphabet, vocabulary and related words, as JSON."""
        names = ("examples", "pooled", "order", "weights", "memory", "memory_weights")
        return {name: getattr(self, name) for name in names}

    def portable(self, classes: Iterable[str]) -> dict[str, Any]:
        """What ``textgen/interactive/spelling.js`` needs, as JSON data; ``beginnings`` as codes."""
        names = ("alphabet", "examples", "pooled", "order", "weights")
        begin = {n: [b.translate(self._codes) for b in self.form.beginnings(n)] for n in classes}
        own = {"signs": self.form.signs, "beginnings": begin}
        return {name: getattr(self, name) for name in names} | own


def _by_class(words: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The words of each class in their order."""
    by_class = defaultdict[str, list[str]](list)
    for word, name in words:
        by_class[name].append(word)
    return by_class


def fit_speller(documents: Iterable[Classed], tuning: Sequence[Classed], **others: Any) -> Speller:
    """A spelling model of the rare words of the training documents, each with its class, tuned on
    those of the validation documents; ``others`` are the other settings of :class:`Speller`."""
    examples = _by_class(pair for words in documents for pair in words)
    speller = Speller({name: Counter(words) for name, words in examples.items()}, **others)
    speller.tune(tuning)
    return speller


def _seen_before(words: Iterable[tuple[str, str]]) -> np.ndarray:
    """(3, n) integers: what :meth:`DocumentCounts.before` says of each word of a document."""
    earlier, rows = DocumentCounts(), list[tuple[int, int, int]]()
    for pair in words:
        rows.append(earlier.before(*pair))
        earlier.add(*pair)
    return np.array(rows, dtype=int).reshape(-1, 3).T


def tuned_word_cache(documents: Sequence[Classed], masses: np.ndarray) -> WordCache:
    """Discount and strength by the likelihood of the rare words of whole validation documents.

    Args:
        documents: each rare word and its class, in order of occurrence.
        masses: (n,) float64, P(word | class) of each of them.
    """
    from scipy.special import logit

    seen = np.concatenate([_seen_before(document) for document in documents], axis=1)

    def cost(cache: WordCache) -> float:
        distance = math.log(cache.strength / USUAL_CACHE.strength) ** 2
        distance += (logit(cache.discount) - logit(USUAL_CACHE.discount)) ** 2
        held, left = cache.shares(*seen)
        return CACHE_PRIOR * distance - np.log(np.maximum(held + left * masses, 1e-300)).sum()

    return min(starmap(WordCache, product(DISCOUNTS, STRENGTHS)), key=cost)
