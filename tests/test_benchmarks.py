"""The benchmarks' own logic: turns, ratios and the table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture
def modules(monkeypatch):
    """``timing`` and ``run``, which imports every benchmark."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    import run
    import timing

    yield timing, run
    for name in set(sys.modules) - before:
        if name in {path.stem for path in FOLDER.glob("*.py")}:
            del sys.modules[name]


def test_targets_and_the_table(modules, tmp_path):
    timing, run = modules
    slow = timing.row("slow", "other", [0.9, 0.8, 1.1], timing.Target(at_least=1.0))
    fast = timing.row("fast", "other", [0.1, 0.2, 0.3], timing.Target(at_most=0.45))
    plain = timing.row("plain", "other", [5.0])
    assert [each["passed"] for each in (slow, fast, plain)] == [False, True, None]
    (tmp_path / "README.md").write_text(f"before {run.BEGIN}old{run.END} after")
    (tmp_path / "sampling.json").write_text(json.dumps({"rows": [slow, fast, plain]}))
    run.write_page(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"before {run.BEGIN}\n")
    assert text.endswith(f"{run.END} after")
    assert "| slow | other | 0.9 × | 0.8 to 1.1 | ≥ 1 | **no** |" in text
    assert "| fast | other | 0.2 × | 0.1 to 0.3 | ≤ 0.45 | yes |" in text
    assert "old" not in text


SIDE = f"""
import os, sys
sys.path.insert(0, {str(FOLDER)!r})
from timing import serve
def side(step):
    count = [0]
    def measure():
        print('chatter')
        count[0] += int(step)
        return [count[0], os.getpid()]
    return measure
serve({{'side': side}})
"""


def test_workers_take_turns_in_processes_of_their_own(modules, tmp_path):
    timing, _ = modules
    file = tmp_path / "sides.py"
    file.write_text(SIDE)
    with timing.Worker(str(file), "side", 1) as one, timing.Worker(str(file), "side", 10) as ten:
        answers = timing.interleaved({"one": one, "ten": ten}, 3)
    assert [number for number, _ in answers["one"]] == [1, 2, 3]
    assert [number for number, _ in answers["ten"]] == [10, 20, 30]
    assert len({process for side in answers.values() for _, process in side}) == 2
    with pytest.raises(SystemExit, match=r"sides\.py nobody"):
        timing.Worker(str(file), "nobody")
