"""Plug-in points: lazy tables of "module:Class", one in each plug-in folder's ``__init__``.

A table maps the ``kind`` written in an experiment file to a class that is imported only when it
is asked for. Adding an entry is one new file in the folder and one line in its ``TABLE``.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

from textgen.core.errors import TextgenError

POINTS = {
    "corpus": "textgen.data.corpora",
    "tokenizer": "textgen.tokenizers",
    "rare_words": "textgen.tokenizers.words.rare_words",
    "embedding": "textgen.embeddings",
    "backbone": "textgen.models.backbones",
    "objective": "textgen.models.objectives",
    "baseline": "textgen.evaluation.baselines",
    "metric": "textgen.evaluation.metrics",
}


def plugin_table(point: str) -> dict[str, str]:
    """The table of a plug-in point: ``kind`` → ``"module:Class"``."""
    return importlib.import_module(POINTS[point]).TABLE


def suggestion(name: str, known: Iterable[str]) -> str:
    """One line for a name that is not known: the closest ones, then all of them."""
    known = sorted(known)
    if not known:
        return "none: there is nothing to set"
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    meant = f"did you mean {' or '.join(repr(c) for c in close)}? " if close else ""
    return f"{meant}known: {', '.join(known)}"


def lookup(point: str, kind: str, where: str) -> type[Any]:
    """The class behind ``kind`` at a plug-in point.

    Raises:
        TextgenError: no such kind; the message suggests the closest and lists all.
    """
    entries = plugin_table(point)
    if kind not in entries:
        raise TextgenError(
            where,
            found=f"unknown {point.replace('_', ' ')} {kind!r}",
            expected=suggestion(kind, entries),
            hint="write one of these as its kind",
        )
    module, _, name = entries[kind].partition(":")
    return getattr(importlib.import_module(module), name)
