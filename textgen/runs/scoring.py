"""What a passage costs under a run: token by token, stretch by stretch, printed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from textgen.core.errors import visible
from textgen.data.documents import Document
from textgen.data.loading import load_text
from textgen.evaluation.likelihood import summarise
from textgen.evaluation.units import UNCHARGED
from textgen.runs.evaluation import token_table

if TYPE_CHECKING:  # NumPy: not needed for --help
    import numpy as np

    from textgen.runs.evaluation import TokenBits
    from textgen.runs.finished import Run

COLOURS = ("grey50", "default", "cyan", "green", "yellow", "dark_orange", "red")
"""Of stretches of up to 0.5, 1, 2, 3, 4, 6 and more bits per character."""
LIMITS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
SHOWN = 200
"""Rows of a table of tokens that a notebook shows."""


class Tokens(list[dict[str, Any]]):
    """The tokens of a passage with their bits, see :meth:`Run.tokens`; a table in a notebook."""

    @property
    def bits(self) -> np.ndarray:
        """(n,) float64, model and spelling bits of each token."""
        import numpy as np

        return np.array([token["model"] + token["spelling"] for token in self])

    def _repr_html_(self) -> str:
        rows = [
            (repr(t["text"]), t["start"], t["end"], f"{t['model']:.2f}", f"{t['spelling']:.2f}")
            for t in self[:SHOWN]
        ]
        rows += [("…", "", "", "", "")] * (len(self) > SHOWN)
        return html_table(("text", "start", "end", "model bits", "spelling bits"), rows)


def html_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table for a notebook; everything in it is escaped."""
    lines = [
        "<tr>" + "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in row) + "</tr>"
        for cell, row in [("th", head), *(("td", row) for row in rows)]
    ]
    return f"<table>{''.join(lines)}</table>"


def tokens_of(run: Run, text: str) -> Tokens:
    """Bits of every token of a passage."""
    table = _table(run, text)
    spans = itertools.pairwise([0, *table.ends.tolist()])
    bits = zip(table.model.tolist(), table.spelling.tolist(), strict=True)
    both = table.remembered
    others = [None] * len(table.ends) if both is None else (both.model + both.spelling).tolist()
    return Tokens(
        {
            "text": text[start:end], "start": start, "end": end, "model": model,
            "spelling": spelling, "with_memory": other,
        }
        for (start, end), (model, spelling), other in zip(spans, bits, others, strict=True)
    )  # fmt: skip


def score_passage(run: Run, text: str) -> dict[str, Any]:
    """Bits of a passage as :meth:`Run.score` returns them."""
    table = _table(run, text)
    found = {"run": str(run.folder), "characters": len(text)}
    found |= _passage(table, text, run.tokenizer.charged)
    both = table.remembered and _passage(table.remembered, text, run.tokenizer.charged)
    return {**found, "with_memory": both}


def _passage(table: TokenBits, text: str, charged: bool) -> dict[str, Any]:
    starts, ends, model, spelling = table.cells()
    total = float(model.sum() + spelling.sum()) if charged else None
    return {
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


def score_part(run: Run, part: str) -> dict[str, Any]:
    """Bits of a part of the text that a run was made with.

    Args:
        run: a finished run.
        part: ``"train"``, ``"validation"`` or ``"test"``.

    Returns:
        ``run``, ``part``, and what ``metrics.json`` has about the held-out parts.

    Raises:
        TextgenError: the text is not at hand.
    """
    loaded = load_text(run.experiment, run.metrics.corpus.sha256)
    bits = run.score_documents(getattr(loaded, part))
    return {"run": str(run.folder), "part": part, **summarise(bits, run.tokenizer.charged)}


def print_part(found: dict[str, Any]) -> None:
    text = f"{found['part']}, {found['documents']} documents, {found['characters']:,} characters"
    bits = found["bits_per_character"]
    if bits is None:
        print(f"{text}: {UNCHARGED}: this model drops text without being charged for it")
        return
    print(
        f"{text}: model {bits['model']:.4f} + spelling {bits['spelling']:.4f} = "
        f"{bits['total']:.4f} bits per character"
    )
    if found["with_memory"]:
        total = found["with_memory"]["bits_per_character"]["total"]
        print(f"with a memory of each document: {total:.4f}")
    if found["part"] == "train":
        print("the network was trained on this text: not a figure for text it has not seen")


def _table(run: Run, text: str) -> TokenBits:
    document = Document("passage", text)
    return token_table(run.tokenizer, [document], run.score_documents([document]))[0]


def print_passage(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    characters, bits = f"{found['characters']:,} characters", found["bits_per_character"]
    if bits is None:
        print(f"{characters}: {UNCHARGED}: this model drops text without being charged for it")
        return
    console = Console(highlight=False)
    shown = Text()
    for text, model, spelling in found["stretches"]:
        density = (model + spelling) / len(text)
        shown.append(visible(text), COLOURS[sum(density > limit for limit in LIMITS)])
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
            Text(visible(repr(text))), f"{model:.2f}", f"{spelling:.2f}", f"{model + spelling:.2f}"
        )
    console.print(table)
    print(
        f"{characters} and the end mark ({found['end']:.1f} bits): model "
        f"{found['model']:,.1f} + spelling {found['spelling']:,.1f} = {found['total']:,.1f} bits; "
        f"{bits:.4f} bits per character"
    )
    if found["with_memory"]:
        print(f"with a memory of the passage: {found['with_memory']['bits_per_character']:.4f}")
