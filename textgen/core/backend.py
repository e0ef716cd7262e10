"""TensorFlow started without its log messages, its threads set before the first operation."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator

from textgen.core.machine import cores

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_started: list[tuple[int, bool]] = []


def start_tensorflow(threads: int = 0, deterministic: bool = False, *, parts: bool = False) -> int:
    """Import TensorFlow and Keras without their start-up messages.

    Args:
        threads: 0 takes all cores that this process may use.
        deterministic: refuse kernels whose result depends on the order of threads.
        parts: each operation has one thread, and as many operations as threads run at once: for
            training, which divides the rows of a batch. Otherwise operations share the threads.

    Returns:
        The number of threads in use, which the first call of a process decides.
    """
    if _started:
        return _started[0][0]
    threads = threads or cores()
    keep_freed_memory()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with silenced_stderr():
        import keras  # noqa: F401 - it logs at start-up, too
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(1 if parts else threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError:  # a notebook has used TensorFlow before: keep its setting
            threads = tf.config.threading.get_inter_op_parallelism_threads() or 1
        tf.config.list_physical_devices()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    _started.append((threads, deterministic))
    return threads


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
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(sink)
        os.close(kept)
