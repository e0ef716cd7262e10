"""Word documents, e-books, web pages and XML: what is read of them, and what is refused."""

import sys
import zipfile

import docx
import pytest

from textgen.core.errors import TextgenError
from textgen.data.corpora import File, Folder
from textgen.data.documents import read_text

CONTAINER = '<container><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><manifest>
<item id="n" href="nav.xhtml" properties="nav"/><item id="b" href="second%20one.xhtml"/>
<item id="a" href="{}"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
PAGE = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>no</title></head><body>{}</body></html>'
AWAY = b'<!DOCTYPE x [<!ENTITY a SYSTEM "/etc/passwd">]><x>&a;</x>'
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'


def write_docx(path):
    document = docx.Document()
    document.add_heading("The house")
    document.add_paragraph("It stood  there.").add_run(" Alone.")
    cells = document.add_table(1, 2).rows[0].cells
    cells[0].text, cells[1].text = "left", "right"
    document.add_paragraph("The end.")
    document.save(path)


def write_epub(path, package="OEBPS/book.opf", first="first.xhtml", **more):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("META-INF/container.xml", CONTAINER.format(package))
        book.writestr("OEBPS/book.opf", PACKAGE.format(first))
        book.writestr("OEBPS/nav.xhtml", PAGE.format("<p>contents</p>"))
        book.writestr("OEBPS/first.xhtml", PAGE.format("<h1>One</h1><p>A <i>deep</i> well.</p>"))
        book.writestr("OEBPS/second one.xhtml", PAGE.format("<p>It was<br/>dry.</p>"))
        for name, content in more.items():
            book.writestr(name, content)


def test_a_paragraph_becomes_a_line(tmp_path):
    write_docx(tmp_path / "house.docx")
    assert (
        read_text(tmp_path / "house.docx")
        == "The house\nIt stood there. Alone.\nleft\nright\nThe end.\n"
    )


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.html", "<title>a</title><p>Caf&eacute;\n <style>b</style><p>x &lt; y", "Café\nx < y\n"),
        ("a.htm", "<body>Stra\u00dfe<ul><li>one<li>two</ul>", "Stra\u00dfe\none\ntwo\n"),
        ("a.xml", "<book><l>To be</l><l>or <hi>not</hi>.</l></book>", "To be\nor not.\n"),
        (
            "tei.xml",
            '<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader>no</teiHeader><text><head>I</head>'
            "<p>In <title>Hamlet</title>.</p></text></TEI>",
            "I\nIn Hamlet.\n",
        ),
    ],
)  # fmt: skip
def test_the_text_of_a_page_is_read_and_nothing_else(tmp_path, name, content, text):
    (tmp_path / name).write_text(content, encoding="utf-8")
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
    assert [d.text for d in File(tmp_path / "book.epub", pieces=1).documents()] == [
        "One\nA deep well.\n\nIt was\ndry.\n"
    ]
    left = Folder(tmp_path, leave_out=("book.epub#1", "plain.txt")).documents()
    assert [d.name for d in left] == ["book.epub#2"]


def write(content):
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("bomb.xml", write(BOMB.encode()), "entities"),
        ("away.xml", write(AWAY), "entities"),
        ("zeros.epub", lambda path: write_epub(path, zeros=bytes(50_000_000)), "unpacked"),
        ("climb.epub", lambda path: write_epub(path, first="../../x"), "no item"),
        ("climb2.epub", lambda path: write_epub(path, package="/etc/passwd"), "no item"),
        ("gone.epub", lambda path: write_epub(path, first="gone.xhtml"), "gone.xhtml"),
        ("half.docx", write(b"PK\x03\x04half"), "cannot be read as .docx"),
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


def test_without_the_libraries_one_sentence_says_how_to_get_them(tmp_path, monkeypatch):
    write_docx(tmp_path / "house.docx")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(TextgenError) as error:
        Folder(tmp_path).documents()
    assert "[formats]" in error.value.hint


def test_corpus_shows_what_was_read_of_each_file(tmp_path, textgen):
    for number in range(12):
        write_docx(tmp_path / f"house{number}.docx")
    done = textgen("corpus", ".")
    assert done.code == 0
    assert done.out.count("characters: The house … The end.") == 12
