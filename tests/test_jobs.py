"""A study as a list of jobs: the list, single jobs by hand, and the queue."""

import json
import os
import pickle
import random
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from conftest import ROOT, ProcessHere, write_experiment, write_tales

from textgen import cli
from textgen.core import machine, tensorflow
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.files import write_file
from textgen.report.grid import ArmRecord, CellRecord, RunRecord
from textgen.runs import folder
from textgen.studies import by_hand, cluster, display, execution, places, preparing, timing
from textgen.studies.jobs import (
    Job,
    Kind,
    State,
    StudyFiles,
    done_jobs,
    is_planned_run,
    list_jobs,
    planned_arms,
    states,
    timed_cell,
)
from textgen.studies.queue import Ended, Queue, work_off
from textgen.studies.sharing import LOCKS, at_work, failure_of, is_taken, lock_study, take
from textgen.studies.study import Resources, load_study

sys.path.append(str(ROOT / "tests" / "benchmarks"))
import queue_simulation as simulation

pytestmark = pytest.mark.fast

STUDY = """
set = ["cache.orders=[]", "sampling.length=40"]
threads = 1
[budget]
seconds = [4, 6]
[arms.char]
experiment = "char.toml"
seeds = 1
[arms.slow]
experiment = "char.toml"
seeds = [3]
set = ["training.learning_rate=1e-3"]
resources = { cores = 2, gpus = 0.5, memory = 3.5 }
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The path of a grid of two budgets."""
    monkeypatch.chdir(tmp_path)
    write_tales(tmp_path / "tales")
    write_experiment(tmp_path / "char.toml", tmp_path / "tales", "[]", 20)
    (tmp_path / "trial.toml").write_text(STUDY)
    return tmp_path / "trial.toml"


@pytest.fixture
def files(written, tmp_path):
    return StudyFiles(load_study("trial.toml"), tmp_path / "runs", tmp_path / "reports")


@pytest.mark.parametrize("part", ["network", "with_counts"])
def test_a_run_that_has_ended_is_shown_with_the_part_that_the_study_compares(
    part, files, monkeypatch
):
    totals = {"network": 2.125, "with_counts": 1.75}
    shown = {name: SimpleNamespace(total=total) for name, total in totals.items()}
    parts = {name: SimpleNamespace(bits_per_character=bits) for name, bits in shown.items()}
    metrics = SimpleNamespace(test=SimpleNamespace(parts=parts))
    monkeypatch.setattr(display, "read_metrics", lambda run: metrics)
    files = replace(files, study=replace(files.study, part=part))
    jobs = list_jobs(files.study)
    run = next(job for job in jobs if job.kind is Kind.RUN)
    queue = Queue(jobs)
    line = display.Display(files, jobs, queue, 1).end(Ended(run, seconds=3.0))
    assert f"{totals[part]:.3f}, 3 s" in line


class Timed(ProcessHere):
    """A preparation takes two seconds, an update one."""

    def do(self, job, log, **arguments):
        if job == "time":
            return 1.0
        if job == "begin":
            return {"preparation_seconds": 2.0, "parameters": 9}
        return super().do(job, log, **arguments)


def test_cells_come_in_the_order_of_the_file_and_seeds_in_turn(files):
    names = [job.name for job in list_jobs(files.study)]
    assert names == [
        "time/char", "time/slow",
        "run/4s/char-1", "run/4s/slow-3", "page/4s",
        "run/6s/char-1", "run/6s/slow-3", "page/6s", "page",
    ]  # fmt: skip
    needs = {job.name: set(job.needs) for job in list_jobs(files.study)}
    assert needs["run/4s/slow-3"] == {"time/slow"}
    assert needs["page/6s"] == {"run/6s/char-1", "run/6s/slow-3"}
    assert needs["page"] == {"page/4s", "page/6s"}
    (resources,) = {job.resources for job in list_jobs(files.study) if job.arm == "slow"}
    assert resources == Resources(cores=2, gpus=0.5, memory=3.5)


def test_what_a_job_leaves_says_its_state(files):
    jobs = list_jobs(files.study)
    assert set(states(files, jobs).values()) == {State.READY, State.WAITING}
    job = next(job for job in jobs if job.run)
    with take(files.lock(job)):
        assert states(files, jobs)[job.name] is State.RUNNING
        with (
            pytest.raises(TextgenError, match="another process is working"),
            lock_study(files.runs),
        ):
            pass
    (files.run(job)).mkdir(parents=True)
    (files.run(job) / "metrics.json").touch()
    assert states(files, jobs)[job.name] is State.DONE


@pytest.mark.slow
def test_jobs_done_by_hand_in_any_order_are_found_done_by_the_study(
    written, files, monkeypatch, capsys
):
    tensorflow.start_tensorflow()
    for name in ("threads", "threads_of_an_operation"):  # as processes of their own start it
        monkeypatch.setitem(tensorflow.tensorflow_in_effect, name, 1)
    monkeypatch.setattr(places, "Worker", Timed)

    def listed():
        capsys.readouterr()
        assert cli.main(["study", "trial.toml", "--jobs", "--json"]) == 0
        return {job["job"]: job for job in json.loads(capsys.readouterr().out)}

    jobs = listed()
    assert {job["state"] for job in jobs.values()} == {"ready", "waiting"}
    assert cli.main(["study", "trial.toml", "--job=run/4s/char-1"]) == 2
    assert "needs time/char first" in capsys.readouterr().err
    draw = random.Random(1)
    done = set()
    while len(done) < len(jobs):
        ready = sorted(n for n in jobs if n not in done and set(jobs[n]["needs"]) <= done)
        name = draw.choice(ready)
        assert cli.main(shlex.split(jobs[name]["command"])[1:]) == 0, capsys.readouterr().err
        done.add(name)
        assert listed()[name]["state"] == "done"
    monkeypatch.setattr(execution, "do_job", lambda *_: pytest.fail("done again"))
    grid = execution.run_study("trial.toml", quiet=True)
    assert sorted(grid.cells) == ["4s", "6s"]
    updates = {name: cell.arms["slow"].runs[0].updates for name, cell in grid.cells.items()}
    assert updates == {"4s": 2, "6s": 4}
    assert (files.reports / "cells" / "6s" / "index.html").exists()


@pytest.fixture
def by_updates(written):
    """The grid with budgets in updates, so that nothing is timed."""
    written.write_text(STUDY.replace("seconds =", "updates ="))
    return written


def finish(files, job):
    """Pretend that a run is finished."""
    files.run(job).mkdir(parents=True)
    (files.run(job) / "metrics.json").touch()


def test_a_job_that_another_process_has_done_meanwhile_is_not_done_again(
    by_updates, files, monkeypatch
):
    job = next(job for job in list_jobs(load_study("trial.toml")) if job.run)

    def take_after_another(lock, *seconds):
        finish(files, job)
        return take(lock, *seconds)

    monkeypatch.setattr(by_hand, "take", take_after_another)
    monkeypatch.setattr(by_hand, "_do", lambda *_: pytest.fail("done again"))
    assert cli.main(["study", "trial.toml", f"--job={job.name}"]) == 0


def test_a_job_begins_though_its_lock_is_held_for_a_moment_and_looks_at_no_other(
    by_updates, files, monkeypatch
):
    """As by a listing, which looks at every lock."""
    job = next(job for job in list_jobs(load_study("trial.toml")) if job.run)
    is_held = threading.Event()

    def hold():
        lock = take(files.lock(job))
        is_held.set()
        time.sleep(0.3)
        lock.release()

    begun = []
    monkeypatch.setattr(by_hand, "states", lambda *_: pytest.fail("looked at all locks"))
    monkeypatch.setattr(by_hand, "_do", lambda files, job, screen: begun.append(job.name))
    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait()
    assert cli.main(["study", "trial.toml", f"--job={job.name}"]) == 0
    holder.join()
    assert begun == [job.name]


@pytest.mark.parametrize("option", ["--overwrite", "--workers=2", "--workers=0", "--address=auto"])
def test_options_of_the_whole_study_are_refused_beside_a_single_job(by_updates, capsys, option):
    for command in ("study", "tune"):
        for which in ("--jobs", "--job=page"):
            assert cli.main([command, "trial.toml", which, option]) == 2
            assert f"{option.partition('=')[0]}: only without" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--json"], "--json: only with --jobs"), (["--jobs", "--job=page"], "one of them")],
)
def test_a_form_of_a_list_begins_no_study_and_a_list_does_no_job(
    by_updates, capsys, monkeypatch, options, told
):
    monkeypatch.setattr(execution, "run_study", lambda *_, **__: pytest.fail("begun"))
    for command in ("study", "tune"):
        assert cli.main([command, "trial.toml", *options]) == 2
        assert told in capsys.readouterr().err


def test_a_finished_run_is_done_as_long_as_the_settings_of_its_arm_are_the_same(by_updates, files):
    def state(name):
        study = StudyFiles(load_study("trial.toml"), files.runs_folder, files.reports_folder)
        return states(study, list_jobs(study.study))[name]

    study = load_study("trial.toml")
    job = next(job for job in list_jobs(study) if job.run)
    cell = next(cell for cell in study.cells if cell.name == job.cell)
    timing.plan_study(timed_cell(study).study, files.runs)
    finish(files, job)
    made = cell.study.experiment(job.arm, job.run, 4)
    folder.write_experiment(files.run(job) / "experiment.toml", made)
    assert state(job.name) is State.DONE
    by_updates.write_text(by_updates.read_text().replace("length=40", "length=41"))
    assert state(job.name) is State.READY
    timing.plan_study(timed_cell(load_study("trial.toml")).study, files.runs, overwrite=True)
    assert state(job.name) is State.READY  # to be made again


@pytest.mark.parametrize("fold", [None, 2])
def test_a_run_counts_for_a_report_only_if_it_was_trained_by_the_plan_of_its_arm(
    by_updates, files, fold
):
    """In whichever fold; an older run whose replacement failed does not."""
    if fold:
        by_updates.write_text("folds = 3\n" + by_updates.read_text())
    cell = load_study("trial.toml").cells[0]
    (plan,) = timing.plan_study(cell.study, files.runs, arms=["char"]).values()
    run = list(cell.study.runs("char"))[(fold or 1) - 1]
    made = files.runs / run
    experiment = cell.study.experiment("char", run, plan.updates)
    folder.write_experiment(made / "experiment.toml", experiment)
    assert not is_planned_run(made, plan)  # it is not finished
    (made / "metrics.json").touch()
    assert is_planned_run(made, plan)
    for setting in ("training.updates=5", "training.learning_rate=0.5"):
        other = load_experiment(experiment, [setting])
        folder.write_experiment(made / "experiment.toml", other)
        assert not is_planned_run(made, plan)


def test_no_run_is_trained_with_settings_that_have_been_changed_since_they_were_planned(
    by_updates, files
):
    study = load_study("trial.toml")
    cell = study.cells[0]
    job = next(job for job in list_jobs(study) if job.run)
    plans = {cell.name: timing.plan_study(cell.study, files.runs)}
    ready = SimpleNamespace(cells={cell.name: cell}, plans=plans, replaced=set())
    experiment = by_updates.with_name("char.toml")
    text = experiment.read_text()
    experiment.write_text(text.replace("learning_rate = 1e-2", "learning_rate = 0.5"))
    assert experiment.read_text() != text
    with pytest.raises(TextgenError, match=r"arms\.char has been changed .*learning_rate"):
        execution.do_job(files, ready, None, job)


def test_what_is_on_record_of_other_settings_goes_when_they_are_replaced_though_the_runs_fail(
    by_updates, files, monkeypatch
):
    def fail(*_):
        raise TextgenError("by design")

    monkeypatch.setattr(execution, "do_job", fail)
    files = replace(files, study=load_study("trial.toml"))
    recorded(files, "4u", ["char", "slow"], {"updates": 3, "experiment": {}})
    with pytest.raises(TextgenError, match="4u was recorded with other settings"):
        execution.run_study("trial.toml", quiet=True)
    assert files.record("4u").exists()
    with pytest.raises(TextgenError, match="2 of 2 cells failed"):
        execution.run_study("trial.toml", quiet=True, overwrite=True)
    assert not files.record("4u").exists()


def test_the_runs_of_a_study_that_has_become_a_grid_are_listed_as_done(written, files, capsys):
    written.write_text(STUDY.replace("seconds = [4, 6]", "updates = 4"))
    study = load_study("trial.toml")
    timing.plan_study(study, files.runs)
    run = files.runs / "char-1"
    run.mkdir(parents=True)
    (run / "metrics.json").touch()
    folder.write_experiment(run / "experiment.toml", study.experiment("char", "char-1", 4))
    written.write_text(STUDY.replace("seconds =", "updates ="))
    assert cli.main(["study", "trial.toml", "--jobs", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    assert [job["job"] for job in jobs if job["state"] == "done"] == ["run/4u/char-1"]


def recorded(files, cell, arms, plan=None):
    """Put a cell of the grid on record, with one run of each of these arms."""
    about = {"seed": 1, "fold": None, "subset": "", "updates": 4, "processor": ""}
    held = {}
    for arm in arms:
        seed = 3 if arm == "slow" else 1
        runs = [RunRecord(name=f"{arm}-{seed}", **about)]
        held[arm] = ArmRecord(plan=plan or {}, runs=runs, where=[], validation={}, test={})
    record = CellRecord(
        name=cell, text="", size=None, budget=("updates", 4), sha256="ab", documents={},
        classes=[], arms=held,
    )  # fmt: skip
    write_file(files.record(cell), record.model_dump_json())


def test_a_record_counts_if_it_has_all_runs_of_its_cell_on_the_same_text(by_updates, files):
    """The record of fewer is made again, from all folders."""
    files = replace(files, study=load_study("trial.toml"))
    jobs = list_jobs(files.study)
    recorded(files, "4u", ["char"])
    assert done_jobs(files, jobs) == set()
    recorded(files, "4u", ["char", "slow"])
    assert done_jobs(files, jobs) == {"run/4u/char-1", "run/4u/slow-3", "page/4u"}
    assert done_jobs(files, jobs, {"": "ab"}) == done_jobs(files, jobs)
    assert done_jobs(files, jobs, {"": "cd"}) == set()


def test_a_single_job_names_the_study_s_command_where_a_folder_holds_another_run(
    by_updates, files, capsys
):
    job = next(job for job in list_jobs(load_study("trial.toml")) if job.run)
    files.run(job).mkdir(parents=True)
    write_experiment(files.run(job) / "experiment.toml", files.runs_folder.parent, "[]", 30)
    assert cli.main(["study", "trial.toml", f"--job={job.name}"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "holds another run" in told
    assert "replace it with: textgen study trial.toml --overwrite" in told


def test_cells_whose_text_is_too_small_have_no_jobs_also_before_anything_is_planned(
    by_updates, capsys
):
    by_updates.write_text("sizes = [500, 9_000_000]\n" + by_updates.read_text())
    assert cli.main(["study", "trial.toml", "--jobs", "--json"]) == 0
    jobs = json.loads(capsys.readouterr().out)
    cells = {job["job"].split("/")[1] for job in jobs if job["job"].startswith("run/")}
    assert cells == {"500-4u", "500-6u"}
    assert cli.main(["study", "trial.toml", "--job=run/9000000-4u/char-1"]) == 2
    assert "no such job" in capsys.readouterr().err


def test_a_plan_of_an_earlier_version_holds_although_settings_have_been_added(files, monkeypatch):
    study = files.study.cell("", None, 4).study
    monkeypatch.setattr(places, "Worker", Timed)
    before = timing.plan_study(study, files.runs)
    stored = json.loads(files.plan.read_text())
    for plan in stored.values():
        del plan["experiment"]["training"]["growth"]
    files.plan.write_text(json.dumps(stored))
    monkeypatch.setattr(timing, "measure_arms", lambda *_: pytest.fail("timed again"))
    assert timing.plan_study(study, files.runs) == before
    stored["char"]["experiment"]["training"]["batch"] = 999
    files.plan.write_text(json.dumps(stored))
    with pytest.raises(TextgenError, match=r"arms.char was planned from other settings"):
        timing.plan_study(study, files.runs)


RECORDS = sorted((ROOT / "experiments" / "research").glob("*/results/*/grid.json"))


@pytest.mark.parametrize("contents", RECORDS, ids=lambda path: path.parent.name)
def test_of_a_grid_on_record_nothing_is_timed_or_trained_again(contents, tmp_path):
    """Those that come with textgen, which earlier versions have written."""
    folder = contents.parent
    study = load_study(folder.parents[1] / f"{folder.name}.toml")
    files = StudyFiles(study, tmp_path, folder.parent)
    preparing.restore_plans(files)
    assert planned_arms(files) == study.arms.keys()
    skipped = json.loads(contents.read_text())["skipped"]
    jobs = list_jobs(study, skipped)
    assert {job.name for job in jobs} - done_jobs(files, jobs) == {"page"}


def test_a_grid_that_is_refused_leaves_what_its_files_say(by_updates, files):
    job = next(job for job in list_jobs(load_study("trial.toml")) if job.run)
    files.run(job).mkdir(parents=True)
    write_experiment(files.run(job) / "experiment.toml", files.runs_folder.parent, "[]", 30)
    report = files.reports / "report.json"  # of the study before it had several budgets
    write_file(report, "{}")
    with pytest.raises(TextgenError, match="holds another run"):
        execution.run_study("trial.toml", quiet=True)
    assert report.exists()
    assert not (files.reports / "grid.json").exists()
    assert not list(files.runs.glob("*/plan.json"))


def test_arms_are_timed_together_if_they_take_the_same_where_plans_were_timed_elsewhere(files):
    """Another machine, such as a node of a cluster, measures them all."""
    groups = []

    def measure(study, arms, folder):
        groups.append(arms)
        figures = {"preparation_seconds": 1.0, "seconds_per_update": 0.1, "parameters": 1}
        return {arm: {**figures, "processor": "of a node"} for arm in arms}

    study = files.study.cell("", None, 4).study

    def planned(*arms):
        options = {"measure": measure, "processors": ["of a node"]}
        return timing.plan_study(study, files.runs, workers=2, arms=arms, **options)

    assert planned("char").keys() == {"char"}
    assert planned().keys() == {"char", "slow"}
    (files.runs / "plan.json").unlink()
    planned()
    assert groups == [["char"], ["slow"], ["char"], ["slow"]]


def test_no_job_is_given_away_before_what_was_doing_it_has_ended(tmp_path):
    stopped = threading.Event()
    taken_at_the_end = []
    (job,) = some_jobs(1)
    lock = tmp_path / "lock"

    class Place:
        kept = ()

        def stop(self):
            stopped.set()

    def do(job):
        stopped.wait(5)
        time.sleep(0.2)  # as a process takes to end, and the removal of its files
        taken_at_the_end.append(is_taken(lock))

    crew = places.PlaceCrew(Place(), do, lambda job: lock, lambda job: False)
    assert crew.take(job)
    crew.begin(job)
    crew.close()
    assert taken_at_the_end == [True]
    assert not is_taken(lock)


class Idle:
    """A place in which each job is done by a function, one at a time."""

    slots = 1
    kept = ()

    def has_room(self, job, running):
        return not list(running)

    def release(self, name):
        pass

    def stop(self):
        pass


def test_a_job_that_has_failed_is_tried_by_one_of_the_processes_at_work_and_by_a_new_one(tmp_path):
    tried = []

    def fail(job):
        tried.append(job.name)
        raise TextgenError(f"{job.name} fails by design")

    def work():
        """As one process does."""
        queue = Queue(some_jobs(1, 1))
        crew = places.PlaceCrew(
            Idle(), fail, lambda job: tmp_path / LOCKS / f"{job.name}.lock", lambda job: False
        )
        with at_work(tmp_path), closing(crew):
            for _ in work_off(queue, crew):
                pass
        return queue.failures

    both = {name: f"{name} fails by design" for name in ("job0", "job1")}
    with at_work(tmp_path):  # another process, which is not done yet
        assert work() == both
        assert work() == both
        assert tried == ["job0", "job1"]
    assert work() == both
    assert tried == 2 * ["job0", "job1"]
    assert [*(tmp_path / LOCKS / "processes").iterdir()] == []


def test_what_fails_because_all_is_stopped_waits_for_another_process(tmp_path):
    lock = tmp_path / LOCKS / "job0.lock"
    has_begun = threading.Event()
    stopped = threading.Event()

    class Stopped(Idle):
        def stop(self):
            stopped.set()

    def do(job):
        has_begun.set()
        stopped.wait(5)
        raise TextgenError("ended by SIGTERM")

    (job,) = some_jobs(1)
    crew = places.PlaceCrew(Stopped(), do, lambda job: lock, lambda job: False)
    assert crew.take(job)
    crew.begin(job)
    has_begun.wait(5)
    crew.close()
    assert failure_of(lock) is None


def test_nothing_is_replaced_while_another_process_works_on_the_study(by_updates, files):
    """Also while that does no job, such as when it writes a report."""
    with at_work(files.runs), pytest.raises(TextgenError, match="another process is working"):
        execution.run_study("trial.toml", quiet=True, overwrite=True)
    assert not list(files.runs.rglob("metrics.json"))


def test_a_single_job_that_fails_is_recorded_and_tried_again_when_it_is_asked_for(
    by_updates, files, monkeypatch
):
    def fail(files, job, screen):
        raise TextgenError("by design")

    command = ["study", "trial.toml", "--job=run/4u/char-1"]
    monkeypatch.setattr(by_hand, "_do", fail)
    assert cli.main(command) == 2
    lock = files.runs / LOCKS / "run" / "4u" / "char-1.lock"
    assert failure_of(lock) == "by design"
    monkeypatch.setattr(by_hand, "_do", lambda *_: None)
    assert cli.main(command) == 0
    assert failure_of(lock) is None


ONE = Resources(cores=1)


def some_jobs(*seconds, needs=()):
    return [
        Job(f"job{n}", Kind.RUN, (n,), ONE, needs, seconds=s, arm=f"{n}")
        for n, s in enumerate(seconds)
    ]


class Crew:
    """Does one job at a time. Those that are elsewhere are another process's until they are looked
    at again: then they are done, or it has been killed."""

    slots = 1
    prefers = ()

    def __init__(self, fails=(), elsewhere=()):
        self.began = []
        self.ended = 0
        self.fails = fails
        self.elsewhere = dict(elsewhere)
        self.seen = set()

    def has_room(self, job, running):
        return not running

    def take(self, job):
        if job.name in self.elsewhere and job.name not in self.seen:
            self.seen.add(job.name)
            return False
        return True

    def give_back(self, job):
        pass

    def outcome(self, job):
        return Ended(job) if self.elsewhere.get(job.name) else None

    def begin(self, job):
        self.began.append(job)

    def wait(self, seconds):
        if self.ended == len(self.began):
            assert seconds is not None
            return []
        job = self.began[self.ended]
        self.ended += 1
        return [Ended(job, "by design" if job.name in self.fails else None, 1.0)]


def test_a_job_that_fails_stops_no_other_and_its_page_is_made_of_the_rest():
    jobs = some_jobs(1, 1, 1)
    page = Job("page", Kind.PAGE, (9,), ONE, ("job0", "job1"))
    last = Job("last", Kind.PAGE, (9, 9), ONE, ("page",))
    crew = Crew(fails=["job0", "page"])
    queue = Queue([last, page, *reversed(jobs)])
    for _ in work_off(queue, crew):
        pass
    assert [job.name for job in crew.began] == ["job0", "job1", "job2", "page", "last"]
    assert queue.failures == {"job0": "by design", "page": "by design"}


def test_a_job_of_another_process_is_left_to_it_and_taken_over_if_that_has_not_done_it():
    crew = Crew(elsewhere={"job0": True, "job1": False})
    queue = Queue(some_jobs(1, 1, 1))
    ended = list(work_off(queue, crew))
    assert [job.name for job in crew.began] == ["job2", "job1"]
    assert {each.job.name: each.seconds for each in ended} == {"job0": None, "job1": 1, "job2": 1}


def test_a_job_for_which_a_process_was_kept_comes_first_and_towards_the_end_the_longest():
    crew = Crew()
    crew.prefers = {"job1"}
    crew.slots = 2
    for _ in work_off(Queue(some_jobs(10, 10, 10, 31)), crew):
        pass
    assert [job.name for job in crew.began] == ["job1", "job3", "job0", "job2"]


def test_the_time_left_is_that_of_the_slots():
    queue = Queue(some_jobs(10, 20, 30), clock=lambda: 0.0)
    assert queue.time_left(1) == 60
    assert queue.time_left(2) == 40
    assert queue.time_left(9) == 30
    assert Queue(some_jobs(10, 0)).time_left(1) is None


@pytest.mark.parametrize("order", ["as they come", "budgets of four texts"])
def test_a_grid_keeps_ten_nodes_busy_also_if_one_is_lost(order):
    jobs = simulation.grid(order=order)
    bound = simulation.lower_bound(jobs)
    assert simulation.makespan(jobs, simulation.Nodes()) <= 1.1 * bound
    assert simulation.makespan(jobs, simulation.Nodes(lost_at=bound / 2)) <= 1.25 * bound
    assert simulation.cell_by_cell(jobs, simulation.Nodes()) > 4 * bound


def test_two_thousand_jobs_are_listed_and_resumed_in_five_seconds(written, files):
    many = STUDY.replace("seeds = 1", "seeds = 500").replace("seeds = [3]", "seeds = 500")
    written.write_text(many)
    runs = [job for job in list_jobs(load_study("trial.toml")) if job.run]
    for job in runs[::2]:
        files.run(job).mkdir(parents=True)
        (files.run(job) / "metrics.json").touch()
    begin = time.process_time()
    study = StudyFiles(load_study("trial.toml"), files.runs_folder, files.reports_folder)
    jobs = list_jobs(study.study)
    found = states(study, jobs)
    done = {name for name, state in found.items() if state is State.DONE}
    queue = Queue(jobs, done | {"time/char", "time/slow"})
    crew = simulation.Nodes()
    for _ in range(crew.slots):
        job = queue.next(crew)
        crew.begin(job)
        queue.begin(job)
    assert queue.time_left(crew.slots) is None
    assert (len(runs), len(done), len(queue.running)) == (2000, 1000, 80)
    assert time.process_time() - begin < 5


KILLS = int(os.environ.get("KILLS", "1"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_two_processes_are_killed_at_any_moment_and_nothing_is_lost_or_done_twice(written, number):
    """What runs do is pretended, but for their locks and files; test_study has real ones."""
    text = STUDY.replace("seconds = [4, 6]", "updates = 4").replace("seeds = 1", "seeds = 6")
    written.write_text(text)
    command = [sys.executable, ROOT / "tests" / "pretended.py", "trial.toml"]
    runs = written.parent / "runs" / "trial"

    def report_files():
        return list(written.parent.glob("report-*.txt"))

    both = [subprocess.Popen(command) for _ in range(2)]
    while not list(runs.glob("*/checkpoint.txt")) and None in [each.poll() for each in both]:
        time.sleep(0.01)
    draw = random.Random(number)
    for process in both:
        time.sleep(draw.uniform(0, 2))
        process.kill()
    for process in both:
        process.wait()
    finished = {file: file.stat().st_mtime_ns for file in runs.glob("*/metrics.json")}
    print(f"repetition {number}: {len(finished)} of 7 runs were finished by the two")
    written_by_both = len(report_files())
    assert written_by_both <= 1
    assert subprocess.run(command).returncode == 0
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    assert len(list(runs.glob("*/metrics.json"))) == 7
    assert len(report_files()) == written_by_both + 1
    steps = Counter[str]()
    for file in written.parent.glob("steps-*.txt"):
        steps.update(file.read_text().splitlines())
    assert len(steps) == 7 * 10
    again = [step for step, times in steps.items() if times > 1]
    assert len(again) <= 4  # two processes did two each when they were killed
    assert max(steps.values()) <= 2


def test_the_graphics_processors_are_those_that_this_process_may_use(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "DEVICES", tmp_path)
    for stated, found in (("0,3", ["0", "3"]), ("", []), ("-1", []), ("2,-1,1", ["2"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
        assert machine.gpus() == found
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert machine.gpus() == []
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    assert machine.gpus() == ["0", "1"]


def test_each_process_has_a_graphics_processor_of_its_own(tmp_path, monkeypatch):
    seen = []

    def started(*_, env, **__):
        seen.append(env["CUDA_VISIBLE_DEVICES"])
        return MagicMock()

    monkeypatch.setattr(places.subprocess, "Popen", started)
    with places.Processes(2, ["0", "1"]) as place:
        first = place.start(tmp_path / "a")
        place.start(tmp_path / "b")
        place.end(first)
        place.start(tmp_path / "c")
    assert seen == ["0", "1", "0"]


def test_there_are_as_many_workers_as_graphics_processors_or_as_the_cores_suffice_for(
    files, monkeypatch
):
    monkeypatch.setattr(execution, "cores", lambda: 6)
    for own, workers, slots in ((["0", "1"], None, 2), ([], None, 6), ([], 3, 3), (["0"], 2, 2)):
        monkeypatch.setattr(execution, "gpus", lambda own=own: own)
        assert execution.open_place(files.study, workers, None, None).slots == slots
    with pytest.raises(TextgenError, match="--workers: 0"):
        execution.open_place(files.study, 0, None, None)


class NodeDiedError(Exception):
    """As Ray has it."""


class RayHere:
    """In place of Ray: a task is done in this process when its result is asked for, with all that
    would have been sent to a node; the first one is lost."""

    exceptions = SimpleNamespace(
        NodeDiedError=NodeDiedError, WorkerCrashedError=NodeDiedError, RayError=NodeDiedError
    )

    def __init__(self):
        self.asked = []
        self.cores_of_nodes = [1, 2]

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": cores}} for cores in self.cores_of_nodes]

    def remote(self, **settings):
        self.asked.append(settings)
        return lambda function: SimpleNamespace(
            remote=lambda work, *sent: (function, work, pickle.dumps(sent))
        )

    def get(self, task):
        function, work, sent = task
        if len(self.asked) == 1:
            self.asked.append({})
            raise NodeDiedError("its node died")
        return function(work, *pickle.loads(sent))

    def get_runtime_context(self):
        return SimpleNamespace(get_accelerator_ids=lambda: {"GPU": []})


def test_what_is_done_on_a_node_is_told_as_what_is_done_here(files, tmp_path, monkeypatch):
    """Ray is pretended."""
    ray = RayHere()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(os, "environ", {**os.environ, "TEXTGEN_CACHE": "elsewhere"})
    place = cluster.Cluster("address", files.study, print)
    place._ray = ray
    needed = Resources(cores=2, gpus=0.5, memory=3.5)
    seen = []

    def work(call, is_again):
        seen.append(
            (call, is_again, os.environ["TEXTGEN_CACHE"], os.environ["CUDA_VISIBLE_DEVICES"])
        )
        if call["fails"]:
            raise TextgenError("by design")
        return "done"

    assert place._task("run/a", needed, tmp_path, work, {"fails": False}) == "done"
    assert seen == [({"fails": False}, True, "elsewhere", "")]
    asked = {key: ray.asked[0][key] for key in ("num_cpus", "num_gpus", "memory", "name")}
    assert asked == {"num_cpus": 2, "num_gpus": 0.5, "memory": 3_500_000_000, "name": "run/a"}
    with pytest.raises(TextgenError, match="by design"):
        place._task("run/a", needed, tmp_path, work, {"fails": True})
    with pytest.raises(TextgenError, match=r"does not have .*missing"):
        place._task("run/a", needed, tmp_path / "missing", work, {"fails": False})
    assert len(seen) == 2

    class Process(ProcessHere):
        def do(self, job, log, **arguments):
            return [job, log.name, arguments]

    monkeypatch.setattr(places, "Worker", Process)
    job = next(job for job in list_jobs(files.study) if job.run)
    log = tmp_path / "logs" / "char-1.txt"
    assert place.do(job, "page", log, cell="4s") == ["page", "char-1.txt", {"cell": "4s"}]
    monkeypatch.setattr(places, "Worker", Timed)
    study = files.study.cell("", None, 4).study
    study = replace(study, arms=dict.fromkeys(("char", "twin", "third"), study.arms["char"]))
    del ray.asked[2:]
    measured = place.measure(study, [*study.arms], tmp_path)
    assert {found["seconds_per_update"] for found in measured.values()} == {1.0}
    # as many at once as the largest node holds, each with a core of its own
    asked = [(each["name"], each["num_cpus"]) for each in ray.asked[2:]]
    assert asked == [("time/char,twin", 2), ("time/third", 1)]
