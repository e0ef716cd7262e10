"""Finished runs grouped into arms, and what each arm is in words.

An arm is one experiment under several seeds. Nothing here needs TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.data.loading import Corpus
from textgen.runs.finished import Run


@dataclass(frozen=True)
class Arm:
    """One experiment under one or more seeds, all scored on the same documents."""

    name: str
    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def charged(self) -> bool:
        return self.first.charged

    @property
    def seeds(self) -> list[int]:
        return [run.experiment.seed for run in self.runs]

    @cached_property
    def bits(self) -> np.ndarray:
        """(seeds, documents) float64: bits of each held-out document under the network alone."""
        return np.array([[d.total for d in run.token_bits] for run in self.runs])

    @cached_property
    def remembered(self) -> np.ndarray | None:
        """The same with a memory of the document; None if the arm has none."""
        rows = [[d.remembered and d.remembered.total for d in run.token_bits] for run in self.runs]
        return None if any(bits is None for row in rows for bits in row) else np.array(rows)

    @cached_property
    def units(self) -> np.ndarray:
        """(documents,) int64: characters and one end mark."""
        return np.array([d.characters + 1 for d in self.first.token_bits])

    @cached_property
    def per_character(self) -> list[np.ndarray]:
        """(characters + 1,) float64 per document: bits of each character, mean over seeds."""
        documents = zip(*(run.token_bits for run in self.runs), strict=True)
        return [np.mean([d.per_character() for d in each], axis=0) for each in documents]


def group(runs: Sequence[Run]) -> list[Arm]:
    """Arms of runs that differ in name and seed only, in the order of their first runs.

    Raises:
        TextgenError: the same experiment and seed twice.
    """
    arms: dict[str, list[Run]] = {}
    for run in runs:
        arms.setdefault(
            json.dumps([run.experiment.arm, run.metrics["corpus"]["sha256"]]), []
        ).append(run)
    found, names = [], set[str]()
    for members in arms.values():
        seeds = [run.experiment.seed for run in members]
        if len(set(seeds)) < len(seeds):
            raise TextgenError(
                " and ".join(str(run.folder) for run in members),
                found="the same experiment with the same seed more than once",
                expected="each run once",
                hint="leave one of them out, or train it with --set seed=N",
            )
        name = _free(_common_name(members), members[0].folder, names)
        names.add(name)
        found.append(Arm(name, tuple(sorted(members, key=lambda run: run.experiment.seed))))
    return found


def _free(name: str, folder: Path, taken: set[str]) -> str:
    """The name, followed by as much of the path as makes it different from those taken."""
    above = folder.absolute().parent.parts
    for depth in range(1, len(above) + 1):
        if name in taken:
            name = f"{name.partition(' (')[0]} ({'/'.join(above[-depth:])})"
    while name in taken:
        name += "'"
    return name


def _common_name(members: Sequence[Run]) -> str:
    """``char`` for the runs of a study char-1 and char-2; else the first run's name."""
    stems = {run.experiment.name.removesuffix(f"-{run.experiment.seed}") for run in members}
    return stems.pop() if len(stems) == 1 else members[0].experiment.name


def is_on(arm: Arm, loaded: Corpus) -> bool:
    """Whether an arm was trained and scored on this text, split like this."""
    told = arm.first.metrics["corpus"]
    return all(told[key] == loaded.description[key] for key in ("sha256", "split_sha256"))


def check_comparable(arms: Sequence[Arm], anyway: bool) -> list[str]:
    """Check that all arms are on the same text and split.

    Args:
        anyway: only warn.

    Returns:
        Warnings.

    Raises:
        TextgenError: they differ.
    """
    keys = dict[tuple[str, str], list[str]]()
    for arm in arms:
        corpus = arm.first.metrics["corpus"]
        keys.setdefault((corpus["sha256"], corpus["split_sha256"]), []).append(
            f"{arm.name} ({corpus['kind']}, text {corpus['sha256'][:12]}…, "
            f"split {corpus['split_sha256'][:12]}…)"
        )
    if len(keys) <= 1:
        return []
    groups = "; ".join(" + ".join(names) for names in keys.values())
    if not anyway:
        raise TextgenError(
            "compare", found=f"runs on different texts or splits: {groups}",
            expected="the same text and the same split for all",
            hint="leave some out, or use --different-texts (in Python different_texts=True): they "
            "are then flagged",
        )  # fmt: skip
    return [f"NOT COMPARABLE: different texts or splits. {groups}"]


MOST = 3
"""Settings that are named where nothing else tells two arms apart."""
SUBWORDS = {"bpe": "byte-pair encoding", "unigram": "a unigram model"}
PARTS_OF_SPEECH = {
    "fine": "replaced by their part of speech",
    "noun": "replaced by one token for nouns and one for all else",
}
VECTORS = {"word2vec": "word2vec", "fasttext": "fastText", "file": "vectors of a file"}


def descriptions(arms: Sequence[Arm]) -> dict[str, str]:
    """An arm's name → its tokenizer in words, and where arms differ in them, its first vectors, its
    backbone and its objective; if that is also what another is, the settings that differ."""
    resolved = [arm.first.experiment.resolved for arm in arms]
    labels = [arm.first.experiment.backbone.label for arm in arms]
    found = [[tokenizer_in_words(each["tokenizer"])] for each in resolved]
    for told in (
        [_vectors(each["embedding"]) for each in resolved],
        labels,
        [_objective(each["objective"]) for each in resolved],
    ):
        if len(set(told)) > 1:
            for parts, text in zip(found, told, strict=True):
                parts += [text] if text else []
    texts = ["; ".join(parts) for parts in found]
    settings = [dict(_settings(arm.first.experiment.arm)) for arm in arms]
    result = {}
    for arm, text, own in zip(arms, texts, settings, strict=True):
        alike = [each for each, other in zip(settings, texts, strict=True) if other == text]
        result[arm.name] = text + _apart(own, alike)
    return result


def tokenizer_in_words(settings: Mapping[str, Any]) -> str:
    """``words, those seen fewer than 5 times replaced by one token``, from the ``[tokenizer]`` of a
    resolved experiment; a plug-in is called by its kind."""
    kind = settings["kind"]
    if kind == "subwords":
        model = SUBWORDS.get(settings["model"], settings["model"])
        return f"{settings['size']:,} subwords by {model}"
    if kind == "whitespace":
        return "words between white space, all of them known"
    if kind != "words":
        return str(kind)
    return f"words, {_which(settings)} {_what(settings['rare_words'])}"


def _which(settings: Mapping[str, Any]) -> str:
    if settings.get("size"):
        return f"those outside the {settings['size']:,} most frequent"
    if settings["minimum_count"] == 1:
        return "those never seen in training"
    return f"those seen fewer than {settings['minimum_count']} times"


def _what(policy: Mapping[str, Any]) -> str:
    """What becomes of rare words."""
    match policy["kind"]:
        case "unk":
            return "replaced by one token"
        case "pos":
            return PARTS_OF_SPEECH[policy["tags"]]
        case "cluster":
            return f"replaced by one of up to {policy['clusters']} clusters"
        case "neighbour":
            return "replaced by the nearest known word"
        case "drop":
            return "left out" + ("" if policy["charged"] else " and not charged for")
        case "spell":
            return "spelled by the network, letter by letter"
    return f"left to {policy['kind']}"


def _vectors(settings: Mapping[str, Any]) -> str:
    kind = settings["kind"]
    return "" if kind == "random" else f"first vectors: {VECTORS.get(kind, kind)}"


def _objective(settings: Mapping[str, Any]) -> str:
    match settings["kind"]:
        case "next_token":
            return ""
        case "shifted":
            return f"blocks of {settings['window']}, targets {settings['shift']} further on"
        case "encoder_decoder":
            return f"reads {settings['read']} tokens, writes {settings['write']}"
    return str(settings["kind"])


def _settings(plain: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    """(its place, its value) of every setting of an experiment."""
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", str(value)


def _apart(own: Mapping[str, str], alike: Sequence[Mapping[str, str]]) -> str:
    """Those of an arm's settings in which some do not agree."""
    keys = dict.fromkeys(key for each in alike for key in each)
    parts = [
        f"{key} {own.get(key, 'unset')}"
        for key in keys
        if len({each.get(key) for each in alike}) > 1
    ]
    more = " …" if len(parts) > MOST else ""
    return "; " * bool(parts) + ", ".join(parts[:MOST]) + more
