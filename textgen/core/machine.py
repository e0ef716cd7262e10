"""What this machine is: its processor, and the cores this process may use."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path


def cores() -> int:
    """Cores this process may use; where the system does not say, all there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor() -> str:
    """Its name, and the instructions that this process is limited to, if it is."""
    lines = _information().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    limit = instruction_limit()
    return next(names, platform.processor()) + (f", limited to {limit}" if limit else "")


def instruction_limit() -> str:
    """The instructions that oneDNN (``ONEDNN_MAX_CPU_ISA``) or else XLA (``--xla_cpu_max_isa`` in
    ``XLA_FLAGS``) is limited to by the environment, such as ``"AVX2"``; empty if they are not."""
    flags = re.search(r"--xla_cpu_max_isa=(\w+)", os.environ.get("XLA_FLAGS", ""))
    limits = os.environ.get("ONEDNN_MAX_CPU_ISA", ""), flags[1] if flags else ""
    named = (limit.upper() for limit in limits)
    return next((limit for limit in named if limit not in ("", "ALL", "DEFAULT")), "")


def _information() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8") if path.exists() else ""
