"""PLUG-IN: sources of text. The user's own, whose files are documents or are cut into them; and the
published: Lovecraft's tales, and an excerpt of Wikipedia that needs no download.

A corpus derives from :class:`TextSource`.

``data/SOURCES.toml`` has the origin, the licence and the sha256 of every published file.
"""

import bz2
import logging
import os
import re
import sys
import tomllib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, NotRequired, TypedDict

from textgen.core.cache import cache_folder, cached
from textgen.core.errors import DISK_FULL, CorpusUnavailable, TextgenError, write_failed
from textgen.core.files import PathKind, found_at, kind_of
from textgen.core.settings import Count, Sha256
from textgen.core.terminal import visible
from textgen.data.assigned import find_documents
from textgen.data.documents import Document, check_sha256, file_size, read_documents, read_text
from textgen.data.formats import CONVERTERS, is_text

TABLE = {"lovecraft": "Lovecraft", "wikipedia": "Wikipedia", "folder": "Folder", "file": "File"}
# Articles with fewer characters of prose are left out: redirects, disambiguation pages.
MIN_ARTICLE_CHARACTERS = 1000
DOWNLOAD_SECONDS = 20


class TextSource(ABC):
    """The base of corpora, which are frozen dataclasses.

    Attributes:
        one_text: whether its documents are cut from one text; in contiguous shares the text is then
            cut where the shares begin.
        leave_out: names of documents that are there and are not read, or patterns of names.
    """

    one_text: ClassVar[bool] = False
    leave_out: tuple[str, ...] = ()

    @property
    @abstractmethod
    def origin(self) -> str:
        """Where the text comes from, shown wherever results are."""

    @property
    @abstractmethod
    def licence(self) -> str:
        """The licence of the text, shown wherever results are."""

    @abstractmethod
    def documents(self) -> list[Document]:
        """All documents, in a stable order, each with a name of its own.

        Raises:
            CorpusUnavailable: the text cannot be fetched here.
        """


@dataclass(frozen=True)
class OwnText(TextSource):
    """What folders and files share."""

    path: Path
    encoding: str = "auto"
    licence: str = "the user's own"
    source: str | None = None

    @property
    def origin(self) -> str:
        return self.source or str(self.path)


@dataclass(frozen=True)
class Folder(OwnText):
    """Text files in a folder and its subfolders, hidden ones excepted.

    Plain text is read, and with the extra ``formats`` also Word documents, e-books, web pages and
    XML. Files of more than 32 MB in total are read again whenever they are needed. A file of more
    than two million characters then counts as a collection, is cut, and stays in memory.

    Args:
        path: the folder, relative to where the command is run.
        pattern: a glob for the files to read; by default, all files with a known suffix
            (:data:`textgen.data.formats.READERS` and ``.txt``).
        leave_out: names of files that are not read or of pieces of a large one, or patterns, e.g.
            ``["notes.txt", "drafts/*", "big.txt#07"]``.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
        source: the origin of the texts, shown with all results; by default, the path.
    """

    pattern: str | None = None
    leave_out: tuple[str, ...] = ()

    def files(self) -> dict[str, Path]:
        """Name → path of the files that are read, in order."""
        if kind_of(self.path) is not PathKind.FOLDER:
            message = (
                f"corpus.path: {self.path}: {found_at(self.path)}; a folder of text files is needed"
            )
            raise TextgenError(message, "correct the path; to read one file: corpus.kind=file")
        hint = 'write a glob below the folder, e.g. "*.txt" or "tales/**/*.txt"'
        if ".." in Path(self.pattern or "").parts:
            message = f"corpus.pattern {self.pattern!r}: the pattern leads out of the folder"
            raise TextgenError(message, hint)
        try:
            found = filter(self._is_ours, self.path.rglob(self.pattern or "*"))
            # by parts: paths are compared without regard to capitals on Windows
            ordered = sorted(found, key=lambda path: path.parts)
            paths = [path for path in ordered if self.pattern or is_text(path)]
        except (ValueError, NotImplementedError, OSError) as error:
            raise TextgenError(f"corpus.pattern {self.pattern!r}: {error}", hint) from None
        if not paths:
            files = filter(self._is_ours, self.path.rglob("*"))
            kinds = Counter(file.suffix.lower() or file.name for file in files)
            others = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(4)) or "none"
            wanted = f"no file matches {self.pattern!r}" if self.pattern else "no text file"
            hint = "save the texts as .txt, or set [corpus] pattern for other text files"
            converters = [CONVERTERS[kind] for kind, _ in kinds.most_common() if kind in CONVERTERS]
            if converters:
                hint = f"convert the files first: {converters[0].format('FILE')}"
            raise TextgenError(f"corpus.path: {self.path}: {wanted}; found: {others}", hint)
        return {path.relative_to(self.path).as_posix(): path for path in paths}

    def not_read(self) -> dict[str, str]:
        """Name → what to do first, of the files whose names do not end as those of texts do;
        nothing where a pattern chooses the files."""
        if self.pattern:
            return {}
        reasons = dict[str, str]()
        for name, path in replace(self, pattern="*").files().items():
            if not is_text(path):
                reasons[name] = "save it as text"
                converter = CONVERTERS.get(path.suffix.lower())
                if converter is not None:
                    reasons[name] = f"convert it first: {converter.format('FILE')}"
        return reasons

    def documents(self) -> list[Document]:
        files = self.files()
        skipped = _all_found(find_documents(self.leave_out, [*files]))
        documents = read_documents(files, self.encoding, skipped=skipped)
        names = [*skipped, *(document.name for document in documents)]
        unwanted = _all_found(find_documents(self.leave_out, names, "corpus.leave_out"))
        return [document for document in documents if document.name not in unwanted]

    def _is_ours(self, path: Path) -> bool:
        """Whether it is a file outside hidden folders, such as ``.git``, and no lock of Word's."""
        inside = path.relative_to(self.path).parts
        return not path.is_dir() and not any(part.startswith((".", "~$")) for part in inside)


def _all_found(found: Mapping[str, Sequence[str]]) -> set[str]:
    """The names of all documents that some entries mean."""
    return {name for names in found.values() for name in names}


@dataclass(frozen=True)
class File(OwnText):
    """A single text file, cut into pieces.

    The pieces are of about equal size. Each ends at the first blank line (or else line end, or else
    space) within half a piece after its ideal end. Pieces of one work are not independent
    documents: differences measured on them hold for this text only. Where ``[split]`` divides the
    text into contiguous shares, each share is cut into pieces of this size, or stays whole if
    ``pieces`` is 1.

    Args:
        path: the file, relative to where the command is run.
        pieces: number of pieces; by default 128, which leaves at least eight in each held-out
            part. A text below 64 kB is cut into fewer, a long one into more.
        encoding: a name Python knows, or ``"auto"``.
        licence: shown wherever results are.
        source: the origin of the file, shown with all results; by default, the path.
        sha256: the expected sha256; a file with another one is refused.
    """

    pieces: Count | None = None
    sha256: Sha256 | None = None
    one_text: ClassVar[bool] = True

    @property
    def origin(self) -> str:
        if self.sha256 is None:
            return super().origin
        return f"{super().origin}; sha256 {self.sha256[:12]}… checked"

    def documents(self) -> list[Document]:
        if kind_of(self.path) is PathKind.FOLDER:
            message = f"corpus.path: {self.path} is a folder, not a text file"
            raise TextgenError(message, "to read a folder: --set corpus.kind=folder")
        if self.sha256:
            hint = f"get it from {self.source or 'where it is published'}"
            check_sha256(self.path, self.sha256, hint)
        pieces = self.pieces
        if pieces is None:
            pieces = default_pieces(file_size(self.path))
        return read_documents({self.path.name: self.path}, self.encoding, pieces)


def default_pieces(size: int) -> int:
    """How many pieces a file of so many bytes is cut into. Held-out parts of a short text need
    pieces, too, and those of a long one are limited (:data:`textgen.data.drawn.HELD_OUT`)."""
    if size < 32_000:
        return 64
    if size < 64_000:
        return size // 500
    if size < 25_600_000:
        return 128
    return size // 200_000


class Source(TypedDict):
    """An entry of ``data/SOURCES.toml``: ``files`` has the sha256 of each, ``url`` is the folder on
    the web that they are in."""

    origin: str
    licence: str
    files: dict[str, str]
    url: NotRequired[str]


def source(corpus: str) -> Source:
    """The entry of ``data/SOURCES.toml`` for a corpus."""
    path = Path(__file__).parent / "SOURCES.toml"  # of an installed package
    if not path.exists():
        path = Path(__file__).parents[2] / "data" / "SOURCES.toml"
    entries: dict[str, Source] = tomllib.loads(path.read_text(encoding="utf-8"))
    return entries[corpus]


class Published(TextSource):
    """A corpus that has an entry in ``data/SOURCES.toml``."""

    entry: ClassVar[str]

    @property
    def origin(self) -> str:
        return source(self.entry)["origin"]

    @property
    def licence(self) -> str:
        return source(self.entry)["licence"]


@dataclass(frozen=True)
class Lovecraft(Published):
    """Tales by H. P. Lovecraft, one document per tale, each checked against its sha256.

    They are downloaded once, from the address in ``TEXTGEN_MIRROR`` if that is set. If
    ``TEXTGEN_DATA`` names a folder, ``$TEXTGEN_DATA/lovecraft/*.txt`` is read instead.
    """

    entry = "lovecraft"

    def documents(self) -> list[Document]:
        published = source(self.entry)
        files = published["files"]
        if local := os.environ.get("TEXTGEN_DATA"):
            folder = Path(local) / "lovecraft"
            for name, sha256 in files.items():
                check_sha256(folder / name, sha256, "correct TEXTGEN_DATA, or unset it to download")
        else:
            folder = cache_folder() / "lovecraft"
            _download(os.environ.get("TEXTGEN_MIRROR") or published["url"], files, folder)
        return [Document(name.removesuffix(".txt"), read_text(folder / name)) for name in files]


def _download(address: str, files: dict[str, str], folder: Path) -> None:
    import pooch

    pooch.get_logger().setLevel(logging.ERROR)
    address = address.rstrip("/") + "/"
    fetcher = pooch.create(path=folder, base_url=address, registry=files, retry_if_failed=1)
    downloader = pooch.HTTPDownloader(timeout=DOWNLOAD_SECONDS)
    if not all((folder / name).exists() for name in files):
        print(f"downloading {len(files)} tales from {visible(address)}", file=sys.stderr)
    for name in files:
        try:
            fetcher.fetch(name, downloader=downloader)
        except PermissionError:  # of the folder
            raise
        except (OSError, ValueError) as error:  # errors of requests, which pooch uses, are OSErrors
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise write_failed(folder / name, error, "the tales before it are kept") from None
            problem = f"the download failed ({type(error).__name__})"
            if not isinstance(error, OSError):  # pooch's, after it has compared the sha256
                problem = "a wrong file instead of the tale (sha256), perhaps a login page"
            hint = "connect to the internet, set TEXTGEN_DATA to a folder that holds lovecraft/, "
            hint += 'or use [corpus] kind = "wikipedia", which needs no download'
            raise CorpusUnavailable(f"{address}{name}: {problem}", hint) from None


@dataclass(frozen=True)
class Wikipedia(Published):
    """Articles of English Wikipedia, cased and punctuated, cleaned by gensim's wiki filter.

    The excerpt is inside the gensim package. The cleaned text is cached under its hash.
    """

    entry = "wikipedia"

    def documents(self) -> list[Document]:
        files = source(self.entry)["files"]
        name, sha256 = next(iter(files.items()))  # the only one
        folder = cache_folder() / f"wikipedia-prose-{sha256[:16]}"
        articles = cached(folder, lambda: _clean_articles(name, sha256))
        return [Document(title, text) for title, text in articles]


def _clean_articles(name: str, sha256: str) -> list[tuple[str, str]]:
    """Title and prose of each article of the excerpt."""
    path = Path(name)
    gensim = find_spec("gensim")
    if gensim is not None and gensim.origin is not None:
        path = Path(gensim.origin).parent / "test/test_data" / name
    hint = "install gensim from its wheel: pip install --force-reinstall gensim"
    if not path.exists():
        raise CorpusUnavailable(f"{path}: no such file in the gensim package", hint=hint)
    check_sha256(path, sha256, hint)
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(path) as dump:
        pages = list(extract_pages(dump, filter_namespaces=("0",)))
    articles = [(title, prose(filter_wiki(markup))) for title, markup, _ in pages if markup]
    return [(title, text) for title, text in articles if len(text) >= MIN_ARTICLE_CHARACTERS]


def prose(text: str) -> str:
    """The paragraphs of a filtered article, without the emphasis marks, headings and lists (mostly
    citations) that gensim leaves in it."""
    text = re.sub(r"'{2,}", "", text)
    text = re.sub(r"^(=.*|[*#:;|!].*)\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
