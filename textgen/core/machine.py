"""This machine: its processor, the cores this process may use, and TensorFlow on them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from textgen.core.errors import TextgenError

UNLIMITED = ("", "ALL", "DEFAULT")
"""Values of a limit of instructions that stand for none."""


def cores() -> int:
    """Cores this process may use; where the system does not say, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """CPU model, plus any instruction-set limit set in the environment: oneDNN's
    (``ONEDNN_MAX_CPU_ISA``) or else XLA's (``--xla_cpu_max_isa`` in ``XLA_FLAGS``)."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    model = re.search(r"^model name\s*: *(.*)", text, re.MULTILINE)
    flag = re.search(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    limits = os.environ.get("ONEDNN_MAX_CPU_ISA", ""), flag[1] if flag else ""
    limit = next((name for name in map(str.upper, limits) if name not in UNLIMITED), "")
    cpu = model[1].strip() if model else platform.processor()
    return f"{cpu}, limited to {limit}" if limit else cpu


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_in_effect: dict[str, Any] = {}
"""Of this process, since TensorFlow was started."""


def start_tensorflow(threads: int = 0, deterministic: bool = False, *, parts: bool = False) -> int:
    """Import TensorFlow and Keras without their start-up messages.

    Args:
        threads: 0 takes all cores that this process may use, and it never takes more.
        deterministic: refuse kernels whose result depends on the order of threads.
        parts: each operation has one thread, and as many operations as threads run at once: for
            training, which divides the rows of a batch. Otherwise operations share the threads.

    Returns:
        The number of threads in use, which the first call of a process decides.

    Raises:
        TextgenError: a training (``parts``) wants deterministic operations or a number of threads,
            and this process has started TensorFlow without.
    """
    if not _in_effect:
        _start(min(threads, cores()) or cores(), deterministic, parts)
    if parts:
        _check(min(threads, cores()), deterministic)
    return int(_in_effect["threads"])


def tensorflow_in_effect() -> dict[str, Any]:
    """How TensorFlow was started in this process: ``threads`` in all and
    ``threads_of_an_operation``; whether it is ``deterministic``."""
    return dict(_in_effect)


def _check(threads: int, deterministic: bool) -> None:
    number, shared = _in_effect["threads"], _in_effect["threads_of_an_operation"] > 1
    hint = "start a new process (in a notebook: restart its kernel), or leave this setting out"
    if deterministic and not _in_effect["deterministic"]:
        message = "this process has started TensorFlow without it"
        raise TextgenError(f"training.deterministic: {message}", hint)
    if threads and (threads != number or shared):
        others = f"{number}, which all operations share" if shared else number
        message = f"{threads}, but this process has started TensorFlow with {others}"
        raise TextgenError(f"training.threads: {message}", hint)


def _start(threads: int, deterministic: bool, parts: bool) -> None:
    per_operation = 1 if parts else threads
    keep_freed_memory()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with silenced_stderr():
        import keras  # noqa: F401 - it logs at start-up, too
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(per_operation)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError:  # a notebook has used TensorFlow before: keep its setting
            threads = tf.config.threading.get_inter_op_parallelism_threads() or cores()
            per_operation = tf.config.threading.get_intra_op_parallelism_threads() or cores()
        tf.config.list_physical_devices()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    _in_effect.update(
        threads=threads, threads_of_an_operation=per_operation, deterministic=deterministic
    )


def keep_freed_memory() -> None:
    """Let glibc reuse large buffers: by default it returns the scratch space of every training step
    to the system and faults it in again, page by page."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, 1 << 30)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Nothing written to file descriptor 2 is shown: C++ libraries log unasked."""
    sys.stderr.flush()
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(sink)
        os.close(saved)


def exit_immediately(code: int) -> NoReturn:
    """End the process at once.

    Shutting TensorFlow down takes longer than writing a page of text; and where a training has
    stopped in the middle, it can wait for ever for a thread that waits for Python. Only for
    commands that have nothing left to do at the end, such as closing files.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the reader of the pipe has gone
        code = code or 1
    os._exit(code)
