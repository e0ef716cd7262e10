"""TOML → frozen Experiment, with includes, overrides and errors that name the exact setting.

Where a table names a plug-in, ``kind`` picks it and the other keys are the arguments of its
constructor: the signature is the schema, so there is nothing else to keep in step.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from textgen.core.errors import TextgenError
from textgen.core.registry import POINTS, lookup, plugin_table, suggestion
from textgen.core.settings import MemorySettings, Sampling, Split, Training
from textgen.core.toml import BUDGETS, apply_override, read_toml

TABLES = {
    "split": Split,
    "memory": MemorySettings,
    "training": Training,
    "sampling": Sampling,
}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Experiment:
    """One arm: everything that decides what a run computes.

    ``resolved`` is the same as nested plain data with every default written out; two experiments
    are the same when their ``resolved`` is.
    """

    name: str
    seed: int
    corpus: Any
    fallback: Any | None
    keep: str | None
    split: Split
    tokenizer: Any
    embedding: Any
    objective: Any
    backbone: Any
    memory: MemorySettings
    training: Training
    sampling: Sampling
    resolved: dict[str, Any]

    @property
    def arm(self) -> dict[str, Any]:
        """What is the same in all runs of an arm: ``resolved`` without name and seed."""
        return {key: value for key, value in self.resolved.items() if key not in ("name", "seed")}

    @property
    def text_key(self) -> str:
        """Alike for experiments that read the same text and divide it alike."""
        return json.dumps([self.resolved[table] for table in ("corpus", "split")])


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read an experiment file.

    Args:
        path: a TOML file. ``include = "other.toml"`` starts from another file beside it.
        overrides: ``table.key=value`` strings, the value written as in TOML.

    Raises:
        TextgenError: a missing file, broken TOML, an unknown key or kind, a wrong type or range.
    """
    path = Path(path)
    data = read_toml(path)
    for text in overrides:
        apply_override(data, text)
    data.setdefault("name", path.stem)
    return resolve_experiment(data, str(path))


def resolve_experiment(data: Mapping[str, Any], where: str = "experiment") -> Experiment:
    """The Experiment that nested plain data describes; ``where`` names it in errors."""
    data = dict(data)
    known = {"name", "seed", "corpus", "tokenizer", "embedding", "objective", "backbone", *TABLES}
    if "arms" in data:
        raise TextgenError(
            where,
            found="arms: this is a study",
            expected="one experiment",
            hint="make its runs with: python -m textgen.study",
        )
    for key in data:
        if key not in known:
            raise _unknown(f"{where}: {key}", key, known)
    name = data.get("name", "experiment")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise TextgenError(
            f"{where}: name",
            found=repr(name),
            expected="letters, digits, '.', '_' and '-': it names the run folder",
        )
    seed = data.get("seed", 1)
    if type(seed) is not int or not 0 <= seed < 2**31:
        raise TextgenError(f"{where}: seed", found=repr(seed), expected="a whole number from 0")
    corpus_table = _as_table(data.get("corpus"), f"{where}: corpus")
    keep = _keep(corpus_table.pop("keep", None), f"{where}: corpus.keep")
    fallback_table = corpus_table.pop("fallback", None)
    corpus, corpus_plain = _plugin("corpus", corpus_table, f"{where}: corpus")
    fallback = None
    if fallback_table is not None:
        fallback, corpus_plain["fallback"] = _plugin(
            "corpus",
            _as_table(fallback_table, f"{where}: corpus.fallback"),
            f"{where}: corpus.fallback",
        )
    if keep is not None:
        corpus_plain["keep"] = keep
    tokenizer, tokenizer_plain = _plugin(
        "tokenizer", data.get("tokenizer", {}), f"{where}: tokenizer"
    )
    embedding, embedding_plain = _plugin(
        "embedding", data.get("embedding", "random"), f"{where}: embedding"
    )
    objective, objective_plain = _plugin(
        "objective", data.get("objective", {}), f"{where}: objective"
    )
    backbone, backbone_plain = _plugin(
        "backbone",
        {"kind": "lstm", **_as_table(data.get("backbone", {}), f"{where}: backbone")},
        f"{where}: backbone",
    )
    fixed = {
        key: build(cls, _as_table(data.get(key, {}), f"{where}: {key}"), f"{where}: {key}")
        for key, cls in TABLES.items()
    }
    _one_budget(fixed["training"], where)
    plain = {key: _plain(value) for key, value in fixed.items()}
    return Experiment(
        name=name,
        seed=seed,
        corpus=corpus,
        fallback=fallback,
        keep=keep,
        tokenizer=tokenizer,
        embedding=embedding,
        objective=objective,
        backbone=backbone,
        **fixed,
        resolved={
            "name": name,
            "seed": seed,
            "corpus": corpus_plain,
            "tokenizer": tokenizer_plain,
            "embedding": embedding_plain,
            "objective": objective_plain,
            "backbone": backbone_plain,
            **plain,
        },
    )


def build(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """``cls(**values)``, with the values checked against the constructor's annotations.

    A parameter that is named after a plug-in point takes a plug-in that has been made already.

    Raises:
        TextgenError: an unknown key (with a suggestion), a missing one, a wrong type or range.
    """
    # of a dataclass field by field: some may be those of a class in another module
    of = cls if dataclasses.is_dataclass(cls) else cls.__init__
    hints = get_type_hints(of, include_extras=True)
    parameters = list(inspect.signature(cls).parameters.values())
    fields: dict[str, Any] = {
        p.name: (hints[p.name], ... if p.default is p.empty else p.default)
        for p in parameters
        if p.name not in POINTS
    }
    for key in values:
        if key not in [p.name for p in parameters]:
            raise _unknown(f"{where}.{key}", key, [p.name for p in parameters])
    plugins = {key: value for key, value in values.items() if key in POINTS}
    values = {key: value for key, value in values.items() if key not in plugins}
    schema = create_model("Schema", __config__=ConfigDict(extra="forbid"), **fields)
    try:
        # JSON is the strict mode in which arrays are tuples and strings are paths
        checked = schema.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"][:1])
        raise TextgenError(
            f"{where}.{setting}",
            found="nothing" if first["type"] == "missing" else repr(first["input"]),
            expected=_expectation(first),
            hint="correct this setting: in the file, with --set, or as an option",
        ) from None
    try:
        return cls(**{key: getattr(checked, key) for key in fields}, **plugins)
    except ValueError as error:
        raise TextgenError(where, found=str(error), expected="settings that fit together") from None


def _expectation(error: Any) -> str:
    if error["type"] == "missing":
        return "a value: this setting has no default"
    message = str(error["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    message = message.replace("Tuple", "a list").partition(" after validation")[0]
    return message[0].lower() + message[1:]


def _plugin(point: str, value: Any, label: str) -> tuple[Any, dict[str, Any]]:
    values = _as_table(value, label)
    kind = values.pop("kind", None)
    if not isinstance(kind, str):
        raise TextgenError(
            f"{label}.kind",
            found="nothing" if kind is None else repr(kind),
            expected=suggestion("", plugin_table(point)),
            hint=f'name one: [{point}] kind = "…"',
        )
    cls = lookup(point, kind, f"{label}.kind")
    inner = {}
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.name in POINTS:
            default = {} if parameter.default is parameter.empty else parameter.default
            values[parameter.name], inner[parameter.name] = _plugin(
                parameter.name, values.get(parameter.name, default), f"{label}.{parameter.name}"
            )
    return (made := build(cls, values, label)), {"kind": kind, **_plain(made), **inner}


def _as_table(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, Mapping):
        return dict(value)
    raise TextgenError(
        where,
        found="nothing" if value is None else repr(value),
        expected="a table, or the name of a kind",
    )


def _keep(value: Any, where: str) -> str | None:
    """The characters a corpus is cut down to, ``"article"`` naming the article's own set."""
    if value is not None and (not isinstance(value, str) or not value):
        raise TextgenError(where, found=repr(value), expected='"article" or the characters to keep')
    return value


def _plain(made: Any) -> dict[str, Any]:
    """A frozen dataclass as TOML data: paths as strings, tuples as lists, no empty settings."""

    def convert(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, (tuple, list)):
            return [convert(item) for item in value]
        if dataclasses.is_dataclass(value):
            return _plain(value)
        return value

    fields = {
        f.name: getattr(made, f.name)
        for f in dataclasses.fields(made)
        if f.init and f.name not in POINTS
    }
    return {key: convert(value) for key, value in fields.items() if value is not None}


def _one_budget(training: Training, where: str) -> None:
    given = [key for key in BUDGETS if getattr(training, key) is not None]
    if len(given) != 1:
        raise TextgenError(
            f"{where}: training",
            found=f"{len(given)} budgets" + (f": {', '.join(given)}" if given else ""),
            expected=f"exactly one of {', '.join(BUDGETS)}",
            hint="for example: [training] seconds = 300",
        )


def _unknown(where: str, key: str, known: Any) -> TextgenError:
    return TextgenError(
        where,
        found=f"unknown setting {key!r}",
        expected=suggestion(key, known),
        hint="correct the name or remove the line",
    )
