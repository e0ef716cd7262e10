"""What this process may use of the machine, in containers and outside."""

import os

import pytest

from textgen.core import system

GB = 10**9
# files below /proc and /sys/fs/cgroup → cores, free gigabytes; 8 cores and 16 GB are there
MACHINES = {
    "no container": ({"cgroup/cpu.stat": "usage_usec 1"}, 8, 16),
    "docker, version 2": (
        {
            "proc/self/cgroup": "0::/\n",
            "cgroup/cpu.max": "150000 100000\n",
            "cgroup/memory.max": f"{4 * GB}\n",
            "cgroup/memory.current": f"{3 * GB}\n",
            "cgroup/memory.stat": f"anon {GB}\ninactive_file {GB}\nactive_file {GB}\n",
        },
        2,
        3,
    ),
    "a service inside a limited slice": (
        {
            "proc/self/cgroup": "0::/work.slice/job.service\n",
            "cgroup/work.slice/job.service/cpu.max": "max 100000\n",
            "cgroup/work.slice/job.service/memory.max": "max\n",
            "cgroup/work.slice/job.service/memory.current": "5\n",
            "cgroup/work.slice/cpu.max": "300000 100000\n",
            "cgroup/work.slice/memory.max": f"{6 * GB}\n",
            "cgroup/work.slice/memory.current": f"{GB}\n",
        },
        3,
        5,
    ),
    "docker, version 1, which sees its own group as the outermost": (
        {
            "proc/self/cgroup": "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab\n0::/docker/ab\n",
            "cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "cgroup/memory/memory.limit_in_bytes": f"{2 * GB}\n",
            "cgroup/memory/memory.usage_in_bytes": f"{2 * GB}\n",
            "cgroup/memory/memory.stat": f"active_file 7\ntotal_active_file {GB}\n",
        },
        1,
        1,
    ),
    "version 1 without limits, nested": (
        {
            "proc/self/cgroup": "5:memory:/a/b\n4:cpu,cpuacct:/a/b\n1:name=systemd:/a/b\n",
            "cgroup/cpu/a/b/cpu.cfs_quota_us": "-1\n",
            "cgroup/cpu/a/b/cpu.cfs_period_us": "100000\n",
            "cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
            "cgroup/memory/a/b/memory.usage_in_bytes": f"{GB}\n",
            "cgroup/memory/a/memory.limit_in_bytes": f"{8 * GB}\n",
            "cgroup/memory/a/memory.usage_in_bytes": f"{GB}\n",
        },
        8,
        7,
    ),
}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that makes this machine seem one of 8 cores with these files."""
    monkeypatch.setattr(system, "PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(system, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def make(files):
        for name, content in files.items():
            system.write_file(tmp_path / name, content)

    return make


@pytest.mark.parametrize("name", MACHINES)
def test_the_limits_of_a_container_are_those_of_the_process(machine, name):
    files, cores, gigabytes = MACHINES[name]
    machine({"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {16 * GB // 1024} kB\n", **files})
    assert system.cores() == cores
    assert system.free_memory() == pytest.approx(gigabytes * GB, abs=1024)


def test_a_system_that_says_nothing_has_all_cores_and_no_known_limit(machine, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS, which has no /proc either
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert (system.cores(), system.free_memory()) == (6, None)
    assert isinstance(system.processor(), str)
