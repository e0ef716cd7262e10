"""What an arm needs: seconds of preparation, seconds an update, parameters.

``python -m textgen.studies.calibration EXPERIMENT.toml`` measures one experiment; a study measures
every arm like this, in a fresh process each.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
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


def measure_apart(experiment: Experiment, folder: Path, *, seconds: float) -> dict[str, Any] | str:
    """:func:`measure` in a process of its own, for a study in a folder; if it fails, what that
    process printed."""
    with scratch_in(folder) as scratch:
        settings, output = scratch / "experiment.toml", scratch / "found.json"
        log = scratch / "log.txt"
        write_experiment(settings, experiment)
        arguments = [str(settings), "--output", str(output), "--seconds", str(seconds)]
        if code := finish_process(start_process(["textgen.studies.calibration", *arguments], log)):
            return printed(log, code)
        return json.loads(output.read_text(encoding="utf-8"))


def measure(experiment: Experiment, *, seconds: float = SECONDS) -> dict[str, Any]:
    """Prepare an experiment, build its network, and time updates that change no weight: on one
    thread by the processor's own clock, for which other work on the machine does not count.

    Args:
        experiment: with as many threads as the runs will have.
        seconds: how long updates are timed, at least; 0 times none.

    Returns:
        ``units``, ``parameters``, ``preparation_seconds``, and if updates were timed
        ``seconds_per_update`` (the median over ``calls`` calls of several updates each) and
        ``around_seconds``: what a run takes besides, about, to start, validate, score and write
        its samples.

    Raises:
        TextgenError: an unusable corpus.
    """
    loaded = load_corpus(experiment)
    prepared, begin = prepare(experiment, loaded), time.perf_counter()
    from textgen.core import start_tensorflow

    threads = start_tensorflow(
        experiment.training.threads, experiment.training.deterministic, parts=True
    )
    from textgen.training import new_network

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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Time the preparation and the updates of one run.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long updates are timed")
    parser.add_argument("--output", type=Path, help="a JSON file instead of the terminal")
    given = parser.parse_args(arguments)
    try:
        experiment = load_experiment(given.experiment)
        found = measure(experiment, seconds=given.seconds)
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
