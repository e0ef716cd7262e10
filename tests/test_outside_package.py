"""A package from outside: installed by pip, its plug-ins are used by every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, run_python, write_experiment

SOURCE = ROOT / "tests" / "outside_package"
COMMANDS = """
assert main(['run', 'elman.toml', '--quiet', '--set', 'backbone={kind="elman",units=[24]}', '--set',
  'tokenizer={kind="words",minimum_count=75,rare_words="shape"}']) == 0
assert main(['generate', 'runs/elman', '--length', '60', '--marked']) == 0
assert main(['compare', 'runs/elman', '--quiet']) == 0
print()
assert main(['score', 'runs/elman', '--text', 'The tide left.', '--json']) == 0
"""
CONTRACTS = """
from textgen.testing import check_plugin
from textgen_outside.elman import Elman
from textgen_outside.exclamations import Exclamations
from textgen_outside.shape import Shape
check_plugin('rare_words', Shape())
check_plugin('metric', Exclamations())
check_plugin('backbone', Elman(units=(5, 4)))
check_plugin('backbone', Elman(units=(5,), input='embedding', tied_output=True))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, corpus_folder):
    """A folder with an experiment, and ``package``, where pip has put the package."""
    home = tmp_path_factory.mktemp("outside")
    shutil.copytree(SOURCE, home / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(home / "package"), str(home / "source")], check=True)
    experiment = write_experiment(home / "elman.toml", corpus_folder)
    experiment.write_text(experiment.read_text().replace("orders = [1, 3]", "orders = []"))
    return home


def test_every_command_uses_what_the_package_brings(home):
    """One after another, as the console script calls them: TensorFlow is loaded once."""
    paths = [str(home / "package"), os.environ.get("PYTHONPATH", "")]
    path = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    code = f"from textgen.cli import main\n{COMMANDS}{CONTRACTS}"
    done = run_python("-c", code, folder=home, **path)
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["total"] > 0
    metrics = json.loads((home / "runs" / "elman" / "metrics.json").read_text())
    bits = metrics["test"]["bits_per_character"]
    assert 0 < bits["spelling"] < bits["total"] < 6
    (report,) = (home / "reports").iterdir()
    assert "exclamation marks" in (report / "index.html").read_text(encoding="utf-8")
    missing = run_python("-m", "textgen", "generate", "runs/elman", folder=home)
    assert missing.code == 2
    assert "'elman'" in missing.err or "'shape'" in missing.err
    assert "package" in missing.err
    assert "Traceback" not in missing.err


def test_plug_ins_fit_in_twenty_lines_and_their_page_shows_them_whole():
    page = (ROOT / "experiments/notes/plug-ins.md").read_text(encoding="utf-8")
    for name in ("shape.py", "exclamations.py", "elman.py"):
        text = (SOURCE / "src" / "textgen_outside" / name).read_text(encoding="utf-8").strip()
        assert len(text.splitlines()) <= 20
        assert f"```python\n{text}\n```" in page
