"""What made a run: seeds, versions, hardware, hashes, and the command that repeats it."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import textgen
from textgen.config import Experiment
from textgen.corpora.loading import Loaded

PACKAGES = ("tensorflow", "keras", "numpy", "spacy", "gensim")


def describe(experiment: Experiment, loaded: Loaded, threads: int) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    return {
        "textgen": textgen.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": f"python -m textgen.run runs/{experiment.name}/experiment.toml --overwrite",
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
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
