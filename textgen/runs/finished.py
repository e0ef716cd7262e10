"""A finished run read back for a comparison: everything but the network, without TensorFlow."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgen.core import UNREADABLE, Experiment, TextgenError, load_experiment
from textgen.evaluation import Memory
from textgen.runs.evaluation import TEXTS, TOKENS, TokenBits, read_texts, read_token_bits
from textgen.runs.saved import NEEDED, check_finished, load_memory, read_metrics

FILES = (*NEEDED, "history.csv", TOKENS, TEXTS)


@dataclass(frozen=True)
class Finished:
    """A finished run: its settings, figures, memory, curve, bits by token and texts."""

    folder: Path
    experiment: Experiment
    metrics: dict[str, Any]
    memory: Memory | None
    history: list[dict[str, float]]
    tokens: list[TokenBits]
    texts: dict[str, Any]

    @property
    def charged(self) -> bool:
        """Whether its bits are those of a distribution over the text."""
        return self.metrics["test"]["bits_per_character"] is not None


def read_run(folder: Path) -> Finished:
    """Read a run folder whose evaluation is there.

    Raises:
        TextgenError: something is missing, damaged, or does not add up.
    """
    check_finished(folder, FILES)
    try:
        metrics = read_metrics(folder)
        with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
            history = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        experiment = load_experiment(folder / "experiment.toml")
        run = Finished(
            folder,
            experiment,
            metrics,
            load_memory(folder, experiment),
            history,
            read_token_bits(folder),
            read_texts(folder),
        )
        _check_sum(run)
    except UNREADABLE as error:
        raise TextgenError(
            str(folder), found=f"a damaged run ({type(error).__name__}: {error})",
            expected="the files as textgen wrote them",
            hint="train it again with --overwrite; it is left out here",
        ) from None  # fmt: skip
    return run


def _check_sum(run: Finished) -> None:
    """The bits of all tokens are those of ``metrics.json``.

    Raises:
        ValueError: they are not.
    """
    if not run.charged:
        return
    bits = sum(float(d.model.sum() + d.spelling.sum()) for d in run.tokens)
    unit = sum(d.characters + 1 for d in run.tokens)
    told = run.metrics["test"]["bits_per_character"]["total"]
    if abs(bits / unit - told) > 1e-3:
        raise ValueError(f"{TOKENS} adds up to {bits / unit:.4f}, not {told:.4f}")
