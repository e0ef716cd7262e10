"""A model writes, and its text is handed on while it grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textgen.core import Sampling, TextgenError, build
from textgen.evaluation import shaped
from textgen.interactive.reader import Reader
from textgen.interactive.unfinished import rest_of_placeholder, ways
from textgen.models import text_seed

TAIL = 64
"""Characters before that decide how a token is written, where no memory of rare words does."""
LONGEST = 4000
"""Characters that are written at most."""
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
    if isinstance(length, int) and length > LONGEST:
        raise TextgenError(
            "settings.length", found="more", expected=f"at most {LONGEST:,}",
            hint="go on from where the text ends",
        )  # fmt: skip
    settings: Sampling = build(Sampling, {"samples": 1, **given}, "settings")
    return settings


def write(reader: Reader, prompt: str, settings: Sampling, seed: int) -> Iterator[str]:
    """The text that a model writes after a prompt, piece by piece.

    Each token is drawn from exactly the distribution that is scored (of the network alone, or with
    a memory of the document) at the settings' temperature, top-k and top-p; so is the surface form
    of each placeholder. The prompt's last word may be unfinished.

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
    tokens, begun = _begun(reader, prompt, settings, random)
    grown = _Growing(reader, prompt + begun, settings, seed)
    place, left = reader.read(tokens, memory).owned(), settings.length
    if begun:
        yield begun[:left]
        left -= len(begun)
    while left > 0:
        token = _drawn(reader.tokenizer.unwritable, place.chances, settings, random)
        piece = grown.add(token)[:left]
        left -= len(piece)
        if piece:
            yield piece
        if left > 0:
            place = reader.after(place, token)


def _drawn(
    unwritable: Sequence[int], chances: np.ndarray, settings: Sampling, random: np.random.Generator
) -> int:
    chances = shaped(chances, unwritable, settings.temperature, settings.top_k, settings.top_p)
    return int(random.choice(len(chances), p=chances))


def _begun(
    reader: Reader, prompt: str, settings: Sampling, random: np.random.Generator
) -> tuple[tuple[int, ...], str]:
    """The tokens of a prompt and of what finishes its last word, and the text of that beyond it.

    The way is drawn among all that begin with the prompt, in proportion to their probability, with
    the settings' temperature, top-k and top-p over ways."""
    before, lacking = reader.cut(prompt)
    whole = prompt[: len(prompt) - len(lacking)]
    following = reader.tokenizer.placeholder_texts(whole, settings.memory)
    found = ways(reader, before, lacking, settings.memory, following) if lacking else []
    if not found:  # nothing unfinished, or nothing that a token begins with
        return reader.tokens(prompt), ""
    masses = np.array([way.mass for way in found])
    way = found[_drawn((), masses / masses.sum(), settings, random)]
    if way.beyond is not None:
        return way.tokens, way.beyond
    return way.tokens, rest_of_placeholder(following, *way.placeholder, random)


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
        begun = bool(text)
        if self._strip:
            text = text.removeprefix(" ")
        if text.endswith("\ufffd"):  # some bytes of a character are missing
            return ""
        gained, self._shown = text[self._shown :], max(self._shown, len(text))
        if self.reader.texts[token] and not self._gaps:
            self._settled += text
            self._pending.clear()
            self._shown, self._parts = 0, self._parts + 1
            self._strip &= not begun
        return gained
