"""How fast a large corpus becomes tokens, in MB of text a second.

    python tests/benchmarks/tokenising.py [--megabytes 64]

Text is made up as in memory.py and must be larger than 32 MB to be read from disk. What is timed
is ``encode_training``, including the reading of the text and the writing of the tokens. The passes
before it (converting the documents at the first tokenizer, their hash, the alphabet) are timed
separately. Fitting is left out: it sees a bounded sample, however long the text.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memory import TOKENIZERS, write_corpus
from timing import idle_share, verdict

from textgen.core.experiment import resolve_experiment
from textgen.data.loading import load_corpus
from textgen.tokenizers import encoding

TARGETS = {"characters": 10.0, "words": 2.0, "subwords": None}
EXPERIMENTS = {
    "characters": "characters",
    "words": {"kind": "words", "rare_words": "unk"},
    "subwords": "subwords",
}


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = action()
    return found, time.perf_counter() - start


def measure(size: int) -> dict[str, Any]:
    before, rows = idle_share(), {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TEXTGEN_CACHE"] = scratch
        folder = Path(scratch) / "text"
        folder.mkdir()
        write_corpus(folder, size)
        for kind in TOKENIZERS:
            experiment = resolve_experiment(
                {
                    "corpus": {"kind": "folder", "path": str(folder)},
                    "tokenizer": EXPERIMENTS[kind],
                    "objective": "next_token",
                    "training": {"updates": 1},
                }
            )
            corpus, loading = timed(lambda e=experiment: load_corpus(e))
            alphabet, spelt = timed(lambda c=corpus: encoding.alphabet_of(c.train))
            texts = [d.text for d in corpus.sample]
            tuning = [d.text for d in corpus.validation[:2]]
            tokenizer = experiment.tokenizer.fit(texts, tuning, 1, alphabet)
            del texts
            _, writing = timed(
                lambda e=experiment, c=tokenizer, x=corpus: encoding.encode_training(e, c, x)
            )
            megabytes = sum(d.content.end - d.content.start for d in corpus.train) / 1e6
            target = TARGETS[kind]
            rows[kind] = {
                "megabytes_a_second": round(megabytes / writing, 2),
                "with_the_passes_before": round(megabytes / (writing + loading + spelt), 2),
                "target": f"≥ {target:g}" if target else None,
                "passed": megabytes / writing >= target if target else None,
            }
            print(kind, json.dumps(rows[kind]), flush=True)
    doubt = verdict({"before": before, "after": idle_share()})
    return {"megabytes": size / 1e6, "doubt": doubt, "tokenizers": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=64)
    found = measure(parser.parse_args().megabytes * 10**6)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    Path(__file__).with_suffix(".json").write_text(
        json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
