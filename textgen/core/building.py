"""From TOML to checked settings: frozen dataclasses that pydantic validates, plug-ins by ``kind``.

A dataclass is the schema of its table: annotations say what is accepted, defaults what a setting is
where the file leaves it out. Editors get the same as a JSON schema
(:mod:`textgen.core.schema`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import core_schema

from textgen.core.errors import TextgenError
from textgen.core.registry import DEFAULT_KINDS, POINTS, lookup, plugin_table, suggestion

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
WORDS = {
    "Input should be ": "",
    "a valid ": "",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    " after validation": "",
    "array": "list",
    "Tuple": "list",
    "dictionary": "table",
    "an object": "a table",
}
"""Words of pydantic's messages → those of TOML."""


class SettingsError(ValueError):
    """Settings that are wrong, or valid one by one but not together.

    Args:
        found, expected, hint: as in :class:`TextgenError`.
        at: the setting at fault within the table.
    """

    def __init__(self, found: str, expected: str, *, hint: str = "", at: str = "") -> None:
        self.found, self.expected, self.hint, self.at = found, expected, hint, at
        super().__init__(found)


@dataclasses.dataclass(frozen=True)
class Plugin:
    """Annotates a setting that is a plug-in: in TOML a table with a ``kind``, or its name alone."""

    point: str
    """One of :data:`textgen.core.registry.POINTS`."""

    def make(self, value: Any) -> Any:
        """The plug-in that a value from TOML describes.

        Raises:
            SettingsError: no or an unknown kind, or wrong settings.
        """
        kind, settings = kind_and_settings(self.point, value)
        try:
            cls = lookup(self.point, kind, "kind")
        except TextgenError as error:
            raise SettingsError(error.found, error.expected, hint=error.hint, at="kind") from error
        return checked(cls, settings)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.make)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The name of a kind, a table with a kind or, over an included file, settings alone."""
        kinds, tables, settings = sorted(plugin_table(self.point)), [], dict[str, list[Any]]()
        for kind in kinds:
            cls: Any = lookup(self.point, kind, self.point)
            table = handler.resolve_ref_schema(handler(adapter(cls).core_schema)["items"])
            for name, setting in table["properties"].items():
                settings.setdefault(name, []).append(setting)
            named = {"kind": {"const": kind}, **table["properties"]}
            tables.append({**table, "properties": named, "required": ["kind"]})
        mixed = {name: {"anyOf": choices} for name, choices in settings.items()}
        alone = {"type": "object", "properties": mixed, "additionalProperties": False}
        return {"anyOf": [{"enum": kinds}, *tables, alone]}


def kind_and_settings(point: str, value: Any) -> tuple[str, dict[str, Any]]:
    """The kind of a plug-in's table, which may be its name alone, and the other settings."""
    table = {"kind": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        raise SettingsError(repr(value), "a table, or the name of a kind")
    kind = table.get("kind", DEFAULT_KINDS.get(point))
    if not isinstance(kind, str):
        found = "nothing" if kind is None else repr(kind)
        hint = f'name one: [{point}] kind = "…"'
        raise SettingsError(found, suggestion("", plugin_table(point)), hint=hint, at="kind")
    return kind, {name: table[name] for name in table if name != "kind"}


@cache
def adapter(cls: Any) -> TypeAdapter[Any]:
    """What validates a list of one table: a list, for only that takes the configuration along."""
    return TypeAdapter(list[cls], config=STRICT)


def checked(cls: Any, values: Any) -> Any:
    """``cls(**values)``, validated.

    Raises:
        SettingsError: an unknown or missing key, a wrong value, settings that do not fit together.
    """
    try:
        return _validated(cls, values)
    except ValidationError as error:
        raise _problem(cls, error.errors(), values) from None


def _validated(cls: Any, values: Any) -> Any:
    # JSON is the strict mode in which lists are tuples and strings are paths
    return adapter(cls).validate_json(json.dumps([values], default=str))[0]


def build(cls: type[Any], values: Any, where: str, **given: Any) -> Any:
    """:func:`checked`, for users.

    Args:
        cls: a frozen dataclass.
        values: a table as read from TOML.
        where: names the table in errors; ends with a colon where it is a whole file.
        given: settings that do not come from the table.

    Raises:
        TextgenError: what is wrong, with the full name of the setting.
    """
    with naming(where):
        return checked(cls, {**values, **given} if given else values)


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
    """Turns a :class:`SettingsError` into a :class:`TextgenError` with the setting's full name.

    Args:
        where: names the table; ends with a colon where it is a whole file.
    """
    try:
        yield
    except SettingsError as error:
        place = inside(where, error.at) if error.at else where
        raise TextgenError(
            place, found=error.found, expected=error.expected, hint=error.hint
        ) from None


def _problem(cls: type[Any], errors: list[Any], values: Any) -> SettingsError:
    """The first of pydantic's errors: a misspelt name before the setting that is missing because
    of it, and in a union a wrong value before a wrong type."""

    def rank(error: Any) -> tuple[bool, bool]:
        kind = error["type"]
        return kind != "unexpected_keyword_argument", kind.endswith(("_type", "literal_error"))

    first = min(errors, key=rank)
    if first["type"] == "json_invalid":
        return SettingsError("half a surrogate pair", "text that can be written as UTF-8")
    at, value = _place(first, values), first["input"]
    if isinstance(error := first.get("ctx", {}).get("error"), ValueError):
        if not isinstance(error, SettingsError):
            return SettingsError(str(error), "settings that fit together", at=at)
        at = ".".join(filter(None, (at, error.at)))
        return SettingsError(error.found, error.expected, hint=error.hint, at=at)
    if first["type"] == "unexpected_keyword_argument":
        key, owner = str(first["loc"][-1]), _owner(cls, first["loc"])
        names = [field.name for field in dataclasses.fields(owner) if field.init]
        return SettingsError(f"unknown setting {key!r}", suggestion(key, names), at=at)
    if first["type"] == "missing":
        return SettingsError("nothing", "a value: this setting has no default", at=at)
    same = [e for e in errors if rank(e) == rank(first) and _place(e, values) == at]
    wanted = " or ".join(dict.fromkeys(_in_words(e["msg"]) for e in same))
    lists = any(e["type"] == "tuple_type" and e["input"] == value for e in errors)
    listed = lists and (type(value) is int or (isinstance(value, str) and "," in value))
    hint = f"write a list: {_as_list(value)}" if listed else ""
    return SettingsError(repr(value), wanted, hint=hint, at=at)


def _place(error: Any, values: Any) -> str:
    """The name of the setting at fault: pydantic's location without the branches of unions."""
    _, *location = error["loc"]
    path = ""
    for part in location:
        if isinstance(values, Mapping) and part in values:
            path, values = f"{path}.{part}", values[part]
        elif isinstance(values, list) and isinstance(part, int):
            path, values = f"{path} {part + 1}", values[part]
    return (f"{path}.{location[-1]}" if error["type"] == "missing" else path).removeprefix(".")


def _owner(cls: type[Any], location: Iterable[Any]) -> type[Any]:
    """The dataclass of the table in which a setting is."""
    for part in location:
        cls = _dataclass_in(get_type_hints(cls).get(str(part))) or cls
    return cls


def _dataclass_in(annotation: Any) -> type[Any] | None:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return annotation
    return next(filter(None, map(_dataclass_in, get_args(annotation))), None)


def _in_words(message: str) -> str:
    for old, new in WORDS.items():
        message = message.replace(old, new)
    return message[0].lower() + message[1:]


def _as_list(value: str | int) -> str:
    """The list in TOML that a value such as ``"192,192"`` was meant to be."""
    items = [item.strip() for item in str(value).strip("()[]{} ").split(",")]
    numbers = all(item.isdecimal() for item in items)
    return json.dumps([*map(int, items)] if numbers else items, ensure_ascii=False)


def shared_settings(
    point: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of another kind's table that a kind has by the same name, if their values are
    valid for it and go together with its own.

    Args:
        point: one of :data:`textgen.core.registry.POINTS`.
        kind: the new one.
        old: the table of the other kind.
        new: what is set beside the new kind.

    Raises:
        TextgenError: no such kind.
    """
    cls = lookup(point, kind, f"{point}.kind")
    names = {field.name for field in dataclasses.fields(cls) if field.init}

    def wrong(values: Mapping[str, Any]) -> list[Any]:
        try:
            _validated(cls, {name: values[name] for name in values if name != "kind"})
        except ValidationError as error:
            return [each for each in error.errors() if each["type"] != "missing"]
        return []

    shared = {name: value for name, value in old.items() if name in names}
    for error in wrong(shared):
        shared.pop(str([*error["loc"], ""][1]), None)
    return {} if wrong({**shared, **new}) and wrong(shared) else shared


def plain(value: Any, given: Any = None) -> Any:
    """Settings as TOML data: dataclasses as tables without empty settings, paths as strings, tuples
    as lists.

    Args:
        value: the settings.
        given: the data they were made from, which name the kinds of plug-ins.
    """
    if dataclasses.is_dataclass(value):
        found = dict[str, Any]()
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if field.name in POINTS and inner is not None:
                found[field.name] = plain_plugin(field.name, inner, given[field.name])
            elif field.init and inner is not None:
                found[field.name] = plain(inner)
        return found
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def plain_plugin(point: str, made: Any, value: Any) -> dict[str, Any]:
    """A plug-in as TOML data.

    Args:
        point: one of :data:`textgen.core.registry.POINTS`.
        made: the plug-in.
        value: what it was made from.
    """
    kind, settings = kind_and_settings(point, value)
    return {"kind": kind, **plain(made, settings)}


def inside(where: str, key: str) -> str:
    """The label of a setting in a table, or in a file."""
    return f"{where} {key}" if where.endswith(":") else f"{where}.{key}"


def unknown_setting(where: str, key: str, known: Iterable[str]) -> TextgenError:
    """The error for a name that is not known."""
    return TextgenError(where, found=f"unknown setting {key!r}", expected=suggestion(key, known))
