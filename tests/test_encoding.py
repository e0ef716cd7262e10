"""Corpora larger than memory, at the size of a test: the limits are lowered."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import POLICIES, made_up

from textgen.core import files
from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_experiment
from textgen.data import loading, reading, splits
from textgen.data.corpora.file import File
from textgen.data.corpora.folder import Folder
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.data.reading import cut_text, read_text, text_length
from textgen.evaluation import references
from textgen.evaluation.references import baseline
from textgen.models import batches as windows_module
from textgen.models.batches import Windows
from textgen.models.objectives import NextToken, Shifted
from textgen.tokenizers import encoding
from textgen.training.preparation import prepare

TEXT = made_up(60, 3) + "\n\n" + "Ünïcode “quoted” ☃\n" * 40 + "x" * 900 + "\n" + made_up(60, 4)
TOKENIZERS = [
    {"kind": "characters"},
    {"kind": "words", "rare_words": "unk"},
    {"kind": "words", "minimum_count": 1, "rare_words": "drop"},
    {"kind": "words", "rare_words": "spell"},
    {"kind": "words", "rare_words": {"kind": "neighbour", "epochs": 1}},
    {"kind": "subwords", "size": 300},
    {"kind": "whitespace"},
]


CUTTER = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Cutter:
    extra_data = ()

    def segment(self, stretch):
        return [stretch]
"""


@pytest.fixture
def small_limits(monkeypatch, tmp_path):
    """Every corpus is a large one, and the memory is empty."""
    monkeypatch.setattr(reading, "LARGE", 0)
    monkeypatch.setattr(loading, "FITTED", 12_000)
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))


def settings(folder, tokenizer, **more):
    return resolve_experiment(
        {
            "corpus": {"kind": "folder", "path": str(folder)},
            "tokenizer": tokenizer,
            "objective": "next_token",
            "training": {"updates": 1},
            **more,
        }
    )


@pytest.mark.parametrize("encoded_as", ["utf-8", "utf-16", "cp1252"])
@pytest.mark.parametrize("pieces", [1, 7, 90])
def test_a_large_file_is_cut_as_it_is_in_memory(
    tmp_path, monkeypatch, encoded_as, pieces, small_limits
):
    text = TEXT if encoded_as != "cp1252" else TEXT.replace("☃", "é")
    (tmp_path / "a.txt").write_bytes(text.replace("\n", "\r\n").encode(encoded_as))
    made = File(tmp_path / "a.txt", pieces=pieces, encoding=encoded_as).documents()
    assert not any(isinstance(d.content, str) for d in made)
    assert [d.text for d in made] == cut_text(text, pieces)
    assert [d.characters for d in made] == list(map(len, cut_text(text, pieces)))


@pytest.mark.parametrize("block", [5, 1 << 20])
@pytest.mark.parametrize("separator", ["\n\n", "“", "ed ", "nowhere"])
def test_a_large_file_is_divided_at_a_separator(
    tmp_path, monkeypatch, block, separator, small_limits
):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(reading, "BLOCK", block)
    made = File(tmp_path / "a.txt", separator=separator).documents()
    assert [d.text for d in made] == [part for part in TEXT.split(separator) if part]


ALTERED = {"keep": "article", "strip": "lines"}


def test_a_large_corpus_is_the_same_corpus(tmp_path, corpus_folder, monkeypatch):
    """Names, texts, hash and split do not depend on where the text is kept."""
    (tmp_path / "a.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    (tmp_path / "b.txt").write_text(" \n" * 9, encoding="utf-8")
    changes = {**ALTERED, "drop": "tT", "replace": {"o": "oo"}, "share": 0.8}
    for folder, options in ((corpus_folder, {}), (tmp_path, changes)):
        corpus = {"kind": "folder", "path": str(folder), **options}
        if folder == tmp_path:
            corpus |= {"kind": "file", "path": str(folder / "a.txt"), "pieces": 9}
        plain = load_corpus(settings(folder, "characters", corpus=corpus))
        monkeypatch.setattr(reading, "LARGE", 0)
        lazy = load_corpus(settings(folder, "characters", corpus=corpus))
        monkeypatch.undo()
        assert lazy.description == plain.description
        for part in ("train", "validation", "test"):
            pairs = zip(getattr(plain, part), getattr(lazy, part), strict=True)
            assert all((a.name, a.text) == (b.name, b.text) for a, b in pairs)
            assert not any(isinstance(d.content, str) for d in getattr(lazy, part))
    assert [d.text for d in Folder(tmp_path).documents()] == [TEXT, " \n" * 9]


def test_a_single_huge_file_in_a_folder_becomes_documents(tmp_path, monkeypatch, small_limits):
    (tmp_path / "all.txt").write_text(TEXT * 3, encoding="utf-8")
    monkeypatch.setattr("textgen.data.reading.MAX_DOCUMENT", 2000)
    monkeypatch.setattr("textgen.data.reading.PIECE_SIZE", 500)
    made = Folder(tmp_path).documents()
    assert made[0].name == "all.txt#01"
    assert len(made) > 10
    assert "".join(d.text for d in made) == TEXT * 3
    assert all(map(len, splits.split(made, settings(tmp_path, "characters").split)))


def texts():
    """The folders of converted documents in the cache, unfinished ones included."""
    return sorted((files.cache_folder() / "texts").glob("*"))


def test_a_text_that_changes_meanwhile_is_noticed(tmp_path, small_limits, monkeypatch):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (document,) = Folder(tmp_path).documents()
    (tmp_path / "a.txt").write_text(TEXT[:-9], encoding="utf-8")
    assert document.text == TEXT  # its own file
    document.content.path.write_text(TEXT[:-9], encoding="utf-8")
    assert document.characters == len(TEXT)
    with pytest.raises(TextgenError, match="changed while it was in use"):
        document.content.read()
    document.content.path.unlink()
    with pytest.raises(TextgenError, match="changed while it was in use"):
        document.content.read()


@pytest.mark.parametrize("later", [b"another text", b"\xff"])
def test_a_file_that_changes_while_it_is_converted_is_refused(
    tmp_path, small_limits, monkeypatch, later
):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")

    def changing(path, encoding):
        found = text_length(path, encoding)
        path.write_bytes(later)
        return found

    monkeypatch.setattr(reading, "text_length", changing)
    with pytest.raises(TextgenError, match=r"a\.txt[\s\S]*changed while it was in use"):
        Folder(tmp_path).documents()
    assert texts() == []


def test_a_corpus_is_converted_once_whatever_its_place(tmp_path, small_limits, monkeypatch):
    ran: list[int] = []
    inner = reading._write
    monkeypatch.setattr(reading, "_write", lambda *a: ran.append(1) or inner(*a))
    for place in "ab":
        (tmp_path / place).mkdir()
        (tmp_path / place / "tale.txt").write_text(TEXT, encoding="utf-8")
    first = Folder(tmp_path / "a").documents()
    assert Folder(tmp_path / "b").documents() == first
    assert len(ran) == 1
    first[0].content.path.write_bytes(b"damaged")
    (again,) = Folder(tmp_path / "a").documents()
    assert again.text == TEXT
    assert len(ran) == 2
    File(tmp_path / "a" / "tale.txt", pieces=2).documents()
    File(tmp_path / "a" / "tale.txt", separator="x").documents()
    (tmp_path / "a" / "tale.txt").write_text(TEXT + "!", encoding="utf-8")
    Folder(tmp_path / "a").documents()
    assert len(ran) == len(texts()) + 1 == 5


def test_a_full_disk_while_a_corpus_is_converted_is_told(tmp_path, small_limits, monkeypatch):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reading, "_write_parts", full)
    with pytest.raises(TextgenError, match=r"No space left[\s\S]*TEXTGEN_CACHE"):
        Folder(tmp_path).documents()
    assert texts() == []


def test_a_wrong_byte_is_found_in_its_place(tmp_path, small_limits):
    (tmp_path / "a.txt").write_bytes("ab☃".encode() * 9000 + b"\xff rest")
    with pytest.raises(TextgenError, match=r"byte 45000 \(0xff\) is not utf-8"):
        Folder(tmp_path, encoding="utf-8").documents()
    (tmp_path / "a.txt").write_bytes("ab☃".encode() * 9000 + b"\xe2\x98")
    with pytest.raises(TextgenError, match=r"byte 45000 \(0xe2\) is not utf-8"):
        Folder(tmp_path, encoding="utf-8").documents()


@pytest.mark.parametrize("stated", ["auto", "utf-8"])
@pytest.mark.parametrize("times", [1, 200])
def test_a_large_file_is_decoded_as_a_small_one_is(tmp_path, small_limits, stated, times):
    content = ("Ünïcode ☃\r\nand more" * times).encode("utf-8-sig")
    if stated == "auto":
        strange = "Häuser, Straßen und Gärten über Köln.\r" * 30 * times
        content = ("plain\n" * 50 + strange).encode("cp1252")
    (tmp_path / "a.txt").write_bytes(content)
    (document,) = Folder(tmp_path, encoding=stated).documents()
    assert document.text == read_text(tmp_path / "a.txt", stated)
    for unknown in ("utf-99", "hex"):
        with pytest.raises(TextgenError, match=rf"corpus\.encoding(.|\n)*{unknown}"):
            Folder(tmp_path, encoding=unknown).documents()


def test_what_no_encoding_should_hold_survives(tmp_path, small_limits):
    (tmp_path / "a.txt").write_bytes(rb"a lone \ud800 surrogate" * 99)
    (document,) = Folder(tmp_path, encoding="unicode_escape").documents()
    assert document.text == "a lone \ud800 surrogate" * 99


def test_baselines_read_the_tokens_of_a_run_on_a_large_corpus(tmp_path, small_limits, monkeypatch):
    (tmp_path / "tales").mkdir()
    for name in "abcdefghijklmnop":  # each with a word of its own
        (tmp_path / "tales" / f"{name}.txt").write_text(f" {name * 5}" * 3 + made_up(9, ord(name)))
    monkeypatch.setattr(loading, "FITTED", 3000)
    experiment = settings(tmp_path / "tales", {"kind": "words", "rare_words": "unk"})
    corpus = load_corpus(experiment)
    assert corpus.sample is not corpus.train
    (found,) = baseline(experiment, corpus)
    assert found["vocabulary_size"] == prepare(experiment, corpus).tokenizer.size
    whole = experiment.tokenizer.fit([d.text for d in corpus.train])
    assert found["vocabulary_size"] < whole.size
    monkeypatch.setattr(references, "MAX_NGRAM_CHARACTERS", 1000)
    with pytest.raises(TextgenError, match=r"kneser_ney(.|\n)*more than 1,000"):
        next(baseline(experiment, corpus))


def test_what_is_held_out_of_a_large_corpus_is_bounded(monkeypatch):
    documents = [Document(f"d{i}", "x" * 100) for i in range(100)]
    monkeypatch.setattr(splits, "HELD_OUT", {"test": 500, "validation": 300})
    parts = splits.split(documents, settings("", "characters").split)
    assert [len(part) for part in parts] == [92, 3, 5]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda t: "-".join(map(str, t.values())))
def test_the_file_holds_the_tokens_that_encode_gives(corpus_folder, tokenizer, small_limits):
    experiment = settings(corpus_folder, tokenizer)
    corpus = load_corpus(experiment)
    assert 0 < len(corpus.sample) < len(corpus.train)
    prepared = prepare(experiment, corpus)
    stored, _ = prepared.encoded
    assert isinstance(stored, encoding.Stored)
    expected = [prepared.tokenizer.encode(d.text, training=True) for d in corpus.train]
    assert len(stored) == len(expected)
    for found, right in zip(stored, expected, strict=True):
        np.testing.assert_array_equal(found.tokens, right.tokens)
        assert found.tokens.dtype == right.tokens.dtype
        assert (found.characters, found.pieces, found.replaced) == (
            right.characters, right.pieces, right.replaced
        )  # fmt: skip
    seen = Windows.of(stored, NextToken(8)), Windows.of(expected, NextToken(8))
    np.testing.assert_array_equal(seen[0].flat, seen[1].flat)
    assert seen[0].share(40) == seen[1].share(40) == np.mean(seen[1].flat >= 40)
    for _, a, b in zip(range(50), *(w.training(4, seed=1) for w in seen), strict=False):
        np.testing.assert_array_equal(a[0], b[0])


def test_the_alphabet_is_that_of_all_training_text(tmp_path, small_limits, monkeypatch):
    for i in range(30):
        (tmp_path / f"{i:02d}.txt").write_text(made_up(10, i) + chr(0x4E00 + i), encoding="utf-8")
    monkeypatch.setattr(loading, "FITTED", 2000)
    for tokenizer in (TOKENIZERS[0], TOKENIZERS[3], TOKENIZERS[5]):
        experiment = settings(tmp_path, tokenizer)
        corpus = load_corpus(experiment)
        tokenizer = prepare(experiment, corpus).tokenizer
        encoded = tokenizer.encode("".join(d.text[-1] for d in corpus.train + corpus.test))
        assert encoded.surfaces == tuple(d.text[-1] for d in corpus.test)


def test_tokens_are_found_again_by_content(tmp_path, corpus_folder, small_limits, monkeypatch):
    experiment = settings(corpus_folder, "characters")
    ran: list[int] = []
    inner = encoding.write_documents
    monkeypatch.setattr(encoding, "write_documents", lambda *a: ran.append(1) or inner(*a))

    def tokens(chosen):
        return list(prepare(chosen, load_corpus(chosen)).encoded[0])

    first, saved = tokens(experiment), files.seconds_saved()
    again = tokens(experiment)
    assert len(ran) == 1
    assert files.seconds_saved() > saved  # what it once took counts in a budget
    np.testing.assert_array_equal(first[3].tokens, again[3].tokens)
    tokens(settings(corpus_folder, "characters", split={"seed": 9}))
    tokens(settings(corpus_folder, {"kind": "subwords", "size": 300}))
    assert len(ran) == 3
    (made,) = list((files.cache_folder() / "encoded").glob("*"))[:1]
    (made / encoding.INDEX_FILE).write_bytes(b"damaged")
    for chosen in (
        experiment,
        settings(corpus_folder, "characters", split={"seed": 9}),
        settings(corpus_folder, {"kind": "subwords", "size": 300}),
    ):
        tokens(chosen)
    assert len(ran) == 4  # the damaged one alone was made again
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in Path(corpus_folder).iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    tokens(settings(copy, "characters"))
    assert len(ran) == 4  # the same text in another place
    (copy / "tale00.txt").write_text("changed", encoding="utf-8")
    tokens(settings(copy, "characters"))
    assert len(ran) == 5
    assert not list((files.cache_folder() / "encoded").glob("new-*"))


def test_tokens_are_made_again_by_another_plug_in_or_library(
    tmp_path, corpus_folder, small_limits, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    about = tmp_path / "cutter-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cutter\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[textgen.segmenter]\ncutter = cutter:Cutter\n")
    source = tmp_path / "cutter.py"
    source.write_text(CUTTER)
    segmenter = {"kind": "words", "rare_words": "unk", "segmenter": "cutter"}
    experiment = settings(corpus_folder, segmenter)

    def made():
        prepare(experiment, load_corpus(experiment))
        return len(list((files.cache_folder() / "encoded").iterdir()))

    assert [made(), made()] == [1, 1]
    source.write_text(CUTTER + "# changed\n")
    assert [made(), made()] == [2, 2]
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version(name) + "1" * (name == "regex"))
    assert [made(), made()] == [3, 3]


@pytest.mark.parametrize("place", ["encoded", "texts"])
@pytest.mark.parametrize("harm", ["altered", "more", "less", "list"])
def test_what_is_altered_in_the_cache_is_told_and_made_anew(
    corpus_folder, small_limits, capsys, place, harm
):
    """Bytes of the right number but of other tokens, a file too many, too few, another list."""
    experiment = settings(corpus_folder, "characters")

    def tokens():
        encoded = prepare(experiment, load_corpus(experiment)).encoded
        return np.concatenate([each.tokens for part in encoded for each in part])

    first = tokens()
    assert "computed again" not in capsys.readouterr().err
    (folder,) = (files.cache_folder() / place).glob("*")
    path = folder / (encoding.TOKENS_FILE if place == "encoded" else "3.utf8")
    content = path.read_bytes()
    if harm == "altered":
        path.write_bytes(content[:99] + b"zzz" + content[102:])
    elif harm == "list":
        (folder / files.CHECKSUMS).write_text("[" * 100_000)
    else:
        other = folder / "other" if harm == "more" else path
        other.write_bytes(content) if harm == "more" else other.unlink()
    np.testing.assert_array_equal(tokens(), first)
    assert f"{folder} is damaged and is computed again" in capsys.readouterr().err
    np.testing.assert_array_equal(tokens(), first)
    assert capsys.readouterr().err == ""


def test_a_full_disk_is_told_before_anything_is_written(corpus_folder, small_limits, monkeypatch):
    usage = SimpleNamespace(free=10_000)
    monkeypatch.setattr(encoding.shutil, "disk_usage", lambda place: usage)
    experiment = settings(corpus_folder, "characters")
    with pytest.raises(TextgenError, match=r"0\.0 GB of disk space left[\s\S]*TEXTGEN_CACHE"):
        prepare(experiment, load_corpus(experiment))
    assert list((files.cache_folder() / "encoded").glob("*")) == []


def test_a_cache_that_cannot_be_written_is_told(corpus_folder, tmp_path, small_limits, monkeypatch):
    (tmp_path / "occupied").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "occupied"))
    experiment = settings(corpus_folder, "characters")
    monkeypatch.setattr(reading, "LARGE", 1 << 30)
    with pytest.raises(TextgenError, match=r"occupied[\s\S]*set TEXTGEN_CACHE"):
        prepare(experiment, load_corpus(experiment))


def test_a_large_corpus_needs_the_cache_too(tmp_path, small_limits, monkeypatch):
    (tmp_path / "occupied").write_text("a file", encoding="utf-8")
    (tmp_path / "a.txt").write_bytes("Ünïcode ☃".encode("utf-16"))
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "occupied"))
    with pytest.raises(TextgenError, match=r"occupied[\s\S]*set TEXTGEN_CACHE"):
        Folder(tmp_path).documents()


def test_an_empty_variable_names_no_folder(monkeypatch):
    monkeypatch.delenv("TEXTGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert files.cache_folder() == Path.home() / ".cache" / "textgen"


def test_what_another_run_has_written_meanwhile_is_taken(corpus_folder, small_limits, monkeypatch):
    experiment = settings(corpus_folder, "characters")
    corpus = load_corpus(experiment)
    first = prepare(experiment, corpus).encoded[0]
    (made,) = (files.cache_folder() / "encoded").glob("*")
    before = (made / encoding.INDEX_FILE).stat().st_ino
    found = iter([ValueError("not there yet")])

    def read(folder):
        for error in found:
            raise error
        return encoding.Stored(folder, prepare(experiment, corpus).tokenizer.size)

    again = files.cached_folder(made, read, lambda folder: None)
    assert (made / encoding.INDEX_FILE).stat().st_ino == before  # not removed and written again
    np.testing.assert_array_equal(first[3].tokens, again[3].tokens)


def _held(path: Path) -> int:
    """Bytes of a file that are mapped into this process and held in memory."""
    maps = Path("/proc/self/smaps").read_text()
    return 1024 * sum(
        int(size) for size in re.findall(rf"{re.escape(str(path))}\n(?:.*\n)*?Rss: +(\d+)", maps)
    )


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="tells what is mapped")
def test_what_is_read_of_the_file_does_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(windows_module, "MAX_MAPPED_BYTES", 1 << 21)
    monkeypatch.setattr(windows_module, "TOKENS_PER_COUNT", 1 << 21)
    size = 1 << 25
    (tmp_path / encoding.TOKENS_FILE).write_bytes(bytes(size))
    np.save(tmp_path / encoding.INDEX_FILE, np.array([[size - 1, 1, 1, 0]]))
    stored = encoding.Stored(tmp_path, 200)
    path = tmp_path / encoding.TOKENS_FILE
    assert int(stored.flat.max()) == 0
    assert _held(path) > size / 2
    stored.release()
    assert _held(path) < size / 8
    windows = Windows(stored, Shifted(16, 1))
    for _ in zip(range(3000), windows.training(16, seed=0), strict=False):
        pass
    assert _held(path) < size / 4
    assert windows.share(1) == 0.0
    assert _held(path) < size / 4


def test_every_policy_is_encoded_from_its_saved_state():
    """Nothing that decides about tokens may be left out of the state."""

    from textgen.tokenizers.words.tokenizer import Words

    text, other = made_up(80, 5), made_up(30, 6) + " unfathomable Pandemonium 1926"
    for policy in POLICIES:
        config_ = Words(policy)
        tokenizer = config_.fit([text], [other], 1)
        again = config_.load(json.loads(json.dumps(tokenizer.state(), sort_keys=True)))
        np.testing.assert_array_equal(
            tokenizer.encode(other, training=True).tokens, again.encode(other, training=True).tokens
        )


def test_a_run_on_text_that_stays_in_its_files(experiment_file, tmp_path, small_limits):

    from textgen.runs.pipeline import train

    changes = ["training.updates=4", "training.validations=1", "sampling.length=20"]
    folder = train(experiment_file, overrides=changes, runs_folder=tmp_path, quiet=True).folder
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    corpus, training = metrics["corpus"], metrics["training"]
    assert corpus["fitted_on"]["characters"] <= 12_000 < corpus["train"]["characters"]
    marks = corpus["train"]["documents"]
    assert training["characters_of_training_text"] == corpus["train"]["characters"] + marks
    assert metrics["test"]["characters"] == corpus["test"]["characters"]
    test = metrics["test"]  # of a network after four updates, and of a text that repeats itself
    assert 2 < test["bits_per_character"]["total"] < 8
    assert list((files.cache_folder() / "encoded").glob("*/tokens.bin"))
