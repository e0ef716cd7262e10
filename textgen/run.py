"""python -m textgen.run EXPERIMENT.toml: train, score, sample, and write a run folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import add_set_option, command_parser, guarded
from textgen.core import leave
from textgen.runs import train


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("run", "Train, score and sample one experiment.")
    parser.add_argument("experiment", type=Path, help="a TOML file or a name, e.g. char")
    add_set_option(parser, "training.updates=500")
    parser.add_argument("--name", help="name of the run folder (default: the experiment's)")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders lie")
    parser.add_argument("--overwrite", action="store_true", help="replace a run of that name")
    parser.add_argument("--quiet", action="store_true", help="print only errors")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    train(
        given.experiment,
        overrides=given.set,
        name=given.name,
        runs_folder=given.runs,
        overwrite=given.overwrite,
        quiet=given.quiet,
    )


if __name__ == "__main__":
    leave(main())
