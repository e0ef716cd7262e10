"""A study as a list of jobs: the list, single jobs by hand, and the queue."""

import json
import random
import shlex
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from conftest import ROOT, ProcessHere, write_experiment, write_tales

from textgen import cli
from textgen.core import machine, tensorflow
from textgen.core.errors import TextgenError
from textgen.runs import folder
from textgen.studies import by_hand, display, execution, places, timing
from textgen.studies.jobs import (
    Job,
    Kind,
    State,
    StudyFiles,
    is_taken,
    list_jobs,
    lock_study,
    states,
    take,
    timed_cell,
)
from textgen.studies.queue import Ended, Queue, work_off
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


def test_a_grid_that_is_refused_leaves_what_its_files_say(by_updates, files):
    job = next(job for job in list_jobs(load_study("trial.toml")) if job.run)
    files.run(job).mkdir(parents=True)
    write_experiment(files.run(job) / "experiment.toml", files.runs_folder.parent, "[]", 30)
    with pytest.raises(TextgenError, match="holds another run"):
        execution.run_study("trial.toml", quiet=True)
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
    assert crew.start(job)
    crew.close()
    assert taken_at_the_end == [True]
    assert not is_taken(lock)


ONE = Resources(cores=1)


def some_jobs(*seconds, needs=()):
    return [
        Job(f"job{n}", Kind.RUN, (n,), ONE, needs, seconds=s, arm=f"{n}")
        for n, s in enumerate(seconds)
    ]


class Crew:
    """Does one job at a time; those of the set are another process's until that has ended."""

    slots = 1
    prefers = ()

    def __init__(self, fails=(), elsewhere=()):
        self.began = []
        self.fails = fails
        self.elsewhere = dict(elsewhere)

    def has_room(self, job, running):
        return not running

    def start(self, job):
        if job.name in self.elsewhere:
            return False
        self.began.append(job)
        return True

    def wait(self, seconds):
        if (self.began and seconds is None) or len(self.began) > getattr(self, "told", 0):
            self.told = len(self.began)
            job = self.began[-1]
            return [Ended(job, "by design" if job.name in self.fails else None, 1.0)]
        return []

    def look(self, job):
        is_done = self.elsewhere.pop(job.name)
        return Ended(job, None if is_done else "it was not done")


def test_a_job_that_fails_sets_aside_what_needs_it_and_nothing_else():
    first, second, third = some_jobs(1, 1, 1)
    needs_first = Job("needs first", Kind.RUN, (0, 1), ONE, ("job0",))
    needs_that = Job("needs that", Kind.RUN, (0, 2), ONE, ("needs first",))
    page = Job("page", Kind.PAGE, (9,), ONE, ("needs that", "job1"), is_of_the_rest=True)
    crew = Crew(fails=["job0"])
    queue = Queue([page, needs_that, needs_first, third, second, first])
    for _ in work_off(queue, crew):
        pass
    assert [job.name for job in crew.began] == ["job0", "job1", "job2", "page"]
    assert queue.failures == {"job0": "by design"}
    assert queue.set_aside == {"needs first": "job0", "needs that": "job0"}


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
        crew.start(job)
        queue.begin(job)
    assert queue.time_left(crew.slots) is None
    assert (len(runs), len(done), len(queue.running)) == (2000, 1000, 80)
    assert time.process_time() - begin < 5


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

    class Process(ProcessHere):
        def __init__(self, log, cwd, env):
            seen.append(env["CUDA_VISIBLE_DEVICES"])

    monkeypatch.setattr(places, "Worker", Process)
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
