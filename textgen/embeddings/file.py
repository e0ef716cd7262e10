"""Pretrained vectors from word2vec, GloVe and fastText files, read by gensim.

Does not handle: files that gensim's own ``save`` wrote (pickles, which could run any code),
quantised fastText (``.ftz``), fastText's vectors of words that are not in its list.
"""

from __future__ import annotations

import mmap
import re
import struct
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from textgen.core import TextgenError, sha256_of
from textgen.embeddings.base import Vectors
from textgen.embeddings.learning import quieten_gensim
from textgen.embeddings.word2vec import assemble

Format = Literal["auto", "word2vec", "word2vec_binary", "glove", "fasttext"]
MAGIC = 793712314  # of fastText .bin files since 2017
COMPRESSED = (".gz", ".bz2")
DAMAGED = (
    ValueError,
    EOFError,
    MemoryError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What gensim, NumPy and the functions below raise at a damaged file."""


@dataclass(frozen=True)
class File:
    """Vectors from a file: an external resource, which the reports name.

    A token is looked up by its name without the leading space, then by the same in lower case. A
    token that the file does not list starts with a random vector.

    Args:
        path: word2vec text or binary, GloVe text, fastText ``.vec`` or ``.bin``; text and word2vec
            may be compressed (``.gz``, ``.bz2``). A binary file takes at least its whole size in
            memory, a text file next to nothing.
        format: what the file is, if ``"auto"`` does not recognise it.
        frozen: keep the vectors fixed while the network is trained.
    """

    path: Path
    format: Format = "auto"
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        keyed, rows, checksum = self._read(names, width)
        if not rows:
            raise TextgenError(
                self._where,
                found=f"none of the {len(names)} tokens of this experiment",
                expected="vectors of words in the language of the corpus",
                hint="characters and most subwords are not in such files: use a word tokenizer",
            )
        source = f"vectors {self.path.name} (sha256 {checksum[:12]}…)"
        source += f", {len(rows)} of {len(names)} tokens found"
        return assemble(keyed, rows, names, documents, seed, (source,))

    @property
    def _where(self) -> str:
        return f"embedding.path: {self.path}"

    def _read(self, names: Sequence[str], width: int) -> tuple[Any, dict[int, int], str]:
        """Gensim's ``KeyedVectors``, the row in it of each token that is found, and the sha256 of
        the file."""
        try:
            checksum = sha256_of(self.path)
            layout = recognise(self.path, self.format)
            if layout.width != width:
                raise TextgenError(
                    self._where,
                    found=f"vectors of {layout.width} numbers",
                    expected=f"{width}, the width of the embedding layer",
                    hint=f"set [backbone] embedding_size = {layout.width}",
                )
            keyed = read(self.path, layout, {form for name in names for form in _forms(name)})
            rows = {
                token: keyed.key_to_index[form]
                for token, name in enumerate(names)
                for form in reversed(_forms(name))
                if form in keyed.key_to_index
            }
            if not np.isfinite(keyed.vectors[list(rows.values())]).all():
                raise ValueError("vectors with numbers that are not finite")
        except OSError as error:
            raise TextgenError(
                self._where,
                found=error.strerror or str(error),
                expected="a file of word vectors",
                hint="correct the path in [embedding]",
            ) from None
        except DAMAGED as error:
            raise TextgenError(
                self._where,
                found=_words(error),
                expected="word vectors in the format of word2vec, GloVe or fastText",
                hint="is the file whole, and does [embedding] format fit it?",
            ) from None
        return keyed, rows, checksum


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "more than fits into memory"
    early = isinstance(error, (struct.error, AssertionError))
    return "a file that ends too early" if early else str(error)


def _forms(name: str) -> tuple[str, ...]:
    """The words under which a token is looked up, in order of preference."""
    bare = name.removeprefix(" ")
    return (bare, bare.lower()) if bare else ()


@dataclass(frozen=True)
class Layout:
    """How a file is read; ``count`` is the number of vectors that its first line announces."""

    kind: Literal["text", "binary", "fasttext"]
    width: int
    count: int | None = None


def recognise(path: Path, format: Format) -> Layout:
    """The layout of a file, recognised by its first bytes.

    Raises:
        ValueError: it does not begin like a file in this format.
    """
    from gensim.utils import open as open_vectors

    with open_vectors(str(path), "rb") as stream:
        head = stream.read(1 << 17)
    first, _, rest = head.partition(b"\n")
    header = re.fullmatch(rb"(\d{1,9}) (\d{1,5})\s*", first)
    if header and format != "glove":
        count, width = int(header[1]), int(header[2])
        text = any(_numbers(line) == width for line in rest.split(b"\n")[:10])
        if text and format == "word2vec_binary":
            raise ValueError("vectors written as text, not binary")
        return Layout("text" if text or format == "word2vec" else "binary", width, count)
    if format in ("auto", "glove") and (width := _numbers(first)):
        return Layout("text", width)
    if format in ("auto", "fasttext") and b"\0" in head and head[:1] != b"\x80":
        magic, _, dimension = struct.unpack("=3i", head[:12])
        width = dimension if magic == MAGIC else magic
        if 0 < width < 10_000:
            return Layout("fasttext", width)
    raise ValueError("a Python pickle" if head[:1] == b"\x80" else f"a beginning of {head[:20]!r}")


def _numbers(line: bytes) -> int:
    """How many numbers follow a word, or 0 if the line is something else."""
    try:
        return len([float(field) for field in line.rstrip().split(b" ")[1:]])
    except ValueError:
        return 0


def read(path: Path, layout: Layout, wanted: set[str]) -> Any:
    """The vectors of a file as gensim's ``KeyedVectors``: of a binary file all, else the wanted.

    Gensim would parse a text file of 2 million words for some ten minutes, and fail at words with
    a space in them, of which GloVe has a few. So it is given only the lines that are wanted.
    """
    from gensim.models.fasttext import load_facebook_vectors
    from gensim.models.keyedvectors import KeyedVectors

    quieten_gensim()
    if layout.kind == "fasttext":
        _check_fasttext(path)
        return load_facebook_vectors(str(path))
    if layout.kind == "binary":
        size = (layout.count or 0) * layout.width * 4
        if path.suffix not in COMPRESSED and path.stat().st_size < size:
            raise ValueError(f"fewer than the {layout.count} vectors that its first line announces")
        return KeyedVectors.load_word2vec_format(str(path), binary=True, unicode_errors="replace")
    lines = _wanted_lines(path, layout, wanted)
    if not lines:
        return KeyedVectors(layout.width)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "vectors.txt"
        small.write_bytes(b"".join(lines))
        return KeyedVectors.load_word2vec_format(str(small), no_header=True)


def _wanted_lines(path: Path, layout: Layout, wanted: set[str]) -> list[bytes]:
    from gensim.utils import open as open_vectors

    words = {word.encode("utf-8", "backslashreplace") for word in wanted}
    lines, number = [], 0
    with open_vectors(str(path), "rb") as stream:
        if layout.count is not None:
            stream.readline()
        for number, line in enumerate(map(bytes.rstrip, stream), start=1):
            numbers = line.count(b" ")
            if line and numbers < layout.width:
                raise ValueError(f"vector {number} has {numbers} numbers, others {layout.width}")
            if numbers == layout.width and line[: line.index(b" ")] in words:
                lines.append(line + b"\n")
    if number < (layout.count or 0):
        raise ValueError(f"{number} vectors, where its first line announces {layout.count}")
    return lines


def _check_fasttext(path: Path) -> None:
    """Refuse a quantised file, and one that ends within its list of words: gensim would look for
    the end of a word forever.

    The order of the fields is that of ``FastText::saveModel`` in fastText's source.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        new = struct.unpack_from("=i", data)[0] == MAGIC
        position = 64 if new else 56  # past the settings
        (entries,) = struct.unpack_from("=i", data, position)
        pruned = struct.unpack_from("=q", data, position + 20)[0] if new else 0
        position += 28 if new else 20
        for _ in range(entries):
            position = data.find(b"\0", position) + 10  # past a word, its count and its type
            if position < 10:
                raise ValueError("a fastText file cut off within its list of words")
        if new and struct.unpack_from("=?", data, position + 8 * max(0, pruned))[0]:
            raise ValueError("a quantised fastText file, which gensim cannot read")
