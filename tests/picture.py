"""Pictures of reports: a passage coloured by what it costs models, as in README.md, or the models
that are asked in a page, as in docs/interactive.md.

    python tests/picture.py passage docs/example docs/pictures/passage_dark.png dark
    python tests/picture.py narrow_passage docs/example docs/pictures/passage_narrow_dark.png dark
    python tests/picture.py ask docs/example/index.html docs/pictures/ask.png

Needs Chromium, its driver, and ``pip install ".[test]"``. The models write after PROMPT, at
temperature 0.8 and SEED: the same page gives the same picture.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import emulate, headless
from jinja2 import Environment
from markupsafe import Markup
from selenium.webdriver.support.ui import WebDriverWait

from textgen.core.files import write_file
from textgen.interactive import portable
from textgen.report import page
from textgen.report.schema import Passage, Texts

WIDTH, SECONDS, CHARACTERS = 1280, 120, 300
PROMPT, SEED = "At night", 1
ARMS = ("characters", "subwords", "words")
PASSAGE_WIDTH, PASSAGE_CHARACTERS = 900, 400
PHONE_WIDTH = 390
PASSAGE_PAGE = """<!DOCTYPE html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>
{{ theme }}
body{padding:1.1rem 1.4rem}
h2{font:600 1.05rem/1.3 var(--sans);margin:0}
h2 small{display:block;font-weight:400;font-size:.85rem}
div{display:grid;grid-template-rows:auto auto;grid-auto-flow:column;grid-auto-columns:minmax(0,1fr);gap:.5rem 1.6rem}
p{font:1.02rem/1.5 var(--serif);margin:0;white-space:pre-wrap}
p i{font-style:normal}
footer{margin-top:.8rem}
footer i{font-style:normal;padding:.15rem .55rem;color:var(--ink)}
@media (max-width:40rem){
div{display:block}
p{margin:.3rem 0 1rem}
footer i{padding:.15rem .4rem}
}
{% for number in range(edges|length + 1) -%}
.h{{ number }}{background:color-mix(in oklab,var(--heat) {{ 100 * number // edges|length }}%,var(--paper))}
{% endfor %}
</style>
<div>
{% for name in arms %}<h2>{{ name }}<small>{{ '%.2f'|format(page.mean_bits(passage, name)) }} bits per character here</small></h2>
<p>{% for text, heat, bits, number in page.stretches(passage, name) %}<i{% if bits %} class="h{{ heat }}"{% endif %}>{{ text }}</i>{% endfor %}</p>
{% endfor %}
</div>
<footer class="heat">{% for edge in [0] + edges|list %}<i class="h{{ loop.index0 }}">{{ '%g'|format(edge) }}</i>{% endfor %}&ensp;bits per character or more</footer>
"""  # noqa: E501
PLACE = """scrollTo(0, 0)
    const box = document.getElementById("ask").getBoundingClientRect()
    return {x: 0, y: box.y + scrollY, width: innerWidth, height: box.height, scale: 1}"""


def paragraph(passage: Passage) -> Passage:
    """The first whole paragraph of a passage, as far as a sentence ends in PASSAGE_CHARACTERS."""
    start = passage.text.index("\n\n") + 2
    end = passage.text.rindex(".", start, start + PASSAGE_CHARACTERS) + 1
    arms = {
        name: [
            (first - start, last - start, *bits)
            for first, last, *bits in stretches
            if start <= first and last <= end
        ]
        for name, stretches in passage.arms.items()
    }
    return passage.model_copy(update={"text": passage.text[start:end], "arms": arms})


def typical(folder: Path) -> Passage:
    """The passage that a report begins with: a typical one, under its networks."""
    texts = Texts.model_validate_json((folder / "texts.json").read_bytes())
    return next(p for p in texts.passages if p.part == "network" and p.start)


def passage_page(folder: Path) -> str:
    """A page of nothing but a paragraph of the typical passage, under the networks of ARMS."""
    template = Environment(autoescape=True).from_string(PASSAGE_PAGE)
    theme = (portable.FOLDER / "theme.css").read_text(encoding="utf-8")
    return template.render(
        theme=Markup(theme),
        arms=ARMS,
        passage=paragraph(typical(folder)),
        edges=page.HEAT_EDGES,
        page=page,
    )


def asked(browser: Any) -> dict[str, float]:
    """Where the models stand, when they have written."""
    script = "document.getElementById(arguments[0]).value = arguments[1]"
    browser.execute_script(script, "ask-length", CHARACTERS)
    browser.execute_script(script, "ask-seed", SEED)
    browser.find_element("id", "ask-text").send_keys(PROMPT)
    browser.find_element("id", "ask-write").click()
    columns = browser.find_elements("css selector", "#ask-models .sample")

    def is_done(_: Any) -> bool:
        expecting = browser.find_elements("css selector", "#ask-models .next:has(button)")
        state = browser.find_element("id", "ask-state").text
        return state == "done" and len(expecting) == len(columns)

    WebDriverWait(browser, SECONDS).until(is_done)
    return browser.execute_script(PLACE)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A browser that has opened a page."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        headless(Path(scratch), path.resolve().as_uri()) as browser,
    ):
        yield browser


def photograph(browser: Any, clip: dict[str, float], picture: Path) -> None:
    given = {"clip": clip, "captureBeyondViewport": True}
    found = browser.execute_cdp_cmd("Page.captureScreenshot", given)
    picture.write_bytes(base64.b64decode(found["data"]))


def draw_passage(folder: Path, picture: Path, theme: str, width: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "passage.html"
        write_file(path, passage_page(folder))
        with opened(path) as browser:
            emulate(browser, width, theme)
            height = browser.execute_script("return document.body.getBoundingClientRect().height")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 2}
            photograph(browser, clip, picture)


def draw_models(path: Path, picture: Path) -> None:
    with opened(path) as browser:
        emulate(browser, WIDTH)
        photograph(browser, asked(browser), picture)


def main(what: str, source: str, picture: str, theme: str = "light") -> None:
    if what == "passage":
        draw_passage(Path(source), Path(picture), theme, PASSAGE_WIDTH)
    elif what == "narrow_passage":
        draw_passage(Path(source), Path(picture), theme, PHONE_WIDTH)
    else:
        draw_models(Path(source), Path(picture))


if __name__ == "__main__":
    main(*sys.argv[1:])
