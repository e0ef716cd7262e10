"""A report as Markdown: everything of the page that makes sense without colours and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textgen.report import cost_tables, generated_tables, tables
from textgen.report.cells import Cell, Head, Row, Table, cleaned, one_group
from textgen.report.marking import mean_bits, pieces
from textgen.report.ranking import arm_heads
from textgen.report.signature import prompted, signature

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
LINE_START = re.compile(r"^[ \t]*(?:([-+=])|(\d+)([.)]))?", re.MULTILINE)


def markdown(report: dict[str, Any], texts: dict[str, Any]) -> str:
    """The Markdown of a report; arguments as for :func:`textgen.report.page.page`."""
    report, texts = cleaned(report), cleaned(texts)
    parts = [
        *_head(report),
        *_answers(report),
        "## By document",
        _table(report, cost_tables.documents(report)),
        "## Where the bits are paid",
        _table(report, cost_tables.kinds(report)),
        _table(report, cost_tables.places(report)),
        *_words(report, texts["words"]),
        *_passage(report, texts["passage"]),
        "## What the arms write",
        _table(report, generated_tables.metrics(report)),
        _table(report, generated_tables.cross(report)) if report["cross"] else "",
        *_samples(report, texts["samples"]),
        "## Repeat it",
        f"This command makes this report again:\n\n    {_one_line(report['command'])}",
        _table(report, tables.contrasts(report)) if report["contrasts"] else "",
        _table(report, tables.details(report)),
        _table(report, tables.runs(report)),
        "\n".join(
            f"- {plain(r['label'])}: {plain(r['meaning'])}. {_code(r['command'])}".rstrip()
            for r in report["references"]
        ),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def plain(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    return _escaped(_one_line(text))


def _escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text)


def _quoted(text: str) -> str:
    """Escaped text in a block quote, line by line; no line starts a list, a rule or code."""
    text = LINE_START.sub(_harmless, text)
    text = re.sub(r"(?<!\n)\n(?!\n)", "\\\\\n", text)
    return "\n".join(f"> {line}" for line in text.split("\n"))


def _harmless(match: re.Match[str]) -> str:
    sign, number, dot = match.groups(default="")
    return f"\\{sign}" if sign else f"{number}\\{dot}" if number else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    text = _one_line(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text}`" if text else ""


def _signed(report: dict[str, Any], text: str) -> str:
    line = plain(f"{text} | repeat:{report['command']}").replace("\\|", "|")
    return f"<sub>{line}</sub>"


def _head(report: dict[str, Any]) -> Iterator[str]:
    yield f"# {plain(report['title'])}"
    yield plain(tables.corpus_line(report))
    warnings = [plain(warning) for warning in report["warnings"]]
    warnings += [
        f"Left out: {_code(run['folder'])}, {plain(run['found'])}" for run in report["left_out"]
    ]
    yield "\n>\n".join(f"> **Warning.** {warning}" for warning in warnings)


def _answers(report: dict[str, Any]) -> Iterator[str]:
    yield "## Answers"
    found = report["contrasts"]
    if not found:
        yield "Nothing is compared: there are no two arms with a figure."
    else:
        yield tables.declared(report)
        yield "\n".join(
            f"- **{plain(c['verdict'])}**: {plain(c['question'])} {plain(c['sentence'])}"
            for c in found
        )
    yield _table(report, tables.main_table(report))
    yield "\n".join(f"- {plain(note)}" for note in tables.notes(report))


def _words(report: dict[str, Any], words: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[str]:
    for word, lines in words.items():
        yield f"### “{plain(word)}”"
        if lines:
            yield _table(report, cost_tables.word(report, word, lines))
        else:
            yield f"“{plain(word)}” does not stand in the held-out text."


def _passage(report: dict[str, Any], passage: dict[str, Any]) -> Iterator[str]:
    heads = arm_heads(report, list(passage["arms"]))
    if heads:
        yield "### A held-out passage"
        table = Table(
            "passage", f"Bits per character of {len(passage['text'])} characters of "
            f"{passage['document']}; the page shows them stretch by stretch", "arm",
            [Head("bits per character")],
            one_group(
                Row(head, [Cell(f"{mean_bits(passage['arms'][head.text]):.3f}")]) for head in heads
            ),
            signature(report, shown="first seed of each arm"),
        )  # fmt: skip
        yield _table(report, table)


def _samples(report: dict[str, Any], samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Samples side by side"
    if not samples:
        yield "No samples after prompts: no arm can read them."
        return
    yield (
        f"The same prompts and the same seed for all, temperature "
        f"{report['generated']['settings']['temperature']}; nothing was picked. **Bold** is a word "
        "that fills in a placeholder, which stands behind it in brackets. ⟦So marked⟧ is a long "
        "stretch that stands in the training text, character by character."
    )
    for record in samples:
        yield f"### After “{plain(record['prompt'])}”"
        for head in arm_heads(report, list(record["arms"])):
            sample = record["arms"][head.text]
            text = _escaped(record["prompt"]) + "".join(_marked(sample))
            yield f"{plain(head.text)}:\n\n{_quoted(text)}"
        yield _signed(report, prompted(report))


def _marked(sample: Mapping[str, Any]) -> Iterator[str]:
    for piece in pieces(sample):
        text = _escaped(piece.text)
        if piece.token and text.strip():
            bold = f"**{text.strip()}** ({plain(piece.token)})"
            text = text.replace(text.strip(), bold, 1)
        yield f"⟦{text}⟧" if piece.copied else text


def _table(report: dict[str, Any], table: Table) -> str:
    width = len(table.columns)
    lines = [
        [plain(table.corner), *(plain(column.text) for column in table.columns)],
        ["---", *("---" if place in table.left else "---:" for place in range(width))],
    ]
    for group in table.groups:
        if group.title:
            lines.append([f"*{plain(group.title)}*", *[""] * width])
        for row in group.rows:
            cells = [text for cell in row.cells for text in _cell(cell, group.quiet)]
            lines.append([_row_head(row.head, table.notes_shown), *cells])
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"**{plain(table.caption)}**\n\n{rows}\n\n{_signed(report, table.signature)}"


def _row_head(head: Head, note: bool) -> str:
    return plain(f"{head.text}, {head.note}" if head.note and note else head.text)


def _cell(cell: Cell, quiet: bool) -> list[str]:
    text = plain(cell.text)
    if cell.tone == "strong" and text and not quiet:
        text = f"**{text}**"
    interval = plain(cell.interval)
    shown = f"{text} ({interval})" if text and interval else text or interval
    return [shown, *[""] * (cell.span - 1)]
