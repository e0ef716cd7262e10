"""textgen: character, word and subword text generators compared on one LSTM backbone.

Every command is also a function::

    import textgen

    run = textgen.train("experiments/char_small.toml")
    for record in run.generate("At night", samples=3):
        print(record["text"])
    textgen.compare_runs([run, "runs/word_small"]).plot()

Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textgen.auditing.audit import audit_model as audit_model
    from textgen.data.statistics import corpus_statistics as corpus_statistics
    from textgen.report.comparison import compare_runs as compare_runs
    from textgen.runs.export import export_model as export_model
    from textgen.runs.finished import generate_text as generate_text
    from textgen.runs.finished import load_run as load_run
    from textgen.runs.finished import score_text as score_text
    from textgen.runs.pipeline import train as train
    from textgen.studies.execution import run_study as run_study
    from textgen.studies.trying import try_texts as try_texts

__version__ = "0.3.0.dev0"

PUBLIC = {
    "audit_model": "auditing.audit",
    "compare_runs": "report.comparison",
    "corpus_statistics": "data.statistics",
    "export_model": "runs.export",
    "generate_text": "runs.finished",
    "load_run": "runs.finished",
    "run_study": "studies.execution",
    "score_text": "runs.finished",
    "train": "runs.pipeline",
    "try_texts": "studies.trying",
}
__all__ = ["__version__", *PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'textgen' has no attribute {name!r}")
    return getattr(import_module(f"textgen.{PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *PUBLIC])
