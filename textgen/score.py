"""python -m textgen.score RUN --text …: bits of any passage under a run, stretch by stretch; or,
with --part, of a part of the text that the run was made with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.core import TextgenError, json_line, kind_of, leave
from textgen.runs import load_run, print_part, print_passage, score_part, score_text

PARTS = ("train", "validation", "test")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("score", "The bits of a passage or a part of the text under a run.")
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/char")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", help="the passage")
    given.add_argument("--file", type=Path, help="a UTF-8 file that holds it")
    given.add_argument("--part", choices=PARTS, help="of the run's own text, in place of a passage")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    if given.part is not None:
        part = score_part(load_run(given.run), given.part)
        print(json_line(part)) if given.json else print_part(part)
        return
    text = given.text
    if given.file is not None:
        from textgen.data import read_text

        if (kind := kind_of(given.file)) != "a file":
            raise TextgenError(
                str(given.file), found=kind, expected="a text file",
                hint="correct the path, or give the passage as --text",
            )  # fmt: skip
        text = read_text(given.file)
    if not text:
        where = "--text" if given.file is None else str(given.file)
        raise TextgenError(
            where, found="no text", expected="at least one character", hint="give a passage"
        )
    found = score_text(given.run, text)
    if given.json:
        print(json_line(found))
    else:
        print_passage(found)


if __name__ == "__main__":
    leave(main())
