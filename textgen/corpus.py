"""python -m textgen.corpus: the corpora and their statistics."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from textgen.cli import command_parser, guarded
from textgen.core import lookup, plugin_table
from textgen.data import corpus_statistics, print_statistics


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("corpus", "List corpora, or print the statistics of one.")
    parser.add_argument("kind", nargs="?", help="a corpus; without it all are listed")
    parser.add_argument("--path", type=Path, help="for folder and file")
    parser.add_argument("--encoding", help="for folder and file")
    parser.add_argument("--keep", help='only these characters; "article" for the article\'s 75')
    parser.add_argument("--json", action="store_true", help="print JSON")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    if given.kind is None:
        for kind in sorted(plugin_table("corpus")):
            doc = lookup("corpus", kind, "corpus").__doc__ or ""
            print(f"{kind:<12}{doc.partition(chr(10))[0]}")
        return
    settings = {"kind": given.kind, "path": given.path and str(given.path)}
    settings |= {"encoding": given.encoding, "keep": given.keep}
    found = corpus_statistics({key: value for key, value in settings.items() if value is not None})
    if given.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print_statistics(found)


if __name__ == "__main__":
    sys.exit(main())
