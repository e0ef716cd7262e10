"""What the commands share: options, errors on one screen, exit codes."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from textgen import __version__
from textgen.core import FULL, TextgenError, leave, write_failed

COMMANDS = {
    "run": "train, score and sample one experiment",
    "study": "run arms × seeds under one budget, and compare them",
    "compare": "compare finished runs in one report",
    "generate": "write text with a finished run",
    "play": "ask trained models side by side, in a page",
    "audit": "is what any language model claims a likelihood?",
    "score": "what a passage costs under a run, token by token",
    "corpus": "list corpora, or show the statistics and split of one",
    "baseline": "score n-grams or compressors on an experiment's text",
    "schema": "write the JSON schema of experiment files, for editors",
}

NO_MEMORY = TextgenError(
    "memory",
    found="none is left",
    expected="enough for this text and this model",
    hint="close other programs, or take a smaller batch, model or text",
)


def guarded(
    command: Callable[[argparse.Namespace], int | None], arguments: argparse.Namespace
) -> int:
    """Run a command, which returns its exit code or None for 0. A :class:`TextgenError` becomes one
    message on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character
    try:
        with _ended_by_sigterm():
            code = command(arguments)
        sys.stdout.flush()
    except TextgenError as error:
        if arguments.debug:
            raise
        print(f"textgen: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except MemoryError:
        if arguments.debug:
            raise
        print(f"textgen: {NO_MEMORY}", file=sys.stderr)
        return 2
    except OSError as error:
        if arguments.debug:
            raise
        print(f"textgen: {_explained(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # keep Python from writing the rest again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt as stop:
        hint = ""
        if hasattr(arguments, "overwrite"):  # these resume what they have begun
            how = " without --overwrite" if arguments.overwrite else ""
            hint = f"; repeat the command{how} to continue"
        print(f"\nstopped{hint}", file=sys.stderr)
        return 143 if stop.args else 130
    return code or 0


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block SIGTERM ends the command as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread, where signals are nobody's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _explained(error: OSError) -> TextgenError:
    """The message for what the system refuses, where nothing more is known of it."""
    where = Path(os.fsdecode(error.filename or "a file, or standard output"))
    if error.errno in FULL:
        return write_failed(where, error, "no run is harmed")
    return TextgenError(
        str(where), found=error.strerror or str(error), expected="a file or folder that can be used"
    )


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    """A parser with the options that every command has."""
    made = argparse.ArgumentParser(
        prog=f"python -m textgen.{name}",
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    made.add_argument("--version", action="version", version=f"textgen {__version__}")
    return made


def add_set_option(parser: argparse.ArgumentParser, example: str) -> None:
    """The option ``--set``."""
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
    if sys.argv[1:2] in (["audit"], ["generate"], ["run"], ["score"]):
        leave(code)
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """``textgen run …`` is ``python -m textgen.run …``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return importlib.import_module(f"textgen.{given[0]}").main(given[1:])
    if given == ["--version"]:
        print(f"textgen {__version__}")
        return 0
    lines = [f"  {name:<10}{text}" for name, text in COMMANDS.items()]
    usage = "usage: textgen COMMAND …\n\n" + "\n".join(lines) + "\n\ntextgen COMMAND --help"
    asked = not given or given[0] in ("-h", "--help")
    print(usage if asked else f"textgen: unknown command {given[0]!r}\n\n{usage}",
          file=sys.stdout if asked else sys.stderr)  # fmt: skip
    return 0 if asked else 2
