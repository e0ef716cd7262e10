"""A model that is walked along a text: measured, coded, decoded, and held against another."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from textgen.auditing.protocol import Model, next_chances, own_tokens

DRAWN, LENGTH = 4, 24
"""Texts that a model writes, and their tokens: places that no text has led to."""
STEPS = 600
"""Places that are looked at for all short texts, at most."""
LETTERS = 3
"""Letters of which short texts are made."""


@dataclass
class Sums:
    """What probabilities add up to, wherever they were looked at.

    Attributes:
        places: how many.
        worst: the largest distance from one; infinite where something is no probability.
    """

    places: int = 0
    worst: float = 0.0

    def add(self, chances: np.ndarray) -> None:
        self.places += 1
        away = abs(float(chances.sum()) - 1.0)
        self.worst = max(self.worst, away if np.isfinite(away) else np.inf)


@dataclass
class Measured:
    """What a text costs token by token.

    Attributes:
        tokens: those of the text and of its end.
        bits: (n,) float64, −log2 P of each.
        sums: of the probabilities at these places.
        words: (m,) uint32, what an arithmetic coder makes of the text; None where it cannot.
    """

    tokens: list[int]
    bits: np.ndarray
    words: np.ndarray | None
    sums: Sums = field(default_factory=Sums)

    @property
    def total(self) -> float:
        return float(self.bits.sum())


def measure(model: Model, tokens: list[int]) -> Measured:
    """Read a text, and code it on the way."""
    from textgen.auditing.coder import Encoder

    encoder: Encoder | None = Encoder()
    found, sums = np.zeros(len(tokens)), Sums()
    model.start()
    for place, token in enumerate(tokens):
        chances = next_chances(model)
        sums.add(chances)
        chance = chances[token] if 0 <= token < len(chances) else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            found[place] = -np.log2(chance)
        if not chance > 0 or not np.isfinite(chances.sum()):
            encoder = None  # what cannot come cannot be coded
        if encoder is not None:
            encoder.put(chances, token)
        if place + 1 < len(tokens):
            model.append(token)
    return Measured(tokens, found, None if encoder is None else encoder.words(), sums)


def decoded(model: Model, words: np.ndarray, length: int) -> str:
    """The text that a model reads from compressed words.

    Args:
        model: one that has never seen the text.
        words: (m,) uint32.
        length: tokens of the text; a model with an end stops at that.
    """
    from textgen.auditing.coder import Decoder

    decoder, tokens = Decoder(words), list[int]()
    model.start()
    while len(tokens) < length:
        tokens.append(decoder.get(next_chances(model)))
        if tokens[-1] == model.end:
            return model.decode(tokens[:-1])
        if len(tokens) < length:
            model.append(tokens[-1])
    return model.decode(tokens if model.end is None else tokens[:-1])


def apart(one: Model, other: Model, first: Sequence[int], second: Sequence[int]) -> tuple[int, int]:
    """Where two models first expect something else although the tokens so far are the same.

    Args:
        one, other: two instances, each of which was given its text.
        first, second: the tokens of both texts.

    Returns:
        How many places were held against each other, and the first that differs, or −1.
    """
    one.start()
    other.start()
    for place, (token, same) in enumerate(zip(first, second, strict=False)):
        expected, expects = next_chances(one), next_chances(other)
        if expected.shape != expects.shape or not np.allclose(
            expected, expects, 1e-5, 1e-9, equal_nan=True
        ):
            return place + 1, place
        if token != same:
            return place + 1, -1
        one.append(token)
        other.append(token)
    return min(len(first), len(second)), -1


def draw(model: Model, sums: Sums) -> None:
    """Look at places that the model itself has led to."""
    random = np.random.default_rng(0)
    for _ in range(DRAWN):
        model.start()
        for _ in range(LENGTH):
            chances = next_chances(model)
            sums.add(chances)
            if not np.isfinite(chances.sum()) or not chances.sum() > 0:
                return
            token = int(random.choice(len(chances), p=chances / chances.sum()))
            if token == model.end:
                break
            model.append(token)


@dataclass(frozen=True)
class ShortTexts:
    """All short texts of a few letters.

    Attributes:
        letters: those few.
        longest: characters of the longest.
        number: of the texts.
        mass: the sum of their probabilities.
        whole: whether no other text is left, so that the mass is to be one.
    """

    letters: str
    longest: int
    number: int
    mass: float
    whole: bool


def short_texts(model: Model, text: str, sums: Sums) -> ShortTexts:
    """Σ P(text) over all texts up to some length of the letters that are most frequent in ``text``,
    or of the model's alphabet where it says that it has no more of them.

    Where a token is a letter of such an alphabet, a longest text stands for all that begin so, and
    nothing is left out. Without an end, only texts of one length exclude each other.
    """
    frequent = "".join(letter for letter, _ in Counter(text).most_common(LETTERS))
    own = getattr(model, "alphabet", "") or ""
    letters = "".join(sorted(own if 0 < len(own) <= LETTERS else frequent or "a"))
    longest = 1
    while sum(len(letters) ** n * (n + 1) for n in range(longest + 2)) <= STEPS:
        longest += 1
    shortest = 0 if model.end is not None else longest
    texts = [
        "".join(chosen)
        for length in range(shortest, longest + 1)
        for chosen in itertools.product(letters, repeat=length)
    ]
    number, mass, single = 0, 0.0, letters == "".join(sorted(own))
    for each in texts:
        if (tokens := own_tokens(model, each)) is None:
            continue
        number += 1
        single = single and len(tokens) == len(each) + (model.end is not None)
        cut = single and len(each) == longest and model.end is not None
        mass += _chance(model, tokens[:-1] if cut else tokens, sums)
    return ShortTexts(letters, longest, number, mass, single)


def _chance(model: Model, tokens: Sequence[int], sums: Sums) -> float:
    found = 1.0
    model.start()
    for place, token in enumerate(tokens):
        chances = next_chances(model)
        sums.add(chances)
        found *= float(chances[token]) if token < len(chances) else 0.0
        if place + 1 < len(tokens):
            model.append(token)
    return found
