"""A report's page as a browser shows it: order, hovers, themes, widths, print, silence."""

from __future__ import annotations

import json
import re

import pytest
from chromium import emulate, headless
from report_sample import RANKED, hostile, sample

from textgen.data.documents import Document
from textgen.evaluation.units import UNCHARGED
from textgen.report.breakdown import passages
from textgen.report.drawing import THEMES
from textgen.report.page import page
from textgen.report.tables import cleaned


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that shows the hostile report."""
    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    path.write_text(page(*hostile()), encoding="utf-8")
    with headless(folder, path.as_uri()) as driver:
        yield driver


def style(driver, selector, name="backgroundColor"):
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    return driver.execute_script(script, selector, name)


def cells(driver, selector):
    script = """const shown = cell => cell.querySelector("th > .arm-name") ?? cell
        return [...document.querySelectorAll(arguments[0])]
            .map(row => [...row.cells].map(cell => shown(cell).textContent.trim()))"""
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


def test_an_arm_has_beside_its_name_what_it_is(browser):
    emulate(browser)
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
    for place in (".t-main tbody th", "#arms label"):
        told = browser.execute_script(script, f"{place} .under")
        assert told == [f"words; what {cleaned(name)} is" for name in RANKED]


def test_a_stretch_tells_its_bits_to_mouse_and_keyboard(browser):
    from selenium.webdriver import ActionChains, Keys

    emulate(browser)
    ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element.get_attribute("class") == "skip"
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


def test_the_page_opens_with_the_answer_and_its_picture(browser):
    emulate(browser)
    said = browser.find_element("css selector", "header .opening")
    first, picture = (
        hostile()[0]["contrasts"][0],
        browser.find_element("css selector", "header svg"),
    )
    assert cleaned(first["first"]) in said.text
    assert f"{abs(first['difference']):.2f} bits per character" in said.text
    assert picture.get_attribute("role") == "img"
    assert said.location["y"] < picture.location["y"] < 500


def readout(driver, key):
    """The chart whose curve has a key, and what is read out below it."""
    chart = driver.find_element("css selector", f"[data-values]:has(#{key}-title)")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    return chart, driver.find_element("css selector", f"[data-values]:has(#{key}-title) + .readout")


def test_a_chart_tells_its_values_to_keyboard_and_pointer(browser):
    from selenium.webdriver import ActionChains, Keys

    emulate(browser)
    row = next(r for r in hostile()[0]["arms"] if r["name"] == "char")
    validation = [
        sum(each) / 2 for each in zip(*(c["validation"] for c in row["curves"]), strict=True)
    ]
    chart, said = readout(browser, "curve-seconds")
    assert "arrow keys" in said.text
    chart.send_keys(Keys.ARROW_RIGHT)  # the uppermost curve is that of the worst arm
    chart.send_keys(Keys.ARROW_RIGHT * 5)
    assert f"char, 1:18 of training: {validation[5]:.3f} bits per character" in said.text
    assert f"mean of {row['curves'][0]['validation'][5]:.3f}" in said.text
    chart.send_keys(Keys.ARROW_DOWN)
    assert said.text == "character 6-gram, 1.931 bits per character"  # its dotted line
    chart.send_keys(Keys.ARROW_DOWN * 2)
    assert re.search("1:18 of training: 1\\.9.*bits per character", said.text)
    chart.send_keys(Keys.END)
    assert "3:02 of training" in said.text
    chart.send_keys(Keys.ESCAPE)
    assert "arrow keys" in said.text
    chart, said = readout(browser, "documents")
    dot = chart.find_elements("css selector", ".arm[data-arm='3'] use")[-1]
    ActionChains(browser).move_to_element(dot).perform()
    hardest = max(hostile()[0]["documents"], key=lambda d: sum(d["bits"].values()))
    assert said.text == f"char, {hardest['name']}: {hardest['bits']['char']:.3f} bits per character"
    chart.send_keys(Keys.ARROW_DOWN)
    assert said.text.startswith("char, ")
    place = "const b = arguments[0].getBoundingClientRect(); return {x: b.x + 2, y: b.y + 2}"
    finger = browser.execute_script(place, dot)
    for kind, points in (("touchStart", [finger]), ("touchEnd", [])):
        touch = {"type": kind, "touchPoints": points}
        browser.execute_cdp_cmd("Input.dispatchTouchEvent", touch)
    assert said.text.startswith(f"char, {hardest['name']}: ")
    browser.execute_script("document.querySelector('.keys [aria-pressed=true]').click()")
    emulate(browser, media="print")
    assert not said.is_displayed()
    emulate(browser)


def shown_rows(driver):
    return [row[0] for row in cells(driver, ".t-main tbody:not(.quiet) tr:not(.off)")]


def test_arms_are_sorted_and_left_out_and_the_address_keeps_it(browser):
    emulate(browser)
    address = browser.current_url
    first = shown_rows(browser)
    buttons = browser.find_elements("css selector", ".t-main thead button")
    browser.execute_script("arguments[0].click()", buttons[1])
    browser.execute_script("arguments[0].click()", buttons[1])
    figures = [row[1] for row in cells(browser, ".t-main tbody:not(.quiet) tr")]
    assert figures[:4] == ["1.906", "1.825", "1.726", "1.707"]
    assert figures[4] == UNCHARGED  # what has no figure is last, whatever the order
    box = browser.find_element("css selector", "#arms input[data-name=word_pos]")
    browser.execute_script("arguments[0].click()", box)
    assert len(shown_rows(browser)) == len(first) - 1
    assert "word_pos †" not in shown_rows(browser)
    assert not browser.find_elements(
        "css selector", f".drawing .arm[data-arm='{box.get_attribute('value')}']:not(.off)"
    )
    kept = browser.current_url
    assert "sort=1d" in kept
    browser.get("about:blank")
    browser.get(kept)
    assert shown_rows(browser)[0].startswith("char")
    assert len(shown_rows(browser)) == len(first) - 1
    browser.execute_script("document.querySelector('nav a').click()")
    assert "#answers&sort=1d" in browser.current_url
    browser.get("about:blank")
    browser.get(address)
    assert shown_rows(browser) == first


@pytest.fixture
def shown(browser, tmp_path):
    """A function that opens another report; afterwards the browser shows the hostile one again."""
    address = browser.current_url

    def show(report, texts):
        (tmp_path / "index.html").write_text(page(report, texts), encoding="utf-8")
        browser.get_log("browser")
        browser.get((tmp_path / "index.html").as_uri())

    yield show
    browser.get(address)


def test_columns_are_sorted_by_values_whatever_their_unit(browser, shown):
    report, texts = sample({"large": 1.9, "small": 1.7, "free": None, "middle": 1.8})
    values = {
        "large": (8.61e6, 0.12e9),
        "small": (3550, 98e3),
        "free": (2e6, 1e6),
        "middle": (640e3, 9e3),
    }
    for row in report["arms"]:
        row["parameters"], row["characters"] = values[row["name"]]
    shown(report, texts)
    buttons = browser.find_elements("css selector", ".t-main thead button")
    names = [button.text.lower() for button in buttons]
    for place, title in enumerate(("parameters", "characters seen")):
        browser.execute_script("arguments[0].click()", buttons[names.index(title)])
        expected = sorted(values, key=lambda name: values[name][place])
        assert shown_rows(browser) == expected
    browser.execute_script("arguments[0].click()", buttons[names.index("with memory")])
    assert shown_rows(browser) == ["small", "middle", "large", "free"]


def test_a_report_of_arms_without_bits_works(browser, shown):
    report, texts = sample({"one": None, "two": None})
    texts["passages"] = passages([Document("a tale", "It was a dark night.")], [])
    shown(report, texts)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.find_element("id", "drawn").is_displayed()


def test_any_passage_is_seen_under_all_arms_at_one_place(browser):
    from selenium.webdriver import Keys
    from selenium.webdriver.support.ui import Select

    emulate(browser)
    texts = cleaned(hostile()[1])
    assert browser.find_element("id", "aligned").is_displayed()
    for number, passage in enumerate(texts["passages"]):
        where = browser.find_element("id", "where")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", where)
        Select(where).select_by_index(number)
        box = browser.find_element("id", "paid")
        assert box.get_property("textContent") == passage["text"]
        box.send_keys(Keys.ARROW_RIGHT * 3)
        start = browser.execute_script(
            "let n = 0; for (const s of document.querySelectorAll('#paid span')) "
            "{ if (s.classList.contains('on')) return n; n += [...s.textContent].length }"
        )
        rows = {row[0]: row for row in cells(browser, "#here tbody tr")}
        assert rows.keys() == passage["arms"].keys()
        for name, spans in passage["arms"].items():
            a, b, model, spelling = next(s for s in spans if s[0] <= start < s[1])
            assert [float(x) for x in rows[name][2:6]] == pytest.approx(
                [model, spelling, model + spelling, (model + spelling) / (b - a)], abs=0.0051
            )
    shade = Select(browser.find_element("id", "shade"))
    assert len(shade.options) == 4 + 4 * 3 // 2
    shade.select_by_index(5)
    assert browser.find_elements("css selector", "#paid span.less")


def test_samples_of_any_temperature_stand_side_by_side(browser):
    from selenium.webdriver.support.ui import Select

    emulate(browser)
    texts = cleaned(hostile()[1])["sweep"]
    Select(browser.find_element("id", "warmth")).select_by_index(2)
    Select(browser.find_element("id", "which")).select_by_index(1)
    found = browser.execute_script(
        "return [...document.querySelectorAll('#drawn-texts .sample')]"
        ".map(each => [each.children[0].textContent, each.children[1].textContent])"
    )
    assert dict(found) == {name: made[2][1] for name, made in texts["arms"].items()}
    assert "t=2" in browser.current_url
    assert browser.title.startswith("<script>")  # hostile text is still text
