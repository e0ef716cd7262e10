"""A report as one HTML file that fetches nothing: tables, figures, coloured texts, samples."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.report import cost_tables, figures, generated_tables, tables
from textgen.report.cells import between, cleaned, signed
from textgen.report.drawing import inline
from textgen.report.marking import coloured, legend, mean_bits, pieces
from textgen.report.palette import HUES, style, variables
from textgen.report.ranking import arm_heads, numbers
from textgen.report.signature import prompted, signature

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = Path(__file__).parent
VERDICTS = {"better": "better", "worse": "worse", "equal": "equal"}
"""Verdict → class; anything else is open."""


def page(report: dict[str, Any], texts: dict[str, Any]) -> str:
    """The page of a report.

    Args:
        report: the content of ``report.json``.
        texts: the content of ``texts.json``.

    Returns:
        HTML that can be written as UTF-8 whatever the texts hold.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    report, texts = cleaned(report), cleaned(texts)
    charged = {row["name"] for row in report["arms"] if row["test"]}
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        report=report,
        declared=tables.declared(report),
        corpus=tables.corpus_line(report),
        verdicts=_verdicts(report),
        notes=tables.notes(report),
        main=tables.main_table(report),
        contrasts=tables.contrasts(report),
        curves=_curves(report),
        documents=_documents(report),
        kinds=cost_tables.kinds(report),
        places=_places(report),
        words=[
            (word, cost_tables.word(report, word, lines)) for word, lines in texts["words"].items()
        ],
        passage=_passage(report, texts["passage"]),
        metrics=generated_tables.metrics(report),
        sweeps=_sweeps(report),
        cross=generated_tables.cross(report) if report["cross"] else None,
        samples=_samples(report, texts["samples"]),
        samples_signature=prompted(report),
        details=tables.details(report),
        runs=tables.runs(report),
        arms=[
            {"name": name, "number": number, "charged": name in charged, **style(number)._asdict()}
            for name, number in numbers(report).items()
        ],
        hues=HUES,
        themes={theme: variables(theme) for theme in ("light", "dark")},
        heat=legend(),
    )


def _verdicts(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Contrasts with the drawing of their difference: zero, the margin, the interval."""
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
            }
        )
    return rows


def _figure(
    report: dict[str, Any],
    figure: Figure,
    key: str,
    title: str,
    about: str,
    unit: str = "",
    drawn: bool = False,
) -> dict[str, Any]:
    return {
        "svg": inline(figure, key, title, about),
        "caption": title,
        "far": (),
        "signature": signature(report, unit=unit, drawn=drawn),
    }


def _curves(report: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for budget, name in figures.BUDGETS.items():
        figure = figures.curves(report, budget)
        highest = figure.axes[0].get_ylim()[1]
        reached = [(r["label"], r["validation"]["without_cache"]) for r in report["references"]]
        far = [label for label, bits in reached if bits > highest]
        title = f"By {name.partition(',')[0]}"
        about = f"Validation bits per character, one line an arm. {_finals(report)}"
        found.append(_figure(report, figure, f"curve-{budget}", title, about) | {"far": far})
    return found


def _finals(report: dict[str, Any]) -> str:
    last = {
        row["name"]: [c["validation"][-1] for c in row["curves"] if c["validation"]]
        for row in report["arms"]
        if row["test"]
    }
    return "At the end: " + ", ".join(
        f"{name} {sum(values) / len(values):.3f}" for name, values in last.items() if values
    )


def _documents(report: dict[str, Any]) -> dict[str, Any] | None:
    if not report["documents"]:
        return None
    title = "Bits per character by held-out document"
    about = "One row a document, hardest first, one mark an arm; the table below has the figures."
    figure = _figure(report, figures.documents(report), "documents", title, about)
    return {"figure": figure, "table": cost_tables.documents(report)}


def _places(report: dict[str, Any]) -> dict[str, Any] | None:
    found = report["paid"]["by_place"]
    if not found:
        return None
    about = "; ".join(
        f"{name}: " + ", ".join(f"{bits:.2f}" for bits in values) for name, values in found.items()
    )
    title = "Bits of a word by the place in it where they are paid, mean over words"
    return _figure(report, figures.places(report), "places", title, about, "bits a word")


def _passage(report: dict[str, Any], passage: dict[str, Any]) -> dict[str, Any] | None:
    heads = arm_heads(report, list(passage["arms"]))
    if not heads or not passage["text"]:
        return None
    arms = [
        {
            "name": head.text,
            "number": head.arm,
            "mean": f"{mean_bits(passage['arms'][head.text]):.2f}",
            "text": coloured(passage["text"], passage["arms"][head.text]),
        }
        for head in heads
    ]
    end = passage["start"] + len(passage["text"])
    return {
        "where": f"{passage['document']}, characters {passage['start']:,} to {end:,}",
        "arms": arms,
        "signature": signature(report, shown="first seed of each arm"),
    }


def _sweeps(report: dict[str, Any]) -> list[dict[str, Any]]:
    labels = report["generated"]["labels"]
    found = []
    for across, up, title in generated_tables.swept(report):
        about = (
            f"{labels[up]['meaning']}, {labels[up]['unit']}, against "
            f"{labels[across]['meaning'] if across in labels else across}: "
            "one path an arm through the temperatures, its markers growing with them."
        )
        figure = figures.sweep(report, across, up)
        unit = labels[up]["unit"]
        found.append(_figure(report, figure, f"sweep-{across}-{up}", title, about, unit, True))
    return found


def _samples(report: dict[str, Any], samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Prompts, and under each the arms' samples in the order of the main table."""
    named = numbers(report)
    return [
        {
            "prompt": record["prompt"],
            "arms": [
                {"name": name, "number": number, "pieces": list(pieces(record["arms"][name]))}
                for name, number in named.items()
                if name in record["arms"]
            ],
        }
        for record in samples
    ]
