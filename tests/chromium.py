"""A headless Chromium for pages."""

import json
import os
import shutil
from contextlib import contextmanager

import pytest

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
        missing = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
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
