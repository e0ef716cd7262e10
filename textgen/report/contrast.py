"""A question about two arms, declared before the runs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Contrast:
    """A question declared before the runs; the difference first − second of two arms answers it.

    Args:
        first: an arm.
        second: another arm.
        question: the question as a report prints it.
        yes: for yes-or-no questions: which arm has fewer bits if the answer is yes.
    """

    first: str
    second: str
    question: str = ""
    yes: Literal["", "first is lower", "second is lower"] = ""
