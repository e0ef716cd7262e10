"""``textgen try``: what it makes of a folder of texts before it trains on them."""

import json
from collections import Counter
from itertools import pairwise
from types import SimpleNamespace as Row

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.core.system import write_file
from textgen.data.documents import Document
from textgen.data.language import Language
from textgen.data.loading import load_corpus
from textgen.data.splits import divide
from textgen.evaluation.significance import fewest_documents
from textgen.studies import expected, trying
from textgen.studies.study import load_study

WORDS_WIN = Row(first="words", second="characters", verdict="better", share=0.02)
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
        return Row(contrasts=[WORDS_WIN])

    monkeypatch.setattr(trying, "run_study", run)
    return studies


@pytest.mark.parametrize(
    ("code", "leads", "before", "after"),
    [
        ("sw", [3.0] * 9 + [-1.0], "ahead of characters in 9 of 10", "as expected, words win by"),
        ("sw", [-2.0] * 5, "characters to win", "contrary to expectation, words"),
        ("sw", [1.0, -1.0] * 3, "(25.0% here)", "words win"),
        ("sw", [1.0] * 4, "None", ""),
        ("en", [1.0] * 7, "characters to win. In English,", "contrary to expectation, words"),
    ],
)
def test_the_map_says_what_to_expect(code, leads, before, after, tmp_path, monkeypatch):
    one = {"text": "a", "language": "et", "unknown": 0.24, "seconds": 60}
    like = [{**one, "lead": lead} for lead in leads]
    english = {**one, "text": "b", "language": "en", "unknown": 0.5, "lead": -1.0}
    other = [{**like[0], "unknown": 0.31}, {**like[0], "seconds": 200}, *[english] * 5]
    write_file(tmp_path / "map.json", json.dumps(like + other))
    monkeypatch.setattr(expected, "EXPERIMENT_FOLDERS", (tmp_path,))
    texts = [Document("a", "The sea, the shore; 1890 ships"), Document("b", "THE shore. A 7 sea!")]
    language = Language(code, "Latin")
    found = expected.expect(Row(sample=texts[:1], test=texts[1:], language=language), 60)
    assert before in str(found)
    assert not found or found.compared_with(WORDS_WIN).startswith(after)


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
