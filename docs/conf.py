"""The pages of this repository as a site: README, guides, references, results.

    python -m sphinx -W --keep-going -c docs . build/site

Its front page is README. Pages are written for a host of repositories, which shows a folder where
one is linked; the site leaves such links out, and adds the contents that stand beside a page.
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = "docs/example"
PICTURE = re.compile(r'(?:src|srcset)="([^":]+)"')  # in HTML, which Sphinx leaves as it is
LINK = re.compile(r"\[([^\[\]]+)\]\(([^()\s:#]+)\)")
# Caption, and pages below it. Guides and references are those of docs/README.md, in its order.
CONTENTS = """
```{{toctree}}
:glob:
:hidden:
:caption: {}

{}
```
"""
RESULTS = "experiments/README experiments/research/README experiments/research/*/README"
APPENDIX = "experiments/research/unit_worth/appendix"
ABOUT = "data/README CONTRIBUTING tests/README textgen/README CHANGELOG"
LOG = "experiments/research/log/README"

project = html_title = "textgen"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/**.md",
    "data/README.md",
    "experiments/**.md",
    "tests/README.md",
    "tests/benchmarks/README.md",
    "textgen/README.md",
]
highlight_language = "none"  # of blocks that name none: commands and what they print
html_theme = "furo"
html_static_path = html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = False
myst_heading_anchors = 4  # as a host of repositories gives them


def contents(caption, pages):
    """A part of the contents, which the theme shows beside each page."""
    return CONTENTS.format(caption, "\n".join(pages))


def listed(heading):
    """The pages below a heading of docs/README.md."""
    page = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return [f"docs/{name}" for name in re.findall(r"\]\(([\w/-]+)\.md\)", section)]


def shown(app, name, source):
    """The text of a page as the site shows it."""
    folder = (ROOT / name).parent

    def link(found):
        words, target = found[1], found[2]
        if (folder / target).resolve() == ROOT / EXAMPLE / "index.html":
            return f'<a href="{target}">{words}</a>'
        if (folder / target / "README.md").is_file():
            return f"[{words}]({target.rstrip('/')}/README.md)"
        return words if (folder / target).is_dir() else found[0]

    text = LINK.sub(link, source[0])
    if name == root_doc:
        text += contents("Guides", ["docs/README", f"{EXAMPLE}/README", *listed("Guides")])
        text += contents("References", listed("References"))
        text += contents("Results", [*RESULTS.split(), APPENDIX, "experiments/benchmarks/README"])
        text += contents("About", ABOUT.split())
    if name == LOG:
        text += contents("Reports", ["2*"])
    if name == "tests/README":
        text += contents("Benchmarks", ["benchmarks/README"])
    source[0] = text


def complete(app, error):
    """Add what no page of Markdown holds: pictures in HTML, the example, a door."""
    if error:
        return
    site = Path(app.outdir)
    for name in app.env.found_docs:
        folder = Path(name).parent
        for target in PICTURE.findall((ROOT / f"{name}.md").read_text(encoding="utf-8")):
            (site / folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / folder / target, site / folder / target)
    unwanted = shutil.ignore_patterns("*.md", "*.json")
    shutil.copytree(ROOT / EXAMPLE, site / EXAMPLE, ignore=unwanted, dirs_exist_ok=True)
    door = '<!doctype html><meta http-equiv="refresh" content="0; url=README.html">'
    (site / "index.html").write_text(f"{door}<title>textgen</title>", encoding="utf-8")


def setup(app):
    app.connect("source-read", shown)
    app.connect("build-finished", complete)
