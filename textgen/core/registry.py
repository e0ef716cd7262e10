"""Plug-ins, found by their ``kind``.

At a plug-in point, ``kind`` picks a dataclass, which is imported only then. textgen's own are the
``TABLE`` of the module that POINTS names: a new kind is a class and a line there. Other packages
bring theirs by entry points::

    [project.entry-points."textgen.rare_words"]
    hashed = "my_package.hashed:Hashed"

Entry points are read only when a kind is not textgen's own, or when all of them are listed.
"""

import importlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import metadata
from pkgutil import resolve_name
from typing import Any

from textgen.core.errors import TextgenError

POINTS = {
    "corpus": "textgen.data.corpora",
    "tokenizer": "textgen.tokenizers",
    "rare_words": "textgen.tokenizers.rare_words",
    "segmenter": "textgen.tokenizers.segmentation",
    "embedding": "textgen.embeddings.vectors",
    "backbone": "textgen.models.backbones",
    "objective": "textgen.models.objectives",
    "baseline": "textgen.evaluation.baselines",
    "metric": "textgen.evaluation.metrics",
}
DEFAULT_KINDS = {"backbone": "lstm"}  # of tables that name none


def plugin_table(point: str) -> dict[str, str]:
    """All kinds at a plug-in point: ``kind`` → ``"module:Class"``.

    Raises:
        TextgenError: another package brings a kind of textgen's own name.
    """
    own = _own(point)
    others = {entry.name: entry.value for entry in metadata.entry_points(group=f"textgen.{point}")}
    if taken := own.keys() & others.keys():
        name = min(taken)
        message = f"entry point textgen.{point}: {name} = {others[name]}: textgen has a {name}"
        raise TextgenError(message, "rename the kind in that package, or uninstall the package")
    return own | others


def _own(point: str) -> dict[str, str]:
    """textgen's own kinds. The module's table names a class of the module itself without it."""
    here = POINTS[point]
    table: dict[str, str] = importlib.import_module(here).TABLE
    return {kind: name if ":" in name else f"{here}:{name}" for kind, name in table.items()}


def suggestion(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the closest ones, then all of them."""
    known = sorted(known)
    close = get_close_matches(name, known, n=2, cutoff=0.5)
    meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{meant}known: {', '.join(known) or 'none'}"


def lookup(point: str, kind: str, where: str = "") -> type[Any]:
    """The class behind ``kind`` at a plug-in point; ``where`` names the setting in errors.

    Raises:
        TextgenError: no such kind.
    """
    target = _own(point).get(kind)
    if target is None:  # only then are entry points read
        target = plugin_table(point).get(kind)
    if target is None:
        prefix = f"{where}: " if where else ""
        message = f"{prefix}unknown {point.replace('_', ' ')} {kind!r}"
        raise TextgenError(message, _hint_for_unknown(point, kind))
    return resolve_name(target)


def _hint_for_unknown(point: str, kind: str) -> str:
    for entry in metadata.entry_points(name=kind):
        project, _, place = entry.group.partition(".")
        if project == "textgen" and place not in POINTS:
            return f"textgen.{place} is no plug-in point: {suggestion(place, POINTS)}"
    known = suggestion(kind, plugin_table(point))
    return f"{known}; or install the package that provides this kind"


def kind_and_settings(point: str, value: Any) -> tuple[str, dict[str, Any]]:
    """The kind of a plug-in's table, which may be its name alone, and the other settings.

    Raises:
        TextgenError: no kind.
    """
    table = {"kind": value} if isinstance(value, str) else value
    kind = table.get("kind", DEFAULT_KINDS.get(point)) if isinstance(table, Mapping) else None
    if not isinstance(kind, str):
        raise TextgenError("no kind is named", suggestion("", plugin_table(point)))
    return kind, {name: table[name] for name in table if name != "kind"}
