"""PLUG-IN: models without a network, whose bits per character a network has to beat.

A compressor charges a held-out document, in bits, for what it adds to the compressed training text:

    8 · (size of compress(training + document) − size of compress(training))

Every document, of the training text too, ends in the byte FF, which UTF-8 never holds, so that its
end is paid for as everywhere. A compressor goes on learning within the document that it compresses,
which no trained model here does; of other held-out documents it knows nothing. Sizes are whole
bytes: the cost of a document is exact to a byte or so.

Does not handle: bits of single characters; a copy of a compressor's state, which neither library
offers, so that the training text is compressed anew for each document; training texts of more than
some 250 MB, which no longer fit into PPMd's memory.
"""

from __future__ import annotations

import lzma
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Protocol

import numpy as np
import pyppmd
from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.tokenizers.kneser_ney import KneserNeyModel, fit_kneser_ney

TABLE = {
    "command": "textgen.evaluation.baselines:Command",
    "kneser_ney": "textgen.evaluation.baselines:KneserNey",
    "ppmd": "textgen.evaluation.baselines:PPMd",
    "xz": "textgen.evaluation.baselines:XZ",
}
END = b"\xff"
XZ_DICTIONARY_BYTES = (1 << 22, 1536 << 20)
"""Smallest and largest dictionary of xz, the latter the library's limit. Between them it is twice
the training text: a larger one takes time and memory and changes nothing."""
PPMD_MEMORY_BYTES = (1 << 26, (1 << 32) - 64)
"""Least and most memory of PPMd, the latter the format's limit."""
PPMD_MEMORY_PER_BYTE = 64
"""PPMd needs at most about 16 bytes of memory a byte at order 8, 32 at order 16 and above, of prose
and of random text; when there is no more it forgets everything and starts afresh."""


class Model(Protocol):
    """A fitted baseline."""

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What each document costs, its end mark included, independently of the others.

        Args:
            documents: (n,) integers each.

        Returns:
            (n + 1,) floats each, or (1,) from a model that only knows what the whole costs.
        """
        ...


class Baseline(Protocol):
    """The settings of a baseline.

    Attributes:
        reads_bytes: whether it reads the bytes of UTF-8 of the text itself; else the tokens of the
            experiment's tokenizer.
    """

    reads_bytes: ClassVar[bool]

    def fit(self, documents: Sequence[np.ndarray], size: int) -> Model:
        """A model of the training split; there are ``size`` different tokens."""
        ...


@dataclass(frozen=True)
class KneserNey:
    """n-grams of ``order`` tokens: each is predicted from up to ``order − 1`` before it, with an
    order of 1 by its frequency alone.

    Longer ones than 16 tokens hardly ever occur twice, and memory grows with their length.
    """

    reads_bytes: ClassVar[bool] = False
    order: Annotated[int, Field(ge=1, le=16)] = 4

    def fit(self, documents: Sequence[np.ndarray], size: int) -> KneserNeyModel:
        return fit_kneser_ney(documents, self.order, size)


class Compressor:
    """A compressor that has read the training text.

    Args:
        compressed_size: gives the size of its output in bytes.
        documents: (n,) uint8 each, the training split.
    """

    def __init__(
        self, compressed_size: Callable[[bytes], int], documents: Sequence[np.ndarray]
    ) -> None:
        self._size, self._training = compressed_size, _joined(documents)

    @cached_property
    def training_size(self) -> int:
        """Bytes of the compressed training text."""
        return self._size(self._training)

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(1,) float64 each, the bits of a whole document; ``documents`` are (n,) uint8 each."""
        sizes = [self._size(self._training + _joined([document])) for document in documents]
        return [np.array([8.0 * (size - self.training_size)]) for size in sizes]


def _joined(documents: Sequence[np.ndarray]) -> bytes:
    return b"".join(document.tobytes() + END for document in documents)


@dataclass(frozen=True)
class PPMd:
    """Prediction by partial matching, variant I as in .zip files: a statistical compressor.

    Shkarin, "PPM: one step to practicality", Data Compression Conference (2002).

    Args:
        order: a byte is predicted from so many before it, or fewer.
    """

    reads_bytes: ClassVar[bool] = True
    order: Annotated[int, Field(ge=2, le=64)] = 8

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Compressor:
        needed = PPMD_MEMORY_PER_BYTE * len(_joined(documents))
        memory = int(np.clip(needed, *PPMD_MEMORY_BYTES))

        def compressed_size(data: bytes) -> int:
            encoder = pyppmd.Ppmd8Encoder(self.order, memory)
            return len(encoder.encode(data)) + len(encoder.flush(endmark=False))

        return Compressor(compressed_size, documents)


@dataclass(frozen=True)
class XZ:
    """xz -9e, without its container: Lempel–Ziv matches as long and as far back as the text."""

    reads_bytes: ClassVar[bool] = True

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Compressor:
        chain = {
            "id": lzma.FILTER_LZMA2,
            "preset": 9 | lzma.PRESET_EXTREME,
            "dict_size": int(np.clip(2 * len(_joined(documents)), *XZ_DICTIONARY_BYTES)),
        }

        def compressed_size(data: bytes) -> int:
            return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=[chain]))

        return Compressor(compressed_size, documents)


@dataclass(frozen=True)
class Command:
    """Any compressor that is a program: ``zpaq`` at its strongest, if no other is named.

    Mahoney, "The ZPAQ compression algorithm" (2015). Of what a program writes beside the data, such
    as names, as much is in the size of the compressed training text, so that it cancels out.

    Args:
        command: how the program is called: ``{input}`` is the file to compress, ``{output}`` a name
            for the result. All files that the program leaves in their folder, but the input, count.

    Raises:
        ValueError: a command without ``{input}``.
    """

    reads_bytes: ClassVar[bool] = True
    command: str = "zpaq add {output}.zpaq {input} -m5 -t1"

    def __post_init__(self) -> None:
        if "{input}" not in self.command:
            raise ValueError(f"command {self.command!r} without {{input}}, the file to compress")

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Compressor:
        """Raises:
        TextgenError: when it compresses: no such program, or one that fails or leaves no file.
        """
        return Compressor(self._compressed_size, documents)

    def _compressed_size(self, data: bytes) -> int:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "text"), Path(folder, "compressed")
            source.write_bytes(data)
            call = [
                part.replace("{input}", str(source)).replace("{output}", str(target))
                for part in shlex.split(self.command)
            ]
            try:
                subprocess.run(call, cwd=folder, capture_output=True, check=True)
            except subprocess.CalledProcessError as error:
                output = (error.stderr or error.stdout).decode(errors="replace").strip()
                raise self._failed(output.rpartition("\n")[2] or str(error)) from None
            except (OSError, ValueError) as error:  # the latter of NUL
                raise self._failed(str(error)) from None
            files = [path for path in Path(folder).rglob("*") if path.is_file() and path != source]
            if not files:
                raise self._failed("it left no file beside the input")
            return sum(path.stat().st_size for path in files)

    def _failed(self, reason: str) -> TextgenError:
        hint = "install this compressor, or name another program as --command"
        return TextgenError(f"--command {self.command}: {reason}", hint)
