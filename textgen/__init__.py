"""textgen: character, word and subword text generators compared on one LSTM backbone.

What runs in a terminal is also a call::

    import textgen

    folder = textgen.run("experiments/char_small.toml")
    for record in textgen.generate(folder, prompt="At night", samples=3):
        print(record["text"])

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__version__ = "0.2.0"
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
    found = globals()[name] = getattr(importlib.import_module(module), attribute)
    return found


class _Package(ModuleType):
    """Importing the file of a command sets its name here to the module: the call is what is meant,
    so that stays, whichever was asked for first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
