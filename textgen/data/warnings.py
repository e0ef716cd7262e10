"""What about a corpus and its split will make figures say less than a reader expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from textgen.core import Experiment
from textgen.data.contiguous import FEWEST
from textgen.data.given import few
from textgen.data.loading import Corpus
from textgen.data.splits import GIVEN

SMALL = {"train": 50_000, "validation": 10_000, "test": 10_000}
"""Characters below which a part is tiny."""
SMALL_SHARE, LARGE_ENOUGH = 0.01, 100_000
"""A held-out part below this share of the text is tiny, unless it has so many characters."""
ENOUGH = 500_000
"""Characters of a text in which no part has to be tiny."""
RARE, RARE_SHARE = 20, 0.1
"""Characters that occur once: so many, and such a share of the alphabet, are reported."""


def corpus_warnings(experiment: Experiment, corpus: Corpus) -> list[str]:
    """Sentences, each with what to do; none if there is nothing to warn of.

    Args:
        experiment: its settings; they say what the text is used for.
        corpus: its text.
    """
    checks = (_few_test_documents, _tiny_parts, _rare_characters)
    return [warning for check in checks for warning in check(experiment, corpus)]


def _few_test_documents(experiment: Experiment, corpus: Corpus) -> Iterator[str]:
    count = len(corpus.test)
    if count >= FEWEST:
        return
    if corpus.division.startswith(GIVEN):
        cure = (
            "The split is given: figures can stand beside published ones, but claim no difference "
            "between arms, or divide the test text into more documents"
        )
    elif "pieces" in experiment.resolved["corpus"]:
        cure = "Raise [corpus] pieces or [split] test"
    else:
        cure = "Raise [split] test, add documents, or have one file cut ([corpus] kind, pieces)"
    documents = "document" if count == 1 else "documents"
    yield (
        f"The test part has {count} {documents}. With fewer than {FEWEST} there is no interval and "
        f"no test of a difference. {cure}."
    )


def _tiny_parts(experiment: Experiment, corpus: Corpus) -> Iterator[str]:
    sizes = {part: sum(d.characters for d in getattr(corpus, part)) for part in SMALL}
    total = sum(sizes.values())
    for part, size in sizes.items():
        tiny = size < SMALL[part]
        if part != "train":
            tiny |= size < min(SMALL_SHARE * total, LARGE_ENOUGH)
        if tiny or (part == "train" and size < total / 2):
            if total < ENOUGH:
                cure = "Use more text"
            elif corpus.division.startswith(GIVEN):
                cure = "List more documents for it in [split]"
            else:
                cure = "Change its share or the seed in [split], or divide the longest documents"
            yield (
                f"The {part} part is small: {size:,} of {total:,} characters ({size / total:.1%}). "
                f"{cure}."
            )


def _rare_characters(experiment: Experiment, corpus: Corpus) -> Iterator[str]:
    counts: Counter[str] = Counter()
    for document in corpus.sample:
        counts.update(document.text)
    once = sorted(character for character, count in counts.items() if count == 1)
    if len(once) < RARE or len(once) < RARE_SHARE * len(counts):
        return
    shown = few([repr(character) for character in once], 8)
    yield (
        f"{len(once):,} of the {len(counts):,} distinct characters occur once in the training "
        f"text: {shown}. No model learns those. If they come from markup or a wrong encoding, "
        "correct the files or the encoding, or name the characters to keep in [corpus] keep; of a "
        "script with thousands of characters, use more text."
    )
