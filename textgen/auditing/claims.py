"""What a model must offer to be audited, and what it claims about a text."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Protocol, TypedDict

import numpy as np

from textgen.core.errors import TextgenError
from textgen.evaluation.units import UNITS

# How far probabilities may be from adding up to one, where a model does not state it.
SUM_TOLERANCE = 1e-6
# The most that it may state: what they add up to beyond one is bits that nobody pays.
MAX_TOLERANCE = 1e-3


class Model(Protocol):
    """A language model that is read token by token.

    Optional members:

    - ``claim(text)``: a :class:`Claim` about a text, or its fields as a dictionary. It should be
      computed by the code that computes published figures, not from the methods below.
    - ``unknown``: the token for everything without a token of its own. A text that needs it has no
      probability of its own, and fails.
    - ``tolerance``: how far its probabilities may be from adding up to one, if not SUM_TOLERANCE;
      MAX_TOLERANCE at most.
    - ``spelled_from``: the first of the tokens that only spell what another token stands for; a
      perplexity per token does not count these.

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


class ClaimFields(TypedDict, total=False):
    """The fields of a :class:`Claim`, as a dictionary that may lack some."""

    value: float | None
    unit: str
    end_marks: bool
    bits: float | None
    parts: Sequence[float] | None


@dataclass(frozen=True)
class Claim:
    """What is claimed about a text.

    Args:
        value: the figure, with four digits at least; None where only ``bits`` are claimed.
        unit: one of :data:`textgen.evaluation.units.UNITS`, e.g. ``"bits_per_byte"``.
        end_marks: whether the denominator counts the end of the text as one more.
        bits: what the whole text costs, if known.
        parts: bits of each token of the text, in order, the end last, if known.

    Raises:
        TextgenError: an unknown unit, or no positive figure.
    """

    value: float | None = None
    unit: str = "bits_per_character"
    end_marks: bool = False
    bits: float | None = None
    parts: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise TextgenError(f"the claim: unit {self.unit!r}", f"use {' or '.join(UNITS)}")
        if self.value is None:
            return
        if not isinstance(self.value, Real) or not 0 < float(self.value) < math.inf:
            raise TextgenError(f"the claim: {self.value!r} is not a figure above 0")


def as_claim(claim: Claim | ClaimFields | None) -> Claim:
    """A claim that may be given as its fields, or as None if nothing is claimed.

    Raises:
        TextgenError: it is something else, or has an unknown key.
    """
    if claim is None:
        return Claim()
    if isinstance(claim, Claim):
        return claim
    known = [field.name for field in fields(Claim)]
    keys = ", ".join(known)
    if not isinstance(claim, Mapping):
        raise TextgenError(f"the claim: {claim!r} is no dictionary with the keys {keys}")
    for key in claim:
        if key not in known:
            raise TextgenError(f"the claim: {key!r} is none of the keys {keys}")
    return Claim(**claim)


def own_claim(model: Model, text: str) -> Claim:
    """What a model itself claims about a text; empty if it claims nothing."""
    claim = getattr(model, "claim", None)
    return as_claim(claim(text)) if claim else Claim()


def replaced(own: Claim, given: Claim) -> Claim:
    """A model's own claim with what is given in its place. A figure comes with its unit and what it
    counts as the end; where none is given, these stay the model's own."""
    return Claim(
        value=own.value if given.value is None else given.value,
        unit=own.unit if given.value is None else given.unit,
        end_marks=own.end_marks if given.value is None else given.end_marks,
        bits=own.bits if given.bits is None else given.bits,
        parts=own.parts if given.parts is None else given.parts,
    )


def stated_tolerance(model: Model) -> float:
    """How far a model's probabilities may be from adding up to one.

    Raises:
        TextgenError: it states more than MAX_TOLERANCE, or no number.
    """
    stated = getattr(model, "tolerance", SUM_TOLERANCE)
    if not isinstance(stated, Real) or not 0 <= float(stated) <= MAX_TOLERANCE:
        message = f"{type(model).__name__}.tolerance is {stated!r}, not from 0 to {MAX_TOLERANCE}"
        raise TextgenError(message, "divide the probabilities of each place by their sum")
    return float(stated)


def unknown_token(model: Model) -> int | None:
    """The token of a model for everything without one of its own, if it has one."""
    token: int | None = getattr(model, "unknown", None)
    return token


def spells(model: Model, token: int) -> bool:
    """Whether a token only spells what another token stands for."""
    return token >= getattr(model, "spelled_from", math.inf)
