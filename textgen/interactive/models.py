"""Finished runs opened for the page: what each writes, expects next, and charges for a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import RefusedText, TextgenError
from textgen.interactive.reader import Reader
from textgen.interactive.writing import sampling, write
from textgen.runs.finished import Run, load_run

MAX_MODELS = 6
"""A browser opens so many connections to one host."""
MAX_PRICED_CHARACTERS = 20_000
NEXT_TOKENS = 10


def open_models(
    runs: Sequence[str | Path | Run], on_open: Callable[[PlayModel], None] = lambda model: None
) -> list[PlayModel]:
    """The models of finished runs, ready to answer.

    Args:
        runs: their folders.
        on_open: called with each model as it is ready.

    Raises:
        TextgenError: no such run, a damaged one, the same one twice, or too many.
    """
    if len(runs) > MAX_MODELS:
        raise TextgenError(
            f"RUN: {len(runs)} runs; at most {MAX_MODELS} fit on the page", "leave some out"
        )
    loaded = [load_run(run) for run in runs]  # all are checked before TensorFlow is loaded
    if len({run.folder.resolve() for run in loaded}) < len(loaded):
        raise TextgenError("RUN: the same run is given twice", "leave one out")
    names = [run.experiment.name for run in loaded]
    models = list[PlayModel]()
    for run, name in zip(loaded, names, strict=True):
        models.append(PlayModel(run, name if names.count(name) == 1 else str(run.folder)))
        models[-1].next_tokens("")  # compiles what the first answer would otherwise wait for
        on_open(models[-1])
    return models


class PlayModel:
    """A finished run that answers several questions at once.

    Args:
        run: the run.
        name: on the page.

    Raises:
        TextgenError: a damaged run.
    """

    def __init__(self, run: Run, name: str) -> None:
        self._reader = Reader(run, name)
        self.run, self.name = self._reader.run, name

    def describe(self) -> dict[str, Any]:
        """What the page says of it, as JSON data."""
        bits = self.run.metrics["test"]["bits_per_character"]
        kind = self.run.experiment.resolved["tokenizer"]["kind"]
        note = f"{kind}, {self.run.metrics['vocabulary_size']:,} tokens"
        if bits:
            note += f", {bits['total']:.3f} bits per character"
        return {"name": self.name, "note": note, "memory": self.run.memory is not None}

    def next_tokens(self, text: str, memory: bool = False) -> list[tuple[str, float]]:
        """The most probable next tokens after a text, whose last word counts as finished, each
        with its probability.

        Raises:
            TextgenError: characters that the model has never seen, or no memory.
        """
        reader = self._reader
        probabilities = reader.read(reader.tokens(text), memory).probabilities
        best = np.argsort(-probabilities, kind="stable")[:NEXT_TOKENS]
        return [(reader.tokenizer.names[token], float(probabilities[token])) for token in best]

    def write(self, prompt: str, *, seed: int, **settings: Any) -> Iterator[str]:
        """The text that follows a prompt, piece by piece; settings as for :meth:`Run.generate`."""
        return write(self._reader, prompt, sampling(settings), seed)

    def price(self, text: str) -> dict[str, Any]:
        """What the model charges for a text that it reads as a document of its own, as JSON data.

        Returns:
            ``bits_per_character`` and ``with_memory`` (None: not a distribution over the text, or
            no memory), ``end``, the bits of the end mark, and ``stretches``: [start, end, model
            bits, spelling bits, bits with memory or None] in order, in characters of the text.

        Raises:
            RefusedText: an empty text, or too long a one.
        """
        if not text or len(text) > MAX_PRICED_CHARACTERS:
            raise RefusedText(
                f"the text: {len(text):,} characters, not 1 to {MAX_PRICED_CHARACTERS:,}",
                text=text,
                place=(min(len(text), MAX_PRICED_CHARACTERS), len(text)),
            )
        scored = self.run.score(text)
        memory = scored["with_memory"]
        stretches, start = list[list[float | None]](), 0
        for number, (part, model, spelling) in enumerate(scored["stretches"]):
            end = start + len(part)
            remembered = sum(memory["stretches"][number][1:]) if memory else None
            stretches.append([start, end, model, spelling, remembered])
            start = end
        return {
            "bits_per_character": scored["bits_per_character"],
            "with_memory": memory and memory["bits_per_character"],
            "end": scored["end"],
            "stretches": stretches,
        }
