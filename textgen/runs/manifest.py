"""What made a run: seeds, versions, hardware, hashes, and the command that repeats it."""

from __future__ import annotations

import datetime
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any

import textgen
from textgen.core import Experiment, cores, processor, tensorflow_in_effect
from textgen.data import Corpus

PACKAGES = ("keras", "numpy", "spacy", "gensim")


def repeat_command(folder: Path, experiment: Experiment) -> str:
    """Trains the run of a folder again."""
    parts = ["python", "-m", "textgen", "run", str(folder / "experiment.toml")]
    return shlex.join([*parts, "--runs", str(folder.parent), "--overwrite"])


def describe_run(experiment: Experiment, loaded: Corpus, folder: Path) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    import tensorflow as tf  # loaded already; the name of its package varies: tensorflow-cpu, …

    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "textgen": textgen.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": repeat_command(folder, experiment),
        "experiment": experiment.resolved,
        "seed": experiment.seed,
        "corpus": loaded.description,
        "documents": {
            part: [document.name for document in getattr(loaded, part)]
            for part in ("train", "validation", "test")
        },
        "python": platform.python_version(),
        "packages": {"tensorflow": tf.__version__, **versions},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        **tensorflow_in_effect(),
    }
