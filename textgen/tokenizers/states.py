"""What the state of a fitted tokenizer has to look like: it is read from a file that may be damaged
or be another one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Character = Annotated[str, Field(min_length=1, max_length=1)]
Above = Annotated[float, Field(gt=0)]
Chance = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Weights = dict[str, Annotated[Sequence[Share], Field(min_length=3, max_length=3)]]
Words = Sequence[Annotated[str, Field(min_length=1)]]


class _State(BaseModel):
    """Further keys are nobody's concern."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class CharactersState(_State):
    characters: Sequence[Character]


class SubwordsState(_State):
    tokenizer: str
    alphabet: str
    pace: Above
    extra_data: Sequence[str]
    file: str


class SpellerState(_State):
    examples: dict[str, dict[str, Annotated[int, Field(gt=0)]]]
    pooled: bool = True
    order: Annotated[int, Field(gt=0, le=64)] = 5
    weights: Weights | None = None
    memory: Annotated[Sequence[Above], Field(min_length=2, max_length=2)] = (0.5, 1.0)
    memory_weights: Weights | None = None


class WhitespaceState(_State):
    words: Words
    usual: Sequence[str]
    characters: str
    characters_per_token: Above
    spelling: dict[str, SpellerState]


class WordsState(_State):
    words: Words
    counts: Sequence[Annotated[int, Field(ge=0)]]
    characters: str
    characters_per_token: Above
    rare_words: dict[str, Any]
    language: str = "en"


class DropState(_State):
    speller: SpellerState
    missing: Chance
    spaced: Share


class NeighbourState(_State):
    speller: SpellerState
    stand_ins: dict[str, str]
    strength: float
    excess: float
    extra_data: Sequence[str] = ()


class ClassesState(_State):
    speller: SpellerState
    learnt: Any


class Tagger(_State):
    model: str
    language: str


class TagsState(ClassesState):
    learnt: Tagger | None


class ClustersState(ClassesState):
    learnt: Annotated[Sequence[Sequence[str]], Field(min_length=1)]


def check_state(model: type[BaseModel], state: Mapping[str, Any], *unique: str) -> None:
    """Raises:
    ValueError: a key is missing or has something of another type or out of range, or a list of
        which no entry may come twice, one of ``unique``, has one that does.
    """
    checked = model.model_validate(dict(state))
    for name in unique:
        entries = getattr(checked, name)
        if len(set(entries)) < len(entries):
            raise ValueError(f"{name}: an entry that comes twice")
