"""One run from its experiment to a finished folder: prepare, train, evaluate, write."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.core import Experiment, load_experiment, start_tensorflow, write_json
from textgen.runs.finished import Run
from textgen.runs.finishing import Inputs, Trained, evaluate, write_run
from textgen.runs.folder import begin_folder, check_same_text, prepare_folder
from textgen.runs.resuming import resumed, trained
from textgen.runs.saved import fitted_state

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.data import Corpus
    from textgen.runs.plan import Plan
    from textgen.training import Progress


def train(
    experiment: str | Path | Experiment,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    runs_folder: str | Path = "runs",
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Train, score and sample one experiment.

    Args:
        experiment: a TOML file, or an Experiment.
        overrides: ``table.key=value`` strings.
        name: the run's name; the experiment's own if None.
        runs_folder: where run folders lie.
        overwrite: replace a run of that name.
        quiet: no progress on the terminal.

    Returns:
        The finished run. A run that was interrupted is resumed.

    Raises:
        TextgenError: anything wrong with the settings, the text or the folder.
    """
    from textgen.data import load_corpus

    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment, overrides, name)
    if "tensorflow" in sys.modules:  # else it is started when it is needed
        settings = experiment.training
        start_tensorflow(settings.threads, settings.deterministic, parts=True)
    folder = Path(runs_folder) / experiment.name
    lock = prepare_folder(folder, experiment, overwrite)
    try:
        loaded = load_corpus(experiment)
        inputs = _prepare(folder, experiment, loaded, quiet, overwrite)
        model = _train(inputs, overwrite)
        write_run(inputs, model, evaluate(inputs, model))
    finally:
        lock.release()
    return Run(folder)


def _prepare(
    folder: Path, experiment: Experiment, loaded: Corpus, quiet: bool, overwrite: bool
) -> Inputs:
    """Fit the tokenizer, encode the text, and check everything that needs no TensorFlow."""
    from textgen.runs.console import Screen
    from textgen.runs.generation import check_room, encode_prompt
    from textgen.training import prepare, subtract_preparation_time

    screen = Screen(quiet)
    screen.corpus(experiment, loaded)
    if not overwrite and (place := resumed(folder)):
        screen.say(f"{experiment.name}: {place}")
    with screen.phase("preparing the text"):
        prepared = prepare(experiment, loaded)
    for prompt in experiment.sampling.prompts:
        encode_prompt(prepared.tokenizer, prompt, "sampling.prompts")
    check_room(prepared.tokenizer, experiment.sampling, experiment.memory.orders)
    goes_on = trained(folder) and not overwrite
    settings = experiment.training
    if not goes_on:  # which keeps its number of updates
        settings = subtract_preparation_time(settings, prepared.seconds)
    if not overwrite:
        check_same_text(folder, loaded.sha256)
    return Inputs(folder, experiment, loaded, prepared, settings, screen)


def _train(inputs: Inputs, overwrite: bool) -> Trained:
    """Train the network and begin the folder."""
    with ExitStack() as starting:
        starting.enter_context(inputs.screen.phase("loading TensorFlow, compiling"))
        return _fit(inputs, overwrite, starting)


def _fit(inputs: Inputs, overwrite: bool, starting: ExitStack) -> Trained:
    """``starting`` is closed before the first update."""
    experiment, settings, screen = inputs.experiment, inputs.settings, inputs.screen
    tokenizer, encoded = inputs.prepared.tokenizer, inputs.prepared.encoded
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    import keras

    from textgen.models import Sampler
    from textgen.runs.console import TrainingDisplay
    from textgen.runs.manifest import describe_run
    from textgen.runs.plan import planned
    from textgen.runs.rounds import Recorder
    from textgen.training import (
        Hooks,
        check_trainable,
        new_network,
        windows_of,
    )
    from textgen.training import train as train_network

    network = new_network(experiment, inputs.prepared)
    check_trainable(network, settings.loss)
    windows_of(encoded[0], experiment.objective)
    begin_folder(inputs.folder, experiment, overwrite)  # no check can fail any more
    write_json(inputs.folder / "tokenizer.json", fitted_state(experiment, tokenizer))
    write_json(
        inputs.folder / "manifest.json", describe_run(experiment, inputs.loaded, inputs.folder)
    )
    keras.utils.set_random_seed(experiment.seed)
    sampler = Sampler(experiment.objective, network, tokenizer.unwritable)
    screen.model(tokenizer, network.count_params(), experiment)
    screen.prepared(inputs.prepared.seconds, inputs.prepared.extra_data)
    record = Recorder(inputs.folder, experiment, tokenizer, sampler, network, inputs.loaded)
    shown = TrainingDisplay(screen, experiment, tokenizer, encoded[0])
    plans = list["Plan | None"]()

    def on_start(progress: Progress) -> None:
        given = experiment, inputs.loaded, inputs.prepared, network, sampler, progress
        plans.append(None if screen.quiet else planned(*given))
        starting.close()
        screen.planned(progress, plans[-1])
        record.start(progress)
        shown.start(progress)

    def on_validation(progress: Progress) -> None:
        record.add(progress)
        shown.validated(progress, record.text)

    with screen:
        progress = train_network(
            inputs.folder, network, replace(experiment, training=settings), encoded,
            threads, Hooks(on_start, shown.update, on_validation),
        )  # fmt: skip
    return Trained(network, sampler, progress, plans[-1] if plans else None)
