"""A picture of the models that are asked in a report: how the one in docs/interactive.md is made.

    python experiments/picture.py reports/char-word/index.html ask.png

Needs Chromium, its driver, and ``pip install ".[test]"``. The models write after the prompt that
the page begins with, at temperature 0.8 and seed 1: the same page gives the same picture.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from selenium.webdriver.support.ui import WebDriverWait

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from chromium import emulate, headless

WIDTH, SECONDS, CHARACTERS = 1280, 120, 300
PLACE = """scrollTo(0, 0)
    const box = document.getElementById("ask").getBoundingClientRect()
    return {x: 0, y: box.y + scrollY, width: innerWidth, height: box.height + 20, scale: 1}"""


def main(page: str, picture: str) -> None:
    with (
        tempfile.TemporaryDirectory() as scratch,
        headless(Path(scratch), Path(page).resolve().as_uri()) as browser,
    ):
        emulate(browser, WIDTH)
        browser.execute_script(
            "document.getElementById('ask-length').value = arguments[0]", CHARACTERS
        )
        browser.find_element("id", "ask-write").click()
        WebDriverWait(browser, SECONDS).until(
            lambda _: browser.find_element("id", "ask-state").text == "done"
        )
        clip = browser.execute_script(PLACE)
        given = {"clip": clip, "captureBeyondViewport": True}
        found = browser.execute_cdp_cmd("Page.captureScreenshot", given)
        Path(picture).write_bytes(base64.b64decode(found["data"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
