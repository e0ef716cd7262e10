"""What every corpus gives: named documents of raw text, and where they come from."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from textgen.errors import TextgenError

ARTICLE = "".join(
    chr(c) for c in range(128) if chr(c).isalnum()
) + " \n.,;:!?'\"-()"  # fmt: skip
"""The article's "alphanumerics and a few punctuation marks", 75 characters."""


@dataclass(frozen=True)
class Document:
    """One text, raw, under the name by which it is split and reported."""

    name: str
    text: str


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
        for part in (document.name, document.text):
            digest.update(len(part).to_bytes(8, "big"))
            for start in range(0, len(part), 1 << 20):
                digest.update(part[start : start + (1 << 20)].encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def keep_characters(documents: list[Document], keep: str) -> list[Document]:
    """Every other character deleted, for all arms alike; ``"article"`` is :data:`ARTICLE`."""
    kept = set(ARTICLE if keep == "article" else keep)
    result = []
    for document in documents:
        gone = dict.fromkeys(map(ord, set(document.text) - kept))
        result.append(Document(document.name, document.text.translate(gone)))
    return result


def check_not_empty(documents: list[Document], where: str) -> list[Document]:
    """The documents that hold text.

    Raises:
        TextgenError: none does.
    """
    documents = [d for d in documents if d.text.strip()]
    if not documents:
        raise TextgenError(
            where,
            found="no text: every document is empty",
            expected="at least three documents with some text in each",
        )
    return documents
