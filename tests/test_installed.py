"""The wheel as a user has it, and a package from outside, whose plug-ins every command uses."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, missing, plug_ins, run_python, write_tales

from textgen.core.files import write_file

pytestmark = pytest.mark.long

PYTHON = shutil.which("python3.13")
TRY = """if True:  # two minutes, where more may be asked for
    from textgen import cli
    from textgen.studies import trying
    trying.MIN_TRAINING_SECONDS = 0
    raise SystemExit(cli.main("try tales --minutes 2".split()))
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_an_installed_wheel_runs_compares_and_tries(tmp_path):
    if not PYTHON:
        missing("there is no python3.13")
    there, home = tmp_path / "python", tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["TEXTGEN_CACHE"] = str(tmp_path / "cache")
    environment["TEXTGEN_MIRROR"] = "http://127.0.0.1:9"

    def run(*command):
        done = subprocess.run(
            [*map(str, command)], cwd=home, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    home.mkdir()
    pip = sys.executable, "-m", "pip", "--quiet"
    build = "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path
    run(*pip, "wheel", *build, ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(PYTHON, "-m", "venv", "--without-pip", there)
    install = *pip, "--python", there / "bin" / "python", "install", "--no-compile"
    locked = "--no-deps", "--require-hashes", "--requirement", ROOT / "requirements-cpu.lock"
    run(*install, *locked)
    run(*install, "--no-deps", wheel)
    textgen = there / "bin" / "textgen"
    small = "--set=training.updates=20", "--set=corpus.share=0.05", "--set=sampling.samples=1"
    run(textgen, "run", "char_small", *small)
    run(textgen, "compare", "runs/char_small")
    write_tales(home / "tales", 150, 10)
    said = run(there / "bin" / "python", "-c", TRY)
    pages = [*home.glob("reports/*/index.html")]
    assert len(pages) == 2
    assert all(page.read_text("utf-8").rstrip().endswith("</script>") for page in pages)
    assert "index.html" in said


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
    for name, code in {"__init__": "", **plug_ins()}.items():
        write_file(source / "src" / "textgen_outside" / f"{name}.py", code)
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
