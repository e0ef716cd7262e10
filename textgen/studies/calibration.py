"""What an arm needs: seconds of preparation, seconds an update, units for a number of parameters.

``python -m textgen.studies.calibration EXPERIMENT.toml`` measures one experiment; a study measures
every arm like this, in a fresh process each.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen.core import (
    Experiment,
    TextgenError,
    finish_process,
    load_experiment,
    start_process,
)
from textgen.data import Corpus, load_corpus
from textgen.runs import write_experiment
from textgen.studies.workers import printed, scratch_in
from textgen.training import Prepared, prepare

SECONDS = 10.0
"""Timed updates take at least so long."""
CALLS = 3
"""Calls that are timed, however long they take."""
TOLERANCE = 0.02
"""How far a number of parameters may be from the wanted one, as a share of it."""


def measure_apart(
    experiment: Experiment, folder: Path, *, seconds: float, parameters: int | None
) -> dict[str, Any] | str:
    """:func:`measure` in a process of its own, for a study in a folder; if it fails, what that
    process printed."""
    with scratch_in(folder) as scratch:
        settings, output = scratch / "experiment.toml", scratch / "found.json"
        log = scratch / "log.txt"
        write_experiment(settings, experiment)
        arguments = [str(settings), "--output", str(output), "--seconds", str(seconds)]
        if parameters is not None:
            arguments += ["--parameters", str(parameters)]
        if code := finish_process(start_process(["textgen.studies.calibration", *arguments], log)):
            return printed(log, code)
        return json.loads(output.read_text(encoding="utf-8"))


def measure(
    experiment: Experiment, *, seconds: float = SECONDS, parameters: int | None = None
) -> dict[str, Any]:
    """Prepare an experiment, build its network, and time updates that change no weight: on one
    thread by the processor's own clock, for which other work on the machine does not count.

    Args:
        experiment: with as many threads as the runs will have.
        seconds: how long updates are timed, at least; 0 times none.
        parameters: change the units until the network has about as many; None keeps the units.

    Returns:
        ``units``, ``parameters``, ``preparation_seconds``, and if updates were timed
        ``seconds_per_update`` (the median over ``calls`` calls of several updates each) and
        ``around_seconds``: what a run takes besides, about, to start, validate, score and write
        its samples.

    Raises:
        TextgenError: an unusable corpus, or a number of parameters that cannot be reached.
    """
    loaded = load_corpus(experiment)
    prepared, begin = prepare(experiment, loaded), time.perf_counter()
    from textgen.core import start_tensorflow

    threads = start_tensorflow(
        experiment.training.threads, experiment.training.deterministic, parts=True
    )
    from textgen.training import new_network

    if parameters is not None:
        experiment = _of_size(experiment, prepared.tokenizer.size, parameters)
    network = new_network(experiment, prepared)
    found = {
        "units": list(experiment.backbone.units),
        "parameters": network.count_params(),
        "preparation_seconds": prepared.seconds,
    }
    if seconds:
        starting = time.perf_counter() - begin
        found |= _times(experiment, loaded, prepared, network, threads, seconds)
        found["around_seconds"] += starting
    return found


def _times(
    experiment: Experiment, loaded: Corpus, prepared: Prepared, network: Any, threads: int,
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """What :func:`measure` times, for so many seconds: updates, and about what is done around them,
    their compilation included."""
    from textgen.evaluation import scoring_seconds
    from textgen.models import Sampler
    from textgen.runs import planned
    from textgen.training import (
        UPDATES_PER_CHECK,
        Progress,
        new_step,
        time_updates,
        windows_of,
    )

    (documents, validation), own = prepared.encoded, experiment.training
    begin, windows = time.perf_counter(), windows_of(documents, experiment.objective)
    step = new_step(network, experiment, windows, threads)
    batches = windows.training(own.batch, experiment.seed)
    clock = time.process_time if threads == 1 else time.perf_counter
    each, calls = time_updates(step, batches, seconds, CALLS, clock)
    compiling = time.perf_counter() - begin - calls * UPDATES_PER_CHECK * each
    progress = Progress(calibration_seconds_per_update=each)
    sampler = Sampler(experiment.objective, network, prepared.tokenizer.unwritable)
    after = planned(experiment, loaded, prepared, network, sampler, progress)
    assert after is not None  # it has been calibrated
    tokens = [encoded.tokens for encoded in validation]
    validating, _ = scoring_seconds(experiment.objective, network, tokens)
    around = max(0.0, compiling) + own.validations * validating + after.scoring + after.samples
    timed = {"seconds_per_update": each, "calls": calls}
    return {**timed, "around_seconds": around}


def _of_size(experiment: Experiment, vocabulary_size: int, parameters: int) -> Experiment:
    """With as many units as give its network about so many parameters."""
    settings = experiment.backbone

    def count(units: tuple[int, ...]) -> int:
        changed = replace(settings, units=units)
        return experiment.objective.build(changed, vocabulary_size).count_params()

    units = solve_units(settings, count, parameters)
    return replace(experiment, backbone=replace(settings, units=units))


def solve_units(
    settings: Any, count: Callable[[tuple[int, ...]], int], wanted: int
) -> tuple[int, ...]:
    """Units with which a network has about ``wanted`` parameters, all layers scaled alike.

    Args:
        settings: its ``units`` give the proportions of the layers.
        count: the number of parameters with given units.
        wanted: reached within TOLERANCE.

    Raises:
        TextgenError: embedding and output alone are too large, or no whole units come near enough.
    """
    largest = max(settings.units)

    def scaled(k: int) -> tuple[int, ...]:
        return tuple(max(1, round(units * k / largest)) for units in settings.units)

    low, high = 1, 2
    tried = {k: count(scaled(k)) for k in (low, high)}
    if tried[low] > wanted * (1 + TOLERANCE):
        raise TextgenError(
            "budget.parameters",
            found=f"{wanted:,}, but this arm has {tried[low]:,} with a single unit in each layer: "
            "what does not depend on the units takes them",
            expected="more than embedding, output and tables alone have",
            hint=f"raise budget.parameters, or lower {_reducible(settings)}",
        )
    while tried[high] < wanted:
        low, high = high, high * 2
        tried[high] = count(scaled(high))
    while high - low > 1:
        middle = (low + high) // 2
        tried[middle] = count(scaled(middle))
        low, high = (middle, high) if tried[middle] < wanted else (low, middle)
    best = min(tried, key=lambda k: abs(tried[k] - wanted))
    if abs(tried[best] - wanted) > TOLERANCE * wanted:
        raise TextgenError(
            "budget.parameters",
            found=f"{wanted:,}; the nearest is {tried[best]:,}, with units = {list(scaled(best))}",
            expected=f"a number that whole units reach within {TOLERANCE:.0%}",
            hint=f"set budget.parameters = {tried[best]}, or change backbone.units",
        )
    return scaled(best)


def _reducible(settings: Any) -> str:
    """The settings that make the embedding and the output smaller."""
    parts = ["backbone.embedding_size"] if settings.input == "embedding" else []
    if settings.ngrams:
        parts.append("backbone.ngrams.rows")
    if settings.adaptive_softmax:
        parts.append("backbone.adaptive_softmax.tail_size")
    return ", ".join([*parts, "the vocabulary (tokenizer.minimum_count up, tokenizer.size down)"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Time the preparation and the updates of one run.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long updates are timed")
    parser.add_argument("--parameters", type=int, help="find units for this number")
    parser.add_argument("--output", type=Path, help="a JSON file instead of the terminal")
    given = parser.parse_args(arguments)
    try:
        experiment = load_experiment(given.experiment)
        found = measure(experiment, seconds=given.seconds, parameters=given.parameters)
    except TextgenError as error:
        print(f"textgen: {error}", file=sys.stderr)
        return 2
    text = json.dumps(found, indent=2)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
