"""The example of docs: its page is what today's templates make of its data, and the models in it
charge what they did when they were scored.

``python tests/test_example.py`` draws the page again from its data and its models, and puts the
models beside it. That will do where templates have changed; where the models have, CONTRIBUTING.md
has the command.
"""

import json
import re

import picture
import pytest
from chromium import headless, overflow, requested, wait
from conftest import ROOT

from textgen.core.files import write_file
from textgen.report.comparison import Comparison
from textgen.report.page import render_page, script_of_model, stretches
from textgen.report.schema import NextStep, Texts

FOLDER = ROOT / "docs" / "example"
PAGE = FOLDER / "index.html"
MODELS = FOLDER / "models"
# What who sees the example can do: there is more to learn from texts of one's own.
NEXT_STEP = NextStep(
    purpose="On your own texts, in a clone of textgen", command="uvx --from . textgen try my_texts"
)
LARGEST = 2e6  # bytes that a visitor loads at first sight
PRICE = """const [name, text, end] = arguments
    const rows = JSON.parse(document.getElementById("models").textContent)
    embedded(rows).find(model => model.name === name).price(text).then(end)"""


def texts() -> Texts:
    return Texts.model_validate_json((FOLDER / "texts.json").read_bytes())


def packed_models() -> dict[str, str]:
    """Each model as base64: in the page, as a study writes it, or in a script beside it."""
    (rows,) = re.findall(r'id="models">(.*?)</script>', PAGE.read_text("utf-8"))
    scripts = "".join(path.read_text("utf-8") for path in sorted(MODELS.glob("*.js")))
    beside = dict(re.findall(r'^packed\["(\w+)"\] = "(.*)"$', scripts, re.MULTILINE))
    return {name: packed or beside[name] for name, _, _, packed, *_ in json.loads(rows)}


def drawn_again() -> str:
    """With its models beside it."""
    (words,) = re.findall(r'"(data:text/csv.*?)"', PAGE.read_text("utf-8"))
    packed = packed_models()
    beside = {name: f"{MODELS.name}/{name}.js" for name in packed}
    models = {"packed": packed, "left_out": {}, "words": words, "beside": beside}
    report = Comparison(FOLDER).report
    report.next_step = NEXT_STEP
    return render_page(report, texts(), models)


def draw_again() -> None:
    page = drawn_again()
    for name, packed in packed_models().items():
        write_file(MODELS / f"{name}.js", script_of_model(name, packed))
    write_file(PAGE, page)


def test_the_page_is_what_the_templates_make_of_its_data():
    version = re.compile(r"textgen \S+\. Text ")  # which made the figures
    page, again = (version.sub("", each) for each in (PAGE.read_text("utf-8"), drawn_again()))
    same = page == again  # so that a failure does not print megabytes
    assert same, "the page is not what the templates make of the data beside it"
    assert PAGE.stat().st_size < LARGEST


def scripts_loaded(driver) -> set[str]:
    """The names of those that a page has asked for since the last call."""
    start = f"{MODELS.as_uri()}/"
    return {each.removeprefix(start) for each in requested(driver) if each.startswith(start)}


def test_models_beside_the_page_are_loaded_when_they_are_asked_and_not_before(tmp_path):
    with headless(tmp_path, PAGE.as_uri()) as driver:
        driver.execute_script("document.getElementById('ask-form').scrollIntoView()")
        assert not scripts_loaded(driver)
        driver.execute_script("document.getElementById('ask-length').value = 40")
        driver.find_element("id", "ask-write").click()
        wait(driver, "document.getElementById('ask-state').textContent === 'done'", seconds=120)
        written = driver.find_elements("css selector", "#ask-models .answer")
        assert all(len(column.text) > 20 for column in written)
        assert scripts_loaded(driver) == {path.name for path in MODELS.glob("*.js")}


def test_models_in_it_charge_what_their_runs_did(tmp_path):
    opening = next(p for p in texts().passages if p.part == "network" and not p.start)
    assert opening.arms.keys() == {arm.name for arm in Comparison(FOLDER).report.arms}
    with headless(tmp_path, PAGE.as_uri()) as driver:
        driver.set_script_timeout(120)
        assert max(overflow(driver, width) for width in (390, 1280)) <= 0
        for name, stretches in opening.arms.items():
            found = driver.execute_async_script(PRICE, name, opening.text)["stretches"]
            own = {(row["start"], row["end"]): row["network"] for row in found}
            bits = {(start, end): sum(both) for start, end, *both in stretches[:-1]}
            assert own.keys() >= bits.keys()
            assert sum(own[key] for key in bits) == pytest.approx(sum(bits.values()), rel=2e-3)
        assert not driver.get_log("browser")


def test_the_passage_that_readme_shows_is_one_text_under_each_model():
    passage = picture.paragraph(picture.typical(FOLDER))
    assert 200 < len(passage.text) <= picture.PASSAGE_CHARACTERS
    for name in picture.ARMS:
        assert "".join(text for text, *_ in stretches(passage, name)) == passage.text
        ends = [end for _, end, *_ in passage.arms[name]]
        assert [0, *ends[:-1]] == [start for start, *_ in passage.arms[name]]
        assert ends[-1] == len(passage.text)


if __name__ == "__main__":
    draw_again()
