"""Ray: a cluster to connect to, and workers of one training on it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import logging
import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from textgen.core import TextgenError, silenced_stderr

PREFIX = "TEXTGEN_"
"""Of the environment variables that processes on the cluster get from here."""
CONNECT_SECONDS = 10.0
LOST_WORKERS = 3
"""Times that workers are started again after one was lost."""
LOG, POLL_SECONDS = "log.txt", 0.5


def check_cluster(address: str) -> None:
    """Raises:
    TextgenError: Ray is not installed, or nothing answers at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise TextgenError(
            f"--address {address}",
            found="Ray is not installed",
            expected="the package that works on several machines",
            hint='pip install "textgen-compare[cluster]", or leave --address out to run here',
        )
    try:
        _check_reachable(address)
    except (OSError, ValueError) as error:
        raise _unreachable(address, error) from None


@contextlib.contextmanager
def connected(address: str, cores: int) -> Iterator[Any]:
    """Ray, connected: quietly, without its dashboard, and nothing reported to its makers. A
    connection that this process has already is used as it is.

    Args:
        address: the cluster's, or ``"local"`` to start one on this machine.
        cores: of a cluster that is started here.

    Raises:
        TextgenError: no cluster answers.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        yield ray
        return
    local: dict[str, Any] = {
        "num_cpus": cores,
        "include_dashboard": False,
        "_node_ip_address": "127.0.0.1",
    }
    try:
        with silenced_stderr():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **(local if address == "local" else {}),
            )
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(address, error) from None
    try:
        yield ray
    finally:
        with silenced_stderr():
            ray.shutdown()


def _unreachable(address: str, error: Exception) -> TextgenError:
    return TextgenError(
        f"--address {address}",
        found=str(error).splitlines()[0][:200],
        expected='the address of a Ray cluster that is up, or "local"',
        hint="start one with: ray start --head",
    )


def _check_reachable(address: str) -> None:
    """Ray itself waits for minutes if nothing answers.

    Raises:
        OSError: nothing does.
    """
    place = urlsplit("//" + address.rpartition("//")[2])
    if place.hostname and place.port:
        socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()


def train_on_ray(
    ray: Any, work: Callable[[int], None], workers: int, threads: int, storage: Path
) -> None:
    """Call ``work(rank)`` on each of several workers, with ``TF_CONFIG`` set for them. When one is
    lost, all of them are started again, some times.

    Args:
        ray: connected.
        work: can be pickled; goes on from its own last checkpoint.
        threads: cores that each worker takes; each has a GPU, too, where there are enough.
        storage: a folder that all machines see, for Ray Train's own files and what the first
            worker prints, which is printed here; removed at the end.

    Raises:
        TextgenError: as ``work`` has raised it, which ends the training; too few cores; or
            workers were lost too often.
    """
    with silenced_stderr():  # it imports TensorFlow
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.tensorflow import TensorflowTrainer

    there = ray.cluster_resources()
    _check_cores(int(there.get("CPU", 0)), workers, threads)
    refusal = ray.remote(num_cpus=0)(_Refusal).remote()
    trainer = TensorflowTrainer(
        functools.partial(_on_worker, work, refusal, environment(), str(Path.cwd()), storage / LOG),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=there.get("GPU", 0) >= workers,
            resources_per_worker={"CPU": threads},
            placement_strategy="SPREAD",
        ),
        run_config=RunConfig(
            name=storage.name,
            storage_path=str(storage.parent),
            failure_config=FailureConfig(max_failures=LOST_WORKERS),
        ),
    )
    shutil.rmtree(storage, ignore_errors=True)
    try:
        with _printed(storage / LOG), _interruptible():
            trainer.fit()
    except TrainingFailedError as error:
        raise TextgenError(
            "training",
            found=str(error).strip().splitlines()[-1],
            expected=f"all {workers} workers until the end; they were started again "
            f"{LOST_WORKERS} times",
            hint="repeat the command to go on from the last checkpoint",
        ) from error
    finally:
        shutil.rmtree(storage, ignore_errors=True)
        with contextlib.suppress(OSError):
            storage.parent.rmdir()  # if no other training has its folder there
    if found := ray.get(refusal.read.remote()):
        raise TextgenError(**found)


def _check_cores(cores: int, workers: int, threads: int) -> None:
    if cores < workers * threads:
        raise TextgenError(
            "training.workers",
            found=f"{workers} with {threads} cores each, on a cluster that has {cores}",
            expected="as many cores as all workers take",
            hint="lower training.workers or training.threads, or add machines: "
            "ray start --address=…",
        )


class _Refusal:
    """An actor: the first error for the user that a worker has met. Ray Train starts the workers
    again after any error; this is how they know that it is of no use."""

    def __init__(self) -> None:
        self._found = dict[str, str]()

    def write(self, found: dict[str, str]) -> None:
        self._found = self._found or found

    def read(self) -> dict[str, str]:
        return self._found


def environment() -> dict[str, str]:
    """The variables that a process on the cluster must have as they are here; "" for one that is
    not set."""
    kept = {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    # Ray sets this one for its processes; sums of floats must not depend on where they are made
    return {**kept, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "")}


def _on_worker(
    work: Callable[[int], None],
    refusal: Any,
    variables: Mapping[str, str],
    place: str,
    log: Path,
) -> None:
    """One worker's part, in a process of its own."""
    import ray
    from ray.train import get_context

    if ray.get(refusal.read.remote()):
        return
    os.environ.update(variables)
    for name in ("OMP_NUM_THREADS", "TF_USE_LEGACY_KERAS"):  # Ray Train sets the second
        if not variables.get(name):
            os.environ.pop(name, None)
    if Path(place).is_dir():  # relative paths are meant from there
        os.chdir(place)
    rank = get_context().get_world_rank()
    try:
        with (
            (log if rank == 0 else Path(os.devnull)).open("a", 1, encoding="utf-8") as file,
            contextlib.redirect_stdout(file),
            contextlib.redirect_stderr(file),
        ):
            work(rank)
    except TextgenError as error:
        found = {key: getattr(error, key) for key in ("where", "found", "expected", "hint")}
        ray.get(refusal.write.remote(found))
        raise RuntimeError(str(error)) from None  # can be pickled


@contextlib.contextmanager
def _printed(log: Path) -> Iterator[None]:
    """Whatever is written to a file meanwhile is printed, too."""
    done = threading.Event()

    def follow() -> None:
        place, last = 0, False
        while not last:
            last = done.wait(POLL_SECONDS)
            with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
                file.seek(place)
                lines = file.read()
                lines = lines if last else lines[: lines.rfind(b"\n") + 1]
                place += len(lines)
                print(lines.decode(errors="replace"), end="", flush=True)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ray Train handles Ctrl-C by ending the process; here it is the usual exception."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
