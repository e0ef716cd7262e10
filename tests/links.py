"""What a page points to: checked for the guides, and for the pages of research."""

import re

from conftest import ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"\b(?:docs|experiments|textgen|tests)/[\w/.-]+\.(?:toml|py|sh|md|json|svg)\b")


def anchors(text):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def linked(page):
    """The files and folders that a page links to, and the heading of each link, or ""."""
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            yield (page.parent / path).resolve() if path else page, anchor


def check_links(page):
    for target, anchor in linked(page):
        assert target.exists(), (page, target)
        assert not anchor or anchor in anchors(target.read_text("utf-8")), (page, target, anchor)


def check_files(page):
    """Every file that a page names, in a command or a sentence."""
    for name in FILE.findall(page.read_text(encoding="utf-8")):
        assert "NAME" in name or (ROOT / name).exists(), (page, name)
