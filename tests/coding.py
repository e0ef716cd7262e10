"""A text through an arithmetic coder and back: what a claimed likelihood is worth.

The coder is driven by the model's probabilities for tokens and by the policy's for what a token
leaves open. One function walks through both directions, so encoder and decoder cannot disagree.
"""

from __future__ import annotations

import constriction
import numpy as np

from textgen.evaluation.mixture import Stepper
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE, EncodedDocument
from textgen.tokenizers.whitespace import CLASSES, WhitespaceTokenizer
from textgen.tokenizers.words.rare_words.classes import FittedClasses
from textgen.tokenizers.words.rare_words.drop import Dropped
from textgen.tokenizers.words.rare_words.neighbour import Substituted
from textgen.tokenizers.words.rare_words.unk import NAME
from textgen.tokenizers.words.recurrence import DocumentCounts
from textgen.tokenizers.words.tokenizer import WordTokenizer
from textgen.tokenizers.words.vocabulary import CAPITAL, FIRST_OWN, UPPER

CODE_POINTS = 0x110000


class Writing:
    """Encodes what it is told; ``bits`` is what that takes without rounding to whole words."""

    def __init__(self):
        self._coder = constriction.stream.queue.RangeEncoder()
        self.bits = 0.0

    def choose(self, probabilities, index):
        self.bits -= np.log2(probabilities[index] / np.sum(probabilities))
        self._coder.encode(
            index, constriction.stream.model.Categorical(probabilities, perfect=False)
        )
        return index

    def code_point(self, point):
        self.bits += np.log2(CODE_POINTS)
        self._coder.encode(point, constriction.stream.model.Uniform(CODE_POINTS))
        return point

    def words(self):
        return self._coder.get_compressed()


class Reading:
    """Decodes; what it is told is ignored."""

    def __init__(self, compressed):
        self._coder = constriction.stream.queue.RangeDecoder(compressed)

    def choose(self, probabilities, index):
        return self._coder.decode(
            constriction.stream.model.Categorical(probabilities, perfect=False)
        )

    def code_point(self, point):
        return self._coder.decode(constriction.stream.model.Uniform(CODE_POINTS))


def character(coder, known):
    return chr(coder.code_point(ord(known) if known else None))


def spelled(coder, speller, name, known, earlier):
    """One word of a class; ``known`` when encoding, None when decoding."""
    word = ""
    while True:
        options, probabilities = speller.following(word, name, earlier=earlier)
        index = None
        if known is not None:
            at = known[len(word) : len(word) + 1]
            index = speller.alphabet.find(at) + 2 if at else 0
            index = 1 if index < 2 and at else index
        index = coder.choose(probabilities, index)
        if index == 0:
            if earlier is not None:
                speller.remember(word, name, earlier)
            return word
        if index == 1:
            at = known[len(word)] if known is not None else None
            word += character(coder, at)
        else:
            word += options[index]


def surface(coder, tokenizer, token, known, earlier):
    """What a token leaves open, or None if it leaves nothing."""
    policy = getattr(tokenizer, "policy", None)
    if token == ESCAPE:
        return character(coder, known)
    if isinstance(tokenizer, WhitespaceTokenizer):
        return spelled(coder, tokenizer.spellers[token], CLASSES[token], known, earlier)
    if isinstance(policy, FittedClasses) and FIRST_OWN <= token < policy.first_word:
        name = policy.classes[token - FIRST_OWN]
        return spelled(coder, policy.speller, name, known, earlier)
    if isinstance(policy, Substituted) and token in policy._able:
        literal = policy._able[token]
        p = policy._chances[literal]
        index = None if known is None else int(known != literal)
        if coder.choose(np.array([1 - p, p]), index):
            return spelled(coder, policy.speller, literal, known, earlier)
        return literal
    return None


def gap(coder, policy, known, earlier):
    """The words dropped in one gap, ``known`` as a list of pieces when encoding."""
    found = []
    while True:
        more = None if known is None else int(len(found) < len(known))
        if not coder.choose(np.array([1 - policy.missing, policy.missing]), more):
            return found
        piece = None if known is None else known[len(found)]
        core = None if piece is None else piece.removeprefix(" ")
        spaced = None if piece is None else int(piece != core)
        spaced = coder.choose(np.array([1 - policy.spaced, policy.spaced]), spaced)
        found.append(" " * spaced + spelled(coder, policy.speller, NAME, core, earlier))


def walk(coder, tokenizer, stepper, encoded, gaps, memory):
    """All of a document, in the order in which a reader needs it."""
    tokens, surfaces, earlier = [], [], DocumentCounts() if memory else None
    known = None if encoded is None else [*encoded.tokens.tolist(), BOUNDARY]
    given = iter(()) if encoded is None else iter(encoded.surfaces)
    dropped = isinstance(getattr(tokenizer, "policy", None), Dropped)
    while True:
        if dropped:
            pieces = None if encoded is None else gaps[len(surfaces)]
            surfaces.append("".join(gap(coder, tokenizer.policy, pieces, earlier)))
        index = None if known is None else known[len(tokens)]
        token = coder.choose(stepper.probabilities(), index)
        stepper.append(token)
        if token == BOUNDARY:
            return tokens, surfaces
        tokens.append(token)
        if not dropped:
            opened = leaves_open(tokenizer, token, tokens[-2] if len(tokens) > 1 else BOUNDARY)
            at = next(given) if opened and encoded is not None else None
            if opened:
                surfaces.append(surface(coder, tokenizer, token, at, earlier))


def leaves_open(tokenizer, token, before):
    policy = getattr(tokenizer, "policy", None)
    if token == ESCAPE:
        return True
    if isinstance(tokenizer, WhitespaceTokenizer):
        return token in CLASSES
    if isinstance(policy, FittedClasses):
        return FIRST_OWN <= token < policy.first_word
    cased = before in (CAPITAL, UPPER)
    return isinstance(policy, Substituted) and token in policy._able and not cased


def dropped_tokens(tokenizer, text):
    """The pieces missing in each gap of a text that lost its rare words."""
    from textgen.tokenizers.words.pieces import pretokenize

    if not (isinstance(tokenizer, WordTokenizer) and isinstance(tokenizer.policy, Dropped)):
        return []
    gaps = [[]]
    for piece in pretokenize(text):
        parts = tokenizer.vocabulary.parts(piece)
        if parts is None:
            gaps[-1].append(piece)
        else:
            gaps += [[] for _ in range(len(parts[0]) + 1)]
    return gaps


def there_and_back(tokenizer, objective, network, text, memory=None):
    """(bits on the wire, those without rounding, decoded text) of ``text`` under a model, perhaps
    with a memory of it."""
    encoded = tokenizer.encode(text)
    writing = Writing()
    stepper = Stepper(objective, network, memory)
    walk(writing, tokenizer, stepper, encoded, dropped_tokens(tokenizer, text), memory)
    compressed = writing.words()
    stepper = Stepper(objective, network, memory)
    tokens, surfaces = walk(Reading(compressed), tokenizer, stepper, None, [], memory)
    again = EncodedDocument(np.array(tokens), tuple(surfaces), np.zeros(0), 0, 0, 0)
    return 32 * len(compressed), writing.bits, tokenizer.decode(again)
