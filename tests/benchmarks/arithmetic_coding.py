"""A held-out text through an arithmetic coder, driven by finished runs: claimed and sent bits.

    python tests/benchmarks/arithmetic_coding.py RUN [RUN …]

The first 2,000 characters of the longest test document of each run are encoded with the run's
probabilities, decoded again and compared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from coding import there_and_back
from timing import Target, row, show

from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.runs.finished import load_run

CHARACTERS = 2000
WANTED = Target(at_most=1.02)


def coded(folder: str | Path) -> dict[str, Any]:
    run = load_run(folder)
    loaded = load_corpus(run.experiment)
    document = max(loaded.test, key=lambda d: len(d.text))
    text = document.text[:CHARACTERS]
    (claimed,) = run.score_documents([Document(document.name, text)])
    sent, _, received = there_and_back(run.tokenizer, run.objective, run.network, text, run.memory)
    bits = claimed.model + claimed.spelling_bits
    if received != text:
        raise SystemExit(f"{folder}: the decoder gave another text")
    return row(
        f"bits sent for {len(text):,} characters by `{run.experiment.name}`, given back",
        "bits claimed",
        [sent / bits],
        WANTED,
        document=document.name,
        claimed_bits=bits,
        sent_bits=sent,
    )


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Nothing here depends on a clock: once is enough."""
    return [coded(folder) for folder in folders]


if __name__ == "__main__":
    show(measure(1, sys.argv[1:]))
