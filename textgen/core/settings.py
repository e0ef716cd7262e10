"""From TOML to checked settings: frozen dataclasses that pydantic validates, plug-ins by ``kind``.

A dataclass is the schema of its table: annotations say what is accepted, defaults what a setting is
where the file leaves it out. Editors get the same as a JSON schema
(:func:`textgen.core.study.json_schema`).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import core_schema

from textgen.core.errors import TextgenError
from textgen.core.plugins import DEFAULT_KINDS, POINTS, lookup, plugin_table, suggestion

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
WORDS = {
    "Input should be ": "",
    "a valid ": "",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    " after validation": "",
    "array": "list",
    "Tuple": "list",
    "dictionary": "table",
    "an object": "a table",
}
"""Words of pydantic's messages → those of TOML."""


class SettingsError(ValueError):
    """Settings that are wrong, or valid one by one but not together.

    Args:
        found, expected, hint: as in :class:`TextgenError`.
        at: the setting at fault within the table.
    """

    def __init__(self, found: str, expected: str, *, hint: str = "", at: str = "") -> None:
        self.found, self.expected, self.hint, self.at = found, expected, hint, at
        super().__init__(found)


@dataclass(frozen=True)
class Plugin:
    """Annotates a setting that is a plug-in: in TOML a table with a ``kind``, or its name alone."""

    point: str
    """One of :data:`textgen.core.plugins.POINTS`."""

    def make(self, value: Any) -> Any:
        """The plug-in that a value from TOML describes.

        Raises:
            SettingsError: no or an unknown kind, or wrong settings.
        """
        kind, settings = kind_and_settings(self.point, value)
        try:
            cls = lookup(self.point, kind, "kind")
        except TextgenError as error:
            raise SettingsError(error.found, error.expected, hint=error.hint, at="kind") from error
        return checked(cls, settings)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_plain_validator_function(self.make)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """The name of a kind, a table with a kind or, over an included file, settings alone."""
        kinds, tables, settings = sorted(plugin_table(self.point)), [], dict[str, list[Any]]()
        for kind in kinds:
            cls: Any = lookup(self.point, kind, self.point)
            table = handler.resolve_ref_schema(handler(adapter(cls).core_schema)["items"])
            for name, setting in table["properties"].items():
                settings.setdefault(name, []).append(setting)
            named = {"kind": {"const": kind}, **table["properties"]}
            tables.append({**table, "properties": named, "required": ["kind"]})
        mixed = {name: {"anyOf": choices} for name, choices in settings.items()}
        alone = {"type": "object", "properties": mixed, "additionalProperties": False}
        return {"anyOf": [{"enum": kinds}, *tables, alone]}


def kind_and_settings(point: str, value: Any) -> tuple[str, dict[str, Any]]:
    """The kind of a plug-in's table, which may be its name alone, and the other settings."""
    table = {"kind": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        raise SettingsError(repr(value), "a table, or the name of a kind")
    kind = table.get("kind", DEFAULT_KINDS.get(point))
    if not isinstance(kind, str):
        found = "nothing" if kind is None else repr(kind)
        hint = f'name one: [{point}] kind = "…"'
        raise SettingsError(found, suggestion("", plugin_table(point)), hint=hint, at="kind")
    return kind, {name: table[name] for name in table if name != "kind"}


@cache
def adapter(cls: Any) -> TypeAdapter[Any]:
    """What validates a list of one table: a list, for only that takes the configuration along."""
    return TypeAdapter(list[cls], config=STRICT)


def checked(cls: Any, values: Any) -> Any:
    """``cls(**values)``, validated.

    Raises:
        SettingsError: an unknown or missing key, a wrong value, settings that do not fit together.
    """
    try:
        return _validated(cls, values)
    except ValidationError as error:
        raise _problem(cls, error.errors(), values) from None


def _validated(cls: Any, values: Any) -> Any:
    # JSON is the strict mode in which lists are tuples and strings are paths
    return adapter(cls).validate_json(json.dumps([values], default=str))[0]


def build(cls: type[Any], values: Any, where: str, **given: Any) -> Any:
    """:func:`checked`, for users.

    Args:
        cls: a frozen dataclass.
        values: a table as read from TOML.
        where: names the table in errors; ends with a colon where it is a whole file.
        given: settings that do not come from the table.

    Raises:
        TextgenError: what is wrong, with the full name of the setting.
    """
    with naming(where):
        return checked(cls, {**values, **given} if given else values)


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
    """Turns a :class:`SettingsError` into a :class:`TextgenError` with the setting's full name.

    Args:
        where: names the table; ends with a colon where it is a whole file.
    """
    try:
        yield
    except SettingsError as error:
        place = inside(where, error.at) if error.at else where
        raise TextgenError(
            place, found=error.found, expected=error.expected, hint=error.hint
        ) from None


def _problem(cls: type[Any], errors: list[Any], values: Any) -> SettingsError:
    """The first of pydantic's errors: a misspelt name before the setting that is missing because
    of it, and in a union a wrong value before a wrong type."""

    def rank(error: Any) -> tuple[bool, bool, int]:
        kind = error["type"]
        vague = kind.endswith(("_type", "literal_error"))
        vague |= kind == "too_short" and bool(error["input"])  # its items are wrong
        return kind != "unexpected_keyword_argument", vague, -len(error["loc"])

    first = min(errors, key=rank)
    if first["type"] == "json_invalid":
        return SettingsError("half a surrogate pair", "text that can be written as UTF-8")
    at, value = _place(first, values), first["input"]
    if isinstance(error := first.get("ctx", {}).get("error"), ValueError):
        if not isinstance(error, SettingsError):
            return SettingsError(str(error), "settings that fit together", at=at)
        at = ".".join(filter(None, (at, error.at)))
        return SettingsError(error.found, error.expected, hint=error.hint, at=at)
    if first["type"] == "unexpected_keyword_argument":
        key, owner = str(first["loc"][-1]), _owner(cls, first["loc"])
        names = [field.name for field in fields(owner) if field.init]
        return SettingsError(f"unknown setting {key!r}", suggestion(key, names), at=at)
    if first["type"] == "missing":
        return SettingsError("nothing", "a value: this setting has no default", at=at)
    same = [e for e in errors if rank(e) == rank(first) and _place(e, values) == at]
    wanted = " or ".join(dict.fromkeys(_in_words(e["msg"]) for e in same))
    lists = any(e["type"] == "tuple_type" and e["input"] == value for e in errors)
    listed = lists and (type(value) is int or (isinstance(value, str) and "," in value))
    hint = f"write a list: {_as_list(value)}" if listed else ""
    return SettingsError(repr(value), wanted, hint=hint, at=at)


def _place(error: Any, values: Any) -> str:
    """The name of the setting at fault: pydantic's location without the branches of unions."""
    _, *location = error["loc"]
    path = ""
    for part in location:
        if isinstance(values, Mapping) and part in values:
            path, values = f"{path}.{part}", values[part]
        elif isinstance(values, list) and isinstance(part, int):
            path, values = f"{path} {part + 1}", values[part]
    return (f"{path}.{location[-1]}" if error["type"] == "missing" else path).removeprefix(".")


def _owner(cls: type[Any], location: Iterable[Any]) -> type[Any]:
    """The dataclass of the table in which a setting is."""
    for part in location:
        cls = _dataclass_in(get_type_hints(cls).get(str(part))) or cls
    return cls


def _dataclass_in(annotation: Any) -> type[Any] | None:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next(filter(None, map(_dataclass_in, get_args(annotation))), None)


def _in_words(message: str) -> str:
    for old, new in WORDS.items():
        message = message.replace(old, new)
    return message[0].lower() + message[1:]


def _as_list(value: str | int) -> str:
    """The list in TOML that a value such as ``"192,192"`` was meant to be."""
    items = [item.strip() for item in str(value).strip("()[]{} ").split(",")]
    numbers = all(item.isdecimal() for item in items)
    return json.dumps([*map(int, items)] if numbers else items, ensure_ascii=False)


def shared_settings(
    point: str, kind: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of another kind's table that a kind has by the same name, if their values are
    valid for it and go together with its own.

    Args:
        point: one of :data:`textgen.core.plugins.POINTS`.
        kind: the new one.
        old: the table of the other kind.
        new: what is set beside the new kind.

    Raises:
        TextgenError: no such kind.
    """
    cls = lookup(point, kind, f"{point}.kind")
    names = {field.name for field in fields(cls) if field.init}

    def wrong(values: Mapping[str, Any]) -> list[Any]:
        try:
            _validated(cls, {name: values[name] for name in values if name != "kind"})
        except ValidationError as error:
            return [each for each in error.errors() if each["type"] != "missing"]
        return []

    shared = {name: value for name, value in old.items() if name in names}
    for error in wrong(shared):
        shared.pop(str([*error["loc"], ""][1]), None)
    return {} if wrong({**shared, **new}) and wrong(shared) else shared


def plain(value: Any, given: Any = None) -> Any:
    """Settings as TOML data: dataclasses as tables without empty settings, paths as strings, tuples
    as lists.

    Args:
        value: the settings.
        given: the data they were made from, which name the kinds of plug-ins.
    """
    if is_dataclass(value):
        found = dict[str, Any]()
        for field in fields(value):
            inner = getattr(value, field.name)
            if field.name in POINTS and inner is not None:
                found[field.name] = plain_plugin(field.name, inner, given[field.name])
            elif field.init and inner is not None:
                found[field.name] = plain(inner)
        return found
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def plain_plugin(point: str, made: Any, value: Any) -> dict[str, Any]:
    """A plug-in as TOML data.

    Args:
        point: one of :data:`textgen.core.plugins.POINTS`.
        made: the plug-in.
        value: what it was made from.
    """
    kind, settings = kind_and_settings(point, value)
    return {"kind": kind, **plain(made, settings)}


def inside(where: str, key: str) -> str:
    """The label of a setting in a table, or in a file."""
    return f"{where} {key}" if where.endswith(":") else f"{where}.{key}"


def unknown_setting(where: str, key: str, known: Iterable[str]) -> TextgenError:
    """The error for a name that is not known."""
    return TextgenError(where, found=f"unknown setting {key!r}", expected=suggestion(key, known))


Count = Annotated[int, Field(gt=0, lt=2**63)]
"""A whole number of at least one."""
Whole = Annotated[int, Field(ge=0, lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True)
class Matching:
    """Annotates a string that must match a regular expression, which ``description`` explains."""

    pattern: str
    description: str

    def check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise SettingsError(repr(value), self.description)
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


FOLDER_NAME = Matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}",
    "at most 100 letters, digits, '.', '_' and '-': it names a folder",
)
Name = Annotated[str, FOLDER_NAME]
Keep = Annotated[str, Field(min_length=1, description='"article", or the characters to keep')]
"""The characters that a corpus is cut down to; ``"article"`` names the article's own 75."""
Sha256 = Annotated[str, Matching("[0-9a-f]{64}", "64 hexadecimal digits")]
Strip = Annotated[Literal["lines"], Field(description='"lines": no white space at their ends')]
"""White space that a corpus is read without: that at both ends of every line."""
LanguageCode = Annotated[str, Matching("[a-z]{2,3}", 'a code of ISO 639, such as "de"')]
Character = Annotated[str, Field(min_length=1, max_length=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Temperature = Annotated[float, Field(ge=0, le=10)]
MOST_WRITTEN = 10_000_000
"""Characters of all samples: some hours of a laptop's time."""


def check_name(name: str, where: str) -> None:
    """Raises:
    TextgenError: it can name no folder.
    """
    with naming(where):
        FOLDER_NAME.check(name)


Documents = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1, description='a list of documents, e.g. ["test.txt"] or ["test/*"]'),
]
"""Names of documents, or patterns of names."""
HeldOut = Annotated[
    Annotated[float, Field(gt=0, lt=0.5)] | Documents,
    Field(description='a fraction below 0.5, or a list of documents, e.g. ["test.txt"]'),
]
"""A held-out part: a fraction of all characters, or its documents."""
Groups = Annotated[
    tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...],
    Field(description='lists of documents that share text, e.g. [["one.txt", "two.txt"]]'),
]


@dataclass(frozen=True)
class CorpusOptions:
    """What any corpus may have besides its own settings and ``fallback``, the corpus to use where
    this one cannot be fetched: how its text is changed, in the same way for all arms.

    Characters are replaced first (``replace``, what takes the place of each), then some are left
    out (``drop``) or all but some (``keep``), then white space at both ends of every line
    (``strip = "lines"``). ``share`` takes the first documents only, up to that
    share of all characters.

    Raises:
        SettingsError: a character that is to be kept and left out.
    """

    keep: Keep | None = None
    strip: Strip | None = None
    drop: Annotated[str, Field(description="characters to leave out")] = ""
    replace: Annotated[
        dict[Character, str] | None, Field(description="what takes the place of some characters")
    ] = None
    share: Annotated[
        Fraction | None, Field(description="only the first documents, up to this share")
    ] = None

    def __post_init__(self) -> None:
        if self.keep and self.keep != "article" and (both := set(self.keep) & set(self.drop)):
            raise SettingsError(
                found=f"characters that are in both keep and drop: {''.join(sorted(both))!r}",
                expected="each in one of them",
                at="drop",
            )


@dataclass(frozen=True)
class Split:
    """How the text is divided into training, validation and test part.

    ``validation`` and ``test`` are fractions of all characters, drawn by document, or lists of
    documents, by name or pattern (``*``, ``?``, ``[…]``). ``train`` is such a list; without it all
    that no list names is trained on, with it such a document is refused. ``method`` says how what
    is not listed is drawn: by a ``"hash"`` of names and ``seed``, or ``"contiguous"``: training
    text first, then validation, then test; one text is then cut, at line ends or, if ``exact``, at
    the very character; ``first = "validation"`` has the text begin with that part. ``fold`` of
    ``folds`` is cross-validation: each document is in the test part of exactly one fold. ``groups``
    name documents that share text and must go to the same part.

    Raises:
        SettingsError: settings that do not go together.
    """

    validation: HeldOut = 0.08
    test: HeldOut = 0.12
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    groups: Groups = ()
    train: Documents | None = None
    method: Literal["hash", "contiguous"] | None = None
    exact: bool | None = None
    first: Literal["train", "validation"] | None = None
    fold: Count | None = None
    folds: Annotated[int, Field(ge=2)] | None = None

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The lists that are given, by part."""
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: names for part, names in given.items() if isinstance(names, tuple)}

    def __post_init__(self) -> None:
        if self.exact and self.method != "contiguous":
            raise SettingsError("exact = true", 'method = "contiguous" with it', at="exact")
        if self.first == "validation" and (self.method != "contiguous" or self.lists):
            raise SettingsError(
                'first = "validation"', 'method = "contiguous" with it, and no lists', at="first"
            )
        seen: dict[str, str] = {}
        for part, names in self.lists.items():
            for name in names:
                if name in seen:
                    raise SettingsError(
                        f"{name!r}, which {seen[name]} names too", "each once", at=part
                    )
                seen[name] = part
        if self.fold is None and self.folds is None:
            return
        if self.fold is None or self.folds is None:
            at = "folds" if self.fold is None else "fold"
            raise SettingsError(f"{at} alone", "both, e.g. fold = 1, folds = 5", at=at)
        if self.fold > self.folds:
            raise SettingsError(f"{self.fold}", f"a number from 1 to {self.folds}", at="fold")
        other = next(iter(self.lists), "method" if self.method == "contiguous" else "")
        if other:
            raise SettingsError(
                f"folds, and {other} which says otherwise", "one of them", at="folds"
            )


@dataclass(frozen=True)
class MemorySettings:
    """A memory of the document: beside the network alone, a second distribution is scored, in which
    the network's predictions are mixed with those of counts of the document so far (see
    :mod:`textgen.evaluation.memory`), one level for each of the ``orders``, which are lengths of
    context in tokens, rising. Rare words that stood in the document before are then cheaper, too.
    Without orders there is no memory of either kind.

    ``learning_rate``: under that second distribution the network, too, goes on learning from the
    document, by steps of that many root mean squares of a gradient (dynamic evaluation, see
    :mod:`textgen.evaluation.dynamic`); 0: it does not.

    Raises:
        ValueError: orders that do not rise, or a network that goes on learning without orders.
    """

    orders: tuple[Annotated[int, Field(ge=0, le=64)], ...] = ()
    learning_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def __post_init__(self) -> None:
        if list(self.orders) != sorted(set(self.orders)):
            raise ValueError(f"orders that do not rise: {list(self.orders)}")
        if self.learning_rate and not self.orders:
            raise ValueError("learning_rate needs orders, e.g. [3, 4, 5]")


@dataclass(frozen=True)
class Training:
    """How the backbone is trained. Exactly one of the four budgets is given.

    ``seconds`` is turned into a fixed number of updates after a short calibration. ``characters``
    counts characters seen, repeats included. ``validations`` is how often within the budget the
    model is validated, a checkpoint written and the best weights kept; ``patience`` ends a training
    after so many of them without a better figure. ``watch`` says which figure that is: the bits per
    character of the validation text, or the loss on the training text. The intervals are as even as
    can be, and of ten updates or more: a training of fewer than ten per validation has fewer
    validations.

    ``optimizer``: ``"muon"`` makes the update of a matrix between layers orthogonal (Jordan et al.
    2024) and leaves all other weights to AdamW; ``"adafactor"`` keeps of a matrix' second moments
    those of its rows and columns (Shazeer & Stern 2018), and its learning rate is a share of the
    size of the weights: 0.1 rather than 0.004.

    ``table_rate`` is the learning rate of a backbone's tables (``ngrams``) over that of its other
    weights; they have an optimizer of their own, without decay, clipping or average
    (:class:`textgen.training.optimizer.RowAdagrad`).

    ``ema_decay`` is how much of the weights' exponential moving average is kept at each update
    (after Polyak & Juditsky 1992); the average is then validated and saved. 0: no average.

    Raises:
        ValueError: weights that are averaged, while the loss on the training text, which is that of
            others, is watched.
    """

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    epochs: Positive | None = None
    batch: Count = 16
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd", "muon", "adafactor"] = "adamw"
    learning_rate: Positive = 4e-3
    table_rate: Positive = 30.0
    schedule: Literal["cosine", "constant", "wsd"] = "cosine"
    warmup: Fraction = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    ema_decay: Fraction = 0.0
    loss: Literal["categorical", "binary"] = "categorical"
    validations: Count = 20
    patience: Whole = 0
    watch: Literal["validation", "training"] = "validation"
    threads: Whole = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.ema_decay and self.watch == "training":
            raise ValueError('ema_decay needs watch = "validation"')


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn, after training and at every ``every``-th validation.

    ``length`` is in characters, in all arms; all samples together have no more than
    :data:`MOST_WRITTEN`. ``fill`` says what replaces a generated placeholder: a
    word drawn with the probability that is charged for it, a training word that reads well there, a
    newly spelled word, or a mark. With ``memory`` the samples after training are drawn from the
    network with its memory of the document.

    Raises:
        ValueError: a memory with another fill than ``"scored"``, or more text than that.
    """

    prompts: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    length: Annotated[int, Field(gt=0, le=1_000_000)] = 1000
    samples: Annotated[int, Field(gt=0, le=10_000)] = 8
    temperature: Temperature = 0.8
    top_k: Whole = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    fill: Literal["scored", "pool", "spell", "mark"] = "scored"
    memory: bool = False
    every: Whole = 5

    def __post_init__(self) -> None:
        if self.memory and self.fill != "scored":
            raise ValueError('memory needs fill = "scored": another fill is not what is scored')
        if (written := len(self.prompts) * self.samples * self.length) > MOST_WRITTEN:
            raise SettingsError(
                f"{len(self.prompts)} × {self.samples:,} samples of {self.length:,} characters",
                f"at most {MOST_WRITTEN:,} characters in all, not {written:,}",
                hint="take shorter ones or fewer",
                at="length",
            )
