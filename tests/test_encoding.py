"""Corpora larger than memory, at the size of a test: the limits are lowered."""

import os
import shutil
import sys
import time
from importlib import import_module, metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import made_up, small_experiment

from textgen.core import cache
from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.core.settings import Split
from textgen.data import drawn, loading
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.data.splits import divide
from textgen.evaluation import baselines
from textgen.evaluation.baselines import KneserNey, baseline
from textgen.models.batches import Windows
from textgen.models.objectives import NextToken
from textgen.runs.pipeline import train
from textgen.tokenizers import fitting, stored
from textgen.training import encoding
from textgen.training.preparation import prepare
from textgen.training.stream import Stage, Stream

TOKENIZERS = [
    {"kind": "characters"}, {"kind": "words", "minimum_count": 1, "rare_words": "drop"},
    {"kind": "words", "rare_words": "spell"}, {"kind": "subwords", "size": 300},
    {"kind": "whitespace"},
]  # fmt: skip
CUTTER = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Cutter:
    extra_data = ()
    segment = list
"""


@pytest.fixture
def small_limits(monkeypatch, tmp_path):
    """Every corpus is a large one, and the memory is empty."""
    monkeypatch.setattr("textgen.data.documents.LARGE_BYTES", 0)
    monkeypatch.setattr(loading, "FITTED", 12_000)
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))


def settings(folder, tokenizer, **more):
    corpus = {"kind": "folder", "path": str(folder)}
    return small_experiment(corpus=corpus, tokenizer=tokenizer, **more)


def test_baselines_read_the_tokens_of_a_run_on_a_large_corpus(tmp_path, small_limits, monkeypatch):
    for name in "abcdefghijklmnop":  # each with a word of its own
        (tmp_path / f"{name}.txt").write_text(f" {name * 5}" * 3 + made_up(9, ord(name)))
    monkeypatch.setattr(loading, "FITTED", 3000)
    experiment = settings(tmp_path, {"kind": "words", "rare_words": "unk"})
    corpus = load_corpus(experiment)
    assert corpus.sample is not corpus.train
    (found,) = baseline("kneser_ney", [KneserNey()], experiment, corpus)
    assert found["vocabulary_size"] == prepare(experiment, corpus).tokenizer.size
    assert found["vocabulary_size"] < experiment.tokenizer.fit([d.text for d in corpus.train]).size
    monkeypatch.setattr(baselines, "MAX_NGRAM_CHARACTERS", 1000)
    with pytest.raises(TextgenError, match=r"n-grams.*more than 1,000"):
        next(baseline("kneser_ney", [KneserNey()], experiment, corpus))


def test_what_is_held_out_of_a_large_corpus_is_bounded(monkeypatch):
    documents = [Document(f"d{i}", "x" * 100) for i in range(100)]
    monkeypatch.setattr(drawn, "HELD_OUT", {"test": 500, "validation": 300})
    parts = divide(documents, Split())
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [92, 3, 5]


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=lambda t: "-".join(map(str, t.values())))
def test_the_file_holds_the_tokens_that_encode_gives(corpus_folder, tokenizer, small_limits):
    experiment = settings(corpus_folder, tokenizer)
    corpus = load_corpus(experiment)
    prepared = prepare(experiment, corpus)
    stored, _ = prepared.encoded
    expected = [prepared.tokenizer.encode(d.text, training=True) for d in corpus.train]
    for found, right in zip(stored, expected, strict=True):
        np.testing.assert_array_equal(found.tokens, right.tokens)
        for count in ("characters", "pieces", "replaced"):
            assert getattr(found, count) == getattr(right, count)
    np.testing.assert_array_equal(stored[-1].tokens, expected[-1].tokens)
    assert [len(found.tokens) for found in stored[-2:]] == [len(d.tokens) for d in expected[-2:]]
    with pytest.raises(IndexError):
        stored[len(expected)]
    seen = Windows(stored, NextToken(8)), Windows(expected, NextToken(8))
    assert seen[0].share(40) == seen[1].share(40) == np.mean(seen[1].flat >= 40)
    streams = [Stream(windows, [Stage(1.0, 4, 8)], seed=1).batches() for windows in seen]
    for _, a, b in zip(range(50), *streams, strict=False):
        np.testing.assert_array_equal(a.spans, b.spans)


def test_the_alphabet_is_that_of_all_training_text(tmp_path, small_limits, monkeypatch):
    for i in range(30):
        (tmp_path / f"{i:02d}.txt").write_text(made_up(10, i) + chr(0x4E00 + i), encoding="utf-8")
    monkeypatch.setattr(loading, "FITTED", 2000)
    for tokenizer in (TOKENIZERS[0], TOKENIZERS[2], TOKENIZERS[3]):
        experiment = settings(tmp_path, tokenizer)
        corpus = load_corpus(experiment)
        text = "".join(d.text[-1] for d in corpus.train + corpus.test)
        encoded = prepare(experiment, corpus).tokenizer.encode(text)
        assert encoded.surfaces == tuple(d.text[-1] for d in corpus.test)


def test_tokens_are_found_again_by_content(tmp_path, corpus_folder, small_limits, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    about, source = tmp_path / "cutter-1.0.dist-info", tmp_path / "cutter.py"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: cutter\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[textgen.segmenter]\ncutter = cutter:Cutter\n")
    source.write_text(CUTTER)
    words = {"kind": "words", "rare_words": "unk", "segmenter": "cutter"}
    copy = shutil.copytree(corpus_folder, tmp_path / "copy")

    def made(folder, tokenizer=words, **more):
        experiment = settings(folder, tokenizer, **more)
        prepare(experiment, load_corpus(experiment))
        return len(list((cache.cache_folder() / "encoded").iterdir()))

    assert made(corpus_folder) == 1
    assert made(corpus_folder) == 1
    assert made(copy) == 1  # the same text in another place
    assert made(corpus_folder, split={"seed": 9}) == 2
    assert made(corpus_folder, {"kind": "subwords", "size": 300}) == 3
    source.write_text(CUTTER + "# changed\n")
    assert made(corpus_folder) == 4
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version(name) + "1" * (name == "regex"))
    assert made(corpus_folder) == 5


def test_what_is_kept_depends_on_the_versions_of_what_clusters_and_cuts_words(monkeypatch):
    installed = fitting.library_versions()
    version = metadata.version
    for library in ("scipy", "budoux"):
        monkeypatch.setattr(
            metadata, "version", lambda name, e=library: "9" if name == e else version(name)
        )
        assert fitting.library_versions() != installed

    def only_needed(name: str) -> str:
        if name == "budoux":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", only_needed)
    assert "" in fitting.library_versions()


def test_the_code_of_a_plugin_is_found_wherever_it_stands(
    tmp_path, corpus_folder, small_limits, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)
    about = tmp_path / "spread-1.0.dist-info"
    source = tmp_path / "spread" / "cutter.py"  # of a package without __init__.py
    for folder in (about, source.parent):
        folder.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spread\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[textgen.segmenter]\ncutter = spread.cutter:Cutter\n")
    source.write_text(CUTTER)
    words = {"kind": "words", "rare_words": "unk", "segmenter": "cutter"}

    def made():
        experiment = settings(corpus_folder, words)
        prepare(experiment, load_corpus(experiment))
        return len(list((cache.cache_folder() / "encoded").iterdir()))

    assert made() == 1
    source.write_text(CUTTER + "# changed\n")
    assert made() == 2
    # a notebook has no file
    monkeypatch.setitem(sys.modules, "notebook", ModuleType("notebook"))
    monkeypatch.setattr(import_module("spread.cutter").Cutter, "__module__", "notebook")
    with pytest.raises(TextgenError, match="notebook, which is no file"):
        made()


@pytest.mark.parametrize(
    ("named", "others"),
    [
        ("extra_data", ("part-of-speech tags of a tagger with other weights",)),
        ("state", {"fitted": "otherwise"}),
    ],
)
def test_tokens_of_another_tagger_or_fit_are_not_found(
    corpus_folder, small_limits, monkeypatch, named, others
):
    experiment = settings(corpus_folder, "characters")
    corpus = load_corpus(experiment)
    tokenizer = fitting.fit_tokenizer(experiment.tokenizer, corpus, experiment.seed)

    def made():
        encoding.encode_training(experiment, tokenizer, corpus)
        return len(list((cache.cache_folder() / "encoded").iterdir()))

    assert [made(), made()] == [1, 1]
    value = others if named == "extra_data" else lambda _: others
    monkeypatch.setattr(type(tokenizer), named, value)
    assert [made(), made()] == [2, 2]


def test_tokens_that_other_code_of_ours_has_made_are_not_found(
    corpus_folder, small_limits, monkeypatch
):
    experiment = settings(corpus_folder, "characters")
    corpus = load_corpus(experiment)
    tokenizer = fitting.fit_tokenizer(experiment.tokenizer, corpus, experiment.seed)
    read = Path.read_bytes
    for number, changed in enumerate(
        ("", "characters.py", "kneser_ney.py", "language.py"), start=1
    ):

        def read_bytes(path, changed=changed):
            return read(path) + (b"# changed\n" if path.name == changed else b"")

        monkeypatch.setattr(Path, "read_bytes", read_bytes)
        encoding.encode_training(experiment, tokenizer, corpus)
        assert len(list((cache.cache_folder() / "encoded").iterdir())) == number


def test_what_is_altered_in_the_cache_is_computed_again(corpus_folder, small_limits, capsys):
    experiment = settings(corpus_folder, "characters")

    def tokens():
        stored, _ = prepare(experiment, load_corpus(experiment)).encoded
        return np.concatenate([document.tokens for document in stored]), capsys.readouterr().err

    first, _ = tokens()
    (folder,) = (cache.cache_folder() / "encoded").glob("*")
    content, deep = (folder / stored.TOKENS_FILE).read_bytes(), b"[" * 100_000
    for file, harm in (
        (stored.TOKENS_FILE, content[:99] + b"zzz" + content[102:]),
        (stored.TOKENS_FILE, None),  # a file too few
        ("other", content), (cache.CHECKSUMS, deep), (stored.INDEX_FILE, deep),
    ):  # fmt: skip
        (folder / file).unlink(missing_ok=True)
        if harm:
            (folder / file).write_bytes(harm)
        for note in (f"{folder} is damaged and will be recomputed", ""):
            again, said = tokens()
            np.testing.assert_array_equal(again, first)
            assert note in said
            assert bool(note) == bool(said)


def test_an_entry_takes_what_it_was_made_from_took_besides(tmp_path, monkeypatch):
    """Made or found, also by a run that asks for that entry alone."""
    seconds = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: seconds[0])

    def work(amount):
        seconds[0] += amount

    def tokens():
        cache.cached(tmp_path / "tags", lambda: work(50))
        work(20)

    for _ in range(2):
        watch = cache.Stopwatch(lambda: 0.0)
        with watch.counting():
            cache.cached(tmp_path / "tokens", tokens)
        assert watch.seconds() == 70
    assert seconds == [70]


def test_what_nobody_has_used_for_long_leaves_the_cache(tmp_path):
    made = []

    def use(name):
        cache._remove_unused.cache_clear()  # as in another process
        return cache.cached(tmp_path / name, lambda: made.append(name) or name)

    assert [use("old"), use("used")] == ["old", "used"]
    killed = tmp_path / f"{cache.UNFINISHED}x"
    (killed / "entry").mkdir(parents=True)
    (killed / cache.UNFINISHED_MARK).touch()
    foreign = [tmp_path / "empty", tmp_path / f"{cache.UNFINISHED}notes", tmp_path / "hashes"]
    for path in foreign:
        path.mkdir()
    (foreign[2] / "sha256.json").write_text("{}")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    assert [use("used"), use("new")] == ["used", "new"]
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["new", "used", *(path.name for path in foreign)])
    assert made == ["old", "used", "new"]


def test_what_fails_in_the_cache_costs_a_stopwatch_no_more_than_what_is_made(tmp_path):
    clock = iter(range(100))
    watch = cache.Stopwatch(lambda: float(next(clock)))

    def fail():
        for _ in range(50):
            next(clock)
        raise ZeroDivisionError

    with watch.counting(), pytest.raises(ZeroDivisionError):
        cache.cached(tmp_path / "entry", fail)
    assert watch.seconds() < 10


def test_a_file_that_cannot_be_finished_leaves_nothing(tmp_path):
    def fail(file):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_file(tmp_path / "file", fail)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_an_entry_is_neither_used_nor_removed(tmp_path):
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry/letter.txt").write_text("mine")
    with pytest.raises(TextgenError, match=r"entry: not an entry.*\n.*TEXTGEN_CACHE"):
        cache.cached(tmp_path / "entry", list)
    assert (tmp_path / "entry/letter.txt").read_text() == "mine"


def test_where_the_cache_is_and_what_is_its_fault(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for variable, name in (("", "textgen"), (str(tmp_path / "own"), "own/textgen")):
        monkeypatch.setenv("TEXTGEN_CACHE", variable)
        assert cache.cache_folder() == tmp_path / name
    with pytest.raises(FileNotFoundError):
        cache.cached(tmp_path / "entry", lambda: (tmp_path.parent / "gone.txt").read_text())
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "entry", tmp_path / "file" / "deep" / "entry"):
        with pytest.raises(TextgenError, match="the cache cannot be written"):
            cache.cached(folder, list)


def test_a_run_on_text_that_stays_in_its_files(experiment_file, tmp_path, small_limits):
    changes = ["training.updates=4", "training.validations=1", "sampling.length=20"]
    run = train(experiment_file, overrides=changes, runs_folder=tmp_path, quiet=True)
    metrics, train_part = run.metrics, run.metrics.corpus.train
    assert metrics.corpus.fitted_on["characters"] <= 12_000 < train_part["characters"]
    charged = train_part["characters"] + train_part["documents"]
    assert metrics.training.characters_of_training_text == charged
    assert metrics.test.characters == metrics.corpus.test["characters"]
    assert 2 < metrics.test.parts["network"].bits_per_character.total < 8  # after four updates
    assert list((cache.cache_folder() / "encoded").glob("*/tokens.bin"))
