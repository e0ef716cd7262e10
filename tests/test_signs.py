"""Control characters of texts, prompts and names reach a terminal or a page as signs only."""

import io
import json
import re
import time
from dataclasses import replace
from types import SimpleNamespace

from conftest import made_up, small_experiment, write_experiment
from rich.console import Console

from textgen.core.errors import TextgenError, json_line, visible
from textgen.core.system import write_file
from textgen.data.loading import load_corpus
from textgen.runs import console
from textgen.runs.console import print_passage
from textgen.training.checkpoint import Progress

OBEYED = {*map(chr, range(32))} - {"\n", "\t"} | {
    *map(chr, (*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
}
"""What a terminal would act upon, or what would turn a line around."""
HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\r\x08 \u202e live \u2066[bold]b[/bold] \x7f\x85"


def test_every_control_character_is_a_sign_of_the_same_length():
    everything = "".join(map(chr, range(0x3000)))
    assert len(visible(everything)) == len(everything)
    assert visible("\x1b\r\x7f\u202e\n\té☃") == "␛␍␡\ufffd\n\té☃"
    line, message = json_line({"text": HOSTILE}), str(TextgenError(f"{HOSTILE}\n", f"a\n{HOSTILE}"))
    for shown in (visible(everything), line, message):
        assert not OBEYED & {*shown}
    assert json.loads(line) == {"text": HOSTILE}
    assert len(message.splitlines()) == 2  # the sentence, the hint


def test_commands_show_them(textgen, tmp_path):
    for i in range(6):
        text = made_up(20, i).replace(" the", f" {HOSTILE} the")
        write_file(tmp_path / "tales" / f"{i}\x1b[2J\u202e.txt", text)
    file, run = write_experiment(tmp_path / "tiny.toml", tmp_path / "tales"), "runs/tiny"
    prompts = json.dumps(["\x1b[2J \u202e"])
    short = ["--set", "training.updates=10", "--set", f"sampling.prompts={prompts}"]
    for command in (
        ["run", file, *short], ["corpus", file], ["corpus", file, "--json"],
        ["generate", run, "--prompt", "\x1b[2J \u202e", "--length=300", "--temperature=2"],
        ["generate", run, "--prompt", "\x1b[2J \u202e", "--json", "--temperature=2"],
        ["score", run, "--text", HOSTILE], ["score", run, "--text", HOSTILE, "--json"],
        ["compare", run, "--title", HOSTILE],
    ):  # fmt: skip
        done = textgen(*command)
        assert not OBEYED & {*done.out, *done.err}, command
        assert "\N{SYMBOL FOR ESCAPE}[2J" in done.out or command[0] != "run"
    (page,) = (tmp_path / "reports").glob("*/index.html")
    assert not OBEYED & {*page.read_text("utf-8")}
    assert "␛[2J" in page.read_text("utf-8")


def test_names_and_texts_are_no_markup(tmp_path, capsys):
    bits = {"network": 9.0, "with_cache": 8.0}
    stretches = [{"text": text, **bits} for text in (HOSTILE, "[red]a[/red]")]
    figures = {"end": 12.0, "model": 20.0, "spelling": 2.0, "total": 22.0}
    figures |= {"bits_per_character": 2.2, "bits_per_character_without_end": 1.1111}
    parts = dict.fromkeys(bits, figures)
    print_passage({"characters": 9, "stretches": stretches, "parts": parts}, "network")
    printed = capsys.readouterr().out
    assert "[red]a[/red]" in printed
    assert not OBEYED & {*printed}
    for i in range(6):
        (tmp_path / f"{i}[bold]b[link=x].txt").write_text(made_up(20, i), encoding="utf-8")
    made = small_experiment(corpus={"kind": "folder", "path": str(tmp_path)})
    screen = console.Screen()
    screen.console = Console(file=io.StringIO(), force_terminal=True, width=200)
    screen.loud = screen.console
    loaded = replace(load_corpus(made), division="so", warning=f"{HOSTILE} cannot be reached")
    screen.corpus(made, loaded)
    shown = screen.console.file.getvalue()
    assert "[bold]b[link=x]" in shown
    assert not re.search("\x1b\\[2J|\x07", shown)


def test_a_pipe_gets_a_line_now_and_then_in_place_of_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(console, "LINE_SECONDS", 0.02)
    prepared = SimpleNamespace(
        encoded=[[SimpleNamespace(tokens=[1], characters=1, replaced=0)]],
        tokenizer=SimpleNamespace(charged=True),
    )
    screen, progress = console.Screen(), Progress(updates_per_interval=40, intervals=1)
    with screen.stage("compiling"):
        time.sleep(0.2)
        display = console.TrainingDisplay(screen, prepared)
        display.start(progress)
        for updates in (10, 20, 30):
            display.update(updates, 2.5)
            time.sleep(0.2)
    shown = capsys.readouterr().out
    assert shown.startswith("compiling …\n")
    assert re.search(r"(?s) elapsed\n.*[23]0/40 updates [^\n]*2\.500 bpc", shown)
    assert not OBEYED & {*shown}
    time.sleep(0.1)
    assert capsys.readouterr().out == ""
