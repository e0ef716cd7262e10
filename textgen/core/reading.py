"""Settings as nested data, from TOML files found by name, ``include``, and ``table.key=value``."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.registry import DEFAULT_KINDS, POINTS, lookup, suggestion
from textgen.core.settings import BUDGETS, CorpusOptions

Table = Mapping[str, Any]  # of TOML
MAX_DEPTH = 20  # of tables in tables, and of files that include each other
PACKAGE = Path(__file__).parents[1]
# Where the files that come with textgen lie, in a checkout or in the installed package.
_PLACES = [folder / "experiments" for folder in (PACKAGE.parent, PACKAGE)]
EXPERIMENT_FOLDERS = tuple(folder for folder in _PLACES if (folder / "base.toml").is_file())
RESEARCH = "research"  # in these folders, of a checkout only: what studies have run


def find_experiment(path: str | Path, folder: Path = Path()) -> Path:
    """The file of this path; where there is none, the one of this name, also in a folder
    ``experiments``, or else one that comes with textgen.

    ``char``, ``char.toml``, ``experiments/char.toml`` and ``matched/words`` are names, as is
    ``article/shift_3`` where ``experiments/research`` holds it.

    Args:
        path: as a user or a study writes it.
        folder: what the path starts from.
    """
    path, beside = Path(path), folder / path
    if kind_of(beside) == "a file" or path.is_absolute():
        return beside
    name = str(path).removeprefix("experiments/").removesuffix(".toml")
    for place in _places(folder, folder / "experiments", *EXPERIMENT_FOLDERS):
        if kind_of(file := place / f"{name}.toml") == "a file":
            return file
    return beside


def _places(*folders: Path) -> list[Path]:
    """These folders, each followed by its folder of research."""
    return [place for folder in folders for place in (folder, folder / RESEARCH)]


def _known_names(missing: Path) -> list[str]:
    """The names of the files that come with textgen: those of the folder that the missing file
    names, if there is such a folder, else those of none."""
    places, folder = _places(*EXPERIMENT_FOLDERS), missing.parent.name
    part = ""
    if folder and any((place / folder).is_dir() for place in places):
        part = f"{folder}/"
    names = {part + file.stem for place in places for file in place.glob(f"{part}*.toml")}
    return sorted(name for name in names if Path(name).name != "base")


class SettingsReader:
    """Reads nested settings from files and from ``table.key=value``, each over those before it.

    Attributes:
        left_out: a line for each table whose kind has changed, with the settings that do not apply
            to the new kind.
    """

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def read(self, path: Path, included_by: tuple[Path, ...] = ()) -> dict[str, Any]:
        """A file over the one it includes.

        Raises:
            TextgenError: no such file, broken TOML, includes without end.
        """
        includes = f"{included_by[-1]} includes " if included_by else ""
        if (kind := kind_of(path)) != "a file":
            near = suggestion(str(path).removesuffix(".toml"), _known_names(path))
            hint = f"write the path of a file, or the name of one that comes with textgen; {near}"
            raise TextgenError(f"{includes}{path}: {kind}", hint)
        if len(included_by) > MAX_DEPTH:
            raise TextgenError(f"{includes}{path}: a circular include, or one nested too deep")
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:  # also of numbers of too many digits
            message = f"{path} cannot be read as TOML: {error}"
            hint = f"to read a text: --set corpus.kind=file --set corpus.path={path}"
            raise TextgenError(message, None if path.suffix == ".toml" else hint) from None
        _check_data(data, str(path))
        if (include := data.pop("include", None)) is None:
            return data
        if not isinstance(include, str):
            raise TextgenError(f"{path}: include: {include!r} is not a file name")
        base = self.read(find_experiment(include, path.parent), (*included_by, path))
        return self._merge(base, data, str(path))

    def override(self, data: Table, texts: Sequence[str]) -> dict[str, Any]:
        """Settings with every ``table.key=value``, the values written as in TOML. Tables count
        before kinds and kinds before other settings; of two for the same setting the last counts.
        ``table={kind="…", …}`` is the whole table, with nothing of what was there before.

        Raises:
            TextgenError: a text without ``=``.
        """
        result = dict(data)
        overrides = sorted(map(_override, texts), key=lambda o: (len(o[0]), o[0][-1] != "kind"))
        overrides.sort(key=lambda o: o[0][0] == "split")  # which names documents of the corpus
        names = {".".join(keys) for keys, _ in overrides}
        if len(budgets := names & {f"training.{budget}" for budget in BUDGETS}) > 1:
            raise TextgenError(f"--set: {' and '.join(sorted(budgets))}: more than one budget")
        for keys, value in overrides:
            if keys[0] in POINTS and len(keys) == 1 and isinstance(value, dict) and len(value) > 1:
                result = _without_groups(result, {keys[0]: value})
                result.pop(keys[0], None)
            for key in reversed(keys):
                value = {key: value}
            result = self._merge(result, value, "--set")
        return result

    def _merge(self, base: Table, change: Table, where: str) -> dict[str, Any]:
        """``change`` over ``base``. A table of another ``kind`` keeps the settings that the new
        kind has, too; another budget replaces the base's."""
        result = _without_groups(base, change)
        for key, value in change.items():
            old = result.get(key)
            if key in POINTS:  # the name of a kind is short for a table
                old = {"kind": old} if isinstance(old, str) else old
                value = {"kind": value} if isinstance(value, str) else value
            if isinstance(value, Mapping) and isinstance(old, Mapping):
                if key in POINTS:
                    old = self._still_valid(key, old, value, where)
                if key == "training" and value.keys() & set(BUDGETS):
                    old = {name: old[name] for name in old if name not in BUDGETS}
                value = self._merge(old, value, f"{where}: {key}")
            result[key] = value
        return result

    def _still_valid(self, point: str, old: Table, new: Table, where: str) -> Table:
        """The settings of a table that still apply when ``new`` is set over it, for another kind
        has others. A corpus keeps how its text is changed, not where it comes from."""
        before = old.get("kind", DEFAULT_KINDS.get(point))
        if (kind := new.get("kind", before)) == before:
            return old
        cls = CorpusOptions
        if point != "corpus":
            cls = lookup(point, str(kind), f"{where}: {point}.kind")
        names = {setting.name for setting in fields(cls) if setting.init} - {"fallback"}
        if lost := [name for name in old if name not in {*names, *new, "kind", "fallback"}]:
            settings = ", ".join(f"{name} = {json.dumps(old[name], default=str)}" for name in lost)
            change = f'{where}: {point}.kind is now "{kind}"'
            self.left_out.append(f"{change}; settings left out: {settings}")
        return {name: value for name, value in old.items() if name in names}


def _without_groups(settings: Table, change: Table) -> dict[str, Any]:
    """Settings before a change to them: groups name documents, and go with their kind of corpus."""
    before, after = (
        corpus.get("kind") if isinstance(corpus := data.get("corpus"), Mapping) else corpus
        for data in (settings, change)
    )
    split = settings.get("split")
    if not (before and after and before != after and isinstance(split, Mapping)):
        return dict(settings)
    return {**settings, "split": {key: split[key] for key in split if key != "groups"}}


def _override(text: str) -> tuple[list[str], Any]:
    """The keys and the value of one ``table.key=value``."""
    name, equals, value = text.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys) or len(keys) > MAX_DEPTH:
        raise TextgenError(f"--set {text}: not of the form table.key=value")
    try:
        table = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # of numbers of too many digits, of too many brackets
        table = {"value": value.strip()}
    if len(table) > 1:
        raise TextgenError(f"--set {text}: several lines in place of one value")
    _check_data(table, f"--set {text}")
    return keys, table["value"]


def _check_data(data: Any, where: str, depth: int = 0) -> None:
    """Refuse what no setting is: deep nesting, and whole numbers of more than 64 bits."""
    if depth > MAX_DEPTH:
        raise TextgenError(f"{where}: tables or lists more than {MAX_DEPTH} deep")
    if isinstance(data, int) and not -(2**63) <= data < 2**63:
        raise TextgenError(f"{where}: a number of more than 64 bits")
    if isinstance(data, Mapping | list):
        for inner in data.values() if isinstance(data, Mapping) else data:
            _check_data(inner, where, depth + 1)
