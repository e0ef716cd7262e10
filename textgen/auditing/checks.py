"""The six checks of an audit, and the arithmetic coder that a model's probabilities drive."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Literal

import constriction
import numpy as np

from textgen.auditing.claims import Claim, Model, own_claim, stated_tolerance
from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.units import UNITS, count, denominator, format_number, in_all_units

AWKWARD_TEXTS = (
    "",
    " ",
    "a",
    "ab a  b",
    "A ab. AB abba",
    "b\n\nab\na",
    "a é☃ ab\u0301",
    "\ufffd<NN> <unk> \0",
    "baab aab abba bbbb",
    "I'm 1984-ish ... -- “ab”",
    "हिन्दी शब्द 今日は  晴れ, สวัสดี",
)
# Texts that the model writes, and tokens of each: places that the audited text does not reach.
WRITTEN_TEXTS, WRITTEN_TOKENS = 4, 24
# Letters of the short texts whose probabilities are added up, and places in all of them, at most.
SHORT_TEXT_LETTERS, SHORT_TEXT_PLACES = 3, 600
# Bits that a text has to cost: a shorter one can be coded as claimed by chance.
MIN_BITS = 2000.0
# Up to these differences, relative but for that of a token's bits, something is as claimed.
TOLERANCE, TOKEN_TOLERANCE_BITS = 1e-3, 0.01
# Characters after which the text is changed; in a shorter text, the same share of it.
CHANGED_FROM = (40, 150, 400)
# Bits of a word of compressed text.
WORD = 32
# Share of the whole below which a probability counts as small: the coder rounds to multiples of
# 2^-24, so what is improbable is coded in two steps, that it is and then which.
SMALL = 2.0**-12

# Whether something is as it should be, or one of the other verdicts; and what was measured.
Verdict = Literal["passed", "FAILED", "no claim", "too short"]
Result = tuple[bool | Verdict, str]


@dataclass(frozen=True)
class Check:
    """The result of one of CHECKS.

    Attributes:
        name: what is checked.
        verdict: "no claim" where nothing was claimed that could be checked, "too short" where the
            text is.
        measured: what was found, in words.
    """

    name: str
    verdict: Verdict
    measured: str


@dataclass(eq=False)
class Case:
    """A model, a text, what is claimed about it and what it costs.

    Args:
        model, twin: two instances.
        text: what they are audited on; it is read and, on the way, compressed.
        claim: empty where nothing is claimed.
        decode: from compressed words and the number of tokens to the text, by an instance that has
            never seen it.

    Attributes:
        tokens: those of the text and its end.
        bits: (n,) float64, −log2 P of each; ``total``, of all.
        words: (m,) uint32, the text compressed by an arithmetic coder; None where it cannot be.
        size: of the compressed text, in bits.
        sums: of the probabilities at each place.
        counts: what the bits may be divided by.
    """

    model: Model
    twin: Model
    text: str
    claim: Claim
    decode: Callable[[np.ndarray, int], str]

    def __post_init__(self) -> None:
        self.tokens, self.sums = tokens_of(self.model, self.text), list[float]()
        chances, encoder, possible = list[float](), Encoder(), True
        for probabilities, token in zip(read(self.model, self.tokens), self.tokens, strict=True):
            self.sums.append(float(probabilities.sum()))
            chances.append(_probability(probabilities, token))
            possible = possible and chances[-1] > 0 and math.isfinite(self.sums[-1])
            if possible:
                encoder.put(probabilities, token)
        self.words = encoder.words() if possible else None
        self.size = encoder.bits()
        with np.errstate(divide="ignore", invalid="ignore"):
            self.bits: np.ndarray = -np.log2(chances)
        self.total = float(self.bits.sum())
        own = getattr(self.model, "spelled_from", math.inf)
        number = sum(token < own for token in self.tokens) - (self.model.end is not None)
        self.counts = count([Document("text", self.text)], number)


def read(model: Model, tokens: Sequence[int]) -> Iterator[np.ndarray]:
    """The probabilities (V,) before each token of a text."""
    model.start()
    for place, token in enumerate(tokens):
        yield next_probabilities(model)
        if place + 1 < len(tokens):
            model.append(token)


def write(model: Model, choose: Callable[[np.ndarray], int | None], most: int) -> list[int]:
    """Tokens that are chosen from the probabilities (V,) of each place, without the end."""
    tokens = list[int]()
    model.start()
    while len(tokens) < most:
        token = choose(next_probabilities(model))
        if token is None or token == model.end:
            break
        tokens.append(token)
        model.append(token)
    return tokens


def tokens_of(model: Model, text: str) -> list[int]:
    """The tokens of a text, with the one that ends it if there is one."""
    return [*map(int, model.encode(text)), *([] if model.end is None else [model.end])]


def own_tokens(model: Model, text: str) -> list[int] | None:
    """The same; None for a text that has no probability of its own."""
    try:
        tokens = tokens_of(model, text)
    except ValueError:
        return None
    return None if getattr(model, "unknown", None) in tokens else tokens


def next_probabilities(model: Model) -> np.ndarray:
    """(V,) float64, P(next token).

    Raises:
        TextgenError: what the model returns is not a one-dimensional array.
    """
    logs = np.asarray(model.next_log_probabilities(), dtype=np.float64)
    if logs.ndim != 1:
        message = f"{type(model).__name__}.next_log_probabilities has shape {logs.shape}, not (V,)"
        raise TextgenError(message, "natural logarithms are needed: docs/audit.md")
    with np.errstate(over="ignore"):
        return np.exp(logs)


def _probability(probabilities: np.ndarray, token: int) -> float:
    return float(probabilities[token]) if 0 <= token < len(probabilities) else 0.0


def decode_words(model: Model, words: np.ndarray, length: int) -> str:
    """The text that a model reads from compressed words.

    Args:
        model: an instance that has never seen the text.
        words: (m,) uint32.
        length: tokens of the text; a model with an end stops at that.
    """
    return model.decode(write(model, Decoder(words).get, length))


def sums_to_one(case: Case) -> Result:
    """Next-token probabilities add up to one at every place; those of texts, to at most one."""
    allowed = stated_tolerance(case.model)
    sums, random = [*case.sums], np.random.default_rng(0)

    def draw(probabilities: np.ndarray) -> int | None:
        sums.append(float(probabilities.sum()))
        if not np.isfinite(sums[-1]) or not sums[-1] > 0:
            return None
        return int(random.choice(len(probabilities), p=probabilities / probabilities.sum()))

    for _ in range(WRITTEN_TEXTS):
        write(case.model, draw, WRITTEN_TOKENS)
    letters, longest, mass = _short_texts(case, sums)
    worst = max(abs(total - 1) if math.isfinite(total) else math.inf for total in sums)
    return (
        worst <= allowed and mass <= 1 + allowed * (longest + 1),
        f"at {len(sums):,} places in the text, in texts that the model wrote and in short ones, "
        f"the probabilities of all tokens add up to one within {worst:.1e} (allowed: "
        f"{allowed:.0e}); those of all texts of up to {longest} letters from {letters!r} add up to "
        f"{mass:.6g} (expected: at most one)",
    )


def _short_texts(case: Case, sums: list[float]) -> tuple[str, int, float]:
    """All texts up to some length of the text's most frequent letters: the letters, that length,
    and what the probabilities of the texts add up to. Without an end, only texts of one length
    exclude each other."""
    model = case.model
    frequent = Counter(case.text).most_common(SHORT_TEXT_LETTERS)
    letters = "".join(sorted(letter for letter, _ in frequent))
    longest = 1
    mass = 0.0
    while sum(len(letters) ** n * (n + 1) for n in range(longest + 2)) <= SHORT_TEXT_PLACES:
        longest += 1
    for length in range(longest if model.end is None else 0, longest + 1):
        for short in map("".join, itertools.product(letters, repeat=length)):
            if (tokens := own_tokens(model, short)) is not None:
                places = [*zip(read(model, tokens), tokens, strict=True)]
                sums += [float(probabilities.sum()) for probabilities, _ in places]
                mass += math.prod(itertools.starmap(_probability, places))
    return letters, longest, mass


def no_look_ahead(case: Case) -> Result:
    """Later characters change neither earlier predictions nor earlier claimed bits."""
    text, places, wrong = case.text, 0, list[str]()
    near = [min(cut, max(1, len(text) * cut // CHANGED_FROM[-1])) for cut in CHANGED_FROM]
    start = text[: near[0]].rpartition(" ")[0] or text[: near[0]]
    edits = [(len(start), start), *(_with_change(text, cut) for cut in dict.fromkeys(near))]
    for cut, edited in edits:
        tokens = tokens_of(case.model, text)
        others = tokens_of(case.twin, edited)
        same = len(commonprefix([tokens, others]))  # noqa: RUF071 - of tokens
        both = zip(read(case.model, tokens), read(case.twin, others), strict=False)
        for place, (a, b) in enumerate(itertools.islice(both, same + 1)):
            places += 1
            if a.shape != b.shape or not np.allclose(a, b, 1e-5, 1e-9, equal_nan=True):
                wrong.append(f"the prediction at token {place} depends on characters after {cut}")
                break
        claims = (claim.parts for claim in (case.claim, own_claim(case.twin, edited)))
        pairs = zip(*(() if parts is None else parts[:same] for parts in claims), strict=False)
        if not all(abs(a - b) <= TOKEN_TOLERANCE_BITS for a, b in pairs):
            wrong.append(f"bits claimed before character {cut} change with later characters")
    result = f"two texts with the same beginning get the same predictions, at {places} places"
    return not wrong, "; ".join(wrong) or result


def _with_change(text: str, near: int) -> tuple[int, str]:
    """Where a word begins, and the text continued from there by others of its own words, for a
    model may know no others, and ended otherwise. A text of a single word is continued backwards.
    """
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    cut = max((start for start in starts if start <= near), default=0)
    for start in starts:
        if text[start] != text[cut]:
            return cut, text[:cut] + text[start:].rsplit(maxsplit=1)[0]
    letter = next((c for c in text + "ab" if c != text[near : near + 1]), "b")
    return near, text[:near] + letter + text[near:][::-1]


def every_character_charged(case: Case) -> Result:
    """The bits of all tokens, and of the end if the model has one, add up to the claimed total."""
    bits, parts, wrong = case.bits, case.claim.parts, list[str]()
    if impossible := int((~np.isfinite(bits)).sum()):
        wrong.append(f"{impossible} tokens of the text have no probability")
    elif parts is not None and len(parts) != len(bits):
        wrong.append(f"the claim has {len(parts)} tokens, not {len(bits)}")
    elif parts is not None:
        away = np.abs(np.asarray(parts, float) - bits)
        odd = np.flatnonzero(~(away <= TOKEN_TOLERANCE_BITS + TOLERANCE * bits))
        wrong += [f"token {i} costs {bits[i]:.2f} bits, not {parts[i]:.2f}" for i in odd[:3]]
    end = " (nothing for the end)" if case.model.end is None else ", including the end,"
    result = f"{len(bits):,} tokens{end} cost {case.total:,.1f} bits"
    if case.claim.bits is not None:
        result += f"; claimed: {case.claim.bits:,.1f}"
        if not abs(case.claim.bits - case.total) <= TOLERANCE * case.total:
            wrong.append(result)
    return not wrong, "; ".join(wrong) or result


def encode_and_decode(case: Case) -> Result:
    """Another instance, which never saw the texts, restores them from their tokens."""
    text, wrong, middle = case.text, list[str](), len(case.text) // 2
    replaced = text[:middle] + " Zxqwv, ypsilanti " + text[middle:]
    others = [t for t in (replaced, *AWKWARD_TEXTS) if own_tokens(case.model, t) is not None]
    for sent in (text, *others):
        if (back := case.twin.decode(case.model.encode(sent))) != sent:
            place = len(commonprefix([sent, back]))  # noqa: RUF071 - of characters
            wrong.append(f"{_excerpt(sent, place)} comes back as {_excerpt(back, place)}")
    if wrong:
        return False, f"{len(wrong)} of {len(others) + 1} texts are not restored: {wrong[0]}"
    return True, f"another instance restores the text and {len(others)} others exactly"


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - 15)
    return "…" * (start > 0) + repr(text[start : place + 15])


def correct_denominator(case: Case) -> Result:
    """The claimed figure is the bits divided by what its unit counts."""
    claim, counts = case.claim, case.counts
    bits = case.total if claim.bits is None else claim.bits
    if claim.value is None:
        shown = (f"{bits / n:.4f}" for n in (counts.characters, counts.utf8_bytes))
        figures = "{} bits per character, {} bits per byte of UTF-8".format(*shown)
        return "no claim", f"no figure was claimed; {bits:,.1f} bits are {figures}"
    counted = "end_marks_counted" if claim.end_marks else "as_published"
    figure = in_all_units(bits, counts)[claim.unit][counted]
    unit = UNITS[claim.unit]
    right = figure is not None and abs(figure - claim.value) <= TOLERANCE * figure
    return (
        right,
        f"{bits:,.1f} bits over {denominator(unit, counts)}{' + 1 end' * claim.end_marks} are "
        f"{format_number(figure, '.4f')} {unit.label}; claimed: {claim.value:.4f}",
    )


def codes_as_claimed(case: Case) -> Result:
    """The text compresses to the claimed size, and another instance decompresses it exactly."""
    if case.words is None:
        return False, "a token of the text has no probability"
    size, claimed = case.size, case.claim.bits
    expected = case.total if claimed is None else claimed
    too_large = size > (1 + TOLERANCE) * expected
    try:
        back = case.decode(case.words, len(case.tokens))
        result = "the same text" if back == case.text else f"another text, {_excerpt(back, 0)}"
    except Exception as error:  # a model that was led astray may raise anything
        back, result = None, f"nothing ({type(error).__name__}: {error})"
    more = f", more than {TOLERANCE:.1%} above" if too_large else ""
    origin = "measured" if claimed is None else "claimed"
    found = f"{expected:,.1f} bits are {origin}, {size:,.1f} are written{more}; another instance "
    found += f"decodes {result}"
    right = not too_large and back == case.text
    if right and case.total < MIN_BITS:
        return "too short", f"{found}; the text is too short: {MIN_BITS:,.0f} bits are needed"
    return right, found


CHECKS: dict[str, Callable[[Case], Result]] = {
    "sums to one": sums_to_one,
    "no look-ahead": no_look_ahead,
    "every character charged": every_character_charged,
    "encode and decode": encode_and_decode,
    "denominator": correct_denominator,
    "arithmetic coder": codes_as_claimed,
}


class Encoder:
    """Writes choices."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, probabilities: np.ndarray, index: int) -> None:
        """Write one choice.

        Args:
            probabilities: (n,) float64 of what can be chosen, none negative; they need not sum to
                one, for the coder normalises them.
            index: what was chosen; its probability is above 0.
        """
        large, small, first = _divided(probabilities)
        place = int(np.searchsorted(large, index))
        if place < len(large) and large[place] == index:
            self._put(first, place)
        else:
            self._put(first, len(large))
            self._put(probabilities[small], int(np.searchsorted(small, index)))

    def _put(self, probabilities: np.ndarray, index: int) -> None:
        if len(probabilities) > 1:  # what is certain needs no bits
            self._coder.encode(index, _categorical(probabilities))

    def words(self) -> np.ndarray:
        """(n,) uint32, everything that was written."""
        return self._coder.get_compressed()

    def bits(self) -> float:
        """Of everything that was written, without what fills up the last words."""
        words, (_, width) = self._coder.pos()  # of the interval of 64 bits that is left
        return float(WORD * (words + 2) - math.log2(width))


class Decoder:
    """Reads what an :class:`Encoder` has written."""

    def __init__(self, words: np.ndarray) -> None:
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def get(self, probabilities: np.ndarray) -> int:
        """The next choice; ``probabilities`` are those that it was written with."""
        large, small, first = _divided(probabilities)
        place = self._get(first)
        return int(large[place] if place < len(large) else small[self._get(probabilities[small])])

    def _get(self, probabilities: np.ndarray) -> int:
        return self._coder.decode(_categorical(probabilities)) if len(probabilities) > 1 else 0


def _divided(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers of what is probable and of what is not, rising, never of the impossible; and the
    probabilities of the former, with that of all the rest together if there is any."""
    probable = probabilities >= SMALL * probabilities.sum()
    large = np.flatnonzero(probable)
    small = np.flatnonzero((probabilities > 0) & ~probable)
    rest = probabilities[small].sum()
    return large, small, np.append(probabilities[large], [rest] if rest > 0 else [])


def _categorical(probabilities: np.ndarray) -> constriction.stream.model.Categorical:
    return constriction.stream.model.Categorical(probabilities, perfect=False)
