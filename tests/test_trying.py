"""``textgen try``: what it makes of a folder of texts before it trains on them."""

import re
import unicodedata
from collections import Counter
from itertools import pairwise
from unittest.mock import Mock

import pytest
from conftest import ProcessHere, write_experiment, write_tales
from hypothesis import example, given, settings
from hypothesis import strategies as st
from report_sample import sample
from test_headline import first_screen
from test_learning import report_with_points

from textgen.core import tensorflow
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.files import write_file, write_json
from textgen.core.settings import Split, check_name
from textgen.data.documents import Document
from textgen.data.loading import load_corpus, same_works
from textgen.data.splits import divide
from textgen.evaluation.significance import fewest_documents
from textgen.report import comparison, headline, sentences
from textgen.report.comparison import Comparison
from textgen.report.grid import Grid
from textgen.report.page import render_page
from textgen.studies import execution, places, trying
from textgen.studies import study as studies
from textgen.studies.preparing import overhead
from textgen.studies.sharing import lock_study
from textgen.studies.study import load_study

pytestmark = pytest.mark.fast

ENOUGH = fewest_documents(3)
LINE = "The lantern kept the shore and the old harbour answered all the long night, said {}.\n"
ESTONIAN = "Ja see oli nii, et keegi ei teadnud, kust tuul tuli ja kuhu ta läks, kuigi kuulsid. "


def text(lines, seed=0):
    return "".join(LINE.format(seed + i) for i in range(lines))


def written(folder, report, texts):
    """A comparison in a folder, as a study writes it."""
    write_json(folder / "report.json", report.model_dump(by_alias=True))
    write_json(folder / "texts.json", texts.model_dump())
    write_file(folder / "index.html", render_page(report, texts))
    return Comparison(folder)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The study that is run, in place of running it."""
    studies = []

    def run(path, **_):
        studies.append(load_study(path))
        return written(tmp_path / "answer", *sample({"words": 1.7, "characters": 1.9}))

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
        assert {"train", "test"} not in map(set, pairwise(part_of[name] for name in pieces))
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
    trying.try_texts(folder, reports_folder=tmp_path / "reports", runs_folder=tmp_path / "runs")
    printed = "".join(capsys.readouterr())
    assert all(f"left out: {name}" in printed for name in ("tale0 again.txt", *left_out))
    assert ("repeated lines" in printed, ".venv" in printed) == (True, False)
    (ran,) = study
    name = trying.folder_name(folder.name)
    assert name.startswith("my_Ubungs-texts-")
    assert ran.path == tmp_path / "reports" / name / f"{name}.toml"
    assert ran.title.endswith(": my Übungs-texts")
    assert ran.contrasts == load_study("study_try").contrasts
    corpora = [load_corpus(ran.experiment(arm)) for arm in ran.arms]
    assert len({corpus.sha256 for corpus in corpora}) == 1
    shorter = load_corpus(ran.experiment("words", extra=["split.train_characters=1000"]))
    assert "pieces of the same texts" in same_works(corpora[0]) == same_works(shorter)
    assert len(corpora[0].test) >= ENOUGH
    assert {ran.experiment(arm).sampling.prompts for arm in ran.arms} == {("",)}
    where = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    trying.try_texts(folder, language="Basque", overwrite=True, **where)
    assert {study[1].experiment(arm).language for arm in ran.arms} == {"eu"}


NAMES = [
    "texts.v1",
    "texts.v2",
    "日本語",
    "Тексты",
    "texts",
    "my texts",
    "my_texts",
    "..",
    "x" * 99,
    "0.",
    "con.texts",
]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=5))
@example(NAMES)
def test_texts_of_different_names_have_different_folders(names):
    alike = {unicodedata.normalize("NFC", name) for name in names}
    folders = {trying.folder_name(name) for name in names}
    assert len(folders) == len(alike)
    for folder in folders:
        check_name(folder, "a folder")
    assert trying.folder_name("texts.v1") == "texts.v1"
    assert trying.folder_name("e\u0301") == trying.folder_name("\xe9")  # the same name


def test_a_name_keeps_two_studies_of_one_text(tmp_path, study):
    for folder in ("texts.v1", "texts.v2", "日本語"):
        write_file(tmp_path / folder / "all.txt", text(3000))
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    for folder in ("texts.v1", "texts.v2", "日本語"):
        trying.try_texts(tmp_path / folder, **folders)
    with pytest.raises(TextgenError) as caught:
        trying.try_texts(tmp_path / "texts.v1", minutes=5, **folders)
    assert "--name OTHER" in caught.value.hint
    trying.try_texts(tmp_path / "texts.v1", minutes=5, name="longer", **folders)
    names = [ran.name for ran in study]
    assert names == ["texts.v1", "texts.v2", trying.folder_name("日本語"), "longer"]
    assert (tmp_path / "reports" / "longer" / "longer.toml").exists()
    with pytest.raises(TextgenError, match="cannot name a folder"):
        trying.try_texts(tmp_path / "texts.v1", name="a/b", **folders)


def test_a_file_is_tried_if_there_is_enough_text_and_time(tmp_path, study):
    path = tmp_path / "novel.txt"
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    path.write_text(text(3000), encoding="utf-8")
    trying.try_texts(path, **folders)
    assert len(load_corpus(study[0].experiment("words")).test) >= ENOUGH
    trying.try_texts(path, **folders)  # goes on
    with pytest.raises(TextgenError, match="--overwrite"):
        trying.try_texts(path, minutes=5, **folders)
    written = study[0].path.read_text()
    study[0].path.write_bytes(b"# caf\xe9\n" + written.encode())
    with pytest.raises(TextgenError, match="was edited"):
        trying.try_texts(path, **folders)
    study[0].path.write_text(written)
    busy = pytest.raises(TextgenError, match="another process is working")
    with lock_study(tmp_path / "runs" / "novel"), busy:
        trying.try_texts(path, minutes=5, overwrite=True, **folders)
    assert study[0].path.read_text() == written
    trying.try_texts(path, minutes=5, seeds=2, overwrite=True, **folders)
    assert study[0].path.read_text() != written
    first, _, longer = study
    assert {tuple(arm.numbers) for arm in longer.arms.values()} == {(1, 2)}
    assert longer.budget.seconds < first.budget.seconds
    (tmp_path / "short.txt").write_text(text(40), encoding="utf-8")
    for name, message in (("short.txt", "too little text"), ("missing", "no such file")):
        with pytest.raises(TextgenError, match=message):
            trying.try_texts(tmp_path / name, **folders)
    with pytest.raises(TextgenError, match=r"--minutes 0\.5"):
        trying.try_texts(path, minutes=0.5, **folders)
    # a long text leaves less time for training
    short, long = (trying.training_seconds(3, 1.5, n) for n in (300_000, 4_000_000))
    assert 60 < short < 90
    assert 20 < long < short
    for characters in range(400_000, 40_000_000, 3_333_333):
        with pytest.raises(TextgenError, match=r"at least --minutes [0-9.]+") as caught:
            trying.training_seconds(0.5, 1.5, characters)
        assert trying.training_seconds(float(caught.value.hint.split()[-1]), 1.5, characters)


@pytest.mark.parametrize("passes", [0.2, 0.52, 0.97, 1.0])
def test_the_minutes_are_named_that_let_every_network_read_its_text_twice(
    tmp_path, monkeypatch, capsys, passes
):
    (tmp_path / "novel.txt").write_text(text(3000), encoding="utf-8")
    budgets = []

    def run(path, **_):
        """What networks do whose preparation takes 4 seconds."""
        budgets.append(load_study(path).budget.seconds)
        report, texts = sample({"words": 1.7, "characters": 1.9})
        for arm in report.arms:
            arm.passes = 3.0
            arm.seconds = budgets[-1]
            arm.preparation_seconds = 4.0
        slow = report.arms[-1]
        slow.passes = passes * (budgets[-1] - 4) / (budgets[0] - 4)
        runs.append(slow.passes)
        return written(tmp_path / "answer", report, texts)

    runs = []
    monkeypatch.setattr(trying, "run_study", run)
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    trying.try_texts(tmp_path / "novel.txt", **folders)
    said = " ".join(capsys.readouterr().out.split())
    twice = r"twice(?:, in place of this page)?: textgen try .*? --minutes ([\d.]+)"
    named = re.search(twice, said)
    assert bool(named) is (passes < 1)
    if named:
        trying.try_texts(tmp_path / "novel.txt", minutes=float(named[1]), overwrite=True, **folders)
        assert 2 <= runs[-1] < 2.6
        assert not re.search(twice, " ".join(capsys.readouterr().out.split()))


@pytest.mark.parametrize(
    ("passes", "seeds", "counts", "advised"),
    [(0.52, 1, 0.1, r"To read all of the text twice{}--minutes [\d.]+"),
     (0.52, 2, 0.1, r"To read all of the text twice{}--minutes [\d.]+ --seeds 2"),
     (2.0, 1, 0.1, "three training runs of each level{}--minutes 27 --seeds 3 --overwrite"),
     (2.0, 1, -0.1, "To train three times as long{}--minutes 27"),
     (2.0, 3, 0.1, "three times as long{}--minutes 27 --seeds 3")],
)  # fmt: skip
def test_the_terminal_ends_with_the_answer_its_but_and_what_to_do_about_it(
    tmp_path, monkeypatch, capsys, passes, seeds, counts, advised
):
    """``counts`` is how many bits more than its network an arm's counts alone need."""
    (tmp_path / "novel.txt").write_text(text(3000), encoding="utf-8")
    report, texts = report_with_points()
    for arm in report.arms:
        arm.passes = passes
        network = arm.parts["network"]
        arm.parts["counts"] = network.model_copy(update={"total": network.total + counts})
    comparison = written(tmp_path / "answer", report, texts)
    monkeypatch.setattr(trying, "run_study", lambda *_, **__: comparison)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    trying.try_texts("novel.txt", minutes=9, seeds=seeds, name="mine", reports_folder="pages")
    lines = capsys.readouterr().out.rstrip().splitlines()
    claim = sentences.claims(report)[0]
    before, answer, factor, but, to_do, without = lines[-6:]
    assert before.startswith("for a study of your own")
    assert answer == str(claim)
    assert factor == sentences.factor(claim.contrast)
    assert but == headline.but(report, claim)
    command = "textgen try novel.txt --name mine --reports=pages"
    advised = advised.format(f"(, in place of this page)?: {command} ")
    assert re.search(f"{advised}( --overwrite)?$", to_do)
    assert without == sentences.without_network(report)["word"]
    purpose, _, command = to_do.partition(": ")
    page = (comparison.folder / "index.html").read_text("utf-8")
    on_page = re.sub("</?span>", "", first_screen(page))
    assert f"<bdi>{purpose}</bdi>: <code>{command}</code>" in on_page
    assert purpose.endswith("in place of this page") is ("--overwrite" in command)
    assert Comparison(comparison.folder).report.next_step.command == command


@pytest.mark.parametrize(("minutes", "is_warned"), [(4, False), (20, True)])
def test_a_budget_for_which_other_settings_are_better_is_warned_of(
    tmp_path, monkeypatch, capsys, minutes, is_warned
):
    (tmp_path / "novel.txt").write_text(text(3000), encoding="utf-8")
    report, texts = report_with_points()
    for arm in report.arms:
        arm.passes = 2.0
    comparison = written(tmp_path / "answer", report, texts)
    monkeypatch.setattr(trying, "run_study", lambda *_, **__: comparison)
    monkeypatch.setattr(trying, "_check_finished", lambda _: None)
    monkeypatch.setattr(trying, "training_seconds", lambda minutes, *_: int(15 * minutes))
    monkeypatch.setenv("COLUMNS", "400")
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    trying.try_texts(tmp_path / "novel.txt", minutes=3, seeds=3, **folders)
    told = capsys.readouterr().out
    assert "other settings are better" not in told
    assert "--minutes 9 --seeds 3 --overwrite" in told  # 135 s
    trying.try_texts(tmp_path / "novel.txt", minutes=minutes, seeds=3, **folders)
    told = "".join(capsys.readouterr())
    assert ("other settings are better" in told) is is_warned
    assert (f"--minutes {minutes} --overwrite" in told) is is_warned
    assert (f"--minutes {minutes} --seeds 3 --overwrite" in told) is is_warned
    trying.try_texts(tmp_path / "novel.txt", minutes=minutes, seeds=3, overwrite=True, **folders)
    assert "other settings are better" not in "".join(capsys.readouterr())


def test_of_an_empty_file_no_language_is_sought(tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(TextgenError, match="0 characters are too little text"):
        trying.try_texts(tmp_path / "empty.txt", reports_folder=tmp_path, runs_folder=tmp_path)
    assert "not recognised" not in "".join(capsys.readouterr())


def test_three_runs_share_the_cores_and_seeds_come_one_after_the_other(
    tmp_path, study, monkeypatch
):
    """On two cores every training gets two thirds of what it gets on three, but for what runs and
    study take besides; on sixteen no more than on three."""
    path = tmp_path / "novel.txt"
    path.write_text(text(3000), encoding="utf-8")
    characters, limits = len(path.read_text()), {"minutes": 6, "overwrite": True}
    split = load_experiment("tuned_60s/characters").split
    run, beside = overhead(characters, round((split.validation + split.test) * characters))
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    seconds = {}
    for cores, seeds in ((1, 1), (2, 1), (3, 1), (16, 1), (3, 2)):
        monkeypatch.setattr(trying, "cores", lambda cores=cores: cores)
        trying.try_texts(path, seeds=seeds, **limits, **folders)
        seconds[cores, seeds] = study[-1].budget.seconds
    for (cores, seeds), found in seconds.items():
        rounds = seeds * max(1, 3 / cores)
        assert found == pytest.approx((360 - beside) / rounds - run, abs=1)
    assert seconds[16, 1] == seconds[3, 1] > 1.3 * seconds[2, 1]


@pytest.mark.parametrize(("minutes", "known"), [(2, 60), (3, 60), (30, 300)])
def test_each_level_has_the_settings_that_are_best_after_about_such_a_training(
    tmp_path, study, monkeypatch, capsys, minutes, known
):
    monkeypatch.setattr(trying, "cores", lambda: 3)
    path = tmp_path / "novel.txt"
    path.write_text(text(3000), encoding="utf-8")
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    trying.try_texts(path, minutes=minutes, **folders)
    (ran,) = study
    folder = {60: "tuned_60s", 300: "tuned"}[known]
    assert [arm.experiment.as_posix() for arm in ran.arms.values()] == [
        f"{folder}/{level}" for level in ("characters", "subwords", "words")
    ]
    assert f"after {known} s" in capsys.readouterr().out


def speeches(folder, speakers=26, each=3):
    for speaker in range(speakers):
        for number in range(each):
            file = folder / f"{chr(97 + speaker)}s_{number}.txt"
            write_file(file, text(60, 1000 * (each * speaker + number)))
    return folder


def test_texts_that_share_a_part_of_their_names_are_kept_together_if_wanted(
    tmp_path, study, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "400")
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    folder = speeches(tmp_path / "speeches")
    trying.try_texts(folder, **folders)
    printed = capsys.readouterr().out
    advised = re.search(r"by one author or of one book: --group '(.*?)'", printed)
    assert "as_ (3), bs_ (3)" in printed
    trying.try_texts(folder, group=advised[1], name="grouped", **folders)
    printed = capsys.readouterr().out
    assert "by one author" not in printed  # it is not advised again
    assert "kept together: as_ (3), bs_ (3), cs_ (3), ds_ (3) and 22 more" in printed
    plain, grouped = (load_corpus(ran.experiment("words")) for ran in study)
    assert plain.sha256 == grouped.sha256
    speakers = [{name[:3] for name in names} for names in grouped.names.values()]
    assert sum(map(len, speakers)) == 26
    assert len(grouped.test) >= ENOUGH
    assert plain.names != grouped.names
    with pytest.raises(TextgenError, match="other texts"):
        trying.try_texts(folder, group=advised[1], **folders)


def test_a_group_that_cannot_be_is_refused_before_any_work(tmp_path, study, monkeypatch):
    folders = {"reports_folder": tmp_path / "reports", "runs_folder": tmp_path / "runs"}
    folder = speeches(tmp_path / "speeches")
    few = speeches(tmp_path / "few", speakers=6)
    (tmp_path / "novel.txt").write_text(text(3000), encoding="utf-8")
    for path, pattern, message in (
        (folder, "(", "--group: .* is no regular expression"),
        (folder, "(a)(b)", "has 2 groups in parentheses"),
        (folder, "zebra", "--group: 'zebra' is found in the name of no document"),
        (folder, "txt", "--group: 'txt' finds the same in all names"),
        (tmp_path / "novel.txt", "novel", "finds the same in all names"),
        (few, r"^\D+", r"whole groups leave 3 texts to test"),
    ):
        with pytest.raises(TextgenError, match=message):
            trying.try_texts(path, group=pattern, **folders)
    assert not study
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    "names", ["tale {}.txt", "The_{}.txt", "{0}_of_{0}.txt", "{}.txt", "01 {}.txt"]
)
def test_nothing_is_advised_where_names_share_no_such_part(tmp_path, study, capsys, names):
    for i in range(48):
        write_file(tmp_path / "all" / names.format(f"{i:02}"), text(40, 1000 * i))
    trying.try_texts(tmp_path / "all", reports_folder=tmp_path, runs_folder=tmp_path)
    assert "--group" not in capsys.readouterr().out


def test_the_nearest_budget_is_that_of_the_smaller_ratio():
    found = {seconds: trying.nearest_tuned(seconds) for seconds in (10, 60, 134, 135, 300, 5000)}
    assert found == {10: 60, 60: 60, 134: 60, 135: 300, 300: 300, 5000: 300}


def test_articles_are_tried_without_the_tales(tmp_path, study, capsys, monkeypatch):
    monkeypatch.setenv("TEXTGEN_MIRROR", "http://127.0.0.1:1")
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path))
    articles = [Document(name, text(500, 1000 * i)) for i, name in enumerate("abcdefgh")]
    monkeypatch.setattr(trying.Wikipedia, "documents", lambda self: articles)
    trying.try_texts(reports_folder=tmp_path / "reports", runs_folder=tmp_path / "runs")
    (ran,) = study
    assert (ran.name, ran.title) == ("wikipedia", "Characters, subwords or words: wikipedia")
    assert {ran.experiment(arm).resolved["corpus"]["kind"] for arm in ran.arms} == {"wikipedia"}
    assert "these results are for articles of Wikipedia" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "first", "said"),
    [("chapter {:02}", 1, "chapters of one book"), ("speech of {}", 1945, ""), ("tale", 1, "")],
)
def test_numbered_texts_may_be_chapters_of_one_book(tmp_path, study, name, first, said):
    for i in range(80):
        names = name.format(first + i), "ab"[i % 2] * (i + 1)
        write_file(tmp_path / "all" / f"{names[name == 'tale']}.txt", text(40, 1000 * i))
    trying.try_texts(tmp_path / "all", reports_folder=tmp_path, runs_folder=tmp_path)
    corpus = load_corpus(study[0].experiment("words"))
    assert said in (found := same_works(corpus))
    assert bool(said) == bool(found)


LEVELS = """title = "Characters or words"
set = ["sampling.length=5", "sampling.samples=1", "training.validations=1"]
budget.seconds = 60
[arms.characters]
experiment = ""
[arms.words]
experiment = ""
[[contrasts]]
first = "words"
second = "characters"
question = "Do words predict these texts better?"
yes = "first is lower"
"""

WORDS = """include = "characters.toml"
tokenizer = { kind = "words", rare_words = "unk", minimum_count = 60 }
backbone = { kind = "lstm", units = [24], input = "embedding", embedding_size = 12 }
"""


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A function that tries the tales with tiny networks in the folder of the test, and returns the
    jobs that were done for it. A minute is a second of training, for at most 20 updates."""
    monkeypatch.chdir(tmp_path)
    write_tales(tmp_path / "tales", 20, 3)
    experiments = tmp_path / "reports" / "tales" / "tiny"  # where the study's file looks first
    experiments.mkdir(parents=True)
    write_experiment(experiments / "characters.toml", tmp_path / "tales", "[]", 20)
    (experiments / "words.toml").write_text(WORDS)
    (tmp_path / "levels.toml").write_text(LEVELS)
    done = []

    class Process(ProcessHere):
        def do(self, job, log, **arguments):
            done.append(job)
            if job == "time":
                return 0.05 if log.stem == "characters" else 0.06
            result = super().do(job, log, **arguments)
            return result | {"preparation_seconds": 0.5} if job == "begin" else result

    def run(path, **options):
        return execution.run_study(path, **{**options, "workers": 1})

    monkeypatch.setattr(places, "Worker", Process)
    for module in (execution, comparison):
        monkeypatch.setattr(module, "compute_references", lambda *_: [])
    monkeypatch.setattr(trying, "run_study", run)
    monkeypatch.setattr(trying, "find_experiment", lambda _: tmp_path / "levels.toml")
    for module in (studies, trying):
        monkeypatch.setattr(module, "TUNED", {2: "tiny", 4: "tiny_4s"})
    monkeypatch.setattr(trying, "MIN_CHARACTERS", 0)
    monkeypatch.setattr(trying, "training_seconds", lambda minutes, *_: int(minutes))
    for name in ("threads", "threads_of_an_operation"):  # as a process of its own starts it
        monkeypatch.setitem(tensorflow.tensorflow_in_effect, name, 1)

    def tried(minutes, **options):
        done.clear()
        comparison = trying.try_texts(tmp_path / "tales", minutes=minutes, **options)
        return comparison, list(done)

    return tried


def contents(folder):
    return {
        file.relative_to(folder): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_other_minutes_add_a_budget_to_a_finished_study(tiny, tmp_path, capsys, monkeypatch):
    _, jobs = tiny(2)
    assert jobs.count("run") == 2
    assert jobs.count("time") > 0
    runs = tmp_path / "runs" / "tales"
    first = {name: contents(runs / name) for name in ("characters-1", "words-1")}
    file = tmp_path / "reports" / "tales" / "tales.toml"
    written = file.read_bytes()
    write_file(tmp_path / "tales" / "another.txt", text(30))
    with pytest.raises(TextgenError, match="on other text"):
        tiny(4)
    (tmp_path / "tales" / "another.txt").unlink()
    metrics = runs / "words-1" / "metrics.json"
    metrics.rename(tmp_path / "metrics.json")
    with pytest.raises(TextgenError, match="once this study is finished"):
        tiny(4)
    (tmp_path / "metrics.json").rename(metrics)
    assert file.read_bytes() == written
    longer, jobs = tiny(4)
    assert (jobs.count("run"), jobs.count("time"), jobs.count("begin")) == (2, 0, 0)
    assert {name: contents(runs / "2s" / name) for name in first} == first
    assert longer.folder.name == "4s"
    page = (tmp_path / "reports" / "tales" / "index.html").read_text()
    assert "2 seconds" in page
    assert "4 seconds" in page
    assert page.count("After 4 seconds each model may be worse than it could be") == 1
    assert page.count("best after 2 seconds") == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"[\d.]+ (fewer|more) after 2 seconds .*, [\d.]+ (fewer|more) after 4 seconds", printed
    )
    assert "generate runs/tales/4s/words-1" in printed
    assert not (tmp_path / "reports" / "tales" / "report.json").exists()
    second = contents(runs / "4s" / "words-1")
    _, jobs = tiny(3)
    assert jobs.count("run") == 2
    assert "time" not in jobs
    grid = Grid(tmp_path / "reports" / "tales")
    assert list(grid.cells) == ["2s", "3s", "4s"]
    assert grid.factors()
    again, jobs = tiny(2)
    assert jobs == []
    assert again.folder.name == "2s"
    assert {name: contents(runs / "2s" / name) for name in first} == first
    assert contents(runs / "4s" / "words-1") == second
    monkeypatch.setattr(trying, "run_study", Mock(side_effect=TextgenError("by design")))
    with pytest.raises(TextgenError, match="by design"):
        tiny(5, overwrite=True)
    assert not (runs / "2s").exists()
    assert not (tmp_path / "reports" / "tales" / "cells").exists()
