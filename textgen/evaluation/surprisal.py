"""The surprisal of words: the same events under models of characters, subwords and words.

A word is a stretch between white space (:data:`textgen.tokenizers.borders.WHITE`), a border is
white space or the end of the text. Behind a text u that ends with a word, or at the beginning:

    gap_bits  = −log2 P(exactly the white space g, and then a word | u, and then a border)
    word_bits = −log2 P(the word w, and then a border | u g, and then a word)

A model of words writes most words with the space before them and their end in one token, a model of
characters pays for the end in the next space; by these events each pays for it in the word itself
(Pimentel & Meister 2024, arXiv:2406.14561; Oh & Schuler 2024, arXiv:2406.10851). With P(t) the
probability of the tokens of a text t, and of what they hide, whatever comes behind them, and B and
W those of a border and of g and a word, sums over the openings that
:class:`textgen.tokenizers.borders.Borders` gives:

    P(g, and then a word | border)  = P(u) W(u, g) / (P(u) B(u))
    P(w, and then a border | …)     = P(u g w) B(u g w) / (P(u) W(u, g))

So the bits of all gaps and words are those of the text up to its last word and the border there. At
the beginning of a text B is 1. The probabilities of all words behind u g sum to one, but for what
the model leaves to tokens that no text has: words and subwords are read on their canonical tokens,
and the bits of a text are an upper bound.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Literal, NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.progress import Moved, ignore, raise_if_cancelled
from textgen.core.settings import PartName
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.passes import Path
from textgen.evaluation.predictions import Predicted, Predictions, Sum, Weights
from textgen.evaluation.scores import DocumentBits
from textgen.ngrams.pitman_yor import MIN_PROBABILITY
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.borders import WHITE, Borders, Openings
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.steps import Choice, Chosen, Word, follow, take_known
from textgen.tokenizers.word_cache import DocumentCounts

WORD = re.compile(f"[^{WHITE}]+")


class WordBits(NamedTuple):
    """What a word costs under one distribution.

    Attributes:
        gap: bits of the white space before it, see above.
        word: bits of the word.
        spelling: of these, those of spelling what a token hides.
        entropy: in bits, of the next token before the word; None if it was not asked for.
    """

    gap: float
    word: float
    spelling: float
    entropy: float | None


class Position(NamedTuple):
    """Where a word stands among the tokens of a text.

    In ``"the cat\\n sat"``, of the tokens ``the``, ``␣cat``, ``\\n`` and ``␣sat``, the word ``sat``
    has the gap ``"\\n "`` and the lead ``" "``. Two tokens come before its gap, three before its
    own, four before the border behind it.

    Attributes:
        gap, lead: the white space before it; and what of this belongs to the word's first token.
        border: how many tokens come before the gap.
        opens: how many come before its openings, see :class:`textgen.tokenizers.borders.Borders`.
        first: how many come before the word's own tokens.
        end: how many come before the border behind it.
    """

    gap: str
    lead: str
    border: int
    opens: int
    first: int
    end: int


class Answers(NamedTuple):
    """What one part of a model says at places of a text, by how many tokens come before.

    Attributes:
        border: log2 of the chance of a border. A text begins behind one.
        word: log2 of the chance of the white space there and then a word.
        entropy: of the next token, in bits.
    """

    border: dict[int, float]
    word: dict[int, float]
    entropy: dict[int, float]


def find_words(text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end."""
    return [match.span() for match in WORD.finditer(text)]


def word_bits(
    model: LanguageModel,
    text: str,
    start: int = 0,
    *,
    entropy: bool = True,
    moved: Moved = ignore,
) -> dict[PartName, list[WordBits]]:
    """Part of the model → the bits of every word, read behind all that stands before it.

    ``with_cache`` is left out where the network goes on learning: a word that it might have read
    instead would have taught it something else.

    Args:
        model: whose objective predicts the next token.
        text: a document.
        start: the first words, up to here, are read and not charged.
        entropy: whether the next token's is wanted, too, which takes longer.
        moved: called with how many tokens are read, and how many there are.

    Raises:
        TextgenError: a token holds white space and a word behind it.
        ValueError: it is not known where the tokenizer's words end; says of what tokenizer.
    """
    if model.cache and model.cache.dynamic:
        model = replace(model, cache=None)
    encoded = model.tokenizer.encode(text)
    positions = _positions(model.tokenizer, encoded, text, start)
    scores = model.score([Document("text", text)], encoded=[encoded])
    found = answers(model, encoded, positions, entropy, moved)
    words = dict[PartName, list[WordBits]]()
    for part in model.parts:
        (bits,) = scores[part]  # of the one document
        words[part] = _bits_of_words(found[part], encoded, positions, bits)
    return words


def answers(
    model: LanguageModel,
    encoded: EncodedDocument,
    positions: Sequence[Position],
    entropy: bool,
    moved: Moved = ignore,
) -> dict[PartName, Answers]:
    """Part of the model → what it says where words stand.

    Args:
        model: without a network that goes on learning.
        encoded: the text.
        positions: of its words.
        entropy, moved: as for :func:`word_bits`.
    """
    questions = _Questions(model, encoded, positions)
    predictions = Predictions(model, encoded.tokens)
    found = {part: Answers(border={0: 0.0}, word={}, entropy={}) for part in model.parts}
    first_tokens = {p.first for p in positions}
    end = len(encoded.tokens) + 1  # of the places
    for start in range(0, end, predictions.window):
        raise_if_cancelled()
        moved(start, end)
        places = range(start, min(start + predictions.window, end))
        without_cache = questions.without_cache(places)
        with_cache = questions.with_cache(places) if model.cache else []
        sums = _sums_of([*without_cache, *with_cache])
        entropies = [place for place in places if place in first_tokens] if entropy else []
        for part, predicted in predictions.read(places, sums, entropies).items():
            _answer(with_cache if part == "with_cache" else without_cache, predicted, found[part])
    return found


def _positions(
    tokenizer: Tokenizer, encoded: EncodedDocument, text: str, start: int
) -> list[Position]:
    """Where the words stand that begin behind the first ``start`` characters."""
    borders = tokenizer.borders()
    border_openings = borders.border()
    word_openings = cache(borders.word)
    index = _TokenIndex(encoded)
    tokens = [*encoded.tokens.tolist(), BOUNDARY]
    positions = list[Position]()
    last = 0  # where the word before ends
    for begin, end in find_words(text):
        if begin >= start:
            token = index.token_of(begin)
            token_begin = index.begins[token]
            first = index.first_beginning_with(token)
            border = index.tokens_before(last)
            opens = border if borders.word_holds_gap else first
            after = index.tokens_before(end)
            gap = text[last:begin]
            lead = text[token_begin:begin]
            aligned = token_begin >= last and encoded.ends[after - 1] == end
            opened = aligned and _any_opening_at(word_openings(gap, lead), tokens, opens)
            if not (opened and _any_opening_at(border_openings, tokens, after)):
                message = f"{text[last:end]!r}: a token holds white space and other characters"
                raise TextgenError(message, "replace unusual white space or marks there")
            positions.append(Position(gap, lead, border, opens, first, after))
        last = end
    return positions


class _TokenIndex:
    """Which tokens of a document stand at which of its characters.

    Attributes:
        begins: (n,) integers, where the text of each token begins, in characters.
    """

    def __init__(self, encoded: EncodedDocument) -> None:
        self._ends = encoded.ends
        self._starts = encoded.starts
        if encoded.starts is None:
            self.begins = np.concatenate([[0], encoded.ends[:-1]])
        else:
            self.begins = encoded.starts

    def token_of(self, character: int) -> int:
        """The number of the token whose text holds a character."""
        return int(self._ends.searchsorted(character, side="right"))

    def tokens_before(self, character: int) -> int:
        """How many tokens come before the text from a character on."""
        if self._starts is None:  # all bytes of a character end with it
            return int(self._ends.searchsorted(character, side="right"))
        # a token without text of its own begins where the next one does
        return int(self._starts.searchsorted(character))

    def first_beginning_with(self, token: int) -> int:
        """The first of the tokens that begin where this one does, such as its case modifier."""
        if self._starts is None:
            return token
        return int(self._starts.searchsorted(self.begins[token]))


def _any_opening_at(openings: Openings, tokens: Sequence[int], place: int) -> bool:
    """Whether one of some openings comes at a place among tokens."""
    for first, weights in openings:
        behind = place + len(first)
        if tuple(tokens[place:behind]) == first and weights[tokens[behind]] > 0:
            return True
    return False


def _bits_of_words(
    found: Answers, encoded: EncodedDocument, positions: Sequence[Position], bits: DocumentBits
) -> list[WordBits]:
    """Of one part, from the bits of the text's tokens."""
    border, word, entropy = found
    spelling = np.zeros(len(encoded.tokens) + 1)
    np.add.at(spelling, encoded.places, bits.surface_bits)
    spelled = np.concatenate([[0.0], np.cumsum(spelling)])
    cost = spelled + np.concatenate([[0.0], np.cumsum(bits.model_bits, dtype=np.float64)])
    return [
        WordBits(
            gap=float(cost[p.opens] - cost[p.border]) - word[p.opens] + border[p.border],
            word=float(cost[p.end] - cost[p.opens]) - border[p.end] + word[p.opens],
            spelling=float(spelled[p.end] - spelled[p.first]),
            entropy=entropy.get(p.first),
        )
        for p in positions
    ]


class _Factor(NamedTuple):
    """Σ weight · P over all tokens that may come behind some that come first at a place."""

    first: tuple[int, ...]
    weights: Weights


# The chance that something comes, as a sum of products: of each opening, the sum of its weights
# behind its first tokens, and the chance of each of these.
Chance = Sequence[Sequence[_Factor]]


class _Question(NamedTuple):
    """The chance of what may come at a place.

    Attributes:
        place: in tokens before it.
        event: what may come.
        products: the sums there whose products are added.
    """

    place: int
    event: Literal["border", "word"]
    products: Sequence[Sequence[Sum]]

    def log_chance(self, sums: Mapping[Sum, float]) -> float:
        """log2 of the chance, by one part's sums."""
        chance = 0.0
        for product in self.products:
            chance += math.prod(sums[each] for each in product)
        return float(np.log2(max(chance, MIN_PROBABILITY)))


class _Events:
    """What a text may go on with.

    Args:
        borders: these change with what a cache remembers, if there is one.
        only: token → weights by which it alone counts.
    """

    def __init__(self, borders: Borders, only: Callable[[int], Weights]) -> None:
        self._borders = borders
        self._only = only
        self.changed()

    def changed(self) -> None:
        """A word was spelled."""
        self.border = self._chance(self._borders.border())
        self._words = dict[tuple[str, str], Chance]()  # by gap and lead

    def word(self, gap: str, lead: str) -> Chance:
        """That of a word behind white space, as :meth:`Borders.word` has it."""
        if (gap, lead) not in self._words:
            self._words[gap, lead] = self._chance(self._borders.word(gap, lead))
        return self._words[gap, lead]

    def _chance(self, openings: Openings) -> Chance:
        products = list[list[_Factor]]()
        for first, weights in openings:
            product = [_Factor(first, Weights(weights))]
            for length, token in enumerate(first):
                product.append(_Factor(first[:length], self._only(token)))
            products.append(product)
        return products


class _Questions:
    """What is asked at the places of a text: the chance of a border before and behind words, and
    that of the white space and a word where a word's openings are.

    Args:
        model: whose tokenizer says how borders and words open.
        encoded: the text.
        positions: of its words.
    """

    def __init__(
        self, model: LanguageModel, encoded: EncodedDocument, positions: Sequence[Position]
    ) -> None:
        before_words = {p.border for p in positions if p.border > 0}  # a text begins behind one
        behind_words = {p.end for p in positions}
        self._border_places = before_words | behind_words
        self._gaps = {p.opens: (p.gap, p.lead) for p in positions}
        self._size = model.tokenizer.size
        only = cache(self._only_token)
        self._events = _Events(model.tokenizer.borders(), only)
        if model.cache:
            self._earlier = DocumentCounts()
            self._events_with_cache = _Events(model.tokenizer.borders(self._earlier), only)
            self._spelled = _spelled_words(model.tokenizer, encoded)

    def _only_token(self, token: int) -> Weights:
        values = np.zeros(self._size)
        values[token] = 1.0
        return Weights(values)

    def without_cache(self, places: range) -> list[_Question]:
        """Those at the places of a window, where what was spelled is not remembered."""
        return [question for place in places for question in self._asked(self._events, place)]

    def with_cache(self, places: range) -> list[_Question]:
        """The same where it is remembered; of windows, one after another."""
        questions = list[_Question]()
        for place in places:
            words = self._spelled.get(place, [])
            for word in words:  # what is spelled is remembered
                letters = word.speller.choices(word.class_name, word.known, self._earlier)
                follow(letters, take_known)
            if words:
                self._events_with_cache.changed()
            questions += self._asked(self._events_with_cache, place)
        return questions

    def _asked(self, events: _Events, place: int) -> list[_Question]:
        """What is asked at a place."""
        questions = list[_Question]()
        if place in self._border_places:
            questions.append(_Question(place, "border", _at(place, events.border)))
        if place in self._gaps:
            gap, lead = self._gaps[place]
            questions.append(_Question(place, "word", _at(place, events.word(gap, lead))))
        return questions


def _at(place: int, chance: Chance) -> list[list[Sum]]:
    return [[Sum(Path(place, first), weights) for first, weights in product] for product in chance]


def _sums_of(questions: Iterable[_Question]) -> list[Sum]:
    """The sums that some questions consist of, each once."""
    sums = dict[Sum, None]()  # a set that keeps their order
    for question in questions:
        for product in question.products:
            for each in product:
                sums[each] = None
    return list(sums)


def _answer(questions: Iterable[_Question], predicted: Predicted, answers: Answers) -> None:
    """Add what one part of a model says in a window to its answers."""
    for question in questions:
        log_chance = question.log_chance(predicted.sums)
        if question.event == "border":
            answers.border[question.place] = log_chance
        else:
            answers.word[question.place] = log_chance
    answers.entropy.update(predicted.entropies)


def _spelled_words(tokenizer: Tokenizer, encoded: EncodedDocument) -> dict[int, list[Word]]:
    """The words of a document that a spelling model spells, by how many tokens come before what
    follows them."""
    tokens = encoded.tokens.tolist()
    found = dict[int, list[Word]]()
    for place, surface in zip(encoded.places.tolist(), encoded.surfaces, strict=True):
        words = list[Word]()
        steps_of = tokenizer.steps_at(tokens, place)
        assert steps_of, "a surface form stands where something is left open"
        follow(steps_of(surface), partial(_note_word, words))
        found[place + 1] = words
    return found


def _note_word(words: list[Word], step: Choice | Word) -> Chosen:
    """What a known document chooses; a word is added to those that were spelled."""
    if isinstance(step, Choice):
        return take_known(step)
    words.append(step)
    assert step.known is not None
    return step.known
