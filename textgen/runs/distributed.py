"""One run on the workers of a Ray cluster: the same pipeline on each, its folder written by one."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import textgen
from textgen.core import Experiment, TextgenError, Training, resolve_experiment
from textgen.runs.folder import begin_folder, check_same_text

if TYPE_CHECKING:
    from textgen.data import Corpus
    from textgen.training import Share

ALIKE = "the same text and the same versions on all machines"


def check_address(settings: Training, address: str | None) -> None:
    """Raises:
    TextgenError: a strategy that does not go with the address, no cluster there, or a batch that
        cannot be divided.
    """
    if settings.strategy != "ray" and address is not None:
        raise TextgenError(
            f"--address {address}",
            found=f'training.strategy = "{settings.strategy}"',
            expected='"ray", which trains on the workers of a cluster',
            hint="add --set training.strategy=ray --set training.workers=2, or leave --address out",
        )
    if settings.strategy == "ray" and address is None:
        raise TextgenError(
            "training.strategy",
            found='"ray", without the address of a cluster',
            expected="--address ADDRESS of a Ray cluster",
            hint="--address local starts one on this machine",
        )
    if address is not None:
        from textgen.training import Share, check_cluster

        check_cluster(address)
        Share(None, ("",), settings.workers).rows(settings.batch)


def run_on_ray(
    folder: Path,
    experiment: Experiment,
    loaded: Corpus,
    quiet: bool,
    overwrite: bool,
    address: str,
) -> None:
    """Train on ``training.workers`` workers in a folder that has been prepared here, and that must
    lie on storage that all machines see. A worker that is lost is replaced; all go on from the last
    checkpoint.

    Raises:
        TextgenError: no cluster, settings that do not fit it, or whatever a worker finds.
    """
    from textgen.training import connected, train_on_ray

    if overwrite:  # once: workers that are started again go on with what they find
        begin_folder(folder, experiment, overwrite)
    check_same_text(folder, loaded.sha256)
    folder = folder.absolute()
    given = {
        "folder": folder,
        "resolved": experiment.resolved,
        "sha256": loaded.sha256,
        "versions": _versions(),
        "quiet": quiet,
    }
    workers, threads = experiment.training.workers, experiment.training.threads or 1
    storage = folder.parent / ".ray" / folder.name
    with connected(address, workers * threads) as ray:
        train_on_ray(ray, functools.partial(_work, given), workers, threads, storage)


def _work(given: Mapping[str, Any], rank: int) -> None:
    """One worker's part."""
    from textgen.data import load_corpus
    from textgen.runs.pipeline import make_run

    if (here := _versions()) != given["versions"]:
        raise _different(rank, f"{here}, where the run was started {given['versions']}")
    experiment = resolve_experiment(given["resolved"])
    loaded = load_corpus(experiment)
    if loaded.sha256 != given["sha256"]:
        raise _different(rank, f"other text than where the run was started: {loaded.sha256[:12]}…")
    make_run(given["folder"], experiment, loaded, given["quiet"] or rank > 0, overwrite=False)


def check_alike(share: Share, fitted: Mapping[str, Any]) -> None:
    """All workers have fitted the same tokenizer; all of them call it at once.

    Raises:
        TextgenError: this one has another than the chief.
    """
    own = hashlib.sha256(json.dumps(fitted, sort_keys=True).encode()).hexdigest()
    if share.agree(own) != own:
        raise TextgenError(
            "training.strategy",
            found="a worker whose fitted tokenizer is not that of the first one",
            expected=ALIKE,
            hint="compare what is installed on them",
        )


def _different(rank: int, found: str) -> TextgenError:
    hint = "install the same on all of them, and let them all see the corpus"
    return TextgenError(f"worker {rank}", found=found, expected=ALIKE, hint=hint)


def _versions() -> dict[str, str]:
    tensorflow = metadata.packages_distributions()["tensorflow"][0]  # tensorflow-cpu, …
    return {
        "tensorflow": metadata.version(tensorflow),
        "keras": metadata.version("keras"),
        "textgen": textgen.__version__,
    }
