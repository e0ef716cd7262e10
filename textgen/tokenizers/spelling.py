"""The word-spelling model, P(word | class): what a replaced word costs, and how a new one is made.

The word model generates a placeholder, a character model the spelling of the word behind it, after
Mielke & Eisner, "Spell Once, Summon Anywhere: A Two-Level Open-Vocabulary Language Model", AAAI
2019. Here the spelling comes from counts: a mixture of up to three distributions, which are the
training words of the placeholder's class (the pool), character n-grams over those words, and
character n-grams over all words, frequent ones included, for they are built alike
(``word_distributions.py``). Words of the vocabulary are never spelled, so the n-grams are divided
by the mass they leave to other strings. What remains open is small and on the safe side: strings
that would be cut into two pieces keep their mass. With a document cache, rare words come back
(``word_cache.py``).

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
A character that training never saw is charged in full each time, also in a word that comes back.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from random import Random
from typing import Any, NamedTuple, TypeVar

import numpy as np

from textgen.ngrams.kneser_ney import KneserNeyModel
from textgen.ngrams.mixture import THIRDS, mixture_weights
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.codes import (
    END,
    FIRST,
    UNSEEN_CODE,
    Codes,
    Coding,
    Form,
    as_arrays,
    fit_characters,
)
from textgen.tokenizers.encoded import CHARACTER_BITS, UNSEEN
from textgen.tokenizers.steps import Choices, Filling, one_of, unseen_character
from textgen.tokenizers.word_cache import (
    USUAL_CACHE,
    CodedWords,
    DocumentCounts,
    WordCache,
    seen_before,
    tuned_word_cache,
)
from textgen.tokenizers.word_distributions import OutOfVocabulary, Pool, WordDistribution

ORDERS = (4, 5, 6, 7)
MIN_TYPES_FOR_OWN_MODEL = 200  # different words of a class that has a character model of its own
MAX_WORD_CHARACTERS = 200
TRIES = 100
DRAWN_WORDS = 200
Classed = Sequence[tuple[str, str]]  # words, each with its class
Weights = Mapping[str, Sequence[float]]


class Components(NamedTuple):
    """The distributions that are mixed for a class; None for one that it lacks.

    Attributes:
        pool: its training words.
        own: n-grams of characters over these.
        shared: n-grams of characters over all words.
    """

    pool: Pool | None
    own: OutOfVocabulary | None
    shared: OutOfVocabulary


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
        self._coding = Coding(self.alphabet)
        self.alphabet = self._coding.alphabet
        self.memory = WordCache(*self.memory)
        # what follows from the settings; the first three depend on the order
        self._cached_shared_model = lru_cache(maxsize=None)(self._shared_model)
        self._cached_shared = lru_cache(maxsize=None)(self._shared)
        self._cached_components = lru_cache(maxsize=None)(self._components)
        self._cached_log_examples = lru_cache(maxsize=None)(self._log_examples)

    def document_bits(self, words: Classed) -> tuple[np.ndarray, np.ndarray]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a cache
        of those before it; both (n,) float64."""
        coded = self._coded(words)
        alone = self._log_masses(coded, self.weights)
        new = self._log_masses(coded, self.memory_weights)
        held, left = self.memory.shares(*seen_before(coded))
        with np.errstate(divide="ignore"):
            remembered = np.logaddexp(new + np.log(left), np.log(held))
        unseen = CHARACTER_BITS * np.array([codes.count(UNSEEN_CODE) for codes, _ in coded])
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
        codes, size = self._coding.codes(prefix), self._coding.size
        mixture = self._mixture(name, self.weights if earlier is None else self.memory_weights)
        logs = [math.log(weight) + part.log_continuations(codes) for weight, part in mixture]
        log_masses = np.logaddexp.reduce(logs)
        if earlier is not None:
            types, total = earlier.of_class(name)
            occurrences, words = earlier.continuations(codes, name, size)
            log_left = np.log(self.memory.left(types, total))
            with np.errstate(divide="ignore"):
                log_held = np.log(self.memory.held(occurrences, words, total))
            log_masses = np.logaddexp(log_held, log_left + log_masses)
        letters = self._coding.letters
        highest = log_masses.max()
        if highest == -math.inf:  # no word outside the vocabulary begins so: it ends here
            chances = np.zeros(size)
            chances[END] = 1.0
            return letters, chances
        masses = np.exp(log_masses - highest)
        return letters, masses / masses.sum()

    def begins_white(self, name: str, earlier: DocumentCounts | None = None) -> float:
        """P(a word of a class begins with white space). A word that does has nothing else, so its
        first character tells, whichever end the spelling begins at; a sign of case may come before
        that."""
        sign = self.form.spelling(" ")[:-1]
        mass = 1.0
        for place, letter in enumerate(sign):
            letters, chances = self.following(sign[:place], name, earlier)
            mass *= chances[letters.index(letter)]
        white = [0.0, white_escapes(self.alphabet), *(float(c in WHITE) for c in self.alphabet)]
        _, chances = self.following(sign, name, earlier)
        return mass * float(chances @ np.array(white))

    def choices(self, name: str, known: str | None, earlier: DocumentCounts | None) -> Choices[str]:
        """A word of a class, one character after another and then the end, by their codes. It
        becomes a part of what came earlier, if that is given."""
        known_spelling = None if known is None else self.form.spelling(known)
        spelling = ""
        while True:
            letter = number = None
            if known_spelling is not None:
                letter = known_spelling[len(spelling) : len(spelling) + 1]  # "" at the end
                number = self._coding.number(letter)
            code = yield from one_of(partial(self._chances, spelling, name, earlier), number)
            if code == END:
                break
            if code >= FIRST:
                spelling += self._coding.letters[code]
            else:
                spelling += yield from unseen_character(letter)
        word = self.form.word(spelling)
        self.remember(word, name, earlier)
        return word

    def _chances(self, prefix: str, name: str, earlier: DocumentCounts | None) -> np.ndarray:
        _, chances = self.following(prefix, name, earlier)
        return chances

    def remember(self, word: str, name: str, earlier: DocumentCounts | None) -> None:
        """Add a word of a class to what came earlier, if that is given."""
        if earlier is not None:
            earlier.add(self._codes(word), name)

    def fill(self, name: str, filling: Filling) -> str:
        """A word that fills a placeholder of a class."""
        examples = self.examples.get(name)
        if filling.fill == "pool" and examples:
            return filling.random.choices([*examples], [*examples.values()])[0]
        word = self.draw(name, filling)
        self.remember(word, name, filling.earlier)
        return word

    def draw(self, name: str, filling: Filling) -> str:
        """A word of a class with exactly the probability that :meth:`document_bits` charges, among
        the words of known characters; with a cache of what came earlier, if given.

        Below a temperature of 1 the probability is proportional to P(word)^(1 / temperature): each
        letter is drawn with this power, and the word begun anew as often as the powers sum to less
        than 1; after TRIES only the letters have the temperature. Above 1, where the sum over words
        need not be finite, only the letters have it.

        After TRIES that lead to a character never seen, or to a spelling that no word has, the last
        one ends there.
        """
        tries_of_words = TRIES if filling.temperature < 1 else 0
        word = ""
        for attempt in range(tries_of_words + TRIES):
            spelling, ended = self._attempt(name, filling, attempt < tries_of_words)
            word = self.form.word(spelling)
            if ended and self.form.spelling(word) == spelling:
                break
        return word

    def _attempt(self, name: str, filling: Filling, whole_words: bool) -> tuple[str, bool]:
        """A spelling that is drawn letter by letter, and whether it came to its end; with
        ``whole_words`` it is given up as often as whole words at a temperature need it."""
        random, power = filling.random, 1 / filling.temperature
        spelling = ""
        while len(spelling) < MAX_WORD_CHARACTERS:
            letters, chances = self.following(spelling, name, filling.earlier)
            highest = chances.max()
            powers = chances if power == 1 else (chances / highest) ** power
            (letter,) = random.choices(letters, powers.tolist())
            if whole_words and random.random() >= powers.sum() * highest**power:
                return spelling, False
            if letter == "":
                return spelling, True
            if letter == UNSEEN:
                return spelling, False
            spelling += letter
        return spelling, False

    def log_tempered_mass(self, name: str, temperature: float) -> float:
        """ln Σ P(word | class)^(1 / temperature) over the words of a class, at a temperature
        below 1: the mean of P^(1 / temperature − 1) over the occurrences of its examples, or of a
        class without any over words that are drawn."""
        logs, numbers = self._cached_log_examples(name)
        powers = (1 / temperature - 1) * logs + np.log(numbers / numbers.sum())
        return float(np.logaddexp.reduce(powers))

    def tune(self, documents: Sequence[Classed]) -> None:
        """Choose the order, the weights and the cache by the likelihood of the rare words, each
        with its class, of whole validation documents."""
        coded = [self._coded(words) for words in documents]
        everything = [pair for words in coded for pair in words]
        if not everything:
            return
        arrays = as_arrays([codes for codes, _ in everything])

        def likelihood(order: int) -> float:
            model = fit_characters(self._known_codes, order, self._coding.size)
            return float(model.log_masses(arrays).sum())

        self.order = max(ORDERS, key=likelihood)
        self._cached_shared_model.cache_clear()
        self._cached_shared.cache_clear()
        self._cached_components.cache_clear()
        self.weights = self._likeliest(everything)
        # behind the cache, only the first occurrence in a document counts
        first = [pair for words in coded for pair in dict.fromkeys(words)]
        self.memory_weights = self._likeliest(first)
        masses = np.exp(self._log_masses(everything, self.memory_weights))
        self.memory = tuned_word_cache(coded, masses)

    def state(self) -> dict[str, Any]:
        """What the constructor takes beside alphabet, vocabulary and related words, as JSON."""
        names = ("examples", "pooled", "order", "weights", "memory", "memory_weights")
        return {name: getattr(self, name) for name in names}

    def portable(self, classes: Iterable[str]) -> dict[str, Any]:
        """What ``textgen/interactive/spelling.js`` needs, as JSON data; ``beginnings`` as codes."""
        names = ("alphabet", "examples", "pooled", "order", "weights")
        settings = {name: getattr(self, name) for name in names}
        beginnings = {name: self._beginnings(name) for name in classes}
        return {**settings, "signs": self.form.signs, "beginnings": beginnings}

    @cached_property
    def known(self) -> frozenset[str]:
        """The examples and the related words."""
        return frozenset(self.related).union(*self.examples.values())

    def _codes(self, word: str) -> Codes:
        return self._coding.codes(self.form.spelling(word))

    def _coded(self, words: Classed) -> CodedWords:
        return [(self._codes(word), name) for word, name in words]

    def _beginnings(self, name: str) -> list[Codes]:
        return [self._coding.codes(beginning) for beginning in self.form.beginnings(name)]

    @cached_property
    def _known_codes(self) -> list[Codes]:
        return sorted({self._codes(word) for word in self.known})

    @cached_property
    def _never_spelled(self) -> list[Codes]:
        # a form with a character never seen, such as the capital of an é, is spelled like any
        # other word that has one: its code stands for all of them
        every = {self._codes(word) for word in self.vocabulary()}
        return sorted(codes for codes in every if UNSEEN_CODE not in codes)

    def _components(self, name: str) -> Components:
        examples = self.examples.get(name, {})
        members = {self._codes(word): number for word, number in examples.items()}
        beginnings = self._beginnings(name)
        pool = Pool(members, self._coding.size) if members and self.pooled else None
        own = None
        if len(members) >= MIN_TYPES_FOR_OWN_MODEL:
            model = fit_characters(sorted(members), self.order, self._coding.size)
            own = OutOfVocabulary(model, self._never_spelled, beginnings)
        return Components(pool, own, self._cached_shared(*beginnings))

    def _shared(self, *beginnings: Codes) -> OutOfVocabulary:
        """One for all classes that begin alike."""
        return OutOfVocabulary(self._cached_shared_model(), self._never_spelled, beginnings)

    def _shared_model(self) -> KneserNeyModel:
        return fit_characters(self._known_codes, self.order, self._coding.size)

    def _mixture(self, name: str, of_class: Weights) -> list[tuple[float, WordDistribution]]:
        """The components of a class, each with its weight."""
        components = self._cached_components(name)
        weights = of_class.get(name, of_class[""])
        pairs = zip(weights, components, strict=True)
        present = [(weight, part) for weight, part in pairs if part is not None]
        total = sum(weight for weight, _ in present)
        if not total:
            return [(1.0, components.shared)]
        return [(weight / total, part) for weight, part in present if weight]

    def _log_masses(self, words: CodedWords, weights: Weights) -> np.ndarray:
        """(n,) float64: ln P(word | class) of words, whatever came earlier. All words of a class at
        once are faster than one by one."""
        result = dict[tuple[Codes, str], float]()
        for name, codes in by_class(dict.fromkeys(words)).items():
            mixture = self._mixture(name, weights)
            logs = [math.log(weight) + part.log_masses(codes) for weight, part in mixture]
            for word, log in zip(codes, np.logaddexp.reduce(logs), strict=True):
                result[word, name] = log
        return np.array([result[word] for word in words])

    def _log_examples(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) float64 each: ln P(word | class) of the examples, or of words that are drawn where
        there are none, and how often they occur."""
        examples = self.examples.get(name) or self._drawn_words(name)
        words = [(self._codes(word), name) for word in examples]
        return self._log_masses(words, self.weights), np.array([*examples.values()], dtype=float)

    def _drawn_words(self, name: str) -> Counter[str]:
        filling = Filling("scored", Random(0))
        return Counter(self.draw(name, filling) for _ in range(DRAWN_WORDS))

    def _likeliest(self, words: CodedWords) -> Weights:
        """The weights of each class that make its words most likely."""
        masses = dict[str, np.ndarray]()
        for name, codes in by_class(words).items():
            columns = [
                np.zeros(len(codes)) if part is None else np.exp(part.log_masses(codes))
                for part in self._cached_components(name)
            ]
            masses[name] = np.stack(columns, axis=1)
        common = mixture_weights(np.concatenate(list(masses.values())))
        of_class = {name: mixture_weights(rows, common) for name, rows in masses.items()}
        return {"": common, **of_class}


Text = TypeVar("Text", bound=str)


def by_class(words: Iterable[tuple[Text, str]]) -> dict[str, list[Text]]:
    """The words of each class in their order."""
    result = defaultdict[str, list[Text]](list)
    for word, name in words:
        result[name].append(word)
    return result


def fit_speller(
    documents: Iterable[Classed],
    tuning: Sequence[Classed],
    *,
    alphabet: str,
    vocabulary: Callable[[], Iterable[str]],
    related: Iterable[str] = (),
    pooled: bool = True,
    form: Form | None = None,
) -> Speller:
    """A spelling model of the rare words of the training documents, each with its class, tuned on
    those of the validation documents; the other arguments are those of :class:`Speller`."""
    words = by_class(pair for document in documents for pair in document)
    examples = {name: Counter(members) for name, members in words.items()}
    speller = Speller(examples, alphabet, vocabulary, related, pooled, form=form or Form())
    speller.tune(tuning)
    return speller
