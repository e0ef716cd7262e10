"""A text through an arithmetic coder and back: what a claimed likelihood is worth.

The coder is driven by the model's probabilities for symbols and by the policy's for what a symbol
leaves open. One function walks through both directions, so encoder and decoder cannot disagree.
"""

from __future__ import annotations

import constriction
import numpy as np

from textgen.evaluation.likelihood import Stepper
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE, Encoded
from textgen.tokenizers.words.rare_words.drop import Dropped
from textgen.tokenizers.words.rare_words.neighbour import Substituted
from textgen.tokenizers.words.rare_words.placeholders import Placeholders
from textgen.tokenizers.words.rare_words.unk import NAME
from textgen.tokenizers.words.spelling import Earlier
from textgen.tokenizers.words.tokenizer import WordCodec
from textgen.tokenizers.words.vocabulary import CAPITAL, FIRST_OWN, UPPER

CODE_POINTS = 0x110000


class Writing:
    """Encodes what it is told."""

    def __init__(self):
        self._coder = constriction.stream.queue.RangeEncoder()

    def choose(self, probabilities, index):
        self._coder.encode(
            index, constriction.stream.model.Categorical(probabilities, perfect=False)
        )
        return index

    def code_point(self, point):
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
            speller.remember(word, name, earlier)
            return word
        if index == 1:
            at = known[len(word)] if known is not None else None
            word += character(coder, at)
        else:
            word += options[index]


def surface(coder, codec, symbol, known, earlier):
    """What a symbol leaves open, or None if it leaves nothing."""
    replacer = getattr(codec, "replacer", None)
    if symbol == ESCAPE:
        return character(coder, known)
    if isinstance(replacer, Placeholders) and FIRST_OWN <= symbol < replacer.first_word:
        name = replacer.classes[symbol - FIRST_OWN]
        return spelled(coder, replacer.speller, name, known, earlier)
    if isinstance(replacer, Substituted) and symbol in replacer._able:
        literal = replacer._able[symbol]
        p = replacer._chances[literal]
        index = None if known is None else int(known != literal)
        if coder.choose(np.array([1 - p, p]), index):
            return spelled(coder, replacer.speller, literal, known, earlier)
        return literal
    return None


def gap(coder, replacer, known, earlier):
    """The words dropped in one gap, ``known`` as a list of tokens when encoding."""
    found = []
    while True:
        more = None if known is None else int(len(found) < len(known))
        if not coder.choose(np.array([1 - replacer.missing, replacer.missing]), more):
            return found
        token = None if known is None else known[len(found)]
        core = None if token is None else token.removeprefix(" ")
        spaced = None if token is None else int(token != core)
        spaced = coder.choose(np.array([1 - replacer.spaced, replacer.spaced]), spaced)
        found.append(" " * spaced + spelled(coder, replacer.speller, NAME, core, earlier))


def walk(coder, codec, stepper, encoded, gaps):
    """All of a document, in the order in which a reader needs it."""
    symbols, surfaces, earlier = [], [], Earlier()
    known = None if encoded is None else [*encoded.symbols.tolist(), BOUNDARY]
    given = iter(()) if encoded is None else iter(encoded.surfaces)
    dropped = isinstance(getattr(codec, "replacer", None), Dropped)
    while True:
        if dropped:
            tokens = None if encoded is None else gaps[len(surfaces)]
            surfaces.append("".join(gap(coder, codec.replacer, tokens, earlier)))
        index = None if known is None else known[len(symbols)]
        symbol = coder.choose(stepper.probabilities(), index)
        stepper.append(symbol)
        if symbol == BOUNDARY:
            return symbols, surfaces
        symbols.append(symbol)
        if not dropped:
            opened = leaves_open(codec, symbol, symbols[-2] if len(symbols) > 1 else BOUNDARY)
            at = next(given) if opened and encoded is not None else None
            if opened:
                surfaces.append(surface(coder, codec, symbol, at, earlier))


def leaves_open(codec, symbol, before):
    replacer = getattr(codec, "replacer", None)
    if symbol == ESCAPE:
        return True
    if isinstance(replacer, Placeholders):
        return FIRST_OWN <= symbol < replacer.first_word
    cased = before in (CAPITAL, UPPER)
    return isinstance(replacer, Substituted) and symbol in replacer._able and not cased


def dropped_tokens(codec, text):
    """The tokens missing in each gap of a text that lost its rare words."""
    from textgen.tokenizers.words.tokenizer import tokenise

    if not (isinstance(codec, WordCodec) and isinstance(codec.replacer, Dropped)):
        return []
    gaps = [[]]
    for token in tokenise(text):
        parts = codec.vocabulary.parts(token)
        if parts is None:
            gaps[-1].append(token)
        else:
            gaps += [[] for _ in range(len(parts[0]) + 1)]
    return gaps


def there_and_back(codec, objective, network, backbone, text, cache=None):
    """(bits on the wire, decoded text) of ``text`` under a model, perhaps with a cache of it."""
    encoded = codec.encode(text)
    writing = Writing()
    stepper = Stepper(objective, network, backbone, cache)
    walk(writing, codec, stepper, encoded, dropped_tokens(codec, text))
    compressed = writing.words()
    stepper = Stepper(objective, network, backbone, cache)
    symbols, surfaces = walk(Reading(compressed), codec, stepper, None, [])
    again = Encoded(np.array(symbols), tuple(surfaces), np.zeros(0), 0, 0, 0)
    return 32 * len(compressed), codec.decode(again)
