"""How placeholders are filled: surface forms, and words that a spelling model spells, are drawn."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import NamedTuple

import numpy as np

from textgen.tokenizers.encoded import UNSEEN
from textgen.tokenizers.spelling import Speller
from textgen.tokenizers.steps import Choice, Chosen, Word
from textgen.tokenizers.word_cache import DocumentCounts

# How a generated placeholder is filled: by a word drawn with the probability that is charged for
# it, by one of the training words it stood for, or by a mark such as <unk>. Only the first writes
# text with the distribution that is scored.
FILL = ("scored", "pool", "mark")
MIN_TEMPERATURE = 1e-6  # what a temperature of 0 is taken for: it leaves only the likeliest
MAX_WORD_CHARACTERS = 200
TRIES = 100  # to draw a word
DRAWN_WORDS = 200  # stand for the words of a class without examples


class Filling(NamedTuple):
    """How surface forms are drawn.

    Attributes:
        fill: one of :data:`FILL`.
        random: draws them.
        earlier: words of the document that a cache holds; None without one.
        temperature: of what is drawn with the fill ``"scored"``; 0 takes the likeliest.
    """

    fill: str
    random: Random
    earlier: DocumentCounts | None = None
    temperature: float = 1.0

    @property
    def power(self) -> float:
        """1 / temperature."""
        return 1 / max(self.temperature, MIN_TEMPERATURE)

    def relative_powers(self, probabilities: np.ndarray) -> np.ndarray:
        """(n,) float64, P^(1 / temperature) of choices, relative to that of the likeliest."""
        return (probabilities / probabilities.max()) ** self.power

    def draw(self, step: Choice | Word) -> Chosen:
        """What is chosen at random."""
        if isinstance(step, Word):
            return self._draw_word(step)
        assert step.probabilities is not None
        powers = self.relative_powers(step.probabilities())
        (chosen,) = self.random.choices(range(len(powers)), powers.tolist())
        return chosen

    def _draw_word(self, step: Word) -> str:
        """A word, added to what came earlier if it was drawn from the spelling model."""
        if self.fill == "mark":
            return step.mark
        examples = step.speller.examples.get(step.class_name)
        if self.fill == "pool" and examples:
            (example,) = self.random.choices(list(examples), list(examples.values()))
            return example
        word = draw_word(step.speller, step.class_name, self)
        step.speller.remember(word, step.class_name, self.earlier)
        return word


def draw_word(speller: Speller, class_name: str, filling: Filling) -> str:
    """A word of a class with exactly the probability that :meth:`Speller.document_bits` charges,
    among the words of known characters.

    Below a temperature of 1 the probability is proportional to P(word)^(1 / temperature): see
    :func:`_try_cold_spelling`; after TRIES only the letters have the temperature. Above 1, where
    the sum over words need not be finite, only the letters have it.

    After TRIES that lead to a character never seen, or to a spelling that no word has, the last
    one ends there.
    """
    if filling.temperature < 1:
        for _ in range(TRIES):
            whole = _try_cold_spelling(speller, class_name, filling)
            if whole is not None and _is_spelling_of_word(speller, whole):
                return speller.form.word(whole)
    spelling = ""
    for _ in range(TRIES):
        spelling, has_ended = _draw_letters(speller, class_name, filling)
        if has_ended and _is_spelling_of_word(speller, spelling):
            break
    return speller.form.word(spelling)


def _is_spelling_of_word(speller: Speller, spelling: str) -> bool:
    """Whether a word is spelled so, and not only read so."""
    word = speller.form.word(spelling)
    return speller.form.spelling(word) == spelling


def _draw_letters(speller: Speller, class_name: str, filling: Filling) -> tuple[str, bool]:
    """A spelling, each letter drawn at the temperature, and whether it came to its end."""
    spelling = ""
    while len(spelling) < MAX_WORD_CHARACTERS:
        chances = speller.next_letter_chances(spelling, class_name, filling.earlier)
        powers = filling.relative_powers(chances)
        (letter,) = filling.random.choices(speller.letters, powers.tolist())
        if letter == "":
            return spelling, True
        if letter == UNSEEN:
            return spelling, False
        spelling += letter
    return spelling, False


def _try_cold_spelling(speller: Speller, class_name: str, filling: Filling) -> str | None:
    """The spelling of a word, drawn with P(word)^(1 / temperature) at a temperature below 1; None
    where the word is to be begun anew.

    This is rejection sampling: a letter x is drawn with P(x)^(1 / temperature) / Z, where Z ≤ 1 is
    the sum of these powers over all letters, and then kept with the probability Z. So a word is
    drawn and kept with the product of the powers of its letters.
    """
    spelling = ""
    while len(spelling) < MAX_WORD_CHARACTERS:
        chances = speller.next_letter_chances(spelling, class_name, filling.earlier)
        powers = filling.relative_powers(chances)
        (letter,) = filling.random.choices(speller.letters, powers.tolist())
        sum_of_powers = powers.sum() * chances.max() ** filling.power  # Z
        is_kept = filling.random.random() < sum_of_powers
        if not is_kept or letter == UNSEEN:
            return None
        if letter == "":
            return spelling
        spelling += letter
    return None


class ScoredWords(NamedTuple):
    """Words of a class that stand for all of them.

    Attributes:
        logs: (n,) float64, ln P(word | class).
        numbers: (n,) float64, how often each occurs.
    """

    logs: np.ndarray
    numbers: np.ndarray


def score_examples(speller: Speller, class_name: str) -> ScoredWords:
    """The examples of a class, or words that are drawn where it has none."""
    examples: Mapping[str, int] | None = speller.examples.get(class_name)
    if not examples:
        filling = Filling("scored", Random(0))
        examples = Counter(draw_word(speller, class_name, filling) for _ in range(DRAWN_WORDS))
    coded = speller.coded([(word, class_name) for word in examples])
    numbers = np.array(list(examples.values()), dtype=float)
    return ScoredWords(speller.log_masses(coded, speller.weights), numbers)


def log_sum_of_powers(words: ScoredWords, temperature: float) -> float:
    """ln Σ P(word | class)^(1 / temperature) over all words of a class, at a temperature below 1.

    The sum is the mean of P(word | class)^(1 / temperature − 1) over words that occur as often as
    P(word | class) says, for which the scored ones are taken.
    """
    log_shares = np.log(words.numbers / words.numbers.sum())
    return float(np.logaddexp.reduce((1 / temperature - 1) * words.logs + log_shares))
