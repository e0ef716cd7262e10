"""From the settings of a corpus to its documents: the fallback, the character filter, the split."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.experiment import Experiment, TextSettings
from textgen.data.documents import Document, apply_edits, check_not_empty, corpus_hash
from textgen.data.language import Language, find_language
from textgen.data.splits import Division, check_groups, divide, few, given_parts, hash_of

FITTED = 16_000_000
"""Characters of training text, at most, on which everything before the network is fitted."""


@dataclass(frozen=True, kw_only=True)
class Corpus(Division):
    """The text of an experiment in its three parts.

    Attributes:
        kind, origin, licence: of the corpus that was really used.
        sha256: of names and texts of all documents.
        warning: says so if the fallback was used; else empty.
        stated_language: its code, if the experiment says so.
    """

    kind: str
    origin: str
    licence: str
    sha256: str
    warning: str
    stated_language: str | None = None

    @property
    def parts(self) -> dict[str, list[Document]]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def names(self) -> dict[str, list[str]]:
        """Those of the documents of each part."""
        return {part: [d.name for d in documents] for part, documents in self.parts.items()}

    @cached_property
    def language(self) -> Language:
        """That of the training split, stated or detected."""
        return find_language(self.sample, self.stated_language)

    @cached_property
    def sample(self) -> list[Document]:
        """The training documents on which vocabulary, merges, spelling and vectors are fitted: all,
        or of a large corpus about FITTED characters, the same for every arm and seed."""
        if sum(d.characters for d in self.train) <= FITTED:
            return self.train
        order = sorted(range(len(self.train)), key=lambda i: hash_of((self.train[i].name,), 0))
        chosen, room = list[int](), FITTED
        for i in order:
            if self.train[i].characters <= room or not chosen:
                chosen.append(i)
                room -= self.train[i].characters
        return [self.train[i] for i in sorted(chosen)]

    @cached_property
    def description(self) -> dict[str, Any]:
        """What manifest, metrics and every report say about the corpus."""
        parts = self.parts
        names = list(self.names.items())
        if self.sample is not self.train:
            parts["fitted_on"] = self.sample
        return {
            "kind": self.kind,
            "origin": self.origin,
            "licence": self.licence,
            "sha256": self.sha256,
            "split_sha256": hashlib.sha256(repr(names).encode()).hexdigest(),
            "fallback": bool(self.warning),
            "language": asdict(self.language),
            **{
                key: {"documents": len(part), "characters": sum(d.characters for d in part)}
                for key, part in parts.items()
            },
            **({"division": self.division} if self.division else {}),
        }


def load_corpus(experiment: TextSettings) -> Corpus:
    """The documents of an experiment, split.

    Raises:
        CorpusUnavailable: it cannot be fetched and there is no fallback.
        TextgenError: no text, or too few documents for three parts.
    """
    config, kind = experiment.corpus, experiment.resolved["corpus"]["kind"]
    warning = ""
    try:
        documents = config.documents()
    except CorpusUnavailable as error:
        if experiment.fallback is None:
            raise
        config = experiment.fallback
        wanted, kind = kind, experiment.resolved["corpus"]["fallback"]["kind"]
        warning = (
            f"THE CORPUS {wanted!r} CANNOT BE REACHED ({error.found}).\n"
            f"This run uses the fallback {kind!r} instead: its figures are not about {wanted!r}.\n"
            f"{error.hint}"
        )
        documents = config.documents()
    names = [d.name for d in documents]
    check_groups(experiment.split, set(names))
    given = given_parts(names, experiment.split)
    documents = apply_edits(documents, experiment.options)
    filled = check_not_empty(documents, f"corpus {kind}")
    one_text = experiment.split.method == "contiguous" and getattr(config, "one_text", False)
    if not one_text:
        documents = filled
    try:
        divided = divide(documents, experiment.split, *given, one_text=one_text)
    except TextgenError as error:
        full = {d.name for d in filled}
        if empty := [name for name in names if name not in full]:
            error.message += f"; without text: {few(empty)}"
        raise
    everything = divided.train + divided.validation + divided.test
    if set(everything) != set(documents):  # some were cut
        documents = everything
    return Corpus(
        **vars(divided),
        kind=kind,
        origin=config.origin,
        licence=config.licence,
        sha256=corpus_hash(documents),
        warning=warning,
        stated_language=experiment.language,
    )


def load_text(experiment: Experiment, sha256: str) -> Corpus:
    """The text that a run was trained on: its corpus or its fallback.

    Raises:
        TextgenError: as for :func:`load_corpus`, or neither has this sha256.
    """
    corpus = load_corpus(experiment)
    if corpus.sha256 != sha256 and experiment.fallback is not None and not corpus.warning:
        plain = experiment.resolved["corpus"]
        resolved = {**experiment.resolved, "corpus": plain["fallback"]}
        other = replace(experiment, corpus=experiment.fallback, fallback=None, resolved=resolved)
        warning = (
            f"The corpus {plain['kind']!r} could not be reached when this was trained: it used the "
            f"fallback {plain['fallback']['kind']!r}, and its figures are not about "
            f"{plain['kind']!r}."
        )
        corpus = replace(load_corpus(other), warning=warning)
    if corpus.sha256 != sha256:
        raise TextgenError(
            f"{experiment.name}: the text of this run is not at hand (sha256 {sha256[:12]}…, here "
            f"{corpus.sha256[:12]}…)",
            hint="set TEXTGEN_DATA or TEXTGEN_MIRROR as for the run, or train it again",
        )
    return corpus
