"""Run folders turned into one report: which is better, by how much, and is it real."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import UNREADABLE, TextgenError

if TYPE_CHECKING:
    from textgen.core import Contrast
    from textgen.data import Corpus
    from textgen.runs import Finished


WORDS = ("pandemonium",)
"""The article wondered whether its network would ever write this word."""


def compare(
    folders: Sequence[str | Path],
    *,
    name: str = "",
    title: str = "",
    contrasts: Sequence[Contrast] = (),
    plan: dict[str, Any] | None = None,
    command: str = "",
    words: Sequence[str] = WORDS,
    cross: bool = True,
    different_texts: bool = False,
    reports_folder: str | Path = "reports",
    quiet: bool = False,
) -> Path:
    """Turn run folders into one report.

    Args:
        folders: of finished runs; runs that differ only in seed and name are one arm.
        name: of the report; the arms' names joined if empty.
        title: its heading.
        contrasts: what is tested, declared before the runs; if empty, each arm against the first.
        plan: of a study: arm → what it planned for it.
        command: repeats the report; put together if empty.
        words: whose cost in context is shown.
        cross: whether the models score each other's samples, which loads them all once.
        different_texts: put runs on different texts or splits into one report, flagged.
        reports_folder: where reports lie.
        quiet: print only warnings.

    Returns:
        The report's folder: ``index.html``, ``report.md``, ``report.json``, ``texts.json``.

    Raises:
        TextgenError: no run that can be read, different texts, or a text that is not at hand.
    """
    from textgen.evaluation import compute_references
    from textgen.report import arms as arms_
    from textgen.report import data, writing
    from textgen.report.cross import cross_scores
    from textgen.runs import Screen

    screen = Screen(quiet)
    runs, loaded, left_out = _read([Path(folder) for folder in folders], screen)
    arms = arms_.group(runs)
    warnings = arms_.check_comparable(arms, different_texts)
    if loaded.warning:
        warnings.append(loaded.warning)
    same = [arm for arm in arms if arms_.is_on(arm, loaded)]
    names = [arm.name for arm in arms]
    comparison = data.Comparison(
        name=name or _joined(names),
        title=title or " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names),
        arms=arms,
        loaded=loaded,
        references=compute_references(loaded, screen.say, str(runs[0].folder / "experiment.toml")),
        contrasts=contrasts or _against_first([arm.name for arm in same if arm.charged]),
        declared=bool(contrasts),
        command=command or _command_line(folders, name),
        words=words,
        plan=plan or {},
        cross=cross_scores(same, loaded.test, screen.say) if cross else {},
        left_out=left_out,
        warnings=warnings,
    )
    folder = Path(reports_folder) / comparison.name
    report = writing.write_report(folder, comparison)
    _show(screen, folder, report)
    return folder


def _read(
    folders: Sequence[Path], screen: Any
) -> tuple[list[Finished], Corpus, list[dict[str, str]]]:
    """The runs that can be read, the text of the first, and what was left out and why."""
    from textgen.core import load_experiment
    from textgen.data import load_text
    from textgen.runs import ensure_evaluation, read_run

    runs, left_out = list[Any](), list[dict[str, str]]()
    loaded, texts = None, dict[str, Any]()
    for folder in folders:
        try:
            sha256, experiment = _corpus_of(folder), load_experiment(folder / "experiment.toml")
            key = sha256 + experiment.text_key
            text = texts[key] = texts.get(key) or load_text(experiment, sha256)
            if ensure_evaluation(folder, text):
                screen.say(f"{folder}: bits by token and samples made from the saved network")
            runs.append(read_run(folder))
            loaded = loaded or text
        except TextgenError as error:
            left_out.append({"folder": str(folder), "found": error.found})
            screen.warn(f"LEFT OUT: {error}")
    if loaded is None:
        raise TextgenError(
            "compare",
            found=f"no run that can be read among {len(folders)}",
            expected="folders of finished runs, e.g. runs/char",
            hint="train one: python -m textgen.run experiments/char.toml",
        )
    return runs, loaded, left_out


def _corpus_of(folder: Path) -> str:
    """sha256 of the text that a finished run was trained on.

    Raises:
        TextgenError: it is no finished run.
    """
    from textgen.runs import check_finished, damaged, read_metrics

    check_finished(folder)
    try:
        return str(read_metrics(folder)["corpus"]["sha256"])
    except UNREADABLE as error:
        raise damaged(folder / "metrics.json", error) from None


def _joined(names: Sequence[str]) -> str:
    """The name of a report's folder; where a run lies may be a part of an arm's name."""
    joined = "-".join(names[:4]) + ("-and-others" if len(names) > 4 else "")
    return joined.replace("/", "_")


def _against_first(names: Sequence[str]) -> list[Contrast]:
    from textgen.core import Contrast

    if not names:
        return []
    return [Contrast(other, names[0], f"Is {other} better than {names[0]}?") for other in names[1:]]


def _command_line(folders: Sequence[str | Path], name: str) -> str:
    parts = ["python", "-m", "textgen.compare", *map(str, folders)]
    return shlex.join([*parts, *(["--name", name] if name else [])])


def _show(screen: Any, folder: Path, report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="bits per character of held-out text",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("arm", "bpc", "95 %", "spelling", "seeds", "size", "seconds"):
        table.add_column(column, justify="left" if column == "arm" else "right", no_wrap=True)
    for row in sorted(report["arms"], key=lambda row: row["test"]["total"] if row["test"] else 9):
        ends = str(len(row["seeds"])), f"{row['parameters'] / 1e6:.2f} M", f"{row['seconds']:.0f}"
        table.add_row(Text(row["name"]), *_figures(row["test"]), *ends)
    table.add_section()
    for row in sorted(report["references"], key=lambda row: row["test"]["total"]):
        table.add_row(Text(row["label"]), *_figures(row["test"]), style="dim")
    screen.console.print(table)
    for contrast in report["contrasts"]:
        screen.say(contrast["sentence"])
    for warning in report["warnings"]:
        screen.warn(warning)
    screen.say(f"written to {folder}/ (index.html, report.md, report.json)")


def _figures(test: dict[str, Any] | None) -> tuple[str, str, str]:
    """Total, interval and the part of spelling."""
    if test is None:
        return "–", "does not pay", "–"
    known = math.isfinite(test["low"]) and math.isfinite(test["high"])
    interval = f"{test['low']:.3f}–{test['high']:.3f}" if known else "unbounded"
    return f"{test['total']:.3f}", interval, f"{test['spelling']:.3f}"
