"""What the files of a run hold, as far as anything here reads them: each is checked as a whole when
the run is opened. The file may be damaged, or have been written by another program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Above = Annotated[float, Field(gt=0)]
AtLeastZero = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]
CLOSE = 1e-6


class _Content(BaseModel):
    """Unknown keys are ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Bits(_Content):
    model: float
    spelling: float
    total: float


class _WithMemory(_Content):
    bits_per_character: _Bits | None
    mean_over_documents: float | None


class _Part(_WithMemory):
    with_memory: _WithMemory | None
    tokens_per_character: AtLeastZero
    replacement_rate: AtLeastZero

    @property
    def memory(self) -> _WithMemory:
        return self.with_memory or _WithMemory(bits_per_character=None, mean_over_documents=None)


class _Language(_Content):
    code: str
    script: str
    stated: bool


class _Corpus(_Content):
    kind: str
    origin: str
    licence: str
    sha256: str
    split_sha256: str
    language: _Language


class _Training(_Content):
    preparation_seconds: AtLeastZero
    seconds: AtLeastZero
    characters: Whole
    characters_of_training_text: Count
    updates: Count
    parameters: Count


class Metrics(_Content):
    """``metrics.json``; ``sha256`` is that of files that are written once."""

    name: str
    context: str
    corpus: _Corpus
    vocabulary_size: Count
    extra_data: list[str]
    validation: _Part
    test: _Part
    training: _Training
    sha256: dict[str, str]

    @model_validator(mode="after")
    def _alike(self) -> Self:
        """What one part has figures of the other has, too; model + spelling = total."""
        for parts in ((self.validation, self.test), (self.validation.memory, self.test.memory)):
            bits = [part.bits_per_character for part in parts]
            if len({each is None for each in (*bits, *(p.mean_over_documents for p in parts))}) > 1:
                raise ValueError("figures of which some are missing")
            if any(abs(b.model + b.spelling - b.total) > CLOSE for b in bits if b is not None):
                raise ValueError("bits that do not add up")
        return self


class _Text(_Content):
    text: str
    filled: list[tuple[Whole, Whole, str]]


class _Prompted(_Text):
    prompt: str


class _AtTemperature(_Content):
    temperature: AtLeastZero
    texts: Annotated[list[_Text], Field(min_length=1)]


class Texts(_Content):
    """``texts.json``."""

    settings: dict[str, Any]
    characters_per_second: Above | None
    sweep: Annotated[list[_AtTemperature], Field(min_length=1)]
    prompted: list[_Prompted]


class _Settings(_Content):
    temperature: AtLeastZero


class RoundsHead(_Content):
    """The first line of ``rounds.jsonl``."""

    document: str
    passage: str
    ends: list[Whole]
    spelling: list[float] | None
    sample: _Settings


class Round(_Text):
    """Each other line of it."""

    interval: Count
    model: list[float] | None


class _Learning(_Content):
    rates: list[AtLeastZero]
    scales: list[AtLeastZero]


class MemoryState(_Content):
    """``memory.json``."""

    orders: Annotated[list[Annotated[int, Field(ge=0, le=64)]], Field(min_length=1)]
    discounts: list[Annotated[list[Share], Field(min_length=1)]]
    strengths: list[Annotated[list[Above], Field(min_length=1)]]
    learning: _Learning | None = None


class Row(_Content):
    """A row of ``history.csv``."""

    updates: Above
    seconds: AtLeastZero
    validation_bits_per_character: float


class _TextOf(_Content):
    kind: str
    sha256: str


class Manifest(_Content):
    """What is read of ``manifest.json`` to tell whether the text is the same."""

    corpus: _TextOf


def read_json(path: Path, model: type[BaseModel] | None = None) -> Any:
    """A JSON file as plain data.

    Raises:
        ValueError: it is no JSON, or not what ``model`` says, with the place in it.
        OSError: it cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    if model is not None:
        checked(model, text)
    return json.loads(text)


def checked(model: type[BaseModel], content: str | dict[str, Any]) -> None:
    """Raises:
    ValueError: JSON, or plain data, is not what the model says.
    """
    try:
        if isinstance(content, str):
            model.model_validate_json(content)
        else:
            model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
