"""Texts to compare with: human passages, shuffled words, words drawn one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from textgen.data import UNSPACED, WORD
from textgen.evaluation.metrics.base import Human, Sample

MARGIN = 40
"""Characters within which a word's start is looked for."""
SPACE = re.compile(r"\s+")


def human_passages(documents: Sequence[str], count: int, length: int, seed: int) -> list[Sample]:
    """Random passages of equal size that start where a word does, and do not overlap.

    There are fewer than asked for where the documents have no room for more. Documents that are
    shorter than a passage are taken whole, and only if there is nothing longer.

    Args:
        documents: raw text, held out of training.
        count: how many passages at most.
        length: characters in each.

    Raises:
        ValueError: no document has any text.
    """
    random = np.random.default_rng(seed)
    long = [d for d in documents if len(d) >= length] or [d for d in documents if d]
    if not long:
        raise ValueError("no documents to take passages from")
    slot = length + MARGIN
    places = []
    for document in long:
        fit = len(document) // slot
        offset = int(random.integers(0, len(document) - fit * slot + 1))
        places += [(document, offset + i * slot) for i in range(fit)]
    places = places or [(document, 0) for document in long]
    chosen = [places[i] for i in random.permutation(len(places))[:count]]
    return [Sample(_from_word_start(document, place, length)) for document, place in chosen]


def _from_word_start(document: str, place: int, length: int) -> str:
    """``length`` characters from the first word that starts at ``place`` or soon after."""
    latest = min(place + MARGIN, max(0, len(document) - length))
    if place > 0:
        found = SPACE.search(document, place - 1)
        if found and found.end() <= latest:
            place = found.end()
    return document[place : place + length]


def shuffled_text(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """The words of each sample in random order; what is between the words stays in place."""
    random = np.random.default_rng(seed)
    result = []
    for sample in samples:
        between = WORD.split(sample.text)
        words = WORD.findall(sample.text)
        mixed = [words[i] for i in random.permutation(len(words))]
        parts = [part for pair in zip(between, [*mixed, ""], strict=True) for part in pair]
        result.append(Sample("".join(parts)))
    return result


def unigram_text(human: Human, count: int, length: int, seed: int) -> list[Sample]:
    """Words drawn one by one by their frequency in the training text, spaces between them where the
    language has some."""
    random = np.random.default_rng(seed)
    words = list(human.counts)
    if not words:
        return [Sample("")] * count
    share = np.array(list(human.counts.values())) / human.counts.total()
    between = "" if human.language in UNSPACED else " "
    result = []
    for _ in range(count):
        text = ""
        while len(text) < length:
            drawn = random.choice(len(words), size=length // 5 + 1, p=share)
            text += between.join([*(words[i] for i in drawn), ""])
        result.append(Sample(text[:length]))
    return result
