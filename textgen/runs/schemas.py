"""The files of a run as typed objects; metrics.json is written and read as :class:`Metrics`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgen.core.errors import UNREADABLE, TextgenError

AtLeastZero = Annotated[float, Field(ge=0)]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]


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
    """Of a distribution over a part of the text; None where not everything is charged for."""

    bits_per_character: Bits | None
    mean_over_documents: float | None


class Part(Figures):
    """Figures of a held-out part of the text, of the network alone and with a memory."""

    with_memory: Figures | None
    documents: Count
    characters: Whole
    tokens: Whole | None
    tokens_per_character: AtLeastZero | None
    pieces: Whole
    replaced: Whole
    replacement_rate: AtLeastZero
    published: dict[str, Any] | None = None


class Language(Content):
    code: str
    script: str
    stated: bool


class CorpusContent(Content):
    """What :attr:`textgen.data.loading.Corpus.description` says."""

    kind: str
    origin: str
    licence: str
    sha256: str
    split_sha256: str
    language: Language
    fallback: bool


class Manifest(Content):
    """What is read of ``manifest.json``."""

    corpus: CorpusContent


class TrainingContent(Content):
    preparation_seconds: AtLeastZero
    seconds: AtLeastZero
    validation_seconds: AtLeastZero
    validation_share: AtLeastZero
    memory_seconds: AtLeastZero
    calibration_seconds_per_update: AtLeastZero | None
    characters: Whole
    characters_of_training_text: Count
    updates: Count
    updates_planned: Count
    parameters: Count
    best_interval: Whole
    intervals: Count
    loss: str
    final_loss: float


class WordShares(Content):
    """How many of the ``words`` of a text are real: in the training text, or in a word list."""

    in_training: AtLeastZero
    strict: AtLeastZero
    words: Whole


class Generation(Content):
    temperature: AtLeastZero
    word_list: str | None
    real_words: dict[str, WordShares]


class Metrics(Content):
    """``metrics.json``; ``sha256`` is that of files that are written once."""

    name: str
    unit: str
    context: str
    vocabulary_size: Count
    corpus: CorpusContent
    extra_data: list[str]
    validation: Part
    test: Part
    training: TrainingContent
    generation: Generation
    sha256: dict[str, str]


class Text(Content):
    text: str
    filled: list[tuple[Whole, Whole, str]]


class PromptedText(Text):
    prompt: str


class TextsAtTemperature(Content):
    temperature: AtLeastZero
    texts: list[Text]


class Texts(Content):
    """``texts.json``."""

    settings: dict[str, Any]
    sweep: list[TextsAtTemperature]
    prompted: list[PromptedText]


def parse(model: type[Read], content: str) -> Read:
    """JSON as an object.

    Raises:
        ValueError: it is not what the model says, with the place in it.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def read_content(path: Path, model: type[Read]) -> Read:
    """A JSON file of a run as an object.

    Raises:
        TextgenError: it is damaged.
    """
    with reading(path):
        return parse(model, path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file of a run raises inside becomes one :class:`TextgenError`."""
    try:
        yield
    except UNREADABLE as error:
        reason = str(error).partition("\n")[0][:200]
        message = f"{path}: a damaged run ({type(error).__name__}: {reason})"
        hint = "train it again: textgen run experiments/… --overwrite"
        raise TextgenError(message, hint=hint) from error
