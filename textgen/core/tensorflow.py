"""TensorFlow: how it is started, kept silent, and left."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

from textgen.core.errors import TextgenError
from textgen.core.machine import cores, usable_threads

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
# How TensorFlow was started in this process: ``threads`` in all and ``threads_of_an_operation``;
# whether it is ``deterministic``.
tensorflow_in_effect = dict[str, int]()


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
            and this process has started TensorFlow without; or Keras has another backend or type
            of numbers.
    """
    if not tensorflow_in_effect:
        _start(usable_threads(threads), deterministic, parts)
    _check_keras()
    started = tensorflow_in_effect["threads"]
    as_wanted = True
    if threads > 0:
        one_an_operation = tensorflow_in_effect["threads_of_an_operation"] == 1
        as_wanted = started == usable_threads(threads) and one_an_operation
    if deterministic and not tensorflow_in_effect["deterministic"]:
        as_wanted = False
    if parts and not as_wanted:
        state = ", ".join(f"{name} = {value}" for name, value in tensorflow_in_effect.items())
        message = f"training.threads, training.deterministic: TensorFlow was started with {state}"
        hint = "start a new process (in a notebook: restart its kernel), or drop both settings"
        raise TextgenError(message, hint)
    return started


def _start(threads: int, deterministic: bool, parts: bool) -> None:
    per_operation = 1 if parts else threads
    _keep_freed_memory()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
    # on a GPU, several processes may share the memory: each takes what it needs
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
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
    tensorflow_in_effect.update(threads=threads, threads_of_an_operation=per_operation)
    tensorflow_in_effect["deterministic"] = deterministic


def _check_keras() -> None:
    """Raises:
    TextgenError: this process uses Keras with another backend or another type of numbers.
    """
    import keras

    backend = keras.config.backend()
    numbers = {keras.config.floatx(), keras.config.dtype_policy().name}
    if backend != "tensorflow" or numbers != {"float32"}:
        found = f"Keras computes with {backend} in {' and '.join(sorted(numbers))} in this process"
        hint = (
            "start a new process (in a notebook: restart its kernel), and leave KERAS_BACKEND and "
            "Keras' floatx and dtype_policy as they are"
        )
        raise TextgenError(f"{found}; textgen needs tensorflow in float32", hint)


def _keep_freed_memory() -> None:
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
    try:
        saved = os.dup(2)
    except OSError:  # there is none, as in IDLE on Windows
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
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
