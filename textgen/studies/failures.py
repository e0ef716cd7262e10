"""What is told and kept of the runs of a study that have failed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textgen.core import TextgenError, write_file

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.report import Comparison

LAST_LINES = 4
"""How much of a failed run's output is repeated at the end."""
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


def failed(folder: Path, failures: Mapping[str, str], report: Comparison | None) -> TextgenError:
    found = [f"{len(failures)} failed"]
    for name, log in list(failures.items())[:SHOWN]:
        found += [f"{name}, whole log in {_log(folder, name)}:"]
        found += [f"  {line}" for line in log.strip().splitlines()[-LAST_LINES:]]
    if len(failures) > SHOWN:
        found.append(f"… and {len(failures) - SHOWN} more: {', '.join(list(failures)[SHOWN:])}")
    return TextgenError(
        str(folder),
        found="\n            ".join(found),
        expected="every run to finish"
        + (f"; the report of the others: {os.fspath(report)}" if report else ""),
        hint="correct the cause and repeat the command: finished runs are kept",
    )
