"""The models in a report's page, asked as a person asks them: with keys, in a browser."""

from __future__ import annotations

import json
import re
import time

import pytest
from asked import make_runs
from chromium import emulate, headless
from report_sample import hostile

import textgen
from textgen.core.errors import visible
from textgen.interactive.portable import portable_model
from textgen.report.page import render_page

HOSTILE = "<img src=x onerror=alert(1)><script>document.title='caught'</script>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, corpus_folder):
    folders = make_runs(tmp_path_factory.mktemp("embedded"), corpus_folder)
    return {folder.name: folder for folder in folders}


@pytest.fixture(scope="module")
def browser(tmp_path_factory, runs):
    packed = {name: portable_model(textgen.load_run(folder)) for name, folder in runs.items()}
    left_out = {HOSTILE: HOSTILE}
    models = {"packed": packed, "left_out": left_out, "prompt": "The old"}
    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    path.write_text(render_page(*hostile(), models), encoding="utf-8")
    with headless(folder, path.as_uri()) as driver:
        yield driver


def wait(found, seconds=60):
    """What ``found`` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return value


def state(browser, text):
    return wait(lambda: browser.find_element("id", "ask-state").text == text)


def texts(browser, selector):
    return [each.text for each in browser.find_elements("css selector", selector)]


def asked(browser, text):
    """Type a text, and wait until all expect something else."""
    box = browser.find_element("id", "ask-text")
    browser.execute_script("document.getElementById('ask-next').replaceChildren()")
    browser.execute_script("arguments[0].value = arguments[1]", box, text[:-1])
    box.send_keys(text[-1])
    wait(lambda: len(browser.find_elements("css selector", "#ask-next article")) == 3)
    return box


def test_all_expect_something_and_a_token_is_taken_by_key(browser):
    from selenium.webdriver import Keys

    emulate(browser)
    box = asked(browser, "The old lighthous")
    first = browser.find_element("css selector", "#ask-next article button")
    token = first.text.replace("␣", " ")
    first.send_keys(Keys.ENTER)
    assert box.get_property("value") == "The old lighthous" + token
    shares = browser.execute_script(
        """const share = line => parseFloat(line.textContent)
        const sum = each => [...each.querySelectorAll('li span')].map(share).reduce((a, b) => a + b)
        return [...document.querySelectorAll('#ask-next article')].map(sum)"""
    )
    assert all(0 < total <= 100.5 for total in shares)


def test_three_models_write_as_the_seed_and_the_temperature_say(browser):
    from selenium.webdriver import Keys

    box = asked(browser, "The old")
    written = []
    for seed, temperature in ((1, "0.8"), (2, "0.8"), (1, "0.8"), (1, "1.4")):
        browser.execute_script(
            """document.getElementById('ask-seed').value = arguments[0]
            const warmth = document.getElementById('ask-temperature')
            warmth.value = arguments[1]
            warmth.dispatchEvent(new Event('input'))""",
            seed,
            temperature,
        )
        assert texts(browser, "#ask-warmth") == [temperature]
        box.send_keys(Keys.CONTROL, Keys.ENTER)
        state(browser, "done")
        written.append(texts(browser, "#ask-answers p"))
    assert all(len(each) == 3 for each in written)
    assert all(len(text) > 300 for text in written[0])
    assert written[0] == written[2]
    assert all(a != b for other in (1, 3) for a, b in zip(written[0], written[other], strict=True))
    kept = browser.find_element("css selector", "#ask-answers button")
    kept.send_keys(Keys.ENTER)
    assert box.get_property("value").rstrip() == written[3][0].rstrip()


def test_without_a_seed_each_text_is_another_and_its_seed_is_shown(browser):
    box = asked(browser, "The old")
    seed, written = browser.find_element("id", "ask-seed"), []
    for value in ("", "", None):
        value = seed.get_attribute("placeholder") if value is None else value
        browser.execute_script("arguments[0].value = arguments[1]", seed, value)
        browser.find_element("id", "ask-write").click()
        state(browser, "done")
        written.append(texts(browser, "#ask-answers p"))
    assert written[0] != written[1] == written[2]
    assert box.get_property("value") == "The old"


def test_a_long_text_is_stopped(browser):
    asked(browser, "The")
    browser.execute_script("document.getElementById('ask-length').value = 20000")
    browser.execute_script(
        """document.getElementById('ask-write').click()
        setTimeout(() => document.getElementById('ask-stop').click(), 150)"""
    )
    state(browser, "stopped")
    time.sleep(0.3)  # what was on its way has arrived
    before = texts(browser, "#ask-answers p")
    time.sleep(0.3)
    assert texts(browser, "#ask-answers p") == before
    assert 3 <= sum(map(len, before)) < 60_000
    browser.execute_script("document.getElementById('ask-length').value = 400")


def test_what_a_text_costs_stands_in_a_table_and_is_the_runs_own_figure(browser, runs):
    text = "The old sailor remembered the quagmires."
    asked(browser, text)
    browser.find_element("id", "ask-score").click()
    state(browser, "read")
    (sums,) = texts(browser, "#ask-sums")
    for name, folder in runs.items():
        bits = textgen.load_run(folder).score(text)["bits_per_character"]
        shown = float(re.search(rf"[ ·]{name} ([\d.]+)", sums)[1])
        assert shown == pytest.approx(bits, rel=5e-3)
    rows = texts(browser, "#ask-here tbody tr")
    assert [row.split(" ")[0] for row in rows] == ["char", "word", "subword"]
    assert browser.find_element("id", "ask-paid").text == text


def test_hostile_text_stays_text_and_nothing_leaves_the_page(browser):
    from selenium.webdriver import Keys

    asked(browser, HOSTILE)
    browser.find_element("id", "ask-score").click()
    state(browser, "read")
    assert browser.find_element("id", "ask-paid").text == HOSTILE
    browser.find_element("id", "ask-text").send_keys(Keys.CONTROL, Keys.ENTER)
    state(browser, "done")
    assert "not in the training text" in texts(browser, "#ask-answers .wrong")[0]
    assert not browser.find_elements("css selector", "#ask img, #ask script")
    assert "caught" not in browser.title
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked_for = {
        event["params"]["request"]["url"].partition(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert not asked_for & {"http", "https", "ws", "wss"}
    assert not browser.get_log("browser")


def test_control_characters_are_signs(browser):
    asked(browser, "The")
    text = "The old\x1b[31m sea\u202e and\x9b"
    box = browser.find_element("id", "ask-text")
    browser.execute_script("arguments[0].value = arguments[1]", box, text)
    browser.find_element("id", "ask-score").click()
    state(browser, "read")
    assert browser.find_element("id", "ask-paid").text == visible(text)
    grown = "const one = growing(); one.add('a\\x1bb'); return [one.text, one.span.textContent]"
    assert browser.execute_script(grown) == ["a\x1bb", "a\u241bb"]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(browser, width):
    emulate(browser, width)
    wide = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    reach, room = browser.execute_script(wide)
    assert reach <= room


def test_compare_takes_models_along(textgen, runs, tmp_path):
    found = textgen("compare", *runs.values(), "--name", "taken", "--embed", "word")
    assert found.code == 0, found.err
    content = (tmp_path / "reports/taken/index.html").read_text(encoding="utf-8")
    start = content.index('id="models">') + len('id="models">')
    assert [name for name, _ in json.loads(content[start : content.index("</script>", start)])] == [
        "word"
    ]
    assert "--embed word" in content
    wrong = textgen("compare", *runs.values(), "--embed", "words")
    assert wrong.code == 2
    assert "words" in wrong.err
    assert "char, word, subword" in wrong.err
