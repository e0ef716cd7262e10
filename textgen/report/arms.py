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

    def with_part(self, part: PartName) -> "Arm":
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
        by_fold = [[*runs] for _, runs in groupby(self.runs, _fold)]
        return list(zip(*by_fold, strict=True))

    @property
    def seeds(self) -> list[int]:
        """The seeds of the first fold: as many repeats as there are."""
        return [first.experiment.seed for first, *_ in self.repeats]

    @property
    def folds(self) -> tuple[Run, ...]:
        """One run of each fold."""
        return self.repeats[0]

    @cached_property
    def tested(self) -> list[list[TokenBits]]:
        """The held-out documents of all folds, as often as they were scored."""
        return [
            [document for run in runs for document in run.token_bits[self.part]]
            for runs in self.repeats
        ]

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
    followers = ("objective.window", "backbone.adaptive_softmax")  # a value, or a table of its own
    budgets = {f"training.{budget}" for budget in BUDGETS}  # told beside the settings
    return frozenset(
        (key, value)
        for key, value in flat_settings(arm.first.experiment.resolved)
        if key.startswith(tables) and not key.startswith(followers) and key not in budgets
    )


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
        name = _shared_name(members, names)
        name = _free_name(name, members[0].folder, {arm.name for arm in arms})
        arms.append(Arm(name, tuple(sorted(members, key=_place))))
    return arms


def _fold(run: Run) -> int:
    return run.experiment.split.fold or 0


def _place(run: Run) -> tuple[int, int]:
    return _fold(run), run.experiment.seed


def _shared_name(runs: Sequence[Run], known: Collection[str]) -> str:
    """What the names of an arm's runs have in common before seed and fold, if that is the name of
    several runs or of a known arm; else the name of the first run."""
    stems = {_stem(run.experiment) for run in runs}
    if len(stems) == 1:
        (stem,) = stems
        if len(runs) > 1 or stem in known:
            return stem
    return runs[0].experiment.name


def _stem(experiment: Experiment) -> str:
    """The name of a run without its seed and fold."""
    name = experiment.name.removesuffix(f"-fold{experiment.split.fold}")
    return name.removesuffix(f"-{experiment.seed}")


def incomplete(runs: Sequence[Run]) -> dict[Run, str]:
    """Runs that cannot be pooled, as another fold of their arm has fewer, and which. A single fold
    is a split like any other, unless other runs on the text have more."""
    arms = dict[str, dict[int, list[Run]]]()
    for run in sorted(runs, key=_place):
        by_fold = arms.setdefault(_arm_key(run), {})
        by_fold.setdefault(_fold(run), []).append(run)
    pooled = {_text_key(run) for run in runs if len(arms[_arm_key(run)]) > 1}
    result = dict[Run, str]()
    for run in runs:
        split = run.experiment.split
        if not (split.fold and split.folds) or _text_key(run) not in pooled:
            continue
        by_fold = arms[_arm_key(run)]
        sizes = {fold: len(by_fold.get(fold, [])) for fold in range(1, split.folds + 1)}
        smallest = min(sizes, key=sizes.__getitem__)
        if run not in by_fold[split.fold][: sizes[smallest]]:
            more = f"for fold {smallest} than for fold {split.fold}"
            result[run] = f"this arm has fewer runs {more}"
    return result


def _arm_key(run: Run) -> str:
    return json.dumps([_shared_settings(run.experiment), run.metrics.corpus.sha256])


def _text_key(run: Run) -> str:
    return json.dumps([_shared_settings(run.experiment).get("split"), run.metrics.corpus.sha256])


def _shared_settings(experiment: Experiment) -> dict[str, Any]:
    """What the runs of an arm share; of runs that were trained on, also that of their starts."""
    shared = dict(experiment.arm)
    if "split" in shared:
        shared["split"] = {key: v for key, v in shared["split"].items() if key != "fold"}
    if experiment.training.start:
        file = Path(experiment.training.start) / "experiment.toml"
        if file.exists():
            start = _shared_settings(load_experiment(file))
            shared["training"] = {**shared["training"], "start": start}
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
    notes = dict[str, str]()
    for arm in arms:
        corpus = arm.first.metrics.corpus
        text = f"text {corpus.sha256[:12]}…, split {corpus.split_sha256[:12]}…"
        notes[arm.name] = f"({corpus.kind}, {text})"
    caution = Caution(text="NOT COMPARABLE: different texts or splits.", by_arm=notes)
    if not anyway:
        hint = (
            "train one on the other's text and split (textgen run runs/NAME/experiment.toml "
            "--set …), leave some out, or use --different-texts (different_texts=True)"
        )
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
    result = dict[str, str]()
    for arm, text, settings in zip(arms, texts, flat, strict=True):
        alike = [each for each, other in zip(flat, texts, strict=True) if other == text]
        apart = _differing_settings(settings, alike)
        result[arm.name] = f"{text}; {apart}" if apart else text
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
            return f"words, those {_rare_words(settings)}"
        case "rare_replaced":
            units = "characters"
            if "subwords" in settings:
                units = tokenizer_in_words({"kind": "subwords", **settings["subwords"]})
            return f"{units}, words {_rare_words(settings)}"
    return str(settings["kind"])


def _rare_words(settings: Mapping[str, Any]) -> str:
    number = settings["minimum_count"]
    rare = "unseen and half of those seen once"
    if number > 1:
        rare = f"seen fewer than {number} times"
    return f"{rare} {_policy(settings['rare_words'])}"


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


def _differing_settings(settings: Mapping[str, str], arms: Sequence[Mapping[str, str]]) -> str:
    """The settings of an arm in which some arms do not agree; empty if there are none."""
    keys = dict.fromkeys(key for each in arms for key in each)
    differing = [key for key in keys if len({each.get(key) for each in arms}) > 1]
    named = [f"{key} {settings.get(key, 'unset')}" for key in differing[:MAX_SETTINGS_NAMED]]
    text = ", ".join(named)
    return f"{text} …" if len(differing) > MAX_SETTINGS_NAMED else text
