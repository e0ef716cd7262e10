"""TOML files with includes, ``--set`` overrides, and files found by name, as nested plain data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.registry import suggestion

BUDGETS = ("seconds", "characters", "updates", "epochs")
DEEPEST = 20
"""Tables in tables, and files that include each other, at most."""
PACKAGE = Path(__file__).parents[1]
FOLDERS = tuple(
    folder
    for folder in (PACKAGE.parent / "experiments", PACKAGE / "experiments")
    if (folder / "base.toml").is_file()
)
"""Where the files that come with textgen lie: in a checkout, or in the installed package."""
INSIDE = ("article", "benchmarks")
"""The folders inside them whose files come with textgen, too."""


def find_experiment(path: str | Path, folder: Path = Path()) -> Path:
    """The file of this path; where there is none, the one of this name that comes with textgen.

    ``char``, ``char.toml``, ``article/shift_3`` and ``experiments/char.toml`` are names.

    Args:
        path: as a user or a study writes it.
        folder: what the path starts from.
    """
    path, beside = Path(path), folder / path
    if kind_of(beside) == "a file" or path.is_absolute():
        return beside
    name = str(path).removeprefix("experiments/").removesuffix(".toml")
    found = (place / f"{name}.toml" for place in FOLDERS)
    return next((file for file in found if kind_of(file) == "a file"), beside)


def experiment_names(beside: Path) -> list[str]:
    """The names of the files that come with textgen, those in the same folder as this one."""
    folder = beside.parent.name
    part = f"{folder}/" if folder in INSIDE else ""
    files = [file for place in FOLDERS for file in place.glob(f"{part}*.toml")]
    return sorted({part + file.stem for file in files} - {"base", "article/base"})


def read_toml(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file over the one it includes.

    Raises:
        TextgenError: no such file, broken TOML, an include that leads back to itself.
    """
    if (kind := kind_of(path)) != "a file":
        near = suggestion(str(path).removesuffix(".toml"), experiment_names(path))
        raise TextgenError(
            f"{path}, included by {seen[-1]}" if seen else str(path),
            found=kind,
            expected="a TOML file: an experiment or a study",
            hint="" if seen else f"write its path, or the name of one of textgen's own; {near}",
        )
    if path.resolve() in seen:
        raise TextgenError(str(path), found="an include that leads back to this file")
    if len(seen) > DEEPEST:
        raise TextgenError(
            str(seen[0]), found=f"includes that are more than {DEEPEST} deep",
            expected="a file that includes another, which may include another",
        )  # fmt: skip
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of numbers with too many digits
        raise TextgenError(str(path), found=str(error), expected="a valid TOML file") from None
    except OSError as error:
        raise TextgenError(
            str(path), found=error.strerror or str(error), expected="a file that can be read"
        ) from None
    _check_depth(data, str(path))
    _check_budgets([data], f"{path}: training")
    include = data.pop("include", None)
    if include is None:
        return data
    if not isinstance(include, str):
        raise TextgenError(f"{path}: include", found=repr(include), expected="one file name")
    return _merge(read_toml(path.parent / include, (*seen, path.resolve())), data)


def _check_depth(data: Any, where: str) -> None:
    """Refuse tables and lists in each other that no setting has, before anything descends into
    them."""
    left = [(data, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise TextgenError(
                where, found=f"tables or lists that are more than {DEEPEST} deep",
                expected="settings, which are a few deep at most",
            )  # fmt: skip
        inner = value.values() if isinstance(value, Mapping) else value
        if isinstance(value, (Mapping, list)):
            left += [(each, depth + 1) for each in inner]


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


def apply_overrides(data: dict[str, Any], texts: Sequence[str]) -> tuple[str, ...]:
    """:func:`apply_override` one after another.

    Returns:
        A line for each that has named another kind, with the settings of the old one that are left
        out and were not set again.
    """
    _check_budgets([_change(text) for text in texts], "--set training")
    left = {text: apply_override(data, text) for text in texts}
    now = set(_paths(data))
    lines = {text: [path for path in paths if path not in now] for text, paths in left.items()}
    return tuple(
        f"{text}: another kind begins with its own defaults; left out: {', '.join(paths)}"
        for text, paths in lines.items()
        if paths
    )


def check_one_budget(settings: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Raises:
    TextgenError: not exactly one of the settings of these names is given; one that is false is not.
    """
    given = [name for name in names if settings.get(name, False) is not False]
    if len(given) != 1:
        raise TextgenError(
            where,
            found=f"{len(given)} budgets: {' and '.join(given)}" if given else "none",
            expected=f"exactly one of {', '.join(names)}",
            hint="leave out all but one"
            if given
            else f"for example: [{where.rpartition(': ')[2]}] seconds = 300",
        )


def _check_budgets(changes: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse budgets beside each other in a file, or on a command line: which one counts?"""
    stated: dict[str, Any] = {}
    for change in changes:
        if isinstance(table := change.get("training"), Mapping):
            stated |= table
    if any(stated.get(name, False) is not False for name in BUDGETS):
        check_one_budget(stated, BUDGETS, where)


def apply_override(data: dict[str, Any], text: str) -> list[str]:
    """Apply one ``table.key=value``, the value written as in TOML, to ``data`` in place.

    Returns:
        The settings, ``table.key``, that are left out because another kind is named.

    Raises:
        TextgenError: it has no ``=``.
    """
    change = _change(text)
    left = list(_left_out(data, change))
    data.update(_merge(data, change))
    return left


def _change(text: str) -> dict[str, Any]:
    """The tables that one ``table.key=value`` stands for."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise TextgenError(
            f"--set {text}",
            found="no name before `=`" if equals else "no `=`",
            expected="table.key=value",
        )
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # of numbers of too many digits, of too many brackets
        table = {"value": value.strip()}
    if len(table) > 1:
        raise TextgenError(f"--set {text}", found="several lines", expected="table.key=value")
    change: Any = table["value"]
    for part in reversed(parts):
        change = {part: change}
    _check_depth(change, f"--set {text}")
    return change


def _left_out(base: Mapping[str, Any], change: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The settings of ``base`` that :func:`_merge` drops, as another kind replaces their table."""
    for key, value in change.items():
        old = base.get(key)
        if not isinstance(value, Mapping) or not isinstance(old, Mapping):
            continue
        if "kind" in value and value["kind"] != old.get("kind"):
            left = (name for name in old if name not in value and name != "fallback")
            yield from (f"{path}{key}.{name}" for name in left)
        else:
            yield from _left_out(old, value, f"{path}{key}.")


def _paths(data: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Every ``table.key``, tables included."""
    for key, value in data.items():
        yield f"{path}{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{path}{key}.")
