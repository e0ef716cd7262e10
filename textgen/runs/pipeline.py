"""One run from its experiment to a finished folder: load, prepare, train, evaluate, write."""

import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.files import csv_bytes, write_file, write_json
from textgen.core.settings import BUDGETS
from textgen.core.tensorflow import start_tensorflow
from textgen.data.documents import beginnings
from textgen.data.loading import Corpus, load_corpus
from textgen.evaluation.counts import DocumentCache
from textgen.evaluation.dynamic import measure_gradients
from textgen.evaluation.model import LanguageModel, Observed
from textgen.evaluation.scores import Scores, average_bits, scored_documents
from textgen.models.types import Network
from textgen.runs import folder as run_folder
from textgen.runs.console import Screen, TrainingDisplay
from textgen.runs.finished import Run
from textgen.runs.generation import (
    Writer,
    draw_texts,
    encode_prompt,
    evaluation_for,
    requests,
    sample_texts,
)
from textgen.runs.results import METRICS_FILE, describe_run, run_metrics, summary_markdown
from textgen.runs.stored import token_tables, write_mixture, write_token_bits
from textgen.training.checkpoint import CHECKPOINT_FILE, Progress
from textgen.training.compute import StageWork
from textgen.training.curve import Curve, CurvePoint
from textgen.training.preparation import Prepared, prepare, subtract_preparation_time

if TYPE_CHECKING:
    from textgen.training.begun import Begun

# Characters that a network writes at each point of a curve.
CURVE_SAMPLE = 200


def train(
    experiment: str | Path | Experiment,
    *,
    overrides: Sequence[str] = (),
    name: str | None = None,
    more: float | None = None,
    runs_folder: str | Path = "runs",
    overwrite: bool = False,
    quiet: bool = False,
) -> Run:
    """Train, score and sample one experiment.

    Args:
        experiment: a TOML file, or an Experiment.
        overrides: ``table.key=value`` strings.
        name: the run's name; the experiment's own if None.
        more: train the finished run of this experiment, or the one in this folder, further from
            its best weights: for N more seconds, or whatever its budget counts, as a new run
            ``NAME-moreN``. This is a second warm-up and decay, not one long training.
        runs_folder: the folder for runs.
        overwrite: replace a run of that name.
        quiet: no progress on the terminal.

    Returns:
        The finished run. A run that was interrupted is resumed.

    Raises:
        TextgenError: anything wrong with the settings, the text or the folder.
    """
    if more is not None:
        experiment = _continuation(experiment, more, overrides, name, Path(runs_folder))
    elif overrides or name is not None or not isinstance(experiment, Experiment):
        experiment = load_experiment(experiment, overrides, name)
    return make_run(experiment, Path(runs_folder), overwrite, Screen(quiet))


def make_run(
    experiment: Experiment,
    runs_folder: Path,
    overwrite: bool,
    screen: Screen,
    begun: "Begun | None" = None,
) -> Run:
    """The run of an experiment, see :func:`train`; what this process has begun, and the run can go
    on with, is not done again."""
    if "tensorflow" in sys.modules or "keras" in sys.modules:  # else it is started when needed
        _start_tensorflow(experiment)
    start = Run(experiment.training.start) if experiment.training.start else None
    if begun and (start or not begun.serves(experiment)):
        begun = None
    folder = runs_folder / experiment.name
    if start and start.folder.resolve() == folder.resolve():
        message = f"{folder}: a run cannot replace the one that it starts from"
        raise TextgenError(message, "give it another name with --name")
    with run_folder.prepared_folder(folder, experiment, overwrite):
        loaded = begun.loaded if begun else load_corpus(experiment)
        screen.corpus(experiment, loaded)
        resumes = not overwrite and (folder / CHECKPOINT_FILE).exists()
        job = Job(folder, experiment, loaded, start, begun, overwrite, resumes, screen)
        prepared = _prepare(job)
        network, progress = _train(job, prepared)
        _evaluate(job, prepared, network, progress)
    return Run(folder)


def _continuation(
    experiment: str | Path | Experiment,
    more: float,
    overrides: Sequence[str],
    name: str | None,
    runs_folder: Path,
) -> Experiment:
    """The experiment that trains the finished run of another on from its weights."""
    path = Path(experiment.name if isinstance(experiment, Experiment) else experiment)
    if path.name == "experiment.toml":
        path = path.parent
    if not run_folder.is_finished(path):
        run_name = load_experiment(path).name if path.suffix == ".toml" else path.name
        path = runs_folder / run_name
    run = Run(path)
    stated = vars(run.experiment.training)
    budget = next(key for key in BUDGETS if stated[key] is not None)
    amount = int(more) if float(more).is_integer() else more
    changes = [f"training.{budget}={amount}", f"training.start={json.dumps(str(run.folder))}"]
    name = name or f"{run.experiment.name}-more{amount}"
    return load_experiment(run.folder / "experiment.toml", [*changes, *overrides], name)


@dataclass(frozen=True)
class Job:
    """What every stage of a run needs. It begins with the weights of ``start``, goes on with what
    is ``begun``, or ``resumes`` from a checkpoint."""

    folder: Path
    experiment: Experiment
    loaded: Corpus
    start: Run | None
    begun: "Begun | None"
    overwrite: bool
    resumes: bool
    screen: Screen


def _start_tensorflow(experiment: Experiment) -> int:
    settings = experiment.training
    return start_tensorflow(settings.threads, settings.deterministic, parts=True)


def _prepare(job: Job) -> Prepared:
    """Fit the tokenizer, encode the text, and check everything that needs no TensorFlow."""
    experiment = job.experiment
    screen = job.screen
    if job.resumes and (other := run_folder.other_text(job.folder, job.loaded.sha256)):
        raise run_folder.begun_error(job.folder, other)
    if job.begun:
        prepared = job.begun.prepared
    else:
        with screen.stage("preparing the text"):
            prepared = prepare(experiment, job.loaded)
    for prompt in experiment.sampling.prompts:
        encode_prompt(prepared.tokenizer, prompt, "sampling.prompts")
    if job.start:
        _check_start(job.start, job, prepared)
    return prepared


def _check_start(run: Run, job: Job, prepared: Prepared) -> None:
    """Check that the run in ``training.start`` is of this text, tokenizer and network.

    Raises:
        TextgenError: it is not.
    """
    before = run.experiment.resolved
    now = job.experiment.resolved
    corpus = run.metrics.corpus
    text = job.loaded.description
    hashes = (corpus.sha256, corpus.split_sha256)
    different = ""
    if hashes != (text["sha256"], text["split_sha256"]):
        different = "text"
    elif run.tokenizer_state != json.loads(json.dumps(prepared.tokenizer.state())):
        different = "tokenizer"
    elif any(before[part] != now[part] for part in ("objective", "backbone")):
        different = "network"
    if different:
        message = f"training.start: {run.folder} has another {different}"
        raise TextgenError(message, "continue with the settings of that run, or leave start out")


def _train(job: Job, prepared: Prepared) -> tuple[Network, Progress]:
    """Train the network in the folder, from its last checkpoint if there is one."""
    experiment = job.experiment
    screen = job.screen
    settings = experiment.training
    if not job.resumes:  # one that is resumed keeps the number of updates that was planned
        settings = subtract_preparation_time(settings, prepared.seconds)
    with screen.stage("loading TensorFlow"):
        threads = _start_tensorflow(experiment)
        from textgen.training import loop

        step = None
        if job.begun:
            network = job.begun.network
            step = job.begun.step
        else:
            network = loop.new_network(experiment, prepared, threads)
        if job.start:
            network.set_weights(job.start.network.get_weights())
        loop.windows_of(prepared.encoded[0], experiment.objective)
        run_folder.begin_folder(job.folder, experiment, job.overwrite)  # nothing can fail any more
        write_json(job.folder / "tokenizer.json", prepared.tokenizer.state())
        write_json(job.folder / "manifest.json", describe_run(experiment, job.loaded, job.folder))
    screen.model(experiment, prepared, network)

    display = TrainingDisplay(screen, prepared)
    part = experiment.sampling.part
    model = _model(experiment, prepared, network).part(part)
    documents = job.loaded.validation
    encoded = prepared.encoded[1]

    @functools.cache  # at the first validation, for all of them
    def looked_up() -> list[Observed]:
        return model.look_up(encoded)

    def score() -> float:
        rows = model.cross_fitted(model.observe(encoded, looked_up=looked_up()))
        scores = scored_documents(documents, encoded, rows)
        return average_bits(scores[part])["bits_per_character"]["total"]

    by_network = part not in ("with_counts", "with_cache")  # which the loop scores by itself
    hooks = loop.Hooks(
        on_start=display.start,
        on_update=display.update,
        on_validation=display.validated,
        score=None if by_network else score,
    )
    curve = _curve(job, prepared, network) if settings.curve else None
    trained = replace(experiment, training=settings)
    with screen.stage("compiling the training step"):  # until the bar of the training
        batches_behind = job.start.metrics.training.position if job.start else 0
        progress = loop.train(
            job.folder,
            network,
            trained,
            prepared.encoded,
            threads,
            hooks,
            batches_behind,
            curve,
            step,
        )
    if job.start:
        if not progress.best_interval:
            screen.say(f"  nothing gained: the weights of {job.start.folder} are kept")
        progress = _with_earlier(progress, job.start)
    return network, progress


def _curve(job: Job, prepared: Prepared, network: Network) -> Curve:
    """The looks at the network, which writes as the experiment's first sample begins."""
    experiment = job.experiment
    sampling = replace(experiment.sampling, length=CURVE_SAMPLE, samples=1)
    model = _model(experiment, prepared, network).part("network")
    writer = Writer(model, sampling)
    request = requests(sampling, experiment.seed, "curve")[0]

    def write() -> str:
        (sample,) = writer.write([request])
        return sample.text

    texts = beginnings(job.loaded.validation, experiment.training.curve)
    return Curve(experiment.objective, network, prepared.tokenizer, texts, write)


def _with_earlier(progress: Progress, run: Run) -> Progress:
    """The progress of two trainings as if they were one: of a run, and of this one, which has gone
    on from its weights. Its intervals, updates and seconds follow those of the run."""
    earlier = run.metrics.training
    earlier_rows = len(run.history)
    rows = list[dict[str, float]]()
    for row in progress.history:
        later = {
            "interval": earlier_rows + row["interval"],
            "updates": earlier.updates + row["updates"],
            "seconds": earlier.seconds + row["seconds"],
        }
        rows.append(row | later)
    earlier_stages = list[StageWork]()
    for stage in earlier.stages:
        paces = [] if stage.seconds_per_update is None else [stage.seconds_per_update]
        earlier_stages.append(
            {
                "updates": stage.updates,
                "characters_per_update": stage.characters_per_update,
                "multiplications_per_update": stage.multiplications_per_update,
                "paces": paces,
            }
        )
    earlier_points = list[CurvePoint]()
    if run.metrics.curve:
        earlier_points += [cast("CurvePoint", p.model_dump()) for p in run.metrics.curve.points]
    earlier_updates = [stage.updates for stage in earlier.stages]
    points = list[CurvePoint]()
    for point in progress.curve:
        later_point: CurvePoint = {
            **point,
            "updates": earlier.updates + point["updates"],
            "updates_by_stage": [*earlier_updates, *point["updates_by_stage"]],
            "seconds": earlier.seconds + point["seconds"],
        }
        points.append(later_point)
    both = replace(
        progress,
        intervals=earlier.intervals + progress.intervals,
        updates=earlier.updates + progress.updates,
        seconds=earlier.seconds + progress.seconds,
        validation_seconds=earlier.validation_seconds + progress.validation_seconds,
        history=[*run.history, *rows],
        stages=[*earlier_stages, *progress.stages],
        curve=[*earlier_points, *points],
    )
    updates_planned = earlier.updates_planned + progress.updates_planned
    both.updates_per_interval = updates_planned / both.intervals
    if progress.best_interval:
        both.best_interval = earlier_rows + progress.best_interval
    else:  # nothing was gained: the best is that of the run
        both.best_interval = earlier.best_interval
    if progress.cooling_updates:
        both.cooled_from = earlier.updates + progress.cooled_from
        both.cooling_start = earlier.updates + progress.cooling_start
    else:
        both.cooled_from = earlier.cooled_from
        both.cooling_start = earlier.cooling_start
        both.cooling_updates = earlier.cooling_updates
    return both


def _evaluate(job: Job, prepared: Prepared, network: Network, progress: Progress) -> None:
    """Score the held-out documents, sample, and write it all; metrics.json, the last file, makes
    the run a finished one."""
    folder = job.folder
    experiment = job.experiment
    loaded = job.loaded
    screen = job.screen
    write_file(folder / "history.csv", csv_bytes(progress.history))
    run_folder.save_network(folder, network)
    model, validation = _fitted(job, prepared, network)
    with screen.stage("scoring every held-out document") as moved:
        test = [prepared.tokenizer.encode(document.text) for document in loaded.test]
        scored = {"validation": validation, "test": model.score(loaded.test, moved, test)}
    encoded = {"validation": prepared.encoded[1], "test": test}
    tables = {split: token_tables(encoded[split], scores) for split, scores in scored.items()}
    write_token_bits(folder / "tokens.npz", tables)

    with screen.stage("writing samples") as moved:
        part = experiment.sampling.part
        samples = sample_texts(model.part(part), experiment.sampling, experiment.seed, moved)
        write_json(folder / "samples.json", samples)
    with screen.stage("sampling over a sweep of temperatures") as moved:
        texts = draw_texts(model, part, evaluation_for(loaded), moved)
        write_json(folder / "texts.json", texts.model_dump())

    metrics = run_metrics(
        experiment,
        loaded,
        prepared,
        progress,
        network.count_params(),
        scored,
        run_folder.checksums(folder),
    )
    warnings = [loaded.warning]
    if job.start:
        start = f"Trained further from the best weights of {job.start.folder}"
        warnings.append(f"{start}, with a second warm-up and decay.")
    warning = "\n".join(line for line in warnings if line)
    write_file(folder / "summary.md", summary_markdown(metrics, warning, samples, folder))
    write_json(folder / METRICS_FILE, metrics.model_dump())
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    screen.result(folder, warning, metrics, samples)


def _fitted(job: Job, prepared: Prepared, network: Network) -> tuple[LanguageModel, Scores]:
    """The model whose counts and cache are fitted to the validation documents and stored; and what
    its parts charge for these, fitted to the other half of them."""
    experiment = job.experiment
    training, encoded = prepared.encoded
    model = _model(experiment, prepared, network)
    if model.cache and (rate := experiment.cache.learning_rate):
        table_rate = experiment.training.table_rate
        dynamic = measure_gradients(experiment.objective, network, training, rate, table_rate)
        model = replace(model, cache=replace(model.cache, dynamic=dynamic))
    with job.screen.stage("scoring validation documents") as moved:
        observed = model.observe(encoded, moved)
    with job.screen.stage("fitting counts and cache"):
        rows = model.cross_fitted(observed)
        model = model.fitted(observed)
    write_mixture(job.folder, model)
    return model, scored_documents(job.loaded.validation, encoded, rows)


def _model(experiment: Experiment, prepared: Prepared, network: Network) -> LanguageModel:
    """A model whose counts and cache are not fitted, and whose network does not go on learning."""
    cache = None
    if experiment.cache.orders:
        cache = DocumentCache(orders=experiment.cache.orders, discounts=(), strengths=())
    return LanguageModel(
        tokenizer=prepared.tokenizer,
        objective=experiment.objective,
        network=network,
        counts=prepared.training_counts,
        cache=cache,
    )
