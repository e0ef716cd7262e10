"""The training text as tokens in a file, for corpora larger than memory.

Worker processes read, encode and write the documents one at a time. The file, with all end marks,
is part of the cache under a hash of everything that it depends on, and is mapped into memory: a
second run finds it.

Does not handle: millions of very short documents, each of which takes some 500 bytes of memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import platform
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import is_dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import textgen
from textgen.core import (
    Experiment,
    TextgenError,
    cache_folder,
    cached_folder,
    cores,
    sha256_of,
)
from textgen.data import Corpus, Document
from textgen.tokenizers.base import Tokenizer, TokenizerConfig
from textgen.tokenizers.stored import INDEX, TOKENS, Stored, write_part
from textgen.tokenizers.tokens import EncodedDocument, smallest_dtype

BLOCK = 1 << 22
SHARE = 8_000_000
"""Characters that a worker process encodes at a time: some seconds' work."""
PROCESSES = 8
"""Worker processes, at most, if the experiment does not set its number of threads."""
SOURCES = ("tokenizers", "data")
"""The packages whose code decides what the file holds."""
LIBRARIES = ("regex", "tokenizers", "spacy", "gensim", "numpy")
"""Other people's, whose version does."""


def alphabet_of(documents: Iterable[Document]) -> str:
    """Every character of some documents, in order of code points."""
    seen = np.zeros(0x110000, dtype=bool)
    for document in documents:
        text = document.text
        for start in range(0, len(text), BLOCK):
            part = text[start : start + BLOCK].encode("utf-32-le", "surrogatepass")
            seen[np.frombuffer(part, dtype="<u4")] = True
    return "".join(map(chr, np.flatnonzero(seen)))


def fit_tokenizer(config: TokenizerConfig, corpus: Corpus, seed: int) -> Tokenizer:
    """A tokenizer fitted on the training split; if that is large, on a sample of it and on the
    alphabet of all of it. Settings that depend on the language are those of the text's."""
    in_language = getattr(config, "in_language", None)
    if in_language:
        config = in_language(corpus.language.code)
    texts = [d.text for d in corpus.sample]
    characters = alphabet_of(corpus.train) if corpus.sample is not corpus.train else ""
    return config.fit(texts, [d.text for d in corpus.validation], seed, characters)


def encode_training(
    experiment: Experiment, tokenizer: Tokenizer, corpus: Corpus
) -> Sequence[EncodedDocument]:
    """The training documents as tokens: in memory if the tokenizer was fitted on all of them, else
    in a file.

    Raises:
        TextgenError: the disk is full, or a worker process failed.
    """
    if corpus.sample is corpus.train:
        return [tokenizer.encode(document.text, training=True) for document in corpus.train]
    state = json.dumps(tokenizer.state(), sort_keys=True)
    folder = cache_folder() / "encoded" / _key(experiment, tokenizer, state, corpus)
    return cached_folder(
        folder,
        lambda folder: Stored(folder, tokenizer.size),
        lambda folder: _write(experiment, tokenizer, state, corpus.train, folder),
    )


def _key(experiment: Experiment, tokenizer: Tokenizer, state: str, corpus: Corpus) -> str:
    """A hash of everything that the tokens depend on; ``extra_data`` names a tagger's weights."""
    parts = (
        corpus.sha256,
        corpus.description["split_sha256"],
        json.dumps(experiment.resolved["tokenizer"], sort_keys=True),
        hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest(),
        *tokenizer.extra_data,
        _code(),
        *_plugins(experiment.tokenizer),
        textgen.__version__,
        platform.python_version(),  # of Unicode
        *map(metadata.version, LIBRARIES),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for package in SOURCES:
        for path in sorted((Path(__file__).parents[1] / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _plugins(part: Any) -> Iterator[str]:
    """Hashes of the packages of other people that a plug-in and those inside it come from."""
    top = sys.modules[type(part).__module__.partition(".")[0]]
    if top is not textgen and (file := getattr(top, "__file__", None)):
        alone = not hasattr(top, "__path__")
        for path in [Path(file)] if alone else sorted(Path(file).parent.rglob("*.py")):
            yield sha256_of(path)
    for inner in getattr(part, "__dict__", {}).values():
        if is_dataclass(inner):
            yield from _plugins(inner)


def _check_room(folder: Path, tokens: int, size: int) -> None:
    # half as much again: when the shares are joined, one at a time is on the disk twice
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
    """Fill a folder with tokens and index, in as many processes as the experiment has threads."""
    _check_room(folder, sum(d.characters for d in documents), tokenizer.size)
    workers = experiment.training.threads or min(cores(), PROCESSES)
    shares = _shares(documents, workers)
    if workers == 1:
        write_part(tokenizer, documents, folder / TOKENS, folder / INDEX)
        return
    parts = [(folder / f"{number}.bin", folder / f"{number}.npy") for number in range(len(shares))]
    _encode_in_processes(experiment.tokenizer, state, workers, shares, parts)
    np.save(folder / INDEX, np.concatenate([np.load(index) for _, index in parts]))
    with (folder / TOKENS).open("wb") as whole:
        for tokens, index in parts:
            with tokens.open("rb") as part:
                shutil.copyfileobj(part, whole, BLOCK)
            tokens.unlink()
            index.unlink()


def _shares(documents: Sequence[Document], workers: int) -> list[Sequence[Document]]:
    """Consecutive documents, about as many characters in each share and at most SHARE."""
    ends = np.cumsum([d.characters for d in documents])
    count = max(workers, -(-int(ends[-1]) // SHARE))
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, count) / count).tolist()
    pairs = zip([0, *cuts], [*cuts, len(documents)], strict=True)
    return [documents[start:stop] for start, stop in pairs if start < stop]


def _encode_in_processes(
    config: TokenizerConfig,
    state: str,
    workers: int,
    shares: Sequence[Sequence[Document]],
    parts: Sequence[tuple[Path, Path]],
) -> None:
    """Write every share of the documents to its pair of files.

    Raises:
        TextgenError: a worker process failed; the others have ended.
    """
    with worker_pool(config, state, workers) as pool:
        with _no_main_module():
            jobs = [pool.submit(_encode, *job) for job in zip(shares, parts, strict=True)]
        for job in wait(jobs, return_when=FIRST_EXCEPTION).done:
            job.result()


@contextlib.contextmanager
def worker_pool(config: TokenizerConfig, state: str, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes with a tokenizer at hand, none of which outlives the block.

    Raises:
        TextgenError: one was killed or ran out of memory.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_start, initargs=(config, state)
    )
    try:
        yield pool
    except (BrokenProcessPool, MemoryError):
        raise TextgenError(
            "encoding the training text",
            found="a worker process that was killed or ran out of memory",
            expected="every process to finish its share",
            hint="if memory ran out, take fewer processes ([training] threads); then repeat the "
            "command",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep new processes from running the script that started all this once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


_tokenizer: list[Tokenizer] = []  # of a worker process


def _start(config: TokenizerConfig, state: str) -> None:
    """Prepare a worker process, which ends when the process that started it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _tokenizer.append(config.load(json.loads(state)))


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _encode(documents: Sequence[Document], files: tuple[Path, Path]) -> None:
    write_part(_tokenizer[0], documents, *files)
