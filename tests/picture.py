"""Pictures of reports: the first screen, as in README.md, or the models that are asked in a page,
as in docs/interactive.md.

    python tests/picture.py reports/tales/index.html docs/pictures/try_dark.png dark
    python tests/picture.py reports/char-word/index.html docs/pictures/ask.png

Needs Chromium, its driver, and ``pip install ".[test]"``. The models write after the prompt that
the page begins with, at temperature 0.8 and seed 1: the same page gives the same picture.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import emulate, headless
from selenium.webdriver.support.ui import WebDriverWait

WIDTH, SECONDS, CHARACTERS = 1280, 120, 300
FIRST_SCREEN = {"x": 80, "y": 0, "width": 1110, "height": 790, "scale": 1}
PLACE = """scrollTo(0, 0)
    const box = document.getElementById("ask").getBoundingClientRect()
    return {x: 0, y: box.y + scrollY, width: innerWidth, height: box.height + 20, scale: 1}"""


def asked(browser: Any) -> dict[str, float]:
    """Where the models stand, when they have written."""
    script = "document.getElementById('ask-length').value = arguments[0]"
    browser.execute_script(script, CHARACTERS)
    browser.find_element("id", "ask-write").click()
    WebDriverWait(browser, SECONDS).until(
        lambda _: browser.find_element("id", "ask-state").text == "done"
    )
    return browser.execute_script(PLACE)


def main(page: str, picture: str, theme: str = "") -> None:
    address = Path(page).resolve().as_uri()
    with tempfile.TemporaryDirectory() as scratch, headless(Path(scratch), address) as browser:
        emulate(browser, WIDTH, theme or "light")
        clip = FIRST_SCREEN if theme else asked(browser)
        given = {"clip": clip, "captureBeyondViewport": True}
        found = browser.execute_cdp_cmd("Page.captureScreenshot", given)
        Path(picture).write_bytes(base64.b64decode(found["data"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
