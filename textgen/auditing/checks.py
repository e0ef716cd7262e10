"""The checks of an audit: what each measures, and what that means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from textgen.auditing.claims import Claimed
from textgen.auditing.protocol import TOLERANCE, Claim, Model, claim_of, own_tokens, tokens_of
from textgen.auditing.walking import (
    Measured,
    Sums,
    apart,
    draw,
    short_texts,
)
from textgen.evaluation import AWKWARD_TEXTS

SLACK = 0.01
"""Share by which a coder may miss the size that is claimed."""
WORDS = 64.0
"""Bits by which it may miss it besides: whole words of 32 bits, and one more."""
SAME = 0.01
"""Bits by which a part of a text may differ between two ways of computing it."""
Read = Callable[[np.ndarray, int], str]
"""(compressed words, tokens of the text) → the text."""
CUTS = (40, 150, 400)
"""Characters after which a text goes on otherwise, at most; a shorter text is cut at as large a
share of it."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what is checked.
        passed: None where nothing was claimed that could be checked.
        measured: what was seen, in words.
        meaning: what a failure would mean, in words.
    """

    name: str
    passed: bool | None
    measured: str
    meaning: str


def sums_to_one(model: Model, text: str, measured: Measured) -> Check:
    """Probabilities add up to one wherever they were looked at, and those of texts to no more."""
    allowed = float(getattr(model, "tolerance", TOLERANCE))
    written, short = Sums(), Sums()
    draw(model, written)
    texts = short_texts(model, text, short)
    read = measured.sums
    steps = max(read.worst, written.worst, short.worst)
    over = texts.mass - 1 if not texts.whole else abs(texts.mass - 1)
    limit = allowed * (texts.longest + 1)
    share = "exactly one, were there no rounding" if texts.whole else "at most one"
    return Check(
        "sums to one",
        bool(steps <= allowed and over <= limit),
        f"at {read.places:,} places of the text, {written.places} of texts that the model wrote "
        f"and {short.places} of short ones the probabilities of all tokens add up to one within "
        f"{steps:.1e} (allowed: {allowed:.0e}); the probabilities of {texts.number} texts of up to "
        f"{texts.longest} of {texts.letters!r} add up to {texts.mass:.6g} (expected: {share})",
        "more than one is likelihood from nowhere: every figure is too low",
    )


def no_look_ahead(one: Model, other: Model, text: str, claim: Claim | None) -> Check:
    """Other characters later change nothing before them, neither in what is expected nor in what
    ``one`` has claimed."""
    places, found = 0, list[str]()
    near = [min(cut, len(text) * cut // CUTS[-1]) for cut in CUTS]
    pairs = [(near[0], text[: near[0]]), *(_changed(text, cut) for cut in dict.fromkeys(near))]
    for cut, changed in pairs:
        first, second = tokens_of(one, text), tokens_of(other, changed)
        compared, differs = apart(one, other, first, second)
        places += compared
        if differs >= 0:
            found.append(f"what is expected at token {differs} changes with characters from {cut}")
    if claim is not None and claim.parts is not None:
        same = _common(first, second)
        if told := _claims_apart(claim, claim_of(other, changed), same):
            found.append(f"{told} although only characters from {cut} on were changed")
    return Check(
        "no look-ahead",
        not found,
        "; ".join(found)
        or f"at {places} places two texts with the same beginning lead to the same expectations",
        "what the model has seen of the future it does not have to predict",
    )


def _changed(text: str, near: int) -> tuple[int, str]:
    """Where a word begins, and the text with another of its own words and what follows there: a
    model may know no other words. A text of a single word goes on backwards."""
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    cut = max((start for start in starts if start <= near), default=0)
    for start in starts:
        if text[start] != text[cut]:
            return cut, text[:cut] + text[start:]
    other = next((c for c in text + "ab" if c != text[near : near + 1]), "b")
    return near, text[:near] + other + text[near:][::-1]


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    pairs = zip(first, second, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _claims_apart(one: Claim, other: Claim | None, same: int) -> str:
    """Which of the bits claimed for the first tokens differ, in words; "" if none does."""
    if one.parts is None or other is None or other.parts is None:
        return ""
    first, second = (
        np.array(c.parts, float)[_ends(c.ends, c.parts) <= same]
        for c in (one, other)
        if c.parts is not None
    )
    length = min(len(first), len(second))
    away = np.abs(first[:length] - second[:length])
    wrong = np.flatnonzero(~(away <= SAME))
    if not len(wrong):
        return ""
    return f"the bits claimed for part {wrong[0]} differ by {away[wrong[0]]:.2f}"


def _ends(ends: Sequence[int] | None, parts: Sequence[float]) -> np.ndarray:
    return np.arange(1, len(parts) + 1) if ends is None else np.asarray(ends)


def every_character_charged(measured: Measured, claimed: Claimed) -> Check:
    """The bits of all tokens and of the end add up to the total."""
    bits, wrong = measured.bits, list[str]()
    if count := int((~np.isfinite(bits)).sum()):
        wrong.append(f"{count} tokens of the text have no probability")
    elif count := int((bits < -1e-9).sum()):
        wrong.append(f"{count} tokens cost less than nothing")
    parts, ends = claimed.parts, claimed.ends
    if parts is not None and not wrong:
        edges = _ends(ends, parts)
        if not len(parts) or edges[-1] != len(bits):
            wrong.append(f"the claim ends at token {edges[-1] if len(edges) else 0} of {len(bits)}")
        else:
            sums = np.add.reduceat(bits, np.array([0, *edges[:-1]]))
            away = np.abs(np.asarray(parts, float) - sums)
            odd = np.flatnonzero(~(away <= SAME + 1e-3 * sums)).tolist()
            free = [i for i in odd if not parts[i] > 0]
            if len(free):
                wrong.append(f"{len(free)} of {len(parts)} parts are charged nothing")
            elif len(odd):
                wrong.append(f"part {odd[0]} is claimed to cost {parts[odd[0]]:.2f} bits and costs "
                             f"{sums[odd[0]]:.2f}; so do {len(odd)} in all")  # fmt: skip
    total = measured.total
    if claimed.bits is not None and np.isfinite(total) and not claimed.covers(total):
        wrong.append(f"they are {total:,.1f} bits and {claimed.bits:,.1f} are claimed"
                     + ("" if parts is not None else _left_out(bits, claimed)))  # fmt: skip
    end = ", the end among them," if claimed.end is not None else " (none for where it ends)"
    return Check(
        "every character charged",
        not wrong,
        "; ".join(wrong)
        or f"{len(bits):,} tokens{end} cost {total:,.1f} bits, the cheapest {bits.min():.1e}"
        + (f"; claimed: {claimed.bits:,.1f}" if claimed.bits is not None else ""),
        "what is left out of the sum is not predicted: a warm-up, an end, a rare word",
    )


def _left_out(bits: np.ndarray, claimed: Claimed) -> str:
    """Which part of a text a total leaves out, if it is its beginning or its end."""
    assert claimed.bits is not None
    rests = np.append(np.cumsum(bits[::-1])[::-1], bits[:-1].sum())  # from each token on; no end
    place = int(np.abs(rests - claimed.bits).argmin())
    if not claimed.covers(float(rests[place])):
        return ""
    end = place == len(bits)
    return ", which is what " + ("all but the last cost" if end else f"those from {place} on cost")


def encode_and_decode(one: Model, other: Model, text: str) -> Check:
    """Every text comes back from its tokens, by an instance that never saw it."""
    wrong, without = list[str](), 0
    middle = len(text) // 2
    replaced = text[:middle] + " Zxqwv, ypsilanti " + text[middle:]
    for each in (text, replaced, *AWKWARD_TEXTS):
        if each != text and own_tokens(one, each) is None:
            without += 1
            continue
        if (back := other.decode(one.encode(each))) != each:
            at = next((i for i, (a, b) in enumerate(zip(each, back, strict=False)) if a != b),
                      min(len(each), len(back)))  # fmt: skip
            wrong.append(f"{_short(each, at)} comes back as {_short(back, at)}")
    number = len(AWKWARD_TEXTS) + 2
    return Check(
        "encode and decode",
        not wrong,
        f"{len(wrong)} of {number} texts are lost: {wrong[0]}"
        if wrong
        else f"the text, and {number - 1 - without} others with new words and awkward characters, "
        "come back exactly from another instance"
        + f"; the model has no tokens for {without} more"
        * bool(without),
        "text that does not come back was not predicted, whatever it is said to cost",
    )


def _short(text: str, place: int) -> str:
    """A text around a place."""
    start = max(0, place - 15)
    return "…" * (start > 0) + repr(text[start : place + 15])


def arithmetic_coder(
    read: Read, reader: str, text: str, measured: Measured, claimed: Claimed
) -> Check:
    """A coder driven by the probabilities compresses the text to the size claimed, and a ``reader``
    that knows nothing but the compressed words gives it back."""
    from textgen.auditing.coder import WORD

    meaning = "a likelihood is worth what it compresses to, and what can be decoded again"
    if measured.words is None:
        seen = "a token of the text has no probability: it cannot be coded"
        return Check("arithmetic coder", False, seen, meaning)
    size = WORD * len(measured.words)
    expected = measured.total if claimed.bits is None else claimed.bits
    told = "measured" if claimed.bits is None else "claimed"
    right = abs(size - expected) <= SLACK * expected + WORDS
    try:
        back = read(measured.words, len(measured.tokens))
        same = "the text again" if back == text else f"another text, {_short(back, 0)}"
    except Exception as error:  # a model that was led astray may raise anything
        back, same = None, f"nothing ({type(error).__name__}: {error})"
    missed = "" if right else f", more than {SLACK:.0%} and {WORDS:.0f} bits away"
    return Check(
        "arithmetic coder",
        bool(right and back == text),
        f"{expected:,.1f} bits are {told}, {size:,} are written{missed}; {reader} reads {same} "
        "from them",
        meaning,
    )
