"""Bytes on a disk → documents: encodings, formats, cutting, large text, edits, published texts."""

import contextlib
import errno
import hashlib
import http.server
import json
import os
import random
import re
import sys
import threading
import zipfile
from collections import Counter

import docx
import pytest
from conftest import made_up, small_experiment

from textgen.core.errors import CorpusUnavailable, TextgenError
from textgen.core.settings import CorpusOptions
from textgen.data import documents
from textgen.data.corpora import File, Folder, Lovecraft, Wikipedia, prose, source
from textgen.data.documents import (
    ARTICLE,
    Document,
    UnreadText,
    apply_edits,
    corpus_hash,
    cut_text,
    read_text,
)
from textgen.data.encodings import UNMARKED
from textgen.data.loading import corpus_warnings, load_corpus, load_text

pytestmark = pytest.mark.fast

NOWHERE = "http://127.0.0.1:9/"
UNICODE = "  Ünïcode ☃\n\n\tend \nx"
GERMAN = "Der Schnee fällt über die Häuser, und niemand weiß, wohin er geht.\n" * 90


def settings(**corpus):
    return small_experiment(corpus=corpus)


@pytest.mark.parametrize(
    ("text", "encoded_as", "stated"),
    [
        *((UNICODE, f"utf-{kind}", "auto") for kind in "8 8-sig 16 32 16-le 32-be".split()),
        ("Я вас любил: любовь ещё, быть может,\n" * 9, "utf-16-be", "auto"),
        (GERMAN, "utf-16-le", "auto"),
        (GERMAN, "cp1252", "auto"),
        ("A long preface in plain English letters.\n" * 400 + GERMAN, "cp1252", "auto"),
        (GERMAN, "cp1252", "cp1252"),
        ("a lone \ud800 surrogate", "unicode_escape", "unicode_escape"),
    ],
)
def test_only_line_ends_change_whatever_the_encoding(tmp_path, text, encoded_as, stated, capfd):
    for line_end in ("\n", "\r\n", "\r"):
        (tmp_path / "a.txt").write_bytes(text.replace("\n", line_end).encode(encoded_as))
        assert Folder(tmp_path, encoding=stated).documents() == [Document("a.txt", text)]
        guessed = encoded_as in ("cp1252", *UNMARKED) and stated == "auto"
        assert ("is read as" in capfd.readouterr().err) == guessed


@pytest.mark.parametrize(
    ("config", "content", "message"),
    [
        (Folder("a.txt"), b"text", "kind=file"),
        (Folder(".", pattern="*.md"), b"text", r"no file matches '\*.md'; found: (.*, )?1 \.txt"),
        (Folder("."), "hello".encode("utf-16-be"), r"a\.txt: not utf-8(.|\n)*utf-16"),
        (Folder(".", encoding="utf-8"), b"abc \xff def", r"a\.txt.*byte 4 is 0xff"),
        (Folder("."), ("schön " * 999).encode() + b"\xc3", r"not utf-8 text: byte 6993 is 0xc3"),
        (Folder("."), b"\x89PNG\r\n\x1a\n\x00\x01\xff\xfe\xfd" * 50, r"a\.txt.*text"),
        (Folder(".", pattern="lin*"), b"text", "link: no such file"),
        (Folder(".", pattern="caf*"), b"text", "not UTF-8"),
        (File(os.fsdecode(b"caf\xe9")), b"text", "not UTF-8"),
        (File("a.txt", source="where", sha256="0" * 64), b"text", "(?s)wrong file.*from where"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch, config, content, message):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", os.fsdecode(b"caf\xe9")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("nowhere")
    config = type(config)(**{**vars(config), "path": tmp_path / config.path})
    with pytest.raises(TextgenError, match=message):
        config.documents()


def test_files_pieces_and_what_matches_a_pattern_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("textgen.data.documents.MAX_UNCUT", 2_000)
    monkeypatch.setattr("textgen.data.documents.LARGE_PIECE", 500)
    monkeypatch.setattr("textgen.data.documents.LARGE_BYTES", 6_000)
    (tmp_path / "big.txt").write_text(made_up(300, 0)[:4_000])
    for name in ("t1", "t2", "u"):
        (tmp_path / f"{name}.txt").write_text(made_up(90, 1)[:1_000])
    pieces = [f"big.txt#{i}" for i in range(1, 9)]

    def names(*leave_out):
        return [d.name for d in Folder(tmp_path, leave_out=leave_out).documents()]

    assert names() == [*pieces, "t1.txt", "t2.txt", "u.txt"]
    # also where what is left is no longer large
    assert names("t*", "big.txt#7") == [*pieces[:6], pieces[7], "u.txt"]
    assert names("big.txt", "u.txt") == ["t1.txt", "t2.txt"]
    for wrong, near in (("big.txt#9", "big.txt#8"), ("T1.txt", "t1.txt")):
        with pytest.raises(TextgenError, match=rf"leave_out.*'{wrong}'\n.*'{near}'"):
            names("u.txt", wrong)


@pytest.mark.parametrize("split", [{"method": "contiguous"}, {}])
def test_a_text_whose_lines_are_stripped_keeps_its_words_where_it_is_cut(tmp_path, split):
    path, text = tmp_path / "a.txt", "  " + " ".join(f"word{i}" for i in range(4_000)) + " \n end"
    path.write_text(text)
    corpus = {"kind": "file", "path": str(path), "strip": "lines"}
    parts = load_corpus(small_experiment(corpus=corpus, split=split)).parts.values()
    documents = sorted((d for part in parts for d in part), key=lambda d: d.name)
    assert len(documents) > 50
    assert "".join(d.text for d in documents) == text.strip().replace(" \n ", "\n")


def test_documents_of_one_text_without_numbers_are_cut_under_their_name():
    """As a plug-in may name them."""
    documents = [Document("tide", "  The tide left.\n\n  It came back.\n")]
    edited = apply_edits(documents, CorpusOptions(strip=True), one_text=True)
    assert [d.name for d in edited] == ["tide#1"]


def test_a_text_is_cut_at_blank_lines():
    pieces = cut_text(made_up(80, 0), 4)
    assert [part.endswith("\n\n") for part in pieces] == [True] * 3 + [False]
    assert cut_text("one two three", 1000) == ["one ", "two ", "three"]


def test_a_large_folder_is_the_same_corpus(monkeypatch, corpus_folder):
    """Names, texts, hash and split do not depend on where the text is kept."""
    corpus = {"kind": "folder", "path": str(corpus_folder), "drop": "tT", "replace": {"o": "oo"}}
    whole = load_corpus(settings(**corpus))
    plain = load_corpus(settings(**corpus, share=0.8, strip="lines"))
    assert plain.sha256 != whole.sha256
    monkeypatch.setattr("textgen.data.documents.LARGE_BYTES", 0)
    unread = load_corpus(settings(**corpus, share=0.8, strip="lines"))
    assert unread.description == plain.description
    for part, read in plain.parts.items():
        contents = [d.content for d in unread.parts[part]]
        assert all(isinstance(content, UnreadText) for content in contents)
        assert [content.read() for content in contents] == [d.text for d in read]
        assert not {*"tT"} & {*"".join(d.text for d in read)}


@pytest.mark.parametrize("corpus", [{}, {"drop": "tT", "strip": "lines"}])
def test_a_large_folder_is_decoded_once_before_the_training(monkeypatch, corpus_folder, corpus):
    monkeypatch.setattr("textgen.data.documents.LARGE_BYTES", 0)
    monkeypatch.setattr("textgen.data.documents.KEPT_CHARACTERS", 20)
    experiment = settings(kind="folder", path=str(corpus_folder), **corpus)
    read, decode = Counter(), documents.read_bytes
    monkeypatch.setattr(documents, "read_bytes", lambda path: read.update([path]) or decode(path))
    loaded = load_corpus(experiment)
    assert loaded.description
    assert corpus_warnings(experiment, loaded) is not None
    assert set(read.values()) == {1}
    assert len(read) == sum(map(len, loaded.parts.values()))


def test_a_file_that_is_changed_while_it_is_read_again_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("textgen.data.documents.LARGE_BYTES", 0)
    path = tmp_path / "a.txt"
    path.write_bytes(GERMAN.encode("cp1252"))
    (document,) = Folder(tmp_path).documents()
    assert [document.text, document.text] == [GERMAN, GERMAN]
    assert capsys.readouterr().err.count("is read as") == 1
    path.write_text("The tide. " * 90, encoding="utf-8")
    with pytest.raises(TextgenError, match="changed while it was in use"):
        document.content.read()


@pytest.mark.parametrize(
    ("options", "texts", "edited"),
    [
        ({"keep": "article"}, ["Naïve—“no”; (yes)\n\t!"], ["Naveno; (yes)\n!"]),
        ({"strip": "lines"}, ["  the cat \n\n \tsat  on\u2003\n"], ["the cat\n\nsat  on\n"]),
        ({"drop": "\ne", "replace": {"æ": "ae", "ö": "o"}}, ["Æ æth\nNoë\tö"], ["Æ athNoë\to"]),
        ({"keep": "ax", "replace": {"æ": "ab"}}, ["æther xyz"], ["ax"]),
        ({"share": 0.5}, ["xxx", "yy", "zzzzz"], ["xxx", "yy"]),
        ({"share": 0.49}, ["xxx", "yy", "zzzzz"], ["xxx"]),
        ({}, [" as it is\n"], [" as it is\n"]),
    ],
)
def test_edits_replace_first_and_leave_out_then(options, texts, edited):
    assert len(set(ARTICLE)) == len(ARTICLE) == 75
    documents = [Document(str(i), text) for i, text in enumerate(texts)]
    found = apply_edits(documents, CorpusOptions(**options))
    assert found == [Document(str(i), text) for i, text in enumerate(edited)]


def test_the_hash_sees_names_and_texts_and_a_file_may_state_its_own(tmp_path):
    corpora = ["a:bc d:e", "a:bc d:e", "ab:c d:e", "a:bc d:f"]
    hashes = [corpus_hash(Document(*d.split(":")) for d in text.split()) for text in corpora]
    assert hashes[0] == hashes[1]
    assert len({*hashes}) == 3
    path, address = tmp_path / "a.txt", "https://example.org/a.txt"
    path.write_text("The tide. " * 50, encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    checked = File(path, source=address, sha256=digest)
    assert checked.origin == f"{address}; sha256 {digest[:12]}… checked"
    assert checked.documents()


def test_tales_have_hashes_and_others_are_refused(tmp_path, monkeypatch, corpus_folder, server):
    tales = source("lovecraft")["files"]
    assert len(tales) == 67
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in tales.values())
    (tmp_path / "lovecraft").mkdir()
    monkeypatch.setenv("TEXTGEN_DATA", str(tmp_path))
    with pytest.raises(TextgenError, match=r"(?s)no such file.*TEXTGEN_DATA"):
        Lovecraft().documents()
    (tmp_path / "lovecraft" / next(iter(tales))).write_text("changed")
    with pytest.raises(TextgenError, match="wrong file"):
        Lovecraft().documents()

    monkeypatch.delenv("TEXTGEN_DATA")
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEXTGEN_MIRROR", f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(CorpusUnavailable, match="wrong file"):  # such as a login page
        Lovecraft().documents()
    fallback = {"kind": "folder", "path": str(corpus_folder)}
    groups = [["celephais", "kadath"], ["tale01.txt", "tale02.txt"]]
    corpus = {"kind": "lovecraft", "fallback": fallback}
    loaded = load_corpus(small_experiment(corpus=corpus, split={"groups": groups}))
    assert "lacks documents of split.groups" in loaded.warning
    assert any({*groups[1]} <= {*names} for names in loaded.names.values())


@pytest.fixture
def server():
    """A server of one text that counts requests: all of it, or as much as is ``sent``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            serving.requests += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(serving.content)))
            self.end_headers()
            self.wfile.write(serving.content[: serving.sent])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.content, serving.sent, serving.requests = b"The tide left.", None, 0
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving
        serving.shutdown()


def test_a_text_is_downloaded_once_and_whole_or_not_at_all(tmp_path, monkeypatch, server):
    digest = hashlib.sha256(server.content).hexdigest()
    entry = {"url": f"http://127.0.0.1:{server.server_port}", "files": {"tide.txt": digest}}
    monkeypatch.setattr("textgen.data.corpora.source", lambda _: entry)
    monkeypatch.setattr("time.sleep", lambda _: None)  # before another try
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    whole = server.content
    for content, sent in ((whole, 5), (b"Another text.", None)):
        server.content, server.sent = content, sent
        with pytest.raises(TextgenError, match=r"tide\.txt"):
            Lovecraft().documents()
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.content, server.requests = whole, 0
    for _ in range(2):
        assert Lovecraft().documents() == [Document("tide", "The tide left.")]
    assert server.requests == 1


def test_a_full_disk_is_no_failed_download(tmp_path, monkeypatch, corpus_folder):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", fail)
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    monkeypatch.delenv("TEXTGEN_DATA", raising=False)
    fallback = {"kind": "folder", "path": str(corpus_folder)}
    with pytest.raises(TextgenError, match=r"No space left on device(.|\n)*free some space"):
        load_corpus(settings(kind="lovecraft", fallback=fallback))


def test_wikipedia_needs_no_download_and_holds_prose():
    assert len(Wikipedia().documents()) == 96
    assert prose("'''A''' is\n== Title ==\n* item\n\n\n\nmore") == "A is\n\nmore"


@pytest.mark.parametrize(
    ("entries", "lacking"), [(["hist*"], False), (["history", "no such document"], True)]
)
def test_groups_are_called_lacking_only_where_the_fallback_lacks_documents(
    tmp_path, monkeypatch, entries, lacking
):
    monkeypatch.setenv("TEXTGEN_MIRROR", NOWHERE)
    for name in ("history", "historian", *map(str, range(20))):
        (tmp_path / f"{name}.txt").write_text(f"{name} was here.\n" * 30, encoding="utf-8")
    corpus = {
        "kind": "lovecraft",
        "fallback": {"kind": "folder", "path": str(tmp_path)},
    }
    found = load_corpus(small_experiment(corpus=corpus, split={"groups": [entries]}))
    assert ("lacks documents" in found.warning) == lacking


def test_the_fallback_is_used_named_and_found_again(corpus_folder, monkeypatch):
    monkeypatch.setenv("TEXTGEN_MIRROR", NOWHERE)
    corpus = load_corpus(settings(kind="lovecraft", fallback="wikipedia"))
    assert corpus.kind == corpus.description["kind"] == "wikipedia"
    assert "lovecraft" in corpus.warning
    with pytest.raises(CorpusUnavailable, match="TEXTGEN_DATA"):
        load_corpus(settings(kind="lovecraft"))
    experiment = settings(kind="folder", path=str(corpus_folder), fallback="wikipedia")
    own = load_corpus(experiment)
    assert load_text(experiment, own.sha256).warning == ""
    reread = load_text(experiment, corpus.sha256)
    assert (reread.kind, reread.test) == ("wikipedia", corpus.test)
    assert "'folder'" in reread.warning
    with pytest.raises(TextgenError, match="TEXTGEN_DATA"):
        load_text(experiment, "0" * 64)
    (corpus_folder / "~$novel.docx").write_bytes(b"a lock of Word")
    assert load_corpus(experiment).sha256 == own.sha256
    with pytest.raises(TextgenError, match=r"corpus\.share: 0\.01"):
        load_corpus(settings(kind="folder", path=str(corpus_folder), share=0.01))
    with pytest.raises(TextgenError, match="every document is empty"):
        load_corpus(settings(kind="folder", path=str(corpus_folder), leave_out=["*"]))


@pytest.mark.parametrize("command", ["corpus", "baseline"])
def test_json_is_alone_on_standard_output(textgen, tmp_path, corpus_folder, command):
    fallback = f"corpus.fallback={{kind='folder',path='{corpus_folder}'}}"
    nowhere = {"TEXTGEN_MIRROR": NOWHERE, "TEXTGEN_CACHE": str(tmp_path)}
    shown = textgen(command, "char_small", "--json", "--set", fallback, **nowhere)
    assert json.loads(shown.out)
    assert "downloading" in shown.err


def test_what_a_folder_holds_and_is_not_read_is_named(textgen, tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.txt").write_text(made_up(200, number), encoding="utf-8")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "scan.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "data.csv").write_text("1,2")
    shown = " ".join(textgen("corpus", ".").out.split())
    assert "left out: empty.txt (empty)" in shown
    assert "left out: scan.pdf (convert it first: pdftotext FILE)" in shown
    assert "left out: data.csv (save it as text)" in shown
    named = json.loads(textgen("corpus", ".", "--json").out)["not_read"]
    assert {"empty.txt", "scan.pdf", "data.csv"} <= named.keys()
    chosen = json.loads(textgen("corpus", ".", "--json", "--set=corpus.pattern=*.txt").out)
    assert chosen["not_read"] == {"empty.txt": "empty"}


def test_the_program_is_named_that_takes_the_text_out_of_files_whatever_their_letters(tmp_path):
    (tmp_path / "SCAN.PDF").write_bytes(b"%PDF-1.7")
    with pytest.raises(TextgenError, match="pdftotext FILE"):
        Folder(tmp_path).documents()


def test_documents_of_one_name_are_refused(monkeypatch, corpus_folder):
    twice = [Document(name, "The tide left. " * 20) for name in ("a", "b", "c", "b")]
    monkeypatch.setattr(Folder, "documents", lambda _: twice)
    with pytest.raises(TextgenError, match="several documents of one name: b"):
        load_corpus(settings(kind="folder", path=str(corpus_folder)))


def test_a_folder_that_has_the_name_of_an_experiment_is_read(textgen, tmp_path):
    for number in range(3):
        path = tmp_path / "words" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(made_up(200, number), encoding="utf-8")
    assert json.loads(textgen("corpus", "words", "--json").out)["documents"] == 3


CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="n" href="nav.xhtml" properties="nav"/><item id="b" href="second%20one.xhtml"/>
<item id="a" href="{}"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>no</title></head><body>{}</body></html>'
XHTML = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://www.w3.org/TR/xhtml11.dtd">"""
TEI = '<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader>no</teiHeader><text><head>I</head>'
AWAY = b'<!DOCTYPE x [<!ENTITY a SYSTEM "/etc/passwd">]><x>&a;</x>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


RUN = "<w:r><w:t>{}</w:t></w:r>"
SCRIPT = "<SCRIPT>var x=1</SCRIPT>"
TWO = "One\nTwo\n"
POEM = "One line\nand another\nno line\n"
MARKED_UP = [  # as Word has it, last first
    '<w:p><w:r><w:t>a</w:t><w:br w:type="page"/><w:t>page</w:t></w:r></w:p>',
    f"<w:p><w:moveFrom>{RUN.format('away')}</w:moveFrom></w:p>",
    f"<w:p><w:r><w:ruby><w:rt>{RUN.format('kan')}</w:rt><w:rubyBase>{RUN.format('Han')}"
    "</w:rubyBase></w:ruby></w:r></w:p>",
    f"<w:p>{RUN.format('A ')}<w:ins>{RUN.format('new')}</w:ins><w:smartTag>{RUN.format(' name')}"
    "</w:smartTag><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>",
]


def write_docx(path):
    document = docx.Document()
    document.add_heading("The house")
    document.add_paragraph("It stood  there.").add_run(" Alone.")
    cells = document.add_table(1, 2).rows[0].cells
    cells[0].text, cells[1].text = "left", "right"
    document.add_paragraph("The end.")
    tall = document.add_table(3, 1)  # merged over its rows
    tall.cell(0, 0).merge(tall.cell(2, 0)).text = "tall"
    body = document.element.body
    spaced = f"<w:p {docx.oxml.ns.nsdecls('w')}>"
    for shown in MARKED_UP:
        body.insert(0, docx.oxml.parse_xml(shown.replace("<w:p>", spaced)))
    document.save(path)


def bodiless_docx(path):
    write_docx(path)
    with zipfile.ZipFile(path) as whole:
        entries = {name: whole.read(name) for name in whole.namelist()}
    entries["word/document.xml"] = b'<w:document xmlns:w="%b"/>' % docx.oxml.ns.nsmap["w"].encode()
    with zipfile.ZipFile(path, "w") as bare:
        for name, content in entries.items():
            bare.writestr(name, content)


def write_epub(path, package="OEBPS/book.opf", first="first.xhtml", **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("META-INF/container.xml", CONTAINER.format(package))
        book.writestr("OEBPS/book.opf", PACKAGE.format(first))
        book.writestr("OEBPS/nav.xhtml", PAGE.format("<p>contents</p>"))
        book.writestr("OEBPS/first.xhtml", PAGE.format("<h1>One</h1><p>A <i>deep</i> well.</p>"))
        book.writestr("OEBPS/second one.xhtml", PAGE.format("<p>It was<br/>dry.</p>"))
        for name, content in more.items():
            book.writestr(name, content)


def test_a_paragraph_becomes_a_line_if_there_is_a_library(tmp_path, monkeypatch):
    write_docx(tmp_path / "house.docx")
    lines = (
        "A new name\nHan\na\npage\nThe house\nIt stood there. Alone.\nleft\nright\nThe end.\ntall\n"
    )
    assert read_text(tmp_path / "house.docx") == lines
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(TextgenError, match=r"\[formats\]"):
        Folder(tmp_path).documents()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.html", "<title>a</title><p>Caf&eacute;\n <style>b</style><p>x &lt; y", "Café\nx < y\n"),
        ("a.htm", "<body>Stra\u00dfe<ul><li>one<li>two</ul>", "Stra\u00dfe\none\ntwo\n"),
        ("a.xml", "<book><l>To be</l><l>or <hi>not</hi>.</l></book>", "To be\nor not.\n"),
        ("a.xhtml", f"{XHTML}<p>don&rsquo;t caf&eacute;&mdash;a&nbsp;b</p>", "don’t café—a b\n"),
        ("b.html", "<table><tr><td>left<td>right</table><ruby>x<rt>y</ruby>", "left\nright\nx\n"),
        ("tei.xml", f"{TEI}<p>In <title>Hamlet</title>.</p></text></TEI>", "I\nIn Hamlet.\n"),
        ("old.html", "<p>It\x92s\x85", "It’s…\n"),  # as browsers read Latin-1
        ("open.html", "<p><font>Text" * 300, "Text\n" * 300),
        ("deep.html", "<div>" * 1500 + "<b>deep" + "</div>" * 1500 + "<p>x", "deep\nx\n"),
        ("u.html", f"<HTML><HEAD>{SCRIPT}</HEAD><BODY><P>One</P><P>Two</P></BODY></HTML>", TWO),
        ("v.html", f"<html><body>{SCRIPT}<P>One</P><P>Two</P></body></html>", TWO),
        ("poem.html", "<pre>One <b>line\n  and</b> another\r\n</pre><p>no\nline", POEM),
    ],
)  # fmt: skip
def test_the_text_of_a_page_is_read_and_nothing_else(tmp_path, name, content, text):
    (tmp_path / name).write_text(content, encoding="latin-1" if name == "old.html" else "utf-8")
    assert read_text(tmp_path / name) == text


def test_chapters_of_a_book_are_documents_in_the_order_of_its_spine(tmp_path):
    write_epub(tmp_path / "book.epub")
    (tmp_path / "plain.txt").write_text("Plain.")
    (tmp_path / "notes.pdf").write_bytes(b"%PDF-1.7")
    documents = Folder(tmp_path).documents()
    assert [(d.name, d.text) for d in documents] == [
        ("book.epub#1", "One\nA deep well.\n"),
        ("book.epub#2", "It was\ndry.\n"),
        ("plain.txt", "Plain."),
    ]  # fmt: skip
    (whole,) = File(tmp_path / "book.epub", pieces=1).documents()
    assert whole.text == "One\nA deep well.\n\nIt was\ndry.\n"
    left = Folder(tmp_path, leave_out=("book.epub#1", "plain.txt")).documents()
    assert [d.name for d in left] == ["book.epub#2"]


@pytest.mark.parametrize("gone", ["gone.xhtml", "../../etc/passwd"])
def test_of_a_book_that_lacks_a_chapter_the_others_are_read_and_it_is_named(tmp_path, capsys, gone):
    write_epub(tmp_path / "book.epub", first=gone)
    (chapter,) = Folder(tmp_path).documents()
    assert chapter.text == "It was\ndry.\n"
    assert gone.rpartition("/")[2] in capsys.readouterr().err


def test_a_page_is_read_in_the_encoding_that_is_stated(tmp_path):
    russian = "<p>Я вас любил</p>"
    for name, content in (
        ("bare.html", russian),
        ("wrong.html", f'<meta charset="latin-1">{russian}'),
        ("a.xml", f"<text>{russian}</text>"),
    ):
        (tmp_path / name).write_bytes(content.encode("cp1251"))
        assert read_text(tmp_path / name, "cp1251") == "Я вас любил\n"
    with pytest.raises(TextgenError, match=r"wrong\.html: not utf-8"):
        read_text(tmp_path / "wrong.html", "utf-8")
    with pytest.raises(TextgenError, match=r"corpus\.encoding: 'klingon'"):
        read_text(tmp_path / "wrong.html", "klingon")


BARE = PACKAGE.replace("href", "of").format("x")


def write(content):
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("bomb.xml", write(BOMB.encode()), "entities"),
        ("away.xml", write(AWAY), "entities"),
        ("zeros.epub", lambda path: write_epub(path, zeros=bytes(50_000_000)), "unpacks to"),
        ("climb.epub", lambda path: write_epub(path, package="/etc/passwd"), "lacks its file"),
        ("bare.epub", lambda path: write_epub(path, "bare.opf", **{"bare.opf": BARE}), "href"),
        ("half.docx", write(b"PK\x03\x04half"), "cannot be read as .docx"),
        ("bodiless.docx", bodiless_docx, "cannot be read as .docx"),
        ("none.html", write(b"<p> </p>"), "no text"),
        ("deep.xml", write(b"<a>" * 5000 + b"</a>" * 5000), "cannot be read as .xml"),
        ("scan.pdf", write(b"%PDF-1.7"), "pdftotext scan.pdf"),
        ("old.odt", write(b"PK"), "convert-to docx old.odt"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_dangerous_is_refused_by_name(tmp_path, name, make, message):
    make(tmp_path / name)
    with pytest.raises(TextgenError) as error:
        File(tmp_path / name).documents()
    assert name in error.value.message
    assert message in f"{error.value.message} {error.value.hint}"


@pytest.mark.parametrize("write", [write_docx, write_epub])
def test_a_packed_file_that_is_damaged_anywhere_is_read_or_refused(tmp_path, write):
    path = tmp_path / f"a.{write.__name__.removeprefix('write_')}"
    write(path)
    whole, draw = path.read_bytes(), random.Random(1)
    for number in range(100):
        content = bytearray(whole)
        for _ in range(draw.choice((1, 3, 30))):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: len(content) if number % 4 else draw.randrange(len(content))])
        with contextlib.suppress(TextgenError):
            File(path).documents()
