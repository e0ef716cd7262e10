"""Corpora larger than memory: converted once to a folder of documents, one file each.

The folder is part of the cache and named by a hash of the corpus and of how it is divided. Its
files are UTF-8 with LF line ends. They are read one at a time, whenever their text is needed.

Does not handle: millions of very short documents, each of which becomes a file.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from textgen.core import cache_folder, cached_folder
from textgen.data.cutting import REACH, cut, numbered, split
from textgen.data.decoding import measured, open_text, opened
from textgen.data.documents import Document, TextFile, changed

LARGE = 32_000_000
"""Bytes of a corpus above which it is converted, and not read into memory."""
LONGEST = 2_000_000
"""Characters of a converted document, at most. A longer one counts as a collection and is cut."""
PIECE = 250_000
"""Characters of the pieces that it is cut into, about."""
INDEX = "documents.json"
VERSION = 1
"""To be raised whenever the same files would be divided or written in another way."""


def convert(
    files: Mapping[str, Path], encoding: str, *, separator: str = "", pieces: int = 0
) -> list[Document]:
    """The documents of some files, converted unless the cache holds them already.

    An encoding that has to be guessed is announced when the files are converted.

    Args:
        files: name → file.
        encoding: as for :func:`textgen.data.decoding.read_text`.
        separator: what divides each file into documents.
        pieces: if there is no separator, the number of documents that each file is cut into; if
            this is 0 too, each file is a document.

    Raises:
        TextgenError: a file that is not text or that changes meanwhile, or a cache folder that
            cannot be written.
    """
    key = _key(files, encoding, separator, pieces)

    def write(folder: Path) -> None:
        rows = _write(files, encoding, separator, pieces, folder)
        (folder / INDEX).write_text(json.dumps(rows), encoding="utf-8")
        if _key(files, encoding, separator, pieces) != key:
            raise changed(next(iter(files.values())))

    return cached_folder(cache_folder() / "texts" / key, _read, write)


def _key(files: Mapping[str, Path], encoding: str, separator: str, pieces: int) -> str:
    """A hash of everything that the documents depend on."""
    settings = [VERSION, LONGEST, PIECE, REACH, encoding, separator, pieces, list(files)]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for path in files.values():
        with opened(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _read(folder: Path) -> list[Document]:
    documents = []
    for name, file, characters, size in json.loads((folder / INDEX).read_text(encoding="utf-8")):
        path = folder / file
        if characters and path.stat().st_size != size:
            raise ValueError(f"{path} is damaged")
        documents.append(Document(name, TextFile(path, characters) if characters else ""))
    return documents


def _write(
    files: Mapping[str, Path], encoding: str, separator: str, pieces: int, folder: Path
) -> list[tuple[str, str, int, int]]:
    """Write the documents: name, file, characters and bytes of each."""
    # not .txt: the cache may lie in the folder that is read
    unused = (folder / f"{i}.utf8" for i in itertools.count(1))
    rows = []
    for name, path in files.items():
        characters, found = measured(path, encoding)
        try:
            with open_text(path, found) as text:
                blocks = split(text, separator) if separator else cut(text, characters, pieces or 1)
                parts = _write_parts(blocks, unused)
        except UnicodeError:  # there was none when it was measured
            raise changed(path) from None
        whole = not separator and not pieces
        for document, (file, length) in [(name, parts[0])] if whole else numbered(name, parts):
            for row in _in_pieces(document, file, length, unused):
                if whole or row[2]:
                    rows.append(row)
    return [(n, f.name, length, f.stat().st_size if length else 0) for n, f, length in rows]


def _in_pieces(
    name: str, file: Path, characters: int, unused: Iterator[Path]
) -> list[tuple[str, Path, int]]:
    """Name, file and characters of a document, or of the pieces of one that is too long."""
    if characters <= LONGEST:
        return [(name, file, characters)]
    with open_text(file, "utf-8", "surrogatepass") as text:
        parts = _write_parts(cut(text, characters, -(-characters // PIECE)), unused)
    file.unlink()
    return [(piece, path, length) for piece, (path, length) in numbered(name, parts) if length]


def _write_parts(blocks: Iterable[str | None], unused: Iterator[Path]) -> list[tuple[Path, int]]:
    """Write each part of a text into a file of its own: the files, and characters in each."""
    parts = []
    path, characters = next(unused), 0
    for block in blocks:
        if block is None:
            parts.append((path, characters))
            path, characters = next(unused), 0
        elif block:
            with path.open("a", encoding="utf-8", errors="surrogatepass", newline="\n") as file:
                file.write(block)
            characters += len(block)
    return parts
