"""The files of a run as typed objects. Each is checked as a whole when it is read: it may be
damaged, or have been written by another program."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from textgen.core.errors import UNREADABLE, TextgenError

Share = Annotated[float, Field(ge=0, le=1)]
Above = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
CLOSE = 1e-6


class Content(BaseModel):
    """Keys that are not named here are kept as they are; ``content["key"]`` is ``content.key``."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)


Read = TypeVar("Read", bound=BaseModel)


class Bits(Content):
    model: float
    spelling: float
    total: float


class Figures(Content):
    bits_per_character: Bits | None
    mean_over_documents: float | None


class Part(Figures):
    """Figures of a held-out part of the text."""

    with_memory: Figures | None
    documents: Count
    characters: Whole
    tokens_per_character: AtLeastZero
    replacement_rate: AtLeastZero
    published: dict[str, Any] | None = None

    @property
    def memory(self) -> Figures:
        return self.with_memory or Figures(bits_per_character=None, mean_over_documents=None)


class Language(Content):
    code: str
    script: str
    stated: bool


class CorpusContent(Content):
    kind: str
    origin: str
    licence: str
    sha256: str
    split_sha256: str
    language: Language
    fallback: bool


class TrainingContent(Content):
    preparation_seconds: AtLeastZero
    seconds: AtLeastZero
    characters: Whole
    characters_of_training_text: Count
    updates: Count
    parameters: Count
    validation_seconds: AtLeastZero
    validation_share: AtLeastZero
    best_interval: Whole
    intervals: Count


class Metrics(Content):
    """``metrics.json``; ``sha256`` is that of files that are written once."""

    name: str
    unit: str
    context: str
    corpus: CorpusContent
    vocabulary_size: Count
    extra_data: list[str]
    validation: Part
    test: Part
    training: TrainingContent
    generation: dict[str, Any]
    sha256: dict[str, str]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """What one part has figures of the other has, too; model + spelling = total."""
        for parts in ((self.validation, self.test), (self.validation.memory, self.test.memory)):
            bits = [part.bits_per_character for part in parts]
            if len({each is None for each in (*bits, *(p.mean_over_documents for p in parts))}) > 1:
                raise ValueError("some of the figures are missing")
            if any(abs(b.model + b.spelling - b.total) > CLOSE for b in bits if b is not None):
                raise ValueError("bits that do not add up")
        return self


class Text(Content):
    text: str
    filled: list[tuple[Whole, Whole, str]]


class PromptedText(Text):
    prompt: str


class TextsAtTemperature(Content):
    temperature: AtLeastZero
    texts: Annotated[list[Text], Field(min_length=1)]


class Texts(Content):
    """``texts.json``."""

    settings: dict[str, Any]
    characters_per_second: Above | None
    sweep: Annotated[list[TextsAtTemperature], Field(min_length=1)]
    prompted: list[PromptedText]


class Learning(Content):
    rates: list[AtLeastZero]
    scales: list[AtLeastZero]


class MemoryState(Content):
    """``memory.json``."""

    orders: Annotated[list[Annotated[int, Field(ge=0, le=64)]], Field(min_length=1)]
    discounts: list[Annotated[list[Share], Field(min_length=1)]]
    strengths: list[Annotated[list[Above], Field(min_length=1)]]
    learning: Learning | None = None


class Row(Content):
    """A row of ``history.csv``."""

    updates: Above
    seconds: AtLeastZero
    validation_bits_per_character: float


class TextHash(Content):
    kind: str
    sha256: str


class Manifest(Content):
    """What is read of ``manifest.json``: the text that a run is made with."""

    corpus: TextHash


def parse(model: type[Read], content: str | dict[str, Any]) -> Read:
    """JSON, or plain data, as an object.

    Raises:
        ValueError: it is not what the model says, with the place in it.
    """
    try:
        if isinstance(content, str):
            return model.model_validate_json(content)
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def read_content(path: Path, model: type[Read], hint: str = "") -> Read:
    """A JSON file of a run as an object; ``hint`` is that of the error.

    Raises:
        TextgenError: it is damaged.
    """
    with reading(path, hint):
        return parse(model, path.read_text(encoding="utf-8"))


def read_json(path: Path, model: type[BaseModel] | None = None) -> Any:
    """A JSON file as plain data, which the model describes.

    Raises:
        ValueError: it is no JSON, or not what the model says, with the place in it.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    if model is not None:
        parse(model, text)
    return json.loads(text)


@contextlib.contextmanager
def reading(path: Path, hint: str = "") -> Iterator[None]:
    """Whatever a damaged file of a run raises inside becomes one :class:`TextgenError`."""
    try:
        yield
    except UNREADABLE as error:
        raise damaged_error(path, error, hint) from error


def damaged_error(path: Path, error: Exception, hint: str = "") -> TextgenError:
    """The error for a file of a run that cannot be read."""
    reason = str(error).partition("\n")[0][:200]
    return TextgenError(
        str(path),
        found=f"a damaged run ({type(error).__name__}: {reason})",
        expected="the files as textgen wrote them",
        hint=hint or "train it again: textgen run experiments/… --overwrite",
    )
