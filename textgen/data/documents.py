"""Named documents of raw text, in memory or in a file, and the corpora that they come from."""

from __future__ import annotations

import hashlib
import itertools
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from textgen.core.errors import TextgenError
from textgen.core.settings import CorpusOptions

# The article's "alphanumerics and a few punctuation marks", 75 characters.
ARTICLE = string.digits + string.ascii_letters + " \n.,;:!?'\"-()"
UNEDITED = CorpusOptions()


@dataclass(frozen=True)
class StoredText:
    """A stretch of a UTF-8 file, read whenever it is needed.

    Attributes:
        path: the file.
        start, end: where the stretch is, in bytes.
        edits: applied when it is read.
    """

    path: Path
    start: int
    end: int
    edits: CorpusOptions = UNEDITED

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                text = file.read(self.end - self.start).decode("utf-8", "surrogatepass")
        except (OSError, UnicodeDecodeError):
            message = f"{self.path}: it was changed while it was in use"
            raise TextgenError(message, "repeat the command") from None
        return edit(text, self.edits)

    @cached_property
    def characters(self) -> int:
        return len(self.read())


@dataclass(frozen=True, slots=True)
class Document:
    """One text, raw, under the name by which it is split and reported."""

    name: str
    content: str | StoredText

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else self.content.read()

    @property
    def characters(self) -> int:
        content = self.content
        return len(content) if isinstance(content, str) else content.characters


class CorpusConfig(Protocol):
    """The settings of a corpus. ``origin`` and ``licence`` are shown wherever results are.

    A corpus that cuts one text into documents may say so by an attribute ``one_text = True``; in
    contiguous shares the text is then cut where the shares begin.
    """

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


def count_characters(documents: Iterable[Document]) -> int:
    return sum(document.characters for document in documents)


def corpus_hash(documents: Iterable[Document]) -> str:
    """sha256 over every document's name and text, in order: it identifies a corpus."""
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.name, document.text):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def edit(text: str, edits: CorpusOptions) -> str:
    """A text as an experiment's corpus changes it, the same for all arms."""
    if edits.replace:
        text = text.translate({ord(old): new for old, new in edits.replace.items()})
    dropped = set(edits.drop)
    if edits.keep:
        kept = ARTICLE if edits.keep == "article" else edits.keep
        dropped |= set(text).difference(kept)
    if dropped:
        text = text.translate(dict.fromkeys(map(ord, dropped)))
    if edits.strip:
        text = "\n".join(line.strip() for line in text.split("\n"))
    return text


def apply_edits(documents: list[Document], options: CorpusOptions) -> list[Document]:
    """The first documents, up to the share of an experiment's corpus, with its edits."""
    if options.share is not None:
        ends = list(itertools.accumulate(d.characters for d in documents))
        count = sum(end <= options.share * ends[-1] for end in ends)
        documents = documents[:count]
    edits = replace(options, share=None, fallback=None)
    if edits == UNEDITED:
        return documents
    return [Document(d.name, _edited(d.content, edits)) for d in documents]


def _edited(content: str | StoredText, edits: CorpusOptions) -> str | StoredText:
    if isinstance(content, str):
        return edit(content, edits)
    return replace(content, edits=edits)
