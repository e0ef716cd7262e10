"""Finished runs compared in one report: which is better, by how much, and with what certainty."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import TextgenError, check_name, visible
from textgen.report.result import Comparison

if TYPE_CHECKING:
    from textgen.core import Contrast
    from textgen.data import Corpus
    from textgen.report.arms import Arm
    from textgen.runs import Run, Screen


SHORT = 50
"""Characters of an arm's name in the name of a report's folder."""
WORDS = {"lovecraft": ("pandemonium",)}
"""Corpus → words that are shown if none are asked for: the article asks whether its network would
ever write this one."""
REPORTS = Path("reports")
PRECISIONS = ("int8", "float16", "float32")
"""Of the weights of models in the page."""


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
    precision: str = PRECISIONS[0],
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
        precision: of their weights, one of :data:`PRECISIONS`.
        reports_folder: where reports lie.
        quiet: print only warnings.

    Raises:
        TextgenError: no run can be read, texts differ or are not available, no such arm to embed,
            or a name that the report cannot have.
    """
    from textgen.evaluation import compute_references
    from textgen.report import asking, data, writing
    from textgen.runs import Screen

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
        *([f"--precision={precision}"] * (precision != PRECISIONS[0])),
        *([] if embed is None else ["--embed", *embed]),
    ]
    lost = {
        "contrasts": contrasts,
        "plan": plan,
        "that no words are shown": of_corpus and words is not None and not words,
    }
    models = None if embed is None else asking.embedded(same, embed, precision, screen.warn)
    content = data.ReportInput(
        name=name or _joined(names), title=title or _listed(names), arms=arms, loaded=loaded,
        references=compute_references(loaded, screen.say, f"{found[0].folder}/experiment.toml"),
        contrasts=contrasts or _against_first([arm.name for arm in same if arm.charged]),
        declared=bool(contrasts), plan=plan or {}, left_out=left_out, warnings=warnings,
        words=of_corpus if words is None else words,
        command=command or shlex.join(["python", "-m", "textgen", "compare", *options]),
        not_repeated=[] if command else [key for key, given in lost.items() if given],
    )  # fmt: skip
    folder = Path(reports_folder) / content.name
    _show(screen, folder, writing.write_report(folder, content, models))
    return Comparison(folder)


def _read(
    given: Sequence[str | Path | Run], screen: Screen
) -> tuple[list[Run], Corpus, list[dict[str, str]]]:
    """The runs that can be read, the text of the first, and those left out with the reason."""
    from textgen.data import load_text
    from textgen.runs import ensure_evaluation, load_run

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
    from textgen.report import arms as arms_

    arms = arms_.group(runs)
    warnings = arms_.check_comparable(arms, different_texts)
    if loaded.warning:
        warnings.append(loaded.warning)
    return arms, [arm for arm in arms if arms_.is_on(arm, loaded)], warnings


def _listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _against_first(names: Sequence[str]) -> list[Contrast]:
    from textgen.core import Contrast

    if not names:
        return []
    return [
        Contrast(other, names[0], f"Is {other} better than {names[0]}?", "first is lower")
        for other in names[1:]
    ]


def _show(screen: Any, folder: Path, report: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from textgen.report import sentences
    from textgen.report.data import ranked

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
    from textgen.evaluation import NOTHING, format_bits, format_number
    from textgen.report.cells import between

    _, spelling, total = format_bits(test)
    remembered = (test or {}).get("with_memory")
    both = format_number(remembered["total"] if remembered else None)
    return total, between(test["low"], test["high"]) if test else NOTHING, spelling, both
