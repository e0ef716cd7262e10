"""Tokens of words as text; generated placeholders become words that fit where they stand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textgen.tokenizers.base import GrowingText, Rendered
from textgen.tokenizers.pieces import FIRST_OWN, JOIN, UPPER, recase, split_space

if TYPE_CHECKING:
    from textgen.tokenizers.rare_words import ClassPolicy

SENTENCE_END = re.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
# a word that begins with a vowel as it is spoken: an hour and an uncle, but a unit and a one
VOWEL_SOUND = re.compile(
    r"(?!uni(?![dmn])|unanim|u[bcfhjkqrst][aeiou]|eu|ewe|onc?e(?:\b|self|ness))[aeiou]|hour|honest|honou?r|heir",
    re.IGNORECASE,
)
TAIL_CHARACTERS = 40


class WordWriter(GrowingText):
    """Words, modifiers and placeholders as text.

    Where placeholders are filled otherwise than they are charged, the words are made to read well.
    One name serves a passage: the first name that is drawn, or the first two that stand side by
    side, come back whenever a name is called for. "a" and "an" are corrected. A filled word is
    capitalised where a sentence begins; elsewhere it loses its capital if it is known to be no name
    and to have a form without. Words that the network spelled itself are left as they are.

    Args:
        policy: writes its own tokens by means of this class.
        words: those of the vocabulary.
        before: the text that is continued.
        fill: one of :data:`textgen.tokenizers.base.FILL`.
        english: whether "a" and "an" are corrected.
    """

    def __init__(
        self, policy: ClassPolicy, words: Sequence[str], before: str, fill: str, english: bool
    ) -> None:
        super().__init__()
        self._policy, self._words, self._tail = policy, words, before[-TAIL_CHARACTERS:]
        self._adapts, self._english = fill in ("pool", "spell"), english
        self._names: dict[str, list[str]] = {}
        self._joined, self._case = False, 0
        self._spelled_from, self._names_in_a_row = -1, 0

    def write(self, token: int, surface: str | None) -> None:
        self._policy.write(self, token, surface)

    def append(self, text: str) -> None:
        super().append(text)
        self._tail = (self._tail + text)[-TAIL_CHARACTERS:]

    def add_token(self, token: int) -> None:
        """Append a word of the vocabulary; a modifier waits for its word."""
        self.end_letters()
        self._names_in_a_row = 0
        if token < FIRST_OWN:
            self._joined |= token == JOIN
            if JOIN < token <= UPPER:
                self._case = token
            return
        space, core = split_space(self._words[token - self._policy.first_word])
        if self._case:
            core = recase(core, self._case)
        self.append(core if self._joined else space + core)
        self._joined, self._case = False, 0

    def add_filled(self, word: str, name: str, *, joined: bool = False) -> None:
        """Append a word in the place of a placeholder called ``name``."""
        space = "" if joined or self._joined else " "
        self._joined, self._case = False, 0
        if not word:
            return
        if self._adapts:
            word = self._adapted(word, name)
            if space and self._english:
                self._correct_article(word)
        self.append(space)
        self.append_filled(word, name)

    def add_letter(self, letter: str) -> None:
        """Append a character of a word that the network spells."""
        if self._spelled_from < 0:
            self.append("" if self._joined else " ")
            self._joined, self._case, self._spelled_from = False, 0, self.length
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
        rank = self._names_in_a_row
        self._names_in_a_row = rank + 1 if is_name else 0
        if is_name:
            names = self._names.setdefault(name, [])
            if rank >= len(names):  # also the first of its kind behind a name of another
                names.append(word)
            word = names[min(rank, len(names) - 1)]
            if word.isupper():
                word = word[:1] + word[1:].lower()  # from a title, as a rule
        if SENTENCE_END.search(self._tail):
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        return lower if is_name is False and lower in self._policy.speller.known else word

    def _correct_article(self, word: str) -> None:
        """Correct an "a" or "an" that was just written, unless it fills a placeholder itself."""
        last = self.parts[-1] if self.parts else ""
        is_filled = bool(self.filled) and self.filled[-1][1] == self.length
        is_article = last.removeprefix(" ") in ("a", "an", "A", "An")
        if not is_article or is_filled or not word[:1].isalpha():
            return
        self.parts.pop()
        self.length -= len(last)
        vowel = VOWEL_SOUND.match(unicodedata.normalize("NFD", word))
        self.append(last.rstrip("n") + "n" * bool(vowel))
