"""Finished runs compared in one report, and the report as files and as an object."""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import escape
from rich.table import Table
from rich.text import Text

from textgen.auditing.sources import HuggingFaceModel
from textgen.core.errors import TextgenError
from textgen.core.files import csv_bytes, write_file, write_json
from textgen.core.settings import PARTS, PartName, check_name
from textgen.core.terminal import command_line, visible
from textgen.data.documents import Document
from textgen.data.loading import Corpus, pool_folds
from textgen.evaluation.baselines import Reference, compute_references
from textgen.evaluation.scores import DocumentBits
from textgen.evaluation.units import PART_LABELS, format_number
from textgen.interactive.portable import portable_model
from textgen.report import sentences
from textgen.report.arms import Arm, check_comparable, group_runs, incomplete, is_on
from textgen.report.building import Plan, build_report
from textgen.report.contrast import Contrast
from textgen.report.headline import but, in_plain_words
from textgen.report.page import Models, between, render_page
from textgen.report.schema import ArmRow, Bits, Caution, ContrastRow, Report, Texts
from textgen.runs.console import Screen, word_rows
from textgen.runs.finished import Run, check_folder, load_run, read_metrics
from textgen.runs.folder import OVERWRITE
from textgen.runs.results import METRICS_FILE, read_content

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How much of an arm's name is in the name of a report's folder.
MAX_NAME_CHARACTERS = 50
# How much of what each model wrote is shown on the terminal.
MAX_WRITTEN_CHARACTERS = 140
REPORTS = Path("reports")
ELSEWHERE = "hf:"  # in front of the folder of a model of Hugging Face's


class Comparison:
    """The result of :func:`textgen.compare_runs` and :func:`textgen.run_study`.

    Args:
        folder: the folder of ``index.html``, ``report.json`` and ``texts.json``.

    Attributes:
        folder: the same.

    Raises:
        TextgenError: there is no report in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "report.json").exists():
            hint = "write a report: textgen compare runs/char runs/words"
            raise TextgenError(f"{self.folder}: no report.json", hint)

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def report(self) -> Report:
        """The content of ``report.json``: all figures of the report."""
        hint = "write the report again: textgen compare runs/…"
        return read_content(self.folder / "report.json", Report, hint)

    @property
    def arms(self) -> list[ArmRow]:
        """The compared models, each trained with one or more seeds; ``test`` has the bits per
        character, or is None if the model is not a distribution over the text."""
        return self.report.arms

    @property
    def contrasts(self) -> list[ContrastRow]:
        """The tested differences; ``parts`` has those under the other parts of the models."""
        return self.report.contrasts

    @property
    def warnings(self) -> list[str]:
        return [str(caution) for caution in self.report.warnings]

    def __repr__(self) -> str:
        arms = ", ".join(f"{arm.name} {_total(arm.test)}" for arm in self.arms)
        return f"<Comparison {self.report.name!r} in {self.folder}: {arms}>"

    def _repr_html_(self) -> str:
        said = "".join(f"<p><b>{escape(line)}</b></p>" for line in result_lines(self.report)[:1])
        rows = [(escape(arm.name), _total(arm.test)) for arm in self.report.ranked]
        cells = "".join(f"<tr><td>{name}</td><td>{total}</td></tr>" for name, total in rows)
        head = "<tr><th>model</th><th>bits per character</th></tr>"
        return f"{said}<table>{head}{cells}</table>"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw the bits per character of each model on the same text with Matplotlib, and their
        95% intervals.

        Args:
            axes: where to draw; new axes if None.
        """
        from matplotlib import pyplot

        if axes is None:
            axes = pyplot.subplots(layout="constrained")[1]
        for row in reversed(self.report.side_by_side):
            is_arm = isinstance(row, ArmRow)
            name = row.name if isinstance(row, ArmRow) else row.label
            if row.test is None:
                continue
            axes.barh(name, row.test.total, color="C0" if is_arm else "0.7")
            if row.test.low is not None and row.test.high is not None:
                axes.plot([row.test.low, row.test.high], [name, name], color="black")
        axes.set_xlabel("bits per character of held-out text")
        return axes


def _total(test: Bits | None, form: str = ".4f") -> str:
    return format_number(test.total if test else None, form)


def compare_runs(
    runs: Sequence[str | Path | Run],
    *,
    name: str = "",
    title: str = "",
    contrasts: Sequence[Contrast] = (),
    plan: Mapping[str, Plan] | None = None,
    part: PartName = "network",
    command: str = "",
    different_texts: bool = False,
    embed: Sequence[str] | None = None,
    reports_folder: str | Path = REPORTS,
    overwrite: bool = False,
    quiet: bool = False,
) -> Comparison:
    """Compare finished runs: write a report, and return its figures and folder.

    Args:
        runs: finished runs or their folders; those that differ only in seed, fold and name are one
            arm. ``hf:FOLDER`` is a Hugging Face model, scored on the same text.
        name, title: name and heading of the report; by default, the names of the arms.
        contrasts: the questions to test; if empty, every pair of arms.
        plan: the plan of a study, by arm.
        part: the part of the models that answers (:mod:`textgen.evaluation.model`).
        command: the command that repeats the report; by default, made from the other arguments.
        different_texts: accept runs on different texts or splits, and flag them.
        embed: arms to embed in the page, for readers to prompt; empty for all, None for none.
        reports_folder: the folder for reports.
        overwrite: replace a report of this name that is about other runs; one about the same runs
            is always replaced.
        quiet: print only warnings.

    Raises:
        TextgenError: no run can be read, texts differ or are not available, no such arm to embed,
            a name that the report cannot have, or a report of this name about other runs.
    """
    if name:
        check_name(name, "--name")
    given_title = title
    named_runs = [run for run in runs if not os.fspath(run).startswith(ELSEWHERE)]
    for run in named_runs:
        check_folder(Path(os.fspath(run)))
    screen = Screen(quiet)
    readable, left_out = read_runs(named_runs, screen)
    asked = {arm for contrast in contrasts for arm in (contrast.first, contrast.second)}
    arms = group_runs(readable, asked | (plan or {}).keys())
    for run in readable:
        run.experiment.check_part(part)
    arms = [arm.with_part(part) for arm in arms]
    names = [arm.name for arm in arms]
    folder = Path(reports_folder) / (name or folder_name(names))
    if not overwrite:
        check_replaceable(folder, [Path(os.fspath(run)) for run in named_runs])
    texts = [run.corpus for run in arms[0].folds]
    warnings = check_comparable(arms, different_texts)
    same_text = [arm for arm in arms if is_on(arm, texts)]
    references = compute_references(texts, screen.say)
    if len(texts) == 1:  # no single command repeats the figures of folds
        file = f"{readable[0].folder}/experiment.toml"
        references = [
            replace(reference, command=reference.command_on(file)) for reference in references
        ]
    for run in runs:
        if run not in named_runs:
            model = Path(os.fspath(run).removeprefix(ELSEWHERE))
            references.append(score_elsewhere(model, pool_folds(texts), screen))
            unknown = f"The training text of {model.name} is unknown and may contain this text."
            warnings.append(Caution(text=unknown))
    if not title:
        *others, last = names
        title = f"{', '.join(others)} and {last}" if others else last
    not_repeated = list[str]()
    if not command:
        command = _command(runs, name, given_title, part, different_texts, embed, reports_folder)
        if contrasts:
            not_repeated.append("contrasts")
        if plan:
            not_repeated.append("plan")
    models = None if embed is None else embedded(same_text, embed, screen)
    report, shown = build_report(
        arms,
        texts,
        references,
        contrasts or every_pair([arm.name for arm in same_text if arm.charged]),
        plan or {},
        warnings,
        name=folder.name,
        title=title,
        declared=bool(contrasts),
        command=command,
        not_repeated=not_repeated,
        left_out=[{"folder": run, "reason": reason} for run, reason in left_out.items()],
        other_looks=_other_looks(same_text),
    )
    if models:
        models["words"] = words_link(same_text, shown, texts[0].test)
    write_json(folder / "report.json", report.model_dump(by_alias=True))
    write_json(folder / "texts.json", shown.model_dump())
    write_file(folder / "index.html", render_page(report, shown, models))
    show(screen, folder, report, shown)
    return Comparison(folder)


def _command(
    runs: Sequence[str | Path | Run],
    name: str,
    title: str,
    part: PartName,
    different_texts: bool,
    embed: Sequence[str] | None,
    reports_folder: str | Path,
) -> str:
    """The command that repeats a report, from the arguments of :func:`compare_runs`."""
    words = ["python", "-m", "textgen", "compare", *(os.fspath(run) for run in runs)]
    if name:
        words.append(f"--name={name}")
    if title:
        words.append(f"--title={title}")
    if part != "network":
        words.append(f"--part={part}")
    if Path(reports_folder) != REPORTS:
        words.append(f"--reports={os.fspath(reports_folder)}")
    if different_texts:
        words.append("--different-texts")
    if embed is not None:
        words += ["--embed", *embed]
    return command_line(words)


def check_replaceable(folder: Path, runs: Sequence[Path]) -> None:
    """Check that there is no report in a folder, or one about the same runs.

    Raises:
        TextgenError: the folder holds another report, or a page of something else.
    """
    report = folder / "report.json"
    hint = f"use --name OTHER to keep both, or {OVERWRITE} to replace it"
    if report.exists():
        before = read_content(report, Report, hint)
        folders = [run.folder for arm in before.arms for run in arm.runs]
        folders += [run["folder"] for run in before.left_out]
        if {Path(each).resolve() for each in folders} == {each.resolve() for each in runs}:
            return
    elif not (folder / "index.html").exists():
        return
    raise TextgenError(f"{folder} holds a report about other runs", hint)


def score_elsewhere(folder: Path, corpus: Corpus, screen: Screen) -> Reference:
    """A model in a folder of Hugging Face's on the test documents, with its own tokenizer.

    Raises:
        TextgenError: it cannot be read, or does not give a text back, so that its bits are not
            those of the text.
    """
    model = HuggingFaceModel(folder)
    scored = list[DocumentBits]()
    with screen.stage(f"scoring {folder.name} for comparison") as moved:
        for done, document in enumerate(corpus.test):
            if model.end is None or model.decode(model.encode(document.text)) != document.text:
                message = f"{folder}: its tokenizer has no end token, or alters {document.name}"
                raise TextgenError(message, "use a model with a lossless tokenizer, such as GPT-2")
            bits = np.array([model.claim(document.text).bits])
            scored.append(DocumentBits(document.name, document.characters, bits, np.zeros(1), 0, 0))
            moved(done + 1, len(corpus.test))
    meaning = f"""a network that was trained elsewhere, on unknown text. The network reads
{model.context:,} tokens at once and forgets the older half of them when a document is longer;
every token is charged"""
    return Reference(folder.name, folder.name, meaning, part="network", test={"network": scored})


def _other_looks(arms: Sequence[Arm]) -> int:
    """How many more runs beside those of the arms have been scored on the same test text, or where
    every document is tested, on some of it."""
    compared = {run.folder.resolve() for arm in arms for run in arm.runs}
    homes = {folder.parent for folder in compared}
    finished = {file.parent.resolve() for home in homes for file in home.glob(f"*/{METRICS_FILE}")}
    text = arms[0].first.metrics.corpus
    every_document_is_tested = len(arms[0].folds) > 1
    looks = 0
    for folder in finished - compared:
        try:
            other = read_metrics(folder).corpus
        except TextgenError:  # damaged, or of another version
            continue
        same_test = every_document_is_tested or other.split_sha256 == text.split_sha256
        if other.sha256 == text.sha256 and same_test:
            looks += 1
    return looks


def read_runs(runs: Sequence[str | Path | Run], screen: Screen) -> tuple[list[Run], dict[str, str]]:
    """The runs that can be read, those on one text with the same corpus, and others' folders with
    why these are left out.

    Raises:
        TextgenError: none is left.
    """
    readable = list[Run]()
    left_out = dict[str, str]()
    texts = dict[str, Corpus]()
    for folder in runs:
        try:
            run = load_run(folder)
            key = run.metrics.corpus.sha256 + run.experiment.text_key
            if key in texts:
                run.corpus = texts[key]
            texts[key] = run.corpus
            run.check()
            readable.append(run)
        except TextgenError as error:
            left_out[os.fspath(folder)] = error.message
            screen.warn(f"LEFT OUT: {error}")
    for run, reason in incomplete(readable).items():
        readable.remove(run)
        left_out[os.fspath(run)] = reason
        screen.warn(f"LEFT OUT: {run.folder}: {reason}")
    if not readable:
        message = f"compare: none of {len(runs)} runs can be compared"
        raise TextgenError(message, "the lines above say why each is left out")
    return readable, left_out


def folder_name(names: Sequence[str]) -> str:
    """The name of a report's folder; an arm's name may contain a part of a path."""
    joined = "-".join(name[:MAX_NAME_CHARACTERS] for name in names[:4])
    if len(names) > 4:
        joined += "-and-others"
    return re.sub(r'[<>:"/\\|?*]', "_", joined)


def every_pair(names: Sequence[str]) -> list[Contrast]:
    """Each arm against every arm before it."""
    contrasts = list[Contrast]()
    for other, name in combinations(names, 2):
        question = f"{sentences.be(name).capitalize()} {name} better than {other}?"
        contrasts.append(Contrast(name, other, question, "first is lower"))
    return contrasts


def embedded(arms: Sequence[Arm], wanted: Sequence[str], screen: Screen) -> Models:
    """What a page needs of models that are asked in it, each the first seed of its arm.

    Args:
        arms: those of the report.
        wanted: names of arms; all if empty.
        screen: warns of what cannot be taken along.

    Raises:
        TextgenError: a name that is not that of an arm.
    """
    names = [arm.name for arm in arms]
    if unknown := [name for name in wanted if name not in names]:
        message = f"--embed: no arm {', '.join(unknown)}; the arms are {', '.join(names)}"
        raise TextgenError(message, "name some of these arms, or none to embed all")
    packed = dict[str, str]()
    left_out = dict[str, str]()
    for arm in arms:
        if wanted and arm.name not in wanted:
            continue
        try:
            packed[arm.name] = portable_model(arm.first)
        except TextgenError as error:
            left_out[arm.name] = error.message
            screen.warn(f"{arm.name}: not in the page: {error.message}")
    return {"packed": packed, "left_out": left_out}


def words_link(arms: Sequence[Arm], texts: Texts, documents: Sequence[Document]) -> str:
    """The words of the passages that begin a document, which cost no reading of what comes before
    them, as ``textgen score --words`` writes them: the address of a CSV, under the first run of
    every arm whose words are known. Empty if there are none, or a tokenizer cannot tell them."""
    runs = dict[str, Run]()
    for arm in arms:
        with suppress(TextgenError):  # those that cannot tell words
            arm.first.check_words()
            runs[arm.name] = arm.first
    if not runs:
        return ""
    tested = {document.name for document in documents}
    beginnings = {
        passage.document: passage.text
        for passage in texts.passages
        if passage.start == 0 and passage.document in tested
    }
    try:
        rows = word_rows(runs, [(name, text, "") for name, text in beginnings.items()])
    except TextgenError:
        return ""
    if not rows:
        return ""
    return "data:text/csv;base64," + base64.b64encode(csv_bytes(rows)).decode()


def result_lines(report: Report) -> list[str]:
    """The answer, its one *but*, how far it can be trusted, how much more compute the worse model
    needed, the best model without a network, how far ahead of networks that were trained elsewhere
    the runs are, and the answer without jargon."""
    claims = sentences.claims(report)
    if not claims:
        return []
    lines = [str(claims[0]), but(report, claims[0]), claims[0].caveat]
    if claims[0].contrast and (factor := sentences.factor(claims[0].contrast)):
        lines.append(factor)
    without = sentences.without_network(report)
    best = report.scored[0].name
    if best in without:
        lines.append(without[best])
    for row in report.references:
        if row.part == "network":
            lines.append(f"Compared with {row.label}, {sentences.leads(row)}")
    if plain := in_plain_words(report, claims[0]):
        lines.append(plain)
    return lines


def closing_lines(report: Report) -> list[str]:
    """The answer, how many times the compute the worse model needed, the one *but* and what to do
    about it, and how the best model without a network does beside the best one with."""
    what_to_do = str(report.next_step or "")
    claims = sentences.claims(report)
    if not claims:
        return [what_to_do]
    claim = claims[0]
    factor = sentences.factor(claim.contrast) if claim.contrast else ""
    without = sentences.without_network(report).get(report.scored[0].name, "")
    lines = [str(claim), factor, but(report, claim), what_to_do, without]
    return [line for line in lines if line]


def show(screen: Screen, folder: Path, report: Report, texts: Texts) -> None:
    """Print a report: the answers, the table, a line of what each model wrote, warnings, and where
    it lies."""
    answer, *qualifications = result_lines(report) or [""]
    screen.say(answer, "bold")
    for line in qualifications:
        screen.say(line)
    lines = [(str(sentences.contrast_claim(contrast)), contrast) for contrast in report.contrasts]
    lines.sort(key=lambda pair: pair[0] != answer)  # the one that was answered first
    for line, contrast in lines:
        if line != answer:
            said = (line, sentences.unequal(contrast.unequal), sentences.factor(contrast))
            screen.say(" ".join(filter(None, said)))
        if contrast.parts:
            loud = screen.warn if sentences.answers_otherwise(contrast) else screen.say
            loud(sentences.by_other_parts(contrast))
    parts = [part for part in PARTS if any(part in arm.parts for arm in report.ranked)]
    table = Table(title="bits per character", title_justify="left", box=None)
    table.add_column("model", no_wrap=True)
    labels = (PART_LABELS[part] for part in parts)
    for column in (*labels, f"{PART_LABELS[report.part]}, 95%"):
        table.add_column(column, justify="right")
    for arm in report.ranked:
        name = arm.name if arm.same_text else f"{arm.name} (on another text)"
        totals = [_total(arm.parts.get(part), ".3f") for part in parts]
        table.add_row(Text(visible(name)), *totals, between(arm.test))
    for row in sorted(report.references, key=lambda row: row.test.total):
        bits = {row.part: row.test, "with_cache": row.with_cache}
        totals = [_total(bits.get(part), ".3f") for part in parts]
        table.add_row(Text(visible(row.label)), *totals, between(row.test), style="dim")
    screen.console.print(table)
    for _, line in sentences.audits(report):
        screen.say(line)
    for sample in texts.samples[:1]:
        for name, written in sample.arms.items():
            line = " ".join(f"{sample.prompt}{written.text}".split())
            screen.say(f"{name} wrote: {line[:MAX_WRITTEN_CHARACTERS]} …")
    for caution in report.warnings:
        if caution.foremost:
            screen.warn(str(caution))
        else:
            screen.say(str(caution))
    screen.say(report.signature)
    screen.say(f"{folder}/index.html")
