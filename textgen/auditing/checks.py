"""The six checks of an audit, and the arithmetic coder that a model's probabilities drive."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np

from textgen.auditing.claims import (
    SUM_TOLERANCE,
    CheckedClaim,
    Claim,
    Model,
    next_probabilities,
    own_claim,
    own_tokens,
    tokens_of,
)
from textgen.evaluation.contracts import AWKWARD_TEXTS

WRITTEN_TEXTS, WRITTEN_TOKENS = 4, 24
"""Texts that the model writes, and tokens of each: places that the audited text does not reach."""
SHORT_TEXT_PLACES = 600
"""At most so many places are looked at in all short texts together."""
SHORT_TEXT_LETTERS = 3
CODER_SLACK, CODER_SLACK_BITS = 0.01, 64.0
"""By how much the coder may miss the claimed size: a share of it, and whole words of 32 bits."""
PART_TOLERANCE_BITS = 0.01
CHANGED_FROM = (40, 150, 400)
"""Characters after which the text is changed; in a shorter text, the same share of it."""
# Bits of a word of compressed text.
WORD = 32
# Share of the whole below which a probability counts as small: the coder rounds to multiples of
# 2^-24, so what is improbable is coded in two steps, that it is and then which.
SMALL = 2.0**-12


MEANINGS = {
    "sums to one": "a sum above one makes every figure too low",
    "no look-ahead": "a model must not see the text that it predicts",
    "every character charged": "a warm-up, an end or a rare word that is left out of the sum was "
    "not predicted",
    "encode and decode": "a text that does not come back was not predicted, whatever it is claimed "
    "to cost",
    "denominator": "too large a denominator makes a figure too low",
    "arithmetic coder": "a likelihood is worth what it compresses to and what can be decoded again",
}
"""Check → why a failure matters."""


@dataclass(frozen=True)
class Check:
    """One of MEANINGS.

    Attributes:
        name: what is checked.
        passed: None where nothing was claimed that could be checked.
        measured: what was found, in words.
    """

    name: str
    passed: bool | None
    measured: str


class ProbabilitySums:
    """What probabilities add up to wherever they were looked at.

    Attributes:
        places: how many.
        worst: the largest distance from one; infinite where something is not a probability.
    """

    def __init__(self) -> None:
        self.places, self.worst = 0, 0.0

    def add(self, probabilities: np.ndarray) -> np.ndarray:
        away = abs(float(probabilities.sum()) - 1.0)
        self.places += 1
        self.worst = max(self.worst, away if np.isfinite(away) else np.inf)
        return probabilities


@dataclass(frozen=True)
class Measured:
    """What a text costs token by token.

    Attributes:
        tokens: those of the text and its end.
        bits: (n,) float64, −log2 P of each.
        words: (m,) uint32, the text compressed by an arithmetic coder; None where it cannot be.
        sums: of the probabilities at these places.
    """

    tokens: list[int]
    bits: np.ndarray
    words: np.ndarray | None
    sums: ProbabilitySums

    @property
    def total(self) -> float:
        return float(self.bits.sum())


def read(model: Model, tokens: Sequence[int]) -> Iterator[np.ndarray]:
    """The probabilities (V,) before each token of a text."""
    model.start()
    for place, token in enumerate(tokens):
        yield next_probabilities(model)
        if place + 1 < len(tokens):
            model.append(token)


def write(model: Model, choose: Callable[[np.ndarray], int | None], most: int) -> list[int]:
    """Tokens that are chosen from the probabilities (V,) of each place, without the end."""
    tokens = list[int]()
    model.start()
    while len(tokens) < most:
        token = choose(next_probabilities(model))
        if token is None or token == model.end:
            break
        tokens.append(token)
        model.append(token)
    return tokens


def measure(model: Model, tokens: list[int]) -> Measured:
    """Read a text, and compress it on the way."""
    encoder: Encoder | None = Encoder()
    chances, sums = np.zeros(len(tokens)), ProbabilitySums()
    for place, probabilities in enumerate(read(model, tokens)):
        chances[place] = _probability(sums.add(probabilities), tokens[place])
        if not chances[place] > 0 or not np.isfinite(probabilities.sum()):
            encoder = None  # the impossible cannot be coded
        if encoder is not None:
            encoder.put(probabilities, tokens[place])
    with np.errstate(divide="ignore", invalid="ignore"):
        bits = -np.log2(chances)
    return Measured(tokens, bits, None if encoder is None else encoder.words(), sums)


def _probability(probabilities: np.ndarray, token: int) -> float:
    return float(probabilities[token]) if 0 <= token < len(probabilities) else 0.0


def decode_words(model: Model, words: np.ndarray, length: int) -> str:
    """The text that a model reads from compressed words.

    Args:
        model: an instance that has never seen the text.
        words: (m,) uint32.
        length: tokens of the text; a model with an end stops at that.
    """
    return model.decode(write(model, Decoder(words).get, length))


def sums_to_one(model: Model, text: str, measured: Measured) -> Check:
    """Probabilities add up to one wherever they were looked at, and those of texts to no more."""
    allowed = float(getattr(model, "tolerance", SUM_TOLERANCE))
    sums, random = measured.sums, np.random.default_rng(0)

    def draw(probabilities: np.ndarray) -> int | None:
        total = sums.add(probabilities).sum()
        if not np.isfinite(total) or not total > 0:
            return None
        return int(random.choice(len(probabilities), p=probabilities / total))

    for _ in range(WRITTEN_TEXTS):
        write(model, draw, WRITTEN_TOKENS)
    letters, longest, mass, exhaustive = _short_texts(model, text, sums)
    excess = abs(mass - 1) if exhaustive else mass - 1
    return Check(
        "sums to one",
        bool(sums.worst <= allowed and excess <= allowed * (longest + 1)),
        f"at {sums.places:,} places, of the text, of texts that the model wrote and of short ones, "
        f"the probabilities of all tokens add up to one within {sums.worst:.1e} (allowed: "
        f"{allowed:.0e}); those of all texts of up to {longest} of {letters!r} add up to "
        f"{mass:.6g} (expected: {'exactly' if exhaustive else 'at most'} one)",
    )


def _short_texts(model: Model, text: str, sums: ProbabilitySums) -> tuple[str, int, float, bool]:
    """All texts up to some length of the most frequent letters of ``text``, or of the model's whole
    alphabet if it is as small: the letters, that length, what the probabilities of the texts add
    up to, and whether they must add up to one.

    Where a token is a letter of such an alphabet, a longest text stands for all that begin with it,
    and nothing is left out. Without an end, only texts of one length exclude each other.
    """
    ended = model.end is not None
    frequent = "".join(letter for letter, _ in Counter(text).most_common(SHORT_TEXT_LETTERS))
    alphabet = "".join(sorted(getattr(model, "alphabet", "") or ""))
    few = 0 < len(alphabet) <= SHORT_TEXT_LETTERS
    letters = alphabet if few else "".join(sorted(frequent))
    longest = 1
    while sum(len(letters) ** n * (n + 1) for n in range(longest + 2)) <= SHORT_TEXT_PLACES:
        longest += 1
    mass, exhaustive = 0.0, letters == alphabet
    for length in range(0 if ended else longest, longest + 1):
        for short in map("".join, itertools.product(letters, repeat=length)):
            if (tokens := own_tokens(model, short)) is None:
                continue
            exhaustive = exhaustive and len(tokens) == length + ended
            tokens = tokens[:-1] if exhaustive and length == longest and ended else tokens
            chances = zip(read(model, tokens), tokens, strict=True)
            mass += math.prod(_probability(sums.add(p), token) for p, token in chances)
    return letters, longest, mass, exhaustive


def no_look_ahead(model: Model, twin: Model, text: str, claim: Claim | None) -> Check:
    """Later characters change nothing before them, neither predictions nor claimed bits."""
    places, wrong = 0, list[str]()
    near = [min(cut, len(text) * cut // CHANGED_FROM[-1]) for cut in CHANGED_FROM]
    edits = [(near[0], text[: near[0]]), *(_with_change(text, cut) for cut in dict.fromkeys(near))]
    for cut, edited in edits:
        first, second = tokens_of(model, text), tokens_of(twin, edited)
        same = _shared(first, second)
        both = zip(read(model, first), read(twin, second), strict=False)
        for place, (a, b) in enumerate(itertools.islice(both, same + 1)):
            places += 1
            if a.shape != b.shape or not np.allclose(a, b, 1e-5, 1e-9, equal_nan=True):
                wrong.append(f"the prediction at token {place} changes with characters from {cut}")
                break
        if claim is not None and claim.parts is not None:
            own = own_claim(twin, edited)
            pairs = zip(claim.parts[:same], own.parts if own and own.parts else (), strict=False)
            if not all(abs(a - b) <= PART_TOLERANCE_BITS for a, b in pairs):
                wrong.append(f"bits claimed before {cut} change with characters from there on")
    result = f"at {places} places two texts with the same beginning lead to the same predictions"
    return Check("no look-ahead", not wrong, "; ".join(wrong) or result)


def _shared(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How much of the beginnings of two sequences is the same."""
    pairs = zip(first, second, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _with_change(text: str, near: int) -> tuple[int, str]:
    """Where a word begins, and the text continued from there by another of its own words: a model
    may know no others. A text of a single word is continued backwards."""
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    cut = max((start for start in starts if start <= near), default=0)
    for start in starts:
        if text[start] != text[cut]:
            return cut, text[:cut] + text[start:]
    letter = next((c for c in text + "ab" if c != text[near : near + 1]), "b")
    return near, text[:near] + letter + text[near:][::-1]


def every_character_charged(measured: Measured, claimed: CheckedClaim, end: bool) -> Check:
    """The bits of all tokens, and of the end if the model has one, add up to the claimed total."""
    bits, total, wrong = measured.bits, measured.total, list[str]()
    if impossible := int((~np.isfinite(bits)).sum()):
        wrong.append(f"{impossible} tokens of the text have no probability")
    elif negative := int((bits < -1e-9).sum()):
        wrong.append(f"{negative} tokens cost less than nothing")
    elif claimed.claim.parts is not None:
        wrong += _wrong_parts(bits, claimed.claim.parts)
    claim = "" if claimed.bits is None else f"; claimed: {claimed.bits:,.1f}"
    if claim and np.isfinite(total) and not claimed.covers(total):
        wrong.append(f"they cost {total:,.1f} bits{claim}")
    with_end = ", including the end," if end else " (nothing for the end)"
    result = f"{len(bits):,} tokens{with_end} cost {total:,.1f} bits{claim}"
    return Check("every character charged", not wrong, "; ".join(wrong) or result)


def _wrong_parts(bits: np.ndarray, parts: Sequence[float]) -> list[str]:
    """What is wrong with the claimed bits of tokens that cost ``bits``."""
    if len(parts) != len(bits):
        return [f"the claim has {len(parts)} tokens, not {len(bits)}"]
    away = np.abs(np.asarray(parts, float) - bits)
    odd = np.flatnonzero(~(away <= PART_TOLERANCE_BITS + 1e-3 * bits))
    return [f"token {i} costs {bits[i]:.2f} bits, not {parts[i]:.2f}" for i in odd[:3]]


def encode_and_decode(model: Model, twin: Model, text: str) -> Check:
    """Every text comes back from its tokens, by an instance that never saw it."""
    wrong, middle = list[str](), len(text) // 2
    replaced = text[:middle] + " Zxqwv, ypsilanti " + text[middle:]
    others = [t for t in (replaced, *AWKWARD_TEXTS) if own_tokens(model, t) is not None]
    for sent in (text, *others):
        if (back := twin.decode(model.encode(sent))) != sent:
            place = _shared(sent, back)
            wrong.append(f"{_excerpt(sent, place)} comes back as {_excerpt(back, place)}")
    result = f"the text and {len(others)} others come back exactly from another instance"
    if wrong:
        result = f"{len(wrong)} of {len(others) + 1} texts do not come back: {wrong[0]}"
    return Check("encode and decode", not wrong, result)


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - 15)
    return "…" * (start > 0) + repr(text[start : place + 15])


def correct_denominator(measured: Measured, claimed: CheckedClaim) -> Check:
    """The claimed figure is the bits over what its unit counts."""
    return Check("denominator", *claimed.check_denominator(measured.total))


def arithmetic_coder(
    decode: Callable[[np.ndarray, int], str],
    decoder: str,
    text: str,
    measured: Measured,
    claimed: CheckedClaim,
) -> Check:
    """A coder driven by the probabilities compresses the text to the claimed size, and ``decode``,
    which is given only the compressed words and the number of tokens, gives the text back.

    Args:
        decoder: who decodes, in words.
    """
    if measured.words is None:
        return Check("arithmetic coder", False, "a token of the text has no probability")
    size = WORD * len(measured.words)
    expected = measured.total if claimed.bits is None else claimed.bits
    source = "measured" if claimed.bits is None else "claimed"
    right_size = abs(size - expected) <= CODER_SLACK * expected + CODER_SLACK_BITS
    try:
        back = decode(measured.words, len(measured.tokens))
        result = "the text again" if back == text else f"another text, {_excerpt(back, 0)}"
    except Exception as error:  # a model that was led astray may raise anything
        back, result = None, f"nothing ({type(error).__name__}: {error})"
    off = f", more than {CODER_SLACK:.0%} and {CODER_SLACK_BITS:.0f} bits away"
    return Check(
        "arithmetic coder",
        bool(right_size and back == text),
        f"{expected:,.1f} bits are {source}, {size:,} are written{off * (not right_size)}; "
        f"{decoder} reads {result} from them",
    )


class Encoder:
    """Writes choices."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, probabilities: np.ndarray, index: int) -> None:
        """Write one choice.

        Args:
            probabilities: (n,) float64 of what can be chosen, none negative; they need not sum to
                one, for the coder normalises them.
            index: what was chosen; its probability is above 0.
        """
        large, small, first = _divided(probabilities)
        place = int(np.searchsorted(large, index))
        if place < len(large) and large[place] == index:
            self._put(first, place)
        else:
            self._put(first, len(large))
            self._put(probabilities[small], int(np.searchsorted(small, index)))

    def _put(self, probabilities: np.ndarray, index: int) -> None:
        if len(probabilities) > 1:  # what is certain needs no bits
            self._coder.encode(index, _categorical(probabilities))

    def words(self) -> np.ndarray:
        """(n,) uint32, everything that was written."""
        return self._coder.get_compressed()


class Decoder:
    """Reads what an :class:`Encoder` has written."""

    def __init__(self, words: np.ndarray) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def get(self, probabilities: np.ndarray) -> int:
        """The next choice; ``probabilities`` are those that it was written with."""
        large, small, first = _divided(probabilities)
        place = self._get(first)
        return int(large[place] if place < len(large) else small[self._get(probabilities[small])])

    def _get(self, probabilities: np.ndarray) -> int:
        return self._coder.decode(_categorical(probabilities)) if len(probabilities) > 1 else 0


def _divided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of what is probable and of what is not, rising, never of the impossible; and the
    probabilities of the former, with that of all the rest together if there is any."""
    probable = probabilities >= SMALL * probabilities.sum()
    large, small = np.flatnonzero(probable), np.flatnonzero((probabilities > 0) & ~probable)
    rest = probabilities[small].sum()
    return large, small, np.append(probabilities[large], [rest] if rest > 0 else [])


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)
