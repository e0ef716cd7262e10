"""A finished run as one object: its figures, its learning curve, its network, its texts."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core.errors import TextgenError
from textgen.core.machine import start_tensorflow
from textgen.core.plugins import build
from textgen.core.settings import Sampling
from textgen.data.loading import load_corpus
from textgen.evaluation.likelihood import score_documents
from textgen.evaluation.memory import Memory
from textgen.evaluation.mixture import MixtureSampler
from textgen.evaluation.units import UNCHARGED
from textgen.models.footprint import check_loading
from textgen.models.sampler import Sampler
from textgen.runs import generation
from textgen.runs.evaluation import (
    TEXTS,
    TOKENS,
    is_current,
    read_texts,
    read_token_bits,
    write_evaluation,
)
from textgen.runs.folder import (
    MEMORY_FILE,
    NEEDED,
    TOKENIZER_FILE,
    WEIGHTS,
    check_finished,
    check_unharmed,
    read_metrics,
    stored_experiment,
)
from textgen.runs.generation import no_memory_error
from textgen.runs.schemas import MemoryState, Row, Texts, damaged_error, parse, read_json, reading
from textgen.runs.scoring import html_table, score_passage, tokens_of

if TYPE_CHECKING:  # NumPy and more: not needed for --help
    from matplotlib.axes import Axes

    from textgen.data.documents import Document
    from textgen.data.loading import Corpus
    from textgen.evaluation.likelihood import DocumentBits
    from textgen.evaluation.memory import Memory
    from textgen.evaluation.mixture import MixtureSampler
    from textgen.models.base import Objective
    from textgen.models.sampler import Sampler
    from textgen.runs.evaluation import TokenBits
    from textgen.runs.scoring import Tokens
    from textgen.tokenizers.base import Tokenizer

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
        training, corpus = self.metrics.training, self.metrics.corpus
        rows = {
            "folder": self.folder,
            "test": self._result,
            "corpus": f"{corpus.kind} ({corpus.origin})",
            "vocabulary": f"{self.metrics.vocabulary_size:,} tokens",
            "parameters": f"{training.parameters:,}",
            "training": f"{training.updates:,} updates in {training.seconds:.0f} seconds",
        }
        return html_table(("run", self.experiment.name), list(rows.items()))

    @property
    def _result(self) -> str:
        bits = self.metrics.test.bits_per_character
        return f"{bits.total:.4f} bits per character" if bits else UNCHARGED

    @property
    def charged(self) -> bool:
        """Whether its bits are those of a distribution over the text."""
        return self.metrics.test.bits_per_character is not None

    @property
    def objective(self) -> Objective:
        return self.experiment.objective

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per validation interval: updates, seconds, loss, bits per character, …"""
        check_unharmed(path := self.folder / "history.csv", self.metrics)
        with reading(path), path.open(encoding="utf-8", newline="") as file:
            header, *lines = csv.reader(file)
            rows = [dict(zip(header, map(float, line), strict=True)) for line in lines]
            for row in rows:
                parse(Row, row)
            if not rows or rows[-1]["updates"] != self.metrics.training.updates:
                raise ValueError("rows that are missing")
            return rows

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fitted tokenizer."""
        path, size = self.folder / TOKENIZER_FILE, self.metrics.vocabulary_size
        check_unharmed(path, self.metrics)
        try:
            state = read_json(path)
            kind = state.pop("kind")
            if kind != self.experiment.resolved["tokenizer"]["kind"]:
                raise ValueError(f"the tokenizer is of another kind, {kind!r}")
            tokenizer: Tokenizer = self.experiment.tokenizer.load(state)
            if not tokenizer.size == len(tokenizer.names) == size:
                raise ValueError(f"{tokenizer.size} tokens, not the {size} of metrics.json")
        except TextgenError:
            raise
        except Exception as error:  # a plug-in, or a library below it, may raise anything
            raise damaged_error(path, error) from None
        return tokenizer

    @cached_property
    def network(self) -> Any:
        """The trained Keras network, built from the experiment, with the saved weights."""
        import numpy as np

        experiment, path = self.experiment, self.folder / WEIGHTS
        check_unharmed(path, self.metrics)
        size, settings = self.tokenizer.size, experiment.training
        start_tensorflow(settings.threads, settings.deterministic)
        where = str(self.folder / "experiment.toml")
        check_loading(self.objective, experiment.backbone, size, where)
        network = self.objective.build(experiment.backbone, size)
        try:
            network.load_weights(path)
            if not all(np.isfinite(weight).all() for weight in network.get_weights()):
                raise ValueError("weights that are not finite")
        except Exception as error:  # Keras raises whatever its HDF5 layer raises
            raise damaged_error(path, error) from None
        return network

    @cached_property
    def memory(self) -> Memory | None:
        """The tuned memory of the document; None if the experiment has none."""
        settings, path = self.experiment.memory, self.folder / MEMORY_FILE
        if not settings.orders:
            return None
        check_unharmed(path, self.metrics)
        with reading(path):
            memory = Memory(**read_json(path, MemoryState))
            if memory.orders != settings.orders:
                raise ValueError(f"orders {list(memory.orders)}")
            if (memory.learning is not None) != bool(settings.learning_rate):
                raise ValueError("learning")
        return memory

    @cached_property
    def token_bits(self) -> list[TokenBits]:
        """Bits of every token of the test documents under the network alone; ``remembered`` in each
        has those with a memory of the document.

        Raises:
            TextgenError: the file is missing or damaged, or its sum is not that of the metrics.
        """
        table = read_token_bits(self.folder)
        if expected := self.metrics.test.bits_per_character:
            bits = sum(d.total for d in table)
            unit = sum(d.characters + 1 for d in table)
            if abs(bits / unit - expected.total) > 1e-3:
                found = f"{TOKENS} adds up to {bits / unit:.4f}, not {expected.total:.4f}"
                raise damaged_error(self.folder, ValueError(found))
        return table

    @cached_property
    def texts(self) -> Texts:
        """Samples over a sweep of temperatures and after fixed prompts, as in ``texts.json``."""
        return read_texts(self.folder)

    @cached_property
    def sampler(self) -> Sampler:
        """Draws from the network; keeps what it has compiled."""
        return Sampler(self.objective, self.network, self.tokenizer.unwritable)

    @cached_property
    def mixture_sampler(self) -> MixtureSampler:
        """Draws from the network with its memory of the document.

        Raises:
            TextgenError: the run has none.
        """
        if self.memory is None:
            raise no_memory_error("--memory", str(self.folder))
        parts = self.objective, self.network, self.memory
        return MixtureSampler(*parts, self.tokenizer.unwritable)

    def check(self) -> None:
        """Read everything but tokenizer and network: what a comparison needs.

        Raises:
            TextgenError: something is missing, damaged, or does not add up.
        """
        check_finished(self.folder, (*NEEDED, "history.csv", TOKENS, TEXTS))
        for name in ("history", "memory", "token_bits", "texts"):
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
        if method not in METHODS:
            expected = " or ".join(METHODS)
            raise TextgenError("--method", found=repr(method), expected=expected)
        given = {"prompts": [prompt], "length": length, "samples": samples, "fill": fill}
        given |= {"temperature": temperature, "top_k": top_k, "top_p": top_p, "memory": memory}
        settings: Sampling = build(Sampling, given, "generate")
        seed, tokenizer = generation.check_seed(seed), self.tokenizer
        tokens = generation.encode_prompt(tokenizer, prompt)  # before TensorFlow is loaded
        if method == "article":
            generation.check_article(prompt, tokens, memory)
            records = generation.article_readout(self.sampler, tokenizer, [prompt], fill, seed)
            return [{**record, "seed": seed} for record in records]
        generation.check_room(tokenizer, settings, self.experiment.memory.orders, "generate")
        sampler = self.mixture_sampler if memory else self.sampler
        return generation.sample_texts(sampler, tokenizer, settings, seed)

    def score_documents(self, documents: Sequence[Document]) -> list[DocumentBits]:
        """Bits of every token of some documents under the network alone, and, in ``remembered``,
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
        return score_passage(self, text)

    def tokens(self, text: str) -> Tokens:
        """Bits of every token of a passage, read as a document of its own.

        Returns:
            A list of dictionaries, the end mark's last, with ``text``, ``start`` and ``end``
            (characters of the passage), ``model`` and ``spelling`` (bits of the network alone), and
            ``with_memory``, their sum with a memory of the document, or None; ``.bits`` has the
            sums of the first two as an array. ``pandas.DataFrame(run.tokens(text))`` is a table.
        """
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


def ensure_evaluation(run: Run, loaded: Corpus | None = None) -> bool:
    """Write the files for a comparison that a run lacks, or has with samples of other settings.

    Args:
        run: a finished run.
        loaded: its corpus, if it is loaded already.

    Returns:
        Whether anything was written.
    """
    loaded = loaded or load_corpus(run.experiment)
    if is_current(run.folder, loaded):
        return False
    run = Run(run.folder)  # its network is freed afterwards
    costs = run.score_documents(loaded.test)
    write_evaluation(run.folder, run.tokenizer, run.sampler, loaded, costs)
    return True
