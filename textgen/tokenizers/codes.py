"""Words as strings of codes, one a character, as spelling models read them.

A *spelling* is the order in which the characters of a word are chosen (:class:`Form`), the *codes*
are the numbers of these characters: FIRST and up for those of the alphabet, OTHER for a character
that training never saw. To n-grams every word is a document of its own, so that END both begins
and ends it.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Generic, NamedTuple, NewType, TypeVar

import numpy as np

from textgen.core.tokens import BOUNDARY, ESCAPE, RESERVED
from textgen.ngrams.kneser_ney import KneserNeyModel, fit_kneser_ney
from textgen.tokenizers.encoded import UNSEEN

# A string whose characters are codes, and no text: ``"ab"`` may be ``"\x02\x03"``, where a has the
# code 2 and b the code 3. It compares, begins and sorts as any other string.
Codes = NewType("Codes", str)
Text = TypeVar("Text", bound=str)
END, OTHER, FIRST = BOUNDARY, ESCAPE, RESERVED
UNSEEN_CODE = chr(OTHER)


class ClassBeginnings(NamedTuple, Generic[Text]):
    """By what spellings begin with: which are of a class.

    Attributes:
        own: what those of the class begin with.
        others: the longer beginnings of those that are of other classes, of which none begins with
            another.
    """

    own: Text
    others: tuple[Text, ...] = ()


class Form:
    """How words are spelled: here as they are written, from the first letter to the last.

    Attributes:
        signs: what spellings begin with, a character each, of words as they are, capitalised and
            upper-cased; ``""`` if they begin with the word.
    """

    signs = ""

    @property
    def sign_as_it_is(self) -> str:
        """What the spelling of a word as it is begins with; ``""`` if that is the word."""
        return self.signs[:1]

    def spelling(self, word: str) -> str:
        """How a word is spelled."""
        return word

    def word(self, spelling: str) -> str:
        """The word that is spelled so; more than one spelling may lead to it."""
        return spelling

    def beginnings(self, class_name: str) -> ClassBeginnings[str]:
        """What the spellings of a class begin with."""
        return ClassBeginnings("")


class Coding:
    """The codes of an alphabet, and of words that are spelled in a form.

    Args:
        alphabet: the characters, in any order.
        form: how words are spelled.

    Attributes:
        alphabet: in code-point order.
        size: number of codes, A.
        letters: what each code stands for: ``""`` for END, ``"\\ufffd"`` for OTHER, a character.
    """

    def __init__(self, alphabet: str, form: Form) -> None:
        self.alphabet = "".join(sorted(alphabet))
        self.letters = ["", UNSEEN, *self.alphabet]
        self.size = len(self.letters)
        self._form = form
        numbers = {ord(letter): number for number, letter in enumerate(self.alphabet, FIRST)}
        # code point → code, for str.translate: code points that are not here have the code OTHER
        self._table = defaultdict(lambda: OTHER, numbers)

    def codes_of_spelling(self, spelling: str) -> Codes:
        """The codes of a spelling, or of its beginning."""
        return Codes(spelling.translate(self._table))

    def codes_of_word(self, word: str) -> Codes:
        """The codes of a word's spelling."""
        return self.codes_of_spelling(self._form.spelling(word))

    def beginnings(self, class_name: str) -> ClassBeginnings[Codes]:
        """The codes of what :meth:`Form.beginnings` gives for a class."""
        spellings = self._form.beginnings(class_name)
        own = self.codes_of_spelling(spellings.own)
        others = [self.codes_of_spelling(other) for other in spellings.others]
        return ClassBeginnings(own, tuple(others))

    def code_of_letter(self, letter: str) -> int:
        """The code of a character; of ``""`` it is END."""
        return ord(self.codes_of_spelling(letter)) if letter else END


def fit_characters(words: Sequence[Codes], order: int, size: int) -> KneserNeyModel:
    """n-grams of characters over words, each counted once.

    Args:
        words: as codes.
        order: of the n-grams.
        size: number of codes, A.
    """
    return fit_kneser_ney(as_arrays(words), order, size)


def as_arrays(words: Sequence[Codes]) -> list[np.ndarray]:
    """The codes of each word: (n,) uint32."""
    return [np.frombuffer(w.encode("utf-32-le", "surrogatepass"), dtype="<u4") for w in words]
