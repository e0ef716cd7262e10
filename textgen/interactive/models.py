"""Finished runs opened for the page: what each is, expects next, and charges for a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import RefusedText, TextgenError
from textgen.interactive.reader import Reader
from textgen.runs.finished import Run, load_run

MAX_MODELS = 8
MAX_SCORED_CHARACTERS = 20_000
SHOWN_TOKENS = 10
"""Next tokens that are shown of each model."""


def open_models(
    runs: Sequence[str | Path | Run], on_open: Callable[[Reader], None] = lambda reader: None
) -> list[Reader]:
    """The models of finished runs, ready to answer.

    Args:
        runs: their folders.
        on_open: called with each model as it is ready.

    Raises:
        TextgenError: no such run, a damaged one, the same one twice, or too many.
    """
    if len(runs) > MAX_MODELS:
        raise TextgenError(
            "RUN", found=f"{len(runs)} runs", expected=f"at most {MAX_MODELS}",
            hint="leave some out: each has a column of its own",
        )  # fmt: skip
    loaded = [load_run(run) for run in runs]  # all are checked before TensorFlow is loaded
    if len({run.folder.resolve() for run in loaded}) < len(loaded):
        raise TextgenError(
            "RUN", found="the same run twice", expected="every run once", hint="leave one out"
        )
    names = [run.experiment.name for run in loaded]
    readers = list[Reader]()
    for run, name in zip(loaded, names, strict=True):
        readers.append(Reader(run, name if names.count(name) == 1 else str(run.folder)))
        readers[-1].read(())  # compiles what the first answer would otherwise wait for
        on_open(readers[-1])
    return readers


def describe(reader: Reader) -> dict[str, Any]:
    """What the page says of a model, as JSON data."""
    run = reader.run
    bits = run.metrics["test"]["bits_per_character"]
    return {
        "name": reader.label,
        "tokens": run.experiment.resolved["tokenizer"]["kind"],
        "vocabulary": run.metrics["vocabulary_size"],
        "bits_per_character": bits and bits["total"],
        "memory": run.memory is not None,
    }


def next_tokens(reader: Reader, text: str, memory: bool = False) -> dict[str, Any]:
    """The most probable next tokens after a text, whose last word counts as finished.

    Returns:
        ``tokens``: [name, probability] of each, as JSON data.

    Raises:
        TextgenError: characters that the model has never seen, or no memory.
    """
    probabilities = reader.read(reader.tokens(text), memory).probabilities
    best = np.argsort(-probabilities, kind="stable")[:SHOWN_TOKENS]
    names = reader.tokenizer.names
    return {"tokens": [[names[token], float(probabilities[token])] for token in best]}


def text_cost(reader: Reader, text: str) -> dict[str, Any]:
    """What a model charges for a text that it reads as a document of its own, as JSON data.

    Returns:
        ``bits_per_character`` and ``with_memory`` (None: not a distribution over the text, or no
        memory), ``end``, the bits of the end mark, and ``stretches``: [start, end, model bits,
        spelling bits, bits with memory or None] in order, in characters of the text.

    Raises:
        RefusedText: an empty text, or too long a one.
    """
    if not text or len(text) > MAX_SCORED_CHARACTERS:
        excess = max(0, len(text) - MAX_SCORED_CHARACTERS)
        raise RefusedText(
            "the text", text=text, place=(len(text) - excess, len(text)),
            found=f"{len(text):,} characters", expected=f"1 to {MAX_SCORED_CHARACTERS:,}",
            hint=f"leave out the last {excess:,}" if excess else "give a passage",
        )  # fmt: skip
    scored = reader.run.score(text)
    both = scored["with_memory"]
    stretches, start = list[list[float | None]](), 0
    for number, (part, model, spelling) in enumerate(scored["stretches"]):
        end = start + len(part)
        with_memory = sum(both["stretches"][number][1:]) if both else None
        stretches.append([start, end, model, spelling, with_memory])
        start = end
    return {
        "bits_per_character": scored["bits_per_character"],
        "with_memory": both and both["bits_per_character"],
        "end": scored["end"],
        "stretches": stretches,
    }
