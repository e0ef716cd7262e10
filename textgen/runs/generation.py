"""Text from a model: samples that continue a prompt, and the article's read-out."""

from __future__ import annotations

import math
import secrets
import unicodedata
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.core.errors import RefusedText, TextgenError
from textgen.core.settings import Sampling
from textgen.evaluation.mixture import MixtureSampler
from textgen.models.footprint import check_drawing
from textgen.models.sampler import FREE, Sampler, text_seed
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import Rendered

SEEDING = 32
"""So many first tokens: a text that goes on longer begins as it did."""
MARGIN = 1.1
"""So many more tokens are drawn than the average length of a token calls for."""
NAMED = 8
"""Characters beside the first that are named where a prompt cannot be read."""


def no_memory_error(where: str, found: str) -> TextgenError:
    """The message where text is to be written with a memory that there is not."""
    return TextgenError(
        where,
        found=f"{found} has no memory of the document: [memory] orders is empty",
        expected="a run with a memory, or the network alone",
        hint="leave it out, or train with [memory] orders, e.g. [3, 4, 5]",
    )


def check_prompt(tokenizer: Tokenizer, prompt: str, where: str = "--prompt") -> None:
    """Check that a model can read a prompt; ``where`` names the setting it comes from.

    Raises:
        RefusedText: it has characters that are not in the training text; the first is its place.
    """
    unknown = sorted(tokenizer.unknown(prompt), key=prompt.find)
    if not unknown:
        return
    first, *others = [f"{sign(part)} (U+{ord(part[0]):04X})" for part in unknown]
    at = prompt.find(unknown[0])
    line, column = prompt.count("\n", 0, at) + 1, at - prompt.rfind("\n", 0, at)
    more = f"; further on {', '.join(others[:NAMED])}" if others else ""
    raise RefusedText(
        where,
        text=prompt,
        place=(at, at + len(unknown[0])),
        found=f"{first} at offset {at:,}, line {line:,}, column {column:,}, which is not in the "
        f"training text{more}",
        expected="only characters the model has seen",
        hint="replace or leave out these characters",
    )


def sign(part: str) -> str:
    """A character in quotes: one that cannot be seen as it is written in Python, one that joins the
    character before it on a dotted circle."""
    return f"'\u25cc{part}'" if unicodedata.combining(part[0]) else repr(part)


def check_seed(seed: int | None) -> int:
    """A seed that was given, or another one each time.

    Raises:
        TextgenError: it is out of range.
    """
    if seed is None:
        return secrets.randbelow(2**31)
    if not 0 <= seed < 2**31:
        raise TextgenError("--seed", found=str(seed), expected="a whole number from 0 to 2^31")
    return seed


def encode_prompt(tokenizer: Tokenizer, prompt: str, where: str = "--prompt") -> np.ndarray:
    """The tokens of a prompt, (n,) int32; ``where`` names the setting it comes from.

    Raises:
        RefusedText: it has characters that are not in the training text.
    """
    check_prompt(tokenizer, prompt, where)
    if tokenizer.spaces_lead:
        prompt = prompt.removesuffix(" ")  # the next token brings its own
    return tokenizer.encode(prompt).tokens.astype(np.int32)


def check_room(
    tokenizer: Tokenizer, settings: Sampling, orders: Sequence[int], where: str = "sampling"
) -> None:
    """Refuse samples for which there is no room; ``orders`` are those of the memory of the
    document, which they may be written with.

    Raises:
        TextgenError: it names the setting, in the table ``where``.
    """
    rows = settings.samples * len(settings.prompts)
    steps = math.ceil(settings.length / tokenizer.characters_per_token * MARGIN)
    check_drawing(rows, steps, tokenizer.size, settings.memory * len(orders), where)


def sample_texts(
    sampler: Sampler | MixtureSampler,
    tokenizer: Tokenizer,
    settings: Sampling,
    seed: int,
    use: str = "",
) -> list[dict[str, Any]]:
    """``settings.samples`` texts of ``settings.length`` characters for every prompt, in one batch.

    Args:
        seed, use: texts of another seed or for another use are drawn with other random numbers.

    Returns:
        One record per text: ``prompt``, ``text`` (without the prompt), ``filled``: [start, end,
        token] of the parts of the text that fill placeholders, and the settings that repeat it.
    """
    prompts = [encode_prompt(tokenizer, prompt) for prompt in settings.prompts]
    numbers = [i for i in range(len(prompts)) for _ in range(settings.samples)]
    seeds = [
        text_seed(seed, row % settings.samples, settings.prompts[i], use)
        for row, i in enumerate(numbers)
    ]
    steps = math.ceil(settings.length / tokenizer.characters_per_token * MARGIN)
    most = max(4 * settings.length, 2 * steps)
    while True:
        drawn = _draw(sampler, [prompts[i] for i in numbers], steps, settings, seeds)
        rendered = [
            _render(tokenizer, tokens, settings.prompts[i], settings, own)
            for tokens, i, own in zip(drawn, numbers, seeds, strict=True)
        ]
        if steps >= most or all(len(r.text) >= settings.length for r in rendered):
            break
        steps *= 2  # the same seeds draw the same texts again and continue them
    return [
        {
            "prompt": settings.prompts[i],
            "text": r.text[: settings.length],
            "filled": [
                [start, min(end, settings.length), token]
                for start, end, token in r.filled
                if start < settings.length
            ],
            "sample": row % settings.samples,
            "method": "sample",
            "temperature": settings.temperature,
            "top_k": settings.top_k,
            "top_p": settings.top_p,
            "fill": settings.fill,
            "memory": settings.memory,
            "seed": seed,
        }
        for row, (r, i) in enumerate(zip(rendered, numbers, strict=True))
    ]


def _render(
    tokenizer: Tokenizer, tokens: np.ndarray, prompt: str, settings: Sampling, seed: int
) -> Rendered:
    """The text that follows a prompt; a space that ends the prompt is not repeated.

    What fills placeholders depends on the first tokens too, so that texts of other temperatures or
    models do not share their invented words.
    """
    seed = seed << 32 | zlib.crc32(tokens[:SEEDING].tobytes())
    found = tokenizer.render(
        tokens, before=prompt, fill=settings.fill, seed=seed, memory=settings.memory
    )
    if not (tokenizer.spaces_lead and prompt.endswith(" ") and found.text.startswith(" ")):
        return found
    marks = tuple((max(0, start - 1), end - 1, token) for start, end, token in found.filled)
    return Rendered(found.text[1:], marks)


def _draw(
    sampler: Sampler | MixtureSampler,
    prompts: Sequence[np.ndarray],
    steps: int,
    settings: Sampling,
    seeds: Sequence[int],
) -> list[np.ndarray]:
    """``steps`` tokens after each prompt."""
    forced = np.full((len(prompts), max(map(len, prompts)) + steps), FREE, dtype=np.int32)
    for row, prompt in zip(forced, prompts, strict=True):
        row[: len(prompt)] = prompt
    tokens, _ = sampler.draw(
        forced,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        seeds=seeds,
    )
    return [
        row[len(prompt) : len(prompt) + steps] for row, prompt in zip(tokens, prompts, strict=True)
    ]


def annotated(record: dict[str, Any], form: str = "[{} {}]") -> str:
    """A sample with the words that fill placeholders marked: ``[Nahum NNP]``, or in another
    ``form`` of a word and its token."""
    text, parts, end = record["text"], [], 0
    for start, stop, token in record.get("filled", ()):
        parts += [text[end:start], form.format(text[start:stop], token)]
        end = stop
    return "".join([*parts, text[end:]])


def check_article(prompt: str, tokens: np.ndarray, memory: bool) -> None:
    """Raises:
    TextgenError: nothing to read out, or a memory, which the article's read-out has not.
    """
    if memory:
        raise TextgenError(
            "--memory",
            found="--method article, whose guesses are the network's alone",
            expected="--method sample",
            hint="leave out one of the two",
        )
    if not len(tokens):
        raise TextgenError(
            "--prompt",
            found=f"{prompt!r}, which is no token of this run" if prompt else "nothing",
            expected="the real text that --method article reads",
            hint='give some, e.g. --prompt "The tide was out."',
        )


def article_readout(
    sampler: Sampler,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    fill: str = "scored",
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The most probable token at every position of a real text (teacher forcing).

    The output of the network is never fed back: what reads like a sample is a list of guesses, each
    made with the true text before it in view. This is how the article got its samples, as its
    author's own code shows (windows of the training text, one after another).

    Args:
        fill, seed: how placeholders among the guesses are filled.

    Returns:
        One record per text: the real ``prompt``, and as ``text`` one guess per token of it.
    """
    encoded = [encode_prompt(tokenizer, text) for text in texts]
    forced = np.full((len(encoded), max(map(len, encoded))), FREE, dtype=np.int32)
    for row, tokens in zip(forced, encoded, strict=True):
        row[: len(tokens)] = tokens
    _, choices = sampler.draw(forced, temperature=0.0)
    return [
        {
            "prompt": text,
            "text": tokenizer.render(row[: len(tokens)], fill=fill, seed=seed).text,
            "method": "article",
        }
        for text, row, tokens in zip(texts, choices, encoded, strict=True)
    ]
