"""The six checks of an audit, and how a model is read for them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
from textgen.auditing.coder import WORD, Decoder, Encoder
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


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what is checked.
        passed: None where nothing was claimed that could be checked.
        measured: what was found, in words.
        meaning: what a failure would mean, in words.
    """

    name: str
    passed: bool | None
    measured: str
    meaning: str


@dataclass
class ProbabilitySums:
    """What probabilities add up to wherever they were looked at.

    Attributes:
        places: how many.
        worst: the largest distance from one; infinite where something is not a probability.
    """

    places: int = 0
    worst: float = 0.0

    def add(self, probabilities: np.ndarray) -> None:
        self.places += 1
        away = abs(float(probabilities.sum()) - 1.0)
        self.worst = max(self.worst, away if np.isfinite(away) else np.inf)


@dataclass
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
    sums: ProbabilitySums = field(default_factory=ProbabilitySums)

    @property
    def total(self) -> float:
        return float(self.bits.sum())


def measure(model: Model, tokens: list[int]) -> Measured:
    """Read a text, and compress it on the way."""
    encoder: Encoder | None = Encoder()
    bits, sums = np.zeros(len(tokens)), ProbabilitySums()
    model.start()
    for place, token in enumerate(tokens):
        probabilities = next_probabilities(model)
        sums.add(probabilities)
        probability = probabilities[token] if 0 <= token < len(probabilities) else 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            bits[place] = -np.log2(probability)
        if not probability > 0 or not np.isfinite(probabilities.sum()):
            encoder = None  # the impossible cannot be coded
        if encoder is not None:
            encoder.put(probabilities, token)
        if place + 1 < len(tokens):
            model.append(token)
    return Measured(tokens, bits, None if encoder is None else encoder.words(), sums)


def decode_words(model: Model, words: np.ndarray, length: int) -> str:
    """The text that a model reads from compressed words.

    Args:
        model: an instance that has never seen the text.
        words: (m,) uint32.
        length: tokens of the text; a model with an end stops at that.
    """
    decoder, tokens = Decoder(words), list[int]()
    model.start()
    while len(tokens) < length:
        tokens.append(decoder.get(next_probabilities(model)))
        if tokens[-1] == model.end:
            return model.decode(tokens[:-1])
        if len(tokens) < length:
            model.append(tokens[-1])
    return model.decode(tokens if model.end is None else tokens[:-1])


def sums_to_one(model: Model, text: str, measured: Measured) -> Check:
    """Probabilities add up to one wherever they were looked at, and those of texts to no more."""
    allowed = float(getattr(model, "tolerance", SUM_TOLERANCE))
    written, short = ProbabilitySums(), ProbabilitySums()
    _sum_written_texts(model, written)
    texts = _short_texts(model, text, short)
    worst = max(measured.sums.worst, written.worst, short.worst)
    excess = abs(texts.mass - 1) if texts.exhaustive else texts.mass - 1
    expected = "exactly one, apart from rounding" if texts.exhaustive else "at most one"
    return Check(
        "sums to one",
        bool(worst <= allowed and excess <= allowed * (texts.longest + 1)),
        f"at {measured.sums.places:,} places of the text, {written.places} of texts that the model "
        f"wrote and {short.places} of short ones the probabilities of all tokens add up to one "
        f"within {worst:.1e} (allowed: {allowed:.0e}); the probabilities of {texts.number} texts "
        f"of up to {texts.longest} of {texts.letters!r} add up to {texts.mass:.6g} (expected: "
        f"{expected})",
        "a sum above one makes every figure too low",
    )


def _sum_written_texts(model: Model, sums: ProbabilitySums) -> None:
    random = np.random.default_rng(0)
    for _ in range(WRITTEN_TEXTS):
        model.start()
        for _ in range(WRITTEN_TOKENS):
            probabilities = next_probabilities(model)
            sums.add(probabilities)
            total = probabilities.sum()
            if not np.isfinite(total) or not total > 0:
                return
            token = int(random.choice(len(probabilities), p=probabilities / total))
            if token == model.end:
                break
            model.append(token)


@dataclass(frozen=True)
class _ShortTexts:
    """All short texts of a few letters: the longest has ``longest`` characters, and together they
    have the probability ``mass``, which must be one if they are ``exhaustive``."""

    letters: str
    longest: int
    number: int
    mass: float
    exhaustive: bool


def _short_texts(model: Model, text: str, sums: ProbabilitySums) -> _ShortTexts:
    """All texts up to some length of the most frequent letters of ``text``, or of the model's whole
    alphabet if it is as small.

    Where a token is a letter of such an alphabet, a longest text stands for all that begin with it,
    and nothing is left out. Without an end, only texts of one length exclude each other.
    """
    ended = model.end is not None
    frequent = "".join(letter for letter, _ in Counter(text).most_common(SHORT_TEXT_LETTERS))
    alphabet = getattr(model, "alphabet", "") or ""
    few = 0 < len(alphabet) <= SHORT_TEXT_LETTERS
    letters = "".join(sorted(alphabet if few else frequent or "a"))
    longest = 1
    while sum(len(letters) ** n * (n + 1) for n in range(longest + 2)) <= SHORT_TEXT_PLACES:
        longest += 1
    number, mass, exhaustive = 0, 0.0, letters == "".join(sorted(alphabet))
    for length in range(0 if ended else longest, longest + 1):
        for short in map("".join, itertools.product(letters, repeat=length)):
            if (tokens := own_tokens(model, short)) is None:
                continue
            number += 1
            exhaustive = exhaustive and len(tokens) == length + ended
            cut = exhaustive and length == longest and ended
            mass += _probability(model, tokens[:-1] if cut else tokens, sums)
    return _ShortTexts(letters, longest, number, mass, exhaustive)


def _probability(model: Model, tokens: Sequence[int], sums: ProbabilitySums) -> float:
    product = 1.0
    model.start()
    for place, token in enumerate(tokens):
        probabilities = next_probabilities(model)
        sums.add(probabilities)
        product *= float(probabilities[token]) if token < len(probabilities) else 0.0
        if place + 1 < len(tokens):
            model.append(token)
    return product


def no_look_ahead(one: Model, other: Model, text: str, claim: Claim | None) -> Check:
    """Later characters change nothing before them, neither predictions nor claimed bits."""
    places, wrong = 0, list[str]()
    near = [min(cut, len(text) * cut // CHANGED_FROM[-1]) for cut in CHANGED_FROM]
    pairs = [(near[0], text[: near[0]]), *(_with_change(text, cut) for cut in dict.fromkeys(near))]
    for cut, changed in pairs:
        first, second = tokens_of(one, text), tokens_of(other, changed)
        compared, differs = _first_difference(one, other, first, second)
        places += compared
        if differs is not None:
            wrong.append(f"the prediction at token {differs} changes with characters from {cut}")
    if claim is not None and claim.parts is not None:
        same = next(
            (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
            min(len(first), len(second)),
        )
        if difference := _parts_difference(claim, own_claim(other, changed), same):
            wrong.append(f"{difference} although only characters from {cut} on were changed")
    return Check(
        "no look-ahead",
        not wrong,
        "; ".join(wrong)
        or f"at {places} places two texts with the same beginning lead to the same predictions",
        "a model must not see the text that it predicts",
    )


def _with_change(text: str, near: int) -> tuple[int, str]:
    """Where a word begins, and the text continued from there by another of its own words: a model
    may know no others. A text of a single word is continued backwards."""
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    cut = max((start for start in starts if start <= near), default=0)
    for start in starts:
        if text[start] != text[cut]:
            return cut, text[:cut] + text[start:]
    other = next((c for c in text + "ab" if c != text[near : near + 1]), "b")
    return near, text[:near] + other + text[near:][::-1]


def _first_difference(
    one: Model, other: Model, first: Sequence[int], second: Sequence[int]
) -> tuple[int, int | None]:
    """How many places two instances were compared at, each of which was given its own text, and
    the first where they predict something else although the tokens so far are the same."""
    one.start()
    other.start()
    for place, (token, same) in enumerate(zip(first, second, strict=False)):
        expected, found = next_probabilities(one), next_probabilities(other)
        if expected.shape != found.shape or not np.allclose(
            expected, found, 1e-5, 1e-9, equal_nan=True
        ):
            return place + 1, place
        if token != same:
            return place + 1, None
        one.append(token)
        other.append(token)
    return min(len(first), len(second)), None


def _parts_difference(one: Claim, other: Claim | None, same: int) -> str:
    """Which of the bits claimed for the first ``same`` tokens differ, in words; "" if none do."""
    if one.parts is None or other is None or other.parts is None:
        return ""
    first = np.array(one.parts, float)[_ends(one) <= same]
    second = np.array(other.parts, float)[_ends(other) <= same]
    length = min(len(first), len(second))
    away = np.abs(first[:length] - second[:length])
    wrong = np.flatnonzero(~(away <= PART_TOLERANCE_BITS))
    if not len(wrong):
        return ""
    return f"the bits claimed for part {wrong[0]} differ by {away[wrong[0]]:.2f}"


def _ends(claim: Claim) -> np.ndarray:
    """(parts,) how many tokens each part and those before it have."""
    assert claim.parts is not None
    return np.arange(1, len(claim.parts) + 1) if claim.ends is None else np.asarray(claim.ends)


def every_character_charged(measured: Measured, claimed: CheckedClaim, end: bool) -> Check:
    """The bits of all tokens, and of the end if the model has one, add up to the claimed total."""
    bits, total, wrong = measured.bits, measured.total, list[str]()
    if impossible := int((~np.isfinite(bits)).sum()):
        wrong.append(f"{impossible} tokens of the text have no probability")
    elif negative := int((bits < -1e-9).sum()):
        wrong.append(f"{negative} tokens cost less than nothing")
    elif claimed.claim.parts is not None:
        wrong += _wrong_parts(bits, claimed.claim)
    if claimed.bits is not None and np.isfinite(total) and not claimed.covers(total):
        cause = "" if claimed.claim.parts is not None else _left_out(bits, claimed)
        wrong.append(f"they cost {total:,.1f} bits and {claimed.bits:,.1f} are claimed{cause}")
    with_end = ", including the end," if end else " (nothing for the end)"
    return Check(
        "every character charged",
        not wrong,
        "; ".join(wrong)
        or f"{len(bits):,} tokens{with_end} cost {total:,.1f} bits, the cheapest {bits.min():.1e}"
        + (f"; claimed: {claimed.bits:,.1f}" if claimed.bits is not None else ""),
        "a warm-up, an end or a rare word that is left out of the sum was not predicted",
    )


def _wrong_parts(bits: np.ndarray, claim: Claim) -> list[str]:
    """What is wrong with the claimed parts of a text whose tokens cost these bits."""
    assert claim.parts is not None
    parts, ends = claim.parts, _ends(claim)
    if not len(parts) or ends[-1] != len(bits):
        last = ends[-1] if len(ends) else 0
        return [f"the claim ends at token {last} of {len(bits)}"]
    sums = np.add.reduceat(bits, np.array([0, *ends[:-1]]))
    away = np.abs(np.asarray(parts, float) - sums)
    odd = np.flatnonzero(~(away <= PART_TOLERANCE_BITS + 1e-3 * sums)).tolist()
    if free := sum(not parts[i] > 0 for i in odd):
        return [f"{free} of {len(parts)} parts are charged nothing"]
    if odd:
        return [
            f"part {odd[0]} is claimed to cost {parts[odd[0]]:.2f} bits and costs "
            f"{sums[odd[0]]:.2f}; {len(odd)} parts differ"
        ]
    return []


def _left_out(bits: np.ndarray, claimed: CheckedClaim) -> str:
    """Which part of the text a claimed total leaves out, if it is its beginning or its end."""
    assert claimed.bits is not None
    rests = np.append(np.cumsum(bits[::-1])[::-1], bits[:-1].sum())  # from each token on; no end
    place = int(np.abs(rests - claimed.bits).argmin())
    if not claimed.covers(float(rests[place])):
        return ""
    which = "all but the last" if place == len(bits) else f"those from {place} on"
    return f", which is what {which} cost"


def encode_and_decode(one: Model, other: Model, text: str) -> Check:
    """Every text comes back from its tokens, by an instance that never saw it."""
    wrong, without_tokens = list[str](), 0
    middle = len(text) // 2
    replaced = text[:middle] + " Zxqwv, ypsilanti " + text[middle:]
    for each in (text, replaced, *AWKWARD_TEXTS):
        if each != text and own_tokens(one, each) is None:
            without_tokens += 1
            continue
        if (back := other.decode(one.encode(each))) != each:
            pairs = zip(each, back, strict=False)
            at = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(each), len(back)))
            wrong.append(f"{_excerpt(each, at)} comes back as {_excerpt(back, at)}")
    number = len(AWKWARD_TEXTS) + 2
    without = f"; the model has no tokens for {without_tokens} more" * bool(without_tokens)
    return Check(
        "encode and decode",
        not wrong,
        f"{len(wrong)} of {number} texts do not come back: {wrong[0]}"
        if wrong
        else f"the text, and {number - 1 - without_tokens} others with new words and awkward "
        f"characters, come back exactly from another instance{without}",
        "a text that does not come back was not predicted, whatever it is claimed to cost",
    )


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - 15)
    return "…" * (start > 0) + repr(text[start : place + 15])


def correct_denominator(measured: Measured, claimed: CheckedClaim) -> Check:
    """The claimed figure is the bits over what its unit counts."""
    return Check(
        "denominator",
        *claimed.check_denominator(measured.total),
        "too large a denominator makes a figure too low",
    )


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
    name = "arithmetic coder"
    meaning = "a likelihood is worth what it compresses to and what can be decoded again"
    if measured.words is None:
        found = "a token of the text has no probability: it cannot be coded"
        return Check(name, False, found, meaning)
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
        name,
        bool(right_size and back == text),
        f"{expected:,.1f} bits are {source}, {size:,} are written{off * (not right_size)}; "
        f"{decoder} reads {result} from them",
        meaning,
    )
