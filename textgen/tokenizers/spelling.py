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
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from random import Random
from typing import Any

import numpy as np

from textgen.ngrams.mixture import THIRDS, mixture_weights
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.codes import (
    END,
    FIRST,
    UNSEEN_CODE,
    Codes,
    Coding,
    Form,
    Text,
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
from textgen.tokenizers.word_distributions import ClassDistributions, WordDistribution

ORDERS = (4, 5, 6, 7)
MAX_WORD_CHARACTERS = 200
TRIES = 100
DRAWN_WORDS = 200
Classed = Sequence[tuple[str, str]]  # words, each with its class
Weights = Mapping[str, Sequence[float]]


@dataclass(frozen=True, eq=False)
class Speller:
    """P(word | class), and new words of a class. It never changes: tuning gives another one.

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
    memory: Sequence[float] = USUAL_CACHE
    memory_weights: Weights = field(default_factory=lambda: {"": THIRDS})
    form: Form = field(default_factory=Form)

    @cached_property
    def _coding(self) -> Coding:
        return Coding(self.alphabet, self.form)

    @cached_property
    def _cache(self) -> WordCache:
        return WordCache(*self.memory)

    @cached_property
    def _distributions(self) -> ClassDistributions:
        return ClassDistributions(
            self._coding,
            self.order,
            examples=self.examples,
            known=self.known,
            vocabulary=self.vocabulary(),
            pooled=self.pooled,
        )

    @cached_property
    def _log_examples(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What :meth:`_score_examples` has given, by class."""
        return {}

    def document_bits(self, words: Classed) -> tuple[np.ndarray, np.ndarray]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a cache
        of those before it; both (n,) float64."""
        coded = self._coded(words)
        alone = self._log_masses(coded, self.weights)
        new = self._log_masses(coded, self.memory_weights)
        held, left = self._cache.shares(*seen_before(coded))
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
        codes = self._coding.codes(prefix)
        size = self._coding.size
        weights = self.weights if earlier is None else self.memory_weights
        mixture = self._mixture(name, weights)
        logs = [math.log(weight) + part.log_continuations(codes) for weight, part in mixture]
        log_masses = np.logaddexp.reduce(logs)
        if earlier is not None:
            types, total = earlier.of_class(name)
            occurrences, words = earlier.continuations(codes, name, size)
            log_left = np.log(self._cache.left(types, total))
            with np.errstate(divide="ignore"):
                log_held = np.log(self._cache.held(occurrences, words, total))
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
        sign = self.form.spelling(" ").removesuffix(" ")
        mass = 1.0
        for place, letter in enumerate(sign):
            letters, chances = self.following(sign[:place], name, earlier)
            mass *= chances[letters.index(letter)]
        letters_white = [float(letter in WHITE) for letter in self._coding.alphabet]
        white = [0.0, white_escapes(self.alphabet), *letters_white]  # END is not, OTHER may be
        _, chances = self.following(sign, name, earlier)
        return mass * float(chances @ np.array(white))

    def choices(self, name: str, known: str | None, earlier: DocumentCounts | None) -> Choices[str]:
        """A word of a class, one character after another and then the end, by their codes. It
        becomes a part of what came earlier, if that is given."""
        known_spelling = None if known is None else self.form.spelling(known)
        spelling = ""
        while True:
            letter: str | None = None
            number: int | None = None
            if known_spelling is not None:
                at_end = len(spelling) == len(known_spelling)
                letter = "" if at_end else known_spelling[len(spelling)]
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
            earlier.add(self._coding.word(word), name)

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
        if filling.temperature < 1:
            for _ in range(TRIES):
                whole = self._draw_tempered_word(name, filling)
                if whole is not None and self._is_of_word(whole):
                    return self.form.word(whole)
        spelling = ""
        for _ in range(TRIES):
            spelling, ended = self._draw_letters(name, filling)
            if ended and self._is_of_word(spelling):
                break
        return self.form.word(spelling)

    def _is_of_word(self, spelling: str) -> bool:
        """Whether a word is spelled so, and not only read so."""
        return self.form.spelling(self.form.word(spelling)) == spelling

    def _draw_letters(self, name: str, filling: Filling) -> tuple[str, bool]:
        """A spelling, each letter drawn at the temperature, and whether it came to its end."""
        spelling = ""
        while len(spelling) < MAX_WORD_CHARACTERS:
            letters, chances = self.following(spelling, name, filling.earlier)
            (letter,) = filling.random.choices(letters, filling.powers(chances).tolist())
            if letter == "":
                return spelling, True
            if letter == UNSEEN:
                return spelling, False
            spelling += letter
        return spelling, False

    def _draw_tempered_word(self, name: str, filling: Filling) -> str | None:
        """The spelling of a word, drawn with P(word)^(1 / temperature) at a temperature below 1;
        None where the word is to be begun anew.

        This is rejection sampling: a letter x is drawn with P(x)^(1 / temperature) / Z, where Z ≤ 1
        is the sum of these powers, and then kept with the probability Z.
        """
        spelling = ""
        while len(spelling) < MAX_WORD_CHARACTERS:
            letters, chances = self.following(spelling, name, filling.earlier)
            powers = filling.powers(chances)
            (letter,) = filling.random.choices(letters, powers.tolist())
            kept = powers.sum() * chances.max() ** filling.power
            if filling.random.random() >= kept or letter == UNSEEN:
                return None
            if letter == "":
                return spelling
            spelling += letter
        return None

    def log_tempered_mass(self, name: str, temperature: float) -> float:
        """ln Σ P(word | class)^(1 / temperature) over the words of a class, at a temperature
        below 1: the mean of P^(1 / temperature − 1) over the occurrences of its examples, or of a
        class without any over words that are drawn."""
        if name not in self._log_examples:
            self._log_examples[name] = self._score_examples(name)
        logs, numbers = self._log_examples[name]
        powers = (1 / temperature - 1) * logs + np.log(numbers / numbers.sum())
        return float(np.logaddexp.reduce(powers))

    def tuned(self, documents: Sequence[Classed]) -> "Speller":
        """This one with the order, the weights and the cache under which the rare words, each with
        its class, of whole validation documents are likeliest."""
        coded = [self._coded(words) for words in documents]
        everything = [pair for words in coded for pair in words]
        if not everything:
            return self
        arrays = as_arrays([codes for codes, _ in everything])
        known = sorted({self._coding.word(word) for word in self.known})

        def likelihood(order: int) -> float:
            model = fit_characters(known, order, self._coding.size)
            return float(model.log_masses(arrays).sum())

        speller = replace(self, order=max(ORDERS, key=likelihood))
        weights = speller._likeliest(everything)
        # behind the cache, only the first occurrence in a document counts
        first = [pair for words in coded for pair in dict.fromkeys(words)]
        memory_weights = speller._likeliest(first)
        masses = np.exp(speller._log_masses(everything, memory_weights))
        memory = tuned_word_cache(coded, masses)
        return replace(speller, weights=weights, memory=memory, memory_weights=memory_weights)

    def state(self) -> dict[str, Any]:
        """What the constructor takes beside alphabet, vocabulary and related words, as JSON."""
        names = ("examples", "pooled", "order", "weights", "memory", "memory_weights")
        return {name: getattr(self, name) for name in names}

    def portable(self, classes: Iterable[str]) -> dict[str, Any]:
        """What ``textgen/interactive/spelling.js`` needs, as JSON data; ``beginnings`` as codes."""
        beginnings = dict[str, list[Codes]]()
        for name in classes:
            own, others = self._coding.beginnings(name)
            beginnings[name] = [own, *others]
        return {
            "alphabet": self._coding.alphabet,
            "examples": self.examples,
            "pooled": self.pooled,
            "order": self.order,
            "weights": self.weights,
            "signs": self.form.signs,
            "beginnings": beginnings,
        }

    @cached_property
    def known(self) -> frozenset[str]:
        """The examples and the related words."""
        return frozenset(self.related).union(*self.examples.values())

    def _coded(self, words: Classed) -> CodedWords:
        return [(self._coding.word(word), name) for word, name in words]

    def _mixture(self, name: str, of_class: Weights) -> list[tuple[float, WordDistribution]]:
        """The components of a class, each with its weight."""
        components = self._distributions.of_class(name)
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
            log_masses = np.logaddexp.reduce(logs)  # of the mixture: ln Σ exp over its components
            for word, log_mass in zip(codes, log_masses, strict=True):
                result[word, name] = log_mass
        return np.array([result[word] for word in words])

    def _score_examples(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(n,) float64 each: ln P(word | class) of the examples, or of words that are drawn where
        there are none, and how often they occur."""
        examples = self.examples.get(name) or self._drawn_words(name)
        words = [(self._coding.word(word), name) for word in examples]
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
                for part in self._distributions.of_class(name)
            ]
            masses[name] = np.stack(columns, axis=1)
        common = mixture_weights(np.concatenate(list(masses.values())))
        of_class = {name: mixture_weights(rows, common) for name, rows in masses.items()}
        return {"": common, **of_class}


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
    return speller.tuned(tuning)
