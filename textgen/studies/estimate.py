"""When the runs of a study will have been made."""

from __future__ import annotations

import heapq
import statistics
import time


class Estimate:
    """The time left, from what runs are expected to take and what those that have ended took.

    Args:
        workers: runs at once; None: not known, and nothing is estimated.
    """

    def __init__(self, workers: int | None) -> None:
        self.workers = workers
        self._expected: dict[str, float | None] = {}
        self._started: dict[str, float] = {}
        self._took: list[tuple[float | None, float]] = []

    def expect(self, name: str, seconds: float | None) -> None:
        """A run is to come, and will take about so many seconds; None: as long as others did."""
        self._expected[name] = seconds

    def start(self, name: str) -> None:
        self._started[name] = time.perf_counter()

    def end(self, name: str, seconds: float | None) -> None:
        """A run has ended after so many seconds; None if they say nothing about other runs."""
        expected = self._expected.pop(name)
        self._started.pop(name, None)
        if seconds is not None:
            self._took.append((expected, seconds))

    def seconds_left(self) -> float | None:
        """Until the last run has ended, if each worker takes the next run as it is free; None
        where nothing is known yet."""
        each = {name: self._seconds(expected) for name, expected in self._expected.items()}
        if not self.workers or not each or None in each.values():
            return None
        now, free = time.perf_counter(), [0.0] * self.workers
        for name in sorted(each, key=lambda name: name not in self._started):
            begun = now - self._started.get(name, now)
            heapq.heapreplace(free, free[0] + max(0.0, (each[name] or 0.0) - begun))
        return max(free)

    def _seconds(self, expected: float | None) -> float | None:
        """Of a run of which so much was expected, corrected by those that have ended."""
        known = [(wanted, took) for wanted, took in self._took if wanted]
        if expected and known:
            return expected * sum(took for _, took in known) / sum(wanted for wanted, _ in known)
        if expected or not self._took:
            return expected
        return statistics.mean(took for _, took in self._took)


def duration(seconds: float) -> str:
    """``"62 minutes"``, or ``"2.5 hours"`` from 100 minutes on."""
    minutes = max(1, round(seconds / 60))
    if minutes >= 100:
        return f"{minutes / 60:.1f} hours"
    return f"{minutes} minute{'s' * (minutes > 1)}"


def clock(seconds: float) -> str:
    """``"15:40"``, the time so many seconds from now; on another day, ``"Tue 15:40"``."""
    now = time.time()
    then, today = time.localtime(now + seconds), time.localtime(now)
    return time.strftime("%H:%M" if then.tm_yday == today.tm_yday else "%a %H:%M", then)
