"""One line under every table and figure: what it was computed from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import textgen
from textgen.report.ranking import ranked


def seeds(report: dict[str, Any]) -> str:
    """``1–5`` or, where arms differ, ``1–5 (3 arms), 1–3 (9 arms)``."""
    groups = Counter(_run_of(row["seeds"]) for row in ranked(report))
    if len(groups) == 1:
        return next(iter(groups))
    return ", ".join(f"{text} ({n} arm{'s' * (n > 1)})" for text, n in groups.items())


def _run_of(given: Sequence[int]) -> str:
    whole = len(given) > 2 and list(given) == list(range(given[0], given[-1] + 1))
    return f"{given[0]}–{given[-1]}" if whole else ",".join(map(str, given))


def signature(
    report: dict[str, Any], *, unit: str = "", test: str = "", shown: str = "", drawn: bool = False
) -> str:
    """One line under a table or figure that says what it was computed from, after sacrebleu's
    (Post, A Call for Clarity in Reporting BLEU Scores, 2018).

    Args:
        unit: in which its figures are; bits per character if empty.
        test: how intervals or p-values were computed.
        shown: which part of what there is, if not all.
        drawn: whether it is about generated text.
    """
    corpus = report["corpus"]
    parts = {
        "corpus": corpus["kind"] + (" (fallback)" if corpus["fallback"] else ""),
        "text": corpus["sha256"][:12],
        "split": corpus["split_sha256"][:12],
        "unit": unit or report["unit"],
        "seeds": seeds(report),
        "shown": shown,
        "test": test,
        "samples": _samples(report) if drawn else "",
        "textgen": textgen.__version__,
    }
    return " | ".join(f"{key}:{value}" for key, value in parts.items() if value)


def _samples(report: dict[str, Any]) -> str:
    made = report["generated"]["settings"]
    return f"{made['samples']} × {made['length']} characters, seed {made['seed']}"


def prompted(report: dict[str, Any]) -> str:
    """The signature of samples side by side."""
    made = report["generated"]["settings"]
    shown = f"one sample a prompt, first seed of each arm, temperature {made['temperature']}"
    return signature(report, unit="none", shown=f"{shown}, seed {made['seed']}")
