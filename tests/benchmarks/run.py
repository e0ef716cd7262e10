"""All benchmarks with one command, each against a reference in the same run.

    python tests/benchmarks/run.py [--only training_step sampling …] [--repeats 5]

Needs ``pip install ".[test,bench]"``. Writes a JSON file a part beside itself and the table in
README.md. It does not judge on a loaded machine: other processes may use at most 15 % of all cores
before a part, after it and on average while it runs. ``--anyway`` measures all the same and marks
the result as not to be trusted.
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

from timing import HERE, Watch, idle_share, table, verdict

Rows = list[dict[str, Any]]
DISTRUST = "not to be trusted"
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
    "output_layer": module("output_layer"),
    "memory": memory,
    "tokenising": tokenising,
    "startup": module("startup", "runs"),
    "playing": module("playing", "runs"),
    "page_models": module("page_models", "runs"),
    "report": module("report", "runs"),
    "arithmetic_coding": module("arithmetic_coding", "runs"),
}
OWN_FILE = ("memory", "tokenising")
"""Parts whose scripts write their JSON themselves; ours lies beside it, as NAME.rows.json."""
NEED_RUNS = ("startup", "playing", "page_models", "report", "arithmetic_coding")


def _script(name: str, *arguments: str) -> dict[str, Any]:
    subprocess.run([sys.executable, str(HERE / f"{name}.py"), *arguments], check=True)
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def measured(
    part: Callable[[], Rows],
    anyway: bool,
    idle: Callable[[], float | None] = idle_share,
    watch: Callable[[], Any] = Watch,
) -> dict[str, Any]:
    """A part's rows, and why they are not to be trusted if so.

    Args:
        part: measures.
        anyway: also on a loaded machine.
        idle, watch: tell what other processes use.

    Raises:
        SystemExit: the machine is loaded before: nothing is measured.
    """
    shares = {"before": idle()}
    if (doubt := verdict(shares)) and not anyway:
        raise SystemExit(
            f"not measured: {doubt}\nwait until the machine is quiet, or take --anyway, which "
            f"marks the result “{DISTRUST}”"
        )
    meanwhile = watch()
    rows = part()
    shares |= {"meanwhile": meanwhile.share(), "after": idle()}
    doubt = verdict(shares)
    if doubt:
        rows = [{**each, "passed": None} for each in rows]
    return {"rows": rows, "load_of_others": shares, "doubt": doubt and f"{DISTRUST}: {doubt}"}


def described() -> dict[str, Any]:
    """When and where: results compare only with those of the same machine."""
    import keras
    import tensorflow as tf
    import torch

    from textgen.core.machine import processor

    return {
        "date": datetime.date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "versions": {made.__name__: made.__version__ for made in (tf, keras, torch)},
    }


def page(folder: Path = HERE) -> str:
    """The table of everything that was measured so far."""
    rows, doubts = [], []
    for name in PARTS:
        path = _file(name, folder)
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            rows += found["rows"]
            if found["doubt"]:
                doubts.append(f"`{name}` is {found['doubt']}.")
    return "\n".join([table(rows), *([""] if doubts else []), *doubts])


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
    parser.add_argument("--anyway", action="store_true", help="measure on a loaded machine too")
    given = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        if not given.runs and not {*NEED_RUNS}.isdisjoint(given.only):
            from small_runs import small_runs

            given.runs = small_runs(Path(scratch))
        for name in given.only:
            found = {**measured(lambda part=PARTS[name]: part(given), given.anyway), **described()}
            _file(name, HERE).write_text(
                json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )
            print(f"\n{name}\n{table(found['rows'])}\n{found['doubt']}", flush=True)
            failed |= any(each["passed"] is False for each in found["rows"])
            write_page()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
