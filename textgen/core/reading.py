"""Settings as nested data, from TOML files found by name, ``include``, and ``table.key=value``."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, time
from pathlib import Path
from typing import Any, NamedTuple

from textgen.core.errors import TextgenError
from textgen.core.files import PathKind, found_at, kind_of
from textgen.core.registry import DEFAULT_KINDS, POINTS, lookup, suggestion
from textgen.core.settings import BUDGETS, CorpusOptions

Table = Mapping[str, Any]  # of TOML
# Names of settings that hold a plug-in, at whatever depth.
PLUGIN_SETTINGS = (*POINTS, "fallback")
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
    path = Path(path)
    beside = folder / path
    if kind_of(beside) is PathKind.FILE or path.is_absolute():
        return beside
    name = path.as_posix().removeprefix("experiments/").removesuffix(".toml")
    for place in _with_research(folder, folder / "experiments", *EXPERIMENT_FOLDERS):
        file = place / f"{name}.toml"
        if kind_of(file) is PathKind.FILE:
            return file
    return beside


def _with_research(*folders: Path) -> list[Path]:
    """These folders, each followed by its folder of research."""
    return [place for folder in folders for place in (folder, folder / RESEARCH)]


class SettingsReader:
    """Reads nested settings from files and from ``table.key=value``, each over those before it.

    A change comes over the settings before it by these rules, in this order:

    1. The name of a kind, where a plug-in stands, is short for a table with this kind.
    2. Another kind of corpus drops ``split.groups``, which name documents of the old one.
    3. ``--set table={kind="…", …}`` drops the whole table of a plug-in.
    4. Another kind of plug-in drops the settings that it does not have. Another corpus keeps how a
       text is changed, not where the old text came from, nor its fallback; another fallback keeps
       nothing.
    5. A budget of the training drops the other budgets.
    6. A table over a table changes it setting by setting, by the same rules. Everything else takes
       the place of what was there.

    Args:
        studies: whether the files are studies; a file that is missing is then suggested another
            study, not an experiment.

    Attributes:
        left_out: a line for each table from which rule 4 has dropped settings. A corpus drops its
            fallback without a word, for every experiment that comes with textgen has one.
    """

    def __init__(self, studies: bool = False) -> None:
        self.left_out: list[str] = []
        self._studies = studies

    def read(self, path: Path, included_by: tuple[Path, ...] = ()) -> dict[str, Any]:
        """A file over the one it includes.

        Raises:
            TextgenError: no such file, broken TOML, includes without end.
        """
        includes = f"{included_by[-1]} includes " if included_by else ""
        if kind_of(path) is not PathKind.FILE:
            known = _known_names(path, self._studies)
            near = suggestion(path.as_posix().removesuffix(".toml"), known)
            hint = f"write the path of a file, or the name of one that comes with textgen; {near}"
            raise TextgenError(f"{includes}{path}: {found_at(path)}", hint)
        if len(included_by) > MAX_DEPTH:
            raise TextgenError(f"{includes}{path}: a circular include, or one nested too deep")
        data = _read_toml(path)
        include = data.pop("include", None)
        if include is None:
            return data
        if not isinstance(include, str):
            raise TextgenError(f"{path}: include: {include!r} is not a file name")
        base = self.read(find_experiment(include, path.parent), (*included_by, path))
        return self._changed(base, data, str(path))

    def override(self, data: Table, texts: Sequence[str]) -> dict[str, Any]:
        """Settings with every ``table.key=value``, the values written as in TOML. Tables count
        before kinds and kinds before other settings; of two for the same setting the last counts.

        Raises:
            TextgenError: a text without ``=``.
        """
        overrides = sorted((_parse_override(text) for text in texts), key=_rank)
        _check_budgets(overrides)
        result = dict(data)
        for override in overrides:
            result = self._changed(result, override.as_table(), "--set", override.whole_plugin())
        return result

    def _changed(
        self, settings: Table, change: Table, where: str, whole: str | None = None
    ) -> dict[str, Any]:
        """Settings after a change, by the rules of the class.

        Args:
            settings: those before.
            change: to them.
            where: the file or the table of the change, for messages.
            whole: name of a table of the change that is all there is to its plug-in.
        """
        plugins = [name for name in change if name in PLUGIN_SETTINGS]
        change = _with_kinds_as_tables(change, plugins)
        settings = _with_kinds_as_tables(settings, plugins)
        settings = _without_groups_of_another_corpus(settings, change)
        settings = {name: value for name, value in settings.items() if name != whole}
        for name in plugins:
            settings = self._without_settings_of_another_kind(settings, change, name, where)
        settings = _without_other_budgets(settings, change)
        return self._with_every_setting(settings, change, where)

    def _without_settings_of_another_kind(
        self, settings: Table, change: Table, name: str, where: str
    ) -> Table:
        """Rule 4, for the plug-in of this name."""
        old = settings.get(name)
        new = change[name]
        if not isinstance(old, Mapping) or not isinstance(new, Mapping):
            return settings
        before = old.get("kind", DEFAULT_KINDS.get(name))
        kind = new.get("kind", before)
        if kind == before:
            return settings
        valid = _kept_by(name, str(kind), where)
        unmentioned = {"kind", "fallback", *new}
        lost = [key for key in old if key not in valid and key not in unmentioned]
        if lost:
            listed = ", ".join(f"{key} = {json.dumps(old[key], default=str)}" for key in lost)
            self.left_out.append(
                f'{where}: {name}.kind is now "{kind}"; settings left out: {listed}'
            )
        kept = {key: value for key, value in old.items() if key in valid}
        return {**settings, name: kept}

    def _with_every_setting(self, settings: Table, change: Table, where: str) -> dict[str, Any]:
        """Rule 6."""
        result = dict(settings)
        for name, value in change.items():
            old = settings.get(name)
            if isinstance(old, Mapping) and isinstance(value, Mapping):
                result[name] = self._changed(old, value, f"{where}: {name}")
            else:
                result[name] = value
        return result


def _known_names(missing: Path, studies: bool) -> list[str]:
    """The names of the studies or of the experiments that come with textgen: of those in the folder
    that the missing file names, if there is such a folder, else of those in none."""
    places = list(EXPERIMENT_FOLDERS)
    folder = missing.parent.name
    prefix = ""
    if folder and any((place / folder).is_dir() for place in _with_research(*places)):
        places = _with_research(*places)
        prefix = f"{folder}/"
    files = [file for place in places for file in place.glob(f"{prefix}*.toml")]
    named = {prefix + file.stem for file in files if _is_study(file) == studies}
    return sorted(name for name in named if not Path(name).name.startswith("base"))


def _is_study(file: Path) -> bool:
    return "arms" in tomllib.loads(file.read_text(encoding="utf-8"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # also of numbers of too many digits
        message = f"{path} cannot be read as TOML: {error}"
        hint = f"to read a text: --set corpus.kind=file --set corpus.path={path}"
        raise TextgenError(message, None if path.suffix == ".toml" else hint) from None
    _check_data(data, str(path))
    return data


class Override(NamedTuple):
    """One ``table.key=value``."""

    keys: list[str]
    value: Any

    def as_table(self) -> dict[str, Any]:
        """The value in tables of its keys."""
        nested = self.value
        for key in reversed(self.keys):
            nested = {key: nested}
        return nested

    def whole_plugin(self) -> str | None:
        """The name of the table, if this is all there is to a plug-in."""
        is_whole = isinstance(self.value, dict) and "kind" in self.value
        if is_whole and len(self.keys) == 1 and self.keys[0] in POINTS:
            return self.keys[0]
        return None


def _parse_override(text: str) -> Override:
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
    if isinstance(table["value"], date | time):
        table = {"value": value.strip()}  # a name or a path that looks like a date
    _check_data(table, f"--set {text}")
    return Override(keys, table["value"])


def _rank(override: Override) -> tuple[int, int, int]:
    """Sorts overrides: last the split, which may name documents of the corpus; tables before their
    settings; a kind before the other settings."""
    split_last = 1 if override.keys[0] == "split" else 0
    depth = len(override.keys)
    kind_first = 0 if override.keys[-1] == "kind" else 1
    return split_last, depth, kind_first


def _check_budgets(overrides: Sequence[Override]) -> None:
    names = {".".join(override.keys) for override in overrides}
    budgets = sorted(names & {f"training.{budget}" for budget in BUDGETS})
    if len(budgets) > 1:
        raise TextgenError(f"--set: {' and '.join(budgets)}: more than one budget")


def _with_kinds_as_tables(settings: Table, plugins: Sequence[str]) -> Table:
    """Rule 1, for the plug-ins of these names."""
    result = dict(settings)
    for name in plugins:
        kind = settings.get(name)
        if isinstance(kind, str):
            result[name] = {"kind": kind}
    return result


def _without_groups_of_another_corpus(settings: Table, change: Table) -> Table:
    """Rule 2."""
    before = _kind_of_corpus(settings)
    after = _kind_of_corpus(change)
    split = settings.get("split")
    if before and after and before != after and isinstance(split, Mapping):
        without = {key: value for key, value in split.items() if key != "groups"}
        return {**settings, "split": without}
    return settings


def _kind_of_corpus(settings: Table) -> Any:
    corpus = settings.get("corpus")
    return corpus.get("kind") if isinstance(corpus, Mapping) else None


def _kept_by(name: str, kind: str, where: str) -> set[str]:
    """The settings that another kind of the plug-in of this name takes over from the old one."""
    if name == "fallback":
        return set()
    cls: type[Any] = CorpusOptions
    if name != "corpus":
        cls = lookup(name, kind, f"{where}: {name}.kind")
    return {setting.name for setting in fields(cls) if setting.init} - {"fallback"}


def _without_other_budgets(settings: Table, change: Table) -> Table:
    """Rule 5."""
    old = settings.get("training")
    new = change.get("training")
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return settings
    if new.keys().isdisjoint(BUDGETS):
        return settings
    without = {key: value for key, value in old.items() if key not in BUDGETS}
    return {**settings, "training": without}


def _check_data(data: Any, where: str, depth: int = 0) -> None:
    """Refuse what no setting is: deep nesting, dates, and whole numbers of more than 64 bits."""
    if depth > MAX_DEPTH:
        raise TextgenError(f"{where}: tables or lists more than {MAX_DEPTH} deep")
    if isinstance(data, int) and not -(2**63) <= data < 2**63:
        raise TextgenError(f"{where}: a number of more than 64 bits")
    if isinstance(data, date | time):  # a date and time is a date
        raise TextgenError(f"{where}: a date or time, which no setting is", "write it in quotes")
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list):
        for inner in data:
            _check_data(inner, where, depth + 1)
