"""The curve of a training: what its network charges for the same text again and again while it
learns, and what it writes. Looking changes nothing in the training.

Points are evenly spaced in the logarithm of updates, so that a curve shows the first second of a
training as well as its last minute. At each, the network has the learning rate of that moment: only
at the end has it been cooled.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

from textgen.data.documents import Document
from textgen.evaluation.likelihood import token_bits
from textgen.models.objectives import Objective
from textgen.models.types import Network
from textgen.tokenizers.base import Tokenizer

POINTS = 8  # each after twice as many updates as the one before


class CurvePoint(TypedDict):
    """What a look has found.

    Attributes:
        updates: made before it.
        updates_by_stage: the same, in each stage of the training.
        seconds: spent on these.
        bits: of the characters of each beginning, spelling included, without an end mark.
        sample: what the network wrote.
    """

    updates: int
    updates_by_stage: list[int]
    seconds: float
    bits: list[float]
    sample: str


def curve_updates(updates: int) -> list[int]:
    """After how many updates the points of a training stand, rising; the last is its end."""
    points = {round(updates / 2**halvings) for halvings in range(POINTS)}
    return sorted(points - {0})


class Curve:
    """The looks at a network in training.

    Args:
        objective, network, tokenizer: the model.
        texts: what it is asked for, as :func:`beginnings` gives them.
        write: gives a sample of the network as it is.
    """

    def __init__(
        self,
        objective: Objective,
        network: Network,
        tokenizer: Tokenizer,
        texts: Sequence[Document],
        write: Callable[[], str],
    ) -> None:
        self._objective = objective
        self._network = network
        self._write = write
        encoded = [tokenizer.encode(text.text) for text in texts]
        self._tokens = [document.tokens for document in encoded]
        self._spelling = [float(document.spelling_bits.sum()) for document in encoded]

    def look(self, updates_by_stage: Sequence[int], seconds: float) -> CurvePoint:
        """The point after so many updates of each stage, and so many seconds."""
        of_tokens = token_bits(self._objective, self._network, self._tokens)
        bits = [
            float(of_text[:-1].sum(dtype=float)) + spelling  # the last is the end mark
            for of_text, spelling in zip(of_tokens, self._spelling, strict=True)
        ]
        return CurvePoint(
            updates=sum(updates_by_stage),
            updates_by_stage=list(updates_by_stage),
            seconds=seconds,
            bits=bits,
            sample=self._write(),
        )
