"""From the settings of a corpus to its documents: the fallback, the character filter, the split,
and what a reader is warned of before the work."""

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.experiment import Experiment
from textgen.core.settings import Split
from textgen.data.assigned import find_documents, find_groups, found_parts, name_some
from textgen.data.corpora import TextSource
from textgen.data.documents import (
    Document,
    apply_edits,
    corpus_hash,
    count_characters,
    without_piece_number,
)
from textgen.data.drawn import MIN_TEST_DOCUMENTS, hash_of
from textgen.data.language import Language, find_language, foreign_language
from textgen.data.splits import PARTS, Division, divide, shorten

# Documents of a part, at most, that are named on the terminal.
MAX_NAMED_DOCUMENTS = 12
# Held-out documents, and as many training documents, at most, whose own language is looked for.
EXAMINED_DOCUMENTS = 100
# Texts are numbered like chapters if the last number is up to so many times theirs.
NUMBERED = 1.2
# Characters of training text, at most, on which everything before the network is fitted.
FITTED = 16_000_000


@dataclass(frozen=True, kw_only=True)
class Corpus(Division):
    """The text of an experiment in its three parts.

    Attributes:
        kind, origin, licence: of the corpus that was really used.
        sha256: of names and texts of all documents, before the training text is shortened.
        is_fallback: whether it is the fallback of the experiment's corpus.
        warning: says so if it is; else empty.
        stated_language: its code, if the experiment says so.
        left_out_patterns: names or patterns of the files that the experiment leaves out.
        blank: names of documents without text, which are in no part.
    """

    kind: str
    origin: str
    licence: str
    sha256: str
    is_fallback: bool
    warning: str
    stated_language: str | None = None
    left_out_patterns: Sequence[str] = ()
    blank: Sequence[str] = ()

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
    def is_sampled(self) -> bool:
        """Whether the training text is so large that ``sample`` is a part of it."""
        return count_characters(self.train) > FITTED

    @cached_property
    def sample(self) -> list[Document]:
        """The training documents on which vocabulary, merges, spelling and vectors are fitted: all,
        or of a large corpus about FITTED characters, the same for every arm and seed."""
        if not self.is_sampled:
            return self.train
        names = set[str]()
        room = FITTED
        for document in sorted(self.train, key=lambda d: hash_of((d.name,), 0)):
            if document.characters <= room or not names:
                names.add(document.name)
                room -= document.characters
        return [d for d in self.train if d.name in names]

    @cached_property
    def description(self) -> dict[str, Any]:
        """What manifest, metrics and every report say about the corpus."""
        names = list(self.names.items())
        measured = dict(self.parts)
        if self.is_sampled:
            measured["fitted_on"] = self.sample
        sizes = {
            part: {"documents": len(documents), "characters": count_characters(documents)}
            for part, documents in measured.items()
        }
        optional = dict[str, Any]()
        if self.how:
            optional["division"] = self.how
        if self.left_out_patterns:
            optional["left_out"] = list(self.left_out_patterns)
        return {
            "kind": self.kind,
            "origin": self.origin,
            "licence": self.licence,
            "sha256": self.sha256,
            "split_sha256": hashlib.sha256(repr(names).encode()).hexdigest(),
            "fallback": self.is_fallback,
            "unit": self.unit,
            "language": asdict(self.language),
            **sizes,
            **optional,
        }


def load_corpus(experiment: Experiment, *, fallback: bool = False) -> Corpus:
    """The documents of an experiment, split.

    Args:
        experiment: its settings.
        fallback: use its fallback even if the corpus can be fetched.

    Raises:
        CorpusUnavailable: it cannot be fetched and there is no fallback.
        TextgenError: no text, or too few documents for three parts.
    """
    found = _documents_or_fallback(experiment, fallback)
    names = [d.name for d in found.documents]
    _check_distinct(names, found.kind)
    warning = found.warning
    if found.is_fallback:
        split = find_groups(experiment.split, names)
        if _lacks_groups(experiment.split, names):
            warning += (
                "\nThe fallback lacks documents of split.groups, so these groups do not apply."
            )
    else:
        split = find_groups(experiment.split, names, "split.groups")
    one_text = found.source.one_text
    documents = apply_edits(found.documents, experiment.options, one_text)
    # Of what is not kept in memory, this is the one reading before the training.
    sha256 = corpus_hash(document for document in documents if not document.is_blank)
    division = divide(documents, split, one_text)
    if division.is_cut:  # the hash shows where
        sha256 = corpus_hash(division.train + division.validation + division.test)
    shortened = shorten(division, documents, split)
    return Corpus(
        train=shortened.train,
        validation=shortened.validation,
        test=shortened.test,
        how=shortened.how,
        unit=shortened.unit,
        is_prescribed=shortened.is_prescribed,
        is_cut=shortened.is_cut,
        kind=found.kind,
        origin=found.source.origin,
        licence=found.source.licence,
        sha256=sha256,
        is_fallback=found.is_fallback,
        warning=warning,
        stated_language=experiment.language,
        left_out_patterns=found.source.leave_out,
        blank=[d.name for d in documents if d.is_blank],
    )


def _lacks_groups(settings: Split, names: Sequence[str]) -> bool:
    """Whether documents of groups are not among these."""
    if isinstance(settings.groups, str):
        return not found_parts(settings.groups, names)
    entries = itertools.chain.from_iterable(settings.groups)
    return not all(find_documents(entries, names).values())


class _Found(NamedTuple):
    """The corpus of an experiment, or its fallback, and what :class:`Corpus` says of it."""

    kind: str
    source: TextSource
    documents: list[Document]
    is_fallback: bool
    warning: str


def _documents_or_fallback(experiment: Experiment, fallback: bool) -> _Found:
    """Arguments and errors as for :func:`load_corpus`."""
    table = experiment.resolved["corpus"]
    wanted = table["kind"]
    source: TextSource = experiment.corpus
    if fallback:
        problem = CorpusUnavailable("this run was trained on the fallback")
    else:
        try:
            return _Found(wanted, source, source.documents(), is_fallback=False, warning="")
        except CorpusUnavailable as error:
            problem = error
    if experiment.options.fallback is None:
        raise problem
    used = table["fallback"]["kind"]
    warning = f"COULD NOT FETCH THE CORPUS {wanted!r}: these results are for its fallback "
    warning += f"{used!r}; no figure is for {wanted!r}.\n{problem}"
    source = experiment.options.fallback
    return _Found(used, source, source.documents(), is_fallback=True, warning=warning)


def _check_distinct(names: Sequence[str], kind: str) -> None:
    """Refuse documents that could not be told apart in the parts, as of a plug-in."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        message = f"corpus: {kind!r} has several documents of one name: {name_some(twice)}"
        raise TextgenError(message, "its documents() has to give each a name of its own")


def pool_folds(folds: Sequence[Corpus]) -> Corpus:
    """A text in folds as one: every document is tested, the rest is as in the first fold."""
    if len(folds) == 1:
        return folds[0]
    test = [document for fold in folds for document in fold.test]
    how = f"by document into {len(folds)} folds, each the test part of its own networks"
    return replace(folds[0], test=test, how=how)


def load_text(experiment: Experiment, sha256: str) -> Corpus:
    """The text that a run was trained on: its corpus or its fallback.

    Raises:
        TextgenError: as for :func:`load_corpus`, or neither has this sha256.
    """
    corpus = load_corpus(experiment)
    if corpus.sha256 != sha256 and experiment.options.fallback is not None:
        corpus = load_corpus(experiment, fallback=True)
    if corpus.sha256 != sha256:
        hashes = f"sha256 {corpus.sha256[:12]}…; the run's had {sha256[:12]}…"
        message = f"{experiment.name}: the text found has {hashes}"
        hint = "restore the text (tales: TEXTGEN_DATA or TEXTGEN_MIRROR), or train again"
        raise TextgenError(message, hint)
    return corpus


def same_works(corpus: Corpus) -> str:
    """Says so where test and training text are, or may be, parts of the same works; else empty."""
    train = {without_piece_number(document.name) for document in corpus.train}
    test = {without_piece_number(document.name) for document in corpus.test}
    if train & test:
        only = "The result says nothing about other texts."
        return f"Test and training text are pieces of the same texts. {only}"
    names = list(itertools.chain(*corpus.names.values()))
    numbers = set[int]()
    for name in names:
        match = re.search(r"\d+", name)
        if match:
            numbers.add(int(match[0]))
    if len(numbers) == len(names) and max(numbers) <= NUMBERED * len(names):
        chapters = "The texts are numbered. If they are chapters of one book"
        return f"{chapters}, the result says nothing about other books."
    return ""


def split_lines(names: Mapping[str, Sequence[str]], how: str) -> list[str]:
    """How a text was divided, and the documents of the parts that have few.

    Args:
        names: part → names of its documents.
        how: of :class:`textgen.data.loading.Corpus`.
    """
    lines = [f"divided {how or 'by document, by a hash of the names'}"]
    for part, documents in names.items():
        if len(documents) <= MAX_NAMED_DOCUMENTS:
            lines.append(f"{part}: {', '.join(documents)}")
    return lines


def left_out_lines(reasons: Mapping[str, str]) -> list[str]:
    """What is left out, a line for each reason.

    Args:
        reasons: name → why.
    """
    names = dict[str, list[str]]()
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"left out: {name_some(found)} ({reason})" for reason, found in names.items()]


def corpus_warnings(experiment: Experiment, corpus: Corpus) -> list[str]:
    """Sentences, each with what to do."""
    warnings = list[str]()
    number = len(corpus.test)
    if number < MIN_TEST_DOCUMENTS:
        advice = "Use more text, or cut it into blocks (as try does): --set split.method=blocks"
        if experiment.split.folds:
            advice = "Use more text, or compare the runs of all folds"
        if corpus.is_prescribed:
            advice = "The split is given: claim no difference, or divide the test text"
        documents = "1 document" if number == 1 else f"{number} documents"
        warnings.append(
            f"The test part has {documents}. With fewer than {MIN_TEST_DOCUMENTS} there is no "
            f"interval and no test of a difference. {advice}."
        )
    detected = find_language(corpus.sample)
    step = math.ceil(len(corpus.train) / EXAMINED_DOCUMENTS)
    held_out = [(d, "test") for d in corpus.test] + [(d, "validation") for d in corpus.validation]
    examined = held_out[:EXAMINED_DOCUMENTS] + [(d, "train") for d in corpus.train[::step]]
    foreign = list[str]()
    for document, part in examined:
        language = foreign_language(document, detected)
        if language:
            place = f"{document.name} in the {part} part"
            foreign.append(f"{place} ({language.name}, {language.script} script)")
    if 0 < len(foreign) <= len(examined) / 2:
        warnings.append(
            f"Documents not in the main language ({detected.name}, {detected.script} script): "
            f"{name_some(foreign)}. Leave them out, or run an experiment for each language."
        )
    return warnings
