"""A finished run is read lazily, scored, written with; a damaged one refused in one message."""

import io
import json
import random
import re
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from conftest import COUNTED, ROOT, made_up, python, run_python

import textgen as package
from textgen.auditing.sources import RunModel
from textgen.core.errors import TextgenError
from textgen.core.settings import Sampling
from textgen.data.documents import Document
from textgen.report.comparison import Comparison
from textgen.runs.finished import Run, score_split
from textgen.runs.folder import CHECKED
from textgen.runs.generation import NOT_RECORDED, Evaluation, draw_texts
from textgen.runs.results import METRICS_FILE

pytestmark = pytest.mark.long

TEXT = "The tide left a zymurgical ☃ bell."


@pytest.fixture
def trained(finished_run) -> Run:
    return package.load_run(finished_run("word"))


def assert_nothing_shared(texts):
    """No two of some texts have a stretch of 60 characters in common."""
    seen = {}
    for number, text in enumerate(texts):
        for start in range(len(text) - 59):
            assert seen.setdefault(text[start : start + 60], number) == number, text


@pytest.mark.slow
def test_the_python_example_runs_after_the_tour(copied_run, tmp_path, corpus_folder, monkeypatch):
    copied_run("char", name="runs/char_small")
    copied_run("subword", name="runs/word_small")
    monkeypatch.chdir(tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall("## In Python\n\n```python\n(.*?)```", readme, flags=re.DOTALL)
    small = [f"corpus.path={corpus_folder}", "backbone.units=[8]", "training.updates=2"]
    small += ["corpus.kind=folder", "backbone.ngrams=false", "sampling.length=40"]
    exec(code.replace('["training.updates=500"]', repr(small)), {})
    with pytest.raises(TextgenError, match="overwrite=True"):
        package.train("char_small", name="shorter")


def test_no_two_texts_of_a_run_share_random_numbers_and_a_seed_repeats_them(finished_run):
    """Of one that knows how often each character occurs and nothing of what came before."""
    own = "training.learning_rate=1e-9", "sampling.length=250", 'sampling.prompts=["", "The tide"]'
    weak = package.load_run(finished_run("char", *own))
    prompts = ("The tide", "The old harbour", "")
    for part in ("network", "with_cache"):
        settings = {"length": 250, "part": part, "samples": 2, "seed": 1}
        records = [record for prompt in prompts for record in weak.generate(prompt, **settings)]
        assert_nothing_shared(record["text"] for record in records)
        (alone,) = weak.generate(prompts[0], **{**settings, "samples": 1})
        assert alone["text"] == records[0]["text"]
    own = json.loads((weak.folder / "samples.json").read_text())
    texts = [record["text"] for record in own]
    texts += [text.text for drawn in weak.texts.sweep for text in drawn.texts]
    texts += [record.text for record in weak.texts.prompted]
    assert len(texts) > 20
    assert_nothing_shared(texts)
    settings = {key: own[-1][key] for key in vars(Sampling()).keys() - {*NOT_RECORDED}}
    again = weak.generate("The tide", length=250, samples=2, seed=own[-1]["seed"], **settings)
    assert again[-1] == own[-1]


def test_a_temperature_is_that_at_which_its_texts_were_drawn(trained):
    """At zero every text is the same, far above one none is like another."""
    settings = Evaluation(temperatures=(0.0, 2.0), samples=3, length=40, prompts=())
    cold, hot = draw_texts(trained.model, "network", settings).sweep
    assert (cold.temperature, hot.temperature) == (0.0, 2.0)
    assert [len({text.text for text in sweep.texts}) for sweep in (cold, hot)] == [1, 3]


def test_every_temperature_has_random_numbers_of_its_own(trained):
    """Else the texts of two that hardly differ would be the same."""
    settings = Evaluation(temperatures=(1.0, 1.0 + 1e-9), samples=2, length=60, prompts=())
    first, second = draw_texts(trained.model, "network", settings).sweep
    assert len({text.text for text in (*first.texts, *second.texts)}) == 4


def test_everything_but_the_network_is_read_without_tensorflow(trained):
    python(f"""if True:
        import sys, textgen
        run = textgen.load_run({str(trained.folder)!r})
        run.check()
        parts = run.history, run.tokenizer, run.token_bits, run.texts
        assert all(parts) and run.charged and repr(run)
        assert not {{'tensorflow', 'keras', 'matplotlib'}} & set(sys.modules)
    """)


def test_functions_take_a_run_or_its_folder_and_load_the_network_once(trained):
    assert package.load_run(trained) is trained
    again = package.load_run(str(trained.folder))
    network = again.network
    assert network.count_params() == again.metrics.training.parameters
    total = again.bits()
    assert f"{total:.4f} bits per character" in repr(again)
    bits = sum(document.total for document in again.token_bits["network"])
    unit = sum(document.characters + 1 for document in again.token_bits["network"])
    assert bits / unit == pytest.approx(total, abs=1e-5)
    given = {"prompt": "The tide", "length": 40, "seed": 1}
    for run in (again, trained.folder):
        assert package.score_text(run, TEXT) == trained.score(TEXT)
        assert package.generate_text(run, **given) == trained.generate(**given)
    assert again.generate("The tide", method="article")[0]["method"] == "article"
    assert again.network is network


@pytest.mark.parametrize("text", [TEXT, "", "☃", " the\n\ntide  "])
def test_the_bits_of_tokens_and_of_stretches_add_up_to_the_score(trained, text):
    tokens, score = trained.tokens(text), trained.score(text)
    assert "".join(token["text"] for token in tokens) == text
    for key in ("model", "spelling"):
        assert sum(token[key] for token in tokens) == pytest.approx(score["parts"]["network"][key])
    assert "".join(stretch["text"] for stretch in score["stretches"]) == text
    assert list(score["parts"]) == ["network", "with_counts", "with_cache"]
    for part, figures in score["parts"].items():
        assert sum(token[part] for token in tokens) == pytest.approx(figures["total"])
        assert tokens[-1][part] == pytest.approx(figures["end"])
        bits = sum(stretch[part] for stretch in score["stretches"])
        assert bits + figures["end"] == pytest.approx(figures["total"])
        assert figures["bits_per_character"] * (len(text) + 1) == pytest.approx(figures["total"])
        if text:
            assert figures["bits_per_character_without_end"] * len(text) == pytest.approx(bits)


def test_score_says_what_the_training_text_has_of_a_passage(trained, textgen, monkeypatch):
    words = "Vasíli said he couldn’t. The old harbour remembered"
    training = [Document("a", f"{words} {made_up(20, 1)}")]
    load_text = Mock(return_value=SimpleNamespace(train=training, sample=training))
    monkeypatch.setattr(Run, "corpus", property(load_text))

    nothing = {"whole": False, "copied": [], "new_characters": [], "other_spellings": {}}
    forms = {"Vasili": "Vasíli", "couldn't": "couldn’t"}
    spelt = {"new_characters": ["'"], "other_spellings": forms}
    for text, seen, noted in (
        ("Vasíli couldn’t remembered.", {}, ""),
        (words, {"whole": True, "copied": [words]}, "whole passage"),
        (f"One night {words[:-20]}", {"copied": [words[:-20]]}, words[:-20]),
        ("Ø☃", {"new_characters": ["Ø", "☃"]}, "'☃' (U+2603)"),
        ("Vasili couldn't", spelt, "Vasíli for Vasili, couldn’t for couldn't"),
    ):
        assert trained.seen_in_training(text) == nothing | seen
        printed = textgen("score", trained.folder, f"--text={text}").out
        assert ("note: " in printed, noted in printed) == (bool(seen), True)
    assert trained.seen_in_training("") == nothing
    load_text.side_effect = TextgenError("no such file")
    printed = textgen("score", trained.folder, "--text=The").out
    assert "not compared with the training text" in printed


@pytest.mark.parametrize("stream", [None, io.TextIOWrapper(io.BytesIO(b"caf\xe9"), "utf-8")])
def test_standard_input_that_is_no_text_is_refused(trained, textgen, monkeypatch, stream):
    monkeypatch.setattr("sys.stdin", stream)
    textgen("score", trained.folder, "--file", "-", code=2, said="standard input")


def test_bytes_of_standard_input_are_read_as_those_of_a_file(trained, textgen, monkeypatch):
    for content, code in ((b"\xef\xbb\xbfThe old\r\n", 0), (b"caf\xe9", 2)):
        stream = io.TextIOWrapper(io.BytesIO(content), "ascii", errors="surrogateescape")
        monkeypatch.setattr("sys.stdin", stream)
        printed = textgen("score", trained.folder, "--file", "-", "--json", code=code).out
        assert not printed or json.loads(printed)["characters"] == len("The old\n")


def test_every_split_of_the_text_can_be_scored(trained, textgen):
    with pytest.raises(TextgenError, match="split 'train'"):
        trained.bits(split="train")
    for split in ("train", "validation", "test"):
        found = json.loads(textgen("score", trained.folder, "--split", split, "--json").out)
        assert found["documents"] == getattr(trained.metrics.corpus, split)["documents"]
        totals = {p: own["bits_per_character"]["total"] for p, own in found["parts"].items()}
        if split == "test":
            for part, total in totals.items():
                assert total == pytest.approx(trained.bits(part))
        elif split == "validation":  # counts and cache are fitted to the other half there
            assert totals["network"] == pytest.approx(trained.bits(split=split))
            assert totals["with_cache"] <= trained.bits("with_cache", split)
        printed = textgen("score", trained.folder, "--split", split).out
        assert ("fitted to this text" in printed) is (split != "test")
    for figure in totals.values():
        assert f"{figure:.4f}" in printed


def test_a_process_killed_while_it_writes_weights_leaves_nothing_once_repeated(tmp_path):
    program = """if True:
        import os, pathlib, sys
        from textgen.runs.folder import save_network
        class Network:
            def save_weights(self, path):
                pathlib.Path(path).write_bytes(b"weights")
                os.kill(os.getpid(), int(sys.argv[1]))
        save_network(pathlib.Path.cwd(), Network())
    """
    for signal, file in ((9, "unfinished"), (0, "model")):
        assert run_python("-c", program, signal, folder=tmp_path).code == -signal
        assert [path.name.partition(".")[0] for path in tmp_path.iterdir()] == [file]
    assert (tmp_path / "model.weights.h5").read_bytes() == b"weights"


def test_a_run_keeps_its_counts(finished_run):
    folder = finished_run("char", COUNTED)
    run, alone = package.load_run(folder), package.load_run(finished_run("char"))
    totals = {part: own.bits_per_character.total for part, own in run.metrics.test.parts.items()}
    assert totals["with_counts"] < totals["network"] == alone.bits()
    for part, own in score_split(folder, "test")["parts"].items():
        assert own["bits_per_character"]["total"] == pytest.approx(totals[part], rel=1e-4)
    part = run.model.part("with_counts")
    audit = package.audit_model(lambda: RunModel(part), "a passage of no document")
    assert audit.failed == [], str(audit)


DEEP = "[" * 100_000


def refusal(folder):
    """The message with which a run is refused; empty if all of it can be read."""
    try:
        run = package.load_run(folder)
        run.check()
        assert repr(run)
        assert all((run.history, run.token_bits, run.texts, run.tokenizer))
        return ""
    except TextgenError as error:
        message = str(error)
    assert len(message.splitlines()) <= 5
    return message


DRAW = random.Random(1)
HARMS = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: DRAW.randrange(1, max(2, len(content) - 1))],
    "doubled": lambda content: content + content,
    "flipped": lambda content: content[:-9] + bytes([content[-9] ^ 255]) + content[-8:],
    "noise": lambda content: DRAW.randbytes(len(content)),
    "not UTF-8": lambda content: b"\xff\xfe" + content, "deep": lambda content: DEEP.encode(),
    "list": lambda content: b"[]", "number": lambda content: b"1" * 5000,
}  # fmt: skip


@pytest.mark.parametrize("file", [METRICS_FILE, *CHECKED])
def test_a_file_that_is_not_as_the_run_wrote_it_is_named(copied_run, finished_run, file):
    folder = copied_run("char", COUNTED)
    path, content = folder / file, (folder / file).read_bytes()
    for harm in HARMS.values():
        path.write_bytes(harm(content))
        assert file in refusal(folder)
    path.unlink()
    assert file in refusal(folder) or file == "experiment.toml"
    assert refusal(folder)
    path.mkdir()
    assert file in refusal(folder)
    path.rmdir()
    other = finished_run("char", "seed=2", name="char-2") / file
    path.write_bytes(other.read_bytes() if other.exists() else b"of another run")
    assert bool(refusal(folder)) is (path.read_bytes() != content)
    path.write_bytes(content)
    assert not refusal(folder)


def test_another_format_is_refused_and_what_nothing_needs_is_not_missed(copied_run):
    folder = copied_run()
    metrics = folder / METRICS_FILE
    content = metrics.read_text()
    for found in (1, 9, None):  # folders had none at first
        changed = json.loads(content) | {"format": found}
        metrics.write_text(json.dumps({k: v for k, v in changed.items() if k != "format" or v}))
        assert f"format {found or 1}, but this version of textgen reads format 3" in refusal(folder)
    metrics.write_text(content)
    for file in ("manifest.json", "samples.json", "summary.md"):
        (folder / file).write_bytes(b"\xff\xfe")
        assert refusal(folder) == ""
        (folder / file).unlink()
        assert refusal(folder) == ""


def test_commands_refuse_a_damaged_run_and_suggest_another(copied_run, textgen):
    copied_run("word", name="runs/char_small")
    textgen("generate", "char_smal", code=2, said="runs/char_small")
    folder = copied_run()
    path = folder / "model.weights.h5"
    path.write_bytes(HARMS["flipped"](path.read_bytes()))
    for command, *options in (["generate"], ["score", "--text=The tide"], ["compare"]):
        textgen(command, folder, *options, code=2, said=path.name)


def places(data):
    """(container, key) of everything inside JSON data, at most three entries of a list."""
    items = data.items() if isinstance(data, dict) else ()
    items = [*enumerate(data)][:3] if isinstance(data, list) else items
    return [place for key, inner in items for place in ((data, key), *places(inner))]


WRONG = ["x", -1, None, [], {"a": 1}, float("nan"), True, 10**30, [[["x"]]]]


def test_figures_of_another_type_or_missing_are_named_or_of_no_effect(copied_run):
    folder, named = copied_run(), 0
    path, content = folder / METRICS_FILE, (folder / METRICS_FILE).read_text()
    for number in range(len(places(json.loads(content)))):
        changed = json.loads(content)
        inner, key = places(changed)[number]
        inner[key] = WRONG[number % len(WRONG)]
        if inner[key] is None:
            del inner[key]
        path.write_text(json.dumps(changed))
        message = refusal(folder)
        assert METRICS_FILE in message or not message
        named += bool(message)
    assert named > number / 2


@pytest.mark.parametrize("content", ["", "[]", "null", DEEP, '{"arms": 3}', "{", "1" * 5000])
def test_a_damaged_report_is_named(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(TextgenError, match=r"report\.json"):
        Comparison(tmp_path).arms  # noqa: B018 - read for what it raises
