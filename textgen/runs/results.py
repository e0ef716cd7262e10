"""What a run writes about itself, and how it is read: ``manifest.json``, ``metrics.json`` and
``texts.json`` as typed objects, ``summary.md`` for people."""

from __future__ import annotations

import contextlib
import datetime
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import textgen
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.experiment import Experiment
from textgen.core.system import cores, processor, tensorflow_in_effect
from textgen.data.language import word_list
from textgen.data.loading import Corpus
from textgen.evaluation.likelihood import UNIT, DocumentBits, by_position, summarise
from textgen.evaluation.metrics import real_words, training_words
from textgen.evaluation.units import (
    NOTHING,
    UNCHARGED,
    UNIT_COLUMNS,
    format_number,
    markdown_table,
    published_units,
    unit_rows,
)
from textgen.training.checkpoint import Progress
from textgen.training.preparation import Prepared

MAX_HUMAN_CHARACTERS = 50_000
"""Of held-out text whose share of real words is given for comparison."""
PROGRESS = """seconds validation_seconds validation_share calibration_seconds_per_update updates
updates_planned best_interval intervals""".split()
"""What is kept of where a training ended."""
PACKAGES = ("keras", "numpy", "spacy", "gensim")
FIGURES = ("", "model", "+ spelling", "= total", "memory", "mean", "replaced")
MEANING = (
    "Model + spelling = total is what the network charges alone; the mean gives every document the "
    "same weight. A memory of the document, of its tokens and of its rare words, is another "
    "distribution; samples are of the network alone unless they say otherwise."
)

AtLeastZero = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]


class Content(BaseModel):
    """Keys that are not named here are kept as they are; ``content["key"]`` is ``content.key``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)


Read = TypeVar("Read", bound=BaseModel)


class Bits(Content):
    model: float
    spelling: float
    total: float


class Figures(Content):
    """Of a distribution over a part of the text; None where not everything is charged for."""

    bits_per_character: Bits | None
    mean_over_documents: float | None


class Part(Figures):
    """Figures of a held-out part of the text, of the network alone and with a memory."""

    with_memory: Figures | None
    documents: Count
    characters: Whole
    tokens: Whole | None
    tokens_per_character: AtLeastZero | None
    pieces: Whole
    replaced: Whole
    replacement_rate: AtLeastZero
    published: dict[str, Any] | None = None


class Language(Content):
    code: str
    script: str
    stated: bool


class CorpusContent(Content):
    """What :attr:`textgen.data.loading.Corpus.description` says."""

    kind: str
    origin: str
    licence: str
    sha256: str
    split_sha256: str
    language: Language
    fallback: bool


class Manifest(Content):
    """What is read of ``manifest.json``."""

    corpus: CorpusContent


class TrainingContent(Content):
    preparation_seconds: AtLeastZero
    seconds: AtLeastZero
    validation_seconds: AtLeastZero
    validation_share: AtLeastZero
    memory_seconds: AtLeastZero
    calibration_seconds_per_update: AtLeastZero | None
    characters: Whole
    characters_of_training_text: Count
    updates: Count
    updates_planned: Count
    parameters: Count
    best_interval: Whole
    intervals: Count
    loss: str
    final_loss: float


class WordShares(Content):
    """How many of the ``words`` of a text are real: in the training text, or in a word list."""

    in_training: AtLeastZero
    strict: AtLeastZero
    words: Whole


class Generation(Content):
    temperature: AtLeastZero
    word_list: str | None
    real_words: dict[str, WordShares]


class Metrics(Content):
    """``metrics.json``; ``sha256`` is that of files that are written once."""

    name: str
    unit: str
    context: str
    vocabulary_size: Count
    corpus: CorpusContent
    extra_data: list[str]
    validation: Part
    test: Part
    training: TrainingContent
    generation: Generation
    sha256: dict[str, str]


class Text(Content):
    text: str
    filled: list[tuple[Whole, Whole, str]]


class PromptedText(Text):
    prompt: str


class TextsAtTemperature(Content):
    temperature: AtLeastZero
    texts: list[Text]


class Texts(Content):
    """``texts.json``."""

    settings: dict[str, Any]
    sweep: list[TextsAtTemperature]
    prompted: list[PromptedText]


def parse(model: type[Read], content: str) -> Read:
    """JSON as an object.

    Raises:
        ValueError: it is not what the model says, with the place in it.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def read_content(path: Path, model: type[Read]) -> Read:
    """A JSON file of a run as an object.

    Raises:
        TextgenError: it is damaged.
    """
    with reading(path):
        return parse(model, path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file of a run raises inside becomes one :class:`TextgenError`."""
    try:
        yield
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0][:200]
        message = f"{path}: a damaged run ({type(error).__name__}: {reason})"
        hint = "train it again: textgen run experiments/… --overwrite"
        raise TextgenError(message, hint=hint) from error


def describe_run(experiment: Experiment, loaded: Corpus, folder: Path) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    import tensorflow as tf  # loaded already; the name of its package varies: tensorflow-cpu, …

    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "textgen": textgen.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": repeat_command(folder, experiment),
        "experiment": experiment.resolved,
        "seed": experiment.seed,
        "corpus": loaded.description,
        "documents": loaded.names,
        "python": platform.python_version(),
        "packages": {"tensorflow": tf.__version__, **versions},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        **tensorflow_in_effect(),
    }


def repeat_command(folder: Path, experiment: Experiment) -> str:
    """The command that trains the run of a folder again."""
    parts = ["python", "-m", "textgen", "run", str(folder / "experiment.toml")]
    return shlex.join([*parts, "--runs", str(folder.parent), "--overwrite"])


def run_metrics(
    experiment: Experiment,
    loaded: Corpus,
    prepared: Prepared,
    progress: Progress,
    *,
    parameters: int,
    scored: Mapping[str, list[DocumentBits]],
    memory_seconds: float,
    samples: Sequence[Mapping[str, Any]],
    sha256: dict[str, str],
) -> Metrics:
    """The content of ``metrics.json``.

    Args:
        experiment, loaded, prepared: what the training started from.
        progress: where it ended.
        parameters: of the network.
        scored: the documents of ``validation`` and of ``test``.
        memory_seconds: that tuning the memory took.
        samples: as ``samples.json`` holds them.
        sha256: of the files that are written once.
    """
    tokenizer, objective = prepared.tokenizer, experiment.objective
    parts = {name: summarise(bits, tokenizer.charged) for name, bits in scored.items()}
    for name, figures in parts.items():
        closed = tokenizer.closed_vocabulary
        figures["published"] = published_units(figures, loaded.parts[name], closed=closed)
    if not objective.carries_state:
        parts["test"]["model_bits_by_position"] = by_position(scored["test"], objective.length)
    return Metrics.model_validate(
        {
            "name": experiment.name,
            "unit": UNIT,
            "context": objective.context,
            "vocabulary_size": tokenizer.size,
            "corpus": loaded.description,
            "extra_data": prepared.extra_data,
            **parts,
            "training": {
                "preparation_seconds": prepared.seconds,
                **{name: getattr(progress, name) for name in PROGRESS},
                "memory_seconds": memory_seconds,
                "characters": round(progress.updates * progress.characters_per_update),
                "characters_of_training_text": sum(e.characters + 1 for e in prepared.encoded[0]),
                "parameters": parameters,
                "loss": experiment.training.loss,
                "final_loss": progress.history[-1]["loss"],
            },
            "generation": _word_shares(experiment, loaded, samples),
            "sha256": sha256,
        }
    )


def _word_shares(
    experiment: Experiment, loaded: Corpus, samples: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Shares of real words in the samples and in held-out human text."""
    language = loaded.language.code
    training = training_words(document.text for document in loaded.sample)
    each = MAX_HUMAN_CHARACTERS // len(loaded.test)
    texts = {
        "samples": "\n".join(record["text"] for record in samples),
        "human": "\n".join(document.text[:each] for document in loaded.test),
    }
    return {
        "temperature": experiment.sampling.temperature,
        "word_list": word_list(language),
        "real_words": {name: real_words(text, training, language) for name, text in texts.items()},
    }


def bits_cells(bits: Bits | None) -> tuple[str, str, str]:
    """Model, spelling and total bits per character; without any, the last says why."""
    if bits is None:
        return NOTHING, NOTHING, UNCHARGED
    return f"{bits.model:.4f}", f"{bits.spelling:.4f}", f"{bits.total:.4f}"


def figure_table(parts: Mapping[str, Part]) -> str:
    """The figures of parts of the text, a row each, in Markdown."""
    rows = []
    for name, part in parts.items():
        both = part.with_memory and part.with_memory.bits_per_character
        rows.append(
            (
                name,
                *bits_cells(part.bits_per_character),
                f"{both.total:.4f}" if both else NOTHING,
                format_number(part.mean_over_documents, 4),
                f"{part.replacement_rate:.2%}",
            )
        )
    return markdown_table(FIGURES, rows)


def verdict(metrics: Metrics) -> str:
    """The figures of the test part in one line."""
    bits, both = metrics.test.bits_per_character, metrics.test.with_memory
    if bits is None:
        return f"{metrics.name}: {UNCHARGED}"
    mixed = both and both.bits_per_character
    memory = f"; {mixed.total:.4f} with memory" if mixed else ""
    return f"{metrics.name}: {bits.total:.4f} bits per character of held-out text{memory}"


def word_line(metrics: Metrics) -> str:
    """How many words of the samples and of human text are real."""
    listed = metrics.generation.word_list is not None
    title = "Real words" if listed else "Words that the training text has"
    shares = metrics.generation.real_words
    return f"{title}: samples {shares['samples'].strict:.1%}, human {shares['human'].strict:.1%}"


def summary_markdown(
    experiment: Experiment,
    loaded: Corpus,
    metrics: Metrics,
    samples: Sequence[Mapping[str, Any]],
    folder: Path,
) -> str:
    """``summary.md`` of a run folder."""
    corpus, training, published = metrics.corpus, metrics.training, metrics.test.published
    times = training.characters / training.characters_of_training_text
    parts = [f"# {verdict(metrics)}"]
    if loaded.warning:
        parts.append("> **" + loaded.warning.replace("\n", "\n> ") + "**")
    parts += [
        f"In {metrics.unit}; lower is better. {MEANING}",
        figure_table({name: metrics[name] for name in ("validation", "test")}),
    ]
    if published:
        parts += [
            "The test part in the units of published figures. End marks of documents are paid for "
            f"and, as elsewhere, not counted. {published['comparable'].capitalize()}.",
            markdown_table(UNIT_COLUMNS, unit_rows(published), (0, 3)),
        ]
    parts += [
        f"{training.parameters:,} parameters; {training.updates:,} updates, "
        f"{training.characters:,} characters ({times:.1f} times the training text) in "
        f"{training.seconds:.0f} seconds after {training.preparation_seconds:.0f} of preparation, "
        f"and {training.validation_seconds:.0f} of validation. Best validation "
        f"{training.best_interval} of {training.intervals}. Context: {metrics.context}.",
        f"{word_line(metrics)}.",
        *(f"**Extra data:** {data}." for data in metrics.extra_data),
    ]
    for record in samples:
        text = (record["prompt"] + record["text"]).replace("\n", "\n> ")
        parts.append(f"Sample at temperature {record['temperature']}:\n\n> {text}")
    parts.append(
        f"Corpus: {corpus.kind} ({corpus.origin}; {corpus.licence}), sha256 {corpus.sha256[:16]}, "
        f"split {corpus.split_sha256[:16]}, seed {experiment.seed}. Repeat with "
        f"`{repeat_command(folder, experiment)}`."
    )
    return "\n\n".join(parts) + "\n"
