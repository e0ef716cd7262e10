"""What a model has to offer to be audited, and what it claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from textgen.core import TextgenError

TOLERANCE = 1e-6
"""How far probabilities may be from adding up to one, where a model does not state it."""


class Model(Protocol):
    """A language model that is read token by token.

    Besides these a model may have:

    - ``claim(text)``: a :class:`Claim` about a text, or its fields as a dictionary. It is worked
      out by whatever code makes the figures that are published, and not from the methods below.
    - ``unknown``: the token that stands for all that has no token of its own. A text that needs it
      has no probability of its own, and does not pass.
    - ``alphabet``: all characters that the model can write, if they are few.
    - ``tolerance``: how far its probabilities may be from adding up to one; else TOLERANCE.

    Attributes:
        end: the token that ends a text; None where the model has none.
    """

    end: int | None

    def start(self) -> None:
        """Forget everything: a text begins."""

    def next_log_probabilities(self) -> np.ndarray:
        """(V,) float64, natural logarithms of P(next token | the tokens since the start); −inf for
        what cannot come. V may differ from place to place. Called once between two appends."""
        ...

    def append(self, token: int) -> None:
        """The token that came."""

    def encode(self, text: str) -> Sequence[int]:
        """A text as tokens, without the one that ends it.

        Raises:
            ValueError: there are none for this text; its probability is 0.
        """
        ...

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of such tokens. It is asked of another instance than the one that encoded."""
        ...


Opener = Callable[[], Model]
"""Makes a model that has not seen anything yet."""


@dataclass(frozen=True)
class Claim:
    """What is claimed about a text.

    Args:
        value: the figure; None where only ``bits`` are claimed.
        unit: one of :data:`textgen.evaluation.UNITS`, e.g. ``"bits_per_byte"``.
        end_marks: whether the denominator counts the end of the text as one more.
        count: the denominator that was used; None where it is not told.
        bits: what the text costs in all; None where it is not told.
        parts: bits of the parts of the text, in order, the end last; None where they are not told.
        ends: how many tokens, the end's included, each part and those before it have; None for one
            token a part.
        rounding: by how much the value may differ for being rounded.
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
    """A claim that may be given by its fields, or be None.

    Raises:
        TextgenError: it is something else, or has a key that a claim does not have.
    """
    if given is None or isinstance(given, Claim):
        return given
    known = [each.name for each in fields(Claim)]
    unknown = [key for key in given if key not in known] if isinstance(given, dict) else [given]
    if unknown:
        raise TextgenError(where, found=repr(unknown[0]), expected=f"keys {', '.join(known)}")
    return Claim(**given)


def claim_of(model: Model, text: str) -> Claim | None:
    """What a model itself claims about a text; None if it claims nothing."""
    claim = getattr(model, "claim", None)
    return as_claim(claim(text), f"{type(model).__name__}.claim") if claim else None


def tokens_of(model: Model, text: str) -> list[int]:
    """The tokens of a text, with the one that ends it if there is any."""
    return [*map(int, model.encode(text)), *([] if model.end is None else [model.end])]


def own_tokens(model: Model, text: str) -> list[int] | None:
    """The same; None for a text that has no probability of its own."""
    try:
        tokens = tokens_of(model, text)
    except ValueError:
        return None
    return None if getattr(model, "unknown", None) in tokens else tokens


def next_chances(model: Model) -> np.ndarray:
    """(V,) float64, P(next token).

    Raises:
        TextgenError: what the model returns is no array of logarithms.
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
