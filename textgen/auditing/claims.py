"""What a model must offer to be audited, what it claims, and whether its figure fits its unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from numbers import Real
from typing import Any, Protocol

import numpy as np

from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.units import UNITS, Counts, count, denominator

SUM_TOLERANCE = 1e-6
"""How far probabilities may be from adding up to one, where a model does not state it."""
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

    def append(self, token: int) -> None:
        """Take the next token of the text."""

    def encode(self, text: str) -> Sequence[int]:
        """A text as tokens, without the one that ends it.

        Raises:
            ValueError: the text cannot be encoded; its probability is 0.
        """

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of some tokens. Called on another instance than the one that encoded."""


ModelFactory = Callable[[], Model]


@dataclass(frozen=True)
class Claim:
    """What is claimed about a text.

    Args:
        value: the figure; None where only ``bits`` are claimed.
        unit: one of :data:`textgen.evaluation.units.UNITS`, e.g. ``"bits_per_byte"``.
        end_marks: whether the denominator counts the end of the text as one more.
        count: the denominator that was used, if known.
        bits: what the whole text costs, if known.
        parts: bits of each token of the text, in order, the end last, if known.
        rounding: by how much rounding may have changed the value.
    """

    value: float | None = None
    unit: str = "bits_per_character"
    end_marks: bool = False
    count: int | None = None
    bits: float | None = None
    parts: Sequence[float] | None = None
    rounding: float = 0.0


def as_claim(claim: Any, where: str = "the claim") -> Claim | None:
    """A claim that may be given as a dictionary of its fields, or as None.

    Raises:
        TextgenError: it is something else, has an unknown key or unit, or no positive figure.
    """
    if claim is None:
        return None
    if not isinstance(claim, Claim):
        known = [field.name for field in fields(Claim)]
        unknown = [k for k in claim if k not in known] if isinstance(claim, dict) else [claim]
        if unknown:
            raise TextgenError(f"{where}: {unknown[0]!r} is none of the keys {', '.join(known)}")
        claim = Claim(**claim)
    if claim.unit not in UNITS:
        raise TextgenError(f"{where}: unknown unit {claim.unit!r}", f"use {' or '.join(UNITS)}")
    if claim.value is not None and not _is_figure(claim.value):
        raise TextgenError(f"{where}: {claim.value!r} is not a figure above 0")
    return claim


def parse_claim(figure: str | None, unit: str, end_marks: bool, count: int | None) -> Claim | None:
    """The claim of a figure as it is written, whose last digit may be rounded; None without one.

    Raises:
        TextgenError: it is not a positive number.
    """
    if figure is None:
        return None
    try:
        value, digits = float(figure), Decimal(figure).as_tuple().exponent
    except (ValueError, InvalidOperation):
        value, digits = math.nan, 0
    if not _is_figure(value):
        raise TextgenError(f"--claim: {figure!r} is not a figure above 0", "e.g. --claim 1.905")
    return Claim(value, unit, end_marks, count, rounding=0.5 * 10.0 ** int(digits))


def _is_figure(value: Any) -> bool:
    return isinstance(value, Real) and 0 < float(value) < math.inf


def own_claim(model: Model, text: str) -> Claim | None:
    """What a model itself claims about a text, if anything."""
    claim = getattr(model, "claim", None)
    return as_claim(claim(text), f"{type(model).__name__}.claim") if claim else None


class CheckedClaim:
    """A claim about a text, beside what can be counted in the text.

    Args:
        claim: None where nothing is claimed.
        text: that it is about.
        tokens: of the text, its end not counted.

    Attributes:
        claim: empty where nothing is claimed.
        bits: the claimed cost of the whole text, derived from the figure where it is not given.
    """

    def __init__(self, claim: Claim | None, text: str, tokens: int) -> None:
        self.claim = claim = claim or Claim()
        self._counts: Counts = count([Document("text", text)], tokens)
        self._unit = UNITS[claim.unit]
        parts = (getattr(self._counts, part) for part in self._unit.per)
        self._denominator = sum(part or 0 for part in parts) + claim.end_marks
        self.bits = claim.bits
        if claim.bits is None and claim.value is not None:
            value, scale = claim.value, self._unit.scale
            value = math.log2(value) if scale == "perplexity" else value
            self.bits = value * self._denominator / (math.log(2) if scale == "nats" else 1.0)

    def covers(self, bits: float) -> bool:
        """Whether these are the bits claimed, up to rounding."""
        rounding = self.claim.rounding * self._denominator if self.claim.bits is None else 0.0
        allowed = FIGURE_TOLERANCE * bits + 0.5 + rounding
        return self.bits is not None and bool(abs(self.bits - bits) <= allowed)

    def check_denominator(self, measured_bits: float) -> tuple[bool | None, str]:
        """Whether the figure fits its unit (None without a claim), and how that was found."""
        claim, unit, counts = self.claim, self._unit, self._counts
        if claim.value is None:
            per_character, per_byte = (
                f"{measured_bits / number:.4f}" for number in (counts.characters, counts.utf8_bytes)
            )
            return (
                None,
                f"no figure was claimed; {measured_bits:,.1f} bits are {per_character} "
                f"bits per character, {per_byte} bits per byte of UTF-8",
            )
        counted = denominator(unit, counts) + " + 1 end" * claim.end_marks
        if claim.count not in (None, self._denominator):
            return False, f"the claim divides by {claim.count:,}, the text has {counted}"
        bits = measured_bits if claim.bits is None else claim.bits
        right = bits / max(1, self._denominator)
        if unit.scale != "bits":
            right = right * math.log(2) if unit.scale == "nats" else 2 ** min(right, 1000.0)
        result = f"{bits:,.1f} bits over {counted} are {right:.4f} {unit.label}"
        allowed = max(FIGURE_TOLERANCE * right, claim.rounding)
        if abs(right - claim.value) > allowed:
            return False, f"{claim.value:.4f} {unit.label} are claimed; {result}"
        return True, f"{result}, as claimed"


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
        method = f"{type(model).__name__}.next_log_probabilities"
        raise TextgenError(
            f"{method} has shape {logs.shape}: (V,) natural logarithms of probabilities are needed",
            "see experiments/notes/auditing.md",
        )
    with np.errstate(over="ignore"):
        return np.exp(logs)
