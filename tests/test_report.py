"""A report's page holds the figures of its data, and is safe with any text."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from report_sample import SCRIPT, hostile, sample

from textgen.evaluation.units import UNCHARGED
from textgen.report import drawing, figures, sentences, tables
from textgen.report.breakdown import coloured, heat, pieces
from textgen.report.data import numbers, ranked
from textgen.report.drawing import HEAT, THEMES, variables
from textgen.report.page import page
from textgen.report.tables import cleaned


@pytest.fixture(scope="module")
def shown():
    return page(*hostile())


class Elements(HTMLParser):
    """Every start tag of a page, with its attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_whatever_names_and_texts_hold_stays_text(shown):
    shown.encode("utf-8")
    found = Elements(shown).found
    assert [tag for tag, _ in found].count("script") == 3  # the page's own, and its data
    assert not [a for _, attributes in found for a in attributes if a.startswith("on")]
    assert "\x00" not in shown
    assert "\ufffd half" in shown


def test_a_page_loads_nothing_and_says_so(shown):
    found = Elements(shown).found
    loaded = [a[key] for _, a in found for key in ("src", "href", "xlink:href", "data") if key in a]
    assert loaded
    assert all(target.startswith(("#", "data:")) for target in loaded)
    assert not re.search(r"@import|url\((?!#)", shown)
    assert any("default-src 'none'" in a.get("content", "") for tag, a in found if tag == "meta")


def test_every_id_of_a_page_is_there_once(shown):
    found = Elements(shown).found
    ids = [a["id"] for _, a in found if "id" in a]
    assert len(ids) == len(set(ids))
    meant = [a[key].split() for _, a in found for key in ("aria-labelledby", "for") if key in a]
    meant += [re.findall(r"#([\w-]+)", value or "") for _, a in found for key, value in a.items()
              if key in ("href", "clip-path")]  # fmt: skip
    assert {name for names in meant for name in names} <= set(ids)


def test_every_table_and_figure_is_signed(shown):
    blocks = re.findall(r"<figure.*?</figure>", shown, flags=re.DOTALL)
    assert len(blocks) > 12
    for block in blocks:
        signature = re.search(r'class="signature"[^>]*>(.*?)</p>', block)[1]
        assert "text:0123456789ab |" in signature
        assert "split:fedcba987654 |" in signature
        assert "unit:" in signature
        assert "python -m textgen study experiments/study.toml" in signature
    assert "Holm over 3" in shown


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
    if len(totals) == 1:
        texts["samples"] = []
    text = page(report, texts)
    for name, total in totals.items():
        assert name in text
        if total is None:
            assert UNCHARGED in text
    assert ("Nothing is compared" in text) == (len(totals) == 1)


def test_intervals_may_be_unbounded_and_texts_different():
    report, texts = sample({"char": 1.906, "word_unk": 1.718, "elsewhere": 1.5})
    report["arms"][0]["test"] |= {"low": -math.inf, "high": math.inf}
    report["contrasts"][0] |= {"low": -math.inf, "high": math.inf}
    parts, documents = report["breakdown"], [d["bits"] for d in report["documents"]]
    alike = parts["by_class"], parts["by_position"], texts["passage"]["arms"]
    for held in (*documents, *alike):
        del held["elsewhere"]
    shown = page(report, texts)
    figures.overview(report)
    assert "−0.188 (unbounded)" in shown
    assert "“Unbounded”: too few documents" in shown
    assert "inf" not in re.sub("inf[a-z]", "", shown)


def test_a_figure_is_also_a_file_of_its_own(tmp_path):
    report, _ = hostile()
    report = cleaned(report)
    for name, draw in (("a", figures.overview), ("b", figures.overview), ("c", figures.documents)):
        drawing.write_svg(tmp_path / f"{name}.svg", figures.with_legend(draw(report), report))
    text = (tmp_path / "c.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert "var(" not in text
    assert not re.search("#0102..", text)
    words = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"word_pos", SCRIPT, "tale_3", "bits per character"} <= set(words)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_figures_on_a_page_follow_its_theme_and_name_themselves():
    report, _ = sample({"char": 1.906, "word_unk": 1.718})
    text = drawing.inline(figures.curves(report, "seconds"), "one", "A <title>", "About it")
    assert not re.search("#0102..", text)
    assert {"var(--ink)", "var(--arm0)", "var(--arm1)", "var(--muted)"} >= set(
        re.findall(r"var\(--(?:arm\d|ink|muted)\)", text)
    )
    assert "var(--arm1)" in text
    assert 'role="img"' in text
    assert "A &lt;title&gt;</title>" in text
    assert ">character 6-gram<" in text


def test_seeds_of_unequal_length_tell_their_values_each():
    report, _ = sample({"char": 1.9, "words": 1.7})
    first = report["arms"][0]["curves"][0]
    for key in ("updates", "characters", "seconds", "validation"):
        first[key].pop()
    found = figures.told(figures.curves(report, "updates"))["lines"]
    names = {name: [text for _, _, text in points] for arm, name, points in found}
    assert {"char, seed 1", "char, seed 2", "words", "PPMd"} <= set(names)
    assert (
        names["char, seed 1"][0] == f"90 updates: {first['validation'][0]:.3f} bits per character"
    )
    assert "mean of" in names["words"][0]


@pytest.mark.parametrize(
    ("seconds", "told"), [(7.26, "7.3 s"), (59.96, "1:00"), (200.2, "3:20"), (3723, "1:02:03")]
)
def test_time_is_told_as_a_clock_does(seconds, told):
    assert figures.clock(seconds) == told


def test_references_near_each_other_share_a_place():
    report, _ = sample({"char": 1.906, "word_unk": 1.718})
    for reference, total in zip(report["references"], (9.0, 1.901, 1.898, 1.83), strict=True):
        reference["validation"]["total"] = total
    text = drawing.inline(figures.curves(report, "seconds"), "one", "t", "d")
    assert ">character 8-gram, character 6-gram<" in text
    assert ">PPMd<" in text
    assert "unigram" not in text


def test_no_figure_of_an_arm_that_does_not_pay_is_drawn():
    report, _ = sample({"char": 1.906, "word_drop": None})
    number = numbers(report)["word_drop"]
    for figure in (
        figures.curves(report, "updates"),
        figures.documents(report),
        figures.overview(report),
    ):
        assert f'data-arm="{number}"' not in drawing.inline(figure, "k", "t", "d")


def test_stretches_are_coloured_by_bits_per_character():
    assert [heat(bits, 1) for bits in (0.1, 0.25, 2.5, 100)] == [0, 1, 5, 9]
    assert heat(10, 40) == heat(0.25, 1)
    text = str(coloured("a <b>\ncd", [[0, 2, 1.0, 0.5], [2, 5, 9.0, 0.0], [5, 6, 0.0, 0.0]]))
    assert text == (
        '<i class="h2" data-b="1.00 0.50 2">a </i><i class="h6" data-b="9.00 0.00 3">&lt;b&gt;</i>'
        '<i class="h0 n" data-b="0.00 0.00 1">\n</i>cd'
    )


def test_filled_and_copied_stretches_may_overlap():
    made = {"text": "abcdefgh", "filled": [[1, 3, "NN"]], "copied": [[2, 6]]}
    assert list(pieces(made)) == [
        ("a", "", False),
        ("b", "NN", False),
        ("c", "NN", True),
        ("def", "", True),
        ("gh", "", False),
    ]
    assert [p.text for p in pieces(made | {"filled": [], "copied": []})] == ["abcdefgh"]


def test_shading_says_where_the_interval_excludes_the_human_figure():
    report, _ = sample({"char": 1.906, "word_unk": 1.718})
    at, arms = tables.at_headline(report), report["generated"]["arms"]
    report["generated"]["rows"]["human"]["real_words"] = [0.9, 0.88, 0.92]
    for name, value in (("char", [0.91, 0.89, 0.93]), ("word_unk", [0.5, 0.49, 0.51])):
        arms[name][at]["real_words"] = value
    rows = [row for group in tables.metrics(report).groups for row in group.rows]
    human, unk, char, _, _ = next(r for r in rows if "English" in r.head.text).cells
    assert (human.tone, unk.tone, char.tone) == ("", "below3", "")
    assert human.bar.mark == char.bar.mark == human.bar.value
    assert unk.bar.low == 0


def _contrast(first, second):
    def luminance(colour):
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_lines_stand_out_from_what_is_behind_them(theme):
    """WCAG 2.1: 4.5 for text, 3 for lines and marks."""
    colours = variables(theme)
    for name in ("ink", "muted", "better", "worse", "equal", "open", "accent"):
        assert _contrast(colours[name], colours["paper"]) >= 4.5
        assert _contrast(colours[name], colours["raised"]) >= 4.5
    for behind in (*HEAT[theme], colours["filled"], colours["copied"]):
        assert _contrast(colours["ink"], behind) >= 4.5
    for name in [key for key in colours if key.startswith("arm")] + ["above", "below"]:
        assert _contrast(colours[name], colours["paper"]) >= 3


def test_the_headline_names_what_is_ahead_without_a_network():
    report, _ = sample({"char": 1.9, "word": 1.7})
    for row in report["references"]:
        row["test"]["total"] += 9
    assert "without a network" not in sentences.opening(report)
    ahead = min(report["references"], key=lambda row: row["test"]["total"])
    ahead["test"]["total"] = 0.5
    told = sentences.opening(report)
    assert told.endswith(f" {ahead['label']}, without a network, is ahead of both at 0.500.")


def test_the_headline_says_what_is_too_close_to_call():
    report, _ = sample({"char": 1.9, "word": 1.7})
    first, second = (row["name"] for row in ranked(report)[:2])
    report |= {"declared": False}
    report["contrasts"] = [
        {**report["contrasts"][0], "first": second, "second": first, "verdict": "can't tell"}
    ]
    assert f"Too close to call between {second} and {first}." in sentences.opening(report)
    report["contrasts"][0]["verdict"] = "worse"
    assert "Too close" not in sentences.opening(report)
