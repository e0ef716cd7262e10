"""How far back should a cache of the document look? Lists of orders, judged on validation alone.

    python experiments/cache_orders.py RUN [RUN …]

The network of each finished run scores the validation split once, without a cache; then a cache is
tuned for each list of orders. What comes out is kept in ``experiments/results/document_cache/``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "document_cache" / "orders.json"
CHARACTERS = ([4, 6, 9, 14], [3, 4, 5, 6, 8, 10, 14], [2, 3, 4, 5, 6, 7, 8, 10, 12, 16])
OTHERS = ([1, 2], [1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 6, 8])


def trials(folder: Path) -> list[dict[str, object]]:
    """Validation bits per character of a run, without a cache and with each list of orders."""
    from textgen import runs
    from textgen.corpora.loading import load_text
    from textgen.evaluation import scored
    from textgen.likelihood import summarise, tuned_cache, with_cache

    run = runs.load(folder)
    loaded = load_text(run.experiment, run.metrics["corpus"]["sha256"])
    plain = scored(replace(run, cache=None), loaded.validation)
    encoded = [run.codec.encode(document.text) for document in loaded.validation]
    characters = run.experiment.resolved["tokenizer"]["kind"] == "characters"
    found = []
    for orders in ([], *(CHARACTERS if characters else OTHERS)):
        documents = with_cache(tuned_cache(orders, plain, encoded), plain, encoded)
        total = summarise(documents)["bits_per_character"]["total"]
        found.append({"orders": orders, "validation": total})
        print(f"{run.experiment.name} {orders}: {total:.4f}", flush=True)
    return found


if __name__ == "__main__":
    kept = {Path(run).name: trials(Path(run)) for run in sys.argv[1:]}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
