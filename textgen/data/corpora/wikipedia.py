"""The Wikipedia excerpt inside the gensim package, a corpus that needs no download."""

from __future__ import annotations

import bz2
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from textgen.core.errors import CorpusUnavailable
from textgen.core.files import cache_folder, cache_get, cache_put, writing_cache
from textgen.data.corpora.base import CorpusConfig, check_sha256, source
from textgen.data.documents import Document

MIN_ARTICLE_CHARACTERS = 1000
"""Articles with fewer characters of prose are left out: redirects, disambiguation pages."""


@dataclass(frozen=True)
class Wikipedia(CorpusConfig):
    """Articles of English Wikipedia, cased and punctuated, cleaned by gensim's wiki filter.

    The cleaned text is cached under the hash of the excerpt, so later runs do without gensim.
    """

    @property
    def origin(self) -> str:
        return source("wikipedia")["origin"]

    @property
    def licence(self) -> str:
        return source("wikipedia")["licence"]

    def documents(self) -> list[Document]:
        ((name, expected),) = source("wikipedia")["files"].items()
        cached = cache_folder() / f"wikipedia-prose-{expected[:16]}.json"
        pairs = cache_get(cached)
        if pairs is None:
            pairs = _clean(name, expected)
            with writing_cache():
                cache_put(cached, pairs)
        return [Document(title, text) for title, text in pairs]


def _clean(name: str, expected: str) -> list[tuple[str, str]]:
    found = find_spec("gensim")
    path = Path(found.origin or "").parent / "test/test_data" / name if found else Path(name)
    hint = "install gensim from its wheel: pip install --force-reinstall gensim"
    if not path.exists():
        raise CorpusUnavailable(str(path), found="no such file in the gensim package", hint=hint)
    check_sha256(path, expected, hint)
    from gensim.corpora.wikicorpus import extract_pages, filter_wiki

    with bz2.open(path) as dump:
        pages = list(extract_pages(dump, filter_namespaces=("0",)))
    cleaned = [(title, prose(filter_wiki(raw))) for title, raw, _ in pages if raw]
    return [(title, text) for title, text in cleaned if len(text) >= MIN_ARTICLE_CHARACTERS]


def prose(text: str) -> str:
    """The paragraphs of a filtered article, without the emphasis marks, headings and lists (mostly
    citations) that gensim leaves in it."""
    text = re.sub(r"'{2,}", "", text)
    text = re.sub(r"^(=.*|[*#:;|!].*)\n?", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
