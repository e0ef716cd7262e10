"""From TOML to checked settings: one way for fixed tables, plug-ins and studies alike.

A constructor's signature is the schema of its table: annotations say what is accepted, defaults
what a setting is where the file leaves it out. The same annotations give editors their JSON schema
(:mod:`textgen.core.schema`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from textgen.core.errors import TextgenError
from textgen.core.registry import DEFAULT_KINDS, POINTS, lookup, plugin_table, suggestion

ADAPTIVE = "[backbone] adaptive_softmax = { head = …, tail_size = … }, or false"
RENAMED = {
    "document_cache": "[memory]",
    "tokenizer.rare_words.document_cache": "[memory] orders, one switch for tokens and words",
    "tokenizer.rare_words.memory": "[memory] orders, one switch for tokens and words",
    "training.averaging": "ema_decay",
    "sampling.realise": "fill",
    "backbone.output": ADAPTIVE,
    "backbone.head": ADAPTIVE,
    "backbone.tail_size": ADAPTIVE,
}
"""Names of settings in older versions, and what has replaced them."""
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
WRONG_TYPE = ("_type", "literal_error")
LARGEST = 2**63
"""Beyond it a whole number fits no machine's integers."""


class SettingsError(ValueError):
    """Settings that are valid one by one but not together; raised by a ``__post_init__``.

    Args:
        found, expected, hint: as in :class:`TextgenError`.
        at: the setting at fault within the table.
    """

    def __init__(self, found: str, expected: str, *, hint: str = "", at: str = "") -> None:
        self.found, self.expected, self.hint, self.at = found, expected, hint, at
        super().__init__(found)


def build(cls: type[Any], values: Any, where: str, **given: Any) -> Any:
    """``cls(**values, **given)``, with the values checked against the constructor's annotations.

    Dataclasses in the annotations, also in tuples and dictionaries, are built from tables.

    Args:
        cls: usually a frozen dataclass.
        values: a table as read from TOML.
        where: names the table in errors; ends with a colon where it is a whole file.
        given: arguments that do not come from the table, such as plug-ins made already.

    Raises:
        TextgenError: an unknown key (with a suggestion), a missing one, a wrong type or range,
            settings that do not go together.
    """
    if not isinstance(values, Mapping):
        raise TextgenError(where, found=repr(values), expected="a table")
    check_numbers(values, where)
    schema = settings_model(cls, without=given)
    known = [*schema.model_fields, *(name for name in given if name in POINTS)]
    for key in values:
        if key not in schema.model_fields:
            raise unknown_setting(inside(where, key), key, known)
    try:
        # JSON is the strict mode in which arrays are tuples and strings are paths
        checked = schema.model_validate_json(json.dumps(dict(values), default=str), strict=True)
    except ValidationError as error:
        raise _complaint(cls, error, where) from None
    settings = {name: getattr(checked, name) for name in checked.model_fields_set}
    try:
        return cls(**settings, **given)
    except ValueError as error:
        raise _misfit(error, where) from None


def check_numbers(values: Any, where: str) -> None:
    """Refuse, in plain data however deep, numbers that are none or too large to compute with.

    Raises:
        TextgenError: it names the setting.
    """
    if isinstance(values, Mapping):
        for key, value in values.items():
            check_numbers(value, inside(where, str(key)))
    elif isinstance(values, (list, tuple)):
        for value in values:
            check_numbers(value, where)
    elif isinstance(values, float) and not math.isfinite(values):
        raise TextgenError(where, found=str(values), expected="a number: it is not finite")
    elif isinstance(values, int) and not -LARGEST <= values < LARGEST:
        raise TextgenError(
            where, found=f"a number of {values.bit_length()} bits", expected="one of at most 64"
        )


def plugin(point: str, value: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """A plug-in, and the same as plain data.

    Args:
        point: one of :data:`textgen.core.registry.POINTS`.
        value: a table, or only the name of a kind.
        where: names the table in errors.

    Raises:
        TextgenError: no or an unknown kind, or what :func:`build` complains about.
    """
    values = {"kind": value} if isinstance(value, str) else value
    if not isinstance(values, Mapping):
        raise TextgenError(
            where,
            found="nothing" if value is None else repr(value),
            expected="a table, or the name of a kind",
        )
    values = dict(values)
    kind = values.pop("kind", DEFAULT_KINDS.get(point))
    if not isinstance(kind, str):
        raise TextgenError(
            f"{where}.kind",
            found="nothing" if kind is None else repr(kind),
            expected=suggestion("", plugin_table(point)),
            hint=f'name one: [{point}] kind = "…"',
        )
    cls = lookup(point, kind, f"{where}.kind")
    made, inner = dict[str, Any](), dict[str, Any]()
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in POINTS and name not in values and parameter.default is None:
            made[name] = None  # a plug-in that may be left out
        elif name in POINTS:
            default = {} if parameter.default is parameter.empty else parameter.default
            made[name], inner[name] = plugin(name, values.pop(name, default), f"{where}.{name}")
    built = build(cls, values, where, **made)
    return built, {"kind": kind, **plain(built), **inner}


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
    names = inspect.signature(cls).parameters
    kept = {name: value for name, value in old.items() if name in names}
    plugins = dict.fromkeys(POINTS.keys() & names)
    schema = settings_model(cls, without=plugins)
    try:
        own = {name: value for name, value in kept.items() if name not in plugins}
        schema.model_validate_json(json.dumps(own, default=str), strict=True)
    except ValidationError as error:
        for wrong in error.errors():
            kept.pop(str(wrong["loc"][0]), None)
    if plugins:  # a constructor may need them
        return kept
    for values in ({**kept, **new}, kept):
        with contextlib.suppress(TextgenError):
            build(cls, {name: values[name] for name in values if name != "kind"}, point)
            return kept
    return {}


def plain(value: Any) -> Any:
    """Settings as TOML data: dataclasses as tables without plug-ins and empty settings, paths as
    strings, tuples as lists."""
    if dataclasses.is_dataclass(value):
        fields = [f.name for f in dataclasses.fields(value) if f.init and f.name not in POINTS]
        found = {name: getattr(value, name) for name in fields}
        return {name: plain(inner) for name, inner in found.items() if inner is not None}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def settings_model(
    cls: type[Any], *, without: Iterable[str] = (), name: str = "", **more: Any
) -> type[BaseModel]:
    """The parameters of a constructor as a pydantic model.

    Args:
        cls: whose constructor.
        without: parameters to leave out.
        name: of the model; that of the class if empty.
        more: further fields, or others in place of parameters: (annotation, default).
    """
    hints = _hints(cls)
    fields: dict[str, Any] = {
        key: (hints[key], ... if parameter.default is parameter.empty else parameter.default)
        for key, parameter in inspect.signature(cls).parameters.items()
        if key not in more and key not in without
    }
    config = ConfigDict(extra="forbid", strict=True)
    made: type[BaseModel] = create_model(
        name or cls.__name__, __config__=config, __doc__=cls.__doc__, **fields, **more
    )
    return made


def _hints(cls: type[Any]) -> dict[str, Any]:
    """Of a dataclass field by field: inherited ones may use names of another module."""
    source = cls if dataclasses.is_dataclass(cls) else cls.__init__
    hints = get_type_hints(source, include_extras=True)
    return {name: hints[name] for name in inspect.signature(cls).parameters}


def inside(where: str, key: str) -> str:
    """The label of a setting in a table, or in a file."""
    return f"{where} {key}" if where.endswith(":") else f"{where}.{key}"


def unknown_setting(where: str, key: str, known: Iterable[str]) -> TextgenError:
    """The error for a name that is not known, or not any more."""
    new = RENAMED.get(where.rpartition(": ")[2])
    return TextgenError(
        where,
        found=f"the old name {key!r}" if new else f"unknown setting {key!r}",
        expected=f"its new name: {new}" if new else suggestion(key, known),
        hint="rename it" if new else "correct the name or remove the line",
    )


def _complaint(cls: type[Any], error: ValidationError, where: str) -> TextgenError:
    """The first of pydantic's errors, in terms of the file: a misspelt name before the setting that
    is missing because of it, and in a union a wrong value before a wrong type."""
    errors = error.errors()
    first = min(errors, key=lambda e: (e["type"] not in UNKNOWN, e["type"].endswith(WRONG_TYPE)))
    place, owner, hint = _placed(cls, first["loc"], where)
    if first["type"] in UNKNOWN:
        return unknown_setting(place, str(first["loc"][-1]), _hints(owner))
    if first["type"] == "value_error":
        return _misfit(first["ctx"]["error"], place)
    missing, value = first["type"] == "missing", first["input"]
    listed = first["type"] == "tuple_type" and type(value) is int
    if isinstance(value, str) and "," in value:
        listed = any(e["type"] == "tuple_type" and e["input"] == value for e in errors)
    return TextgenError(
        place,
        found="nothing" if missing else repr(value),
        expected=_expectation(first, hint),
        hint=f"write a list, in quotes after --set: {_as_list(value)}"
        if listed
        else "correct this setting: in the file, with --set, or as an option",
    )


def _as_list(value: str | int) -> str:
    """The list in TOML that a value such as ``"192,192"`` was meant to be."""
    text = str(value).strip("()[]{} ")
    try:
        items = tomllib.loads(f"items = [{text}]")["items"]
    except ValueError:
        items = [item.strip() for item in text.split(",")]
    return json.dumps(items, ensure_ascii=False, default=str)


def _placed(cls: type[Any], loc: tuple[int | str, ...], where: str) -> tuple[str, type[Any], Any]:
    """The label of pydantic's location, the dataclass that has the setting, its annotation."""
    hint, parts = None, iter(loc)
    for part in parts:
        if part == cls.__name__ or str(part).startswith("literal["):  # the branch of a choice
            continue
        if part == "[key]":  # the name of a table, not what is in it
            return where, cls, get_args(hint)[0]
        where = inside(where, str(part))
        hint = _hints(cls).get(str(part))
        if (nested := _dataclass_in(hint)) is None:
            break
        cls = nested
        if get_origin(hint) in (dict, tuple) and (entry := next(parts, None)) is not None:
            where += f" {entry + 1}" if isinstance(entry, int) else f".{entry}"
    return where, cls, hint


def _dataclass_in(annotation: Any) -> type[Any] | None:
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return annotation
    found = (_dataclass_in(argument) for argument in get_args(annotation))
    return next((each for each in found if each is not None), None)


def _expectation(error: Any, hint: Any) -> str:
    if error["type"] == "missing":
        return "a value: this setting has no default"
    described = _description(hint)
    if described and error["type"].endswith((*WRONG_TYPE, "_mismatch", "too_short")):
        return described
    if error["type"] == "dataclass_type":
        return "a table"
    message = str(error["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    message = message.replace("Tuple", "a list").partition(" after validation")[0]
    message = message.replace("greater than or equal to", "at least")
    message = message.replace("less than or equal to", "at most").replace("array", "a list")
    return message[0].lower() + message[1:]


def _description(annotation: Any) -> str:
    """That of an annotation or of a member of a union; empty if there is none."""
    found = (getattr(each, "description", None) for each in getattr(annotation, "__metadata__", ()))
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return next(filter(None, (*found, *map(_description, members))), "")


def _misfit(error: ValueError, where: str) -> TextgenError:
    if isinstance(error, SettingsError):
        place = inside(where, error.at) if error.at else where
        return TextgenError(place, found=error.found, expected=error.expected, hint=error.hint)
    return TextgenError(where, found=str(error), expected="settings that fit together")
