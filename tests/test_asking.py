"""The models in a report's page, asked as a person asks them, in a browser."""

from __future__ import annotations

import json
import re

import pytest
from asked import asked_runs, element, finish, price, set_value, shown, type_text, write
from chromium import headless, overflow, requested
from report_sample import hostile

import textgen
from textgen.core.errors import visible
from textgen.interactive.portable import portable_model
from textgen.report.page import render_page

HOSTILE = "<img src=x onerror=alert(1)><script>document.title='caught'</script>"


@pytest.fixture(scope="module")
def runs(finished_run):
    return {folder.name: folder for folder in asked_runs(finished_run)}


@pytest.fixture(scope="module")
def arms(runs):
    """The runs under names of the report's arms."""
    names = filter(str.isprintable, hostile()[0].numbers)
    return dict(zip(names, runs.values(), strict=False))


@pytest.fixture(scope="module")
def browser(tmp_path_factory, arms):
    packed = {name: portable_model(textgen.load_run(folder)) for name, folder in arms.items()}
    folder = tmp_path_factory.mktemp("page")
    path = folder / "index.html"
    content = render_page(*hostile(), {"packed": packed, "left_out": {HOSTILE: HOSTILE}})
    path.write_text(content, encoding="utf-8")
    with headless(folder, path.as_uri()) as driver:
        yield driver


def test_all_models_write_once_the_section_is_seen(browser, arms):
    assert max(overflow(browser, width) for width in (390, 1280)) <= 0
    assert set(shown(browser).values()) == {""}
    browser.execute_script("arguments[0].scrollIntoView()", element(browser, "form"))
    finish(browser)
    texts = shown(browser)
    assert texts.keys() == arms.keys()
    assert {len(text) for text in texts.values()} == {400}


def test_a_seed_repeats_a_text_and_a_next_token_is_added(browser):
    set_value(browser, "length", 60)
    type_text(browser, "The old lighthous")
    browser.find_element("css selector", "#ask .next button:enabled").click()
    start = element(browser, "text").get_property("value")
    assert re.match("The old lighthous.", start)
    set_value(browser, "seed", 1)
    first = write(browser)
    assert all(text.startswith(start) for text in first.values())
    assert first == write(browser)
    set_value(browser, "seed", 2)
    assert first != write(browser)


def test_a_text_costs_what_the_run_says(browser, arms):
    text = "The old sailor remembered the quagmires."
    type_text(browser, text)
    notes = price(browser)
    for name, folder in arms.items():
        expected = textgen.load_run(folder).score(text)["bits_per_character"]
        found = float(re.search(r"[\d.]+", notes[name])[0])
        assert found == pytest.approx(expected, rel=5e-3, abs=1e-3)
    assert set(shown(browser).values()) == {text}


def test_hostile_text_stays_text_and_nothing_leaves_the_page(browser):
    type_text(browser, HOSTILE)
    price(browser)
    assert set(shown(browser).values()) == {HOSTILE}
    write(browser)
    assert "ot in the training text" in next(filter(None, shown(browser, ".wrong").values()))
    assert not browser.find_elements("css selector", "#ask img, #ask script")
    assert "caught" not in browser.title
    text = "The old\x1b[31m sea\u202e and\x9b"
    set_value(browser, "text", text)
    price(browser)
    assert set(shown(browser).values()) == {visible(text)}
    kinds = {url.partition(":")[0] for url in requested(browser)}
    assert not kinds & {"http", "https", "ws", "wss"}
    assert not browser.get_log("browser")


def test_compare_holds_the_models_that_are_named(textgen, runs, tmp_path):
    found = textgen("compare", *runs.values(), "--name", "held", "--embed", "word")
    assert found.code == 0, found.err
    content = (tmp_path / "reports/held/index.html").read_text(encoding="utf-8")
    rows = json.loads(re.search(r'id="models">(.*?)</script>', content, re.DOTALL)[1])
    assert [name for name, *_ in rows] == ["word"]
    assert "--embed word" in content
    wrong = textgen("compare", *runs.values(), "--embed", "words")
    assert wrong.code == 2
    assert "words" in wrong.err
    assert "char, word, subword" in wrong.err
