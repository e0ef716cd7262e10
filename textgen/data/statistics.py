"""Statistics of a corpus: sizes, characters, words and hapaxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textgen.core.errors import visible
from textgen.core.experiment import TextSettings, resolve_text
from textgen.data.language import WORD, Language
from textgen.data.loading import load_corpus
from textgen.data.warnings import corpus_warnings

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.data.documents import Document


WORD_COUNTINGS = {
    "letters and inner apostrophes, cased": lambda text: WORD.findall(text),
    "letters and inner apostrophes, lower-cased": lambda text: WORD.findall(text.lower()),
    "split at white space, cased": str.split,
}
MINIMUM_COUNTS = (1, 2, 3, 5, 10)
PARTS = ("train", "validation", "test")
MAX_NAMED_DOCUMENTS = 12
"""Documents of a part, at most, that are named on the terminal."""


def corpus_statistics(settings: dict[str, Any] | TextSettings) -> dict[str, Any]:
    """Sizes, characters, types and hapaxes of a corpus by several definitions of a word, the share
    of held-out words outside the vocabulary for several minimum counts, the names of the documents
    of each part, and warnings.

    Args:
        settings: an experiment, or a ``[corpus]`` table as a dictionary, which may contain a
            ``split`` table and a ``language``.
    """
    experiment = settings if isinstance(settings, TextSettings) else corpus_only(settings)
    corpus = load_corpus(experiment)
    everything = corpus.train + corpus.validation + corpus.test
    characters: Counter[str] = Counter()
    for document in everything:
        characters.update(document.text)
    return {
        **corpus.description,
        "documents": len(everything),
        "characters": characters.total(),
        "distinct_characters": len(characters),
        "alphabet": "".join(sorted(characters)),
        "words": {name: _types(everything, split) for name, split in WORD_COUNTINGS.items()},
        "outside_vocabulary": _outside(corpus.train, corpus.validation + corpus.test),
        "names": corpus.names,
        "warnings": corpus_warnings(experiment, corpus),
    }


def corpus_only(settings: dict[str, Any]) -> TextSettings:
    """The settings of a ``[corpus]`` table, which may contain a ``split`` and a ``language``."""
    own: dict[str, Any] = {key: settings[key] for key in ("split", "language") if key in settings}
    table = {key: value for key, value in settings.items() if key not in own}
    return resolve_text({"corpus": table, **own})


def split_lines(names: Mapping[str, Sequence[str]], division: str) -> list[str]:
    """How a text was divided, and the documents of the parts that have few.

    Args:
        names: part → names of its documents.
        division: of :class:`textgen.data.loading.Corpus`.
    """
    how = division or "by document, by a hash of their names"
    few = {part: found for part, found in names.items() if len(found) <= MAX_NAMED_DOCUMENTS}
    return [f"divided {how}", *(f"{part}: {', '.join(found)}" for part, found in few.items())]


def _types(documents: list[Document], words: Any) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(words(document.text))
    once = sum(1 for n in counts.values() if n == 1)
    return {"tokens": counts.total(), "types": len(counts), "hapaxes": once}


def _outside(train: list[Document], held_out: list[Document]) -> dict[str, float]:
    known: Counter[str] = Counter()
    for document in train:
        known.update(WORD.findall(document.text))
    seen: Counter[str] = Counter()
    for document in held_out:
        seen.update(WORD.findall(document.text))
    return {
        str(least): sum(n for w, n in seen.items() if known[w] < least) / max(1, seen.total())
        for least in MINIMUM_COUNTS
    }


def print_statistics(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    print(visible(f"{found['kind']}  {found['origin']}\nlicence: {found['licence']}"))
    print(f"sha256 {found['sha256'][:16]}…  split {found['split_sha256'][:16]}…")
    print(
        f"{found['documents']} documents, {found['characters']:,} characters, "
        f"{found['distinct_characters']} distinct"
    )
    print(f"language: {Language(**found['language'])}")
    parts = Table("part", "documents", "characters")
    for part in PARTS:
        sizes = found[part]
        parts.add_row(part, f"{sizes['documents']}", f"{sizes['characters']:,}")
    console.print(parts)
    for line in split_lines(found["names"], found.get("division", "")):
        console.print(Text(visible(line)))
    for warning in found["warnings"]:
        console.print(Text(visible(f"warning: {warning}"), style="bold yellow"))
    counting = Table("counting of words", "tokens", "types", "once: of types", "once: of tokens")
    for name, row in found["words"].items():
        counting.add_row(
            name,
            f"{row['tokens']:,}",
            f"{row['types']:,}",
            f"{row['hapaxes'] / max(1, row['types']):.1%}",
            f"{row['hapaxes'] / max(1, row['tokens']):.1%}",
        )
    console.print(counting)
    outside = Table("minimum count in training", *found["outside_vocabulary"])
    outside.add_row(
        "held-out words outside", *(f"{v:.1%}" for v in found["outside_vocabulary"].values())
    )
    console.print(outside)
