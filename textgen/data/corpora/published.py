"""The published texts: Lovecraft's tales, and an excerpt of Wikipedia that needs no download.

``data/SOURCES.toml`` has the origin, the licence and the sha256 of every file.
"""

from __future__ import annotations

import bz2
import logging
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from textgen.core.errors import CorpusUnavailable, TextgenError, visible
from textgen.core.system import cache_folder, cached
from textgen.data.documents import CorpusConfig, Document
from textgen.data.reading import check_sha256, read_text

# Articles with fewer characters of prose are left out: redirects, disambiguation pages.
MIN_ARTICLE_CHARACTERS = 1000
DOWNLOAD_SECONDS = 20


def source(corpus: str) -> dict[str, Any]:
    """The entry of ``data/SOURCES.toml`` for a corpus: origin, licence, sha256 of every file."""
    packaged = Path(__file__).parents[1] / "SOURCES.toml"
    checkout = Path(__file__).parents[3] / "data" / "SOURCES.toml"
    path = packaged if packaged.exists() else checkout
    return tomllib.loads(path.read_text(encoding="utf-8"))[corpus]


class Published(CorpusConfig):
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
    """Tales by H. P. Lovecraft, one document each, checked against a sha256 each.

    Args:
        mirror: base address of another copy to download; the environment variable
            ``TEXTGEN_MIRROR`` has the same effect. If ``TEXTGEN_DATA`` names a folder, nothing is
            downloaded and ``$TEXTGEN_DATA/lovecraft/*.txt`` is read.
    """

    entry = "lovecraft"
    mirror: str | None = None

    def documents(self) -> list[Document]:
        published = source(self.entry)
        files: dict[str, str] = published["files"]
        if local := os.environ.get("TEXTGEN_DATA"):
            folder = Path(local) / "lovecraft"
            for name, sha256 in files.items():
                check_sha256(folder / name, sha256, "correct TEXTGEN_DATA, or unset it to download")
        else:
            folder = cache_folder() / "lovecraft"
            address = self.mirror or os.environ.get("TEXTGEN_MIRROR") or published["url"]
            _download(address.rstrip("/") + "/", files, folder)
        return [Document(name.removesuffix(".txt"), read_text(folder / name)) for name in files]


def _download(address: str, files: dict[str, str], folder: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    fetcher = pooch.create(path=folder, base_url=address, registry=files, retry_if_failed=1)
    downloader = pooch.HTTPDownloader(timeout=DOWNLOAD_SECONDS)
    if not all((folder / name).exists() for name in files):
        print(f"downloading {len(files)} tales from {visible(address)}", file=sys.stderr)
    for name in files:
        try:
            fetcher.fetch(name, downloader=downloader)
        except (requests.RequestException, OSError) as error:
            raise CorpusUnavailable(
                f"{address}{name}: the download failed ({type(error).__name__})",
                hint="connect to the internet, set TEXTGEN_MIRROR or TEXTGEN_DATA (README), "
                'or use [corpus] kind = "wikipedia", which needs no download',
            ) from None
        except ValueError:
            message = f"{address}{name}: another file than the published tale (sha256)"
            raise TextgenError(message, hint="use another mirror") from None


@dataclass(frozen=True)
class Wikipedia(Published):
    """Articles of English Wikipedia, cased and punctuated, cleaned by gensim's wiki filter.

    The excerpt is inside the gensim package. The cleaned text is cached under its hash.
    """

    entry = "wikipedia"

    def documents(self) -> list[Document]:
        ((name, sha256),) = source(self.entry)["files"].items()
        folder = cache_folder() / f"wikipedia-prose-{sha256[:16]}"
        articles = cached(folder, lambda: _clean_articles(name, sha256))
        return [Document(title, text) for title, text in articles]


def _clean_articles(name: str, sha256: str) -> list[tuple[str, str]]:
    """Title and prose of each article of the excerpt."""
    gensim = find_spec("gensim")
    path = Path(gensim.origin or "").parent / "test/test_data" / name if gensim else Path(name)
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
