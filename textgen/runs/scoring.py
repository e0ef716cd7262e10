"""What a run charges for any passage, stretch by stretch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLOURS = ("grey50", "default", "cyan", "green", "yellow", "dark_orange", "red")
"""Of stretches of up to 0.5, 1, 2, 3, 4, 6 and more bits per character."""


LIMITS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)


def score(folder: str | Path, text: str) -> dict[str, Any]:
    """Bits of a passage under a run, read from the beginning of a document.

    Args:
        folder: a run folder.
        text: any text; characters never seen in training cost an escape and their code point.

    Returns:
        ``characters``; ``model``, ``spelling`` and ``total`` bits, the end mark's ``end`` bits
        included; ``bits_per_character``, like the total None where the arm does not pay for what it
        throws away; ``stretches``: (text, model bits, spelling bits) in order.

    Raises:
        TextgenError: no such run.
    """
    from textgen.data import Document
    from textgen.runs.evaluation import score_run, token_table
    from textgen.runs.saved import load_run

    run = load_run(folder)
    document = Document("passage", text)
    table = token_table(run.tokenizer, [document], score_run(run, [document]))
    starts, ends, model, spelling = table[0].cells()
    total = float(model.sum() + spelling.sum()) if run.tokenizer.charged else None
    return {
        "run": str(folder),
        "characters": len(text),
        "model": float(model.sum()),
        "spelling": float(spelling.sum()),
        "total": total,
        "end": float(model[-1] + spelling[-1]),
        "bits_per_character": None if total is None else total / (len(text) + 1),
        "stretches": [
            (text[start:end], float(m), float(s))
            for start, end, m, s in zip(starts, ends, model, spelling, strict=False)
        ],
    }


def print_passage(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from textgen.evaluation import UNCHARGED

    characters, bits = f"{found['characters']:,} characters", found["bits_per_character"]
    if bits is None:
        print(f"{characters}: {UNCHARGED}: this arm throws text away and does not pay for it")
        return
    console = Console(highlight=False)
    shown = Text()
    for text, model, spelling in found["stretches"]:
        density = (model + spelling) / len(text)
        shown.append(text, COLOURS[sum(density > limit for limit in LIMITS)])
    console.print(shown)
    scale = Text("\nbits per character: ")
    for limit, colour in zip((*map(str, LIMITS), "more"), COLOURS, strict=True):
        scale.append(f" {limit} ", colour)
    console.print(scale)
    table = Table("stretch", "model", "+ spelling", "= bits", title="the ten most expensive",
                  title_justify="left")  # fmt: skip
    most_expensive = sorted(found["stretches"], key=lambda each: -each[1] - each[2])[:10]
    for text, model, spelling in most_expensive:
        table.add_row(
            Text(repr(text)), f"{model:.2f}", f"{spelling:.2f}", f"{model + spelling:.2f}"
        )
    console.print(table)
    print(
        f"{characters} and the end mark ({found['end']:.1f} bits): model "
        f"{found['model']:,.1f} + spelling {found['spelling']:,.1f} = {found['total']:,.1f} bits; "
        f"{bits:.4f} bits per character"
    )
