"""A finished run as one object: its figures, its learning curve, its network, its texts, and the
bits of every token of its test documents.

Every file is checked against its checksum when it is read.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
import secrets
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.settings import Sampling, build
from textgen.core.system import kind_of, read_arrays, sha256_of, start_tensorflow, write_file
from textgen.data.documents import Document
from textgen.data.language import WORD
from textgen.data.loading import load_text
from textgen.evaluation.counts import CONTEXT_KINDS, PitmanYor, TrainingCounts, Trust
from textgen.evaluation.likelihood import DocumentBits, score_documents, summarise
from textgen.evaluation.memory import Memory
from textgen.evaluation.metrics import Human, copied_spans
from textgen.evaluation.sampler import Sampler
from textgen.evaluation.units import UNCHARGED
from textgen.models.objectives import Objective
from textgen.runs.generation import article_readout, encode_prompt, sample_texts
from textgen.runs.results import (
    METRICS_FILE,
    Metrics,
    Texts,
    damaged_error,
    figure_table,
    read_content,
    repeat_command,
    verdict,
)
from textgen.tokenizers.base import EncodedDocument, Tokenizer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("sample", "article")


@dataclass(frozen=True)
class TokenBits:
    """One document's bits by token, the end mark last.

    Attributes:
        name: the document's.
        ends: (n + 1,) int64, where the text of each token ends, in characters.
        model: (n + 1,) float64, −log2 P(token | earlier tokens).
        spelling: (n + 1,) float64, −log2 P(surface form | token).
        with_memory: the same with a memory of the document; None without one.
    """

    name: str
    ends: np.ndarray
    model: np.ndarray
    spelling: np.ndarray
    with_memory: TokenBits | None = None

    @property
    def total(self) -> float:
        """Bits of the whole document."""
        return float(self.model.sum() + self.spelling.sum())

    @property
    def characters(self) -> int:
        return int(self.ends[-1])

    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The document in stretches of at least one character, the end mark apart.

        A token without text of its own (a case modifier, the first byte of a character) is counted
        with the next token that has some. Words dropped after the last token are a stretch of their
        own, for their spelling.

        Returns:
            Starts and ends of m stretches (m,), and bits of model and spelling (m + 1,) float64,
            the end mark's last.
        """
        before = np.concatenate([[0], self.ends[:-2]])
        with_text = np.append(self.ends[:-1] > before, True)
        group = np.concatenate([[0], np.cumsum(with_text)[:-1]])
        count = int(group[-1]) + 1
        model = np.bincount(group, weights=self.model, minlength=count)
        spelling = np.bincount(group, weights=self.spelling, minlength=count)
        ends = self.ends[:-1][with_text[:-1]]
        if self.characters > (ends[-1] if len(ends) else 0):
            ends = np.append(ends, self.characters)
            model, spelling = np.insert(model, -1, 0.0), np.append(spelling, 0.0)
        return np.concatenate([[0], ends[:-1]])[: len(ends)], ends, model, spelling

    def per_character(self) -> np.ndarray:
        """(characters + 1,) float64: each stretch's bits in equal parts, the end mark's last."""
        starts, ends, model, spelling = self.cells()
        lengths = np.append(ends - starts, 1)
        return np.repeat((model + spelling) / lengths, lengths)


def token_table(
    tokenizer: Tokenizer, documents: Sequence[Document], costs: Sequence[DocumentBits]
) -> list[TokenBits]:
    """Bits of every token of scored documents, and where its text ends; dropped words are an entry
    of their own, without model bits."""
    return [
        _bits_of_tokens(tokenizer.encode(document.text), bits)
        for document, bits in zip(documents, costs, strict=True)
    ]


def _bits_of_tokens(encoded: EncodedDocument, bits: DocumentBits) -> TokenBits:
    model = bits.model_bits.astype(np.float64)
    spelling = np.zeros(len(bits.model_bits))
    np.add.at(spelling, encoded.places, bits.surface_bits)
    ends = np.append(encoded.ends, encoded.characters)
    if encoded.starts is not None:
        before = np.concatenate([[0], encoded.ends])[: len(encoded.starts)]
        gaps = np.flatnonzero(encoded.starts > before)
        moved = spelling[gaps]
        spelling[gaps] = 0.0
        ends = np.insert(ends, gaps, encoded.starts[gaps])
        model, spelling = np.insert(model, gaps, 0.0), np.insert(spelling, gaps, moved)
    both = _bits_of_tokens(encoded, bits.with_memory) if bits.with_memory else None
    return TokenBits(bits.name, ends, model, spelling, both)


def write_token_bits(path: Path, table: Sequence[TokenBits]) -> None:
    """``tokens.npz``: ``names`` and ``sizes`` of the documents; for each token ``ends``, and in
    ``bits`` those of model and spelling, then both with a memory if there is one."""
    scored = [[d, d.with_memory] if d.with_memory else [d] for d in table]
    bits = [np.stack([b for s in pair for b in (s.model, s.spelling)]) for pair in scored]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array([document.name for document in table]),
        sizes=np.array([len(document.ends) for document in table]),
        ends=np.concatenate([document.ends for document in table]).astype(np.int32),
        bits=np.concatenate(bits, axis=1).astype(np.float32),
    )
    write_file(path, buffer.getvalue())


def write_training_counts(path: Path, counts: TrainingCounts) -> None:
    """``training_counts.npz``: the tokens of the documents that were counted, and how far these
    counts are trusted."""
    assert counts.trust is not None
    (processes, weights), buffer = counts.trust, io.BytesIO()
    np.savez_compressed(
        buffer,
        tokens=np.concatenate(counts.documents),
        lengths=np.array([len(document) for document in counts.documents]),
        orders=np.array(processes[0].orders),
        discounts=np.array([process.discounts for process in processes]),
        strengths=np.array([process.strengths for process in processes]),
        weights=np.array(weights),
    )
    write_file(path, buffer.getvalue())


def read_training_counts(path: Path, vocabulary_size: int) -> TrainingCounts:
    """The content of ``training_counts.npz``."""
    data = read_arrays(path)
    if "weights" not in data:
        raise _outdated_error(path.parent, "its counts of the training text")
    documents = np.split(data["tokens"], np.cumsum(data["lengths"])[:-1])
    orders, weights = data["orders"].tolist(), data["weights"].tolist()
    settings = zip(data["discounts"].tolist(), data["strengths"].tolist(), strict=True)
    network, alone = (PitmanYor(orders, *pair) for pair in settings)
    return TrainingCounts(orders, documents, vocabulary_size, Trust((network, alone), weights))


def _outdated_error(folder: Path, what: str) -> TextgenError:
    message = f"{folder}: {what}: written by an earlier version of textgen"
    return TextgenError(message, f"train it again: {repeat_command(folder)}")


def read_token_bits(path: Path) -> list[TokenBits]:
    """The content of ``tokens.npz``."""
    data = read_arrays(path)
    names, cuts = data["names"].tolist(), np.cumsum(data["sizes"])[:-1]
    ends = np.split(data["ends"].astype(np.int64), cuts)
    bits = np.split(data["bits"].astype(np.float64), cuts, axis=1)
    table = []
    for name, places, (model, spelling, *mixed) in zip(names, ends, bits, strict=True):
        both = TokenBits(name, places, *mixed) if mixed else None
        table.append(TokenBits(name, places, model, spelling, both))
    return table


class Run:
    """A finished run.

    Opening one checks its folder and reads its settings and figures. Everything else is read when
    it is first used, and kept; TensorFlow is only loaded for the network.

    Args:
        folder: the run folder, e.g. ``"runs/char"``.

    Attributes:
        folder: the run folder.
        experiment: its settings.
        metrics: its figures, the content of ``metrics.json``.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        check_folder(self.folder)
        if not (self.folder / "experiment.toml").exists():
            runs = sorted(str(file.parent) for file in self.folder.glob("*/experiment.toml"))
            hint = f"give the folder of a finished run, e.g. {', '.join(runs) or 'runs/char'}"
            raise TextgenError(f"{folder}: not a run folder", hint)
        if not (self.folder / METRICS_FILE).exists():
            hint = "repeat the command that started it to resume it"
            raise TextgenError(f"{folder}: not a finished run: no {METRICS_FILE}", hint)
        self.metrics = read_metrics(self.folder)
        self.experiment = load_experiment(self._path("experiment.toml"))

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        bits = self.metrics.test.bits_per_character
        figure = f"{bits.total:.4f} bits per character" if bits else UNCHARGED
        return f"<Run {self.experiment.name!r} in {self.folder}: {figure}>"

    def _repr_markdown_(self) -> str:
        parts = {name: self.metrics[name] for name in ("validation", "test")}
        return f"{verdict(self.metrics)}\n\n{figure_table(parts)}"

    @property
    def charged(self) -> bool:
        """Whether its bits are those of a distribution over the text."""
        return self.metrics.test.bits_per_character is not None

    @property
    def objective(self) -> Objective:
        return self.experiment.objective

    def check(self) -> None:
        """Check every file of the run against its checksum.

        Raises:
            TextgenError: one is missing or damaged.
        """
        for name in self.metrics.sha256:
            self._path(name)

    def _path(self, name: str) -> Path:
        """The path of a file of the run, which is as the run has written it."""
        path = self.folder / name
        try:
            if sha256_of(path) != self.metrics.sha256.get(name):
                raise ValueError(f"another sha256 than that in {METRICS_FILE}")
        except UNREADABLE as error:
            raise damaged_error(path, error) from error
        return path

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per validation interval: updates, seconds, loss, bits per character, …"""
        with self._path("history.csv").open(encoding="utf-8", newline="") as file:
            return [{key: float(row[key]) for key in row} for row in csv.DictReader(file)]

    @property
    def tokenizer_state(self) -> dict[str, Any]:
        """The content of ``tokenizer.json``."""
        state: dict[str, Any] = json.loads(self._path("tokenizer.json").read_text("utf-8"))
        return state

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fitted tokenizer."""
        tokenizer: Tokenizer = self.experiment.tokenizer.load(self.tokenizer_state)
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The trained Keras network, built from the experiment, with the saved weights."""
        path = self._path("model.weights.h5")
        settings = self.experiment.training
        start_tensorflow(settings.threads, settings.deterministic)
        from textgen.models.network import set_embedding  # imports TensorFlow

        network = self.objective.build(self.experiment.backbone, self.tokenizer.size)
        network.load_weights(path)
        set_embedding(network, None, self.experiment.embedding.frozen)
        if self.experiment.training_counts.orders:
            counted = self._path("training_counts.npz")
            network.training_counts = read_training_counts(counted, self.tokenizer.size)
        return network

    @cached_property
    def memory(self) -> Memory | None:
        """The tuned memory of the document; None if the experiment has none."""
        if not self.experiment.memory.orders:
            return None
        memory = Memory(**json.loads(self._path("memory.json").read_text(encoding="utf-8")))
        if len(memory.discounts[0]) != CONTEXT_KINDS:
            raise _outdated_error(self.folder, "its memory of the document")
        return memory

    @cached_property
    def token_bits(self) -> list[TokenBits]:
        """Bits of every token of the test documents under the network alone; ``with_memory`` in
        each has those with a memory of the document."""
        return read_token_bits(self._path("tokens.npz"))

    @cached_property
    def texts(self) -> Texts:
        """Samples over a sweep of temperatures and after fixed prompts, as in ``texts.json``."""
        return read_content(self._path("texts.json"), Texts)

    def sampler(self, memory: bool = False) -> Sampler:
        """Writes with the network alone, or with its memory of the document.

        Raises:
            TextgenError: the run has no memory.
        """
        if memory and self.memory is None:
            hint = "leave --memory out, or train with [memory] orders, e.g. [3, 4, 5]"
            raise TextgenError(f"{self.folder} has no memory of the document", hint)
        used = self.memory if memory else None
        return Sampler(self.objective, self.network, self.tokenizer.unwritable, used)

    def generate(
        self, prompt: str = "", *, method: str = "sample", seed: int | None = None, **settings: Any
    ) -> list[dict[str, Any]]:
        """Write text.

        Args:
            prompt: how the text begins. With ``method="article"``: the real text that is read.
            method: ``"sample"``, or ``"article"`` for the teacher-forced argmax (see
                :func:`textgen.runs.generation.article_readout`).
            seed: repeats a text; None for another one each time. The records have the one used.
            settings: those of :class:`textgen.core.settings.Sampling`: ``length`` in characters
                (500), ``samples`` (1), ``temperature``, ``top_k``, ``top_p``, ``fill``, and
                ``memory``: write with the memory of the document, from exactly the distribution of
                the figures with memory; otherwise the network writes alone.

        Returns:
            Records with ``prompt``, ``text`` and the settings.

        Raises:
            TextgenError: a prompt with unknown characters, a setting out of range, or a memory
                that the run does not have.
        """
        defaults = {"prompts": [prompt], "length": 500, "samples": 1}
        sampling: Sampling = build(Sampling, {**defaults, **settings}, "generate")
        if method not in METHODS:
            raise TextgenError(f"--method: {method!r}; expected {' or '.join(METHODS)}")
        seed = secrets.randbelow(2**31) if seed is None else seed
        tokens = encode_prompt(self.tokenizer, prompt)
        if method == "article":
            if sampling.memory or not len(tokens):
                message = "--method article reads out the network alone, over the tokens of a text"
                hint = 'leave out --memory and give a real text: --prompt "The tide was out."'
                raise TextgenError(message, hint)
            return article_readout(self.sampler(), self.tokenizer, [prompt], seed)
        return sample_texts(self.sampler(sampling.memory), self.tokenizer, sampling, seed)

    def score_documents(self, documents: Sequence[Document]) -> list[DocumentBits]:
        """Bits of every token of some documents under the network alone, and, in ``with_memory``,
        with the memory of the document if the run has one."""
        return score_documents(self.objective, self.network, self.tokenizer, documents, self.memory)

    def score(self, text: str) -> dict[str, Any]:
        """Bits of a passage, read as a document of its own.

        Args:
            text: any text; characters never seen in training cost an escape and their code point.

        Returns:
            ``run``, the folder; ``characters``; bits of ``model`` and ``spelling``, ``total`` and
            ``end``, those of the end mark, which the others include; ``bits_per_character``, of
            text and end mark over the characters and one more, as in every report, and
            ``bits_per_character_without_end``, of the text alone over its characters: like
            ``total`` None if the run's bits are not those of a distribution over the text. All this
            is of the network alone; ``with_memory`` has the same with a memory of the document, or
            is None. ``stretches``: records as :meth:`tokens` returns them, of a character at least,
            the end mark left out.
        """
        bits, charged = self._bits_of(text), self.tokenizer.charged
        both = bits.with_memory
        remembered = np.add(*both.cells()[2:]) if both else None
        return {
            "run": str(self.folder),
            "characters": len(text),
            **_score(bits, charged),
            "with_memory": both and _score(both, charged),
            "stretches": _records(text, *bits.cells(), remembered),
        }

    def tokens(self, text: str) -> list[dict[str, Any]]:
        """Bits of every token of a passage, read as a document of its own.

        Returns:
            A dictionary a token, the end mark's last, with ``text``, ``start`` and ``end``
            (characters of the passage), ``model`` and ``spelling`` (bits of the network alone), and
            ``with_memory``, their sum with a memory of the document, or None.
            ``pandas.DataFrame(run.tokens(text))`` is a table.
        """
        bits = self._bits_of(text)
        starts, both = np.append(0, bits.ends[:-1]), bits.with_memory
        remembered = both.model + both.spelling if both else None
        return _records(text, starts, bits.ends, bits.model, bits.spelling, remembered)

    def seen_in_training(self, text: str) -> dict[str, Any]:
        """What of a passage stands in the training text, which its bits alone do not say.

        Returns:
            ``whole``, whether all of it does; ``copied``, its stretches of 30 characters and more
            that do; ``new_characters``, those that do not; ``other_spellings``, word → the same
            with other accents or apostrophes, of words that the training text has only so.

        Raises:
            TextgenError: the training text is not at hand.
        """
        loaded = load_text(self.experiment, self.metrics.corpus.sha256)
        sample = [document.text for document in loaded.sample]
        words = Counter(match.group() for each in sample for match in WORD.finditer(each))
        new = {match.group() for match in WORD.finditer(text)} - words.keys()
        forms = {plain_spelling(word): word for word, _ in reversed(words.most_common()) if new}
        other = {word: form for word in sorted(new) if (form := forms.get(plain_spelling(word)))}

        def stands(part: str) -> bool:
            return any(part in document.text for document in loaded.train)

        copied = [(0, len(text))] if stands(text) else copied_spans(text, Human(sample))
        return {
            "whole": copied == [(0, len(text))],
            "copied": [text[start:end] for start, end in copied],
            "new_characters": [c for c in dict.fromkeys(text) if not stands(c)],
            "other_spellings": other,
        }

    def _bits_of(self, text: str) -> TokenBits:
        document = Document("passage", text)
        return token_table(self.tokenizer, [document], self.score_documents([document]))[0]

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the learning curve with Matplotlib, in new axes if None are given."""
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1] if axes is None else axes
        updates = [row["updates"] for row in self.history]
        bits = [row["validation_bits_per_character"] for row in self.history]
        axes.plot(updates, bits, marker=".", label=self.experiment.name)
        axes.set(xlabel="updates", ylabel="bits per character, validation")
        axes.legend()
        return axes


def _score(bits: TokenBits, charged: bool) -> dict[str, Any]:
    *_, model, spelling = bits.cells()
    end, characters = float(model[-1] + spelling[-1]), bits.characters
    open_ended = (bits.total - end) / characters if charged and characters else None
    return {
        "model": float(model.sum()),
        "spelling": float(spelling.sum()),
        "total": bits.total if charged else None,
        "end": end,
        "bits_per_character": bits.total / (characters + 1) if charged else None,
        "bits_per_character_without_end": open_ended,
    }


def _records(text: str, starts: np.ndarray, *columns: np.ndarray | None) -> list[dict[str, Any]]:
    """A dictionary for each stretch of a text, from its start, end, bits of model and spelling, and
    their sum with a memory; columns of bits may have those of the end mark besides."""
    names = ("start", "end", "model", "spelling", "with_memory")
    none = [None] * len(starts)
    rows = zip(*(none if c is None else c.tolist() for c in (starts, *columns)), strict=False)
    return [{"text": text[row[0] : row[1]], **dict(zip(names, row, strict=True))} for row in rows]


def plain_spelling(word: str) -> str:
    """A word without accents and points, its apostrophes as a typewriter has them."""
    letters = unicodedata.normalize("NFKD", re.sub("[‘’ʼ]", "'", word))
    return "".join(c for c in letters if not unicodedata.combining(c))


def check_folder(folder: Path, hint: str = "train one: textgen run char") -> None:
    """Check that there is such a folder; a run that is damaged is one.

    Args:
        folder: of a run.
        hint: of the error, where no run has a name like this.

    Raises:
        TextgenError: there is none.
    """
    kind = kind_of(folder).replace("such file", "such folder")
    if kind == "a folder":
        return
    runs = {path.name: path for home in (Path("runs"), folder.parent) for path in home.glob("*/")}
    close = difflib.get_close_matches(folder.name, runs, n=1)
    hint = f"did you mean {runs[close[0]]}?" if close else hint
    raise TextgenError(f"{folder}: {kind}; expected the folder of a finished run", hint)


def read_metrics(folder: Path) -> Metrics:
    """``metrics.json``.

    Raises:
        TextgenError: it is damaged.
    """
    return read_content(folder / METRICS_FILE, Metrics)


def load_run(run: str | Path | Run) -> Run:
    """A finished run, given by its folder; a :class:`Run` is returned as it is.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """
    return run if isinstance(run, Run) else Run(run)


def generate_text(run: str | Path | Run, prompt: str = "", **settings: Any) -> list[dict[str, Any]]:
    """Texts written by a run or the run of a folder; settings as for :meth:`Run.generate`.

    Raises:
        TextgenError: no such run, or as :meth:`Run.generate`.
    """
    return load_run(run).generate(prompt, **settings)


def score_text(run: str | Path | Run, text: str) -> dict[str, Any]:
    """Bits of a passage under a run or the run of a folder, as :meth:`Run.score` returns them.

    Raises:
        TextgenError: no such run.
    """
    return load_run(run).score(text)


def score_part(run: str | Path | Run, part: str) -> dict[str, Any]:
    """Bits of a part of the text that a run was made with.

    Args:
        run: a finished run, or its folder.
        part: ``"train"``, ``"validation"`` or ``"test"``.

    Returns:
        ``run``, ``part``, and what ``metrics.json`` has about the held-out parts.

    Raises:
        TextgenError: no such run, or its text is not at hand.
    """
    run = load_run(run)
    documents = load_text(run.experiment, run.metrics.corpus.sha256).parts[part]
    figures = summarise(run.score_documents(documents), run.tokenizer.charged)
    return {"run": str(run.folder), "part": part, **figures}
