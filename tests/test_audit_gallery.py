"""Faults of published figures, as small models: docs/audit-gallery.md says what catches each."""

import re

import published
import pytest
from conftest import ROOT, made_up
from published import Bytes, detokenised

import textgen as package

pytestmark = pytest.mark.fast

PAGE = (ROOT / "docs/audit-gallery.md").read_text(encoding="utf-8")
ENGLISH = made_up(40, 3)[:700]
# the same, as WikiText is published
SPACED = re.sub(r"([.!?;])", r" \1", ENGLISH).replace("old harbour", "old @-@ harbour")
GREEK = "Στο παλιό λιμάνι ο φύλακας άναψε ξανά το φανάρι, και ένας γλάρος τον κοίταξε. " * 2
TEXTS = {"English": ENGLISH, "Greek": GREEK, "English as in WikiText": SPACED}
HONEST = {published.Bytes, published.SpaceAsThreeTokens}
MODELS = [
    each
    for each in vars(published).values()
    if isinstance(each, type) and issubclass(each, Bytes) and each not in HONEST
]
# | model | text | how far below | what fails |
ROW = re.compile(r"^\| `(\w+)` \|.*\| ([^|]+) \| ([\d.]+)% \| ([^|]+) \|$", re.MULTILINE)
ROWS = {name: (text, float(below), failed) for name, text, below, failed in ROW.findall(PAGE)}


@pytest.fixture(autouse=True)
def _few_short_texts(monkeypatch):
    monkeypatch.setattr("textgen.auditing.checks.SHORT_TEXT_PLACES", 60)


def honest_claim(text):
    return Bytes().claim(text)["value"]


def test_the_page_has_every_model():
    assert [*ROWS] == [model.__name__ for model in MODELS]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_published_fault_is_caught_as_the_page_says(model):
    name, below, failed = ROWS[model.__name__]
    text = TEXTS[name]
    audit = package.audit_model(model, text)
    assert set(audit.failed) == set(failed.split(", "))
    repaired = model.__mro__[1]  # without the method at fault
    assert not package.audit_model(repaired, text).failed
    true = repaired().claim(text)["value"]
    assert 100 * (1 - model().claim(text)["value"] / true) == pytest.approx(below, abs=0.05)


def test_of_english_letters_a_replacement_character_changes_nothing():
    assert not package.audit_model(published.ReplacementCharacter, ENGLISH).failed


def test_a_figure_of_a_text_divided_by_the_bytes_of_another_is_caught_on_either(tmp_path, textgen):
    """As a command with a claim in bits per byte, on the text that was scored."""
    scored = detokenised(SPACED)
    (tmp_path / "scored.txt").write_text(scored, encoding="utf-8")
    bits = Bytes().claim(scored)["bits"]
    options = ["--file", "scored.txt", "--unit", "bits_per_byte", "--claim"]
    model = f"{published.__file__}:Bytes"
    done = textgen("audit", model, *options, f"{bits / len(scored.encode()):.6f}")
    assert "6 of 6 checks passed" in done.out
    done = textgen("audit", model, *options, f"{bits / len(SPACED.encode()):.6f}", code=1)
    assert done.out.splitlines()[-1].endswith("failed denominator")
