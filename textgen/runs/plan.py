"""What a run with a budget in seconds will take in all, printed before it trains."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.evaluation.dynamic import dynamic_seconds
from textgen.evaluation.memory import memory_seconds
from textgen.evaluation.scorer import scoring_seconds
from textgen.models.sampler import FREE, Sampler
from textgen.runs.evaluation import Evaluation
from textgen.runs.generation import MARGIN
from textgen.training.loop import VALIDATION_SHARE

if TYPE_CHECKING:
    from textgen.core.experiment import Experiment
    from textgen.data.loading import Corpus
    from textgen.tokenizers.base import Tokenizer
    from textgen.training.checkpoint import Progress
    from textgen.training.preparation import Prepared

STEPS = 128
"""Tokens a row that are drawn to see how long that takes: as many as one call of the loop draws."""


@dataclass(frozen=True)
class Plan:
    """Seconds from the end of the preparation, about.

    Attributes:
        training: with its validations.
        scoring: all of the validation and the test text; where the network goes on learning, again.
        samples: those of the experiment, and a sweep of temperatures.
        start: when it was made, on the clock of ``time.perf_counter``.
    """

    training: float
    scoring: float
    samples: float
    start: float = field(default_factory=time.perf_counter)

    def as_dict(self) -> dict[str, float]:
        """For ``metrics.json``: the seconds of each part, of all, and those it took."""
        parts = {name: getattr(self, name) for name in ("training", "scoring", "samples", "total")}
        return {**parts, "taken": time.perf_counter() - self.start}

    @property
    def total(self) -> float:
        return self.training + self.scoring + self.samples

    def __str__(self) -> str:
        end = time.strftime("%H:%M", time.localtime(time.time() + self.total))
        return (
            f"training {minutes(self.training)}, scoring about {minutes(self.scoring)}, samples "
            f"about {minutes(self.samples)}; done at about {end}"
        )


def minutes(seconds: float) -> str:
    """``"4:05"``."""
    whole = math.ceil(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def planned(
    experiment: Experiment,
    loaded: Corpus,
    prepared: Prepared,
    network: Any,
    sampler: Sampler,
    progress: Progress,
) -> Plan | None:
    """The plan of a training that has been calibrated; None of one that was not. What is compiled
    for it is used later."""
    each, tokenizer = progress.calibration_seconds_per_update, prepared.tokenizer
    if not each:
        return None
    left = progress.updates_planned - progress.updates
    training = (1 + VALIDATION_SHARE) * left * each
    tokens = [encoded.tokens for encoded in prepared.encoded[1]]
    scoring, once = scoring_seconds(experiment.objective, network, tokens)
    if orders := experiment.memory.orders:
        tuning, reading = memory_seconds(orders, tokens)
        scoring, once = scoring + reading, once + tuning
    if experiment.memory.learning_rate:
        scoring += dynamic_seconds(experiment.objective, network, tokens)
    validation, test = (sum(d.characters for d in x) for x in (loaded.validation, loaded.test))
    settings, own = Evaluation(), experiment.sampling
    drawn = (
        (settings.samples, len(settings.temperatures) * settings.length),
        (len(settings.prompts), settings.prompted),
        (own.samples * len(own.prompts), own.length),
    )
    samples = sum(_draw_seconds(sampler, tokenizer, rows, characters) for rows, characters in drawn)
    return Plan(training, scoring * (1 + test / validation) + once, samples)


def _draw_seconds(sampler: Sampler, tokenizer: Tokenizer, rows: int, characters: int) -> float:
    """To write so many characters in each of some rows; what is compiled for it is kept."""
    free = np.full((rows, STEPS), FREE)
    sampler.draw(free)
    start = time.perf_counter()
    sampler.draw(free)
    each = (time.perf_counter() - start) / STEPS
    return each * MARGIN * characters / tokenizer.characters_per_token
