"""Text from the files that people have: Word documents, e-books, web pages and XML.

A paragraph becomes a line, and what is no text (scripts, styles, pictures) is left out. A chapter
of an e-book, a file of its spine, is a text of its own. What would fill the memory, loads other
files or defines entities is refused by name.

Does not handle: footnotes of Word documents; books under copy protection; the layout of tables.
"""

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from textgen.core.errors import TextgenError

# What turns another file into one that is read.
SOFFICE = "soffice --headless --convert-to docx {}"
CONVERTERS = {".pdf": "pdftotext {}", **dict.fromkeys((".odt", ".doc", ".rtf"), SOFFICE)}
MAX_BYTES, MAX_EXPANSION = 200_000_000, 200  # of a packed file: unpacked, and per packed byte
SILENT = {"script", "style", "svg", "math", "template", "rt", "rp"}
# Elements that end a line.
BLOCKS = set(
    "p div h1 h2 h3 h4 h5 h6 li tr br hr blockquote pre section article table ul ol dl dt dd head "
    "figure figcaption header footer td th caption address l lg ab sp stage lb pb cell item".split()
)
# What is read of a Word document: nothing moved away, no ruby, no text box, no table of contents.
SHOWN = "not(ancestor::w:moveFrom | ancestor::w:rt | ancestor::w:txbxContent"
SHOWN += " | ancestor::w:sdt[w:sdtPr/w:docPartObj])"
CONTAINER = "META-INF/container.xml"
# what pages in Latin-1 have where Latin-1 has nothing, as browsers show it
WINDOWS = {i: bytes([i]).decode("cp1252", "replace") for i in range(0x80, 0xA0)}


def is_formatted(path: Path) -> bool:
    """Whether a file is one that this module reads, by the end of its name."""
    return path.suffix.lower() in READERS


def is_text(path: Path) -> bool:
    """Whether a file of a folder is read, by the end of its name."""
    return path.suffix.lower() in (".txt", *READERS)


def read_texts(path: Path) -> list[str]:
    """The texts of a file: one, or of an e-book its chapters.

    Raises:
        TextgenError: a file that is damaged, dangerous or without text; or the libraries that read
            it are not installed.
    """
    try:
        texts = READERS[path.suffix.lower()](path)
    except ImportError:
        hint = 'pip install ".[formats]", or save it as plain text'
        raise TextgenError(f"{path}: needs python-docx and lxml to be read", hint) from None
    except MemoryError:
        raise
    except Exception as error:  # whatever the libraries meet in a damaged file
        message = f"{path}: cannot be read as {path.suffix}: {str(error) or 'it ends too early'}"
        raise TextgenError(message, "save the file again, or as plain text") from None
    if not any(map(str.strip, texts)):
        raise TextgenError(f"{path}: the file has no text", "leave it out, or check the file")
    return [text for text in texts if text.strip()]


def check_known(path: Path) -> None:
    """Refuse a file whose text another program has to take out first.

    Raises:
        TextgenError: the program is named.
    """
    if converter := CONVERTERS.get(path.suffix.lower()):
        hint = f"convert it first: {converter.format(path.name)}"
        raise TextgenError(f"{path}: {path.suffix} files are not read", hint)


def _docx(path: Path) -> list[str]:
    import docx

    with zipfile.ZipFile(path) as archive:
        _check_size(archive)
    body = docx.Document(str(path)).element.body
    for end in body.xpath(".//w:br"):
        end.attrib.clear()  # of a page or a column: as that of a line
    paragraphs = body.xpath(f".//w:p[{SHOWN}]")
    runs = (paragraph.xpath(f".//w:r[{SHOWN}]") for paragraph in paragraphs)
    return [_joined("".join(run.text for run in line) for line in runs)]


def _epub(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        _check_size(archive)
        rootfile = _xml(archive.read(CONTAINER)).find(".//{*}rootfile")
        package = rootfile.get("full-path") if rootfile is not None else ""
        book = _xml(archive.read(package))
        items = {item.get("id"): item for item in book.iterfind(".//{*}manifest/{*}item")}
        chapters = list[str]()
        for reference in book.iterfind(".//{*}spine/{*}itemref"):
            item = items[reference.get("idref")]
            name = posixpath.join(posixpath.dirname(package), unquote(item.attrib["href"]))
            if "nav" not in item.get("properties", "").split():
                chapters.append(_text_of(_html_tree(archive.read(posixpath.normpath(name)))))
        return chapters


def _page(path: Path) -> list[str]:
    tree = _xml if path.suffix.lower() == ".xml" else _html_tree
    return [_text_of(tree(path.read_bytes()))]


READERS: dict[str, Callable[[Path], list[str]]] = {".docx": _docx, ".epub": _epub}
READERS |= dict.fromkeys((".xml", ".html", ".htm", ".xhtml"), _page)


def _check_size(archive: zipfile.ZipFile) -> None:
    packed = sum(entry.compress_size for entry in archive.infolist())
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES or size > MAX_EXPANSION * max(packed, 10_000):
        raise ValueError(f"the file unpacks to {size:,} bytes")


def _xml(data: bytes) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    root = etree.fromstring(data, parser)
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and any(True for _ in dtd.iterentities()):
        raise ValueError("the file defines XML entities")
    return root


def _html_tree(data: bytes) -> Any:
    from lxml import etree, html

    try:
        return _xml(data)  # XHTML, where case and empty elements are as they are written
    except etree.XMLSyntaxError:
        # a page that is not UTF-8 names its encoding
        encoding = "utf-8" if data.decode("utf-8", "ignore").encode() == data else None
        return html.document_fromstring(data, html.HTMLParser(encoding=encoding, huge_tree=True))


def _text_of(root: Any) -> str:
    """The text of a tree, of a web page and of TEI that of its body: white space as one space, a
    line for each paragraph."""
    from lxml.etree import Entity

    pieces = list[str]()

    def walk(element: Any) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""  # else a comment or the like
        name = tag.rpartition("}")[2]
        end = "\n" if name in BLOCKS else ""
        pieces.append(end)
        if name and name not in SILENT:
            pieces.append(_one_space(element.text))
            for child in element:
                walk(child)
                own = unescape(child.text) if child.tag is Entity else ""  # of a DTD, not read
                pieces.append(_one_space(own + (child.tail or "")))
        pieces.append(end)

    body = {"html": "{*}body", "TEI": "{*}text"}.get(root.tag.rpartition("}")[2])
    walk(root if body is None or (found := root.find(body)) is None else found)
    return _joined("".join(pieces).split("\n"))


def _one_space(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").translate(WINDOWS))


def _joined(lines: Iterable[str]) -> str:
    kept = (re.sub(" {2,}", " ", line).strip() for line in lines)
    return "".join(f"{line}\n" for line in kept if line)
