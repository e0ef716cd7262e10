"""A report as one HTML file that fetches nothing: tables, figures, coloured texts, samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from textgen.evaluation.units import format_number
from textgen.interactive.portable import ALIGNED, SCRIPTS
from textgen.report import figures, sentences, tables
from textgen.report.breakdown import coloured, legend, mean_bits, pieces
from textgen.report.data import ranked
from textgen.report.drawing import HUES, inline, style, variables
from textgen.report.figures import told
from textgen.report.tables import (
    arm_heads,
    between,
    cleaned,
    prompted,
    signature,
    signed,
    with_memory,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
VERDICTS = {"better": "better", "worse": "worse", "equal": "equal"}
"""Verdict → class; anything else is open."""


def page(
    report: dict[str, Any], texts: dict[str, Any], models: dict[str, Any] | None = None
) -> str:
    """The page of a report.

    Args:
        report: the content of ``report.json``.
        texts: the content of ``texts.json``.
        models: those that can be asked in the page, as ``embedded`` of the comparison gives
            them; None for none.

    Returns:
        HTML that can be written as UTF-8 whatever the texts hold.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    report, texts, models = cleaned(report), cleaned(texts), cleaned(models)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        report=report,
        opening=sentences.opening(report),
        overview=_overview(report),
        lead=sentences.lead(report),
        repeats=sentences.repeats(report),
        corpus=sentences.corpus_line(report),
        verdicts=_verdicts(report),
        notes=sentences.notes(report),
        main=tables.main_table(report),
        contrasts=tables.contrasts(report),
        curves=list(_curves(report)),
        documents=_documents(report),
        classes=tables.classes(report),
        positions=_positions(report),
        words=[(word, tables.word(report, word, at)) for word, at in texts["words"].items()],
        passage=_passage(report, texts["passage"]),
        metrics=tables.metrics(report),
        sweeps=list(_sweeps(report)),
        samples=[_prompted(report, record) for record in texts["samples"]],
        samples_signature=prompted(report),
        details=tables.details(report),
        runs=tables.runs(report),
        arms=list(_arms(report)),
        hues=HUES,
        themes={theme: variables(theme) for theme in ("light", "dark")},
        heat=legend(),
        data={key: texts[key] for key in ("passages", "sweep")},
        aligned=Markup(ALIGNED.read_text(encoding="utf-8")),
        models=models,
        portable=Markup("\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)),
    )


def _arms(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The arms as the page draws and lists them, the best first."""
    for number, row in enumerate(ranked(report)):
        known = {"name": row["name"], "described": row["described"], "charged": bool(row["test"])}
        yield {**known, "number": number, **style(number)._asdict()}


def _prompted(report: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    arms = [
        {"head": head, "pieces": list(pieces(record["arms"][head.text]))}
        for head in arm_heads(report, record["arms"])
    ]
    return {"prompt": record["prompt"], "arms": arms}


def _verdicts(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Contrasts with what draws their difference: zero, the margin, the interval."""
    found, margin = report["contrasts"], report["margin"]
    ends = [abs(c[key]) for c in found for key in ("low", "difference", "high")]
    reach = max([3 * margin, *filter(math.isfinite, ends)])
    rows = []
    for contrast in found:
        place = {
            key: round(50 + 48 * max(-1.0, min(1.0, contrast[key] / reach)), 2)
            for key in ("low", "difference", "high")
        }
        shown = between(contrast["low"], contrast["high"])
        rows.append(
            contrast
            | {
                "tone": VERDICTS.get(contrast["verdict"], "open"),
                "place": place | {"margin": round(48 * margin / reach, 2)},
                "shown": f"{signed(contrast['difference'])} ({shown})",
                "remembered": with_memory(contrast),
            }
        )
    return rows


def _figure(
    report: dict[str, Any],
    figure: Figure,
    key: str,
    title: str,
    about: str,
    *,
    unit: str = "",
    drawn: bool = False,
    far: Sequence[str] = (),
    upright: bool = False,
) -> dict[str, Any]:
    return {
        "svg": inline(figure, key, title, about),
        "values": told(figure, upright=upright),
        "caption": title,
        "far": far,
        "signature": signature(report, unit=unit, drawn=drawn),
    }


def _overview(report: dict[str, Any]) -> dict[str, Any] | None:
    arms = [row for row in ranked(report) if row["test"] and row["alike"]]
    if not arms:
        return None
    title = "Bits per character of held-out text: lower is better"
    about = "; ".join(f"{row['name']} {format_number(row['test']['total'])}" for row in arms)
    return _figure(report, figures.overview(report), "overview", title, about)


def _curves(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    last = {
        row["name"]: [c["validation"][-1] for c in row["curves"] if c["validation"]]
        for row in report["arms"]
        if row["test"]
    }
    about = "Validation bits per character, one line per arm. At the end: " + ", ".join(
        f"{name} {format_number(mean(values))}" for name, values in last.items() if values
    )
    for budget, name in figures.BUDGETS.items():
        figure = figures.curves(report, budget)
        lowest, highest = figure.axes[0].get_ylim()
        reached = [(r["label"], r["validation"]["total"]) for r in report["references"]]
        above = [label for label, bits in reached if bits > highest]
        below = [label for label, bits in reached if bits < lowest]
        named = {"Above": above, "Below": below}
        far = [f"{side} the drawn range: {', '.join(who)}." for side, who in named.items() if who]
        title = f"By {name.partition(',')[0]}"
        yield _figure(report, figure, f"curve-{budget}", title, about, far=far)


def _documents(report: dict[str, Any]) -> dict[str, Any] | None:
    if not report["documents"]:
        return None
    title = "Bits per character by held-out document"
    about = "One row per document, hardest first, one mark per arm; the table has the figures."
    drawn = figures.documents(report)
    figure = _figure(report, drawn, "documents", title, about, upright=True)
    return {"figure": figure, "table": tables.documents(report)}


def _positions(report: dict[str, Any]) -> dict[str, Any] | None:
    found = report["breakdown"]["by_position"]
    if not found:
        return None
    about = "; ".join(
        f"{name}: {', '.join(format_number(v, 2) for v in values)}"
        for name, values in found.items()
    )
    title = "Bits of a word by position in it, mean over words"
    figure = figures.positions(report)
    return _figure(report, figure, "positions", title, about, unit="bits per word")


def _passage(report: dict[str, Any], passage: dict[str, Any]) -> dict[str, Any] | None:
    stretches, text = passage["arms"], passage["text"]
    if not stretches or not text:
        return None
    arms = [
        {
            "name": head.text,
            "number": head.arm,
            "mean": format_number(mean_bits(stretches[head.text]), 2),
            "text": coloured(text, stretches[head.text]),
        }
        for head in arm_heads(report, stretches)
    ]
    start, end = passage["start"], passage["start"] + len(text)
    return {
        "where": f"{passage['document']}, characters {start:,} to {end:,}",
        "arms": arms,
        "signature": signature(report, shown="first seed of each arm"),
    }


def _sweeps(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    labels = report["generated"]["labels"]
    for across, up, title in tables.swept(report):
        unit = labels[up]["unit"]
        about = (
            f"{labels[up]['meaning']}, {unit}, against "
            f"{labels[across]['meaning'] if across in labels else across}: "
            "one path per arm through the temperatures; markers grow with temperature."
        )
        figure, key = figures.sweep(report, across, up), f"sweep-{across}-{up}"
        yield _figure(report, figure, key, title, about, unit=unit, drawn=True)
