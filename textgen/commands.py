"""Commands that several packages serve; :mod:`textgen.cli` parses their arguments."""

from collections.abc import Sequence
from pathlib import Path

from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment, json_schema, load_experiment, resolve_text
from textgen.core.files import PathKind, kind_of
from textgen.core.reading import SettingsReader, find_experiment
from textgen.core.registry import lookup, plugin_table, suggestion
from textgen.core.terminal import json_line
from textgen.data.language import Language
from textgen.data.loading import load_corpus
from textgen.data.statistics import corpus_statistics
from textgen.evaluation import baselines
from textgen.runs.console import Screen
from textgen.studies.study import Study
from textgen.tokenizers.fitting import language_warnings


def corpus(corpus: str | None, *, overrides: Sequence[str], json: bool) -> None:
    kinds = plugin_table("corpus")
    if corpus is None:
        docs = dict[str, str]()
        for kind in sorted(kinds):
            docs[kind] = (lookup("corpus", kind).__doc__ or "").partition("\n")[0]
        if json:
            print(json_line(docs, indent=2))
        else:
            print("\n".join(f"{kind:<12}{doc}" for kind, doc in docs.items()))
        return
    place = kind_of(Path(corpus))
    if corpus in kinds:
        settings = _text_of({"kind": corpus}, overrides)
    elif place is PathKind.FOLDER:
        settings = _text_of({"kind": "folder", "path": corpus}, overrides)
    elif find_experiment(corpus).suffix == ".toml":
        settings = load_experiment(corpus, overrides)
    elif place is PathKind.FILE:
        settings = _text_of({"kind": "file", "path": corpus}, overrides)
    else:
        message = "not a kind of corpus, an experiment, a folder or a file"
        raise TextgenError(f"{corpus}: {message}", suggestion(corpus, kinds))
    statistics = corpus_statistics(settings)
    language = Language(**statistics["language"])
    statistics["warnings"] += language_warnings(settings.tokenizer, language)
    if json:
        print(json_line(statistics, indent=2))
    else:
        Screen().statistics(statistics, documents=Path(corpus).exists())


def _text_of(corpus: dict[str, str], overrides: Sequence[str]) -> Experiment:
    """An experiment that says no more than what text it is of."""
    return resolve_text(SettingsReader().override({"corpus": corpus}, overrides))


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
    models = baselines.make_baselines(kind, orders, command)  # errors come before any work
    settings = load_experiment(experiment, overrides)
    loaded = load_corpus(settings)
    screen = Screen(quiet=json)
    screen.corpus(settings, loaded)
    records = baselines.baseline(kind, models, settings, loaded)
    if not json:
        screen.baselines(loaded, list(records))
        return
    for record in records:
        print(json_line(record), flush=True)


def schema(study: bool) -> None:
    print(json_line(json_schema(Study if study else Experiment), indent=2))
