"""Plug-ins, found by their ``kind``; tables of TOML as frozen dataclasses that pydantic validates.

A dataclass is the schema of its table. At a plug-in point, ``kind`` picks the dataclass, which is
imported only then. textgen's own are the ``TABLE`` of the folder's ``__init__``: a new kind is one
file in the folder and one line there. Other packages bring theirs by entry points::

    [project.entry-points."textgen.rare_words"]
    hashed = "my_package.hashed:Hashed"

Entry points are read only when a kind is not textgen's own, or when all of them are listed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import core_schema

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
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def plugin_table(point: str) -> dict[str, str]:
    """All kinds at a plug-in point: ``kind`` → ``"module:Class"``.

    Raises:
        TextgenError: another package brings a kind of textgen's own name.
    """
    own = _own(point)
    others = {e.name: e.value for e in metadata.entry_points(group=f"textgen.{point}")}
    if taken := own.keys() & others.keys():
        name = min(taken)
        message = f"entry point textgen.{point}: {name} = {others[name]}: textgen has a {name}"
        raise TextgenError(message, "rename it in that package, or uninstall it")
    return own | others


def _own(point: str) -> dict[str, str]:
    table: dict[str, str] = importlib.import_module(POINTS[point]).TABLE
    return table


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
    own = _own(point)
    target = own.get(kind) or (table := plugin_table(point)).get(kind)
    prefix = f"{where}: " if where else ""
    if target is None:
        hint = f"{suggestion(kind, table)}; or install the package that brings it"
        raise TextgenError(f"{prefix}unknown {point.replace('_', ' ')} {kind!r}", hint)
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Plugin:
    """Annotates a setting that is a plug-in: in TOML a table with a ``kind``, or its name alone.

    Attributes:
        point: one of :data:`POINTS`.
    """

    point: str

    def make(self, value: Any) -> Any:
        """The plug-in that a value from TOML describes; its attribute ``kind`` is set.

        Raises:
            ValidationError, ValueError, TextgenError: no or an unknown kind, or wrong settings.
        """
        if not isinstance(value, str | Mapping):
            raise ValueError(f"should be a table or the name of a kind, not {value!r}")
        kind, settings = kind_and_settings(self.point, value)
        plugin = validated(lookup(self.point, kind, f"{self.point}.kind"), settings)
        object.__setattr__(plugin, "kind", kind)
        return plugin

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.make)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The name of a kind, a table with a kind or, over an included file, settings alone."""
        kinds, tables, settings = sorted(plugin_table(self.point)), [], dict[str, list[Any]]()
        for kind in kinds:
            cls: Any = lookup(self.point, kind)
            table = handler.resolve_ref_schema(handler(adapter(cls).core_schema)["items"])
            for name, setting in table["properties"].items():
                settings.setdefault(name, []).append(setting)
            named = {"kind": {"const": kind}, **table["properties"]}
            tables.append({**table, "properties": named, "required": ["kind"]})
        mixed = {name: {"anyOf": choices} for name, choices in settings.items()}
        alone = {"type": "object", "properties": mixed, "additionalProperties": False}
        return {"anyOf": [{"enum": kinds}, *tables, alone]}


def kind_and_settings(point: str, value: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The kind of a plug-in's table, which may be its name alone, and the other settings.

    Raises:
        TextgenError: no kind.
    """
    table = {"kind": value} if isinstance(value, str) else value
    kind = table.get("kind", DEFAULT_KINDS.get(point))
    if not isinstance(kind, str):
        raise TextgenError(f"{point}: no kind is named", suggestion("", plugin_table(point)))
    return kind, {name: table[name] for name in table if name != "kind"}


@cache
def adapter(cls: Any) -> TypeAdapter[Any]:
    """What validates a list of one table: a list, for only that takes the configuration along."""
    return TypeAdapter(list[cls], config=STRICT)


def validated(cls: Any, values: Any) -> Any:
    """``cls(**values)``, a frozen dataclass, from a table of TOML.

    Raises:
        ValidationError: an unknown or missing key, a wrong value, settings that do not fit
            together.
    """
    # JSON is the strict mode in which lists are tuples and strings are paths
    return adapter(cls).validate_json(json.dumps([values], default=str))[0]


def build(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """:func:`validated`, for users; ``where`` names the file or table in errors.

    Raises:
        TextgenError: what is wrong, with the full name of the setting.
    """
    try:
        return validated(cls, values)
    except ValidationError as error:
        raise _settings_error(cls, error.errors(), values, where) from None
    except TextgenError as error:
        raise TextgenError(f"{where}: {error.message}", error.hint) from None


def _settings_error(cls: type[Any], errors: Sequence[Any], values: Any, where: str) -> TextgenError:
    """pydantic's words for the first of its errors, with the setting's full name: a misspelt name
    before the setting that is missing because of it, in a union a wrong value before a wrong
    type."""

    def rank(error: Any) -> tuple[bool, bool, int]:
        kind = error["type"]
        vague = kind.endswith(("_type", "too_short"))
        return kind != "unexpected_keyword_argument", vague, -len(error["loc"])

    first = min(errors, key=rank)
    path, kind, hint = _path(first, values), first["type"], None
    same = [error for error in errors if (rank(error), _path(error, values)) == (rank(first), path)]
    message = " or ".join(dict.fromkeys(error["msg"] for error in same))
    message = message.removeprefix("Value error, ")
    if kind == "unexpected_keyword_argument":
        message, hint = "unknown setting", suggestion(path[-1], _known(cls, path[:-1], values))
    elif kind == "missing" and path[-1] in POINTS:
        hint = suggestion("", plugin_table(path[-1]))
    elif kind == "json_invalid":
        message = "text that is not valid Unicode"
    elif kind not in ("missing", "value_error"):
        message += f", not {first['input']!r}"
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    return TextgenError(": ".join(filter(None, (where, place, message))), hint)


def _path(error: Any, values: Any) -> list[Any]:
    """Where in nested data an error is: pydantic's location without the branches of unions."""
    path = []
    for part in error["loc"][1:]:
        table, index = isinstance(values, Mapping), isinstance(values, list)
        if (table and part in values) or (index and part in range(len(values))):
            path.append(part)
            values = values[part]
    return [*path, error["loc"][-1]] if error["type"] == "missing" else path


def _known(cls: type[Any], path: Sequence[Any], values: Any) -> list[str]:
    """The settings of the table at a path in nested data."""
    for part in path:
        values = values[part]
        if part in POINTS:
            cls = lookup(part, kind_and_settings(part, values)[0])
        else:
            hint = get_type_hints(cls).get(str(part))
            tables: list[Any] = [part for part in (hint, *get_args(hint)) if is_dataclass(part)]
            cls = tables[0] if tables else cls
    return [field.name for field in fields(cls) if field.init]


def plain(value: Any) -> Any:
    """Settings as TOML data: dataclasses as tables without empty settings, paths as strings, tuples
    as lists."""
    if is_dataclass(value):
        kind = {"kind": value.kind} if hasattr(value, "kind") else {}
        settings = {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.init}
        return kind | {name: inner for name, inner in settings.items() if inner is not None}
    if isinstance(value, Path):
        return str(value)
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
