"""PLUG-IN: a text cut into words and what stands between them, as Unicode says, and put together
again from tokens.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, NamedTuple

import regex

from textgen.core.errors import TextgenError
from textgen.core.tokens import RESERVED
from textgen.tokenizers.base import GrowingText, Rendered

TABLE = {"budoux": "BudouX"}
BUDOUX_FILES = {"ja": "ja_word.json", "ja-phrases": "ja.json"}  # others are named as the model is
# what belongs to the character before it; two vowels of Thai and Lao are letters to Annex #29's
# word boundaries but marks to its grapheme clusters, which are never divided here
MARKS = r"[\p{WB=Extend}\p{WB=Format}\p{WB=ZWJ}\p{GCB=SpacingMark}]*"
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
MARK = MARKS[:-1]
_mark = regex.compile(MARK, regex.VERSION1)
_stretches = regex.compile(f"((?!{MARK}){UNSEGMENTED}(?:{UNSEGMENTED}|{MARK})*)", regex.VERSION1)
SENTENCE_END = regex.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
# as it is spoken: an hour and an uncle, but a unit and a one
VOWEL_SOUND = regex.compile(
    r"(?i)(?!uni(?![dmn])|u[bcfhjkqrst][aeiou]|eu|onc?e\b)[aeiou]|hour|honest|honou?r|heir"
)
TAIL_CHARACTERS = 40


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
    for number, part in enumerate(_stretches.split(text)):  # every second one is a stretch
        found = _words(part, segmenter) if number % 2 else pretokenize(part)
        if number % 2 and pieces and pieces[-1] == " ":
            found[0] = pieces.pop() + found[0]
        pieces += found
    return pieces


def _words(stretch: str, segmenter: Segmenter) -> list[str]:
    """Raises:
    ValueError: the segmenter's words are not the stretch.
    """
    found = segmenter.segment(stretch)
    if "".join(found) != stretch or not all(found):
        name, received = type(segmenter).__name__, list(found)
        raise ValueError(f"{name}.segment: words that join to {stretch!r} expected, not {received}")
    words: list[str] = []
    for word in found:
        if words and _mark.match(word):
            words[-1] += word
        else:
            words.append(word)
    return words


class RareWord(NamedTuple):
    """A piece outside the vocabulary: ``pieces[place]`` of its document."""

    piece: str
    place: int

    @property
    def core(self) -> str:
        """The piece without its leading space."""
        return split_space(self.piece)[1]


# modifiers of the word that follows: without its leading space, capitalised, upper-cased
JOIN, CAPITAL, UPPER = RESERVED, RESERVED + 1, RESERVED + 2
CACHED_PIECES = 500_000  # whose parts are cached, at most
MODIFIERS = ("<join>", "<capital>", "<upper>")
FIRST_OWN = RESERVED + len(MODIFIERS)


@dataclass(frozen=True)
class Vocabulary:
    """The words that have tokens of their own.

    Attributes:
        words: pieces with their leading spaces, frequent ones first.
        counts: how often each occurs in the training split.
        characters: every character of the training split.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    characters: str

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def parts(self) -> Callable[[str], tuple[tuple[int, ...], int] | None]:
        """From a piece to the modifiers and the index of the word that together are it; None if it
        is rare."""
        return lru_cache(CACHED_PIECES)(self._parts)

    def _parts(self, piece: str) -> tuple[tuple[int, ...], int] | None:
        space, core = split_space(piece)
        forms: list[tuple[tuple[int, ...], str]] = [((), core), *folded(core)]
        for case, word in forms:
            if (number := self.index.get(space + word)) is not None:
                return case, number
            if not space and (number := self.index.get(" " + word)) is not None:
                return (JOIN, *case), number
        return None

    def rare(self, pieces: Sequence[str]) -> list[RareWord]:
        """The pieces of a document that are outside the vocabulary."""
        return [RareWord(p, place) for place, p in enumerate(pieces) if self.parts(p) is None]

    @cached_property
    def cores(self) -> tuple[str, ...]:
        """The words that are known with a leading space, without it, frequent ones first."""
        return tuple(word[1:] for word in self.words if word[:1] == " " and word != " ")

    @cached_property
    def never_spelled(self) -> frozenset[str]:
        """The strings, without leading space, that are never rare, with or without a space."""
        forms = {form for w in self.cores for form in (w, recase(w, CAPITAL), recase(w, UPPER))}
        return frozenset(w for w in forms if self.parts(w) and self.parts(" " + w))


def split_space(piece: str) -> tuple[str, str]:
    """The leading space of a piece, if it has one, and the rest; a space alone is all rest."""
    return (" ", piece[1:]) if piece[:1] == " " and piece[1:] else ("", piece)


def folded(word: str) -> list[tuple[tuple[int, ...], str]]:
    """The modifier and lower-cased form of a capitalised or upper-cased word, if they restore it.

    A single letter counts as capitalised, not as upper-cased.
    """
    for modifier in (CAPITAL, UPPER):
        lower = word[:1].lower() + word[1:] if modifier == CAPITAL else word.lower()
        if lower != word and recase(lower, modifier) == word and lower == lower.lower():
            return [((modifier,), lower)]
    return []


def recase(word: str, modifier: int) -> str:
    """A lower-cased word under a case modifier."""
    return word.upper() if modifier == UPPER else word[:1].upper() + word[1:]


class WordWriter(GrowingText):
    """Words, modifiers and placeholders as text.

    Where placeholders are filled otherwise than they are charged, the words are made to read well.
    One name serves a passage: the first name that is drawn, or the first two that stand side by
    side, come back whenever a name is called for. "a" and "an" are corrected. A filled word is
    capitalised where a sentence begins; elsewhere it loses its capital if it is known to be no name
    and to have a form without. Words that the network spelled itself are left as they are.

    Args:
        tokenizer: of words; its policy writes tokens of its own by means of this class.
        before: the text that is continued.
        fill: one of :data:`textgen.tokenizers.base.FILL`.
    """

    def __init__(self, tokenizer: Any, before: str, fill: str) -> None:
        super().__init__()
        self._policy = tokenizer.policy
        self._words = tokenizer.vocabulary.words
        self._adapts = fill == "pool"
        self._english = tokenizer.language == "en"
        self._before = before
        self._names = dict[tuple[str, int], str]()
        self._names_in_a_row = list[str]()
        self._joined, self._case, self._article = False, 0, False
        self._spelled_from = -1

    def write(self, token: int, surface: str | None) -> None:
        self._policy.write(self, token, surface)

    def add_token(self, token: int) -> None:
        """Append a word of the vocabulary; a modifier waits for its word."""
        self.end_letters()
        self._names_in_a_row = []
        if token < FIRST_OWN:
            self._joined |= token == JOIN
            if JOIN < token <= UPPER:
                self._case = token
            return
        space, core = split_space(self._words[token - self._policy.first_word])
        if self._case:
            core = recase(core, self._case)
        self._append(core if self._joined else space + core)
        self._article = core in ("a", "an", "A", "An")

    def add_filled(self, word: str, name: str, *, joined: bool = False) -> None:
        """Append a word in the place of a placeholder called ``name``."""
        space = "" if joined or self._joined or not word else " "
        if word and self._adapts:
            word = self._adapted(word, name)
            if self._article and self._english and space and word[0].isalpha():
                article = self.parts.pop()
                self.length -= len(article)
                self.append(article.rstrip("n") + "n" * bool(VOWEL_SOUND.match(word)))
        self._append(space)
        self.append_filled(word, name)

    def _append(self, text: str) -> None:
        self.append(text)
        self._joined, self._case, self._article = False, 0, False

    def add_letter(self, letter: str) -> None:
        """Append a character of a word that the network spells."""
        if self._spelled_from < 0:
            self._append("" if self._joined else " ")
            self._spelled_from = self.length
        self.append(letter)

    def end_letters(self) -> None:
        """End a word that the network has spelled."""
        if self._spelled_from >= 0:
            self.filled.append((self._spelled_from, self.length, "spelled"))
            self._spelled_from, self._joined = -1, False

    def rendered(self) -> Rendered:
        self.end_letters()
        return super().rendered()

    def _adapted(self, word: str, name: str) -> str:
        is_name = self._policy.proper(name)
        self._names_in_a_row = [*self._names_in_a_row, name] if is_name else []
        if is_name:
            word = self._names.setdefault((name, self._names_in_a_row.count(name)), word)
        written = "".join((self._before, *self.parts[-TAIL_CHARACTERS:]))[-TAIL_CHARACTERS:]
        if SENTENCE_END.search(written):
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        return lower if is_name is False and lower in self._policy.speller.known else word
