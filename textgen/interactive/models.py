"""Finished runs opened for the page: what each writes, expects next, and charges for a text."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import RefusedText, TextgenError
from textgen.core.numbers import common_length
from textgen.core.progress import raise_if_cancelled
from textgen.core.settings import Sampling
from textgen.core.terminal import visible
from textgen.core.validation import build
from textgen.evaluation.sampler import Stepper
from textgen.evaluation.units import PART_LABELS
from textgen.runs.finished import Run, load_run
from textgen.runs.generation import Writer, encode_prompt, requests

# As many connections as a browser opens to one host.
MAX_MODELS = 6
MAX_PROMPT_CHARACTERS = 4000
MAX_PRICED_CHARACTERS = 20_000
NEXT_TOKENS = 10
# Tokens between two places that are kept, so that a text that grows is not read again.
KEPT_EVERY = 16


def open_models(runs: Sequence[str | Path | Run], part: str = "network") -> "list[PlayModel]":
    """The models of finished runs, ready to answer; the name of each is printed when it is.

    Args:
        runs: their folders.
        part: of the models, that is asked first.

    Raises:
        TextgenError: no such run or part, a damaged run, the same one twice, or too many.
    """
    if len(runs) > MAX_MODELS:
        message = f"RUN: {len(runs)} runs; at most {MAX_MODELS} fit on the page"
        raise TextgenError(message, "leave some out")
    loaded = [load_run(run) for run in runs]  # all are checked before TensorFlow is loaded
    if len({run.folder.resolve() for run in loaded}) < len(loaded):
        raise TextgenError("RUN: the same run is given twice", "leave one out")
    names = [run.experiment.name for run in loaded]
    models = list[PlayModel]()
    for run, name in zip(loaded, names, strict=True):
        models.append(PlayModel(run, name if names.count(name) == 1 else str(run.folder)))
        models[-1].next_tokens("", part)  # compiles what the first answer would otherwise wait for
        print(f"{visible(models[-1].name)} is ready", flush=True)
    return models


class PlayModel:
    """A finished run that answers several questions at once.

    Args:
        run: the run. Where its network goes on learning, the part ``with_cache`` does not answer:
            all who ask would share its weights.
        name: on the page.
    """

    def __init__(self, run: Run, name: str) -> None:
        self.run, self.name = Run(run.folder), name
        if self.run.experiment.cache.learning_rate:
            self.run.model = replace(self.run.model, cache=None)
        self.parts = self.run.model.parts
        self._kept: dict[str, tuple[list[int], list[Stepper]]] = {}
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What the page says of it, as JSON data."""
        metrics = self.run.metrics
        kind = self.run.experiment.resolved["tokenizer"]["kind"]
        note = f"{kind}, {metrics.vocabulary_size:,} tokens"
        if bits := metrics.test.parts["network"].bits_per_character:
            note += f", network {bits.total:.3f} bits per character"
        return {"name": self.name, "note": note, "parts": {p: PART_LABELS[p] for p in self.parts}}

    def next_tokens(self, text: str, part: str = "network") -> list[tuple[str, float]]:
        """The most probable next tokens after a text, whose last word counts as finished, each
        with its probability.

        Raises:
            TextgenError: characters that the model has never seen, or no such part.
        """
        tokens = self._check_prompt(text, part)
        with self._lock:
            probabilities = self._read(tokens, part).probabilities()
        best = np.argsort(-probabilities, kind="stable")[:NEXT_TOKENS]
        return [(self.run.tokenizer.names[token], float(probabilities[token])) for token in best]

    def _check_prompt(self, text: str, part: str) -> list[int]:
        """The tokens of a prompt.

        Raises:
            TextgenError: it is too long or cannot be read, or there is no such part.
        """
        if part not in self.parts:
            raise TextgenError(f"{self.name} has no such part: {PART_LABELS.get(part, part)}")
        if (excess := len(text) - MAX_PROMPT_CHARACTERS) > 0:
            message = f"{len(text):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are continued"
            raise RefusedText(message, None, place=(0, excess))
        return encode_prompt(self.run.tokenizer, text, "the text").tolist()

    def _read(self, tokens: list[int], part: str) -> Stepper:
        """The place after some tokens, to be left as it is."""
        if part not in self._kept:
            self._kept[part] = [], [Stepper(self.run.part(part))]
        before, places = self._kept[part]
        shared = common_length(before, tokens)
        del places[shared // KEPT_EVERY + 1 :]
        self._kept[part] = tokens, places
        stepper, start = places[-1].copy(), (len(places) - 1) * KEPT_EVERY
        for number, token in enumerate(tokens[start:], start + 1):
            raise_if_cancelled()
            stepper.append(token)
            if number % KEPT_EVERY == 0:
                places.append(stepper.copy())
        return stepper

    def write(self, prompt: str, *, seed: int, **settings: Any) -> Iterator[str]:
        """The text that :meth:`Run.generate` writes with the same settings, piece by piece."""
        one = {"samples": 1, "prompts": [prompt]}
        chosen: Sampling = build(Sampling, {**one, **settings}, "settings")
        self._check_prompt(prompt, chosen.part)
        (request,) = requests(chosen, seed)
        yield from Writer(self.run.part(chosen.part), chosen).stream(request)

    def price(self, text: str) -> dict[str, Any]:
        """What :meth:`Run.score` says of a text.

        Raises:
            RefusedText: an empty text, or too long a one.
        """
        number, most = len(text), MAX_PRICED_CHARACTERS
        if not 0 < number <= most:
            message = f"{number:,} characters; 1 to {most:,} can be scored"
            raise RefusedText(message, None, place=(min(number, most), number))
        return self.run.score(text)
