"""A Ray cluster."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from textgen.core.progress import Say
from textgen.studies.jobs import Job
from textgen.studies.study import Study
from textgen.studies.timing import Measured


class Cluster:
    slots = 1

    def __init__(self, address: str, say: Say) -> None:
        self.kept: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...
    def measure(self, study: Study, arms: Sequence[str], folder: Path) -> Measured:
        return {}

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        return True

    def release(self, name: str) -> None: ...
    def do(self, job: Job, method: str, log: Path, **arguments: Any) -> Any: ...
