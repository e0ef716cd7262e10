"""Every row of the table "Change one thing" does what it says, and all of them together run."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest
from conftest import ROOT

from textgen.core.experiment import load_experiment

PAGE = (ROOT / "experiments" / "notes" / "experiment-files.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Change one thing")[2].partition("\n## ")[0]
ROWS = {
    purpose: [word for word in shlex.split(row) if word != "--set"]
    for purpose, row in re.findall(r"^\| (.+?) \| `(--set.+)` \|$", TABLE, re.MULTILINE)
}


@pytest.mark.parametrize("purpose", ROWS)
def test_a_row_is_what_the_run_takes(purpose):
    experiment = load_experiment("word_small", ROWS[purpose])
    for change in ROWS[purpose]:
        name, value = change.split("=", 1)
        table = experiment.resolved
        for key in name.split("."):
            table = table[key]
        written = value if value[0] in "[0123456789" else f'"{value}"'
        assert tomllib.loads(f"value = {written}") == {"value": table}


def test_all_rows_together_run(textgen, corpus_folder):
    assert 10 <= len(ROWS) <= 12
    rows = [
        change.replace("my_texts", str(corpus_folder)) for row in ROWS.values() for change in row
    ]
    quick = "training.updates=2 training.validations=1 backbone.units=[8,8] embedding.epochs=1"
    short = "sampling.samples=1 sampling.length=20 memory.orders=[]"
    rows.remove("training.seconds=600")  # one budget is enough
    changes = [f"--set={change}" for change in [*rows, *quick.split(), *short.split()]]
    done = textgen("run", "word_small", *changes)
    assert done.code == 0, done.err
