"""An experiment: everything that decides what a run computes, in one frozen dataclass."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic.json_schema import GenerateJsonSchema

from textgen.core.errors import TextgenError
from textgen.core.reading import SettingsReader, Table, find_experiment
from textgen.core.registry import POINTS, lookup, plugin_table, suggestion
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

# Plug-ins that a file may leave out, or whose kind it may leave out.
DEFAULTS: dict[str, Any] = {"tokenizer": {}, "embedding": "random", "objective": {}, "backbone": {}}


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
        if self.training.growth and not self.objective.carries_state:
            raise ValueError("training.growth: only windows of next_token grow; leave it out")
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
        """The parts of its model, see :mod:`textgen.evaluation.model`."""
        missing = set[PartName]()
        if not self.cache.orders:
            missing.add("with_cache")
        if not self.training_counts.orders:
            missing.add("counts")
        return tuple(part for part in PARTS if part not in missing)

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
        where = experiment.name
        data = experiment.resolved
        reader.left_out = list(experiment.left_out)
    else:
        file = find_experiment(experiment)
        where = str(file)
        data = {"name": file.stem, **reader.read(file)}
    data = reader.override(data, overrides)
    if name is not None:
        data["name"] = name
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
    tables = {**DEFAULTS, **data}
    options: dict[str, Any] = {}
    names = [setting.name for setting in fields(CorpusOptions)]
    if isinstance(corpus := data.get("corpus"), Mapping):
        options = {name: corpus[name] for name in corpus if name in names}
        tables["corpus"] = {name: corpus[name] for name in corpus if name not in names}
    experiment: Experiment = build(Experiment, tables, where, beside={"corpus": names})
    return replace(experiment, options=build(CorpusOptions, options, where, "corpus"))


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
        names = {setting.name for cls in classes for setting in fields(cls) if setting.init}
        if name in names:
            found.append(table)
    return found


def resolve_text(data: Table) -> Experiment:
    """One of characters on the text that nested plain data describes by ``corpus``, ``split`` and
    ``language``."""
    others = {"tokenizer": "characters", "objective": "next_token", "training": {"updates": 1}}
    return resolve_experiment({**others, **data}, "corpus")


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
    if "corpus" in settings:
        for choice in settings["corpus"]["anyOf"]:
            if "properties" in choice:  # not the mere name of a kind
                choice["properties"] |= definitions["CorpusOptions"]["properties"]
    settings["include"] = {"type": "string", "description": "a file to start from"}
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **root, "$defs": definitions}
