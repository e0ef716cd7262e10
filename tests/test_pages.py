"""Links, commands and references on the pages that users read are those of the code."""

import os
import re
import shlex
import site
import subprocess
import sys
import tomllib

import nbclient
import nbformat
import pytest
import reference
from conftest import ROOT, run_python
from links import check_files, check_links

from textgen import cli
from textgen.core.files import write_json
from textgen.core.reading import find_experiment

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "experiments").glob("*.md")]
PAGES += (ROOT / "experiments" / "benchmarks").glob("*.md")
for name in ("data", "docs", "tests", "textgen"):
    PAGES += sorted((ROOT / name).rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_and_every_file_that_a_page_names_is_there(page):
    check_links(page)
    check_files(page)


def test_an_index_has_every_guide():
    listed = re.findall(r"\]\(([\w-]+)\.md\)", GUIDES["docs/README.md"])
    assert sorted(listed) == sorted(p.stem for p in (ROOT / "docs").glob("[!R]*.md"))


NOTES = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
CHANGES = NOTES.partition("## Change one thing")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| .+? \| `(--set.+)` \|$", CHANGES, re.MULTILINE)


@pytest.mark.slow
def test_all_rows_together_run(textgen, corpus_folder):
    assert 10 <= len(ROWS) <= 12
    given = shlex.split(" ".join(ROWS).replace("my_texts", str(corpus_folder)))
    given[given.index("training.seconds=600")] = "training.updates=2"  # one budget is enough
    for small in (
        "training.validations=1 backbone.units=[8,8] embedding.epochs=1 "
        "sampling.samples=1 sampling.length=20 cache.orders=[]"
    ).split():
        given += ["--set", small]
    textgen("run", "word_small", *given)


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    notebook = nbformat.read(ROOT / "experiments" / "tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert (tmp_path / "reports" / "tiny-words" / "index.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_installs_what_it_needs_where_it_is_missing(tmp_path, monkeypatch):
    """In a fresh environment that has all that textgen needs, but not textgen."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "fresh"], check=True)
    (folder,) = (tmp_path / "fresh").glob("lib/*/site-packages")
    (folder / "needed.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    kernel = tmp_path / "jupyter" / "kernels" / "fresh" / "kernel.json"
    python = str(tmp_path / "fresh" / "bin" / "python")
    arguments = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    write_json(kernel, {"argv": arguments, "display_name": "fresh", "language": "python"})
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("TEXTGEN_SOURCE", str(ROOT))
    monkeypatch.delenv("PYTHONPATH")
    notebook = nbformat.read(ROOT / "experiments" / "tutorial.ipynb", as_version=4)
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    where = nbformat.v4.new_code_cell("import textgen\nprint(textgen.__file__)")
    notebook.cells = [notebook.cells[first], where]
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(
        notebook, timeout=500, kernel_name="fresh", resources=resources
    ).execute()
    printed = notebook.cells[1].outputs[0]["text"].strip()
    assert printed == str(folder / "textgen" / "__init__.py")


GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "experiments" / "README.md"]
GUIDES += sorted((ROOT / "docs").glob("*.md"))
GUIDES = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in GUIDES}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_reference_is_what_the_code_says(name):
    path = ROOT / "docs" / "reference" / f"{name}.md"
    page = reference.page(name)
    assert path.read_text("utf-8").split() == page.split(), "it is not what the docstrings say"


MODULES = {"textgen.run": "run", "textgen.compare": "compare"}


def given_to_textgen(words):
    """The words after ``textgen`` in a command, however it is started; none of other commands."""
    if words[:2] == ["python", "-m"] and words[2] in MODULES:
        return [MODULES[words[2]], *words[3:]]
    if words[:2] == ["uvx", "--from"]:
        words = words[3:]
    if words and words[0].rpartition("/")[2] == "textgen":
        return words[1:]
    return []


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_and_option_of_a_guide_exists(name):
    blocks = [block for language, block in BLOCK.findall(GUIDES[name]) if not language]
    for line in "".join(blocks).splitlines():
        for part in line.split(" && "):
            given = given_to_textgen(shlex.split(part, comments=True))
            if given:
                parser = cli.Parser()
                cli.COMMANDS[given[0]][0](parser)
                parser.parse_args(given[1:])
                if given[0] in ("run", "study", "tune") and "." not in given[1]:
                    assert find_experiment(given[1]).is_file(), given[1]


def commands_of_readme(start):
    return re.findall(rf"^({re.escape(start)}.*)$", GUIDES["README.md"], re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_two_networks_of_readme_are_trained_and_compared(tmp_path, corpus_folder):
    """From any folder, as they are written, but on less text, smaller and shorter."""
    *trainings, comparison = commands_of_readme("python -m textgen.")
    assert [given_to_textgen(line.split())[1] for line in trainings] == [
        "experiments/char.toml",
        "experiments/word_rare_unk.toml",
    ]
    small = f"corpus.kind=folder corpus.path={corpus_folder} backbone.units=[8] training.updates=2"
    small += " training.validations=1 sampling.samples=1 sampling.length=20 cache.orders=[]"
    settings = [word for each in small.split() for word in ("--set", each)]
    for line in trainings:
        done = run_python(*line.split()[1:], *settings, folder=tmp_path)
        assert done.code == 0, done.err
    done = run_python(*comparison.split()[1:], folder=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "reports" / "char-word_rare_unk" / "index.html").exists()


@pytest.mark.slow
def test_uv_finds_the_program_in_a_clone(tmp_path):
    """What it needs is here already: nothing is resolved or downloaded."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.match(r"[\w-]+", each)[0] for each in project["dependencies"]]
    nothing = "\n".join(f"{name} ; python_version < '3'" for name in names)
    (tmp_path / "nothing.txt").write_text(nothing, encoding="utf-8")
    environment = dict(os.environ, UV_OVERRIDE=str(tmp_path / "nothing.txt"))
    environment |= {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_BUILD_ISOLATION": "1"}
    environment |= {"UV_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(site.getsitepackages())}
    first, *_ = commands_of_readme("uvx ")
    tool, *start = shlex.split(first, comments=True)
    assert (tool, start[-2:]) == ("uvx", ["textgen", "try"])
    command = [sys.executable, "-m", "uv", "tool", "run", "--python", sys.executable, *start]
    done = subprocess.run([*command, "--help"], cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"--minutes" in done.stdout
