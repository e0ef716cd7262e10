"""Documents of raw text: bytes on a disk → text, which is changed, cut, and kept or read again.

Of the bytes of a plain file only CRLF and CR are changed, to LF. The files of a large folder are
read again whenever their text is needed.

Does not handle: a single file that does not fit into memory; millions of very short documents, each
of which takes some 500 bytes of memory.
"""

import codecs
import hashlib
import itertools
import math
import re
import string
import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from charset_normalizer import from_bytes

from textgen.core.errors import TextgenError
from textgen.core.files import kind_of
from textgen.core.settings import CorpusOptions
from textgen.core.terminal import visible
from textgen.data.formats import check_known, is_formatted, read_texts

# The article's "alphanumerics and a few punctuation marks", 75 characters.
ARTICLE = string.digits + string.ascii_letters + " \n.,;:!?'\"-()"
UNEDITED = CorpusOptions()
# Those of UTF-32 come first: one of UTF-16 begins them.
BYTE_ORDER_MARKS = {
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
# Encodings of two or four bytes a character, tried in this order where there is no such mark.
UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Bytes behind the first that is not UTF-8 from which the encoding is guessed.
GUESS_REACH = 1 << 19
SURROGATE = re.compile("[\ud800-\udfff]")
# Where a text is cut: behind a blank line, else a line end, else a space.
CUT_MARKS = ("\n\n", "\n", " ")
# How far beyond its ideal place a cut may fall, in characters.
CUT_REACH = 1 << 20
# Size of a folder above which its files do not stay in memory.
LARGE_BYTES = 32_000_000
# Characters of such a file that is a document, at most, and of what a longer one is cut into.
MAX_UNCUT, LARGE_PIECE = 2_000_000, 250_000


@dataclass(frozen=True)
class UnreadText:
    """The text of a file, read whenever it is needed.

    Attributes:
        path, encoding: the file, and what it is read as.
        changed: when it was changed last, in nanoseconds.
        edits: applied when it is read.
    """

    path: Path
    encoding: str
    changed: int
    edits: CorpusOptions = UNEDITED

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was.
        """
        if not self.path.exists() or self.path.stat().st_mtime_ns != self.changed:
            message = f"{self.path}: the file was changed while it was in use"
            raise TextgenError(message, "repeat the command")
        return edit(read_text(self.path, self.encoding), self.edits)

    @cached_property
    def characters(self) -> int:
        return len(self.read())


@dataclass(frozen=True, slots=True)
class Document:
    """One text, raw, under the name by which it is split and reported."""

    name: str
    content: str | UnreadText

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else self.content.read()

    @property
    def characters(self) -> int:
        content = self.content
        return len(content) if isinstance(content, str) else content.characters


def count_characters(documents: Iterable[Document]) -> int:
    return sum(document.characters for document in documents)


def corpus_hash(documents: Iterable[Document]) -> str:
    """sha256 over every document's name and text, in order: it identifies a corpus."""
    digest = hashlib.sha256()
    for document in documents:
        for part in (document.name, document.text):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def edit(text: str, edits: CorpusOptions) -> str:
    """A text as an experiment's corpus changes it, the same for all arms."""
    if edits.replace:
        text = text.translate({ord(old): new for old, new in edits.replace.items()})
    dropped = set(edits.drop)
    if edits.keep:
        kept = ARTICLE if edits.keep == "article" else edits.keep
        dropped |= set(text).difference(kept)
    if dropped:
        text = text.translate(dict.fromkeys(map(ord, dropped)))
    if edits.strip:
        text = "\n".join(line.strip() for line in text.split("\n"))
    return text


def apply_edits(
    documents: list[Document], options: CorpusOptions, one_text: bool = False
) -> list[Document]:
    """The first documents, up to the share of an experiment's corpus, with its edits. The lines of
    one text are stripped before it is cut: a piece may begin and end inside a line.

    Raises:
        TextgenError: the share holds no document.
    """
    if options.share is not None and documents:
        ends = list(itertools.accumulate(d.characters for d in documents))
        documents = documents[: sum(end <= options.share * ends[-1] for end in ends)]
        if not documents:
            message = f"corpus.share: {options.share:g} of the text holds no whole document"
            raise TextgenError(message, "take a larger share, or split.train_characters instead")
    edits = replace(options, share=None, fallback=None)
    if edits == UNEDITED:
        return documents
    if edits.strip and one_text and documents:
        text = edit("".join(d.text for d in documents), edits)
        return numbered(documents[0].name.rpartition("#")[0], cut_text(text, len(documents)))
    contents = (
        edit(d.content, edits) if isinstance(d.content, str) else replace(d.content, edits=edits)
        for d in documents
    )
    return [Document(d.name, content) for d, content in zip(documents, contents, strict=True)]


def read_text(path: Path, encoding: str = "auto") -> str:
    """The text of a file.

    Args:
        path: the file.
        encoding: a name Python knows, or ``"auto"``: a byte-order mark, else UTF-8 without NUL,
            else a guess that is announced on the terminal.

    Raises:
        TextgenError: no such file, an unknown encoding, or bytes that are not text in it.
    """
    return _decoded(path, encoding)[0]


def _decoded(path: Path, encoding: str) -> tuple[str, str]:
    """The text of a file, and the encoding that it was read as."""
    check_known(path)
    if is_formatted(path) and kind_of(path) == "a file":
        return "\n".join(read_texts(path)), encoding
    data, name = read_bytes(path), encoding
    if encoding == "auto":
        marks = BYTE_ORDER_MARKS.items()
        name = next((name for mark, name in marks if data.startswith(mark)), "utf-8")
    try:
        utf8 = codecs.lookup(name).name == "utf-8"
        if encoding == "auto" and utf8 and (nul := data.find(b"\0")) >= 0:
            raise UnicodeDecodeError(name, data, nul, nul + 1, "half of a character of UTF-16?")
        text = data.decode("utf-8-sig" if utf8 else name)  # with or without a mark
    except UnicodeDecodeError as error:
        bad = len(data) - len(error.object) + error.start
        guess = _guess(data, bad) if encoding == "auto" else None
        if guess is None:
            message = f"{path}: not {name} text: byte {bad} is 0x{data[bad]:02x}"
            hint = 'state the encoding, e.g. [corpus] encoding = "cp1252", or give plain text only'
            if b"\0" in data:
                hint = "save the file as plain text, or state its encoding, e.g. utf-16-le"
            raise TextgenError(message, hint) from None
        note = f"note: {visible(str(path))} is read as {guess}; if wrong, state its encoding"
        print(note, file=sys.stderr)
        return _decoded(path, guess)
    except (LookupError, ValueError):  # ValueError: a codec that refuses all text
        message = f"corpus.encoding: {encoding!r} is not an encoding of {path}"
        raise TextgenError(message, 'name one that Python knows, such as "cp1252"') from None
    return text.replace("\r\n", "\n").replace("\r", "\n"), name


def _guess(data: bytes, bad: int) -> str | None:
    """The likely encoding of what is not UTF-8 from its byte ``bad`` on; where there are NUL bytes,
    one in which most bytes that may be spaces and line ends are."""
    if b"\0" in data:
        blank = (data.count(b" ") + data.count(b"\n")) / 2
        texts = ((name, data.decode(name, "replace")) for name in UNMARKED)
        return next((n for n, t in texts if t.count(" ") + t.count("\n") > blank), None)
    start = max(data.rfind(b"\n", 0, bad) + 1, bad - GUESS_REACH)
    best = from_bytes(data[start : bad + GUESS_REACH]).best()
    damaged = bad - len(data[:bad].decode("utf-8", "ignore")) > 16  # no chance, so much UTF-8
    return best.encoding if best and not damaged else None


def read_bytes(path: Path, hint: str = "correct the path") -> bytes:
    """The content of a file of a corpus.

    Raises:
        TextgenError: it cannot be read.
    """
    problem = kind_of(path)
    try:
        if problem == "a file":
            return path.read_bytes()
    except OSError as error:
        problem = error.strerror or str(error)
    raise TextgenError(f"{path}: {problem}", hint)


def check_sha256(path: Path, expected: str, hint: str) -> None:
    """Refuse a file that is not the published one.

    Raises:
        TextgenError: another sha256, or no such file.
    """
    actual = hashlib.sha256(read_bytes(path, hint)).hexdigest()
    if actual != expected:
        raise TextgenError(f"{path}: wrong file (sha256 {actual}; expected {expected})", hint)


def find_cut(text: str, start: int, end: int) -> int | None:
    """The first place between two others where a text is cut, if there is one."""
    for mark in CUT_MARKS:
        if (place := text.find(mark, start, end)) >= 0:
            return place + len(mark)
    return None


def cut_text(text: str, pieces: int) -> list[str]:
    """A text in at most ``pieces`` parts of about equal size, which joined together are the text.

    A part ends at the first blank line (else the line end, else the space) within half a piece
    from its ideal end on; without one, the next part is joined to it.
    """
    reach = min(max(1, len(text) // pieces // 2), CUT_REACH)
    cuts = [0]
    for i in range(1, pieces):
        ideal = len(text) * i // pieces
        if cut := find_cut(text, max(ideal, cuts[-1]), ideal + reach):
            cuts.append(cut)
    return [text[start:end] for start, end in itertools.pairwise([*cuts, len(text)])]


def numbered(name: str, texts: Sequence[str]) -> list[Document]:
    """The parts of a text as documents ``name#01``, ``name#02``, …, without empty ones."""
    width = len(str(len(texts)))
    rows = enumerate(texts, start=1)
    return [Document(f"{name}#{i:0{width}d}", text) for i, text in rows if text]


def read_documents(
    files: Mapping[str, Path],
    encoding: str,
    pieces: int = 0,
    refused: dict[str, str] | None = None,
    left_out: Container[str] = (),
) -> list[Document]:
    """The documents of some files, which stay in memory or, above :data:`LARGE_BYTES`, do not.

    Args:
        files: name → file.
        encoding: as for :func:`read_text`.
        pieces: the number of documents that each file is cut into; 0: each is a document.
        refused: gets the name of each file that has no text, with the reason; None raises instead.
        left_out: names of files that are not read. Whether the folder is large, and so which files
            are cut, does not depend on them.

    Raises:
        TextgenError: a file that is not text.
    """
    for name in filter(SURROGATE.search, files):
        raise TextgenError(f"corpus.path: a file name that is not UTF-8: {name!r}", "rename it")
    large = sum(map(file_size, files.values())) > LARGE_BYTES
    documents = list[Document]()
    for name, path in files.items():
        if name in left_out:
            continue
        try:
            if not pieces and path.suffix.lower() == ".epub":
                documents += numbered(name, read_texts(path))
                continue
            (text, read_as), count = _decoded(path, encoding), pieces
        except TextgenError as error:
            if refused is None:
                raise
            damaged = f"{error.message.partition(': ')[2]}; {error.hint}"
            refused[name] = damaged if is_formatted(path) else "not text"
            continue
        if large and not pieces and len(text) > MAX_UNCUT:
            count = math.ceil(len(text) / LARGE_PIECE)
        if count:
            documents += numbered(name, cut_text(text, count))
        else:
            unread = UnreadText(path, read_as, path.stat().st_mtime_ns)
            documents.append(Document(name, unread if large else text))
    return documents


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if kind_of(path) == "a file" else 0
