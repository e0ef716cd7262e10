"""Fills the tables of README.md and experiments/README.md from the results of runs.

    python experiments/table.py [RUNS]     copies RUNS/*/metrics.json into experiments/results
                                           first, then writes every table between its two marks

A test fails when a table differs from the results it stands for.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
PAGES = (ROOT / "README.md", ROOT / "experiments" / "README.md")
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
PREDICTED = {1: 1.95, 2: 2.91, 3: 3.57, 5: 4.20, 10: 4.33, 50: 4.345}
"""Entropy of a character given the text up to s back, n-gram estimates on one split."""
PLACES = (1, 2, 3, 5, 10, 20, 30, 50)
SETTINGS = ("100_units_50", "125_units_30", "150_units_50", "100_units_10")


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def bits(metrics: dict[str, Any], part: str = "test") -> float:
    return metrics[part]["bits_per_character"]["total"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main_table() -> str:
    rows = []
    for name in ("char",):
        m = result(name)
        words, training = m["generation"]["real_words"], m["training"]
        model = m["test"]["bits_per_character"]
        rows.append(
            [
                f"`python -m textgen.run experiments/{name}.toml`",
                f"**{model['total']:.3f}**",
                f"{model['model']:.3f} + {model['spelling']:.3f}",
                f"{m['test']['mean_over_documents']:.3f}",
                f"{words['samples']['strict']:.1%} ({words['human']['strict']:.1%})",
                f"{training['parameters']:,}",
                f"{training['characters'] / 1e6:.1f} M",
                f"{training['seconds']:.0f}",
            ]
        )
    head = (
        "command|bpc|model + spelling|mean over tales|"
        "real words (human)|parameters|characters seen|seconds"
    )
    return table(head.split("|"), rows)


def readings_table() -> str:
    rows = []
    names = [f"{s}_{reading}" for reading in ("block", "next") for s in SETTINGS]
    for name in [*names, "100_units_50_next_categorical", "150_units_50_next_long"]:
        m = result(name)
        words = m["generation"]["real_words"]
        rows.append(
            [
                f"`{name}`",
                m["training"]["loss"],
                f"{m['training']['final_loss']:.4f}",
                f"{bits(m):.3f}",
                f"{m['training']['characters'] / 1e6:.1f} M",
                f"{words['samples']['in_training']:.0%}",
                f"{words['article_readout']['in_training']:.0%} "
                f"of {words['article_readout']['words']}",
            ]
        )
    head = (
        "run|loss|its value at the end|bpc|"
        "characters seen|known words, sampled|known words, read out"
    )
    return table(head.split("|"), rows)


def sweep_table() -> str:
    rows = []
    for shift, predicted in PREDICTED.items():
        measured = bits(result(f"shift_{shift}"))
        within = "yes" if abs(measured - predicted) <= 0.15 else "no"
        rows.append(
            [
                str(shift),
                f"{predicted:.3f}",
                f"{measured:.3f}",
                f"{measured - predicted:+.3f}",
                within,
            ]
        )
    return table(["shift", "predicted", "measured", "difference", "within 0.15"], rows)


def positions_table() -> str:
    rows = []
    for name in ("shift_50", "decoder_one_shot_50", "decoder_one_shot_30", "decoder_feedback_50"):
        m = result(name)
        by = m["test"]["model_bits_by_position"]
        figures = [f"{by[p - 1]:.2f}" if p <= len(by) else "" for p in PLACES]
        rows.append([f"`{name}`", f"{bits(m):.3f}", *figures])
    return table(["run", "bpc", *(f"place {p}" for p in PLACES)], rows)


TABLES: dict[str, Callable[[], str]] = {
    "main": main_table,
    "readings": readings_table,
    "sweep": sweep_table,
    "positions": positions_table,
}


def filled(page: str) -> str:
    """The page with every table as the results have it."""
    return MARK.sub(lambda m: m[1] + "\n" + TABLES[m[2]]() + "\n" + m[3], page)


def main(runs: str | None) -> None:
    if runs:
        RESULTS.mkdir(exist_ok=True)
        for path in sorted(Path(runs).glob("*/metrics.json")):
            (RESULTS / f"{path.parent.name}.json").write_bytes(path.read_bytes())
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
