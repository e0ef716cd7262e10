"""TOML → frozen Experiment, with includes, overrides and errors that name the exact setting.

Where a table names a plug-in, ``kind`` picks it and the other keys are the arguments of its
constructor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from textgen.core.errors import TextgenError
from textgen.core.plugins import POINTS
from textgen.core.settings import (
    CorpusOptions,
    LanguageCode,
    MemorySettings,
    Name,
    Plugin,
    Sampling,
    Seed,
    Split,
    Training,
    build,
    naming,
    plain,
    plain_plugin,
    unknown_setting,
)
from textgen.core.toml import (
    BUDGETS,
    apply_overrides,
    check_one_budget,
    find_experiment,
    read_toml,
)

TABLES = tuple(
    "corpus tokenizer embedding objective split backbone memory training sampling".split()
)
DEFAULTS: dict[str, Any] = {"tokenizer": {}, "embedding": "random", "objective": {}, "backbone": {}}
"""Plug-ins that a file may leave out, or of which it may leave out the kind."""


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """What decides which text is read and how it is divided.

    ``resolved`` is the same as nested plain data with every default written out.
    """

    corpus: Annotated[Any, Plugin("corpus")]
    language: LanguageCode | None = None
    split: Split = field(default_factory=Split)
    fallback: Annotated[Any, Plugin("corpus")] = None
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
    if name is not None:
        data["name"] = name
    data.setdefault("name", path.stem)
    return replace(resolve_experiment(data, str(path)), left_out=tuple(left_out))


def resolve_experiment(data: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """The Experiment that nested plain data describes; ``where`` names it in errors."""
    if "arms" in data:
        hint = "run all of it with: textgen study"
        raise TextgenError(f"{where}: this is a study, not an experiment", hint=hint)
    made: Experiment = _resolved(Experiment, {**DEFAULTS, **data}, where)
    check_one_budget(plain(made.training), BUDGETS, f"{where}: training")
    if made.sampling.memory and not made.memory.orders:
        found = f"{where}: sampling.memory: true, but [memory] orders is empty"
        raise TextgenError(found, hint="for example: [memory] orders = [3, 4, 5]")
    return made


def resolve_text(data: Mapping[str, Any], where: str = "corpus") -> TextSettings:
    """The same of the tables and settings that decide which text is read and how it is divided."""
    made: TextSettings = _resolved(TextSettings, data, where)
    return made


def _resolved(cls: Any, data: Mapping[str, Any], where: str) -> Any:
    settings = [each.name for each in fields(cls)]
    known = [name for name in ("name", "seed", "language", *TABLES) if name in settings]
    for key in data:
        if key not in known:
            raise unknown_setting(f"{where}: {key}", key, known)
    own, options = _divided(data.get("corpus", {}))
    tables = {**data, "corpus": own}
    made = build(cls, tables, f"{where}:")
    resolved = dict[str, Any]()
    for name in known:
        inner = getattr(made, name)
        if name in POINTS:
            resolved[name] = plain_plugin(name, inner, tables[name])
        elif inner is not None:
            resolved[name] = plain(inner)
    fallback = options.pop("fallback", None)
    if fallback is not None:
        with naming(f"{where}: corpus.fallback"):
            other = Plugin("corpus").make(fallback)
        resolved["corpus"]["fallback"] = plain_plugin("corpus", other, fallback)
        made = replace(made, fallback=other)
    changes = build(CorpusOptions, options, f"{where}: corpus")
    resolved["corpus"] |= {key: value for key, value in plain(changes).items() if value}
    return replace(made, options=changes, resolved=resolved)


def _divided(corpus: Any) -> tuple[Any, dict[str, Any]]:
    """The table of a corpus without the options that every corpus has, and these."""
    if not isinstance(corpus, Mapping):
        return corpus, {}
    names = ("fallback", *(option.name for option in fields(CorpusOptions)))
    options = {key: corpus[key] for key in names if key in corpus}
    return {key: corpus[key] for key in corpus if key not in options}, options
