"""What each command does with its arguments; :mod:`textgen.cli` parses them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from difflib import get_close_matches
from functools import partial

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
from textgen.core.plugins import lookup, plugin_table
from textgen.core.study import json_schema
from textgen.data.language import Language
from textgen.data.loading import load_corpus
from textgen.data.reading import read_text
from textgen.data.statistics import corpus_statistics, print_statistics
from textgen.evaluation import references
from textgen.interactive.models import open_models
from textgen.interactive.server import listen, serve
from textgen.report.comparison import compare_runs
from textgen.runs.console import Screen
from textgen.runs.finished import generate_text, load_run, score_text
from textgen.runs.folder import check_folder
from textgen.runs.generation import annotated
from textgen.runs.pipeline import train
from textgen.runs.scoring import print_part, print_passage, score_part
from textgen.studies.execution import run_study
from textgen.tokenizers.words.tokenizer import language_warnings

Given = argparse.Namespace


def run(given: Given) -> None:
    train(
        given.experiment, overrides=given.set, name=given.name, runs_folder=given.runs,
        overwrite=given.overwrite, quiet=given.quiet,
    )  # fmt: skip


def study(given: Given) -> None:
    run_study(
        given.study, runs_folder=given.runs, reports_folder=given.reports, workers=given.workers,
        address=given.address, overwrite=given.overwrite, quiet=given.quiet,
    )  # fmt: skip


def compare(given: Given) -> None:
    for folder in given.runs:
        check_folder(folder)
    compare_runs(
        given.runs, name=given.name, title=given.title,
        different_texts=given.different_texts, embed=given.embed,
        reports_folder=given.reports, quiet=given.quiet,
    )  # fmt: skip


def generate(given: Given) -> None:
    names = "length temperature top_k top_p seed samples method fill memory".split()
    options = {name: getattr(given, name) for name in names}
    records = generate_text(given.run, given.prompt, **options)
    if given.seed is None and not given.json:
        print(f"--seed {records[0]['seed']} repeats this", file=sys.stderr)
    for number, record in enumerate(records, 1):
        if given.json:
            print(json_line(record))
            continue
        if len(records) > 1:
            print(f"\n── sample {number} of {len(records)} " + "─" * 40)
        text = annotated(record) if given.marked else record["text"]
        print(visible((record["prompt"] if given.method == "sample" else "") + text))


def play(given: Given) -> None:
    if not 0 <= given.port < 2**16:
        raise TextgenError("--port", found=str(given.port), expected="0 to 65535")
    listening = listen(given.port)
    print("loading the models …", flush=True)
    readers = open_models(
        given.runs, lambda reader: print(f"{visible(reader.label)} is ready", flush=True)
    )
    serve(readers, listening, lambda page: print(f"\n{page}\nCtrl-C ends it", flush=True))


def audit(given: Given) -> int:
    found = audit_model(
        given.model,
        _passage(given),
        claim=parse_claim(given.claim, given.unit, given.end_counted, given.divided_by),
        memory=given.memory,
        end=not given.no_end,
        say=partial(print, file=sys.stderr, flush=True),
    )
    print(json.dumps(asdict(found), indent=2, ensure_ascii=False) if given.json else found)
    found.save(given.output)
    return 0 if found.passed else 1


def score(given: Given) -> None:
    if given.part is not None:
        part = score_part(load_run(given.run), given.part)
        print(json_line(part)) if given.json else print_part(part)
        return
    found = score_text(given.run, _passage(given))
    print(json_line(found)) if given.json else print_passage(found)


def _passage(given: Given) -> str:
    """The text of ``--text`` or ``--file``."""
    text = given.text
    if given.file is not None:
        if (kind := kind_of(given.file)) != "a file":
            hint = "correct the path, or give the passage as --text"
            raise TextgenError(str(given.file), found=kind, expected="a text file", hint=hint)
        text = read_text(given.file)
    if not text:
        where = "--text" if given.file is None else str(given.file)
        raise TextgenError(where, found="no text", expected="at least one character")
    return str(text)


def corpus(given: Given) -> None:
    if given.corpus is None:
        kinds = {
            kind: (lookup("corpus", kind, "corpus").__doc__ or "").partition("\n")[0]
            for kind in sorted(plugin_table("corpus"))
        }
        lines = (f"{kind:<12}{doc}" for kind, doc in kinds.items())
        print(json_line(kinds, indent=2) if given.json else "\n".join(lines))
        return
    experiment = _corpus_experiment(given)
    found = corpus_statistics(experiment)
    tokenizer = getattr(experiment, "tokenizer", None)
    found["warnings"] += language_warnings(tokenizer, Language(**found["language"]))
    print(json_line(found, indent=2)) if given.json else print_statistics(found)


def _corpus_experiment(given: Given) -> TextSettings:
    """The experiment of this name, or the settings of this kind of corpus."""
    settings = {"path": given.path and str(given.path)}
    settings |= {"encoding": given.encoding, "keep": given.keep}
    options = {key: value for key, value in settings.items() if value is not None}
    kinds = plugin_table("corpus")
    if given.corpus in kinds:
        data = apply_overrides({"corpus": {"kind": given.corpus, **options}}, given.set)
        if not isinstance(data["corpus"], dict):
            raise TextgenError("--set corpus", found=repr(data["corpus"]), expected="a table")
        return resolve_text(data)
    exists = kind_of(find_experiment(given.corpus)) in ("a file", "a folder")
    if not (exists or given.corpus.endswith(".toml")):
        near = get_close_matches(given.corpus, kinds, 1)
        raise TextgenError(
            given.corpus,
            found="neither a kind of corpus nor an experiment",
            expected=(f"did you mean {near[0]!r}? " if near else "")
            + f"a kind ({', '.join(sorted(kinds))}), a TOML file, or the name of an experiment",
        )
    if options:
        raise TextgenError(
            f"--{next(iter(options))}",
            found=f"the experiment {given.corpus}, which has a corpus of its own",
            expected="a kind of corpus, e.g. folder",
            hint="change settings of an experiment with --set corpus.path=…",
        )
    return load_experiment(given.corpus, given.set)


def baseline(given: Given) -> None:
    kind = given.kind
    if kind is None:
        kind = "kneser_ney" if given.command is None else "command"
    references.make_baselines(kind, given.order, given.command)  # errors come before any work
    experiment = load_experiment(given.experiment, given.set)
    loaded, screen = load_corpus(experiment), Screen(quiet=given.json)
    screen.corpus(experiment, loaded)
    records = references.baseline(experiment, loaded, given.order, kind=kind, command=given.command)
    if not given.json:
        screen.baselines(loaded, list(records))
        return
    for record in records:
        print(json_line(record), flush=True)


def schema(given: Given) -> None:
    print(json.dumps(json_schema(study=given.study), indent=2, ensure_ascii=False))
