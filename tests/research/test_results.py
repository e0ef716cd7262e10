"""Tables, links and records on the pages of research are those of their results.

No part of the first step: ``python -m pytest tests/research``.
"""

import itertools
import json
import math
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from links import check_files, check_links, linked

from textgen.core.experiment import load_experiment
from textgen.core.files import write_json
from textgen.core.reading import find_experiment
from textgen.evaluation import significance
from textgen.evaluation.significance import Difference
from textgen.report.arms import flat_settings
from textgen.report.grid import CellRecord, Grid
from textgen.studies.study import load_study

sys.path.append(str(ROOT / "tests/benchmarks"))
sys.path.append(str(ROOT / "experiments/research/tools"))
sys.path.append(str(ROOT / "experiments/research/one_list"))
sys.path.append(str(ROOT / "experiments/research/what_predicts"))
sys.path.append(str(ROOT / "experiments/research/unit_worth"))
import choose
import recompute
import recompute_factors
import table
import timing
import unit_worth
import what_predicts

RESEARCH = ROOT / "experiments" / "research"
PAGES = sorted(RESEARCH.rglob("*.md"))
GUIDES = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md")]
COMMAND = re.compile(r"^textgen (?:run|study|tune) ([\w/.]+)", re.MULTILINE)
LOG = RESEARCH / "log"
UNITS = RESEARCH / "what_predicts"
GRIDS = sorted(path.parent for path in RESEARCH.glob("*/results/*/grid.json"))


@pytest.mark.parametrize("page", table.PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_table_stands_as_the_results_have_it(page):
    text = page.read_text(encoding="utf-8")
    assert table.filled(text) == text


# A difference with an interval in a cell of a table, and a budget in words or figures.
LEAD = re.compile(r"[−+-]\d\.\d\d+\W* \([−+-]?\d\.\d+ to ")
AMOUNT = r"[\d,.]+|an?|one|two|three|five|nine|ten"
BUDGET = re.compile(rf"\b(?:{AMOUNT})[ -]?(?:s|seconds?|minutes?|hours?|updates|epochs)\b")
ROWS = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def leads_without_budget(text):
    """The tables of leads of a page that stand in a section without a budget, if what precedes its
    sections names none."""
    introduction, *sections = re.split(r"(?m)^(?=## )", text)
    return [
        table
        for section in (introduction, *sections)
        for table in ROWS.findall(section)
        if LEAD.search(table) and not BUDGET.search(introduction + section)
    ]


def seconds_of(marked):
    """The seconds that the record of a marked table was trained for: of the named cell, or all."""
    _, *names = marked.split()
    folder = table.stored(names[0]) if names else RESEARCH
    cells = [json.loads(path.read_text("utf-8")) for path in folder.glob("cells/*.json")]
    place = names[1] if len(names) > 1 else ""
    budgets = [cell["budget"] for cell in cells if cell["name"].endswith(place)]
    return {amount for kind, amount in budgets if kind == "seconds"}


@pytest.mark.parametrize("page", table.PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_lead_is_quoted_with_its_budget(page):
    text = page.read_text(encoding="utf-8")
    assert not leads_without_budget(text)
    for mark in table.MARK.finditer(text):
        if LEAD.search(mark[0]):
            named = {float(number) for number in re.findall(r"\b(\d+) ?s(?:econds)?\b", text)}
            assert seconds_of(mark[2]) <= named, mark[2]


def test_a_table_of_leads_without_a_budget_is_found():
    rows = "| text | words − characters |\n|---|---:|\n| tales | −0.287 (−0.3 to −0.2) |\n"
    assert leads_without_budget(f"# A page\n\n## Finding\n\n{rows}") == [rows]
    assert not leads_without_budget(f"# A page\n\n## Finding\n\nAfter 180 s:\n\n{rows}")
    assert not leads_without_budget(f"# A page of five minutes\n\n## Finding\n\n{rows}")
    assert leads_without_budget(f"# A\n\n## Finding\n\n{rows}\n## Costs\n\nAn hour.\n") == [rows]


def test_the_figure_of_the_study_on_units_is_that_of_its_records():
    assert what_predicts.FIGURE.read_text(encoding="utf-8") == what_predicts.figure()


def one_line(page):
    return " ".join(page.read_text(encoding="utf-8").split())


def test_what_pages_tell_of_try_is_what_it_answered():
    report = json.loads((RESEARCH / "try/results/try.json").read_text(encoding="utf-8"))
    words, characters = (
        next(arm for arm in report["arms"] if arm["name"] == name)
        for name in ("words", "characters")
    )
    contrast = report["contrasts"][0]
    assert (contrast["first"], contrast["second"]) == ("words", "characters")
    lead = f"{-contrast['difference']:.3f}"
    interval = f"{-contrast['high']:.3f} to {-contrast['low']:.3f}"
    seconds = f"{characters['seconds']:.0f}"
    assert seconds == f"{words['seconds']:.0f}"

    page = one_line(RESEARCH / "try/README.md")
    assert f"by {lead} bits per character** ({interval}; networks alone, {seconds} s" in page

    guide = one_line(ROOT / "docs/how-far-did-it-get.md")
    after, times = (f"{contrast['factor'][key]:.0f}" for key in ("after", "times"))
    assert guide.count(f"{lead} bits per character") == 2
    assert f"more than {times} times the compute: what words had reached after {after} s" in guide
    assert f"not reached after {seconds} s" in guide
    assert f"{seconds} / {after} is {times}, rounded down" in guide
    passes = f"read the text {words['passes']:.1f} times, the character network once"
    assert passes in guide
    assert round(characters["passes"]) == 1


def test_where_a_difference_stands_adds_up_to_it():
    pairs = ("word_spell", "characters"), ("words", "word_spell")
    for pair, (text, cell) in itertools.product(pairs, what_predicts.late().items()):
        row = next(r for r in what_predicts.where_table(*pair).splitlines() if f"| {text} " in r)
        parts = [float(gap) for gap in row.split("|")[2:-1]]
        assert sum(parts) == pytest.approx(
            what_predicts.difference(cell, *pair).difference, abs=5e-3
        )


def test_a_range_from_four_texts_covers_a_fifth_and_a_sign_needs_all_four():
    drawn = np.random.default_rng(1).normal(-0.2, 0.1, (4000, 5))
    ranges = [(what_predicts.predict(row[:4].tolist()), row[4]) for row in drawn]
    assert 0.94 < np.mean([low <= fifth <= high for (_, low, high), fifth in ranges]) < 0.96
    for (sign, *_), row in zip((found for found, _ in ranges), drawn, strict=True):
        assert sign == (-1 if row[:4].max() < 0 else int(row[:4].min() > 0))


@pytest.mark.parametrize("folder", GRIDS, ids=lambda p: p.name)
def test_a_program_without_textgen_finds_the_figures_of_a_grid(folder, capsys):
    recompute.main(folder)
    assert capsys.readouterr().out
    grid = Grid(folder)
    cells = recompute.read_cells(folder)
    for (name, arm, part), bits in grid.curves().items():
        total = recompute.bits(cells[name], arm, part).sum()
        assert total / recompute.characters(cells[name]).sum() == pytest.approx(bits, abs=1e-6)
    for (name, *pair), lead in grid.leads("network").items():
        first, second = (recompute.bits(cells[name], arm) for arm in pair)
        units = recompute.characters(cells[name])
        value, *ends, _ = recompute.figures(cells[name], first - second, units)
        assert value == pytest.approx(lead.found.difference, abs=1e-6)
        near = 0.6 * (lead.found.high - lead.found.low)  # whose networks are chance, too
        assert ends == pytest.approx([lead.found.low, lead.found.high], abs=near)
        assert ends[0] < value < ends[1]
    for cell in cells.values():
        # those of other studies have no place among the quantities of that one
        if folder.is_relative_to(UNITS) and {*recompute.ARMS} <= cell["arms"].keys():
            ours, theirs = quantities_of(cell)
            assert ours == pytest.approx(theirs, abs=1e-6)


WITH_BUDGETS = [folder for folder in GRIDS if recompute_factors.has_budgets(folder)]


@pytest.mark.parametrize("folder", WITH_BUDGETS, ids=lambda p: p.name)
def test_a_program_without_textgen_finds_the_factors_of_a_grid(folder):
    """Steps come from other intervals, and two of the fifteen on the speeches end near 0."""
    again = recompute_factors.factors(folder)
    found = Grid(folder).factors()
    assert found.keys() == again.keys()
    unlike = {"gains": 0, "steps": 0}
    for key, one in found.items():
        other = again[key]
        assert (one.slower, one.faster) == (other.behind, other.ahead)
        if one.found.value and other.value:
            assert one.found.value == pytest.approx(other.value, rel=0.05)
        else:
            assert one.found.value is other.value is None
        unlike["gains"] += one.found.gains != other.gains
        unlike["steps"] += [*one.steps] != other.steps
    assert unlike["steps"] <= math.ceil(0.1 * len(found))
    assert unlike["gains"] <= max(1, 0.1 * len(found))


def test_a_program_without_textgen_finds_the_sets_of_factors():
    """Its intervals are Student's, not a bootstrap's. On flat curves with three folds an end may
    lie far off, or be open in one program alone: with Swahili's wide intervals, at four of ten
    factors. So ends are counted over all grids, and one factor in ten may have such an end."""
    factors = far = open_in_one = 0
    for folder in WITH_BUDGETS:
        again = recompute_factors.factors(folder)
        for key, one in Grid(folder).factors().items():
            factors += 1
            other = again[key]
            for ends in ((one.found.low, other.low), (one.found.high, other.high)):
                ours_ends, theirs_ends = (0 < end < math.inf for end in ends)
                open_in_one += ours_ends != theirs_ends
                if ours_ends and theirs_ends:
                    far += not 3 / 4 <= ends[0] / ends[1] <= 4 / 3
    assert far <= 0.1 * factors
    assert open_in_one <= 0.1 * factors


def quantities_of(cell):
    """Those of the study on units that a cell has, by either program."""
    found, record = recompute.quantities(cell), CellRecord.model_validate_json(json.dumps(cell))
    here = [q for q in what_predicts.QUANTITIES if f"{record.text}-{q.cell}" == record.name]
    ours = {name.split()[0]: above.sum() / below.sum() for name, above, below in found}
    return ours, {q.number: q.measure(record) for q in here if q.known(record)}


@pytest.mark.parametrize(
    ("size", "seconds", "number"), [("all", 180, 17), ("all", 20, 1), (9, 180, 0)]
)
def test_both_programs_agree_on_the_quantities_of_a_study(size, seconds, number):
    draw = np.random.default_rng(1)
    documents = [(fold, f"{fold}-{i}", 500 * i) for fold in (1, 2, 3) for i in range(1, 5)]

    def drawn(*shape):
        return draw.uniform(500, 900, (1, len(documents), *shape)).tolist()

    arms = {
        arm: {
            "plan": {},
            "runs": [],
            "validation": {},
            "test": {p: drawn(2) for p in ("network", "with_counts")},
            "where": drawn(2),
        }
        for arm in (
            *recompute.ARMS,
            "characters_64",
            "words_320",
            "word_spell_320",
            "characters_320",
        )
    }
    about = {"name": f"a-{size}-{seconds}s", "text": "a", "size": size, "sha256": "0"}
    about |= {"budget": ["seconds", float(seconds)], "classes": ["rare", "frequent"]}
    ours, theirs = quantities_of({**about, "documents": {"test": documents}, "arms": arms})
    assert len(ours) == number
    assert ours == pytest.approx(theirs)


def test_a_fifth_text_that_repeats_one_of_four_refutes_no_prediction(monkeypatch, tmp_path):
    texts = (*what_predicts.SEEN, what_predicts.UNSEEN)
    real, made = what_predicts.records(), {}
    marked = [*zip(*what_predicts.TRIPLES.values(), strict=True)]
    for text, end in itertools.product(texts, {q.cell for q in what_predicts.QUANTITIES}):
        cell = real[f"{text if text in what_predicts.SEEN else texts[0]}-{end}"]
        others = {arm: cell.arms[own] for own, *more in marked for arm in more}
        made[f"{text}-{end}"] = cell.model_copy(update={"text": text, "arms": others | cell.arms})
    monkeypatch.setattr(what_predicts, "records", lambda: made)
    monkeypatch.setattr(what_predicts, "PREDICTIONS", tmp_path / "predictions.json")
    what_predicts.write_predictions()
    rows = what_predicts.rows()
    for row, quantity in zip(rows, what_predicts.QUANTITIES, strict=True):
        _, name, _, tales, *_, sign, _, value, said = row
        assert (name, value) == (quantity.name, tales)
        assert "missed" not in said
        assert "refuted" not in said
        told = {"": "in the range", "none": "in the range, no sign predicted"}
        assert said == told.get(sign, said)
    *_, lead, without, half = what_predicts.claim_table().splitlines()
    assert lead.count("sign confirmed") == without.count("sign confirmed") == 3
    assert half.count("no sign predicted") == 3
    with pytest.raises(FileExistsError):  # they are written once
        what_predicts.write_predictions()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.3, -0.1, "in the range, sign confirmed"), (-0.3, 0.1, "in the range, sign open"),
        (0.1, 0.3, "missed the range, sign refuted"), (-0.009, 0.009, "in the range, sign refuted"),
        (-0.009, -0.001, "in the range, sign refuted"), (-0.02, 0.0, "in the range, sign open"),
    ],
)  # fmt: skip
def test_a_sign_is_confirmed_or_refuted_by_an_interval_and_else_open(monkeypatch, low, high, said):
    found = SimpleNamespace(difference=(low + high) / 2, low=low, high=high)
    monkeypatch.setattr(what_predicts, "difference", lambda *_: found)
    quantity = what_predicts.Quantity("1", "all-180s", "", ("words", "characters"))
    assert what_predicts.outcome(quantity, what_predicts.Prediction(-1, -0.3, 0.0), None) == said
    unsure = what_predicts.Prediction(0, -0.3, 0.0)
    assert what_predicts.outcome(quantity, unsure, None).endswith("no sign predicted")


def test_every_table_is_on_a_page():
    marks = (table.MARK.finditer(page.read_text("utf-8")) for page in table.PAGES)
    assert {mark[2].split()[0] for each in marks for mark in each} == set(table.TABLES)
    assert timing.page(("training_step", "quality")) == timing.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(RESEARCH).as_posix())
def test_every_link_and_every_file_that_a_page_names_is_there(page):
    check_links(page)
    if page.parent != LOG:  # whose commands are those of their day
        check_files(page)
        for name in COMMAND.findall(page.read_text(encoding="utf-8")):
            assert find_experiment(name).is_file(), (page, name)


def test_the_log_lists_every_page_and_a_page_says_what_has_superseded_it():
    index = (LOG / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \S+ \| \[.+?\]\((\d\S+?)\).*\| (.+) \|$", index, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(path.name for path in LOG.glob("2*.md"))
    for name, superseded in rows:
        first = (LOG / name).read_text(encoding="utf-8").splitlines()[2]
        assert first.startswith("> **Superseded") == (superseded != "current"), name


def test_every_question_has_a_page_and_every_page_is_in_the_index():
    folders = {path for path in RESEARCH.iterdir() if path.is_dir()} - {RESEARCH / "tools"}
    assert {path.parent for path in RESEARCH.glob("*/README.md")} == folders
    assert folders <= {target.parent for target, _ in linked(RESEARCH / "README.md")}


def test_no_result_lies_here_that_no_page_reads():
    """It is linked, alone or with its folder, or a table or a program draws from it."""
    targets = {target for page in [*PAGES, *GUIDES] for target, _ in linked(page)}
    programs = [*RESEARCH.rglob("*.py"), *PAGES]
    drawn = "".join(path.read_text(encoding="utf-8") for path in programs)
    for path in RESEARCH.glob("*/results/**/*.*"):
        above = {path, *path.parents}
        question, _, name, *_ = path.relative_to(RESEARCH).with_suffix("").parts
        assert above & targets or f"{question}/{name}" in drawn or f'"{name}' in drawn, path


@pytest.mark.parametrize("arm", ["characters", "subwords", "words", "word_spell"])
def test_matched_arms_have_the_setting_that_suits_both_texts(arm):
    values, _ = table.regrets_on_both()[0]
    wanted = {(name, json.dumps(value)) for name, value in values.items() if name != "span"}
    experiment = load_experiment(f"words_or_characters/matched/{arm}")
    assert wanted <= {*flat_settings(experiment.resolved)}


@pytest.mark.parametrize("text", ["tales", "speeches"])
def test_characters_of_540_seconds_have_the_setting_that_was_chosen_for_them(text):
    choice = choose.choose_for_nine_minutes()
    setting = dict(choose.search("tune_540s")["settings"][choice.tuned("characters")])
    study = load_study(RESEARCH / "unit_worth" / f"{text}_characters_540s.toml")
    arm = study.arms["characters_540s"]
    had = load_experiment(arm.experiment, arm.set).arm
    assert had["objective"]["window"] == setting.pop("span")
    for name, value in setting.items():
        section, _, key = name.partition(".")
        assert had[section][key] == value, name


@pytest.mark.parametrize("seconds", choose.CHOSEN)
def test_the_files_of_what_is_chosen_follow_from_the_trainings(seconds):
    for path, content in choose.files(seconds, choose.choose(seconds)).items():
        assert path.read_text(encoding="utf-8") == content, path


def is_of_a_run(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    return isinstance(content, dict) and {"validation", "test", "corpus"} <= content.keys()


RUNS = [path for path in sorted(RESEARCH.glob("*/results/**/*.json")) if is_of_a_run(path)]


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.relative_to(RESEARCH).as_posix())
def test_a_result_adds_up_and_is_of_its_text(path):
    metrics = json.loads(path.read_text(encoding="utf-8"))
    for part in ("validation", "test"):
        found = metrics[part]["bits_per_character"]
        assert found["total"] == found["model"] + found["spelling"]
    of_languages = path.is_relative_to(RESEARCH / "languages")
    assert metrics["corpus"]["kind"] == ("folder" if of_languages else "lovecraft")
    assert not metrics["corpus"]["fallback"]


def test_no_result_says_where_a_text_lay_on_a_machine():
    for path in RESEARCH.rglob("*.json"):
        assert not re.search(r'"origin": ?"(/|[A-Z]:)', path.read_text(encoding="utf-8")), path


LONGER = RESEARCH / "what_predicts" / "results" / "what_predicts_longer"


def test_budgets_of_several_grids_make_one_curve_in_both_programs(tmp_path):
    """A grid, each of whose two cells lies in a folder of its own."""
    contents = json.loads((LONGER / "grid.json").read_text("utf-8"))
    for name in contents["cells"]:
        folder = tmp_path / name
        (folder / "cells").mkdir(parents=True)
        write_json(folder / "grid.json", {**contents, "cells": [name]})
        cell = json.loads((LONGER / "cells" / f"{name}.json").read_text("utf-8"))
        write_json(folder / "cells" / f"{name}.json", cell)
    folders = sorted(tmp_path.iterdir())
    whole = Grid(LONGER).factors()
    found = unit_worth.factors(unit_worth.pooled(folders))
    again = recompute_factors.pooled_factors(folders)
    assert len(found) == len(whole) == len(again) == 4
    for (_, *arms), one in found.items():
        (expected,) = [each for (_, *others), each in whole.items() if others == arms]
        (other,) = [each for (_, *others), each in again.items() if others == arms]
        if (expected.faster, expected.slower) == tuple(arms):
            assert one.found == expected.found
        assert one.steps == [*other.steps]
        assert (one.found.value or 0) == pytest.approx(other.value or 0, rel=0.05)
        assert one.found.low == pytest.approx(other.low, rel=0.2)


def test_an_arm_may_have_a_budget_that_the_other_arm_lacks(tmp_path):
    """Characters and words of two studies after 20, 60 and 180 s; characters alone after 540 s."""
    study = LONGER.parent / "what_predicts"
    cells = {LONGER: ["all-60s", "all-540s"], study: ["tales-all-20s", "tales-all-180s"]}
    folders = list[Path]()
    for source, names in cells.items():
        folder = tmp_path / source.name
        (folder / "cells").mkdir(parents=True)
        contents = json.loads((source / "grid.json").read_text("utf-8"))
        asked = [each for each in contents["contrasts"] if each["first"] == "words"][:1]
        write_json(folder / "grid.json", {**contents, "cells": names, "contrasts": asked})
        for name in names:
            cell = json.loads((source / "cells" / f"{name}.json").read_text("utf-8"))
            if name == "all-540s":
                cell["arms"] = {"characters": cell["arms"]["characters"]}
            write_json(folder / "cells" / f"{name}.json", cell)
        folders.append(folder)
    pool = unit_worth.pooled(folders)
    assert [len(pool.learning[arm].computes) for arm in ("words", "characters")] == [3, 4]
    found = unit_worth.factors(pool)
    again = recompute_factors.pooled_factors(folders)
    assert len(found) == len(again) == 3
    for one, other in zip(found.values(), again.values(), strict=True):
        assert one.steps == other.steps
        assert one.found.value is other.value is None  # words are ahead from 20 s on
        assert one.found.low == pytest.approx(other.low, rel=0.1)
    assert found[540, "words", "characters"].steps == [3, 9, 27]


@pytest.mark.parametrize(
    ("share", "budgets"),
    [(1.0, (20, 60, 180, 540)), (0.5, (20, 60, 180, 540)), (1.0, (60, 180, 540))],
    ids=["the same", "less", "the same as the first"],
)
def test_a_larger_budget_may_cost_the_same_or_less_where_training_ends_early(
    monkeypatch, tmp_path, share, budgets
):
    """Self-spelling words and subwords after 180 s made as many updates as after 60 s, or half as
    many."""
    monkeypatch.setattr(significance, "RESAMPLES", 2**11)
    study = LONGER.parent / "what_predicts"
    (tmp_path / "cells").mkdir()
    contents = json.loads((LONGER / "grid.json").read_text("utf-8"))
    cells = dict[int, dict]()
    for folder, name in ((LONGER, "all-{}s"), (study, "tales-all-{}s")):
        for seconds in budgets:
            path = folder / "cells" / f"{name.format(seconds)}.json"
            if path.exists():
                named = {"name": f"all-{seconds}s", "text": ""}
                cells[seconds] = json.loads(path.read_text("utf-8")) | named
    for arm in ("word_spell", "subwords"):
        plan = cells[60]["arms"][arm]["plan"]
        for seconds in cells:  # all are timed alike
            cells[seconds]["arms"][arm]["plan"] = plan
        runs = (cells[seconds]["arms"][arm]["runs"] for seconds in (60, 180))
        for run, early in zip(*runs, strict=True):
            early["updates"] = round(share * run["updates"])
    for cell in cells.values():
        write_json(tmp_path / "cells" / f"{cell['name']}.json", cell)
    names = [cell["name"] for cell in cells.values()]
    write_json(tmp_path / "grid.json", {**contents, "cells": names})
    whole = Grid(tmp_path).factors()
    whole_again = recompute_factors.factors(tmp_path)
    assert whole.keys() == whole_again.keys()
    pairs = [(one.found, [*one.steps], whole_again[key]) for key, one in whole.items()]
    found = unit_worth.factors(unit_worth.pooled([tmp_path]))
    again = recompute_factors.pooled_factors([tmp_path])
    assert found.keys() == again.keys()
    assert {budget for budget, *arms in found if arms[1] == "characters"} == {*budgets[1:]}
    pairs += [(one.found, one.steps, again[key]) for key, one in found.items()]
    for one, steps, other in pairs:
        assert steps == other.steps
        assert (one.value is None) == (other.value is None)
        assert (one.value or 0) == pytest.approx(other.value or 0, rel=0.05)
    if 20 in budgets:
        assert any(one.value is not None for one, *_ in pairs)
    same = found[540, "word_spell", "characters"].found
    assert same == whole["all-540s", "word_spell", "characters"].found


def test_two_trainings_for_one_budget_make_no_curve():
    with pytest.raises(ValueError, match="a budget twice"):
        unit_worth.pooled([LONGER, LONGER])


def test_questions_of_the_family_are_contrasts_of_their_studies():
    steps = [step for chain in unit_worth.FAMILY for step in chain]
    for question in (question for step in steps for question in step):
        study = load_study(RESEARCH / "unit_worth" / f"{question.study}.toml")
        assert question.seconds in [cell.budget[1] for cell in study.cells]
        asked = [(each.first, each.second) for each in study.contrasts]
        assert {question.first, *question.others} <= {*study.arms}
        if len(question.others) == 1:
            assert (question.first, *question.others) in asked


def test_questions_without_an_answer_count_in_the_family(tmp_path):
    shutil.copytree(LONGER, tmp_path / "tales_curves_300s")
    found = unit_worth.family(tmp_path)
    lead = Grid(LONGER).leads()["all-540s", "word_spell", "characters"]
    asked = {question.first: question for question in found}
    assert len(found) == len(asked) == 2  # words and self-spelling words after 540 s
    one = found[asked["word_spell"]]
    assert one.found == lead.found
    assert one.p_adjusted == pytest.approx(min(1.0, lead.found.p * len(unit_worth.FAMILY)))


def test_a_step_of_the_family_counts_only_where_all_before_it_hold(monkeypatch):
    """The p of a step is that of the worst of its questions, and of the steps before."""
    first, second, twin, third = (
        unit_worth.Question("study", seconds, "words", (other,))
        for seconds, other in ((540, "a"), (180, "a"), (180, "b"), (60, "a"))
    )
    monkeypatch.setattr(unit_worth, "FAMILY", [[(first,), (second, twin), (third,)], []])

    def corrected(*answers):
        """The p of four questions, from (difference, p) or None of each."""
        asked = dict(zip((first, second, twin, third), answers, strict=True))

        def answer(reports, question):
            if asked[question] is None:
                return None
            difference, p = asked[question]
            ends = sorted((difference / 2, 2 * difference))
            return Difference(difference, *ends, p, 40, 1, 3, 0.01, 0.01)

        monkeypatch.setattr(unit_worth, "answer", answer)
        found = unit_worth.family(Path())
        return [found[question].p_adjusted for question in asked if question in found]

    small, large = (-0.2, 0.001), (-0.2, 0.01)
    assert corrected(small, small, large, small) == pytest.approx([0.002, 0.02, 0.02, 0.02])
    assert corrected((-0.2, 0.03), small, small, small) == [0.06, 1.0, 1.0, 1.0]
    assert corrected((0.2, 0.001), small, small, small) == [0.002, 1.0, 1.0, 1.0]  # behind
    assert corrected(small, small, None, small) == [0.002, 1.0, 1.0]


def test_the_interaction_of_causes_is_the_difference_of_two_gains():
    cell = Grid(LONGER).cells["all-540s"]
    arms = dict(cell.arms)
    for name, gain in (("characters_replaced", 0.03), ("words", 0.1)):
        bits = np.array(arms["characters"].test["network"])
        bits[:, :, 0] -= gain * np.array(cell.units())
        arms[name] = arms["characters"].model_copy(update={"test": {"network": bits.tolist()}})
    arms["word_spell"] = arms["characters"]
    found = unit_worth.interaction(cell.model_copy(update={"arms": arms}))
    assert found.difference == pytest.approx(0.07)


def test_without_preparation_the_compute_of_each_budget_is_smaller_by_it():
    whole, updates = (unit_worth.pooled([LONGER], without_preparation=w) for w in (False, True))
    cell = Grid(LONGER).cells["all-540s"]
    for arm, learning in whole.learning.items():
        less = learning.computes - updates.learning[arm].computes
        assert less == pytest.approx(cell.arms[arm].plan["preparation_seconds"])


# Characters a token of Austen's chapters has, by which the windows of unit_worth were chosen.
SPANS = {
    "characters_540s": 1.0,
    "characters_replaced": 1.031,
    "subwords": 4.411,
    "subwords_replaced": 4.457,
    "subwords_2000": 3.549,
    "subwords_short": 3.389,
}
SPANS_OF_FILES = {"characters": 1.0, "subwords": 4.079}


@pytest.mark.parametrize(
    "path", sorted((RESEARCH / "unit_worth").glob("*.toml")), ids=lambda p: p.stem
)
def test_windows_of_other_units_span_as_many_characters_as_those_of_their_files(path):
    for name, arm in load_study(path).arms.items():
        if not arm.set:
            continue
        file = load_experiment(arm.experiment)
        window = load_experiment(arm.experiment, arm.set).objective.window
        span = file.objective.window * SPANS_OF_FILES[name.partition("_")[0]]
        assert window == pytest.approx(span / SPANS[name.removesuffix("_tuned")], abs=1)
