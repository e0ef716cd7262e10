"""The system: files that are written whole or not at all, the cache folder, the processor and the
cores this process may use, and TensorFlow on them.

Everything in the cache has a checksum; what is damaged is computed again. A budget in seconds
includes the preparation: an arm whose tags are in the cache already would get more training than
one that starts without them, so the cache records what its content took to make, and that is what
:class:`Stopwatch` counts, also for the run that made it.
"""

import contextlib
import csv
import ctypes
import functools
import hashlib
import io
import json
import math
import os
import platform
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn, TypeVar

import platformdirs

from textgen.core.errors import UNREADABLE, TextgenError, holding, visible, write_failed

UTF8 = "utf-8", "backslashreplace"  # half surrogate pairs as escapes


def kind_of(path: Path) -> str:
    """``"a file"``, ``"a folder"``, or in words why it is neither."""
    try:
        if path.is_dir():
            return "a folder"
        if path.is_file():
            return "a file"
        return "neither a file nor a folder" if path.exists() else "no such file"
    except OSError as error:
        return error.strerror or str(error)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_file(
    path: Path,
    content: str | bytes | Callable[[BinaryIO], object],
    safe: str = "what was there before is unharmed",
    unfinished: str = "",
) -> None:
    """Write a file whole or not at all.

    Args:
        path: of the file.
        content: what it holds, or a function that writes it.
        safe: part of the error: what is unharmed.
        unfinished: name of the file until it is whole, where no other process writes the same:
            what a killed process left is written over. If empty, a name of its own.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    if (kind := kind_of(path)) == "neither a file nor a folder":  # a device would be replaced
        raise TextgenError(f"{path}: {kind}", "give the path of a file")
    own_name = f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new"
    temporary = path.with_name(unfinished or own_name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode(*UTF8) if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise write_failed(path, error, safe) from None


def write_json(path: Path, data: Any) -> None:
    write_file(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def csv_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows that share their keys, with a header, as CSV in UTF-8."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(*UTF8)


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an NPZ file.

    Raises:
        ValueError: it is damaged, or cannot be read.
    """
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
    except Exception as error:  # NumPy and zipfile raise whatever they meet in a damaged file
        raise ValueError(f"{type(error).__name__}: {error}") from error


DATA_FILE, MAKING_FILE, CHECKSUMS = "data.json", "making.json", "sha256.json"
UNFINISHED = "textgen-new-"  # begins the name of a folder that is being written
MAX_UNUSED_SECONDS = 30 * 24 * 3600
Content = TypeVar("Content")


class Stopwatch:
    """The seconds of what is done within its ``with`` statement, the same whether or not the cache
    saves a part of it: by a clock outside of the cache; and of everything that comes from there,
    counted once, the processor time that making it took.

    Attributes:
        making: processor seconds by the folder in the cache.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.making = dict[str, float]()
        self.clock, self.start = clock, clock()

    def counting(self) -> contextlib.AbstractContextManager[None]:
        return holding(_stopwatch, self)

    def seconds(self) -> float:
        return self.clock() - self.start + sum(self.making.values())

    def count(self, folder: Path) -> None:
        """Add what a folder in the cache, and whatever there it was made from, once took."""
        with contextlib.suppress(FileNotFoundError):  # an older version has made it
            self.making |= json.loads((folder / MAKING_FILE).read_text(encoding="utf-8"))


_unread = Stopwatch(time.process_time)  # where nobody counts
_stopwatch = ContextVar("_stopwatch", default=_unread)


@contextlib.contextmanager
def _paused() -> Iterator[None]:
    """The stopwatch of whoever asks for something from the cache stands still."""
    watch = _stopwatch.get()
    before = watch.clock()
    yield
    watch.start += watch.clock() - before


def cache_folder() -> Path:
    """Where downloads and prepared data are kept: ``TEXTGEN_CACHE``, or the system's place for
    caches."""
    chosen = os.environ.get("TEXTGEN_CACHE")
    return Path(chosen or platformdirs.user_cache_dir("textgen", appauthor=False))


def cached(folder: Path, compute: Callable[[], Any]) -> Any:
    """Plain data from a folder in the cache, computed if it is missing or damaged there."""
    return cached_folder(
        folder,
        read=lambda folder: json.loads((folder / DATA_FILE).read_text()),
        write=lambda folder: (folder / DATA_FILE).write_text(json.dumps(compute())),
    )


@_paused()
def cached_folder(
    folder: Path, read: Callable[[Path], Content], write: Callable[[Path], object]
) -> Content:
    """The content of a folder in the cache, which is written first if it is missing or damaged.

    It is written whole or not at all, and removed when it has not been used for a month. For a
    :class:`Stopwatch` it takes what it took when it was made, whether it is made now or found.

    Args:
        folder: where it is, under a name that depends on its content.
        read: returns the content, or raises one of :data:`textgen.core.errors.UNREADABLE`.
        write: fills an empty folder.

    Raises:
        TextgenError: the cache cannot be written.
    """
    if _is_intact(folder):
        with contextlib.suppress(*UNREADABLE):
            content = read(folder)
            _stopwatch.get().count(folder)
            with contextlib.suppress(OSError):  # a cache that others keep
                os.utime(folder)
            return content
    if folder.exists():
        print(visible(f"note: {folder} is damaged and will be recomputed"), file=sys.stderr)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder.parent)
        scratch_folder = tempfile.TemporaryDirectory(dir=folder.parent, prefix=UNFINISHED)
        with scratch_folder as scratch, (own := Stopwatch(time.process_time)).counting():
            new = Path(scratch) / folder.name
            new.mkdir()
            write(new)
            making = {**own.making, str(folder): own.clock() - own.start}
            (new / MAKING_FILE).write_text(json.dumps(making), encoding="utf-8")
            (new / CHECKSUMS).write_text(json.dumps(_file_hashes(new)), encoding="utf-8")
            if not _is_intact(folder):  # as it is if another run was faster
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):
                    new.rename(folder)
        content = read(folder)
        _stopwatch.get().count(folder)
        return content
    except OSError as error:
        place = Path(os.fsdecode(error.filename or folder))
        if not (place.is_relative_to(folder.parent) or folder.is_relative_to(place)):
            raise  # of what is read to fill it
        message = f"the cache cannot be written: {place}: {error.strerror or error}"
        raise TextgenError(message, "set TEXTGEN_CACHE to another folder") from None


@functools.cache  # once a process: some folders get an entry for every document
def _remove_unused(folder: Path) -> None:
    """Remove entries that have not been used for long, and what processes that were killed left."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            ours = path.name.startswith(UNFINISHED) or (path / CHECKSUMS).exists()
            if ours and time.time() - path.stat().st_mtime > MAX_UNUSED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _file_hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file in a folder but of the list of these."""
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.name != CHECKSUMS}


def _is_intact(folder: Path) -> bool:
    with contextlib.suppress(*UNREADABLE):
        stored = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        return bool(stored == _file_hashes(folder))
    return False


PROCESSES, CONTROL_GROUPS = Path("/proc"), Path("/sys/fs/cgroup")  # Linux has them


def _system_file(path: Path) -> str:
    """The content of a file in which Linux says something; empty if there is none."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""


def _control_groups(controller: str) -> list[Path]:
    """Folders of the control groups that this process is in, with all groups around them: of
    version 2, and of a controller's own hierarchy in version 1. Some may not exist: a container
    sees its own group as the outermost one, whatever the path of the process says."""
    rows = [line.split(":", 2) for line in _system_file(PROCESSES / "self/cgroup").splitlines()]
    return [
        CONTROL_GROUPS / (controller if names else "") / str(folder)[1:]
        for _, names, path in rows
        if not names or controller in names.split(",")
        for folder in (PurePosixPath(path) / "inside").parents
    ]


def cores() -> int:
    """Cores this process may use, as many as the processor time of its container is worth; where
    the system does not say, all there are."""
    affinity = getattr(os, "sched_getaffinity", None)
    number = len(affinity(0)) if affinity else os.cpu_count() or 1
    for group in _control_groups("cpu"):
        first = [_system_file(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        quota, period = _system_file(group / "cpu.max").split() or first
        if quota.isdigit():  # neither "max" nor -1
            number = min(number, math.ceil(int(quota) / int(period)))
    return number


def processor() -> str:
    """CPU model, plus any instruction-set limit set in the environment: oneDNN's
    (``ONEDNN_MAX_CPU_ISA``) or else XLA's (``--xla_cpu_max_isa`` in ``XLA_FLAGS``)."""
    text = _system_file(PROCESSES / "cpuinfo")
    model = re.search(r"^model name\s*: *(.*)", text, re.MULTILINE)
    flag = re.search(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or (flag[1] if flag else "")
    cpu = model[1].strip() if model else platform.processor()
    return f"{cpu}, limited to {limit.upper()}" if limit else cpu


def free_memory() -> int | None:
    """Bytes that programs can still take, in the container if there is one, memory of the file
    cache included, if that is known."""
    available = re.findall(r"(?m)^MemAvailable: *(\d+)", _system_file(PROCESSES / "meminfo"))
    free = [int(kilobytes) * 1024 for kilobytes in available]
    for group in _control_groups("memory"):
        for names in (("max", "current"), ("limit_in_bytes", "usage_in_bytes")):
            limit, used = (_system_file(group / f"memory.{name}").strip() for name in names)
            if limit.isdigit() and used.isdigit():  # not "max"
                text = _system_file(group / "memory.stat")
                prefix = "total_" if "\ntotal_" in text else ""  # of version 1: with inner groups
                cached = re.findall(rf"(?m)^{prefix}(?:in)?active_file (\d+)", text)
                free.append(int(limit) - int(used) + sum(map(int, cached)))
    return min(free, default=None)


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
            and this process has started TensorFlow without.
    """
    threads = min(threads, cores())
    if not tensorflow_in_effect:
        _start(threads or cores(), deterministic, parts)
    started = tensorflow_in_effect["threads"]
    per_operation = tensorflow_in_effect["threads_of_an_operation"]
    others = threads and (threads, 1) != (started, per_operation)
    if parts and (others or deterministic > tensorflow_in_effect["deterministic"]):
        state = ", ".join(f"{name} = {value}" for name, value in tensorflow_in_effect.items())
        message = f"training.threads, training.deterministic: TensorFlow was started with {state}"
        hint = "start a new process (in a notebook: restart its kernel), or drop both settings"
        raise TextgenError(message, hint)
    return started


def _start(threads: int, deterministic: bool, parts: bool) -> None:
    per_operation = 1 if parts else threads
    _keep_freed_memory()
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
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
