"""Verdicts on differences in plain words."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from textgen.evaluation.significance import FEWEST, LEVEL, MARGIN, Difference, Verdict, verdict

MANY = 10_000
"""Documents that nobody holds out."""
POWER = 0.8
"""How probable an answer is to be with as many documents as are named."""


def answer(first: str, second: str, found: Verdict, yes: str = "") -> str:
    """The answer to a question in a word or two: yes or no, where the question says which is yes.

    Args:
        first, second: names of the arms.
        found: of first − second.
        yes: ``"first is lower"``, ``"second is lower"``, or "" if the question does not say.
    """
    if found == "can't tell":
        return "Too close to call"
    if found == "equal":
        return "No" if yes else "Equal"
    if yes:
        return "Yes" if (found == "better") == (yes == "first is lower") else "No"
    return f"{first if found == 'better' else second} is better"


def statement(first: str, second: str, found: Verdict, difference: float, digits: int = 3) -> str:
    """Which of two arms is better and by how much, as far as is known; without a full stop."""
    if found == "can't tell":
        return f"Too close to call between {first} and {second}"
    if found == "equal":
        return f"{first} and {second} are equal to within {MARGIN:g} bits per character"
    better, other = (first, second) if found == "better" else (second, first)
    return f"{better} is better than {other}, by {abs(difference):.{digits}f} bits per character"


def verdict_sentence(
    first: str, second: str, difference: Difference, adjusted_p: float, contrasts: int
) -> str:
    """The verdict on a contrast in plain words, with the figures it is based on.

    Args:
        first, second: names of the arms.
        adjusted_p: from :func:`holm` over all declared contrasts.
        contrasts: how many those are.
    """
    found = verdict(difference, adjusted_p)
    low, high = difference.low, difference.high
    facts = [f"difference {_number(difference.difference)}"]
    claim = statement(first, second, found, difference.difference)
    if found in ("better", "worse"):
        low, high = sorted((abs(low), abs(high)))
        facts = []
    if difference.scope == "these runs":
        runs = "these two runs" if difference.seeds == (1, 1) else "these runs"
        claim += f" in {runs}; what other seeds would give was not measured"
    if np.isfinite(low):
        facts.append(f"95 % interval {_number(low)} to {_number(high)}")
    else:
        facts.append(f"no 95 % interval, which needs {FEWEST} documents")
    p = f"p = {adjusted_p:.3f}" if adjusted_p >= 0.0005 else "p < 0.001"
    facts.append(p + (f" after Holm over {contrasts} contrasts" if contrasts > 1 else ""))
    facts.append(f"{difference.documents} document" + "s" * (difference.documents != 1))
    facts.append(f"{difference.seeds[0]} + {difference.seeds[1]} seeds")
    told = f"{claim} ({', '.join(facts)})."
    return told if found != "can't tell" else f"{told} {what_would_tell(difference, contrasts)}"


def what_would_tell(difference: Difference, contrasts: int = 1) -> str:
    """What to do about a difference of which nothing can be said.

    The interval shrinks with the root of the number of documents. It has to leave out 0, by more
    where several contrasts are declared (Bonferroni's factor, the first of Holm's), if the
    difference is what it looks like; or, if that is less than the margin, to come to lie within it:
    with a probability of 0.8. And of n documents that all agree p is still 2^(1 − n), times the
    number of contrasts.

    Args:
        difference: that could not be told from 0.
        contrasts: how many are declared.
    """
    if not np.isfinite(difference.high - difference.low):
        return f"Hold out {FEWEST} documents or more: fewer give no interval."
    quantile = NormalDist().inv_cdf
    error = (difference.high - difference.low) / 2 / quantile(1 - LEVEL / 2)
    by = abs(difference.difference)
    if by >= MARGIN:
        level, room, claim = LEVEL / contrasts, by, "as large as it looks"
    else:
        level, room, claim = LEVEL, MARGIN - by, "as small as it looks"
    needed = (error * (quantile(1 - level / 2) + quantile(POWER)) / room) ** 2
    documents = max(fewest_documents(contrasts), math.ceil(max(1.0, needed) * difference.documents))
    if documents <= difference.documents:
        return "Make more runs, with other seeds: the documents are enough."
    many = f"about {documents:,}" if documents < MANY else f"more than {MANY:,}"
    seeds = "" if min(difference.seeds) > 1 else ", and two seeds an arm or more,"
    return f"If it is {claim}, {many} documents such as these{seeds} would tell."


def fewest_documents(contrasts: int = 1) -> int:
    """Documents that can answer so many questions, if all of them agree: of n of one sign, p is
    2^(1 − n), and :func:`holm` may multiply it by the number of questions."""
    return math.ceil(1 + math.log2(contrasts / LEVEL))


def _number(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")  # + 0.0: no "−0.000"
