"""python -m textgen.corpus: corpora, their statistics, and how an experiment divides its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from textgen.cli import add_set_option, command_parser, guarded
from textgen.core import (
    Experiment,
    TextgenError,
    apply_overrides,
    find_experiment,
    json_line,
    kind_of,
    load_experiment,
    lookup,
    plugin_table,
)
from textgen.data import corpus_only, corpus_statistics, print_statistics


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("corpus", "List corpora, or print the statistics and split of one.")
    parser.add_argument(
        "corpus", nargs="?", metavar="KIND or EXPERIMENT",
        help="a kind of corpus, or an experiment (a TOML file or a name, e.g. char) whose corpus "
        "and split are shown; without it the kinds are listed",
    )  # fmt: skip
    parser.add_argument("--path", type=Path, help="for folder and file")
    parser.add_argument("--encoding", help="for folder and file")
    parser.add_argument("--keep", help='only these characters; "article" for the article\'s 75')
    add_set_option(parser, "split.seed=1")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    if given.corpus is None:
        kinds = {
            kind: (lookup("corpus", kind, "corpus").__doc__ or "").partition("\n")[0]
            for kind in sorted(plugin_table("corpus"))
        }
        lines = (f"{kind:<12}{doc}" for kind, doc in kinds.items())
        print(json_line(kinds, indent=2) if given.json else "\n".join(lines))
        return
    from textgen.data import Language
    from textgen.tokenizers import language_warnings

    experiment = _experiment(given)
    found = corpus_statistics(experiment)
    found["warnings"] += language_warnings(experiment.tokenizer, Language(**found["language"]))
    if given.json:
        print(json_line(found, indent=2))
    else:
        print_statistics(found)


def _experiment(given: argparse.Namespace) -> Experiment:
    """The experiment of this name, or one with this kind of corpus."""
    settings = {"path": given.path and str(given.path)}
    settings |= {"encoding": given.encoding, "keep": given.keep}
    options = {key: value for key, value in settings.items() if value is not None}
    kinds = plugin_table("corpus")
    if given.corpus in kinds:
        data = {"corpus": {"kind": given.corpus, **options}}
        data = apply_overrides(data, given.set)
        if not isinstance(data["corpus"], dict):
            raise TextgenError("--set corpus", found=repr(data["corpus"]), expected="a table")
        return corpus_only({**data.pop("corpus"), **data})
    exists = kind_of(find_experiment(given.corpus)) in ("a file", "a folder")
    if not (exists or given.corpus.endswith(".toml")):
        near = get_close_matches(given.corpus, kinds, 1)
        raise TextgenError(
            given.corpus,
            found="neither a kind of corpus nor an experiment",
            expected=(f"did you mean {near[0]!r}? " if near else "")
            + f"a kind ({', '.join(sorted(kinds))}), a TOML file, or the name of an experiment",
            hint="correct it",
        )
    if options:
        raise TextgenError(
            f"--{next(iter(options))}",
            found=f"the experiment {given.corpus}, which has a corpus of its own",
            expected="a kind of corpus, e.g. folder",
            hint="change settings of an experiment with --set corpus.path=…",
        )
    return load_experiment(given.corpus, given.set)


if __name__ == "__main__":
    sys.exit(main())
