"""Named documents of raw text, in memory or on disk."""

from __future__ import annotations

import hashlib
import itertools
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.settings import CorpusOptions

ARTICLE = string.digits + string.ascii_letters + " \n.,;:!?'\"-()"
"""The article's "alphanumerics and a few punctuation marks", 75 characters."""


@dataclass(frozen=True, slots=True)
class Edits:
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
        if self.kept:
            others = set(text) - _character_set(self.kept)
            text = text.translate(dict.fromkeys(map(ord, others)))
        if self.stripped:
            text = "\n".join(line.strip() for line in text.split("\n"))
        return text


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text on disk: a UTF-8 file with LF line ends, read whenever it is needed.

    Attributes:
        path: the file.
        characters: length of the text.
        edits: what is done to it when it is read.
    """

    path: Path
    characters: int
    edits: Edits = Edits()

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        try:
            text = self.edits(self.path.read_bytes().decode("utf-8", "surrogatepass"))
        except (OSError, UnicodeDecodeError):
            raise file_changed_error(self.path) from None
        if len(text) != self.characters:
            raise file_changed_error(self.path)
        return text

    def edited(self, edits: Edits) -> TextFile:
        return replace(self, edits=edits, characters=len(edits(self.read())))


def file_changed_error(path: Path) -> TextgenError:
    return TextgenError(f"{path}: it was changed while it was in use", hint="repeat the command")


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


def apply_edits(documents: list[Document], options: CorpusOptions) -> list[Document]:
    """The documents with the edits of an experiment's corpus; ``keep = "article"`` is
    :data:`ARTICLE`.

    Raises:
        TextgenError: the share is smaller than the first document.
    """
    if options.share is not None:
        documents = _first(documents, options.share)
    kept = ARTICLE if options.keep == "article" else options.keep or ""
    edits = Edits(tuple((options.replace or {}).items()), options.drop, kept, bool(options.strip))
    if edits == Edits():
        return documents
    return [
        Document(
            d.name, edits(d.content) if isinstance(d.content, str) else d.content.edited(edits)
        )
        for d in documents
    ]


def _first(documents: list[Document], share: float) -> list[Document]:
    """As many documents from the first one on as have no more than ``share`` of all characters."""
    total = sum(document.characters for document in documents)
    ends = list(itertools.accumulate(document.characters for document in documents))
    found = [d for d, end in zip(documents, ends, strict=True) if end <= share * total]
    if total and not any(document.characters for document in found):
        least = (1000 * ends[:3][-1] // total + 1) / 1000
        raise TextgenError(
            f"corpus.share: {share} of {total:,} characters is less than the first document has",
            hint=f"--set corpus.share={least}" if least < 1 else "leave it out, or use more text",
        )
    return found


@cache
def _character_set(characters: str) -> frozenset[str]:
    return frozenset(characters)


def check_not_empty(documents: list[Document], where: str) -> list[Document]:
    """The documents that hold more than white space.

    Raises:
        TextgenError: none does.
    """
    documents = [d for d in documents if (text := d.text) and not text.isspace()]
    if not documents:
        hint = "at least three documents need some text"
        raise TextgenError(f"{where}: no text: every document is empty", hint=hint)
    return documents
