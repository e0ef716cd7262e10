"""Models without a network: baselines that are asked for, and the references of every report.

Each is fitted to the training part of a text, read as an experiment's tokens or as bytes. The
figures of references are kept in the cache folder, under a name that depends on corpus, split and
settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import cache_folder, cache_get, cache_put
from textgen.core.plugins import lookup, plugin_table
from textgen.data.documents import Document
from textgen.data.loading import Corpus
from textgen.evaluation.baselines.compressors import XZ, PPMd
from textgen.evaluation.baselines.ngrams import KneserNey, Unigram
from textgen.evaluation.likelihood import (
    UNIT,
    DocumentBits,
    costs,
    summarise,
    tuned_memory,
    with_memory,
)
from textgen.evaluation.units import published_units
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.encoding import fit_tokenizer
from textgen.tokenizers.tokens import EncodedDocument
from textgen.tokenizers.words.rare_words.classes import Unk
from textgen.tokenizers.words.tokenizer import Words

CACHE_VERSION = 5
"""Raise it when the same settings give other figures; older cache files are then ignored."""
MAX_NGRAM_CHARACTERS = 20_000_000
"""Longest training text for n-grams, which take about 150 bytes of memory per character."""
MAX_COMPRESSED = 500_000_000
"""Most bytes for a compressor, which reads the training text once per document: five minutes."""


class Model(Protocol):
    """A fitted baseline."""

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What each document costs, its end mark included, independently of the others.

        Args:
            documents: (n,) integers each.

        Returns:
            (n + 1,) floats each, or (1,) from a model that only knows what the whole costs.
        """
        ...


class Baseline(Protocol):
    """The settings of a baseline.

    Attributes:
        reads_bytes: whether it reads the bytes of the text itself; else the tokens of the
            experiment's tokenizer.
        orders: what its argument ``order`` may be; empty if it has none.
    """

    reads_bytes: ClassVar[bool]
    orders: ClassVar[range]

    def fit(self, documents: Sequence[np.ndarray], size: int) -> Model:
        """A model of the training split; there are ``size`` different tokens."""
        ...


class Bytes:
    """A text as the bytes of its UTF-8, the halves of a broken surrogate pair in three each.

    For models that bring their own end of a document: 0 and 1 are bytes like any other.
    """

    size = 256

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        found = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        return EncodedDocument(found, (), np.zeros(0), len(text), len(found), 0)


def score_baseline(
    baseline: Baseline,
    tokenizer: Any,
    loaded: Corpus,
    orders: Sequence[int] = (),
    validated: bool = True,
) -> tuple[list[DocumentBits], list[DocumentBits]]:
    """What the validation and test documents cost under a baseline.

    Args:
        baseline: fitted to the training documents.
        tokenizer: None for one that reads bytes.
        loaded: the corpus.
        orders: of a memory of the document, if there is to be one.
        validated: whether validation documents are scored where the memory does not need them.
    """
    reader = tokenizer or Bytes()
    training = [reader.encode(d.text, training=True).tokens for d in loaded.train]
    model = baseline.fit(training, reader.size)
    parts = [loaded.validation if validated or orders else [], loaded.test]
    encoded = [[reader.encode(d.text) for d in part] for part in parts]
    scored = [
        costs(part, each, model.token_bits([e.tokens for e in each]), None)
        for part, each in zip(parts, encoded, strict=True)
    ]
    memory = tuned_memory(orders, scored[0], encoded[0])
    validation, test = map(with_memory, (memory, memory), scored, encoded)
    return validation, test


def baseline(
    experiment: Experiment,
    loaded: Corpus,
    orders: Sequence[int] = (),
    *,
    kind: str = "kneser_ney",
    command: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Fit baselines to the training split of an experiment, and score the test split.

    Args:
        experiment: its tokenizer, seed and memory are used, its backbone and training are not;
            compressors use none of it.
        loaded: its corpus.
        orders: one model for each; if empty, one model of the default order.
        kind: one of the plug-in point ``baseline``.
        command: of ``kind="command"``, the program that compresses.

    Yields:
        One record per model: order, seconds to fit and score, what was measured, and ``test``, the
        figures of :func:`textgen.evaluation.likelihood.summarise` and the same in published units.
        What a baseline does not have (an order, a tokenizer, tokens) is None.

    Raises:
        TextgenError: unknown kind, an order that it does not accept, or too large a corpus.
    """
    entry = lookup("baseline", kind, "--kind")
    check_orders(orders, kind, entry)
    if command is not None and not hasattr(entry, "command"):
        hint = "leave one of the two out, or take --kind command"
        raise TextgenError("--command", found=f"{command!r}, with --kind {kind}", hint=hint)
    fixed = {} if command is None else {"command": command}
    models = [entry(order=order, **fixed) for order in orders] or [entry(**fixed)]
    if why := too_much(entry.reads_bytes, loaded):
        raise TextgenError(f"--kind {kind}", found=f"{why}: too much", hint="use a part of it")
    tokenizer = None
    if not entry.reads_bytes:
        tokenizer = fit_tokenizer(experiment.tokenizer, loaded, experiment.seed)
    for settings in models:
        start = time.perf_counter()
        levels = experiment.memory.orders if tokenizer else ()
        _, bits = score_baseline(settings, tokenizer, loaded, levels, validated=False)
        yield {
            "baseline": kind,
            "order": getattr(settings, "order", None),
            "command": getattr(settings, "command", None),
            "experiment": experiment.name,
            "tokenizer": tokenizer and experiment.resolved["tokenizer"],
            "seed": experiment.seed,
            "vocabulary_size": tokenizer and tokenizer.size,
            "extra_data": list(tokenizer.extra_data) if tokenizer else [],
            "unit": UNIT,
            "corpus": loaded.description,
            "seconds": time.perf_counter() - start,
            "test": _figures(bits, tokenizer, loaded.test),
        }


def _figures(
    bits: Sequence[DocumentBits], tokenizer: Any, documents: Sequence[Document]
) -> dict[str, Any]:
    figures = summarise(bits, tokenizer is None or tokenizer.charged)
    if tokenizer is None:
        figures |= dict.fromkeys(("tokens", "tokens_per_character"))  # one piece each
    closed = tokenizer is not None and tokenizer.closed_vocabulary
    return figures | {"published": published_units(figures, documents, closed=closed)}


def check_orders(orders: Sequence[int], kind: str, entry: Any) -> None:
    """Refuse orders that a baseline does not accept.

    Raises:
        TextgenError: it has no order, or not this one.
    """
    wrong = [order for order in orders if order not in entry.orders]
    if not wrong:
        return
    if entry.orders:
        hint = f"from {entry.orders[0]} to {entry.orders[-1]} for --kind {kind}"
    else:
        kinds = [k for k in sorted(plugin_table("baseline")) if lookup("baseline", k, "").orders]
        hint = f"{kind} has none; leave --order out, or take --kind {' or '.join(kinds)}"
    raise TextgenError("--order", found=str(wrong[0]), hint=hint)


def too_much(reads_bytes: bool, loaded: Corpus) -> str:
    """Why a compressor would take too long, or n-grams too much memory; "" if they would not."""
    characters = sum(d.characters for d in loaded.train)
    documents = len(loaded.validation) + len(loaded.test)
    if reads_bytes and characters * (documents + 1) > MAX_COMPRESSED:
        return f"{documents} documents, each after {characters:,} characters of training text"
    if not reads_bytes and characters > MAX_NGRAM_CHARACTERS:
        return f"{characters:,} characters, more than {MAX_NGRAM_CHARACTERS:,}"
    return ""


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
    options: str
    baseline: Baseline
    tokenizer: Any = None
    orders: tuple[int, ...] = ()


LEARNS = "it has read the training text and keeps learning within each document"
LINES = (
    Line(
        "unigram",
        "characters, no context",
        "how often each character occurs, without context",
        "--kind unigram --set tokenizer=characters",
        Unigram(),
        Characters(),
    ),
    Line(
        "character_ngram",
        "8-gram of characters",
        "each character from the seven before it, by counts (modified Kneser-Ney)",
        "--order 8 --set tokenizer=characters",
        KneserNey(order=8),  # on the tales 6, 7, 8, 10 reach 1.931, 1.899, 1.898, 1.903 bits
        Characters(),
        (3, 4, 5, 6, 8, 10, 14),
    ),
    Line(
        "word_ngram",
        "4-gram of words",
        "each word from the three before it, by counts (modified Kneser-Ney); words that occur "
        "less than twice are spelled, with weights chosen on validation text",
        """--order 4 --set 'tokenizer={kind="words",minimum_count=2,rare_words="unk"}'""",
        KneserNey(order=4),
        Words(Unk(), minimum_count=2),
        (0, 1, 2, 3, 4),
    ),
    Line(
        "ppmd",
        "PPMd",
        f"a compressor that predicts each byte from up to eight before it; {LEARNS}",
        "--kind ppmd",
        PPMd(order=8),
    ),
    Line("xz", "xz", f"a compressor that copies what occurred before; {LEARNS}", "--kind xz", XZ()),
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
        parts = _stored(path, loaded)
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
    of_text = loaded.sha256, loaded.description["split_sha256"]
    return [str(CACHE_VERSION), *of_text, *map(repr, (line.baseline, line.tokenizer, line.orders))]


def _path(line: Line, loaded: Corpus) -> Path:
    digest = hashlib.sha256("\n".join(_settings(line, loaded)).encode()).hexdigest()
    return cache_folder() / "references" / f"{line.key}-{digest[:32]}.json"


def _compute(line: Line, loaded: Corpus) -> list[list[list[Any]]]:
    """Name, characters, pieces, how many were replaced, bits of model and spelling, and, if there
    is a memory of the document, the same two with it: for each document of validation and test."""
    tokenizer = line.tokenizer and fit_tokenizer(line.tokenizer, loaded, seed=0)
    parts = score_baseline(line.baseline, tokenizer, loaded, line.orders)
    return [
        [
            [d.name, d.characters, d.pieces, d.replaced, d.model, d.spelling_bits]
            + ([d.with_memory.model, d.with_memory.spelling_bits] if d.with_memory else [])
            for d in part
        ]
        for part in parts
    ]


def _document(
    name: str,
    characters: int,
    pieces: int,
    replaced: int,
    model: float,
    spelling: float,
    *mixed: float,
) -> DocumentBits:
    if not math.isfinite(model + spelling):
        raise ValueError("bits that are not finite")
    bits = np.array([float(model)]), np.array([float(spelling)])
    inner = _document(name, characters, pieces, replaced, *mixed) if mixed else None
    return DocumentBits(name, characters, *bits, pieces, replaced, inner)


def _stored(path: Path, loaded: Corpus) -> list[list[DocumentBits]] | None:
    """The stored bits of validation and test, or None: no such file, or a damaged one."""
    if (stored := cache_get(path)) is None:
        return None
    parts = [[_document(*row) for row in part] for part in stored["documents"]]
    held_out = [[(d.name, d.characters) for d in p] for p in (loaded.validation, loaded.test)]
    return parts if [[(d.name, d.characters) for d in p] for p in parts] == held_out else None
