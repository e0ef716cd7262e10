"""Text from the files that people have: Word documents, e-books, web pages and XML.

A paragraph becomes a line, and what is no text (scripts, styles, pictures) is left out. A chapter
of an e-book, a file of its spine, is a text of its own. What would fill the memory, loads other
files or defines entities is refused by name.

Does not handle: footnotes of Word documents; books under copy protection; the layout of tables.
"""

import codecs
import posixpath
import re
import sys
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from textgen.core.errors import TextgenError
from textgen.core.terminal import visible

if TYPE_CHECKING:
    from lxml.etree import _Element

# What turns another file into one that is read.
SOFFICE = "soffice --headless --convert-to docx {}"
PDF = b"%PDF-"  # begins such a file, whatever its name says
CONVERTERS = {".pdf": "pdftotext {}", **dict.fromkeys((".odt", ".doc", ".rtf"), SOFFICE)}
# Bytes that a packed file unpacks to, at most.
MAX_BYTES = 200_000_000
# Bytes that a packed byte becomes, at most.
MAX_EXPANSION = 200
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
XHTML = "{http://www.w3.org/1999/xhtml}"
# what pages in Latin-1 have where Latin-1 has nothing, as browsers show it
WINDOWS = {i: bytes([i]).decode("cp1252", "replace") for i in range(0x80, 0xA0)}


def is_formatted(path: Path) -> bool:
    """Whether a file is one that this module reads, by the end of its name."""
    return path.suffix.lower() in READERS


def is_text(path: Path) -> bool:
    """Whether a file of a folder is read, by the end of its name."""
    return path.suffix.lower() in (".txt", *READERS)


def read_texts(path: Path, encoding: str = "auto") -> list[str]:
    """The texts of a file: one, or of an e-book its chapters.

    Args:
        path: the file.
        encoding: of web pages and XML, a name that Python knows; ``"auto"`` if they say it
            themselves.

    Raises:
        TextgenError: a file that is damaged, dangerous or without text; or the libraries that read
            it are not installed.
        LookupError: no such encoding.
    """
    suffix = path.suffix.lower()
    if encoding != "auto":
        codecs.lookup(encoding)
    try:
        texts = [_page(path, encoding)] if suffix in PAGES else PACKED[suffix](path)
    except ImportError:
        hint = 'pip install ".[formats]", or save it as plain text'
        raise TextgenError(f"{path}: needs python-docx and lxml to be read", hint) from None
    except MemoryError:
        raise
    except UnicodeDecodeError as error:
        message = f"{path}: not {encoding} text: {error.reason} at byte {error.start}"
        hint = "corpus.encoding is for all files: convert this one, or leave it out"
        raise TextgenError(message, hint) from None
    except Exception as error:  # whatever the libraries meet in a damaged file
        message = f"{path}: cannot be read as {path.suffix}: {str(error) or 'it ends too early'}"
        raise TextgenError(message, "save the file again, or as plain text") from None
    if not any(map(str.strip, texts)):
        raise TextgenError(f"{path}: the file has no text", "leave it out, or check the file")
    return [text for text in texts if text.strip()]


def check_known(path: Path) -> None:
    """Refuse a file whose text another program has to take out first, by the end of its name.

    Raises:
        TextgenError: the program is named.
    """
    if hint := how_to_convert(path):
        raise TextgenError(f"{path}: {path.suffix} files are not read", hint)


def check_content(path: Path, data: bytes) -> None:
    """Refuse a PDF file, however its name ends.

    Raises:
        TextgenError: the program is named.
    """
    if data.startswith(PDF):
        hint = f"convert it first: pdftotext {path.name} TEXT.txt"
        raise TextgenError(f"{path}: a PDF file, although its name ends otherwise", hint)


def how_to_convert(path: Path) -> str:
    """What to do with a file that is not read, by the end of its name; empty if it is not known."""
    converter = CONVERTERS.get(path.suffix.lower())
    return f"convert it first: {converter.format(path.name)}" if converter else ""


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
        rootfile = _xml(_entry(archive, CONTAINER)).find(".//{*}rootfile")
        package = rootfile.get("full-path", "") if rootfile is not None else ""
        book = _xml(_entry(archive, package))
        items = {item.get("id"): item for item in book.iterfind(".//{*}manifest/{*}item")}
        chapters, missing = list[str](), list[str]()
        for reference in book.iterfind(".//{*}spine/{*}itemref"):
            identity = reference.get("idref", "")
            item = items.get(identity)
            address = item.get("href") if item is not None else None
            if item is None or address is None:
                missing.append(f"{identity!r} (no href)")
                continue
            name = posixpath.join(posixpath.dirname(package), unquote(address))
            name = posixpath.normpath(name)
            if "nav" in item.get("properties", "").split():
                continue
            if name in archive.namelist():
                chapters.append(_text_of(_html_tree(archive.read(name))))
            else:
                missing.append(name)
    if missing:
        message = f"chapters are missing in the file: {', '.join(missing)}"
        if not chapters:
            raise ValueError(message)
        print(visible(f"note: {path}: {message}; the others are read"), file=sys.stderr)
    return chapters


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file that an e-book cannot be read without."""
    if name not in archive.namelist():
        raise ValueError(f"the e-book lacks its file {name!r}")
    return archive.read(name)


def _page(path: Path, encoding: str) -> str:
    data = path.read_bytes()
    stated = encoding != "auto"
    if stated:
        data = data.decode(encoding).encode("utf-8", "surrogatepass")
    if path.suffix.lower() == ".xml":
        return _text_of(_xml(data, stated))
    return _text_of(_html_tree(data, stated))


PACKED: dict[str, Callable[[Path], list[str]]] = {".docx": _docx, ".epub": _epub}
PAGES = (".xml", ".html", ".htm", ".xhtml")
READERS = (*PACKED, *PAGES)  # ends of names


def _check_size(archive: zipfile.ZipFile) -> None:
    packed = sum(entry.compress_size for entry in archive.infolist())
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES or size > MAX_EXPANSION * max(packed, 10_000):
        raise ValueError(f"the file unpacks to {size:,} bytes")


def _xml(data: bytes, is_utf8: bool = False) -> "_Element":
    """The tree of XML, in the encoding that it states, or in UTF-8 whatever it states."""
    from lxml import etree

    encoding = "utf-8" if is_utf8 else None
    parser = etree.XMLParser(
        encoding=encoding, resolve_entities=False, no_network=True, load_dtd=False
    )
    root = etree.fromstring(data, parser)
    dtd = root.getroottree().docinfo.internalDTD
    if dtd is not None and list(dtd.iterentities()):
        raise ValueError("the file defines XML entities")
    return root


def _html_tree(data: bytes, is_utf8: bool = False) -> "_Element":
    from lxml import etree, html

    with suppress(etree.XMLSyntaxError):
        root = _xml(data, is_utf8)
        if not _has_capitals(root):
            return root  # XHTML, where empty elements are as they are written
    encoding = None  # that which the page names, as one does that is not UTF-8
    if is_utf8 or _decodes_as_utf8(data):
        encoding = "utf-8"
    parser = html.HTMLParser(encoding=encoding, huge_tree=True)
    return html.document_fromstring(data, parser)


def _decodes_as_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has_capitals(root: "_Element") -> bool:
    """Whether names of HTML elements have capital letters. In XHTML none has, so it is a page in
    HTML that happens to be XML as well."""
    for element in root.iter("*"):
        name = element.tag.removeprefix(XHTML)
        is_html = "}" not in name
        if is_html and name != name.lower():
            return True
    return False


def _text_of(root: "_Element") -> str:
    """The text of a tree, of a web page and of TEI that of its body: white space as one space, a
    line for each paragraph and for each line of what is set as it is typed (``pre``)."""
    path_of_body = {"html": "{*}body", "TEI": "{*}text"}.get(_name(root))
    if path_of_body is not None:
        body = root.find(path_of_body)
        if body is not None:
            root = body
    pieces = list[str]()
    # What is still to come, the next last: strings, and elements with whether they are set as they
    # are typed. A page may be nested deeper than Python calls functions.
    ahead: list[tuple[_Element, bool] | str] = [(root, False)]
    while ahead:
        item = ahead.pop()
        if isinstance(item, str):
            pieces.append(item)
        else:
            ahead.extend(reversed(_contents(*item)))
    return _joined("".join(pieces).split("\n"))


def _contents(element: "_Element", typed: bool) -> "list[tuple[_Element, bool] | str]":
    """The strings and elements in an element in their order, with the line ends around it."""
    from lxml.etree import Entity

    name = _name(element)
    contents = list["tuple[_Element, bool] | str"]()
    if name and name not in SILENT:
        typed = typed or name == "pre"
        clean = _one_space_a_line if typed else _one_space
        contents.append(clean(element.text))
        for child in element:
            contents.append((child, typed))
            if child.tag is Entity:  # of a DTD, not read
                contents.append(clean(unescape(child.text or "")))
            contents.append(clean(child.tail))
    if name in BLOCKS:
        return ["\n", *contents, "\n"]
    return contents


def _name(element: "_Element") -> str:
    """Without its namespace; empty for a comment or the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _one_space_a_line(text: str | None) -> str:
    lines = re.split(r"\r\n?|\n", text or "")
    return "\n".join(map(_one_space, lines))


def _one_space(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").translate(WINDOWS))


def _joined(lines: Iterable[str]) -> str:
    kept = (re.sub(" {2,}", " ", line).strip() for line in lines)
    return "".join(f"{line}\n" for line in kept if line)
