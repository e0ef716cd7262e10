"""What about a corpus and its split will make figures say less than a reader expects."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.experiment import TextSettings
from textgen.core.settings import Split
from textgen.data.documents import Document
from textgen.data.language import find_language, foreign_language
from textgen.data.loading import Corpus
from textgen.data.splits import HELD_OUT, MIN_TEST_DOCUMENTS, divide, few, given_parts

SMALL_PART_CHARACTERS = {"train": 50_000, "validation": 10_000, "test": 10_000}
"""Characters below which a part is tiny."""
SMALL_PART_SHARE, LARGE_PART_CHARACTERS = 0.01, 100_000
"""A held-out part below this share of the text is tiny, unless it has so many characters."""
LARGE_TEXT_CHARACTERS = 500_000
"""Characters of a text in which no part has to be tiny."""
MIN_PIECE_CHARACTERS = 100
"""Characters of a piece that a file is to be cut into, at least."""
EXAMINED_DOCUMENTS = 100
"""Held-out documents, and about as many training documents, whose own language is looked for."""
MANY_RARE_CHARACTERS, LARGE_RARE_SHARE = 20, 0.1
"""Characters that occur once: so many, and such a share of the alphabet, are reported."""


def corpus_warnings(experiment: TextSettings, corpus: Corpus) -> list[str]:
    """Sentences, each with what to do; none if there is nothing to warn of.

    Args:
        experiment: its settings; they say what the text is used for.
        corpus: its text.
    """
    checks = (_few_test_documents, _foreign_documents, _tiny_parts, _rare_characters)
    return [warning for check in checks for warning in check(experiment, corpus)]


def _few_test_documents(experiment: TextSettings, corpus: Corpus) -> Iterator[str]:
    count = len(corpus.test)
    if count >= MIN_TEST_DOCUMENTS:
        return
    settings = experiment.resolved["corpus"]
    if corpus.given:
        advice = (
            "The split is given: figures can stand beside published ones, but claim no difference "
            "between arms, or divide the test text into more documents"
        )
    elif getattr(experiment.corpus, "one_text", False):
        advice = _more_pieces(experiment.split, corpus)
    elif change := _larger_test(experiment.split, corpus):
        advice = f"{change} gives it at least {MIN_TEST_DOCUMENTS}"
    elif settings.get("separator"):
        advice = "Add documents, or cut the file into equal pieces: --set 'corpus.separator=\"\"'"
    else:
        advice = (
            "Add documents, or join them in one file, which is cut: --set corpus.kind=file --set "
            "corpus.path=FILE"
        )
    documents = "document" if count == 1 else "documents"
    yield (
        f"The test part has {count} {documents}. With fewer than {MIN_TEST_DOCUMENTS} there is no "
        f"interval and no test of a difference. {advice}."
    )


def _more_pieces(split: Split, corpus: Corpus) -> str:
    """Of one file: into how many pieces it has to be cut. Twice as many as are needed would have
    room in the test part, for some pieces are larger than others."""
    total = _characters(corpus.train + corpus.validation + corpus.test)
    share = split.test if isinstance(split.test, float) else 1.0
    share = 1 / split.folds if split.folds else share
    pieces = math.ceil(2 * MIN_TEST_DOCUMENTS / min(share, HELD_OUT["test"] / total))
    if total < MIN_PIECE_CHARACTERS * pieces:
        return "Use more text"
    return f"--set corpus.pieces={pieces} gives it at least {MIN_TEST_DOCUMENTS}"


def _larger_test(split: Split, corpus: Corpus) -> str:
    """Settings with which the test part has enough of the documents, and with which half of the
    text at least is trained on; empty if none are found."""
    first = ("validation", "train") if split.first == "validation" else ("train", "validation")
    documents = [d for part in (*first, "test") for d in getattr(corpus, part)]
    names = [d.name for d in documents]
    for change in _changes(split, documents):
        with contextlib.suppress(TextgenError, ValueError):
            changed = replace(split, **change)
            found = divide(documents, changed, *given_parts(names, changed))
            half = _characters(documents) / 2
            if len(found.test) >= MIN_TEST_DOCUMENTS and _characters(found.train) >= half:
                return " ".join(
                    "--set " + shlex.quote(f"split.{key}={json.dumps(value, ensure_ascii=False)}")
                    for key, value in change.items()
                )
    return ""


def _changes(split: Split, documents: Sequence[Document]) -> Iterator[dict[str, Any]]:
    """Fewer folds; else a larger share, else the shortest documents by name."""
    if split.folds and split.fold:
        for folds in range(split.folds - 1, 1, -1):
            yield {"folds": folds, "fold": min(split.fold, folds)}
        return
    yield from ({"test": share} for share in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45))
    shortest = sorted(documents, key=lambda document: document.characters)[:MIN_TEST_DOCUMENTS]
    yield {"test": tuple(document.name for document in shortest)}


def _characters(documents: Iterable[Document]) -> int:
    return sum(document.characters for document in documents)


def _foreign_documents(experiment: TextSettings, corpus: Corpus) -> Iterator[str]:
    """Held-out documents first; of a large corpus some of the training documents are looked at."""
    detected = find_language(corpus.sample)
    held_out = [(d, part) for part in ("test", "validation") for d in getattr(corpus, part)]
    step = max(1, len(corpus.train) // EXAMINED_DOCUMENTS)
    looked_at = [*held_out[:EXAMINED_DOCUMENTS], *((d, "train") for d in corpus.train[::step])]
    found = [
        f"{document.name} in the {part} part ({language.name}, {language.script} script)"
        for document, part in looked_at
        if (language := foreign_language(document, detected))
    ]
    if found and len(found) <= len(looked_at) / 2:
        yield (
            f"In another language than the other documents ({detected.name}, {detected.script} "
            f"script): {few(found)}. What a model learns from the others hardly helps there: take "
            "such documents out, or give each language an experiment of its own."
        )


def _tiny_parts(experiment: TextSettings, corpus: Corpus) -> Iterator[str]:
    sizes = {
        part: sum(d.characters for d in getattr(corpus, part)) for part in SMALL_PART_CHARACTERS
    }
    total = sum(sizes.values())
    for part, size in sizes.items():
        tiny = size < SMALL_PART_CHARACTERS[part]
        if part != "train":
            tiny |= size < min(SMALL_PART_SHARE * total, LARGE_PART_CHARACTERS)
        if tiny or (part == "train" and size < total / 2):
            if total < LARGE_TEXT_CHARACTERS:
                advice = "Use more text"
            elif corpus.given:
                advice = "List more documents for it in [split]"
            else:
                advice = "Change its share or the seed in [split], or divide the longest documents"
            yield (
                f"The {part} part is small: {size:,} of {total:,} characters ({size / total:.1%}). "
                f"{advice}."
            )


def _rare_characters(experiment: TextSettings, corpus: Corpus) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for document in corpus.sample:
        counts.update(document.text)
    once = sorted(character for character, count in counts.items() if count == 1)
    if len(once) < MANY_RARE_CHARACTERS or len(once) < LARGE_RARE_SHARE * len(counts):
        return
    shown = few([repr(character) for character in once], 8)
    yield (
        f"{len(once):,} of the {len(counts):,} distinct characters occur once in the training "
        f"text: {shown}. No model learns those. If they come from markup or a wrong encoding, "
        "correct the files or the encoding, or name the characters to keep in [corpus] keep; of a "
        "script with thousands of characters, use more text."
    )
