"""python -m textgen.generate RUN: text from a finished run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.core import Sampling, json_line, leave, visible
from textgen.runs import METHODS, generate_text
from textgen.tokenizers import FILL

NOT_OPTIONS = ("run", "prompt", "json", "debug", "marked")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("generate", "Write text with a finished run.")
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/char")
    parser.add_argument("--prompt", default="", help="how the text begins")
    parser.add_argument("--length", type=int, default=500, help="characters to write")
    parser.add_argument("--temperature", type=float, default=Sampling.temperature)
    parser.add_argument(
        "--top-k", type=int, default=0, help="sample from the k most probable tokens; 0: all"
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        help="sample from the most probable tokens of this total mass",
    )
    parser.add_argument("--seed", type=int, help="repeats a text; without it each is another")
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="sample",
        help="article: the most probable token at every position of the real text in --prompt",
    )
    parser.add_argument(
        "--fill",
        choices=FILL,
        default="scored",
        help="fill placeholders with words drawn as they are scored, words of the training text "
        "that read well, newly spelled ones, or marks",
    )
    parser.add_argument(
        "--memory", action="store_true", help="write with the memory of the document"
    )
    parser.add_argument(
        "--marked", action="store_true", help="mark the words that fill placeholders"
    )
    parser.add_argument("--json", action="store_true", help="one JSON record per line")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.runs import annotated

    options = {k: v for k, v in vars(given).items() if k not in NOT_OPTIONS}
    records = generate_text(given.run, given.prompt, **options)
    if given.seed is None and not given.json:
        print(f"--seed {records[0]['seed']} repeats this", file=sys.stderr)
    for i, record in enumerate(records):
        if given.json:
            print(json_line(record))
            continue
        if len(records) > 1:
            print(f"\n── sample {i + 1} of {len(records)} " + "─" * 40)
        text = annotated(record) if given.marked else record["text"]
        print(visible((record["prompt"] if given.method == "sample" else "") + text))


if __name__ == "__main__":
    leave(main())
