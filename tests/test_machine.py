"""What this process may use of the machine, in containers and outside."""

import os

import pytest

from textgen.core import machine
from textgen.core.files import write_file

pytestmark = pytest.mark.fast

GB = 10**9
# cores, free gigabytes, and files below /proc and /sys/fs/cgroup, whose lines end in semicolons; 8
# cores and 16 GB are there
MACHINES = {
    "no container": (8, 16, "cgroup/cpu.stat = usage_usec 1"),
    "docker, version 2": (2, 3, f"""
        proc/self/cgroup = 0::/
        cgroup/cpu.max = 150000 100000
        cgroup/memory.max = {4 * GB}
        cgroup/memory.current = {3 * GB}
        cgroup/memory.stat = anon {GB};inactive_file {GB};active_file {GB}"""),
    "a service inside a limited slice": (3, 5, f"""
        proc/self/cgroup = 0::/work.slice/job.service
        cgroup/work.slice/job.service/cpu.max = max 100000
        cgroup/work.slice/job.service/memory.max = max
        cgroup/work.slice/job.service/memory.current = 5
        cgroup/work.slice/cpu.max = 300000 100000
        cgroup/work.slice/memory.max = {6 * GB}
        cgroup/work.slice/memory.current = {GB}"""),
    "docker, version 1, which sees its own group as the outermost": (1, 1, f"""
        proc/self/cgroup = 5:memory:/docker/ab;4:cpu,cpuacct:/docker/ab;0::/docker/ab
        cgroup/cpu/cpu.cfs_quota_us = 50000
        cgroup/cpu/cpu.cfs_period_us = 100000
        cgroup/memory/memory.limit_in_bytes = {2 * GB}
        cgroup/memory/memory.usage_in_bytes = {2 * GB}
        cgroup/memory/memory.stat = active_file 7;total_active_file {GB}"""),
    "version 1 without limits, nested": (8, 7, f"""
        proc/self/cgroup = 5:memory:/a/b;4:cpu,cpuacct:/a/b;1:name=systemd:/a/b
        cgroup/cpu/a/b/cpu.cfs_quota_us = -1
        cgroup/memory/a/b/memory.limit_in_bytes = 9223372036854771712
        cgroup/memory/a/b/memory.usage_in_bytes = {GB}
        cgroup/memory/a/memory.limit_in_bytes = {8 * GB}
        cgroup/memory/a/memory.usage_in_bytes = {GB}"""),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _eight_cores(tmp_path, monkeypatch):
    """What the machine says of itself stands in files of the test."""
    monkeypatch.setattr(machine, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(machine, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize("name", MACHINES)
def test_the_limits_of_a_container_are_those_of_the_process(tmp_path, name):
    cores, gigabytes, files = MACHINES[name]
    memory = f"MemTotal: 9 kB\nMemAvailable: {16 * GB // 1024} kB\n"
    write_file(tmp_path / "proc/meminfo", memory)
    for line in files.strip().splitlines():
        path, _, content = line.strip().partition(" = ")
        write_file(tmp_path / path, content.replace(";", "\n") + "\n")
    assert machine.cores() == cores
    assert machine.free_memory() == pytest.approx(gigabytes * GB, abs=1024)


def test_the_processor_is_named_with_what_it_is_limited_to(tmp_path, monkeypatch):
    """Times of one that may use fewer instructions are not those of another."""
    write_file(tmp_path / "proc/cpuinfo", "processor: 0\nmodel name\t: An Abacus 9\nflags: a\n")
    for variable in ("ONEDNN_MAX_CPU_ISA", "XLA_FLAGS"):
        monkeypatch.delenv(variable, raising=False)
    assert machine.processor() == "An Abacus 9"
    for variable, value in (
        ("XLA_FLAGS", "--a=b --xla_cpu_max_isa=avx2"),
        ("ONEDNN_MAX_CPU_ISA", "sse41"),
    ):
        monkeypatch.setenv(variable, value)
        limit = value.rpartition("=")[2].upper()
        assert machine.processor() == f"An Abacus 9, limited to {limit}"


def test_a_system_that_says_nothing_has_all_cores_and_no_known_limit(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS, which has no /proc either
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert (machine.cores(), machine.free_memory()) == (6, None)
    assert isinstance(machine.processor(), str)
