"""Mutation testing of the code that computes likelihoods: do its tests notice a change?

A mutant is a module that cosmic-ray has changed, in a copy of the package. It is killed where tests
of the module fail there, or where they take three times as long, as in an endless loop.
"""

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).parents[1]
# module → the files of tests that should notice what happens to it
MODULES = {
    "kneser_ney": "baselines spelling", "spelling": "spelling tokenizers",
    "significance": "significance", "units": "likelihood", "counts": "cache", "pitman_yor": "cache",
    "model": "honesty golden", "signatures": "spelling", "likelihood": "likelihood honesty output",
    "sampler": "sampling", "surprisal": "word_surprisal", "splits": "splits",
    "assigned": "splits", "drawn": "splits",
    "documents": "corpora", "formats": "corpora", "trying": "trying", "tuning": "tuning",
    "grid": "grid", "spending": "compare",
}  # fmt: skip
# equality is identity for the strings and small numbers of a program
SAME = re.compile("_(Not)?Eq_Is(Not)?$|_Is(Not)?_(Not)?Eq$")


def mutations(path):
    """(operator, occurrence, line) of every possible change but those to annotations."""
    annotations, tree, possible = [], get_ast_from_path(path), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if part is not None:
                start = part.lineno, part.col_offset
                annotations.append((start, (part.end_lineno, part.end_col_offset)))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or SAME.search(name):
            continue
        places = (p for node in ast_nodes(tree) for p in operator().mutation_positions(node))
        for occurrence, (start, end) in enumerate(places):
            if not any(low <= start and end <= high for low, high in annotations):
                possible.append((name, occurrence, start[0]))
    return possible


def tests_fail(folder, name, seconds):
    """Whether one of a module's tests fails in a copy of the package, or they take longer."""
    files = [f"tests/test_{file}.py" for file in MODULES[name].split()]
    options = ["-x", "-m", "not full", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, *files]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def run(name, number, seed):
    (path,) = ROOT.glob(f"textgen/*/{name}.py")
    file, source, possible = path.relative_to(ROOT), path.read_text("utf-8"), mutations(path)
    drawn = random.Random(seed).sample(possible, min(number or len(possible), len(possible)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in ("textgen", "tests", "experiments", "docs"):
            shutil.copytree(ROOT / part, folder / part)
        start = time.monotonic()
        assert not tests_fail(folder, name, 3600)
        limit, killed = 10 + 3 * (time.monotonic() - start), 0
        for operator, occurrence, line in sorted(drawn, key=lambda mutant: mutant[2]):
            mutant = mutate_code(source, get_operator(operator)(), occurrence)
            (folder / file).write_text(mutant, encoding="utf-8")
            if tests_fail(folder, name, limit):
                killed += 1
            else:
                print(f"  survived: {file}:{line}  [{operator}:{occurrence}]", flush=True)
    print(f"{name}: {killed} of {len(drawn)} killed, drawn from {len(possible)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", default=list(MODULES), metavar="MODULE")
    parser.add_argument("--number", type=int, default=100, help="of each module; 0: all")
    parser.add_argument("--seed", type=int, default=1, help="by which they are drawn")
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for module in options.modules:
        run(module, options.number, options.seed)
