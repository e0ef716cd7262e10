"""TOML → frozen Experiment: files found by name, ``include``, and ``--set table.key=value``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from textgen.core.errors import TextgenError
from textgen.core.settings import (
    BUDGETS,
    DEFAULT_KINDS,
    POINTS,
    CorpusOptions,
    LanguageCode,
    MemorySettings,
    Name,
    Plugin,
    Sampling,
    Seed,
    Split,
    Training,
    adapter,
    build,
    check_one_budget,
    lookup,
    plain,
    suggestion,
)
from textgen.core.system import kind_of

TABLES = tuple(
    "corpus tokenizer embedding objective split backbone memory training sampling".split()
)
DEFAULTS: dict[str, Any] = {"tokenizer": {}, "embedding": "random", "objective": {}, "backbone": {}}
"""Plug-ins that a file may leave out, or whose kind it may leave out."""
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


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """What decides which text is read and how it is divided.

    ``resolved`` is the same as nested plain data with every default written out.
    """

    corpus: Annotated[Any, Plugin("corpus")]
    language: LanguageCode | None = None
    split: Split = field(default_factory=Split)
    options: CorpusOptions = field(default_factory=CorpusOptions)
    resolved: dict[str, Any] = field(default_factory=dict)

    @property
    def text_key(self) -> str:
        """Equal for experiments that read the same text and divide it alike."""
        return json.dumps([self.resolved.get(key) for key in ("corpus", "split", "language")])


@dataclass(frozen=True, kw_only=True)
class Experiment(TextSettings):
    """Everything that decides what a run computes.

    Two experiments are equal when their ``resolved`` is. ``left_out`` has a line for each table
    that has lost settings because a file or an override names another kind.

    Raises:
        ValueError: not exactly one budget; samples with a memory that has no orders.
    """

    name: Name = "experiment"
    seed: Seed = 1
    tokenizer: Annotated[Any, Plugin("tokenizer")]
    embedding: Annotated[Any, Plugin("embedding")]
    objective: Annotated[Any, Plugin("objective")]
    backbone: Annotated[Any, Plugin("backbone")]
    memory: MemorySettings = field(default_factory=MemorySettings)
    training: Training = field(default_factory=Training)
    sampling: Sampling = field(default_factory=Sampling)
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        check_one_budget("training", self.training, BUDGETS)
        if self.sampling.memory and not self.memory.orders:
            raise ValueError("sampling.memory needs orders, e.g. [memory] orders = [3, 4, 5]")

    @property
    def arm(self) -> dict[str, Any]:
        """What all runs of an arm share: ``resolved`` without name and seed."""
        return {key: value for key, value in self.resolved.items() if key not in ("name", "seed")}


def load_experiment(
    path: str | Path, overrides: Sequence[str] = (), name: str | None = None
) -> Experiment:
    """Read an experiment file.

    Args:
        path: a TOML file, or the name of one that comes with textgen. ``include = "other.toml"``
            in it starts from another file beside it.
        overrides: ``table.key=value`` strings, the value written as in TOML.
        name: in place of that of the file, if it is given.

    Raises:
        TextgenError: a missing file, broken TOML, an unknown key or kind, a wrong type or range.
    """
    path = find_experiment(path)
    left_out: list[str] = []
    data = apply_overrides(read_toml(path, left_out), overrides, left_out)
    data = {"name": path.stem, **data, **({} if name is None else {"name": name})}
    return replace(resolve_experiment(data, str(path)), left_out=tuple(left_out))


def resolve_experiment(data: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """The Experiment that nested plain data describes; ``where`` names it in errors."""
    if "arms" in data:
        hint = "run all of it with: textgen study"
        raise TextgenError(f"{where}: this is a study, not an experiment", hint)
    experiment: Experiment = _resolve(Experiment, {**DEFAULTS, **data}, where)
    return experiment


def resolve_text(data: Mapping[str, Any], where: str = "corpus") -> TextSettings:
    """The same of the tables and settings that decide which text is read and how it is divided."""
    settings: TextSettings = _resolve(TextSettings, data, where)
    return settings


@dataclass(frozen=True)
class _Shared:
    """What any corpus table may hold beside the settings of its kind."""

    corpus: CorpusOptions


def _resolve(cls: Any, data: Mapping[str, Any], where: str) -> Any:
    names = [setting.name for setting in fields(cls)]
    known = [name for name in ("name", "seed", "language", *TABLES) if name in names]
    if unknown := [key for key in data if key not in known]:
        raise TextgenError(f"{where}: {unknown[0]}: unknown setting", suggestion(unknown[0], known))
    tables, options = dict(data), dict[str, Any]()
    if isinstance(corpus := data.get("corpus", {}), Mapping):
        shared = {setting.name for setting in fields(CorpusOptions)}
        tables["corpus"] = {key: corpus[key] for key in corpus if key not in shared}
        options = {key: corpus[key] for key in corpus if key in shared}
    built = build(cls, tables, where)
    changes = build(_Shared, {"corpus": options}, where).corpus
    settings = {name: plain(getattr(built, name)) for name in known}
    resolved = {name: value for name, value in settings.items() if value is not None}
    resolved["corpus"] |= {key: value for key, value in plain(changes).items() if value}
    return replace(built, options=changes, resolved=resolved)


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
    files = (place / f"{name}.toml" for place in EXPERIMENT_FOLDERS)
    return next((file for file in files if kind_of(file) == "a file"), beside)


def _known_names(missing: Path) -> list[str]:
    """The names of the files that come with textgen, those in the same folder as this one."""
    folder = missing.parent.name
    part = f"{folder}/" if folder in EXPERIMENT_SUBFOLDERS else ""
    files = [file for place in EXPERIMENT_FOLDERS for file in place.glob(f"{part}*.toml")]
    return sorted({part + file.stem for file in files} - {"base", "article/base"})


def read_toml(
    path: Path, left_out: list[str] | None = None, included_by: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """A file over the one it includes.

    Args:
        path: of the file.
        left_out: gets a line for each table whose kind differs from that of the included file, with
            the settings that do not apply to it.
        included_by: the files that have led to this one.

    Raises:
        TextgenError: no such file, broken TOML, an include that leads back to itself.
    """
    if (kind := kind_of(path)) != "a file":
        includes = f"{included_by[-1]} includes " if included_by else ""
        near = suggestion(str(path).removesuffix(".toml"), _known_names(path))
        hint = f"write the path of an experiment or a study, or the name of textgen's own; {near}"
        raise TextgenError(f"{includes}{path}: {kind}", hint)
    if path.resolve() in included_by or len(included_by) > MAX_DEPTH:
        raise TextgenError(f"{path}: an include that leads back to itself, or is too deep")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # also of numbers with too many digits
        raise TextgenError(f"{path} cannot be read as TOML: {error}") from None
    _check_data(data, str(path))
    include = data.pop("include", None)
    if include is None:
        return data
    if not isinstance(include, str):
        raise TextgenError(f"{path}: include: {include!r} is not a file name")
    left_out = [] if left_out is None else left_out
    base = read_toml(path.parent / include, left_out, (*included_by, path.resolve()))
    return _merge(base, data, left_out, str(path))


def _check_data(data: Any, where: str, depth: int = 0) -> None:
    """Refuse what no setting is: deep nesting, and whole numbers of more than 64 bits."""
    if depth > MAX_DEPTH:
        raise TextgenError(f"{where}: tables or lists more than {MAX_DEPTH} deep")
    if isinstance(data, int) and not -(2**63) <= data < 2**63:
        raise TextgenError(f"{where}: a number of more than 64 bits")
    if isinstance(data, Mapping | list):
        for inner in data.values() if isinstance(data, Mapping) else data:
            _check_data(inner, where, depth + 1)


def _merge(
    base: Mapping[str, Any], change: Mapping[str, Any], left_out: list[str], where: str
) -> dict[str, Any]:
    """``change`` over ``base``. A table of another ``kind`` keeps the settings that the new kind
    has, too; another budget replaces the base's."""
    result = dict(base)
    for key, value in change.items():
        old = result.get(key)
        if key in POINTS:  # the name of a kind is short for a table
            old = {"kind": old} if isinstance(old, str) else old
            value = {"kind": value} if isinstance(value, str) else value
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if key in POINTS:
                old = _still_valid(key, old, value, left_out, where)
            if key == "training" and value.keys() & set(BUDGETS):
                old = {name: old[name] for name in old if name not in BUDGETS}
            value = _merge(old, value, left_out, f"{where}: {key}")
        result[key] = value
    return result


def _still_valid(
    point: str, old: Mapping[str, Any], new: Mapping[str, Any], left_out: list[str], where: str
) -> Mapping[str, Any]:
    """The settings of a table that still apply when ``new`` is set over it, for another kind has
    others. A corpus of another kind keeps how its text is changed, not where it comes from."""
    before = old.get("kind", DEFAULT_KINDS.get(point))
    kind = new.get("kind", before)
    if kind == before:
        return old
    cls = CorpusOptions if point == "corpus" else lookup(point, str(kind), f"{where}: {point}.kind")
    names = {setting.name for setting in fields(cls) if setting.init} - {"fallback"}
    shared = {name: value for name, value in old.items() if name in names}
    lost = [name for name in old if name not in {*shared, *new, "kind", "fallback"}]
    if lost:
        settings = ", ".join(f"{name} = {json.dumps(old[name], default=str)}" for name in lost)
        left_out.append(f'{where}: {point}.kind is now "{kind}"; settings left out: {settings}')
    return shared


def apply_overrides(
    data: Mapping[str, Any], texts: Sequence[str], left_out: list[str] | None = None
) -> dict[str, Any]:
    """Settings with every ``table.key=value``, the values written as in TOML. Tables count before
    kinds and kinds before other settings; of two for the same setting the last one counts. A whole
    table replaces what was set in it before.

    Args:
        data: the settings.
        texts: what is set; ``table={kind="…", …}`` is the whole table, with nothing of the old one.
        left_out: as in :func:`read_toml`.

    Raises:
        TextgenError: a text without ``=``.
    """
    left_out, result = [] if left_out is None else left_out, dict(data)
    overrides = list[tuple[list[str], Any]]()
    for keys, value in map(_override, texts):
        if keys[0] in POINTS and keys[1:] == [] and isinstance(value, dict) and len(value) > 1:
            result = {key: table for key, table in result.items() if key != keys[0]}
            overrides = [pair for pair in overrides if pair[0][0] != keys[0]]
        overrides.append((keys, value))
    overrides.sort(key=lambda pair: (len(pair[0]), pair[0][-1] != "kind"))
    for keys, value in overrides:
        for key in reversed(keys):
            value = {key: value}
        result = _merge(result, value, left_out, "--set")
    return result


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


def json_schema(cls: type[Any] = Experiment) -> dict[str, Any]:
    """The JSON schema of the files that a dataclass describes: of experiments, or of studies."""
    study = cls is not Experiment
    definitions = adapter(cls).json_schema()["$defs"]
    root = definitions.pop(cls.__name__)
    settings = root["properties"]
    for name in ("name", "path") if study else ("options", "resolved", "left_out"):
        del settings[name]
    settings["include"] = {"type": "string", "description": "a file beside this one to start from"}
    for table in [] if study else settings["corpus"]["anyOf"]:
        if "properties" in table:
            table["properties"] |= definitions["CorpusOptions"]["properties"]
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **_partial({**root, "$defs": definitions})}


def _partial(schema: Any) -> Any:
    """Without requirements other than those of a ``kind``."""
    if isinstance(schema, list):
        return [_partial(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    partial = {key: _partial(value) for key, value in schema.items() if key != "required"}
    return partial | ({"required": ["kind"]} if "kind" in schema.get("required", ()) else {})
