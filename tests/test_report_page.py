"""A report's page as a browser shows it: order, hovers, themes, widths, print, silence."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from report_sample import RANKED, hostile

from textgen.evaluation import UNCHARGED
from textgen.report.cells import cleaned
from textgen.report.drawing import THEMES
from textgen.report.page import page

NEEDED = (
    "The page of a report is tested in a browser: install Chromium or Chrome and its driver "
    "(Debian: apt-get install chromium chromium-driver)."
)
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
).split()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that shows the hostile report."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    service = shutil.which("chromedriver")
    if not program or not service:
        pytest.fail(NEEDED, pytrace=False)
    from selenium import webdriver

    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    path.write_text(page(*hostile()), encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=service)
    )
    driver.get(path.as_uri())
    yield driver
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


def style(driver, selector, name="backgroundColor"):
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return driver.execute_script(script, selector, name)


def cells(driver, selector):
    script = """return [...document.querySelectorAll(arguments[0])]
        .map(row => [...row.cells].map(cell => cell.textContent.trim()))"""
    return driver.execute_script(script, selector)


def test_the_browser_shows_the_arms_in_order_with_their_figures(browser):
    emulate(browser)
    rows = cells(browser, ".t-main tbody:not(.quiet) tr")
    marked = [cleaned(name) + " †" * ("pos" in name) for name in RANKED]  # it has a tagger
    assert [row[0] for row in rows] == marked
    assert [row[1] for row in rows] == ["1.707", "1.726", "1.825", "1.906", UNCHARGED]
    assert rows[0][2] == "1.692–1.724"
    assert rows[1][3] == "1.526 + 0.200"
    references = cells(browser, ".t-main tbody.quiet tr:not(.group)")
    assert [row[0] for row in references][::3] == ["PPMd", "unigram"]
    assert browser.title.startswith("<script>")


def test_a_stretch_tells_its_bits_to_mouse_and_keyboard(browser):
    from selenium.webdriver import ActionChains, Keys

    emulate(browser)
    tip = browser.find_element("id", "tip")
    assert not tip.is_displayed()
    places = browser.find_elements("css selector", ".panel.p0 .text i")
    into_view = """arguments[0].scrollIntoView({block: 'center'})
        const done = arguments[1]
        requestAnimationFrame(() => requestAnimationFrame(done))"""
    browser.execute_async_script(into_view, places[3])  # scrolling hides what was shown
    for place, reach in (
        (3, ActionChains(browser).move_to_element(places[3])),
        (4, ActionChains(browser).click(places[3]).send_keys(Keys.ARROW_RIGHT)),
    ):
        reach.perform()
        model, spelling, length = map(float, places[place].get_attribute("data-b").split())
        assert tip.is_displayed()
        assert f"{model:.2f} model + {spelling:.2f} spelling" in tip.text
        assert f"{(model + spelling) / length:.2f} bits per character" in tip.text
    assert browser.switch_to.active_element == places[4]
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


def test_the_theme_follows_the_system_and_the_button(browser):
    light, dark = (THEMES[theme]["paper"] for theme in ("light", "dark"))

    def paper():
        return "#{:02x}{:02x}{:02x}".format(*map(int, re.findall(r"\d+", style(browser, "body"))))

    seen = []
    for theme in ("light", "dark"):
        emulate(browser, theme=theme)
        seen.append(
            (paper(), style(browser, ".h9"), style(browser, ".drawing [data-arm] path", "stroke"))
        )
    assert (seen[0][0], seen[1][0]) == (light, dark)
    assert all(a != b for a, b in zip(*seen, strict=True))
    button = browser.find_element("id", "theme")
    browser.execute_script("scrollTo(0, 0)")
    button.click()
    assert paper() == light
    button.click()
    assert paper() == dark
    browser.execute_script("delete document.documentElement.dataset.theme")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways(browser, width):
    emulate(browser, width)
    script = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
    assert browser.execute_script(script) == 0
    script = """const table = document.querySelector('.t-metrics .scroll')
        return [table.scrollWidth, table.clientWidth]"""
    inner, outer = browser.execute_script(script)
    assert (inner > outer) == (width == 390)


def test_print_shows_everything_on_white(browser):
    emulate(browser, media="print", theme="dark")
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.offsetHeight)"
    panels = browser.execute_script(script, ".panel")
    assert len(panels) == 4
    assert all(panels)
    assert all(browser.execute_script(script, "figure, table, .sample"))
    assert set(browser.execute_script(script, "nav, #theme, .choice")) == {0}
    assert style(browser, "body") == "rgb(255, 255, 255)"


def test_all_arms_of_the_passage_are_reached_without_scripts(browser):
    emulate(browser)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        panels = browser.find_elements("css selector", ".panel")
        for number in (2, 0):
            browser.find_element("css selector", f"label[for=show-{number}]").click()
            shown = [
                p.get_attribute("class")
                for p in panels
                if p.value_of_css_property("display") != "none"
            ]
            assert shown == [f"panel p{number}"]
        browser.find_element("css selector", "label[for=show-all]").click()
        assert {p.value_of_css_property("display") for p in panels} == {"block"}
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        browser.refresh()


def test_nothing_is_fetched_and_the_console_is_silent(browser):
    browser.get_log("performance")
    browser.refresh()
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert all(url.startswith(("file:", "data:")) for url in asked)
