from __future__ import annotations

import hashlib
import json
import os
import re

import pytest
from conftest import made_up
from hypothesis import given
from hypothesis import strategies as st

from textgen.core import files
from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.experiment import CorpusOptions, resolve_experiment
from textgen.core.settings import Split
from textgen.data import reading
from textgen.data.corpora.base import source
from textgen.data.corpora.file import File
from textgen.data.corpora.folder import Folder
from textgen.data.corpora.lovecraft import Lovecraft
from textgen.data.corpora.wikipedia import Wikipedia, prose
from textgen.data.documents import ARTICLE, Document, apply_edits, corpus_hash
from textgen.data.loading import load_corpus, load_text
from textgen.data.reading import cut_text
from textgen.data.splits import split

NOWHERE = "http://127.0.0.1:9/"


def test_crlf_becomes_lf_and_nothing_else_changes(tmp_path):
    (tmp_path / "a.txt").write_bytes("  Tëst\r\n\r\n\tend \rx".encode())
    (document,) = Folder(tmp_path).documents()
    assert document == Document("a.txt", "  Tëst\n\n\tend \nx")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_byte_order_mark_decides(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Ünïcode ☃".encode(encoding))
    assert Folder(tmp_path).documents()[0].text == "Ünïcode ☃"


def test_a_file_name_that_is_no_text_is_refused(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("some text")
    with pytest.raises(TextgenError, match=r"not UTF-8: b'caf\\xe9\.txt'[\s\S]*rename"):
        Folder(tmp_path).documents()
    with pytest.raises(TextgenError, match=r"not UTF-8: b'caf\\xe9\.txt'[\s\S]*rename"):
        File(tmp_path / os.fsdecode(b"caf\xe9.txt")).documents()


def test_a_guessed_encoding_is_announced(tmp_path, capfd):
    text = "Der Schnee fällt über die Häuser, und niemand weiß, wohin er geht. " * 20
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert Folder(tmp_path).documents()[0].text == text
    assert "is not UTF-8" in capfd.readouterr().err


def test_an_encoding_is_guessed_by_what_stands_around_the_first_strange_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "GUESS_REACH", 7000)
    german = "Der Schnee fällt über die Häuser, und niemand weiß, wohin er geht.\n" * 90
    text = "A long preface in plain English letters.\n" * 400 + german
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert Folder(tmp_path).documents()[0].text == text


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-32"])
def test_a_mark_may_be_missing_where_the_encoding_is_stated(tmp_path, encoding):
    text = "Ünïcode ☃"
    marked = text.encode(encoding)
    for content in (marked, marked[2 if encoding == "utf-16" else 4 :]):
        (tmp_path / "a.txt").write_bytes(content)
        assert Folder(tmp_path, encoding=encoding).documents()[0].text == text


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8"])
def test_a_mark_is_removed_where_the_encoding_is_stated_too(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Ünïcode ☃".encode("utf-8-sig"))
    assert Folder(tmp_path, encoding=encoding).documents()[0].text == "Ünïcode ☃"


@pytest.mark.parametrize("content", [b"abc \xff def", b"\x00\x01\x02\xff\xfe\xfd" * 50])
def test_undecodable_bytes_are_named(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(TextgenError, match=r"a\.txt[\s\S]*byte \d+ \(0xff\) is not utf-8"):
        Folder(tmp_path, encoding="utf-8").documents()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: Folder(p / "none"), "no such folder"),
        (lambda p: Folder(p), "no file that matches"),
        (lambda p: Folder(p, pattern="/etc/*.txt"), "corpus.pattern"),
        (lambda p: File(p / "none.txt"), "no such file"),
        (lambda p: File(p / "empty.txt"), "no text"),
        (lambda p: File(p / "full.txt", encoding="utf-99"), "utf-99"),
        (lambda p: File(p / "full.txt", encoding="undefined"), "cannot be read as undefined"),
    ],
)
def test_what_is_wrong_with_a_path_is_said(tmp_path, make, message):
    (tmp_path / "empty.txt").write_text("", encoding="utf-8") if "empty" in message else None
    if message in ("no text", "utf-99", "cannot be read as undefined"):
        (tmp_path / "empty.txt").write_text(" \n", encoding="utf-8")
        (tmp_path / "full.txt").write_text("text", encoding="utf-8")
    with pytest.raises(TextgenError, match=message):
        make(tmp_path).documents()


def test_many_more_pieces_than_a_file_has_places_cut_it_at_them():
    assert cut_text("one two three", 1000) == ["one ", "two ", "three"]


def cut_in_memory(text, pieces):
    """What ``cut_text`` must find, said in another way: with all of the text at hand."""
    parts, start = [], 0
    for i in range(1, pieces):
        target = len(text) * i // pieces
        reach = min(len(text), target + max(1, len(text) // pieces // 2))
        for mark in ("\n\n", "\n", " "):
            found = text.find(mark, max(target, start), reach)
            if found >= 0:
                parts.append(text[start : found + len(mark)])
                start = found + len(mark)
                break
    return [*parts, text[start:]]


@given(st.text() | st.text("a \n", min_size=20), st.integers(1, 9), st.sampled_from([2, 1 << 20]))
def test_cutting_loses_nothing(text, pieces, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK", block)
        parts = cut_text(text, pieces)
    assert "".join(parts) == text
    assert len(parts) <= pieces
    assert parts == cut_in_memory(text, pieces)


def test_a_file_is_cut_at_blank_lines_or_at_a_separator(tmp_path):
    (tmp_path / "a.txt").write_text(made_up(80, 0), encoding="utf-8")
    pieces = File(tmp_path / "a.txt", pieces=4).documents()
    assert len(pieces) == 4
    assert all(d.text.endswith("\n\n") for d in pieces[:-1])
    (tmp_path / "b.txt").write_text("one%%two%%three", encoding="utf-8")
    parts = File(tmp_path / "b.txt", separator="%%").documents()
    assert [d.text for d in parts] == ["one", "two", "three"]


def test_a_group_with_a_misspelt_name_is_refused_and_another_corpuss_is_not(corpus_folder):
    def experiment(*names):
        return resolve_experiment(
            {
                "corpus": {"kind": "folder", "path": str(corpus_folder)},
                "split": {"groups": [list(names)]},
                "tokenizer": "characters",
                "objective": "next_token",
                "training": {"updates": 1},
            }
        )

    first, second, *_ = sorted(p.name for p in corpus_folder.glob("*.txt"))
    load_corpus(experiment(first, second))
    load_corpus(experiment("kadath", "celephais"))
    with pytest.raises(TextgenError, match=r"split\.groups[\s\S]*kadath: no such document"):
        load_corpus(experiment(first, "kadath"))


def test_the_split_keeps_groups_together_and_comes_back_the_same():
    documents = [Document(f"d{i}", "x" * (100 + 7 * i)) for i in range(40)]
    groups = (("d1", "d2", "d3"), ("d10", "d20"))
    for seed in range(8):
        settings = Split(validation=0.1, test=0.2, seed=seed, groups=groups)
        parts = split(documents, settings)
        assert parts == split(documents, settings)
        names = [{d.name for d in part} for part in parts]
        assert set.union(*names) == {d.name for d in documents}
        assert sum(map(len, names)) == 40
        for group in groups:
            assert sum(bool(part & set(group)) for part in names) == 1
        total = sum(len(d.text) for d in documents)
        assert 0.1 < sum(len(d.text) for d in parts[2]) / total <= 0.2
    assert split(documents, Split(seed=1)) != split(documents, Split(seed=2))


def test_groups_that_share_a_document_are_one():
    documents = [Document(f"d{i}", "x" * (100 + 7 * i)) for i in range(20)]
    groups = (("d1", "d2"), ("d8", "d9"), ("d2", "d3"), ("d3", "d9"))
    for seed in range(30):
        parts = split(documents, Split(validation=0.3, test=0.3, seed=seed, groups=groups))
        names = [{d.name for d in part} for part in parts]
        assert sum(bool(part & {"d1", "d2", "d3", "d8", "d9"}) for part in names) == 1


def test_a_part_that_would_be_empty_gets_a_whole_group():
    documents = [Document(n, "x" * (900 + 100 * i)) for i, n in enumerate("abcdef")]
    groups = (("a", "d"), ("b", "e"), ("c", "f"))
    parts = split(documents, Split(groups=groups))
    assert sorted("".join(sorted(d.name for d in part)) for part in parts) == ["ad", "be", "cf"]
    with pytest.raises(TextgenError, match=r"has 6 in 2 groups"):
        split(documents, Split(groups=(*groups, ("c", "e"))))


def test_too_few_documents_are_refused():
    with pytest.raises(TextgenError, match="at least three documents"):
        split([Document("a", "x"), Document("b", "y")], Split())
    assert [len(p) for p in split([Document(n, "xx") for n in "abc"], Split())] == [1, 1, 1]


def test_the_article_keeps_75_characters_for_every_arm():
    assert len(set(ARTICLE)) == len(ARTICLE) == 75
    options = CorpusOptions(keep="article")
    (kept,) = apply_edits([Document("d", "Naïve—“no”; (yes)\n\t!")], options)
    assert kept.text == "Naveno; (yes)\n!"


def test_lines_lose_their_outer_spaces_and_nothing_else():
    text, options = "  the cat \n\n \tsat  on\u2003\n", CorpusOptions(strip="lines")
    (bare,) = apply_edits([Document("d", text)], options)
    assert bare.text == "the cat\n\nsat  on\n"


def test_every_arm_reads_the_stripped_text(corpus_folder):
    def read(**options):
        corpus = {"kind": "folder", "path": str(corpus_folder), **options}
        found = resolve_experiment(
            {
                "corpus": corpus,
                "tokenizer": "characters",
                "objective": "next_token",
                "training": {"updates": 1},
            }
        )
        return found, load_corpus(found)

    letters = "abcdefghijklmnopqrstuvwxyz \n"
    (kept, some), (both, fewer) = read(keep=letters), read(keep=letters, strip="lines")
    assert both.resolved["corpus"]["strip"] == "lines"
    assert "strip" not in kept.resolved["corpus"]
    assert fewer.sha256 != some.sha256
    for before, after in zip(some.test, fewer.test, strict=True):
        assert after.text == "\n".join(map(str.strip, before.text.split("\n")))
    with pytest.raises(TextgenError, match=r"corpus.strip[\s\S]*'lines', not 'words'"):
        read(strip="words")


def test_characters_are_replaced_then_left_out():
    options = CorpusOptions(drop="\ne", replace={"æ": "ae", "ö": "o"})
    (made,) = apply_edits([Document("d", "Æon æther\nNoël\tö")], options)
    assert made.text == "Æon athrNoël\to"
    kept = apply_edits([Document("d", "æther xyz")], CorpusOptions("ax", replace={"æ": "ab"}))
    assert kept[0].text == "ax"
    documents = [Document("d", "as it is")]
    assert apply_edits(documents, CorpusOptions()) is documents


def test_a_share_of_a_corpus_is_its_first_documents():
    documents = [Document(name, "x" * size) for name, size in (("a", 3), ("b", 2), ("c", 5))]
    for share, names in ((0.5, "ab"), (0.49, "a")):
        found = apply_edits(documents, CorpusOptions(share=share))
        assert "".join(d.name for d in found) == names


def test_a_share_below_the_first_document_says_which_would_do(corpus_folder):
    corpus = {"kind": "folder", "path": str(corpus_folder)}
    with pytest.raises(TextgenError, match=r"corpus\.share") as caught:
        load_corpus(settings(**corpus, share=0.01))
    share = float(re.search(r"corpus\.share=([\d.]+)", str(caught.value))[1])
    found = load_corpus(settings(**corpus, share=share))
    assert [len(part) for part in (found.train, found.validation, found.test)] == [1, 1, 1]


def test_what_is_wrong_with_few_or_odd_texts_is_named(tmp_path):
    def complaint(**corpus):
        with pytest.raises(TextgenError) as caught:
            load_corpus(settings(**corpus))
        return str(caught.value)

    folder, short = tmp_path / "folder", tmp_path / "short.txt"
    folder.mkdir()
    short.write_text("Hello, world!")
    told = complaint(kind="file", path=str(short))
    assert "13 characters" in told
    assert "add documents" not in told
    for name in ("a", "b", "c"):
        (folder / f"{name}.txt").write_text("" if name == "b" else "some text")
    assert "b.txt" in complaint(kind="folder", path=str(folder))
    assert "kind=file" in complaint(kind="folder", path=str(short))
    assert "kind=folder" in complaint(kind="file", path=str(folder))
    (folder / "b.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)))
    told = complaint(kind="folder", path=str(folder))
    assert "b.txt" in told
    assert "not a text" in told


def test_json_is_alone_on_standard_output(textgen, tmp_path, corpus_folder):
    other = f"corpus.fallback={{kind='folder',path='{corpus_folder}'}}"
    for number, command in enumerate(("corpus", "baseline")):
        shown = textgen(
            command, "char_small", "--json", "--set", other,
            TEXTGEN_MIRROR=NOWHERE, TEXTGEN_CACHE=str(tmp_path / f"cache{number}"),
        )  # fmt: skip
        assert shown.code == 0, shown.err
        assert json.loads(shown.out)
        assert "downloading" in shown.err
    assert "file" in json.loads(textgen("corpus", "--json").out)


def test_the_hash_sees_names_and_texts():
    one = corpus_hash([Document("a", "bc"), Document("d", "e")])
    assert one == corpus_hash([Document("a", "bc"), Document("d", "e")])
    assert one != corpus_hash([Document("ab", "c"), Document("d", "e")])
    assert one != corpus_hash([Document("a", "bc"), Document("d", "f")])


def test_a_file_says_where_it_comes_from_and_has_the_sha256_that_is_given(tmp_path):
    path, address = tmp_path / "a.txt", "https://example.org/a.txt"
    path.write_text("The tide. " * 50, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    right = File(path, source=address, sha256=digest)
    assert right.origin == f"{address}; sha256 {digest[:12]}… checked"
    assert right.documents()
    assert File(path).origin == str(path)
    assert Folder(tmp_path, source=address).origin == address
    with pytest.raises(
        TextgenError, match=f"another file .sha256 {digest}.*[\\s\\S]*get it from https"
    ):
        File(path, source=address, sha256="0" * 64).documents()


def test_sources_name_67_tales_with_a_hash_each():
    files = source("lovecraft")["files"]
    assert len(files) == 67
    assert all(len(digest) == 64 for digest in files.values())


def test_a_changed_or_missing_local_tale_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path))
    (tmp_path / "lovecraft").mkdir()
    with pytest.raises(TextgenError, match="no such file"):
        Lovecraft().documents()
    (tmp_path / "lovecraft" / next(iter(source("lovecraft")["files"]))).write_text("changed")
    with pytest.raises(TextgenError, match="another file"):
        Lovecraft().documents()


def test_a_link_to_nothing_among_the_texts_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").symlink_to("nowhere")
    with pytest.raises(TextgenError, match=r"b\.txt: a link to nothing"):
        Folder(tmp_path).documents()
    assert [d.name for d in Folder(tmp_path, pattern="a*").documents()] == ["a.txt"]


def test_wikipedia_needs_no_download_and_holds_prose(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    documents = Wikipedia().documents()
    assert documents == Wikipedia().documents()
    (kept,) = files.cache_folder().glob("wikipedia-prose-*")
    text = kept.read_text()
    for damage in (text.replace(" the ", " tha ", 3), text[:1000], "[" * 100_000, "{}", ""):
        kept.write_text(damage)
        assert documents == Wikipedia().documents()
        assert f"{kept} is damaged" in capsys.readouterr().err
        assert kept.read_text() == text
    assert len(documents) == 96
    text = "".join(d.text for d in documents)
    assert 2_500_000 < len(text) < 2_800_000
    assert "'''" not in text
    assert prose("'''A''' is\n== Title ==\n* item\n\n\n\nmore") == "A is\n\nmore"


def settings(**corpus):
    plain = {"tokenizer": "characters", "objective": "next_token", "training": {"updates": 1}}
    return resolve_experiment({**plain, "corpus": corpus})


def test_the_fallback_is_used_and_named_everywhere():
    corpus = load_corpus(settings(kind="lovecraft", mirror=NOWHERE, fallback="wikipedia"))
    assert corpus.kind == corpus.description["kind"] == "wikipedia"
    assert corpus.description["fallback"] is True
    assert "lovecraft" in corpus.warning
    assert "wikipedia" in corpus.warning
    with pytest.raises(CorpusUnavailable, match="TEXTGEN_MIRROR"):
        load_corpus(settings(kind="lovecraft", mirror=NOWHERE))


def test_a_run_on_its_fallback_is_read_back_where_its_corpus_can_be_had(corpus_folder):
    experiment = settings(kind="folder", path=str(corpus_folder), fallback="wikipedia")
    own = load_corpus(experiment)
    assert load_text(experiment, own.sha256).warning == ""
    other = load_corpus(settings(kind="wikipedia"))
    found = load_text(experiment, other.sha256)
    assert (found.kind, found.test, found.description["fallback"]) == (
        "wikipedia",
        other.test,
        True,
    )
    assert "'folder' could not be reached when this was trained" in found.warning
    with pytest.raises(TextgenError, match="not at hand"):
        load_text(experiment, "0" * 64)


def test_a_mirror_serves_the_tales_and_wrong_bytes_are_refused(tmp_path, monkeypatch):
    """A local server with one wrong file: the name is asked for, the hash is checked."""
    import functools
    import http.server
    import threading

    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    first = next(iter(source("lovecraft")["files"]))
    (tmp_path / first).write_text("not the tale", encoding="utf-8")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    handler = functools.partial(Quiet, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(TextgenError, match="another file"):
            Lovecraft(mirror=mirror).documents()
        server.shutdown()
