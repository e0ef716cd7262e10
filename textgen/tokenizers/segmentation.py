"""PLUG-IN: a text cut into words and what stands between them, as Unicode says.

The cuts are the default word boundaries of Unicode Standard Annex #29, "Unicode Text Segmentation",
section 4, as the library ``regex`` finds them: a combining mark stays with its letter, an inner
apostrophe or point with its word, the points and commas of a number with the number. Five things
are cut otherwise. A single space belongs to the word that it stands before. A joiner behind white
space stays with that. A run of the same punctuation mark is one piece, and so is a run of line
ends. Connectors (the underscore, the narrow no-break space of French typesetting) stand by
themselves, where Unicode has them join words: in plain text an underscore marks emphasis.

Does not handle: scripts whose words no spaces divide (:data:`UNSEGMENTED`). In these every
character is a piece, but for Katakana, unless a :class:`Segmenter` cuts them.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import regex

from textgen.core.errors import TextgenError

TABLE = {"budoux": "BudouX"}
BUDOUX_FILES = {"ja": "ja_word.json", "ja-phrases": "ja.json"}  # others are named as the model is
# what belongs to the character before it; two vowels of Thai and Lao are letters to Annex #29's
# word boundaries but marks to its grapheme clusters, which are never divided here
MARK = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}\p{GCB=SpacingMark}]"
MARKS = MARK + "*"
CONNECTOR, NO_CONNECTOR = r"\p{WB=ExtendNumLet}", r"\P{WB=ExtendNumLet}"
PIECE = regex.compile(
    rf"""
    (?:\r?\n)+
    | [ ]?(?:
        \p{{WB=ALetter}}++(?=[ \n,;!?"()-]|\.[ \n])  # the common case, without the slower \b
        | ([^\w\s])\1*+\b(?!\p{{GCB=SpacingMark}})
        | (?:{CONNECTOR}{MARKS})+
        | [^\s{CONNECTOR}]{NO_CONNECTOR}*?(?:\b(?!\p{{GCB=SpacingMark}})|(?={CONNECTOR}))
    )
    | \s{MARKS}
    """,
    regex.VERSION1 | regex.VERBOSE | regex.DOTALL | regex.WORD,
)
# characters of scripts without spaces between words: those of Chinese and Japanese, and those that
# Unicode Standard Annex #14 calls "complex-context dependent", of Thai, Lao, Khmer, Burmese …
UNSEGMENTED = r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{Line_Break=SA}]"
LETTERS = regex.compile(r"[\p{L}\p{M}]+")
_mark = regex.compile(MARK, regex.VERSION1)
_stretches = regex.compile(f"((?!{MARK}){UNSEGMENTED}(?:{UNSEGMENTED}|{MARK})*)", regex.VERSION1)


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
    Python (github.com/google/budoux). Needs ``pip install ".[segment]"``.

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
        hint = 'pip install ".[segment]", or take kind = "subwords"'
        raise TextgenError("tokenizer.segmenter: budoux is not installed", hint) from None
    path = Path(budoux.__file__).parent / "models" / BUDOUX_FILES.get(model, f"{model}.json")
    return budoux.Parser(json.loads(path.read_text(encoding="utf-8")))


def pretokenize(text: str, segmenter: Segmenter | None = None) -> list[str]:
    """The pieces of a text; joined together they are the text.

    Args:
        text: any string.
        segmenter: cuts stretches of :data:`UNSEGMENTED` characters; without one, Unicode's rules
            do.
    """
    if segmenter is None:
        return [match.group() for match in PIECE.finditer(text)]
    pieces: list[str] = []
    for number, part in enumerate(_stretches.split(text)):
        is_stretch = number % 2 == 1  # re.split gives what lies between and what it found in turn
        if not is_stretch:
            pieces += pretokenize(part)
            continue
        words = _words(part, segmenter)
        if pieces and pieces[-1] == " ":
            words[0] = pieces.pop() + words[0]
        pieces += words
    return pieces


def _words(stretch: str, segmenter: Segmenter) -> list[str]:
    """A segmenter's words of a stretch, none of which begins with a combining mark.

    Raises:
        ValueError: the words are not the stretch.
    """
    found = list(segmenter.segment(stretch))
    if "".join(found) != stretch or "" in found:
        name = type(segmenter).__name__
        raise ValueError(f"{name}.segment: words that join to {stretch!r} expected, not {found}")
    words: list[str] = []
    for word in found:
        if words and _mark.match(word):
            words[-1] += word
        else:
            words.append(word)
    return words
