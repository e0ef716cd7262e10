"""Contiguous shares of a text: training text first, then validation, then test; or validation
first."""

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


def in_order(shares: Mapping[str, float], first: str) -> list[str]:
    """The parts in the order of the text.

    Args:
        shares: of the held-out parts, in that order but for the ``first``.
        first: the part that the text begins with: ``"train"``, or one of those.
    """
    return [first, *(part for part in ("train", *shares) if part != first)]


def boundaries(total: int, shares: Mapping[str, float], first: str = "train") -> list[int]:
    """Where each part but the first begins.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves
    ``int(0.9 * total)`` characters before it.

    Args:
        total: characters.
        shares, first: as for :func:`in_order`.
    """
    exact = {part: Fraction(str(share)) for part, share in shares.items()}
    exact["train"] = Fraction(1) - sum(exact.values())
    order = in_order(shares, first)
    return [int(total * (1 - sum(exact[part] for part in order[i:]))) for i in range(1, len(order))]


def of_documents(
    documents: Sequence[Document], shares: Mapping[str, float], first: str = "train"
) -> Parts:
    """Documents in their order, none of them cut: each goes where its middle lies. Every part gets
    one at least, if there are enough.

    Args:
        documents: in the order of the text.
        shares, first: as for :func:`in_order`.
    """
    starts = boundaries(sum(d.characters for d in documents), shares, first)
    middles, before = list[float](), 0
    for document in documents:
        middles.append(before + document.characters / 2)
        before += document.characters
    cuts = [0]
    for i, start in enumerate(starts):
        ideal = sum(middle < start for middle in middles)
        last = len(documents) - (len(starts) - i)  # leaves one for each of the parts behind
        cuts.append(max(cuts[-1] + 1, min(ideal, last)))
    parts = zip(in_order(shares, first), pairwise([*cuts, len(documents)]), strict=True)
    return {part: list(documents[a:b]) for part, (a, b) in parts}


def of_one_text(
    pieces: Sequence[Document], shares: Mapping[str, float], exact: bool, first: str = "train"
) -> Parts:
    """One text, cut where the parts begin. Joined together, the parts are the text.

    A boundary falls on the first blank line (else line end, else space) at most REACH characters
    and a quarter of a part beyond its exact place. If the text comes whole, each part is one
    document. If it comes in pieces, every part is cut into pieces of about that size, shorter where
    there would be fewer than FEWEST in the last part; of a text that is not in memory, only the
    held-out parts are, and only if they have fewer.

    Args:
        pieces: the text.
        shares, first: as for :func:`in_order`.
        exact: cut at the very character.
    """
    *_, last = shares
    pieces = [d for d in pieces if d.characters]
    name = PIECE.sub("", pieces[0].name)
    if len(pieces) == 1:
        return _sliced([Document(name, pieces[0].content)], shares, exact, first)
    size = sum(d.characters for d in pieces) / len(pieces)
    in_memory = all(isinstance(d.content, str) for d in pieces)
    whole = [Document(name, "".join(d.text for d in pieces))] if in_memory else pieces
    parts = _sliced(whole, shares, exact, first)
    size = min(size, sum(d.characters for d in parts[last]) / FEWEST)
    if in_memory:
        return _renumbered(name, {part: _sections(found, size) for part, found in parts.items()})
    few = len(parts[last]) < FEWEST
    return parts | {part: _sections(parts[part], size) for part in shares if few}


def _sliced(
    pieces: Sequence[Document], shares: Mapping[str, float], exact: bool, first: str
) -> Parts:
    """The pieces of each part. Those in which a boundary falls are cut there; the texts of others
    are not read."""
    total = sum(d.characters for d in pieces)
    starts = boundaries(total, shares, first)
    if not exact:
        parts = pairwise([*starts, total])
        starts = [_moved(pieces, a, min(REACH, (b - a) // 4)) for a, b in parts]
    found: Parts = {}
    fragments: dict[str, int] = {}
    cuts = pairwise([0, *starts, total])
    for part, (a, b) in zip(in_order(shares, first), cuts, strict=True):
        found[part], before = [], 0
        for piece in pieces:
            begin, end = max(a - before, 0), min(b - before, piece.characters)
            before += piece.characters
            if (begin, end) == (0, piece.characters):
                found[part].append(piece)
            elif begin < end:
                number = fragments[piece.name] = fragments.get(piece.name, 0) + 1
                found[part].append(Document(f"{piece.name}#{number}", piece.text[begin:end]))
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
