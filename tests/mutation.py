"""Mutation testing of the code that computes likelihoods: are its tests able to notice a change?

    python tests/mutation.py spelling --number 100 --seed 1

A mutant is a module with one operator, comparison, number or decorator changed, as cosmic-ray does
(the extra ``mutation``). Nothing on the disk is changed: this process imports what all need, and
each mutant is a fork of it that puts the changed module in place of the real one and runs the
module's tests, the quickest first, until one fails. Tests that take longer than ``--longest`` are
left out, and those that need the fixtures of conftest.py, which start TensorFlow, but for modules
that are nothing without a network: a mutant is called killed only where a quick test has seen it.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import os
import pickle
import random
import re
import signal
import sys
import tempfile
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
EVALUATION, TOKENIZERS = "textgen.evaluation.", "textgen.tokenizers."
MODULES = {
    "kneser_ney": (TOKENIZERS + "kneser_ney", ["baselines", "spelling"]),
    "spelling": (TOKENIZERS + "words.spelling", ["spelling"]),
    "significance": (EVALUATION + "significance", ["significance"]),
    "units": (EVALUATION + "units", ["units"]),
    "memory": (EVALUATION + "memory", ["memory"]),
    "likelihood": (EVALUATION + "likelihood", ["likelihood"]),
    "sampler": (EVALUATION + "sampler", ["memory", "sampling"]),
    "scorer": (EVALUATION + "scorer", ["evaluation", "honesty", "output"]),
}
"""Module → its full name, and the files of tests that are to notice what happens to it."""
IMPORTED = ("numpy", "scipy.optimize", "scipy.special", "hypothesis", "pytest", "pydantic")
"""By the process that is forked; these must not import a module that is mutated."""
NETWORKED = ("sampler", "scorer")
"""Modules that a network is needed for: their tests have the fixtures of conftest.py."""
SAME = re.compile("_(Not)?Eq_Is(Not)?$|_Is(Not)?_(Not)?Eq$")
PATIENCE = 3
"""A mutant that takes so many times as long as the real module is in an endless loop: killed."""


def path_of(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def mutations(path: Path) -> list[tuple[str, int, int]]:
    """(operator, occurrence, line) of every possible change but those to annotations, and of
    equality to identity and back, which are the same for strings and numbers of a program."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    annotations = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if each is not None:
                begin = each.lineno, each.col_offset
                annotations.append((begin, (each.end_lineno, each.end_col_offset)))
    tree, found = get_ast_from_path(path), []
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or SAME.search(name):
            continue
        places = (p for node in ast_nodes(tree) for p in operator().mutation_positions(node))
        for occurrence, (begin, end) in enumerate(places):
            if not any(low <= begin and end <= high for low, high in annotations):
                found.append((name, occurrence, begin[0]))
    return found


def mutated(path: Path, name: str, occurrence: int) -> str:
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    return mutate_code(path.read_text(encoding="utf-8"), get_operator(name)(), occurrence)


class Mutant(SourceFileLoader):
    """Loads another text than that of the file."""

    def __init__(self, module: str, source: str) -> None:
        super().__init__(module, str(path_of(module)))
        self.source = source

    def get_code(self, fullname):
        return compile(self.source, self.path, "exec")

    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.util.spec_from_file_location(name, self.path, loader=self)
        return None


class Chosen:
    """A pytest plug-in: the tests of these names only, the quickest first; measures them."""

    def __init__(self, seconds: dict[str, float] | None) -> None:
        self.seconds, self.measured, self.failed = seconds, {}, set()

    def pytest_collection_modifyitems(self, items):
        if self.seconds is not None:
            items[:] = [item for item in items if item.nodeid in self.seconds]
            items.sort(key=lambda item: self.seconds[item.nodeid])

    def pytest_runtest_logreport(self, report):
        known = self.measured.get(report.nodeid, 0.0)
        self.measured[report.nodeid] = known + report.duration
        if report.failed:
            self.failed.add(report.nodeid)


def in_a_fork(work, seconds: float) -> int:
    """The exit code of what ``work()`` does in a process of its own; 124 where it takes longer."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        code = 3
        try:
            code = work()
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def tested(name: str, chosen: Chosen, *more: str) -> int:
    import hypothesis
    import pytest

    hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
    hypothesis.settings.load_profile("same")
    paths = [str(TESTS / f"test_{file}.py") for file in MODULES[name][1]]
    options = ["-o", "addopts=", "-m", "not full", "-q", "-p", "no:cacheprovider"]
    options += ["--noconftest"] * (name not in NETWORKED)
    return int(pytest.main([*options, *more, *paths], plugins=[chosen]))


def baseline(name: str, longest: float) -> dict[str, float]:
    """Seconds of each test that passes as it is run here."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "seconds"

        def work() -> int:
            chosen = Chosen(None)
            tested(name, chosen)
            found = {n: s for n, s in chosen.measured.items() if n not in chosen.failed}
            kept.write_bytes(pickle.dumps(found))
            return 0

        in_a_fork(work, 1800)
        return {n: s for n, s in pickle.loads(kept.read_bytes()).items() if s <= longest}


def run(name: str, options: argparse.Namespace) -> tuple[int, int, int]:
    """Mutants run, killed and possible of a module; the survivors are printed."""
    module = MODULES[name][0]
    path = path_of(module)
    possible = mutations(path)
    number = min(options.number or len(possible), len(possible))
    drawn = random.Random(options.seed).sample(possible, number)
    seconds = baseline(name, options.longest)
    limit = 10 + PATIENCE * sum(seconds.values())
    print(f"{name}: {len(drawn)} of {len(possible)} mutants, {len(seconds)} tests", flush=True)
    killed, before = 0, path.read_text(encoding="utf-8").splitlines()
    for operator, occurrence, line in sorted(drawn, key=lambda each: each[2]):
        source = mutated(path, operator, occurrence)

        def work(source: str = source) -> int:
            sys.meta_path.insert(0, Mutant(module, source))
            return tested(name, Chosen(seconds), "-x")

        if in_a_fork(work, limit):
            killed += 1
            continue
        after = source.splitlines()
        changed = [(a, b) for a, b in zip(before, after, strict=False) if a != b][:1]
        change = " → ".join(map(str.strip, changed[0])) if changed else ""
        place = f"{path.relative_to(ROOT)}:{line}"
        print(f"  survived: {place}: {change}  [{operator}:{occurrence}]", flush=True)
    print(f"{name}: {killed} of {len(drawn)} killed, {killed / len(drawn):.1%}", flush=True)
    return len(drawn), killed, len(possible)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "modules", nargs="*", default=list(MODULES), metavar="MODULE", help=", ".join(MODULES)
    )
    parser.add_argument("--number", type=int, default=100, help="of each module; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="by which they are drawn")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds of a test that is run")
    options = parser.parse_args()
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT), str(TESTS)]
    needed = ("tensorflow", "keras") if {*NETWORKED} & {*options.modules} else ()
    for each in (*IMPORTED, *needed):
        importlib.import_module(each)
    rows = [run(name, options) for name in options.modules]
    drawn, killed, possible = map(sum, zip(*rows, strict=True))
    print(f"{killed} of {drawn} killed, {killed / drawn:.1%}; drawn from {possible}")


if __name__ == "__main__":
    main()
