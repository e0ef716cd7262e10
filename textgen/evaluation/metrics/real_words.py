"""Is a written word a word? English only, for the frequency list is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from textgen.data import WORD

ZIPF = 2.0
"""log10 occurrences per thousand million words (van Heuven et al. 2014): 2 is one in 10 million."""
SHORT = 3
"""Up to this length every string is some abbreviation in the list (tf 3.6, sas 3.5): such a word
counts only if the training text has it."""


def words(text: str) -> list[str]:
    """The words of a text, lower-cased, apostrophes kept; digits are not words."""
    return [match.group().lower().replace("’", "'") for match in WORD.finditer(text)]


def training_words(texts: Iterable[str]) -> Set[str]:
    """The types of the training split."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return counts.keys()


def is_real(word: str, training: Set[str]) -> bool:
    """Is a lower-cased word in the training text, or longer than three letters with a Zipf
    frequency of at least 2 in English, a possessive 's left aside?"""
    from wordfreq import zipf_frequency

    if word in training:
        return True
    stem = word.removesuffix("'s")
    return len(stem) > SHORT and zipf_frequency(stem, "en") >= ZIPF


def real_words(text: str, training: Set[str]) -> dict[str, float]:
    """Shares of a text's words that are words.

    Returns:
        ``in_training``: occurs in the training text. ``strict``: see :func:`is_real`. ``words``:
        how many were looked at.
    """
    found = words(text)
    if not found:
        return {"in_training": 0.0, "strict": 0.0, "words": 0}
    return {
        "in_training": sum(word in training for word in found) / len(found),
        "strict": sum(is_real(word, training) for word in found) / len(found),
        "words": len(found),
    }
