"""Studies: tiny arms on the tests' own corpus, run the way a user runs them."""

import contextlib
import datetime
import itertools
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import filelock
import pytest
from conftest import ProcessHere, load_progress, write_experiment

from textgen import cli
from textgen.core import tensorflow
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.files import write_file
from textgen.core.progress import Cancelled
from textgen.report.comparison import Comparison
from textgen.runs import console, pipeline
from textgen.runs import folder as run_folder
from textgen.runs.console import Screen
from textgen.runs.finished import Run
from textgen.studies import cluster as cluster_module
from textgen.studies import (
    display,
    execution,
    pages,
    places,
    planning,
    preparing,
    questions,
    timing,
)
from textgen.studies import study as studies
from textgen.studies.cluster import Cluster
from textgen.studies.jobs import StudyFiles, list_jobs
from textgen.studies.process import Jobs
from textgen.studies.queue import Ended, Queue
from textgen.studies.sharing import LOCKS
from textgen.training.step import Step

pytestmark = pytest.mark.long

UPDATES = "[budget]\nupdates = 150\n"
CONTRASTS = "".join(f'[[contrasts]]\nfirst = "{arm}"\nsecond = "char"\n' for arm in ("twin", "bad"))


def arm(name, *settings, seeds=1):
    head = f'[arms.{name}]\nexperiment = "char.toml"\nseeds = {seeds}\n'
    return f"{head}set = {json.dumps(settings)}\n"


CHAR, TWIN = arm("char"), arm("twin", "sampling.length=61", seeds=[3, 7])
LOST = arm("lost", "tokenizer={kind='words',rare_words={kind='pos',model='no_such_model'}}")
BAD = arm(
    "bad", "training.learning_rate=1e38", "training.optimizer=sgd", "training.clip_norm=0",
    "training.schedule=constant", "training.warmup=0.5",
)  # fmt: skip


def write(folder, corpus, text):
    write_experiment(folder / "char.toml", corpus, "[]", 60)
    (folder / "trial.toml").write_text(text, encoding="utf-8")
    return folder / "trial.toml"


@pytest.fixture
def written(tmp_path, corpus_folder):
    return partial(write, tmp_path, corpus_folder)


def run(path, **options):
    options = {"runs_folder": path.parent / "runs", "quiet": True} | options
    return execution.run_study(path, **options)


@contextlib.contextmanager
def recorded():
    """In place of the report: what it would have been made from."""
    calls = []

    def compare(folders, **settings):
        calls.append(SimpleNamespace(folders=[folder.name for folder in folders], **settings))
        return settings["reports_folder"] / settings["name"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "compare_runs", compare)
        yield calls


@pytest.fixture(scope="module")
def done(tmp_path_factory, corpus_folder):
    """A study of two arms with two workers, where one arm diverges; it is only read from."""
    path = write(tmp_path_factory.mktemp("study"), corpus_folder, UPDATES + BAD + CHAR)
    with recorded() as calls, pytest.raises(TextgenError) as caught:
        run(path, workers=2)
    folder = path.parent / "runs" / "trial"
    return SimpleNamespace(folder=folder, calls=calls, error=str(caught.value))


@pytest.fixture(scope="module")
def alone(tmp_path_factory, corpus_folder):
    """The folder of a study of one arm, trained in this process; it is only read from."""
    path = write(tmp_path_factory.mktemp("alone"), corpus_folder, UPDATES + CHAR)
    with recorded(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "Worker", ProcessHere)
        for name in ("threads", "threads_of_an_operation"):  # as a process of its own starts it
            patch.setitem(tensorflow.tensorflow_in_effect, name, 1)
        run(path, workers=1)
    return path.parent / "runs" / "trial"


def bits(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics["validation"], metrics["test"]


def test_arms_on_other_text_or_another_split_are_refused(written):
    for setting in ("split.seed=5", "corpus.keep='article'", "language='de'"):
        with pytest.raises(TextgenError, match=r"arms\.twin(.|\n)*from that of arms\.char"):
            studies.load_study(written(UPDATES + CHAR + arm("twin", setting)))


@pytest.mark.slow
def test_a_plan_is_measured_once_and_a_changed_study_is_refused(written, tmp_path, monkeypatch):
    text, lines = "[budget]\nseconds = 30\n" + CHAR, []

    def planned(text):
        study = studies.load_study(written(text))
        return timing.plan_study(study, tmp_path, workers=2, say=lines.append)

    monkeypatch.setattr(timing, "TIMED_SECONDS", 0.3)
    with pytest.raises(TextgenError, match=r"1 of 2 arms cannot be planned.*no_such_model"):
        planned(text + LOST)
    assert any(" updates of " in line for line in lines)
    monkeypatch.setattr(timing, "_plan_arm", lambda *_: pytest.fail("measured again"))
    plan = planned(text)["char"]
    seconds = plan.preparation_seconds + plan.updates * plan.seconds_per_update
    assert 30 - plan.seconds_per_update < seconds <= 30
    more = written(text.replace("seeds = 1", "seeds = 2"))
    made = studies.load_study(more).experiment("char", "char-2", plan.updates)
    assert (made.name, made.seed) == ("char-2", 2)
    assert (made.training.updates, made.training.seconds) == (plan.updates, None)
    with pytest.raises(TextgenError, match=r"training\.seconds: 30\.0 → 40\.0(.|\n)*--overwrite"):
        planned(text.replace("30", "40"))
    monkeypatch.setattr(timing, "processor", lambda: "an abacus")
    with pytest.raises(TextgenError, match=r"lost(.|\n)*an abacus"):
        planned(text + LOST)


def test_arms_that_cannot_be_planned_are_named_together_before_any_run(written, monkeypatch):
    """One has other parameters, one a preparation that leaves no time; the third plan is kept."""
    measured = {"char": (2020, 0.1), "wide": (2041, 0.1), "slow": (2000, 20.0)}
    keys = ("parameters", "preparation_seconds")

    class Process(ProcessHere):
        def do(self, job, log, **_):
            if job == "time":
                return 0.04
            return dict(zip(keys, measured[log.stem], strict=True))

    text = "[budget]\nseconds = 1\nparameters = 2000\n" + CHAR
    text += arm("wide", "backbone.units=[9]") + arm("slow", "backbone.units=[8]")
    monkeypatch.setattr(places, "Worker", Process)
    monkeypatch.setattr(execution, "do_job", lambda *_: pytest.fail("a run was started"))
    path = written(text)
    with pytest.raises(TextgenError, match=r"2 of 3 arms cannot be planned") as caught:
        run(path)
    assert "wide: budget.parameters: 2,000, but this arm has 2,041" in str(caught.value)
    assert "slow: budget.seconds: 1, but" in str(caught.value)
    plans = planning.read_plans(path.parent / "runs" / "trial" / "plan.json")
    assert {name: plan.updates for name, plan in plans.items()} == {"char": 22}


def test_a_study_keeps_the_questions_that_were_asked_before_a_run_was_finished(written, tmp_path):
    one = CONTRASTS[: CONTRASTS.index("[[contrasts]]", 1)]
    file = tmp_path / "reports" / "questions.json"

    def declared(text, finished=()):
        study = studies.load_study(written(UPDATES + CHAR + TWIN + BAD + text))
        plans = timing.plan_study(study, tmp_path)
        plans = questions.declare(study, file, plans, finished)
        return {arm: len(plan.declared) for arm, plan in plans.items()}

    assert set(declared("").values()) == {0}
    assert set(declared(one).values()) == {1}
    assert declared(CONTRASTS, ["char"]) == {"char": 1, "twin": 2, "bad": 2}
    # the runs may be deleted: what they have shown is known
    assert declared(CONTRASTS) == {"char": 1, "twin": 2, "bad": 2}
    questions.close(file, "twin")
    more = CONTRASTS + '[[contrasts]]\nfirst = "twin"\nsecond = "bad"\n'
    assert declared(more) == {"char": 1, "twin": 2, "bad": 3}
    days = {each["asked"] for each in json.loads(file.read_text())["bad"]["questions"]}
    assert days == {datetime.date.today().isoformat()}


def test_a_question_asked_after_the_runs_is_late_though_these_are_gone(copied, written):
    """Their folders, and the plan beside them."""
    run(written(UPDATES + TWIN + CHAR), reports_folder=copied.folder.parents[1] / "reports")
    shutil.rmtree(copied.folder)
    question = CONTRASTS[: CONTRASTS.index("[[contrasts]]", 1)]
    path = written(UPDATES + TWIN + CHAR + question)
    with pytest.raises(TextgenError, match="3 of 3 runs failed"):
        run(path, reports_folder=copied.folder.parents[1] / "reports")
    plans = planning.read_plans(copied.folder / "plan.json")
    assert [plan.declared for plan in plans.values()] == [(), ()]


def test_nothing_is_prepared_or_timed_while_an_arm_is_timed(written, monkeypatch):
    """Beside other work an update takes longer, and the arm gets fewer of them."""
    text = "[budget]\nseconds = 60\n" + CHAR + TWIN + arm("third", "sampling.length=62")
    study = studies.load_study(written(text))
    busy, during = [0], []

    class Process(ProcessHere):
        def do(self, job, log, **arguments):
            if job == "begin":
                length = load_experiment(arguments["experiment"]).sampling.length
                busy[0] += 1
                time.sleep(0.02 * length % 0.3)
                busy[0] -= 1
                return {"parameters": 1, "preparation_seconds": 1.0}
            assert job == "time"
            busy[0] += 1
            during.append(busy[0])
            time.sleep(0.1)
            during.append(busy[0])
            busy[0] -= 1
            return 0.1

    monkeypatch.setattr(places, "Worker", Process)
    plans = timing.plan_study(study, study.path.parent / "runs", workers=2)
    assert {plan.updates for plan in plans.values()} == {590}
    assert during == [1] * 6 * timing.TURNS


def test_of_the_turns_in_which_an_arm_is_timed_the_fastest_counts(written, monkeypatch):
    """Something else on the machine may slow the others down."""
    taken = iter([0.3, 0.1, 0.2])
    monkeypatch.setattr(Step, "seconds_per_update", lambda *_: next(taken))
    monkeypatch.setattr(places, "Worker", ProcessHere)
    for name in ("threads", "threads_of_an_operation"):  # as a process of its own starts it
        monkeypatch.setitem(tensorflow.tensorflow_in_effect, name, 1)
    study = studies.load_study(written("[budget]\nseconds = 30\n" + CHAR))
    plan = timing.plan_study(study, study.path.parent / "runs")["char"]
    assert plan.seconds_per_update == 0.1


def test_timing_updates_changes_no_weight(experiment_file, monkeypatch):
    inner = Step.seconds_per_update

    def watched(step, *rest):
        before, times, after = step.arrays(), inner(step, *rest), step.arrays()
        assert len(before) == len(after) > 5
        assert all((before[name] == after[name]).all() for name in before)
        return times

    monkeypatch.setattr(Step, "seconds_per_update", watched)
    jobs = Jobs()
    jobs.begin(str(experiment_file))
    assert jobs.time(seconds=0.1) > 0


def test_the_process_that_has_timed_an_arm_makes_its_first_run(written, monkeypatch):
    """Others are made by new processes; where there are more arms than workers, the first few
    arms' processes are kept."""
    processes = []

    class Process(ProcessHere):
        def __init__(self, *_):
            self.jobs, self.ended = [], False
            processes.append(self)

        def do(self, job, log, **arguments):
            assert not self.ended
            self.jobs.append(f"{job} {log.stem}")
            if job == "run":
                made = Path(arguments["runs"]) / log.stem
                write_file(made / "metrics.json", "{}")
                write_file(made / "experiment.toml", Path(arguments["experiment"]).read_text())
            return {"parameters": 1, "preparation_seconds": 1.0} if job == "begin" else 0.1

        def end(self):
            self.ended = True

    monkeypatch.setattr(places, "Worker", Process)
    monkeypatch.setattr(execution, "read_metrics", lambda _: None)
    monkeypatch.setattr(display.Display, "_result", lambda *_: "2.000")
    with recorded():
        run(written("[budget]\nseconds = 60\n" + TWIN + CHAR), workers=1)
    assert all(process.ended for process in processes)
    timed = ["begin {}", *["time {}"] * timing.TURNS]
    assert [process.jobs for process in processes] == [
        [*(job.format("twin") for job in timed), "run twin-3"],
        [job.format("char") for job in timed],
        ["run char-1"],
        ["run twin-7"],
    ]


@pytest.mark.slow
def test_a_run_is_the_same_to_the_last_bit_where_its_updates_were_timed(
    experiment_file, tmp_path, monkeypatch
):
    changes = ["training.updates=60", "training.curve=400", "sampling.length=60"]
    file = tmp_path / "timed.toml"
    run_folder.write_experiment(file, load_experiment(experiment_file, changes))
    name = load_experiment(file).name
    jobs = Jobs()
    jobs.begin(str(file))
    jobs.time(seconds=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "prepare", lambda *_: pytest.fail("prepared again"))
        jobs.run(str(file), str(tmp_path / "on"), overwrite=False)
    alone = pipeline.train(file, runs_folder=tmp_path / "alone", quiet=True)
    for written_file in ("tokens.npz", "texts.json", "samples.json", "experiment.toml"):
        stored = (tmp_path / "on" / name / written_file).read_bytes()
        assert stored == (alone.folder / written_file).read_bytes()
    weights = [run.network.get_weights() for run in (Run(tmp_path / "on" / name), alone)]
    assert all((one == other).all() for one, other in zip(*weights, strict=True))
    assert bits(tmp_path / "on" / name) == bits(alone.folder)
    # another seed begins from other weights
    run_folder.write_experiment(file, load_experiment(file, ["seed=5"], "fifth"))
    jobs.begin(str(tmp_path / "on" / name / "experiment.toml"))
    jobs.run(str(file), str(tmp_path / "on"), overwrite=False)
    assert bits(tmp_path / "on" / "fifth") != bits(alone.folder)
    assert Run(tmp_path / "on" / "fifth").experiment.seed == 5


@pytest.mark.slow
def test_an_arm_that_fails_takes_no_other_down(done):
    stored = load_experiment(done.folder / "char-1" / "experiment.toml")
    assert (stored.name, stored.training.updates, stored.training.threads) == ("char-1", 150, 1)
    assert [call.folders for call in done.calls] == [["char-1"]]
    for part in ("1 of 2 runs failed: bad-1: ", "the loss is", "reports", str(done.folder)):
        assert part in done.error
    assert "the loss is" in (done.folder / "logs" / "bad-1.txt").read_text()


@pytest.fixture
def copied(alone, tmp_path, monkeypatch):
    folder = shutil.copytree(alone, tmp_path / "runs" / "trial")
    for seed in (3, 7):
        file = shutil.copytree(folder / "char-1", folder / f"twin-{seed}") / "experiment.toml"
        changes = [f"name=twin-{seed}", f"seed={seed}", "sampling.length=61"]
        run_folder.write_experiment(file, load_experiment(file, changes))
    asked = []

    def do_job(files, ready, place, job):
        asked.append((job.run, job.name in ready.replaced))
        raise TextgenError("by design")

    monkeypatch.setattr(execution, "do_job", do_job)
    return SimpleNamespace(folder=folder, asked=asked)


def test_finished_runs_are_left_alone_and_first_seeds_come_first(copied, written, capsys):
    path = written(UPDATES + TWIN + BAD + CHAR + CONTRASTS)
    with recorded() as calls, pytest.raises(TextgenError, match="1 of 4 runs failed"):
        run(path, quiet=False)
    assert copied.asked == [("bad-1", False)]
    assert calls[0].folders == ["twin-3", "char-1", "twin-7"]
    assert [contrast.first for contrast in calls[0].contrasts] == ["twin", "bad"]
    shown = capsys.readouterr().out
    assert "warning: The test part has 2 documents" in shown
    assert "4 of 4 runs\n" in shown


@pytest.fixture
def shown(written, tmp_path):
    """A function that makes the display of a study whose runs take so many seconds, of which the
    first ones have begun; and its queue."""

    def make(text, seconds, begun, after=0.0):
        study = studies.load_study(written(text))
        files = StudyFiles(study, tmp_path / "runs", tmp_path / "reports")
        jobs = [replace(job, seconds=seconds) for job in list_jobs(study) if job.kind == "run"]
        queue = Queue(jobs)
        made = display.Display(files, jobs, queue, begun, after)
        for job in jobs[:begun]:
            queue.begin(job)
        return SimpleNamespace(display=made, queue=queue, files=files, jobs=jobs)

    return make


def test_a_pipe_is_told_what_each_run_is_doing(shown, monkeypatch, capsys):
    monkeypatch.setattr(console, "LINE_SECONDS", 0.02)
    study = shown("[budget]\nseconds = [30, 60]\n" + TWIN + CHAR, 80.0, begun=2, after=40.0)
    for job in study.jobs[:2]:
        text = f"  30/150 updates of {job.run} at 1.2k characters/s {'and so on ' * 9}\n"
        write_file(study.files.log(job), text)
    with Screen().lines(study.display.lines):
        time.sleep(0.3)
    told = capsys.readouterr().out
    # six runs, two at once, and the report
    minutes, seconds = divmod(int(3 * 80 + 40 - 0.5), 60)
    left = f"about {minutes}:{seconds:02} left"
    for name in ("twin-3", "char-1"):
        assert f"  0:00, {left}; 30s/{name}: 30/150 updates of {name}" in told
    assert max(map(len, told.splitlines())) <= 100
    assert f"0:00 elapsed, 0 of 6 runs, {left}" in study.display.progress()


def test_the_time_left_follows_what_runs_have_taken(shown):
    study = shown(UPDATES + TWIN + CHAR, 0.0, begun=1)
    assert "left" not in study.display.progress()
    study.queue.end(Ended(study.jobs[0], "by design", 61.0))
    assert "left" not in study.display.progress()  # a run that has failed tells nothing
    study.queue.begin(study.jobs[1])
    study.queue.end(Ended(study.jobs[1], None, 61.0))
    assert "2 of 3 runs, about 1:01 left" in study.display.progress()


def test_a_run_that_ends_is_shown_with_its_bits_of_the_test_part(shown, alone):
    study = shown(UPDATES + CHAR, 60.0, begun=1)
    shutil.copytree(alone / "char-1", study.files.run(study.jobs[0]))
    ended = Ended(study.jobs[0], None, 61.0)
    study.queue.end(ended)
    assert f"char-1: {Run(alone / 'char-1').bits():.3f}, 61 s; " in study.display.end(ended)


def test_failed_runs_are_named_also_if_nothing_is_left_to_compare(copied, written, monkeypatch):
    nothing = Mock(side_effect=TextgenError("none of 3 runs can be compared"))
    monkeypatch.setattr(pages, "compare_runs", nothing)
    with pytest.raises(TextgenError, match=r"1 of 2 runs failed: bad-1"):
        run(written(UPDATES + BAD + CHAR))
    with pytest.raises(TextgenError, match="none of 3 runs can be compared"):
        run(written(UPDATES + CHAR))


def test_a_report_is_written_once_by_the_processes_at_work_and_by_every_new_one(copied, written):
    path = written(UPDATES + CHAR)
    reports = path.parent / "reports"
    calls = []
    others = []

    def compare(folders, **settings):
        calls.append(len(folders))
        folder = settings["reports_folder"] / settings["name"]
        if not others:
            others.append(ThreadPoolExecutor(1).submit(run, path, reports_folder=reports))
            with pytest.raises(TextgenError, match="another process is working"):
                run(path, reports_folder=reports, overwrite=True)
            at_work = copied.folder / LOCKS / "processes"
            while len(list(at_work.iterdir())) < 2:
                time.sleep(0.02)
            time.sleep(0.02)  # of the clock of the files
        for name in ("report.json", "index.html"):
            write_file(folder / name, "{}")
        return Comparison(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "compare_runs", compare)
        first = run(path, reports_folder=reports)
        assert others[0].result().folder == first.folder
        assert calls == [1]
        run(path, reports_folder=reports)
    assert calls == [1, 1]
    assert copied.asked == []


def test_a_study_in_folds_trains_every_arm_in_each_with_every_seed(written, capsys):
    study = studies.load_study(written("folds = 2\n" + UPDATES + TWIN + CHAR))
    runs = [(job.arm, job.run) for job in list_jobs(study) if job.run]
    experiments = [study.experiment(arm, name) for arm, name in runs]
    first = ["twin-5-fold1", "char-1-fold1", "twin-6-fold2", "char-2-fold2"]
    assert [e.name for e in experiments] == [*first, "twin-13-fold1", "twin-14-fold2"]
    for each in study.arms:
        for name, resolved in study.resolved_runs(each, None).items():
            assert resolved == study.experiment(each, name).resolved
    places = [(e.seed, e.split.fold, e.split.folds) for e in experiments]
    assert (places[0], places[-1]) == ((5, 1, 2), (14, 2, 2))
    corpora = preparing.show_text(study, Screen())
    tested = [document.name for corpus in corpora for document in corpus.test]
    assert sorted(tested) == sorted(n for names in corpora[0].names.values() for n in names)
    assert f"test {len(tested)} documents" in capsys.readouterr().out
    with pytest.raises(TextgenError, match=r"split\.fold"):
        studies.load_study(written("folds = 2\n" + UPDATES + arm("char", "split.fold=1")))
    with pytest.raises(TextgenError, match=r"arms.char: seeds: 0 .*2 folds"):
        studies.load_study(written("folds = 2\n" + UPDATES + arm("char", seeds=[0, 1])))


def test_the_command_of_a_study_s_report_repeats_it_from_its_runs(copied, tmp_path, written):
    reports = tmp_path / "the reports"
    report = run(written("embed = true\n" + UPDATES + CHAR), reports_folder=reports)
    before = (report.folder / "report.json").read_text()
    assert re.search(r'id="models">\[\["char"', (report.folder / "index.html").read_text())
    python, option, module, command, *options = shlex.split(report.report.command)
    shutil.rmtree(reports)
    assert (python, option, module, command) == ("python", "-m", "textgen", "study")
    assert cli.main(["study", *options]) == 0
    assert (report.folder / "report.json").read_text() == before
    assert copied.asked == []


@pytest.mark.parametrize(("documents", "warned"), [(6, True), (7, False)])
def test_questions_that_documents_cannot_answer_are_warned_of(written, capsys, documents, warned):
    """Of 6 documents that agree p is 2^-5, times two questions; fewer are warned of anyway."""
    names = json.dumps([f"tale{i:02d}.txt" for i in range(documents)])
    path = written(UPDATES + TWIN + BAD + CHAR + CONTRASTS)
    experiment = path.with_name("char.toml")
    experiment.write_text(experiment.read_text().replace("test = 0.2", f"test = {names}"))
    preparing.show_text(studies.load_study(path), Screen())
    shown = " ".join(capsys.readouterr().out.split())
    assert f"test {documents} documents" in shown
    assert ("cannot answer 2 questions, whatever the results: at least 7" in shown) == warned


BATCH = ["training.batch=4"]
FILES = "metrics.json", "manifest.json", "experiment.toml"
HARMS = [  # settings of the arm, a file in the study's folder and what becomes of it, the message
    (BATCH, "plan.json", str, r"arms\.char(.|\n)*training\.batch: 8 → 4"),
    (BATCH, "plan.json", None, r"char-1 holds another run: training\.batch"),
    ([], "char-1/manifest.json", lambda text: re.sub("[0-9a-f]{64}", "0" * 64, text), "other text"),
    *(([], f"char-1/{name}", lambda text: "{", re.escape(name)) for name in FILES),
]


@pytest.mark.parametrize(("settings", "name", "change", "message"), HARMS)
def test_another_or_a_damaged_run_is_refused(copied, written, settings, name, change, message):
    file, path = copied.folder / name, written(UPDATES + arm("char", *settings))
    file.write_text(change(file.read_text())) if change else file.unlink()
    with pytest.raises(TextgenError, match=message):
        run(path)
    assert copied.asked == []
    with pytest.raises(TextgenError, match="by design"):
        run(path, overwrite=True)
    assert copied.asked == [("char-1", True)]
    (copied.folder / "plan.json").write_text("{")
    with pytest.raises(TextgenError, match=r"plan\.json: damaged"):
        run(path)


KILLS = int(os.environ.get("KILLS", "1"))
KILL_SECONDS = float(os.environ.get("KILL_SECONDS", "60"))  # more where the machine is busy
ENDINGS = [(os.kill, signal.SIGKILL), (os.kill, signal.SIGTERM), (os.killpg, signal.SIGKILL)]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_study_ends_with_the_same_figures(done, tmp_path, written, temporary, number):
    """The first is killed as soon as there is a checkpoint, others at any moment."""
    path = written(UPDATES + CHAR)
    command = [sys.executable, "-m", "textgen", "study", path]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    folder = tmp_path / "runs" / "trial" / "char-1"
    if number:
        time.sleep(random.Random(number).uniform(0, 30))
    while not number and process.poll() is None and not (folder / "checkpoint.npz").exists():
        time.sleep(0.02)
    end, signal_number = ENDINGS[number % len(ENDINGS)]
    end(process.pid, signal_number)  # if it is over, it is a zombie until it is waited for
    process.wait()
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / run_folder.LOCK, timeout=240):
        assert number or not (folder / "metrics.json").exists()
        assert number or load_progress(folder).updates >= 50
    with recorded():
        run(path)
    assert bits(folder) == bits(done.folder / "char-1")
    for name in ("tokens.npz", "texts.json"):
        assert (folder / name).read_bytes() == (done.folder / "char-1" / name).read_bytes()
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_two_processes_share_a_study_and_nothing_is_lost_or_done_twice(
    done, tmp_path, written, number
):
    """The first two are left alone; others are killed at any moment, and a third one goes on."""
    path = written(UPDATES + CHAR + arm("again", "sampling.length=62"))
    command = [sys.executable, "-m", "textgen", "study", path, "--workers=1"]
    both = []
    for name in "ab":
        with (tmp_path / f"{name}.txt").open("w") as output:
            both.append(subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output))
    if number:
        time.sleep(random.Random(number).uniform(5, KILL_SECONDS))
        for process in both:
            process.kill()
    codes = [process.wait() for process in both]
    folder = tmp_path / "runs" / "trial"
    results = {file: file.stat().st_mtime_ns for file in folder.glob("*/metrics.json")}
    print(f"repetition {number}: {len(results)} of 2 runs were finished")
    if not number:
        told = "".join((tmp_path / f"{name}.txt").read_text() for name in "ab")
        assert codes == [0, 0], told
        for run_name in ("char-1", "again-1"):
            assert len(re.findall(rf"^  {run_name}: [0-9.]+, [0-9]+ s; ", told, re.M)) == 1, told
    with recorded() as calls:
        run(path)
    assert [sorted(call.folders) for call in calls] == [["again-1", "char-1"]]
    for run_name in ("char-1", "again-1"):
        assert bits(folder / run_name)[1] == bits(done.folder / "char-1")[1]
    assert {file: file.stat().st_mtime_ns for file in results} == results


def test_no_process_is_left_when_a_study_is_interrupted(written, monkeypatch):
    started, inner = [], subprocess.Popen
    popen = Mock(side_effect=lambda *a, **b: started.append(inner(*a, **b)) or started[-1])
    monkeypatch.setattr(places.subprocess, "Popen", popen)

    def interrupt():
        while len(started) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(written(UPDATES + TWIN + CHAR), workers=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(started) == 2
    assert all(process.wait(60) is not None for process in started)


def test_a_run_whose_results_are_missing_or_damaged_fails_alone(alone, written, monkeypatch):
    class Elsewhere(ProcessHere):
        """A machine that shares no folder, one that writes half of a file, and one that does
        both right."""

        def do(self, job, log, **arguments):
            run = Path(arguments["runs"]) / log.stem
            if log.stem != "char-1":
                shutil.copytree(alone / "char-1", run)
            if log.stem == "char-2":
                (run / "metrics.json").write_text("{")

    monkeypatch.setattr(places, "Worker", Elsewhere)
    with recorded() as calls, pytest.raises(TextgenError, match="2 of 3 runs failed") as caught:
        run(written(UPDATES + arm("char", seeds=3)))
    assert re.search(r"char-1: [^;]*no results", str(caught.value))
    assert re.search(r"char-2: [^;]*damaged", str(caught.value))
    assert [call.folders for call in calls] == [["char-3"]]


@pytest.fixture
def nodes():
    """A cluster of one node with a core and two pretended GPUs, to which others can be added."""
    # no lower priority than other tests, which would let a run on a busy machine starve
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 2})
    yield made
    made.shutdown()


@pytest.fixture
def cluster(nodes):
    nodes.add_node(num_cpus=1)
    return nodes.address


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_same_figures_and_failures(done, written, cluster, capfd):
    path = written(UPDATES + BAD + CHAR)
    folder = path.parent / "runs" / "trial"
    capfd.readouterr()
    with recorded():
        options = [f"--runs={folder.parent}", f"--address={cluster}", "--quiet"]
        assert cli.main(["study", str(path), *options]) == 2
    assert bits(folder / "char-1") == bits(done.folder / "char-1")
    assert "the loss is" in (folder / "logs" / "bad-1.txt").read_text()
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"textgen: {folder}")  # none of Ray's chatter


@pytest.mark.slow
def test_a_cluster_that_cannot_be_reached_is_named_before_arms_are_timed(written, monkeypatch):
    path = written(UPDATES + CHAR)
    with pytest.raises(TextgenError, match=r"127\.0\.0\.1:1(.|\n)*ray start --head"):
        run(path, address="127.0.0.1:1")
    assert not list(path.parent.rglob("plan.json"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TextgenError, match=r"pip install \"\.\[cluster\]\""):
        run(path, address="127.0.0.1:1")


@pytest.mark.slow
def test_tasks_see_what_they_ask_for_and_what_no_node_has_is_refused(
    nodes, written, tmp_path, monkeypatch
):
    """Four tasks at once on three nodes have a GPU each, one that asks for none sees none; what
    counts of the environment is that of this process."""
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2")
    monkeypatch.setenv("TEXTGEN_CACHE", "elsewhere")

    for _ in range(2):
        nodes.add_node(num_cpus=1, num_gpus=1)

    def look(call, _):
        import ray

        (tmp_path / call["name"]).touch()
        while call["together"] and len(list(tmp_path.glob("together*"))) < 4:
            time.sleep(0.05)
        names = ("CUDA_VISIBLE_DEVICES", "XLA_FLAGS", "TEXTGEN_CACHE", "OMP_NUM_THREADS")
        seen = [os.environ.get(name) for name in names]
        return [ray.get_runtime_context().get_node_id(), *seen]

    study = studies.load_study(written(UPDATES + CHAR))
    wide = studies.load_study(written(UPDATES + CHAR + "resources = { cores = 99 }\n"))
    with Cluster(nodes.address, study, print) as place, ThreadPoolExecutor(4) as threads:
        place.check(list_jobs(study), tmp_path)
        with pytest.raises(TextgenError, match=r"run/char-1 takes 99 cores.* which no node has"):
            place.check(list_jobs(wide), tmp_path)

        def task(gpus, name):
            call = {"name": name, "together": name.startswith("together")}
            resources = studies.Resources(cores=0.5, gpus=gpus)
            return place._task(name, resources, tmp_path, look, call)

        four = [threads.submit(task, 1, f"together{number}") for number in range(4)]
        found = [tuple(future.result()[:2]) for future in four]
        assert len(set(found)) == 4
        assert len({node for node, _ in found}) == 3
        assert {gpu for _, gpu in found} == {"0", "1"}
        assert task(0, "alone")[1:] == ["", "--xla_cpu_max_isa=SSE4_2", "elsewhere", None]


@pytest.mark.slow
def test_no_task_is_left_when_a_study_on_a_cluster_is_interrupted(nodes, written, tmp_path):
    study = studies.load_study(written(UPDATES + CHAR))
    file = tmp_path / "process"

    def waits(call, _):
        Path(call["file"]).write_text(str(os.getpid()))
        time.sleep(600)

    resources = studies.Resources(cores=1)
    arguments = ("waits", resources, tmp_path, waits, {"file": str(file)})
    with ThreadPoolExecutor(1) as threads:
        with contextlib.suppress(KeyboardInterrupt), Cluster(nodes.address, study, print) as place:
            task = threads.submit(place._task, *arguments)
            while not file.exists() or not file.read_text():
                time.sleep(0.05)
            raise KeyboardInterrupt
        assert task.exception(timeout=60) is not None
    while Path(f"/proc/{file.read_text()}").exists():
        time.sleep(0.05)
    with pytest.raises(Cancelled):  # a thread that has waited for something else meanwhile
        place._task(*arguments)


@pytest.mark.slow
def test_a_run_whose_node_is_lost_goes_on_at_another_and_ends_alike(nodes, written, done):
    """Only one node at a time has what the run asks for."""
    path = written(UPDATES + CHAR + "resources = { gpus = 3 }\n")
    folder = path.parent / "runs" / "trial" / "char-1"
    lost = nodes.add_node(num_cpus=1, num_gpus=3)
    command = [sys.executable, "-m", "textgen", "study", path, f"--address={nodes.address}"]
    study = subprocess.Popen(command, cwd=path.parent)
    while study.poll() is None and not (folder / "checkpoint.npz").exists():
        time.sleep(0.02)
    nodes.remove_node(lost, allow_graceful=False)
    assert 50 <= load_progress(folder).updates < 150
    nodes.add_node(num_cpus=1, num_gpus=3)
    assert study.wait() == 0
    assert bits(folder) == bits(done.folder / "char-1")


@pytest.mark.slow
@pytest.mark.timeout(900)  # eight trainings and four pages of cells, on one core as well
def test_a_grid_on_three_nodes_survives_a_lost_node_and_a_killed_command(nodes, written):
    """Each node has room for one run."""
    text = "[budget]\nupdates = [100, 150]\n" + arm("char", seeds=2)
    path = written(f"{text}resources = {{ gpus = 1 }}\n")
    folder = path.parent / "runs" / "trial"
    lost = [nodes.add_node(num_cpus=1, num_gpus=1) for _ in range(2)][-1]
    command = [sys.executable, "-m", "textgen", "study", path, f"--address={nodes.address}"]

    def count(name):
        return len(list(folder.glob(f"*/char-*/{name}")))

    study = subprocess.Popen(command, cwd=path.parent)
    while study.poll() is None and count("experiment.toml") - count("metrics.json") < 3:
        time.sleep(0.05)
    nodes.remove_node(lost, allow_graceful=False)
    finished = count("metrics.json")
    while study.poll() is None and count("metrics.json") <= finished:
        time.sleep(0.05)
    assert study.poll() is None
    study.kill()
    study.wait()
    assert count("metrics.json") < 4
    assert subprocess.run(command, cwd=path.parent).returncode == 0

    here = [sys.executable, "-m", "textgen", "study", path, "--runs=alone", "--reports=of_alone"]
    assert subprocess.run(here, cwd=path.parent).returncode == 0
    for cell, seed in itertools.product(("100u", "150u"), (1, 2)):
        made = folder / cell / f"char-{seed}"
        alone = path.parent / "alone" / "trial" / cell / f"char-{seed}"
        assert bits(made) == bits(alone)
        for name in ("tokens.npz", "texts.json"):
            assert (made / name).read_bytes() == (alone / name).read_bytes()


def test_the_lock_of_a_node_that_does_not_answer_is_taken_over(tmp_path, monkeypatch):
    """The node is pretended: this process holds the lock."""
    monkeypatch.setattr(cluster_module, "wait_until_free", lambda _: None)
    log = tmp_path / "logs" / "char-1.txt"
    stored = tmp_path / "char-1" / "experiment.toml"
    for file in (log.with_suffix(".toml"), stored):
        write_file(file, "name = 'char-1'")
    arguments = {"runs": str(tmp_path), "experiment": "", "overwrite": True}
    with filelock.FileLock(tmp_path / "char-1" / run_folder.LOCK):
        goes_on = cluster_module._going_on(log, arguments)
        filelock.FileLock(tmp_path / "char-1" / run_folder.LOCK).acquire(timeout=0)
    assert goes_on["overwrite"] is False  # it has begun to replace the other run
    write_file(stored, "name = 'other'")
    assert cluster_module._going_on(log, arguments)["overwrite"] is True


class RayThatLosesANode:
    """Two of its three nodes do not answer, and the last one is lost while it is asked."""

    exceptions = SimpleNamespace(RayError=RuntimeError)

    def __init__(self):
        self.is_lost = False

    def nodes(self):
        alive = {"answers": True, "broken": True, "lost": not self.is_lost}
        return [
            {"NodeID": name, "NodeManagerHostname": "host", "Alive": is_alive}
            for name, is_alive in alive.items()
        ]

    def remote(self, scheduling_strategy, **_):
        return lambda _: SimpleNamespace(remote=lambda *_: scheduling_strategy)

    def get(self, node_id, timeout):
        if node_id == "answers":
            return {"answer": "here"}
        self.is_lost = True
        raise RuntimeError(f"{node_id} cannot be asked")


def test_a_node_that_is_lost_while_it_is_asked_is_left_out(monkeypatch):
    """Ray is pretended."""
    strategies = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node_id, soft: node_id)
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
    place = cluster_module.Cluster("address", None, print)
    place._ray = RayThatLosesANode()
    answers = place._answers(place._ray.nodes(), "token")
    assert [*answers.values()] == [{"answer": "here"}, {"answer": "broken cannot be asked"}]


def test_nodes_that_differ_are_shown_in_one_table(tmp_path):
    """Their answers are pretended."""
    here = cluster_module.answer(str(tmp_path))
    other_processor = {**here, "processor": "an abacus"}
    assert cluster_module.differing({"here": here, "first": other_processor}) == ""
    answers = {
        "here": here,
        "first": other_processor,
        "second": {**here, "keras": "2.0"},
        "third": cluster_module.answer(str(tmp_path / "missing")),
        "fourth": {"answer": "No module named 'textgen'"},
    }
    shown = cluster_module.differing(answers)
    assert [name in shown for name in answers] == [True, False, True, True, True]
    assert all(said in shown for said in ("2.0", "not shared", "No module named"))


def test_another_version_of_a_cluster_is_told_as_that():
    said = (
        "Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n    Python: 3.9.1\n"
        "This process on node 1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
    )
    told = str(cluster_module.connection_error("auto", RuntimeError(said)))
    assert "other versions: Ray: 2.9.0 and Python: 3.9.1" in told
    assert "no Ray cluster answers" in str(cluster_module.connection_error("auto", OSError("no")))
