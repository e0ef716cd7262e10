"""Words, modifiers and placeholders put together as text."""

from typing import TYPE_CHECKING

import regex

from textgen.tokenizers.base import Rendered
from textgen.tokenizers.casing import CAPITAL, FIRST_OWN, JOIN, UPPER, recase
from textgen.tokenizers.placeholders import GrowingText
from textgen.tokenizers.vocabulary import split_space

if TYPE_CHECKING:
    from textgen.tokenizers.words import WordTokenizer

SENTENCE_END = regex.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
# as it is spoken: an hour and an uncle, but a unit and a one
VOWEL_SOUND = regex.compile(
    r"(?i)(?!uni(?![dmn])|u[bcfhjkqrst][aeiou]|eu|onc?e\b)[aeiou]|hour|honest|honou?r|heir"
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
        tokenizer: of words; its policy writes tokens of its own by means of this class.
        before: the text that is continued.
        fill: one of :data:`textgen.tokenizers.filling.FILL`.
    """

    def __init__(self, tokenizer: "WordTokenizer", before: str, fill: str) -> None:
        super().__init__()
        self._policy = tokenizer.policy
        self._words = tokenizer.vocabulary.words
        self._adapts = fill == "pool"
        self._english = tokenizer.language == "en"
        self._before = before
        self._names = dict[tuple[str, int], str]()
        self._names_in_a_row = list[str]()
        # what is said of the next word: it has no space before it; its case modifier, if any; the
        # last word is an indefinite article
        self._joined = False
        self._case = 0
        self._article = False
        self._spelled_from = -1  # where the word begins that the network spells

    def write(self, token: int, surface: str | None) -> None:
        self._policy.write(self, token, surface)

    def add_token(self, token: int) -> None:
        """Append a word of the vocabulary; a modifier waits for its word."""
        self.end_letters()
        self._names_in_a_row.clear()
        if token < FIRST_OWN:
            if token == JOIN:
                self._joined = True
            elif token in (CAPITAL, UPPER):
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
                self._correct_article(word)
        self._append(space)
        self.append_filled(word, name)

    def _correct_article(self, word: str) -> None:
        """Make the article that was written last fit the word behind it."""
        article = self.parts.pop()
        self.length -= len(article)
        bare = article.removesuffix("n")
        self.append(bare + "n" if VOWEL_SOUND.match(word) else bare)

    def _append(self, text: str) -> None:
        self.append(text)
        self._joined = False
        self._case = 0
        self._article = False

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
            self._spelled_from = -1
            self._joined = False

    def rendered(self) -> Rendered:
        self.end_letters()
        return super().rendered()

    def _adapted(self, word: str, name: str) -> str:
        is_name = self._policy.classifier.proper(name)
        if is_name:
            self._names_in_a_row.append(name)
            place = (name, self._names_in_a_row.count(name))
            word = self._names.setdefault(place, word)  # the first word there stays
        else:
            self._names_in_a_row.clear()
        written = "".join((self._before, *self.parts[-TAIL_CHARACTERS:]))[-TAIL_CHARACTERS:]
        if SENTENCE_END.search(written):
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        if is_name is False and lower in self._policy.speller.known:
            return lower
        return word
