"""Is a written word a word? By the training text and by wordfreq's list of its language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set

from textgen.data import WORD, word_list

ZIPF = 2.0
"""log10 occurrences per thousand million words (van Heuven et al. 2014): 2 is one in 10 million."""
SHORT = 3
"""Up to this length every string is some abbreviation in the list (tf 3.6, sas 3.5): such a word
counts only if the training text has it. The same goes for other languages' lists."""


def words(text: str) -> list[str]:
    """The words of a text, lower-cased, apostrophes kept; numbers are not words. In scripts without
    spaces between words every character is one."""
    return [match.group().lower().replace("’", "'") for match in WORD.finditer(text)]


def training_words(texts: Iterable[str]) -> Set[str]:
    """The types of the training split."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return counts.keys()


def is_real(word: str, training: Set[str], language: str = "en") -> bool:
    """Is a lower-cased word in the training text, or longer than three letters with a Zipf
    frequency of at least 2 in the language, an English possessive 's left aside? In a language
    without a list (see :func:`textgen.data.word_list`) the training text alone decides."""
    if word in training:
        return True
    stem = word.removesuffix("'s") if language == "en" else word
    code = word_list(language)
    if code is None or len(stem) <= SHORT:
        return False
    from wordfreq import zipf_frequency

    return zipf_frequency(stem, code) >= ZIPF


def real_words(text: str, training: Set[str], language: str = "en") -> dict[str, float]:
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
        "strict": sum(is_real(word, training, language) for word in found) / len(found),
        "words": len(found),
    }
