"""Twelve packages, imports in one direction and in no circle, nothing heavy at the door."""

import ast
from graphlib import TopologicalSorter

from conftest import ROOT, python

PACKAGES = (
    "core data embeddings tokenizers models evaluation training runs interactive auditing report "
    "studies"
).split()
"""Each may import those before it."""
DOORS = "__main__ cli commands run compare testing".split()
HEAVY = {
    "tensorflow", "keras", "spacy", "gensim", "scipy", "wordfreq", "py3langid", "pooch", "requests",
    "ray", "matplotlib", "jinja2", "pyppmd", "pandas", "nbformat", "starlette", "uvicorn",
}  # fmt: skip
HEAVIEST = {"tensorflow", "keras", "spacy", "gensim", "matplotlib"}
MAX_LATE_IMPORTS = 12
"""Imports of textgen's own modules inside functions: where TensorFlow begins."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "textgen").rglob("*.py"))
}


def imports(module):
    """(module of textgen that is imported, whether inside a function) for each import of one."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    # those for annotations, below ``if TYPE_CHECKING``
    left_out = {n for block in tree.body if isinstance(block, ast.If) for n in ast.walk(block)}
    found = set()
    for node in {*ast.walk(tree)} - left_out:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add((full if full in MODULES else node.module, node.col_offset > 0))
        elif isinstance(node, ast.Import):
            found |= {(alias.name, node.col_offset > 0) for alias in node.names}
    return {(name, late) for name, late in found if name in MODULES}


IMPORTS = {module: imports(module) for module in MODULES}


def package(module):
    """The package of a module, or "" for the root's own."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in PACKAGES else ""


def test_the_root_holds_doors_and_packages_and_nothing_else():
    names = {path.stem for path in (ROOT / "textgen").iterdir()}
    assert names - {"__init__", "__pycache__", "py", "README"} == {*PACKAGES, *DOORS}


def test_imports_point_one_way():
    order = {name: i for i, name in enumerate(PACKAGES)}
    for module, found in IMPORTS.items():
        for name, _ in found:
            if package(module):
                assert package(name) or name == "textgen", f"{module} imports {name}, a door"
                below = order.get(package(name), 0) <= order[package(module)]
                assert below, f"{module} imports {name}, which comes after it"


def test_no_module_imports_itself_through_others_and_few_imports_are_late():
    graph = {m: {name for name, _ in found} for m, found in IMPORTS.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    late = sorted((m, name) for m, found in IMPORTS.items() for name, late in found if late)
    assert len(late) <= MAX_LATE_IMPORTS, late


def test_no_door_imports_anything_heavy():
    """The commands, which come last, bring libraries of a moment."""
    code = "import runpy, sys, textgen\n"
    doors = sorted(DOORS, key="commands".__eq__)
    for door, heavy in zip(doors, [HEAVY] * (len(DOORS) - 1) + [HEAVIEST], strict=True):
        code += f"runpy.run_module('textgen.{door}')\n"
        code += f"assert not (found := {heavy!r} & set(sys.modules)), ({door!r}, found)\n"
    python(code)
