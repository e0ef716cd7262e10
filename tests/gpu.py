"""Trains, resumes, scores and writes on a GPU, and holds the bits against the CPU's.

    python tests/gpu.py [--updates 300] [--folder gpu]

Not part of the suite: it needs a GPU that TensorFlow can use. Every run is trained on the GPU on
made-up text and scored there; the same weights are scored on the CPU and must cost the same bits
per character to 1e-3. ``tests/test_gpu.py`` looks at the same graphs without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conftest import ROOT, made_up

WORDS = ["--set", "tokenizer.minimum_count=20"]
DETERMINISTIC = ["--set", "training.deterministic=true"]
RUNS: dict[str, tuple[str, list[str]]] = {
    "characters": ("char_small", []),
    "words": ("word_small", WORDS),
    "gru": ("char_small", ["--set", "backbone.kind=gru"]),
    "mingru": ("char_small", ["--set", "backbone.kind=mingru"]),
    "transformer": ("char_small", ["--set", 'backbone={kind="transformer",units=[64]}']),
    "encoder_decoder": ("char_small", ["--set", "objective.kind=encoder_decoder"]),
    "learning": ("char_small", ["--set", "memory.learning_rate=1e-4"]),
    "deterministic": ("char_small", DETERMINISTIC),
    "deterministic_again": ("char_small", DETERMINISTIC),
    "killed": ("char_small", DETERMINISTIC),
}
TEXT = "The keeper watched the shore. A lantern left the old harbour."
CLOSE = 1e-3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="where the runs go; else they are deleted")
    given = parser.parse_args()
    gpu = python("import tensorflow as tf; print(tf.config.list_physical_devices('GPU'))").strip()
    if gpu.endswith("[]"):
        print("no GPU that TensorFlow can use")
        return 1
    print(gpu.splitlines()[-1])
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        tales = folder / "tales"
        tales.mkdir(parents=True, exist_ok=True)
        for i in range(12):
            (tales / f"tale{i:02d}.txt").write_text(made_up(400 + 50 * i, i), encoding="utf-8")
        failed = [name for name in RUNS if not passes(folder, name, given.updates)]
    print("failed: " + ", ".join(failed) if failed else "everything agrees")
    return bool(failed)


def passes(folder: Path, name: str, updates: int) -> bool:
    """Train one of RUNS, score its test text on both devices, and write with it."""
    start, run = time.perf_counter(), folder / "runs" / name
    arguments = train_arguments(folder, name, updates)
    if name == "killed":
        kill_while_training(folder, arguments, run)
    textgen(folder, "run", *arguments)
    seconds = time.perf_counter() - start
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    trained = metrics["test"]["bits_per_character"]["total"]
    bits = {cpu: score(folder, run, cpu) for cpu in (False, True)}
    texts = [textgen(folder, "generate", str(run), "--seed", "1", "--json") for _ in range(2)]
    agrees = abs(bits[False] - bits[True]) < CLOSE and abs(trained - bits[True]) < CLOSE
    same = name not in ("deterministic_again", "killed") or equal_bits(folder, name)
    print(
        f"{name}: {seconds:.0f} s; test {trained:.5f}, GPU {bits[False]:.5f}, CPU {bits[True]:.5f}"
        f" bits per character; a seed repeats its text: {texts[0] == texts[1]}"
        + ("" if same else "; other bits than the first deterministic run"),
        flush=True,
    )
    return agrees and same and texts[0] == texts[1]


def train_arguments(folder: Path, name: str, updates: int) -> list[str]:
    experiment, own = RUNS[name]
    settings = [
        "corpus.kind=folder", f"corpus.path={folder / 'tales'}", f"training.updates={updates}",
        "training.validations=6", "sampling.length=200",
    ]  # fmt: skip
    given = [part for setting in settings for part in ("--set", setting)]
    return [str(ROOT / "experiments" / f"{experiment}.toml"), *given, *own, "--name", name]


def score(folder: Path, run: Path, cpu: bool) -> float:
    """Bits per character of the run's test text."""
    found = json.loads(textgen(folder, "score", str(run), "--part", "test", "--json", cpu=cpu))
    return float(found["bits_per_character"]["total"])


def kill_while_training(folder: Path, arguments: list[str], run: Path) -> None:
    """Start a run and kill it after its first checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "textgen.run", *arguments], cwd=folder, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and not (run / "checkpoint.npz").exists():
        time.sleep(0.1)
    assert process.poll() is None, "the run ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def equal_bits(folder: Path, name: str) -> bool:
    """Whether a run has the very bits of the first deterministic one."""
    runs = (folder / "runs" / each / "metrics.json" for each in ("deterministic", name))
    first, second = (json.loads(run.read_text(encoding="utf-8"))["test"] for run in runs)
    return bool(first["bits_per_character"] == second["bits_per_character"])


def textgen(folder: Path, command: str, *arguments: str, cpu: bool = False) -> str:
    """What a command prints to stdout."""
    return python("-m", "textgen", command, *arguments, folder=folder, cpu=cpu)


def python(*arguments: str, folder: Path | None = None, cpu: bool = False) -> str:
    """What Python prints to stdout; a single argument is code."""
    given = ["-c", *arguments] if len(arguments) == 1 else arguments
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": "-1"} if cpu else {})
    done = subprocess.run(
        [sys.executable, *given], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(given)}: {done.stderr or done.stdout}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
