"""Contiguous shares of a text: training text first, then validation, then test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from textgen.data.cutting import cut_text, numbered
from textgen.data.documents import Document
from textgen.data.given import PIECE

FEWEST = 6
"""Test documents that a 95 % interval of a difference needs: 2^(1 − 6) is below 0.05."""
REACH = 5_000
"""How far beyond its exact place a boundary may fall, in characters."""
MARKS = ("\n\n", "\n", " ")
Parts = dict[str, list[Document]]


def boundaries(total: int, shares: Mapping[str, float]) -> list[int]:
    """Where each part but the first begins.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves
    ``int(0.9 * total)`` characters before it.

    Args:
        total: characters.
        shares: of the held-out parts, in the order of the text.
    """
    exact = [Fraction(str(share)) for share in shares.values()]
    return [int(total * (1 - sum(exact[i:]))) for i in range(len(exact))]


def of_documents(documents: Sequence[Document], shares: Mapping[str, float]) -> Parts:
    """Documents in their order, none of them cut: each goes where its middle lies. Every part gets
    one at least, if there are enough.

    Args:
        documents: in the order of the text.
        shares: of the held-out parts, in this order.
    """
    starts = boundaries(sum(d.characters for d in documents), shares)
    middles, before = list[float](), 0
    for document in documents:
        middles.append(before + document.characters / 2)
        before += document.characters
    cuts = [0]
    for i, start in enumerate(starts):
        ideal = sum(middle < start for middle in middles)
        last = len(documents) - (len(starts) - i)  # leaves one for each of the parts behind
        cuts.append(max(cuts[-1] + 1, min(ideal, last)))
    names = ("train", *shares)
    ends = pairwise([*cuts, len(documents)])
    return {part: list(documents[a:b]) for part, (a, b) in zip(names, ends, strict=True)}


def of_one_text(pieces: Sequence[Document], shares: Mapping[str, float], exact: bool) -> Parts:
    """One text, cut where the parts begin. Joined together, the parts are the text.

    A boundary falls on the first blank line (else line end, else space) at most REACH characters
    and a quarter of a part beyond its exact place. If the text comes whole, each part is one
    document. If it comes in pieces, every part is cut into pieces of about that size, shorter where
    there would be fewer than FEWEST in the last part; of a text that is not in memory, only the
    held-out parts are, and only if they have fewer.

    Args:
        pieces: the text.
        shares: of the held-out parts, in this order.
        exact: cut at the very character.
    """
    *_, last = shares
    pieces = [d for d in pieces if d.characters]
    name = PIECE.sub("", pieces[0].name)
    if len(pieces) == 1:
        return _sliced([Document(name, pieces[0].content)], shares, exact)
    size = sum(d.characters for d in pieces) / len(pieces)
    in_memory = all(isinstance(d.content, str) for d in pieces)
    whole = [Document(name, "".join(d.text for d in pieces))] if in_memory else pieces
    parts = _sliced(whole, shares, exact)
    size = min(size, sum(d.characters for d in parts[last]) / FEWEST)
    if in_memory:
        return _renumbered(name, {part: _sections(found, size) for part, found in parts.items()})
    few = len(parts[last]) < FEWEST
    return parts | {part: _sections(parts[part], size) for part in shares if few}


def _sliced(pieces: Sequence[Document], shares: Mapping[str, float], exact: bool) -> Parts:
    """The pieces of each part. Those in which a boundary falls are cut there; the texts of others
    are not read."""
    total = sum(d.characters for d in pieces)
    starts = boundaries(total, shares)
    if not exact:
        parts = pairwise([*starts, total])
        starts = [_moved(pieces, a, min(REACH, (b - a) // 4)) for a, b in parts]
    found: Parts = {}
    fragments: dict[str, int] = {}
    for part, (a, b) in zip(("train", *shares), pairwise([0, *starts, total]), strict=True):
        found[part], before = [], 0
        for piece in pieces:
            first, end = max(a - before, 0), min(b - before, piece.characters)
            before += piece.characters
            if (first, end) == (0, piece.characters):
                found[part].append(piece)
            elif first < end:
                number = fragments[piece.name] = fragments.get(piece.name, 0) + 1
                found[part].append(Document(f"{piece.name}#{number}", piece.text[first:end]))
    return found


def _moved(pieces: Sequence[Document], place: int, reach: int) -> int:
    """Where the text is cut, at ``place`` or a little behind it."""
    before = 0
    for piece in pieces:
        if before + piece.characters > place:
            return before + _place(piece.text, place - before, reach)
        before += piece.characters
    return place


def _place(text: str, target: int, reach: int) -> int:
    """Where a text is cut, from ``target`` on."""
    for mark in MARKS:
        # a mark that ends right at the target is as good as one behind it
        found = text.find(mark, max(0, target - len(mark)), target + reach)
        if found >= 0:
            return found + len(mark)
    return len(text) if target + reach >= len(text) else target  # a piece ends at a mark


def _sections(documents: Sequence[Document], size: float) -> list[Document]:
    """Documents cut into sections of about ``size`` characters."""
    found = list[Document]()
    for document in documents:
        pieces = round(document.characters / size)
        texts = [text for text in cut_text(document.text, pieces) if text] if pieces > 1 else []
        named = [Document(name, text) for name, text in numbered(document.name, texts)]
        found += named or [document]
    return found


def _renumbered(name: str, parts: Parts) -> Parts:
    """All documents numbered in the order of the text."""
    everything = numbered(name, [d for documents in parts.values() for d in documents])
    rest = iter(Document(label, document.content) for label, document in everything)
    return {part: [next(rest) for _ in documents] for part, documents in parts.items()}
