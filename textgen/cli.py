"""The command line: ``textgen NAME …``. The function that a command calls is imported when it
runs, so that ``--help`` is there at once; its arguments have the names of the options. An integer
that it returns is the exit code."""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from pkgutil import resolve_name
from types import FrameType
from typing import Any, NoReturn

from textgen import __version__
from textgen.core.errors import TextgenError, explained
from textgen.core.files import PathKind, kind_of
from textgen.core.registry import plugin_table
from textgen.core.settings import PARTS, Sampling
from textgen.core.tensorflow import exit_immediately

EXPERIMENT = "a TOML file or a name, e.g. char"
RUN = "a run folder, e.g. runs/char"
WORKERS = "(default: one per GPU, or else cores divided by threads)"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the defaults that there are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is False or action.default in (None, "", []):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Parses the arguments of one command; its help shows defaults."""

    def option(self, name: str, text: str, **settings: Any) -> None:
        self.add_argument(name, help=text, **settings)

    def flag(self, name: str, text: str) -> None:
        self.add_argument(name, action="store_true", help=text)

    def overrides(self, example: str) -> None:
        """The option ``--set``."""
        text = f"change a setting, e.g. --set {example}; may be repeated"
        self.option(
            "--set",
            text,
            action="append",
            dest="overrides",
            metavar="TABLE.KEY=VALUE",
            default=[],
        )

    def output(self, *folders: str) -> None:
        """The options ``--runs`` and ``--reports``, and ``--quiet``."""
        for name in folders:
            self.option(
                f"--{name}",
                f"folder for {name}",
                dest=f"{name}_folder",
                type=Path,
                default=Path(name),
            )
        self.flag("--quiet", "print only warnings and errors")

    def jobs(self) -> None:
        """The options ``--jobs``, ``--job`` and ``--json``."""
        self.flag("--jobs", "only list the jobs, with state, resources and command")
        self.flag("--json", "with --jobs: as JSON")
        self.option("--job", "do only this one of them", metavar="NAME")

    def part(self, what: str) -> None:
        """The option ``--part``."""
        self.option("--part", f"part of the model {what}", choices=PARTS, default="network")

    def passage(self) -> argparse._MutuallyExclusiveGroup:
        """``--text`` or ``--file``; exactly one is needed; returns their group."""
        group = self.add_mutually_exclusive_group(required=True)
        group.add_argument("--text", help="the passage")
        group.add_argument("--file", type=Path, help="UTF-8 file of the passage; -: standard input")
        return group


def _try(parser: Parser) -> None:
    """find out which predict your texts best: characters, subwords or words"""
    text = (
        "a folder of texts, or one file (default: Lovecraft's tales): .txt; after "
        "pip install '.[formats]' also .docx, .epub, .html and .xml"
    )
    parser.option("texts", text, nargs="?", type=Path)
    minutes = (
        "total time, planning and report included; other minutes than those of a finished study "
        "add a budget to it"
    )
    parser.option("--minutes", minutes, type=float, default=3.0)
    parser.option("--seeds", "training runs of each model", type=int, default=1)
    parser.option("--language", "language of the texts, e.g. Swahili or sw (default: detected)")
    parser.option("--name", "name of the study (default: that of the texts)")
    together = (
        "keep texts together in whose names this regular expression finds the same, e.g. "
        r"'^(\D+)\d' for what is before a number"
    )
    parser.option("--group", together, metavar="PATTERN")
    parser.flag("--overwrite", "replace a different study of the same name, and its runs")
    parser.output("runs", "reports")


def _run(parser: Parser) -> None:
    """train, score and sample one experiment"""
    parser.option("experiment", EXPERIMENT, type=Path)
    parser.overrides("training.updates=500")
    more = (
        "continue a finished run (name or folder) from its best weights for N more seconds (or "
        "characters, updates or epochs, as its budget is set); the learning rate warms up and "
        "decays again, unlike in one long training"
    )
    parser.option("--more", more, type=float, metavar="N")
    parser.option("--name", "name of the run folder (default: the experiment's)")
    parser.flag("--overwrite", "replace a run of that name")
    parser.output("runs")


def _study(parser: Parser) -> None:
    """run arms × seeds under one budget, and compare them"""
    parser.option("path", "a TOML file or a name, e.g. study_small", metavar="study", type=Path)
    parser.option("--workers", f"runs at once {WORKERS}", type=int)
    parser.option("--address", "address of a Ray cluster for the runs (pip install '.[cluster]')")
    parser.flag("--overwrite", "plan and run changed arms again")
    parser.jobs()
    parser.output("runs", "reports")


def _tune(parser: Parser) -> None:
    """try one list of settings on every arm of a study; write matched and tuned experiment files"""
    parser.option("path", "a TOML file with a table [tune]", metavar="study", type=Path)
    parser.option("--workers", f"training runs at once {WORKERS}", type=int)
    parser.option("--address", "address of a Ray cluster for them (pip install '.[cluster]')")
    parser.flag("--overwrite", "discard earlier trials and begin again")
    parser.jobs()
    parser.output("reports")


def _compare(parser: Parser) -> None:
    """compare finished runs in one report"""
    folders = "run folders, e.g. runs/char; hf:FOLDER for a Hugging Face model"
    parser.option("runs", folders, nargs="+", type=Path)
    parser.option("--name", "name of the report (default: the names of the runs)", default="")
    parser.option("--title", "heading of the report", default="")
    parser.part("that the answers are about")
    parser.flag("--different-texts", "accept runs on different texts or splits, and flag them")
    embed = "embed the models of these arms, or of all, in the page; give it after the run folders"
    parser.option("--embed", embed, nargs="*", metavar="ARM")
    parser.flag("--overwrite", "replace a report of that name about other runs")
    parser.output("reports")


def _generate(parser: Parser) -> None:
    """write text with a finished run"""
    parser.option("run", RUN, type=Path)
    # not an option of the command: several are refused with a hint
    parser.option("others", argparse.SUPPRESS, type=Path, nargs="*")
    parser.option("--prompt", "how the text begins", default="")
    parser.option("--length", "characters to write", type=int, default=500)
    temperature = "sampling temperature; below 1, likelier tokens are preferred"
    parser.option("--temperature", temperature, type=float, default=Sampling.temperature)
    parser.option("--top-k", "sample from the k most probable tokens; 0: all", type=int, default=0)
    top_p = "sample from the most probable tokens that together reach this probability"
    parser.option("--top-p", top_p, type=float, default=1.0)
    parser.option("--seed", "seed that repeats a text (default: a new one each time)", type=int)
    parser.option("--samples", "number of texts", type=int, default=1)
    method = "sample, or article: the most probable token at every position of the text in --prompt"
    parser.option("--method", method, default="sample")
    fill = (
        "what replaces placeholders: words drawn as they are scored (scored), words of the "
        "training text that read well (pool), or marks (mark)"
    )
    parser.option("--fill", fill, default="scored")
    parser.part("that writes")
    parser.flag("--marked", "mark the words that fill placeholders")
    parser.flag("--json", "one JSON record per line")


def _play(parser: Parser) -> None:
    """prompt trained models side by side, in a browser"""
    parser.option("runs", "run folders, e.g. runs/char", type=Path, nargs="+", metavar="RUN")
    parser.option("--port", "port of the page; 0: any free port", type=int, default=0)
    parser.part("that answers until another is chosen")


def _audit(parser: Parser) -> None:
    """check that a model's bits come from valid probabilities; exit code 1 if a check fails"""
    from textgen.evaluation.units import UNITS

    parser.option("model", "a run folder, a Hugging Face folder, or file.py:Class")
    parser.passage()
    claim = "figure claimed for this text, with at least four digits"
    parser.option("--claim", claim, type=float, metavar="FIGURE")
    parser.option("--unit", "with --claim: its unit", choices=UNITS, default="bits_per_character")
    parser.flag("--end-counted", "with --claim: it counts the end of the text as one more")
    parser.flag("--no-end", "do not charge a Hugging Face model for the end of the text")
    parser.part("that is audited, for a run of textgen")
    output = "file for the audit (default: audit.json in the run's folder, or in the current one)"
    parser.option("--output", output, type=Path)
    parser.flag("--json", "print the audit as JSON")


def _score(parser: Parser) -> None:
    """score a passage, each word of a passage, or a split of a run's own text, in bits"""
    parser.option("runs", f"{RUN}; several only with --words", type=Path, nargs="+", metavar="RUN")
    passage = parser.passage()
    split = "a split of the run's own text, in place of a passage"
    passage.add_argument("--split", choices=("train", "validation", "test"), help=split)
    items = "with --words: a CSV of item, text and, optionally, context, which is not charged"
    passage.add_argument("--items", type=Path, metavar="FILE.csv", help=items)
    words = (
        "write each word's surprisal to this CSV; for word and subword models, the sum is an "
        "upper bound"
    )
    parser.option("--words", words, type=Path, metavar="FILE.csv")
    parser.flag("--entropy", "with --words: also the entropy of the next token before each word")
    parser.part("whose bits colour the passage; --words has all parts")
    parser.flag("--json", "print JSON")


def _export(parser: Parser) -> None:
    """write a run's network as a folder that needs no textgen, for Keras"""
    parser.option("run", RUN, type=Path)
    folder = "a new folder (default: exports/NAME)"
    parser.option("folder", folder, type=Path, nargs="?")


def _corpus(parser: Parser) -> None:
    """list corpora, or show the statistics and split of one"""
    text = (
        "a folder or file of texts, an experiment (a TOML file or a name, e.g. char) or a kind "
        "of corpus, to show its text and split; without an argument, the kinds are listed"
    )
    parser.option("corpus", text, nargs="?", metavar="TEXTS, EXPERIMENT or KIND")
    parser.overrides("corpus.path=my_texts")
    parser.flag("--json", "print JSON")


def _baseline(parser: Parser) -> None:
    """score n-grams or compressors on an experiment's text"""
    parser.option("experiment", EXPERIMENT, type=Path)
    kinds = ", ".join(sorted(plugin_table("baseline")))
    parser.option("--kind", f"one of {kinds} (default: kneser_ney)", metavar="KIND")
    order = (
        "longest n-gram in tokens (default 4), or context of ppmd in bytes (default 8); may be "
        "repeated"
    )
    parser.option(
        "--order", order, type=int, action="append", dest="orders", metavar="N", default=[]
    )
    program = (
        "for --kind command: a compressor's command line, with {input} for the file, e.g. "
        '"paq8px -8 {input}" (default: zpaq -m5)'
    )
    parser.option("--command", program)
    parser.overrides("split.seed=1")
    parser.flag("--json", "one JSON record per model")


def _schema(parser: Parser) -> None:
    """write the JSON schema of experiment files, for editors"""
    parser.flag("--study", "write the schema of study files instead")


# Name → what adds its arguments, whose docstring is its help, and the function that is called with
# them.
COMMANDS: dict[str, tuple[Callable[[Parser], None], str]] = {
    "try": (_try, "studies.trying:try_texts"),
    "run": (_run, "runs.pipeline:train"),
    "study": (_study, "studies.by_hand:study"),
    "tune": (_tune, "studies.by_hand:tune"),
    "compare": (_compare, "report.comparison:compare_runs"),
    "generate": (_generate, "runs.console:generate"),
    "play": (_play, "interactive.server:play"),
    "audit": (_audit, "auditing.audit:audit"),
    "score": (_score, "runs.console:score"),
    "export": (_export, "runs.export:export"),
    "corpus": (_corpus, "commands:corpus"),
    "baseline": (_baseline, "commands:baseline"),
    "schema": (_schema, "commands:schema"),
}
# The functions of commands that, when repeated, go on with what they have begun;
RESUMED = {COMMANDS[name][1] for name in ("try", "run", "study", "tune")}
# and of those that begin again instead where --overwrite is repeated, too.
BEGINS_ANEW = {COMMANDS[name][1] for name in ("run", "tune")}


def script(*before: str) -> NoReturn:
    """The ``textgen`` console script; ``before`` comes before what was given to it."""
    exit_immediately(main([*before, *sys.argv[1:]]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser("textgen", description="Character, word and subword models.")
    version = f"textgen {__version__}"
    parser.add_argument("--version", action="version", version=version)
    rows = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    for name, (add_arguments, function) in COMMANDS.items():
        text = add_arguments.__doc__ or ""
        about = f"{text[:1].upper()}{text[1:]}."
        row = rows.add_parser(name, help=text, description=about, formatter_class=Help)
        row.flag("--debug", "show the traceback of an error")
        row.add_argument("--version", action="version", version=version)
        row.set_defaults(function=function)
        is_asked_for = len(words) > 0 and words[0] == name
        if is_asked_for:  # some commands import much for their arguments
            add_arguments(row)
    options = parser.parse_args(words or ["--help"])
    if isinstance(getattr(options, "runs", None), list):
        options.runs = expanded(options.runs)
    return run_command(options)


def expanded(paths: Sequence[Path]) -> list[Path]:
    """Paths with the folders that a name with stars stands for, as shells but those of Windows
    expand it."""
    found = list[Path]()
    for path in paths:
        matching = list[Path]()
        if "*" in path.name and kind_of(path.parent) is PathKind.FOLDER:
            beside = sorted(path.parent.iterdir(), key=lambda each: each.name)
            matching = [each for each in beside if fnmatchcase(each.name, path.name)]
        found += matching or [path]
    return found


def run_command(options: argparse.Namespace) -> int:
    """Run a command and return its exit code. A :class:`TextgenError` becomes one message on stderr
    and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a character
            # a file or a pipe can; on Windows it would be in the encoding of a country
            if not stream.isatty() and "PYTHONIOENCODING" not in os.environ:
                stream.reconfigure(encoding="utf-8")
    with contextlib.suppress(ValueError):  # only the main thread may set it
        signal.signal(signal.SIGTERM, _stop)
    arguments = {name: value for name, value in vars(options).items() if name != "debug"}
    try:
        result = resolve_name(f"textgen.{arguments.pop('function')}")(**arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (TextgenError, MemoryError, OSError) as error:
        if options.debug:
            raise
        print(f"textgen: {explained(error)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # keep Python from writing the rest again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except Terminated:
        print(f"\nstopped{_how_to_continue(options)}", file=sys.stderr)
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        print(f"\nstopped{_how_to_continue(options)}", file=sys.stderr)
        return 128 + signal.SIGINT
    return result if isinstance(result, int) else 0


def _how_to_continue(options: argparse.Namespace) -> str:
    """How a command that was stopped goes on, if it can resume what it had begun."""
    if options.function not in RESUMED:
        return ""
    if options.overwrite and options.function in BEGINS_ANEW:
        return "; repeat the command to restart, or without --overwrite to continue"
    return "; repeat the command to continue"


def _stop(number: int, frame: FrameType | None) -> None:
    raise Terminated
