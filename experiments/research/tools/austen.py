"""The chapters of Jane Austen's novels as files of a folder, from the R package janeaustenr 1.0.0
(from Project Gutenberg; public domain): without headings, a paragraph a line.

    pip install rdata
    python experiments/research/tools/austen.py PACKAGE austen

PACKAGE is the package's folder, as CRAN or its repository (juliasilge/janeaustenr) has it.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

NOVELS = (
    "sensesensibility",
    "prideprejudice",
    "mansfieldpark",
    "emma",
    "northangerabbey",
    "persuasion",
)
HEADING = re.compile(r"\s*chapter [\divxlc]+\.?\s*", re.IGNORECASE)
NO_TEXT = re.compile(r"\s*(volume [ivx]+|the end|finis)\.?\s*", re.IGNORECASE)


def chapters(lines: Sequence[str]) -> list[str]:
    """The texts between the headings of a novel."""
    headings = [number for number, line in enumerate(lines) if HEADING.fullmatch(line)]
    ends = [*headings[1:], len(lines)]
    return [text_of(lines[begin + 1 : end]) for begin, end in zip(headings, ends, strict=True)]


def text_of(lines: Sequence[str]) -> str:
    """Lines with an empty one between paragraphs as a line for each paragraph."""
    kept = [line.strip() for line in lines if not NO_TEXT.fullmatch(line)]
    paragraphs = re.split(r"\n{2,}", "\n".join(kept).strip("\n"))
    return "".join(paragraph.replace("\n", " ") + "\n" for paragraph in paragraphs)


def main(package: str, folder: str) -> None:
    """Write the chapters of all novels."""
    import rdata

    Path(folder).mkdir(exist_ok=True)
    for novel in NOVELS:
        lines = rdata.read_rda(Path(package) / "data" / f"{novel}.rda")[novel]
        for number, text in enumerate(chapters([str(line) for line in lines]), start=1):
            (Path(folder) / f"{novel}_{number:02}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
