"""Finished runs, opened to be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textgen.core import TextgenError
from textgen.interactive.reader import Reader
from textgen.runs import Run, load_run

MOST = 8
"""Models that can be asked together."""


def open_models(
    runs: Sequence[str | Path | Run], opened: Callable[[Reader], None] = lambda reader: None
) -> list[Reader]:
    """The models of finished runs, ready to answer.

    Args:
        runs: their folders.
        opened: told each model as it is ready.

    Raises:
        TextgenError: no such run, a damaged one, the same one twice, or too many.
    """
    if len(runs) > MOST:
        raise TextgenError(
            "RUN", found=f"{len(runs)} runs", expected=f"at most {MOST}",
            hint="leave some out: each answers in a column of its own",
        )  # fmt: skip
    found = [load_run(run) for run in runs]  # all are checked before TensorFlow is loaded
    names = [run.experiment.name for run in found]
    if len({run.folder.resolve() for run in found}) < len(found):
        raise TextgenError(
            "RUN", found="the same run twice", expected="every run once", hint="leave one out"
        )
    labels = [
        name if names.count(name) == 1 else str(run.folder)
        for name, run in zip(names, found, strict=True)
    ]
    readers = list[Reader]()
    for run, label in zip(found, labels, strict=True):
        readers.append(Reader(run, label))
        readers[-1].warm()
        opened(readers[-1])
    return readers


def description(reader: Reader) -> dict[str, Any]:
    """What a person is told of a model, as JSON data."""
    run = reader.run
    bits = run.metrics["test"]["bits_per_character"]
    return {
        "name": reader.label,
        "tokens": run.experiment.resolved["tokenizer"]["kind"],
        "vocabulary": run.metrics["vocabulary_size"],
        "bits_per_character": bits and bits["total"],
        "memory": run.memory is not None,
    }
