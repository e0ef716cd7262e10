"""A finished run as one object: its figures, its learning curve, its network, its texts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Sampling, build
from textgen.runs.folder import (
    NEEDED,
    check_finished,
    check_unharmed,
    damaged,
    read_metrics,
    reading,
    stored_experiment,
)
from textgen.runs.rounds import ROUNDS, read_rounds
from textgen.runs.saved import load_memory, load_network, load_tokenizer
from textgen.runs.schemas import Row, checked

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from matplotlib.axes import Axes

    from textgen.data import Document
    from textgen.evaluation import DocumentBits, Memory, MixtureSampler
    from textgen.models import Objective, Sampler
    from textgen.runs.evaluation import TokenBits
    from textgen.runs.scoring import Tokens
    from textgen.tokenizers import Tokenizer
METHODS = ("sample", "article")


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
        check_finished(self.folder)
        self.metrics = read_metrics(self.folder)
        self.experiment = stored_experiment(self.folder)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        return f"<Run {self.experiment.name!r} in {self.folder}: {self._result}>"

    def _repr_html_(self) -> str:
        from textgen.runs.scoring import html_table

        training, corpus = self.metrics["training"], self.metrics["corpus"]
        rows = {
            "folder": self.folder,
            "test": self._result,
            "corpus": f"{corpus['kind']} ({corpus['origin']})",
            "vocabulary": f"{self.metrics['vocabulary_size']:,} tokens",
            "parameters": f"{training['parameters']:,}",
            "training": f"{training['updates']:,} updates in {training['seconds']:.0f} seconds",
        }
        return html_table(("run", self.experiment.name), list(rows.items()))

    @property
    def _result(self) -> str:
        from textgen.evaluation import UNCHARGED

        bits = self.metrics["test"]["bits_per_character"]
        return f"{bits['total']:.4f} bits per character" if bits else UNCHARGED

    @property
    def charged(self) -> bool:
        """Whether its bits are those of a distribution over the text."""
        return self.metrics["test"]["bits_per_character"] is not None

    @property
    def objective(self) -> Objective:
        return self.experiment.objective

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per validation interval: updates, seconds, loss, bits per character, …"""
        check_unharmed(path := self.folder / "history.csv")
        with reading(path), path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
            rows = [dict(zip(header, map(float, line), strict=True)) for line in lines]
            for row in rows:
                checked(Row, row)
            if not rows or rows[-1]["updates"] != self.metrics["training"]["updates"]:
                raise ValueError("rows that are missing")
            return rows

    @cached_property
    def rounds(self) -> dict[str, Any] | None:
        """What the network wrote at every validation interval, and its bits for a short passage
        (see :mod:`textgen.runs.rounds`); None in older runs."""
        found, intervals = read_rounds(self.folder), len(self.history)
        if found and any(row["interval"] > intervals for row in found["rounds"]):
            error = ValueError(f"more rounds than the {intervals} of history.csv")
            raise damaged(self.folder / ROUNDS, error)
        return found

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fitted tokenizer."""
        return load_tokenizer(self.folder, self.experiment)

    @cached_property
    def network(self) -> Any:
        """The trained Keras network."""
        return load_network(self.folder, self.experiment, self.tokenizer)

    @cached_property
    def memory(self) -> Memory | None:
        """The tuned memory of the document; None if the experiment has none."""
        return load_memory(self.folder, self.experiment)

    @cached_property
    def token_bits(self) -> list[TokenBits]:
        """Bits of every token of the test documents under the network alone; ``remembered`` in each
        has those with a memory of the document.

        Raises:
            TextgenError: the file is missing or damaged, or its sum is not that of the metrics.
        """
        from textgen.runs.evaluation import TOKENS, read_token_bits

        table = read_token_bits(self.folder)
        if self.charged:
            bits = sum(d.total for d in table)
            unit = sum(d.characters + 1 for d in table)
            total = self.metrics["test"]["bits_per_character"]["total"]
            if abs(bits / unit - total) > 1e-3:
                found = f"{TOKENS} adds up to {bits / unit:.4f}, not {total:.4f}"
                raise damaged(self.folder, ValueError(found))
        return table

    @cached_property
    def texts(self) -> dict[str, Any]:
        """Samples over a sweep of temperatures and after fixed prompts, as in ``texts.json``."""
        from textgen.runs.evaluation import read_texts

        return read_texts(self.folder)

    @cached_property
    def sampler(self) -> Sampler:
        """Draws from the network; keeps what it has compiled."""
        from textgen.models import Sampler

        return Sampler(self.objective, self.network, self.tokenizer.unwritable)

    @cached_property
    def mixture_sampler(self) -> MixtureSampler:
        """Draws from the network with its memory of the document.

        Raises:
            TextgenError: the run has none.
        """
        from textgen.evaluation import MixtureSampler
        from textgen.runs.generation import no_memory

        if self.memory is None:
            raise no_memory("--memory", str(self.folder))
        parts = self.objective, self.network, self.memory
        return MixtureSampler(*parts, self.tokenizer.unwritable)

    def check(self) -> None:
        """Read everything but tokenizer and network: what a comparison needs.

        Raises:
            TextgenError: something is missing, damaged, or does not add up.
        """
        from textgen.runs.evaluation import TEXTS, TOKENS

        check_finished(self.folder, (*NEEDED, "history.csv", TOKENS, TEXTS))
        for name in ("history", "rounds", "memory", "token_bits", "texts"):
            getattr(self, name)

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 500,
        temperature: float = 0.8,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        samples: int = 1,
        fill: str = "scored",
        memory: bool = False,
        method: str = "sample",
    ) -> list[dict[str, Any]]:
        """Write text.

        Args:
            prompt: how the text begins. With ``method="article"``: the real text that is read.
            length: characters to write.
            temperature: 0 takes the most probable token; higher is more varied.
            top_k, top_p: restrict the choice; 0 and 1.0 do not.
            seed: repeats a text; None for another one each time. The records have the one used.
            samples: how many.
            fill: what takes the place of a generated placeholder: a word drawn as it is scored
                (``"scored"``), one from the training text that reads well there (``"pool"``), a
                newly spelled one (``"spell"``), or a mark (``"mark"``).
            memory: write with the memory of the document, from exactly the distribution of the
                figures with memory; otherwise the network writes alone.
            method: ``"sample"``, or ``"article"`` for the teacher-forced argmax (see
                :func:`textgen.runs.generation.article_readout`).

        Returns:
            Records with ``prompt``, ``text`` and the settings.

        Raises:
            TextgenError: a prompt with unknown characters, a setting out of range, or a memory
                that the run does not have.
        """
        from textgen.runs.generation import texts_of

        given = {"prompts": [prompt], "length": length, "samples": samples, "fill": fill}
        given |= {"temperature": temperature, "top_k": top_k, "top_p": top_p, "memory": memory}
        settings: Sampling = build(Sampling, given, "generate")
        return texts_of(self, settings, seed, method)

    def score_documents(self, documents: Sequence[Document]) -> list[DocumentBits]:
        """Bits of every token of some documents under the network alone, and, in ``remembered``,
        with the memory of the document if the run has one."""
        from textgen.evaluation import score_documents

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
        from textgen.runs.scoring import score_passage

        return score_passage(self, text)

    def tokens(self, text: str) -> Tokens:
        """Bits of every token of a passage, read as a document of its own.

        Returns:
            A list of dictionaries, the end mark's last, with ``text``, ``start`` and ``end``
            (characters of the passage), ``model`` and ``spelling`` (bits of the network alone), and
            ``with_memory``, their sum with a memory of the document, or None; ``.bits`` has the
            sums of the first two as an array. ``pandas.DataFrame(run.tokens(text))`` is a table.
        """
        from textgen.runs.scoring import tokens_of

        return tokens_of(self, text)

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the learning curve with Matplotlib.

        Args:
            axes: where to draw; new axes if None.
        """
        from matplotlib import pyplot

        axes = pyplot.subplots()[1] if axes is None else axes
        updates = [row["updates"] for row in self.history]
        bits = [row["validation_bits_per_character"] for row in self.history]
        axes.plot(updates, bits, marker=".", label=self.experiment.name)
        axes.set_xlabel("updates")
        axes.set_ylabel("bits per character, validation")
        axes.legend()
        return axes
