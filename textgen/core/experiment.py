"""TOML → frozen Experiment: files found by name, ``include``, and ``--set table.key=value``."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic.json_schema import GenerateJsonSchema

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.registry import DEFAULT_KINDS, POINTS, lookup, plugin_table, suggestion
from textgen.core.settings import (
    BUDGETS,
    PARTS,
    CacheSettings,
    CorpusOptions,
    LanguageCode,
    Name,
    PartName,
    Sampling,
    Seed,
    Split,
    Training,
    TrainingCountsSettings,
    check_one_budget,
)
from textgen.core.validation import Plugin, adapter, build, plain

Table = Mapping[str, Any]  # of TOML
# Plug-ins that a file may leave out, or whose kind it may leave out.
DEFAULTS: dict[str, Any] = {"tokenizer": {}, "embedding": "random", "objective": {}, "backbone": {}}
MAX_DEPTH = 20  # of tables in tables, and of files that include each other
PACKAGE = Path(__file__).parents[1]
# Where the files that come with textgen lie, in a checkout or in the installed package.
_PLACES = [folder / "experiments" for folder in (PACKAGE.parent, PACKAGE)]
EXPERIMENT_FOLDERS = tuple(folder for folder in _PLACES if (folder / "base.toml").is_file())
RESEARCH = "research"  # in these folders, of a checkout only: what studies have run


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment file: everything that decides what a run computes.

    Args:
        name: name of the run folder; by default, that of the file.
        seed: seed of every random choice except the split.
        language: language of the text, an ISO 639 code such as ``"de"``; by default, detected.

    ``options`` are those that every corpus table may hold. ``left_out`` has a line for each table
    that has lost settings because a file or an override names another kind.

    Raises:
        ValueError: not exactly one budget; samples of a part that the model does not have.
    """

    name: Name = "experiment"
    seed: Seed = 1
    language: LanguageCode | None = None
    corpus: Annotated[Any, Plugin("corpus")]
    tokenizer: Annotated[Any, Plugin("tokenizer")]
    embedding: Annotated[Any, Plugin("embedding")]
    objective: Annotated[Any, Plugin("objective")]
    split: Split = field(default_factory=Split)
    backbone: Annotated[Any, Plugin("backbone")]
    training_counts: TrainingCountsSettings = field(default_factory=TrainingCountsSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    training: Training = field(default_factory=Training)
    sampling: Sampling = field(default_factory=Sampling)
    options: CorpusOptions = field(default_factory=CorpusOptions)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_one_budget("training", self.training, BUDGETS)
        if self.sampling.part not in self.parts:
            raise ValueError(f"sampling.{self._missing_part(self.sampling.part)}")

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """All settings as nested plain data, with every default written out."""
        settings = {key: plain(getattr(self, key)) for key in KEYS}
        options = plain(self.options)
        settings["corpus"] |= {key: options[key] for key in options if options[key]}
        return {key: value for key, value in settings.items() if value is not None}

    @property
    def text_key(self) -> str:
        """Equal for experiments that read the same text and divide it alike."""
        return json.dumps([self.resolved.get(key) for key in ("corpus", "split", "language")])

    @property
    def parts(self) -> tuple[PartName, ...]:
        """Those of its model, see :mod:`textgen.evaluation.model`."""
        optional = {"with_cache": self.cache.orders, "counts": self.training_counts.orders}
        return tuple(part for part in PARTS if optional.get(part, True))

    def check_part(self, part: str) -> None:
        """Raises:
        TextgenError: its model has no such part.
        """
        if part not in self.parts:
            hint = f"the model has {', '.join(self.parts)}"
            raise TextgenError(f"{self.name}: {self._missing_part(part)}", hint)

    def _missing_part(self, part: str) -> str:
        tables = {"with_cache": "cache", "counts": "training_counts"}
        why = f"needs [{tables[part]}] orders, e.g. [3, 4, 5]" if part in tables else "no such part"
        return f"part {part!r}: {why}"

    @property
    def arm(self) -> dict[str, Any]:
        """What all runs of an arm share: ``resolved`` without name and seed."""
        return {key: value for key, value in self.resolved.items() if key not in ("name", "seed")}


# What a file may hold, and those of it that are tables.
KEYS = [key.name for key in fields(Experiment) if key.name not in ("options", "left_out")]
TABLES = [key for key in KEYS if key not in ("name", "seed", "language")]


def load_experiment(
    experiment: str | Path | Experiment, overrides: Sequence[str] = (), name: str | None = None
) -> Experiment:
    """Read an experiment file, or change an experiment.

    Args:
        experiment: a TOML file, the name of one that comes with textgen, or an Experiment.
            ``include = "other.toml"`` in a file starts from another file beside it.
        overrides: ``table.key=value`` strings, the value written as in TOML.
        name: in place of its own, if it is given.

    Raises:
        TextgenError: a missing file, broken TOML, an unknown key or kind, a wrong type or range.
    """
    reader = SettingsReader()
    if isinstance(experiment, Experiment):
        data, where, reader.left_out = experiment.resolved, experiment.name, [*experiment.left_out]
    else:
        file = find_experiment(experiment)
        data, where = {"name": file.stem} | reader.read(file), str(file)
    data = reader.override(data, overrides) | ({} if name is None else {"name": name})
    return replace(resolve_experiment(data, where), left_out=tuple(reader.left_out))


def resolve_experiment(data: Table, where: str = "experiment") -> Experiment:
    """The Experiment that nested plain data describes; ``where`` names it in errors."""
    if "arms" in data:
        hint = "run the whole study with: textgen study"
        raise TextgenError(f"{where}: this is a study, not an experiment", hint)
    if unknown := [key for key in data if key not in KEYS]:
        name = unknown[0]
        if holders := _tables_with(name):
            meant = " or ".join(f"{table}.{name}" for table in holders)
            hint = f"settings stand in tables: did you mean {meant}?"
        else:
            hint = suggestion(name, KEYS)
        raise TextgenError(f"{where}: {name}: unknown setting", hint)
    tables, options = {**DEFAULTS, **data}, dict[str, Any]()
    names = [setting.name for setting in fields(CorpusOptions)]
    if isinstance(corpus := data.get("corpus"), Mapping):
        options = {name: corpus[name] for name in corpus if name in names}
        tables["corpus"] = {name: corpus[name] for name in corpus if name not in names}
    experiment: Experiment = build(Experiment, tables, where, beside={"corpus": names})
    return replace(experiment, options=build(_Options, {"corpus": options}, where).corpus)


@dataclass(frozen=True)
class _Options:
    """What any corpus table may hold beside the settings of its kind."""

    corpus: CorpusOptions


def _tables_with(name: str) -> list[str]:
    """The tables that have a setting of this name, whatever their kind."""
    hints = get_type_hints(Experiment)
    found = []
    for table in TABLES:
        if table in POINTS:
            classes = [lookup(table, kind) for kind in plugin_table(table)]
        else:
            classes = [hints[table]]
        if table == "corpus":
            classes.append(CorpusOptions)
        if any(name == setting.name for cls in classes for setting in fields(cls) if setting.init):
            found.append(table)
    return found


def resolve_text(data: Table) -> Experiment:
    """One of characters on the text that nested plain data describes by ``corpus``, ``split`` and
    ``language``."""
    others = {"tokenizer": "characters", "objective": "next_token", "training": {"updates": 1}}
    return resolve_experiment({**others, **data}, "corpus")


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


class _NothingRequired(GenerateJsonSchema):
    """Of files that may include others, which have the rest."""

    def field_is_required(self, *_: Any, **__: Any) -> bool:
        return False


def json_schema(cls: Any = Experiment) -> dict[str, Any]:
    """The JSON schema of the files that a dataclass describes: of experiments, or of studies."""
    definitions = adapter(cls).json_schema(schema_generator=_NothingRequired)["$defs"]
    root = definitions.pop(cls.__name__)
    settings = root["properties"]
    for name in ("options", "left_out", "path"):
        settings.pop(name, None)
    for table in settings.get("corpus", {"anyOf": []})["anyOf"]:
        if "properties" in table:
            table["properties"] |= definitions["CorpusOptions"]["properties"]
    settings["include"] = {"type": "string", "description": "a file to start from"}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **root, "$defs": definitions}
