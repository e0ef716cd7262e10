"""The bits of the held-out text broken down by word class, by position in a word, for one word.

The words are the same for all arms, whatever their tokens: a word is what the word tokenizer cuts
out, its leading space included, and costs what its characters cost. The bits of a token of several
characters are divided equally among them, except by position in a word: there they count where the
token begins, since that is where the choice is made.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup, escape

from textgen.data.documents import Document
from textgen.report.arms import Arm
from textgen.tokenizers.words.filling import SENTENCE_END
from textgen.tokenizers.words.pieces import pretokenize, split_space

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


EDGES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0)
"""Bits per character at which the next colour begins."""


MOST, OPENING = 12, 500
"""Documents whose beginnings can be looked at, and characters of each."""


class Piece(NamedTuple):
    """A stretch of a sample.

    Attributes:
        text: of the stretch.
        token: the placeholder that it fills in, if any.
        copied: whether it is part of a long stretch copied from the training text.
    """

    text: str
    token: str
    copied: bool


def passage(
    documents: Sequence[Document], arms: Sequence[Arm], word: str, length: int = 1200
) -> dict[str, Any]:
    """A held-out passage around a word, or else from the middle of a document of median length,
    with each arm's stretches of it: [start, end, model bits, spelling bits], first seed."""
    places = occurrences(documents, word) if word else []
    if places:
        number, middle = places[0][0], places[0][1]
    else:
        number = int(np.argsort([len(d.text) for d in documents])[len(documents) // 2])
        middle = len(documents[number].text) // 2
    text = documents[number].text
    start = max(0, min(middle - length // 2, len(text) - length))
    paragraph = text.rfind("\n\n", max(0, start - length // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    end = min(len(text), start + length)
    end = max(text.rfind(" ", start, end), start + length // 2) if end < len(text) else end
    return {
        "document": documents[number].name,
        "start": start,
        "text": text[start:end],
        "arms": {arm.name: _stretches(arm, number, start, end) for arm in arms},
    }


def passages(documents: Sequence[Document], arms: Sequence[Arm]) -> list[dict[str, Any]]:
    """The beginnings of up to :data:`MOST` held-out documents, as :func:`passage` has one."""
    found = list[dict[str, Any]]()
    for number, document in enumerate(documents[:MOST] if arms else ()):
        end = min(OPENING, len(document.text))
        if end < len(document.text):
            end = document.text.rfind(" ", OPENING // 2, end) + 1 or end
        spans = {arm.name: _stretches(arm, number, 0, end) for arm in arms}
        found.append(
            {"document": document.name, "start": 0, "text": document.text[:end], "arms": spans}
        )
    return [each for each in found if each["text"]]


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[list[float]]:
    cells = zip(*arm.first.token_bits[number].cells(), strict=False)  # without the end mark
    return [
        [max(0, int(a) - start), min(end, int(b)) - start, round(float(m), 3), round(float(s), 3)]
        for a, b, m, s in cells
        if b > start and a < end
    ]


def coloured(text: str, stretches: Sequence[Sequence[float]]) -> Markup:
    """A passage with every stretch in an element that carries its colour and its bits.

    Args:
        text: the passage.
        stretches: start, end, model bits and spelling bits of each, in order.
    """
    parts, done = list[str](), 0
    for first, last, model, spelling in stretches:
        start, end, length = max(done, int(first)), int(last), int(last) - int(first)
        if end <= start:
            continue
        parts.append(str(escape(text[done:start])))
        classes = f"h{heat(model + spelling, length)}"
        classes += " n" if text[start:end].strip("\n") == "" else ""
        parts.append(
            f'<i class="{classes}" data-b="{model:.2f} {spelling:.2f} {length}">'
            f"{escape(text[start:end])}</i>"
        )
        done = end
    return Markup("".join([*parts, str(escape(text[done:]))]))


def heat(bits: float, characters: int) -> int:
    """Number of the colour of a stretch."""
    return bisect_right(EDGES, bits / max(1, characters))


def legend() -> list[str]:
    """What each colour stands for, in bits per character."""
    names = [f"{low:g}–{high:g}" for low, high in zip((0.0, *EDGES), EDGES, strict=False)]
    return [*names, f"{EDGES[-1]:g} and more"]


def mean_bits(stretches: Sequence[Sequence[float]]) -> float:
    """Bits per character of a passage."""
    characters = sum(end - start for start, end, _, _ in stretches)
    return sum(model + spelling for _, _, model, spelling in stretches) / max(1, characters)


def pieces(sample: Mapping[str, Any]) -> Iterator[Piece]:
    """A sample in stretches that are filled in, copied, both or neither."""
    text = sample["text"]
    filled = [(int(a), int(b), str(token)) for a, b, token in sample["filled"]]
    copied = [(int(a), int(b)) for a, b in sample["copied"]]
    ends = {0, len(text), *(place for span in filled + copied for place in span[:2])}
    for start, end in pairwise(sorted(place for place in ends if 0 <= place <= len(text))):
        token = next((s for a, b, s in filled if a <= start and end <= b), "")
        yield Piece(text[start:end], token, any(a <= start and end <= b for a, b in copied))
