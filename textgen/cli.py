"""What the commands share: arguments, one-screen errors, exit codes."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from textgen.core import FULL, TextgenError, write_failed

COMMANDS = {
    "run": "train, score and sample one experiment",
    "study": "run arms × seeds under one budget, and compare them",
    "compare": "turn run folders into one report",
    "generate": "write text with a finished run",
    "score": "what a run charges for a passage",
    "corpus": "list corpora and print their statistics",
    "baseline": "score n-grams or compressors on an experiment's text",
}


def guarded(command: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run a command. A :class:`TextgenError` becomes one message on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character
    try:
        command(arguments)
        sys.stdout.flush()
    except TextgenError as error:
        if arguments.debug:
            raise
        print(f"textgen: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        if arguments.debug or error.errno not in FULL:
            raise
        where = Path(error.filename or "a file, or standard output")
        print(f"textgen: {write_failed(where, error, 'no run is harmed')}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # what is left is not tried again at the end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        how = " without --overwrite" if getattr(arguments, "overwrite", False) else ""
        print(f"\nstopped; repeat the command{how} to go on where it stood", file=sys.stderr)
        return 130
    return 0


def leave(code: int) -> NoReturn:
    """End the process at once: taking TensorFlow down takes longer than writing a page of text.

    For commands that leave nothing to be done at the end, such as files to be closed.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # whoever was reading has gone
        code = code or 1
    os._exit(code)


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the flags every command has."""
    made = argparse.ArgumentParser(
        prog=f"python -m textgen.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return made


def add_set_option(parser: argparse.ArgumentParser, example: str) -> None:
    """The flag ``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help=f"change a setting, e.g. --set {example}; may be repeated",
    )


def script() -> NoReturn:
    """The ``textgen`` console script."""
    code = main()
    if sys.argv[1:2] in (["generate"], ["score"]):
        leave(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """``textgen run …`` is ``python -m textgen.run …``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        # not imported: the package keeps its functions of these names
        return runpy.run_module(f"textgen.{given[0]}")["main"](given[1:])
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    usage = "usage: textgen COMMAND …\n\n" + "\n".join(lines) + "\n\ntextgen COMMAND --help"
    asked = not given or given[0] in ("-h", "--help")
    print(usage if asked else f"textgen: unknown command {given[0]!r}\n\n{usage}",
          file=sys.stdout if asked else sys.stderr)  # fmt: skip
    return 0 if asked else 2
