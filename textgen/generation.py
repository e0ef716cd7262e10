"""Text from a run: prompts in, samples out; and the article's read-out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.errors import TextgenError
from textgen.objectives.base import Objective
from textgen.sampling import FREE, Sampler
from textgen.settings import Backbone, Sampling
from textgen.tokenizers.base import Codec


def encode_prompt(codec: Codec, prompt: str) -> np.ndarray:
    """(n,) int32 symbols of a prompt.

    Raises:
        TextgenError: it holds something the training text did not.
    """
    unknown = codec.unknown(prompt)
    if unknown:
        shown = ", ".join(f"{part!r} (U+{ord(part[0]):04X})" for part in unknown[:8])
        raise TextgenError(
            "prompt",
            found=f"not in the training text: {shown}",
            expected="only what the model has seen",
            hint="replace or leave out these characters",
        )
    return codec.encode(prompt).symbols.astype(np.int32)


def generate(sampler: Sampler, codec: Codec, settings: Sampling, seed: int) -> list[dict[str, Any]]:
    """``settings.samples`` texts for every prompt, all in one batch.

    Returns:
        One record a text: prompt, text (without the prompt), and the settings that repeat it.
    """
    prompts = [encode_prompt(codec, prompt) for prompt in settings.prompts]
    width = max(map(len, prompts)) + settings.length
    rows = [prompt for prompt in prompts for _ in range(settings.samples)]
    forced = np.full((len(rows), width), FREE, dtype=np.int32)
    for row, prompt in zip(forced, rows, strict=True):
        row[: len(prompt)] = prompt
    symbols, _ = sampler.draw(
        forced,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        seed=seed,
    )
    return [
        {
            "prompt": settings.prompts[i // settings.samples],
            "text": codec.render(symbols[i][len(row) : len(row) + settings.length]),
            "sample": i % settings.samples,
            "method": "sample",
            "temperature": settings.temperature,
            "top_k": settings.top_k,
            "top_p": settings.top_p,
            "seed": seed,
        }
        for i, row in enumerate(rows)
    ]


def article_readout(
    objective: Objective, network: Any, backbone: Backbone, codec: Codec, texts: Sequence[str]
) -> list[dict[str, Any]]:
    """The most probable symbol at every place of a real text, which is then fed in regardless.

    The output of the network is never fed back: what reads like a sample is a list of guesses, each
    made with the true text before it in view. Our reading of how the article got its samples.

    Returns:
        One record a text: the real ``prompt`` and the guesses as ``text``, equally long.
    """
    encoded = [encode_prompt(codec, text) for text in texts]
    forced = np.full((len(encoded), max(map(len, encoded))), FREE, dtype=np.int32)
    for row, symbols in zip(forced, encoded, strict=True):
        row[: len(symbols)] = symbols
    _, choices = Sampler(objective, network, backbone).draw(forced, temperature=0.0)
    return [
        {"prompt": text, "text": codec.render(row[: len(symbols)]), "method": "article"}
        for text, row, symbols in zip(texts, choices, encoded, strict=True)
    ]
