"""python -m textgen.play RUN …: ask trained models, side by side, in a page or a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.core import TextgenError, visible


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("play", "Ask trained models: a page on this machine, or a terminal.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="e.g. runs/char")
    parser.add_argument("--terminal", action="store_true", help="stay in the terminal")
    parser.add_argument("--port", type=int, default=0, help="of the page; 0: any that is free")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.interactive import converse, listen, open_models, serve

    if not 0 <= given.port < 2**16:
        raise TextgenError("--port", found=str(given.port), expected="0 to 65535")
    listening = None if given.terminal else listen(given.port)
    print("loading the models …", flush=True)
    readers = open_models(
        given.runs, lambda reader: print(f"{visible(reader.label)} is ready", flush=True)
    )
    if listening is None:
        converse(readers)
    else:
        serve(readers, listening, lambda page: print(f"\n{page}\nCtrl-C ends it", flush=True))


if __name__ == "__main__":
    raise SystemExit(main())
