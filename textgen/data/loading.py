"""From a corpus setting to documents: the fallback, the character filter, the split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from textgen.core import CorpusUnavailable, Experiment, Split, TextgenError
from textgen.data.documents import Document, check_not_empty, corpus_hash, keep_characters

HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
"""Characters of a part at most, whatever its share of a large corpus would be: all that is held out
is scored, token by token. What is left over is trained on."""
FITTED = 16_000_000
"""Characters of training text, at most, on which everything before the network is fitted."""


@dataclass(frozen=True)
class Loaded:
    """The corpus really used, and its three parts. ``warning`` is set when it is the fallback."""

    kind: str
    origin: str
    licence: str
    sha256: str
    warning: str
    train: list[Document]
    validation: list[Document]
    test: list[Document]

    @cached_property
    def sample(self) -> list[Document]:
        """The training documents on which vocabulary, merges, spelling and vectors are fitted: all,
        or of a large corpus about FITTED characters, the same for every arm and seed."""
        if sum(d.characters for d in self.train) <= FITTED:
            return self.train
        order = sorted(range(len(self.train)), key=lambda i: _hash((self.train[i].name,), 0))
        chosen, room = list[int](), FITTED
        for i in order:
            if self.train[i].characters <= room or not chosen:
                chosen.append(i)
                room -= self.train[i].characters
        return [self.train[i] for i in sorted(chosen)]

    @cached_property
    def description(self) -> dict[str, Any]:
        """What manifest, metrics and every report say about the corpus."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        names = [(key, [d.name for d in part]) for key, part in parts.items()]
        if self.sample is not self.train:
            parts["fitted_on"] = self.sample
        return {
            "kind": self.kind,
            "origin": self.origin,
            "licence": self.licence,
            "sha256": self.sha256,
            "split_sha256": hashlib.sha256(repr(names).encode()).hexdigest(),
            "fallback": bool(self.warning),
            **{
                key: {"documents": len(part), "characters": sum(d.characters for d in part)}
                for key, part in parts.items()
            },
        }


def load_corpus(experiment: Experiment) -> Loaded:
    """The documents of an experiment, split.

    Raises:
        CorpusUnavailable: it cannot be fetched and no fallback is named.
        TextgenError: no text, or too few documents for three parts.
    """
    corpus, kind = experiment.corpus, experiment.resolved["corpus"]["kind"]
    warning = ""
    try:
        documents = corpus.documents()
    except CorpusUnavailable as error:
        if experiment.fallback is None:
            raise
        corpus = experiment.fallback
        wanted, kind = kind, experiment.resolved["corpus"]["fallback"]["kind"]
        warning = (
            f"THE CORPUS {wanted!r} CANNOT BE REACHED ({error.found}).\n"
            f"This run uses the fallback {kind!r} instead: its figures are not about {wanted!r}.\n"
            f"{error.hint}"
        )
        documents = corpus.documents()
    _check_groups(experiment.split, {d.name for d in documents})
    if experiment.keep:
        documents = keep_characters(documents, experiment.keep)
    documents = check_not_empty(documents, f"corpus {kind}")
    train, validation, test = split(documents, experiment.split)
    return Loaded(
        kind=kind,
        origin=corpus.origin,
        licence=corpus.licence,
        sha256=corpus_hash(documents),
        warning=warning,
        train=train,
        validation=validation,
        test=test,
    )


def load_text(experiment: Experiment, sha256: str) -> Loaded:
    """The text of a run: its corpus, or its fallback where that is what it was trained on.

    Raises:
        TextgenError: as of :func:`load_corpus`, or the text at hand is another one.
    """
    loaded = load_corpus(experiment)
    if loaded.sha256 != sha256 and experiment.fallback is not None and not loaded.warning:
        plain = experiment.resolved["corpus"]
        resolved = {**experiment.resolved, "corpus": plain["fallback"]}
        other = replace(experiment, corpus=experiment.fallback, fallback=None, resolved=resolved)
        warning = (
            f"The corpus {plain['kind']!r} could not be reached when this was trained: it used the "
            f"fallback {plain['fallback']['kind']!r}, and its figures are not about "
            f"{plain['kind']!r}."
        )
        loaded = replace(load_corpus(other), warning=warning)
    if loaded.sha256 != sha256:
        raise TextgenError(
            experiment.name,
            found=f"a run on text that is not at hand (sha256 {sha256[:12]}…, here "
            f"{loaded.sha256[:12]}…)",
            expected="the text it was trained on",
            hint="set TEXTGEN_DATA or TEXTGEN_MIRROR as for the run, or train it again",
        )
    return loaded


def _check_groups(settings: Split, names: set[str]) -> None:
    """A group none of whose documents is there is another corpus's.

    Raises:
        TextgenError: some of a group's documents are there and others are not.
    """
    for group in settings.groups:
        missing = sorted(set(group) - names)
        if missing and len(missing) < len(set(group)):
            raise TextgenError(
                "split.groups",
                found=f"{', '.join(missing)}: no such document",
                expected=f"names of documents, e.g. {min(names)}",
                hint="documents that share text could end up on both sides: correct the name",
            )


def split(documents: list[Document], settings: Split) -> tuple[list[Document], ...]:
    """Train, validation and test documents.

    Groups of documents are taken in the order of a hash of their names and the seed; those that
    share a document are one group, and none is ever divided. Each goes to
    the test part if it still fits in that part's share of all characters, else to validation if it
    fits there, else to training. A group larger than a share is therefore always trained on.
    Of a large corpus a share is no more than HELD_OUT.

    Raises:
        TextgenError: a part stays empty.
    """
    group_of = _group_of(settings.groups)
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        groups.setdefault(group_of.get(document.name, (document.name,)), []).append(document)
    total = sum(d.characters for d in documents)
    shares = {"test": settings.test, "validation": settings.validation}
    room = {part: min(share * total, HELD_OUT[part]) for part, share in shares.items()}
    parts: dict[str, list[list[Document]]] = {"train": [], "validation": [], "test": []}
    for key in sorted(groups, key=lambda key: _hash(key, settings.seed)):
        size = _size(groups[key])
        part = next((p for p in ("test", "validation") if size <= room[p]), "train")
        if part != "train":
            room[part] -= size
        parts[part].append(groups[key])
    _fill_empty(parts)
    for part, members in parts.items():
        if not members:
            among = f" in {len(groups)} groups" if len(groups) < len(documents) else ""
            raise TextgenError(
                f"corpus: {part} part",
                found=f"nothing: the corpus is divided by documents, and has {len(documents)}"
                + among,
                expected="at least three documents, or groups of them, one for each part",
                hint="cut the text into more documents ([corpus] pieces or separator)",
            )
    train, validation, test = (
        [d for group in members for d in group] for members in parts.values()
    )
    return train, validation, test


def _group_of(groups: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The group of each name."""
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        members = tuple(dict.fromkeys(m for name in group for m in found.get(name, (name,))))
        found |= dict.fromkeys(members, members)
    return found


def _size(group: Sequence[Document]) -> int:
    return sum(document.characters for document in group)


def _fill_empty(parts: dict[str, list[list[Document]]]) -> None:
    """With few or very uneven documents, an empty part gets the shortest training group."""
    for part in ("test", "validation"):
        if not parts[part] and len(parts["train"]) > 1:
            shortest = min(parts["train"], key=_size)
            parts["train"].remove(shortest)
            parts[part].append(shortest)


def _hash(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()
