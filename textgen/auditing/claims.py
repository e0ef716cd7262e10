"""What a model must offer to be audited, what it claims, and whether its figure fits its unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Protocol

import numpy as np

from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.units import UNITS, Counts, count, denominator, in_all_units

SUM_TOLERANCE = 1e-6
"""How far probabilities may be from adding up to one, where a model does not state it."""
UNITS_WITHOUT_CLAIM = ("bits_per_character", "bits_per_byte")
FIGURE_TOLERANCE = 1e-3
"""Relative difference up to which a figure counts as the one claimed."""


class Model(Protocol):
    """A language model that is read token by token.

    Optional members:

    - ``claim(text)``: a :class:`Claim` about a text, or its fields as a dictionary. It should be
      computed by the code that computes published figures, not from the methods below.
    - ``unknown``: the token for everything without a token of its own. A text that needs it has no
      probability of its own, and fails.
    - ``alphabet``: all characters that the model can write, if they are few.
    - ``tolerance``: how far its probabilities may be from adding up to one, if not SUM_TOLERANCE.

    Attributes:
        end: the token that ends a text; None where the model has none.
    """

    end: int | None

    def start(self) -> None:
        """Forget everything: a text begins."""

    def next_log_probabilities(self) -> np.ndarray:
        """(V,) float64, natural logarithms of P(next token | the tokens since the start); −inf for
        what is impossible. V may vary from place to place. Called once between two appends."""
        ...

    def append(self, token: int) -> None:
        """Take the next token of the text."""

    def encode(self, text: str) -> Sequence[int]:
        """A text as tokens, without the one that ends it.

        Raises:
            ValueError: the text cannot be encoded; its probability is 0.
        """
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens. Called on another instance than the one that encoded."""
        ...


ModelFactory = Callable[[], Model]


@dataclass(frozen=True)
class Claim:
    """What is claimed about a text.

    Args:
        value: the figure; None where only ``bits`` are claimed.
        unit: one of :data:`textgen.evaluation.UNITS`, e.g. ``"bits_per_byte"``.
        end_marks: whether the denominator counts the end of the text as one more.
        count: the denominator that was used, if known.
        bits: what the whole text costs, if known.
        parts: bits of each part of the text, in order, the end last, if known.
        ends: for each part, how many tokens it and the parts before it have, the end included;
            None for one token per part.
        rounding: by how much rounding may have changed the value.
    """

    value: float | None = None
    unit: str = "bits_per_character"
    end_marks: bool = False
    count: int | None = None
    bits: float | None = None
    parts: Sequence[float] | None = None
    ends: Sequence[int] | None = None
    rounding: float = 0.0


def as_claim(given: Any, where: str = "the claim") -> Claim | None:
    """A claim that may be given as a dictionary of its fields, or as None.

    Raises:
        TextgenError: it is something else, has an unknown key or unit, or no positive figure.
    """
    if given is None:
        return None
    if not isinstance(given, Claim):
        known = [each.name for each in fields(Claim)]
        unknown = [k for k in given if k not in known] if isinstance(given, dict) else [given]
        if unknown:
            raise TextgenError(where, found=repr(unknown[0]), expected=f"keys {', '.join(known)}")
        given = Claim(**given)
    if given.unit not in UNITS:
        raise TextgenError(where, found=f"the unit {given.unit!r}", expected=" or ".join(UNITS))
    value = given.value
    if value is not None and not (isinstance(value, Real) and 0 < float(value) < math.inf):
        raise TextgenError(where, found=repr(value), expected="a figure above 0")
    return given


def own_claim(model: Model, text: str) -> Claim | None:
    """What a model itself claims about a text, if anything."""
    claim = getattr(model, "claim", None)
    return as_claim(claim(text), f"{type(model).__name__}.claim") if claim else None


@dataclass(frozen=True)
class CheckedClaim:
    """A claim about a text, beside what can be counted in the text.

    Attributes:
        claim: empty where nothing is claimed.
        counts: characters, bytes, tokens, … of the text.
    """

    claim: Claim
    counts: Counts

    @classmethod
    def of(cls, claim: Claim | None, text: str, tokens: int) -> CheckedClaim:
        """Of a text with so many tokens, its end not counted."""
        return cls(claim or Claim(), count([Document("text", text)], tokens))

    @property
    def bits(self) -> float | None:
        """The claimed cost of the whole text, derived from the figure where it is not given."""
        claim = self.claim
        if claim.bits is not None or claim.value is None:
            return claim.bits
        scale = UNITS[claim.unit].scale
        each = math.log2(claim.value) if scale == "perplexity" else claim.value
        return each * self._denominator / (math.log(2) if scale == "nats" else 1.0)

    @property
    def _denominator(self) -> int:
        parts = (getattr(self.counts, part) for part in UNITS[self.claim.unit].per)
        return sum(part or 0 for part in parts) + self.claim.end_marks * self.counts.end_marks

    def covers(self, bits: float) -> bool:
        """Whether these are the bits claimed, up to rounding."""
        rounding = self.claim.rounding * self._denominator if self.claim.bits is None else 0.0
        allowed = FIGURE_TOLERANCE * bits + 0.5 + rounding
        return self.bits is not None and bool(abs(self.bits - bits) <= allowed)

    def check_denominator(self, measured_bits: float) -> tuple[bool | None, str]:
        """Whether the figure fits its unit (None without a claim), and how that was found."""
        claim, value = self.claim, self.claim.value
        if value is None:
            return None, f"no figure was claimed; {measured_bits:,.1f} bits are " + ", ".join(
                f"{figure:.4f} {UNITS[unit].label}"
                for unit in UNITS_WITHOUT_CLAIM
                if (figure := in_all_units(measured_bits, self.counts)[unit]["as_published"])
            )
        bits = measured_bits if claim.bits is None else claim.bits
        label, wrong = UNITS[claim.unit].label, list[str]()
        counted = denominator(UNITS[claim.unit], self.counts) + " + 1 end" * claim.end_marks
        if claim.count is not None and claim.count != self._denominator:
            wrong.append(f"the claim divides by {claim.count:,}, the text has {counted}")
        figures = {
            (unit, end): figure
            for unit, each in in_all_units(bits, self.counts).items()
            for end, key in ((False, "as_published"), (True, "end_marks_counted"))
            if (figure := each[key]) is not None
        }
        right = figures.get((claim.unit, claim.end_marks))
        if right is None or not self._agrees(value, right):
            shown = "undefined" if right is None else f"{right:.4f}"
            wrong.append(f"{value:.4f} {label} are claimed")
            wrong.append(f"{bits:,.1f} bits over {counted} are {shown}")
            wrong += [
                f"it would be right as {UNITS[unit].label}" + ", the end counted" * end
                for (unit, end), figure in figures.items()
                if self._agrees(value, figure)
            ]
        if wrong:
            return False, "; ".join(wrong)
        return True, f"{bits:,.1f} bits over {counted} are {right:.4f} {label}, as claimed"

    def _agrees(self, value: float, figure: float) -> bool:
        return abs(figure - value) <= max(FIGURE_TOLERANCE * figure, self.claim.rounding)


def tokens_of(model: Model, text: str) -> list[int]:
    """The tokens of a text, with the one that ends it if there is one."""
    return [*map(int, model.encode(text)), *([] if model.end is None else [model.end])]


def own_tokens(model: Model, text: str) -> list[int] | None:
    """The same; None for a text that has no probability of its own."""
    try:
        tokens = tokens_of(model, text)
    except ValueError:
        return None
    return None if getattr(model, "unknown", None) in tokens else tokens


def next_probabilities(model: Model) -> np.ndarray:
    """(V,) float64, P(next token).

    Raises:
        TextgenError: what the model returns is not a one-dimensional array.
    """
    logs = np.asarray(model.next_log_probabilities(), dtype=np.float64)
    if logs.ndim != 1:
        raise TextgenError(
            f"{type(model).__name__}.next_log_probabilities",
            found=f"an array of shape {logs.shape}",
            expected="(V,), the natural logarithm of the probability of each token",
            hint="see experiments/notes/auditing.md",
        )
    with np.errstate(over="ignore"):
        return np.exp(logs)
