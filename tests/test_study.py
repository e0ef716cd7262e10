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

from textgen import cli
from textgen.core import experiment as config
from textgen.core import study as studies
from textgen.core.errors import TextgenError
from textgen.runs.folder import LOCK, Resumed, write_experiment
from textgen.studies import execution as study
from textgen.studies import planning, workers
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
    """A study of two arms, one of which diverges, with two workers; it is only read from."""
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (CHAR, ["budget", "no budget", "exactly one of seconds, characters, updates"]),
        (BUDGET + "seconds = 3\n" + CHAR, ["budget", "seconds and updates"]),
        (BUDGET + "parametres = 3\n" + CHAR, ["budget.parametres", "'parameters'"]),
        ("[budget]\nseconds = -3\n" + CHAR, ["budget.seconds", "greater than 0"]),
        (BUDGET, ["no arm, e.g. [arms.char]"]),
        ("thread = 1\n" + BUDGET + CHAR, ["trial.toml: thread", "did you mean 'threads'"]),
        ("threads = 0\n" + BUDGET + CHAR, ["trial.toml: threads", "equal to 1"]),
        (BUDGET + '[arms.char]\nexperiment = "char.toml"\n', ["arms.char.seeds"]),
        (BUDGET + CHAR.replace("1", "0"), ["arms.char.seeds", "greater than 0"]),
        (BUDGET + CHAR.replace("1", "'2'"), ["arms.char.seeds", "'2'", "integer or", "array"]),
        (BUDGET + CHAR.replace("1", "[]"), ["arms.char.seeds"]),
        (BUDGET + CHAR.replace("1", "[-1]"), ["arms.char.seeds"]),
        (BUDGET + CHAR + "sett = []\n", ["arms.char.sett", "'set'"]),
        (BUDGET + CHAR + 'set = ["seed=4"]\n', ["arms.char: set", "the study decides seed"]),
        (BUDGET + CHAR + 'set = ["training.epochs=4"]\n', ["arms.char: set", "training.epochs"]),
        (BUDGET + CHAR + 'set = ["training.bach=4"]\n', ["arms.char", "training.bach", "'batch'"]),
        (BUDGET + CHAR.replace("char.toml", "no.toml"), ["arms.char", "no.toml", "no such file"]),
        (BUDGET + CHAR.replace("arms.char", 'arms."a b"'), ["arms.a b", "pattern"]),
        (BUDGET + CHAR + CHAR.replace("s.char", "s.b"), ["arms.b", "same experiment as arms.char"]),
        (BUDGET + CHAR + TWIN + CONTRASTS, ["contrasts: no arm 'bad'", "char, twin"]),
        (BUDGET + CHAR + "[[contrasts]]\nfirst = 'char'\n", ["contrasts.1.second"]),
        (BUDGET + CHAR + "[[contrasts]]\nfirst = 'char'\nsecond = 'char'", ["two different arms"]),
        (BUDGET + CHAR + TWIN + CONTRASTS + "yes = 'first'", ["contrasts.2.yes", "first is lower"]),
        ("[corpus]\nkind = 'wikipedia'\n", ["trial.toml: [corpus]", "textgen run"]),
    ],
)
def test_a_wrong_study_file_is_told_before_anything_starts(
    tmp_path, corpus_folder, capsys, text, parts
):
    path = write(tmp_path, corpus_folder, text)
    assert cli.main(["study", str(path), "--runs", str(tmp_path / "runs")]) == 2
    message = capsys.readouterr().err
    for part in ["trial.toml", *parts]:
        assert part in message
    assert len(message.splitlines()) <= 6
    assert not (tmp_path / "runs").exists()


def test_the_studies_that_come_with_textgen_are_valid():
    from conftest import ROOT

    for name, total in [("study", 22), ("study_one_core", 31)]:
        made = studies.load_study(ROOT / "experiments" / f"{name}.toml")
        assert sum(len(arm.numbers) for arm in made.arms.values()) == total
        assert all(c.question.endswith("?") and c.yes for c in made.contrasts)
    assert studies.load_study(ROOT / "experiments" / "study_small.toml").budget.seconds == 20


def test_a_budget_in_seconds_becomes_updates():
    assert planning.updates_within(180, 30.0, 0.04) == 3750
    assert planning.updates_within(180, 0.1918, 0.0438) == 4105
    with pytest.raises(TextgenError, match=r"budget\.seconds(.|\n)*20.0"):
        planning.updates_within(10, 20.0, 0.1)


def test_a_plan_is_measured_once_and_a_changed_study_is_refused(
    tmp_path, corpus_folder, monkeypatch
):
    """One arm is timed in a process of its own, another one cannot be."""
    lost = '[arms.lost]\nexperiment = "char.toml"\nseeds = 1\nset = ["backbone.units=[900000]"]\n'
    text = "[budget]\nseconds = 30\n" + lost + CHAR
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    monkeypatch.setattr(planning, "SECONDS", 0.3)
    plans, failed = planning.plan_study(made, tmp_path)
    assert list(plans) == ["char"]
    assert all(part in failed["lost"] for part in ("backbone.units", "GB", "take fewer"))
    char = plans["char"]
    left = 30 - char.preparation_seconds
    assert char.updates == int(left / char.seconds_per_update)
    assert (char.calls >= 3, char.threads) == (True, 1)
    assert char.experiment["training"]["seconds"] == 30.0
    assert "name" not in char.experiment
    run = made.experiment("char", 2, char.overrides)
    assert (run.name, run.seed) == ("char-2", 2)
    assert (run.training.updates, run.training.seconds) == (char.updates, None)

    monkeypatch.setattr(planning, "_plan_arm", lambda *_: "measured again")
    again, _ = planning.plan_study(studies.load_study(made.path), tmp_path)
    assert again == plans
    write(tmp_path, corpus_folder, text.replace("30", "40"))
    with pytest.raises(TextgenError, match=r"training\.seconds: 30\.0 → 40\.0(.|\n)*--overwrite"):
        planning.plan_study(studies.load_study(made.path), tmp_path)
    monkeypatch.setattr(planning, "processor", lambda: "an abacus")
    with pytest.raises(TextgenError, match=r"lost(.|\n)*an abacus"):
        planning.plan_study(made, tmp_path)


def test_all_arms_that_cannot_be_planned_are_told_in_one_message_before_any_run(
    tmp_path, corpus_folder, monkeypatch
):
    """Two that a preparation leaves no time; the others' plans are kept."""
    arms = {"wide": '"backbone.units=[9]"', "slow": ""}
    text = "[budget]\nseconds = 1e-4\n" + CHAR
    for arm, settings in arms.items():
        text += f'[arms.{arm}]\nexperiment = "word.toml"\nseeds = 1\nset = [{settings}]\n'
    inner, asked = planning._plan_arm, []
    known = planning.ArmPlan({}, 20, 0.1, 0.1, 3, 1, None, planning.processor(), "")

    def plan_arm(made, arm, folder):
        asked.append(arm)
        return known if arm == "char" else inner(made, arm, folder)

    monkeypatch.setattr(planning, "_plan_arm", plan_arm)
    monkeypatch.setattr(planning, "SECONDS", 0.1)
    monkeypatch.setattr(study, "run_jobs", lambda *_, **__: pytest.fail("a run was started"))
    path = write(tmp_path, corpus_folder, text)
    with pytest.raises(TextgenError) as caught:
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)
    message = str(caught.value)
    assert f"{path}: arms: " in message
    assert "2 of 3 arms cannot be planned; no run was started" in message
    for arm, parts in {
        "wide": ["budget.seconds", "the preparation alone takes", "give more, e.g. seconds = "],
        "slow": ["budget.seconds", "the preparation alone takes", "give more, e.g. seconds = "],
    }.items():
        told = message[message.index(f"{arm}, whole log in") :].split("whole log in")[1]
        assert all(part in told for part in parts), told
    assert asked == ["char", *arms]
    folder = tmp_path / "runs" / "trial"
    assert list(planning.read(folder / "plan.json")) == ["char"]
    assert {file.stem for file in (folder / "failed").iterdir()} == {*arms}


def test_arms_on_other_text_or_another_split_are_refused_before_any_run(tmp_path, corpus_folder):
    for setting in ("split.seed=5", 'corpus.keep="article"', 'corpus.drop="x"'):
        text = BUDGET + CHAR + TWIN.replace("sampling.length=61", setting.replace('"', "'"))
        with pytest.raises(TextgenError, match=r"arms\.twin(.|\n)*than that of arms\.char"):
            studies.load_study(write(tmp_path, corpus_folder, text))


def test_every_arm_must_have_the_parameters_that_the_study_wants(tmp_path, corpus_folder):
    text = "[budget]\nupdates = 3\nparameters = 20000\n" + CHAR
    made = studies.load_study(write(tmp_path, corpus_folder, text))
    plans, failed = planning.plan_study(made, tmp_path)
    assert not plans
    (count,) = re.findall(r"20,000, but this arm has ([\d,]+)", failed["char"])
    write(tmp_path, corpus_folder, text.replace("20000", count.replace(",", "_")))
    plans, failed = planning.plan_study(studies.load_study(made.path), tmp_path)
    assert (failed, plans["char"].seconds_per_update) == ({}, None)


def test_the_time_left_is_that_of_runs_that_were_made_whole(tmp_path, corpus_folder, capsys):
    text = "[budget]\nseconds = 600\n" + CHAR.replace("1", "5")
    made = studies.load_study(write(tmp_path, corpus_folder, text))

    def progress(workers, finished=()):
        shown = StudyProgress(made, workers)
        for number in made.arms["char"].numbers:
            resumed = Resumed(1200, 1500) if number == 1 and not finished else None
            shown.expect(f"char-{number}", "2.000" if number in finished else "·", resumed)
        return shown

    with progress(2) as shown:
        for number, seconds in enumerate([30, 480, 540], start=1):
            shown.start(f"char-{number}")
            shown.end(f"char-{number}", seconds, "2.000")
    lines = re.sub(CLOCK, "15:40", capsys.readouterr().out).splitlines()
    assert lines == [
        "char-1: goes on from update 1,200 of 1,500",
        "5 runs, at least 25 minutes with 2 workers",
        "  char-1: 2.000, 30 s; 1 of 5 runs",  # which was resumed
        "  char-2: 2.000, 480 s; 2 of 5 runs, about 12 minutes left, done at about 15:40",
        "  char-3: 2.000, 540 s; 3 of 5 runs, about 8 minutes left, done at about 15:40",
    ]
    for at_once, finished, told in (
        (1, {1}, "4 of 5 runs to be made, at least 40 minutes with 1 worker"),
        (9, {1}, "4 of 5 runs to be made, at least 10 minutes with 9 workers"),
        (None, {1}, "4 of 5 runs to be made"),  # of a cluster, which has its own number
        (2, {1, 2, 3, 4, 5}, "none of 5 runs to be made"),
    ):
        with progress(at_once, finished):
            assert capsys.readouterr().out == f"{told}\n"
    assert (duration(20), duration(3720), duration(9000)) == ("1 minute", "62 minutes", "2.5 hours")


def test_timing_updates_changes_no_weight(tmp_path, corpus_folder, monkeypatch):
    write(tmp_path, corpus_folder, "")
    networks = []
    inner = loop.time_updates

    def watched(trainer, *rest):
        before = trainer.arrays()
        networks.append([before, inner(trainer, *rest), trainer.arrays()])
        return networks[0][1]

    monkeypatch.setattr("textgen.training.loop.time_updates", watched)
    found = planning.measure(config.load_experiment(tmp_path / "char.toml"), seconds=0.1)
    assert found["seconds_per_update"] > 0
    before, _, after = networks[0]
    assert len(before) == len(after) > 5
    assert all((before[name] == after[name]).all() for name in before)


def test_an_arm_that_fails_takes_no_other_down(done):
    stored = config.load_experiment(done.folder / "char-1" / "experiment.toml")
    assert (stored.name, stored.training.updates, stored.training.threads) == ("char-1", 300, 1)
    assert (done.folder / "char-1" / "metrics.json").exists()
    (call,) = done.calls
    assert [folder.name for folder in call.folders] == ["char-1"]
    log = done.folder / "failed" / "bad-1.txt"
    for part in ("1 failed", "bad-1", str(log), "training.learning_rate", "reports"):
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
        assert cli.main(["study", str(path), "--runs", str(tmp_path / "runs")]) == 0
    assert copied.asked == [("bad-1", False)]
    assert [folder.name for folder in calls[0].folders] == ["twin-3", "twin-7", "char-1"]
    assert [contrast.first for contrast in calls[0].contrasts] == ["twin", "bad"]
    shown = capsys.readouterr()
    assert "± 0.0000" in shown.out
    assert "warning: The test part has 2 documents" in shown.out
    made = studies.load_study(path)
    plans, _ = planning.plan_study(made, copied.folder)
    order = study._experiments(made, plans)
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


@pytest.mark.parametrize(("documents", "told"), [(5, False), (6, True), (7, False)])
def test_a_study_that_asks_more_than_its_documents_can_answer_is_told_before_any_work(
    tmp_path, corpus_folder, capsys, documents, told
):
    """Of 6 documents that agree p is 2^-5, times two questions; fewer are warned of anyway."""
    made = studies.load_study(
        write(tmp_path, corpus_folder, BUDGET + TWIN + BAD + CHAR + CONTRASTS)
    )
    names = [f"tale{i:02d}.txt" for i in range(documents)]
    arm = made.experiment("char", overrides=[f"split.test={json.dumps(names)}"])
    StudyProgress(made).corpus([arm])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"test {documents} documents" in shown
    asked = (
        f"{documents} documents of the test part cannot answer 2 questions, whatever comes out: 7"
    )
    assert (asked in shown) == told


def test_a_changed_arm_is_refused_and_overwrite_replaces_what_has_changed(
    copied, tmp_path, corpus_folder
):
    runs_folder = tmp_path / "runs"
    changed = CHAR + 'set = ["training.batch=4"]\n'
    path = write(tmp_path, corpus_folder, BUDGET + changed + TWIN)
    with pytest.raises(TextgenError, match=r"arms\.char(.|\n)*training\.batch: 8 → 4"):
        study.run_study(path, runs_folder=runs_folder)
    assert copied.asked == []
    with recorded():
        study.run_study(path, runs_folder=runs_folder, overwrite=True, quiet=True)
    assert copied.asked == [("char-1", True)]
    plans = planning.read(copied.folder / "plan.json")
    assert plans["char"].experiment["training"]["batch"] == 4
    (copied.folder / "plan.json").unlink()
    with pytest.raises(TextgenError, match=r"char-1(.|\n)*another experiment: training\.batch"):
        study.run_study(path, runs_folder=runs_folder, quiet=True)
    (copied.folder / "plan.json").write_text("{")
    with pytest.raises(TextgenError, match=r"damaged plan"):
        study.run_study(path, runs_folder=runs_folder, quiet=True)


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "experiment.toml"])
def test_a_damaged_run_is_told_of_or_replaced(copied, tmp_path, corpus_folder, name):
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    (copied.folder / "char-1" / name).write_text("{")
    with pytest.raises(TextgenError, match=name.replace(".", r"\.")):
        study.run_study(path, runs_folder=tmp_path / "runs", quiet=True)
    assert copied.asked == []
    with contextlib.suppress(TextgenError), recorded():  # nothing is run here: damaged it stays
        study.run_study(path, runs_folder=tmp_path / "runs", overwrite=True, quiet=True)
    assert copied.asked == [("char-1", True)]


def test_what_ended_a_process_is_told(tmp_path):
    (tmp_path / "log.txt").write_text("so far")
    assert workers.printed(tmp_path / "log.txt", -signal.SIGKILL) == "so far\nended by SIGKILL"
    assert workers.printed(tmp_path / "log.txt", 2) == "so far"


def test_finished_runs_on_other_text_are_refused_or_replaced(copied, tmp_path, corpus_folder):
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    manifest = copied.folder / "char-1" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["corpus"]["sha256"] = "0" * 64
    manifest.write_text(json.dumps(content))
    runs_folder = tmp_path / "runs"
    with pytest.raises(TextgenError, match=r"char-1[\s\S]*on other text[\s\S]*--overwrite"):
        study.run_study(path, runs_folder=runs_folder, quiet=True)
    assert copied.asked == []
    with recorded():
        study.run_study(path, runs_folder=runs_folder, overwrite=True, quiet=True)
    assert copied.asked == [("char-1", True)]


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
    programs = ["import os; os.abort()"] * crashes + ["print('made')"] * 2

    def start(arguments, log, **options):
        with log.open("wb") as file:
            return subprocess.Popen([sys.executable, "-c", programs.pop(0)], stdout=file)

    monkeypatch.setattr(workers, "start_process", start)
    job = workers.Job(config.load_experiment(done.folder / "char-1" / "experiment.toml"))
    (outcome,) = workers.run_jobs([job], tmp_path, 1)
    assert (outcome.code, outcome.log.strip()) == (
        (0, "made") if crashes == 1 else (-signal.SIGABRT, "ended by SIGABRT")
    )


def test_no_process_is_left_when_a_study_is_interrupted(done, tmp_path, monkeypatch):
    started = []
    inner = workers.start_process
    monkeypatch.setattr(
        workers, "start_process", lambda *a, **b: started.append(inner(*a, **b)) or started[-1]
    )
    experiments = [
        config.load_experiment(done.folder / "char-1" / "experiment.toml", [f'name="{n}"'])
        for n in "ab"
    ]

    def started_all():
        while len(started) < len(experiments):
            time.sleep(0.02)
        assert [process.poll() for process in started] == [None, None]
        os.kill(os.getpid(), signal.SIGINT)  # as a terminal does

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    threading.Thread(target=started_all).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            list(workers.run_jobs(list(map(workers.Job, experiments)), tmp_path, 2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert None not in [process.poll() for process in started]


def test_a_local_ray_cluster_gives_the_same_figures_and_the_same_failures(
    done, tmp_path, corpus_folder, capfd
):
    path = write(tmp_path, corpus_folder, BUDGET + BAD + CHAR)
    folder = tmp_path / "runs" / "trial"
    options = ["--runs", tmp_path / "runs", "--workers", 2, "--address", "local", "--quiet"]
    with recorded():
        assert cli.main(["study", str(path), *map(str, options)]) == 2
    assert bits(folder / "char-1") == bits(done.folder / "char-1")
    names, usual = ({p.name for p in (f / "char-1").iterdir()} for f in (folder, done.folder))
    assert names == usual
    assert "the loss is" in (folder / "failed" / "bad-1.txt").read_text()
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"textgen: {folder}")  # none of Ray's chatter


def test_a_cluster_that_cannot_be_reached_is_told_before_arms_are_timed(tmp_path, corpus_folder):
    path = write(tmp_path, corpus_folder, BUDGET + CHAR)
    with pytest.raises(TextgenError, match=r"127\.0\.0\.1:1(.|\n)*ray start --head"):
        study.run_study(path, runs_folder=tmp_path / "runs", address="127.0.0.1:1", quiet=True)
    assert not (tmp_path / "runs").exists()


def test_ray_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TextgenError, match=r"pip install \"textgen-compare\[cluster\]\""):
        workers.check_cluster("local")
