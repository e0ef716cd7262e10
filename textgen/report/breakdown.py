"""The bits of the held-out text by word class, and those of passages of it.

The words are the same for all arms, whatever their tokens: a word is what the word tokenizer cuts
out, its leading space included, and costs what its characters cost. The bits of a token of several
characters are divided equally among them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from textgen.data.documents import Document
from textgen.report.arms import Arm
from textgen.report.schema import Breakdown, ClassBits, Passage
from textgen.tokenizers.pieces import pretokenize, split_space

FREQUENT, COMMON = 100, 10
CLASSES = {
    "frequent": f"words that occur {FREQUENT} times or more in the training text",
    "common": f"words that occur {COMMON} to {FREQUENT - 1} times",
    "rare": f"words that occur 2 to {COMMON - 1} times",
    "once": "words that occur once",
    "unseen": "words that do not occur in the training text",
    "punctuation": "punctuation and other signs",
    "numbers": "numbers",
    "space": "line ends and spaces outside words",
    "end": "end marks of documents",
}
"""Every character of the text is in one of these."""
CLASS_NUMBERS = {name: number for number, name in enumerate(CLASSES)}
PASSAGE_CHARACTERS, OPENING_CHARACTERS = 800, 500
MAX_OPENINGS = 5
"""Documents whose beginnings are passages."""


class Words(NamedTuple):
    """The words of the held-out documents, one after another.

    Attributes:
        start, end: (n,) int64, in all documents laid end to end, each followed by an end mark.
        word_class: (n,) int64, index into :data:`CLASSES`.
    """

    start: np.ndarray
    end: np.ndarray
    word_class: np.ndarray


def cut_words(documents: Sequence[Document], training: Sequence[Document]) -> Words:
    """The words of held-out documents, and how frequent each is in the training documents.

    A word is looked up unchanged, capitals included, without its leading space.
    """
    counts: Counter[str] = Counter()
    for document in training:
        counts.update(split_space(token)[1] for token in pretokenize(document.text))
    rows, start = list[tuple[int, int, int]](), 0
    for document in documents:
        for token in pretokenize(document.text):
            core = split_space(token)[1]
            rows.append((start, start + len(token), _word_class(core, counts[core])))
            start += len(token)
        start += 1
    return Words(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def _word_class(core: str, count: int) -> int:
    if core[:1].isalpha():
        by_count = ("unseen", "once", "rare", "common", "frequent")
        return CLASS_NUMBERS[by_count[bisect_right((1, 2, COMMON, FREQUENT), count)]]
    kind = "numbers" if core[:1].isdigit() else "punctuation" if core.strip() else "space"
    return CLASS_NUMBERS[kind]


def break_down(arms: Sequence[Arm], words: Words) -> Breakdown:
    """Bits by word class under each arm; the shares add up to its bits per character."""
    by_class = {arm.name: class_bits(arm, words) for arm in arms}
    return Breakdown(classes=CLASSES, by_class=by_class)


def class_bits(arm: Arm, words: Words) -> dict[str, ClassBits]:
    """What each of :data:`CLASSES` costs under an arm."""
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate(arm.per_character))])
    bits = sums[words.end] - sums[words.start]
    total = np.bincount(words.word_class, weights=bits, minlength=len(CLASSES))
    count = np.bincount(words.word_class, minlength=len(CLASSES))
    total[-1] = sum(float(document[-1]) for document in arm.per_character)
    count[-1] = len(arm.units)
    unit = int(arm.units.sum())
    return {
        name: ClassBits(count=int(n), bits=float(spent / max(n, 1)), share=float(spent / unit))
        for name, spent, n in zip(CLASSES, total, count, strict=True)
    }


def passages(documents: Sequence[Document], arms: Sequence[Arm]) -> list[Passage]:
    """Held-out text with each arm's stretches of it, first seed: a passage from the middle of a
    document of median length, then the beginnings of some documents."""
    if not arms:
        return []
    spans = [_middle(documents)]
    for number, document in enumerate(documents[:MAX_OPENINGS]):
        spans.append((number, 0, _word_end(document.text, 0, OPENING_CHARACTERS)))
    return [
        Passage(
            document=documents[number].name,
            start=start,
            text=documents[number].text[start:end],
            arms={arm.name: _stretches(arm, number, start, end) for arm in arms},
        )
        for number, start, end in dict.fromkeys(spans)
        if end > start
    ]


def _middle(documents: Sequence[Document]) -> tuple[int, int, int]:
    """(document, start, end) of a passage that begins with a paragraph or a word."""
    number = int(np.argsort([len(d.text) for d in documents])[len(documents) // 2])
    text, length = documents[number].text, PASSAGE_CHARACTERS
    start = max(0, (len(text) - length) // 2)
    paragraph = text.rfind("\n\n", max(0, start - length // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    return number, start, _word_end(text, start, length)


def _word_end(text: str, start: int, length: int) -> int:
    """The end of a stretch of about this length from ``start`` that cuts no word."""
    end = min(len(text), start + length)
    return max(text.rfind(" ", start, end), start + length // 2) if end < len(text) else end


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[tuple[int, int, float, float]]:
    cells = zip(*arm.first.token_bits[number].cells(), strict=False)  # without the end mark
    return [
        (max(0, int(a) - start), min(end, int(b)) - start, round(float(m), 3), round(float(s), 3))
        for a, b, m, s in cells
        if b > start and a < end
    ]
