"""Compressors that have read the training text: what everyday programs make of a document.

A held-out document costs, in bits, what it adds to the compressed training text:

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

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.settings import Count

END = b"\xff"
DICTIONARY = (1 << 22, 1536 << 20)
"""Smallest and largest dictionary of xz in bytes, the latter the library's limit. Between them it
is twice the training text: a larger one takes time and memory and changes nothing."""
MEMORY = (1 << 26, (1 << 32) - 64)
"""Least and most memory of PPMd in bytes, the latter the format's limit."""
MEMORY_PER_BYTE = 64
"""PPMd needs at most about 16 bytes of memory a byte at order 8, 32 at order 16 and above, of prose
and of random text; when there is no more it forgets everything and starts afresh."""


@dataclass(frozen=True)
class PPMd:
    """Prediction by partial matching, variant I as in .zip files: a statistical compressor.

    Shkarin, "PPM: one step to practicality", Data Compression Conference (2002).

    Args:
        order: a byte is predicted from so many before it, or fewer.
    """

    reads_bytes: ClassVar[bool] = True
    orders: ClassVar[range] = range(2, 65)
    order: Count = 8

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Primed:
        """Args:
        documents: (n,) uint8 each, the UTF-8 of the training split.
        """
        import pyppmd

        training = _joined(documents)
        memory = int(np.clip(MEMORY_PER_BYTE * len(training), *MEMORY))

        def compressed(data: bytes) -> int:
            encoder = pyppmd.Ppmd8Encoder(self.order, memory)
            return len(encoder.encode(data)) + len(encoder.flush(endmark=False))

        return Primed(compressed, training)


@dataclass(frozen=True)
class XZ:
    """xz -9e, without its container: Lempel–Ziv matches as long and as far back as the text."""

    reads_bytes: ClassVar[bool] = True
    orders: ClassVar[range] = range(0)

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Primed:
        """Args:
        documents: (n,) uint8 each, the UTF-8 of the training split.
        """
        import lzma

        training = _joined(documents)
        chain = {
            "id": lzma.FILTER_LZMA2,
            "preset": 9 | lzma.PRESET_EXTREME,
            "dict_size": int(np.clip(2 * len(training), *DICTIONARY)),
        }

        def compressed(data: bytes) -> int:
            return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=[chain]))

        return Primed(compressed, training)


@dataclass(frozen=True)
class Command:
    """Any compressor that is a program: ``zpaq`` at its strongest, if no other is named.

    Mahoney, "The ZPAQ compression algorithm" (2015). Of what a program writes beside the data, such
    as names, as much is in the size of the compressed training text, so that it cancels out.

    Args:
        command: how the program is called: ``{input}`` is the file to compress, ``{output}`` a name
            for the result. All files that the program leaves in their folder, but the input, count.

    Raises:
        TextgenError: a command without ``{input}``.
    """

    reads_bytes: ClassVar[bool] = True
    orders: ClassVar[range] = range(0)
    command: str = "zpaq add {output}.zpaq {input} -m5 -t1"

    def __post_init__(self) -> None:
        if "{input}" not in self.command:
            hint = 'e.g. --command "zpaq add {output}.zpaq {input} -m5"'
            raise TextgenError("--command", found=f"no {{input}} in {self.command!r}", hint=hint)

    def fit(self, documents: Sequence[np.ndarray], size: int = 256) -> Primed:
        """Args:
            documents: (n,) uint8 each, the UTF-8 of the training split.

        Raises:
            TextgenError: when it compresses: no such program, or one that fails or leaves no file.
        """
        return Primed(self._compressed, _joined(documents))

    def _compressed(self, data: bytes) -> int:
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
                message = (error.stderr or error.stdout).decode(errors="replace").split("\n")
                raise self._failed(" ".join(message[-3:]).strip() or str(error)) from None
            except (OSError, ValueError) as error:  # the latter of NUL
                raise self._failed(getattr(error, "strerror", None) or str(error)) from None
            files = [path for path in Path(folder).rglob("*") if path.is_file() and path != source]
            if not files:
                raise self._failed("it left no file beside the input")
            return sum(path.stat().st_size for path in files)

    def _failed(self, found: str) -> TextgenError:
        hint = "install this compressor, or name another program as --command"
        return TextgenError(f"--command {self.command}", found=found, hint=hint)


@dataclass(frozen=True)
class Primed:
    """A compressor and the training text; ``compressed`` gives the size of its output in bytes."""

    compressed: Callable[[bytes], int]
    training: bytes

    @cached_property
    def _before(self) -> int:
        return self.compressed(self.training)

    def token_bits(self, documents: Sequence[np.ndarray]) -> list[np.ndarray]:
        """(1,) float64 each, the bits of a whole document; ``documents`` are (n,) uint8 each."""
        sizes = [self.compressed(self.training + _joined([document])) for document in documents]
        return [np.array([8.0 * (size - self._before)]) for size in sizes]


def _joined(documents: Sequence[np.ndarray]) -> bytes:
    return b"".join(document.tobytes() + END for document in documents)
