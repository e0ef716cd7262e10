"""Text from a model: samples that continue a prompt, all at once or as they grow; the sweep of
temperatures that a comparison reads; the article's read-out."""

import contextlib
import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from textgen.core.errors import RefusedText
from textgen.core.numbers import common_length
from textgen.core.progress import Moved, ignore
from textgen.core.settings import PartName, Sampling
from textgen.data.language import UNSPACED
from textgen.data.loading import Corpus
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.sampler import READING, guesses, text_seed, write_tokens
from textgen.runs.results import PromptedText, Text, Texts, TextsAtTemperature
from textgen.tokenizers.base import Rendered, Tokenizer

# A text is first looked at when it has this many times the tokens that its length takes on average
LENGTH_MARGIN = 1.1
# A model whose tokens stand for less text than that is stopped
MAX_TOKENS_PER_CHARACTER = 4
# What a character is shown as while some of its bytes are missing
BROKEN_CHARACTER = "\ufffd"
# How many unknown characters of a prompt an error names
MAX_NAMED = 8
# How much of a document is looked at for the words of a prompt
OPENING_CHARACTERS = 40

# Settings of Sampling that a record of a text leaves out; with the others, its prompt, its seed and
# its number, the text is drawn again
NOT_RECORDED = ("prompts", "length", "samples")


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
        model: writes, by all that it has.
        settings: length, top-k, top-p and fill; the rest is that of each request.
    """

    model: LanguageModel
    settings: Sampling

    def write(self, wanted: Sequence[Request], moved: Moved = ignore) -> list[Rendered]:
        """The texts, written side by side."""
        if not wanted:
            return []
        cache = self.model.cache
        learns_from_each = cache is not None and cache.dynamic is not None
        if not learns_from_each:
            return self._write_together(wanted, moved)
        texts = list[Rendered]()
        for request in wanted:
            texts += self._write_together([request], moved)
        return texts

    def _write_together(self, wanted: Sequence[Request], moved: Moved) -> list[Rendered]:
        tokens = self.settings.length / self.model.tokenizer.characters_per_token * LENGTH_MARGIN
        texts = list[Rendered]()
        for grown in self._grow(wanted, math.ceil(tokens), moved):
            texts = grown  # longer than before
        return texts

    def stream(self, request: Request) -> Iterator[str]:
        """One text, the same, in pieces as it grows."""
        shown = 0
        for (grown,) in self._grow([request], 1):
            if len(grown.text) > shown:
                yield grown.text[shown:]
                shown = len(grown.text)

    def _grow(
        self, wanted: Sequence[Request], tokens: int, moved: Moved = ignore
    ) -> Iterator[list[Rendered]]:
        """The texts when they have so many tokens, and again and again until all are as long as
        they are wanted: each time those that are not are rendered."""
        length = self.settings.length
        prompts = [encode_prompt(self.model.tokenizer, request.prompt) for request in wanted]
        stream = write_tokens(
            self.model,
            prompts,
            [request.seed for request in wanted],
            temperature=[request.temperature for request in wanted],
            settings=self.settings,
        )
        due = tokens
        texts = [Rendered("")] * len(wanted)
        rows: list[list[int]] = [[] for _ in wanted]
        with contextlib.closing(stream):
            for column in stream:
                for row, token in zip(rows, column.tolist(), strict=True):
                    if token != READING:
                        row.append(token)
                number = min(map(len, rows))
                moved(min(number, tokens), tokens)
                if number < due:
                    continue
                texts = [
                    text if len(text.text) == length else self._settled(request, row)
                    for text, request, row in zip(texts, wanted, rows, strict=True)
                ]
                yield texts
                complete = all(len(text.text) == length for text in texts)
                if complete or number >= MAX_TOKENS_PER_CHARACTER * length:
                    return
                due += 1 + due // 16

    def _settled(self, request: Request, tokens: Sequence[int]) -> Rendered:
        """The text of some tokens, of the length that is wanted, as far as no later token changes
        it."""
        before = self.continuation(request, tokens[:-1])
        after = self.continuation(request, tokens)
        same = after.text[: common_length(before.text, after.text)]
        whole = len(same.rstrip(BROKEN_CHARACTER))
        return _part(after, 0, min(whole, self.settings.length))

    def continuation(self, request: Request, tokens: Sequence[int]) -> Rendered:
        """The text that follows a prompt; a space that ends the prompt is not repeated."""
        rendered = self.model.tokenizer.render(
            np.array(tokens, dtype=np.int32),
            before=request.prompt,
            fill=self.settings.fill,
            seed=request.seed,
            cached=self.model.cache is not None,
            temperature=request.temperature,
        )
        has_space = self.model.tokenizer.spaces_lead and request.prompt.endswith(" ")
        start = 1 if has_space and rendered.text.startswith(" ") else 0
        return _part(rendered, start, len(rendered.text))


def _part(rendered: Rendered, start: int, end: int) -> Rendered:
    """The characters from start to end, with the marks of what fills placeholders there."""
    marks = (
        (max(0, begin - start), min(stop, end) - start, name)
        for begin, stop, name in rendered.filled
        if begin < end
    )
    return Rendered(rendered.text[start:end], tuple(marks))


def sample_texts(
    model: LanguageModel, settings: Sampling, seed: int, moved: Moved = ignore
) -> list[dict[str, Any]]:
    """``settings.samples`` texts of ``settings.length`` characters for every prompt.

    Returns:
        One record per text: ``prompt``, ``text`` (without the prompt), ``filled``: [start, end,
        token] of the parts of the text that fill placeholders, and the settings that repeat it.
    """
    wanted = requests(settings, seed)
    texts = Writer(model, settings).write(wanted, moved)
    recorded = {k: v for k, v in vars(settings).items() if k not in NOT_RECORDED}
    return [
        {
            "prompt": request.prompt,
            "text": text.text,
            "filled": [list(mark) for mark in text.filled],
            **recorded,
            "seed": seed,
            "method": "sample",
            "sample": request.sample,
        }
        for request, text in zip(wanted, texts, strict=True)
    ]


@dataclass(frozen=True)
class Evaluation:
    """How the texts of a comparison are sampled, the same for all runs, whatever their experiments
    say about sampling: ``samples`` of ``length`` characters from the start of a document at each of
    the ``temperatures``, and one of ``prompted`` characters at ``temperature`` after each of the
    ``prompts`` that the model has tokens for."""

    temperatures: tuple[float, ...] = (0.5, 0.8, 1.0, 1.2)
    temperature: float = 0.8
    samples: int = 15
    length: int = 1000
    prompts: tuple[str, ...] = ("At night", "The old man", "It was")
    prompted: int = 600
    seed: int = 1


def evaluation_for(loaded: Corpus) -> Evaluation:
    """The settings for a text. Of other texts than the tales the prompts are the first words of
    validation documents, or their first characters in a language without spaces."""
    settings = Evaluation()
    if loaded.kind == "lovecraft":
        return settings
    beginnings = [document.text.lstrip()[:OPENING_CHARACTERS] for document in loaded.validation]
    if loaded.language.code in UNSPACED:
        openings = [text[:4] for text in beginnings]
    else:
        openings = [" ".join(text.split()[:2]) for text in beginnings]
    prompts = tuple(dict.fromkeys(opening for opening in openings if opening))
    return replace(settings, prompts=prompts[: len(settings.prompts)])


def draw_texts(
    model: LanguageModel, part: PartName, settings: Evaluation, moved: Moved = ignore
) -> Texts:
    """The content of ``texts.json``, written by a part of a model: all temperatures are drawn side
    by side."""
    writing = model.part(part)
    swept = Sampling(samples=settings.samples, length=settings.length)
    wanted = list[Request]()
    for temperature in settings.temperatures:
        sampling = replace(swept, temperature=temperature)
        wanted += requests(sampling, settings.seed, f"temperature {temperature}")
    drawn = Writer(writing, swept).write(wanted, moved)
    sweep = [
        TextsAtTemperature(
            temperature=temperature,
            texts=[
                Text(text=text.text, filled=list(text.filled))
                for request, text in zip(wanted, drawn, strict=True)
                if request.temperature == temperature
            ],
        )
        for temperature in settings.temperatures
    ]
    known = tuple(prompt for prompt in settings.prompts if not model.tokenizer.unknown(prompt))
    prompted = Sampling(
        prompts=known, length=settings.prompted, samples=1, temperature=settings.temperature
    )
    following = Writer(writing, prompted).write(requests(prompted, settings.seed, "prompts"))
    return Texts(
        part=part,
        settings=asdict(settings),
        sweep=sweep,
        prompted=[
            PromptedText(prompt=prompt, text=text.text, filled=list(text.filled))
            for prompt, text in zip(known, following, strict=True)
        ],
    )


def article_readout(model: LanguageModel, text: str, seed: int = 0) -> dict[str, Any]:
    """The most probable token at every position of a real text (teacher forcing).

    The output of the network is never fed back: what reads like a sample is a list of guesses, each
    made with the true text before it in view. This is how the article got its samples, as its
    author's own code shows (windows of the training text, one after another).

    Returns:
        A record: the real text as ``prompt``, and as ``text`` one guess per token of it, with what
        fills placeholders in ``filled``.
    """
    likeliest = guesses(model, encode_prompt(model.tokenizer, text))
    rendered = model.tokenizer.render(likeliest, seed=seed)
    return {
        "prompt": text,
        "text": rendered.text,
        "filled": [list(mark) for mark in rendered.filled],
        "method": "article",
        "seed": seed,
    }


def encode_prompt(tokenizer: Tokenizer, prompt: str, where: str = "--prompt") -> np.ndarray:
    """The tokens of a prompt, (n,) int32; ``where`` names the setting it comes from.

    Raises:
        RefusedText: it has characters that are not in the training text; the first is its place.
    """
    if unknown := sorted(tokenizer.unknown(prompt), key=prompt.find):
        start = prompt.find(unknown[0])
        line = prompt.count("\n", 0, start) + 1
        column = start - prompt.rfind("\n", 0, start)
        named = ", ".join(map(name_character, unknown[:MAX_NAMED]))
        message = f"{where}: {named} at line {line:,}, column {column:,}: not in the training text"
        place = (start, start + len(unknown[0]))
        raise RefusedText(message, "replace or leave out these characters", place=place)
    if tokenizer.spaces_lead:
        prompt = prompt.removesuffix(" ")  # the next token brings its own
    return tokenizer.encode(prompt).tokens.astype(np.int32)


def name_character(part: str) -> str:
    """A character in quotes, one that joins the character before it on a dotted circle, and its
    code."""
    shown = f"'\u25cc{part}'" if unicodedata.combining(part[0]) else repr(part)
    return f"{shown} (U+{ord(part[0]):04X})"
