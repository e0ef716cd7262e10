"""Where a text is divided into documents, found while the text is read from beginning to end."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TextIO, TypeVar

BLOCK = 1 << 20
"""Characters read at a time."""
REACH = 1 << 20
"""How far beyond its ideal place a cut may fall, in characters."""
Part = TypeVar("Part")


def cut(text: TextIO, characters: int, pieces: int) -> Iterator[str | None]:
    """A text in at most ``pieces`` parts of about equal size.

    A part ends at the first blank line (else the line end, else the space) within half a piece
    from its ideal end on; if there is none, the next part is joined to it.

    Args:
        text: the text, from its first character on.
        characters: its length.
        pieces: number of parts, at most.

    Yields:
        The text in blocks, with None after each part.
    """
    reach = min(max(1, characters // pieces // 2), REACH)
    start = at = 0  # where the current part begins, and where ``held`` does
    held = ""  # read, not yielded yet
    for i in range(1, pieces):
        target = characters * i // pieces
        begin, stop = max(target, start), min(characters, target + reach)
        if begin >= stop:
            continue
        while at < begin and (block := held or text.read(min(BLOCK, begin - at))):
            yield block[: begin - at]
            held = block[begin - at :]
            at += len(block) - len(held)
        held += text.read(max(0, stop - at - len(held)))
        for mark in ("\n\n", "\n", " "):
            found = held.find(mark, 0, stop - at)
            if found >= 0:
                end = found + len(mark)
                yield held[:end]
                yield None
                held, start = held[end:], at + end
                at = start
                break
    yield held
    while block := text.read(BLOCK):
        yield block
    yield None


def split(text: TextIO, separator: str) -> Iterator[str | None]:
    """A text divided at every separator, which belongs to no part; yields as :func:`cut` does."""
    held = ""
    while block := text.read(BLOCK):
        *parts, held = (held + block).split(separator)
        for part in parts:
            yield part
            yield None
        safe = max(0, len(held) - len(separator) + 1)  # beyond it a separator may have begun
        yield held[:safe]
        held = held[safe:]
    yield held
    yield None


def cut_text(text: str, pieces: int) -> list[str]:
    """``text`` in at most ``pieces`` parts whose concatenation is ``text``; see :func:`cut`."""
    parts, blocks = list[str](), list[str]()
    for block in cut(io.StringIO(text), len(text), pieces):
        if block is None:
            parts.append("".join(blocks))
            blocks = []
        else:
            blocks.append(block)
    return parts


def numbered(name: str, parts: Sequence[Part]) -> list[tuple[str, Part]]:
    """The parts of a text, each with the name of its document: ``name#01``, ``name#02``, …"""
    width = len(str(len(parts)))
    return [(f"{name}#{i:0{width}d}", part) for i, part in enumerate(parts, start=1)]
