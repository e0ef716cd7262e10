"""TOML files with includes, and ``--set`` overrides, as nested plain data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError

BUDGETS = ("seconds", "characters", "updates", "epochs")


def read_toml(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file over the one it includes.

    Raises:
        TextgenError: no such file, broken TOML, an include that leads back to itself.
    """
    if path.is_dir() or not path.exists():
        raise TextgenError(
            f"{path}, included by {seen[-1]}" if seen else str(path),
            found="a folder" if path.is_dir() else "no such file",
            expected="a TOML file: an experiment or a study",
            hint="those that come with textgen are in experiments/",
        )
    if path.resolve() in seen:
        raise TextgenError(str(path), found="an include that leads back to itself")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TextgenError(str(path), found=str(error), expected="a valid TOML file") from None
    except OSError as error:
        raise TextgenError(
            str(path), found=error.strerror or str(error), expected="a file that can be read"
        ) from None
    include = data.pop("include", None)
    if include is None:
        return data
    if not isinstance(include, str):
        raise TextgenError(f"{path}: include", found=repr(include), expected="one file name")
    return _merge(read_toml(path.parent / include, (*seen, path.resolve())), data)


def _merge(base: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """``change`` over ``base``. A table that names another ``kind`` replaces the whole table, and
    one that names another budget drops the base's budget."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if "kind" in value and value["kind"] != old.get("kind"):
                result[key] = dict(value)
                continue
            if key == "training" and any(budget in value for budget in BUDGETS):
                old = {k: v for k, v in old.items() if k not in BUDGETS}
            result[key] = _merge(dict(old), value)
        else:
            result[key] = value
    return result


def apply_override(data: dict[str, Any], text: str) -> None:
    """Apply one ``table.key=value``, the value written as in TOML, to ``data`` in place.

    Raises:
        TextgenError: it has no ``=``.
    """
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise TextgenError(
            f"--set {text}",
            found="no name before `=`" if equals else "no `=`",
            expected="table.key=value",
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    change: Any = parsed
    for part in reversed(parts):
        change = {part: change}
    data.update(_merge(data, change))
