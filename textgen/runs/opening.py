"""Functions of a finished run that take the run or its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgen.runs.finished import Run


def load_run(run: str | Path | Run) -> Run:
    """A finished run, given by its folder; a :class:`Run` is returned as it is.

    Raises:
        TextgenError: no such folder, an unfinished or a damaged run.
    """
    return run if isinstance(run, Run) else Run(run)


def generate_text(run: str | Path | Run, prompt: str = "", **settings: Any) -> list[dict[str, Any]]:
    """Texts written by a run or the run of a folder; settings as for :meth:`Run.generate`.

    Raises:
        TextgenError: no such run, or as :meth:`Run.generate`.
    """
    return load_run(run).generate(prompt, **settings)


def score_text(run: str | Path | Run, text: str) -> dict[str, Any]:
    """Bits of a passage under a run or the run of a folder, as :meth:`Run.score` returns them.

    Raises:
        TextgenError: no such run.
    """
    return load_run(run).score(text)
