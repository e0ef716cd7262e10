"""Words drawn from a word-spelling model."""

from __future__ import annotations

from random import Random

import numpy as np

from textgen.tokenizers.choices import Choice, Choices, code_point
from textgen.tokenizers.words.recurrence import DocumentCounts
from textgen.tokenizers.words.spelling import Speller

LONGEST, LONGEST_NEW = 200, 30
"""Characters after which a word ends that is drawn as it is scored, and one that is to be new."""
TRIES, TRIES_SCORED = 20, 100
UNSEEN = "\ufffd"


def scored_word(
    speller: Speller, name: str, random: Random, earlier: DocumentCounts | None = None
) -> str:
    """A word of a class with exactly the probability that :meth:`Speller.bits` charges, among the
    words of known characters; with a memory of what came ``earlier``, if it is given. After
    TRIES_SCORED that lead to a character never seen, the last one ends before it."""
    word = ""
    for _ in range(TRIES_SCORED):
        word = ""
        while len(word) < LONGEST:
            options, chances = speller.following(word, name, earlier=earlier)
            (choice,) = random.choices(options, chances.tolist())
            if not choice:
                return word
            if choice == UNSEEN:
                break
            word += choice
    return word


def spelled(
    speller: Speller, name: str, earlier: DocumentCounts | None, known: str | None
) -> Choices:
    """A word of a class, one character after another and then its end, as it is charged; it is
    added to what came ``earlier``."""
    word = ""

    def chances() -> np.ndarray:
        return speller.following(word, name, earlier=earlier)[1]

    while True:
        letter = index = None
        if known is not None:
            letter = known[len(word) : len(word) + 1]
            # 0 is the end, 1 a character never seen
            index = max(speller.alphabet.find(letter) + 2, 1) if letter else 0
        chosen = yield Choice(chances, index)
        if not chosen:
            break
        word += (yield from code_point(letter)) if chosen == 1 else speller.alphabet[chosen - 2]
    if earlier is not None:
        speller.remember(word, name, earlier)
    return word


def picked_word(speller: Speller, name: str, random: Random, *, new: bool) -> str:
    """A training word of a class, as often as it occurred there, or, if it is to be ``new`` or
    there are none, a newly spelled one."""
    examples = speller.examples.get(name, {})
    if new or not examples:
        return new_word(speller, name, random)
    (word,) = random.choices(list(examples), list(examples.values()))
    return word


def new_word(speller: Speller, name: str, random: Random) -> str:
    """A new word of a class, spelled character by character, without white space. After TRIES that
    end in known words, or in none, the last one is given as it is."""
    for _ in range(TRIES):
        word = ""
        while len(word) < LONGEST_NEW:
            options, chances = speller.following(word, name, recall=False)
            weights = [
                0.0 if o == UNSEEN or o.isspace() or not (o or word) else p
                for o, p in zip(options, chances, strict=True)
            ]
            if not sum(weights):
                break
            (choice,) = random.choices(options, weights)
            if not choice:
                break
            word += choice
        if word and word not in speller.known:
            return word
    return word
