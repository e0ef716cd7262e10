"""Training text as tokens in a file: for corpora larger than memory.

Processes read, encode and write a share of the documents each, a document at a time. The file, with
all end marks, lies in the cache folder under a hash of everything that it depends on, and is mapped
into memory: a second run finds it.

Does not handle: millions of very short documents, each of which takes some 500 bytes of memory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core import (
    UNREADABLE,
    Experiment,
    TextgenError,
    cache_folder,
    cache_unusable,
    read_log,
    resolve_experiment,
    save_seconds,
    start_process,
    stopped_after,
    writing_cache,
)
from textgen.data import Document, FileSlice, Loaded
from textgen.tokenizers.base import Tokenizer, TokenizerConfig
from textgen.tokenizers.stored import INDEX, TOKENS, Stored, write_part
from textgen.tokenizers.tokens import EncodedDocument, smallest_dtype

SECONDS = "seconds.json"
BLOCK = 1 << 22
PROCESSES = 8
"""At once, where the experiment does not say how many threads."""
FORGOTTEN = 86_400.0
"""Seconds after which what a killed run has left half done is removed."""
SOURCES = ("tokenizers", "data")
"""The packages that the file depends on."""


def alphabet_of(documents: Iterable[Document]) -> str:
    """Every character of some documents, in order of code points."""
    seen = np.zeros(0x110000, dtype=bool)
    for document in documents:
        text = document.text
        for start in range(0, len(text), BLOCK):
            part = text[start : start + BLOCK].encode("utf-32-le", "surrogatepass")
            seen[np.frombuffer(part, dtype="<u4")] = True
    return "".join(map(chr, np.flatnonzero(seen)))


def fit_tokenizer(config: TokenizerConfig, loaded: Loaded, seed: int) -> Tokenizer:
    """A tokenizer fitted on the training split, of a large corpus on a sample of it and the whole
    alphabet."""
    texts = [d.text for d in loaded.sample]
    characters = alphabet_of(loaded.train) if loaded.sample is not loaded.train else ""
    return config.fit(texts, [d.text for d in loaded.validation], seed, characters)


def encode_training(
    experiment: Experiment, tokenizer: Tokenizer, loaded: Loaded
) -> Sequence[EncodedDocument]:
    """The training documents as tokens; in memory where all of them were fitted on.

    Raises:
        TextgenError: a full disk, or a process that failed.
    """
    if loaded.sample is loaded.train:
        return [tokenizer.encode(document.text, training=True) for document in loaded.train]
    state = json.dumps(tokenizer.state(), sort_keys=True)
    folder = cache_folder() / "encoded" / _key(experiment, state, loaded)
    if (found := _read(folder, tokenizer.size)) is not None:
        return found
    with writing_cache():
        found = _make(experiment, tokenizer, state, loaded, folder)
    if found is None:
        raise cache_unusable(folder, "what was written cannot be read")
    return found


def _make(
    experiment: Experiment, tokenizer: Tokenizer, state: str, loaded: Loaded, folder: Path
) -> Stored | None:
    """Encode into a folder beside the one that is wanted, and rename it when all is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another run removes them too
        for left in folder.parent.glob("new-*"):
            if time.time() - left.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(left, ignore_errors=True)
    _check_room(folder.parent, sum(d.characters for d in loaded.train), tokenizer.size)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        _write(experiment, tokenizer, state, loaded.train, made)
        seconds = time.perf_counter() - start
        (made / SECONDS).write_text(json.dumps(seconds), encoding="utf-8")
        if (faster := _read(folder, tokenizer.size, count=False)) is not None:
            return faster  # another run's
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one, if there is any
        with contextlib.suppress(OSError):  # another run was faster after all
            made.rename(folder)
        return _read(folder, tokenizer.size, count=False)


def _read(folder: Path, size: int, count: bool = True) -> Stored | None:
    try:
        stored = Stored(folder, size)
        if count:
            save_seconds(float(json.loads((folder / SECONDS).read_text(encoding="utf-8"))))
    except UNREADABLE:
        return None
    return stored


def _key(experiment: Experiment, state: str, loaded: Loaded) -> str:
    """A hash of everything that the tokens depend on."""
    parts = (
        loaded.sha256,
        loaded.description["split_sha256"],
        json.dumps(experiment.resolved["tokenizer"], sort_keys=True),
        hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest(),
        _code(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for package in SOURCES:
        for path in sorted((Path(__file__).parents[1] / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _check_room(folder: Path, tokens: int, size: int) -> None:
    # and half as much again while the parts are put together
    needed, free = 1.5 * tokens * smallest_dtype(size).itemsize, shutil.disk_usage(folder).free
    if free < needed:
        raise TextgenError(
            str(folder),
            found=f"{free / 1e9:.1f} GB of disk space left",
            expected=f"up to {needed / 1e9:.1f} GB for the training text as tokens",
            hint="make room, or set TEXTGEN_CACHE to a folder on another disk",
        )


def _write(
    experiment: Experiment,
    tokenizer: Tokenizer,
    state: str,
    documents: Sequence[Document],
    folder: Path,
) -> None:
    """Make the content of a folder, in as many processes as the experiment has threads."""
    workers = experiment.training.threads or min(os.cpu_count() or 1, PROCESSES)
    if workers == 1 or any(isinstance(d.content, str) for d in documents):
        write_part(tokenizer, documents, folder / TOKENS, folder / INDEX)
        return
    scratch = folder.parent
    (scratch / "state.json").write_text(state, encoding="utf-8", errors="surrogatepass")
    for number, part in enumerate(_shares(documents, workers)):
        job = {
            "tokenizer": experiment.resolved["tokenizer"],
            "documents": [(d.name, *_plain(d.content)) for d in part],
        }
        (scratch / f"{number}.json").write_text(json.dumps(job), encoding="utf-8")
    parts = [scratch / f"{number}.json" for number in range(workers)]
    _run(parts)
    np.save(folder / INDEX, np.concatenate([np.load(p.with_suffix(".npy")) for p in parts]))
    parts[0].with_suffix(".bin").rename(folder / TOKENS)
    with (folder / TOKENS).open("ab") as whole:
        for path in parts[1:]:
            with path.with_suffix(".bin").open("rb") as part_file:
                shutil.copyfileobj(part_file, whole, BLOCK)
            path.with_suffix(".bin").unlink()


def _plain(content: Any) -> tuple[str, int, int, int, str]:
    path, *numbers = dataclasses.astuple(content)
    return (str(path), *numbers)


def _shares(documents: Sequence[Document], workers: int) -> list[Sequence[Document]]:
    """Documents that follow each other, about as many characters for every worker."""
    ends = np.cumsum([d.characters for d in documents])
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, workers) / workers).tolist()
    return [documents[a:b] for a, b in zip([0, *cuts], [*cuts, len(documents)], strict=True)]


def _run(jobs: Sequence[Path]) -> None:
    """One process a job.

    Raises:
        TextgenError: one failed; the others are stopped.
    """
    started = {
        job.name: start_process(["tokenizers.encoding", str(job)], job.with_suffix(".txt"))
        for job in jobs
    }
    with stopped_after(started):
        waiting = dict(started)
        while waiting:
            time.sleep(0.05)
            for job in jobs:
                process = waiting.get(job.name)
                if process is None or process.poll() is None:
                    continue
                del waiting[job.name]
                if process.returncode:
                    raise _failed(process.returncode, job.with_suffix(".txt"))


def _failed(code: int, log: Path) -> TextgenError:
    said = read_log(log).strip()
    end = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return TextgenError(
        "encoding the training text",
        found=f"a process that {end}" + (f":\n{said[-1500:]}" if said else ""),
        expected="every process to finish its share",
        hint="where memory ran out, take fewer processes ([training] threads); then repeat the "
        "command",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """``… textgen.core.processes tokenizers.encoding JOB.json``: one share of the documents."""
    (given,) = sys.argv[1:] if arguments is None else arguments
    try:
        _work(Path(given))
    except TextgenError as error:
        print(error)
        return 2
    return 0


def _work(path: Path) -> None:
    job = json.loads(path.read_text(encoding="utf-8"))
    plain = {"corpus": "wikipedia", "objective": "next_token", "training": {"updates": 1}}
    experiment = resolve_experiment({**plain, "tokenizer": job["tokenizer"]})
    state = path.with_name("state.json").read_text("utf-8", "surrogatepass")
    tokenizer = experiment.tokenizer.load(json.loads(state))
    documents = (
        Document(name, FileSlice(Path(file), *rest)) for name, file, *rest in job["documents"]
    )
    write_part(tokenizer, documents, path.with_suffix(".bin"), path.with_suffix(".npy"))
