"""A model writes, and its text is handed on while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textgen.core import Sampling, TextgenError, build
from textgen.evaluation import shaped
from textgen.interactive.reader import Reader

TAIL = 64
"""Characters before that decide how a token is written, where no memory of rare words does."""
LONGEST = 4000
"""Characters that are written at most."""


def sampling(given: dict[str, Any]) -> Sampling:
    """Settings of a text from what was asked for.

    Raises:
        TextgenError: one that is out of range or unknown.
    """
    settings: Sampling = build(Sampling, {"samples": 1, **given}, "settings")
    if settings.length > LONGEST:
        raise TextgenError(
            "settings.length", found=str(settings.length), expected=f"at most {LONGEST:,}",
            hint="go on from where the text ends",
        )  # fmt: skip
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
    random, grown = np.random.default_rng(seed), _Growing(reader, prompt, settings, seed)
    place = reader.read(reader.tokens(prompt), settings.memory)
    unwritable, left = reader.tokenizer.unwritable, settings.length
    while left > 0:
        chances = shaped(
            place.chances, unwritable, settings.temperature, settings.top_k, settings.top_p
        )
        token = int(random.choice(len(chances), p=chances))
        piece = grown.add(token)[:left]
        left -= len(piece)
        if piece:
            yield piece
        if left > 0:
            place = reader.after(place, token)


@dataclass
class _Growing:
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
        """What the text has gained. Tokens of which that cannot be told yet wait for the next."""
        self._pending.append(token)
        before = self.prompt + self._settled
        seed = self.seed * 1_000_003 + self._parts
        text = self.reader.tokenizer.render(
            np.array(self._pending), before=before if self.settings.memory else before[-TAIL:],
            fill=self.settings.fill, seed=seed, memory=self.settings.memory,
        ).text  # fmt: skip
        if self._strip and text:
            text, cut = text.removeprefix(" "), text.startswith(" ")
        else:
            cut = False
        if text.endswith("\ufffd"):  # some bytes of a character are missing
            return ""
        gained, self._shown = text[self._shown :], max(self._shown, len(text))
        if self.reader.texts[token] and not self._gaps:
            self._settled += text
            self._pending.clear()
            self._shown, self._parts = 0, self._parts + 1
            self._strip = self._strip and not (cut or text)
        return gained
