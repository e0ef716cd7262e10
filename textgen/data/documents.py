"""Named documents of raw text, in memory or on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from textgen.core import TextgenError

ARTICLE = "".join(
    chr(c) for c in range(128) if chr(c).isalnum()
) + " \n.,;:!?'\"-()"  # fmt: skip
"""The article's "alphanumerics and a few punctuation marks", 75 characters."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text on disk: a UTF-8 file with LF line ends, read whenever it is needed.

    Attributes:
        path: the file.
        characters: length of the text.
        kept: the only characters that are kept; empty if all are.
        stripped: whether lines are without white space at their ends.
    """

    path: Path
    characters: int
    kept: str = ""
    stripped: bool = False

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        try:
            text = filtered(self.path.read_bytes().decode("utf-8", "surrogatepass"), self.kept)
        except (OSError, UnicodeDecodeError):
            raise changed(self.path) from None
        text = stripped(text) if self.stripped else text
        if len(text) != self.characters:
            raise changed(self.path)
        return text

    def keeping(self, kept: str) -> TextFile:
        """The same text with all other characters deleted."""
        return replace(self, kept=kept, characters=len(filtered(self.read(), kept)))

    def stripping(self) -> TextFile:
        """The same text without white space at the ends of its lines."""
        return replace(self, stripped=True, characters=len(stripped(self.read())))


def changed(path: Path) -> TextgenError:
    return TextgenError(
        str(path),
        found="the file was changed while it was in use",
        expected="text that stays the same as long as a command runs",
        hint="repeat the command",
    )


@dataclass(frozen=True, slots=True)
class Document:
    """One text, raw, under the name by which it is split and reported.

    Attributes:
        name: distinguishes it from the other documents.
        content: the text, or the file that holds it.
    """

    name: str
    content: str | TextFile

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else self.content.read()

    @property
    def characters(self) -> int:
        """Length of the text, known without reading it."""
        content = self.content
        return len(content) if isinstance(content, str) else content.characters


def corpus_hash(documents: Iterable[Document]) -> str:
    """sha256 over every document's name and text, in order: it identifies a corpus."""
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.name, document.text):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def keep_characters(documents: list[Document], keep: str) -> list[Document]:
    """The documents without all other characters; ``"article"`` is :data:`ARTICLE`."""
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


def filtered(text: str, kept: str) -> str:
    """``text`` without all characters but ``kept``; unchanged if ``kept`` is empty."""
    return text.translate(dict.fromkeys(map(ord, set(text) - _set(kept)))) if kept else text


def strip_lines(documents: list[Document]) -> list[Document]:
    """The documents without white space at both ends of every line; line ends stay."""
    return [
        Document(d.name, stripped(c) if isinstance(c := d.content, str) else c.stripping())
        for d in documents
    ]


def stripped(text: str) -> str:
    """``text`` without white space at both ends of every line."""
    return "\n".join(line.strip() for line in text.split("\n"))


@cache
def _set(characters: str) -> frozenset[str]:
    return frozenset(characters)


def check_not_empty(documents: list[Document], where: str) -> list[Document]:
    """The documents that hold more than white space.

    Raises:
        TextgenError: none does.
    """
    documents = [d for d in documents if (text := d.text) and not text.isspace()]
    if not documents:
        raise TextgenError(
            where,
            found="no text: every document is empty",
            expected="at least three documents with some text in each",
        )
    return documents
