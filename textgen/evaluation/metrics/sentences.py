"""Are sentences as long as in human text?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textgen.evaluation.metrics.base import Human, Label, Sample, ratio, table

END = re.compile(
    r"""(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)(?<!\bProf)(?<!\b[A-HJ-Z])
    [.!?…]+["'”’)\]_*]*(?=\s|--|—|$)(?:\s*\n\s*\n)?
    | (?<=\S)\s*\n\s*\n""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Sentences:
    """Words for each end of a sentence.

    An end is a run of . ! ? … with what closes quotes and brackets, before white space, a dash or
    the end of the text, or the blank line after a paragraph that ends otherwise. The full stops of
    Mr., Mrs., Dr., St., Prof. and of initials are none. Samples are cut from longer texts: all
    words over all ends has no bias from the sentences that are cut short, whereas the mean over
    whole sentences favours short ones.

    Does not handle: other abbreviations; scripts with full stops of their own.
    """

    labels: ClassVar[dict[str, Label]] = {
        "sentence_length": Label("mean length of a sentence", "words", ".1f", "human"),
    }

    def counts(self, samples: Sequence[Sample], human: Human) -> np.ndarray:
        return table([[len(s.words), sentence_ends(s.text)] for s in samples], 2)

    def values(self, total: np.ndarray, human: Human) -> dict[str, np.ndarray]:
        return {"sentence_length": ratio(total[..., 0], total[..., 1])}


def sentence_ends(text: str) -> int:
    """How many sentences end in a text."""
    return sum(1 for _ in END.finditer(text.strip()))
