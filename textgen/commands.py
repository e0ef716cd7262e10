"""What each command does; :mod:`textgen.cli` parses its arguments.

Each returns an exit code, or None for 0.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from textgen.auditing.audit import audit_model
from textgen.auditing.claims import parse_claim
from textgen.core.errors import TextgenError, json_line, visible
from textgen.core.experiment import (
    TextSettings,
    apply_overrides,
    find_experiment,
    load_experiment,
    resolve_text,
)
from textgen.core.files import kind_of
from textgen.core.plugins import lookup, plugin_table, suggestion
from textgen.core.study import json_schema
from textgen.data.language import Language
from textgen.data.loading import load_corpus
from textgen.data.reading import read_text
from textgen.data.statistics import corpus_statistics, print_statistics
from textgen.evaluation import references
from textgen.interactive.models import open_models
from textgen.interactive.server import listen, serve
from textgen.report.comparison import compare_runs
from textgen.runs.console import Screen, print_part, print_passage
from textgen.runs.finished import generate_text, score_part, score_text
from textgen.runs.folder import check_folder
from textgen.runs.generation import annotated
from textgen.runs.pipeline import train
from textgen.studies.execution import run_study
from textgen.tokenizers.words.tokenizer import language_warnings


def run(**options: Any) -> None:
    train(**options)


def study(**options: Any) -> None:
    run_study(**options)


def compare(runs: Sequence[Path], **options: Any) -> None:
    for folder in runs:
        check_folder(folder)
    compare_runs(runs, **options)


def generate(run: Path, prompt: str, *, marked: bool, json: bool, **options: Any) -> None:
    records = generate_text(run, prompt, **options)
    if options["seed"] is None and not json:
        print(f"--seed {records[0]['seed']} repeats this", file=sys.stderr)
    for number, record in enumerate(records, 1):
        if json:
            print(json_line(record))
            continue
        if len(records) > 1:
            print(f"\n── sample {number} of {len(records)} " + "─" * 40)
        text = annotated(record) if marked else record["text"]
        print(visible((record["prompt"] if options["method"] == "sample" else "") + text))


def play(runs: Sequence[Path], port: int) -> None:
    if not 0 <= port < 2**16:
        raise TextgenError(f"--port: {port} is not from 0 to 65535")
    listening = listen(port)
    print("loading the models …", flush=True)
    models = open_models(runs, lambda model: print(f"{visible(model.name)} is ready", flush=True))
    serve(models, listening, lambda page: print(f"\n{page}\nCtrl-C ends it", flush=True))


def audit(
    model: str,
    *,
    text: str | None,
    file: Path | None,
    claim: str | None,
    unit: str,
    end_counted: bool,
    divided_by: int | None,
    no_end: bool,
    memory: bool,
    output: Path | None,
    json: bool,
) -> int:
    result = audit_model(
        model,
        _passage(text, file),
        claim=parse_claim(claim, unit, end_counted, divided_by),
        memory=memory,
        end=not no_end,
        say=partial(print, file=sys.stderr, flush=True),
    )
    print(json_line(asdict(result), indent=2) if json else result)
    result.save(output)
    return 0 if result.passed else 1


def score(run: Path, *, text: str | None, file: Path | None, part: str | None, json: bool) -> None:
    if part is not None:
        figures = score_part(run, part)
        print(json_line(figures)) if json else print_part(figures)
        return
    bits = score_text(run, _passage(text, file))
    print(json_line(bits)) if json else print_passage(bits)


def _passage(text: str | None, file: Path | None) -> str:
    """The text of ``--text`` or ``--file``."""
    if file is not None:
        if (kind := kind_of(file)) != "a file":
            hint = "correct the path, or give the passage as --text"
            raise TextgenError(f"{file}: {kind}", hint)
        text = read_text(file)
    if not text:
        raise TextgenError(f"{file or '--text'}: no text")
    return text


def corpus(corpus: str | None, *, overrides: Sequence[str], json: bool) -> None:
    kinds = plugin_table("corpus")
    if corpus is None:
        classes = {kind: lookup("corpus", kind) for kind in sorted(kinds)}
        docs = {kind: (cls.__doc__ or "").partition("\n")[0] for kind, cls in classes.items()}
        lines = (f"{kind:<12}{doc}" for kind, doc in docs.items())
        print(json_line(docs, indent=2) if json else "\n".join(lines))
        return
    settings: TextSettings
    if corpus in kinds:
        settings = resolve_text(apply_overrides({"corpus": {"kind": corpus}}, overrides))
    elif corpus.endswith(".toml") or kind_of(find_experiment(corpus)) == "a file":
        settings = load_experiment(corpus, overrides)
    else:
        message = "neither a kind of corpus nor an experiment"
        raise TextgenError(f"{corpus}: {message}", suggestion(corpus, kinds))
    statistics = corpus_statistics(settings)
    tokenizer = getattr(settings, "tokenizer", None)
    statistics["warnings"] += language_warnings(tokenizer, Language(**statistics["language"]))
    print(json_line(statistics, indent=2)) if json else print_statistics(statistics)


def baseline(
    experiment: Path,
    *,
    kind: str | None,
    orders: Sequence[int],
    command: str | None,
    overrides: Sequence[str],
    json: bool,
) -> None:
    if kind is None:
        kind = "kneser_ney" if command is None else "command"
    references.make_baselines(kind, orders, command)  # errors come before any work
    settings = load_experiment(experiment, overrides)
    loaded, screen = load_corpus(settings), Screen(quiet=json)
    screen.corpus(settings, loaded)
    records = references.baseline(settings, loaded, orders, kind=kind, command=command)
    if not json:
        screen.baselines(loaded, list(records))
        return
    for record in records:
        print(json_line(record), flush=True)


def schema(study: bool) -> None:
    print(json_line(json_schema(study=study), indent=2))
