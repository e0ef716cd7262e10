"""TOML files with includes, ``--set`` overrides, and files found by name, as nested plain data."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.plugins import DEFAULT_KINDS, POINTS, suggestion
from textgen.core.settings import CorpusOptions, inside, shared_settings

BUDGETS = ("seconds", "characters", "updates", "epochs")
MAX_DEPTH = 20
"""Tables in tables, and files that include each other, at most."""
PACKAGE = Path(__file__).parents[1]
EXPERIMENT_FOLDERS = tuple(
    folder
    for folder in (PACKAGE.parent / "experiments", PACKAGE / "experiments")
    if (folder / "base.toml").is_file()
)
"""Where the files that come with textgen lie: in a checkout, or in the installed package."""
EXPERIMENT_SUBFOLDERS = ("article", "benchmarks")
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
    found = (place / f"{name}.toml" for place in EXPERIMENT_FOLDERS)
    return next((file for file in found if kind_of(file) == "a file"), beside)


def experiment_names(beside: Path) -> list[str]:
    """The names of the files that come with textgen, those in the same folder as this one."""
    folder = beside.parent.name
    part = f"{folder}/" if folder in EXPERIMENT_SUBFOLDERS else ""
    files = [file for place in EXPERIMENT_FOLDERS for file in place.glob(f"{part}*.toml")]
    return sorted({part + file.stem for file in files} - {"base", "article/base"})


def read_toml(
    path: Path, left_out: list[str] | None = None, seen: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """A file over the one it includes.

    Args:
        path: of the file.
        left_out: gets a line for each table of which a file names another kind than the one it
            includes, with the settings that do not apply to it.
        seen: the files that have led to this one.

    Raises:
        TextgenError: no such file, broken TOML, an include that leads back to itself.
    """
    if (kind := kind_of(path)) != "a file":
        if seen:
            raise TextgenError(f"{seen[-1]} includes {path}: {kind}")
        near = suggestion(str(path).removesuffix(".toml"), experiment_names(path))
        hint = f"write its path, or the name of one of textgen's own; {near}"
        raise TextgenError(f"{path}: {kind}; expected an experiment or a study", hint=hint)
    if path.resolve() in seen:
        raise TextgenError(f"{path}: an include that leads back to this file")
    if len(seen) > MAX_DEPTH:
        raise TextgenError(f"{seen[0]}: includes more than {MAX_DEPTH} deep")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of numbers with too many digits
        raise TextgenError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise TextgenError(f"{path} cannot be read: {error.strerror or error}") from None
    _check_data(data, f"{path}:")
    _check_budgets([data], f"{path}: training")
    include = data.pop("include", None)
    if include is None:
        return data
    if not isinstance(include, str):
        raise TextgenError(f"{path}: include: {include!r} is not a file name")
    left_out = [] if left_out is None else left_out
    base = read_toml(path.parent / include, left_out, (*seen, path.resolve()))
    return _merge(base, data, left_out, f"{path}:")


def _check_data(data: Any, where: str) -> None:
    """Refuse tables and lists that are nested deeper than any setting, before anything descends
    into them, and whole numbers of more than 64 bits."""
    left = [(where, data, 0)]
    while left:
        place, value, depth = left.pop()
        if depth > MAX_DEPTH:
            raise TextgenError(where, found=f"tables or lists more than {MAX_DEPTH} deep")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise TextgenError(place, found="a number of more than 64 bits")
        if isinstance(value, Mapping):
            left += [(inside(place, key), inner, depth + 1) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [(place, inner, depth + 1) for inner in value]


def _merge(
    base: Mapping[str, Any], change: Mapping[str, Any], left_out: list[str] | None, where: str
) -> dict[str, Any]:
    """``change`` over ``base``. A table of another ``kind`` keeps the settings that the new kind
    has, too; another budget replaces the base's.

    Args:
        left_out: gets a line for each table that loses settings; None: both were stated together,
            and every setting stays.
        where: names the table in these lines.
    """
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if key in POINTS:  # the name of a kind is short for a table
            old = {"kind": old} if isinstance(old, str) else old
            value = {"kind": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or not isinstance(old, Mapping):
            result[key] = value
            continue
        path, kind = inside(where, key), old.get("kind", DEFAULT_KINDS.get(key))
        if left_out is not None and value.get("kind", kind) != kind:
            kept = _kept(key, value, old)
            # a fallback stands in for the old text alone, so that nothing is lost with it
            lost = [name for name in old if name not in {*kept, *value, "kind", "fallback"}]
            if lost:
                settings = ", ".join(
                    f"{name} = {json.dumps(old[name], default=str)}" for name in lost
                )
                left_out.append(
                    f'{path}.kind is now "{value["kind"]}"; settings left out: {settings}'
                )
            old = kept
        if key == "training" and any(budget in value for budget in BUDGETS):
            old = {name: each for name, each in old.items() if name not in BUDGETS}
        result[key] = _merge(old, value, left_out, path)
    return result


def _kept(point: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a table that still apply when another kind is named. A corpus keeps how its
    text is changed, not where it comes from."""
    if point == "corpus":
        names = {option.name for option in fields(CorpusOptions)}
        return {name: value for name, value in old.items() if name in names}
    if point not in POINTS or not isinstance(new["kind"], str):
        return {}
    try:
        return shared_settings(point, new["kind"], old, new)
    except TextgenError:  # an unknown kind, which is refused where the experiment is made
        return dict(old)


def apply_overrides(
    data: Mapping[str, Any], texts: Sequence[str], left_out: list[str] | None = None
) -> dict[str, Any]:
    """Settings with every ``table.key=value``, the values written as in TOML; their order does not
    matter, but of two for the same setting the last one counts.

    Args:
        data: the settings.
        texts: what is set; ``table={kind="…", …}`` is the whole table, with nothing of the old one.
        left_out: as in :func:`read_toml`.

    Raises:
        TextgenError: a text without ``=``, or two budgets.
    """
    change: dict[str, Any] = {}
    changes = [_change(text) for text in texts]
    _check_budgets(changes, "--set training")
    for each in changes:
        change = _merge(change, each, None, "--set:")
        (point, table), *_ = each.items()
        if point in POINTS and isinstance(table, Mapping) and {"kind"} < table.keys():
            data = {key: value for key, value in data.items() if key != point}
    return _merge(data, change, [] if left_out is None else left_out, "--set:")


def check_one_budget(settings: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Raises:
    TextgenError: not exactly one of the settings of these names is given; one that is false is not.
    """
    given = [name for name in names if settings.get(name, False) is not False]
    if len(given) != 1:
        found = f"{len(given)} budgets: {' and '.join(given)}" if given else "no budget"
        listed = ", ".join(names)
        example = f"for example: [{where.rpartition(': ')[2]}] seconds = 300"
        hint = "leave out all but one" if given else example
        raise TextgenError(where, found=found, expected=f"exactly one of {listed}", hint=hint)


def _check_budgets(changes: Sequence[Mapping[str, Any]], where: str) -> None:
    """Refuse budgets beside each other in a file, or on a command line: which one counts?"""
    stated: dict[str, Any] = {}
    for change in changes:
        if isinstance(table := change.get("training"), Mapping):
            stated |= table
    if any(stated.get(name, False) is not False for name in BUDGETS):
        check_one_budget(stated, BUDGETS, where)


def _change(text: str) -> dict[str, Any]:
    """The tables that one ``table.key=value`` stands for."""
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        found = "no name before `=`" if equals else "no `=`"
        raise TextgenError(f"--set {text}", found=found, expected="table.key=value")
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # of numbers of too many digits, of too many brackets
        table = {"value": value.strip()}
    if len(table) > 1:
        raise TextgenError(f"--set {text}", found="several lines", expected="table.key=value")
    change: Any = table["value"]
    for part in reversed(parts):
        change = {part: change}
    _check_data(change, f"--set {text}:")
    return change
