"""What a corpus is, for those who write another kind of it, and where the built-in ones come from.

A corpus reads its text with :func:`textgen.data.reading.read_text`, or gives files that may be
larger than memory to :func:`textgen.data.reading.read_documents`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Protocol

from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.data.reading import file_sha256


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


def source(corpus: str) -> dict[str, Any]:
    """The entry of ``data/SOURCES.toml`` for a corpus: origin, licence, sha256 of every file."""
    packaged = Path(__file__).parents[1] / "SOURCES.toml"
    checkout = Path(__file__).parents[3] / "data" / "SOURCES.toml"
    path = packaged if packaged.exists() else checkout
    return tomllib.loads(path.read_text(encoding="utf-8"))[corpus]


def check_sha256(path: Path, expected: str, hint: str) -> None:
    """Refuse a file that is not the published one.

    Raises:
        TextgenError: another sha256, or no such file.
    """
    if (found := file_sha256(path)) != expected:
        raise TextgenError(f"{path}: another file (sha256 {found}; expected {expected})", hint=hint)
