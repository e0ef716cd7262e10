"""The machine: cores and memory that this process may use, and the processor's name."""

import contextlib
import math
import os
import platform
import re
from pathlib import Path, PurePosixPath

PROCESSES, CONTROL_GROUPS = Path("/proc"), Path("/sys/fs/cgroup")  # Linux has them
DEVICES = Path("/dev")
ON_WINDOWS = os.name == "nt"


def _system_file(path: Path) -> str:
    """The content of a file in which Linux says something; empty if there is none."""
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8")
    return ""


def _control_groups(controller: str) -> list[Path]:
    """Folders of the control groups that this process is in, with all groups around them: of
    version 2, and of a controller's own hierarchy in version 1. Some may not exist: a container
    sees its own group as the outermost one, whatever the path of the process says."""
    folders: list[Path] = []
    for line in _system_file(PROCESSES / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        hierarchy = CONTROL_GROUPS / controller if controllers else CONTROL_GROUPS
        group = PurePosixPath(path)
        for each in (group, *group.parents):
            folders.append(hierarchy / str(each).lstrip("/"))
    return folders


def cores() -> int:
    """Cores this process may use, as many as the processor time of its container is worth; where
    the system does not say, all there are."""
    if hasattr(os, "sched_getaffinity"):
        number = len(os.sched_getaffinity(0))
    else:
        number = os.cpu_count() or 1
    for group in _control_groups("cpu"):
        limit = _system_file(group / "cpu.max").split()  # of version 2
        if not limit:
            files = [group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us"]
            limit = [_system_file(file).strip() for file in files]
        quota, period = limit
        if quota.isdigit():  # neither "max" nor -1
            number = min(number, math.ceil(int(quota) / int(period)))
    return number


def gpus() -> list[str]:
    """The graphics processors that this process may use, by the names that
    ``CUDA_VISIBLE_DEVICES`` has for them."""
    stated = os.environ.get("CUDA_VISIBLE_DEVICES")
    if stated is None:
        return [str(number) for number, _ in enumerate(DEVICES.glob("nvidia[0-9]*"))]
    found = list[str]()
    for name in stated.split(","):
        if name.strip() in ("", "-1"):  # CUDA ignores what follows
            break
        found.append(name.strip())
    return found


def usable_threads(setting: int) -> int:
    """The threads of a setting ``threads`` on this machine: 0 stands for one per core, and there
    are never more than cores."""
    if setting == 0:
        return cores()
    return min(setting, cores())


def processor() -> str:
    """CPU model, plus any instruction-set limit set in the environment: oneDNN's
    (``ONEDNN_MAX_CPU_ISA``) or else XLA's (``--xla_cpu_max_isa`` in ``XLA_FLAGS``)."""
    text = _system_file(PROCESSES / "cpuinfo")
    model = re.search(r"^model name\s*: *(.*)", text, re.MULTILINE)
    flag = re.search(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or (flag[1] if flag else "")
    cpu = model[1].strip() if model else platform.processor() or platform.machine()
    return f"{cpu}, limited to {limit.upper()}" if limit else cpu


def free_memory() -> int | None:
    """Bytes that programs can still take, in the container if there is one, memory of the file
    cache included, if that is known."""
    available = re.findall(r"(?m)^MemAvailable: *(\d+)", _system_file(PROCESSES / "meminfo"))
    free = [int(kilobytes) * 1024 for kilobytes in available]
    for group in _control_groups("memory"):
        free += _left_in_group(group, "memory.max", "memory.current")
        free += _left_in_group(group, "memory.limit_in_bytes", "memory.usage_in_bytes")
    return min(free, default=None)


def _left_in_group(group: Path, limit_file: str, usage_file: str) -> list[int]:
    """The bytes that a control group still has, if it has a limit."""
    limit = _system_file(group / limit_file).strip()
    used = _system_file(group / usage_file).strip()
    if not (limit.isdigit() and used.isdigit()):  # such as "max"
        return []
    statistics = _system_file(group / "memory.stat")
    prefix = "total_" if "\ntotal_" in statistics else ""  # of version 1: with inner groups
    of_files = re.findall(rf"(?m)^{prefix}(?:in)?active_file (\d+)", statistics)
    return [int(limit) - int(used) + sum(map(int, of_files))]
