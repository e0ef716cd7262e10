"""Tables of TOML as frozen dataclasses that pydantic validates.

A dataclass is the schema of its table: annotations say what is accepted, defaults what a setting is
where a file leaves it out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import PurePath
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError, core_schema

from textgen.core.errors import TextgenError
from textgen.core.registry import POINTS, kind_and_settings, lookup, plugin_table, suggestion

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
UNKNOWN = "unexpected_keyword_argument"  # as pydantic calls it
NOTHING_BESIDE: Mapping[str, Sequence[str]] = {}


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
            PydanticCustomError: no kind, an unknown one, or one that cannot be had here.
            ValidationError: wrong settings.
        """
        try:
            kind, settings = kind_and_settings(self.point, value)
            plugin = validated(lookup(self.point, kind), settings)
        except TextgenError as error:
            details = {"message": error.message, "hint": error.hint}
            raise PydanticCustomError("plug-in", "{message}", details) from None
        object.__setattr__(plugin, "kind", kind)
        return plugin

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.make)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The name of a kind, or the table of one."""
        choices: list[dict[str, Any]] = [{"enum": sorted(plugin_table(self.point))}]
        for kind in choices[0]["enum"]:
            cls: Any = lookup(self.point, kind)
            table = handler.resolve_ref_schema(handler(adapter(cls).core_schema)["items"])
            properties = {"kind": {"const": kind}, **table["properties"]}
            choices.append({**table, "properties": properties})
        return {"anyOf": choices}


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


def build(
    cls: type[Any],
    values: Mapping[str, Any],
    where: str,
    table: str = "",
    beside: Mapping[str, Sequence[str]] = NOTHING_BESIDE,
) -> Any:
    """:func:`validated`, for users.

    Args:
        cls: a frozen dataclass.
        values: a table of TOML.
        where: the file or table, for errors.
        table: name of the table that ``values`` are, in a larger one.
        beside: settings that a table may hold although its dataclass lacks them, by the name of
            the table; errors suggest them, too.

    Raises:
        TextgenError: what is wrong, with the full name of the setting.
    """
    try:
        return validated(cls, values)
    except ValidationError as error:
        raise _settings_error(cls, error.errors(), values, where, table, beside) from None


def _settings_error(
    cls: type[Any],
    errors: Sequence[Any],
    values: Any,
    where: str,
    table: str,
    beside: Mapping[str, Sequence[str]],
) -> TextgenError:
    """pydantic's words for the setting at fault, with its full name: a misspelt name before the
    setting that is missing because of it; of a union what was wrong with each kind of value."""
    misspelt = [error for error in errors if error["type"] == UNKNOWN]
    deepest = max(misspelt or errors, key=lambda error: len(error["loc"]))
    path = _path_of(deepest, values)
    messages = [error["msg"] for error in errors if _path_of(error, values) == path]
    message = " or ".join(dict.fromkeys(messages)).removeprefix("Value error, ")
    names = [str(key + 1) if isinstance(key, int) else key for key in path]  # lists count from 1
    place = ".".join(names)
    if table:
        place = ".".join([table, *names])
    hint = None
    match deepest["type"]:
        case "unexpected_keyword_argument":
            message = "unknown setting"
            holder = ".".join(names[:-1])
            known = [*_settings_at(cls, path[:-1], values), *beside.get(holder, ())]
            hint = suggestion(str(path[-1]), known) if known else "this kind has no settings"
        case "plug-in":
            message = deepest["ctx"]["message"]
            hint = deepest["ctx"]["hint"]
        case "missing":
            if path[-1] in POINTS:
                hint = suggestion("", plugin_table(str(path[-1])))
        case "json_invalid":
            message = "text that is not valid Unicode"
        case "value_error":
            pass  # textgen's own sentence, which says what was found
        case "tuple_type":
            message += f", not {deepest['input']!r}"
            example = _as_list(deepest["input"])
            hint = f"{path[-1]} = {example} in a file, --set '{place}={example}' on a command line"
        case _:
            message += f", not {deepest['input']!r}"
    return TextgenError(": ".join(filter(None, (where, place, message))), hint)


def _as_list(value: Any) -> str:
    """A value as the only one of a list of TOML; of text without quotes, what was meant to be
    one."""
    if isinstance(value, str):
        items = [item.strip() for item in value.strip("[]").split(",")]
        return json.dumps([item for item in items if item] or [""], ensure_ascii=False)
    return json.dumps([value], ensure_ascii=False)


def _path_of(error: Any, values: Any) -> list[str | int]:
    """Where in nested data an error is: pydantic's location without the branches of unions."""
    path: list[str | int] = []
    for part in error["loc"][1:]:
        if isinstance(values, Mapping):
            found = part in values
        else:
            found = isinstance(values, list) and isinstance(part, int) and part < len(values)
        if found:
            values = values[part]
            path.append(part)
    if error["type"] == "missing":
        path.append(error["loc"][-1])
    return path


def _settings_at(cls: Any, path: Sequence[str | int], values: Any) -> list[str]:
    """The settings of the table at a path in nested data."""
    for part in path:
        values = values[part]
        hint = get_type_hints(cls, include_extras=True).get(str(part))
        plugins = [each for each in get_args(hint) if isinstance(each, Plugin)]
        tables = [each for each in (hint, *get_args(hint)) if is_dataclass(each)]
        if plugins:
            point = plugins[0].point
            cls = lookup(point, kind_and_settings(point, values)[0])
        elif tables:
            cls = tables[0]
    return [field.name for field in fields(cls) if field.init]


def plain(value: Any) -> Any:
    """Settings as TOML data: dataclasses as tables without empty settings, paths as strings with
    slashes, which every system reads, tuples as lists."""
    if is_dataclass(value):
        kind = {"kind": value.kind} if hasattr(value, "kind") else {}
        settings = {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.init}
        return kind | {name: inner for name, inner in settings.items() if inner is not None}
    if isinstance(value, PurePath):
        return value.as_posix()
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value
