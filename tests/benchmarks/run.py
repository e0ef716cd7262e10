"""All benchmarks with one command, each against a reference in the same run.

    python tests/benchmarks/run.py [--only training_step sampling …] [--repeats 5]

Needs ``pip install ".[test,bench]"``. Writes a JSON file a part beside itself and the table in
README.md, with the load average before and after each part.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from timing import HERE, table

Rows = list[dict[str, Any]]
BEGIN, END = "<!-- table: benchmarks -->", "<!-- end -->"


def module(name: str, *options: str) -> Callable[[argparse.Namespace], Rows]:
    """The part whose module beside this one has ``measure(repeats, …)``, under these options."""

    def measure(given: argparse.Namespace) -> Rows:
        found = importlib.import_module(name).measure(
            *(getattr(given, option) for option in ("repeats", *options))
        )
        return cast(Rows, found)

    return measure


def memory(given: argparse.Namespace) -> Rows:
    """The pipeline's memory; a script of its own, measured once: a page count has no noise."""
    found = _script("memory", "--megabytes", *map(str, given.megabytes))["characters"]
    growth = found["largest_over_smallest"]
    sizes = [each["text_bytes"] / 1e6 for each in found["runs"]]
    return [
        {
            "what": f"memory of a run on {sizes[-1]:,.0f} MB of text, over TensorFlow's own",
            "reference": f"on {sizes[0]:,.0f} MB",
            "ratio": growth, "lowest": growth, "highest": growth, "repeats": 1,
            "target": found["target"], "passed": found["passed"],
        }
    ]  # fmt: skip


def tokenising(given: argparse.Namespace) -> Rows:
    found = _script("tokenising")
    return [
        {
            "what": f"MB of text a second as tokens, {kind}, {found['processes']} processes",
            "reference": "the clock", "unit": "MB/s", "repeats": 1,
            **dict.fromkeys(("ratio", "lowest", "highest"), each["megabytes_a_second"]),
            "target": each["target"], "passed": each["passed"],
        }
        for kind, each in found["tokenizers"].items()
    ]  # fmt: skip


PARTS: dict[str, Callable[[argparse.Namespace], Rows]] = {
    "training_step": module("training_step"),
    "quality": module("quality", "seconds", "keep"),
    "sampling": module("sampling"),
    "memory": memory,
    "tokenising": tokenising,
    "startup": module("startup", "runs"),
    "playing": module("playing", "runs"),
    "page_models": module("page_models", "runs"),
}
OWN_FILE = ("memory", "tokenising")
"""Parts whose scripts write their JSON themselves; ours lies beside it, as NAME.rows.json."""
NEED_RUNS = ("startup", "playing", "page_models")


def _script(name: str, *arguments: str) -> dict[str, Any]:
    subprocess.run([sys.executable, str(HERE / f"{name}.py"), *arguments], check=True)
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def described() -> dict[str, Any]:
    """When and where: results compare only with those of the same machine."""
    import keras
    import tensorflow as tf
    import torch

    from textgen.core.system import processor

    return {
        "date": datetime.date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "versions": {made.__name__: made.__version__ for made in (tf, keras, torch)},
    }


def page(folder: Path = HERE) -> str:
    """The table of everything that was measured so far."""
    paths = [path for name in PARTS if (path := _file(name, folder)).exists()]
    parts = [json.loads(path.read_text(encoding="utf-8"))["rows"] for path in paths]
    return table([row for rows in parts for row in rows])


def write_page(folder: Path = HERE) -> None:
    path = folder / "README.md"
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{page(folder)}\n\n{END}{after}", encoding="utf-8")


def _file(name: str, folder: Path) -> Path:
    return folder / (f"{name}.rows.json" if name in OWN_FILE else f"{name}.json")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=300.0, help="of training, for quality")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where quality keeps its runs")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[300, 3000], help="for memory")
    parser.add_argument("--runs", type=Path, nargs="+", default=[],
                        help=f"for {', '.join(NEED_RUNS)}; else two small ones")  # fmt: skip
    given = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        if not given.runs and not {*NEED_RUNS}.isdisjoint(given.only):
            from small_runs import small_runs

            given.runs = small_runs(Path(scratch))
        for name in given.only:
            load = os.getloadavg()[0]
            found = {"rows": PARTS[name](given), **described()}
            found["load_average"] = [load, os.getloadavg()[0]]
            _file(name, HERE).write_text(
                json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            print(f"\n{name}\n{table(found['rows'])}", flush=True)
            failed |= any(each["passed"] is False for each in found["rows"])
            write_page()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
