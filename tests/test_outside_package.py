"""A package from outside: installed by pip, its plug-ins are used by every command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

SOURCE = ROOT / "tests" / "outside_package"
PYTHONPATH = os.environ.get("PYTHONPATH", "")
SETTINGS = """
[corpus]
kind = "folder"
path = "{corpus}"
[split]
validation = 0.2
test = 0.2
[tokenizer]
kind = "words"
minimum_count = 75
rare_words = "shape"
[objective]
kind = "next_token"
window = 16
[backbone]
kind = "elman"
units = [24]
[training]
updates = 40
batch = 8
learning_rate = 1e-2
validations = 2
[sampling]
length = 80
samples = 1
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where pip has put the package."""
    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(SOURCE, source)
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture(scope="module")
def run_folder(installed, corpus_folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("outside")
    (home / "elman.toml").write_text(SETTINGS.format(corpus=corpus_folder), encoding="utf-8")
    done = command(home, installed, "run", "elman.toml")
    assert done.returncode == 0, done.stderr
    return home / "runs" / "elman"


def command(home, installed, name, *arguments):
    return python(home, installed, "-m", "textgen", name, *arguments)


def python(home, installed, *arguments):
    path = os.pathsep.join(filter(None, [installed and str(installed), PYTHONPATH]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=home, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_every_command_uses_what_the_package_brings(run_folder, installed):
    home = run_folder.parents[1]
    metrics = json.loads((run_folder / "metrics.json").read_text())
    bits = metrics["test"]["bits_per_character"]
    assert 0 < bits["spelling"] < bits["total"] < 6
    code = (  # as the console script does, one after another: TensorFlow is loaded once
        "from textgen.cli import main\n"
        f"folder = {str(run_folder)!r}\n"
        "assert main(['generate', folder, '--length', '60', '--marked']) == 0\n"
        "assert main(['compare', folder, '--quiet']) == 0\n"
        "print()\n"
        "assert main(['score', folder, '--text', 'The tide left.', '--json']) == 0\n"
    )
    done = python(home, installed, "-c", code)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["total"] > 0
    (report,) = (home / "reports").iterdir()
    assert "exclamation marks" in (report / "index.html").read_text(encoding="utf-8")


def test_a_run_made_with_a_package_that_is_missing_says_so(run_folder):
    done = command(run_folder.parents[1], None, "generate", run_folder)
    assert done.returncode == 2
    assert "'elman'" in done.stderr or "'shape'" in done.stderr
    assert "package" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_plug_ins_keep_to_the_contracts(installed):
    code = (
        "from textgen.testing import check_plugin\n"
        "from textgen_outside.elman import Elman\n"
        "from textgen_outside.exclamations import Exclamations\n"
        "from textgen_outside.shape import Shape\n"
        "check_plugin('rare_words', Shape())\n"
        "check_plugin('metric', Exclamations())\n"
        "check_plugin('backbone', Elman(units=(5, 4)))\n"
        "check_plugin('backbone', Elman(units=(5,), input='embedding', tied_output=True))\n"
    )
    path = os.pathsep.join(filter(None, [str(installed), PYTHONPATH]))
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_plug_ins_fit_in_twenty_lines_and_their_page_shows_them_whole():
    page = (ROOT / "experiments/notes/plug-ins.md").read_text(encoding="utf-8")
    for name in ("shape.py", "exclamations.py", "elman.py"):
        text = (SOURCE / "src" / "textgen_outside" / name).read_text(encoding="utf-8").strip()
        assert len(text.splitlines()) <= 20
        assert f"```python\n{text}\n```" in page
