"""What is fuzzed: targets take any bytes and may do nothing but succeed or raise TextgenError.

The same targets are driven by hypothesis, for some seconds (tests/test_fuzz.py), and by atheris,
guided by coverage, for as long as is wanted (tests/fuzz/run.py). Bytes that have failed once are
kept in tests/fuzz/cases/TARGET/ and are run by the suite.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from conftest import made_up, made_up_memory
from report_sample import hostile

from textgen.core import Split, TextgenError, build, load_experiment, load_study, resolve_experiment

CASES = Path(__file__).parent / "cases"
EXPERIMENT = {
    "name": "fuzzed",
    "corpus": "wikipedia",
    "tokenizer": "characters",
    "objective": "next_token",
    "memory": {"orders": [1, 3]},
    "training": {"updates": 20},
}


ODD = [
    b"", b"null", b"true", b"-1", b"1e999", b"NaN", b"[]", b"{}", b'""', b"[[1]]", b"9" * 30,
    b'"\\ud800"', b"\xed\xa0\x80", b"\xff", b"\0", b"\r", b"\n", b" ", b"=", b'"', b"<", b"&",
    b"{", b"[", b"\\", b"\xc2\x85", b"\xe2\x80\xa8", b"\xf0\x9f\x90\x99",
]  # fmt: skip
"""What takes the place of a part of an input."""
WORD = re.compile(rb"[\w.-]+")


class Target(NamedTuple):
    """Something that takes bytes.

    Attributes:
        check: what is done with them.
        seeds: bytes that get somewhere, from which a fuzzer starts.
        examples: how many hypothesis tries in the suite.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    examples: int


@cache
def folder() -> Path:
    """A scratch folder, which goes when this process ends."""
    made = tempfile.TemporaryDirectory(prefix="fuzz")
    folder.kept = made
    return Path(made.name)


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """One message on one screen is no failure."""
    try:
        yield
    except TextgenError as error:
        told = str(error)
        if told.count("\n") > 3 or len(told) > 4000:
            raise AssertionError(f"more than a screen: {told}") from None


def text_in(data: bytes) -> str:
    """Any string, lone surrogates included."""
    return data.decode("utf-8", "surrogateescape")


def words_of(seeds: Sequence[bytes]) -> list[bytes]:
    """The different words of some inputs."""
    return sorted({word for seed in seeds for word in WORD.findall(seed)})


def changed(data: bytes, changes: Sequence[tuple[int, bool, int, bytes]]) -> bytes:
    """An input with other bytes in some places: (place, whether a whole word goes, else how many
    bytes, what comes instead)."""
    for place, whole, length, new in changes:
        words = list(WORD.finditer(data)) if whole else []
        start = place % (len(data) + 1)
        start, end = words[place % len(words)].span() if words else (start, start + length)
        data = data[:start] + new + data[end:]
    return data


# experiments and studies


def experiment(data: bytes) -> None:
    """An experiment file; behind NUL bytes, ``--set`` overrides. What was read is the same when it
    is written and read again."""
    from textgen.runs.folder import write_experiment

    content, *overrides = data.split(b"\0")
    path, again = folder() / "fuzzed.toml", folder() / "again.toml"
    path.write_bytes(content)
    with refused():
        made = load_experiment(path, [text_in(each) for each in overrides[:5]])
        write_experiment(again, made)
        assert load_experiment(again) == made


def study(data: bytes) -> None:
    path = folder() / "study.toml"
    path.write_bytes(data)
    with refused():
        assert load_study(path).arms


def experiment_seeds() -> list[bytes]:
    import tomli_w

    plain = tomli_w.dumps(resolve_experiment(EXPERIMENT).resolved).encode()
    (folder() / "base.toml").write_bytes(plain)
    words = b'include = "base.toml"\n[tokenizer]\nkind = "words"\nrare_words = { kind = "unk" }\n'
    return [
        plain,
        plain + b"\0training.seconds=60\0backbone.units=[8, 8]\0tokenizer={kind='whitespace'}",
        words + b"\0seed=2\0memory.orders=[]\0split.test=['a*']",
    ]


STUDY = b"""
title = "fuzzed"
[budget]
updates = 5
[arms.a]
experiment = "char_small"
seeds = 2
[arms.b]
experiment = "char_small"
seeds = [1, 7]
set = ["backbone.units=[9]"]
[[contrasts]]
first = "a"
second = "b"
question = "?"
"""

# tokenizers

POLICIES: tuple[dict[str, Any], ...] = (
    {"kind": "unk"},
    {"kind": "drop"},
    {"kind": "spell"},
    {"kind": "cluster", "clusters": 3, "epochs": 1},
    {"kind": "neighbour", "epochs": 1},
)
TOKENIZERS: tuple[dict[str, Any], ...] = (
    {"kind": "characters"},
    {"kind": "whitespace"},
    {"kind": "subwords", "size": 300},
    {"kind": "subwords", "size": 300, "model": "unigram"},
    *({"kind": "words", "rare_words": policy} for policy in POLICIES),
    {"kind": "words", "rare_words": {"kind": "unk"}, "case": "factored"},
)
LEARNT = made_up(40, 1) + "\nAkeley met 17 owls, “é”-gulls & Wilmarth’s \U0001f419.\t\n"
TOLD = made_up(10, 2) + " Zadok Zadok 99 unfathomable."


@cache
def fitted(number: int) -> Any:
    """A tokenizer as a run has it: read from what was saved."""
    config = resolve_experiment({**EXPERIMENT, "tokenizer": TOKENIZERS[number]}).tokenizer
    made = config.fit([LEARNT, made_up(20, 3)], [TOLD], 1)
    return config.load(json.loads(json.dumps(made.state())))


def tokenizer(data: bytes) -> None:
    """Nothing is lost, every span lies in the text, bits are bits, and what may stand for a
    placeholder sums to one at most. The first byte chooses the tokenizer."""
    tokenizer, text = fitted(data[0] % len(TOKENIZERS) if data else 0), text_in(data[1:])
    encoded = tokenizer.encode(text)
    assert tokenizer.decode(encoded) == text
    tokens, bits = encoded.tokens, encoded.spelling_bits
    number = len(tokens)
    assert encoded.characters == len(text)
    assert not number or 0 < tokens.min() <= tokens.max() < tokenizer.size
    for each in (bits, encoded.spelling_bits_with_memory):
        assert each.shape == (len(encoded.surfaces),)
        assert np.isfinite(each).all()
        assert (each >= 0).all()
    learnt = tokenizer.encode(text, training=True)
    assert not len(learnt.tokens) or 0 < learnt.tokens.min() <= learnt.tokens.max() < tokenizer.size
    layout = tokenizer.layout(text)
    assert layout.ends.shape == (number,)
    assert (np.diff(layout.ends, prepend=0, append=len(text)) >= 0).all()
    assert layout.places.shape == bits.shape
    assert (np.diff(layout.places, prepend=0, append=number) >= 0).all()
    if layout.starts is not None:
        assert (layout.starts >= np.append(0, layout.ends[:-1])[:number]).all()
        assert (layout.starts <= layout.ends).all()
    rendered = tokenizer.render(tokens[:40], before=text[:20], seed=len(text))
    places = [place for start, end, _ in rendered.filled for place in (start, end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(rendered.text) for place in places)
    following = tokenizer.placeholder_texts(text[:40], memory=number % 2 == 1)
    for place in layout.places[layout.places < number][:2].tolist():
        for prefix in ("", text[:1]):
            chances = following(tokens[max(0, place - 1) : place + 1].tolist(), prefix)
            assert all(chance >= 0 for chance in chances.values())
            assert sum(chances.values()) <= 1 + 1e-6


def tokenizer_seeds() -> list[bytes]:
    text = " The keeper met Zadok,\n\n17 owls — Zadok's “é”. UNFATHOMABLE\t\r\n\U0001f419!".encode()
    return [bytes([number]) + text for number in range(len(TOKENIZERS))]


# readers

ENCODINGS = (
    "auto", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "shift_jis", "utf-7", "gb18030",
    "punycode", "hz", "hex",
)  # fmt: skip


def text(data: bytes) -> None:
    """A text file in some encoding (first byte), in pieces (second byte) divided in three parts:
    nothing changes but line ends, nothing is lost."""
    from textgen.data import read_text
    from textgen.data.corpora.file import File
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
    from textgen.data.decoding import MARKS

    long = "Häuser über Köln.\r\n\r\nPlain lines,\rand “others”.\n" * 8
    seeds = [b"\1\7" + long.encode(), b"\0\35" + long.encode("cp1252", "replace")]
    seeds += [bytes([i, 9]) + long.encode(e, "replace") for i, e in enumerate(ENCODINGS[1:-1], 1)]
    return seeds + [b"\0\7" + long.encode(name) for name in MARKS.values()]


def split(data: bytes) -> None:
    """Names of documents, a line each, and behind NUL bytes what ``[split]`` says of them, as JSON:
    every document goes into one part."""
    from textgen.data import Document
    from textgen.data.splits import divide, given_parts

    head, *settings = data.split(b"\0")
    names = list(dict.fromkeys(head.decode("utf-8", "backslashreplace").split("\n")))
    documents = [Document(name, f"{name} ab " * (1 + 3 * i % 7)) for i, name in enumerate(names)]
    with refused():
        table = {}
        for each in settings[:4]:
            key, _, value = text_in(each).partition("=")
            with contextlib.suppress(ValueError, RecursionError):
                table[key] = json.loads(value)
        given = given_parts(names, made := build(Split, table, "split"))
        parts = divide(documents, made, *given)
        found = Counter(d.name for p in (parts.train, parts.validation, parts.test) for d in p)
        assert found == Counter(names) or len(names) == 1


SPLITS = [
    b"train.txt\nvalid.txt\ntest.txt",
    b'a\nb\nc\nd\ne\nf\0test=["a"]\0validation=["b*", "c"]',
    b'a\nb\nc\nd\ne\nf\0fold=2\0folds=3\0groups=[["a", "b"]]\0seed=4',
    b'a#1\na#2\nb\nc\nd\ne\0method="contiguous"\0test=0.2\0first="validation"',
    b'x/train/a\nx/test/b\nx/dev/c\0train=["x/*"]',
]
FORMATS = ("auto", "word2vec", "word2vec_binary", "glove", "fasttext")
VECTORS = b"3 4\nthe 0.1 0.2 0.3 -0.4\nkeeper 1 2 3 4\nA 1e-3 0 0 7\n"


def vectors(data: bytes) -> None:
    """A file of word vectors; the first byte chooses format and compression."""
    from textgen.embeddings.file import File

    number = data[0] if data else 0
    path = folder() / f"vectors{('', '.gz', '.bz2')[number // 5 % 3]}"
    path.write_bytes(data[1:])
    names = ["", "", " the", " keeper", "a", " b"]
    with refused():
        made = File(path, FORMATS[number % 5])
        found = made.vectors(names, [np.array([2, 3, 4])], 4, 1)
        assert found.matrix.shape == (len(names), 4)
        assert np.isfinite(found.matrix).all()


def vector_seeds() -> list[bytes]:
    import struct

    glove = VECTORS.partition(b"\n")[2]
    numbers = struct.pack("=4f", 1, 2, 3, 4)
    binary = b"2 4\nthe " + numbers + b"\na " + numbers
    old = struct.pack("=12i d", 4, 5, 5, 1, 5, 1, 1, 2, 10, 3, 6, 100, 1e-4)
    fast = struct.pack("=2i", 793712314, 12) + old + struct.pack("=3i2q", 1, 1, 0, 3, -1)
    fast += b"the\0" + struct.pack("=qb", 3, 0) + b"\0" + struct.pack("=2q", 11, 4) + bytes(176)
    fast += b"\0" + struct.pack("=2q", 1, 4) + bytes(16)
    plain = [b"\0" + VECTORS, b"\1" + VECTORS, b"\3" + glove, b"\0" + binary, b"\4" + fast]
    return [*plain, b"\5" + gzip.compress(VECTORS), b"\5" + gzip.compress(binary)]


ARPA = b"""\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.3
-0.5\t</s>
-0.7\tab\t-0.2
-0.9\ta\t-0.1

\\2-grams:
-0.2\t<s> ab
-0.4\tab a
-0.3\ta </s>

\\end\\
"""


def arpa(data: bytes) -> None:
    """An n-gram file, compressed if the first byte is odd, read and asked for its distributions."""
    from textgen.auditing.of_arpa import ArpaModel, read_arpa

    path = folder() / f"model.arpa{'.gz' if data[:1] and data[0] % 2 else ''}"
    path.write_bytes(data[1:])
    with refused():
        model = ArpaModel(read_arpa(path))
        tokens = list[int]()
        with contextlib.suppress(ValueError):  # a word that the file does not have
            tokens = model.encode("ab a\nb ab\n a")
            assert model.unknown in tokens or model.decode(tokens) == "ab a\nb ab\n a"
        model.start()
        for token in tokens[:6]:
            found = model.next_log_probabilities()
            assert not np.isnan(found).any()
            model.append(token)


def arpa_seeds() -> list[bytes]:
    letters = ARPA.replace(b"ab", b"b").replace(b"<unk>", b"<space>")
    return [b"\0" + ARPA, b"\0" + letters, b"\1" + gzip.compress(ARPA)]


def certificate(data: bytes) -> None:
    """A certificate of an audit; with an odd first byte it is signed, whatever it says."""
    from textgen.auditing.carried import audit_lines
    from textgen.auditing.certificate import _digest, read_certificate

    content, place = data[1:], folder() / "audited"
    if data[:1] and data[0] % 2:
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(found := json.loads(content), dict):
                content = json.dumps({**found, "sha256": _digest(found)}).encode()
    place.mkdir(exist_ok=True)
    (place / "audit.json").write_bytes(content)
    with refused():
        found = read_certificate(place / "audit.json")
        assert found.genuine
        assert str(found).count("\n") > 3
        assert found.passed == (not found.failed)
    assert len(audit_lines(place)) == 1


def certificate_seeds() -> list[bytes]:
    checks = [
        {"name": "sums to one", "passed": True, "measured": "at most 1e-7", "meaning": "a claim"},
        {"name": "denominator", "passed": False, "measured": "", "meaning": "of bytes"},
        {"name": "arithmetic coder", "passed": None, "measured": "none", "meaning": "none"},
    ]
    data = {
        "schema": 1, "textgen": "1", "checks": checks,
        "model": {"name": "m", "kind": "a class", "fingerprint": "ab" * 32},
        "text": {"sha256": "cd" * 32, "characters": 3, "utf8_bytes": 4},
        "claim": {"value": 1.5, "unit": "bits_per_byte", "count": 4, "bits": 6.0},
        "measured": {"bits": None, "tokens": 3},
    }  # fmt: skip
    return [b"\1" + json.dumps(data).encode(), b"\0" + json.dumps(data).encode()]


# the folder of a run


@cache
def run_files() -> dict[str, bytes]:
    """A finished run without a network, as it is on the disk."""
    from textgen.runs.folder import write_experiment

    made = resolve_experiment(EXPERIMENT)
    write_experiment(folder() / "experiment.toml", made)
    known = made.tokenizer.fit([LEARNT], [], 1)
    total = {"model": 2.0, "spelling": 0.5, "total": 2.5}
    figures = {"bits_per_character": total, "mean_over_documents": 2.4}
    part = {**figures, "with_memory": figures, "tokens_per_character": 1.0, "replacement_rate": 0.0}
    training = {"preparation_seconds": 0.1, "seconds": 2.0, "characters": 9}
    metrics = {
        "schema": 4, "name": "fuzzed", "context": "all", "extra_data": [], "validation": part,
        "corpus": {
            "kind": "folder", "origin": "made up", "licence": "any", "sha256": "ab" * 32,
            "split_sha256": "cd" * 32, "language": {"code": "en", "script": "Latn", "stated": True},
        },
        "vocabulary_size": known.size, "test": part,
        "training": {**training, "characters_of_training_text": 9, "updates": 20, "parameters": 5},
    }  # fmt: skip
    sample = {"text": "a gull", "filled": [[0, 1, "<unk>"]]}
    settings = {"length": 6, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "fill": "scored"}
    texts = {
        "settings": settings, "characters_per_second": 9.5,
        "sweep": [{"temperature": 0.8, "texts": [sample]}], "prompted": [{"prompt": "a", **sample}],
    }  # fmt: skip
    passage = {"document": "d", "passage": "a gull", "ends": [1, 6], "spelling": [0.0, 1.5]}
    rounds = [{"interval": i, **sample, "model": [2.5, 7.25]} for i in (1, 2)]
    lines = [{**passage, "sample": {**settings, "seed": 1}}, *rounds]
    stored = io.BytesIO()
    bits = np.array([2.0, 8.0, 10.0], np.float32)
    columns = {"model": bits, "spelling": bits / 4}
    np.savez(
        stored, names=np.array(["d"]), sizes=np.array([3]),
        ends=np.array([4, 9, 9], np.int32), **columns,
    )  # fmt: skip
    plain = {
        "metrics.json": metrics,
        "manifest.json": {"corpus": metrics["corpus"], "chosen": None},
        "tokenizer.json": {"kind": "characters", **known.state()},
        "memory.json": made_up_memory(1, 3).state(),
        "texts.json": texts,
    }
    row = "updates,seconds,loss,validation_bits_per_character\n10,1.0,2.5,3.0\n20,2.0,2.25,2.75\n"
    return {
        **{name: json.dumps(each).encode() for name, each in plain.items()},
        "experiment.toml": (folder() / "experiment.toml").read_bytes(),
        "history.csv": row.encode(),
        "rounds.jsonl": "".join(json.dumps(line) + "\n" for line in lines).encode(),
        "tokens.npz": stored.getvalue(),
        "model.weights.h5": b"",
    }


@cache
def whole_run() -> Any:
    """The same as an object that has read nothing yet."""
    from textgen.runs import load_run

    place = folder() / "run"
    place.mkdir()
    for name, content in run_files().items():
        (place / name).write_bytes(content)
    return load_run(place)


def run(data: bytes) -> None:
    """A file of a finished run, by the first byte: what reads it, but for the network."""
    from textgen.runs import load_run
    from textgen.runs.folder import text_of

    whole, files = copy.copy(whole_run()), run_files()
    readers = {
        "manifest.json": lambda: text_of(whole.folder),
        "tokenizer.json": lambda: whole.tokenizer.decode(whole.tokenizer.encode("The tide left")),
        "memory.json": lambda: whole.memory,
        "texts.json": lambda: [len(t["filled"]) for s in whole.texts["sweep"] for t in s["texts"]],
        "history.csv": lambda: whole.history,
        "rounds.jsonl": lambda: _rounds(whole),
        "tokens.npz": lambda: [document.cells() for document in whole.token_bits],
    }
    name = list(files)[data[0] % len(files) if data else 0]
    path = whole.folder / name
    path.write_bytes(data[1:])
    try:
        with refused():
            if name in readers:
                readers[name]()
            else:
                found = load_run(whole.folder)
                assert repr(found)
                assert found._repr_html_()
                found.check()
    finally:
        path.write_bytes(files[name])


def _rounds(found: Any) -> None:
    """What a report does with them."""
    from textgen.report.learning import shown

    rounds = found.rounds
    if rounds is None:
        return
    curve = {"seconds": [row["seconds"] for row in found.history]}
    curve["validation"] = [row["validation_bits_per_character"] for row in found.history]
    total = {"total": 2.5}
    arm = {"name": "a", "alike": True, "curves": [curve], "test": total, "validation": total}
    kept = {"document": rounds["document"], "passage": rounds["passage"], "arms": {"a": rounds}}
    shown({"arms": [arm]}, {"rounds": kept})


def run_seeds() -> list[bytes]:
    return [bytes([i]) + content for i, content in enumerate(run_files().values())]


# the page of a report


class Elements(HTMLParser):
    """The elements of a page, with the names of their attributes, and what they load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.links: set[str] = set()
        self.feed(page)
        self.close()

    def number(self, tag: str) -> int:
        return sum(times for key, times in self.found.items() if key[0] == tag)

    def handle_starttag(self, tag, attrs):
        self.found[tag, *sorted(name for name, _ in attrs)] += 1
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "action")}

    def handle_comment(self, data):
        self.found["comment"] += 1

    def handle_decl(self, decl):
        self.found["declaration"] += 1

    unknown_decl = handle_pi = handle_decl


@cache
def harmless() -> Elements:
    """The same page with words in place of texts that try to be more."""
    from textgen.report.page import page

    return Elements(page(*hostile("ay", "bee", "see")))


def page(data: bytes) -> None:
    """Three texts, between NUL bytes, wherever a report has texts: none of them becomes markup."""
    from textgen.report.page import page

    given = [*data.split(b"\0"), b"", b""][:3]
    script, quotes, odd = (f"{i}{text_in(each)[:300]}" for i, each in enumerate(given))
    made = page(*hostile(script, quotes, odd))
    made.encode("utf-8")
    found, known = Elements(made), harmless()
    assert found.found.keys() <= known.found.keys(), found.found.keys() - known.found.keys()
    for tag in ("script", "style", "svg", "table", "h2", "comment", "declaration"):
        assert found.number(tag) == known.number(tag), tag
    assert {link.partition("#")[0] for link in found.links} <= {
        link.partition("#")[0] for link in known.links
    }


PAGES = [
    b"<script>alert(1)</script>\0\" onload='x' $x_1$\0]]> --> </style><b>",
    b"</script><!--<script>&lt;\0{{ 7*7 }}${a}\\frac{1}{0}^_\0\xff\xed\xa0\x80\x1b[2J\xe2\x80\xae",
]

TARGETS = {
    "experiment": Target(experiment, experiment_seeds, 150),
    "study": Target(study, lambda: [STUDY], 60),
    "tokenizer": Target(tokenizer, tokenizer_seeds, 250),
    "text": Target(text, text_seeds, 120),
    "split": Target(split, lambda: SPLITS, 150),
    "vectors": Target(vectors, vector_seeds, 100),
    "arpa": Target(arpa, arpa_seeds, 250),
    "certificate": Target(certificate, certificate_seeds, 200),
    "run": Target(run, run_seeds, 250),
    "page": Target(page, lambda: PAGES, 3),
}
