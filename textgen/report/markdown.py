"""A report as Markdown: everything on the page that works without colours and figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textgen.evaluation import format_number, markdown_table
from textgen.report import sentences, tables, text_tables
from textgen.report.cells import (
    Cell,
    Head,
    Row,
    Table,
    arm_heads,
    cleaned,
    prompted,
    simple_table,
    with_memory,
)
from textgen.report.marking import mean_bits, pieces

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
LINE_START = re.compile(r"^[ \t]*(?:([-+=])|(\d+)([.)]))?", re.MULTILINE)


def markdown(report: dict[str, Any], texts: dict[str, Any]) -> str:
    """The Markdown of a report; arguments as for :func:`textgen.report.page.page`."""
    report, texts = cleaned(report), cleaned(texts)
    parts = [
        *_head(report),
        *_answers(report),
        "## By document",
        _table(report, text_tables.documents(report)),
        "## Breakdown by word class and position",
        _table(report, text_tables.classes(report)),
        _table(report, text_tables.positions(report)),
        *_words(report, texts["words"]),
        *_passage(report, texts["passage"]),
        "## What the arms write",
        _table(report, text_tables.metrics(report)),
        _table(report, text_tables.cross(report)) if report["cross"] else "",
        *_samples(report, texts["samples"]),
        "## Repeat it",
        f"{sentences.repeats(report)}\n\n    {_one_line(report['command'])}",
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
    """Text on one line that Markdown shows unchanged."""
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
    yield plain(sentences.opening(report))
    yield plain(sentences.corpus_line(report))
    warnings = [plain(warning) for warning in report["warnings"]]
    warnings += [
        f"Left out: {_code(run['folder'])}, {plain(run['found'])}" for run in report["left_out"]
    ]
    yield "\n>\n".join(f"> **Warning.** {warning}" for warning in warnings)


def _answers(report: dict[str, Any]) -> Iterator[str]:
    yield "## Answers"
    yield sentences.lead(report)
    yield "\n".join(
        f"- {plain(sentences.answered(c))} {plain(with_memory(c))}".rstrip()
        for c in report["contrasts"]
    )
    yield _table(report, tables.main_table(report))
    yield "\n".join(f"- {plain(note)}" for note in sentences.notes(report))


def _words(report: dict[str, Any], words: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[str]:
    for word, lines in words.items():
        yield f"### “{plain(word)}”"
        if lines:
            yield _table(report, text_tables.word(report, word, lines))
        else:
            yield f"“{plain(word)}” does not occur in the held-out text."


def _passage(report: dict[str, Any], passage: dict[str, Any]) -> Iterator[str]:
    arms = passage["arms"]
    if arms:
        yield "### A held-out passage"
        caption = (
            f"Bits per character of {len(passage['text'])} characters of {passage['document']}; "
            "the page shows them stretch by stretch"
        )
        rows = [
            Row(head, [Cell(format_number(mean_bits(arms[head.text])))])
            for head in arm_heads(report, arms)
        ]
        columns, shown = ["bits per character"], "first seed of each arm"
        table = simple_table(report, "passage", caption, "arm", columns, rows, shown=shown)
        yield _table(report, table)


def _samples(report: dict[str, Any], samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield "## Samples side by side"
    if not samples:
        yield "No samples after prompts: no arm can encode them."
        return
    yield (
        f"The same prompts and the same seed for all, temperature "
        f"{report['generated']['settings']['temperature']}; the network writes alone, without a "
        "memory of the document; nothing was selected. **Bold** is a "
        "word filled in for a placeholder, which follows in brackets. ⟦Double brackets⟧ mark a "
        "long stretch copied from the training text, character by character."
    )
    for record in samples:
        yield f"### After “{plain(record['prompt'])}”"
        for head in arm_heads(report, record["arms"]):
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
    rows = []
    for group in table.groups:
        if group.title:
            rows.append([f"*{plain(group.title)}*"])
        for row in group.rows:
            cells = [text for cell in row.cells for text in _cell(cell, group.quiet)]
            rows.append([_row_head(row.head, table.notes_shown), *cells])
    head = [plain(table.corner), *(plain(column.text) for column in table.columns)]
    shown = markdown_table(head, rows, {0, *(1 + place for place in table.left)})
    return f"**{plain(table.caption)}**\n\n{shown}\n\n{_signed(report, table.signature)}"


def _row_head(head: Head, note: bool) -> str:
    return plain(f"{head.text}, {head.note}" if head.note and note else head.text)


def _cell(cell: Cell, quiet: bool) -> list[str]:
    text = plain(cell.text)
    if cell.tone == "strong" and text and not quiet:
        text = f"**{text}**"
    interval = plain(cell.interval)
    shown = f"{text} ({interval})" if text and interval else text or interval
    return [shown, *[""] * (cell.span - 1)]
