"""The six checks of an audit."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from textgen.auditing.claims import (
    Claim,
    Model,
    own_claim,
    spells,
    stated_tolerance,
    unknown_token,
)
from textgen.auditing.coder import Decoder, Encoder
from textgen.core.errors import TextgenError
from textgen.core.numbers import common_length
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
# Stands in the middle of the audited text: words that a model may not know.
UNKNOWN_WORDS = " Zxqwv, ypsilanti "
# Texts that the model writes, to get to places that the audited text does not reach.
WRITTEN_TEXTS = 4
# Tokens of each, at most.
WRITTEN_TOKENS = 24
# Letters of the short texts whose probabilities are added up, at most.
SHORT_TEXT_LETTERS = 3
# Places in all of these texts together, at most.
SHORT_TEXT_PLACES = 600
# Bits that a text has to cost: a shorter one can be coded as claimed by chance.
MIN_BITS = 2000.0
# Up to this relative difference, a figure or a size is as claimed.
TOLERANCE = 1e-3
# Up to this difference, the bits of a token are.
TOKEN_TOLERANCE_BITS = 0.01
# Two predictions of one place may be apart by this share of the probability,
SAME_RELATIVE = 1e-5
# and by this much more.
SAME_ABSOLUTE = 1e-9
# Characters after which the text is changed; in a shorter text, the same share of it.
CHANGED_FROM = (40, 150, 400)
# Tokens of a text whose wrong bits are named.
MAX_NAMED = 3
# Characters before and after a place that are shown of a text.
EXCERPT = 15

# Whether something is as it should be, or why it was not found out; and what was measured.
Verdict = Literal["passed", "FAILED", "no claim", "too short"]
Result = tuple[Verdict, str]


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
        self.tokens = tokens_of(self.model, self.text)
        self.sums = list[float]()
        token_probabilities = list[float]()
        encoder = Encoder()
        can_be_coded = True
        for probabilities, token in zip(read(self.model, self.tokens), self.tokens, strict=True):
            self.sums.append(float(probabilities.sum()))
            token_probabilities.append(_probability(probabilities, token))
            if not (token_probabilities[-1] > 0 and math.isfinite(self.sums[-1])):
                can_be_coded = False
            if can_be_coded:
                encoder.put(probabilities, token)
        self.words = encoder.words() if can_be_coded else None
        self.size = encoder.bits()
        with np.errstate(divide="ignore", invalid="ignore"):
            self.bits: np.ndarray = -np.log2(token_probabilities)
        self.total = float(self.bits.sum())
        of_text = [token for token in self.tokens if not spells(self.model, token)]
        number = len(of_text) if self.model.end is None else len(of_text) - 1
        self.counts = count([Document("text", self.text)], number)


def read(model: Model, tokens: Sequence[int]) -> Iterator[np.ndarray]:
    """The probabilities (V,) before each token of a text."""
    model.start()
    for place, token in enumerate(tokens):
        yield next_probabilities(model)
        if place + 1 < len(tokens):
            model.append(token)


def write(model: Model, choose: Callable[[np.ndarray], int | None], most: int) -> list[int]:
    """Tokens that are chosen from the probabilities (V,) of each place, without the end.

    Args:
        model: predicts them.
        choose: from probabilities to a token; None ends the text.
        most: tokens.
    """
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
    tokens = [int(token) for token in model.encode(text)]
    if model.end is not None:
        tokens.append(model.end)
    return tokens


def own_tokens(model: Model, text: str) -> list[int] | None:
    """The tokens of a text, with the one that ends it if there is one; None if the model cannot
    encode the text, or only by the token for everything unknown."""
    try:
        tokens = tokens_of(model, text)
    except ValueError:
        return None
    return None if unknown_token(model) in tokens else tokens


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
    sums = [*case.sums, *_sums_of_written_texts(case.model)]
    letters = _frequent_letters(case.text)
    longest = _longest_short_texts(len(letters))
    mass = 0.0
    for tokens in _short_texts(case.model, letters, longest):
        probability = 1.0
        for probabilities, token in zip(read(case.model, tokens), tokens, strict=True):
            sums.append(float(probabilities.sum()))
            probability *= _probability(probabilities, token)
        mass += probability
    worst = max(abs(total - 1) if math.isfinite(total) else math.inf for total in sums)
    right = worst <= allowed and mass <= 1 + allowed * (longest + 1)
    return (
        "passed" if right else "FAILED",
        f"at {len(sums):,} places in the text, in texts that the model wrote and in short ones, "
        f"the probabilities of all tokens add up to one within {worst:.1e} (allowed: "
        f"{allowed:.0e}); those of all texts of up to {longest} letters from {letters!r} add up to "
        f"{mass:.6g} (expected: at most one)",
    )


def _sums_of_written_texts(model: Model) -> list[float]:
    """What the probabilities add up to at each place of some texts that the model writes."""
    random = np.random.default_rng(0)
    sums = list[float]()

    def draw(probabilities: np.ndarray) -> int | None:
        total = float(probabilities.sum())
        sums.append(total)
        if not np.isfinite(total) or not total > 0:
            return None
        return int(random.choice(len(probabilities), p=probabilities / total))

    for _ in range(WRITTEN_TEXTS):
        write(model, draw, WRITTEN_TOKENS)
    return sums


def _frequent_letters(text: str) -> str:
    frequent = Counter(text).most_common(SHORT_TEXT_LETTERS)
    return "".join(sorted(letter for letter, _ in frequent))


def _longest_short_texts(letters: int) -> int:
    """Up to what length all texts of so many letters are read, within SHORT_TEXT_PLACES places;
    at least 1."""
    longest = 1
    while _places_in_texts(letters, longest + 1) <= SHORT_TEXT_PLACES:
        longest += 1
    return longest


def _places_in_texts(letters: int, longest: int) -> int:
    """Those in all texts of so many letters up to a length: each character, and each end."""
    places = 0
    for length in range(longest + 1):
        texts = letters**length
        places += texts * (length + 1)
    return places


def _short_texts(model: Model, letters: str, longest: int) -> Iterator[list[int]]:
    """The tokens of all texts of some letters up to a length that have a probability of their own.
    Without an end, only texts of one length exclude each other."""
    shortest = longest if model.end is None else 0
    for length in range(shortest, longest + 1):
        for text in itertools.product(letters, repeat=length):
            tokens = own_tokens(model, "".join(text))
            if tokens is not None:
                yield tokens


def no_look_ahead(case: Case) -> Result:
    """Later characters change neither earlier predictions nor earlier claimed bits."""
    compared = 0
    wrong = list[str]()
    for cut, edited in _edits(case.text):
        tokens = tokens_of(case.model, case.text)
        others = tokens_of(case.twin, edited)
        same = common_length(tokens, others)
        both = zip(read(case.model, tokens), read(case.twin, others), strict=False)
        for place, (one, other) in enumerate(itertools.islice(both, same + 1)):
            compared += 1
            if not _same_prediction(one, other):
                wrong.append(f"the prediction at token {place} depends on characters after {cut}")
                break
        one_claim = case.claim.parts
        other_claim = own_claim(case.twin, edited).parts
        if one_claim is not None and other_claim is not None:
            pairs = zip(one_claim[:same], other_claim[:same], strict=False)
            if not all(_is_within(a - b, TOKEN_TOLERANCE_BITS) for a, b in pairs):
                wrong.append(f"bits claimed before character {cut} change with later characters")
    if wrong:
        return "FAILED", "; ".join(wrong)
    found = f"two texts with the same beginning get the same predictions, at {compared} places"
    return "passed", found


def _same_prediction(one: np.ndarray, other: np.ndarray) -> bool:
    if one.shape != other.shape:
        return False
    return np.allclose(one, other, SAME_RELATIVE, SAME_ABSOLUTE, equal_nan=True)


def _edits(text: str) -> list[tuple[int, str]]:
    """Where the text is changed, and the changed text: once it ends there, then it goes on
    otherwise."""
    places = list[int]()
    for place in CHANGED_FROM:
        in_proportion = len(text) * place // CHANGED_FROM[-1]  # of a text that is shorter
        places.append(min(place, max(1, in_proportion)))
    shortened = text[: places[0]]
    whole_words, _, _ = shortened.rpartition(" ")
    if whole_words:
        shortened = whole_words
    edits = [(len(shortened), shortened)]
    for place in dict.fromkeys(places):
        edits.append(_with_change(text, place))
    return edits


def _with_change(text: str, near: int) -> tuple[int, str]:
    """Where a text is changed, near a place, and the text after the change.

    It goes on with words of its own, for a model may know no others: "the cat sat" is cut before
    the word that is near, "cat", and continued from the first word with another letter, "the cat
    sat", but for the last word: "the the cat". Where all words begin with the same letter, it is
    cut at the place itself and continued by another letter and backwards: "cat" at 1 gives "ccta".
    """
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", text)]
    cut = 0
    for start in starts:
        if start <= near:
            cut = start
    for start in starts:
        if text[start] != text[cut]:
            other_words = text[start:]
            without_the_last = other_words.rsplit(maxsplit=1)[0]  # or that, if it is the only one
            return cut, text[:cut] + without_the_last
    rest = text[near:]
    other_letters = [letter for letter in text + "ab" if not rest.startswith(letter)]
    return near, text[:near] + other_letters[0] + rest[::-1]


def every_character_charged(case: Case) -> Result:
    """The bits of all tokens, and of the end if the model has one, add up to the claimed total."""
    wrong = _wrong_parts(case.bits, case.claim.parts)
    end = " (nothing for the end)" if case.model.end is None else ", including the end,"
    found = f"{len(case.bits):,} tokens{end} cost {case.total:,.1f} bits"
    if case.claim.bits is not None:
        found += f"; claimed: {case.claim.bits:,.1f}"
        if not _is_within(case.claim.bits - case.total, TOLERANCE * case.total):
            wrong.append(found)
    if wrong:
        return "FAILED", "; ".join(wrong)
    return "passed", found


def _wrong_parts(bits: np.ndarray, parts: Sequence[float] | None) -> list[str]:
    """What is wrong with the bits of single tokens, and with those that are claimed for them."""
    impossible = int((~np.isfinite(bits)).sum())
    if impossible:
        return [f"{impossible} tokens of the text have no probability"]
    if parts is None:
        return []
    if len(parts) != len(bits):
        return [f"the claim has {len(parts)} tokens, not {len(bits)}"]
    odd = list[str]()
    for number, (cost, claimed) in enumerate(zip(bits.tolist(), parts, strict=True)):
        if not _is_within(claimed - cost, TOKEN_TOLERANCE_BITS + TOLERANCE * cost):
            odd.append(f"token {number} costs {cost:.2f} bits, not {claimed:.2f}")
    return odd[:MAX_NAMED]


def _is_within(difference: float, limit: float) -> bool:
    """Whether a difference is no larger than a limit; never of what is not a number."""
    return abs(difference) <= limit


def encode_and_decode(case: Case) -> Result:
    """Another instance, which never saw the texts, restores them from their tokens."""
    middle = len(case.text) // 2
    with_unknown_words = case.text[:middle] + UNKNOWN_WORDS + case.text[middle:]
    candidates = [with_unknown_words, *AWKWARD_TEXTS]
    others = [text for text in candidates if own_tokens(case.model, text) is not None]
    wrong = list[str]()
    for sent in (case.text, *others):
        back = case.twin.decode(case.model.encode(sent))
        if back != sent:
            place = common_length(sent, back)
            wrong.append(f"{_excerpt(sent, place)} comes back as {_excerpt(back, place)}")
    if wrong:
        return "FAILED", f"{len(wrong)} of {len(others) + 1} texts are not restored: {wrong[0]}"
    return "passed", f"another instance restores the text and {len(others)} others exactly"


def _excerpt(text: str, place: int) -> str:
    start = max(0, place - EXCERPT)
    shown = repr(text[start : place + EXCERPT])
    return f"…{shown}" if start > 0 else shown


def correct_denominator(case: Case) -> Result:
    """The claimed figure is the bits divided by what its unit counts."""
    claim, counts = case.claim, case.counts
    bits = case.total if claim.bits is None else claim.bits
    if claim.value is None:
        per_character = f"{bits / counts.characters:.4f} bits per character"
        per_byte = f"{bits / counts.utf8_bytes:.4f} bits per byte of UTF-8"
        found = f"no figure was claimed; {bits:,.1f} bits are {per_character}, {per_byte}"
        return "no claim", found
    counted = "end_marks_counted" if claim.end_marks else "as_published"
    figure = in_all_units(bits, counts)[claim.unit][counted]
    unit = UNITS[claim.unit]
    right = figure is not None and abs(figure - claim.value) <= TOLERANCE * figure
    per = denominator(unit, counts)
    if claim.end_marks:
        per += " + 1 end"
    return (
        "passed" if right else "FAILED",
        f"{bits:,.1f} bits over {per} are {format_number(figure, '.4f')} {unit.label}; "
        f"claimed: {claim.value:.4f}",
    )


def codes_as_claimed(case: Case) -> Result:
    """The text compresses to the claimed size, and another instance decompresses it exactly."""
    if case.words is None:
        return "FAILED", "a token of the text has no probability"
    if case.claim.bits is None:
        expected = case.total
        origin = "measured"
    else:
        expected = case.claim.bits
        origin = "claimed"
    is_too_large = case.size > (1 + TOLERANCE) * expected
    found = f"{expected:,.1f} bits are {origin}, {case.size:,.1f} are written"
    if is_too_large:
        found += f", more than {TOLERANCE:.1%} above"
    is_restored, decoded = _decoded(case, case.words)
    found += f"; another instance decodes {decoded}"
    if is_too_large or not is_restored:
        return "FAILED", found
    if case.total < MIN_BITS:
        return "too short", f"{found}; the text is too short: {MIN_BITS:,.0f} bits are needed"
    return "passed", found


def _decoded(case: Case, words: np.ndarray) -> tuple[bool, str]:
    """Whether compressed words lead back to the text, and what they lead to, in words."""
    try:
        back = case.decode(words, len(case.tokens))
    except Exception as error:  # a model that was led astray may raise anything
        return False, f"nothing ({type(error).__name__}: {error})"
    if back == case.text:
        return True, "the same text"
    return False, f"another text, {_excerpt(back, 0)}"


CHECKS: dict[str, Callable[[Case], Result]] = {
    "sums to one": sums_to_one,
    "no look-ahead": no_look_ahead,
    "every character charged": every_character_charged,
    "encode and decode": encode_and_decode,
    "denominator": correct_denominator,
    "arithmetic coder": codes_as_claimed,
}
