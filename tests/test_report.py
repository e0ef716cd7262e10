"""A report's page holds the figures of its data, and is safe with any text."""

from __future__ import annotations

import itertools
import re
from types import SimpleNamespace

import pytest
from conftest import ROOT
from fuzz.targets import Elements
from report_sample import contrast, hostile, plain_sample, sample, typed

from textgen.evaluation.units import UNCHARGED
from textgen.report import page, sentences
from textgen.report.page import render_page
from textgen.report.schema import Passage, Report, SampleText


def test_whatever_names_and_texts_hold_stays_text_and_nothing_is_loaded():
    text = render_page(*hostile())
    elements = Elements(text).rows
    text.encode("utf-8")
    assert [tag for tag, _ in elements].count("script") == 1
    assert not [a for _, attributes in elements for a in attributes if a.startswith("on")]
    assert "\x00" not in text
    assert "\ufffd half" in text
    links = [a[key] for _, a in elements for key in ("src", "href", "data") if key in a]
    assert links
    assert all(target.startswith(("#", "data:")) for target in links)
    assert not re.search(r"@import|url\((?!#)", text)
    assert any("default-src 'none'" in a.get("content", "") for tag, a in elements if tag == "meta")
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in elements if tag == "a"} <= set(ids)


@pytest.mark.parametrize(
    ("totals", "seeds", "references"),
    [
        pytest.param({"char": 1.9}, 1, False, id="one arm, one seed, no references"),
        pytest.param({"word_drop": None}, 2, True, id="no arm has a figure"),
        pytest.param({f"a{i}": 1.7 + i / 50 for i in range(16)}, 3, True, id="many arms"),
    ],
)
def test_there_may_be_few_or_many_arms(totals, seeds, references):
    report, texts = sample(totals, seeds, references)
    text = render_page(report, texts)
    for name, total in totals.items():
        assert name in text
        assert (total is not None) or UNCHARGED in text
    assert ("Nothing is compared" in text) == (len(totals) == 1)
    assert Report.model_validate_json(report.model_dump_json(by_alias=True)) == report


def test_bounds_may_be_open_seeds_of_unequal_length_and_arms_of_other_texts():
    report, texts = plain_sample({"char": 1.906, "word_unk": 1.718, "elsewhere": 1.5})
    report["arms"][0]["test"] |= {"low": None, "high": None}
    report["contrasts"] = [report["contrasts"][0] | {"low": None, "high": None}]
    report["arms"][2]["same_text"] = False
    for key in ("updates", "characters", "seconds", "validation"):
        report["arms"][1]["curves"][0][key].pop()
    by_arm = [row["bits"] for row in report["documents"]]
    by_arm += [row["shares"] for row in report["word_classes"]]
    for row in by_arm + [passage["arms"] for passage in texts["passages"]]:
        del row["elsewhere"]
    report, texts = typed(report, texts)
    text = re.sub("<(script|style)>.*?</", "", render_page(report, texts), flags=re.S)
    assert [arm.name for arm in report.scored] == ["word_unk", "char"]
    assert not re.search(r"\b(inf|nan|None)\b", text)


@pytest.mark.parametrize("declared", [True, False])
def test_some_of_the_arms_have_a_headline_that_speaks_of_no_others(declared):
    report, texts = plain_sample({"a": 1.9, "b": 1.7, "c": 1.8, "d": 2.0, "free": None})
    report, _ = typed(report | {"declared": declared}, texts)
    claims, ranked = sentences.claims(report), ["b", "c", "a", "d"]
    for count in range(1, 5):
        for shown in itertools.combinations(ranked, count):
            first = next(claim for claim in claims if set(claim.arms) <= set(shown))
            asked = [c for c in report.contrasts if {c.first, c.second} <= set(shown)]
            if declared and asked:
                assert first.arms == (asked[0].first, asked[0].second)
            else:
                assert set(first.arms) == set(shown[:2])
    start = "Is b better? Yes. With b it takes 0.200 fewer" if declared else "b is ahead: 1.700"
    assert str(sentences.headline(report)).startswith(start)


@pytest.mark.parametrize(("reference", "ahead"), [(0.5, True), (9.0, False)])
def test_what_counting_reaches_is_said_beside_the_answer(reference, ahead):
    report, _ = sample({"char": 1.9, "word": 1.7})
    report.references[:] = report.references[:1]
    report.references[0].test.total = reference
    said = sentences.without_network(report)
    assert all((f"does better: {reference:.3f}" in line) == ahead for line in said.values())
    assert set(said) == {"char", "word"}


@pytest.mark.parametrize(
    ("verdict", "answer", "winner"),
    [
        ("better", "Yes. With word it takes 0.200 fewer bits per character than with char.", 0),
        ("worse", "No. With char it takes 0.200 fewer bits per character than with word.", 1),
        ("equal", "No. word and char are equal to within 0.01 bits per character.", None),
        ("can't tell", "Too close to call between word and char.", None),
    ],
)
def test_an_answer_says_who_needs_fewer_bits(verdict, answer, winner):
    report, texts = plain_sample({"char": 1.9, "word": 1.7})
    report["contrasts"] = [contrast("word", "char", verdict, -0.2, "Is word better?")]
    report, _ = typed(report, texts)
    claim = sentences.headline(report)
    assert (claim.question, claim.answer) == ("Is word better?", answer)
    assert claim.caveat
    expected = None if winner is None else ("word", "char")[winner]
    assert sentences.winner(report.contrasts[0]) == expected


def test_stretches_are_coloured_by_bits_per_character():
    spans = [(0, 2, 1.0, 0.5), (2, 5, 9.0, 0.0), (5, 6, 0.0, 0.0)]
    passage = Passage(document="d", start=0, text="a <b>\ncd", arms={"x": spans})
    assert page.coloured(passage, "x") == (
        '<i class="h2" data-b="1.00 0.50">a </i><i class="h6" data-b="9.00 0.00">&lt;b&gt;</i>'
        '<i class="h0" data-b="0.00 0.00">\n</i>cd'
    )
    assert page.mean_bits(passage, "x") == pytest.approx(10.5 / 6)


def test_filled_and_copied_stretches_may_overlap():
    made = SampleText(text="abcdefgh", filled=[(1, 3, "NN")], copied=[(2, 6)])
    expected = [("a", "", 0), ("b", "NN", 0), ("c", "NN", 1), ("def", "", 1), ("gh", "", 0)]
    assert list(page.pieces(made)) == expected
    plain = made.model_copy(update={"filled": [], "copied": []})
    assert [text for text, *_ in page.pieces(plain)] == ["abcdefgh"]


@pytest.mark.parametrize(("low", "high"), [(0, 82.3), (1.7, 1.72), (-0.004, 3), (0, 14e6)])
def test_an_axis_has_a_few_round_numbers(low, high):
    ticks = page.Scale(low, high).ticks()
    assert 2 <= len(ticks) <= 6
    assert all(low <= float(name) <= high for _, name in ticks)
    assert [place for place, _ in ticks] == sorted(place for place, _ in ticks)


def _contrast(first, second):
    def luminance(colour):
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind_them(theme):
    """WCAG 2.1: 4.5 for text, 3 for lines and marks."""
    files = (ROOT / "textgen" / name for name in ("interactive/theme.css", "report/page.css"))
    style = "".join(file.read_text(encoding="utf-8") for file in files)
    pairs = re.findall(r"--(\w+):light-dark\((#\w+),(#\w+)\)", style)
    colours = {name: pair[theme] for name, *pair in pairs if name != "c"}
    arms = [pair[theme] for name, *pair in pairs if name == "c"]
    heat = [colour for name, colour in colours.items() if name.startswith("heat")]
    for name, behind in itertools.product(("ink", "muted", "warn", "accent"), ("paper", "raised")):
        assert _contrast(colours[name], colours[behind]) >= 4.5
    for behind in (*heat, colours["filled"], colours["copied"]):
        assert _contrast(colours["ink"], behind) >= 4.5
    for colour in (*arms, colours["above"], colours["below"]):
        assert _contrast(colour, colours["paper"]) >= 3
    assert (len(heat), len(arms)) == (10, 7)


@pytest.mark.parametrize(
    ("bits", "word"), [(1.80, "better"), (1.695, "as well"), (1.705, "as well"), (1.60, "worse")]
)
def test_a_model_without_a_network_does_as_well_within_the_margin(bits, word):
    best = SimpleNamespace(label="4-gram", test=SimpleNamespace(total=1.70))
    arm = SimpleNamespace(name="a", test=SimpleNamespace(total=bits))
    report = SimpleNamespace(references=[best], scored=[arm], margin=0.01)
    assert f"does {word}: 1.700" in sentences.without_network(report)["a"]


@pytest.mark.parametrize(
    ("validation", "warned"),
    [([2.0, 2.1, 2.2, 2.3], True), ([2.0, 1.9, 2.2, 2.3], True), ([2.0, 2.1, 1.9, 2.3], False),
     ([2.0, 2.1, 2.2], False)],
)  # fmt: skip
def test_a_training_that_was_best_in_its_first_half_is_warned_of(validation, warned):
    curve = SimpleNamespace(validation=validation, updates=[10, 20, 30, 40][: len(validation)])
    row = SimpleNamespace(name="a", curves=[curve])
    assert [c.by_arm.keys() for c in sentences.overfitting_cautions([row])] == [{"a"}] * warned
