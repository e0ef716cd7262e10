"""The bits of the held-out text broken down by word class, by position in a word, for one word.

The words are the same for all arms, whatever their tokens: a word is what the word tokenizer cuts
out, its leading space included, and costs what its characters cost. The bits of a token of several
characters are divided equally among them, except by position in a word: there they count where the
token begins, since that is where the choice is made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textgen.data import Document
from textgen.report.arms import Arm
from textgen.tokenizers import SENTENCE_END, pretokenize, split_space

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
ORDER = list(CLASSES)
FIRST_PERSON = re.compile(r"I(?:['’]|$)")
NAMES = "names: capitalised words inside a sentence except “I”; also counted above"
POSITIONS = 10
"""Letters of a word that are told apart; the last stands for all further ones."""
CONTEXT = 60


@dataclass(frozen=True)
class Words:
    """The words of the held-out documents, one after another.

    Attributes:
        start, end: (n,) int64, in all documents laid end to end, each followed by an end mark.
        word_class: (n,) int64, index into :data:`CLASSES`.
        name: (n,) bool, a capitalised word inside a sentence.
        position: (characters + end marks,) int64, where in a word of letters a character stands:
            0 the leading space, 1 the first letter …; −1 in no word.
    """

    start: np.ndarray
    end: np.ndarray
    word_class: np.ndarray
    name: np.ndarray
    position: np.ndarray


def cut_words(documents: Sequence[Document], training: Sequence[Document]) -> Words:
    """The words of held-out documents, and how frequent each is in the training documents.

    A word is looked up unchanged, capitals included, without its leading space.
    """
    counts: Counter[str] = Counter()
    for document in training:
        counts.update(split_space(token)[1] for token in pretokenize(document.text))
    rows, positions, at = list[tuple[int, int, int, bool]](), list[int](), 0
    for document in documents:
        begin = at
        for token in pretokenize(document.text):
            core = split_space(token)[1]
            kind = _class(core, counts[core])
            spaced = len(token) - len(core)
            before = document.text[max(0, at - begin - 40) : at - begin + spaced]
            name = core[:1].isupper() and not (
                FIRST_PERSON.match(core) or SENTENCE_END.search(before)
            )
            rows.append((at, at + len(token), kind, name))
            word = kind <= ORDER.index("unseen")
            positions += range(1 - spaced, 1 + len(core)) if word else [-1] * len(token)
            at += len(token)
        positions.append(-1)
        at += 1
    start, end, kinds, names = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Words(start, end, kinds, names.astype(bool), np.array(positions).clip(max=POSITIONS))


def _class(core: str, count: int) -> int:
    if not core.strip():
        return ORDER.index("space")
    if core[0].isdigit():
        return ORDER.index("numbers")
    if not core[0].isalpha():
        return ORDER.index("punctuation")
    if count < 2:
        return ORDER.index(("unseen", "once")[count])
    limits = (("frequent", FREQUENT), ("common", COMMON), ("rare", 2))
    return ORDER.index(next(kind for kind, least in limits if count >= least))


def word_bits(arm: Arm, words: Words) -> np.ndarray:
    """(n,) float64: what each word costs, mean over seeds."""
    total = np.concatenate([[0.0], np.cumsum(np.concatenate(arm.per_character))])
    return total[words.end] - total[words.start]


def by_class(arm: Arm, words: Words) -> dict[str, dict[str, float]]:
    """What each word class costs under an arm.

    Returns:
        For each of :data:`CLASSES` and for ``"names"``: ``count`` of words, ``bits`` per word, and
        ``share``, bits per character of the whole text. The shares of :data:`CLASSES` add up to the
        arm's bits per character.
    """
    bits = word_bits(arm, words)
    total = np.bincount(words.word_class, weights=bits, minlength=len(CLASSES))
    count = np.bincount(words.word_class, minlength=len(CLASSES))
    total[-1] = sum(float(each[-1]) for each in arm.per_character)
    count[-1] = len(arm.units)
    total = np.append(total, bits[words.name].sum())
    count = np.append(count, words.name.sum())
    unit = int(arm.units.sum())
    return {
        kind: {"count": int(n), "bits": float(spent / max(n, 1)), "share": float(spent / unit)}
        for kind, spent, n in zip((*CLASSES, "names"), total, count, strict=True)
    }


def by_position(arm: Arm, words: Words) -> list[float]:
    """(POSITIONS + 1,) mean bits of a word of letters by position in it; they sum to its cost."""
    bits = np.zeros(len(words.position))
    offsets = np.cumsum([0, *arm.units])
    for run in arm.runs:
        for document, offset in zip(run.token_bits, offsets[:-1], strict=True):
            starts, _, model, spelling = document.cells()
            bits[offset + starts] += (model + spelling)[:-1] / len(arm.runs)
    inside = words.position >= 0
    count = int((words.word_class <= ORDER.index("unseen")).sum())
    found = np.bincount(words.position[inside], weights=bits[inside], minlength=POSITIONS + 1)
    return (found / max(count, 1)).tolist()


def occurrences(documents: Sequence[Document], word: str) -> list[tuple[int, int, int]]:
    """(document, start, end) of a word in held-out documents, in any case, with a space before."""
    pattern = re.compile(rf" ?(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return [
        (number, match.start(), match.end())
        for number, document in enumerate(documents)
        for match in pattern.finditer(document.text)
    ]


def in_context(
    arms: Sequence[Arm], documents: Sequence[Document], word: str
) -> list[dict[str, Any]]:
    """What one word costs under each arm in its true context.

    Returns:
        One record per occurrence: ``document``, the text ``before`` and ``after``, ``bits`` by arm.
    """
    return [
        {
            "document": documents[number].name,
            "before": documents[number].text[max(0, start - CONTEXT) : start],
            "word": documents[number].text[start:end],
            "after": documents[number].text[end : end + CONTEXT],
            "bits": {arm.name: float(arm.per_character[number][start:end].sum()) for arm in arms},
        }
        for number, start, end in occurrences(documents, word)
    ]
