"""The training loop: updates, validation, checkpoints, resume, divergence."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from textgen.core.errors import Diverged, TextgenError
from textgen.core.experiment import Experiment
from textgen.core.machine import free_memory
from textgen.core.progress import ignore
from textgen.core.randomness import seeded
from textgen.core.settings import Training
from textgen.models.batches import Windows
from textgen.models.network import set_embedding, set_output_bias
from textgen.models.objectives import Objective
from textgen.models.types import Network, Tensor
from textgen.tokenizers.encoded import Encoded
from textgen.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from textgen.training.compute import StageWork
from textgen.training.curve import Curve, curve_updates
from textgen.training.planning import Validation, characters_per_update, planned
from textgen.training.preparation import Prepared
from textgen.training.step import UPDATES_PER_CHECK, Step, check_trainable, shards_of
from textgen.training.stream import Stage, Stream, stages_of

CHECKPOINT_SECONDS = 30.0  # between two checkpoints, at least
Arrays: TypeAlias = dict[str, np.ndarray]
BEST = "best_"  # before the names of arrays that a checkpoint has of the best validation


@dataclass(frozen=True)
class Hooks:
    """What a caller does while a network is trained.

    Attributes:
        on_start: called before the first update, when their number is known.
        on_update: called every few updates with the number of updates made and the training bits
            per token since the last validation.
        on_validation: called after each validation and before its checkpoint, with the weights in
            the network that were validated.
        score: gives the bits per character of the validation text in place of the network's own,
            by which the best weights are chosen.
    """

    on_start: Callable[[Progress], object] = ignore
    on_update: Callable[[int, float], object] = ignore
    on_validation: Callable[[Progress], object] = ignore
    score: Callable[[], float] | None = None


def train(
    run: Path,
    network: Network,
    experiment: Experiment,
    encoded: tuple[Encoded, Encoded],
    threads: int = 1,
    hooks: Hooks = Hooks(),
    first_update: int = 0,
    curve: Curve | None = None,
    step: Step | None = None,
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Weights that are best at a high learning rate have never been cooled. So where validation text
    has had no better figure for a while, the training goes back to the best, in everything that it
    consists of, and on from there with a rate that falls to zero; then it ends.

    Args:
        run: the run folder, which has the checkpoint.
        network: as :func:`new_network` makes it.
        experiment: its objective, backbone, training settings and seed.
        encoded: the training and the validation documents.
        threads: rows of a batch are dealt out to so many.
        hooks: called meanwhile.
        first_update: the number of the first update: batches and masks go on in the order in which
            a training before this one ended. Windows do not grow once more, so that batches go on
            at another place after a training whose windows grew.
        curve: looks at the network after ever more updates.
        step: the network's updates, as :func:`new_step` makes them, if they have been made.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    training, documents = encoded
    settings = experiment.training
    stages = stages_of(settings, experiment.objective)
    if first_update:
        stages = [replace(stages[-1], share=1.0)]
    windows = windows_of(training, experiment.objective)
    if step is None:
        step = new_step(network, experiment, windows, threads, first_update)
    validation = Validation(experiment.objective, network, documents)
    if not hooks.score:
        validation.compile()
    stored = load_checkpoint(run, _shapes(step.arrays()))
    if stored:
        arrays, progress = stored
        step.restore(arrays)
        best = _best_of(arrays)
    else:
        progress = planned(experiment, windows, training, stages, step, validation)
        progress.position = first_update
        progress.stages = [_not_begun(windows, training, stage) for stage in stages]
        best = step.arrays()
    if hooks.score:
        progress.validation_share = 1.0

    def network_score() -> float:
        return validation.bits_per_character(progress.validation_share)

    running = _Running(
        run=run,
        settings=settings,
        step=step,
        stream=Stream(windows, stages, experiment.seed, progress.updates_planned),
        progress=progress,
        best=best,
        hooks=hooks,
        score=hooks.score or network_score,
        curve=curve,
    )
    running.compile(stages)
    for work, stage in zip(progress.stages, stages, strict=True):
        work["multiplications_per_update"] = step.multiplications_per_update(stage)
    hooks.on_start(progress)
    while not running.is_over:
        interval = running.make_updates()
        running.validate(interval)
        running.save()
    running.end()
    return progress


class _Interval(NamedTuple):
    """What the updates between two validations have cost: their mean loss, and bits per token."""

    loss: float
    bits_per_token: float


class _Running:
    """A training that has been planned or read from its checkpoint, until its end."""

    def __init__(
        self,
        *,
        run: Path,
        settings: Training,
        step: Step,
        stream: Stream,
        progress: Progress,
        best: Arrays,
        hooks: Hooks,
        score: Callable[[], float],
        curve: Curve | None,
    ) -> None:
        self._run = run
        self._step = step
        self._stream = stream
        self._progress = progress
        self._best = best
        self._hooks = hooks
        self._score = score
        self._curve = curve
        self._patience = settings.patience or math.inf
        self._watches_validation = settings.watch == "validation"
        self._points = curve_updates(progress.updates_planned) if curve else []
        self._saved = -math.inf  # when; the first validation writes a checkpoint
        if settings.start and self._watches_validation and progress.updates == 0:
            progress.best = score()  # the weights that it starts from may stay the best
        self._go_on()

    def _go_on(self) -> None:
        """The rate and the batches from where the training stands."""
        self._step.schedule.plan(self._progress)
        self._batches = self._stream.batches(self._progress.position)

    def compile(self, stages: Sequence[Stage]) -> None:
        """Compile whatever will be timed."""
        self._step.compile(stages)
        if self._curve:
            self._curve.look([0], 0.0)

    @property
    def is_over(self) -> bool:
        return self._progress.is_over(self._patience)

    def make_updates(self) -> _Interval:
        """The updates up to the next validation, with the looks of the curve between them.

        Raises:
            Diverged: the loss is no longer a number.
        """
        progress = self._progress
        end = progress.next_validation
        sums = tf.zeros(3, tf.float64)  # loss, bits, targets
        timed_updates = [0 for _ in progress.stages]
        timed_seconds = [0.0 for _ in progress.stages]
        while progress.updates < end:
            number = self._stream.stage_number(progress.position)
            stop = self._next_stop(end)
            updates = stop - progress.updates
            clock = self._step.clock()
            sums, interval = self._update_until(stop, sums)
            timed_seconds[number] += self._step.clock() - clock
            timed_updates[number] += updates
            progress.stages[number]["updates"] += updates
            if stop in self._points:
                self._look()
        timed = zip(progress.stages, timed_seconds, timed_updates, strict=True)
        for stage, seconds, updates in timed:
            if updates:
                stage["paces"].append(seconds / updates)
        return interval

    def _next_stop(self, end: int) -> int:
        """The update after which the next look is due, a stage ends, or all end."""
        progress = self._progress
        end_of_stage = progress.updates + self._stream.updates_left(progress.position)
        looks_ahead = [point for point in self._points if point > progress.updates]
        return int(min([end, end_of_stage, *looks_ahead]))

    def _update_until(self, stop: int, sums: Tensor) -> tuple[Tensor, _Interval]:
        """Updates up to a number of them. Their loss, bits and targets are added to sums (3,)
        float64; returned are these, and what they mean."""
        progress = self._progress
        start = time.perf_counter()
        while progress.updates < stop:
            sums += self._step.update(*next(self._batches))
            progress.updates += 1
            progress.position += 1
            if progress.updates % UPDATES_PER_CHECK == 0 or progress.updates == stop:
                loss, bits, targets = sums.numpy()
                interval = _Interval(float(loss / targets), float(bits / targets))
                _check_finite(interval.loss, progress)
                self._hooks.on_update(progress.updates, interval.bits_per_token)
        progress.seconds += time.perf_counter() - start
        return sums, interval

    def _look(self) -> None:
        """The next point of the curve."""
        assert self._curve
        progress = self._progress
        start = time.perf_counter()
        point = self._curve.look(progress.updates_by_stage, progress.seconds)
        progress.curve.append(point)
        progress.validation_seconds += time.perf_counter() - start

    def validate(self, interval: _Interval) -> None:
        """Validate, keep the weights if they are the best, and go back to the best if a cooling is
        due."""
        progress = self._progress
        start = time.perf_counter()
        bits = self._score()
        progress.validation_seconds += time.perf_counter() - start
        row = {
            "interval": len(progress.history) + 1,
            "updates": progress.updates,
            "seconds": progress.seconds,
            "loss": interval.loss,
            "training_bits_per_token": interval.bits_per_token,
            "validation_bits_per_character": bits,
            "learning_rate": float(self._step.optimizer.learning_rate),
        }
        progress.history.append(row)
        if progress.note(bits if self._watches_validation else interval.loss):
            self._best = self._step.arrays()
        cools = self._watches_validation and progress.begin_cooling(self._patience)
        self._hooks.on_validation(progress)
        if cools:
            self._step.restore(self._best)
            self._go_on()

    def save(self) -> None:
        """Write a checkpoint, if the training is over or the last one is old enough."""
        if not self.is_over and time.perf_counter() - self._saved < CHECKPOINT_SECONDS:
            return
        arrays = {**self._step.arrays(), **_named_best(self._best)}
        save_checkpoint(self._run, arrays, self._progress)
        self._saved = time.perf_counter()

    def end(self) -> None:
        """The last point of the curve, if the training ended early; the best weights."""
        progress = self._progress
        last_point = progress.curve[-1]["updates"] if progress.curve else 0
        if self._curve and last_point < progress.updates:
            self._look()
        self._step.restore(self._best)


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    """Of all arrays of a checkpoint, by those that an update reads and writes."""
    return {key: array.shape for key, array in {**arrays, **_named_best(arrays)}.items()}


def _named_best(arrays: Arrays) -> Arrays:
    """What a training had at its best validation, as a checkpoint names it."""
    return {BEST + key: array for key, array in arrays.items()}


def _best_of(arrays: Arrays) -> Arrays:
    """The arrays of the best validation from those of a checkpoint."""
    return {key.removeprefix(BEST): array for key, array in arrays.items() if key.startswith(BEST)}


def _not_begun(windows: Windows, training: Encoded, stage: Stage) -> StageWork:
    """The work of a stage before its first update."""
    alone = replace(stage, share=1.0)
    characters = characters_per_update(windows, training, [alone])
    return {
        "updates": 0,
        "characters_per_update": characters,
        "multiplications_per_update": None,
        "paces": [],
    }


def _check_finite(loss: float, progress: Progress) -> None:
    """Stop a training that has diverged."""
    if math.isfinite(loss):
        return
    message = f"training: the loss is {loss} at update {progress.updates}"
    hint = "lower training.learning_rate or training.clip_norm"
    if progress.saved_updates:
        hint += f"; the checkpoint of update {progress.saved_updates} is kept"
    raise Diverged(message, hint)


def new_network(experiment: Experiment, prepared: Prepared, threads: int = 1) -> Network:
    """The network of an experiment before its first update, as its seed has it; so many threads
    will train it. The caller's random generators are left alone.

    Raises:
        TextgenError: it would not fit into memory, or :func:`check_trainable` refuses it.
    """
    check_memory(experiment, prepared.tokenizer.size, threads)
    with seeded(experiment.seed):
        network = experiment.objective.build(experiment.backbone, prepared.tokenizer.size)
    set_embedding(network, prepared.vectors.matrix, experiment.embedding.frozen)
    set_output_bias(network, prepared.counts)
    check_trainable(network, experiment.training.loss)
    return network


def check_memory(experiment: Experiment, vocabulary_size: int, threads: int = 1) -> None:
    """Refuse what this machine cannot train, before anything is built.

    Every weight counts nine times: its value and two moments, as they are, as they were at the best
    validation, and in the copy of which a checkpoint is written; and once more for the gradient of
    each thread that has rows of a batch, unless it is in a table, of which few rows have one.
    Logits count four times (value, exponential, gradient, and as much for inputs and states).
    Compiled programs and the rest: 300 MB.

    Raises:
        TextgenError: less memory is free than this estimate.
    """
    objective = experiment.objective
    weights, in_tables, width = objective.measure(experiment.backbone, vocabulary_size)
    gradients = len(shards_of(experiment.training.batch, threads)) * (weights - in_tables)
    targets = experiment.training.batch * objective.length
    numbers = 9 * weights + gradients + 4 * targets * width  # of four bytes
    needed = 4 * numbers + 300_000_000
    free = free_memory()
    if free is not None and needed > free:
        message = (
            f"training: a network of {weights:,} weights over {vocabulary_size:,} tokens, "
            f"with batches of {targets:,} tokens, needs about {needed / 1e9:.1f} GB, "
            f"and {free / 1e9:.1f} GB are free"
        )
        hint = (
            "take fewer units, rows or tokens (minimum_count, size), "
            "or adaptive_softmax in [backbone]"
        )
        raise TextgenError(message, hint)


def windows_of(training: Encoded, objective: Objective) -> Windows:
    """The windows of a training text.

    Raises:
        TextgenError: a text too short for one window.
    """
    windows = Windows(training, objective)
    tokens = len(windows.flat)
    window = objective.length
    if tokens < window + 1:
        message = (
            f"corpus: {tokens} tokens of training text, and more than one window of {window} "
            "is needed"
        )
        raise TextgenError(message, "use more text, or a smaller window in [objective]")
    return windows


def new_step(
    network: Network,
    experiment: Experiment,
    windows: Windows,
    threads: int = 1,
    first_update: int = 0,
) -> Step:
    """The update of a network whose training begins, with the number of its first update."""
    output = network.output_layer
    tail = windows.share(output.head_size) if output.head_size < output.size else 0.0
    return Step(network, experiment.objective, experiment.training, tail, threads, first_update)
