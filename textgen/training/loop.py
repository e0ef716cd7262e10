"""The training loop: updates, validation, checkpoints, resume, divergence."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from textgen.core.errors import Diverged, TextgenError
from textgen.core.experiment import Experiment
from textgen.core.machine import free_memory
from textgen.core.progress import ignore
from textgen.core.randomness import seeded
from textgen.models.batches import Batch, Windows
from textgen.models.network import set_embedding, set_output_bias
from textgen.models.objectives import Objective
from textgen.models.types import Network
from textgen.tokenizers.encoded import Encoded
from textgen.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from textgen.training.planning import Validation, planned
from textgen.training.preparation import Prepared
from textgen.training.step import UPDATES_PER_CHECK, Step, check_trainable, shards_of


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
) -> Progress:
    """Train ``network`` in place and leave the best weights by validation in it.

    Weights that are best at a high learning rate have never been cooled. So where validation text
    has two figures above the best, running, the training goes back to the best, in everything that
    it consists of, and on from there with a rate that falls to zero; then it ends.

    Args:
        run: the run folder, which has the checkpoint.
        network: as :func:`new_network` makes it.
        experiment: its objective, backbone, training settings and seed.
        encoded: the training and the validation documents.
        threads: rows of a batch are dealt out to so many.
        hooks: called meanwhile.
        first_update: the number of the first update: batches and masks go on in the order in which
            a training before this one ended.

    Raises:
        TextgenError: a corpus too short for one window, or a damaged checkpoint.
        Diverged: the loss is no longer a number. The last checkpoint stays.
    """
    (training, documents), settings = encoded, experiment.training
    windows = windows_of(training, experiment.objective)
    step = new_step(network, experiment, windows, threads)
    step.first_update = first_update
    validation = Validation(experiment.objective, network, documents)
    score = hooks.score or (lambda: validation.bits_per_character(progress.validation_share))
    best = step.arrays()
    shapes = {key: array.shape for key, array in {**best, **_named_best(best)}.items()}
    if stored := load_checkpoint(run, shapes):
        arrays, progress = stored
        step.restore(arrays)
        best = {key: arrays[name] for key, name in zip(best, _named_best(best), strict=True)}
    else:
        progress = planned(experiment, windows, training, step, validation)
        if settings.start and settings.watch == "validation":  # whose weights may stay the best
            progress.best = score()
    if hooks.score:  # by all documents
        progress.validation_share = 1.0
    step.schedule.updates.assign(progress.updates_planned)
    patience = settings.patience or math.inf
    hooks.on_start(progress)

    def batches_from_here() -> Iterator[Batch]:
        if progress.cooling_updates:
            step.schedule.cooling.assign([progress.cooled_from, progress.cooling_updates])
        return windows.training(settings.batch, experiment.seed, first_update + progress.position)

    batches = batches_from_here()
    while not progress.is_over(patience):
        loss, bits_per_token = _make_updates(step, batches, progress, hooks)
        start = time.perf_counter()
        bits = score()
        progress.validation_seconds += time.perf_counter() - start
        row = {
            "interval": len(progress.history) + 1,
            "updates": progress.updates,
            "seconds": progress.seconds,
            "loss": loss,
            "training_bits_per_token": bits_per_token,
            "validation_bits_per_character": bits,
            "learning_rate": float(step.optimizer.learning_rate),
        }
        progress.history.append(row)
        watched = bits if settings.watch == "validation" else loss
        if is_best := watched < progress.best:
            progress.best = watched
            progress.best_interval = len(progress.history)
        cools = settings.watch == "validation" and progress.begin_cooling(patience)
        hooks.on_validation(progress)
        if cools:
            step.restore(best)
            batches = batches_from_here()
        arrays = step.arrays()
        best = arrays if is_best else best
        save_checkpoint(run, {**arrays, **_named_best(best)}, progress)
    step.restore(best)
    return progress


def _named_best(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a training had at its best validation, as a checkpoint names it."""
    return {f"best_{key}": array for key, array in arrays.items()}


def _make_updates(
    step: Step, batches: Iterator[Batch], progress: Progress, hooks: Hooks
) -> tuple[float, float]:
    """The updates up to the next validation: their mean loss, and bits per token.

    Raises:
        Diverged: the loss is no longer a number.
    """
    sums, start, begin = tf.zeros(3, tf.float64), time.perf_counter(), step.clock()
    first, end = progress.updates, progress.next_validation
    while progress.updates < end:
        sums += step.update(*next(batches))
        progress.updates += 1
        if progress.updates % UPDATES_PER_CHECK and progress.updates != end:
            continue
        loss, bits_per_token = (float(sums[i] / sums[2]) for i in (0, 1))
        if not math.isfinite(loss):
            message = f"training: the loss is {loss} at update {progress.updates}"
            hint = "lower training.learning_rate or training.clip_norm"
            if progress.history:
                saved = int(progress.history[-1]["updates"])
                hint += f"; the checkpoint of update {saved} is kept"
            raise Diverged(message, hint)
        hooks.on_update(progress.updates, bits_per_token)
    progress.seconds += time.perf_counter() - start
    progress.paces.append((step.clock() - begin) / (end - first))
    return loss, bits_per_token


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


def new_step(network: Network, experiment: Experiment, windows: Windows, threads: int = 1) -> Step:
    """The update of a network whose training begins."""
    output = network.output_layer
    tail = windows.share(output.head_size) if output.head_size < output.size else 0.0
    return Step(network, experiment.objective, experiment.training, tail, threads)
