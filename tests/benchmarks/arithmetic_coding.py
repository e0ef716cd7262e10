"""A held-out text through an arithmetic coder, driven by finished runs: claimed and sent bits.

    python tests/benchmarks/arithmetic_coding.py RUN [RUN …]

The first 2,000 characters of the longest test document of each run are encoded with the run's
probabilities, decoded again and compared. Writes arithmetic_coding.json beside itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from coding import there_and_back

from textgen import runs
from textgen.corpora.base import Document
from textgen.corpora.loading import load_corpus
from textgen.likelihood import score

CHARACTERS = 2000


def measure(folder: str) -> dict[str, object]:
    run = runs.load(folder)
    backbone = run.experiment.backbone
    loaded = load_corpus(run.experiment)
    document = max(loaded.test, key=lambda d: len(d.text))
    text = document.text[:CHARACTERS]
    (claimed,) = score(
        run.objective, run.network, backbone, run.codec, [Document(document.name, text)]
    )
    sent, received = there_and_back(run.codec, run.objective, run.network, backbone, text)
    bits = claimed.model + claimed.spelling_bits
    return {
        "run": run.experiment.name,
        "document": document.name,
        "characters": len(text),
        "claimed_bits": bits,
        "sent_bits": sent,
        "excess": sent / bits - 1,
        "decoded": received == text,
    }


if __name__ == "__main__":
    results = [measure(folder) for folder in sys.argv[1:]]
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
    for result in results:
        print(result)
