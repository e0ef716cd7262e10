"""The terminal: what a run reads, its stages with their progress, its result; and the commands
``textgen generate`` and ``textgen score``."""

import contextlib
import csv
import io
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.text import Text

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.files import PathKind, csv_bytes, kind_of, write_file
from textgen.core.progress import Moved, ignore
from textgen.core.terminal import command_line, json_line, lenient, visible
from textgen.data.assigned import name_some
from textgen.data.documents import NotText, count_characters, read_text
from textgen.data.language import Language
from textgen.data.loading import (
    Corpus,
    corpus_warnings,
    left_out_lines,
    split_lines,
)
from textgen.evaluation.baselines import BaselineRecord
from textgen.evaluation.surprisal import find_words
from textgen.evaluation.units import NOTHING, PART_LABELS, UNCHARGED
from textgen.models.types import Network
from textgen.runs.finished import Run, generate_text, load_run, score_split
from textgen.runs.generation import MAX_NAMED, name_character
from textgen.runs.results import Metrics, Records, SplitFigures, figure_table, verdict
from textgen.tokenizers.fitting import language_warnings
from textgen.training.checkpoint import Progress
from textgen.training.preparation import Prepared

SAVE_AS_UTF8 = "save it as UTF-8"
NOT_COMPARED = "not compared with the training text: {}"
MAX_SHOWN = 40  # characters of a line of a document
STATISTICS = """{kind}  {origin}
licence: {licence}
sha256 {sha256:.16}…  split {split_sha256:.16}…
{documents} documents, {characters:,} characters, {distinct_characters} distinct
{words:,} words, {distinct_words:,} distinct, {words_that_occur_once:,} of them occur once
train part: {train[documents]} documents, {train[characters]:,} characters
validation part: {validation[documents]} documents, {validation[characters]:,} characters
test part: {test[documents]} documents, {test[characters]:,} characters"""
# Between two lines in a pipe, which shows no bar
LINE_SECONDS = 15.0
# Characters of a field of a CSV, such as a whole book; no larger number is a C long everywhere
MAX_FIELD = 2**31 - 1
# How much of a sample is printed at the end
MAX_SAMPLE_CHARACTERS = 600
# A stretch of text has the first colour whose limit, in bits per character, it does not exceed; the
# last colour if it exceeds all
LIMITS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
COLUMNS_OF_THE_TEXT = ("index", "word", "start", "end", "characters")
COLOURS = ("grey50", "default", "cyan", "green", "yellow", "dark_orange", "red")


class Screen:
    """Prints to the terminal, or nothing when quiet; warnings are printed all the same.

    Args:
        quiet: print only warnings.
        line_seconds: in a pipe, between two lines about work that goes on; None: LINE_SECONDS.
    """

    def __init__(self, quiet: bool = False, line_seconds: float | None = None) -> None:
        self.quiet = quiet
        self._line_seconds = line_seconds
        self.console = Console(highlight=False, quiet=quiet, file=lenient(sys.stdout))
        self.loud = Console(highlight=False, stderr=True)
        self._shown = contextlib.ExitStack()

    def say(self, text: str, style: str = "") -> None:
        """A line, or lines; in a pipe they are not wrapped."""
        self.console.print(Text(visible(text), style), soft_wrap=not self.console.is_terminal)

    def warn(self, text: str) -> None:
        self.loud.print(Text(visible(text), "bold red"), soft_wrap=not self.loud.is_terminal)

    def advise(self, warning: str) -> None:
        """What a result will suffer from, before the work."""
        self.say(f"warning: {warning}", "bold yellow")

    @contextlib.contextmanager
    def stage(self, text: str = "") -> Iterator[Callable[[int, int], None]]:
        """A part of the work: its name if it has one, a bar and the time that has elapsed. The
        function that is given moves the bar to (done, total)."""
        if text:
            self.say(f"{text} …")
        bar = self.show_bar(BarColumn(), TimeElapsedColumn(), TextColumn("elapsed"))
        task = bar.add_task("", total=None)
        try:
            yield lambda done, total: bar.update(task, completed=done, total=total)
        finally:
            self._shown.close()

    def show_bar(self, *columns: ProgressColumn, keep: bool = False) -> Bar:
        """Show another bar until the stage ends; it stays on the screen if it is to be kept. In a
        pipe its text is a line now and then."""
        self._shown.close()
        is_shown = self.console.is_terminal and not self.quiet
        bar = Bar(*columns, console=self.console, transient=not keep, disable=not is_shown)

        def line() -> str:
            cells = [column(task) for task in bar.tasks for column in columns]
            return " ".join(str(cell) for cell in cells if isinstance(cell, Text))

        if is_shown:
            self._shown.enter_context(bar)
        else:
            self._shown.enter_context(self.lines(line))
        return bar

    @contextlib.contextmanager
    def lines(self, text: Callable[[], str]) -> Iterator[None]:
        """Say a line, or several, now and then while this lasts."""
        seconds = self._line_seconds or LINE_SECONDS
        ended = Event()

        def repeat() -> None:
            while not ended.wait(seconds):
                for line in text().splitlines():
                    self.say(f"  {line}")

        thread = Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def corpus(self, experiment: Experiment, loaded: Corpus, *others: Experiment) -> None:
        """The text, its parts, and what to be warned of; ``others`` read the same text."""
        if loaded.warning:
            self.warn(loaded.warning)
        parts = ", ".join(
            f"{part} {len(documents)} {loaded.unit} {count_characters(documents):,} characters"
            for part, documents in loaded.parts.items()
        )
        text = f"corpus {loaded.kind}, language: {loaded.language}\n  {parts}"
        self.say(text if others else f"{experiment.name}: {text}")
        if loaded.how:
            self.say("\n".join(f"  {line}" for line in split_lines(loaded.names, loaded.how)))
        if loaded.is_sampled:
            size = sum(document.characters for document in loaded.sample)
            self.say(f"  the tokenizer is fitted on a sample of {size:,} characters")
        warnings = corpus_warnings(experiment, loaded)
        for arm in (experiment, *others):
            warnings += [*arm.left_out, *language_warnings(arm.tokenizer, loaded.language)]
        for warning in dict.fromkeys(warnings):
            self.advise(warning)

    def statistics(self, statistics: Mapping[str, Any], documents: bool = False) -> None:
        """What :func:`textgen.data.statistics.corpus_statistics` has returned, and how its
        ``documents`` begin and end."""
        outside = statistics["outside_vocabulary"].items()
        shares = ", ".join(f"{least}: {share:.1%}" for least, share in outside)
        lines = [
            STATISTICS.format(**statistics),
            f"held-out words outside the vocabulary, by minimum count: {shares}",
            f"language: {Language(**statistics['language'])}",
            *split_lines(statistics["names"], statistics.get("division", "")),
            *left_out_lines(statistics["not_read"]),
        ]
        if documents:
            for document in statistics["read"]:
                size = f"{document['characters']:,} characters"
                first, last = document["first"][:MAX_SHOWN], document["last"][:MAX_SHOWN]
                lines.append(f"  {document['name']}: {size}: {first} … {last}")
        self.say("\n".join(lines))
        for warning in statistics["warnings"]:
            self.advise(warning)

    def model(self, experiment: Experiment, prepared: Prepared, network: Network) -> None:
        """What is trained, and what was prepared for it."""
        tokenizer = prepared.tokenizer
        self.say(
            f"  {tokenizer.size:,} tokens of {tokenizer.characters_per_token:.2f} characters, "
            f"{experiment.backbone.label}, {network.count_params():,} parameters; context: "
            f"{experiment.objective.context}\n"
            f"  prepared in {prepared.seconds:.1f} s (counts towards a budget in seconds)"
        )
        self._external(prepared.extra_data)

    def _external(self, extra_data: Sequence[str]) -> None:
        for data in extra_data:
            self.say(f"  uses external resources: {data}")

    def result(self, folder: Path, warning: str, metrics: Metrics, samples: Records) -> None:
        """The verdict, the figures, a sample, the warning of the corpus, and where the rest is."""
        splits = {"validation": metrics.validation, "test": metrics.test}
        self.say(f"{verdict(metrics)}\n\n{figure_table(splits)}")
        sample = samples[-1]
        self.say(f"\nSample at temperature {sample['temperature']}:\n")
        self.say((sample["prompt"] + sample["text"])[:MAX_SAMPLE_CHARACTERS], "green")
        if warning:
            self.warn(f"\n{warning}")
        self.say(
            f"\nwritten to {folder}/ (summary.md, metrics.json)\n"
            f"more text: textgen generate {folder} --prompt …"
        )

    def baselines(self, loaded: Corpus, records: Sequence[BaselineRecord]) -> None:
        """The records of :func:`textgen.evaluation.baselines.baseline`, all of one kind."""
        first = records[0]
        name = first["command"] or first["baseline"]
        if not first["tokenizer"]:
            name += " (on the text itself, not the experiment's tokens)"
        self.say(f"  {name} on the test part of {loaded.kind}, {first['unit']}")
        self._external(first["extra_data"])
        tests = {
            f"order {record['order'] or NOTHING}": SplitFigures.model_validate(record["test"])
            for record in records
        }
        self.say(figure_table(tests))


class TrainingDisplay:
    """A bar with bits and speed, and a line for every validation.

    Args:
        screen: where it is shown.
        prepared: the documents that the network learns from.
    """

    def __init__(self, screen: Screen, prepared: Prepared) -> None:
        self.screen = screen
        training = prepared.encoded[0]
        tokens = sum(len(document.tokens) + 1 for document in training)
        characters = sum(document.characters + 1 for document in training)
        self._characters_per_token = characters / tokens
        # of rare words that are replaced, the network's bits are those of the placeholder alone
        self._part = " (model)" if any(document.replaced for document in training) else ""
        self._unit = "bpc" if prepared.tokenizer.charged else "bits per character kept"

    def start(self, progress: Progress) -> None:
        """Show the bar, and what is validated."""
        self._characters_per_update = progress.characters_per_update
        self._begin_interval(progress)
        if progress.updates:
            self.screen.say(f"  resuming at update {progress.updates:,} of {progress.end:,}")
        if progress.validation_share < 1:
            share = f"{progress.validation_share:.0%} of the validation text"
            self.screen.say(f"  {progress.updates_planned:,} updates, validated on {share}")
        self._bar = self.screen.show_bar(
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} updates"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            keep=True,
        )
        self._task = self._bar.add_task("", total=progress.end, completed=progress.updates, note="")

    def _begin_interval(self, progress: Progress) -> None:
        """Speed is measured from here."""
        self._first_update = progress.updates
        self._interval_start = time.perf_counter()

    def update(self, updates: int, bits_per_token: float) -> None:
        """Move the bar."""
        characters = (updates - self._first_update) * self._characters_per_update
        speed = characters / (time.perf_counter() - self._interval_start)
        note = f"training {self._bits(bits_per_token)}  {speed / 1000:,.1f}k characters/s"
        self._bar.update(self._task, completed=updates, note=note)

    def _bits(self, bits_per_token: float) -> str:
        return f"{bits_per_token / self._characters_per_token:.3f}{self._part} {self._unit}"

    def validated(self, progress: Progress) -> None:
        """Print the figures of the last interval."""
        row = progress.history[-1]
        interval = len(progress.history)
        line = (
            f"  {interval}/{progress.intervals}  update {progress.updates:,}  "
            f"{row['seconds']:.0f} s  train {self._bits(row['training_bits_per_token'])}  "
            f"validation {row['validation_bits_per_character']:.3f} {self._unit}"
        )
        if progress.best_interval == interval:
            line += "  best"
        self.screen.say(line)
        if progress.cooling_start > 0 and progress.cooling_start == progress.updates:
            back = f"back to the best weights, update {progress.cooled_from:,}; the rate falls to 0"
            self.screen.say(f"  {back} over {progress.cooling_updates:,} updates")
            self._bar.update(self._task, total=progress.end)
        self._begin_interval(progress)


def generate(
    run: Path, others: Sequence[Path], prompt: str, *, marked: bool, json: bool, **options: Any
) -> None:
    """``textgen generate``: print texts of a run.

    Args:
        run: its folder.
        others: further folders, which are refused with the command that prompts several runs.
        prompt, options: as :func:`textgen.runs.finished.generate_text` takes them.
        marked: whether words that fill placeholders are marked.
        json: whether records are printed.

    Raises:
        TextgenError: several runs; or as :func:`textgen.runs.finished.generate_text`.
    """
    if others:
        command = command_line(["textgen", "play", *map(str, (run, *others))])
        message = f"generate: several runs ({', '.join(map(str, (run, *others)))})"
        raise TextgenError(message, f"give one, or prompt them side by side: {command}")
    records = generate_text(run, prompt, **options)
    if options["seed"] is None and not json:
        print(f"--seed {records[0]['seed']} repeats this text", file=sys.stderr)
    for number, record in enumerate(records, 1):
        if json:
            print(json_line(record))
            continue
        if len(records) > 1:
            print(f"\n── sample {number} of {len(records)} " + "─" * 40)
        text = _marked(record) if marked else record["text"]
        if options["method"] == "sample":
            text = record["prompt"] + text
        print(visible(text))


def _marked(record: Mapping[str, Any]) -> str:
    """A sample with the words that fill placeholders marked: ``[Nahum NNP]``."""
    text = record["text"]
    marked = ""
    done = 0
    for start, stop, token in record["filled"]:
        marked += f"{text[done:start]}[{text[start:stop]} {token}]"
        done = stop
    return marked + text[done:]


def score(
    runs: Sequence[Path],
    *,
    text: str | None,
    file: Path | None,
    split: str | None,
    items: Path | None,
    part: str,
    json: bool,
    words: Path | None,
    entropy: bool,
) -> None:
    """``textgen score``, which is given a text, a file, a split, or items."""
    if words is not None:
        if split is not None or json:
            other = "--json" if json else "--split"
            raise TextgenError(f"--words cannot be combined with {other}")
        passages = read_items(items) if items else [("1", read_passage(text, file), "")]
        score_words(runs, passages, words, entropy)
        return
    if items or entropy or len(runs) > 1:
        message = "--items, --entropy and several runs need --words"
        raise TextgenError(message, "add --words FILE.csv, or leave them out")
    opened = load_run(runs[0])
    opened.experiment.check_part(part)
    if split is not None:
        figures = score_split(opened, split)
        if json:
            print(json_line(figures))
        else:
            print_split(figures)
        return
    passage = read_passage(text, file)
    bits = opened.score(passage)
    seen = None
    try:
        seen = opened.seen_in_training(passage)
        notes = list(familiarity([("", seen)]))
    except TextgenError as error:
        notes = [NOT_COMPARED.format(error.message)]
    if json:
        print(json_line(bits | {"training_text": seen}))
        return
    print_passage(bits, part)
    for line in notes:
        print(f"note: {visible(line)}")


def score_words(
    folders: Sequence[Path], passages: Sequence[tuple[str, str, str]], path: Path, entropy: bool
) -> None:
    """Write the words of passages (item, text, context) under runs as CSV."""
    can_be_written = kind_of(path) in (PathKind.FILE, PathKind.MISSING)
    if not can_be_written or kind_of(path.parent) is not PathKind.FOLDER:
        raise TextgenError(f"--words {path}: no file can be written there")
    runs = {run.folder.resolve().name: run for run in map(load_run, folders)}
    if len(runs) < len(folders):
        raise TextgenError(f"{', '.join(map(str, folders))}: two runs have the same name")
    for run in runs.values():
        run.check_words()
    if not any(find_words(text) for _, text, _ in passages):
        raise TextgenError("the text has no words, only white space: nothing was written")
    screen = Screen(quiet=not sys.stdout.isatty())
    with screen.stage() as moved:
        rows = word_rows(runs, passages, entropy, moved)
    write_file(path, csv_bytes(rows))
    print(f"{len(rows):,} words → {visible(str(path))}")
    notes = training_notes(runs, [(item, text) for item, text, _ in passages])
    for line in notes:
        print(f"note: {visible(line)}")


def training_notes(runs: Mapping[str, Run], passages: Sequence[tuple[str, str]]) -> list[str]:
    """What is known of passages (item, text) from the training texts of runs, by name; each line
    names runs that others differ from."""
    found = dict[str, list[str]]()  # a training text → lines
    of_run = dict[str, list[str]]()
    for name, run in runs.items():
        text = run.metrics.corpus.split_sha256
        if text not in found:
            try:
                seen = [(item, run.seen_in_training(passage)) for item, passage in passages]
                found[text] = list(familiarity(seen))
            except TextgenError as error:
                found[text] = [NOT_COMPARED.format(error.message)]
        of_run[name] = found[text]
    if len(found) == 1:
        return next(iter(found.values()))
    return [f"{name}: {line}" for name, lines in of_run.items() for line in lines]


def word_rows(
    runs: Mapping[str, Run],
    passages: Sequence[tuple[str, str, str]],
    entropy: bool = False,
    moved: Moved = ignore,
) -> list[dict[str, Any]]:
    """The words of passages (item, text, context) under runs, by name, side by side; ``moved`` is
    called with how many characters are read, and how many there are."""
    rows = list[dict[str, Any]]()
    read = 0
    total = len(runs) * sum(len(text) + len(context) for _, text, context in passages)
    for item, text, context in passages:
        size = len(text) + len(context)
        tables = list[list[dict[str, Any]]]()
        for run in runs.values():
            moved_here = _moved_on(moved, read, size, total)
            tables.append(run.words(text, context, entropy=entropy, moved=moved_here))
            read += size
        for records in zip(*tables, strict=True):
            row: dict[str, Any] = {"item": item}
            for name, record in zip(runs, records, strict=True):
                for column, value in record.items():
                    is_of_run = len(runs) > 1 and column not in COLUMNS_OF_THE_TEXT
                    row[f"{name}_{column}" if is_of_run else column] = value
            rows.append(row)
    return rows


def _moved_on(moved: Moved, read: int, size: int, total: int) -> Moved:
    """What reads one of several passages calls with how many of its tokens are read, and how many
    it has; it tells ``moved`` how many characters are read of all passages.

    Args:
        moved: is told.
        read: characters of the passages before.
        size: characters of the passage.
        total: characters of all passages.
    """

    def of_passage(done: int, tokens: int) -> None:
        moved(read + size * done // tokens, total)

    return of_passage


def read_items(path: Path) -> list[tuple[str, str, str]]:
    """The rows of a CSV of items: item, text, context.

    Raises:
        TextgenError: it has no such columns, no rows, or one without an item or a text.
    """
    csv.field_size_limit(MAX_FIELD)
    reader = csv.DictReader(io.StringIO(read_passage(None, path), newline=""))
    columns = reader.fieldnames or []
    if "item" not in columns or "text" not in columns:
        found = ", ".join(columns) or "none"
        message = f"{path}: expected the columns item and text, found {found}"
        raise TextgenError(message, "the first line names the columns, separated by commas")
    items = list[tuple[str, str, str]]()
    for row in reader:
        if row["item"] is None or row["text"] is None:
            message = f"{path}: the row that ends in line {reader.line_num} lacks an item or a text"
            raise TextgenError(message, "put a text with commas or line ends in quotation marks")
        items.append((row["item"], row["text"], row.get("context") or ""))
    if not items:
        raise TextgenError(f"{path}: no items", "write one in each row below the first line")
    return items


def familiarity(passages: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Sentences about passages, each named by its item: of every one, what
    :meth:`textgen.runs.finished.Run.seen_in_training` returned."""
    these = "this passage" if len(passages) == 1 else "these passages"
    whole = [item for item, seen in passages if seen["whole"]]
    copied = [part for _, seen in passages if not seen["whole"] for part in seen["copied"]]
    if whole and len(passages) == 1:
        yield "the training text contains this whole passage: its bits are not those of unseen text"
    elif whole:
        yield (
            f"the training text contains the whole passages {name_some(whole, MAX_NAMED)}: "
            "their bits are not those of unseen text"
        )
    if copied:
        number = sum(len(part) for part in copied)
        longest = max(copied, key=len)
        yield f"the training text contains {number:,} characters of {these}, e.g. “{longest}”"
    new = dict.fromkeys(c for _, seen in passages for c in seen["new_characters"])
    if new:
        names = [name_character(character) for character in new]
        yield f"the training text does not contain {name_some(names, MAX_NAMED)}"
    other = dict[str, str]()
    for _, seen in passages:
        other |= seen["other_spellings"]
    if other:
        forms = [f"{form} for {word}" for word, form in other.items()]
        yield f"the training text writes {name_some(forms, MAX_NAMED)}"


def read_passage(text: str | None, file: Path | None) -> str:
    """The text of ``--text`` or ``--file``."""
    if file == Path("-"):
        try:
            text = io.TextIOWrapper(sys.stdin.buffer, "utf-8-sig").read()
        except (AttributeError, UnicodeDecodeError):  # closed, or of another encoding
            raise TextgenError("--file -: standard input is not UTF-8 text") from None
    elif file is not None:
        try:
            text = read_text(file, cure=SAVE_AS_UTF8)
        except NotText as error:
            raise TextgenError(error.message, SAVE_AS_UTF8) from None
    if not text:
        raise TextgenError(f"{file or '--text'}: no text")
    return text


def print_split(score: Mapping[str, Any]) -> None:
    """What :func:`textgen.runs.finished.score_split` returned."""
    size = f"{score['documents']} documents, {score['characters']:,} characters"
    print(f"{size}; bits per character:\n")
    print(figure_table({score["split"]: SplitFigures.model_validate(score)}))
    if score["split"] != "test":
        print("\nthe model was fitted to this text: these bits are not those of unseen text")


def print_passage(score: Mapping[str, Any], part: str) -> None:
    """What :meth:`textgen.runs.finished.Run.score` returned: the text, coloured by its bits per
    character under a part of the model, and the sums of all parts."""
    number = score["characters"]
    characters = "1 character" if number == 1 else f"{number:,} characters"
    if score["parts"][part]["total"] is None:
        print(f"{characters}: {UNCHARGED}: this model drops text without being charged for it")
        return
    shown = Text()
    for stretch in score["stretches"]:
        text = stretch["text"]
        shown.append(visible(text), COLOURS[bisect_left(LIMITS, stretch[part] / len(text))])
    shown.append(f"\n\nbits per character, {PART_LABELS[part]}: ", "default")
    for limit, colour in zip((*map(str, LIMITS), "more"), COLOURS, strict=True):
        shown.append(f" {limit} ", colour)
    Console(highlight=False).print(shown)
    print(characters)
    for name, bits in score["parts"].items():
        print(
            f"{PART_LABELS[name]}: {bits['bits_per_character_without_end']:.4f} bits per character "
            f"without the end mark, {bits['bits_per_character']:.4f} with it\n"
            f"  model {bits['model']:,.1f} + spelling {bits['spelling']:,.1f} = "
            f"{bits['total']:,.1f} bits, of which the end mark costs {bits['end']:,.1f}"
        )
