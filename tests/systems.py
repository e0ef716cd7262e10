"""Whether all that textgen needs can be installed elsewhere: ``python tests/systems.py`` asks the
resolver of uv, which downloads no package, for wheels for three systems under the oldest and the
newest Python, prints a table, and fails where one is missing. Where uv reaches no registry, it says
so."""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SYSTEMS = {  # as uv calls them; manylinux 2.28 is what Debian 10 and newer ones can install
    "Linux, x86-64": "x86_64-manylinux_2_28",
    "macOS, Apple silicon": "aarch64-apple-darwin",
    "Windows, x86-64": "x86_64-pc-windows-msvc",
}
# What is installed: the arguments of uv, beside those for the system. The small install is that of
# requirements-cpu.lock.
CPU = "tensorflow-cpu>=2.21,<3"
NO_TENSORFLOW = "tensorflow; python_version < '3'"
INSTALLS = ("textgen", "textgen, small", "with the tests")
WITHOUT_WHEELS = {("textgen, small", "macOS, Apple silicon")}  # tensorflow-cpu is not made for it
UNSOLVABLE = "No solution found"  # uv's words where something has no wheel


def pythons() -> list[str]:
    """The oldest and the newest Python that the project names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = "\n".join(project["classifiers"])
    versions = re.findall(r"^Programming Language :: Python :: (3\.\d+)$", names, re.MULTILINE)
    return [versions[0], versions[-1]]


def resolve(install: str, system: str, python: str) -> str:
    """The number of packages and their bytes to be downloaded, in words.

    Raises:
        RuntimeError: what the resolver says, where there is no wheel of something.
    """
    with tempfile.TemporaryDirectory() as scratch:
        lock = Path(scratch, "pylock.toml")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
        command += ["--only-binary", ":all:", "--python-platform", SYSTEMS[system]]
        command += ["--python-version", python, "--format", "pylock.toml", "-o", str(lock)]
        command.append(str(ROOT / "pyproject.toml"))
        if install == "with the tests":
            command += ["--extra", "test"]
        if install == "textgen, small":
            small, without = Path(scratch, "small.txt"), Path(scratch, "without.txt")
            small.write_text(CPU, encoding="utf-8")
            without.write_text(NO_TENSORFLOW, encoding="utf-8")
            command += [str(small), "--override", str(without)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    # of several wheels of a package, such as one for all systems, the largest
    size = sum(max(wheel["size"] for wheel in package["wheels"]) for package in packages)
    return f"{len(packages)} packages, {size / 1e6:,.0f} MB"


def main() -> int:
    print(f"| system | Python | {' | '.join(INSTALLS)} |\n|---|---|{'---|' * len(INSTALLS)}")
    failures = []
    unanswered = set()
    for system in SYSTEMS:
        for python in pythons():
            cells = []
            for install in INSTALLS:
                if (install, system) in WITHOUT_WHEELS:
                    cells.append("–")
                    continue
                try:
                    cells.append(resolve(install, system, python))
                except RuntimeError as error:
                    if UNSOLVABLE in str(error):
                        cells.append("**no wheel**")
                        failures.append(f"{install}, {system}, Python {python}: {error}")
                    else:
                        cells.append("no answer")
                        unanswered.add(str(error))
            print(f"| {system} | {python} | {' | '.join(cells)} |", flush=True)
    print(*failures, *sorted(unanswered), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
