"""A Ray cluster that does a study's jobs, each as a task on one of its nodes. All of them have to
share the folders of runs and reports, for example over a network, and to have this textgen.

A job whose node is lost is done on another one; a run goes on from its last checkpoint. When the
study ends, or is stopped, no task of it is left.
"""

import contextlib
import logging
import os
import platform
import secrets
import shutil
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from textgen.core.errors import TextgenError
from textgen.core.files import write_file
from textgen.core.machine import gpus, processor
from textgen.core.progress import Cancelled, Say
from textgen.core.tensorflow import silenced_stderr
from textgen.evaluation.units import markdown_table
from textgen.runs.folder import LOCK
from textgen.studies.jobs import Job, Kind
from textgen.studies.places import GRACE_SECONDS, Processes, wait_until_free
from textgen.studies.sharing import is_taken
from textgen.studies.study import Resources, Study
from textgen.studies.timing import Measured, measure_arms

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0  # in which each node says what it is
NODES_SECONDS = 5.0  # for which it is remembered which nodes there are
ATTEMPTS = 5  # at a job whose nodes are lost
GIGABYTE = 1e9
# What changes the figures or the time of an update, and so has to be the same on every node.
ENVIRONMENT = (
    "XLA_FLAGS",
    "ONEDNN_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "MKL_ENABLE_INSTRUCTIONS",
    # Ray sets it for its processes; sums of floats must not depend on where they are made
    "OMP_NUM_THREADS",
)
PACKAGES = ("textgen", "tensorflow", "keras", "numpy")
Work = Callable[[dict[str, Any], bool], Any]  # see _on_node


class Cluster:
    """A place for jobs, as :class:`textgen.studies.places.Processes`.

    Ray is quiet, and reports nothing to its makers.

    Args:
        address: of the cluster.
        study: whose jobs they are.
        say: called with a line for people.

    Attributes:
        kept: empty: no process on a node is kept.
        processors: those of the nodes, when they have been checked.
    """

    def __init__(self, address: str, study: Study, say: Say) -> None:
        self.address = address
        self.kept = dict[str, Any]()
        self.processors = set[str]()
        self._study = study
        self._say = say
        self._started = set[Any]()
        self._is_closed = False
        self._nodes_known = list[Mapping[str, Any]]()
        self._nodes_asked = -NODES_SECONDS

    def __enter__(self) -> Self:
        """Connect to the cluster.

        Raises:
            TextgenError: Ray is not installed, no cluster answers, or one of another version does.
        """
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray

            place = urlsplit("//" + self.address.rpartition("//")[2])
            if place.hostname and place.port:  # where nothing answers, Ray itself waits for minutes
                socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()
            with silenced_stderr():
                ray.init(self.address, log_to_driver=False, logging_level=logging.ERROR)
        except ImportError:
            hint = 'pip install ".[cluster]", or leave --address out to run here'
            raise TextgenError(f"--address {self.address}: Ray is not installed", hint) from None
        except (OSError, RuntimeError, ValueError) as error:
            raise connection_error(self.address, error) from None
        self._ray = ray
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        # a thread that still asks Ray for a result when it is shut down may never get an answer
        deadline = time.monotonic() + GRACE_SECONDS
        while self._started and time.monotonic() < deadline:
            time.sleep(0.05)
        with silenced_stderr():
            self._ray.shutdown()

    def stop(self) -> None:
        """Stop all tasks, and begin none any more."""
        self._is_closed = True
        for task in list(self._started):
            self._ray.cancel(task, force=True)

    def _nodes(self) -> list[Mapping[str, Any]]:
        """The nodes that are alive."""
        if time.monotonic() - self._nodes_asked > NODES_SECONDS:
            self._nodes_known = [node for node in self._ray.nodes() if node["Alive"]]
            self._nodes_asked = time.monotonic()
        return self._nodes_known

    @property
    def slots(self) -> int:
        """How many runs the nodes have room for, if all take what the study says."""
        arm = next(iter(self._study.arms))
        needed = self._study.resources_of(arm)
        room = 0
        for node in self._nodes():
            room += _runs_on(node, needed)
        return max(1, room)

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        """Whether the nodes together have room for another job, or none is running."""
        taken = Counter[str]()
        for other in running:
            taken.update(needs_of(other.resources))
        if not taken:
            return True
        has = Counter[str]()
        for node in self._nodes():
            has.update(node["Resources"])
        return all(taken[name] + n <= has[name] for name, n in needs_of(job.resources).items())

    def release(self, name: str) -> None:
        """Nothing is kept."""

    def check(self, jobs: Iterable[Job], folder: Path) -> None:
        """Ask every node what it is, before the first job.

        Args:
            jobs: all that there are.
            folder: of the study's runs, which every node has to share.

        Raises:
            TextgenError: a job that no node can hold; or nodes that do not share the folder, or
                have other versions, in one table.
        """
        nodes = self._nodes()
        for job in jobs:
            if not any(_holds(node["Resources"], job.resources) for node in nodes):
                largest = [_said(node["Resources"]) for node in nodes]
                message = f"{job.name} takes {_said(needs_of(job.resources))}, which no node has"
                raise TextgenError(message, f"change [resources]; nodes: {'; '.join(largest)}")
        token = folder.resolve() / f"token-{secrets.token_hex(8)}"
        write_file(token, "")
        try:
            answers = {"here": answer(str(token)), **self._answers(nodes, str(token))}
        finally:
            token.unlink()
        different = differing(answers)
        if different:
            message = f"--address {self.address}: nodes differ from this machine:\n\n{different}"
            raise TextgenError(message, "install the same versions, and share this folder")
        self.processors = {each["processor"] for name, each in answers.items() if name != "here"}
        if len(self.processors) > 1:
            names = ", ".join(sorted(self.processors))
            self._say(f"warning: nodes have several processors: {names}")

    def _answers(self, nodes: Sequence[Mapping[str, Any]], token: str) -> dict[str, dict[str, str]]:
        """Node → what it says of itself, of those that are not lost while they are asked."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        tasks = list[Any]()
        for node in nodes:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = self._ray.remote(num_cpus=0, scheduling_strategy=there, max_retries=0)(
                _answer_there
            )
            tasks.append(task.remote(token, self._environment()))
        answers = dict[str, dict[str, str]]()
        for node, asked in zip(nodes, tasks, strict=True):
            name = f"{node['NodeManagerHostname']} {node['NodeID'][:6]}"
            try:
                answers[name] = self._ray.get(asked, timeout=ANSWER_SECONDS)
            except self._ray.exceptions.RayError as error:
                if self._is_alive(node["NodeID"]):
                    answers[name] = {"answer": str(error).strip().splitlines()[-1]}
        return answers

    def _is_alive(self, node_id: str) -> bool:
        return any(node["NodeID"] == node_id and node["Alive"] for node in self._ray.nodes())

    def _environment(self) -> dict[str, str]:
        """What counts of this process's environment, with empty texts for what is not there."""
        environment = {name: os.environ.get(name, "") for name in ENVIRONMENT}
        environment |= {k: value for k, value in os.environ.items() if k.startswith("TEXTGEN_")}
        return environment

    def do(self, job: Job, method: str, log: Path, **arguments: Any) -> Any:
        """As :meth:`textgen.studies.places.Processes.do`."""
        call = {"method": method, "log": str(log), "arguments": arguments}
        return self._task(job.name, job.resources, log.parents[1], _do_there, call)

    def measure(self, study: Study, arms: Sequence[str], folder: Path) -> Measured:
        """As :func:`textgen.studies.timing.measure_arms`, as many at once as a node can hold; all
        of these arms take the same."""
        shared = folder.resolve()
        needed = study.resources_of(arms[0])
        together = max(1, *(_runs_on(node, needed) for node in self._nodes()))
        measured: Measured = {}
        for first in range(0, len(arms), together):
            beside = list(arms[first : first + together])
            call = {"study": study, "arms": beside, "folder": str(shared)}
            name = f"{Kind.TIME}/{','.join(beside)}"
            takes = needed.times(len(beside))
            found = self._task(name, takes, shared, _measure_there, call)
            for arm, each in found.items():
                measured[arm] = TextgenError(each) if isinstance(each, str) else each
        return measured

    def _task(
        self, name: str, needed: Resources, shared: Path, work: Work, call: dict[str, Any]
    ) -> Any:
        """What a function returns on a node; on another one if that is lost.

        Args:
            name: of the task.
            needed: what it takes.
            shared: a folder that the node has to have.
            work: the function.
            call: its first argument.

        Raises:
            Cancelled: the block has been left.
            TextgenError: it has failed.
        """
        needs = needs_of(needed)
        settings = {"num_cpus": needs["CPU"], "num_gpus": needs["GPU"], "max_retries": 0}
        if needs["memory"]:
            settings["memory"] = needs["memory"]
        remote = self._ray.remote(**settings, name=name, scheduling_strategy="SPREAD")(_on_node)
        errors = self._ray.exceptions
        folders = [str(Path.cwd()), str(shared)]
        lost = ""
        for _ in range(ATTEMPTS):
            if self._is_closed:
                raise Cancelled
            task = remote.remote(work, call, bool(lost), folders, self._environment())
            self._started.add(task)
            try:
                answered = self._ray.get(task)
            except (errors.NodeDiedError, errors.WorkerCrashedError) as error:
                lost = str(error).strip().splitlines()[0]
                self._nodes_asked = -NODES_SECONDS
                continue
            except errors.RayError as error:
                raise TextgenError(str(error).strip().splitlines()[-1]) from None
            finally:
                self._started.discard(task)
            if "failure" in answered:
                raise TextgenError(answered["failure"])
            return answered["result"]
        raise TextgenError(f"{ATTEMPTS} nodes were lost: {lost}")


def connection_error(address: str, error: Exception) -> TextgenError:
    """Why a cluster cannot be reached."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "ersion mismatch" in str(error):
        versions = [line for line in lines if line.startswith(("Ray:", "Python:"))]
        cluster = " and ".join(versions[:2]) or lines[0]
        message = f"--address {address}: the cluster has other versions: {cluster}"
        here = f"Ray {metadata.version('ray')} and Python {platform.python_version()}"
        return TextgenError(message, f"here are {here}: install the same on both")
    reason = f"no Ray cluster answers: {lines[0] if lines else type(error).__name__}"
    return TextgenError(f"--address {address}: {reason}", "start one with: ray start --head")


def needs_of(resources: Resources) -> dict[str, float]:
    """What a job takes, by Ray's names."""
    memory = int((resources.memory or 0) * GIGABYTE)
    return {"CPU": resources.cores or 1, "GPU": resources.gpus, "memory": memory}


def _runs_on(node: Mapping[str, Any], needed: Resources) -> int:
    """How many runs that take so much a node holds at once."""
    has = node["Resources"]
    times = [has.get(name, 0) // amount for name, amount in needs_of(needed).items() if amount]
    return int(min(times, default=1))


def _holds(has: Mapping[str, float], resources: Resources) -> bool:
    return all(has.get(name, 0) >= amount for name, amount in needs_of(resources).items())


def _said(amounts: Mapping[str, float]) -> str:
    """``"4 cores, 1 GPUs, 8 GB"``"""
    said = [f"{amounts.get('CPU', 0):g} cores", f"{amounts.get('GPU', 0):g} GPUs"]
    if amounts.get("memory"):
        said.append(f"{amounts['memory'] / GIGABYTE:.1f} GB")
    return ", ".join(said)


def answer(token: str) -> dict[str, str]:
    """What this machine is, and whether it sees a file."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in PACKAGES:
        versions[package] = "missing"
        for name in (package, f"{package}-cpu"):
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(name)
    shared = "shared" if Path(token).exists() else "not shared"
    return {**versions, "folder": shared, "processor": processor()}


def differing(answers: Mapping[str, Mapping[str, str]]) -> str:
    """A table of the nodes whose answers differ from that of this machine, ``here``, in anything
    but the processor; empty if none does."""
    here = answers["here"]
    rows = list[list[str]]()
    for name, each in answers.items():
        if any(each.get(key) != here[key] for key in here if key != "processor"):
            rows.append([name, *(each.get(key, "") for key in here), each.get("answer", "")])
    if not rows:
        return ""
    return markdown_table(["node", *here, "answer"], [["here", *here.values(), ""], *rows])


def _answer_there(token: str, environment: Mapping[str, str]) -> dict[str, str]:
    _set(environment)
    return answer(token)


def _set(environment: Mapping[str, str]) -> None:
    """Have this process of Ray's work as the one that asks; it serves no other."""
    for name, value in environment.items():
        if value:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)


def _on_node(
    work: Work,
    call: dict[str, Any],
    is_again: bool,
    folders: Sequence[str],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """Work on a node as the process that asks for it.

    Args:
        work: is called with the next two.
        call: what is asked for.
        is_again: a node that had begun it was lost.
        folders: that the node has to have; the first is the one to work in.
        environment: see :func:`_set`.

    Returns:
        ``result``, what was returned; or ``failure``, why it has failed.
    """
    missing = [folder for folder in folders if not Path(folder).is_dir()]
    if missing:
        return {"failure": f"{socket.gethostname()} does not have {' and '.join(missing)}"}
    os.chdir(folders[0])
    _set(environment)
    import ray

    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what a job has not asked for is another's
    try:
        return {"result": work(call, is_again)}
    except TextgenError as error:
        return {"failure": error.message}


def _do_there(call: dict[str, Any], is_again: bool) -> Any:
    """Do a job, see :meth:`Cluster.do`."""
    log = Path(call["log"])
    arguments = call["arguments"]
    if is_again and call["method"] == "run":
        arguments = _going_on(log, arguments)
    if is_again and call["method"] == "try_setting":
        shutil.rmtree(arguments["scratch"])
        Path(arguments["scratch"]).mkdir()
    with Processes() as processes:
        worker = processes.start(log)
        result = worker.do(call["method"], log, **arguments)
        processes.end(worker)
    return result


def _going_on(log: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a run whose node was lost. Its lock is taken over if that node, which does
    not answer, still seems to hold it; and what it had begun is not replaced."""
    run = Path(arguments["runs"]) / log.stem
    if (run / LOCK).exists():
        wait_until_free(run / LOCK)
    if is_taken(run / LOCK):
        (run / LOCK).unlink()
    stored = run / "experiment.toml"
    has_begun = stored.exists() and stored.read_bytes() == log.with_suffix(".toml").read_bytes()
    return {**arguments, "overwrite": arguments["overwrite"] and not has_begun}


def _measure_there(call: dict[str, Any], is_again: bool) -> dict[str, Any]:
    """Measure arms, see :meth:`Cluster.measure`; why one cannot be measured, as a text."""
    with Processes(1, gpus()) as processes:
        measured = measure_arms(call["study"], call["arms"], Path(call["folder"]), processes)
    found = dict[str, Any]()
    for arm, each in measured.items():
        found[arm] = each.message if isinstance(each, TextgenError) else each
    return found
