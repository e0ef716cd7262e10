"""Figures, links, commands and references on the pages are those of the runs and of the code."""

import itertools
import json
import re
import shlex
import sys
from types import SimpleNamespace

import nbclient
import nbformat
import numpy as np
import pytest
from conftest import ROOT

from textgen import cli
from textgen.core.experiment import load_experiment
from textgen.report.arms import flat_settings
from textgen.report.grid import CellRecord, Grid

sys.path.insert(0, str(ROOT / "experiments"))
sys.path.insert(0, str(ROOT / "docs"))
sys.path.insert(0, str(ROOT / "tests/benchmarks"))
import recompute
import reference
import table
import timing
import what_predicts

FOLDERS = ("data", "docs", "tests", "textgen")
OTHERS = [page for name in FOLDERS for page in sorted((ROOT / name).rglob("*.md"))]
PAGES = [*table.PAGES, ROOT / "CONTRIBUTING.md", *OTHERS]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"\b(?:docs|experiments|textgen|tests)/[\w/.-]+\.(?:toml|py|sh|md|json|svg)\b")


def anchors(text):
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", table.PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_table_stands_as_the_results_have_it(page):
    text = page.read_text(encoding="utf-8")
    assert table.filled(text) == text


def test_the_figure_of_the_study_on_units_is_that_of_its_records():
    assert what_predicts.FIGURE.read_text(encoding="utf-8") == what_predicts.figure()


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


@pytest.mark.parametrize("folder", sorted(what_predicts.GRIDS.glob("*")), ids=lambda p: p.name)
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
    for cell in (c for c in cells.values() if {*recompute.ARMS} <= c["arms"].keys()):
        ours, theirs = quantities_of(cell)
        assert ours == pytest.approx(theirs, abs=1e-6)


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
        arm: {"test": {p: drawn(2) for p in ("network", "with_counts")}, "where": drawn(2)}
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


def test_every_link_and_every_file_that_a_page_names_is_there():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for link in LINK.findall(text):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if "://" not in link:
                assert target.exists(), (page, link)
                assert not anchor or anchor in anchors(target.read_text("utf-8")), (page, link)
        if page.parent.name != "log":  # whose commands are those of their day
            for name in FILE.findall(text):
                assert "NAME" in name or (ROOT / name).exists(), (page, name)


def test_an_index_has_every_page():
    log = ROOT / "experiments" / "log"
    index = (log / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \S+ \| \[.+?\]\((\d\S+?)\)", index, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in log.glob("2*.md"))
    listed = re.findall(r"\]\(([\w-]+)\.md\)", GUIDES["docs/README.md"])
    assert sorted(listed) == sorted(p.stem for p in (ROOT / "docs").glob("[!R]*.md"))


@pytest.mark.parametrize("arm", ["characters", "subwords", "words", "word_spell"])
def test_matched_arms_have_the_setting_that_suits_both_texts(arm):
    values, _ = table.regrets_on_both()[0]
    wanted = {(name, json.dumps(value)) for name, value in values.items() if name != "span"}
    assert wanted <= {*flat_settings(load_experiment(f"matched/{arm}").resolved)}


RUNS = sorted({*table.RESULTS.glob("*.json")} - {what_predicts.PREDICTIONS})


@pytest.mark.parametrize("path", RUNS, ids=lambda p: p.stem)
def test_a_result_adds_up_and_is_of_the_tales(path):
    metrics = table.result(path.stem)
    for part in ("validation", "test"):
        found = metrics[part]["bits_per_character"]
        assert found["total"] == found["model"] + found["spelling"]
    assert metrics["corpus"]["kind"] == "lovecraft"
    assert not metrics["corpus"]["fallback"]


def test_no_result_says_where_a_text_lay_on_a_machine():
    for path in table.RESULTS.rglob("*.json"):
        assert not re.search(r'"origin": ?"(/|[A-Z]:)', path.read_text(encoding="utf-8")), path


NOTES = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
CHANGES = NOTES.partition("## Change one thing")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| .+? \| `(--set.+)` \|$", CHANGES, re.MULTILINE)


@pytest.mark.slow
def test_all_rows_together_run(textgen, corpus_folder):
    assert 10 <= len(ROWS) <= 12
    given = shlex.split(" ".join(ROWS).replace("my_texts", str(corpus_folder)))
    given[given.index("training.seconds=600")] = "training.updates=2"  # one budget is enough
    for small in (
        "training.validations=1 backbone.units=[8,8] embedding.epochs=1 "
        "sampling.samples=1 sampling.length=20 cache.orders=[]"
    ).split():
        given += ["--set", small]
    textgen("run", "word_small", *given)


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    notebook = nbformat.read(ROOT / "experiments" / "tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert (tmp_path / "reports" / "tiny-words" / "index.html").exists()


GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in GUIDES}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_reference_is_what_the_code_says(name):
    path = ROOT / "docs" / "reference" / f"{name}.md"
    page = reference.page(name)
    assert path.read_text("utf-8").split() == page.split(), f"run: python docs/reference.py {name}"


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_and_option_of_a_guide_exists(name):
    blocks = [block for language, block in BLOCK.findall(GUIDES[name]) if not language]
    for line in "".join(blocks).splitlines():
        for words in (shlex.split(each, comments=True) for each in line.split(" && ")):
            if words and words[0].rpartition("/")[2] == "textgen":
                parser = cli.Parser()
                cli.COMMANDS[words[1]][0](parser)
                parser.parse_args(words[2:])
