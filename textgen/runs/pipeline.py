"""One run from its experiment to a finished folder: load, prepare, train, evaluate, write."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import write_csv, write_file, write_json
from textgen.core.machine import start_tensorflow
from textgen.data.loading import load_corpus
from textgen.evaluation.dynamic import dynamic_bits, measure_gradients
from textgen.evaluation.likelihood import score_documents, score_encoded, tuned_memory, with_memory
from textgen.evaluation.mixture import MixtureSampler
from textgen.models.sampler import Sampler
from textgen.runs.console import Screen, TrainingDisplay
from textgen.runs.evaluation import write_evaluation
from textgen.runs.finished import Run
from textgen.runs.folder import (
    MEMORY_FILE,
    METRICS_FILE,
    TOKENIZER_FILE,
    begin_folder,
    check_same_text,
    checksums,
    fitted_state,
    has_checkpoint,
    prepare_folder,
    resumed,
    save_network,
)
from textgen.runs.generation import check_room, encode_prompt, sample_texts
from textgen.runs.results import (
    describe_run,
    draw_samples,
    run_metrics,
    samples_text,
    summary_markdown,
)
from textgen.runs.schemas import Metrics, parse
from textgen.training.checkpoint import CHECKPOINT_FILE
from textgen.training.preparation import prepare, subtract_preparation_time

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.core.settings import Training
    from textgen.data.loading import Corpus
    from textgen.evaluation.likelihood import DocumentBits
    from textgen.evaluation.memory import Memory
    from textgen.models.sampler import Sampler
    from textgen.runs.console import Screen
    from textgen.runs.plan import Plan
    from textgen.training.checkpoint import Progress
    from textgen.training.preparation import Prepared

SAMPLE_CHARACTERS = 200
"""Of a text that is shown while the network is trained."""


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
    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment, overrides, name)
    if "tensorflow" in sys.modules:  # else it is started when it is needed
        settings = experiment.training
        start_tensorflow(settings.threads, settings.deterministic, parts=True)
    folder = Path(runs_folder) / experiment.name
    lock = prepare_folder(folder, experiment, overwrite)
    try:
        with Screen(quiet) as screen:
            job = _Job(folder, experiment, load_corpus(experiment), screen, overwrite)
            prepared, settings = _prepare(job)
            trained = _train(job, prepared, settings)
            results = _evaluate(job, prepared, trained)
            _write(job, prepared, trained, results)
    finally:
        lock.release()
    return Run(folder)


@dataclass(frozen=True)
class _Job:
    folder: Path
    experiment: Experiment
    loaded: Corpus
    screen: Screen
    overwrite: bool


@dataclass(frozen=True)
class _Trained:
    network: Any
    sampler: Sampler
    progress: Progress
    plan: Plan | None


@dataclass(frozen=True)
class _Results:
    memory: Memory | None
    memory_seconds: float
    scored: dict[str, list[DocumentBits]]
    samples: list[dict[str, Any]]


def _prepare(job: _Job) -> tuple[Prepared, Training]:
    """Fit the tokenizer, encode the text, and check everything that needs no TensorFlow. In the
    settings that are returned the time this took is subtracted from a budget in seconds."""
    experiment, loaded, screen = job.experiment, job.loaded, job.screen
    screen.corpus(experiment, loaded)
    if not job.overwrite and (place := resumed(job.folder)):
        screen.say(f"{experiment.name}: {place}")
    with screen.phase("preparing the text"):
        prepared = prepare(experiment, loaded)
    for prompt in experiment.sampling.prompts:
        encode_prompt(prepared.tokenizer, prompt, "sampling.prompts")
    check_room(prepared.tokenizer, experiment.sampling, experiment.memory.orders)
    if not job.overwrite:
        check_same_text(job.folder, loaded.sha256)
        if has_checkpoint(job.folder):  # which keeps its number of updates
            return prepared, experiment.training
    return prepared, subtract_preparation_time(experiment.training, prepared.seconds)


def _train(job: _Job, prepared: Prepared, settings: Training) -> _Trained:
    """Train the network in the folder, from its last checkpoint if there is one."""
    experiment, screen, tokenizer = job.experiment, job.screen, prepared.tokenizer
    screen.begin_phase("loading TensorFlow, compiling")
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    import keras

    from textgen.runs.plan import planned
    from textgen.training.loop import Hooks, new_network, windows_of
    from textgen.training.loop import train as train_network
    from textgen.training.step import check_trainable

    network = new_network(experiment, prepared)
    check_trainable(network, settings.loss)
    windows_of(prepared.encoded[0], experiment.objective)
    begin_folder(job.folder, experiment, job.overwrite)  # no check can fail any more
    write_json(job.folder / TOKENIZER_FILE, fitted_state(experiment, tokenizer))
    write_json(job.folder / "manifest.json", describe_run(experiment, job.loaded, job.folder))
    keras.utils.set_random_seed(experiment.seed)
    sampler = Sampler(experiment.objective, network, tokenizer.unwritable)
    screen.model(tokenizer, network.count_params(), experiment)
    screen.prepared(prepared.seconds, prepared.extra_data)

    sampling = replace(
        experiment.sampling, prompts=("",), samples=1, length=SAMPLE_CHARACTERS, memory=False
    )
    display = TrainingDisplay(
        screen, experiment, prepared,
        plan=partial(planned, experiment, job.loaded, prepared, network, sampler),
        sample=lambda: sample_texts(sampler, tokenizer, sampling, experiment.seed)[0]["text"],
    )  # fmt: skip
    hooks = Hooks(display.start, display.update, display.validated)
    progress = train_network(
        job.folder, network, replace(experiment, training=settings), prepared.encoded, threads,
        Hooks() if screen.quiet else hooks,
    )  # fmt: skip
    screen.end_live()
    return _Trained(network, sampler, progress, display.plan)


def _evaluate(job: _Job, prepared: Prepared, trained: _Trained) -> _Results:
    """Score the held-out documents, with the memory tuned on those of validation, and sample."""
    experiment, loaded, tokenizer = job.experiment, job.loaded, prepared.tokenizer
    parts, encoded = (experiment.objective, trained.network), prepared.encoded[1]
    plan = trained.plan
    with job.screen.phase(
        "scoring every held-out document, every character", plan.scoring if plan else None
    ):
        validation = score_encoded(*parts, loaded.validation, encoded)
        start = time.perf_counter()
        memory, learnt = _tuned_memory(experiment, prepared, trained.network, validation)
        seconds = time.perf_counter() - start
        scored = {
            "validation": with_memory(memory, validation, encoded, learnt),
            "test": score_documents(*parts, tokenizer, loaded.test, memory),
        }
    mixture = MixtureSampler(*parts, memory, tokenizer.unwritable) if memory else None
    with job.screen.phase("writing samples"):
        samples = draw_samples(experiment, tokenizer, trained.sampler, mixture, loaded)
    return _Results(memory, seconds, scored, samples)


def _tuned_memory(
    experiment: Experiment, prepared: Prepared, network: Any, validation: list[DocumentBits]
) -> tuple[Memory | None, list[Any] | None]:
    """The memory tuned on the validation documents; where the network goes on learning, what these
    cost below the memory."""
    training, encoded = prepared.encoded
    parts, learning, learnt = (experiment.objective, network), None, None
    if rate := experiment.memory.learning_rate:
        learning = measure_gradients(*parts, training, rate, experiment.training.table_rate)
        learnt = dynamic_bits(*parts, [e.tokens for e in encoded], learning)
    memory = tuned_memory(experiment.memory.orders, validation, encoded, learnt)
    return memory and replace(memory, learning=learning), learnt


def _write(job: _Job, prepared: Prepared, trained: _Trained, results: _Results) -> None:
    """Write everything but the manifest; metrics.json, the last, makes the run a finished one."""
    folder, experiment, loaded = job.folder, job.experiment, job.loaded
    plan, progress, samples = trained.plan, trained.progress, results.samples
    if results.memory is not None:
        write_json(folder / MEMORY_FILE, results.memory.state())
    save_network(folder, trained.network)
    test, seconds = results.scored["test"], plan.samples if plan else None
    with job.screen.phase("sampling over a sweep of temperatures", seconds):
        write_evaluation(folder, prepared.tokenizer, trained.sampler, loaded, test)
    write_csv(folder / "history.csv", progress.history)
    write_json(folder / "samples.json", samples)
    write_file(folder / "samples.txt", samples_text(samples))
    with job.screen.phase("measuring the samples"):
        content = run_metrics(
            experiment, loaded, prepared, progress, trained.network.count_params(), results.scored,
            samples,
        )  # fmt: skip
    content["training"]["memory_seconds"] = results.memory_seconds
    if plan is not None:
        content["plan"] = plan.as_dict()
    content["sha256"] = checksums(folder)
    metrics = parse(Metrics, json.dumps(content))
    write_file(
        folder / "summary.md", summary_markdown(experiment, loaded, metrics, samples, folder)
    )
    write_json(folder / METRICS_FILE, content)
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    job.screen.result(folder, loaded, metrics, samples)
