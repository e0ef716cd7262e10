"""What a run writes about itself, and how it is read: ``metrics.json`` and ``texts.json`` as typed
objects, ``manifest.json``, and ``summary.md`` for people."""

import datetime
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Template
from pydantic import (
    BaseModel,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

import textgen
from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import UNREADABLE
from textgen.core.machine import cores, processor
from textgen.core.tensorflow import tensorflow_in_effect
from textgen.core.terminal import command_line
from textgen.data.documents import beginnings
from textgen.data.loading import Corpus
from textgen.evaluation import units
from textgen.evaluation.scores import UNIT, Scores, by_position, summarise
from textgen.training.checkpoint import Progress
from textgen.training.compute import Spent, seconds_per_update, spent
from textgen.training.preparation import Prepared

METRICS_FILE = "metrics.json"
SUMMARY = Path(__file__).with_name("summary.txt")  # the template of summary.md
# The version of run folders: raised where an older folder can no longer be read
FORMAT = 3


class Content(BaseModel, strict=True, allow_inf_nan=False, extra="allow"):
    """What is read of a file; other keys are kept as they are."""


class Bits(Content):
    model: float
    spelling: float
    total: float


class Figures(Content):
    """Bits of a part of a model on a split of the text; None where it is not a distribution over
    texts, as not everything is charged for."""

    bits_per_character: Bits | None
    mean_over_documents: float | None


class Published(Content):
    """Figures in the units of published ones, see
    :func:`textgen.evaluation.units.published_units`."""

    parts: dict[str, units.InUnits]
    denominators: dict[str, str]
    comparable: str


class SplitFigures(Content):
    """Figures of a held-out split of the text, by part of the model."""

    parts: dict[str, Figures]
    replacement_rate: NonNegativeFloat
    published: Published | None = None


class CorpusContent(Content):
    """What :attr:`textgen.data.loading.Corpus.description` says."""

    kind: str
    origin: str
    licence: str
    sha256: str
    split_sha256: str


class Manifest(Content):
    """What is read of ``manifest.json``.

    Attributes:
        textgen: the version that trained the run.
        commit: as :func:`commit_of` returned it then.
    """

    corpus: CorpusContent
    processor: str = ""
    textgen: str = ""
    commit: str = ""


class StageContent(Content):
    """:class:`textgen.training.compute.StageWork`, with its seconds of one update; None where none
    was timed."""

    updates: NonNegativeInt
    characters_per_update: NonNegativeFloat
    multiplications_per_update: NonNegativeInt | None = None
    seconds_per_update: NonNegativeFloat | None


class TrainingContent(Content):
    """What a training took, and of :class:`textgen.training.checkpoint.Progress` where it ended.

    Attributes:
        compute, compute_without_preparation: see :mod:`textgen.training.compute`; None where no
            update was timed.
        multiplications: see :mod:`textgen.training.multiplications`; None where they are not known,
            as in older records.
        stages: what was done in each; records that do not have them are of one stage.
        passes: how many times the training text was read.
    """

    threads: PositiveInt | None = None
    preparation_seconds: NonNegativeFloat
    seconds: NonNegativeFloat
    validation_seconds: NonNegativeFloat
    validation_share: float = 1.0
    characters: PositiveInt
    characters_of_training_text: PositiveInt
    passes: NonNegativeFloat = 0.0
    calibration_seconds_per_update: NonNegativeFloat | None = None
    seconds_per_update: NonNegativeFloat | None = None
    compute: NonNegativeFloat | None = None
    compute_without_preparation: NonNegativeFloat | None = None
    multiplications: NonNegativeInt | None = None
    stages: list[StageContent] = []
    updates: PositiveInt
    updates_planned: PositiveInt
    parameters: PositiveInt
    best_interval: int
    intervals: PositiveInt
    cooled_from: int = 0
    cooling_start: int = 0
    cooling_updates: int = 0
    position: int = 0

    @model_validator(mode="after")
    def _complete_older_record(self) -> "TrainingContent":
        """Add what a record without stages implies."""
        self.passes = self.characters / self.characters_of_training_text
        if self.stages:
            return self
        stage = StageContent(
            updates=self.updates,
            characters_per_update=self.characters / self.updates,
            seconds_per_update=self.seconds_per_update,
        )
        self.stages = [stage]
        if self.seconds_per_update is not None:
            self.compute_without_preparation = self.updates * self.seconds_per_update
            self.compute = self.preparation_seconds + self.compute_without_preparation
        return self


# The fields above that are those of Progress.
OF_PROGRESS = (
    "seconds",
    "validation_seconds",
    "validation_share",
    "calibration_seconds_per_update",
    "seconds_per_update",
    "updates",
    "updates_planned",
    "best_interval",
    "intervals",
    "cooled_from",
    "cooling_start",
    "cooling_updates",
    "position",
)


class CurvePointContent(Content):
    """:class:`textgen.training.curve.CurvePoint`, and what was spent until then.

    Attributes:
        compute, compute_without_preparation: see :mod:`textgen.training.compute`; None where that
            is not known.
        multiplications: as of :class:`TrainingContent`.
        characters: of training text that were read, with repeats.
        passes: how many times that is the training text.
    """

    updates: PositiveInt
    updates_by_stage: list[NonNegativeInt] = []
    compute: NonNegativeFloat | None = None
    compute_without_preparation: NonNegativeFloat | None = None
    multiplications: NonNegativeInt | None = None
    characters: NonNegativeFloat | None = None
    passes: NonNegativeFloat | None = None
    seconds: NonNegativeFloat
    bits: list[NonNegativeFloat]
    sample: str


class CurveContent(Content):
    """The curve of a training.

    Attributes:
        documents: of validation text, whose beginnings the network was asked for.
        characters: of each beginning.
        points: in the order of their updates.
    """

    documents: list[str]
    characters: list[PositiveInt]
    points: list[CurvePointContent]


class Metrics(Content):
    """``metrics.json``; ``sha256`` is that of files that are written once."""

    format: int
    name: str
    unit: str
    context: str
    vocabulary_size: PositiveInt
    corpus: CorpusContent
    extra_data: list[str]
    validation: SplitFigures
    test: SplitFigures
    training: TrainingContent
    curve: CurveContent | None = None
    sha256: dict[str, str]


class Text(Content):
    text: str
    filled: list[tuple[int, int, str]]


class PromptedText(Text):
    prompt: str


class TextsAtTemperature(Content):
    temperature: NonNegativeFloat
    texts: list[Text]


class Texts(Content):
    """``texts.json``: what a part of a model wrote."""

    part: str
    settings: dict[str, Any]
    sweep: list[TextsAtTemperature]
    prompted: list[PromptedText]


Read = TypeVar("Read")
Records = Sequence[Mapping[str, Any]]  # of texts that were written
TRAIN_AGAIN = "train the run again: textgen run experiments/… --overwrite"


def read_content(path: Path, kind: type[Read], hint: str = TRAIN_AGAIN) -> Read:
    """A JSON file of a run, a report or a study as an object.

    Raises:
        TextgenError: it is damaged.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except UNREADABLE as error:  # pydantic's own error is a ValueError
        raise damaged_error(path, reason_of(error), hint) from error


def damaged_error(path: Path, reason: str, hint: str = TRAIN_AGAIN) -> TextgenError:
    """The error for a file of a finished run that cannot be what the run has written."""
    return TextgenError(f"{path}: damaged, or of another version ({reason})", hint)


def reason_of(error: Exception) -> str:
    """What reading a file has raised, in a line."""
    reason = str(error).partition("\n")[0][:200]
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else first["msg"]
    return f"{type(error).__name__}: {reason}"


def describe_run(experiment: Experiment, loaded: Corpus, folder: Path) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    import tensorflow as tf  # loaded already; the name of its package varies: tensorflow-cpu, …

    versions = {name: metadata.version(name) for name in ("keras", "numpy", "spacy", "gensim")}
    return {
        "textgen": textgen.__version__,
        "commit": commit_of(Path(textgen.__file__).parent),
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": repeat_command(folder),
        "experiment": experiment.resolved,
        "seed": experiment.seed,
        "corpus": loaded.description,
        "documents": loaded.names,
        "python": platform.python_version(),
        "packages": {"tensorflow": tf.__version__, **versions},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        **tensorflow_in_effect,
    }


def commit_of(package: Path) -> str:
    """The commit of the code in a package's folder, with ``+dirty`` where anything in the folder
    differs from it; empty where the package is no part of a checkout."""
    # set where this runs in a hook of another repository
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", *arguments]
        done = subprocess.run(
            command,
            cwd=package,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
        )
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # else it is installed inside a checkout
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", ".")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit}+dirty" if changed else commit


def repeat_command(folder: Path) -> str:
    """The command that trains the run of a folder again."""
    parts = ["python", "-m", "textgen", "run", str(folder / "experiment.toml")]
    return command_line([*parts, "--runs", str(folder.parent), "--overwrite"])


def run_metrics(
    experiment: Experiment,
    loaded: Corpus,
    prepared: Prepared,
    progress: Progress,
    parameters: int,
    scored: Mapping[str, Scores],
    sha256: dict[str, str],
) -> Metrics:
    """The content of ``metrics.json``.

    Args:
        experiment, loaded, prepared: what the training started from.
        progress: where it ended.
        parameters: of the network.
        scored: the documents of ``validation`` and of ``test``.
        sha256: of the files that are written once.
    """
    tokenizer = prepared.tokenizer
    objective = experiment.objective
    splits = {name: summarise(scores, tokenizer.charged) for name, scores in scored.items()}
    for name, figures in splits.items():
        closed = tokenizer.closed_vocabulary
        figures["published"] = units.published_units(figures, loaded.parts[name], closed=closed)
    if not objective.carries_state:
        bits = by_position(scored["test"]["network"], objective.length)
        splits["test"]["model_bits_by_position"] = bits
    at_end = spent(progress.stages, progress.updates_by_stage)
    characters_of_training_text = sum(e.characters + 1 for e in prepared.encoded[0])
    training = {
        "threads": tensorflow_in_effect.get("threads"),
        "preparation_seconds": prepared.seconds,
        **{name: getattr(progress, name) for name in OF_PROGRESS},
        **_costs(at_end, prepared.seconds),
        "stages": [
            {
                "updates": stage["updates"],
                "characters_per_update": stage["characters_per_update"],
                "multiplications_per_update": stage["multiplications_per_update"],
                "seconds_per_update": seconds_per_update(stage),
            }
            for stage in progress.stages
        ],
        "characters": round(at_end.characters),
        "characters_of_training_text": characters_of_training_text,
        "parameters": parameters,
        "loss": experiment.training.loss,
        "final_loss": progress.history[-1]["loss"],
    }
    curve = None
    if progress.curve:
        texts = beginnings(loaded.validation, experiment.training.curve)
        points = list[dict[str, Any]]()
        for point in progress.curve:
            at_point = spent(progress.stages, point["updates_by_stage"])
            figures_at_point = {
                **_costs(at_point, prepared.seconds),
                "characters": at_point.characters,
                "passes": at_point.characters / characters_of_training_text,
            }
            points.append({**point, **figures_at_point})
        curve = {
            "documents": [text.name for text in texts],
            "characters": [text.characters for text in texts],
            "points": points,
        }
    content = {
        "format": FORMAT,
        "name": experiment.name,
        "unit": UNIT,
        "context": objective.context,
        "vocabulary_size": tokenizer.size,
        "corpus": loaded.description,
        "extra_data": prepared.extra_data,
        **splits,
        "training": training,
        "curve": curve,
        "sha256": sha256,
    }
    return Metrics.model_validate(content)


def _costs(spent: Spent, preparation: float) -> dict[str, float | None]:
    """Compute with and without the seconds of the preparation, and multiplications."""
    return {
        "compute": None if spent.seconds is None else preparation + spent.seconds,
        "compute_without_preparation": spent.seconds,
        "multiplications": spent.multiplications,
    }


def figure_table(splits: Mapping[str, SplitFigures]) -> str:
    """The figures of the parts of a model on splits of the text, a row each, in Markdown."""
    rows = []
    for name, split in splits.items():
        for part, figures in split.parts.items():
            bits = figures.bits_per_character
            cells = units.format_bits(dict(bits) if bits else None, 4)
            mean = units.format_number(figures.mean_over_documents, ".4f")
            replaced = f"{split.replacement_rate:.2%}"
            rows.append((name, part, *cells, mean, replaced))
    columns = ("", "part", "model", "+ spelling", "= total", "mean", "replaced")
    return units.markdown_table(columns, rows, (0, 1))


def verdict(metrics: Metrics) -> str:
    """The figures of the test split in one line: the network's, then those of the other parts."""
    totals = {
        part: figures.bits_per_character.total
        for part, figures in metrics.test.parts.items()
        if figures.bits_per_character
    }
    if not totals:
        return f"{metrics.name}: {units.UNCHARGED}"
    network = totals.pop("network")
    others = "".join(f"; {units.PART_LABELS[part]} {bits:.4f}" for part, bits in totals.items())
    return f"{metrics.name}: {network:.4f} bits per character of held-out text{others}"


def summary_markdown(metrics: Metrics, warning: str, samples: Records, folder: Path) -> str:
    """``summary.md`` of a run folder; ``warning`` has what to know first."""
    template = Template(SUMMARY.read_text(encoding="utf-8"), trim_blocks=True, lstrip_blocks=True)
    text = template.render(
        metrics=metrics,
        warning=warning,
        samples=samples,
        units=units,
        verdict=verdict(metrics),
        figures=figure_table({"validation": metrics.validation, "test": metrics.test}),
        command=repeat_command(folder),
    )
    return text + "\n"
