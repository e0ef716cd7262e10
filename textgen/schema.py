"""python -m textgen.schema: the JSON schema of experiment files, for completion in editors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from textgen.cli import command_parser, guarded
from textgen.core import json_schema


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser("schema", "Write the JSON schema of experiment files, or of studies.")
    parser.add_argument("--study", action="store_true", help="the schema of study files")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    print(json.dumps(json_schema(study=given.study), indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
