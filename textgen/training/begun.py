"""An experiment as it is before its first update, with updates that are compiled: whoever has timed
these can go on to train with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textgen.core.experiment import Experiment, resolve_experiment
from textgen.core.settings import BUDGETS
from textgen.core.tensorflow import start_tensorflow
from textgen.data.loading import Corpus, load_corpus
from textgen.models.types import Network
from textgen.training.loop import new_network, new_step, windows_of
from textgen.training.preparation import Prepared, prepare
from textgen.training.step import Step
from textgen.training.stream import stages_of


@dataclass(frozen=True)
class Begun:
    """What an experiment has before its first update.

    Attributes:
        experiment: without a training that it starts from.
        loaded: its text.
        prepared: what is fitted on that.
        network, step: with their first weights.
    """

    experiment: Experiment
    loaded: Corpus
    prepared: Prepared
    network: Network
    step: Step

    def serves(self, experiment: Experiment) -> bool:
        """Whether another experiment begins alike, to the last bit: it may have another name and
        another budget."""
        return _what_begins(self.experiment) == _what_begins(experiment)

    def seconds_per_update(self, seconds: float) -> float:
        """Time updates for so many seconds, at least; all of them are undone."""
        windows = windows_of(self.prepared.encoded[0], self.experiment.objective)
        stages = stages_of(self.experiment.training, self.experiment.objective)
        return self.step.seconds_per_update(windows, stages, self.experiment.seed, seconds)


def _what_begins(experiment: Experiment) -> Mapping[str, Any]:
    """The settings without name and budget."""
    training = {
        key: value for key, value in experiment.resolved["training"].items() if key not in BUDGETS
    }
    return {**experiment.resolved, "name": "", "training": training}


def begin(experiment: Experiment, span: int = 0) -> Begun:
    """Prepare an experiment, build its network, and compile its updates.

    Args:
        experiment: without a training that it starts from.
        span: characters of a window, in place of its tokens; 0: as the experiment has it.

    Raises:
        TextgenError: an unusable corpus, or whatever else keeps a training from beginning.
    """
    settings = experiment.training
    loaded = load_corpus(experiment)
    prepared = prepare(experiment, loaded)
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    if span:
        tokens = sum(len(document.tokens) + 1 for document in prepared.encoded[0])
        characters = sum(document.characters + 1 for document in prepared.encoded[0])
        window = {"window": max(1, round(span * tokens / characters))}
        objective = experiment.resolved["objective"] | window
        experiment = resolve_experiment(experiment.resolved | {"objective": objective})
    network = new_network(experiment, prepared, threads)
    windows = windows_of(prepared.encoded[0], experiment.objective)
    step = new_step(network, experiment, windows, threads)
    step.compile(stages_of(settings, experiment.objective))
    return Begun(experiment, loaded, prepared, network, step)
