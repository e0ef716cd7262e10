"""``textgen generate`` and ``textgen score``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from textgen.core.errors import TextgenError, json_line, visible
from textgen.core.system import kind_of
from textgen.data.reading import read_text
from textgen.runs.console import print_part, print_passage
from textgen.runs.finished import generate_text, score_part, score_text
from textgen.runs.generation import annotated


def generate(run: Path, prompt: str, *, marked: bool, json: bool, **options: Any) -> None:
    records = generate_text(run, prompt, **options)
    if options["seed"] is None and not json:
        print(f"--seed {records[0]['seed']} repeats this", file=sys.stderr)
    for number, record in enumerate(records, 1):
        if json:
            print(json_line(record))
            continue
        if len(records) > 1:
            print(f"\n── sample {number} of {len(records)} " + "─" * 40)
        text = annotated(record) if marked else record["text"]
        print(visible((record["prompt"] if options["method"] == "sample" else "") + text))


def score(run: Path, *, text: str | None, file: Path | None, part: str | None, json: bool) -> None:
    if part is not None:
        figures = score_part(run, part)
        print(json_line(figures)) if json else print_part(figures)
        return
    bits = score_text(run, read_passage(text, file))
    print(json_line(bits)) if json else print_passage(bits)


def read_passage(text: str | None, file: Path | None) -> str:
    """The text of ``--text`` or ``--file``."""
    if file is not None:
        if (kind := kind_of(file)) != "a file":
            hint = "correct the path, or give the passage as --text"
            raise TextgenError(f"{file}: {kind}", hint)
        text = read_text(file)
    if not text:
        raise TextgenError(f"{file or '--text'}: no text")
    return text
