"""``python tests/pretended.py FILE`` does what ``textgen study FILE`` does, but pretends its runs.

A run is ten steps of a twentieth of a second; where it was interrupted it goes on. Each process
writes the steps that it has made into a file of its own.
"""

import os
import sys
import time
from pathlib import Path

from textgen.core.files import write_file
from textgen.report.comparison import Comparison
from textgen.runs.folder import take_folder, write_experiment
from textgen.studies import display, execution, jobs, pages

STEPS = 10
SECONDS = 0.05
METRICS = "metrics.json"


def do_job(files, ready, place, job):
    run = files.run(job)
    with (
        take_folder(run, "two processes make one run", ""),
        Path(f"steps-{os.getpid()}.txt").open("a") as steps,
    ):
        assert not (run / METRICS).exists(), "made again"
        plan = ready.plans[job.cell][job.arm]
        experiment = ready.cells[job.cell].study.experiment(job.arm, job.run, plan.updates)
        write_experiment(run / "experiment.toml", experiment)
        checkpoint = run / "checkpoint.txt"
        made = int(checkpoint.read_text()) if checkpoint.exists() else 0
        for step in range(made, STEPS):
            time.sleep(SECONDS)
            steps.write(f"{job.run} {step}\n")
            steps.flush()
            write_file(checkpoint, str(step + 1))
        write_file(run / METRICS, "{}")


def compare(folders, **settings):
    folder = settings["reports_folder"] / settings["name"]
    with Path(f"report-{os.getpid()}.txt").open("a") as written:
        written.write(f"{len(folders)}\n")
    write_file(folder / "report.json", "{}")
    write_file(folder / "index.html", "{}")
    return Comparison(folder)


def main(path):
    execution.do_job = do_job
    execution.compute_references = lambda *_: None
    display.Display._result = lambda *_: "pretended"
    jobs.read_metrics = lambda *_: None
    pages.compare_runs = compare
    execution.run_study(path, workers=2, quiet=True)


if __name__ == "__main__":
    main(sys.argv[1])
