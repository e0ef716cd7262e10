"""The word-spelling model, P(word | class): what a replaced word costs, and how a new one is made.

The word model generates a placeholder, a character model the spelling of the word behind it, after
Mielke & Eisner, "Spell Once, Summon Anywhere: A Two-Level Open-Vocabulary Language Model", AAAI
2019. Here the spelling comes from counts: a mixture of up to three distributions, which are the
training words of the placeholder's class (the pool), character n-grams over those words, and
character n-grams over all words, frequent ones included, for they are built alike
(``word_distributions.py``)::

    P(word | class) = w₁ P(word | pool) + w₂ P(word | own n-grams) + w₃ P(word | shared n-grams)

Words of the vocabulary are never spelled, so the n-grams are divided by the mass they leave to
other strings. What remains open is small and on the safe side: strings that would be cut into two
pieces keep their mass. With a document cache, rare words come back (``word_cache.py``). Words are
drawn from the model in ``filling.py``.

Does not handle: words longer than memory allows, agreement of a spelled word with its neighbours.
A character that training never saw is charged in full each time, also in a word that comes back.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

from textgen.ngrams.mixture import THIRDS, mixture_weights
from textgen.tokenizers.borders import WHITE, white_escapes
from textgen.tokenizers.codes import (
    END,
    OTHER,
    UNSEEN_CODE,
    Codes,
    Coding,
    Form,
    Text,
    as_arrays,
    fit_characters,
)
from textgen.tokenizers.encoded import CHARACTER_BITS
from textgen.tokenizers.steps import Choices, one_of, unseen_character
from textgen.tokenizers.word_cache import (
    USUAL_CACHE,
    CodedWords,
    DocumentCounts,
    WordCache,
    seen_before,
    tuned_word_cache,
)
from textgen.tokenizers.word_distributions import (
    CACHED_NUMBERS,
    ClassDistributions,
    WordDistribution,
)

ORDERS = (4, 5, 6, 7)
UNLISTED = ""  # stands for all classes that have no weights of their own
ClassedWords = Sequence[tuple[str, str]]  # words, each with the name of its class
Weights = Mapping[str, Sequence[float]]  # class → weights of (pool, own n-grams, shared n-grams)


@dataclass(frozen=True, eq=False)
class Speller:
    """P(word | class), for whole words and letter by letter. It never changes: tuning gives another
    one.

    Args:
        examples: class → word → occurrences in the training split: the rare words.
        alphabet: every character of the training split, or of spellings.
        vocabulary: gives the words that are never spelled; called at the first probability.
        related: known words from which to learn how words are built.
        pooled: whether the examples can be met again, that is, are not in the vocabulary.
        order: of the character n-grams.
        weights: of what is mixed, without a document cache; :data:`UNLISTED` is among the classes.
        cache: the document cache.
        new_word_weights: the weights where there is a document cache, which leaves to the mixture
            the words that are new to their document.
        form: how words are spelled.
        ready: what is mixed, if a model of the same words and order has made it already.
    """

    examples: Mapping[str, Mapping[str, int]]
    alphabet: str
    vocabulary: Callable[[], Iterable[str]]
    related: Iterable[str] = ()
    pooled: bool = True
    order: int = 5
    weights: Weights = field(default_factory=lambda: {UNLISTED: THIRDS})
    cache: WordCache = USUAL_CACHE
    new_word_weights: Weights = field(default_factory=lambda: {UNLISTED: THIRDS})
    form: Form = field(default_factory=Form)
    ready: ClassDistributions | None = None

    @cached_property
    def coding(self) -> Coding:
        """The codes of the alphabet."""
        return Coding(self.alphabet, self.form)

    @cached_property
    def distributions(self) -> ClassDistributions:
        """What is mixed for each class."""
        if self.ready is not None:
            return self.ready
        return ClassDistributions(
            self.coding,
            self.order,
            examples=self.examples,
            known=self.known,
            vocabulary=self.vocabulary(),
            pooled=self.pooled,
        )

    @cached_property
    def known(self) -> frozenset[str]:
        """The examples and the related words."""
        return frozenset(self.related).union(*self.examples.values())

    @property
    def letters(self) -> Sequence[str]:
        """(A,) what may come next in a spelling: ``""`` for the end, ``"\\ufffd"`` for a character
        never seen, and the characters of the alphabet."""
        return self.coding.letters

    def document_bits(self, words: ClassedWords) -> tuple[np.ndarray, np.ndarray]:
        """−log2 P of each rare word of a document, given with its class: alone, and with a cache
        of those before it; both (n,) float64."""
        coded = self.coded(words)
        alone = self.log_masses(coded, self.weights)
        new = self.log_masses(coded, self.new_word_weights)
        held, left = self.cache.shares(seen_before(coded))
        with np.errstate(divide="ignore"):  # of words that did not come before
            remembered = np.logaddexp(new + np.log(left), np.log(held))
        unseen = CHARACTER_BITS * np.array([codes.count(UNSEEN_CODE) for codes, _ in coded])
        return unseen - alone / math.log(2), unseen - remembered / math.log(2)

    def coded(self, words: ClassedWords) -> CodedWords:
        """Words as codes."""
        return [(self.coding.codes_of_word(word), class_name) for word, class_name in words]

    def log_masses(self, words: CodedWords, weights: Weights) -> np.ndarray:
        """(n,) float64: ln P(word | class) of words, whatever came earlier. A character never seen
        counts as one character, whichever it is."""
        found = dict[tuple[Codes, str], float]()
        each_once = dict.fromkeys(words)
        # all words of a class at once are faster than one by one
        for class_name, codes in by_class(each_once).items():
            mixture = self._mixture(class_name, weights)
            logs = [math.log(weight) + part.log_masses(codes) for weight, part in mixture]
            log_masses = np.logaddexp.reduce(logs)  # of the mixture: ln Σ exp over its components
            for word, log_mass in zip(codes, log_masses, strict=True):
                found[word, class_name] = log_mass
        return np.array([found[word] for word in words])

    def next_letter_chances(
        self, spelling: str, class_name: str, earlier: DocumentCounts | None = None
    ) -> np.ndarray:
        """P(next letter | class, the letters of a spelling so far). The product along a word is
        exactly what :meth:`document_bits` charges.

        Args:
            spelling: the letters so far.
            class_name: of the word.
            earlier: the rare words before it, for the probability with a document cache.

        Returns:
            (A,) float64, one for each of :attr:`letters`; they sum to 1.
        """
        codes = self.coding.codes_of_spelling(spelling)
        if earlier is None:
            return self._chances_behind(codes, class_name)
        return self._as_chances(self._log_continuations_with_cache(codes, class_name, earlier))

    @cached_property
    def _chances_behind(self) -> Callable[[Codes, str], np.ndarray]:
        """P(next letter | class, the codes of a spelling so far). Many words that are drawn begin
        alike."""

        def chances_behind(codes: Codes, class_name: str) -> np.ndarray:
            return self._as_chances(self._log_continuations(codes, class_name, self.weights))

        return lru_cache(max(1, CACHED_NUMBERS // self.coding.size))(chances_behind)

    def _as_chances(self, log_masses: np.ndarray) -> np.ndarray:
        """Probabilities from the logarithms of masses, (A,) float64 each."""
        highest = log_masses.max()
        if highest == -math.inf:  # no word outside the vocabulary begins so: it ends here
            chances = np.zeros(self.coding.size)
            chances[END] = 1.0
            return chances
        masses = np.exp(log_masses - highest)
        return masses / masses.sum()

    def _log_continuations(self, codes: Codes, class_name: str, weights: Weights) -> np.ndarray:
        """(A,) float64: ln of the mass of all words that begin with some codes and then each code,
        END for the word that ends there."""
        mixture = self._mixture(class_name, weights)
        logs = [math.log(weight) + part.log_continuations(codes) for weight, part in mixture]
        return np.logaddexp.reduce(logs)

    def _log_continuations_with_cache(
        self, codes: Codes, class_name: str, earlier: DocumentCounts
    ) -> np.ndarray:
        """The same where earlier words come back."""
        of_class = earlier.of_class(class_name)
        continuations = earlier.continuations(codes, class_name, self.coding.size)
        total = of_class.occurrences
        with np.errstate(divide="ignore"):  # of codes that no earlier word goes on with
            held = self.cache.held(continuations.occurrences, continuations.types, total)
            log_held = np.log(held)
        log_left = np.log(self.cache.left(of_class.types, total))
        log_new = self._log_continuations(codes, class_name, self.new_word_weights)
        return np.logaddexp(log_held, log_left + log_new)

    def _mixture(self, class_name: str, weights: Weights) -> list[tuple[float, WordDistribution]]:
        """What is mixed for a class, each with its weight; the weights sum to 1."""
        components = self.distributions.of_class(class_name)
        of_class = weights.get(class_name, weights[UNLISTED])
        weighted = [
            (weight, component)
            for weight, component in zip(of_class, components, strict=True)
            if component is not None and weight > 0
        ]
        if not weighted:
            return [(1.0, components.shared)]
        total = sum(weight for weight, _ in weighted)
        return [(weight / total, component) for weight, component in weighted]

    def begins_white(self, class_name: str, earlier: DocumentCounts | None = None) -> float:
        """P(a word of a class begins with white space). A word that does has nothing else, so its
        first character tells, whichever end the spelling begins at; a sign of case may come before
        that."""
        sign = self.form.sign_as_it_is
        chance_of_sign = 1.0
        for place, letter in enumerate(sign):
            chances = self.next_letter_chances(sign[:place], class_name, earlier)
            chance_of_sign *= chances[self.coding.code_of_letter(letter)]
        is_white = np.zeros(self.coding.size)
        is_white[OTHER] = white_escapes(self.alphabet)
        for letter in set(WHITE).intersection(self.alphabet):
            is_white[self.coding.code_of_letter(letter)] = 1.0
        chances = self.next_letter_chances(sign, class_name, earlier)
        return chance_of_sign * float(chances @ is_white)

    def choices(
        self, class_name: str, known: str | None, earlier: DocumentCounts | None
    ) -> Choices[str]:
        """A word of a class as steps: its letters one after another, and then the end.

        Args:
            class_name: of the word.
            known: the word of a known document; None if others choose.
            earlier: a document cache, to which the word is added.
        """
        known_letters: list[str] | None = None
        if known is not None:
            known_letters = [*self.form.spelling(known), ""]
        spelling = ""
        while True:
            known_letter: str | None = None
            known_code: int | None = None
            if known_letters is not None:
                known_letter = known_letters[len(spelling)]
                known_code = self.coding.code_of_letter(known_letter)
            chances = partial(self.next_letter_chances, spelling, class_name, earlier)
            code = yield from one_of(chances, known_code)
            if code == END:
                break
            if code == OTHER:
                spelling += yield from unseen_character(known_letter)
            else:
                spelling += self.letters[code]
        word = self.form.word(spelling)
        self.remember(word, class_name, earlier)
        return word

    def remember(self, word: str, class_name: str, earlier: DocumentCounts | None) -> None:
        """Add a word of a class to what came earlier, if that is given."""
        if earlier is not None:
            earlier.add(self.coding.codes_of_word(word), class_name)

    def state(self) -> dict[str, Any]:
        """What :func:`load_speller` needs beside its other arguments, as JSON data."""
        return {
            "examples": self.examples,
            "pooled": self.pooled,
            "order": self.order,
            "weights": self.weights,
            "memory": self.cache,
            "memory_weights": self.new_word_weights,
        }

    def portable(self, classes: Iterable[str]) -> dict[str, Any]:
        """What ``textgen/interactive/spelling.js`` needs, as JSON data; ``beginnings`` as codes."""
        beginnings = dict[str, list[Codes]]()
        for class_name in classes:
            of_class = self.coding.beginnings(class_name)
            beginnings[class_name] = [of_class.own, *of_class.others]
        return {
            "alphabet": self.coding.alphabet,
            "examples": self.examples,
            "pooled": self.pooled,
            "order": self.order,
            "weights": self.weights,
            "signs": self.form.signs,
            "beginnings": beginnings,
        }


def by_class(words: Iterable[tuple[Text, str]]) -> dict[str, list[Text]]:
    """The words of each class in their order."""
    result = defaultdict[str, list[Text]](list)
    for word, class_name in words:
        result[class_name].append(word)
    return result


def fit_speller(
    documents: Iterable[ClassedWords],
    tuning: Sequence[ClassedWords],
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
    examples = {class_name: Counter(members) for class_name, members in words.items()}
    speller = Speller(examples, alphabet, vocabulary, related, pooled, form=form or Form())
    return tuned_speller(speller, tuning)


def load_speller(
    state: Mapping[str, Any],
    *,
    alphabet: str,
    vocabulary: Callable[[], Iterable[str]],
    related: Iterable[str] = (),
    form: Form | None = None,
) -> Speller:
    """A spelling model from its ``state()``; the other arguments as for :func:`fit_speller`."""
    return Speller(
        state["examples"],
        alphabet,
        vocabulary,
        related,
        state["pooled"],
        order=state["order"],
        weights=state["weights"],
        cache=WordCache(*state["memory"]),
        new_word_weights=state["memory_weights"],
        form=form or Form(),
    )


def tuned_speller(speller: Speller, documents: Sequence[ClassedWords]) -> Speller:
    """The spelling model with the order, the weights and the cache under which the rare words, each
    with its class, of whole validation documents are likeliest; the same one if there are none."""
    coded = [speller.coded(words) for words in documents]
    words = [word for document in coded for word in document]
    if not words:
        return speller
    speller = replace(speller, order=likeliest_order(speller, words), ready=None)
    weights = likeliest_weights(speller, words)
    # behind the cache, only the first occurrence in a document counts
    new_words = list[tuple[Codes, str]]()
    for document in coded:
        new_words += dict.fromkeys(document)
    new_word_weights = likeliest_weights(speller, new_words)
    masses = np.exp(speller.log_masses(words, new_word_weights))
    cache = tuned_word_cache(coded, masses)
    return replace(
        speller,
        weights=weights,
        cache=cache,
        new_word_weights=new_word_weights,
        ready=speller.distributions,
    )


def likeliest_order(speller: Speller, words: CodedWords) -> int:
    """Which of :data:`ORDERS` makes words likeliest under n-grams of all words that are known."""
    arrays = as_arrays([codes for codes, _ in words])
    known = sorted({speller.coding.codes_of_word(word) for word in speller.known})

    def log_likelihood(order: int) -> float:
        model = fit_characters(known, order, speller.coding.size)
        return float(model.log_masses(arrays).sum())

    return max(ORDERS, key=log_likelihood)


def likeliest_weights(speller: Speller, words: CodedWords) -> Weights:
    """The weights of each class that make its words likeliest, those of all classes by
    :data:`UNLISTED`."""
    masses = dict[str, np.ndarray]()  # class → (n, 3) float64, of words under each component
    for class_name, codes in by_class(words).items():
        masses[class_name] = speller.distributions.of_class(class_name).masses(codes)
    common = mixture_weights(np.concatenate(list(masses.values())))
    weights: dict[str, Sequence[float]] = {UNLISTED: common}
    for class_name, masses_of_class in masses.items():
        weights[class_name] = mixture_weights(masses_of_class, common)
    return weights
