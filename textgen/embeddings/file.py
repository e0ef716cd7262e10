"""Vectors that others learnt from other text: word2vec, GloVe and fastText files.

Does not handle: what gensim's own ``save`` wrote (a pickle, which could run anything), quantised
fastText (``.ftz``), the vectors that fastText can make up for words it does not list.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from textgen.core import TextgenError
from textgen.embeddings.base import Vectors
from textgen.embeddings.learning import quieten_gensim
from textgen.embeddings.word2vec import assemble

Format = Literal["auto", "word2vec", "word2vec_binary", "glove", "fasttext"]
MAGIC = 793712314  # of fastText .bin files since 2017
DAMAGED = (
    ValueError,
    EOFError,
    MemoryError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    struct.error,
    zlib.error,
)  # what a file that is not what it seems makes gensim, numpy and the functions below raise


@dataclass(frozen=True)
class File:
    """Vectors from a file, which knows more than the training split: reports name it.

    A token is looked up by its name without the leading space, then by that in lower case. One
    that the file does not list starts random.

    Args:
        path: word2vec text or binary, GloVe text, fastText ``.vec`` or ``.bin``; text and word2vec
            may be compressed (``.gz``, ``.bz2``). A ``.bin`` takes its whole size in memory, where
            the ``.vec`` beside it takes next to none for the same vectors.
        format: what it is, where ``"auto"`` does not tell.
        frozen: leave the vectors as they are while the network is trained.
    """

    path: Path
    format: Format = "auto"
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        keyed, checksum = self._read({form for name in names for form in _forms(name)}, width)
        rows = {
            token: keyed.key_to_index[form]
            for token, name in enumerate(names)
            for form in reversed(_forms(name))
            if form in keyed.key_to_index
        }
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

    def _read(self, wanted: set[str], width: int) -> tuple[Any, str]:
        """Gensim's ``KeyedVectors`` with at least the wanted words, and the file's sha256."""
        try:
            with self.path.open("rb") as stream:
                checksum = hashlib.file_digest(stream, "sha256").hexdigest()
            layout = recognise(self.path, self.format)
            if layout.width != width:
                raise TextgenError(
                    self._where,
                    found=f"vectors of {layout.width} numbers",
                    expected=f"{width}, the width of the embedding layer",
                    hint=f"set [backbone] embedding_size = {layout.width}",
                )
            keyed = read(self.path, layout, wanted)
            if not np.isfinite(keyed.vectors).all():
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
        return keyed, checksum


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "more than fits into memory"
    return "a file that ends too early" if isinstance(error, struct.error) else str(error)


def _forms(name: str) -> tuple[str, ...]:
    """What a token is looked up by, the best first."""
    bare = name.removeprefix(" ")
    return (bare, bare.lower()) if bare else ()


@dataclass(frozen=True)
class Layout:
    """How a file is read: ``count`` is what its first line says, or None where it says nothing."""

    kind: Literal["text", "binary", "fasttext"]
    width: int
    count: int | None = None


def recognise(path: Path, format: Format) -> Layout:
    """The layout of a file, by its beginning.

    Raises:
        ValueError: it does not begin as vectors in this format do.
    """
    from gensim.utils import open as open_vectors

    with open_vectors(str(path), "rb") as stream:
        head = stream.read(1 << 17)
    first, _, rest = head.partition(b"\n")
    header = re.fullmatch(rb"(\d{1,9}) (\d{1,5})\s*", first)
    if header and format != "glove":
        count, width = int(header[1]), int(header[2])
        if format == "word2vec_binary":
            return Layout("binary", width, count)
        lines = rest.split(b"\n")[:10]
        text = format == "word2vec" or any(_numbers(line) == width for line in lines)
        return Layout("text" if text else "binary", width, count)
    if format in ("auto", "glove") and (width := _numbers(first)):
        return Layout("text", width)
    if format in ("auto", "fasttext") and b"\0" in head and head[:1] != b"\x80":
        magic, _, dimension = struct.unpack("=3i", head[:12])
        width = dimension if magic == MAGIC else magic
        if 0 < width < 10_000:
            return Layout("fasttext", width)
    raise ValueError("a Python pickle" if head[:1] == b"\x80" else f"a beginning of {head[:20]!r}")


def _numbers(line: bytes) -> int:
    """How many numbers follow a word, or 0 where the line is something else."""
    try:
        return len([float(field) for field in line.rstrip().split(b" ")[1:]])
    except ValueError:
        return 0


def read(path: Path, layout: Layout, wanted: set[str]) -> Any:
    """The wanted words of a file as gensim's ``KeyedVectors``.

    Gensim would hold all of a file in memory, several gigabytes, so it is given a file of only the
    wanted words. A fastText ``.bin`` it has to see whole.
    """
    from gensim.models.fasttext import load_facebook_vectors
    from gensim.models.keyedvectors import KeyedVectors
    from gensim.utils import open as open_vectors

    quieten_gensim()
    if layout.kind == "fasttext":
        _check_fasttext(path)
        return load_facebook_vectors(str(path))
    words = {word.encode("utf-8", "backslashreplace") for word in wanted}
    pick = _pick_lines if layout.kind == "text" else _pick_records
    with open_vectors(str(path), "rb") as stream:
        if layout.count is not None:
            stream.readline()
        picked = list(pick(stream, layout, words))
    if not picked:
        return KeyedVectors(layout.width)
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "vectors"
        small.write_bytes(b"%d %d\n" % (len(picked), layout.width) + b"".join(picked))
        return KeyedVectors.load_word2vec_format(str(small), binary=layout.kind == "binary")


def _pick_lines(stream: IO[bytes], layout: Layout, words: set[bytes]) -> Iterator[bytes]:
    number = 0
    for number, line in enumerate(map(bytes.rstrip, stream), start=1):
        numbers = line.count(b" ")
        if line and numbers < layout.width:
            raise ValueError(f"vector {number} has {numbers} numbers, others {layout.width}")
        # more: a word with a space in it, as GloVe has a few, and no token is such a word
        if numbers == layout.width and line[: line.index(b" ")] in words:
            yield line + b"\n"
    if number < (layout.count or 0):
        raise ValueError(f"{number} vectors, where its first line says {layout.count}")


def _pick_records(stream: IO[bytes], layout: Layout, words: set[bytes]) -> Iterator[bytes]:
    for number in range(layout.count or 0):
        word = bytearray()
        while (byte := stream.read(1)) not in (b" ", b""):
            word += byte
        vector = stream.read(4 * layout.width)
        if len(vector) < 4 * layout.width:
            raise ValueError(f"{number} vectors, where its first line says {layout.count}")
        if (name := bytes(word.lstrip(b"\n"))) in words:
            yield name + b" " + vector
    if stream.read(2).strip():
        raise ValueError("more than the vectors that its first line announces")


def _check_fasttext(path: Path) -> None:
    """Refuse a file that ends too early: gensim would look for the end of a word forever.

    The order of things is that of ``FastText::saveModel`` in fastText's source.
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
        position += 8 * max(0, pruned)
        if new and struct.unpack_from("=?", data, position)[0]:
            raise ValueError("a quantised fastText file, which gensim cannot read")
        rows, width = struct.unpack_from("=2q", data, position + new)
        if position + new + 16 + 4 * rows * width > len(data):
            raise ValueError("a fastText file cut off within its vectors")
