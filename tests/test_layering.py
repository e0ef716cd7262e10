"""The house: twelve packages, imports in one direction, nothing but doors imported from outside."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import textgen

PACKAGE = Path(__file__).parents[1] / "textgen"
PACKAGES = (
    "core data embeddings tokenizers models evaluation training runs interactive auditing report "
    "studies"
).split()
"""Each may import those before it."""
DOORS = "__main__ cli run compare testing".split()
HEAVY = {
    "tensorflow", "keras", "spacy", "gensim", "scipy", "wordfreq", "pooch", "requests", "ray",
    "matplotlib", "jinja2", "pyppmd", "pandas", "nbformat", "starlette", "uvicorn",
}  # fmt: skip
FLOORS = 11


def sources():
    """(file, its package or "" for a door) of all of textgen."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).parts
        yield path, parts[0] if len(parts) > 1 else ""


def imported(path):
    """The modules of textgen that a file imports, ``textgen.a.b`` as ("a", "b")."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
            if node.module == "textgen":
                names = [f"textgen.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "textgen":
                yield tuple(name.split(".")[1:])


def test_the_root_holds_doors_and_packages_and_nothing_else():
    found = {p.stem if p.suffix == ".py" else p.name for p in PACKAGE.iterdir()}
    assert found - {"__init__", "__init__.pyi", "__pycache__", "py.typed", "README.md"} == {
        *PACKAGES,
        *DOORS,
    }
    assert all((PACKAGE / package / "__init__.pyi").exists() for package in PACKAGES)


def test_imports_point_one_way_and_outside_a_package_only_its_door_is_imported():
    wrong = []
    for path, package in sources():
        for module in imported(path):
            if not module or module[0] not in PACKAGES:
                if package and module and module[0] in DOORS:
                    wrong.append(f"{path}: a package imports a door, {module[0]}")
                continue
            if module[0] == package:
                continue
            if package and PACKAGES.index(module[0]) > PACKAGES.index(package):
                wrong.append(f"{path}: {package} imports {module[0]}, which comes after it")
            if len(module) > 1:
                wrong.append(f"{path}: textgen.{'.'.join(module)} behind the door of {module[0]}")
    assert not wrong, "\n".join(wrong)


def test_there_are_at_most_eleven_floors():
    below = {package: set() for package in PACKAGES}
    for path, package in sources():
        if package:
            below[package] |= {m[0] for m in imported(path) if m and m[0] in below} - {package}
    floor = {}
    for package in PACKAGES:
        floor[package] = 1 + max((floor[each] for each in below[package]), default=0)
    assert max(floor.values()) + 1 <= FLOORS  # and the doors


def test_what_a_door_names_is_there():
    for package in PACKAGES:
        door = importlib.import_module(f"textgen.{package}")
        assert all(hasattr(door, name) for name in door.__all__)
        modules = {path.stem for path in (PACKAGE / package).iterdir()}
        assert not modules & {*door.__all__}  # which of the two it were would depend on the order
    assert all(callable(getattr(textgen, name)) for name in textgen.__all__)


@pytest.mark.parametrize("door", DOORS)
def test_a_door_imports_nothing_heavy(door):
    code = (
        "import runpy, sys, textgen\n"
        f"runpy.run_module('textgen.{door}')\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
