"""The benchmarks' own logic: what they take for a loaded machine, and how they judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import run
    import timing

    yield timing, run
    for name in ("run", "timing"):
        sys.modules.pop(name, None)


class Told:
    """A watch that says what it is told."""

    def __init__(self, share):
        self.share = lambda: share


SPIN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def test_what_this_process_and_its_children_use_is_not_held_against_others(modules, monkeypatch):
    timing, _ = modules
    strangers = 0.0
    monkeypatch.setattr(
        timing, "processor_times", lambda: (timing.own_times() + strangers, 20 * strangers + 1e3)
    )
    watch = timing.Watch()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    assert watch._own + 0.3 <= timing.own_times()
    strangers = 10.0
    # this process goes on between two looks at the clock; its child's 0.3 s would be 0.0015
    assert watch.share() == pytest.approx(10 / 200, abs=3e-4)


def test_a_busy_process_of_somebody_else_is_noticed(modules):
    timing, _ = modules
    if timing.processor_times() is None:
        pytest.skip("no /proc/stat")
    stranger = subprocess.Popen([sys.executable, "-c", SPIN.replace("0.3", "60")])
    try:
        assert timing.idle_share(0.5) > 0.2 / os.cpu_count()
    finally:
        stranger.kill()
        stranger.wait()


def test_times_of_all_cores_are_read_as_the_system_writes_them(modules, tmp_path):
    timing, _ = modules
    stat = tmp_path / "stat"
    tick = os.sysconf("SC_CLK_TCK")
    stat.write_text("cpu  100 20 30 800 50 1 2 7 99 99\ncpu0 1 2 3\n")
    busy, everything = timing.processor_times(stat)
    assert busy * tick == pytest.approx(100 + 20 + 30 + 1 + 2 + 7)
    assert everything * tick == pytest.approx(100 + 20 + 30 + 800 + 50 + 1 + 2 + 7)
    assert timing.processor_times(tmp_path / "none") is None


def test_a_loaded_machine_is_refused_before_anything_is_measured(modules):
    _, run = modules

    def part():
        raise AssertionError("measured")

    with pytest.raises(SystemExit, match=r"40% of all cores before; at most 15%"):
        run.measured(part, False, idle=lambda: 0.4, watch=lambda: Told(0.0))
    with pytest.raises(SystemExit, match="does not tell"):
        run.measured(part, False, idle=lambda: None, watch=lambda: Told(0.0))


@pytest.mark.parametrize(
    ("before", "meanwhile", "after", "trusted"),
    [(0.1, 0.1, 0.1, True), (0.1, 0.2, 0.1, False), (0.1, 0.1, 0.2, False)],
)
def test_load_that_comes_later_takes_the_judgement_back(modules, before, meanwhile, after, trusted):
    timing, run = modules
    rows = [timing.row("this", "that", [2.0, 1.0, 3.0], timing.Target(at_least=1.5))]
    looks = iter([before, after])
    found = run.measured(
        lambda: rows, False, idle=lambda: next(looks), watch=lambda: Told(meanwhile)
    )
    assert found["rows"][0]["ratio"] == 2.0
    assert found["rows"][0]["passed"] is (True if trusted else None)
    assert (run.DISTRUST in found["doubt"]) is not trusted


def test_anyway_measures_and_marks(modules):
    timing, run = modules
    rows = [timing.row("this", "that", [1.0], timing.Target(at_most=0.5))]
    found = run.measured(lambda: rows, True, idle=lambda: 0.9, watch=lambda: Told(0.9))
    assert found["rows"][0]["passed"] is None
    assert found["doubt"].startswith("not to be trusted: other processes used 90% of all cores")


def test_targets_and_the_table(modules, tmp_path):
    timing, run = modules
    slow = timing.row("slow", "other", [0.9, 0.8, 1.1], timing.Target(at_least=1.0))
    fast = timing.row("fast", "other", [0.1, 0.2, 0.3], timing.Target(at_most=0.45))
    plain = timing.row("plain", "other", [5.0])
    assert [each["passed"] for each in (slow, fast, plain)] == [False, True, None]
    (tmp_path / "README.md").write_text(f"before {run.BEGIN}old{run.END} after")
    found = {"rows": [slow, fast, plain], "doubt": "not to be trusted: loud neighbours"}
    (tmp_path / "sampling.json").write_text(json.dumps(found))
    run.write_page(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"before {run.BEGIN}")
    assert text.endswith(f"{run.END} after")
    assert "| slow | other | 0.9 × | 0.8 to 1.1 | ≥ 1 | **no** |" in text
    assert "| fast | other | 0.2 × | 0.1 to 0.3 | ≤ 0.45 | yes |" in text
    assert "`sampling` is not to be trusted: loud neighbours." in text
    assert "old" not in text


def test_workers_take_turns_in_processes_of_their_own(modules, tmp_path):
    timing, _ = modules
    file = tmp_path / "sides.py"
    file.write_text(
        "import os, sys\n"
        f"sys.path.insert(0, {str(FOLDER)!r})\n"
        "from timing import serve\n"
        "def side(step):\n"
        "    count = [0]\n"
        "    def measure():\n"
        "        print('chatter')\n"
        "        count[0] += int(step)\n"
        "        return [count[0], os.getpid()]\n"
        "    return measure\n"
        "serve({'side': side})\n"
    )
    with (
        timing.Worker(str(file), "side", 1) as one,
        timing.Worker(str(file), "side", 10) as ten,
    ):
        found = timing.interleaved({"one": one, "ten": ten}, 3)
    assert [number for number, _ in found["one"]] == [1, 2, 3]
    assert [number for number, _ in found["ten"]] == [10, 20, 30]
    assert len({process for side in found.values() for _, process in side}) == 2
    with pytest.raises(SystemExit, match=r"sides\.py nobody"):
        timing.Worker(str(file), "nobody")
