"""The programs of the study on what a unit is worth, on made-up records of all its grids."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pytest
from conftest import ROOT

from textgen.core.experiment import load_experiment
from textgen.core.files import write_json
from textgen.evaluation import significance
from textgen.evaluation.factor import Factor
from textgen.studies.study import load_study

sys.path.append(str(ROOT / "experiments/research/tools"))
sys.path.append(str(ROOT / "experiments/research/unit_worth"))
import recompute
import table
import unit_worth
import unit_worth_outcomes as outcomes
import unit_worth_page as page

STUDIES = ROOT / "experiments" / "research" / "unit_worth"
# How many times as fast as characters an arm of the curves learns.
SPEEDS = {"characters": 1.0, "subwords": 3.0, "word_spell": 4.0, "words": 9.0}
# Bits per character of the arms of the causes.
CAUSES = {
    "characters": 1.90,
    "characters_replaced": 1.84,
    "characters_replaced_tuned": 1.83,
    "subwords": 1.80,
    "subwords_replaced": 1.73,
    "subwords_2000": 1.88,
    "subwords_short": 1.87,
    "word_spell": 1.80,
    "words": 1.68,
}
COUNTS = 1.90
UPDATE = 0.01  # seconds
LENGTHS = np.linspace(4_000, 20_000, 12).astype(int)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(significance, "RESAMPLES", 2**11)


def learnt(speed, seconds):
    return 1.6 + 0.4 * (speed * seconds / 100) ** -0.35


def make_up(reports, names=None, speeds=SPEEDS, causes=CAUSES, flat=False):
    """Grids of studies, of 12 documents in three folds; where ``flat``, characters learn nothing
    after a minute."""
    documents = [(1 + i % 3, f"d{i}", int(length)) for i, length in enumerate(LENGTHS)]
    documents.sort(key=lambda document: document[0])
    units = np.array([length + 1 for *_, length in documents])
    folds = np.array([fold for fold, *_ in documents])
    for number, path in enumerate(sorted(STUDIES.glob("*.toml"))):
        if names is not None and path.stem not in names:
            continue
        study = load_study(path)
        draw = np.random.default_rng(number)
        for cell in study.cells:
            _, seconds = cell.budget
            arms = dict[str, dict]()
            for name, arm in study.arms.items():
                spent = min(seconds, 60) if flat and name == "characters" else seconds
                level = learnt(speeds.get(name, 1.0), spent)
                if "causes" in path.stem:
                    level = causes[name]
                of_documents = draw.normal(level, 0.002, len(units))
                bits = (of_documents + draw.normal(0, 0.0003, 3)[folds - 1]) * units
                preparation = 6.0 if name.startswith("word") else 2.0
                updates = round((seconds - preparation) / UPDATE)
                about = {"updates": updates, "processor": "made up", "subset": "0"}
                about |= {"compute": seconds, "seed": 1}
                about["characters"] = updates * (2.0 if name == "words" else 1.0)
                test = {"network": bits, "with_counts": bits, "counts": COUNTS * units}
                arms[name] = {
                    "plan": {
                        "experiment": load_experiment(arm.experiment, arm.set).arm,
                        "preparation_seconds": preparation,
                        "seconds_per_update": UPDATE,
                    },
                    "runs": [{**about, "name": f"{name}-{f}", "fold": f} for f in (1, 2, 3)],
                    "where": [[[each] for each in bits]],
                    "validation": {},
                    "test": {p: [[[each, 0.0] for each in own]] for p, own in test.items()},
                }
            record = {"name": cell.name, "text": cell.text, "size": cell.size}
            record |= {"budget": cell.budget, "sha256": path.stem.partition("_")[0]}
            record |= {"documents": {"test": documents}, "classes": ["frequent"], "arms": arms}
            write_json(reports / path.stem / "cells" / f"{cell.name}.json", record)
        contents = {
            "title": study.title,
            "part": "network",
            "contrasts": [vars(each) for each in study.contrasts],
            "cells": [cell.name for cell in study.cells],
            "timed": {},
        }
        write_json(reports / path.stem / "grid.json", contents)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    make_up(folder)
    return folder


def said(folder):
    """Number of an expectation → its outcome."""
    found = {each.number: each.measure(folder) for each in outcomes.EXPECTATIONS}
    return {number: one.said for number, one in found.items() if one is not None}


def claimed(folder):
    """Claim, place and first arm → its outcome."""
    return {
        (row.claim, row.where, row.what.split("`")[1]): row.outcome.said
        for row in outcomes.claims(folder)
    }


def test_planted_factors_come_back_from_both_programs(reports):
    """A chord of a convex curve lies above it, so that factors come out too small by some."""
    agreeing = Counter[bool]()
    for text, settings in outcomes.LADDERS:
        found = outcomes.factors_of(reports, text, settings)
        again = outcomes.factors_again(reports, text, settings)
        assert found.keys() == again.keys() != set()
        for key, one in found.items():
            _, first, second = key
            planted = SPEEDS[first] / SPEEDS[second]
            assert one.found.gains
            if one.found.value is not None:
                assert 0.85 * planted < one.found.value < 1.05 * planted
            elif one.is_ahead:
                assert planted > 0.95 * one.largest
            assert one.found.low <= 1.05 * planted
            assert one.found.high >= 0.85 * planted
            agreeing[outcomes.agree(one, again[key])] += 1
    assert agreeing[True] >= 0.9 * agreeing.total()
    assert outcomes.factors_of(reports, "tales", 300)[540, "words", "characters"].steps == [3]
    without = outcomes.factors_of(reports, "tales", 60, without_preparation=True)
    arms = {(first, second) for _, first, second in without}
    assert arms == {("words", "characters"), ("word_spell", "characters")}


def test_expectations_have_the_outcomes_that_the_protocol_says(reports):
    """A factor of 4 for self-spelling words and of 9 for words, of which 60 s can show 6."""
    found = said(reports)
    assert found == {
        1: "fails", 2: "holds", 3: "holds", 4: "holds", 5: "fails", 6: "fails", 7: "fails",
        8: "holds", 9: "holds", 10: "holds", 11: "holds", 12: "holds", 13: "holds", 14: "holds",
        15: "holds", 16: "fails", 17: "fails", 18: "fails", 19: "holds",
    }  # fmt: skip
    (words,) = (each.measure(reports) for each in outcomes.EXPECTATIONS if each.number == 5)
    assert words.measured.startswith("> 6.0")


def test_claims_have_the_outcomes_that_the_protocol_says(reports):
    found = claimed(reports)
    for text, budgets in (("tales", (60, 180, 540)), ("speeches", (540,)), ("swahili", ())):
        for seconds in budgets:
            assert found[1, f"{text}, {seconds} s", "word_spell"] == "confirmed"
    # the planted factor holds with preparation, so that it shrinks in seconds of updates
    assert found[2, "tales, 60 to 180 s", "word_spell"] == "refuted"
    for text in ("tales", "speeches", "swahili"):
        assert found[3, f"{text}, 180 s", "words"] == "confirmed"
    assert found[4, "tales, 180 s", "word_spell"] == "refuted"
    assert found[5, "tales, 180 s", "subwords"] == "confirmed"
    of_claims = Counter(claim for claim, *_ in found)
    assert of_claims == {1: 16, 2: 4, 3: 5, 4: 1, 5: 1}


def test_the_family_and_the_interaction_are_of_the_planted_differences(reports):
    leads = unit_worth.family(reports)
    assert {q for chain in unit_worth.FAMILY for step in chain for q in step} == leads.keys()
    for question, lead in leads.items():
        if "causes" in question.study:
            others = np.mean([CAUSES[other] for other in question.others])
            planted = CAUSES[question.first] - others
        else:
            first, second = question.first, *question.others
            planted = learnt(SPEEDS[first], question.seconds)
            planted -= learnt(SPEEDS[second], question.seconds)
        assert lead.found.difference == pytest.approx(planted, abs=0.003)
        assert lead.found.folds == 3
    cell = unit_worth.cell_of(reports, "tales_causes_60s", 60)
    found = unit_worth.interaction(cell)
    assert found.difference == pytest.approx(0.12 - 0.06, abs=0.003)
    assert found.low < found.difference < found.high


def test_claims_are_refuted_where_words_trail(tmp_path):
    names = ["tales_curves_60s", "tales_curves_300s", "tales_causes_300s"]
    trailing = {**SPEEDS, "word_spell": 0.5, "words": 0.5}
    causes = {**CAUSES, "words": 1.87, "subwords_short": 1.82}
    make_up(tmp_path, names, trailing, causes)
    found = claimed(tmp_path)
    for seconds in (60, 180, 540):
        assert found[1, f"tales, {seconds} s", "word_spell"] == "refuted"
    assert found[3, "tales, 180 s", "words"] == "refuted"
    assert found[4, "tales, 180 s", "word_spell"] == "confirmed"
    assert found[5, "tales, 180 s", "subwords"] == "refuted"
    of_expectations = said(tmp_path)
    assert {of_expectations[number] for number in (1, 3, 4, 5, 6, 7, 13, 14)} == {"fails"}


def test_no_factor_is_told_where_characters_gain_nothing(tmp_path):
    make_up(tmp_path, ["tales_curves_300s"], flat=True)
    found = said(tmp_path)
    assert {found[number] for number in (2, 3, 4, 6, 7)} == {"fails"}
    assert claimed(tmp_path)[1, "tales, 540 s", "word_spell"] == "open"
    assert "none: the second arm gained too little" in page.factors_table("all", tmp_path)
    assert "| 540 s" not in page.factors_table("", tmp_path)
    sentences = " ".join(page.sentences(tmp_path).split())
    assert "Characters gain too little for a factor on the tales from 180 to 540 s" in sentences
    assert "a factor of" not in sentences
    assert page.in_short(tmp_path) == ""


def factor_with(low, high, gains=True):
    found = Factor(100.0, (low + high) / 2, low, high, gains)
    return unit_worth.PooledFactor(found, [], 0.1, 54.0, True)


def test_a_factor_grows_or_shrinks_only_by_sets_that_do_not_meet():
    small, large = factor_with(1.0, 2.0), factor_with(3.0, 4.0)
    assert outcomes.growth(small, large) == "confirmed"
    assert outcomes.growth(large, small) == "refuted"
    assert outcomes.growth(small, factor_with(1.5, 4.0)) == "open"
    assert outcomes.growth(factor_with(1.0, np.inf), large) == "open"
    assert outcomes.growth(small, factor_with(3.0, 4.0, gains=False)) == "open"


@pytest.mark.parametrize(
    ("is_ahead", "ends", "outcome"),
    [
        (True, (3.5, 5.5), "fails"), (True, (3.5, 8.0), "open"),  # > 6
        (False, (1.2, 2.8), "fails"), (False, (0.8, 2.5), "open"),  # < 1
    ],
)  # fmt: skip
def test_a_bound_fails_only_the_ranges_that_it_excludes(is_ahead, ends, outcome):
    found = Factor(60.0, None, 0.0, np.inf, True)
    one = unit_worth.PooledFactor(found, [], 1.0, 6.0, is_ahead)
    assert outcomes.factor_outcome(one, *ends).said == outcome


@pytest.mark.parametrize("is_ahead", [True, False])
@pytest.mark.parametrize(("low", "high", "outside"), [(0.0, np.inf, False), (2.0, 4.0, True)])
def test_a_bound_is_marked_where_its_set_does_not_have_it(is_ahead, low, high, outside):
    one = unit_worth.PooledFactor(Factor(60.0, None, low, high, True), [], 1.0, 6.0, is_ahead)
    assert outcomes.is_outside_its_set(one) is outside


TABLES = [
    page.in_short,
    page.sentences,
    page.picture,
    page.factors_table,
    page.claims_table,
    page.expectations_table,
    page.curves_table,
    page.causes_table,
]


@pytest.mark.parametrize("write", TABLES, ids=lambda write: write.__name__)
def test_without_records_the_page_shows_nothing(tmp_path, write):
    assert write(reports=tmp_path) == ""


@pytest.mark.parametrize("write", TABLES, ids=lambda write: write.__name__)
def test_every_table_has_its_records(reports, write):
    written = write(reports=reports)
    rows = [line.count("|") for line in written.splitlines() if line.startswith("|")]
    if write not in (page.in_short, page.sentences, page.picture):
        assert rows
        assert written.startswith("**")
    for text in ("inf", "nan", "None"):
        assert f" {text} " not in written


def test_tables_show_the_planted_figures(reports):
    curves = page.curves_table(reports)
    assert curves.count("**Bits per character of ") == 3
    assert curves.count("| `characters` |") == 6
    row = next(line for line in curves.splitlines() if line.startswith("| 300 s"))
    assert f"{learnt(1.0, 540):.2f}" in row
    assert "†" in row  # after 10 s characters trail their counts
    causes = page.causes_table(reports)
    assert causes.count("interaction") == 1
    assert [line.count("|") for line in causes.splitlines() if line.startswith("|")] == [7] * 22
    every = page.factors_table("all", reports)
    own_search = sum(
        len(outcomes.factors_of_own_search(reports, text)) for text in outcomes.OWN_SEARCH
    )
    assert own_search == 2 * 2
    assert page.factors_table("", reports).count("\n|") == 2 + 3 * 8 + own_search
    assert every.count("\n|") == 2 + own_search + sum(
        len(outcomes.factors_of(reports, *ladder)) for ladder in outcomes.LADDERS
    )
    sentences = " ".join(page.sentences(reports).split())
    assert "What characters reach on the tales after 540 s of one core, self-spelling" in sentences
    assert "settings searched at 540 s, for characters alone, their bits change" in sentences
    assert "on 3 of 3 texts" in sentences  # each at its own largest budget
    short = " ".join(page.in_short(reports).split())
    assert "Given 540 seconds of one core each" in short
    assert "on 2 of 2 texts" in short  # Swahili has no 540 s
    assert "in seconds of one core, in this program" in sentences


def test_a_study_alone_has_its_own_rows(tmp_path):
    make_up(tmp_path, ["tales_curves_60s"])
    assert said(tmp_path).keys() == {1, 2, 5, 19}
    assert {where for claim, where, _ in claimed(tmp_path) if claim == 1} == {"tales, 60 s"}
    assert page.factors_table("", tmp_path).count("\n|") == 2 + 3
    sentences = " ".join(page.sentences(tmp_path).split())
    assert "after 60 s of one core" in sentences
    assert "n-grams of their own tokens need fewer bits on the tales than `char" in sentences
    assert not page.causes_table(tmp_path)


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_figure_has_a_line_for_each_arm_and_list(reports, is_dark):
    """Four arms with two lists, and characters with the settings of their own search."""
    drawn = page.figure(is_dark, reports)
    lines = [each for each in ElementTree.fromstring(drawn).iter() if each.get("stroke-width")]
    styles = [each.get("stroke-dasharray") for each in lines]
    assert [styles.count(style) for style in (None, "5 4", "2 3")] == [4, 4, 1]


@pytest.mark.parametrize("is_dark", [False, True])
def test_the_figure_of_the_page_is_that_of_its_records(is_dark):
    path = outcomes.RESULTS / page.FIGURES[is_dark]
    drawn = page.figure(is_dark)
    assert path.exists() == bool(drawn)
    if drawn:
        assert path.read_text(encoding="utf-8") == drawn


def test_ranges_are_those_of_the_protocol():
    of_page = page.expected()
    assert [each.number for each in outcomes.EXPECTATIONS] == [*of_page]
    for each in outcomes.EXPECTATIONS:
        _, range_ = of_page[each.number]
        stated = range_.replace("−", "-").replace("+", "").replace(" to ", " ").split()
        numbers = {float(word) for word in stated if word.lstrip("-").replace(".", "").isdigit()}
        for ends in each.ranges:
            assert {*ends} <= numbers, each.number


def test_what_a_page_needs_of_a_grid_is_kept(reports, tmp_path):
    table.take_grid(reports / "tales_curves_60s", tmp_path)
    assert page.curves_table(tmp_path).count("| `characters` |") == 1


def test_the_program_of_another_study_reads_these_grids(reports, capsys):
    for folder in sorted(reports.iterdir()):
        recompute.main(folder)
        assert capsys.readouterr().out
