"""Documents of raw text: bytes on a disk → text, which is changed, cut, and kept or read again.

Of the bytes of a plain file only CRLF and CR are changed, to LF. The files of a large folder are
read again whenever their text is needed.

Does not handle: a single file that does not fit into memory; millions of very short documents, each
of which takes some 500 bytes of memory.
"""

import codecs
import contextlib
import hashlib
import itertools
import math
import re
import string
from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.files import PathKind, found_at, kind_of
from textgen.core.settings import CorpusOptions
from textgen.data.encodings import STATE_ENCODING, Guesses, byte_order_mark, find_fault
from textgen.data.formats import check_content, check_known, is_formatted, read_texts

# The article's "alphanumerics and a few punctuation marks", 75 characters.
ARTICLE = string.digits + string.ascii_letters + " \n.,;:!?'\"-()"
UNEDITED = CorpusOptions()
CORRECT_PATH = "correct the path"
SURROGATE = re.compile("[\ud800-\udfff]")
# What the name of a document that was cut out of a larger file ends with.
PIECE_NUMBER = re.compile(r"(#\d+)+( \(its first [\d,]+ characters\))?$")
# Where a text is cut: behind a blank line, else a line end, else a space.
CUT_MARKS = ("\n\n", "\n", " ")
# How far beyond its ideal place a cut may fall, in characters.
CUT_REACH = 1 << 20
# Characters of each of the beginnings that a curve is of, about.
CHARACTERS_OF_BEGINNING = 500
# Size of a folder above which its files do not stay in memory.
LARGE_BYTES = 32_000_000
# Characters of such a file that is one document, at most.
MAX_UNCUT = 2_000_000
# Characters of the pieces that a longer one is cut into.
LARGE_PIECE = 250_000
# Characters from inside a text that are kept where the text is not, to tell its language.
KEPT_CHARACTERS = 6_000
# Of a text that is not so many times as long, none are kept: it is read again.
KEPT_SHARE = 10


class NotText(TextgenError):  # noqa: N818 - what was found
    """Bytes that are not text in the encoding of a file."""


def excerpt(text: str, characters: int) -> str:
    """Characters from inside a text, where titles and licences are past."""
    start = max(0, min(len(text) // 3, len(text) - characters))
    return text[start : start + characters]


@dataclass(frozen=True)
class Facts:
    """What is kept of a text that is not.

    Attributes:
        characters: how many it has.
        is_blank: whether all of them are white space.
        inside: KEPT_CHARACTERS from inside it; None where it is short.
    """

    characters: int
    is_blank: bool
    inside: str | None


def find_facts(text: str) -> Facts:
    is_long = len(text) >= KEPT_CHARACTERS * KEPT_SHARE
    inside = excerpt(text, KEPT_CHARACTERS) if is_long else None
    return Facts(len(text), is_blank(text), inside)


@dataclass
class UnreadText:
    """The text of a file, read whenever it is needed. The text that was read last is kept until the
    next is, and of every text that was read, some facts.

    Attributes:
        path: the file.
        encoding: as for :func:`read_text`.
        guesses: the encodings of files that do not say it.
        changed: when it was changed last, in nanoseconds.
        edits: applied when it is read.
    """

    path: Path
    encoding: str
    guesses: Guesses = field(compare=False, repr=False)
    changed: int
    edits: CorpusOptions = UNEDITED
    _facts: Facts | None = field(default=None, init=False, compare=False, repr=False)

    def read(self) -> str:
        """The text.

        Raises:
            TextgenError: the file is no longer what it was, or it is not text.
        """
        global _last_read
        if not self.path.exists() or self.path.stat().st_mtime_ns != self.changed:
            message = f"{self.path}: the file was changed while it was in use"
            raise TextgenError(message, "repeat the command")
        reader, text = _last_read
        if reader is not self:
            text = edit(_decode(self.path, self.encoding, self.guesses), self.edits)
            self._facts = find_facts(text)
            _last_read = self, text
        return text

    @property
    def facts(self) -> Facts:
        """They take a reading if there has been none."""
        if self._facts is None:
            self._facts = find_facts(self.read())
        return self._facts


_last_read: tuple[UnreadText | None, str] = (None, "")


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
        return len(content) if isinstance(content, str) else content.facts.characters

    @property
    def is_blank(self) -> bool:
        content = self.content
        return is_blank(content) if isinstance(content, str) else content.facts.is_blank

    def excerpt(self, characters: int) -> str:
        """So many characters from inside the text, KEPT_CHARACTERS at most."""
        content = self.content
        if isinstance(content, str):
            return excerpt(content, characters)
        inside = content.facts.inside
        return excerpt(content.read(), characters) if inside is None else inside[:characters]


def is_blank(text: str) -> bool:
    return not text or text.isspace()


def count_characters(documents: Iterable[Document]) -> int:
    return sum(document.characters for document in documents)


def beginnings(documents: Sequence[Document], characters: int) -> list[Document]:
    """The first characters of some documents, evenly spaced among all, about so many together.

    They depend on the text alone, so they are the same for every tokenizer.
    """
    number = max(1, min(len(documents), characters // CHARACTERS_OF_BEGINNING))
    size = characters // number
    chosen = [documents[i * len(documents) // number] for i in range(number)]
    return [Document(each.name, _beginning(each.text, size)) for each in chosen]


def _beginning(text: str, size: int) -> str:
    """The first characters, up to a space if there is one."""
    if len(text) <= size:
        return text
    space = text.rfind(" ", 1, size)
    return text[: space if space > 0 else size]


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
        whole = bisect_right(ends, options.share * ends[-1])
        documents = documents[:whole]
        if not documents:
            message = f"corpus.share: {options.share:g} of the text holds no whole document"
            raise TextgenError(message, "take a larger share, or split.train_characters instead")
    edits = replace(options, share=None, fallback=None)
    if edits == UNEDITED:
        return documents
    if edits.strip and one_text and documents:
        text = edit("".join(d.text for d in documents), edits)
        name = without_piece_number(documents[0].name)
        return numbered(name, cut_text(text, len(documents)))
    edited = list[Document]()
    for document in documents:
        content = document.content
        if isinstance(content, str):
            edited.append(Document(document.name, edit(content, edits)))
        else:
            edited.append(Document(document.name, replace(content, edits=edits)))
    return edited


def read_text(path: Path, encoding: str = "auto", cure: str = STATE_ENCODING) -> str:
    """The text of a file.

    Args:
        path: the file.
        encoding: a name Python knows, or ``"auto"``: a byte-order mark, else UTF-8 without NUL,
            else a guess that is announced on the terminal.
        cure: what to do if the guess is wrong.

    Raises:
        TextgenError: no such file, an unknown encoding, or bytes that are not text in it.
    """
    return _decode(path, encoding, Guesses([path], cure))


def _decode(path: Path, encoding: str, guesses: Guesses) -> str:
    """The text of a file with LF as line ends; arguments and errors as for :func:`read_text`."""
    check_known(path)
    try:
        if is_formatted(path) and kind_of(path) is PathKind.FILE:
            return "\n".join(read_texts(path, encoding))
        data = read_bytes(path)
        check_content(path, data)
        if encoding == "auto":
            text = _decode_unstated(path, data, guesses)
        else:
            text = _decode_as(path, data, encoding)
    except (LookupError, ValueError):  # ValueError: a codec that refuses all text
        message = f"corpus.encoding: {encoding!r} is not an encoding of {path}"
        raise TextgenError(message, 'name one that Python knows, such as "cp1252"') from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode_unstated(path: Path, data: bytes, guesses: Guesses) -> str:
    if marked := byte_order_mark(data):
        return _decode_as(path, data, marked)
    if b"\0" not in data:
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("utf-8-sig")
    if guess := guesses.encoding_of(path):
        return _decode_as(path, data, guess)
    raise _not_text(path, data, "utf-8", find_fault(data) or 0)


def _decode_as(path: Path, data: bytes, encoding: str) -> str:
    """The text of bytes, in UTF-8 with or without a byte-order mark."""
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    try:
        return data.decode("utf-8-sig" if is_utf8 else encoding)
    except UnicodeDecodeError as error:
        mark_bytes = len(data) - len(error.object)  # what is decoded is without the mark
        raise _not_text(path, data, encoding, mark_bytes + error.start) from None


def _not_text(path: Path, data: bytes, encoding: str, fault: int) -> NotText:
    hint = 'state the encoding, e.g. [corpus] encoding = "cp1252", or give plain text only'
    if b"\0" in data:
        hint = "save the file as plain text, or state its encoding, e.g. utf-16-le"
    return NotText(f"{path}: not {encoding} text: byte {fault} is 0x{data[fault]:02x}", hint)


def read_bytes(path: Path, hint: str = CORRECT_PATH) -> bytes:
    """The content of a file of a corpus.

    Raises:
        TextgenError: it cannot be read.
    """
    check_file(path, hint)
    try:
        return path.read_bytes()
    except OSError as error:
        raise TextgenError(f"{path}: {error.strerror or error}", hint) from None


def check_file(path: Path, hint: str = CORRECT_PATH) -> None:
    """Refuse a path that is no file's.

    Raises:
        TextgenError: with what it is.
    """
    if kind_of(path) is not PathKind.FILE:
        raise TextgenError(f"{path}: {found_at(path)}", hint)


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


def without_piece_number(name: str) -> str:
    """The name of the file that a document was cut out of; else the document's own."""
    return PIECE_NUMBER.sub("", name)


def read_documents(
    files: Mapping[str, Path],
    encoding: str,
    pieces: int = 0,
    refused: dict[str, str] | None = None,
    skipped: Container[str] = (),
) -> list[Document]:
    """The documents of some files, which stay in memory or, above :data:`LARGE_BYTES`, do not.

    Args:
        files: name → file.
        encoding: as for :func:`read_text`.
        pieces: the number of documents that each file is cut into; 0: each is a document.
        refused: gets the name of each file that has no text, with the reason; None raises instead.
        skipped: names of files that are not read. Whether the folder is large, and so which files
            are cut, does not depend on them.

    Raises:
        TextgenError: a file that is not text.
    """
    for name in files:
        if SURROGATE.search(name):
            message = f"corpus.path: a file name that is not UTF-8: {name!r}"
            raise TextgenError(message, "rename it")
    large = sum(map(file_size, files.values())) > LARGE_BYTES
    guesses = Guesses(files.values())
    documents = list[Document]()
    for name, path in files.items():
        if name in skipped:
            continue
        try:
            if large and not pieces:
                found = _read_large(name, path, encoding, guesses)
            else:
                found = _read_file(name, path, encoding, guesses, pieces)
            if refused is not None:
                _read_unread(found)  # what is not text is then refused here
        except NotText:
            if refused is None:
                raise
            refused[name] = "not text"
        except TextgenError as error:
            if refused is None:
                raise
            _, _, reason = error.message.partition(": ")  # behind the path
            refused[name] = f"{reason}; {error.hint}"
        else:
            documents += found
    return documents


def _read_unread(documents: Iterable[Document]) -> None:
    """Raises:
    TextgenError: the text of a document cannot be read.
    """
    for document in documents:
        if isinstance(document.content, UnreadText):
            document.content.read()


def _read_file(
    name: str, path: Path, encoding: str, guesses: Guesses, pieces: int
) -> list[Document]:
    if not pieces and path.suffix.lower() == ".epub":
        return numbered(name, read_texts(path))
    text = _decode(path, encoding, guesses)
    return numbered(name, cut_text(text, pieces)) if pieces else [Document(name, text)]


def _read_large(name: str, path: Path, encoding: str, guesses: Guesses) -> list[Document]:
    """The documents of a file of a large folder: a book's chapters, and pieces of a long text, in
    memory, else the text of the file, unread."""
    if path.suffix.lower() == ".epub":
        return numbered(name, read_texts(path))
    check_file(path)
    unread = UnreadText(path, encoding, guesses, path.stat().st_mtime_ns)
    may_be_long = is_formatted(path) or file_size(path) > MAX_UNCUT
    if not may_be_long:
        return [Document(name, unread)]
    text = unread.read()
    if len(text) <= MAX_UNCUT:
        return [Document(name, unread)]
    return numbered(name, cut_text(text, math.ceil(len(text) / LARGE_PIECE)))


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if kind_of(path) is PathKind.FILE else 0
