"""A claim in bits, and the denominator that its figure has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from textgen.auditing.protocol import Claim
from textgen.core import TextgenError
from textgen.data import Document
from textgen.evaluation import UNITS, Counts, count, denominator, in_all_units

SHOWN = ("bits_per_character", "bits_per_byte")
"""Units of a text about which no figure was claimed."""
CLOSE = 1e-3
"""Share by which a figure may differ from what it is said to be."""


@dataclass(frozen=True)
class Claimed:
    """A claim about a text, held against what can be counted in it.

    Attributes:
        claim: the same; None where nothing is claimed.
        counts: of the text.
        end: the token that ends a text, if there is one.
    """

    claim: Claim | None
    counts: Counts
    end: int | None

    @property
    def parts(self) -> Sequence[float] | None:
        return None if self.claim is None else self.claim.parts

    @property
    def ends(self) -> Sequence[int] | None:
        return None if self.claim is None else self.claim.ends

    @property
    def bits(self) -> float | None:
        """What the text is said to cost in all, worked out from the figure where it is not told."""
        claim = self.claim
        if claim is None:
            return None
        if claim.bits is not None or claim.value is None:
            return claim.bits
        scale = UNITS[claim.unit].scale
        each = math.log2(claim.value) if scale == "perplexity" else claim.value
        return each * self._per / (math.log(2) if scale == "nats" else 1.0)

    @property
    def _per(self) -> int:
        assert self.claim is not None
        parts = (getattr(self.counts, part) for part in UNITS[self.claim.unit].per)
        return sum(part or 0 for part in parts) + self.claim.end_marks * self.counts.end_marks

    def covers(self, bits: float) -> bool:
        """Whether so many bits are those claimed, or so nearly that rounding explains it."""
        told = self.bits
        rounding = self.claim.rounding * self._per if self.claim and self.claim.bits is None else 0
        return told is not None and bool(abs(told - bits) <= CLOSE * bits + 0.5 + rounding)

    def denominator(self, measured: float) -> tuple[bool | None, str]:
        """Whether the figure is that of its unit, and how it was found.

        Args:
            measured: bits of the text, for a figure without any.
        """
        claim = self.claim
        if claim is None or claim.value is None:
            told = f"no figure was claimed; {measured:,.1f} bits are "
            return None, told + self._figures(measured)
        bits = measured if claim.bits is None else claim.bits
        label, wrong = UNITS[claim.unit].label, list[str]()
        counted = denominator(UNITS[claim.unit], self.counts) + " + 1 end" * claim.end_marks
        if claim.count is not None and claim.count != self._per:
            wrong.append(f"it is said to divide by {claim.count:,}, the text has {counted}")
        right = in_all_units(bits, self.counts)[claim.unit][_key(claim.end_marks)]
        if right is None or not self._close(right):
            shown = "none" if right is None else f"{right:.4f}"
            wrong.append(f"{claim.value:.4f} {label} are claimed")
            wrong.append(f"{bits:,.1f} bits over {counted} are {shown}")
            others = [name for name, value in _values(bits, self.counts) if self._close(value)]
            wrong += [f"it would be right as {name}" for name in others]
        if wrong:
            return False, "; ".join(wrong)
        return True, f"{bits:,.1f} bits over {counted} are {right:.4f} {label}, as claimed"

    def _close(self, value: float) -> bool:
        assert self.claim is not None
        assert self.claim.value is not None
        return bool(abs(value - self.claim.value) <= max(CLOSE * value, self.claim.rounding))

    def _figures(self, bits: float) -> str:
        found = in_all_units(bits, self.counts)
        told = ((UNITS[name].label, found[name]["as_published"]) for name in SHOWN)
        return ", ".join(f"{value:.4f} {label}" for label, value in told if value is not None)

    def data(self) -> dict[str, Any] | None:
        """For the certificate."""
        if self.claim is None:
            return None
        claim = self.claim
        return {
            "value": None if claim.value is None else float(claim.value),
            "unit": claim.unit,
            "end_marks": bool(claim.end_marks),
            "count": None if claim.count is None else int(claim.count),
            "bits": None if claim.bits is None else float(claim.bits),
        }


def _key(end_marks: bool) -> str:
    return "end_marks_counted" if end_marks else "as_published"


def _values(bits: float, counts: Counts) -> Iterator[tuple[str, float]]:
    """Every figure that so many bits have."""
    for name, found in in_all_units(bits, counts).items():
        for end_marks, suffix in ((False, ""), (True, ", the end counted")):
            if (value := found[_key(end_marks)]) is not None:
                yield UNITS[name].label + suffix, value


def claimed_of(claim: Claim | None, text: str, tokens: int, end: int | None) -> Claimed:
    """A claim about a text that is so many tokens long, without the end.

    Raises:
        TextgenError: no such unit, or no positive figure.
    """
    if claim is not None:
        if claim.unit not in UNITS:
            raise TextgenError(
                "the claim", found=f"the unit {claim.unit!r}", expected=" or ".join(UNITS)
            )
        if claim.value is not None and not (
            isinstance(claim.value, Real) and 0 < claim.value < math.inf
        ):
            raise TextgenError("the claim", found=repr(claim.value), expected="a figure above 0")
    return Claimed(claim, count([Document("text", text)], tokens), end)
