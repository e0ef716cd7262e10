"""python -m textgen.baseline EXPERIMENT: n-grams and compressors on the same text."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import add_set_option, command_parser, guarded
from textgen.core import json_line, load_experiment, lookup, plugin_table
from textgen.evaluation import baseline, check_orders


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "baseline", "Score n-grams over an experiment's tokens, or compressors."
    )
    parser.add_argument("experiment", type=Path, help="a TOML file or a name, e.g. char")
    kinds = ", ".join(sorted(plugin_table("baseline")))
    parser.add_argument("--kind", metavar="KIND", help=f"one of {kinds}; kneser_ney if not given")
    parser.add_argument(
        "--order",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="tokens of the longest n-gram (4 if not given), or bytes of context of ppmd (8); may "
        "be repeated",
    )
    parser.add_argument(
        "--command",
        help="of --kind command: a compressor that is a program, with {input} for the file, e.g. "
        '"paq8px -8 {input}"; zpaq -m5 if not given',
    )
    add_set_option(parser, "split.seed=1")
    parser.add_argument("--json", action="store_true", help="one JSON record a model")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.data import load_corpus
    from textgen.runs import Screen

    kind = given.kind
    if kind is None:
        kind = "kneser_ney" if given.command is None else "command"
    check_orders(given.order, kind, lookup("baseline", kind, "--kind"))
    experiment = load_experiment(given.experiment, given.set)
    loaded = load_corpus(experiment)
    screen = Screen(quiet=given.json)
    screen.corpus(experiment, loaded)
    found = baseline(experiment, loaded, given.order, kind=kind, command=given.command)
    if given.json:
        for record in found:
            print(json_line(record), flush=True)
    else:
        screen.baselines(loaded, list(found))


if __name__ == "__main__":
    sys.exit(main())
