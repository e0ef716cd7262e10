"""Tables of TOML as frozen dataclasses that pydantic validates.

A dataclass is the schema of its table: annotations say what is accepted, defaults what a setting is
where a file leaves it out.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import core_schema

from textgen.core.errors import TextgenError
from textgen.core.registry import POINTS, kind_and_settings, lookup, plugin_table, suggestion

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


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
            ValidationError, TextgenError: no or an unknown kind, or wrong settings.
        """
        kind, settings = kind_and_settings(self.point, value)
        plugin = validated(lookup(self.point, kind, f"{self.point}.kind"), settings)
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
    """pydantic's words for the setting at fault, with its full name: a misspelt name before the
    setting that is missing because of it; of a union what was wrong with each kind of value."""
    unknown = "unexpected_keyword_argument"
    first = min(errors, key=lambda error: (error["type"] != unknown, -len(error["loc"])))
    path, kind, hint = _path(first, values), first["type"], None
    messages = [error["msg"] for error in errors if _path(error, values) == path]
    message = " or ".join(dict.fromkeys(messages)).removeprefix("Value error, ")
    if kind == unknown:
        message = "unknown setting"
        known = _known(cls, path[:-1], values)
        hint = suggestion(path[-1], known) if known else "this kind has no settings"
    elif kind == "missing" and path[-1] in POINTS:
        hint = suggestion("", plugin_table(path[-1]))
    elif kind == "json_invalid":
        message = "text that is not valid Unicode"
    elif kind not in ("missing", "value_error"):
        message += f", not {first['input']!r}"
        if kind == "tuple_type":
            hint = f"a list is written in brackets, e.g. [{first['input']}]"
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    return TextgenError(": ".join(filter(None, (where, place, message))), hint)


def _path(error: Any, values: Any) -> list[Any]:
    """Where in nested data an error is: pydantic's location without the branches of unions."""
    path = []
    for part in error["loc"][1:]:
        with suppress(LookupError, TypeError):
            values = {}[part] if isinstance(values, str) else values[part]
            path.append(part)
    return [*path, error["loc"][-1]] if error["type"] == "missing" else path


def _known(cls: Any, path: Sequence[Any], values: Any) -> list[str]:
    """The settings of the table at a path in nested data."""
    for part in path:
        values = values[part]
        if part in POINTS:
            cls = lookup(part, kind_and_settings(part, values)[0])
        else:
            hint = get_type_hints(cls).get(str(part))
            cls = next(filter(is_dataclass, (hint, *get_args(hint))), cls)
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
