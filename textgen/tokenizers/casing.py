"""Case modifiers: tokens that say how the word after them is written."""

from textgen.core.tokens import RESERVED

# modifiers of the word that follows: without its leading space, capitalised, upper-cased
JOIN, CAPITAL, UPPER = RESERVED, RESERVED + 1, RESERVED + 2
MODIFIERS = ("<join>", "<capital>", "<upper>")
FIRST_OWN = RESERVED + len(MODIFIERS)


def folded(word: str) -> tuple[int, str] | None:
    """The modifier and lower-cased form of a capitalised or upper-cased word, if they restore it;
    else None.

    A single letter counts as capitalised, not as upper-cased.
    """
    lower = word.lower()
    if lower == word:
        return None
    if word[:1].lower() + word[1:] == lower and recase(lower, CAPITAL) == word:
        return CAPITAL, lower
    if recase(lower, UPPER) == word:
        return UPPER, lower
    return None


def recase(word: str, modifier: int) -> str:
    """A lower-cased word under a case modifier."""
    return word.upper() if modifier == UPPER else word[:1].upper() + word[1:]
