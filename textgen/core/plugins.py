"""Plug-in points: tables of "module:Class", textgen's own and those of other packages.

A table maps the ``kind`` written in an experiment file to a class that is imported only when it
is asked for. textgen's own is the ``TABLE`` in the plug-in folder's ``__init__``: a new kind is one
file in the folder and one line there. Other packages bring theirs by entry points::

    [project.entry-points."textgen.rare_words"]
    hashed = "my_package.hashed:Hashed"

Entry points are read only when a kind is not textgen's own, or when all of them are listed.
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
    "segmenter": "textgen.tokenizers.words.segmenters",
    "embedding": "textgen.embeddings",
    "backbone": "textgen.models.backbones",
    "objective": "textgen.models.objectives",
    "baseline": "textgen.evaluation.baselines",
    "metric": "textgen.evaluation.metrics",
}
DEFAULT_KINDS = {"backbone": "lstm"}
"""The kinds of tables that name none."""


def plugin_table(point: str) -> dict[str, str]:
    """All kinds at a plug-in point: ``kind`` → ``"module:Class"``, textgen's own first.

    Raises:
        TextgenError: another package brings a kind of a name that is taken.
    """
    from importlib.metadata import entry_points

    table = dict(_own(point))
    for entry in entry_points(group=f"textgen.{point}"):
        if entry.name in table:
            owner = "textgen itself" if entry.name in _own(point) else table[entry.name]
            raise TextgenError(
                f"entry point textgen.{point}: {entry.name} = {entry.value!r}",
                found=f"a kind that {owner} has already",
                expected="a name of its own: no package may replace the kind of another one",
                hint=f"rename it in, or uninstall, {entry.dist.name if entry.dist else 'it'}",
            )
        table[entry.name] = entry.value
    return table


def _own(point: str) -> dict[str, str]:
    table: dict[str, str] = importlib.import_module(POINTS[point]).TABLE
    return table


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
        TextgenError: no such kind (the message suggests the closest and lists all), or the package
            that brings it is broken.
    """
    own = _own(point)
    target = own.get(kind) or (entries := plugin_table(point)).get(kind)
    if target is None:
        raise TextgenError(
            where,
            found=f"unknown {point.replace('_', ' ')} {kind!r}",
            expected=suggestion(kind, entries),
            hint="write one of these as its kind, or install the package that brings it",
        )
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # another package raises whatever it likes
        if kind in own:
            raise
        raise TextgenError(
            where,
            found=f"{kind!r} of another package, {target}, cannot be imported: {error}",
            expected=f"a class at the entry point textgen.{point}",
            hint="install that package again, or tell its authors",
        ) from error
