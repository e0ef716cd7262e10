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

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import NamedTuple

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.progress import Moved, ignore, raise_if_cancelled
from textgen.core.settings import PartName
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.evaluation.counts import CacheState
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.passes import PLACES_AT_ONCE, Path, TextReader
from textgen.evaluation.scores import DocumentBits
from textgen.ngrams.pitman_yor import MIN_PROBABILITY
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.borders import WHITE, Openings
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
    return {
        part: _bits_of_words(found[part], encoded, positions, *scores[part]) for part in model.parts
    }


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
    return _Pass(model, encoded, positions, entropy).answers(moved)


def _positions(
    tokenizer: Tokenizer, encoded: EncodedDocument, text: str, start: int
) -> list[Position]:
    """Where the words stand that end behind the first ``start`` characters."""
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
            opened = aligned and _come(word_openings(gap, lead), tokens, opens)
            if not (opened and _come(border_openings, tokens, after)):
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


def _come(openings: Openings, tokens: Sequence[int], place: int) -> bool:
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


class _Events:
    """What a text may go on with, by what was spelled in it so far if a cache remembers that."""

    def __init__(self, tokenizer: Tokenizer, earlier: DocumentCounts | None = None) -> None:
        self._borders = tokenizer.borders(earlier)
        self.changed()

    def changed(self) -> None:
        """A word was spelled."""
        self.border = self._borders.border()
        self.word = cache(self._borders.word)


# Where probabilities are weighted and summed: a path, and the identity of the weights (V,), which
# whatever is wanted in a window holds as long as its sums are read.
Sums = dict[tuple[Path, int], float]


class _Pass:
    """One pass over a text, under all parts of a model: the network reads it once.

    Openings are sums over tokens, Σ weight · P. Those of the network are taken of its predictions;
    what counts and a cache make of a sum follows from that, without their P of every token.
    """

    def __init__(
        self,
        model: LanguageModel,
        encoded: EncodedDocument,
        positions: Sequence[Position],
        entropy: bool,
    ) -> None:
        self._model = model
        self._tokens = encoded.tokens.astype(np.int64)
        self._behind = {place for p in positions for place in (p.border, p.end)} - {0}
        self._gaps = {p.opens: (p.gap, p.lead) for p in positions}
        self._firsts = {p.first for p in positions} if entropy else set[int]()
        self._answers = {part: Answers({0: 0.0}, {}, {}) for part in model.parts}
        self._single = cache(self._single_token)
        self._events = _Events(model.tokenizer)
        self._window = PLACES_AT_ONCE[-1]
        if model.network is not None:
            self._reader = TextReader(model.objective, model.network, len(encoded.tokens))
            self._window = self._reader.window
        if model.counts:
            self._contexts = model.counts.contexts(self._tokens)
        if model.cache:
            self._cache = CacheState(model.cache)
            self._earlier = DocumentCounts()
            self._remembering = _Events(model.tokenizer, self._earlier)
            self._spelled = _spelled_words(model.tokenizer, encoded)

    def answers(self, moved: Moved) -> dict[PartName, Answers]:
        """Part of the model → what it says at all places."""
        end = len(self._tokens) + 1  # of the places
        for start in range(0, end, self._window):
            raise_if_cancelled()
            moved(start, end)
            self._answer(range(start, min(start + self._window, end)))
        return self._answers

    def _single_token(self, token: int) -> np.ndarray:
        """Weights (V,) by which only one token counts."""
        weights = np.zeros(self._model.tokenizer.size)
        weights[token] = 1.0
        return weights

    def _answer(self, places: range) -> None:
        """What is asked at the places of a window."""
        plain = {place: self._asked(self._events, place) for place in places}
        remembered = dict[int, tuple[Openings, Openings]]()
        if self._model.cache:
            for place in places:
                if words := self._spelled.get(place):
                    for each in words:  # what is spelled is remembered
                        letters = each.speller.choices(each.class_name, each.known, self._earlier)
                        follow(letters, take_known)
                    self._remembering.changed()
                remembered[place] = self._asked(self._remembering, place)
        wanted = defaultdict[Path, dict[int, np.ndarray]](dict)
        for asked in (plain, remembered):
            for place, (border, word) in asked.items():
                self._want(wanted, border, place)
                self._want(wanted, word, place)
        for place in self._firsts.intersection(places):
            wanted.setdefault(Path(place), {})
        sums = self._sums(places, wanted)
        for part, found in self._answers.items():
            asked = remembered if part == "with_cache" else plain
            for place, (border, word) in asked.items():
                if border:
                    found.border[place] = self._log_chance(border, place, sums[part])
                if word:
                    found.word[place] = self._log_chance(word, place, sums[part])

    def _asked(self, events: _Events, place: int) -> tuple[Openings, Openings]:
        """The openings of a border and of a word that are asked for at a place, or none."""
        border = events.border if place in self._behind else ()
        word = events.word(*self._gaps[place]) if place in self._gaps else ()
        return border, word

    def _want(
        self, wanted: dict[Path, dict[int, np.ndarray]], openings: Openings, place: int
    ) -> None:
        """Add the sums that openings at a place consist of: of the tokens that come first, each by
        itself, and of the weights behind them."""
        for first, weights in openings:
            for length, token in enumerate(first):
                single = self._single(token)
                wanted[Path(place, first[:length])][id(single)] = single
            wanted[Path(place, first)][id(weights)] = weights

    def _log_chance(self, openings: Openings, place: int, sums: Sums) -> float:
        """log2 of the chance of openings at a place."""
        chance = 0.0
        for first, weights in openings:
            product = sums[Path(place, first), id(weights)]
            for length, token in enumerate(first):
                product *= sums[Path(place, first[:length]), id(self._single(token))]
            chance += product
        return float(np.log2(max(chance, MIN_PROBABILITY)))

    def _sums(
        self, places: range, wanted: Mapping[Path, Mapping[int, np.ndarray]]
    ) -> dict[PartName, Sums]:
        """Part of the model → the sums that are wanted; the entropies are kept on the way.

        Args:
            places: of a window.
            wanted: path → weights (V,) by identity.
        """
        model = self._model
        sums: dict[PartName, Sums] = {part: {} for part in model.parts}
        paths = sorted(wanted, key=lambda path: (len(path.first), path.first, path.place))
        features: np.ndarray | None = None
        if model.network is not None:
            self._reader.read(self._tokens[places.start : places.start + self._window])
            if paths:
                features = self._reader.features(paths)
        row = 0
        for first, group in groupby(paths, key=lambda path: path.first):
            same = list(group)
            of_group = None if features is None else features[row : row + len(same)]
            row += len(same)
            self._sum_group(first, same, of_group, wanted, sums)
        below_cache = self._read_entropies(paths, features)
        if model.cache:
            self._read_cache(places, wanted, sums, below_cache)
        return sums

    def _sum_group(
        self,
        first: tuple[int, ...],
        paths: Sequence[Path],
        features: np.ndarray | None,
        wanted: Mapping[Path, Mapping[int, np.ndarray]],
        sums: Mapping[PartName, Sums],
    ) -> None:
        """The sums behind paths on which the same tokens come first, but for those of a cache;
        ``features`` are the network's, (paths, n)."""
        columns = dict[int, np.ndarray]()
        for path in paths:
            columns.update(wanted[path])
        if not columns:  # only entropies are wanted there
            return
        column_of = {key: column for column, key in enumerate(columns)}
        weights = np.stack(list(columns.values()), axis=1)  # (V, columns)
        rows = dict[PartName, np.ndarray]()  # (paths, columns)
        if features is not None:
            rows["network"] = rows["with_counts"] = self._reader.sums(features, weights)
        if counts := self._model.counts:
            places = [path.place for path in paths]
            contexts = [numbers[places] for numbers in self._contexts]
            for token in first:
                contexts = counts.after(contexts, np.full(len(paths), token))
            with_counts, rows["counts"] = counts.sums(contexts, rows.get("network"), weights)
            if features is not None:
                rows["with_counts"] = with_counts
        for part, found in rows.items():
            for path, row in zip(paths, found.tolist(), strict=True):
                for key in wanted[path]:
                    sums[part][path, key] = row[column_of[key]]

    def _read_entropies(
        self, paths: Sequence[Path], features: np.ndarray | None
    ) -> dict[int, np.ndarray]:
        """The entropies of a window, but for those of a cache. Returns what a cache is mixed with
        there: P of every token (V,), by place."""
        rows = [
            row for row, path in enumerate(paths) if not path.first and path.place in self._firsts
        ]
        places = [paths[row].place for row in rows]
        counts = self._model.counts
        if not places:
            return {}
        if counts:
            contexts = [numbers[places] for numbers in self._contexts]
            self._keep_entropies("counts", places, counts.mixed(contexts, None))
        if features is None:
            return {}
        chances = self._reader.probabilities(features[rows])
        self._keep_entropies("network", places, chances)
        if counts:
            chances = counts.mixed(contexts, chances)
        self._keep_entropies("with_counts", places, chances)
        return dict(zip(places, chances, strict=True))

    def _keep_entropies(
        self, part: PartName, places: Sequence[int], chances: Iterable[np.ndarray]
    ) -> None:
        for place, row in zip(places, chances, strict=True):
            positive = np.maximum(row, 1e-300)
            self._answers[part].entropy[place] = -float(row @ np.log2(positive))

    def _read_cache(
        self,
        places: range,
        wanted: Mapping[Path, Mapping[int, np.ndarray]],
        sums: Mapping[PartName, Sums],
        below_cache: Mapping[int, np.ndarray],
    ) -> None:
        """The sums and entropies under the cache, which reads the text token by token."""
        below = sums["with_counts"]
        found = sums["with_cache"]
        paths = defaultdict[int, list[Path]](list)
        for path in wanted:
            paths[path.place].append(path)
        for place in places:
            for path in paths[place]:
                with self._cache.going_on(path.first):
                    mixture = self._cache.mixture()
                for key, weights in wanted[path].items():
                    found[path, key] = mixture.sum(below[path, key], weights)
                if not path.first and place in below_cache:
                    chances = mixture.probabilities(below_cache[place])
                    self._keep_entropies("with_cache", [place], [chances])
            if place < len(self._tokens):
                self._cache.add(int(self._tokens[place]))


def _spelled_words(tokenizer: Tokenizer, encoded: EncodedDocument) -> dict[int, list[Word]]:
    """The words of a document that a spelling model spells, by how many tokens come before what
    follows them."""
    tokens = encoded.tokens.tolist()
    found = dict[int, list[Word]]()
    for token, surface in zip(encoded.places.tolist(), encoded.surfaces, strict=True):
        words = list[Word]()
        steps_of = tokenizer.surface_steps(tokens[max(0, token - 1) : token + 1])
        assert steps_of, "a surface form belongs to a token that leaves something open"

        follow(steps_of(surface), partial(_note_word, words))
        found[token + 1] = words
    return found


def _note_word(words: list[Word], step: Choice | Word) -> Chosen:
    """What a known document chooses; a word is added to those that were spelled."""
    if isinstance(step, Choice):
        return take_known(step)
    words.append(step)
    assert step.known is not None
    return step.known
