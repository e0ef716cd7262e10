"""How far back should a memory of the document look, and does it help to trust contexts by kind?

    python experiments/cache_orders.py RUN [RUN …]

Judged on validation text alone. The network of each finished run scores it once, without a memory;
then, for each list of orders, a memory is tuned on every second document and judged on the others,
and the other way round: once as it is, and once with all contexts of a level taken for one kind.
What comes out is kept in ``experiments/results/memory/``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np

from textgen.evaluation import memory
from textgen.evaluation.likelihood import (
    DocumentBits,
    score_documents,
    summarise,
    tuned_memory,
    with_memory,
)
from textgen.tokenizers.tokens import EncodedDocument

RESULTS = Path(__file__).parent / "results" / "memory" / "orders.json"
CHARACTERS = ([4, 6, 9, 14], [3, 4, 5, 6, 8, 10, 14], [2, 3, 4, 5, 6, 7, 8, 10, 12, 16])
OTHERS = ([1, 2], [1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 6, 8])


def trials(folder: Path) -> list[dict[str, object]]:
    """Validation bits per character of a run, without a memory and with each list of orders."""
    from textgen.data.loading import load_text
    from textgen.runs import Run

    run = Run(folder)
    parts = run.objective, run.network, run.tokenizer
    loaded = load_text(run.experiment, run.metrics["corpus"]["sha256"])
    plain = score_documents(*parts, loaded.validation)
    encoded = [run.tokenizer.encode(document.text) for document in loaded.validation]
    characters = run.experiment.resolved["tokenizer"]["kind"] == "characters"
    found = []
    for orders in ([], *(CHARACTERS if characters else OTHERS)):
        trial = {"orders": orders, "validation": judged(orders, plain, encoded)}
        if orders:
            with mock.patch.object(memory, "kind", lambda total, _: np.zeros_like(total)):
                trial["one_kind"] = judged(orders, plain, encoded)
        print(run.experiment.name, trial, flush=True)
        found.append(trial)
    return found


def judged(
    orders: Sequence[int], plain: Sequence[DocumentBits], encoded: Sequence[EncodedDocument]
) -> float:
    """Bits per character of both halves, each with the memory that was tuned on the other."""
    documents = list[DocumentBits]()
    for half in (0, 1):
        memory = tuned_memory(orders, plain[half::2], encoded[half::2])
        documents += with_memory(memory, list(plain[1 - half :: 2]), encoded[1 - half :: 2])
    found = summarise(documents)
    return float((found["with_memory"] or found)["bits_per_character"]["total"])


if __name__ == "__main__":
    kept = {Path(run).name: trials(Path(run)) for run in sys.argv[1:]}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
