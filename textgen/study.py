"""python -m textgen.study STUDY.toml: arms × seeds under one budget, then the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.studies import run_study


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("study", "Run arms × seeds under one budget and report on them.")
    parser.add_argument("study", type=Path, help="a TOML file or a name, e.g. study_small")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders lie")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where reports lie")
    parser.add_argument("--workers", type=int, default=1, help="runs at once, e.g. idle cores")
    parser.add_argument(
        "--address",
        help='of a Ray cluster to send the runs to; "local" starts one here (needs '
        "textgen-compare[cluster])",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace plan and runs of arms that have changed"
    )
    parser.add_argument("--quiet", action="store_true", help="print only errors")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    run_study(
        given.study,
        runs_folder=given.runs,
        reports_folder=given.reports,
        workers=given.workers,
        address=given.address,
        overwrite=given.overwrite,
        quiet=given.quiet,
    )


if __name__ == "__main__":
    sys.exit(main())
