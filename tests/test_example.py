"""The example of docs: its page is what today's templates make of its data, and the models in it
charge what they did when they were scored.

``python tests/test_example.py`` draws the page again from its data and its models. That will do
where templates have changed; where the models inside have, CONTRIBUTING.md has the command.
"""

import json
import re

import picture
import pytest
from chromium import headless, overflow
from conftest import ROOT

from textgen.core.files import write_file
from textgen.report.comparison import Comparison
from textgen.report.page import render_page, stretches
from textgen.report.schema import Texts

FOLDER = ROOT / "docs" / "example"
PAGE = FOLDER / "index.html"
PRICE = """const [name, text, end] = arguments
    const rows = JSON.parse(document.getElementById("models").textContent)
    embedded(rows).find(model => model.name === name).price(text).then(end)"""


def texts() -> Texts:
    return Texts.model_validate_json((FOLDER / "texts.json").read_bytes())


def drawn_again() -> str:
    page = PAGE.read_text("utf-8")
    rows, words = (
        re.search(r'id="models">(.*?)</script>', page),
        re.search(r'"(data:text/csv.*?)"', page),
    )
    packed = {name: packed for name, *_, packed in json.loads(rows[1])}
    models = {"packed": packed, "left_out": {}, "words": words[1]}
    return render_page(Comparison(FOLDER).report, texts(), models)


def test_the_page_is_what_the_templates_make_of_its_data():
    version = re.compile(r"textgen \S+\. Text ")  # which made the figures
    page, again = (version.sub("", each) for each in (PAGE.read_text("utf-8"), drawn_again()))
    same = page == again  # so that a failure does not print megabytes
    assert same, "the page is not what the templates make of the data beside it"


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
    write_file(PAGE, drawn_again())
