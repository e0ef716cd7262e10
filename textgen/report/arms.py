"""Finished runs grouped into arms, and what each arm is in words.

An arm is one experiment under several seeds, and in all folds of a cross-validation, if there is
one. Nothing here needs TensorFlow.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, load_experiment
from textgen.core.settings import BUDGETS, PartName
from textgen.data.loading import Corpus
from textgen.report.schema import Caution
from textgen.runs.finished import Run
from textgen.runs.stored import TokenBits


@dataclass(frozen=True)
class Arm:
    """One experiment under one or more seeds, all scored on the same documents; in each fold under
    as many. ``runs``: by fold, then by seed. ``part``: of the models, whose bits are given."""

    name: str
    runs: tuple[Run, ...]
    part: PartName = "network"

    def of(self, part: PartName) -> "Arm":
        """The same arm by another part of its models."""
        return replace(self, part=part)

    @property
    def parts(self) -> tuple[PartName, ...]:
        return self.first.experiment.parts

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def charged(self) -> bool:
        return self.first.charged

    @cached_property
    def repeats(self) -> list[tuple[Run, ...]]:
        """Runs that have scored every document once: one each, or in folds one of each fold."""
        by_fold = [[*runs] for _, runs in groupby(self.runs, lambda run: _place(run)[0])]
        return list(zip(*by_fold, strict=True))

    @property
    def seeds(self) -> list[int]:
        """Those of the first fold."""
        return [first.experiment.seed for first, *_ in self.repeats]

    @property
    def folds(self) -> tuple[Run, ...]:
        """One run of each fold."""
        return self.repeats[0]

    @cached_property
    def tested(self) -> list[list[TokenBits]]:
        """The held-out documents of all folds, as often as they were scored."""
        return [[d for run in runs for d in run.token_bits[self.part]] for runs in self.repeats]

    @cached_property
    def fold_of(self) -> np.ndarray:
        """(documents,) int64: the number of the fold in which each was tested, from 0."""
        sizes = [len(run.token_bits[self.part]) for run in self.folds]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def bits(self) -> np.ndarray:
        """(seeds, documents) float64: bits of each held-out document."""
        return np.array([[d.total for d in documents] for documents in self.tested])

    @cached_property
    def units(self) -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([d.characters + 1 for d in self.tested[0]])

    @cached_property
    def per_character(self) -> list[np.ndarray]:
        """(characters + 1,) float64 per document: bits of each character, mean over seeds."""
        documents = zip(*self.tested, strict=True)
        return [np.mean([d.per_character() for d in seeds], axis=0) for seeds in documents]


def matched_settings(arm: Arm) -> frozenset[tuple[str, str]]:
    """Equal for arms that differ in their tokenizer alone, and in what must follow from it: the
    output layer's levels, and the window as a number of tokens."""
    tables = ("objective.", "backbone.", "training.", "embedding.")
    others = {"objective.window", "backbone.adaptive_softmax"}
    others |= {f"training.{budget}" for budget in BUDGETS}  # told beside the settings
    settings = flat_settings(arm.first.experiment.resolved)
    return frozenset((k, v) for k, v in settings if k.startswith(tables) and k not in others)


def group_runs(runs: Sequence[Run], names: Collection[str] = ()) -> list[Arm]:
    """Arms of runs that differ in name, seed and fold only, in the order of their first runs.

    Args:
        runs: what is compared.
        names: of arms that are known. Elsewhere an arm of a single run has the name of that run,
            even if it ends in the number of its seed.

    Raises:
        TextgenError: the same experiment, seed and fold twice.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(_arm_key(run), []).append(run)
    arms = list[Arm]()
    for members in groups.values():
        places = Counter(map(_place, members))
        if twins := [run for run in members if places[_place(run)] > 1]:
            folders = " and ".join(str(run.folder) for run in twins)
            message = f"{folders} are the same experiment with the same seed"
            raise TextgenError(message, "leave one of them out, or train one with --set seed=N")
        stem, *others = {_stem(run.experiment) for run in members}
        shared = not others and (len(members) > 1 or stem in names)
        name = stem if shared else members[0].experiment.name
        name = _free_name(name, members[0].folder, {arm.name for arm in arms})
        arms.append(Arm(name, tuple(sorted(members, key=_place))))
    return arms


def _place(run: Run) -> tuple[int, int]:
    return run.experiment.split.fold or 0, run.experiment.seed


def _stem(experiment: Experiment) -> str:
    name = experiment.name.removesuffix(f"-fold{experiment.split.fold}")
    return name.removesuffix(f"-{experiment.seed}")


def incomplete(runs: Sequence[Run]) -> dict[Run, str]:
    """Runs that cannot be pooled, as another fold of their arm has fewer, and which. A single fold
    is a split like any other, unless other runs on the text have more."""
    arms: dict[str, dict[int, list[Run]]] = {}
    for run in sorted(runs, key=_place):
        arms.setdefault(_arm_key(run), {}).setdefault(_place(run)[0], []).append(run)
    pooled = {_text_key(run) for run in runs if len(arms[_arm_key(run)]) > 1}
    result = dict[Run, str]()
    for run in runs:
        fold, folds = run.experiment.split.fold, run.experiment.split.folds
        if fold and folds and _text_key(run) in pooled:
            found = arms[_arm_key(run)]
            fewest = min(range(1, folds + 1), key=lambda f: len(found.get(f, [])))
            if run not in found[fold][: len(found.get(fewest, []))]:
                result[run] = f"this arm has fewer runs for fold {fewest} than for fold {fold}"
    return result


def _arm_key(run: Run) -> str:
    return json.dumps([_shared_settings(run.experiment), run.metrics.corpus.sha256])


def _text_key(run: Run) -> str:
    return json.dumps([_shared_settings(run.experiment).get("split"), run.metrics.corpus.sha256])


def _shared_settings(experiment: Experiment) -> dict[str, Any]:
    """What the runs of an arm share; of runs that were trained on, also that of their starts."""
    shared, start = experiment.arm, experiment.training.start
    if "fold" in shared.get("split", {}):
        shared["split"] = {key: v for key, v in shared["split"].items() if key != "fold"}
    if start and (file := Path(start) / "experiment.toml").exists():
        training = shared["training"] | {"start": _shared_settings(load_experiment(file))}
        shared = shared | {"training": training}
    return shared


def _free_name(name: str, folder: Path, taken: set[str]) -> str:
    """The name, followed by as much of the path as makes it different from those taken."""
    above = folder.absolute().parent.parts
    for depth in range(1, len(above) + 1):
        if name in taken:
            name = f"{name.partition(' (')[0]} ({'/'.join(above[-depth:])})"
    while name in taken:
        name += "'"
    return name


def is_on(arm: Arm, texts: Sequence[Corpus]) -> bool:
    """Whether an arm was trained and scored on this text, split like this, in each of its folds."""
    return _texts(arm) == [(c.sha256, c.description["split_sha256"]) for c in texts]


def _texts(arm: Arm) -> list[tuple[str, str]]:
    corpora = [run.metrics.corpus for run in arm.folds]
    return [(corpus.sha256, corpus.split_sha256) for corpus in corpora]


def check_comparable(arms: Sequence[Arm], anyway: bool) -> list[Caution]:
    """Check that all arms are on the same text and split.

    Args:
        anyway: only warn.

    Raises:
        TextgenError: they differ.
    """
    if all(_texts(arm) == _texts(arms[0]) for arm in arms):
        return []
    corpora = ((arm.name, arm.first.metrics.corpus) for arm in arms)
    notes = {
        name: f"({own.kind}, text {own.sha256[:12]}…, split {own.split_sha256[:12]}…)"
        for name, own in corpora
    }
    caution = Caution(text="NOT COMPARABLE: different texts or splits.", by_arm=notes)
    if not anyway:
        hint = "train one on the other's text and split (textgen run runs/NAME/experiment.toml "
        hint += "--set …), leave some out, or use --different-texts (different_texts=True)"
        raise TextgenError(f"compare: {caution}", hint)
    return [caution]


# How many settings are named where nothing else distinguishes two arms.
MAX_SETTINGS_NAMED = 3


def descriptions(arms: Sequence[Arm]) -> dict[str, str]:
    """An arm's name → its tokenizer in words, and where arms differ in them, its embedding, its
    backbone and its objective; if arms still read the same, the settings that differ."""
    experiments = [arm.first.experiment for arm in arms]
    resolved = [experiment.resolved for experiment in experiments]
    texts = [tokenizer_in_words(tables["tokenizer"]) for tables in resolved]
    for aspect in (
        [f"{tables['embedding']['kind']} embedding" for tables in resolved],
        [experiment.backbone.label for experiment in experiments],
        [f"objective {tables['objective']['kind']}" for tables in resolved],
    ):
        if len(set(aspect)) > 1:
            texts = ["; ".join(pair) for pair in zip(texts, aspect, strict=True)]
    flat = [dict(flat_settings(experiment.arm)) for experiment in experiments]
    result = {}
    for arm, text, own in zip(arms, texts, flat, strict=True):
        alike = [settings for settings, other in zip(flat, texts, strict=True) if other == text]
        result[arm.name] = text + _differing_settings(own, alike)
    return result


def tokenizer_in_words(settings: Mapping[str, Any]) -> str:
    """``words, those seen fewer than 5 times replaced by one token``, from the ``[tokenizer]`` of a
    resolved experiment; a plug-in is called by its kind."""
    match settings["kind"]:
        case "subwords":
            model = "byte-pair encoding" if settings["model"] == "bpe" else "a unigram model"
            return f"{settings['size']:,} subwords by {model}"
        case "whitespace":
            return "words between white space, a closed vocabulary"
        case "words":
            n = settings["minimum_count"]
            rare = f"seen fewer than {n} times" if n > 1 else "unseen and half of those seen once"
            return f"words, those {rare} {_policy(settings['rare_words'])}"
    return str(settings["kind"])


# What becomes of rare words, by the kind of policy, or its kind and the setting that matters.
RARE_WORDS = {
    "unk": "replaced by one token",
    "pos fine": "replaced by their part of speech",
    "pos noun": "replaced by one token for nouns and one for all else",
    "cluster": "replaced by one of up to {clusters} clusters",
    "neighbour": "replaced by the nearest known word",
    "signature": "replaced by one of {signatures} tokens for their endings",
    "drop True": "left out",
    "drop False": "left out and not charged for",
    "spell": "spelled by the network, letter by letter",
}


def _policy(policy: Mapping[str, Any]) -> str:
    matters = {"pos": "tags", "drop": "charged"}.get(policy["kind"], "")
    key = f"{policy['kind']} {policy.get(matters, '')}".strip()
    return RARE_WORDS.get(key, "handled by {kind}").format(**policy)


def flat_settings(settings: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """(its place, its value) of every setting of an experiment."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flat_settings(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", str(value)


def _differing_settings(own: Mapping[str, str], arms: Sequence[Mapping[str, str]]) -> str:
    """Those of an arm's settings in which some arms do not agree."""
    keys = dict.fromkeys(key for settings in arms for key in settings)
    differing = [key for key in keys if len({settings.get(key) for settings in arms}) > 1]
    parts = [f"{key} {own.get(key, 'unset')}" for key in differing[:MAX_SETTINGS_NAMED]]
    more = " …" if len(differing) > MAX_SETTINGS_NAMED else ""
    return "; " * bool(parts) + ", ".join(parts) + more
