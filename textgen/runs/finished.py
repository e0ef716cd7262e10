"""A finished run as one object: its figures, its learning curve, its network, its texts."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.settings import Sampling, build
from textgen.core.system import FLOAT, check_fits, read_arrays, start_tensorflow, write_file
from textgen.data.documents import Document
from textgen.data.loading import load_text
from textgen.evaluation.likelihood import DocumentBits, score_documents, summarise
from textgen.evaluation.memory import Memory
from textgen.evaluation.sampler import Sampler
from textgen.evaluation.units import UNCHARGED
from textgen.models.objectives import Objective
from textgen.runs import generation
from textgen.runs.folder import check_unharmed, read_finished, stored_experiment
from textgen.runs.results import Texts, read_content
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
    table = []
    for document, bits in zip(documents, costs, strict=True):
        encoded, size = tokenizer.encode(document.text), document.characters
        alone = _bits_of_tokens(encoded, size, bits)
        if bits.with_memory is not None:
            alone = replace(alone, with_memory=_bits_of_tokens(encoded, size, bits.with_memory))
        table.append(alone)
    return table


def _bits_of_tokens(encoded: EncodedDocument, size: int, bits: DocumentBits) -> TokenBits:
    model, spelling = bits.model_bits.astype(np.float64), np.zeros(len(bits.model_bits))
    np.add.at(spelling, encoded.places, bits.surface_bits)
    ends = np.append(encoded.ends, size)
    if encoded.starts is not None:
        before = np.concatenate([[0], encoded.ends])[: len(encoded.starts)]
        gaps = np.flatnonzero(encoded.starts > before)
        moved = spelling[gaps]
        spelling[gaps] = 0.0
        ends = np.insert(ends, gaps, encoded.starts[gaps])
        model, spelling = np.insert(model, gaps, 0.0), np.insert(spelling, gaps, moved)
    return TokenBits(bits.name, ends, model, spelling)


def write_token_bits(path: Path, table: Sequence[TokenBits]) -> None:
    """``tokens.npz``: ``names`` and ``sizes`` of the documents; for each token ``ends``, and in
    ``bits`` those of model and spelling, then both with a memory if there is one."""
    bits = [
        np.stack([bits for scored in (document, document.with_memory) if scored
                  for bits in (scored.model, scored.spelling)])
        for document in table
    ]  # fmt: skip
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array([document.name for document in table]),
        sizes=np.array([len(document.ends) for document in table]),
        ends=np.concatenate([document.ends for document in table]).astype(np.int32),
        bits=np.concatenate(bits, axis=1).astype(np.float32),
    )
    write_file(path, buffer.getvalue())


def read_token_bits(path: Path) -> list[TokenBits]:
    """The content of ``tokens.npz``."""
    data = read_arrays(path)
    names, cuts = data["names"].tolist(), np.cumsum(data["sizes"])[:-1]
    ends = np.split(data["ends"].astype(np.int64), cuts)
    bits = np.split(data["bits"].astype(np.float64), cuts, axis=1)
    table = []
    for name, places, (*alone, model, spelling) in zip(names, ends, bits, strict=True):
        last = TokenBits(name, places, model, spelling)
        table.append(TokenBits(name, places, alone[0], alone[1], last) if alone else last)
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
        self.metrics = read_finished(self.folder)
        self._path("experiment.toml")
        self.experiment = stored_experiment(self.folder)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        bits = self.metrics.test.bits_per_character
        figure = f"{bits.total:.4f} bits per character" if bits else UNCHARGED
        return f"<Run {self.experiment.name!r} in {self.folder}: {figure}>"

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
        return check_unharmed(self.folder, name, self.metrics)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per validation interval: updates, seconds, loss, bits per character, …"""
        with self._path("history.csv").open(encoding="utf-8", newline="") as file:
            return [{key: float(row[key]) for key in row} for row in csv.DictReader(file)]

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fitted tokenizer."""
        state = json.loads(self._path("tokenizer.json").read_text(encoding="utf-8"))
        tokenizer: Tokenizer = self.experiment.tokenizer.load(state)
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The trained Keras network, built from the experiment, with the saved weights."""
        experiment, path = self.experiment, self._path("model.weights.h5")
        size, settings = self.tokenizer.size, experiment.training
        where = str(self.folder / "experiment.toml")
        start_tensorflow(settings.threads, settings.deterministic)
        weights, _ = self.objective.measure(experiment.backbone, size)
        subject = f"{where}: a network of {weights:,} weights"
        check_fits(2 * FLOAT * weights, subject, "use a machine with more memory")
        network = self.objective.build(experiment.backbone, size)
        network.load_weights(path)
        return network

    @cached_property
    def memory(self) -> Memory | None:
        """The tuned memory of the document; None if the experiment has none."""
        if not self.experiment.memory.orders:
            return None
        return Memory(**json.loads(self._path("memory.json").read_text(encoding="utf-8")))

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
            raise TextgenError(f"{self.folder} has no memory of the document", hint=hint)
        kept = self.memory if memory else None
        return Sampler(self.objective, self.network, self.tokenizer.unwritable, kept)

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
        chosen: Sampling = build(Sampling, {**defaults, **settings}, "generate")
        if method not in METHODS:
            raise TextgenError(f"--method: {method!r}; expected {' or '.join(METHODS)}")
        seed, tokenizer = secrets.randbelow(2**31) if seed is None else seed, self.tokenizer
        tokens = generation.encode_prompt(tokenizer, prompt)
        if method == "article":
            if chosen.memory:
                raise TextgenError(
                    "--method article reads out the network alone: leave out --memory"
                )
            if not len(tokens):
                hint = 'give the real text that it reads, e.g. --prompt "The tide was out."'
                raise TextgenError("--method article: --prompt has no token of this run", hint=hint)
            return generation.article_readout(self.sampler(), tokenizer, [prompt], seed)
        generation.check_room(tokenizer, chosen, self.experiment.memory.orders, "generate")
        return generation.sample_texts(self.sampler(chosen.memory), tokenizer, chosen, seed)

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
            ``end``, those of the end mark, which the others include; ``bits_per_character``, like
            ``total`` None if the run's bits are not those of a distribution over the text;
            ``stretches``: (text, model bits, spelling bits) in order. All this is of the network
            alone; ``with_memory`` has the same with a memory of the document, or is None.
        """
        bits, charged = self._bits_of(text), self.tokenizer.charged
        score = {"run": str(self.folder), "characters": len(text), **_passage(bits, text, charged)}
        both = bits.with_memory and _passage(bits.with_memory, text, charged)
        return {**score, "with_memory": both}

    def tokens(self, text: str) -> list[dict[str, Any]]:
        """Bits of every token of a passage, read as a document of its own.

        Returns:
            A dictionary a token, the end mark's last, with ``text``, ``start`` and ``end``
            (characters of the passage), ``model`` and ``spelling`` (bits of the network alone), and
            ``with_memory``, their sum with a memory of the document, or None.
            ``pandas.DataFrame(run.tokens(text))`` is a table.
        """
        bits, ends = self._bits_of(text), [0]
        ends += bits.ends.tolist()
        both = bits.with_memory
        with_memory = both and (both.model + both.spelling).tolist()
        return [
            {
                "text": text[ends[i] : ends[i + 1]],
                "start": ends[i],
                "end": ends[i + 1],
                "model": float(bits.model[i]),
                "spelling": float(bits.spelling[i]),
                "with_memory": with_memory and with_memory[i],
            }
            for i in range(len(bits.ends))
        ]

    def _bits_of(self, text: str) -> TokenBits:
        document = Document("passage", text)
        return token_table(self.tokenizer, [document], self.score_documents([document]))[0]

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the learning curve with Matplotlib, in new axes if None are given."""
        from matplotlib import pyplot

        axes = pyplot.subplots()[1] if axes is None else axes
        updates = [row["updates"] for row in self.history]
        bits = [row["validation_bits_per_character"] for row in self.history]
        axes.plot(updates, bits, marker=".", label=self.experiment.name)
        axes.set_xlabel("updates")
        axes.set_ylabel("bits per character, validation")
        axes.legend()
        return axes


def _passage(bits: TokenBits, text: str, charged: bool) -> dict[str, Any]:
    model, spelling = bits.model.tolist(), bits.spelling.tolist()
    cells = zip(*(column.tolist() for column in bits.cells()), strict=False)
    return {
        "model": sum(model),
        "spelling": sum(spelling),
        "total": bits.total if charged else None,
        "end": model[-1] + spelling[-1],
        "bits_per_character": bits.total / (len(text) + 1) if charged else None,
        "stretches": [(text[start:end], *costs) for start, end, *costs in cells],
    }


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
