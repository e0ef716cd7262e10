"""Statistics of a corpus, and what will make figures on it say less than a reader expects."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from textgen.core.errors import TextgenError, visible
from textgen.core.experiment import TextSettings, resolve_text
from textgen.core.settings import Split
from textgen.data.documents import Document, count_characters
from textgen.data.language import WORD, Language, find_language, foreign_language
from textgen.data.loading import Corpus, load_corpus
from textgen.data.splits import HELD_OUT, MIN_TEST_DOCUMENTS, PARTS, divide, few

MINIMUM_COUNTS = (1, 2, 3, 5, 10)
# Documents of a part, at most, that are named on the terminal.
MAX_NAMED_DOCUMENTS = 12
# Characters below which a part is small.
SMALL_PART_CHARACTERS = {"train": 50_000, "validation": 10_000, "test": 10_000}
# A held-out part below this share of the text is small, unless it has so many characters.
SMALL_PART_SHARE, LARGE_PART_CHARACTERS = 0.01, 100_000
LARGER_TEST_SHARES = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)
# Held-out documents, and about as many training documents, whose own language is looked for.
EXAMINED_DOCUMENTS = 100


def corpus_statistics(settings: Mapping[str, Any] | TextSettings) -> dict[str, Any]:
    """Sizes, characters, words and hapaxes of a corpus, the share of held-out words outside the
    vocabulary for several minimum counts, the names of the documents of each part, and warnings.

    Args:
        settings: an experiment, or its tables that decide on the text: ``corpus``, ``split``,
            ``language``.
    """
    experiment = settings if isinstance(settings, TextSettings) else resolve_text(settings)
    corpus = load_corpus(experiment)
    held_out = corpus.validation + corpus.test
    characters = _counts(corpus.train + held_out, list)
    train, other = (_counts(documents, WORD.findall) for documents in (corpus.train, held_out))
    words = train + other
    return {
        **corpus.description,
        "documents": len(corpus.train + held_out),
        "characters": characters.total(),
        "distinct_characters": len(characters),
        "alphabet": "".join(sorted(characters)),
        "words": words.total(),
        "distinct_words": len(words),
        "words_that_occur_once": sum(count == 1 for count in words.values()),
        "outside_vocabulary": {
            str(least): sum(n for word, n in other.items() if train[word] < least)
            / max(1, other.total())
            for least in MINIMUM_COUNTS
        },
        "names": corpus.names,
        "warnings": corpus_warnings(experiment, corpus),
    }


def _counts(documents: Iterable[Document], units: Callable[[str], Iterable[str]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(units(document.text))
    return counts


def print_statistics(statistics: Mapping[str, Any]) -> None:
    """The statistics on the terminal, a line each, and the warnings."""
    once, distinct = statistics["words_that_occur_once"], statistics["distinct_words"]
    outside = statistics["outside_vocabulary"].items()
    lines = [
        f"{statistics['kind']}  {statistics['origin']}",
        f"licence: {statistics['licence']}",
        f"sha256 {statistics['sha256'][:16]}…  split {statistics['split_sha256'][:16]}…",
        f"{statistics['documents']} documents, {statistics['characters']:,} characters, "
        f"{statistics['distinct_characters']} distinct",
        f"{statistics['words']:,} words, {distinct:,} distinct, {once:,} of them occur once",
        "held-out words outside the vocabulary, by minimum count: "
        + ", ".join(f"{least}: {share:.1%}" for least, share in outside),
        f"language: {Language(**statistics['language'])}",
        *(
            f"{part} part: {statistics[part]['documents']} documents, "
            f"{statistics[part]['characters']:,} characters"
            for part in PARTS
        ),
        *split_lines(statistics["names"], statistics.get("division", "")),
    ]
    console = Console(highlight=False)
    for line in lines:
        console.print(Text(visible(line)))
    for warning in statistics["warnings"]:
        console.print(Text(visible(f"warning: {warning}"), style="bold yellow"))


def split_lines(names: Mapping[str, Sequence[str]], division: str) -> list[str]:
    """How a text was divided, and the documents of the parts that have few.

    Args:
        names: part → names of its documents.
        division: of :class:`textgen.data.loading.Corpus`.
    """
    short = {part: own for part, own in names.items() if len(own) <= MAX_NAMED_DOCUMENTS}
    lines = [f"{part}: {', '.join(own)}" for part, own in short.items()]
    return [f"divided {division or 'by document, by a hash of their names'}", *lines]


def corpus_warnings(experiment: TextSettings, corpus: Corpus) -> list[str]:
    """Sentences, each with what to do.

    Args:
        experiment: its settings; they say what the text is used for.
        corpus: its text.
    """
    warnings = [*_foreign_documents(corpus), *_small_parts(corpus)]
    count = len(corpus.test)
    if count < MIN_TEST_DOCUMENTS:
        warnings.insert(
            0,
            f"The test part has {count} document{'s' * (count != 1)}. With fewer than "
            f"{MIN_TEST_DOCUMENTS} there is no interval and no test of a difference. "
            f"{_more_test_documents(experiment, corpus)}.",
        )
    return warnings


def _more_test_documents(experiment: TextSettings, corpus: Corpus) -> str:
    if corpus.given:
        return "The split is given: claim no difference, or divide the test text"
    change = _larger_test(experiment.split, corpus)
    if getattr(experiment.corpus, "one_text", False):
        change = f"--set corpus.pieces={_enough_pieces(experiment.split, corpus)}"
    if change:
        return f"{change} gives it at least {MIN_TEST_DOCUMENTS}"
    if experiment.resolved["corpus"].get("separator"):
        return "Cut the file into equal pieces: --set 'corpus.separator=\"\"'"
    return "Use more text, or one file, which is cut: --set corpus.kind=file --set corpus.path=FILE"


def _enough_pieces(split: Split, corpus: Corpus) -> int:
    """Into how many pieces one file has to be cut. Twice as many as are needed would have room in
    the test part, for some pieces are larger than others."""
    total = count_characters(corpus.train + corpus.validation + corpus.test)
    share = split.test if isinstance(split.test, float) else 1.0
    share = 1 / split.folds if split.folds else share
    return math.ceil(2 * MIN_TEST_DOCUMENTS / min(share, HELD_OUT["test"] / total))


def _larger_test(split: Split, corpus: Corpus) -> str:
    """Settings with which the test part has enough of the documents, and with which half of the
    text at least is trained on: fewer folds; else a larger share, else the shortest documents by
    name. Empty if there are none."""
    documents = corpus.train + corpus.validation + corpus.test
    if split.first == "validation":
        documents = corpus.validation + corpus.train + corpus.test
    shortest = sorted(documents, key=lambda d: d.characters)[:MIN_TEST_DOCUMENTS]
    changes: list[dict[str, Any]] = [{"test": share} for share in LARGER_TEST_SHARES]
    changes.append({"test": tuple(d.name for d in shortest)})
    if split.folds and split.fold:
        fewer = range(split.folds - 1, 1, -1)
        changes = [{"folds": folds, "fold": min(split.fold, folds)} for folds in fewer]
    least = count_characters(documents) / 2
    for change in changes:
        with contextlib.suppress(TextgenError, ValueError):
            changed = divide(documents, replace(split, **change))
            enough = len(changed.test) >= MIN_TEST_DOCUMENTS
            if enough and count_characters(changed.train) >= least:
                settings = (f"split.{key}={json.dumps(change[key])}" for key in change)
                return " ".join(f"--set {shlex.quote(setting)}" for setting in settings)
    return ""


def _foreign_documents(corpus: Corpus) -> Iterator[str]:
    """Held-out documents first; of a large corpus some of the training documents are looked at."""
    detected = find_language(corpus.sample)
    held_out = [(d, part) for part in ("test", "validation") for d in corpus.parts[part]]
    step = max(1, len(corpus.train) // EXAMINED_DOCUMENTS)
    examined = held_out[:EXAMINED_DOCUMENTS] + [(d, "train") for d in corpus.train[::step]]
    foreign = [
        f"{document.name} in the {part} part ({language.name}, {language.script} script)"
        for document, part in examined
        if (language := foreign_language(document, detected))
    ]
    if 0 < len(foreign) <= len(examined) / 2:
        yield (
            f"In another language than the rest ({detected.name}, {detected.script} script): "
            f"{few(foreign)}. Take such documents out, or give each language an experiment."
        )


def _small_parts(corpus: Corpus) -> Iterator[str]:
    sizes = {part: count_characters(documents) for part, documents in corpus.parts.items()}
    total = sum(sizes.values())
    for part, size in sizes.items():
        least = total / 2
        if part != "train":
            least = min(SMALL_PART_SHARE * total, LARGE_PART_CHARACTERS)
        if size < max(least, SMALL_PART_CHARACTERS[part]):
            yield (
                f"The {part} part is small: {size:,} of {total:,} characters ({size / total:.1%}). "
                "Use more text, or change [split]."
            )
