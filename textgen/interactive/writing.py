"""A model writes, and its text is handed on while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textgen.core.errors import TextgenError
from textgen.core.plugins import build
from textgen.core.settings import Sampling
from textgen.interactive.reader import Reader
from textgen.runs.generation import stream_text

MAX_WRITTEN_CHARACTERS = 4000
"""In one answer."""
SETTINGS = ("length", "temperature", "top_k", "top_p", "memory")


def sampling(given: dict[str, Any]) -> Sampling:
    """Settings of a text from what was asked for.

    Raises:
        TextgenError: one that is out of range or unknown.
    """
    if unknown := given.keys() - set(SETTINGS):
        raise TextgenError(
            "settings", found=", ".join(sorted(unknown)), expected=", ".join(SETTINGS),
            hint="leave out the others",
        )  # fmt: skip
    length = given.get("length")
    if isinstance(length, int) and length > MAX_WRITTEN_CHARACTERS:
        raise TextgenError(
            "settings.length", found="more", expected=f"at most {MAX_WRITTEN_CHARACTERS:,}",
            hint="go on from where the text ends",
        )  # fmt: skip
    settings: Sampling = build(Sampling, {"samples": 1, **given}, "settings")
    return settings


def write(reader: Reader, prompt: str, settings: Sampling, seed: int) -> Iterator[str]:
    """The text that ``textgen generate`` writes with these settings, piece by piece.

    Args:
        reader: the model.
        prompt: the text that is continued.
        settings: length in characters, temperature and others; ``prompts`` is not used.
        seed: the same seed, prompt and settings write the same text.

    Raises:
        TextgenError: characters that the model has never seen, or a memory that there is not.
    """
    reader.tokens(prompt)
    if settings.memory:
        reader.check_memory()
    sampler = reader.run.sampler(settings.memory)
    yield from stream_text(sampler, reader.tokenizer, prompt, settings, seed)
