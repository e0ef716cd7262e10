"""A headless Chromium for pages."""

import json
import shutil
from contextlib import contextmanager

from conftest import missing

NEEDED = "pages are tested in Chromium or Chrome (Debian: apt-get install chromium chromium-driver)"
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()


@contextmanager
def headless(folder, address):
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    service = shutil.which("chromedriver")
    if not program or not service:
        missing(NEEDED)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(service))
    try:
        driver.get(address)
        yield driver
    finally:
        driver.quit()


def emulate(driver, width=1280, theme="light", media=""):
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": media, "features": [{"name": "prefers-color-scheme", "value": theme}]},
    )


def wait(driver, script, *arguments, seconds=60):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, seconds, 0.05).until(
        lambda driver: driver.execute_script(f"return {script}", *arguments)
    )


RIGHT_TO_LEFT = "\u05d4\u05d9\u05d5 \u05d4\u05d9\u05d4. \u0642\u0627\u0644!"  # Hebrew, then Arabic


def reading_order(driver, selector, text=RIGHT_TO_LEFT):
    """A text in the place of an element's: how far its first character stands from the element's
    right edge, and its places from the right, of which the first is 0."""
    return driver.execute_script(
        """const box = document.querySelector(arguments[0]), range = document.createRange()
        box.textContent = arguments[1]
        const edge = box.getBoundingClientRect().right, right = [...arguments[1]].map((_, i) => {
            range.setStart(box.firstChild, i)
            range.setEnd(box.firstChild, i + 1)
            return range.getBoundingClientRect().right
        })
        return [edge - right[0], right.map(x => right.filter(y => y > x).length)]""",
        selector,
        text,
    )


def requested(driver):
    """The addresses that the page has asked for so far."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    sent = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
    return [parameters["request"]["url"] for parameters in sent]


def overflow(driver, width):
    """By how many pixels the page is wider than a window of this width."""
    emulate(driver, width)
    script = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
    return driver.execute_script(script)
