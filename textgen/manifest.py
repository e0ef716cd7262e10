"""What made a run: seeds, versions, hardware, hashes, and the command that repeats it."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any

import textgen
from textgen.config import Experiment
from textgen.corpora.loading import Loaded

PACKAGES = ("tensorflow", "keras", "numpy", "spacy", "gensim")


def command(folder: Path) -> str:
    """Trains the run of a folder again."""
    parts = ["python", "-m", "textgen.run", str(folder / "experiment.toml")]
    return shlex.join([*parts, "--runs", str(folder.parent), "--overwrite"])


def describe(
    experiment: Experiment, loaded: Loaded, threads: int, kernel: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """The content of ``manifest.json``; ``kernel`` as :class:`textgen.kernels.Kernel` has it."""
    return {
        "textgen": textgen.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command(folder),
        "experiment": experiment.resolved,
        "seed": experiment.seed,
        "corpus": loaded.description,
        "documents": {
            part: [document.name for document in getattr(loaded, part)]
            for part in ("train", "validation", "test")
        },
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "kernel": kernel,
    }


def processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
