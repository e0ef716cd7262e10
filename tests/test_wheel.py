"""The wheel as a user has it: another Python, the users' lock, no checkout anywhere near."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, write_tales

PYTHON = shutil.which("python3.13")
TRY = """if True:  # two minutes, where more may be asked for
    from textgen import cli
    from textgen.studies import trying
    trying.STUDY_SECONDS = trying.SECONDS_BESIDE_TRAINING = trying.MIN_TRAINING_SECONDS = 0
    raise SystemExit(cli.main("try tales --minutes 2".split()))
"""


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not PYTHON, reason="there is no python3.13")
def test_an_installed_wheel_runs_compares_and_tries(tmp_path):
    there, home = tmp_path / "python", tmp_path / "home"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {
        "TEXTGEN_CACHE": str(tmp_path / "cache"),
        "TEXTGEN_MIRROR": "http://127.0.0.1:9",
    }

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
    install = *pip, "--python", there / "bin" / "python", "install"
    run(*install, "--require-hashes", "--requirement", ROOT / "requirements-cpu.lock")
    run(*install, "--no-deps", wheel)
    textgen = there / "bin" / "textgen"
    small = "--set=training.updates=20", "--set=corpus.share=0.05", "--set=sampling.samples=1"
    run(textgen, "run", "char_small", *small)
    run(textgen, "compare", "runs/char_small")
    write_tales(home / "tales", 150, 10)
    said = run(there / "bin" / "python", "-c", TRY)
    pages = [*home.glob("reports/*/index.html")]
    assert len(pages) == 2
    assert all("</html>" in page.read_text("utf-8") for page in pages)
    assert "index.html" in said
