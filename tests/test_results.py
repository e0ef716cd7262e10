"""The figures in the READMEs are those of the runs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("table", ROOT / "experiments" / "table.py")
TABLE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TABLE)


@pytest.mark.parametrize("page", TABLE.PAGES, ids=lambda p: p.parent.name)
def test_every_table_stands_as_the_results_have_it(page):
    text = page.read_text(encoding="utf-8")
    assert TABLE.MARK.search(text)
    assert TABLE.filled(text) == text


@pytest.mark.parametrize("path", sorted(TABLE.RESULTS.glob("*.json")), ids=lambda p: p.stem)
def test_a_result_adds_up_and_is_of_the_tales(path):
    metrics = TABLE.result(path.stem)
    for part in ("validation", "test"):
        found = metrics[part]["bits_per_character"]
        assert found["total"] == found["model"] + found["spelling"]
    assert metrics["corpus"]["kind"] == "lovecraft"
    assert not metrics["corpus"]["fallback"]
