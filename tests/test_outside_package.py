"""A package from outside: installed by pip, its plug-ins are used by every command."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, run_python

SOURCE = ROOT / "tests" / "outside_package"
PROGRAM = """
from textgen.cli import main
assert main(['run', 'tiny.toml', '--quiet', '--set', 'backbone={kind="elman",units=[24]}', '--set',
  'tokenizer={kind="words",minimum_count=75,rare_words="shape"}', '--set', 'cache.orders=[]']) == 0
assert main(['generate', 'runs/tiny', '--length', '60', '--marked']) == 0
assert main(['compare', 'runs/tiny', '--quiet']) == 0
from textgen.testing import check_plugin
from textgen_outside.elman import Elman
from textgen_outside.exclamations import Exclamations
from textgen_outside.shape import Shape
check_plugin('rare_words', Shape())
check_plugin('metric', Exclamations())
check_plugin('backbone', Elman(units=(5, 4)))
check_plugin('backbone', Elman(units=(5,), input='embedding', tied_output=True))
print()
assert main(['score', 'runs/tiny', '--text', 'The tide left.', '--json']) == 0
"""


@pytest.mark.slow
@pytest.mark.usefixtures("experiment_file")
def test_every_command_uses_what_the_package_brings(tmp_path):
    source, package = shutil.copytree(SOURCE, tmp_path / "source"), tmp_path / "package"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(package), str(source)], check=True)
    paths = os.pathsep.join(filter(None, [str(package), os.environ.get("PYTHONPATH", "")]))
    done = run_python("-c", PROGRAM, folder=tmp_path, PYTHONPATH=paths)
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["parts"]["network"]["total"] > 0
    metrics = json.loads((tmp_path / "runs" / "tiny" / "metrics.json").read_text())
    bits = metrics["test"]["parts"]["network"]["bits_per_character"]
    assert 0 < bits["spelling"] < bits["total"] < 6
    (report,) = (tmp_path / "reports").iterdir()
    assert "exclamation marks" in (report / "index.html").read_text(encoding="utf-8")
    missing = run_python("-m", "textgen", "generate", "runs/tiny", folder=tmp_path)
    assert (missing.code, "Traceback" in missing.err) == (2, False)
    assert "'elman'" in missing.err or "'shape'" in missing.err
    assert "package" in missing.err


def test_plug_ins_fit_in_twenty_lines_and_their_page_shows_them_whole():
    page = (ROOT / "docs/plug-ins.md").read_text(encoding="utf-8")
    for name in ("shape.py", "exclamations.py", "elman.py"):
        text = (SOURCE / "src" / "textgen_outside" / name).read_text(encoding="utf-8").strip()
        assert len(text.splitlines()) <= 20
        assert f"```python\n{text}\n```" in page
