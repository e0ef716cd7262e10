"""Imports point only upward in this list; heavy packages are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "textgen"
STAGES = (
    "errors atomic registry settings meeting files config caching processes symbols corpora "
    "tagging vectors character_ngram spelling rare_words tokenizers embeddings stored encoding "
    "preparing backend distributed dropout unrolled lstm backbone two_level memory objectives "
    "checkpoint document_cache likelihood optimizer trainer monitor training baselines stepping "
    "sampling generation metrics significance run_folder runs evaluation arms paid cross "
    "references manifest kernels summary console studies report cli calibration workers planning "
    "cluster board corpus baseline generate score run compare study"
).split(" ")
LIGHT = (
    "errors atomic registry settings meeting files config caching processes symbols corpora "
    "tagging vectors character_ngram spelling rare_words tokenizers embeddings stored encoding "
    "preparing distributed baselines metrics significance references studies report cli "
    "calibration workers planning cluster board corpus baseline generate score run compare study "
    "run_folder runs"
).split(" ")
HEAVY = {
    "tensorflow", "keras", "spacy", "gensim", "scipy", "wordfreq", "pooch", "requests", "ray",
    "matplotlib", "jinja2", "pydivsufsort", "pyppmd",
}  # fmt: skip


def files(stage):
    folder = PACKAGE / stage
    return sorted(folder.glob("*.py")) if folder.is_dir() else [PACKAGE / f"{stage}.py"]


def imports(path, *, top_level=False):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "textgen":
                yield from (f"textgen.{alias.name}" for alias in node.names)


def test_every_file_has_its_stage():
    found = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir()}
    assert found - {"__init__", "__pycache__", "__main__"} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_imports_point_upward(stage):
    for path in files(stage):
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "textgen" and len(parts) > 1 and parts[1] in STAGES:
                assert STAGES.index(parts[1]) <= STAGES.index(stage), f"{path.name} imports {name}"


@pytest.mark.parametrize("stage", LIGHT)
def test_light_stages_import_nothing_heavy(stage):
    for path in files(stage):
        for name in imports(path, top_level=True):
            assert name.split(".")[0] not in HEAVY, f"{path.name} imports {name}"


def test_importing_the_package_and_the_commands_loads_nothing_heavy():
    code = (
        "import sys, textgen, textgen.run, textgen.generate, textgen.corpus, textgen.runs\n"
        "import textgen.compare, textgen.study, textgen.score, textgen.baseline\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["run", "compare", "study", "generate", "score"])
def test_a_call_stays_a_call_whichever_file_was_imported_first(name):
    code = (
        "import importlib, textgen, textgen.study, textgen.compare, textgen.run\n"
        f"first = textgen.{name}\n"
        "for other in ('score', 'generate', 'study', 'compare', 'run'):\n"
        "    importlib.import_module(f'textgen.{other}').main\n"
        f"assert callable(first) and textgen.{name} is first\n"
        "from textgen.run import main\n"
    )
    if name in ("generate", "score"):
        code = code.replace("first = ", f"import textgen.{name}; first = ", 1)
    subprocess.run([sys.executable, "-c", code], check=True)
