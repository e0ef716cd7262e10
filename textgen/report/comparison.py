"""Finished runs compared in one report, and the report as files and as an object."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from textgen.core.errors import TextgenError, visible
from textgen.core.files import write_file, write_json
from textgen.core.settings import check_name
from textgen.core.study import Contrast
from textgen.data.loading import load_text
from textgen.evaluation.metrics import Human
from textgen.evaluation.references import compute_references
from textgen.evaluation.units import NOTHING, format_bits, format_number
from textgen.interactive.portable import portable_model
from textgen.report import breakdown, drawing, figures, sentences
from textgen.report.arms import Arm, check_comparable, group, is_on
from textgen.report.breakdown import passage, passages
from textgen.report.data import ReportInput, build, measures, ranked, side_by_side, swept
from textgen.report.page import page
from textgen.report.tables import between
from textgen.runs.console import Screen
from textgen.runs.finished import ensure_evaluation, load_run
from textgen.runs.schemas import read_json, reading
from textgen.runs.scoring import html_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from textgen.core.study import Contrast
    from textgen.data.loading import Corpus
    from textgen.report.arms import Arm
    from textgen.runs.console import Screen
    from textgen.runs.finished import Run


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


PROMPT = "At night"


def embedded(
    arms: Sequence[Arm], wanted: Sequence[str], warn: Callable[[str], None]
) -> dict[str, Any]:
    """What a page needs of models that are asked in it, each the first seed of its arm.

    Args:
        arms: those of the report.
        wanted: names of arms; all if empty.
        warn: is told what cannot be taken along.

    Returns:
        ``packed``: arm → its model as base64; ``left_out``: arm → why it cannot be taken along;
        ``prompt``, to begin with.

    Raises:
        TextgenError: a name that is not that of an arm.
    """
    names = [arm.name for arm in arms]
    if unknown := [name for name in wanted if name not in names]:
        raise TextgenError(
            "--embed", found=", ".join(unknown), expected=f"arms of the report: {', '.join(names)}",
            hint="name some of these, or none for all",
        )  # fmt: skip
    packed, left_out, prompt = dict[str, str](), dict[str, str](), ""
    for arm in arms:
        if wanted and arm.name not in wanted:
            continue
        try:
            packed[arm.name] = portable_model(arm.first)
            prompt = prompt or next(iter(arm.first.experiment.sampling.prompts), "")
        except TextgenError as error:
            left_out[arm.name] = error.found
            warn(f"{arm.name}: not in the page: {error.found}")
    return {"packed": packed, "left_out": left_out, "prompt": prompt or PROMPT}


SHOWN = 20
"""Occurrences of a word that are shown; its mean cost is over all."""


def write_report(
    folder: Path, comparison: ReportInput, models: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write ``report.json``, ``texts.json`` and ``index.html``.

    Args:
        folder: where.
        comparison: what is reported.
        models: those that the page takes along, see :func:`textgen.report.page.page`.

    Returns:
        The content of ``report.json``.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    human = Human(
        [document.text for document in comparison.loaded.sample], comparison.loaded.language.code
    )
    report = build(comparison)
    report["generated"] = measures(comparison.same_text, comparison.loaded, human)
    words = {
        word: breakdown.in_context(comparison.alike, comparison.loaded.test, word)
        for word in comparison.words
    }
    report["words"] = {word: _costs(lines) for word, lines in words.items()}
    texts: dict[str, Any] = {
        "passage": passage(
            comparison.loaded.test,
            comparison.alike,
            next((word for word in words if words[word]), ""),
        ),
        "words": {word: lines[:SHOWN] for word, lines in words.items()},
        "samples": side_by_side(comparison.same_text, human),
        "passages": passages(comparison.loaded.test, comparison.alike),
        "sweep": swept(comparison.same_text),
    }
    write_json(folder / "report.json", _finite(report))
    write_json(folder / "texts.json", texts)
    write_file(folder / "index.html", visible(page(report, texts, models)))
    return report


def _finite(data: Any) -> Any:
    """The same with None for infinity, which is not JSON: a bound that too few documents leave
    open."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def _costs(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """How often a word occurs in the held-out text, and its mean cost in bits by arm."""
    if not lines:
        return {"occurrences": 0, "bits": {}}
    return {
        "occurrences": len(lines),
        "bits": {
            arm: sum(line["bits"][arm] for line in lines) / len(lines) for arm in lines[0]["bits"]
        },
    }


SHORT = 50
"""Characters of an arm's name in the name of a report's folder."""
WORDS = {"lovecraft": ("pandemonium",)}
"""Corpus → words that are shown if none are asked for: the article asks whether its network would
ever write this one."""
REPORTS = Path("reports")


def compare_runs(
    runs: Sequence[str | Path | Run],
    *,
    name: str = "",
    title: str = "",
    contrasts: Sequence[Contrast] = (),
    plan: dict[str, Any] | None = None,
    command: str = "",
    words: Sequence[str] | None = None,
    different_texts: bool = False,
    embed: Sequence[str] | None = None,
    reports_folder: str | Path = REPORTS,
    quiet: bool = False,
) -> Comparison:
    """Compare finished runs: write a report, and return its figures and folder.

    Args:
        runs: finished runs or their folders; those that differ only in seed and name are one arm.
        name, title: of the report, and its heading; the arms' names if empty.
        contrasts: what is tested, declared before the runs; if empty, each arm against the first.
        plan: of a study, for each arm.
        command: that repeats the report; made from the other arguments if empty.
        words: whose bits in context are shown; those of the corpus in :data:`WORDS` if None.
        different_texts: accept runs on different texts or splits, and flag them.
        embed: arms whose models the page holds, to be asked there; empty for all, None for none.
        reports_folder: where reports lie.
        quiet: print only warnings.

    Raises:
        TextgenError: no run can be read, texts differ or are not available, no such arm to embed,
            or a name that the report cannot have.
    """
    if name:
        check_name(name, "--name")
    screen = Screen(quiet)
    found, loaded, left_out = _read(runs, screen)
    arms, same, warnings = _grouped(found, loaded, different_texts)
    names = [arm.name for arm in arms]
    of_corpus = WORDS.get(loaded.kind, ())
    options = [
        *(os.fspath(run) for run in runs),
        *([f"--name={name}"] * bool(name)),
        *([f"--title={title}"] * bool(title)),
        *([f"--reports={os.fspath(reports_folder)}"] * (Path(reports_folder) != REPORTS)),
        *(f"--word={word}" for word in words or ()),
        *(["--different-texts"] * different_texts),
        *([] if embed is None else ["--embed", *embed]),
    ]
    lost = {
        "contrasts": contrasts,
        "plan": plan,
        "that no words are shown": of_corpus and words is not None and not words,
    }
    models = None if embed is None else embedded(same, embed, screen.warn)
    content = ReportInput(
        name=name or _joined(names), title=title or _listed(names), arms=arms, loaded=loaded,
        references=compute_references(loaded, screen.say, f"{found[0].folder}/experiment.toml"),
        contrasts=contrasts or _against_first([arm.name for arm in same if arm.charged]),
        declared=bool(contrasts), plan=plan or {}, left_out=left_out, warnings=warnings,
        words=of_corpus if words is None else words,
        command=command or shlex.join(["python", "-m", "textgen", "compare", *options]),
        not_repeated=[] if command else [key for key, given in lost.items() if given],
    )  # fmt: skip
    folder = Path(reports_folder) / content.name
    _show(screen, folder, write_report(folder, content, models))
    return Comparison(folder)


def _read(
    given: Sequence[str | Path | Run], screen: Screen
) -> tuple[list[Run], Corpus, list[dict[str, str]]]:
    """The runs that can be read, the text of the first, and those left out with the reason."""
    runs: list[Run] = []
    texts: dict[str, Corpus] = {}
    left_out: list[dict[str, str]] = []
    loaded = None
    for each in given:
        try:
            run = load_run(each)
            sha256 = run.metrics["corpus"]["sha256"]
            key = sha256 + run.experiment.text_key
            text = texts[key] = texts.get(key) or load_text(run.experiment, sha256)
            if ensure_evaluation(run, text):
                screen.say(f"{run.folder}: bits of tokens and samples made from the saved network")
            run.check()
            runs.append(run)
            loaded = loaded or text
        except TextgenError as error:
            left_out.append({"folder": os.fspath(each), "found": error.found})
            screen.warn(f"LEFT OUT: {error}")
    if loaded is None:
        raise TextgenError(
            "compare",
            found=f"no run that can be read among {len(given)}",
            expected="folders of finished runs, e.g. runs/char",
            hint="train one: textgen run experiments/char.toml",
        )
    return runs, loaded, left_out


def _joined(names: Sequence[str]) -> str:
    """The name of a report's folder; an arm's name may contain a part of a path."""
    joined = "-".join(name[:SHORT] for name in names[:4])
    return (joined + ("-and-others" if len(names) > 4 else "")).replace("/", "_")


def _grouped(
    runs: Sequence[Run], loaded: Corpus, different_texts: bool
) -> tuple[list[Arm], list[Arm], list[str]]:
    """All arms, those on this text, and warnings."""

    arms = group(runs)
    warnings = check_comparable(arms, different_texts)
    if loaded.warning:
        warnings.append(loaded.warning)
    return arms, [arm for arm in arms if is_on(arm, loaded)], warnings


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _against_first(names: Sequence[str]) -> list[Contrast]:
    if not names:
        return []
    return [
        Contrast(other, names[0], f"Is {other} better than {names[0]}?", "first is lower")
        for other in names[1:]
    ]


def _show(screen: Any, folder: Path, report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    if opening := sentences.opening(report):
        screen.say(opening)
    table = Table(
        title="bits per character of held-out text, the network alone and with memory",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("arm", "bpc", "95 %", "spelling", "memory", "seeds", "size", "seconds"):
        side: Any = "left" if column == "arm" else "right"
        table.add_column(column, justify=side, no_wrap=column != "bpc")
    alike = True
    for row in ranked(report):
        if alike and not row["alike"]:
            table.add_row("on other text:")
        alike = row["alike"]
        ends = str(len(row["seeds"])), f"{row['parameters'] / 1e6:.2f} M", f"{row['seconds']:.0f}"
        table.add_row(Text(visible(row["name"])), *_figures(row["test"]), *ends)
    table.add_section()
    for row in sorted(report["references"], key=lambda row: row["test"]["total"]):
        table.add_row(Text(visible(row["label"])), *_figures(row["test"]), style="dim")
    screen.console.print(table)
    for contrast in report["contrasts"]:
        screen.say(sentences.answered(contrast))
    for line in sentences.audits(report):
        screen.say(line)
    for warning in report["warnings"]:
        screen.warn(warning)
    screen.say(f"written to {folder}/ (index.html, report.json)")


def _figures(test: dict[str, Any] | None) -> tuple[str, str, str, str]:
    """Total, interval, the bits of spelling, and the total with a memory of the document."""
    _, spelling, total = format_bits(test)
    remembered = (test or {}).get("with_memory")
    both = format_number(remembered["total"] if remembered else None)
    return total, between(test["low"], test["high"]) if test else NOTHING, spelling, both
