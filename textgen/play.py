"""python -m textgen.play RUN …: ask trained models, side by side, in a page."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.core import TextgenError, visible


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("play", "Ask trained models in a page on this machine.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="e.g. runs/char")
    parser.add_argument("--port", type=int, default=0, help="of the page; 0: any that is free")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.interactive import listen, open_models, serve

    if not 0 <= given.port < 2**16:
        raise TextgenError("--port", found=str(given.port), expected="0 to 65535")
    listening = listen(given.port)
    print("loading the models …", flush=True)
    readers = open_models(
        given.runs, lambda reader: print(f"{visible(reader.label)} is ready", flush=True)
    )
    serve(readers, listening, lambda page: print(f"\n{page}\nCtrl-C ends it", flush=True))


if __name__ == "__main__":
    raise SystemExit(main())
