"""What every corpus gives: named documents of raw text, and where they come from."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from textgen.core import TextgenError
from textgen.data.cutting import LONGEST, PIECE, cut
from textgen.data.slices import FileSlice, filtered

ARTICLE = "".join(
    chr(c) for c in range(128) if chr(c).isalnum()
) + " \n.,;:!?'\"-()"  # fmt: skip
"""The article's "alphanumerics and a few punctuation marks", 75 characters."""


@dataclass(frozen=True, slots=True)
class Document:
    """One text, raw, under the name by which it is split and reported.

    Attributes:
        name: tells it from the others.
        content: the text, or the part of a file that holds it and is read whenever it is wanted.
    """

    name: str
    content: str | FileSlice

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else self.content.read()

    @property
    def characters(self) -> int:
        """Length of the text, known without reading it."""
        content = self.content
        return len(content) if isinstance(content, str) else content.characters


def in_pieces(document: Document) -> list[Document]:
    """A document of a large corpus, or the pieces of one that is too long for one."""
    content = document.content
    if isinstance(content, str) or content.characters <= LONGEST:
        return [document]
    parts = cut(content, -(-content.characters // PIECE))
    width = len(str(len(parts)))
    return [
        Document(f"{document.name}#{i:0{width}d}", part) for i, part in enumerate(parts, start=1)
    ]


class Corpus(Protocol):
    """A source of documents. ``origin`` and ``licence`` are shown wherever results are."""

    @property
    def origin(self) -> str: ...
    @property
    def licence(self) -> str: ...
    def documents(self) -> list[Document]:
        """All documents in a stable order.

        Raises:
            CorpusUnavailable: the text cannot be fetched here.
            TextgenError: the text is there but cannot be used.
        """
        ...


def source(corpus: str) -> dict[str, Any]:
    """The entry of ``data/SOURCES.toml`` for a corpus: origin, licence, sha256 of every file."""
    packaged = Path(__file__).with_name("SOURCES.toml")
    checkout = Path(__file__).parents[2] / "data" / "SOURCES.toml"
    path = packaged if packaged.exists() else checkout
    return tomllib.loads(path.read_text(encoding="utf-8"))[corpus]


def corpus_hash(documents: Iterable[Document]) -> str:
    """sha256 over every document's name and text, in order: two corpora are the same or not."""
    digest = hashlib.sha256()
    for document in documents:
        for length, part in (
            (len(document.name), document.name),
            (document.characters, document.content),
        ):
            digest.update(length.to_bytes(8, "big"))
            for encoded in _encoded(part):
                digest.update(encoded)
    return digest.hexdigest()


def _encoded(part: str | FileSlice) -> Iterator[bytes]:
    if isinstance(part, FileSlice):
        yield from part.raw()
        return
    for start in range(0, len(part), 1 << 20):
        yield part[start : start + (1 << 20)].encode("utf-8", "surrogatepass")


def keep_characters(documents: list[Document], keep: str) -> list[Document]:
    """Every other character deleted, for all arms alike; ``"article"`` is :data:`ARTICLE`."""
    kept = ARTICLE if keep == "article" else keep
    return [
        Document(
            document.name,
            filtered(document.content, kept)
            if isinstance(document.content, str)
            else document.content.keeping(kept),
        )
        for document in documents
    ]


def check_not_empty(documents: list[Document], where: str) -> list[Document]:
    """The documents that hold text.

    Raises:
        TextgenError: none does.
    """
    documents = [
        d
        for d in documents
        if (d.content.strip() if isinstance(d.content, str) else not d.content.blank())
    ]
    if not documents:
        raise TextgenError(
            where,
            found="no text: every document is empty",
            expected="at least three documents with some text in each",
        )
    return documents
