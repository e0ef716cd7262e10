"""The benchmarks' ratios, targets and table; what scripts outside the suite import."""

from __future__ import annotations

import ast
import json
import pkgutil
import sys

import pytest
from conftest import ROOT


def test_targets_and_the_table(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    import run
    import timing

    slow = timing.row("slow", "other", [0.9, 0.8, 1.1], timing.Target(at_least=1.0))
    fast = timing.row("fast", "other", [0.1, 0.2, 0.3], timing.Target(at_most=0.45))
    plain = timing.row("plain", "other", [5.0])
    assert [row["passed"] for row in (slow, fast, plain)] == [False, True, None]
    (tmp_path / "README.md").write_text(f"before {run.BEGIN}old{run.END} after")
    (tmp_path / "sampling.json").write_text(json.dumps({"rows": [slow, fast, plain]}))
    run.write_page(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"before {run.BEGIN}\n")
    assert text.endswith(f"{run.END} after")
    assert "| slow | other | 0.9 × | 0.8 to 1.1 | ≥ 1 | **no** |" in text
    assert "| fast | other | 0.2 × | 0.1 to 0.3 | ≤ 0.45 | yes |" in text
    assert "old" not in text
    for name in ("run", "timing"):
        sys.modules.pop(name)


TESTS = ROOT / "tests"
SCRIPTS = [*TESTS.glob("benchmarks/*.py"), TESTS / "killing.py", TESTS / "endurance.py"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_imports_what_the_package_has(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "textgen":
            for name in node.names:
                pkgutil.resolve_name(f"{node.module}.{name.name}")
