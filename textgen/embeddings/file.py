"""Pretrained vectors from text files: those of word2vec and fastText (``.vec``), whose first line
has the number of words and of dimensions, and GloVe's, which have no such line.

Does not handle: binary files, and fastText's vectors of words that are not in its list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.system import sha256_of
from textgen.embeddings.vectors import Vectors, starting_matrix


@dataclass(frozen=True)
class File:
    """Vectors from a file: an external resource, which the reports name.

    A token is looked up by its name without the leading space, then by the same in lower case. A
    token that the file does not list starts with a random vector.

    Args:
        path: word2vec, fastText or GloVe vectors as text, which may be compressed (``.gz``,
            ``.bz2``).
        frozen: keep the vectors fixed while the network is trained.
    """

    path: Path
    frozen: bool = False

    def vectors(
        self, names: Sequence[str], documents: Sequence[np.ndarray], width: int, seed: int
    ) -> Vectors:
        wanted = {form for name in names for form in _forms(name)}
        try:
            read = read_vectors(self.path, width, wanted)
            checksum = sha256_of(self.path)
        except UNREADABLE as error:
            problem = getattr(error, "strerror", None) or str(error)
            hint = f"give word2vec, fastText or GloVe vectors of {width} numbers as text, or set "
            hint += "[backbone] embedding_size to their width"
            raise TextgenError(f"embedding.path: {self.path}: {problem}", hint) from None
        forms = [next(filter(read.__contains__, _forms(name)), None) for name in names]
        found = {token: read[form] for token, form in enumerate(forms) if form is not None}
        if not found:
            message = f"embedding.path: {self.path}: none of the {len(names)} tokens"
            hint = "such files hold words: use a word tokenizer, and the language of the corpus"
            raise TextgenError(message, hint)
        matrix = starting_matrix(found, width, len(names), seed)
        source = f"vectors {self.path.name} (sha256 {checksum[:12]}…), "
        return Vectors(matrix, (f"{source}{len(found)} of {len(names)} tokens found",))


def _forms(name: str) -> tuple[str, ...]:
    """The words under which a token is looked up, in order of preference."""
    word = name.removeprefix(" ")
    return (word, word.lower()) if word else ()


def read_vectors(path: Path, width: int, wanted: set[str]) -> dict[str, np.ndarray]:
    """The vectors of the wanted words, (width,) float32 each.

    Gensim's own reader parses and keeps every vector, of 2 million words in some ten minutes, and
    fails at words with a space in them, which GloVe has. Here only the wanted lines are parsed.

    Raises:
        ValueError: something else than vectors, of another width, or cut off.
    """
    vectors, number = dict[str, np.ndarray](), 0
    lines = _lines(path)
    first = next(lines, "").split(" ")
    announced = int(first[0]) if len(first) == 2 and all(map(str.isdecimal, first)) else None
    if announced is None:
        lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        word, *numbers = line.rsplit(" ", width)
        if len(numbers) < width or (number == 1 and line.count(" ") != width):
            raise ValueError(f"a vector of {line.count(' ')} numbers: {line[:40]!r}")
        if word in wanted and word not in vectors:
            vectors[word] = np.array(numbers, dtype=np.float32)
            if not np.isfinite(vectors[word]).all():
                raise ValueError(f"a vector with numbers that are not finite: {word!r}")
    if number < (announced or 1):
        raise ValueError(f"{number} vectors, where the first line announces {announced}")
    return vectors


def _lines(path: Path) -> Iterator[str]:
    """The lines that are not empty, without white space at their ends."""
    from gensim.utils import open as open_vectors  # decompresses

    with open_vectors(str(path), "rt", encoding="utf-8", errors="backslashreplace") as stream:
        yield from (stripped for line in stream if (stripped := line.rstrip()))
