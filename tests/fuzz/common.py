"""What targets share: a scratch folder, texts, and how inputs are changed."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from conftest import made_up

from textgen.core.errors import TextgenError

EXPERIMENT = {
    "name": "fuzzed",
    "corpus": "wikipedia",
    "tokenizer": "characters",
    "objective": "next_token",
    "memory": {"orders": [1, 3]},
    "training": {"updates": 20},
}


LEARNT = made_up(40, 1) + "\nAkeley met 17 owls, “é”-gulls & Wilmarth’s \U0001f419.\t\n"
ODD = [
    b"", b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"[[1]]", b"9" * 30,
    b'"\\ud800"', b"\xed\xa0\x80", b"\xff", b"\0", b"\r", b"\n", b" ", b"=", b'"', b"<", b"&",
    b"{", b"[", b"\\", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x90\x99",
]  # fmt: skip
"""What takes the place of a part of an input."""
WORD = re.compile(rb"[\w.-]+")


class Target(NamedTuple):
    """Something that takes bytes.

    Attributes:
        check: what is done with them.
        seeds: bytes that get somewhere, from which a fuzzer starts.
        examples: how many hypothesis tries in the suite.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    examples: int


@cache
def folder() -> Path:
    """A scratch folder, which goes when this process ends."""
    made = tempfile.TemporaryDirectory(prefix="fuzz")
    folder.kept = made
    return Path(made.name)


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """One message on one screen is no failure."""
    try:
        yield
    except TextgenError as error:
        told = str(error)
        if told.count("\n") > 3 or len(told) > 4000:
            raise AssertionError(f"more than a screen: {told}") from None


def text_in(data: bytes) -> str:
    """Any string, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


def words_of(seeds: Sequence[bytes]) -> list[bytes]:
    """The different words of some inputs."""
    return sorted({word for seed in seeds for word in WORD.findall(seed)})


def changed(data: bytes, changes: Sequence[tuple[int, bool, int, bytes]]) -> bytes:
    """An input with other bytes in some places: (place, whether a whole word goes, else how many
    bytes, what comes instead)."""
    for place, whole, length, new in changes:
        words = list(WORD.finditer(data)) if whole else []
        start = place % (len(data) + 1)
        start, end = words[place % len(words)].span() if words else (start, start + length)
        data = data[:start] + new + data[end:]
    return data
