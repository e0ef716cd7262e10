"""Decoding in a process of its own, which is given nothing but compressed words.

What instances of a model share in one process, a table of a class or of a module, is not there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def decoded_elsewhere(given: dict[str, Any], words: np.ndarray, length: int) -> str:
    """As :func:`textgen.auditing.walking.decoded`.

    Args:
        given: the arguments of :func:`textgen.auditing.source_of`.
        words, length: as there.

    Raises:
        RuntimeError: what the process said last.
    """
    with tempfile.TemporaryDirectory() as folder:
        order, found = Path(folder) / "order.json", Path(folder) / "text.json"
        order.write_text(json.dumps([given, words.tolist(), length]), encoding="utf-8")
        command = [sys.executable, "-m", "textgen.auditing.elsewhere", str(order), str(found)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["it was killed"])[-1])
        return str(json.loads(found.read_text(encoding="utf-8")))


def main(order: Path, found: Path) -> None:
    from textgen.auditing.sources import source_of
    from textgen.auditing.walking import decoded

    given, words, length = json.loads(order.read_text(encoding="utf-8"))
    text = decoded(source_of(**given).open(), np.array(words, dtype=np.uint32), length)
    found.write_text(json.dumps(text), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
