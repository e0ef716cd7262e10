"""Studies: tiny arms on the tests' own corpus, run the way a user runs them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import filelock
import pytest
from conftest import ROOT

from textgen import cli
from textgen.core import experiment as config
from textgen.core.errors import Cancelled, TextgenError
from textgen.runs.folder import LOCK, write_experiment
from textgen.studies import execution as study
from textgen.studies import study as studies
from textgen.studies import workers
from textgen.studies.progress import StudyProgress, duration
from textgen.training import loop
from textgen.training.checkpoint import load_progress

EXPERIMENT = """
[corpus]
kind = "folder"
path = "{corpus}"
[split]
validation = 0.2
test = 0.2
[tokenizer]
{tokenizer}
[objective]
kind = "next_token"
window = 16
[backbone]
units = [24]
input = "embedding"
embedding_size = 16
[training]
seconds = 77
batch = 8
learning_rate = 1e-2
validations = 10
[sampling]
length = 60
samples = 1
"""
TOKENIZERS = {
    "char": 'kind = "characters"',
    "word": 'kind = "words"\nminimum_count = 2\nrare_words = { kind = "unk" }',
}
BUDGET = "[budget]\nupdates = 300\n"
CHAR = '[arms.char]\nexperiment = "char.toml"\nseeds = 1\n'
TWIN = '[arms.twin]\nexperiment = "char.toml"\nseeds = [3, 7]\n'
TWIN += 'set = ["sampling.length=61"]\n'
BAD = """
[arms.bad]
experiment = "char.toml"
seeds = 1
set = [
  "training.learning_rate=1e38", "training.optimizer=sgd", "training.clip_norm=0",
  "training.schedule=constant", "training.warmup=0.5",
]
"""
CONTRASTS = """
[[contrasts]]
first = "twin"
second = "char"
question = "Is the twin any better?"
[[contrasts]]
first = "bad"
second = "char"
question = "Does divergence help?"
"""


CLOCK = r"([A-Z][a-z]{2} )?\d\d:\d\d"


def write(folder, corpus, text, name="trial"):
    """A study file beside the experiments it names."""
    folder.mkdir(exist_ok=True)
    for arm, tokenizer in TOKENIZERS.items():
        experiment = EXPERIMENT.format(corpus=corpus, tokenizer=tokenizer)
        (folder / f"{arm}.toml").write_text(experiment, encoding="utf-8")
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@contextlib.contextmanager
def recorded():
    """In place of the report: what it would have been made from."""
    calls = []

    def compare(folders, **given):
        calls.append(SimpleNamespace(folders=folders, **given))
        return given["reports_folder"] / given["name"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "compare_runs", compare)
        yield calls


@pytest.fixture(scope="module")
def done(tmp_path_factory, corpus_folder):
    """A study of two arms with two workers, where one arm diverges; it is only read from."""
    place = tmp_path_factory.mktemp("study")
    path = write(place, corpus_folder, BUDGET + BAD + CHAR)
    with recorded() as calls, pytest.raises(TextgenError) as caught:
        study.run_study(path, runs_folder=place / "runs", workers=2, quiet=True)
    return SimpleNamespace(
        path=path, folder=place / "runs" / "trial", calls=calls, error=str(caught.value)
    )


def bits(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics["validation"], metrics["test"]


def test_the_studies_that_come_with_textgen_are_valid():
    for name, total in [("study", 22), ("study_one_core", 31)]:
        made = studies.load_study(ROOT / "experiments" / f"{name}.toml")
        assert sum(len(arm.numbers) for arm in made.arms.values()) == total
        assert all(c.question.endswith("?") and c.yes for c in made.contrasts)
    assert studies.load_study(ROOT / "experiments" / "study_small.toml").budget.seconds == 20


@pytest.mark.parametrize("setting", ["split.seed=5", "corpus.keep='article'", "corpus.drop='x'"])
def test_arms_on_other_text_or_another_split_are_refused(tmp_path, corpus_folder, setting):
    text = BUDGET + CHAR + TWIN.replace("sampling.length=61", setting)
    with pytest.raises(TextgenError, match=r"arms\.twin(.|\n)*than that of arms\.char"):
        studies.load_study(write(tmp_path, corpus_folder, text))


def test_a_plan_is_measured_once_and_a_changed_study_is_refused(
    tmp_path, corpus_folder, monkeypatch
):
    """One arm is timed in a process of its own, another one cannot be."""
    lost = '[arms.lost]\nexperiment = "char.toml"\nseeds = 1\nset = ["backbone.units=[900000]"]\n'
    text = "[budget]\nseconds = 30\n" + lost + CHAR
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    monkeypatch.setattr(studies, "SECONDS", 0.3)
    plans, failures = studies.plan_study(made, tmp_path)
    assert list(plans) == ["char"]
    assert "GB" in failures["lost"]
    char = plans["char"]
    left = 30 - char.preparation_seconds
    assert char.updates == studies.updates_within(30, 0, 30 * char.seconds_per_update / left)
    assert (char.calls >= 3, char.threads) == (True, 1)
    assert char.experiment["training"]["seconds"] == 30.0
    assert "name" not in char.experiment
    run = made.experiment("char", 2, char.overrides)
    assert (run.name, run.seed) == ("char-2", 2)
    assert (run.training.updates, run.training.seconds) == (char.updates, None)

    monkeypatch.setattr(studies, "_plan_arm", lambda *_: "measured again")
    assert studies.plan_study(studies.load_study(made.path), tmp_path)[0] == plans
    write(tmp_path, corpus_folder, text.replace("30", "40"))
    with pytest.raises(TextgenError, match=r"training\.seconds: 30\.0 → 40\.0(.|\n)*--overwrite"):
        studies.plan_study(studies.load_study(made.path), tmp_path)
    monkeypatch.setattr(studies, "processor", lambda: "an abacus")
    with pytest.raises(TextgenError, match=r"lost(.|\n)*an abacus"):
        studies.plan_study(made, tmp_path)


def test_arms_that_cannot_be_planned_are_named_together_before_any_run(
    tmp_path, corpus_folder, monkeypatch
):
    """Two that a preparation leaves no time; the plan of the third is kept."""
    text = "[budget]\nseconds = 1\n" + CHAR
    for arm, settings in {"wide": '"backbone.units=[9]"', "slow": ""}.items():
        text += f'[arms.{arm}]\nexperiment = "word.toml"\nseeds = 1\nset = [{settings}]\n'

    def measured(experiment, *_):
        seconds = 0.1 if "char" in experiment.name else 20.0
        return {"preparation_seconds": seconds, "seconds_per_update": 0.04, "calls": 3}

    monkeypatch.setattr(studies, "_measure_apart", measured)
    monkeypatch.setattr(study, "run_jobs", lambda *_, **__: pytest.fail("a run was started"))
    path = write(tmp_path, corpus_folder, text)
    with pytest.raises(TextgenError, match=r"2 of 3 arms cannot be planned") as caught:
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)
    folder = tmp_path / "runs" / "trial"
    for arm in ("wide", "slow"):
        log = folder / "failed" / f"{arm}.txt"
        assert "budget.seconds" in log.read_text()
        assert f"{arm} ({log}): budget.seconds: 1, but" in str(caught.value)
    assert {arm: plan.updates for arm, plan in studies.read(folder / "plan.json").items()} == {
        "char": 22
    }


def test_every_arm_must_have_the_parameters_that_the_study_wants(tmp_path, corpus_folder):
    text = "[budget]\nupdates = 3\nparameters = 20000\n" + CHAR
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    plans, failures = studies.plan_study(made, tmp_path)
    assert not plans
    (count,) = re.findall(r"20,000, but this arm has ([\d,]+)", failures["char"])
    write(tmp_path, corpus_folder, text.replace("20000", count.replace(",", "_")))
    plans, failures = studies.plan_study(studies.load_study(made.path), tmp_path)
    assert (failures, plans["char"].seconds_per_update) == ({}, None)


def test_the_time_left_is_that_of_runs_that_were_made_whole(tmp_path, corpus_folder, capsys):
    text = "[budget]\nseconds = 600\n" + CHAR.replace("1", "5")
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    progress = StudyProgress(made, 2)
    for number in made.arms["char"].numbers:
        progress.expect(f"char-{number}", None, "goes on from update 1,200" * (number == 1))
    with progress.running():
        for number, seconds in enumerate([30, 480, 540], start=1):  # the first was resumed
            progress.end(f"char-{number}", seconds, "2.000")
    shown = capsys.readouterr().out
    assert re.findall(r"\d+ minutes", shown) == ["25 minutes", "12 minutes", "8 minutes"]
    assert re.search(rf"3 of 5 runs, .* done at about {CLOCK}\n", shown)
    for at_once, minutes in ((1, ["20 minutes"]), (9, ["10 minutes"]), (None, [])):
        progress.workers = at_once
        with progress.running():
            pass
        assert re.findall(r"\d+ minutes", capsys.readouterr().out) == minutes
    assert (duration(20), duration(3720), duration(9000)) == ("1 minute", "62 minutes", "2.5 hours")


def test_timing_updates_changes_no_weight(tmp_path, corpus_folder, monkeypatch):
    write(tmp_path, corpus_folder, "")
    inner, weights = loop.time_updates, []

    def watched(step, *rest):
        before = step.arrays()
        times = inner(step, *rest)
        weights.append((before, step.arrays()))
        return times

    monkeypatch.setattr(loop, "time_updates", watched)
    found = studies.measure(config.load_experiment(tmp_path / "char.toml"), seconds=0.1)
    assert found["seconds_per_update"] > 0
    ((before, after),) = weights
    assert len(before) == len(after) > 5
    assert all((before[name] == after[name]).all() for name in before)


def test_an_arm_that_fails_takes_no_other_down(done):
    stored = config.load_experiment(done.folder / "char-1" / "experiment.toml")
    assert (stored.name, stored.training.updates, stored.training.threads) == ("char-1", 300, 1)
    (call,) = done.calls
    assert [folder.name for folder in call.folders] == ["char-1"]
    log = done.folder / "failed" / "bad-1.txt"
    for part in ("1 of 2 runs failed", "bad-1", str(log), "the loss is", "reports"):
        assert part in done.error
    assert "the loss is" in log.read_text()


@pytest.fixture
def copied(done, tmp_path, monkeypatch):
    """The same in a folder of its own, finished runs of a twin beside it; no run is made."""
    folder = tmp_path / "runs" / "trial"
    shutil.copytree(done.folder, folder)
    for seed in (3, 7):
        twin = folder / f"twin-{seed}"
        shutil.copytree(folder / "char-1", twin)
        changes = [f'name="{twin.name}"', f"seed={seed}", "sampling.length=61"]
        write_experiment(
            twin / "experiment.toml", config.load_experiment(twin / "experiment.toml", changes)
        )
    asked = []

    def run_jobs(jobs, *_, **__):
        asked.extend((job.name, job.replace) for job in jobs)
        yield from ()

    monkeypatch.setattr(study, "run_jobs", run_jobs)
    return SimpleNamespace(folder=folder, asked=asked)


def test_finished_runs_are_left_alone_and_first_seeds_come_first(
    copied, tmp_path, corpus_folder, capsys
):
    path = write(tmp_path, corpus_folder, BUDGET + TWIN + BAD + CHAR + CONTRASTS)
    with recorded() as calls:
        study.run_study(path, runs_folder=tmp_path / "runs")
    assert copied.asked == [("bad-1", False)]
    assert [folder.name for folder in calls[0].folders] == ["twin-3", "twin-7", "char-1"]
    assert [contrast.first for contrast in calls[0].contrasts] == ["twin", "bad"]
    assert "warning: The test part has 2 documents" in capsys.readouterr().out
    made = studies.load_study(path)
    plans, _ = studies.plan_study(made, copied.folder)
    order = study.planned_experiments(made, plans)
    assert [e.name for e in order] == ["twin-3", "bad-1", "char-1", "twin-7"]


def test_the_command_of_a_study_s_report_repeats_it_from_its_runs(copied, tmp_path, corpus_folder):
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    reports, runs = tmp_path / "the reports", tmp_path / "runs"
    found = study.run_study(path, runs_folder=runs, reports_folder=reports, quiet=True)
    before = (found.folder / "report.json").read_text()
    python, option, module, command, *given = shlex.split(found.report["command"])
    shutil.rmtree(reports)
    assert (python, option, module, command) == ("python", "-m", "textgen", "study")
    assert cli.main(["study", *given]) == 0
    assert (found.folder / "report.json").read_text() == before
    assert copied.asked == []


@pytest.mark.parametrize(("documents", "warned"), [(5, False), (6, True), (7, False)])
def test_questions_that_the_documents_cannot_answer_are_warned_of(
    tmp_path, corpus_folder, capsys, documents, warned
):
    """Of 6 documents that agree p is 2^-5, times two questions; fewer are warned of anyway."""
    text = BUDGET + TWIN + BAD + CHAR + CONTRASTS
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    names = [f"tale{i:02d}.txt" for i in range(documents)]
    arm = made.experiment("char", overrides=[f"split.test={json.dumps(names)}"])
    StudyProgress(made).corpus([arm])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"test {documents} documents" in shown
    assert ("cannot answer 2 questions, whatever comes out: 7" in shown) == warned


def change_arm(copied):
    return 'set = ["training.batch=4"]\n', r"arms\.char(.|\n)*training\.batch: 8 → 4"


def lose_plan(copied):
    (copied.folder / "plan.json").unlink()
    return 'set = ["training.batch=4"]\n', r"char-1(.|\n)*another experiment: training\.batch"


def change_text(copied):
    manifest = copied.folder / "char-1" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["corpus"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(content))
    return "", r"char-1[\s\S]*other text[\s\S]*--overwrite"


def damage(name):
    def damage(copied):
        (copied.folder / "char-1" / name).write_text("{")
        return "", name.replace(".", r"\.")

    return damage


HARMS = [change_arm, lose_plan, change_text]
HARMS += [damage(name) for name in ("metrics.json", "manifest.json", "experiment.toml")]


@pytest.mark.parametrize("harm", HARMS)
def test_another_or_a_damaged_run_is_refused_or_replaced(copied, tmp_path, corpus_folder, harm):
    settings, message = harm(copied)
    path = write(tmp_path, corpus_folder, BUDGET + CHAR + settings)
    with pytest.raises(TextgenError, match=message):
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)
    assert copied.asked == []
    with contextlib.suppress(TextgenError), recorded():  # nothing is run here: damaged it stays
        study.run_study(path, runs_folder=tmp_path / "runs", overwrite=True, quiet=True)
    assert copied.asked == [("char-1", True)]


def test_a_damaged_plan_is_named(copied, tmp_path, corpus_folder):
    (copied.folder / "plan.json").write_text("{")
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    with pytest.raises(TextgenError, match=r"plan\.json: a damaged plan"):
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)


def test_a_killed_study_goes_on_and_ends_with_the_same_figures(
    done, tmp_path, corpus_folder, temporary
):
    """SIGKILL to the study alone after a checkpoint: its run must not live on without it."""
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    command = [sys.executable, "-m", "textgen", "study", str(path)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    folder = tmp_path / "runs" / "trial" / "char-1"
    while process.poll() is None and not (folder / "checkpoint.npz").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with filelock.FileLock(folder / LOCK, timeout=60):
        assert not (folder / "metrics.json").exists()
        assert load_progress(folder).updates >= 30
    with recorded():
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)
    assert bits(folder) == bits(done.folder / "char-1")
    assert list(temporary.iterdir()) == []
    assert not (folder.parent / ".scratch").exists()


@pytest.mark.parametrize("crashes", [1, 2])
def test_a_run_whose_process_crashes_is_gone_on_with_once(done, tmp_path, monkeypatch, crashes):
    codes, inner = [-signal.SIGABRT] * crashes + [0, 0], subprocess.Popen

    def start(command, **options):
        code = codes.pop(0)
        program = "import os; os.abort()" if code else "print('finished')"
        return inner([sys.executable, "-c", program], **options)

    monkeypatch.setattr(workers.subprocess, "Popen", start)
    job = workers.Job(config.load_experiment(done.folder / "char-1" / "experiment.toml"))
    ((_, failure, _),) = workers.run_jobs([job], tmp_path, 1)
    assert failure == (None if crashes == 1 else "\nended by SIGABRT")


def test_no_process_is_left_when_a_study_is_interrupted(done, tmp_path, monkeypatch):
    """Four runs on two workers: two run when Ctrl-C comes, and none is started after it."""
    started, inner = [], subprocess.Popen
    monkeypatch.setattr(
        workers.subprocess, "Popen", lambda *a, **b: started.append(inner(*a, **b)) or started[-1]
    )
    path = done.folder / "char-1" / "experiment.toml"
    jobs = [workers.Job(config.load_experiment(path, [f"name={n}"])) for n in "abcd"]

    def interrupt():
        while len(started) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(workers.run_jobs(jobs, tmp_path, 2))
    finally:
        signal.signal(signal.SIGINT, before)
    time.sleep(0.2)
    assert len(started) == 2
    assert None not in [process.poll() for process in started]


def test_processes_that_are_over_start_no_other(tmp_path):
    with workers.Processes() as processes:
        pass
    with pytest.raises(Cancelled):
        processes.run(["textgen.cli", "--version"], tmp_path / "log.txt")


@pytest.fixture
def cluster():
    """A Ray cluster of two nodes on this machine, with one core each; its address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()


def test_a_cluster_of_two_nodes_gives_the_same_figures_and_the_same_failures(
    done, tmp_path, corpus_folder, cluster, capfd
):
    path = write(tmp_path, corpus_folder, BUDGET + BAD + CHAR)
    folder = tmp_path / "runs" / "trial"
    options = ["--runs", tmp_path / "runs", "--address", cluster, "--quiet"]
    capfd.readouterr()
    with recorded():
        assert cli.main(["study", str(path), *map(str, options)]) == 2
    assert bits(folder / "char-1") == bits(done.folder / "char-1")
    names, usual = ({p.name for p in (f / "char-1").iterdir()} for f in (folder, done.folder))
    assert names == usual
    assert "the loss is" in (folder / "failed" / "bad-1.txt").read_text()
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"textgen: {folder}")  # none of Ray's chatter


def test_a_cluster_is_started_here(monkeypatch):
    with workers.connected("local", 2) as ray:
        assert ray.cluster_resources()["CPU"] == 2
        assert ray.get(ray.remote(lambda: 3).remote()) == 3


def test_a_cluster_that_cannot_be_reached_is_named_before_arms_are_timed(
    tmp_path, corpus_folder, monkeypatch
):
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    with pytest.raises(TextgenError, match=r"127\.0\.0\.1:1(.|\n)*ray start --head"):
        study.run_study(path, runs_folder=tmp_path / "runs", address="127.0.0.1:1", quiet=True)
    assert not (tmp_path / "runs").exists()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TextgenError, match=r"pip install \"textgen-compare\[cluster\]\""):
        workers.check_cluster("local")
