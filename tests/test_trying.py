"""``textgen try``: what it makes of a folder of texts before it trains on them."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.core.system import write_file
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.data.splits import divide
from textgen.evaluation.significance import fewest_documents
from textgen.studies import trying
from textgen.studies.study import load_study

ENOUGH = fewest_documents(3)
LINE = "The lantern kept the shore and the old harbour answered all the long night, said {}.\n"
ESTONIAN = "Ja see oli nii, et keegi ei teadnud, kust tuul tuli ja kuhu ta läks, kuigi kuulsid. "


def text(lines, seed=0):
    return "".join(LINE.format(seed + i) for i in range(lines))


@pytest.fixture
def study(monkeypatch):
    """The study that is run, in place of running it."""
    studies = []

    def run(path, **_):
        studies.append(load_study(path))

    monkeypatch.setattr(trying, "run_study", run)
    return studies


@given(st.lists(st.integers(3, 900), min_size=1, max_size=8).filter(lambda n: sum(n) > 800))
@settings(max_examples=30, deadline=None)
def test_text_divided_in_blocks_has_no_test_text_beside_training_text(lines):
    documents = [Document(f"d{i}", text(n, seed=1000 * i)) for i, n in enumerate(lines)]
    division = divide(documents, Split(method="blocks"))
    parts = {"train": division.train, "validation": division.validation, "test": division.test}
    part_of = {d.name: part for part, pieces in parts.items() for d in pieces}
    for document in documents:
        pieces = sorted(name for name in part_of if name.split("#")[0] == document.name)
        neighbours = pairwise(part_of[name] for name in pieces)
        assert {"train", "test"} not in map(set, neighbours)
    assert len(division.test) >= ENOUGH
    pieces = (d for part in parts.values() for d in part)
    assert Counter("".join(d.text for d in pieces)) == Counter("".join(d.text for d in documents))


def test_a_folder_is_looked_at_divided_and_tried(tmp_path, study, capsys):
    folder = tmp_path / "my Übungs-texts"
    left_out = {"empty.txt": "", "estonian.txt": ESTONIAN * 40}
    left_out |= {"paper.pdf": b"%PDF-1.4\x00", "scan.txt": b"%PDF-1.4\n\xe2\xe3\x00"}
    tales = {f"tale{i}.txt": text(300, 1000 * i) for i in range(4)}
    tales |= {"tale0 again.txt": "A title\n" + text(300), "tale4.txt": text(200, 6000) * 2}
    for name, content in (left_out | tales | {".venv/licence.txt": text(300, 9000)}).items():
        write_file(folder / name, content)
    trying.try_texts(folder, reports_folder=tmp_path / "reports")
    printed = "".join(capsys.readouterr())
    assert f" --reports={tmp_path / 'reports'}" in printed
    assert all(f"left out: {name}" in printed for name in ("tale0 again.txt", *left_out))
    assert ("repeated lines" in printed, ".venv" in printed) == (True, False)
    (ran,) = study
    assert ran.path == tmp_path / "reports/my_bungs_texts/my_bungs_texts.toml"
    assert ran.contrasts == load_study("study_try").contrasts
    corpora = [load_corpus(ran.experiment(arm)) for arm in ran.arms]
    assert len({corpus.sha256 for corpus in corpora}) == 1
    assert len(corpora[0].test) >= ENOUGH
    assert {ran.experiment(arm).sampling.prompts for arm in ran.arms} == {("",)}


def test_a_file_is_tried_if_there_is_enough_text_and_time(tmp_path, study):
    path, reports = tmp_path / "novel.txt", tmp_path / "reports"
    path.write_text(text(3000), encoding="utf-8")
    trying.try_texts(path, reports_folder=reports)
    assert len(load_corpus(study[0].experiment("words")).test) >= ENOUGH
    trying.try_texts(path, reports_folder=reports)  # goes on
    with pytest.raises(TextgenError, match="--overwrite"):
        trying.try_texts(path, minutes=5, reports_folder=reports)
    trying.try_texts(path, minutes=5, seeds=2, overwrite=True, reports_folder=reports)
    first, _, longer = study
    assert {tuple(arm.numbers) for arm in longer.arms.values()} == {(1, 2)}
    assert longer.budget.seconds < first.budget.seconds
    (tmp_path / "short.txt").write_text(text(40), encoding="utf-8")
    for name, message in (("short.txt", "too little text"), ("missing", "no such file")):
        with pytest.raises(TextgenError, match=message):
            trying.try_texts(tmp_path / name, reports_folder=reports)
    with pytest.raises(TextgenError, match=r"--minutes 0\.5"):
        trying.try_texts(minutes=0.5, reports_folder=reports)
