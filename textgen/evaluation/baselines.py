"""PLUG-IN: models without a network, whose bits per character a network has to beat; what they
charge for the held-out text of an experiment, and the references of every report.

Each is fitted to the training split, read as tokens or as bytes. What references charge is kept in
the cache folder, under a name that depends on text, split and settings.

A compressor charges a held-out document, in bits, for what it adds to the compressed training text:

    8 · (size of compress(training + document) − size of compress(training))

Every document, of the training text too, ends in the byte FF, which UTF-8 never holds, so that its
end is paid for as everywhere. A compressor goes on learning within the document that it compresses,
which no trained model here does; of other held-out documents it knows nothing. Sizes are whole
bytes: the cost of a document is exact to a byte or so.

The state of a compressor that has read the training text is copied with the process that it is in.

Does not handle: bits of single characters; a copy of the state of a program, or where the system
copies no process (Windows), so that each document is compressed behind all of the training text;
training texts of more than some 250 MB, which no longer fit into PPMd's memory.
"""

import contextlib
import hashlib
import json
import lzma
import os
import shlex
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, TypedDict

import numpy as np
import pyppmd
from pydantic import Field

from textgen.core import machine
from textgen.core.cache import cache_folder, cached
from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.progress import Say, ignore
from textgen.core.registry import lookup
from textgen.core.settings import PartName, Training
from textgen.core.validation import Plugin, build
from textgen.data.documents import Document, beginnings, count_characters
from textgen.data.loading import Corpus
from textgen.evaluation.counts import count
from textgen.evaluation.scores import UNIT, DocumentBits, Scores, scored_documents, summarise
from textgen.evaluation.units import published_units
from textgen.ngrams.kneser_ney import KneserNeyModel, fit_kneser_ney
from textgen.ngrams.pitman_yor import ContextCounts, PitmanYor, fit
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.fitting import fit_tokenizer, library_versions

TABLE = {"command": "Command", "kneser_ney": "KneserNey", "ppmd": "PPMd", "xz": "XZ"}
END = b"\xff"
# Smallest and largest dictionary of xz, the latter the library's limit. Between them it is twice
# the training text: a larger one takes time and memory and changes nothing.
XZ_DICTIONARY_BYTES = (1 << 22, 1536 << 20)
# Least and most memory of PPMd, the latter the format's limit.
PPMD_MEMORY_BYTES = (1 << 26, (1 << 32) - 64)
# PPMd needs at most about 16 bytes of memory a byte at order 8, 32 at order 16 and above, of prose
# and of random text; when there is no more it forgets everything and starts afresh.
PPMD_MEMORY_PER_BYTE = 64
# Raise it when the same settings give other figures; older cache files are then ignored.
CACHE_VERSION = 8
# Longest training text for n-grams, which take about 150 bytes of memory per character.
MAX_NGRAM_CHARACTERS = 20_000_000
# Most for a compressor, if it reads the training text once per document: five minutes.
MAX_COMPRESSED_BYTES = 500_000_000


class Encoder(NamedTuple):
    """A compressor at work; what it gives out, put together, is the compressed text.

    Attributes:
        encode: takes the next bytes of the text; what it gives out so far.
        end: there are no more; the rest of what it gives out.
    """

    encode: Callable[[bytes], bytes]
    end: Callable[[], bytes]

    def last_size(self, data: bytes) -> int:
        """Bytes that it gives out for the last bytes of a text, and the end."""
        return len(self.encode(data)) + len(self.end())


class Model(Protocol):
    """A fitted baseline."""

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What each document costs, its end mark included, independently of the others.

        Args:
            documents: (n,) integers each.

        Returns:
            (n + 1,) floats each, or (1,) from a model that only knows what the whole costs.
        """


class Baseline(Protocol):
    """The settings of a baseline.

    Attributes:
        reads_bytes: whether it reads the bytes of UTF-8 of the text itself; else the tokens of the
            experiment's tokenizer.
    """

    reads_bytes: ClassVar[bool]

    def fit(self, documents: Sequence[np.ndarray], size: int) -> Model:
        """A model of the training split; there are ``size`` different tokens."""


@dataclass(frozen=True)
class KneserNey:
    """n-grams of ``order`` tokens: each is predicted from up to ``order − 1`` before it, with an
    order of 1 by its frequency alone.

    Longer ones than 16 tokens hardly ever occur twice, and memory grows with their length.
    """

    reads_bytes: ClassVar[bool] = False
    order: Annotated[int, Field(ge=1, le=16)] = 4

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        return fit_kneser_ney(documents, self.order, size)


class Compressor:
    """The settings of a compressor; fitted, it has read the training text."""

    reads_bytes: ClassVar[bool] = True

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> "FittedCompressor":
        """All documents are (n,) uint8 each."""
        return FittedCompressor(self, _joined(documents))

    def encoder(self, training_bytes: int) -> Encoder:
        """An encoder for so many bytes of training text and more."""
        raise NotImplementedError

    def sizes_behind(self, training: bytes, documents: Sequence[bytes]) -> list[int]:
        """Bytes of the compressed training text with each of the documents behind it."""
        if not hasattr(os, "fork"):
            sizes = list[int]()
            for document in documents:
                encoder = self.encoder(len(training))
                sizes.append(encoder.last_size(training + document))
            return sizes
        encoder = self.encoder(len(training))
        # only when it is given one more byte does xz do its work on those before: this way it is
        # done once, and not in each copy
        before = len(encoder.encode(training[:-1]))
        before += len(encoder.encode(training[-1:]))
        return [before + _size_in_a_copy(encoder, document) for document in documents]


@dataclass(frozen=True)
class FittedCompressor:
    """A compressor and the training text that it reads before each document."""

    compressor: Compressor
    training: bytes

    def token_bits(
        self, documents: Sequence[np.ndarray], beginnings: Sequence[np.ndarray] = ()
    ) -> list[np.ndarray]:
        """What the whole of each document (n,) uint8, then of each beginning, which has no end,
        costs: (1,) float64. The training text is read once for all."""
        nothing = b""
        added = [_joined([document]) for document in documents]
        added += [beginning.tobytes() for beginning in beginnings]
        alone, *sizes = self.compressor.sizes_behind(self.training, [nothing, *added])
        return [np.array([8.0 * (size - alone)]) for size in sizes]


def _joined(documents: Sequence[np.ndarray]) -> bytes:
    return b"".join(document.tobytes() + END for document in documents)


def _size_in_a_copy(encoder: Encoder, document: bytes) -> int:
    """Bytes that a document and the end would add, found out in a copy of this process."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # this is the copy
        with contextlib.suppress(BaseException):
            os.write(write_end, str(encoder.last_size(document)).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        size = pipe.read()
    os.waitpid(child, 0)
    if not size:
        raise TextgenError("a copy of this process has died", "free memory, or use less text")
    return int(size)


@dataclass(frozen=True)
class PPMd(Compressor):
    """Prediction by partial matching, variant I as in .zip files: a statistical compressor.

    Shkarin, "PPM: one step to practicality", Data Compression Conference (2002).

    Args:
        order: a byte is predicted from so many before it, or fewer.
    """

    order: Annotated[int, Field(ge=2, le=64)] = 8

    def encoder(self, training_bytes: int) -> Encoder:
        memory = int(np.clip(PPMD_MEMORY_PER_BYTE * training_bytes, *PPMD_MEMORY_BYTES))
        encoder = pyppmd.Ppmd8Encoder(self.order, memory)
        return Encoder(encoder.encode, lambda: encoder.flush(endmark=False))


@dataclass(frozen=True)
class XZ(Compressor):
    """xz -9e, without its container: Lempel–Ziv matches as long and as far back as the text."""

    def encoder(self, training_bytes: int) -> Encoder:
        dictionary = int(np.clip(2 * training_bytes, *XZ_DICTIONARY_BYTES))
        preset = 9 | lzma.PRESET_EXTREME
        chain = {"id": lzma.FILTER_LZMA2, "preset": preset, "dict_size": dictionary}
        encoder = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=[chain])
        return Encoder(encoder.compress, encoder.flush)


@dataclass(frozen=True)
class Command(Compressor):
    """Any compressor that is a program: ``zpaq`` at its strongest, if no other is named.

    Mahoney, "The ZPAQ compression algorithm" (2015). Of what a program writes beside the data, such
    as names, as much is in the size of the compressed training text, so that it cancels out.

    Args:
        command: how the program is called: ``{input}`` is the file to compress, ``{output}`` a name
            for the result. All files that the program leaves in their folder, but the input, count.

    Raises:
        ValueError: a command without ``{input}``.
    """

    command: str = "zpaq add {output}.zpaq {input} -m5 -t1"

    def __post_init__(self) -> None:
        if "{input}" not in self.command:
            raise ValueError(f"command {self.command!r} without {{input}}, the file to compress")

    def sizes_behind(self, training: bytes, documents: Sequence[bytes]) -> list[int]:
        return [self.compressed_size(training + document) for document in documents]

    def compressed_size(self, data: bytes) -> int:
        """Bytes of the compressed data.

        Raises:
            TextgenError: no such program, or one that fails or leaves no file.
        """
        with tempfile.TemporaryDirectory() as folder:
            text = Path(folder, "text")
            text.write_bytes(data)
            line = self.command.replace("{output}", "compressed").replace("{input}", text.name)
            # Windows divides a line by itself, and does not take a backslash for an escape
            command = line if machine.ON_WINDOWS else shlex.split(line)
            problem = "the program left no file beside the input"
            try:
                subprocess.run(command, cwd=folder, capture_output=True, check=True)
                files = [file for file in Path(folder).rglob("*") if file.is_file()]
                size = sum(file.stat().st_size for file in files if file != text)
            except (OSError, ValueError, subprocess.CalledProcessError) as error:
                size = 0
                problem = _last_line(error)
        if size > 0:
            return size
        hint = "install this compressor, or name another program with --command"
        raise TextgenError(f"--command {self.command}: {problem}", hint)


def _last_line(error: Exception) -> str:
    """Of what a program that has failed has written, if it has; else of the error."""
    written = error.stderr if isinstance(error, subprocess.CalledProcessError) else b""
    message: bytes = written.strip() or str(error).encode()
    _, _, last = message.rpartition(b"\n")
    return last.decode(errors="replace")


class Bytes:
    """A text as the bytes of its UTF-8, the halves of a broken surrogate pair in three each.

    For models that bring their own end of a document: 0 and 1 are bytes like any other.
    """

    size = 256
    charged = True
    closed_vocabulary = False
    extra_data = ()

    def encode(self, text: str, *, training: bool = False) -> EncodedDocument:
        tokens = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        return EncodedDocument(tokens, (), len(text), len(tokens))


# Part → (n + 1,) float32, what it charges for the tokens of a document.
BitsByPart = dict[PartName, np.ndarray]


def score_baseline(
    baseline: Baseline,
    tokenizer: Tokenizer | Bytes,
    corpus: Corpus,
    orders: Sequence[int],
    validated: bool,
    asked: Sequence[Document] = (),
) -> list[Scores]:
    """What the validation and test documents, and some beginnings, cost under a baseline.

    Args:
        baseline: fitted to the training documents here.
        tokenizer: :class:`Bytes` for a baseline that reads bytes.
        orders: of a document cache, if there is to be one.
        validated: whether validation documents are scored where the cache does not need them.
        asked: beginnings of documents, which have no end mark.

    Returns:
        Of validation and of test documents: ``counts``, the baseline alone, and ``with_cache``. Of
        the beginnings: ``counts``.
    """
    training = [tokenizer.encode(d.text, training=True).tokens for d in corpus.train]
    model = baseline.fit(training, tokenizer.size)
    validation = corpus.validation if validated or orders else []
    validation_tokens = [tokenizer.encode(document.text) for document in validation]
    validation_bits = model.token_bits([encoded.tokens for encoded in validation_tokens])
    test_tokens = [tokenizer.encode(document.text) for document in corpus.test]
    asked_tokens = [tokenizer.encode(document.text) for document in asked]
    test_bits, asked_bits = _bits_of(model, test_tokens, asked_tokens)
    validation_rows: list[BitsByPart] = [{"counts": bits} for bits in validation_bits]
    test_rows: list[BitsByPart] = [{"counts": bits} for bits in test_bits]
    if orders:
        validation_counts = [count(encoded.tokens, orders) for encoded in validation_tokens]
        test_counts = [count(encoded.tokens, orders) for encoded in test_tokens]
        cache = fit(orders, list(zip(validation_bits, validation_counts, strict=True)))
        _add_cache(validation_rows, cache, validation_counts)
        _add_cache(test_rows, cache, test_counts)
    return [
        scored_documents(validation, validation_tokens, validation_rows),
        scored_documents(corpus.test, test_tokens, test_rows),
        scored_documents(asked, asked_tokens, [{"counts": bits} for bits in asked_bits]),
    ]


def _bits_of(
    model: Model, documents: Sequence[EncodedDocument], beginnings: Sequence[EncodedDocument]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """What documents cost, and beginnings without an end mark."""
    whole = [encoded.tokens for encoded in documents]
    begun = [encoded.tokens for encoded in beginnings]
    if isinstance(model, FittedCompressor):
        bits = model.token_bits(whole, begun)
        return bits[: len(whole)], bits[len(whole) :]
    with_end_marks = model.token_bits(begun)
    return model.token_bits(whole), [of_tokens[:-1] for of_tokens in with_end_marks]


def _add_cache(
    rows: Sequence[BitsByPart], cache: PitmanYor, counts: Sequence[ContextCounts]
) -> None:
    """Add the part with a cache to documents' bits under the baseline alone."""
    for row, counted in zip(rows, counts, strict=True):
        row["with_cache"] = cache.mixed_bits(row["counts"], counted)


class BaselineRecord(TypedDict):
    """A baseline on the test part of a text. What it does not have is None.

    Attributes:
        baseline: its kind.
        order: of n-grams.
        command: of a compressor that is a program.
        experiment: name of the experiment whose ``tokenizer`` and ``seed`` it uses.
        vocabulary_size: of the tokenizer.
        extra_data: what the tokenizer knows from other texts.
        unit: of the figures.
        corpus: a description of the text.
        seconds: to fit and to score.
        test: the figures of :func:`textgen.evaluation.scores.summarise`, and ``published``, the
            same in published units.
    """

    baseline: str
    order: int | None
    command: str | None
    experiment: str
    tokenizer: dict[str, Any] | None
    seed: int
    vocabulary_size: int | None
    extra_data: list[str]
    unit: str
    corpus: dict[str, Any]
    seconds: float
    test: dict[str, Any]


def baseline(
    kind: str, models: Sequence[Baseline], experiment: Experiment, corpus: Corpus
) -> Iterator[BaselineRecord]:
    """Fit baselines to the training split of an experiment, and score the test split.

    Args:
        kind, models: of the baselines, and what :func:`make_baselines` gives.
        experiment: its tokenizer, seed and cache are used, its backbone and training are not;
            compressors use none of it.
        corpus: its corpus.

    Yields:
        One record per model.

    Raises:
        TextgenError: too large a corpus.
    """
    reads_bytes = models[0].reads_bytes
    check_size(reads_bytes, corpus)
    tokenizer: Tokenizer | Bytes
    orders: Sequence[int]  # of the document cache
    if reads_bytes:
        tokenizer = Bytes()
        orders = ()
    else:
        tokenizer = fit_tokenizer(experiment.tokenizer, corpus, experiment.seed)
        orders = experiment.cache.orders
    for model in models:
        start = time.perf_counter()
        _, scored, _ = score_baseline(model, tokenizer, corpus, orders, validated=False)
        test = summarise(scored, tokenizer.charged)
        if reads_bytes:
            test["tokens"] = None
            test["tokens_per_character"] = None
        test["published"] = published_units(test, corpus.test, closed=tokenizer.closed_vocabulary)
        yield {
            "baseline": kind,
            "order": getattr(model, "order", None),
            "command": getattr(model, "command", None),
            "experiment": experiment.name,
            "tokenizer": None if reads_bytes else experiment.resolved["tokenizer"],
            "seed": experiment.seed,
            "vocabulary_size": None if reads_bytes else tokenizer.size,
            "extra_data": list(tokenizer.extra_data),
            "unit": UNIT,
            "corpus": corpus.description,
            "seconds": time.perf_counter() - start,
            "test": test,
        }


def make_baselines(
    kind: str, orders: Sequence[int] = (), command: str | None = None
) -> list[Baseline]:
    """A baseline of a kind for each order, or one of the default order.

    Raises:
        TextgenError: an unknown kind, or a setting that it does not accept.
    """
    entry = lookup("baseline", kind, "--kind")
    fixed: dict[str, Any] = {} if command is None else {"command": command}
    tables = [fixed]
    if orders:
        tables = [{**fixed, "order": order} for order in orders]
    return [build(entry, table, f"--kind {kind}") for table in tables]


def check_size(reads_bytes: bool, corpus: Corpus) -> None:
    """Refuse a corpus that is too large for a baseline.

    Raises:
        TextgenError: a compressor would take too long, or n-grams too much memory.
    """
    characters = count_characters(corpus.train)
    if reads_bytes:
        documents = len(corpus.test)
        limit = MAX_COMPRESSED_BYTES // (documents + 1)
        much = f"{documents} times {characters:,} characters of training text take too long"
    else:
        limit = MAX_NGRAM_CHARACTERS
        much = f"n-grams of {characters:,} characters, more than {limit:,}: too large"
    if characters > limit:
        raise TextgenError(much, "set split.train_characters to a smaller number")


@dataclass(frozen=True)
class Reference:
    """A model without a network that every report names, or one from elsewhere.

    Attributes:
        key: its name in files.
        label: its name for people.
        meaning: what it is, in plain words.
        kind, order: of the baseline.
        tokenizer: a table as in an experiment file; None for one that reads the bytes of the text.
        cache: orders of its document cache.
        command: repeats its figure on the test part.
        part: ``counts``, or ``network`` of one from elsewhere.
        validation, test: bits of each document by that part and ``with_cache``; ``model_bits`` and
            ``surface_bits`` are (1,) sums.
        beginnings: the same, of the beginnings of validation documents that the curve of a training
            is of.
    """

    key: str
    label: str
    meaning: str
    kind: str = "kneser_ney"
    order: int | None = None
    tokenizer: dict[str, Any] | None = None
    cache: tuple[int, ...] = ()
    command: str = ""
    part: PartName = "counts"
    validation: Scores = field(default_factory=dict)
    test: Scores = field(default_factory=dict)
    beginnings: Scores = field(default_factory=dict)

    def command_on(self, experiment: str) -> str:
        """What repeats its figure on the test part of an experiment file."""
        words = ["python -m textgen baseline", shlex.quote(experiment), f"--kind {self.kind}"]
        if self.order:
            words.append(f"--order {self.order}")
        if self.tokenizer:
            table = ",".join(f"{key}={json.dumps(value)}" for key, value in self.tokenizer.items())
            words.append(f"--set 'tokenizer={{{table}}}'")
            words.append(f"--set 'cache.orders={list(self.cache)}'")
        return " ".join(words)

    def score(self, corpus: Corpus, say: Say) -> list[dict[str, list[dict[str, Any]]]]:
        """What the validation and test documents and the beginnings cost, as JSON data; none of the
        validation documents under a compressor, which reads the training text again for each."""
        say(f"scoring {self.label} for comparison, once for this text …")
        orders = [] if self.order is None else [self.order]
        (model,) = make_baselines(self.kind, orders)
        tokenizer: Tokenizer | Bytes = Bytes()
        if self.tokenizer:
            tokenizer = fit_tokenizer(Plugin("tokenizer").make(self.tokenizer), corpus, seed=0)
        validated = self.tokenizer is not None
        asked = beginnings(corpus.validation, Training.curve)
        scored = score_baseline(model, tokenizer, corpus, self.cache, validated, asked)
        return [_sums_of_parts(scores) for scores in scored]


# On the tales, character n-grams of the orders 6, 7, 8 and 10 reach 1.931, 1.899, 1.898 and 1.903
# bits.
ROWS = tomllib.loads(Path(__file__).with_name("references.toml").read_text(encoding="utf-8"))


def _reference(row: dict[str, Any]) -> Reference:
    """The reference of a table in ``references.toml``, which has lists where it has tuples."""
    return Reference(**{**row, "cache": tuple(row["cache"])})


REFERENCES = tuple(_reference(row) for row in ROWS["reference"])


def compute_references(folds: Sequence[Corpus], say: Say = ignore) -> list[Reference]:
    """The references of a text in its split or folds, each from the cache folder or newly computed.

    Args:
        folds: the corpus, once or for each fold: the documents of all are put together.
        say: called with a message before anything slow, and for what is left out as too slow.

    Returns:
        One for each of :data:`REFERENCES` that the text is not too long for.
    """
    references = []
    for reference in REFERENCES:
        parts: tuple[Scores, Scores, Scores] = ({}, {}, {})
        try:
            for corpus in folds:
                check_size(reference.tokenizer is None, corpus)
                found = cached(
                    _cache_path(reference, corpus), partial(reference.score, corpus, say)
                )
                for scores, scores_of_fold in zip(parts, found, strict=True):
                    for part, rows in scores_of_fold.items():
                        scores.setdefault(part, []).extend(map(_from_sums, rows))
        except TextgenError as error:  # such as a text too small for the tokenizer
            say(f"{reference.label} left out: {error}")
            continue
        validation, test, asked = parts
        references.append(replace(reference, validation=validation, test=test, beginnings=asked))
    return references


def _cache_path(reference: Reference, corpus: Corpus) -> Path:
    split = corpus.description["split_sha256"]
    depends_on = (CACHE_VERSION, corpus.sha256, split, reference, library_versions())
    digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()
    return cache_folder() / "references" / f"{reference.key}-{digest[:32]}"


def _sums_of_parts(scores: Scores) -> dict[str, list[dict[str, Any]]]:
    """Scores as JSON, by part."""
    return {part: [_sums(document) for document in documents] for part, documents in scores.items()}


def _sums(document: DocumentBits) -> dict[str, Any]:
    """A document as JSON, with the sums of its bits in place of those of each token."""
    bits = {"model_bits": [document.model], "surface_bits": [document.spelling_bits]}
    return {**vars(document), **bits}


def _from_sums(row: dict[str, Any]) -> DocumentBits:
    bits = {name: np.array(row[name]) for name in ("model_bits", "surface_bits")}
    return DocumentBits(**{**row, **bits})
