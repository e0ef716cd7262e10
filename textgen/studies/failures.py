"""What is told and kept of arms that cannot be planned and of runs that have failed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.core import Study, TextgenError, write_file

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.report import Comparison

LAST_LINES = 4
"""How much of a failed process' output is repeated at the end."""
SHOWN = 4
"""How many failed runs are shown at the end; all of them have log files."""


def _log(folder: Path, name: str) -> Path:
    return folder / "failed" / f"{name}.txt"


def write_logs(folder: Path, failures: Mapping[str, str], names: Sequence[str]) -> None:
    """Write the logs of this time's failures; older logs of these arms and runs are deleted."""
    for name in names:
        _log(folder, name).unlink(missing_ok=True)
    for name, log in failures.items():
        write_file(_log(folder, name), log)


def _last_lines(folder: Path, name: str, log: str) -> list[str]:
    lines = log.strip().splitlines()[-LAST_LINES:]
    return [f"{name}, whole log in {_log(folder, name)}:", *(f"  {line}" for line in lines)]


def not_planned(made: Study, folder: Path, logs: Mapping[str, str]) -> TextgenError:
    """The error for arms that cannot be planned, with the end of what each printed."""
    found = [f"{len(logs)} of {len(made.arms)} arms cannot be planned; no run was started"]
    for arm, log in logs.items():
        found += _last_lines(folder, arm, log)
    return TextgenError(
        f"{made.path}: arms",
        found=found[0],
        lines=found[1:],
        expected="every arm to fit the budget",
        hint="correct each as it says and repeat the command: the plans of the others are kept",
    )


def failed(folder: Path, failures: Mapping[str, str], report: Comparison | None) -> TextgenError:
    """The error for runs that have failed, with the end of what each printed."""
    found = [f"{len(failures)} failed"]
    for name, log in list(failures.items())[:SHOWN]:
        found += _last_lines(folder, name, log)
    if len(failures) > SHOWN:
        found.append(f"… and {len(failures) - SHOWN} more: {', '.join(list(failures)[SHOWN:])}")
    return TextgenError(
        str(folder),
        found=found[0],
        lines=found[1:],
        expected="every run to finish"
        + (f"; the report of the others: {os.fspath(report)}" if report else ""),
        hint="correct the cause and repeat the command: finished runs are kept",
    )
