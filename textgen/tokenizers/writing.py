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
TAIL_CHARACTERS = 40  # of the text so far, at most, that tell whether a sentence begins
TAIL_PARTS = 40  # that they are looked for in


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
        # the classes of the names that stand side by side here
        self._classes_in_row = list[str]()
        # the name that serves the passage, by its class and how many of the class stand in the row
        self._name_in_use = dict[tuple[str, int], str]()
        # what the modifiers so far say of the next word
        self._next_is_joined = False
        self._next_case: int | None = None
        self._last_is_article = False  # "a" or "an"
        self._spelled_from: int | None = None  # where the word begins that the network spells

    def write(self, token: int, surface: str | None) -> None:
        self._policy.write(self, token, surface)

    def add_token(self, token: int) -> None:
        """Append a word of the vocabulary; a modifier waits for its word."""
        self.end_letters()
        self._classes_in_row.clear()
        if token == JOIN:
            self._next_is_joined = True
        elif token in (CAPITAL, UPPER):
            self._next_case = token
        elif token >= FIRST_OWN:
            self._add_word(self._words[token - self._policy.first_word])

    def _add_word(self, word: str) -> None:
        space, core = split_space(word)
        if self._next_is_joined:
            space = ""
        if self._next_case is not None:
            core = recase(core, self._next_case)
        self.append(space + core)
        self._forget_modifiers()
        self._last_is_article = core in ("a", "an", "A", "An")

    def add_filled(self, word: str, class_name: str, *, joined: bool = False) -> None:
        """Append a word in the place of the placeholder of a class."""
        needs_space = word != "" and not joined and not self._next_is_joined
        if word and self._adapts:
            word = self._adapted(word, class_name)
            if self._last_is_article and self._english and needs_space and word[0].isalpha():
                self._correct_article(word)
        if needs_space:
            self.append(" ")
        self.append_filled(word, class_name)
        self._forget_modifiers()

    def _correct_article(self, word: str) -> None:
        """Make the article that was written last fit the word behind it."""
        article = self.parts.pop()
        self.length -= len(article)
        bare = article.removesuffix("n")
        self.append(bare + "n" if VOWEL_SOUND.match(word) else bare)

    def _forget_modifiers(self) -> None:
        """After a word has been written, the modifiers and the article before it hold no more."""
        self._next_is_joined = False
        self._next_case = None
        self._last_is_article = False

    def add_letter(self, letter: str) -> None:
        """Append a character of a word that the network spells."""
        if self._spelled_from is None:
            if not self._next_is_joined:
                self.append(" ")
            self._forget_modifiers()
            self._spelled_from = self.length
        self.append(letter)

    def end_letters(self) -> None:
        """End a word that the network has spelled."""
        if self._spelled_from is not None:
            self.filled.append((self._spelled_from, self.length, "spelled"))
            self._spelled_from = None
            self._next_is_joined = False

    def rendered(self) -> Rendered:
        self.end_letters()
        return super().rendered()

    def _adapted(self, word: str, class_name: str) -> str:
        """What is written for a word of a class so that the text reads well."""
        is_name = self._policy.classifier.proper(class_name)
        if is_name:
            self._classes_in_row.append(class_name)
            count = self._classes_in_row.count(class_name)
            word = self._name_in_use.setdefault((class_name, count), word)
        else:
            self._classes_in_row.clear()
        if self._begins_sentence():
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        if is_name is False and lower in self._policy.speller.known:  # None: it may be a name
            return lower
        return word

    def _begins_sentence(self) -> bool:
        text = self._before + "".join(self.parts[-TAIL_PARTS:])
        return SENTENCE_END.search(text[-TAIL_CHARACTERS:]) is not None
