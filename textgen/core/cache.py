"""Prepared data on disk, and what it cost to make: time that a cache saves still counts.

A budget in seconds includes its preparation. An arm whose tags lie in the cache already would get
more training than one that starts afresh, so the cache remembers how long its content took.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from textgen.core.errors import TextgenError

_saved = [0.0]


def cache_folder() -> Path:
    """Where downloads and prepared data are kept; ``TEXTGEN_CACHE`` moves it."""
    given = os.environ.get("TEXTGEN_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textgen"


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """While something is written there that cannot be done without.

    Raises:
        TextgenError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise cache_unusable(
            error.filename or cache_folder(), error.strerror or str(error)
        ) from None


def cache_unusable(place: str | Path, found: str) -> TextgenError:
    return TextgenError(
        str(place),
        found=found,
        expected="a cache folder that can be written to",
        hint="set TEXTGEN_CACHE to another one",
    )


def save_seconds(seconds: float) -> None:
    """Note that something was read that once took ``seconds`` to make."""
    _saved[0] += seconds


def seconds_saved() -> float:
    """All that was noted in this process so far, in seconds."""
    return _saved[0]
