"""All benchmarks with one command, each against a reference in the same run: see README.md."""

import argparse
import datetime
import json
import os
import sys
from pathlib import Path

import quality
import training_step
from timing import PAGE, page, table

PARTS = {"training_step": training_step.measure, "quality": quality.measure}


def described():
    """When and where: results compare only with those of the same machine."""
    import keras
    import tensorflow as tf
    import torch

    from textgen.core.machine import processor

    return {
        "date": datetime.date.today().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor(),
        "versions": {module.__name__: module.__version__ for module in (tf, keras, torch)},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
                        help=", ".join(PARTS))  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=Path, nargs="+", default=[],
                        help="for quality, in place of runs of its own")  # fmt: skip
    options, failed = parser.parse_args(), False
    for name in options.only:
        load = os.getloadavg()[0]
        results = {"rows": PARTS[name](options), **described()}
        results["load_average"] = [load, os.getloadavg()[0]]
        content = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
        PAGE.with_name(f"{name}.json").write_text(content, encoding="utf-8")
        print(f"\n{name}\n{table(results['rows'])}", flush=True)
        failed |= any(each["passed"] is False for each in results["rows"])
        PAGE.write_text(page(PARTS), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
