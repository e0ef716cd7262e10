"""A finished run as one object: its figures, its learning curve, its network, its texts, and the
bits of every token of its test documents.

Every file is checked against its checksum when it is read.
"""

import csv
import difflib
import json
import math
import re
import secrets
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.files import UNREADABLE, PathKind, found_at, kind_of, sha256_of
from textgen.core.progress import Moved, ignore
from textgen.core.randomness import seeded
from textgen.core.settings import Sampling
from textgen.core.tensorflow import start_tensorflow
from textgen.core.validation import build
from textgen.data.documents import Document
from textgen.data.language import WORD
from textgen.data.loading import Corpus, load_text
from textgen.evaluation import surprisal
from textgen.evaluation.counts import DocumentCache
from textgen.evaluation.metrics import Human, copied_spans
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.scores import summarise
from textgen.evaluation.units import UNCHARGED
from textgen.models.objectives import NextToken
from textgen.models.types import Network
from textgen.runs import results, stored
from textgen.runs.generation import article_readout, encode_prompt, sample_texts
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.borders import WHITE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

METHODS = ("sample", "article")
HELD_OUT = ("validation", "test")


class Run:
    """A finished run.

    Opening a run checks its folder and reads its settings and figures. Everything else is read when
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
        if not (self.folder / results.METRICS_FILE).exists():
            hint = "repeat the command that started the run to resume it"
            raise TextgenError(f"{folder}: not a finished run: no {results.METRICS_FILE}", hint)
        self.metrics = read_metrics(self.folder)
        self.experiment = load_experiment(self._path("experiment.toml"))

    def __fspath__(self) -> str:
        return str(self.folder)

    def __repr__(self) -> str:
        figure = f"{self.bits():.4f} bits per character" if self.charged else UNCHARGED
        return f"<Run {self.experiment.name!r} in {self.folder}: {figure}>"

    def _repr_markdown_(self) -> str:
        splits = {"validation": self.metrics.validation, "test": self.metrics.test}
        return f"{results.verdict(self.metrics)}\n\n{results.figure_table(splits)}"

    def bits(self, part: str = "network", split: str = "test") -> float | None:
        """Bits per character of a held-out split under a part of the model; None if the model
        is not a distribution over the text.

        Raises:
            TextgenError: the run has no such part, or the split is not a held-out one.
        """
        self.experiment.check_part(part)
        if split not in HELD_OUT:
            message = f"split {split!r}: a run's figures are those of {' and '.join(HELD_OUT)}"
            hint = f"for the training text: textgen score {self.folder} --split train"
            raise TextgenError(message, hint)
        found = getattr(self.metrics, split).parts[part].bits_per_character
        return found.total if found else None

    @property
    def charged(self) -> bool:
        """Whether the model is a distribution over the text, every character charged."""
        return self.bits() is not None

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
        reason = ""
        try:
            if sha256_of(path) != self.metrics.sha256.get(name):
                reason = f"not the sha256 that {results.METRICS_FILE} has"
        except UNREADABLE as error:
            reason = results.reason_of(error)
        if reason:
            raise results.damaged_error(path, reason)
        return path

    @cached_property
    def manifest(self) -> results.Manifest:
        """What is read of ``manifest.json``: the version and commit that trained the run, …

        Raises:
            TextgenError: it is missing or damaged; no figure depends on it.
        """
        return results.read_content(self.folder / "manifest.json", results.Manifest)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One row per validation interval: updates, seconds, loss, bits per character, …"""
        with self._path("history.csv").open(encoding="utf-8", newline="") as file:
            return [{key: float(row[key]) for key in row} for row in csv.DictReader(file)]

    @property
    def tokenizer_state(self) -> dict[str, Any]:
        """The content of ``tokenizer.json``."""
        return json.loads(self._path("tokenizer.json").read_text("utf-8"))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The fitted tokenizer."""
        return self.experiment.tokenizer.load(self.tokenizer_state)

    @cached_property
    def network(self) -> Network:
        """The trained Keras network, built from the experiment, with the saved weights."""
        path = self._path("model.weights.h5")
        experiment = self.experiment
        start_tensorflow(experiment.training.threads, experiment.training.deterministic)
        from textgen.models.network import set_embedding  # imports TensorFlow

        with seeded(experiment.seed):
            network = experiment.objective.build(experiment.backbone, self.tokenizer.size)
        network.load_weights(path)
        set_embedding(network, None, experiment.embedding.frozen)
        return network

    @cached_property
    def model(self) -> LanguageModel:
        """The trained network with its tokenizer, counts and cache: a model with its parts."""
        experiment = self.experiment
        counts = cache = None
        if experiment.training_counts.orders:
            path = self._path(stored.COUNTS_FILE)
            counts = stored.read_training_counts(path, self.tokenizer.size)
        if experiment.cache.orders:
            cache = DocumentCache(**json.loads(self._path(stored.CACHE_FILE).read_text("utf-8")))
        return LanguageModel(self.tokenizer, experiment.objective, self.network, counts, cache)

    def part(self, name: str) -> LanguageModel:
        """A part of the model, see :mod:`textgen.evaluation.model`.

        Raises:
            TextgenError: the run has no such part.
        """
        self.experiment.check_part(name)
        return self.model.part(name)

    @cached_property
    def token_bits(self) -> stored.TokenTables:
        """Part → bits of every token of the test documents."""
        return self.read_token_bits("test")

    def read_token_bits(self, split: str) -> stored.TokenTables:
        """Part → bits of every token of the documents of a held-out split."""
        return stored.read_token_bits(self._path(stored.TOKENS_FILE), split)

    @cached_property
    def texts(self) -> results.Texts:
        """Samples over a sweep of temperatures and after fixed prompts, as in ``texts.json``."""
        return results.read_content(self._path("texts.json"), results.Texts)

    def generate(
        self, prompt: str = "", *, method: str = "sample", seed: int | None = None, **settings: Any
    ) -> list[dict[str, Any]]:
        """Write text.

        Args:
            prompt: how the text begins. With ``method="article"``: the real text that is read.
            method: ``"sample"``, or ``"article"`` for the teacher-forced argmax (see
                :func:`textgen.runs.generation.article_readout`).
            seed: the seed that repeats a text; None for a new one, which the records have.
            settings: those of ``[sampling]``, such as ``temperature`` and ``part``; ``length`` is
                500 characters and ``samples`` 1 by default.

        Returns:
            Records with ``prompt``, ``text`` and the settings.

        Raises:
            TextgenError: a prompt with unknown characters, a setting out of range or without
                effect, or a part that the run does not have.
        """
        usual = {"prompts": [prompt], "length": 500, "samples": 1}
        sampling: Sampling = build(Sampling, {**usual, **settings}, "generate")
        if method not in METHODS:
            raise TextgenError(f"--method: {method!r}; expected {' or '.join(METHODS)}")
        seed = secrets.randbelow(2**31) if seed is None else seed
        tokens = encode_prompt(self.tokenizer, prompt)
        if method == "article":
            if sampling.part != "network" or not len(tokens):
                message = "--method article uses the network alone, on the tokens of a text"
                hint = 'leave out --part and give a real text: --prompt "The tide was out."'
                raise TextgenError(message, hint)
            if unused := _changed(sampling, build(Sampling, usual, "generate")):
                options = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
                message = f"--method article draws nothing: {options} would have no effect"
                raise TextgenError(message, f"leave out {options}, or --method article")
            return [article_readout(self.part("network"), prompt, seed)]
        return sample_texts(self.part(sampling.part), sampling, seed)

    def score(self, text: str) -> dict[str, Any]:
        """Bits of a passage, read as a document of its own.

        Args:
            text: any text; characters never seen in training cost an escape and their code point.

        Returns:
            ``run``, the folder; ``characters``; ``parts``; and ``stretches``. ``parts`` has for
            each part of the model the bits of ``model`` and ``spelling``, their ``total``, and
            ``end``, the bits of the end mark, which the others include. ``bits_per_character``
            divides the total by the characters and one end mark, as every report does;
            ``bits_per_character_without_end`` divides the bits of the text by its characters. Like
            ``total``, both are None if the model is not a distribution over the text. ``stretches``
            has records as :meth:`tokens` returns them, without the end mark and empty tokens.
        """
        tables = self._bits_of(text)
        without_end = {part: bits.stretches()[:-1] for part, bits in tables.items()}
        return {
            "run": str(self.folder),
            "characters": len(text),
            "parts": {part: _score(bits, self.tokenizer.charged) for part, bits in tables.items()},
            "stretches": _records(text, without_end),
        }

    def tokens(self, text: str) -> list[dict[str, Any]]:
        """Bits of every token of a passage, read as a document of its own.

        Returns:
            One dictionary per token, the end mark last, with ``text``, ``start`` and ``end``
            (characters of the passage), ``model`` and ``spelling`` (bits of the network), and for
            each part of the model their sum. ``pandas.DataFrame(run.tokens(text))`` is a table.
        """
        tables = self._bits_of(text)
        return _records(text, {part: bits.tokens() for part, bits in tables.items()})

    def words(
        self, text: str, context: str = "", *, entropy: bool = False, moved: Moved = ignore
    ) -> list[dict[str, Any]]:
        """The surprisal of every word of a text. A word is a stretch between white space (space,
        tab, CR, LF); its surprisal includes its end, whatever the model's tokens are (see
        :mod:`textgen.evaluation.surprisal`). Word and subword models read their canonical tokens,
        so the bits of a text are an upper bound.

        Args:
            text: a passage.
            context: text read before the passage, from the beginning of a document, and not
                charged; a space is put between the two if neither has white space there.
            entropy: whether the records have the entropy of the next token, too.
            moved: called with how many tokens are read, and how many there are.

        Returns:
            One dictionary per word: ``index`` from 1; ``word``; ``start`` and ``end``, in
            characters of the text; ``characters``; ``occurrences`` in the training text, and
            ``frequency_bits``, −log2 of their share of its words: None where there are none or the
            training text is not at hand; ``new_characters``, those of the word that the training
            text does not contain, None where that is not at hand. For each part of the model, with
            its name as prefix: ``gap_bits`` and ``word_bits``; ``spelling_bits``, the spelling's
            share of the latter; ``entropy_bits``, before the word. ``pandas.DataFrame`` makes them
            a table.

        Raises:
            TextgenError: another objective than ``next_token``, a tokenizer or policy that does
                not say where words end, or a token that holds white space and a word.
        """
        self.check_words()
        if context and text and context[-1] not in WHITE and text[0] not in WHITE:
            context += " "
        parts = surprisal.word_bits(
            self.model, context + text, len(context), entropy=entropy, moved=moved
        )
        counts = self._known_words
        rows = list[dict[str, Any]]()
        for number, (start, end) in enumerate(surprisal.find_words(text)):
            word = text[start:end]
            row: dict[str, Any] = {
                "index": number + 1,
                "word": word,
                "start": start,
                "end": end,
                "characters": end - start,
                "occurrences": None,
                "frequency_bits": None,
                "new_characters": None,
            }
            if counts is not None:
                row["occurrences"] = counts[word]
                if counts[word]:
                    row["frequency_bits"] = math.log2(counts.total() / counts[word])
                row["new_characters"] = "".join(self._new_characters(word))
            for part, words in parts.items():
                for kind, bits in words[number]._asdict().items():
                    if kind != "entropy" or entropy:
                        row[f"{part}_{kind}_bits"] = bits
            rows.append(row)
        return rows

    def check_words(self) -> None:
        """Check, before any work, that the run can give the surprisal of words.

        Raises:
            TextgenError: it cannot; the message says why.
        """
        reason = ""
        if type(self.experiment.objective) is not NextToken:
            reason = f"the objective {self.experiment.resolved['objective']['kind']}"
        else:
            try:
                self.tokenizer.borders()
            except ValueError as error:
                reason = str(error)
        if reason:
            message = f"{self.folder}: word surprisal is not defined for {reason}"
            raise TextgenError(message, "use a next_token run with another tokenizer or policy")

    @cached_property
    def corpus(self) -> Corpus:
        """The text that the run was made with.

        Raises:
            TextgenError: it is not available.
        """
        return load_text(self.experiment, self.metrics.corpus.sha256)

    @cached_property
    def training_words(self) -> Counter[str]:
        """How often each word occurs in the training text.

        Raises:
            TextgenError: the training text is not available.
        """
        texts = (document.text for document in self.corpus.train)
        return Counter(word for text in texts for word in surprisal.WORD.findall(text))

    @cached_property
    def _known_words(self) -> Counter[str] | None:
        """The words of the training text, if that is at hand."""
        try:
            return self.training_words
        except TextgenError:
            return None

    def seen_in_training(self, text: str) -> dict[str, Any]:
        """Which parts of a passage occur in the training text; the bits alone do not show this.

        Returns:
            ``whole``: whether the whole passage does; ``copied``: its stretches of 30 characters or
            more that do; ``new_characters``: its characters that do not; ``other_spellings``: word
            → its form in the training text, if only accents or apostrophes differ.

        Raises:
            TextgenError: the training text is not available.
        """
        whole = self._in_training(text)
        copied = [(0, len(text))] if whole else copied_spans(text, self._human)
        other = dict[str, str]()
        for word in sorted({match.group() for match in WORD.finditer(text)}):
            form = self._training_forms.get(plain_spelling(word))
            if form is not None and word not in self._language_words:
                other[word] = form
        return {
            "whole": whole,
            "copied": [text[start:end] for start, end in copied],
            "new_characters": self._new_characters(text),
            "other_spellings": other,
        }

    def _in_training(self, text: str) -> bool:
        """Whether a document of the training text contains a text; an empty one is nowhere."""
        if not text:
            return False
        return any(text in document.text for document in self.corpus.train)

    def _new_characters(self, text: str) -> list[str]:
        """Those that the training text does not contain, each once."""
        return [c for c in dict.fromkeys(text) if c not in self._training_characters]

    @cached_property
    def _training_characters(self) -> frozenset[str]:
        characters = set[str]()
        for document in self.corpus.train:
            characters.update(document.text)
        return frozenset(characters)

    @cached_property
    def _human(self) -> Human:
        """The training text, or the sample of a large one, as human writing."""
        return Human([document.text for document in self.corpus.sample])

    @cached_property
    def _language_words(self) -> Counter[str]:
        """How often each word of letters occurs in the same text."""
        texts = (document.text for document in self.corpus.sample)
        return Counter(match.group() for text in texts for match in WORD.finditer(text))

    @cached_property
    def _training_forms(self) -> dict[str, str]:
        """Plain spelling → the most frequent of the words that have it."""
        forms = dict[str, str]()
        for word, _ in self._language_words.most_common():
            forms.setdefault(plain_spelling(word), word)
        return forms

    def _bits_of(self, text: str) -> dict[str, stored.TokenBits]:
        encoded = [self.tokenizer.encode(text)]
        scores = self.model.score([Document("passage", text)], encoded=encoded)
        tables = stored.token_tables(encoded, scores)
        return {part: documents[0] for part, documents in tables.items()}

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the learning curve with Matplotlib, in new axes if None are given."""
        from matplotlib import pyplot

        axes = pyplot.subplots(layout="constrained")[1] if axes is None else axes
        updates = [row["updates"] for row in self.history]
        bits = [row["validation_bits_per_character"] for row in self.history]
        axes.plot(updates, bits, marker=".", label=self.experiment.name)
        axes.set(xlabel="updates", ylabel="bits per character, validation")
        axes.legend()
        return axes


def _changed(settings: Sampling, others: Sampling) -> list[str]:
    """The names of settings that differ from others."""
    names = [field.name for field in fields(Sampling)]
    return [name for name in names if getattr(settings, name) != getattr(others, name)]


def _score(bits: stored.TokenBits, charged: bool) -> dict[str, Any]:
    end_mark = bits.stretches()[-1]
    end = end_mark.model + end_mark.spelling
    score = {
        "model": float(bits.model.sum()),
        "spelling": float(bits.spelling.sum()),
        "total": None,
        "end": end,
        "bits_per_character": None,
        "bits_per_character_without_end": None,
    }
    if charged:
        score["total"] = bits.total
        score["bits_per_character"] = bits.total / (bits.characters + 1)
        if bits.characters:
            score["bits_per_character_without_end"] = (bits.total - end) / bits.characters
    return score


def _records(text: str, parts: Mapping[str, Sequence[stored.Stretch]]) -> list[dict[str, Any]]:
    """A dictionary for each stretch of a text, from its stretches under each part of a model."""
    records = list[dict[str, Any]]()
    for number, stretch in enumerate(parts["network"]):
        record = {
            "text": text[stretch.start : stretch.end],
            "start": stretch.start,
            "end": stretch.end,
            "model": stretch.model,
            "spelling": stretch.spelling,
        }
        for part, stretches in parts.items():
            of_part = stretches[number]
            record[part] = of_part.model + of_part.spelling
        records.append(record)
    return records


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
    kind = kind_of(folder)
    if kind is PathKind.FOLDER:
        return
    found = "no such folder" if kind is PathKind.MISSING else found_at(folder)
    runs = dict[str, Path]()
    for home in (Path("runs"), folder.parent):
        for path in home.glob("*/"):
            runs[path.name] = path
    if close := difflib.get_close_matches(folder.name, runs, n=1):
        hint = f"did you mean {runs[close[0]]}?"
    raise TextgenError(f"{folder}: {found}; expected the folder of a finished run", hint)


def read_metrics(folder: Path) -> results.Metrics:
    """``metrics.json``.

    Raises:
        TextgenError: it is damaged, or of a folder of another format.
    """
    path = folder / results.METRICS_FILE
    known = results.FORMAT
    found = _stored_format(path)
    if found not in (None, known):
        message = f"{path}: format {found}, but this version of textgen reads format {known}"
        raise TextgenError(message, results.TRAIN_AGAIN)
    return results.read_content(path, results.Metrics)


def _stored_format(path: Path) -> object:
    """The format that a file of JSON says it has, 1 if it says nothing; None of a damaged file."""
    try:
        content = json.loads(path.read_bytes())
    except UNREADABLE:
        return None
    return content.get("format", 1) if isinstance(content, dict) else None


def load_run(run: str | Path | Run) -> Run:
    """A finished run, given by its folder; a :class:`Run` is returned as it is.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """
    return run if isinstance(run, Run) else Run(run)


def generate_text(run: str | Path | Run, prompt: str = "", **settings: Any) -> list[dict[str, Any]]:
    """Texts written by a run, given itself or by its folder; settings as for :meth:`Run.generate`.

    Raises:
        TextgenError: no such run, or as :meth:`Run.generate`.
    """
    return load_run(run).generate(prompt, **settings)


def score_text(run: str | Path | Run, text: str) -> dict[str, Any]:
    """Bits of a passage under a run, given itself or by its folder, as :meth:`Run.score` returns
    them.

    Raises:
        TextgenError: no such run.
    """
    return load_run(run).score(text)


def score_split(run: str | Path | Run, split: str) -> dict[str, Any]:
    """Bits of a split of the text that a run was made with.

    Args:
        run: a finished run, or its folder.
        split: ``"train"``, ``"validation"`` or ``"test"``.

    Returns:
        ``run``, ``split``, and what ``metrics.json`` has about held-out splits.

    Raises:
        TextgenError: no such run, or its text is not at hand.
    """
    run = load_run(run)
    figures = summarise(run.model.score(run.corpus.parts[split]), run.tokenizer.charged)
    return {"run": str(run.folder), "split": split, **figures}
