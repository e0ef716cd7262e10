"""What is fuzzed: targets take any bytes and may do nothing but succeed or raise TextgenError."""

import contextlib
import gzip
import io
import json
import re
import tempfile
from collections import Counter, namedtuple
from functools import cache
from pathlib import Path

import numpy as np
import tomli_w
from conftest import POLICIES, fitted, made_up, small_experiment

from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.settings import Split
from textgen.core.validation import build
from textgen.data.corpora import File
from textgen.data.documents import Document, read_text
from textgen.data.encodings import BYTE_ORDER_MARKS
from textgen.data.splits import divide
from textgen.embeddings.vectors import File as VectorFile
from textgen.runs.folder import write_experiment
from textgen.studies.study import load_study
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.parts_of_speech import Pos
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import Words

CASES = Path(__file__).parent / "cases"
SCRATCH = tempfile.TemporaryDirectory(prefix="fuzz")
FOLDER = Path(SCRATCH.name)
# what takes the place of a part of an input
ODD = [
    b"", b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"[[1]]", b"9" * 30,
    b'"\\ud800"', b"\xed\xa0\x80", b"\xff", b"\0", b"\r", b"\n", b" ", b"=", b'"', b"<", b"&",
    b"{", b"[", b"\\", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x90\x99",
]  # fmt: skip


# something that takes bytes; bytes that get somewhere, from which others are made; how many the
# suite tries
Target = namedtuple("Target", "check seeds examples")


@contextlib.contextmanager
def refused():
    """One message on one screen is no failure."""
    try:
        yield
    except TextgenError as error:
        message = str(error)
        if message.count("\n") > 3 or len(message) > 4000:
            raise AssertionError(f"more than a screen: {message}") from None


def text_in(data):
    """Any string, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


def words_of(seeds):
    return sorted({word for seed in seeds for word in re.findall(rb"[\w.-]+", seed)})


def check_experiment(data):
    """An experiment file; behind NUL bytes, ``--set`` overrides. What was read is the same when it
    is written and read again."""
    content, *overrides = data.split(b"\0")
    path, again = FOLDER / "fuzzed.toml", FOLDER / "again.toml"
    path.write_bytes(content)
    with refused():
        made = load_experiment(path, [text_in(each) for each in overrides[:5]])
        write_experiment(again, made)
        assert load_experiment(again) == made


PLAIN = tomli_w.dumps(small_experiment(name="fuzzed").resolved).encode()
(FOLDER / "base.toml").write_bytes(PLAIN)
WORDS = b'include = "base.toml"\n[tokenizer]\nkind = "words"\nrare_words = { kind = "unk" }\n'
EXPERIMENTS = [
    PLAIN,
    PLAIN + b"\0training.seconds=60\0backbone.units=[8, 8]\0tokenizer={kind='whitespace'}",
    WORDS + b"\0seed=2\0cache.orders=[]\0split.test=['a*']",
]


def check_study(data):
    path = FOLDER / "study.toml"
    path.write_bytes(data)
    with refused():
        assert load_study(path).arms


STUDY = b"""
title = "fuzzed"
budget.updates = 5
arms.a = { experiment = "char_small", seeds = 2 }
arms.b = { experiment = "char_small", seeds = [1, 7], set = ["backbone.units=[9]"] }
[[contrasts]]
first = "a"
second = "b"
question = "?"
"""
# every tokenizer and policy that needs no tagger
TOKENIZERS = [
    *(Characters(), Whitespace(), Subwords(size=300), Subwords(model="unigram", size=300)),
    *(Words(policy) for policy in POLICIES if not isinstance(policy, Pos)),
]
LEARNT = made_up(60, 1) + "\nAkeley met 17 owls, “é”-gulls & Wilmarth’s \U0001f419.\t\n"
TUNING = made_up(10, 2) + " Zadok Zadok 99 unfathomable."


@cache
def loaded(config, training, tuning):
    """A tokenizer as a run has it: read from what was saved."""
    return config.load(json.loads(json.dumps(fitted(config, training, tuning).state())))


def encode(tokenizer, text):
    """A text as tokens: nothing is lost, every span lies in the text, and bits are bits."""
    encoded, training = tokenizer.encode(text), tokenizer.encode(text, training=True)
    assert tokenizer.decode(encoded) == tokenizer.decode(training) == text
    assert (encoded.characters, len(training.spelling_bits)) == (len(text), 0)
    tokens = encoded.tokens
    for each in (tokens, training.tokens):
        assert not len(each) or 0 < each.min() <= each.max() < tokenizer.size
    for bits in (encoded.spelling_bits, encoded.remembered_bits):
        assert bits.shape == encoded.places.shape == (len(encoded.surfaces),)
        assert np.isfinite(bits).all()
        assert (bits >= 0).all()
    assert encoded.ends.shape == tokens.shape
    for places, last in ((encoded.ends, len(text)), (encoded.places, len(tokens))):
        assert (np.diff(places, prepend=0, append=last) >= 0).all()
    if encoded.starts is not None:
        assert (encoded.starts >= np.append(0, encoded.ends[:-1])[: len(tokens)]).all()
        assert (encoded.starts <= encoded.ends).all()
    return encoded


def check_tokenizer(data):
    """What :func:`encode` holds, by the first byte's tokenizer; and places of what is filled in."""
    config, text = TOKENIZERS[data[0] % len(TOKENIZERS) if data else 0], text_in(data[1:])
    tokenizer = loaded(config, LEARNT, TUNING)
    tokens = encode(tokenizer, text).tokens
    rendered = tokenizer.render(tokens[:40], before=text[:20], seed=len(text))
    spans = [place for start, end, _ in rendered.filled for place in (start, end)]
    assert [0, *spans, len(rendered.text)] == sorted([0, *spans, len(rendered.text)])


HARD = " The keeper met Zadok,\n\n17 owls — Zadok's “é”. UNFATHOMABLE\t\r\n\U0001f419!".encode()
ENCODINGS = (
    "auto", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis", "utf-7", "gb18030",
    "punycode", "hz", "hex",
)  # fmt: skip


def check_text(data):
    """A text file in some encoding (first byte), in pieces (second byte) divided in three parts:
    nothing changes but line ends, nothing is lost."""
    data = data.ljust(2, b"\0")
    encoding, path = ENCODINGS[data[0] % len(ENCODINGS)], FOLDER / "text.txt"
    path.write_bytes(data[2:])
    with refused(), contextlib.redirect_stderr(io.StringIO()):
        text = read_text(path, encoding)
        assert "\r" not in text
        if encoding in ("utf-8", "cp1252"):
            plain = data[2:].decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
            assert text in (plain, plain[1:])  # without a byte-order mark
        documents = File(path, pieces=data[1] % 20 + 1, encoding=encoding).documents()
        assert "".join(document.text for document in documents) == text
        assert len(documents) <= data[1] % 20 + 1
        method = ("contiguous", "hash")[data[1] // 20 % 2]
        parts = divide(documents, Split(method=method, exact=None), one_text=True)
        if method == "contiguous":
            order = (*parts.train, *parts.validation, *parts.test)
            assert "".join(document.text for document in order) == text


LINES = "Häuser über Köln.\r\n\r\nPlain lines,\rand “others”.\n" * 8
TEXTS = [
    b"\1\7" + LINES.encode(),
    b"\0\35" + LINES.encode("cp1252", "replace"),
    *(bytes([i, 9]) + LINES.encode(e, "replace") for i, e in enumerate(ENCODINGS[1:-1], 1)),
    *(b"\0\7" + LINES.encode(name) for name in BYTE_ORDER_MARKS.values()),
]


def check_split(data):
    """Names of documents, a line each, and behind NUL bytes what ``[split]`` says of them, as JSON:
    but for ``blocks``, every document goes into one part."""
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
        divided = [*parts.train, *parts.validation, *parts.test]
        whole = Counter(d.name for d in divided if d.name in names)
        if table.get("method") != "blocks":
            assert sum(d.characters for d in divided) == sum(d.characters for d in documents)
            assert max(whole.values(), default=0) <= 1
            assert whole.total() in (len(divided), len(names) - 1)  # a single one may be cut


SPLITS = [
    b"train.txt\nvalid.txt\ntest.txt",
    b'a\nb\nc\nd\ne\nf\0test=["a"]\0validation=["b*", "c"]',
    b'a\nb\nc\nd\ne\nf\0fold=2\0folds=3\0groups=[["a", "b"]]\0seed=4',
    b'some words that are a name\0method="contiguous"\0test=0.2\0first="validation"',
    b'a#1\na#2\nb\nc\nd\ne\0method="blocks"\0test=0.2',
    b'x/train/a\nx/test/b\nx/dev/c\0test=["x/test/*"]',
]


def check_vectors(data):
    """A file of word vectors; the first byte chooses the compression."""
    path = FOLDER / f"vectors{('', '.gz', '.bz2')[data[0] % 3 if data else 0]}"
    path.write_bytes(data[1:])
    names = ["", "", " the", " keeper", "a", " b"]
    with refused():
        vectors = VectorFile(path).vectors(names, [np.array([2, 3, 4])], 4, 1)
        assert vectors.matrix.shape == (len(names), 4)
        assert np.isfinite(vectors.matrix).all()


GLOVE = b"the 0.1 0.2 0.3 -0.4\nkeeper 1 2 3 4\nA 1e-3 0 0 7\n"
VECTORS = b"3 4\n" + GLOVE


TARGETS = {
    "experiment": Target(check_experiment, EXPERIMENTS, 150),
    "study": Target(check_study, [STUDY], 60),
    "tokenizer": Target(check_tokenizer, [bytes([i]) + HARD for i in range(len(TOKENIZERS))], 100),
    "text": Target(check_text, TEXTS, 120),
    "split": Target(check_split, SPLITS, 150),
    "vectors": Target(
        check_vectors, [b"\0" + VECTORS, b"\0" + GLOVE, b"\1" + gzip.compress(VECTORS)], 100
    ),
}
