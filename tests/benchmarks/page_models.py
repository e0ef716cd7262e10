"""Models inside a report's page: its size, how soon they answer, how far rounding moves bits.

    python tests/benchmarks/page_models.py [RUN …]

Needs Chromium. The text is the first 2,000 characters of the held-out passages in the report.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from small_runs import small_runs
from timing import Target, row, show

import textgen

sys.path.append(str(Path(__file__).parents[1]))
from chromium import headless

SMALL, SOON, CLOSE = Target(at_most=9.0), Target(at_most=3.0), Target(at_most=0.5)
CHARACTERS, NEXT_TOKENS = 2000, 10
ANSWERED = "return document.querySelectorAll('#ask .next li').length"
PRICE = """const [name, text, end] = arguments
    const rows = JSON.parse(document.getElementById("models").textContent)
    embedded(rows).find(model => model.name === name).price(text).then(end)"""


def measure(repeats: int, folders: Sequence[str | Path]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            sys.executable, "-m", "textgen", "compare", *map(str, folders), "--name", "page",
            "--quiet", "--reports", scratch, "--embed",
        ]  # fmt: skip
        subprocess.run(command, check=True)
        return _measured(repeats, folders, Path(scratch))


def _measured(repeats: int, folders: Sequence[str | Path], scratch: Path) -> list[dict[str, Any]]:
    page, clock, seconds = scratch / "page" / "index.html", "the clock", list[float]()
    shown = json.loads((page.parent / "texts.json").read_text(encoding="utf-8"))["passages"]
    text = "".join(passage["text"] for passage in shown)[:CHARACTERS]
    runs = {run.experiment.name: run for run in map(textgen.load_run, folders)}
    with headless(scratch, "about:blank") as browser:
        browser.set_script_timeout(120)
        for _ in range(repeats):
            began = time.perf_counter()
            browser.get(page.as_uri())
            browser.execute_script("document.getElementById('ask-form').scrollIntoView()")
            while browser.execute_script(ANSWERED) < NEXT_TOKENS * len(folders):
                time.sleep(0.02)
            seconds.append(time.perf_counter() - began)
        priced = {name: browser.execute_async_script(PRICE, name, text) for name in runs}
    what, size = f"{len(folders)} models in a page", page.stat().st_size / 1e6
    rows = [
        row(f"MB of {what}", clock, [size], SMALL, unit="MB"),
        row(f"until all answer: {what}", clock, seconds, SOON, unit="s"),
    ]
    for name, run in runs.items():
        off = 100 * abs(priced[name]["total"] / run.score(text)["total"] - 1)
        label = f"`{name}`, bits of {len(text):,} characters, in %"
        rows.append(row(label, "the run's own", [off], CLOSE, unit="%"))
    return rows


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        show(measure(5, sys.argv[1:] or small_runs(Path(made))))
