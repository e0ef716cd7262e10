"""One run from its experiment to a finished folder: train, score, sample, write."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen import __version__
from textgen.core import Experiment, load_experiment, write_csv, write_file, write_json
from textgen.runs.folder import begin_folder, check_same_text, prepare_folder, trained
from textgen.runs.saved import MEMORY_FILE, SCHEMA, Run, fitted_state, save_network
from textgen.training import WAIT, Cluster, find_cluster, meet

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.data import Corpus
    from textgen.evaluation import DocumentBits, Memory
    from textgen.tokenizers import EncodedDocument, Tokenizer
    from textgen.training import Prepared, Progress


def run(
    experiment: str | Path | Experiment,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    runs_folder: str | Path = "runs",
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Run one experiment from its file to a finished run folder.

    Args:
        experiment: a TOML file, or an Experiment.
        overrides: ``table.key=value`` strings.
        name: the run's name; the experiment's own if None.
        runs_folder: where run folders lie.
        overwrite: replace a run of that name.
        quiet: no progress on the terminal.

    Returns:
        The run folder. A run cut short goes on where it stood. Of several workers
        (``training.strategy = "multi_worker"``) only the chief writes it.

    Raises:
        TextgenError: anything wrong with the settings, the text or the folder.
    """
    from textgen.data import load_corpus

    if not isinstance(experiment, Experiment):
        named = [f'name="{name}"'] if name else []
        experiment = load_experiment(experiment, [*overrides, *named])
    folder = Path(runs_folder) / experiment.name
    cluster = find_cluster(experiment.training)
    with contextlib.ExitStack() as stack:
        if cluster.chief:
            stack.callback(prepare_folder(folder, experiment, overwrite).release)
        _go(folder, experiment, load_corpus(experiment), quiet, cluster, overwrite)
    return folder


def _go(
    folder: Path,
    experiment: Experiment,
    loaded: Corpus,
    quiet: bool,
    cluster: Cluster,
    overwrite: bool,
) -> None:
    from textgen.runs.console import Screen
    from textgen.runs.generation import encode_prompt
    from textgen.training import prepare, subtract_preparation_time

    screen = Screen(quiet)
    screen.corpus(experiment.name, loaded)
    prepared = prepare(experiment, loaded)
    tokenizer, encoded = prepared.tokenizer, prepared.encoded
    for prompt in experiment.sampling.prompts:
        encode_prompt(tokenizer, prompt, "sampling.prompts")

    from textgen.core import start_tensorflow

    settings = experiment.training
    if overwrite or not trained(folder):  # else its updates are settled
        settings = subtract_preparation_time(settings, prepared.seconds)
    if cluster.chief and not overwrite:
        check_same_text(folder, loaded.sha256)
    about = _about(experiment, loaded, prepared)
    meet(cluster, about, WAIT + 2 * prepared.seconds, screen.say)
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    import keras

    from textgen.models import Sampler
    from textgen.runs.evaluation import write_evaluation
    from textgen.runs.manifest import describe_run
    from textgen.runs.summary import draw_samples, samples_text, summary_markdown
    from textgen.training import (
        Kernel,
        check_trainable,
        choose_kernel,
        new_network,
        start_strategy,
        train,
        windows_of,
    )

    share = start_strategy(settings, cluster)
    network = new_network(experiment, prepared)
    kernel = Kernel("fused", {})  # the chief's is taken
    check_trainable(network, settings.loss, share.replicas)
    if share.chief:
        windows_of(encoded[0], experiment.objective)
        begin_folder(folder, experiment, overwrite)  # nothing can be refused any more
        write_json(folder / "tokenizer.json", fitted_state(experiment, tokenizer))
        kernel = choose_kernel(experiment, settings, network, encoded[0], threads)
        content = describe_run(experiment, loaded, threads, asdict(kernel), folder)
        write_json(folder / "manifest.json", {**content, "distribution": share.describe()})
    keras.utils.set_random_seed(experiment.seed)
    sampler = Sampler(experiment.objective, network, tokenizer.unwritable)
    screen.model(tokenizer, network.count_params(), experiment)
    screen.prepared(prepared.seconds, prepared.extra_data, prepared.vectors)
    with share.together(), screen:
        progress = train(
            folder,
            network,
            experiment.objective,
            experiment.backbone,
            settings,
            encoded,
            experiment.seed,
            lambda trainer, progress: (
                screen.callbacks(progress, experiment, tokenizer, sampler, encoded[0])
                if share.chief
                else []
            ),
            kernel=kernel.name,
            threads=threads,
            share=share,
        )
    if not share.chief:
        screen.say(f"trained along; worker 0 ({cluster.addresses[0]}) writes the run")
        return
    screen.say("scoring every held-out document, every character …")
    scored, memory, seconds = _score(folder, experiment, network, tokenizer, loaded, encoded[1])
    samples = draw_samples(experiment, network, tokenizer, sampler, loaded)
    metrics = _metrics(experiment, loaded, network, progress, scored, prepared, samples)
    metrics["training"]["memory_seconds"] = seconds
    save_network(folder, network)
    screen.say("sampling over a sweep of temperatures …")
    finished = Run(folder, experiment, tokenizer, metrics, network, memory)
    write_evaluation(folder, finished, loaded, scored["test"], sampler)
    write_csv(folder / "history.csv", progress.history)
    write_csv(folder / "bits.csv", _bits(scored))
    write_json(folder / "samples.json", samples)
    write_file(folder / "samples.txt", samples_text(samples))
    write_file(
        folder / "summary.md", summary_markdown(experiment, loaded, metrics, samples, folder)
    )
    write_json(folder / "metrics.json", metrics)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    screen.result(folder, loaded, metrics, samples)


def _score(
    folder: Path,
    experiment: Experiment,
    network: Any,
    tokenizer: Tokenizer,
    loaded: Corpus,
    encoded: Sequence[EncodedDocument],
) -> tuple[dict[str, list[DocumentBits]], Memory | None, float]:
    """What every held-out document costs, the memory that was tuned on those of validation, which
    are ``encoded`` already, and the seconds that tuning took."""
    from textgen.evaluation import score_documents, tuned_memory, with_memory

    parts = experiment.objective, network, tokenizer
    validation = score_documents(*parts, loaded.validation)
    start = time.perf_counter()
    memory = tuned_memory(experiment.memory.orders, validation, encoded)
    seconds = time.perf_counter() - start
    if memory is not None:
        write_json(folder / MEMORY_FILE, memory.state())
    scored = {
        "validation": with_memory(memory, validation, encoded),
        "test": score_documents(*parts, loaded.test, memory),
    }
    return scored, memory, seconds


def _about(experiment: Experiment, loaded: Corpus, prepared: Prepared) -> dict[str, str]:
    """What all workers of a training must have alike, as hashes."""
    own = ("name", "corpus", "sampling")
    settings = {key: table for key, table in experiment.resolved.items() if key not in own}
    settings["training"] = {**settings["training"], "threads": 0}
    parts = {
        "settings": settings,
        "text": loaded.description["sha256"] + loaded.description["split_sha256"],
        "tokens": fitted_state(experiment, prepared.tokenizer),
        "versions": [__version__],
    }
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for name, part in parts.items()
    }


def _metrics(
    experiment: Experiment,
    loaded: Corpus,
    network: Any,
    progress: Progress,
    scored: dict[str, list[DocumentBits]],
    prepared: Prepared,
    samples: list[dict[str, Any]],
) -> dict[str, Any]:
    from textgen.evaluation import UNIT, by_position, summarise
    from textgen.runs.summary import word_shares

    tokenizer, training = prepared.tokenizer, prepared.encoded[0]
    per_epoch = sum(e.characters + 1 for e in training)
    metrics: dict[str, Any] = {
        "schema": SCHEMA,
        "name": experiment.name,
        "unit": UNIT,
        "corpus": loaded.description,
        "context": experiment.objective.context,
        "vocabulary_size": tokenizer.size,
        "extra_data": prepared.extra_data,
        "neighbours": prepared.vectors.neighbours or {},
        **{part: summarise(d, tokenizer.charged) for part, d in scored.items()},
        "training": {
            "preparation_seconds": prepared.seconds,
            "seconds": progress.seconds,
            "validation_seconds": progress.validation_seconds,
            "calibration_seconds_per_update": progress.calibration_seconds_per_update,
            "characters": round(progress.updates * progress.characters_per_update),
            "characters_of_training_text": per_epoch,
            "updates": progress.updates,
            "updates_planned": progress.updates_planned,
            "parameters": network.count_params(),
            "kernel": progress.kernel,
            "best_round": progress.best_round,
            "rounds": progress.rounds,
            "final_loss": progress.history[-1]["loss"],
            "loss": experiment.training.loss,
        },
        "generation": word_shares(experiment, loaded, samples),
    }
    if not experiment.objective.carries_state:
        metrics["test"]["model_bits_by_position"] = by_position(
            scored["test"], experiment.objective.length
        )
    return metrics


def _bits(scored: dict[str, list[DocumentBits]]) -> list[dict[str, Any]]:
    return [
        {
            "split": part,
            "document": d.name,
            "characters": d.characters,
            "model_bits": d.model,
            "spelling_bits": d.spelling_bits,
            "bits_per_character": d.bits_per_character,
            "tokens": len(d.model_bits) - 1,
            "replaced": d.replaced,
        }
        for part, documents in scored.items()
        for d in documents
    ]
