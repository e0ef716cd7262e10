"""Named documents of raw text, in memory or on disk."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from textgen.core import CorpusOptions, TextgenError

ARTICLE = "".join(
    chr(c) for c in range(128) if chr(c).isalnum()
) + " \n.,;:!?'\"-()"  # fmt: skip
"""The article's "alphanumerics and a few punctuation marks", 75 characters."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to every text of a corpus, the same for all arms.

    Attributes:
        replaced: characters, and the text that takes the place of each.
        dropped: characters that are left out then.
        kept: the only ones that are kept; empty if all are.
        stripped: whether lines are without white space at their ends.
    """

    replaced: tuple[tuple[str, str], ...] = ()
    dropped: str = ""
    kept: str = ""
    stripped: bool = False

    def __call__(self, text: str) -> str:
        if self.replaced:
            text = text.translate({ord(old): new for old, new in self.replaced})
        if self.dropped:
            text = text.translate(dict.fromkeys(map(ord, self.dropped)))
        text = filtered(text, self.kept)
        return stripped(text) if self.stripped else text


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text on disk: a UTF-8 file with LF line ends, read whenever it is needed.

    Attributes:
        path: the file.
        characters: length of the text.
        change: what is done to it when it is read.
    """

    path: Path
    characters: int
    change: Change = Change()

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        try:
            text = self.change(self.path.read_bytes().decode("utf-8", "surrogatepass"))
        except (OSError, UnicodeDecodeError):
            raise changed(self.path) from None
        if len(text) != self.characters:
            raise changed(self.path)
        return text

    def changed(self, change: Change) -> TextFile:
        """The same text, changed."""
        return replace(self, change=change, characters=len(change(self.read())))


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


def changed_documents(documents: list[Document], options: CorpusOptions) -> list[Document]:
    """The documents with the changes that an experiment makes to its corpus; ``keep = "article"``
    is :data:`ARTICLE`."""
    if options.share is not None:
        documents = _first(documents, options.share)
    kept = ARTICLE if options.keep == "article" else options.keep or ""
    change = Change(tuple((options.replace or {}).items()), options.drop, kept, bool(options.strip))
    if change == Change():
        return documents
    return [
        Document(
            document.name,
            change(document.content)
            if isinstance(document.content, str)
            else document.content.changed(change),
        )
        for document in documents
    ]


def _first(documents: list[Document], share: float) -> list[Document]:
    """As many documents from the first one on as have no more than ``share`` of all characters.

    Raises:
        TextgenError: none has so few.
    """
    total = sum(document.characters for document in documents)
    ends = list(itertools.accumulate(document.characters for document in documents))
    found = [d for d, end in zip(documents, ends, strict=True) if end <= share * total]
    if total and not any(document.characters for document in found):
        least = (1000 * ends[:3][-1] // total + 1) / 1000
        raise TextgenError(
            "corpus.share",
            found=f"{share}: {share * total:,.0f} of {total:,} characters, fewer than the first "
            "document has",
            expected="room for at least three documents",
            hint=f"--set corpus.share={least}" if least < 1 else "leave it out, or use more text",
        )
    return found


def filtered(text: str, kept: str) -> str:
    """``text`` without all characters but ``kept``; unchanged if ``kept`` is empty."""
    return text.translate(dict.fromkeys(map(ord, set(text) - _set(kept)))) if kept else text


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
