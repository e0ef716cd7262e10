"""The command line: ``textgen NAME …``, one row of COMMANDS each.

Whatever a command needs is imported when it runs, so that ``--help`` is there at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from textgen import __version__
from textgen.core.errors import FULL, TextgenError, write_failed
from textgen.core.plugins import plugin_table
from textgen.core.processes import leave
from textgen.core.settings import Sampling

Given = argparse.Namespace
Parser = argparse.ArgumentParser
PARTS = ("train", "validation", "test")
RUNS, REPORTS = Path("runs"), Path("reports")
CLUSTER = 'Ray cluster for the runs; "local" starts one here (needs textgen-compare[cluster])'


def _run_arguments(parser: Parser) -> None:
    parser.add_argument("experiment", type=Path, help="a TOML file or a name, e.g. char")
    _add_set(parser, "training.updates=500")
    parser.add_argument("--name", help="name of the run folder (default: the experiment's)")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where run folders lie")
    _flag(parser, "--overwrite", "replace a run of that name")
    _flag(parser, "--quiet", "print only errors")


def _study_arguments(parser: Parser) -> None:
    parser.add_argument("study", type=Path, help="a TOML file or a name, e.g. study_small")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where run folders lie")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="where reports lie")
    parser.add_argument("--workers", type=int, default=1, help="runs at once, e.g. idle cores")
    parser.add_argument("--address", help=CLUSTER)
    _flag(parser, "--overwrite", "replace plan and runs of arms that have changed")
    _flag(parser, "--quiet", "print only errors")


def _compare_arguments(parser: Parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run folders, e.g. runs/char")
    parser.add_argument("--name", default="", help="of the report (default: those of the runs)")
    parser.add_argument("--title", default="", help="heading of the report")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="where reports lie")
    _flag(parser, "--different-texts", "accept runs on different texts or splits, and flag them")
    parser.add_argument(
        "--embed",
        nargs="*",
        metavar="ARM",
        help="behind the runs: have the page hold the models of these arms, or of all, to be asked",
    )
    _flag(parser, "--quiet", "print only warnings and errors")


def _generate_arguments(parser: Parser) -> None:
    from textgen.runs.finished import METHODS
    from textgen.tokenizers.base import FILL

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
    _flag(parser, "--memory", "write with the memory of the document")
    _flag(parser, "--marked", "mark the words that fill placeholders")
    _flag(parser, "--json", "one JSON record per line")


def _play_arguments(parser: Parser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="e.g. runs/char")
    parser.add_argument("--port", type=int, default=0, help="of the page; 0: any that is free")


def _audit_arguments(parser: Parser) -> None:
    from textgen.evaluation.units import UNITS

    parser.add_argument("model", help="a run folder, a Hugging Face folder, or file.py:Class")
    _add_passage(parser)
    parser.add_argument("--claim", metavar="FIGURE", help="what is claimed about this text")
    parser.add_argument("--unit", choices=UNITS, default="bits_per_character", help="of the claim")
    _flag(parser, "--end-counted", "the claim counts the end as one character more")
    parser.add_argument(
        "--divided-by", type=int, metavar="N", help="the denominator that the claim has used"
    )
    _flag(parser, "--no-end", "a Hugging Face model without an end")
    _flag(parser, "--memory", "a run with its memory")
    parser.add_argument(
        "--output", type=Path, help="where to write it (default: the run's folder, or ./audit.json)"
    )
    _flag(parser, "--json", "print the audit as JSON")


def _score_arguments(parser: Parser) -> None:
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/char")
    _add_passage(parser).add_argument(
        "--part", choices=PARTS, help="of the run's own text, in place of a passage"
    )
    _flag(parser, "--json", "print JSON")


def _add_passage(parser: Parser) -> Any:
    """``--text`` or ``--file``; returns their group, one of which is needed."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--text", help="the passage")
    group.add_argument("--file", type=Path, help="a UTF-8 file that holds it")
    return group


def _corpus_arguments(parser: Parser) -> None:
    parser.add_argument(
        "corpus", nargs="?", metavar="KIND or EXPERIMENT",
        help="a kind of corpus, or an experiment (a TOML file or a name, e.g. char) whose corpus "
        "and split are shown; without it the kinds are listed",
    )  # fmt: skip
    parser.add_argument("--path", type=Path, help="for folder and file")
    parser.add_argument("--encoding", help="for folder and file")
    parser.add_argument("--keep", help='only these characters; "article" for the article\'s 75')
    _add_set(parser, "split.seed=1")
    _flag(parser, "--json", "print JSON")


def _baseline_arguments(parser: Parser) -> None:
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
    _add_set(parser, "split.seed=1")
    _flag(parser, "--json", "one JSON record a model")


def _schema_arguments(parser: Parser) -> None:
    _flag(parser, "--study", "the schema of study files")


class Command(NamedTuple):
    """A row of COMMANDS; what it does is the function of its name in :mod:`textgen.commands`."""

    name: str
    help: str
    add_arguments: Callable[[Parser], None]


COMMANDS = (
    Command("run", "train, score and sample one experiment", _run_arguments),
    Command("study", "run arms × seeds under one budget, and compare them",
            _study_arguments),
    Command("compare", "compare finished runs in one report", _compare_arguments),
    Command("generate", "write text with a finished run", _generate_arguments),
    Command("play", "ask trained models side by side, in a page", _play_arguments),
    Command("audit", "check that the bits any model reports are a valid likelihood; exit code 1: "
            "a check failed", _audit_arguments),
    Command("score", "the bits of a passage, or a part of the text, under a run",
            _score_arguments),
    Command("corpus", "list corpora, or show the statistics and split of one",
            _corpus_arguments),
    Command("baseline", "score n-grams or compressors on an experiment's text",
            _baseline_arguments),
    Command("schema", "write the JSON schema of experiment files, for editors",
            _schema_arguments),
)  # fmt: skip


def script(*before: str) -> NoReturn:
    """The ``textgen`` console script; ``before`` comes before what was given to it."""
    leave(main([*before, *sys.argv[1:]]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = Parser(prog="textgen", description="Character, word and subword text generators.")
    version: dict[str, Any] = {"action": "version", "version": f"textgen {__version__}"}
    parser.add_argument("--version", **version)
    rows = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        row = rows.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        _flag(row, "--debug", "show the traceback of an error")
        row.add_argument("--version", **version)
        row.set_defaults(function=command.name)
        if words[:1] == [command.name]:
            command.add_arguments(row)
    given = parser.parse_args(words or ["--help"])
    return run_command(_perform, given)


def _perform(given: Given) -> int | None:
    from textgen import commands  # and with it most of the package

    code: int | None = getattr(commands, given.function)(given)
    return code


def _flag(parser: Parser, name: str, text: str) -> None:
    parser.add_argument(name, action="store_true", help=text)


def _add_set(parser: Parser, example: str) -> None:
    """The option ``--set``."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help=f"change a setting, e.g. --set {example}; may be repeated",
    )


def run_command(function: Callable[[Given], int | None], given: Given) -> int:
    """Run a command and return its exit code. A :class:`TextgenError` becomes one message on stderr
    and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character
    try:
        with _ended_by_sigterm():
            code = function(given)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (TextgenError, MemoryError, OSError) as error:
        if given.debug:
            raise
        print(f"textgen: {_explained(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # keep Python from writing the rest again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt as stop:
        hint = ""
        if hasattr(given, "overwrite"):  # these resume what they have begun
            how = " without --overwrite" if given.overwrite else ""
            hint = f"; repeat the command{how} to continue"
        print(f"\nstopped{hint}", file=sys.stderr)
        return 143 if stop.args else 130
    return code or 0


def _explained(error: Exception) -> Exception:
    """The message for what the system refuses, where nothing more is known of it."""
    if isinstance(error, MemoryError):
        hint = "close other programs, or use a smaller batch, model or text"
        return TextgenError("memory", found="no more of it is available", hint=hint)
    if not isinstance(error, OSError):
        return error
    where = Path(os.fsdecode(error.filename or "a file, or standard output"))
    if error.errno in FULL:
        return write_failed(where, error, "no run is harmed")
    return TextgenError(
        str(where), found=error.strerror or str(error), expected="a file or folder that can be used"
    )


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Within the block SIGTERM ends the command as Ctrl-C does."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # only the main thread may set it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
