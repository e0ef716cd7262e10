"""Text from a model: samples that continue a prompt, all at once or as they grow, and the
article's read-out."""

from __future__ import annotations

import contextlib
import itertools
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from textgen.core.errors import RefusedText
from textgen.core.settings import Sampling
from textgen.core.system import FLOAT, check_fits
from textgen.data.language import UNSPACED
from textgen.data.loading import Corpus
from textgen.evaluation.sampler import READING, Sampler, text_seed
from textgen.runs.results import Texts
from textgen.tokenizers.base import Rendered, Tokenizer

MEMORY_ENTRY = 360  # bytes of a token that a memory has counted behind a context that is new
LENGTH_MARGIN = 1.1
"""A text is looked at when it has this much more than the tokens that its length calls for on
average, and again when it has grown by as much."""
MAX_TOKENS_PER_CHARACTER = 4
"""A model whose tokens stand for less text than that is stopped."""
BROKEN_CHARACTER = "\ufffd"
"""What a character is shown as while some of its bytes are missing."""
MAX_NAMED_CHARACTERS = 8
"""Of those that cannot be read in a prompt."""
RECORDED = ("temperature", "top_k", "top_p", "fill", "memory")
"""Settings that the record of a text has."""

OPENING_CHARACTERS = 40
"""Of a document, in which the words of a prompt are looked for."""


Moved = Callable[[int, int], None]
"""Called with the tokens of a text that are written, and how many there will be."""


class Request(NamedTuple):
    """One text to be written: what it continues, and what its random numbers depend on."""

    prompt: str
    temperature: float
    sample: int
    seed: int


def requests(settings: Sampling, seed: int, use: str = "") -> list[Request]:
    """The texts that some settings ask for, prompt by prompt; those for another ``use`` or of
    another seed are drawn with other random numbers."""
    return [
        Request(prompt, settings.temperature, sample, text_seed(seed, sample, prompt, use))
        for prompt in settings.prompts
        for sample in range(settings.samples)
    ]


@dataclass(frozen=True)
class Writer:
    """Writes texts of ``settings.length`` characters, without their prompts.

    Attributes:
        sampler: the network alone, or with its memory, as ``settings.memory`` says.
        tokenizer: of the same run.
        settings: length, top-k, top-p, fill and memory; the rest is that of each request.
    """

    sampler: Sampler
    tokenizer: Tokenizer
    settings: Sampling

    def write(self, wanted: Sequence[Request], moved: Moved | None = None) -> list[Rendered]:
        """The texts, written side by side."""
        if len(wanted) > 1 and not self.sampler.side_by_side:
            return [text for request in wanted for text in self.write([request], moved)]
        texts = list[Rendered]()
        total = due = expected_tokens(self.tokenizer, self.settings)
        for number, rows in enumerate(self._tokens(wanted), 1):
            if moved is not None:
                moved(min(number, total), total)
            if number >= due:
                texts = [self._settled(*pair) for pair in zip(wanted, rows, strict=True)]
                if self._ended(texts, number):
                    break
                due = math.ceil(due * LENGTH_MARGIN)
        return texts

    def stream(self, request: Request) -> Iterator[str]:
        """One text, the same, in pieces as it grows."""
        shown, due = 0, 1
        for number, (tokens,) in enumerate(self._tokens([request]), 1):
            if number >= due:
                grown = self._settled(request, tokens)
                if len(grown.text) > shown:
                    yield grown.text[shown:]
                    shown = len(grown.text)
                if self._ended([grown], number):
                    return
                due += 1 + due // 16  # each time all of it is rendered

    def _ended(self, texts: Sequence[Rendered], tokens: int) -> bool:
        length = self.settings.length
        too_many = tokens >= MAX_TOKENS_PER_CHARACTER * length
        return too_many or all(len(text.text) == length for text in texts)

    def _tokens(self, wanted: Sequence[Request]) -> Iterator[list[list[int]]]:
        """The tokens of each text, one more of each every time, without end."""
        stream = self.sampler.write(
            [encode_prompt(self.tokenizer, request.prompt) for request in wanted],
            [request.seed for request in wanted],
            temperature=[request.temperature for request in wanted],
            top_k=self.settings.top_k,
            top_p=self.settings.top_p,
        )
        texts: list[list[int]] = [[] for _ in wanted]
        with contextlib.closing(stream):
            for column in stream:
                for text, token in zip(texts, column.tolist(), strict=True):
                    if token != READING:
                        text.append(token)
                if all(texts):
                    yield texts

    def _settled(self, request: Request, tokens: Sequence[int]) -> Rendered:
        """The text of some tokens, of the length that is wanted, as far as no later token changes
        it."""
        before, after = (self.continuation(request, part) for part in (tokens[:-1], tokens))
        pairs = zip(before.text, after.text, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        whole = len(after.text[:same].rstrip(BROKEN_CHARACTER))
        return _part(after, 0, min(whole, self.settings.length))

    def continuation(self, request: Request, tokens: Sequence[int]) -> Rendered:
        """The text that follows a prompt; a space that ends the prompt is not repeated."""
        rendered = self.tokenizer.render(
            np.array(tokens, dtype=np.int32),
            before=request.prompt,
            fill=self.settings.fill,
            seed=request.seed,
            memory=self.settings.memory,
        )
        spaced = self.tokenizer.spaces_lead and request.prompt.endswith(" ")
        return _part(rendered, spaced and rendered.text.startswith(" "), len(rendered.text))


def _part(rendered: Rendered, start: int, end: int) -> Rendered:
    marks = (
        (max(0, begin - start), min(stop, end) - start, name)
        for begin, stop, name in rendered.filled
        if begin < end
    )
    return Rendered(rendered.text[start:end], tuple(marks))


def expected_tokens(tokenizer: Tokenizer, settings: Sampling) -> int:
    """How many tokens a text is likely to have at most."""
    return math.ceil(settings.length / tokenizer.characters_per_token * LENGTH_MARGIN)


def sample_texts(
    sampler: Sampler,
    tokenizer: Tokenizer,
    settings: Sampling,
    seed: int,
    moved: Moved | None = None,
) -> list[dict[str, Any]]:
    """``settings.samples`` texts of ``settings.length`` characters for every prompt.

    Returns:
        One record per text: ``prompt``, ``text`` (without the prompt), ``filled``: [start, end,
        token] of the parts of the text that fill placeholders, and the settings that repeat it.
    """
    wanted = requests(settings, seed)
    texts = Writer(sampler, tokenizer, settings).write(wanted, moved)
    repeats = {name: getattr(settings, name) for name in RECORDED}
    repeats |= {"seed": seed, "method": "sample"}
    records = []
    for request, text in zip(wanted, texts, strict=True):
        filled = [list(mark) for mark in text.filled]
        record = {"prompt": request.prompt, "text": text.text, "filled": filled}
        records.append(record | repeats | {"sample": request.sample})
    return records


@dataclass(frozen=True)
class Evaluation:
    """How the texts of a comparison are sampled: ``samples`` of ``length`` characters from the
    start of a document at each of the ``temperatures``, and one of ``prompted`` characters at
    ``temperature`` after each of the ``prompts`` that the model has tokens for."""

    temperatures: tuple[float, ...] = (0.5, 0.8, 1.0, 1.2)
    temperature: float = 0.8
    samples: int = 20
    length: int = 1500
    prompts: tuple[str, ...] = ("At night", "The old man", "It was")
    prompted: int = 600
    seed: int = 1


def evaluation_for(loaded: Corpus) -> Evaluation:
    """The settings for a text. Where it is not in English the prompts are the first words of
    validation documents, or their first characters in a language without spaces."""
    settings, language = Evaluation(), loaded.language.code
    if language == "en":
        return settings
    beginnings = (document.text.lstrip()[:OPENING_CHARACTERS] for document in loaded.validation)
    openings = [
        text[:4] if language in UNSPACED else " ".join(text.split()[:2]) for text in beginnings
    ]
    prompts = tuple(dict.fromkeys(filter(None, openings)))
    return replace(settings, prompts=prompts[: len(settings.prompts)])


def draw_texts(
    sampler: Sampler,
    tokenizer: Tokenizer,
    settings: Evaluation,
    moved: Moved | None = None,
) -> Texts:
    """The content of ``texts.json``. All temperatures are drawn side by side."""
    sweep = [
        Sampling(samples=settings.samples, length=settings.length, temperature=temperature)
        for temperature in settings.temperatures
    ]
    wanted = [
        request
        for sampling in sweep
        for request in requests(sampling, settings.seed, f"temperature {sampling.temperature}")
    ]
    written = Writer(sampler, tokenizer, sweep[0]).write(wanted, moved)
    texts, number = list(map(_as_data, written)), settings.samples
    known = tuple(prompt for prompt in settings.prompts if not tokenizer.unknown(prompt))
    prompted = Sampling(known or ("",), settings.prompted, 1, settings.temperature)
    continued = requests(prompted, settings.seed, "prompts")[: len(known)]
    following = Writer(sampler, tokenizer, prompted).write(continued) if known else []
    content = {
        "settings": asdict(settings),
        "sweep": [
            {"temperature": temperature, "texts": texts[i * number : (i + 1) * number]}
            for i, temperature in enumerate(settings.temperatures)
        ],
        "prompted": [
            {"prompt": prompt, **_as_data(text)}
            for prompt, text in zip(known, following, strict=True)
        ],
    }
    return Texts.model_validate(content)


def _as_data(text: Rendered) -> dict[str, Any]:
    return {"text": text.text, "filled": list(text.filled)}


def stream_text(
    sampler: Sampler, tokenizer: Tokenizer, prompt: str, settings: Sampling, seed: int
) -> Iterator[str]:
    """The text that :func:`sample_texts` writes first after a prompt, in pieces as it grows."""
    request = Request(prompt, settings.temperature, 0, text_seed(seed, 0, prompt))
    return Writer(sampler, tokenizer, settings).stream(request)


def article_readout(
    sampler: Sampler, tokenizer: Tokenizer, texts: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The most probable token at every position of a real text (teacher forcing).

    The output of the network is never fed back: what reads like a sample is a list of guesses, each
    made with the true text before it in view. This is how the article got its samples, as its
    author's own code shows (windows of the training text, one after another).

    Returns:
        One record per text: the real ``prompt``, and as ``text`` one guess per token of it.
    """
    records = []
    for text in texts:
        guesses = sampler.guesses(encode_prompt(tokenizer, text))
        rendered = tokenizer.render(guesses, seed=seed).text
        records.append({"prompt": text, "text": rendered, "method": "article", "seed": seed})
    return records


def annotated(record: dict[str, Any]) -> str:
    """A sample with the words that fill placeholders marked: ``[Nahum NNP]``."""
    text, parts, end = record["text"], [], 0
    for start, stop, token in record.get("filled", ()):
        parts += [text[end:start], f"[{text[start:stop]} {token}]"]
        end = stop
    return "".join([*parts, text[end:]])


def encode_prompt(tokenizer: Tokenizer, prompt: str, where: str = "--prompt") -> np.ndarray:
    """The tokens of a prompt, (n,) int32; ``where`` names the setting it comes from.

    Raises:
        RefusedText: it has characters that are not in the training text; the first is its place.
    """
    if unknown := sorted(tokenizer.unknown(prompt), key=prompt.find):
        at = prompt.find(unknown[0])
        line, column = prompt.count("\n", 0, at) + 1, at - prompt.rfind("\n", 0, at)
        named = ", ".join(map(_sign, unknown[:MAX_NAMED_CHARACTERS]))
        raise RefusedText(
            f"{where}: {named} at line {line:,}, column {column:,}: not in the training text",
            hint="replace or leave out these characters",
            place=(at, at + len(unknown[0])),
        )
    if tokenizer.spaces_lead:
        prompt = prompt.removesuffix(" ")  # the next token brings its own
    return tokenizer.encode(prompt).tokens.astype(np.int32)


def _sign(part: str) -> str:
    """A character in quotes, one that joins the character before it on a dotted circle, and its
    code."""
    shown = f"'\u25cc{part}'" if unicodedata.combining(part[0]) else repr(part)
    return f"{shown} (U+{ord(part[0]):04X})"


def check_room(
    tokenizer: Tokenizer, settings: Sampling, orders: Sequence[int], where: str = "sampling"
) -> None:
    """Refuse samples for which there is no room: for each the chances of all tokens in a few
    copies, and for each of its tokens an entry at every level of a memory of the document, with
    which they may be written; ``orders`` are its levels.

    Raises:
        TextgenError: it names the setting, in the table ``where``.
    """
    rows, tokens = settings.samples * len(settings.prompts), expected_tokens(tokenizer, settings)
    levels = len(orders) if settings.memory else 0
    needed = rows * (4 * FLOAT * tokenizer.size + tokens * (20 + MEMORY_ENTRY * levels))
    subject = f"{where}.samples: drawing {rows:,} texts at once"
    check_fits(needed, subject, "take fewer samples, or shorter ones")
