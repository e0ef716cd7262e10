"""Prepared data on disk, and what it cost to make: time that a cache saves still counts.

A budget in seconds includes its preparation. An arm whose tags lie in the cache already would get
more training than one that starts afresh, so the cache remembers how long its content took.
"""

from __future__ import annotations

import os
from pathlib import Path

_saved = [0.0]


def folder() -> Path:
    """Where downloads and prepared data are kept; ``TEXTGEN_CACHE`` moves it."""
    given = os.environ.get("TEXTGEN_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "textgen"


def save_seconds(seconds: float) -> None:
    """Note that something was read that once took ``seconds`` to make."""
    _saved[0] += seconds


def seconds_saved() -> float:
    """All that was noted in this process so far, in seconds."""
    return _saved[0]
