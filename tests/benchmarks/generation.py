"""Characters a second: the compiled loop against ``model.predict`` once per character.

    python tests/benchmarks/generation.py runs/char

Interleaved repeats in one process; the ratio and its spread go to ``generation.json`` beside this
file. ``predict`` gets the same network and reads the last WINDOW characters anew for every
character it writes, as the article's program and most tutorials do.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from textgen import runs
from textgen.sampling import FREE, Sampler

WINDOW, REPEATS, PREDICTED, WRITTEN = 50, 5, 20, 1280


def main(folder: str) -> None:
    run = runs.load(folder)
    sampler = Sampler(run.objective, run.network, run.experiment.backbone)
    results = {}
    for batch in (1, 64):
        states = [
            np.zeros((batch, u), np.float32) for u in run.experiment.backbone.units for _ in "hc"
        ]
        recent = np.full((batch, WINDOW), 2, np.int32)
        free = np.full((batch, WRITTEN), FREE)
        run.network.predict([recent, *states], verbose=0)
        sampler.draw(free)
        ratios, ours = [], []
        for repeat in range(REPEATS):
            begin = time.perf_counter()
            for _ in range(PREDICTED):
                logits = run.network.predict([recent, *states], verbose=0)[0][:, -1]
                drawn = np.argmax(logits + np.random.gumbel(size=logits.shape), axis=-1)
                recent = np.concatenate([recent[:, 1:], drawn[:, None].astype(np.int32)], axis=1)
            predict = batch * PREDICTED / (time.perf_counter() - begin)
            begin = time.perf_counter()
            sampler.draw(free, seed=repeat)
            ours.append(batch * WRITTEN / (time.perf_counter() - begin))
            ratios.append(ours[-1] / predict)
        results[f"batch {batch}"] = {
            "ratio": float(np.median(ratios)),
            "lowest": min(ratios),
            "highest": max(ratios),
            "characters_per_second": float(np.median(ours)),
        }
        print(f"batch {batch}: {np.median(ratios):.0f} times predict ({min(ratios):.0f} to "
              f"{max(ratios):.0f}), {np.median(ours):,.0f} characters/s")  # fmt: skip
    Path(__file__).with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
