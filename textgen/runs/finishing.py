"""A trained network is scored, sampled and written: what makes its run a finished one."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, write_csv, write_file, write_json
from textgen.runs.metrics import run_metrics
from textgen.runs.saved import MEMORY_FILE, checksums, save_network

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.core import Training
    from textgen.data import Corpus
    from textgen.evaluation import DocumentBits, Memory
    from textgen.models import Sampler
    from textgen.runs.console import Screen
    from textgen.runs.plan import Plan
    from textgen.training import Prepared, Progress


@dataclass(frozen=True)
class Inputs:
    """What a training starts from; the time of preparation is subtracted in ``settings``."""

    folder: Path
    experiment: Experiment
    loaded: Corpus
    prepared: Prepared
    settings: Training
    screen: Screen


@dataclass(frozen=True)
class Trained:
    """A network after its training, and what its plan was."""

    network: Any
    sampler: Sampler
    progress: Progress
    plan: Plan | None


@dataclass(frozen=True)
class Results:
    """What a run has measured."""

    memory: Memory | None
    scored: dict[str, list[DocumentBits]]
    samples: list[dict[str, Any]]
    metrics: dict[str, Any]


def evaluate(inputs: Inputs, model: Trained) -> Results:
    """Score the held-out documents, with the memory tuned on those of validation, and sample."""
    from textgen.evaluation import MixtureSampler, score_documents, score_encoded, with_memory
    from textgen.runs.summary import draw_samples

    experiment, loaded, tokenizer = inputs.experiment, inputs.loaded, inputs.prepared.tokenizer
    parts = experiment.objective, model.network
    encoded, plan = inputs.prepared.encoded[1], model.plan
    with inputs.screen.phase(
        "scoring every held-out document, every character", plan.scoring if plan else None
    ):
        validation = score_encoded(*parts, loaded.validation, encoded)
        start = time.perf_counter()
        memory, learnt = _memory(inputs, model, validation)
        seconds = time.perf_counter() - start
        scored = {
            "validation": with_memory(memory, validation, encoded, learnt),
            "test": score_documents(*parts, tokenizer, loaded.test, memory),
        }
    mixture = MixtureSampler(*parts, memory, tokenizer.unwritable) if memory else None
    with inputs.screen.phase("writing samples"):
        samples = draw_samples(experiment, tokenizer, model.sampler, mixture, loaded)
    with inputs.screen.phase("measuring the samples"):
        metrics = run_metrics(
            experiment, loaded, inputs.prepared, model.progress, model.network.count_params(),
            scored, samples,
        )  # fmt: skip
    metrics["training"]["memory_seconds"] = seconds
    return Results(memory, scored, samples, metrics)


def _memory(
    inputs: Inputs, model: Trained, validation: list[DocumentBits]
) -> tuple[Memory | None, list[Any] | None]:
    """The memory tuned on the validation documents, and what these cost below it, where the network
    goes on learning."""
    from textgen.evaluation import learnt_bits, measured, tuned_memory

    experiment, (training, encoded) = inputs.experiment, inputs.prepared.encoded
    parts, learning, learnt = (experiment.objective, model.network), None, None
    if rate := experiment.memory.learning_rate:
        learning = measured(*parts, training, rate, experiment.training.table_rate)
        learnt = learnt_bits(*parts, [e.tokens for e in encoded], learning)
    memory = tuned_memory(experiment.memory.orders, validation, encoded, learnt)
    return memory and replace(memory, learning=learning), learnt


def write_run(inputs: Inputs, model: Trained, results: Results) -> None:
    """Write everything but the manifest; ``metrics.json``, the last, makes the run a finished
    one."""
    from textgen.runs.evaluation import write_evaluation
    from textgen.runs.summary import samples_text, summary_markdown
    from textgen.training import CHECKPOINT_FILE

    folder, experiment, loaded = inputs.folder, inputs.experiment, inputs.loaded
    tokenizer, metrics, samples = inputs.prepared.tokenizer, results.metrics, results.samples
    if results.memory is not None:
        write_json(folder / MEMORY_FILE, results.memory.state())
    save_network(folder, model.network)
    plan = model.plan
    with inputs.screen.phase(
        "sampling over a sweep of temperatures", plan.samples if plan else None
    ):
        write_evaluation(folder, tokenizer, model.sampler, loaded, results.scored["test"])
    if plan is not None:
        metrics["plan"] = plan.told()
    write_csv(folder / "history.csv", model.progress.history)
    write_json(folder / "samples.json", samples)
    write_file(folder / "samples.txt", samples_text(samples))
    metrics["sha256"] = checksums(folder)
    summary = summary_markdown(experiment, loaded, metrics, samples, folder)
    write_file(folder / "summary.md", summary)
    write_json(folder / "metrics.json", metrics)
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    inputs.screen.result(folder, loaded, metrics, samples)
