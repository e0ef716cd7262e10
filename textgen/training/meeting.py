"""The workers of a training find each other, before TensorFlow waits for them without end.

Each worker calls at the chief's address and says what it is about to train; once all have called,
and all say the same, the chief lets them go on.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textgen.core import TextgenError, Training

WAIT = 300.0
"""Seconds until a worker that has not come is given up."""
GRACE = 10.0
"""Seconds that remain for the others to come, and be told, once one trains something else."""
EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
TOGETHER = "the same command on all of them at about the same time"


@dataclass(frozen=True)
class Cluster:
    """The workers of a training, one process each.

    Attributes:
        addresses: ``host:port`` of all, the chief first; of a process without others, none.
        index: which of them this process is.
    """

    addresses: tuple[str, ...] = ()
    index: int = 0

    @property
    def workers(self) -> int:
        return max(1, len(self.addresses))

    @property
    def chief(self) -> bool:
        """Whether this process decides and writes."""
        return self.index == 0


def find_cluster(settings: Training) -> Cluster:
    """The cluster of ``TF_CONFIG``, or this process alone where the strategy needs no other.

    Raises:
        TextgenError: ``TF_CONFIG`` is missing or wrong, or the batch cannot be divided.
    """
    if settings.strategy != "multi_worker":
        return Cluster()
    given = os.environ.get("TF_CONFIG", "")
    try:
        found = _parsed(json.loads(given))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TextgenError(
            "TF_CONFIG",
            found=f"{given[:200]} ({type(error).__name__}: {error})" if given else "nothing",
            expected=f"all workers, and which of them this is, e.g. {EXAMPLE}",
            hint="set it in the environment of every worker; only the index differs",
        ) from None
    divided(settings.batch, found.workers)
    return found


def divided(batch: int, replicas: int) -> int:
    """Rows of a batch for each replica.

    Raises:
        TextgenError: not as many for each.
    """
    if batch % replicas:
        raise TextgenError(
            "training.batch",
            found=f"{batch}, for {replicas} replicas",
            expected=f"a multiple of {replicas}: every replica takes as many rows",
            hint=f"set training.batch = {-(-batch // replicas) * replicas}",
        )
    return batch // replicas


def _parsed(content: Any) -> Cluster:
    jobs, task = content["cluster"], content["task"]
    if set(jobs) - {"chief", "worker"} or len(jobs.get("chief", [])) > 1:
        raise ValueError("a cluster has workers, and one of them may be called chief")
    order = [(job, i) for job in ("chief", "worker") for i in range(len(jobs.get(job, [])))]
    addresses = tuple(jobs[job][i] for job, i in order)
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{address!r} is not host:port")
    if len(set(addresses)) < len(addresses):
        raise ValueError("two workers have one address")
    if (task["type"], task["index"]) not in order:
        raise ValueError(f"there is no {task['type']} {task['index']} in the cluster")
    return Cluster(addresses, order.index((task["type"], task["index"])))


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def meet(
    cluster: Cluster,
    about: dict[str, str],
    wait: float = WAIT,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Return when all workers are there.

    Args:
        about: what this process is to train, by name; all workers must say the same.
        wait: seconds.
        say: told what is waited for.

    Raises:
        TextgenError: one has not come, trains something else, or an address is taken.
    """
    if cluster.workers == 1:
        return
    about = {**about, "workers in TF_CONFIG": " ".join(cluster.addresses)}
    host, port = _split(cluster.addresses[cluster.index])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server(("", port), family=family, backlog=cluster.workers)
    except OSError as error:
        raise TextgenError(
            f"TF_CONFIG: {host}:{port}",
            found=f"an address where this process cannot listen ({error.strerror})",
            expected="a free port, for this worker alone",
            hint="choose another one, in the TF_CONFIG of all workers",
        ) from None
    with listener:
        if cluster.chief:
            say(f"waiting for {cluster.workers - 1} more, {wait:.0f} s at most …")
            problem = _receive(listener, cluster, about, wait)
        else:
            say(f"calling at {cluster.addresses[0]}, {wait:.0f} s at most …")
            problem = _call(cluster, about, wait)
    if problem:
        raise TextgenError("training.strategy", **problem)


def _receive(
    listener: socket.socket, cluster: Cluster, about: dict[str, str], wait: float
) -> dict[str, str]:
    """The chief's part: what is wrong, or nothing; all who came are told."""
    end = time.monotonic() + wait
    came: dict[int, socket.socket] = {}
    problem = dict[str, str]()
    with contextlib.ExitStack() as stack:
        while len(came) < cluster.workers - 1:
            listener.settimeout(max(0.01, end - time.monotonic()))
            try:
                caller = stack.enter_context(listener.accept()[0])
            except TimeoutError:
                problem = problem or _missing(cluster, set(came) | {0}, wait)
                break
            caller.settimeout(5)
            try:
                told = json.loads(caller.makefile(encoding="utf-8").readline())
                index, theirs = int(told["worker"]), dict(told["about"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not one of us
            if index not in range(1, cluster.workers):
                continue  # of another cluster
            came[index] = caller
            if not problem and (problem := _different(index, about, theirs)):
                end = min(end, time.monotonic() + GRACE)
        for caller in came.values():
            with contextlib.suppress(OSError):
                caller.sendall(json.dumps(problem).encode() + b"\n")
    return problem


def _missing(cluster: Cluster, came: set[int], wait: float) -> dict[str, str]:
    absent = [f"{i} ({cluster.addresses[i]})" for i in range(cluster.workers) if i not in came]
    return {
        "found": f"{len(came)} of {cluster.workers} workers after {wait:.0f} s; "
        f"not there: {', '.join(absent)}",
        "expected": TOGETHER,
        "hint": f"start them all again; {_reach(cluster)}",
    }


def _reach(cluster: Cluster) -> str:
    return f"TF_CONFIG and firewalls must let them reach {cluster.addresses[0]} and each other"


def _different(index: int, ours: dict[str, str], theirs: dict[str, str]) -> dict[str, str]:
    names = [name for name in ours if theirs.get(name) != ours[name]]
    if not names:
        return {}
    return {
        "found": f"worker {index} has other {', '.join(names)} than the chief",
        "expected": "the same experiment file, --set, text and versions on all workers",
        "hint": "make them alike and start all of them again",
    }


def _call(cluster: Cluster, about: dict[str, str], wait: float) -> dict[str, str]:
    """A worker's part: what the chief says is wrong, or nothing."""
    end = time.monotonic() + wait
    message = json.dumps({"worker": cluster.index, "about": about}).encode() + b"\n"
    while time.monotonic() < end:
        try:
            with socket.create_connection(_split(cluster.addresses[0]), timeout=5) as line:
                line.sendall(message)
                line.settimeout(max(1.0, end + 5 - time.monotonic()))  # the chief speaks first
                return dict(json.loads(line.makefile(encoding="utf-8").readline()))
        except (OSError, ValueError):
            time.sleep(0.2)
    return {
        "found": f"no answer from worker 0 ({cluster.addresses[0]}) in {wait:.0f} s",
        "expected": TOGETHER,
        "hint": f"look at what worker 0 has printed, then start them all again; {_reach(cluster)}",
    }
