"""What an arm takes: seconds of preparation, seconds an update, units for a number of parameters.

``python -m textgen.studies.calibration EXPERIMENT.toml`` measures one experiment; a study does it
for every arm, each in a fresh process of its own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen.core import Experiment, TextgenError, load_experiment
from textgen.data import load_corpus
from textgen.training import prepare

SECONDS = 10.0
"""Of timed updates, at least."""
CALLS = 3
"""Calls that are timed however long they take."""
TOLERANCE = 0.02
"""Of a wanted number of parameters."""


def measure(
    experiment: Experiment, *, seconds: float = SECONDS, parameters: int | None = None
) -> dict[str, Any]:
    """Prepare an experiment, build its network, and time updates that change no weight.

    Args:
        experiment: its threads are those of the runs to come.
        seconds: of timed updates; 0 times none.
        parameters: units are solved for until the network has about as many; None keeps them.

    Returns:
        ``units``, ``parameters``, ``preparation_seconds``, and where updates were timed
        ``seconds_per_update`` (the median over ``calls`` calls of several updates each) with
        ``kernel``.

    Raises:
        TextgenError: the corpus, the vocabulary or the number of parameters does not work out.
    """
    prepared = prepare(experiment, load_corpus(experiment))
    from textgen.core import start_tensorflow

    threads = start_tensorflow(
        experiment.training.threads, experiment.training.deterministic, parts=True
    )
    from textgen.training import compiled, dataset, new_network, time_updates, windows_of

    settings, size = experiment.backbone, prepared.tokenizer.size
    if parameters is not None:

        def count(units: tuple[int, ...]) -> int:
            changed = replace(settings, units=units)
            return experiment.objective.build(changed, size).count_params()

        settings = replace(settings, units=solve_units(settings, count, parameters))
    experiment = replace(experiment, backbone=settings)
    network = new_network(experiment, prepared)
    found = {
        "units": list(settings.units),
        "parameters": network.count_params(),
        "preparation_seconds": prepared.seconds,
    }
    if seconds:
        from textgen.training import choose_kernel

        documents, own, objective = prepared.encoded[0], experiment.training, experiment.objective
        kernel = choose_kernel(experiment, own, network, documents, threads)
        windows = windows_of(documents, objective)
        each, calls = time_updates(
            *compiled(network, objective, settings, own, windows, kernel.name, threads),
            dataset(windows, own.batch, experiment.seed, 0),
            seconds,
            CALLS,
        )
        found |= {"seconds_per_update": each, "calls": calls, "kernel": kernel.name}
    return found


def solve_units(
    settings: Any, count: Callable[[tuple[int, ...]], int], wanted: int
) -> tuple[int, ...]:
    """Units with which a network has about ``wanted`` parameters, all layers scaled alike.

    Args:
        settings: whose ``units`` give the proportions.
        count: parameters in all with so many units.
        wanted: met within TOLERANCE.

    Raises:
        TextgenError: what does not depend on the units is too large, or the steps are too coarse.
    """
    largest = max(settings.units)

    def scaled(k: int) -> tuple[int, ...]:
        return tuple(max(1, round(units * k / largest)) for units in settings.units)

    low, high = 1, 2
    tried = {k: count(scaled(k)) for k in (low, high)}
    if tried[low] > wanted * (1 + TOLERANCE):
        raise TextgenError(
            "budget.parameters",
            found=f"{wanted:,}, but this arm has {tried[low]:,} with a single unit a layer: its "
            "tokens take them",
            expected="more than embedding and output have by themselves",
            hint=f"raise budget.parameters, or lower {_movable(settings)}",
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
            expected=f"a number that whole units meet within {TOLERANCE:.0%}",
            hint=f"set budget.parameters = {tried[best]}, or change backbone.units",
        )
    return scaled(best)


def _movable(settings: Any) -> str:
    """What makes an embedding and an output smaller."""
    parts = ["backbone.embedding_size"] if settings.input == "embedding" else []
    if settings.adaptive_softmax:
        parts.append("backbone.adaptive_softmax.tail_size")
    return ", ".join([*parts, "the vocabulary (tokenizer.minimum_count up, tokenizer.size down)"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Time the preparation and the updates of one run.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of timed updates")
    parser.add_argument("--parameters", type=int, help="find units that give so many in all")
    parser.add_argument("--output", type=Path, help="a JSON file, in place of the terminal")
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
