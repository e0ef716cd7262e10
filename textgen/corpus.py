"""python -m textgen.corpus: the corpora and their statistics."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen import cli
from textgen.config import resolve
from textgen.metrics.real_words import WORD
from textgen.registry import table

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.corpora.base import Document

COUNTINGS = {
    "letters and inner apostrophes, cased": lambda text: WORD.findall(text),
    "letters and inner apostrophes, lower-cased": lambda text: WORD.findall(text.lower()),
    "split at white space, cased": str.split,
}
MINIMUM_COUNTS = (1, 2, 3, 5, 10)


def statistics(settings: dict[str, Any]) -> dict[str, Any]:
    """What is in a corpus: sizes, characters, types and hapaxes under the usual countings, and the
    share of held-out words outside the vocabulary by minimum count.

    Args:
        settings: a ``[corpus]`` table as a dictionary, optionally a ``split`` table in it.
    """
    from textgen.corpora.loading import load_corpus

    plain = {"tokenizer": "characters", "objective": "next_token", "training": {"updates": 1}}
    corpus = {k: v for k, v in settings.items() if k != "split"}
    split = {"split": settings["split"]} if "split" in settings else {}
    loaded = load_corpus(resolve({**plain, "corpus": corpus, **split}, "corpus"))
    everything = loaded.train + loaded.validation + loaded.test
    characters: Counter[str] = Counter()
    for document in everything:
        characters.update(document.text)
    return {
        **loaded.description,
        "documents": len(everything),
        "characters": characters.total(),
        "distinct_characters": len(characters),
        "alphabet": "".join(sorted(characters)),
        "words": {name: _types(everything, split) for name, split in COUNTINGS.items()},
        "outside_vocabulary": _outside(loaded.train, loaded.validation + loaded.test),
    }


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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser("corpus", "List corpora, or print the statistics of one.")
    parser.add_argument("kind", nargs="?", help="a corpus; left out: list them")
    parser.add_argument("--path", type=Path, help="for folder and file")
    parser.add_argument("--encoding", help="for folder and file")
    parser.add_argument("--keep", help='only these characters; "article": the article\'s 75')
    parser.add_argument("--json", action="store_true", help="print JSON")
    return cli.guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    if given.kind is None:
        import importlib

        for kind, target in sorted(table("corpus").items()):
            module, _, name = target.partition(":")
            doc = getattr(importlib.import_module(module), name).__doc__ or ""
            print(f"{kind:<12}{doc.splitlines()[0]}")
        return
    settings = {"kind": given.kind, "path": given.path and str(given.path)}
    settings |= {"encoding": given.encoding, "keep": given.keep}
    found = statistics({key: value for key, value in settings.items() if value is not None})
    if given.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    print(f"{found['kind']}  {found['origin']}\nlicence: {found['licence']}")
    print(f"sha256 {found['sha256'][:16]}…  split {found['split_sha256'][:16]}…")
    print(
        f"{found['documents']} documents, {found['characters']:,} characters, "
        f"{found['distinct_characters']} distinct"
    )
    parts = Table("part", "documents", "characters")
    for part in ("train", "validation", "test"):
        sizes = found[part]
        parts.add_row(part, f"{sizes['documents']}", f"{sizes['characters']:,}")
    console.print(parts)
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


if __name__ == "__main__":
    sys.exit(main())
