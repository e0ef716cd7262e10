"""From the settings of a corpus to its documents: the fallback, the character filter, the split."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.experiment import Experiment, TextSettings
from textgen.data.documents import Document, apply_edits, corpus_hash, count_characters
from textgen.data.language import Language, find_language
from textgen.data.splits import PARTS, Division, check_groups, divide, hash_of

# Characters of training text, at most, on which everything before the network is fitted.
FITTED = 16_000_000


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
        return {part: getattr(self, part) for part in PARTS}

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
        if count_characters(self.train) <= FITTED:
            return self.train
        names, room = set[str](), FITTED
        for document in sorted(self.train, key=lambda d: hash_of((d.name,), 0)):
            if document.characters <= room or not names:
                names.add(document.name)
                room -= document.characters
        return [d for d in self.train if d.name in names]

    @cached_property
    def description(self) -> dict[str, Any]:
        """What manifest, metrics and every report say about the corpus."""
        names, parts = list(self.names.items()), self.parts
        if self.sample is not self.train:
            parts["fitted_on"] = self.sample
        sizes = {
            part: {"documents": len(documents), "characters": count_characters(documents)}
            for part, documents in parts.items()
        }
        return {
            "kind": self.kind,
            "origin": self.origin,
            "licence": self.licence,
            "sha256": self.sha256,
            "split_sha256": hashlib.sha256(repr(names).encode()).hexdigest(),
            "fallback": bool(self.warning),
            "language": asdict(self.language),
            **sizes,
            **({"division": self.division} if self.division else {}),
        }


def load_corpus(experiment: TextSettings, *, fallback: bool = False) -> Corpus:
    """The documents of an experiment, split.

    Args:
        experiment: its settings.
        fallback: use its fallback even if the corpus can be fetched.

    Raises:
        CorpusUnavailable: it cannot be fetched and there is no fallback.
        TextgenError: no text, or too few documents for three parts.
    """
    config, table, warning = experiment.corpus, experiment.resolved["corpus"], ""
    try:
        if fallback:
            raise CorpusUnavailable("this run was trained without it")
        documents = config.documents()
    except CorpusUnavailable as error:
        if experiment.options.fallback is None:
            raise
        warning = (
            f"THE CORPUS {table['kind']!r} CANNOT BE REACHED: this is about its fallback "
            f"{table['fallback']['kind']!r} instead, and no figure is about {table['kind']!r}.\n"
            f"{error}"
        )
        config, table = experiment.options.fallback, table["fallback"]
        documents = config.documents()
    check_groups(experiment.split, {d.name for d in documents})
    documents = apply_edits(documents, experiment.options)
    division = divide(documents, experiment.split, getattr(config, "one_text", False))
    divided = division.train + division.validation + division.test
    uncut = {id(d) for d in divided}
    in_order = [d for d in documents if id(d) in uncut]
    return Corpus(
        **vars(division),
        kind=table["kind"],
        origin=config.origin,
        licence=config.licence,
        sha256=corpus_hash(in_order if len(in_order) == len(divided) else divided),
        warning=warning,
        stated_language=experiment.language,
    )


def load_text(experiment: Experiment, sha256: str) -> Corpus:
    """The text that a run was trained on: its corpus or its fallback.

    Raises:
        TextgenError: as for :func:`load_corpus`, or neither has this sha256.
    """
    corpus = load_corpus(experiment)
    if corpus.sha256 != sha256 and experiment.options.fallback is not None:
        corpus = load_corpus(experiment, fallback=True)
    if corpus.sha256 != sha256:
        hashes = f"sha256 {sha256[:12]}…, not {corpus.sha256[:12]}…"
        message = f"{experiment.name}: the text of this run has {hashes}"
        hint = "set TEXTGEN_DATA or TEXTGEN_MIRROR as for the run, or train it again"
        raise TextgenError(message, hint)
    return corpus
