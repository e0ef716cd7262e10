"""Where a long file is cut into documents, without reading all of it."""

from __future__ import annotations

from dataclasses import replace
from io import BufferedReader

import numpy as np

from textgen.data.decoding import opened
from textgen.data.slices import SHORT, FileSlice, blocks

LONGEST = 2_000_000
"""Characters of a document of a large corpus. A longer one is read as a collection, in pieces."""
PIECE = 250_000
"""Characters of such a piece, about."""
REACH = 1 << 20
"""How far at most a place to cut is looked for, in characters."""


def cut(text: FileSlice, pieces: int) -> list[FileSlice]:
    """What ``corpora.file.cut_text`` makes of the same text, without reading all of it."""
    parts, start = [], replace(text, stop=text.start, characters=0)
    at, done = text.start, 0  # a place: bytes of the file, characters of the text
    first = 0
    with opened(text.path) as file:
        for i in range(1, pieces):
            target = text.characters * i // pieces
            reach = min(text.characters, target + reach_of(text.characters, pieces))
            begin = max(target, first)
            if begin >= reach:
                continue
            at, done = _forward(file, at, done, begin), begin
            length = _cut_after(file, at, text.stop, reach - begin)
            if length is not None:
                characters, size = length
                cut_at, cut_done = at + size, begin + characters
                parts.append(replace(start, stop=cut_at, characters=cut_done - first))
                start, first = replace(start, start=cut_at), cut_done
    parts.append(replace(start, stop=text.stop, characters=text.characters - first))
    return parts


def reach_of(characters: int, pieces: int) -> int:
    """How far on from each cut of a text a place for it is looked for: half a piece, or REACH."""
    return min(max(1, characters // pieces // 2), REACH)


def _forward(file: BufferedReader, at: int, done: int, target: int) -> int:
    """The byte at which character ``target`` begins, from character ``done`` at byte ``at`` on."""
    file.seek(at)
    while block := file.read(1 << 16):
        heads = np.flatnonzero(np.frombuffer(block, np.uint8) & 0xC0 != 0x80)
        if len(heads) > target - done:
            return at + int(heads[target - done])
        at, done = at + len(block), done + len(heads)
    return at


def _cut_after(file: BufferedReader, at: int, stop: int, reach: int) -> tuple[int, int] | None:
    """Characters and bytes up to and with the best place to cut among the next ``reach``."""
    text = ""
    for most in (SHORT, reach):  # mostly there is a blank line soon
        file.seek(at)
        text = file.read(min(4 * most, stop - at)).decode("utf-8", "ignore")[: min(most, reach)]
        if "\n\n" in text:
            break
    for mark in ("\n\n", "\n", " "):
        found = text.find(mark)
        if found >= 0:
            found += len(mark)
            return found, len(text[:found].encode())
    return None


def split(text: FileSlice, separator: str) -> list[FileSlice]:
    """``text.read().split(separator)``, without reading all of it."""
    mark, parts, start = separator.encode(), [], text.start
    with opened(text.path) as file:
        held, at = b"", text.start
        for block in blocks(file, text.start, text.stop):
            held += block
            place = 0
            while (found := held.find(mark, place)) >= 0:
                parts.append((start, at + found))
                start, place = at + found + len(mark), found + len(mark)
            gone = max(place, len(held) - len(mark) + 1)
            held, at = held[gone:], at + gone
        parts.append((start, text.stop))
        return [replace(text, start=a, stop=b, characters=_length(file, a, b)) for a, b in parts]


def _length(file: BufferedReader, start: int, stop: int) -> int:
    return sum(
        int(np.count_nonzero(np.frombuffer(block, np.uint8) & 0xC0 != 0x80))
        for block in blocks(file, start, stop)
    )
