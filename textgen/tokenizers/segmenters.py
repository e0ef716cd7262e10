"""PLUG-IN: where words end in scripts without spaces between them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from textgen.core.errors import TextgenError

TABLE = {"budoux": "textgen.tokenizers.segmenters:BudouX"}
BUDOUX_FILES = {"ja": "ja_word.json", "ja-phrases": "ja.json"}  # others are named as the model is


class Segmenter(ABC):
    """The base of segmenters; a subclass is a frozen dataclass, whose fields are its settings.

    Attributes:
        extra_data: data from outside the training split that it uses, in words for the reports.
    """

    extra_data: tuple[str, ...] = ()

    @abstractmethod
    def segment(self, stretch: str) -> Sequence[str]:
        """The words of a stretch; joined together they are the stretch.

        A cut before a combining mark is left out afterwards.

        Args:
            stretch: letters and marks of unsegmented scripts, at least one, without spaces, digits
                and punctuation.
        """


@dataclass(frozen=True)
class BudouX(Segmenter):
    """Words by BudouX, boosted decision stumps over the characters around each place, in pure
    Python (github.com/google/budoux). Needs ``pip install "textgen-compare[segment]"``.

    Args:
        model: ``"ja"`` for words of Japanese, ``"ja-phrases"`` for words with their particles,
            ``"zh-hans"`` and ``"zh-hant"`` for phrases of simplified and traditional Chinese,
            ``"th"`` for words of Thai.
    """

    model: Literal["ja", "ja-phrases", "zh-hans", "zh-hant", "th"]

    def __post_init__(self) -> None:
        _parser(self.model)  # a missing library is an error before any work

    def segment(self, stretch: str) -> Sequence[str]:
        return _parser(self.model).parse(stretch)

    @property
    def extra_data(self) -> tuple[str, ...]:  # type: ignore[override]  # of the installed version
        return (f"words cut by the pretrained BudouX {metadata.version('budoux')}, {self.model}",)


@cache
def _parser(model: str) -> Any:
    try:
        import budoux
    except ImportError:
        raise TextgenError(
            "tokenizer.segmenter: the library budoux is not installed",
            hint='pip install "textgen-compare[segment]", or take characters or subwords: '
            '[tokenizer] kind = "subwords"',
        ) from None
    file = BUDOUX_FILES.get(model, f"{model}.json")
    path = Path(budoux.__file__).parent / "models" / file
    return budoux.Parser(json.loads(path.read_text(encoding="utf-8")))
