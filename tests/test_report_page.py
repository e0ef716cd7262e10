"""A report's page as a browser shows it: first screen, pointing, choosing, widths, print."""

import re

import pytest
from chromium import RIGHT_TO_LEFT, emulate, headless, overflow, reading_order, requested
from report_sample import BITS, RANKED, hostile, sample
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select
from test_learning import report_with_points

from textgen.core.terminal import visible
from textgen.report.page import render_page
from textgen.report.schema import Caution

pytestmark = pytest.mark.long

ARMS = {"char": 1.906, "subword": 1.8, "word": 1.707}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    path.write_text(render_page(*hostile()), encoding="utf-8")
    with headless(folder, path.as_uri()) as driver:
        yield driver


@pytest.fixture
def shown(browser, tmp_path):
    """A function that opens another report, as it is or of totals; afterwards the browser shows the
    hostile one again."""
    address = browser.current_url

    def show(made, warnings=()):
        report, written = sample(made) if isinstance(made, dict) else made
        report.warnings = list(warnings)
        (tmp_path / "index.html").write_text(render_page(report, written), encoding="utf-8")
        browser.get((tmp_path / "index.html").as_uri())
        emulate(browser)
        return browser

    browser.get_log("browser")
    yield show
    browser.get(address)


def texts(driver, selector):
    return [each.text for each in driver.find_elements("css selector", selector)]


def value(driver, script, *arguments):
    return driver.execute_script(f"return {script}", *arguments)


OPEN = "document.querySelectorAll('details').forEach(each => { each.open = true })"


def test_arms_are_in_order_hostile_names_are_text_and_nothing_is_too_wide(browser):
    emulate(browser)
    rows = "#arms .row:not(.quiet)"
    names = [visible(name).replace("\ud800", "\ufffd") for name in RANKED[:4]]
    assert texts(browser, f"{rows} bdi") == names
    assert texts(browser, f"{rows} > b") == [f"{bits:.3f}" for bits in sorted(filter(None, BITS))]
    browser.execute_script(OPEN)
    assert [overflow(browser, width) for width in (390, 1280)] == [0, 0]
    browser.refresh()


def test_the_answer_is_on_the_first_screen_and_printed_on_white_paper(shown):
    driver = shown(ARMS)
    emulate(driver, 390)
    assert "0.106 fewer bits per character" in texts(driver, ".said")[0]
    explained = texts(driver, "#arms .row:not(.quiet) small")
    assert len(explained) == len(ARMS)
    assert all(explained)
    first, *others = ARMS
    sides = [["← better: " + name, "0", f"better: {first} →"] for name in others]
    assert [said.split("\n") for said in texts(driver, ".contrasts .ends")] == sides
    assert value(driver, "document.getElementById('answer').getBoundingClientRect().bottom") < 844
    for media, paper in (("", "rgb(20, 22, 26)"), ("print", "rgb(253, 252, 249)")):
        emulate(driver, media=media, theme="dark")
        assert value(driver, "getComputedStyle(document.body).backgroundColor") == paper
    cut = "[...document.querySelectorAll('q,.warned')].filter(q => q.scrollHeight > q.clientHeight)"
    assert value(driver, f"{cut}.length") == 0  # in print


def test_words_and_points_of_a_curve_are_read_with_pointer_and_arrow_keys(shown):
    driver = shown({"char": 1.9, "word": 1.7})
    tip = driver.find_element("id", "tip")
    assert not tip.is_displayed()
    words = driver.find_elements("css selector", "[data-name=word] .text i")
    ActionChains(driver).move_to_element(words[2]).perform()
    covered = driver.find_elements("css selector", "[data-name=char] .text i.on")
    text, *single = (value(driver, "arguments[0].textContent", e) for e in (words[2], *covered))
    assert "".join(single) == text
    for name, elements in (("word", words[2:3]), ("char", covered)):
        said = float(re.search(rf"{name} ([\d.]+) bits", tip.text)[1])
        bits = " ".join(each.get_attribute("data-b") for each in elements)
        assert said == pytest.approx(sum(map(float, bits.split())), abs=0.051)
    ActionChains(driver).click(words[2]).send_keys(Keys.ARROW_RIGHT).perform()
    before = tip.text
    ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert tip.text != before
    ActionChains(driver).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()
    report, _ = sample({"char": 1.9, "word": 1.7})
    point = driver.find_element("css selector", ".plot:not([hidden]) .dot")
    assert (point.aria_role, point.accessible_name) == ("image", point.get_attribute("data-t"))
    point.send_keys(Keys.ARROW_RIGHT * 2)
    arm = next(arm for arm in report.arms if tip.text.startswith(arm.name))
    means = [sum(ys) / 2 for ys in zip(*(c.validation for c in arm.curves), strict=True)]
    assert tip.text.rpartition(" ")[2] in [f"{mean:.3f}" for mean in means]


def test_a_slider_shows_what_networks_wrote_and_scored_after_ever_more_compute(shown):
    driver = shown(report_with_points())
    slider = driver.find_element("id", "moment")
    seconds = ["4.0 s", "6.0 s", "10 s", "18 s"]
    wrote = ["4 updates", "8 updates", "16 updates", "32 updates"]
    assert slider.is_displayed()
    for number in (3, 2, 1, 0, 0):
        assert texts(driver, "#watch output") == seconds[number : number + 1]
        assert slider.get_attribute("aria-valuetext") == seconds[number]
        assert texts(driver, "#watch .look:not([hidden]) p") == 2 * wrote[number : number + 1]
        slider.send_keys(Keys.ARROW_LEFT)
    assert texts(driver, "#watch .look:not([hidden]) b") == ["3.200", "4.000"]
    widths = [bar.size["width"] for bar in driver.find_elements("css selector", "#watch .bar")]
    assert widths[-4] == max(widths)
    assert [overflow(driver, width) for width in (390, 1280)] == [0, 0]
    emulate(driver, media="print")
    assert [*filter(None, texts(driver, "#watch .look p"))] == 2 * wrote[3:]
    assert not slider.is_displayed()
    emulate(driver)
    address = driver.current_url
    driver.get("about:blank")
    driver.get(address)
    assert texts(driver, "#watch output") == seconds[:1]
    driver.find_element("css selector", "#arms input").click()
    assert texts(driver, "#watch article h3") == ["", "char"]


def test_text_that_is_written_from_right_to_left_stands_so(shown):
    driver = shown({"char": 1.9, "word": 1.7})
    for selector in (".wrote q", ".passage .text", ".choice:not([hidden]) > .sample p"):
        gap, places = reading_order(driver, selector)
        assert (gap < 2, places) == (True, list(range(len(RIGHT_TO_LEFT)))), selector


def test_one_thing_of_several_is_shown_and_the_address_keeps_the_choice(shown):
    driver = shown(ARMS)
    for name, choices in (("passage", "#why"), ("sample", "#try"), ("axis", "#learned"),
                          ("temperature", "#human")):  # fmt: skip
        select, blocks = Select(driver.find_element("id", name)), f"{choices} .choice"
        for number in range(len(select.options)):
            select.select_by_index(number)
            displayed = [e.is_displayed() for e in driver.find_elements("css selector", blocks)]
            assert displayed == [place == number for place in range(len(select.options))]
    address = driver.current_url
    driver.get("about:blank")
    driver.get(address)
    assert value(driver, "document.getElementById('sample').selectedIndex") > 0
    assert "word 1.2" in texts(driver, "#try .choice:not([hidden])")[0]


@pytest.mark.parametrize("left_out", ARMS)
def test_an_arm_that_is_left_out_takes_along_what_speaks_of_it(shown, left_out):
    first, *others = [f"arm-{name}" for name in ARMS]
    warnings = [
        Caution(text=f"{first} and {others[0]} differ.", arms=[first, others[0]]),
        Caution(text="Some are small:", by_arm={others[0]: "is", others[1]: "is, too"}),
        Caution(text="Only one is slow:", by_arm={first: "is"}),
    ]
    driver = shown({f"arm-{name}": total for name, total in ARMS.items()}, warnings)
    driver.execute_script(OPEN)
    box = driver.find_element("css selector", f"#arms input[data-name=arm-{left_out}]")
    everything = "document.querySelector('main').innerText"
    assert value(driver, everything).count(f"arm-{left_out}") > 10
    box.click()
    said = value(driver, everything)
    assert said.count(f"arm-{left_out}") == 1  # beside its own box
    assert all(f"arm-{name}" in said for name in ARMS if name != left_out)
    assert ("Only one is slow" in said) == (left_out != "char")
    assert "Some are small" in said
    marked = f"main [data-arm~='{box.get_attribute('value')}']"
    seen = [each.is_displayed() for each in driver.find_elements("css selector", marked)]
    assert {*seen} == {False}
    assert "off=" in driver.current_url
    begins = "(box => [...box.querySelectorAll('[tabindex=\"0\"]')].some(it => it.offsetParent))"
    charts = "[...document.querySelectorAll('.plot,.strip,.bars')].filter(box => box.offsetParent)"
    assert value(driver, f"{charts}.filter(box => box.querySelector('[data-t]')).every{begins}")
    box.click()
    stops = "[...document.querySelectorAll('.plot,.strip,.bars')].map(box => box.querySelectorAll("
    assert {*value(driver, f"{stops}'[data-t][tabindex=\"0\"]').length)")} <= {0, 1}


def test_nothing_is_fetched_and_the_console_is_silent(shown):
    for totals in ({"one": None, "two": None}, ARMS, {"one": 1.9}):
        driver = shown(totals)
        driver.get_log("performance")
        driver.refresh()
        assert not [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
        kinds = {url.partition(":")[0] for url in requested(driver)}
        assert kinds
        assert kinds <= {"file", "data"}
