"""A study with axes: its cells, one timing for all, what is on record of them, and the page."""

import json
import math
import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from conftest import ProcessHere, write_experiment, write_tales
from report_sample import contrast, plain_sample, typed

import textgen
from textgen.core import tensorflow
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.evaluation import significance
from textgen.evaluation.factor import Factor, Learning, factor
from textgen.evaluation.significance import compare_arms, holm
from textgen.evaluation.units import PART_LABELS
from textgen.report.contrast import Contrast
from textgen.report.grid import (
    ArmRecord,
    CellFactor,
    CellRecord,
    Grid,
    RunRecord,
    compare_cells,
)
from textgen.report.page import models_in, render_page
from textgen.report.schema import Caution, Report
from textgen.report.sentences import disagreement_cautions
from textgen.studies import execution, places
from textgen.studies import study as studies

pytestmark = pytest.mark.fast

ARMS = """[arms.char]
experiment = "char.toml"
seeds = 1
[arms.slow]
experiment = "char.toml"
seeds = 1
set = ["training.learning_rate=1e-3"]
[[contrasts]]
first = "slow"
second = "char"
"""
TEXTS = """[texts.tales]
set = ["corpus.path=tales"]
[texts.others]
set = ["corpus.path=others"]
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that writes the study file, with two texts beside it."""
    monkeypatch.chdir(tmp_path)
    write_tales(tmp_path / "tales")
    write_tales(tmp_path / "others", 20, 3)
    write_experiment(tmp_path / "char.toml", tmp_path / "tales", "[]", 20)

    def write(head, texts=TEXTS, arms=ARMS):
        (tmp_path / "trial.toml").write_text(f"{head}\n{texts}{arms}")
        return studies.load_study("trial.toml")

    return write


SIZES = 'sizes = [2_000, "all"]\nbudget = { updates = [2, 4] }'


def test_a_cell_is_a_study_of_one_text_one_size_and_one_budget(written):
    study = written(SIZES)
    assert [cell.name for cell in study.cells][:5] == [
        "tales-2000-2u", "tales-2000-4u", "tales-all-2u", "tales-all-4u", "others-2000-2u",
    ]  # fmt: skip
    made = study.cells[4].study.experiment("slow")
    assert (made.training.updates, made.split.train_characters) == (2, 2000)
    assert (str(made.corpus.path), made.split.train_subset) == ("others", "random")
    assert study.cells[-1].study.experiment("char").split.train_characters is None
    assert not written("budget.updates = 2", "").cells
    own = TEXTS.replace('"corpus.path=others"]', '"corpus.path=others"]\nsizes = ["all"]')
    names = [cell.name for cell in written(SIZES, own).cells]
    assert names[4:] == ["others-all-2u", "others-all-4u"]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("budget.seconds = [20, 60]", r"timed_on = ''.*known: others, tales"),
        ('timed_on = "tale"\nbudget.updates = 1', r"timed_on = 'tale'.*mean 'tales'"),
        ('timed_on = "tales"\nbudget.seconds = [60, 20]', r"budget.*seconds must be ascending"),
        ('sizes = ["all", 20]\nbudget.updates = 1', "sizes must be ascending"),
        ('sizes = ["most"]\nbudget.updates = 1', "sizes.*most"),
        ('set = ["split.train_characters=9"]\n' + SIZES, "set: .*leave split.train_characters"),
    ],
)
def test_axes_that_cannot_be_are_refused(written, head, message):
    with pytest.raises(TextgenError, match=f"(?s)trial.toml: {message}"):
        written(head)


def test_updates_follow_from_one_timing_on_one_text(written, monkeypatch):
    """A cell of 20 s has (20 − 2) / 0.5 updates, whatever its text and size."""
    begun, timed, made, pace = [], [], [], [0.5]

    class Process(ProcessHere):
        def do(self, job, log, **arguments):
            if job == "time":
                timed.append(arguments["seconds"])
                return pace[0]
            experiment = load_experiment(arguments["experiment"])
            begun.append((str(experiment.corpus.path), experiment.split.train_characters))
            return {"preparation_seconds": 2.0, "parameters": 9}

    def do_job(files, ready, place, job):
        if job.run.startswith("char"):
            plans = ready.plans[job.cell]
            made.append((job.cell, {arm: plan.updates for arm, plan in plans.items()}))
        raise TextgenError("by design")

    monkeypatch.setattr(places, "Worker", Process)
    monkeypatch.setattr(execution, "do_job", do_job)

    def fails(number, **options):
        made.clear()
        with pytest.raises(TextgenError, match=f"{number} of {number} cells failed"):
            execution.run_study("trial.toml", quiet=True, workers=1, **options)

    written('timed_on = "others"\nsizes = [2_000, 900_000]\nbudget.seconds = [20, 60]')
    fails(4)
    assert made == [
        (f"{text}-2000-{seconds}s", dict.fromkeys(("char", "slow"), 2 * (seconds - 2)))
        for text in ("tales", "others")
        for seconds in (20, 60)
    ]
    fails(4)
    assert begun == 2 * [("others", None)]  # once for each arm
    assert sum(timed) == pytest.approx(2 * 3.0)
    # another budget, text or seed is planned from the same timing
    pace[0] = 0.25
    more = TEXTS + '[texts.more]\nset = ["corpus.path=tales", "split.seed=9"]\n'
    longer = 'timed_on = "others"\nsizes = [2_000, 900_000]\nbudget.seconds = [20, 60, 180]'
    written(longer, more, ARMS.replace("seeds = 1", "seeds = 2"))
    fails(9)
    assert made[2] == ("tales-2000-60s", dict.fromkeys(("char", "slow"), 2 * 58))
    assert made[-1] == ("more-2000-180s", dict.fromkeys(("char", "slow"), 2 * 178))
    assert len(begun) == 2
    # an arm with other settings is timed
    changed = ARMS.replace("1e-3", "2e-3")
    written(longer, arms=changed)
    with pytest.raises(TextgenError, match=r"arms\.slow was planned from other settings"):
        execution.run_study("trial.toml", quiet=True)
    fails(6, overwrite=True)
    assert len(begun) == 3
    assert made[0] == ("tales-2000-20s", {"char": 2 * 18, "slow": 4 * 18})
    contents = json.loads((execution.Path("reports") / "trial" / "grid.json").read_text())
    assert contents["timed_on"] == "others-all-180s"
    assert contents["timed"]["slow"]["seconds_per_update"] == 0.25
    pace[0] = 0.5
    written('timed_on = "others"\nbudget.seconds = [1, 60]')
    with pytest.raises(TextgenError, match="seconds: 1, but the preparation alone"):
        execution.run_study("trial.toml", quiet=True, reports_folder="new", runs_folder="new")
    written('timed_on = "others"\nsizes = [900_000]\nbudget.seconds = [20, 60]', arms=changed)
    with pytest.raises(TextgenError, match="every training text is smaller"):
        execution.run_study("trial.toml", quiet=True)


def run_here(made, stop):
    """What does jobs in place of processes: in this one, until so many runs are made."""

    class RunsHere(ProcessHere):
        def do(self, job, log, **arguments):
            if job == "run":
                if len(made) == stop:
                    raise KeyboardInterrupt
                textgen.train(arguments["experiment"], runs_folder=arguments["runs"], quiet=True)
                made.append(f"{Path(arguments['runs']).name}/{log.stem}")
                return None
            return super().do(job, log, **arguments)

    return RunsHere


def unmeasured_records(cells):
    """The records of finished cells, without the compute that each run was measured to take."""
    records = {path.name: json.loads(path.read_bytes()) for path in cells.glob("*.json")}
    for record in records.values():
        for arm in record["arms"].values():
            for run in arm["runs"]:
                assert run.pop("compute") > 0
    return records


@pytest.mark.slow
def test_a_grid_is_resumed_and_ends_with_the_same_records(written, tmp_path, monkeypatch):
    texts = TEXTS.replace('"corpus.path=tales"]', '"corpus.path=tales"]\nsizes = [2_000]')
    sizes = SIZES.replace("[2, 4]", "[4]")
    written(sizes, texts)
    tensorflow.start_tensorflow()
    for name in ("threads", "threads_of_an_operation"):  # as processes of their own start it
        monkeypatch.setitem(tensorflow.tensorflow_in_effect, name, 1)

    def run(stop=None, **options):
        made = []
        with monkeypatch.context() as patch:
            patch.setattr(places, "Worker", run_here(made, stop))
            try:
                return made, execution.run_study("trial.toml", quiet=True, workers=1, **options)
            except KeyboardInterrupt:
                return made, None

    cells = tmp_path / "reports" / "trial" / "cells"
    before, _ = run(stop=3)
    assert before == ["tales-2000/char-1", "tales-2000/slow-1", "others-2000/char-1"]
    assert [path.stem for path in cells.glob("*.json")] == ["tales-2000"]
    after, grid = run()
    assert len(after) == 3
    assert set(before).isdisjoint(after)
    records = unmeasured_records(cells)
    assert len(records) == len(grid.cells) == 3
    page = (tmp_path / "reports" / "trial" / "index.html").read_text("utf-8")
    assert all(f'href="cells/{name}/index.html"' in page for name in grid.cells)
    assert all((cells / name / "index.html").exists() for name in grid.cells)

    cell, whole = grid.cells["others-2000"], grid.cells["others-all"]
    char, run_of_it = cell.arms["char"], cell.arms["char"].runs[0]
    assert (char.plan["updates"], run_of_it.updates) == (4, 4)
    folder = tmp_path / "runs" / "trial" / cell.name / "char-1"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert run_of_it.characters == metrics["training"]["characters"] > 0
    for split in ("validation", "test"):
        total = metrics[split]["parts"]["network"]["bits_per_character"]["total"]
        assert grid.curves(split)[cell.name, "char", "network"] == pytest.approx(total, abs=1e-5)
    assert np.sum(char.where, axis=2) == pytest.approx(cell.bits("char").sum(axis=2), abs=0.01)
    subsets = [own.arms[arm].runs[0].subset for own in (cell, whole) for arm in own.arms]
    assert subsets[0] == subsets[1] != subsets[2]
    assert compare_cells(cell, "slow", whole, "char").documents == len(cell.documents["test"])

    written(sizes, texts, ARMS + 'yes = "second is lower"\n')  # asked when all runs are finished
    made, late = run()
    assert (made, late.contents.late(late.contents.contrasts[0])[:5]) == ([], " This")
    written(sizes, texts)
    run()

    # what is on record needs no runs; a lost record is made again
    shutil.rmtree(tmp_path / "runs")
    (cells / "others-all.json").unlink()
    again, _ = run()
    assert again == ["others-all/char-1", "others-all/slow-1"]
    assert unmeasured_records(cells) == records
    shutil.rmtree(tmp_path / "runs")
    written(sizes, texts, ARMS.partition("[arms.slow]")[0])  # a record of more runs is one of these
    assert run()[0] == []
    assert unmeasured_records(cells) == records
    tale = tmp_path / "tales" / "tale03.txt"
    tale.write_text(tale.read_text().replace("keeper", "warden"))
    with pytest.raises(
        TextgenError, match=r"tales-2000 was recorded with other settings.* or text"
    ):
        run()
    tale.write_text(tale.read_text().replace("warden", "keeper"))
    assert run()[0] == []
    written(sizes, texts, ARMS.replace("1e-3", "1e-4"))
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    (tmp_path / "reports" / "trial" / "grid.json").unlink()
    with pytest.raises(TextgenError, match="tales-2000 was recorded with other settings"):
        run()


CONTRASTS = [Contrast("words", "char"), Contrast("char", "words")]


def made_up_cell(name, size, gain, documents=5, seed=0):
    """Five folds; words need ``gain`` bits per character fewer, more or less."""
    draw = np.random.default_rng(seed)
    held = [(fold, f"d{fold}-{i}", 500 + 100 * i) for fold in range(1, 6) for i in range(documents)]
    characters, arms = np.array([row[-1] for row in held]), {}
    for arm, less in (("char", 0.0), ("words", gain)):
        model = (2 - less + draw.normal(0, 0.01, len(held))) * characters
        test = {"network": [[[bits, 10.0] for bits in model.tolist()]]}
        arms[arm] = ArmRecord(plan={}, runs=[], where=[], validation={}, test=test)
    about = {"name": name, "text": "tales", "size": size, "budget": ("seconds", 20.0)}
    return CellRecord(**about, sha256="0", documents={"test": held}, classes=[], arms=arms)


@pytest.fixture
def grid(tmp_path):
    """Two of three planned cells are on record."""
    cells = [made_up_cell("small", 1000, 0.3), made_up_cell("large", "all", 0.001, seed=1)]
    (tmp_path / "cells").mkdir()
    for cell in cells:
        (tmp_path / "cells" / f"{cell.name}.json").write_text(cell.model_dump_json())
    contrasts = [{"first": c.first, "second": c.second} for c in CONTRASTS]
    timed = {arm: {"declared": [asdict(CONTRASTS[0])]} for arm in ("words", "char")}
    contents = {"title": "A & B", "part": "network", "contrasts": contrasts, "timed": timed}
    contents |= {"cells": ["small", "large", "missing"], "command": "c", "skipped": {"x": "<why>"}}
    (tmp_path / "grid.json").write_text(json.dumps(contents))
    return Grid(tmp_path)


def test_leads_are_those_of_documents_and_holm_is_over_all_planned_cells(grid):
    by_cell = grid.leads()
    assert [*by_cell] == [
        ("small", "words", "char"), ("large", "words", "char"),
        ("small", "char", "words"), ("large", "char", "words"),
    ]  # fmt: skip
    leads = list(by_cell.values())
    words, char = (grid.cells["small"].bits(arm) for arm in ("words", "char"))
    units, folds = np.tile(501 + 100 * np.arange(5), 5), np.repeat(range(1, 6), 5)
    assert leads[0].found == compare_arms(words.sum(axis=2), char.sum(axis=2), units, folds)
    adjusted = holm([*(lead.found.p for lead in leads), 1.0, 1.0])
    assert [lead.p_adjusted for lead in leads] == adjusted[:4]
    assert (leads[0].verdict, leads[2].verdict) == ("better", "worse")
    assert grid.leads("with_cache") == {}
    total = words.sum() / units.sum()
    assert grid.curves()["small", "words", "network"] == pytest.approx(total)
    # models of different amounts of text are compared on the same documents
    small, large = grid.cells.values()
    assert compare_cells(small, "words", large, "char").difference == pytest.approx(-0.3, abs=0.02)
    with pytest.raises(TextgenError, match="small: no bits of 'wrods' under the part 'network'"):
        compare_cells(small, "wrods", large, "char")
    with pytest.raises(TextgenError, match="different documents"):
        compare_cells(small, "words", made_up_cell("other", 1000, 0.3, documents=4), "char")


def write_report_of_cell(grid, name, models):
    """A report of a cell whose answers are corrected over its own two questions."""
    report, texts = plain_sample({"words": 1.7, "char": 2.0})
    cell = grid.cells[name]
    rows = list[dict]()
    found = {c: compare_cells(cell, c.first, cell, c.second) for c in CONTRASTS}
    for c, lead in significance.tested(found, 2).items():
        row = contrast(c.first, c.second, "better", lead.found.difference, f"{c.first}?")
        row |= asdict(lead.found) | {"p_adjusted": lead.p_adjusted, "verdict": lead.verdict}
        row["needed"] = None
        rows.append(row)
    report |= {"contrasts": rows, "questions": 2}
    report, texts = typed(report, texts)
    report.warnings = [
        Caution(text="Look out."),
        *disagreement_cautions(report.contrasts, "network"),
    ]
    folder = grid.folder / "cells" / name
    folder.mkdir()
    (folder / "report.json").write_text(report.model_dump_json(by_alias=True), encoding="utf-8")
    (folder / "texts.json").write_text(texts.model_dump_json(), encoding="utf-8")
    (folder / "index.html").write_text(render_page(report, texts, models), encoding="utf-8")
    return folder


def test_a_cell_s_page_says_what_the_grid_s_page_says(grid):
    """The questions of all cells are one family: p that a cell alone finds small is not."""
    units = grid.cells["small"].units()
    draw = np.random.default_rng(4)
    lead = 0.018 + draw.normal(0, 0.026, len(units))  # p is about 0.015
    char = grid.cells["small"].arms["char"].test["network"][0]
    grid.cells["small"].arms["words"].test["network"] = [
        [[model - less * unit, spelling] for (model, spelling), less, unit
         in zip(char, lead.tolist(), units.tolist(), strict=True)]
    ]  # fmt: skip
    models = {"packed": {"char": "AAAA"}, "left_out": {"words": "<too> large"}, "words": ""}
    folder = write_report_of_cell(grid, "small", models)
    before = Report.model_validate_json((folder / "report.json").read_bytes())
    assert [row.verdict for row in before.contrasts] == ["better", "worse"]
    grid.write_page()
    after = Report.model_validate_json((folder / "report.json").read_bytes())
    leads = grid.leads()
    for row in after.contrasts:
        of_grid = leads["small", row.first, row.second]
        assert row.verdict == of_grid.verdict == "too close to call"
        assert row.p_adjusted == of_grid.p_adjusted > 0.05
        assert row.needed.number > row.documents
    assert (after.questions, after.cells) == (6, 3)
    assert after.warnings == [
        Caution(text="Look out."), *disagreement_cautions(after.contrasts, "network")
    ]  # fmt: skip
    assert [*before.warnings] != after.warnings
    page = (folder / "index.html").read_text("utf-8")
    assert "Too close to call" in page
    assert "over 6 contrasts in 3 cells" in page
    assert models_in(page) == models
    written = (folder / "index.html").stat().st_mtime_ns
    grid.write_page()
    assert (folder / "index.html").stat().st_mtime_ns == written


def cell_of_ladder(seconds, levels, timed=True):
    """Words and characters at some levels; an update takes half a second and a second."""
    cell = made_up_cell(f"ladder-{seconds}", 500, 0.0, seed=seconds)
    units = cell.units()
    draw = np.random.default_rng(seconds)
    for (name, arm), level in zip(cell.arms.items(), levels, strict=True):
        bits = (level + draw.normal(0, 0.01, len(units))) * units
        arm.test = {"network": [[[each, 0.0] for each in bits.tolist()]]}
        pace = {"char": 1.0, "words": 0.5}[name]
        run = {"name": name, "seed": 1, "fold": 1, "subset": "0", "processor": ""}
        updates = round((seconds - 2) / pace)
        arm.runs = [RunRecord(**run, updates=updates, compute=None if timed else seconds + 1.0)]
        if timed:
            arm.plan = {"preparation_seconds": 2.0, "seconds_per_update": pace}
    cell.budget = ("seconds", seconds)
    return cell


def test_factors_are_those_of_the_budgets_of_one_text(grid):
    levels = {180: (2.4, 1.9), 20: (3.0, 2.6), 60: (2.7, 2.25)}
    cells = [cell_of_ladder(seconds, at) for seconds, at in levels.items()]
    documents = cells[0].documents["test"]
    grid.cells |= {cell.name: cell for cell in cells}
    found = grid.factors()
    pairs = [("words", "char"), ("char", "words")]
    assert {*found} == {
        (f"ladder-{seconds}", *pair) for seconds in (60, 180) for pair in pairs
    }  # no budget lies before the first, nor before those of other texts
    last, first, middle = cells
    assert [last.compute("char"), first.compute("char")] == [180, 20]
    assert cell_of_ladder(60, (1, 1), timed=False).compute("words") == 61
    rising = [first, middle, last]
    units = last.units()
    folds = [fold for fold, *_ in last.documents["test"]]
    slower, faster = (
        Learning(
            np.array([20.0, 60.0, 180.0]),
            np.array([cell.bits(arm).sum(axis=2) for cell in rising]),
        )
        for arm in ("char", "words")
    )
    expected = factor(slower, faster, 2, units, np.array(folds))
    by_pair = [found["ladder-180", *pair] for pair in pairs]
    for each in by_pair:
        assert (each.slower, each.faster, each.found) == ("char", "words", expected)
        assert each.lead == pytest.approx(0.5, abs=0.02)
    assert 3 < expected.value < 5
    said = str(by_pair[0])
    assert said.startswith(f"char against words: {expected.value:.1f} times ({expected.low:.1f} to")
    assert said.endswith("by budgets alone at least 3 times")
    for cell in cells:
        cell.documents["test"] = cell.documents["test"][:5]
    assert not grid.factors()
    for cell in cells:
        cell.documents["test"] = documents
    grid.write_page()
    page, text = ((grid.folder / name).read_text("utf-8") for name in ("index.html", "summary.md"))
    assert page.count(said) == text.count(said) == 2


def test_each_text_has_a_chart_of_its_budgets_and_only_axes_have_columns(grid, monkeypatch):
    levels = {180: (2.4, 1.9), 20: (3.0, 2.6), 60: (2.7, 2.25)}
    ladder = [cell_of_ladder(seconds, at) for seconds, at in levels.items()]
    others = [cell.model_copy(update={"text": "news", "name": f"n{cell.name}"}) for cell in ladder]
    one_budget = dict(grid.cells)
    assert not grid.charts()
    assert not grid.budget_lines()
    grid.cells = one_budget | {cell.name: cell for cell in [*ladder, *others]}
    charts = grid.charts()
    assert [chart.title for chart in charts] == ["tales, 500 characters", "news, 500 characters"]
    curves = grid.curves()
    for arm, line in charts[1].lines.items():
        assert [spent for spent, _ in line] == [20, 60, 180]
        bits = [curves[f"nladder-{seconds}", arm, "network"] for seconds in (20, 60, 180)]
        assert [each for _, each in line] == bits
    assert not grid.budget_lines()  # several texts
    grid.write_page()
    page = (grid.folder / "index.html").read_text("utf-8")
    assert page.count("<polyline") == 4
    assert '<th scope="col">training text</th>' in page
    for cell in ladder:
        cell.text, cell.size = "", None
    grid.cells = {cell.name: cell for cell in ladder}
    leads, factor = grid.budget_lines()
    found = dict(re.findall(r"([\d.]+) fewer after (\d+) seconds \(better\)", leads))
    assert list(found.values()) == ["20", "60", "180"]
    assert list(map(float, found)) == pytest.approx([0.4, 0.45, 0.5], abs=0.02)
    assert factor.startswith("Compute needed at 180 seconds, char against words: ")
    with monkeypatch.context() as patched:
        nothing = dict.fromkeys(grid.factors(), "")  # as where a set is open at both ends
        patched.setattr(type(grid), "factors", lambda self: nothing)
        assert grid.budget_lines() == [leads]
    grid.contents.tuned = 20
    grid.contents.tuned_otherwise = ("ladder-60", "ladder-180")
    *_, otherwise = grid.budget_lines()
    assert otherwise.startswith("After 60 and 180 seconds each model may be worse")
    assert "best after 20 seconds" in otherwise
    grid.write_page()
    assert otherwise in (grid.folder / "index.html").read_text("utf-8")
    ladder[0].arms["char"].plan = {}  # nor have its runs the compute that they cost
    (chart,) = grid.charts()
    assert chart.axis == "seconds of budget"
    grid.write_page()
    page = (grid.folder / "index.html").read_text("utf-8")
    assert page.count("<polyline") == 2
    assert "20 seconds (better), " in page
    assert "training text" not in page.partition("Bits per character of test text")[0]


def test_a_factor_is_said_as_far_as_it_is_known():
    def said(low, high, value=None, gains=True, steps=()):
        found = Factor(180.0, value, low, high, gains)
        return str(CellFactor("a", "b", 0.25, found, dict.fromkeys(steps)))

    assert said(2.5, 4.25, 3.0, steps=(3, 9)) == (
        "a against b: 3.0 times (2.5 to 4.2); by budgets alone at least 9 times"
    )
    assert said(2.5, math.inf) == "a against b: at least 2.5 times"
    assert said(0.0, 1.5) == "a against b: at most 1.5 times"
    assert said(0.0, math.inf) == ""
    assert said(2.5, 4.25, 3.0, gains=False) == (
        "a against b: a gained too little from the budget before for a factor; 0.250 behind"
    )


def test_a_curve_is_the_mean_over_seeds_of_the_bits_of_each_held_out_part(grid):
    """Two documents of 9 and 19 characters under two seeds; bits of model and spelling."""
    documents = {split: [(1, "a", 9), (1, "b", 19)] for split in ("test", "validation")}
    bits = {"test": [[[10.0, 2.0], [20.0, 4.0]], [[14.0, 2.0], [22.0, 4.0]]],
            "validation": [[[30.0, 0.0], [30.0, 0.0]], [[60.0, 0.0], [60.0, 0.0]]]}  # fmt: skip
    parts = {split: {"network": table} for split, table in bits.items()}
    arm = ArmRecord(plan={}, runs=[], where=[], **parts)
    about = {"name": "small", "text": "tales", "size": 9, "budget": ("seconds", 20.0)}
    cell = CellRecord(**about, sha256="0", documents=documents, classes=[], arms={"char": arm})
    grid.cells = {"small": cell}
    key = "small", "char", "network"
    assert grid.curves()[key] == pytest.approx((36 + 42) / 2 / 30)
    assert grid.curves("validation")[key] == pytest.approx((60 + 120) / 2 / 30)


def test_the_page_has_no_part_that_no_arm_has(grid):
    grid.cells["large"].arms["words"].test["with_counts"] = (
        grid.cells["large"].arms["char"].test["network"]
    )
    grid.write_page()
    page, text = ((grid.folder / name).read_text("utf-8") for name in ("index.html", "summary.md"))
    for part, label in PART_LABELS.items():
        is_shown = part in ("network", "with_counts")
        assert (f'<th scope="col">{label}</th>' in page) is is_shown
        assert (f'data-l="{label}"' in page) is is_shown
        assert (f"| {label} |" in text) is is_shown


def test_the_page_shows_every_cell_and_escapes_text(grid):
    grid.write_page()
    page, text = ((grid.folder / name).read_text("utf-8") for name in ("index.html", "summary.md"))
    for shown in (page, text):
        assert shown.count("2 of 3 cells") == shown.count("not in the plan") == 1
        for lead in grid.leads().values():
            d = lead.found
            row = f"{d.difference:+.3f} ({d.low:+.3f} to {d.high:+.3f}), {lead.verdict}"
            assert shown.count(row) == 1
    for (name, arm, part), bits in grid.curves().items():
        size = {"small": "1,000 characters", "large": "all"}[name]
        start, figure = f"| tales | {size} | 20 seconds | {arm} |", f" {bits:.3f} |"
        (row,) = [line for line in text.splitlines() if line.startswith(start)]
        place = [*PART_LABELS].index(part)
        assert f" {row.removeprefix(start).split('|')[place].strip()} |" == figure
    assert "over 6 questions for each part" in text
    assert "A &amp; B" in page
    assert "&lt;why&gt;" in page
    (grid.folder / "cells" / "small.json").write_text("{")
    with pytest.raises(TextgenError, match=r"small\.json: damaged"):
        Grid(grid.folder)
