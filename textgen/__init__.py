"""textgen: character, word and subword text generators compared on one LSTM backbone.

What runs in a terminal is also a call::

    import textgen

    folder = textgen.run("experiments/char_small.toml")
    for record in textgen.generate(folder, prompt="At night", samples=3):
        print(record["text"])

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = [
    "__version__", "compare", "corpus_statistics", "generate", "load", "load_experiment", "run",
    "score", "study",
]  # fmt: skip

_PUBLIC = {
    "run": ("textgen.run", "run"),
    "study": ("textgen.study", "study"),
    "compare": ("textgen.compare", "compare"),
    "generate": ("textgen.generate", "sample"),
    "score": ("textgen.score", "passage"),
    "load": ("textgen.runs", "load"),
    "load_experiment": ("textgen.config", "load"),
    "corpus_statistics": ("textgen.corpus", "statistics"),
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'textgen' has no attribute {name!r}")
    import importlib

    module, attribute = _PUBLIC[name]
    found = getattr(importlib.import_module(module), attribute)
    # importing textgen.run has set this name to the module: the function is what is meant
    globals()[name] = found
    return found
