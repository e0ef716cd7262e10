"""textgen on macOS and Windows, as far as Linux can tell: what only Linux has is taken away.

``PYTHONPATH=tests/elsewhere python -m pytest -m fast`` does the same to all fast tests.
"""

import asyncio
import io
import os
import subprocess
import sys
from pathlib import Path, PurePath, PureWindowsPath

import filelock
import pytest
from conftest import ROOT, run_python, write_experiment, write_tales

from textgen import cli
from textgen.core import files, machine
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.core.settings import check_name
from textgen.core.terminal import command_line, lenient
from textgen.core.validation import plain
from textgen.data.corpora import Folder
from textgen.evaluation.baselines import Command
from textgen.interactive import server
from textgen.report.comparison import folder_name
from textgen.runs import folder as run_folder
from textgen.runs.console import Screen, read_items

pytestmark = pytest.mark.fast

NAMES = ["con", "Aux", "nul.txt", "COM7", "lpt1.a", "words."]  # of no file on Windows


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_windows_refuses_is_refused_everywhere(name):
    for refused in (
        lambda: check_name(name, "--name"),
        lambda: load_experiment("char", name=name),
    ):
        with pytest.raises(TextgenError, match=r"Windows"):
            refused()
    for kept in (f"{name}-1".replace(".", "-"), "console", "auxiliary.2"):
        check_name(kept, "--name")
        assert load_experiment("char", name=kept).name == kept


def test_the_folder_of_a_report_can_stand_everywhere():
    name = folder_name(["char (C:\\runs/a)", 'w"o*r?d|<>'])
    assert not set(name) & set('<>:"/\\|?*')


def test_every_file_of_the_repository_can_be_checked_out_everywhere_as_it_is():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = listed.stdout.decode().rstrip("\0").split("\0")
    assert len({path.lower() for path in paths}) == len(paths)
    for path in map(PurePath, paths):
        assert len(str(path)) < 150  # of 260 characters in all
        for part in path.parts:
            assert not set(part) & set('<>:"\\|?*'), path
            assert not part.endswith((".", " ")), path
            assert not PureWindowsPath(part).is_reserved(), path
    rules = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* -text" in rules  # no line end is changed


def test_documents_have_the_order_of_their_names_however_paths_are_compared(tmp_path, monkeypatch):
    for name in ("b.txt", "C.txt", "a/d.txt", "B/e.txt"):
        files.write_file(tmp_path / name, "text")
    before = [*Folder(tmp_path).files()]
    assert before == ["B/e.txt", "C.txt", "a/d.txt", "b.txt"]
    less = lambda path, other: str(path).lower() < str(other).lower()  # noqa: E731 - as on Windows
    monkeypatch.setattr(PurePath, "__lt__", less)
    assert [*Folder(tmp_path).files()] == before


def test_a_path_is_written_with_slashes():
    assert plain(PureWindowsPath(r"my\texts")) == "my/texts"


def test_a_csv_of_items_is_read_where_a_long_has_32_bits(tmp_path, monkeypatch):
    def limit(size: int) -> None:
        if size >= 2**31:
            raise OverflowError("Python int too large to convert to C long")

    monkeypatch.setattr("csv.field_size_limit", limit)
    files.write_file(tmp_path / "items.csv", "item,text\na,b\n")
    assert read_items(tmp_path / "items.csv") == [("a", "b", "")]


def test_commands_are_quoted_as_the_system_reads_them(monkeypatch):
    words = ["textgen", "compare", "my runs/a", "b"]
    monkeypatch.setattr(machine, "ON_WINDOWS", False)
    assert command_line(words) == "textgen compare 'my runs/a' b"
    monkeypatch.setattr(machine, "ON_WINDOWS", True)
    assert command_line(words) == 'textgen compare "my runs/a" b'


def test_the_path_of_a_compressor_keeps_its_backslashes_on_windows(monkeypatch):
    given = []

    def run(command, **settings):
        given.append(command)
        Path(settings["cwd"], "out").write_bytes(b"123")

    monkeypatch.setattr(subprocess, "run", run)
    for on_windows in (False, True):
        monkeypatch.setattr(machine, "ON_WINDOWS", on_windows)
        assert Command(r'"C:\my tools\paq.exe" -8 {input}').compressed_size(b"") == 3
    assert given == [[r"C:\my tools\paq.exe", "-8", "text"], r'"C:\my tools\paq.exe" -8 text']
    given.clear()
    assert Command(r"C:\tools\paq.exe {input}").compressed_size(b"") == 3
    assert given == [r"C:\tools\paq.exe text"]


def test_names_with_stars_are_expanded_where_the_shell_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b-1", "a-1", "a-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    expanded = [Path("runs/a-1"), Path("runs/b-1"), Path("c")]
    assert cli.expanded([Path("runs/*-1"), Path("c")]) == expanded
    assert cli.expanded([Path("none*")]) == [Path("none*")]


def test_a_file_that_another_program_reads_is_replaced_a_moment_later(tmp_path, monkeypatch):
    refused = []
    replace = os.replace

    def busy(source, target, **settings):
        if len(refused) < 3:
            refused.append(target)
            raise PermissionError(13, "The file is being used by another process")
        replace(source, target, **settings)

    monkeypatch.setattr(os, "replace", busy)
    files.write_file(tmp_path / "a", "new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(refused) == 3
    assert [*tmp_path.iterdir()] == [tmp_path / "a"]


def test_an_unused_folder_goes_where_its_open_lock_cannot_be_removed(tmp_path, monkeypatch):
    unlink, release = os.unlink, filelock.FileLock.release

    def refuse(path, **settings):
        raise PermissionError(13, "The file is being used by a process", path)

    def release_and_remove(lock, **settings):  # as filelock does on Windows
        release(lock, **settings)
        unlink(lock.lock_file)

    monkeypatch.setattr(filelock.FileLock, "release", release_and_remove)
    with run_folder.take_folder(tmp_path / "run", "busy", "wait"):
        monkeypatch.setattr(os, "unlink", refuse)
    assert [*tmp_path.iterdir()] == []


def test_what_the_console_lacks_is_replaced_in_python_too(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "cp1252", newline="\n"))
    Screen().say("−1 bits … → “words” 日本")
    sys.stdout.flush()
    assert raw.getvalue() == "?1 bits … ? “words” ??\n".encode("cp1252")
    utf8 = io.TextIOWrapper(io.BytesIO(), "utf-8")
    assert lenient(utf8) is utf8


def test_a_pipe_gets_utf8_whatever_the_locale(tmp_path):
    """``> texts.json`` loses nothing; PYTHONIOENCODING is obeyed."""
    for name in ("один", "два", "три"):
        files.write_file(tmp_path / f"{name}.txt", f"Текст, {name}. " * 200)
    code = "import sys; sys.stdout.reconfigure(encoding='cp1252', errors='strict')\n"
    code += f"from textgen import cli; cli.main(['corpus', {str(tmp_path)!r}, '--json'])"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONIOENCODING"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert "один.txt" in done.stdout.decode("utf-8"), done.stderr
    environment["PYTHONIOENCODING"] = "cp1252"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert "????.txt" in done.stdout.decode("cp1252"), done.stderr


def test_tensorflow_is_silenced_where_there_is_no_standard_error():
    """As in IDLE on Windows."""
    code = "import os; from textgen.core.tensorflow import silenced_stderr\nos.close(2)\n"
    done = run_python("-c", code + "with silenced_stderr():\n    print('here')")
    assert (done.code, done.out) == (0, "here\n")


def test_the_processor_has_a_name_without_proc(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "PROCESSES", tmp_path)
    monkeypatch.setattr("platform.processor", lambda: "")
    assert machine.processor()


def test_no_file_is_opened_in_the_encoding_of_the_locale(tmp_path):
    """Python warns of it where it is asked to."""
    write_tales(tmp_path / "tales")
    files.write_file(tmp_path / "items.csv", "item,text\na,b\n")
    code = f"""if True:
        import warnings
        warnings.filterwarnings("error", category=EncodingWarning, module=r"textgen\\.")
        from pathlib import Path
        from textgen import cli
        from textgen.core.cache import cached
        from textgen.runs.console import read_items
        from textgen.runs.results import commit_of
        assert cli.main(["corpus", {str(tmp_path / "tales")!r}]) == 0
        assert cli.main(["schema"]) == 0
        read_items(Path({str(tmp_path / "items.csv")!r}))
        for turn in range(2):
            assert cached(Path({str(tmp_path / "cached")!r}), lambda: ["a"]) == ["a"]
        commit_of(Path({str(ROOT / "textgen")!r}))
    """
    done = run_python("-X", "warn_default_encoding", "-c", code)
    assert done.code == 0, done.err


def test_scripts_of_the_page_have_a_type_that_browsers_run(monkeypatch):
    """Windows may call them plain text."""
    monkeypatch.setattr("starlette.responses.guess_type", lambda _: ("text/plain", None))
    page = server.application([], "network", "secret")
    sent = []

    async def receive():  # the request, and then nothing any more
        if sent:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    host = [(b"host", b"127.0.0.1")]
    asked = {"type": "http", "method": "GET", "path": "/secret/play.js", "query_string": b""}
    asyncio.run(page({**asked, "root_path": "", "headers": host}, receive, send))
    assert sent[0]["status"] == 200
    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/javascript")


def test_a_port_that_is_taken_is_told_in_the_words_of_the_system(monkeypatch):
    """``os.strerror`` does not know them on Windows."""
    monkeypatch.setattr(os, "strerror", lambda _: "Unknown error")
    with server.listen() as taken, pytest.raises(TextgenError) as caught:
        server.listen(taken.getsockname()[1])
    assert caught.value.message.endswith("Address already in use")


PROGRAM = """if True:
    import os, signal, time
    from pathlib import Path
    from textgen import cli, train
    from textgen.training.step import work_clock
    assert not hasattr(os, "fork") and not hasattr(signal, "SIGKILL")
    few = "--set=training.updates=20", "--set=sampling.samples=1"
    for command in (
        ["corpus", "tales"],
        ["run", "tiny.toml", *few],
        ["score", "runs/tiny", "--items", "items.csv", "--words", "words.csv"],
        ["score", "runs/tiny", "--text", "The tide left."],
        ["generate", "runs/tiny", "--length", "40", "--json"],
        ["baseline", "tiny.toml", "--kind", "ppmd"],
        ["compare", "runs/tin*"],
        ["study", "small.toml", "--workers", "2"],
    ):
        assert cli.main(command) == 0, command
    assert work_clock(1) is time.perf_counter
    # where textgen is not the program, and does not choose how its stream writes
    import contextlib
    with open("said.txt", "w", encoding="cp1252") as file, contextlib.redirect_stdout(file):
        train("tiny.toml", name="again", overrides=["training.updates=5"])
"""
STUDY = """title = "Words − characters → “bits”"
budget.updates = 10
arms.char = { experiment = "tiny.toml", seeds = 1 }
arms.cut = { experiment = "tiny.toml", seeds = 1, set = ["backbone.units=[8]"] }
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_everything_works_without_what_linux_alone_has(tmp_path):
    write_experiment(tmp_path / "tiny.toml", write_tales(tmp_path / "tales"), length=40)
    files.write_file(tmp_path / "small.toml", STUDY)
    files.write_file(tmp_path / "items.csv", "item,text\na,The keeper left the shore.\n")
    paths = os.pathsep.join([str(ROOT / "tests" / "elsewhere"), os.environ["PYTHONPATH"]])
    done = run_python("-c", PROGRAM, folder=tmp_path, seconds=900, PYTHONPATH=paths)
    assert done.code == 0, done.out[-3000:] + done.err[-3000:]
    assert "Traceback" not in done.err
    assert "written to" in (tmp_path / "said.txt").read_text(encoding="cp1252")
    pages = [*tmp_path.glob("reports/*/index.html")]
    assert len(pages) == 2
    written = [*tmp_path.rglob("*.json"), *tmp_path.rglob("*.md"), *pages]
    for file in written:
        assert b"\r\n" not in file.read_bytes(), file
        file.read_text(encoding="utf-8")
    for log in (tmp_path / "runs" / "small" / "logs").glob("*.txt"):
        log.read_text(encoding="utf-8")
