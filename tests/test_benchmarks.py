"""The benchmarks' own logic: turns, ratios and the table."""

from __future__ import annotations

import json
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
    assert text.startswith(f"before {run.BEGIN}")
    assert text.endswith(f"{run.END} after")
    assert "| slow | other | 0.9 × | 0.8 to 1.1 | ≥ 1 | **no** |" in text
    assert "| fast | other | 0.2 × | 0.1 to 0.3 | ≤ 0.45 | yes |" in text
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
