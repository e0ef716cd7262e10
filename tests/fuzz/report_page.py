"""The page of a report, whose texts are whatever networks and file names hold."""

from __future__ import annotations

from collections import Counter
from functools import cache
from html.parser import HTMLParser

from fuzz.common import text_in
from report_sample import hostile


class Elements(HTMLParser):
    """The elements of a page, with the names of their attributes, and what they load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.rows = list[tuple[str, dict[str, str | None]]]()
        self.links: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.rows.append((tag, dict(attrs)))
        self.found[tag,] += 1
        self.found.update((tag, name) for name, _ in attrs)
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "action")}

    def handle_comment(self, data):
        self.found["comment",] += 1

    def handle_decl(self, decl):
        self.found["declaration",] += 1

    unknown_decl = handle_pi = handle_decl


@cache
def harmless() -> Elements:
    """The same page with words in place of texts that try to be more."""
    from textgen.report.page import render_page

    return Elements(render_page(*hostile("a\ny", "b\nee", "s\nee")))


def page(data: bytes) -> None:
    """Three texts, between NUL bytes, wherever a report has texts: none of them becomes markup."""
    from textgen.report.page import render_page

    given = [*data.split(b"\0"), b"", b""][:3]
    script, quotes, odd = (f"{i}{text_in(each)[:300]}" for i, each in enumerate(given))
    made = render_page(*hostile(script, quotes, odd))
    made.encode("utf-8")
    found, known = Elements(made), harmless()
    assert found.found.keys() <= known.found.keys(), found.found.keys() - known.found.keys()
    for tag in ("script", "style", "svg", "table", "h2", "comment", "declaration"):
        assert found.found[tag,] == known.found[tag,], tag
    assert {link.partition("#")[0] for link in found.links} <= {
        link.partition("#")[0] for link in known.links
    }


PAGES = [
    b"<script>alert(1)</script>\0\" onload='x' $x_1$\0]]> --> </style><b>",
    b"</script><!--<script>&lt;\0{{ 7*7 }}${a}\\frac{1}{0}^_\0\xff\xed\xa0\x80\x1b[2J\xe2\x80\xae",
]
