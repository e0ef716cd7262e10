"""The machine: cores and memory that this process may use, and the processor's name."""

import contextlib
import math
import os
import platform
import re
from pathlib import Path, PurePosixPath

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
