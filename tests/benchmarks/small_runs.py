"""Two small finished runs on made-up text, for what can be measured on any run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from memory import write_corpus

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
BYTES = 6_000_000


def small_runs(scratch: Path) -> list[Path]:
    """Characters and words, trained for a moment; TEXTGEN_DATA is not needed."""
    text = scratch / "text"
    text.mkdir()
    write_corpus(text, BYTES)
    settings = (
        f'corpus={{kind="folder", path={json.dumps(str(text))}}}', "split.groups=[]",
        "training={updates=100, validations=2}",
    )  # fmt: skip
    for name in ("char_small", "word_small"):
        command = [
            sys.executable, "-m", "textgen.run", str(EXPERIMENTS / f"{name}.toml"),
            "--runs", str(scratch / "runs"), "--quiet",
        ]  # fmt: skip
        for setting in settings:
            command += ["--set", setting]
        subprocess.run(command, check=True)
    return [scratch / "runs" / name for name in ("char_small", "word_small")]
