"""A report as one HTML file that fetches nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import textgen
from textgen.core.errors import visible
from textgen.interactive import portable
from textgen.report import sentences, views
from textgen.report.schema import Report, Texts

SURROGATES = re.compile("[\ud800-\udfff]")
FOLDERS = [Path(__file__).parent, portable.FOLDER]
HUES = 7
"""Colours of arms in theme.css; further arms have the same ones with hollow marks."""


def render_page(report: Report, texts: Texts, models: dict[str, Any] | None = None) -> str:
    """The page of a report.

    Args:
        report, texts: its content.
        models: those that can be asked in the page, as :func:`textgen.report.comparison.embedded`
            gives them; None for none.

    Returns:
        HTML that can be written as UTF-8 whatever the texts hold.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    temperatures = report.generated.settings["temperatures"]
    html = environment.get_template("page.html").render(
        report=report,
        texts=texts,
        models=models,
        numbers=report.numbers,
        hues=HUES,
        s=sentences,
        v=views,
        claims=sentences.claims(report),
        measures=[views.measures(report, number) for number in range(len(temperatures))],
        zip=zip,
        version=textgen.__version__,
        packed=[
            [name, "", number, models["packed"][name]]
            for name, number in report.numbers.items()
            if models and name in models["packed"]
        ],
        scripts=Markup("\n".join(path.read_text(encoding="utf-8") for path in portable.SCRIPTS)),
    )
    return SURROGATES.sub("\ufffd", visible(html))
