"""A model writes, and its text is handed on while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.plugins import build
from textgen.core.settings import Sampling
from textgen.evaluation.mixture import shaped
from textgen.interactive.reader import BROKEN_CHARACTER, Reader
from textgen.models.sampler import text_seed

CONTEXT_CHARACTERS = 64
"""Characters before that decide how a token is written, where no memory of rare words does."""
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
    """The text that a model writes after a prompt, piece by piece.

    Each token is drawn from exactly the distribution that is scored (of the network alone, or with
    a memory of the document) at the settings' temperature, top-k and top-p; so is the surface form
    of each placeholder.

    Args:
        reader: the model.
        prompt: the text that is continued.
        settings: length in characters, temperature and others; ``prompts`` is not used.
        seed: the same seed, prompt and settings write the same text.

    Raises:
        TextgenError: characters that the model has never seen, or a memory that there is not.
    """
    seed = text_seed(seed, 0, prompt)
    random, memory = np.random.default_rng(seed), settings.memory
    growing = _GrowingText(reader, prompt, settings, seed)
    place, left = reader.read(reader.tokens(prompt), memory).owned(), settings.length
    while left > 0:
        probabilities = shaped(
            place.probabilities, reader.tokenizer.unwritable, settings.temperature,
            settings.top_k, settings.top_p,
        )  # fmt: skip
        token = int(random.choice(len(probabilities), p=probabilities))
        piece = growing.add(token)[:left]
        left -= len(piece)
        if piece:
            yield piece
        if left > 0:
            place = reader.after(place, token)


@dataclass
class _GrowingText:
    """A text whose tokens come one at a time."""

    reader: Reader
    prompt: str
    settings: Sampling
    seed: int
    _settled: str = ""
    _pending: list[int] = field(default_factory=list)
    _shown: int = 0
    _parts: int = 0

    def __post_init__(self) -> None:
        tokenizer, known = self.reader.tokenizer, next(filter(None, self.reader.texts))
        self._strip = tokenizer.spaces_lead and self.prompt.endswith(" ")
        # a policy that leaves words out has a surface form between any two tokens
        self._gaps = len(tokenizer.encode(known).surfaces) > 0

    def add(self, token: int) -> str:
        """What a token adds to the text; "" as long as that depends on the next token."""
        self._pending.append(token)
        before = self.prompt + self._settled
        seed = self.seed * 1_000_003 + self._parts
        if not self.settings.memory:
            before = before[-CONTEXT_CHARACTERS:]
        text = self.reader.tokenizer.render(
            np.array(self._pending), before=before, fill=self.settings.fill, seed=seed,
            memory=self.settings.memory,
        ).text  # fmt: skip
        begun = bool(text)
        if self._strip:
            text = text.removeprefix(" ")
        if text.endswith(BROKEN_CHARACTER):  # some bytes of a character are missing
            return ""
        gained, self._shown = text[self._shown :], max(self._shown, len(text))
        if self.reader.texts[token] and not self._gaps:
            self._settled += text
            self._pending.clear()
            self._shown, self._parts = 0, self._parts + 1
            self._strip &= not begun
        return gained
