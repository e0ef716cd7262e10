"""The files of a finished run, as far as they are read without its network."""

from __future__ import annotations

import copy
import hashlib
import io
import json
from functools import cache
from typing import Any

import numpy as np
from conftest import made_up_memory
from fuzz.common import EXPERIMENT, LEARNT, folder, refused

from textgen.core.experiment import resolve_experiment


@cache
def run_files() -> dict[str, bytes]:
    """A finished run without a network, as it is on the disk."""
    from textgen.runs.folder import write_experiment

    made = resolve_experiment(EXPERIMENT)
    write_experiment(folder() / "experiment.toml", made)
    known = made.tokenizer.fit([LEARNT], [], 1)
    total = {"model": 2.0, "spelling": 0.5, "total": 2.5}
    figures = {"bits_per_character": total, "mean_over_documents": 2.4}
    part = {**figures, "with_memory": figures, "tokens_per_character": 1.0, "replacement_rate": 0.0}
    part |= {"documents": 1, "characters": 9}
    training = {"preparation_seconds": 0.1, "seconds": 2.0, "characters": 9, "best_interval": 1}
    training |= {"validation_seconds": 0.1, "validation_share": 1.0, "intervals": 2}
    metrics = {
        "name": "fuzzed", "unit": "bits", "context": "all", "extra_data": [], "validation": part,
        "generation": {},
        "corpus": {
            "kind": "folder", "origin": "made up", "licence": "any", "sha256": "ab" * 32,
            "split_sha256": "cd" * 32, "fallback": False,
            "language": {"code": "en", "script": "Latn", "stated": True},
        },
        "vocabulary_size": known.size, "test": part,
        "training": {**training, "characters_of_training_text": 9, "updates": 20, "parameters": 5},
    }  # fmt: skip
    sample = {"text": "a gull", "filled": [[0, 1, "<unk>"]]}
    texts = {
        "settings": {"seed": 1}, "characters_per_second": 9.5,
        "sweep": [{"temperature": 0.8, "texts": [sample]}], "prompted": [{"prompt": "a", **sample}],
    }  # fmt: skip
    stored = io.BytesIO()
    bits = np.array([2.0, 8.0, 10.0], np.float32)
    columns = {"model": bits, "spelling": bits / 4}
    np.savez(
        stored, names=np.array(["d"]), sizes=np.array([3]),
        ends=np.array([4, 9, 9], np.int32), **columns,
    )  # fmt: skip
    fitted = {"kind": "characters", **known.state()}
    digest = hashlib.sha256(json.dumps(fitted).encode()).hexdigest()
    metrics["sha256"] = {"tokenizer.json": digest}
    plain = {
        "metrics.json": metrics,
        "manifest.json": {"corpus": metrics["corpus"]},
        "tokenizer.json": fitted,
        "memory.json": made_up_memory(1, 3).state(),
        "texts.json": texts,
    }
    row = "updates,seconds,loss,validation_bits_per_character\n10,1.0,2.5,3.0\n20,2.0,2.25,2.75\n"
    hashed = {name: json.dumps(plain[name]).encode() for name in ("tokenizer.json", "memory.json")}
    hashed["history.csv"] = row.encode()
    metrics["sha256"] = {name: _sha256(content) for name, content in hashed.items()}
    return {
        **{name: json.dumps(each).encode() for name, each in plain.items()},
        "experiment.toml": (folder() / "experiment.toml").read_bytes(),
        "history.csv": row.encode(),
        "tokens.npz": stored.getvalue(),
        "model.weights.h5": b"",
    }


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@cache
def whole_run() -> Any:
    """The same as an object that has read nothing yet."""
    from textgen.runs.finished import load_run

    place = folder() / "run"
    place.mkdir()
    for name, content in run_files().items():
        (place / name).write_bytes(content)
    return load_run(place)


def run(data: bytes) -> None:
    """A file of a finished run, by the first byte: what reads it, but for the network."""
    from textgen.runs.finished import load_run
    from textgen.runs.folder import text_of

    whole, files = copy.copy(whole_run()), run_files()
    readers = {
        "manifest.json": lambda: text_of(whole.folder),
        "tokenizer.json": lambda: whole.tokenizer.decode(whole.tokenizer.encode("The tide left")),
        "memory.json": lambda: whole.memory,
        "texts.json": lambda: [len(t["filled"]) for s in whole.texts["sweep"] for t in s["texts"]],
        "history.csv": lambda: whole.history,
        "tokens.npz": lambda: [document.cells() for document in whole.token_bits],
    }
    name = list(files)[data[0] % len(files) if data else 0]
    path = whole.folder / name
    path.write_bytes(data[1:])
    if name != "tokenizer.json":  # its content is guarded by this hash alone
        hashes = {**whole.metrics.sha256, name: _sha256(data[1:])}  # else it is refused unread
        whole.metrics = whole.metrics.model_copy(update={"sha256": hashes})
    try:
        with refused():
            if name in readers:
                readers[name]()
            else:
                found = load_run(whole.folder)
                assert repr(found)
                assert found._repr_html_()
                found.check()
    finally:
        path.write_bytes(files[name])


def run_seeds() -> list[bytes]:
    return [bytes([i]) + content for i, content in enumerate(run_files().values())]
