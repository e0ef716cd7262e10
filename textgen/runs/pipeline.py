"""One run from its experiment to a finished folder: prepare, train, evaluate, write."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, load_experiment, write_csv, write_file, write_json
from textgen.runs.distributed import check_address, check_alike, run_on_ray
from textgen.runs.finished import Run
from textgen.runs.folder import begin_folder, check_same_text, prepare_folder
from textgen.runs.metrics import document_rows, run_metrics
from textgen.runs.resuming import resumed, trained
from textgen.runs.saved import MEMORY_FILE, checksums, fitted_state, save_network
from textgen.runs.sizing import settled

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.core import Training
    from textgen.data import Corpus
    from textgen.evaluation import DocumentBits, Memory
    from textgen.models import Sampler
    from textgen.runs.console import Screen
    from textgen.runs.plan import Plan
    from textgen.training import Prepared, Progress


def run(
    experiment: str | Path | Experiment,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    runs_folder: str | Path = "runs",
    overwrite: bool = False,
    quiet: bool = False,
    address: str | None = None,
) -> Run:
    """Train, score and sample one experiment.

    Args:
        experiment: a TOML file, or an Experiment.
        overrides: ``table.key=value`` strings.
        name: the run's name; the experiment's own if None.
        runs_folder: where run folders lie.
        overwrite: replace a run of that name.
        quiet: no progress on the terminal.
        address: of the Ray cluster that ``training.strategy = "ray"`` trains on; ``"local"`` starts
            one here. All its machines must see the corpus and ``runs_folder`` under the same paths.

    Returns:
        The finished run. A run that was interrupted is resumed.

    Raises:
        TextgenError: anything wrong with the settings, the text or the folder.
    """
    from textgen.data import load_corpus

    if not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment, overrides, name)
    check_address(experiment.training, address)
    folder = Path(runs_folder) / experiment.name
    lock = prepare_folder(folder, experiment, overwrite)
    try:
        loaded = load_corpus(experiment)
        if address is None:
            make_run(folder, experiment, loaded, quiet, overwrite)
        else:
            run_on_ray(folder, experiment, loaded, quiet, overwrite, address)
    finally:
        lock.release()
    return Run(folder)


@dataclass(frozen=True)
class _Inputs:
    """What a training starts from; the time of preparation is subtracted in ``settings``."""

    folder: Path
    experiment: Experiment
    loaded: Corpus
    prepared: Prepared
    settings: Training
    chosen: dict[str, Any] | None
    screen: Screen


@dataclass(frozen=True)
class _Trained:
    network: Any
    sampler: Sampler
    progress: Progress
    plan: Plan | None


@dataclass(frozen=True)
class _Results:
    memory: Memory | None
    scored: dict[str, list[DocumentBits]]
    samples: list[dict[str, Any]]
    metrics: dict[str, Any]


def make_run(
    folder: Path, experiment: Experiment, loaded: Corpus, quiet: bool, overwrite: bool
) -> None:
    """Make a run in a folder that has been prepared. Of several workers the chief alone writes it;
    the others return when the network is trained."""
    inputs = _prepare(folder, experiment, loaded, quiet, overwrite)
    model = _train(inputs, overwrite)
    if model is not None:
        _write(inputs, model, _evaluate(inputs, model))


def _prepare(
    folder: Path, experiment: Experiment, loaded: Corpus, quiet: bool, overwrite: bool
) -> _Inputs:
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
    with screen.phase("timing sizes on this machine") if experiment.automatic else nullcontext():
        experiment, chosen = settled(folder, experiment, prepared, goes_on)
    screen.chosen(chosen)
    settings = experiment.training
    if not goes_on:  # which keeps its number of updates
        settings = subtract_preparation_time(settings, prepared.seconds)
    if not overwrite:
        check_same_text(folder, loaded.sha256)
    return _Inputs(folder, experiment, loaded, prepared, settings, chosen, screen)


def _train(inputs: _Inputs, overwrite: bool) -> _Trained | None:
    """Train the network and begin the folder; None in a worker that does not write the run."""
    with ExitStack() as starting:
        starting.enter_context(inputs.screen.phase("loading TensorFlow, timing kernels, compiling"))
        return _fit(inputs, overwrite, starting)


def _fit(inputs: _Inputs, overwrite: bool, starting: ExitStack) -> _Trained | None:
    """``starting`` is closed before the first update."""
    from textgen.core import start_tensorflow

    experiment, settings, screen = inputs.experiment, inputs.settings, inputs.screen
    tokenizer, encoded = inputs.prepared.tokenizer, inputs.prepared.encoded
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    import keras

    from textgen.models import Sampler
    from textgen.runs.plan import planned
    from textgen.runs.rounds import recorder
    from textgen.training import (
        Engine,
        Kernel,
        check_trainable,
        choose_kernel,
        new_network,
        start_strategy,
        train,
        windows_of,
    )

    share = start_strategy(settings)
    check_alike(share, fitted_state(experiment, tokenizer))
    network = new_network(experiment, inputs.prepared)
    kernel = Kernel("fused", {})  # the chief's is taken
    check_trainable(network, settings.loss, share.replicas)
    if share.chief:
        windows_of(encoded[0], experiment.objective)
        begin_folder(inputs.folder, experiment, overwrite)  # no check can fail any more
        write_json(inputs.folder / "tokenizer.json", fitted_state(experiment, tokenizer))
        kernel = choose_kernel(experiment, settings, network, encoded[0], threads)
        _write_manifest(inputs, threads, kernel, share)
    keras.utils.set_random_seed(experiment.seed)
    sampler = Sampler(experiment.objective, network, tokenizer.unwritable)
    screen.model(tokenizer, network.count_params(), experiment)
    screen.prepared(inputs.prepared.seconds, inputs.prepared.extra_data, inputs.prepared.vectors)
    plans = list["Plan | None"]()

    def callbacks(trainer: Any, progress: Progress) -> list[Any]:
        if not share.chief:
            return []
        given = experiment, inputs.loaded, inputs.prepared, network, sampler, progress
        plans.append(None if screen.quiet or share.workers > 1 else planned(*given))
        starting.close()
        screen.planned(progress, plans[-1])
        record = recorder(
            inputs.folder, experiment, tokenizer, sampler, trainer, inputs.loaded, progress
        )
        return [record, *screen.callbacks(progress, experiment, tokenizer, record, encoded[0])]

    with screen:
        progress = train(
            inputs.folder, network, replace(experiment, training=settings), encoded,
            Engine(kernel.name, threads, share), callbacks,
        )  # fmt: skip
    if not share.chief:
        return None
    return _Trained(network, sampler, progress, plans[-1] if plans else None)


def _write_manifest(inputs: _Inputs, threads: int, kernel: Any, share: Any) -> None:
    from textgen.runs.manifest import describe_run

    content = describe_run(inputs.experiment, inputs.loaded, threads, asdict(kernel), inputs.folder)
    distribution = {"replicas": share.replicas, "workers": share.workers}
    content["distribution"] = distribution
    if inputs.chosen:
        content["chosen"] = inputs.chosen
    write_json(inputs.folder / "manifest.json", content)


def _evaluate(inputs: _Inputs, model: _Trained) -> _Results:
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
    return _Results(memory, scored, samples, metrics)


def _memory(
    inputs: _Inputs, model: _Trained, validation: list[DocumentBits]
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


def _write(inputs: _Inputs, model: _Trained, results: _Results) -> None:
    """Write everything but the manifest; ``metrics.json``, the last, makes the run a finished
    one."""
    from textgen.runs.evaluation import write_evaluation
    from textgen.runs.log import write_log
    from textgen.runs.summary import samples_text, summary_markdown

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
    write_csv(folder / "bits.csv", document_rows(results.scored))
    write_json(folder / "samples.json", samples)
    write_file(folder / "samples.txt", samples_text(samples))
    write_log(folder / "log", experiment, metrics, samples)
    metrics["sha256"] = checksums(folder)
    summary = summary_markdown(experiment, loaded, metrics, samples, folder)
    write_file(folder / "summary.md", summary)
    write_json(folder / "metrics.json", metrics)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    inputs.screen.result(folder, loaded, metrics, samples)
