"""python -m textgen.run EXPERIMENT.toml: train, score, sample, and write a run folder."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen import atomic, cli, config, meeting, run_folder, runs
from textgen.config import Experiment
from textgen.meeting import Cluster

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from textgen.corpora.loading import Loaded
    from textgen.document_cache import Cache
    from textgen.likelihood import DocumentBits
    from textgen.preparing import Prepared
    from textgen.symbols import Encoded
    from textgen.tokenizers.base import Codec
    from textgen.training import Progress


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
    from textgen.corpora.loading import load_corpus

    if not isinstance(experiment, Experiment):
        named = [f'name="{name}"'] if name else []
        experiment = config.load(experiment, [*overrides, *named])
    folder = Path(runs_folder) / experiment.name
    cluster = meeting.cluster(experiment.training)
    with contextlib.ExitStack() as stack:
        if cluster.chief:
            stack.callback(run_folder.prepare(folder, experiment, overwrite).release)
        _go(folder, experiment, load_corpus(experiment), quiet, cluster, overwrite)
    return folder


def _go(
    folder: Path,
    experiment: Experiment,
    loaded: Loaded,
    quiet: bool,
    cluster: Cluster,
    overwrite: bool,
) -> None:
    from textgen import console, generation, preparing

    screen = console.Screen(quiet)
    screen.corpus(experiment.name, loaded)
    prepared = preparing.prepare(experiment, loaded)
    codec, encoded = prepared.codec, prepared.encoded
    for prompt in experiment.sampling.prompts:
        generation.encode_prompt(codec, prompt, "sampling.prompts")

    from textgen import backend

    settings = experiment.training
    if overwrite or not run_folder.trained(folder):  # else its updates are settled
        settings = preparing.less(settings, prepared.seconds)
    if cluster.chief and not overwrite:
        run_folder.check_same_text(folder, loaded.sha256)
    about = _about(experiment, loaded, prepared)
    meeting.meet(cluster, about, meeting.WAIT + 2 * prepared.seconds, screen.say)
    threads = backend.start(settings.threads, settings.deterministic, parts=True)
    import keras

    from textgen import (
        distributed,
        evaluation,
        kernels,
        manifest,
        summary,
        trainer,
        training,
    )
    from textgen.sampling import Sampler

    share = distributed.start(settings, cluster)
    network = training.new_network(experiment, prepared)
    kernel = kernels.Kernel("fused", {})  # the chief's is taken
    trainer.check(experiment.backbone, settings.loss, share.replicas)
    if share.chief:
        training.windows_of(encoded[0], experiment.objective)
        run_folder.begin(folder, experiment, overwrite)  # nothing can be refused any more
        atomic.write_json(folder / "tokenizer.json", runs.fitted_state(experiment, codec))
        kernel = kernels.choose(experiment, settings, network, encoded[0], threads)
        content = manifest.describe(experiment, loaded, threads, asdict(kernel), folder)
        atomic.write_json(folder / "manifest.json", {**content, "distribution": share.describe()})
    keras.utils.set_random_seed(experiment.seed)
    sampler = Sampler(experiment.objective, network, experiment.backbone, codec.unwritable)
    screen.model(codec, network.count_params(), experiment)
    screen.prepared(prepared.seconds, prepared.extra_data, prepared.vectors)
    with share.together(), screen:
        progress = training.train(
            folder,
            network,
            experiment.objective,
            experiment.backbone,
            settings,
            encoded,
            experiment.seed,
            lambda trainer, progress: (
                screen.callbacks(progress, experiment, codec, sampler, encoded[0])
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
    scored, cache, seconds = _score(folder, experiment, network, codec, loaded, encoded[1])
    samples = summary.samples(experiment, network, codec, sampler, loaded)
    metrics = _metrics(experiment, loaded, network, progress, scored, prepared, samples)
    metrics["training"]["document_cache_seconds"] = seconds
    runs.save_network(folder, experiment, codec, network)
    screen.say("sampling over a sweep of temperatures …")
    finished = runs.Run(folder, experiment, codec, metrics, network, cache)
    evaluation.write_evaluation(folder, finished, loaded, scored["test"], sampler)
    atomic.write_csv(folder / "history.csv", progress.history)
    atomic.write_csv(folder / "bits.csv", _bits(scored))
    atomic.write_json(folder / "samples.json", samples)
    atomic.write(folder / "samples.txt", summary.samples_text(samples))
    atomic.write(
        folder / "summary.md", summary.markdown(experiment, loaded, metrics, samples, folder)
    )
    atomic.write_json(folder / "metrics.json", metrics)
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    screen.result(folder, loaded, metrics, samples)


def _score(
    folder: Path,
    experiment: Experiment,
    network: Any,
    codec: Codec,
    loaded: Loaded,
    encoded: Sequence[Encoded],
) -> tuple[dict[str, list[DocumentBits]], Cache | None, float]:
    """What every held-out document costs, the cache that was tuned on those of validation, which
    are ``encoded`` already, and the seconds that tuning took."""
    from textgen.likelihood import score, tuned_cache, with_cache

    parts = experiment.objective, network, experiment.backbone, codec
    validation = score(*parts, loaded.validation)
    start = time.perf_counter()
    cache = tuned_cache(experiment.document_cache.orders, validation, encoded)
    seconds = time.perf_counter() - start
    if cache is not None:
        atomic.write_json(folder / runs.DOCUMENT_CACHE, cache.state())
    scored = {
        "validation": with_cache(cache, validation, encoded),
        "test": score(*parts, loaded.test, cache),
    }
    return scored, cache, seconds


def _about(experiment: Experiment, loaded: Loaded, prepared: Prepared) -> dict[str, str]:
    """What all workers of a training must have alike, as hashes."""
    from importlib import metadata

    own = ("name", "corpus", "sampling")
    settings = {key: table for key, table in experiment.resolved.items() if key not in own}
    settings["training"] = {**settings["training"], "threads": 0}
    parts = {
        "settings": settings,
        "text": loaded.description["sha256"] + loaded.description["split_sha256"],
        "symbols": runs.fitted_state(experiment, prepared.codec),
        "versions": [metadata.version(name) for name in ("textgen", "tensorflow")],
    }
    return {
        name: hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:16]
        for name, part in parts.items()
    }


def _metrics(
    experiment: Experiment,
    loaded: Loaded,
    network: Any,
    progress: Progress,
    scored: dict[str, list[DocumentBits]],
    prepared: Prepared,
    samples: list[dict[str, Any]],
) -> dict[str, Any]:
    from textgen import likelihood, summary

    codec, training = prepared.codec, prepared.encoded[0]
    per_epoch = sum(e.characters + 1 for e in training)
    metrics: dict[str, Any] = {
        "schema": runs.SCHEMA,
        "name": experiment.name,
        "unit": likelihood.UNIT,
        "corpus": loaded.description,
        "context": experiment.objective.context,
        "symbols": codec.size,
        "extra_data": prepared.extra_data,
        "neighbours": prepared.vectors.neighbours or {},
        **{part: likelihood.summarise(d, codec.charged) for part, d in scored.items()},
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
        "generation": summary.word_shares(experiment, loaded, samples),
    }
    if not experiment.objective.carries_state:
        metrics["test"]["model_bits_by_position"] = likelihood.by_position(
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
            "symbols": len(d.model_bits) - 1,
            "replaced": d.replaced,
        }
        for part, documents in scored.items()
        for d in documents
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser("run", "Train, score and sample one experiment.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    cli.settings(parser, "training.seconds=60")
    parser.add_argument("--name", help="name of the run folder (default: the experiment's)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders lie")
    parser.add_argument("--overwrite", action="store_true", help="replace a run of that name")
    parser.add_argument("--quiet", action="store_true", help="print only errors")
    return cli.guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    run(
        given.experiment,
        overrides=given.set,
        name=given.name,
        runs_folder=given.runs,
        overwrite=given.overwrite,
        quiet=given.quiet,
    )


if __name__ == "__main__":
    sys.exit(main())
