"""Readers of texts, splits and word vectors."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections import Counter

import numpy as np
from fuzz.common import folder, refused, text_in

from textgen.core.settings import Split, build

ENCODINGS = (
    "auto", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis", "utf-7", "gb18030",
    "punycode", "hz", "hex",
)  # fmt: skip


def text(data: bytes) -> None:
    """A text file in some encoding (first byte), in pieces (second byte) divided in three parts:
    nothing changes but line ends, nothing is lost."""
    from textgen.data.corpora.files import File
    from textgen.data.reading import read_text
    from textgen.data.splits import divide

    data = data.ljust(2, b"\0")
    encoding = ENCODINGS[data[0] % len(ENCODINGS)]
    path = folder() / "text.txt"
    path.write_bytes(data[2:])
    with refused(), contextlib.redirect_stderr(io.StringIO()):
        read = read_text(path, encoding)
        assert "\r" not in read
        if encoding in ("utf-8", "cp1252"):
            plain = data[2:].decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
            assert read in (plain, plain[1:])  # without a byte-order mark
        documents = File(path, pieces=data[1] % 20 + 1, encoding=encoding).documents()
        assert "".join(document.text for document in documents) == read
        method = ("contiguous", "hash")[data[1] // 20 % 2]
        parts = divide(documents, Split(method=method, exact=None), one_text=True)
        if method == "contiguous":
            order = (*parts.train, *parts.validation, *parts.test)
            assert "".join(document.text for document in order) == read


def text_seeds() -> list[bytes]:
    from textgen.data.reading import BYTE_ORDER_MARKS as MARKS

    long = "Häuser über Köln.\r\n\r\nPlain lines,\rand “others”.\n" * 8
    seeds = [b"\1\7" + long.encode(), b"\0\35" + long.encode("cp1252", "replace")]
    seeds += [bytes([i, 9]) + long.encode(e, "replace") for i, e in enumerate(ENCODINGS[1:-1], 1)]
    return seeds + [b"\0\7" + long.encode(name) for name in MARKS.values()]


def split(data: bytes) -> None:
    """Names of documents, a line each, and behind NUL bytes what ``[split]`` says of them, as JSON:
    every document goes into one part."""
    from textgen.data.documents import Document
    from textgen.data.splits import divide

    head, *settings = data.split(b"\0")
    names = list(dict.fromkeys(head.decode("utf-8", "backslashreplace").split("\n")))
    documents = [Document(name, f"{name} ab " * (1 + 3 * i % 7)) for i, name in enumerate(names)]
    with refused():
        table = {}
        for each in settings[:4]:
            key, _, value = text_in(each).partition("=")
            with contextlib.suppress(ValueError, RecursionError):
                table[key] = json.loads(value)
        parts = divide(documents, build(Split, table, "split"))
        found = [d for part in (parts.train, parts.validation, parts.test) for d in part]
        assert sum(d.characters for d in found) == sum(d.characters for d in documents)
        whole = Counter(d.name for d in found if d.name in names)
        assert whole.total() in (len(found), len(names) - 1)  # a single one may be cut
        assert max(whole.values(), default=0) <= 1


SPLITS = [
    b"train.txt\nvalid.txt\ntest.txt",
    b'a\nb\nc\nd\ne\nf\0test=["a"]\0validation=["b*", "c"]',
    b'a\nb\nc\nd\ne\nf\0fold=2\0folds=3\0groups=[["a", "b"]]\0seed=4',
    b'a#1\na#2\nb\nc\nd\ne\0method="contiguous"\0test=0.2\0first="validation"',
    b'x/train/a\nx/test/b\nx/dev/c\0train=["x/*"]',
]
VECTORS = b"3 4\nthe 0.1 0.2 0.3 -0.4\nkeeper 1 2 3 4\nA 1e-3 0 0 7\n"


def vectors(data: bytes) -> None:
    """A file of word vectors; the first byte chooses the compression."""
    from textgen.embeddings.file import File

    number = data[0] if data else 0
    path = folder() / f"vectors{('', '.gz', '.bz2')[number % 3]}"
    path.write_bytes(data[1:])
    names = ["", "", " the", " keeper", "a", " b"]
    with refused():
        found = File(path).vectors(names, [np.array([2, 3, 4])], 4, 1)
        assert found.matrix.shape == (len(names), 4)
        assert np.isfinite(found.matrix).all()


def vector_seeds() -> list[bytes]:
    glove = VECTORS.partition(b"\n")[2]
    return [b"\0" + VECTORS, b"\0" + glove, b"\1" + gzip.compress(VECTORS)]
