"""Where in the held-out text an arm's bits are paid: kinds of words, places in a word, one word.

The words are the same for all arms, whatever their tokens: a token is what the word tokenizer cuts
out, its leading space included, and costs what its characters cost. A token of several characters
is charged to them in equal parts, except where places in a word are told apart: there a token's
bits stand where it begins, since that is where the choice is made.
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
KINDS = {
    "frequent": f"words seen {FREQUENT} times or more in the training text",
    "common": f"words seen {COMMON} to {FREQUENT - 1} times",
    "rare": f"words seen 2 to {COMMON - 1} times",
    "once": "words seen once",
    "unseen": "words never seen",
    "punctuation": "punctuation and other signs",
    "numbers": "numbers",
    "space": "line ends and spaces that belong to no word",
    "end": "end marks of documents",
}
"""Every character of the text is in one of these."""
ORDER = list(KINDS)
FIRST_PERSON = re.compile(r"I(?:['’]|$)")
NAMES = "names: capitalised words inside a sentence but for I; also counted above"
PLACES = 10
"""Letters of a word that are told apart; the last stands for all further ones."""
CONTEXT = 60


@dataclass(frozen=True)
class Tokens:
    """The words of the held-out documents, one after another.

    Attributes:
        start, end: (n,) int64, in all documents laid end to end, an end mark behind each.
        kind: (n,) int64, place in :data:`KINDS`.
        name: (n,) bool, a capitalised word inside a sentence.
        place: (characters + end marks,) int64, where in a word of letters a character stands: 0 the
            leading space, 1 the first letter …; −1 in no word.
    """

    start: np.ndarray
    end: np.ndarray
    kind: np.ndarray
    name: np.ndarray
    place: np.ndarray


def cut_tokens(documents: Sequence[Document], training: Sequence[Document]) -> Tokens:
    """The tokens of held-out documents, and how frequent each is in the training documents.

    A token is looked up as it stands, capitals included, without its leading space.
    """
    counts: Counter[str] = Counter()
    for document in training:
        counts.update(split_space(token)[1] for token in pretokenize(document.text))
    rows, places, at = list[tuple[int, int, int, bool]](), list[int](), 0
    for document in documents:
        begin = at
        for token in pretokenize(document.text):
            core = split_space(token)[1]
            kind = _kind(core, counts[core])
            spaced = len(token) - len(core)
            before = document.text[max(0, at - begin - 40) : at - begin + spaced]
            name = core[:1].isupper() and not (
                FIRST_PERSON.match(core) or SENTENCE_END.search(before)
            )
            rows.append((at, at + len(token), kind, name))
            word = kind <= ORDER.index("unseen")
            places += range(1 - spaced, 1 + len(core)) if word else [-1] * len(token)
            at += len(token)
        places.append(-1)
        at += 1
    start, end, kinds, names = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Tokens(start, end, kinds, names.astype(bool), np.array(places).clip(max=PLACES))


def _kind(core: str, count: int) -> int:
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


def token_bits(arm: Arm, tokens: Tokens) -> np.ndarray:
    """(n,) float64: what each token costs, mean over seeds."""
    told = np.concatenate([[0.0], np.cumsum(np.concatenate(arm.per_character))])
    return told[tokens.end] - told[tokens.start]


def by_kind(arm: Arm, tokens: Tokens) -> dict[str, dict[str, float]]:
    """What an arm pays for each kind of word.

    Returns:
        For each of :data:`KINDS` and for ``"names"``: ``tokens`` counted, ``bits`` for one of them,
        and ``share``: bits per character of the whole text that go there. The shares of
        :data:`KINDS` add up to the arm's bits per character.
    """
    paid = token_bits(arm, tokens)
    total = np.bincount(tokens.kind, weights=paid, minlength=len(KINDS))
    count = np.bincount(tokens.kind, minlength=len(KINDS))
    total[-1] = sum(float(each[-1]) for each in arm.per_character)
    count[-1] = len(arm.units)
    total = np.append(total, paid[tokens.name].sum())
    count = np.append(count, tokens.name.sum())
    unit = int(arm.units.sum())
    return {
        kind: {"tokens": int(n), "bits": float(bits / max(n, 1)), "share": float(bits / unit)}
        for kind, bits, n in zip((*KINDS, "names"), total, count, strict=True)
    }


def by_place(arm: Arm, tokens: Tokens) -> list[float]:
    """Bits of a word of letters by place in it: (PLACES + 1,). Their sum is what a word costs."""
    bits = np.zeros(len(tokens.place))
    offsets = np.cumsum([0, *arm.units])
    for run in arm.runs:
        for document, offset in zip(run.token_bits, offsets[:-1], strict=True):
            starts, _, model, spelling = document.cells()
            bits[offset + starts] += (model + spelling)[:-1] / len(arm.runs)
    inside = tokens.place >= 0
    words = int((tokens.kind <= ORDER.index("unseen")).sum())
    found = np.bincount(tokens.place[inside], weights=bits[inside], minlength=PLACES + 1)
    return (found / max(words, 1)).tolist()


def occurrences(documents: Sequence[Document], word: str) -> list[tuple[int, int, int]]:
    """Where a word stands in held-out documents, in any case: (document, start, end); a space
    before it counts as its own."""
    pattern = re.compile(rf" ?(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    return [
        (number, match.start(), match.end())
        for number, document in enumerate(documents)
        for match in pattern.finditer(document.text)
    ]


def word_line(
    arms: Sequence[Arm], documents: Sequence[Document], word: str
) -> list[dict[str, Any]]:
    """What each arm pays for one word in its true context, the article's "pandemonium".

    Returns:
        One record an occurrence: ``document``, the text ``before`` and ``after``, ``bits`` by arm.
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
