"""python -m textgen.audit MODEL --file TEXT: is what a language model claims a likelihood?"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

from textgen.auditing import audit_model
from textgen.cli import command_parser, guarded
from textgen.core import TextgenError, leave
from textgen.evaluation import UNITS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "audit",
        "Audit any language model. Exit code 0: every check passed; 1: one failed; 2: bad input.",
    )
    parser.add_argument(
        "model", help="a run folder, a Hugging Face folder, an ARPA file, or file.py:Class"
    )
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text", help="what it is audited on")
    given.add_argument("--file", type=Path, help="a UTF-8 file that holds it")
    parser.add_argument("--claim", metavar="FIGURE", help="what is claimed about this text")
    parser.add_argument("--unit", choices=UNITS, default="bits_per_character", help="of the claim")
    parser.add_argument(
        "--end-counted", action="store_true", help="the claim counts the end as one character more"
    )
    parser.add_argument(
        "--divided-by", type=int, metavar="N", help="the denominator that the claim has used"
    )
    parser.add_argument("--no-end", action="store_true", help="a Hugging Face model without an end")
    parser.add_argument("--memory", action="store_true", help="a run with its memory")
    parser.add_argument(
        "--output", type=Path, help="the certificate; in the folder of a run, else ./audit.json"
    )
    parser.add_argument("--json", action="store_true", help="print the certificate as JSON")
    return guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> int:
    found = audit_model(
        given.model,
        _text(given),
        claim=_claim(given),
        memory=given.memory,
        end=not given.no_end,
        say=partial(print, file=sys.stderr, flush=True),
    )
    print(json.dumps(found.data, indent=2, ensure_ascii=False) if given.json else found)
    found.save(given.output)
    return 0 if found.passed else 1


def _text(given: argparse.Namespace) -> str:
    if given.file is None:
        return str(given.text)
    from textgen.data import read_text

    if not given.file.is_file():
        raise TextgenError(
            str(given.file), found="no such file", expected="a text file",
            hint="correct the path, or give the passage as --text",
        )  # fmt: skip
    return read_text(given.file)


def _claim(given: argparse.Namespace) -> dict[str, Any] | None:
    """The claim, whose last digit may be rounded."""
    if given.claim is None:
        return None
    try:
        value = Decimal(given.claim)
        digits = value.as_tuple().exponent
    except InvalidOperation:
        value, digits = Decimal("nan"), "n"
    if not isinstance(digits, int) or not 0 < float(value) < math.inf:
        raise TextgenError("--claim", found=repr(given.claim), expected="a figure, such as 1.905")
    claim = {"value": float(value), "unit": given.unit, "end_marks": given.end_counted}
    return {**claim, "count": given.divided_by, "rounding": 0.5 * 10.0**digits}


if __name__ == "__main__":
    leave(main())
