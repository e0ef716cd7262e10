"""The references of every report: n-grams and compressors on the same split as the arms.

Each model is fitted once to the training part and scores validation and test. Its figures are kept
in the cache folder, under a name that depends on corpus, split and settings.

Does not handle: bits of single tokens; the bits of a document are kept as two sums.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core import TextgenError, cache_folder, cache_get, cache_put
from textgen.data import Corpus
from textgen.evaluation.baselines.base import Baseline, Bytes, Reader, fit_baseline, score_baseline
from textgen.evaluation.baselines.compressors import XZ, PPMd
from textgen.evaluation.baselines.kneser_ney import KneserNey
from textgen.evaluation.baselines.unigram import Unigram
from textgen.evaluation.likelihood import DocumentBits, tuned_memory, with_memory
from textgen.tokenizers import Characters, Unk, Words, fit_tokenizer

VERSION = 5
"""Raise it when the same settings give other figures; older cache files are then ignored."""
CHARACTERS = 20_000_000
"""Longest training text for n-grams, which take about 150 bytes of memory per character."""
COMPRESSED = 500_000_000
"""Most bytes for a compressor, which reads the training text once per document: five minutes."""


@dataclass(frozen=True)
class Reference:
    """The bits of a model that is not a network.

    Attributes:
        key: its name in files.
        label: its name for people.
        meaning: what it is, in plain words.
        command: repeats its figure on the test part.
        validation: bits of each document, ``model_bits`` and ``surface_bits`` being (1,) sums.
        test: the same.
    """

    key: str
    label: str
    meaning: str
    command: str
    validation: list[DocumentBits]
    test: list[DocumentBits]


@dataclass(frozen=True)
class Line:
    """How a reference is made; without a tokenizer it reads the bytes of the text. ``orders`` are
    those of its memory of the document."""

    key: str
    label: str
    meaning: str
    baseline: Baseline
    tokenizer: Any
    options: str
    orders: tuple[int, ...] = ()


LINES = (
    Line(
        "unigram",
        "characters, no context",
        "how often each character occurs, without context",
        Unigram(),
        Characters(),
        "--kind unigram --set tokenizer=characters",
    ),
    Line(
        "character_ngram",
        "8-gram of characters",
        "each character from the seven before it, by counts (modified Kneser-Ney)",
        KneserNey(order=8),  # on the tales 6, 7, 8, 10 reach 1.931, 1.899, 1.898, 1.903 bits
        Characters(),
        "--order 8 --set tokenizer=characters",
        (3, 4, 5, 6, 8, 10, 14),
    ),
    Line(
        "word_ngram",
        "4-gram of words",
        "each word from the three before it, by counts (modified Kneser-Ney); words that occur "
        "less than twice are spelled, with weights chosen on validation text",
        KneserNey(order=4),
        Words(Unk(), minimum_count=2),
        """--order 4 --set 'tokenizer={kind="words",minimum_count=2,rare_words="unk"}'""",
        (0, 1, 2, 3, 4),
    ),
    Line(
        "ppmd",
        "PPMd",
        "a compressor that predicts each byte from up to eight before it; it has read the training "
        "text and keeps learning within each document",
        PPMd(order=8),
        None,
        "--kind ppmd",
    ),
    Line(
        "xz",
        "xz",
        "a compressor that copies what occurred before; it has read the training text and keeps "
        "learning within each document",
        XZ(),
        None,
        "--kind xz",
    ),
)


def compute_references(
    loaded: Corpus,
    say: Callable[[str], object] = lambda text: None,
    experiment: str = "experiments/char.toml",
) -> list[Reference]:
    """The references of a corpus and its split, each from the cache folder or newly computed.

    Args:
        loaded: the corpus.
        say: called with a message before anything slow, and for what is left out as too slow.
        experiment: an experiment file with this corpus and split, for the commands.

    Returns:
        One for each of :data:`LINES` that the text is not too long for.
    """
    found = []
    for line in LINES:
        path = _path(line, loaded)
        parts = _read(path, loaded)
        if parts is None:
            if why := too_much(line.tokenizer is None, loaded):
                say(f"  reference {line.label} left out: {why}")
                continue
            say(f"  reference {line.label}: computed once for this text and split")
            try:
                rows = _compute(line, loaded)
            except TextgenError as error:  # a text too small for its tokenizer, say
                say(f"  reference {line.label} left out: {error.found}")
                continue
            parts = [[_document(*row) for row in part] for part in rows]
            with contextlib.suppress(OSError):  # an unwritable cache is no reason to stop
                cache_put(path, {"settings": _settings(line, loaded), "documents": rows})
        command = f"python -m textgen baseline {experiment} {line.options}"
        if line.tokenizer is not None:
            command += f" --set 'memory.orders={list(line.orders)}'"
        found.append(Reference(line.key, line.label, line.meaning, command, *parts))
    return found


def _settings(line: Line, loaded: Corpus) -> list[str]:
    """Everything that the figures of a reference depend on."""
    split = loaded.description["split_sha256"]
    return [
        str(VERSION),
        loaded.sha256,
        split,
        repr(line.baseline),
        repr(line.tokenizer),
        str(line.orders),
    ]


def _path(line: Line, loaded: Corpus) -> Path:
    digest = hashlib.sha256("\n".join(_settings(line, loaded)).encode()).hexdigest()
    return cache_folder() / "references" / f"{line.key}-{digest[:32]}.json"


def too_much(reads_bytes: bool, loaded: Corpus) -> str:
    """Why a compressor would take too long, or n-grams too much memory; "" if they would not."""
    characters = sum(d.characters for d in loaded.train)
    documents = len(loaded.validation) + len(loaded.test)
    if reads_bytes:
        if characters * (documents + 1) > COMPRESSED:
            return f"{documents} documents, each after {characters:,} characters of training text"
    elif characters > CHARACTERS:
        return f"{characters:,} characters, more than {CHARACTERS:,}"
    return ""


def _compute(line: Line, loaded: Corpus) -> list[list[list[Any]]]:
    """Name, characters, pieces, how many were replaced, bits of model and spelling, and, if there
    is a memory of the document, the same two with it: for each document of validation and test."""
    texts = [d.text for d in loaded.train]
    reader: Reader = Bytes()
    if line.tokenizer is not None:
        reader = fit_tokenizer(line.tokenizer, loaded, seed=0)
    model = fit_baseline(line.baseline, reader, texts)
    encoded = [
        [reader.encode(document.text) for document in part]
        for part in (loaded.validation, loaded.test)
    ]
    validation = score_baseline(model, loaded.validation, encoded[0])
    memory = tuned_memory(line.orders, validation, encoded[0])
    parts = (
        with_memory(memory, validation, encoded[0]),
        score_baseline(model, loaded.test, encoded[1], memory),
    )
    return [
        [
            [d.name, d.characters, d.pieces, d.replaced, d.model, d.spelling_bits]
            + ([d.remembered.model, d.remembered.spelling_bits] if d.remembered else [])
            for d in part
        ]
        for part in parts
    ]


def _document(
    name: str, characters: int, pieces: int, replaced: int,
    model: float, spelling: float, *remembered: float,
) -> DocumentBits:  # fmt: skip
    bits = np.array([float(model)]), np.array([float(spelling)])
    if not math.isfinite(bits[0][0] + bits[1][0]):
        raise ValueError("bits that are no number")
    inner = _document(name, characters, pieces, replaced, *remembered) if remembered else None
    return DocumentBits(name, characters, *bits, pieces, replaced, inner)


def _read(path: Path, loaded: Corpus) -> list[list[DocumentBits]] | None:
    """The stored bits of validation and test, or None: no such file, or a damaged one."""
    if (stored := cache_get(path)) is None:
        return None
    parts = [[_document(*row) for row in part] for part in stored["documents"]]
    held_out = [[(d.name, d.characters) for d in p] for p in (loaded.validation, loaded.test)]
    return parts if [[(d.name, d.characters) for d in p] for p in parts] == held_out else None
