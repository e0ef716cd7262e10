"""python -m textgen.compare RUN RUN …: which is better, by how much, with what certainty."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.report import PRECISIONS, compare_runs
from textgen.runs import check_folder


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("compare", "Compare finished runs in one report.")
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, e.g. runs/char")
    parser.add_argument(
        "--name", default="", help="name of the report (default: the names of the runs)"
    )
    parser.add_argument("--title", default="", help="heading of the report")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where reports lie")
    parser.add_argument(
        "--word",
        action="append",
        default=[],
        help="show the bits of this word in its true context",
    )
    parser.add_argument(
        "--different-texts",
        action="store_true",
        help="accept runs on different texts or splits, and flag them",
    )
    parser.add_argument(
        "--embed",
        nargs="*",
        metavar="ARM",
        help="behind the runs: have the page hold the models of these arms, or of all, to be asked",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="of the weights in the page: smaller files, or closer to the run's own figures",
    )
    parser.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    for folder in given.runs:
        check_folder(folder)
    compare_runs(
        given.runs,
        name=given.name,
        title=given.title,
        words=given.word or None,
        different_texts=given.different_texts,
        embed=given.embed,
        precision=given.precision,
        reports_folder=given.reports,
        quiet=given.quiet,
    )


if __name__ == "__main__":
    sys.exit(main())
