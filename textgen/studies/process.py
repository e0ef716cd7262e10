"""A process of a study, which does one job after another as it is told, and keeps what the last one
has prepared. :mod:`textgen.studies.places` starts such processes.

``python -m textgen.studies.process`` reads jobs from standard input, a line of JSON each:

    ["log file", "name of the job", {argument: value, …}]

and writes the result of each to standard output, also as a line of JSON. Whatever a job prints goes
into its log. A job that fails says there why, and ends the process. The process also ends with its
parent, even if that is killed: the parent holds the other end of its standard input.
"""

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from textgen.core.errors import TextgenError, explained
from textgen.core.experiment import load_experiment
from textgen.core.machine import processor
from textgen.core.tensorflow import exit_immediately
from textgen.runs.console import Screen
from textgen.runs.pipeline import make_run
from textgen.studies.jobs import StudyFiles
from textgen.studies.pages import find_cell, write_cell
from textgen.studies.planning import updates_within
from textgen.studies.study import load_study
from textgen.studies.timing import TURNS, seconds_of_turn

if TYPE_CHECKING:  # TensorFlow is imported when it has been told how to start
    from textgen.training.begun import Begun

# Between two lines in the log of a run, of which the study shows the last.
LINE_SECONDS = 5.0


@dataclass
class Jobs:
    """What a process can be asked for; the name of a job is that of a method.

    Attributes:
        begun: the experiment that was begun last, until a run goes on with it.
    """

    begun: "Begun | None" = None

    def begin(self, experiment: str) -> dict[str, float]:
        """Prepare the experiment of a file, and build its network: ``parameters``, and
        ``preparation_seconds``."""
        from textgen.training.begun import begin

        self.begun = begin(load_experiment(experiment))
        return {
            "parameters": self.begun.network.count_params(),
            "preparation_seconds": self.begun.prepared.seconds,
        }

    def time(self, seconds: float) -> float:
        """The seconds of an update of the experiment that was begun, timed for so long at least."""
        assert self.begun is not None
        return self.begun.seconds_per_update(seconds)

    def run(self, experiment: str, runs: str, overwrite: bool) -> None:
        """Make the run of the experiment of a file in a folder of runs, as ``textgen run`` does. If
        it is the experiment that was begun, it goes on from there."""
        begun = self.begun
        self.begun = None
        screen = Screen(line_seconds=LINE_SECONDS)
        make_run(load_experiment(experiment), Path(runs), overwrite, screen, begun)

    def page(
        self, study: str, cell: str, runs_folder: str, reports_folder: str, command: str
    ) -> None:
        """Write report and record of a cell of a study: see
        :func:`textgen.studies.pages.write_cell`."""
        files = StudyFiles(load_study(study), Path(runs_folder), Path(reports_folder))
        write_cell(files, find_cell(files.study, cell), command)

    def try_setting(
        self, experiment: str, scratch: str, span: int, seconds: float, known: dict[str, float]
    ) -> dict[str, Any]:
        """Train the experiment of a file, and score validation text.

        Args:
            experiment: the file.
            scratch: see :func:`textgen.training.trial.train_and_score`.
            span: characters of a window, in place of its tokens; 0: as the experiment has it.
            seconds: what preparation and training may take.
            known: processor → seconds of an update, where it has been timed before: on the same
                kind of processor the fastest timing counts.

        Returns:
            The figures of the training, its ``seconds_per_update``, and the ``processor``.
        """
        from textgen.training.begun import begin
        from textgen.training.trial import train_and_score

        begun = begin(load_experiment(experiment), span)
        paces = [begun.seconds_per_update(seconds_of_turn(seconds)) for _ in range(TURNS)]
        if processor() in known:
            paces.append(known[processor()])
        pace = min(paces)
        updates = updates_within(seconds, begun.prepared.seconds, pace)
        figures = train_and_score(begun, updates, Path(scratch))
        return {**figures, "seconds_per_update": pace, "processor": processor()}


def main() -> int:
    """Do the jobs of standard input until one fails."""
    lines = queue.SimpleQueue[bytes]()
    threading.Thread(target=_read_lines, args=(lines,), daemon=True).start()
    signal.signal(signal.SIGTERM, _stop)
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    jobs = Jobs()
    printed_into = ""
    try:
        while True:
            log, job, arguments = json.loads(lines.get())
            if log != printed_into:
                _print_into(log)
                printed_into = log
            result: Any = getattr(jobs, job)(**arguments)
            results.write(json.dumps(result) + "\n")
            results.flush()
    except (TextgenError, MemoryError, OSError) as error:
        print(f"textgen: {explained(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 128 + signal.SIGINT


def _print_into(log: str) -> None:
    """Send standard output and error into a file from now on."""
    sys.stdout.flush()
    sys.stderr.flush()
    with Path(log).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _read_lines(lines: "queue.SimpleQueue[bytes]") -> None:
    # not by sys.stdin, whose lock would delay the end of this process
    with os.fdopen(os.dup(0), "rb") as file:
        for line in file:
            lines.put(line)
    os._exit(1)  # the parent has ended, or closed its end


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt  # SIGTERM ends a job as Ctrl-C does


if __name__ == "__main__":
    exit_immediately(main())
