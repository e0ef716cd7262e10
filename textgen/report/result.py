"""A finished comparison as one object, read from the folder of its report."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from textgen.core import TextgenError
from textgen.evaluation import format_number
from textgen.runs import read_json, reading

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Report(BaseModel):
    """What is read here of ``report.json``."""

    arms: list[dict[str, Any]]
    contrasts: list[dict[str, Any]]


class Comparison:
    """What :func:`textgen.compare_runs` and :func:`textgen.run_study` have found.

    Args:
        folder: of the report: ``index.html``, ``report.json``, ``texts.json``.

    Attributes:
        folder: the same.

    Raises:
        TextgenError: there is no report in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "report.json").exists():
            raise TextgenError(
                str(self.folder),
                found="no report.json",
                expected="the folder of a report, e.g. reports/char-words",
                hint="write one: textgen compare runs/char runs/words",
            )

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def report(self) -> dict[str, Any]:
        """The content of ``report.json``: all figures of the report."""
        path = self.folder / "report.json"
        with reading(path):
            return dict(read_json(path, Report))

    @property
    def arms(self) -> list[dict[str, Any]]:
        """The compared models, each trained with one or more seeds: ``name``, ``seeds``,
        ``parameters``, ``seconds``, …, and in ``test`` the bits per character (``total``, ``low``
        and ``high`` of its interval, ``model``, ``spelling``) of the network alone, under
        ``with_memory`` those with a memory of the document; None if they are not those of a
        distribution over the text."""
        return list(self.report["arms"])

    @property
    def contrasts(self) -> list[dict[str, Any]]:
        """The tested differences: ``first``, ``second``, ``difference`` in bits per character,
        ``low``, ``high``, ``p``, ``p_adjusted`` (Holm), ``verdict`` on the first arm,
        ``answer`` to the question, ``sentence``, of the networks alone; ``with_memory`` has the
        same with a memory of the document."""
        return list(self.report["contrasts"])

    @property
    def warnings(self) -> list[str]:
        return list(self.report["warnings"])

    def __repr__(self) -> str:
        arms = ", ".join(f"{arm['name']} {_total(arm)}" for arm in self.arms)
        return f"<Comparison {self.report['name']!r} in {self.folder}: {arms}>"

    def _repr_html_(self) -> str:
        import base64

        from textgen.report import drawing, figures, sentences
        from textgen.runs import html_table

        head = ("model", "bits per character", "seeds", "parameters", "seconds")
        rows = [
            (
                a["name"] + " (on other text)" * (not a["alike"]),
                _total(a),
                len(a["seeds"]),
                f"{a['parameters']:,}",
                f"{a['seconds']:.0f}",
            )
            for a in self.arms
        ]
        tested = [(sentences.answered(contrast),) for contrast in self.contrasts]
        # as an image: its style is for itself, not for the notebook
        drawn = base64.b64encode(drawing.alone(figures.overview(self.report)).encode()).decode()
        picture = f'<img alt="bits per character" src="data:image/svg+xml;base64,{drawn}">'
        differences = html_table(("tested differences",), tested) * bool(tested)
        return html_table(head, rows) + differences + picture

    def plot(self, axes: Axes | None = None) -> Axes:
        """Draw the bits per character of each model on the same text with Matplotlib, and their
        95 % intervals.

        Args:
            axes: where to draw; new axes if None.
        """
        from matplotlib import pyplot

        axes = pyplot.subplots()[1] if axes is None else axes
        arms = [arm for arm in reversed(self.arms) if arm["test"] and arm["alike"]]
        names, tests = [arm["name"] for arm in arms], [arm["test"] for arm in arms]
        axes.barh(names, [t["model"] for t in tests], label="model")
        axes.barh(
            names, [t["spelling"] for t in tests], left=[t["model"] for t in tests],
            label="spelling",
        )  # fmt: skip
        for name, test in zip(names, tests, strict=True):
            if test["low"] is not None and test["high"] is not None:
                axes.plot([test["low"], test["high"]], [name, name], color="black")
        axes.set_xlabel("bits per character of held-out text")
        axes.legend()
        return axes


def _total(arm: dict[str, Any]) -> str:
    return format_number(arm["test"] and arm["test"]["total"], 4)
