"""Who speaks in tiny Shakespeare: how many names are new, and what they and all else cost.

python experiments/benchmarks/speakers.py tiny_shakespeare/input.txt RUN …
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

import textgen

NAME = re.compile(r"(?m)^([A-Z][A-Za-z ]+):\n")
"""A line that says who speaks."""


def main(path: str, *runs: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    held_out = text[int(0.9 * len(text)) :]
    names = np.zeros(len(held_out), dtype=bool)
    for found in NAME.finditer(held_out):
        names[slice(*found.span())] = True
    spoken = NAME.findall(held_out)
    for share in (0.85, 0.9):
        known = set(NAME.findall(text[: int(share * len(text))]))
        old = sum(name in known for name in spoken) / len(spoken)
        print(f"{old:.1%} of {len(spoken):,} name a speaker of the first {share:.0%} of the text")
    for folder in runs:
        for part, documents in textgen.load_run(folder).token_bits.items():
            bits = np.concatenate([document.per_character()[:-1] for document in documents])
            for what, where in (("names of speakers", names), ("all else", ~names)):
                figures = f"{where.sum():,} characters, {bits[where].mean():.3f} bits each"
                print(f"{folder}, {part}, {what}: {figures}")


if __name__ == "__main__":
    main(*sys.argv[1:])
