"""Run folders in, one report out: figures that add up, broken runs named, other texts refused."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import in_a_process, made_up, write_experiment

import textgen as package
from textgen.core.errors import TextgenError
from textgen.core.study import Contrast
from textgen.data.documents import Document
from textgen.data.loading import load_corpus, load_text
from textgen.evaluation import significance
from textgen.report import arms, breakdown, data
from textgen.report.breakdown import passage
from textgen.report.comparison import Comparison, _joined
from textgen.runs import evaluation
from textgen.runs.finished import Run, ensure_evaluation

WORDS = [
    'tokenizer={kind="words", rare_words="unk", minimum_count=90}',
    'backbone.input="embedding"',
    "objective.window=8",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus_folder) -> Path:
    """Two seeds of a character arm and one of a word arm, finished; the first is audited, and the
    last has the audit of another."""
    home = tmp_path_factory.mktemp("compared")
    path = write_experiment(home / "tiny.toml", corpus_folder)
    for name, overrides in (
        ("char-1", ["seed=1"]),
        ("char-2", ["seed=2"]),
        ("words", WORDS),
    ):
        package.train(path, overrides=overrides, name=name, runs_folder=home / "runs", quiet=True)
    audited = home / "runs" / "char-1"
    done = in_a_process(home, "audit", "runs/char-1", "--text", made_up(6, 1))
    assert done.code == 0, done.out + done.err
    package.audit_model(audited, made_up(6, 1), memory=True, own_process=False).save()
    shutil.copy(audited / "audit.json", home / "runs" / "words")
    return home / "runs"


@pytest.fixture(scope="module")
def report(trained, tmp_path_factory):
    compared = package.compare_runs(
        [trained / "char-1", Run(trained / "char-2"), str(trained / "words")],
        name="three",
        words=("lantern", "pandemonium"),
        reports_folder=tmp_path_factory.mktemp("reports"),
        quiet=True,
    )
    return compared.folder, compared.report


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_the_figures_are_those_of_the_runs(report, trained):
    _, found = report
    char, words = found["arms"]
    assert (char["name"], char["seeds"], words["name"]) == ("char", [1, 2], "words")
    totals = [metrics(trained / n)["test"]["bits_per_character"]["total"] for n in
              ("char-1", "char-2")]  # fmt: skip
    assert char["test"]["total"] == pytest.approx(np.mean(totals))
    assert char["test"]["deviation"] == pytest.approx(np.std(totals, ddof=1))
    for arm in found["arms"]:
        assert (arm["test"]["low"], arm["test"]["high"]) == (None, None)  # two documents
        assert arm["test"]["total"] == arm["test"]["model"] + arm["test"]["spelling"]
    assert words["test"]["spelling"] > 0
    (contrast,) = found["contrasts"]
    difference = words["test"]["total"] - char["test"]["total"]
    assert contrast["difference"] == pytest.approx(difference, abs=1e-4)
    assert (contrast["first"], contrast["second"]) == ("words", "char")
    assert not found["declared"]
    assert not any("no budget in common" in warning for warning in found["warnings"])
    assert contrast["scope"] == "these runs"


def test_a_chart_of_the_page_tells_the_history_of_a_run(report, trained):
    page = (report[0] / "index.html").read_text(encoding="utf-8")
    charts = [json.loads(each) for each in re.findall("data-values='(.*?)'", page)]
    (points,) = (points for _, name, points in charts[1]["lines"] if name == "words")
    history = Run(trained / "words").history
    before = metrics(trained / "words")["training"]["preparation_seconds"]
    for (_, _, text), row in zip(points, history, strict=True):
        assert text == (
            f"{row['seconds'] + before:.1f} s of training: "
            f"{row['validation_bits_per_character']:.3f} bits per character"
        )


def test_a_report_says_what_was_audited_and_what_does_not_fit(report):
    folder, found = report
    (first, second), (third,) = (arm["runs"] for arm in found["arms"])
    alone, both = first["audits"]
    assert alone.startswith("audited, the network alone: passed 6 checks")
    assert both.startswith("audited, with its memory: passed 6 checks")
    assert second["audits"] == []
    assert third["audits"] == ["its audit.json does not fit its weights: audit it again"]
    shown = (folder / "index.html").read_text(encoding="utf-8")
    assert shown.count(": passed 6 checks") == 2
    assert "does not fit its weights" in shown


def test_a_comparison_is_an_object(report):
    from matplotlib.figure import Figure

    folder, found = report
    comparison = Comparison(folder)
    assert os.fspath(comparison) == str(folder)
    assert comparison.report == found
    assert [arm["name"] for arm in comparison.arms] == ["char", "words"]
    assert comparison.contrasts == found["contrasts"]
    assert comparison.warnings == found["warnings"]
    char, words = (f"{arm['test']['total']:.4f}" for arm in comparison.arms)
    assert repr(comparison) == f"<Comparison 'three' in {folder}: char {char}, words {words}>"
    axes = Figure().subplots()
    assert comparison.plot(axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["words", "char"]
    comparison.arms[0].update(name="<b>", test=None)
    shown = comparison._repr_html_()
    picture = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', shown)
    assert "<svg" in base64.b64decode(picture.group(1)).decode()
    assert "<td>&lt;b&gt;</td><td>–</td>" in shown
    assert "<b>" not in shown
    with pytest.raises(TextgenError, match=r"no report\.json"):
        Comparison(folder.parent)


def test_bits_add_up_by_document_by_class_and_by_position(report, trained):
    _, found = report
    for arm in found["arms"]:
        total = arm["test"]["total"]
        weights = [d["characters"] + 1 for d in found["documents"]]
        each = [d["bits"][arm["name"]] for d in found["documents"]]
        assert np.average(each, weights=weights) == pytest.approx(total, abs=1e-4)
        kinds = found["breakdown"]["by_class"][arm["name"]]
        shares = [row["share"] for kind, row in kinds.items() if kind != "names"]
        assert sum(shares) == pytest.approx(total, abs=1e-4)
        seen = [kinds[k] for k in ("frequent", "common", "rare", "once", "unseen")]
        words = sum(row["count"] for row in seen)
        bits = sum(row["count"] * row["bits"] for row in seen) / words
        assert sum(found["breakdown"]["by_position"][arm["name"]]) == pytest.approx(bits, rel=1e-3)
    for name in ("char-1", "words"):
        run = Run(trained / name)
        text = load_corpus(run.experiment).test
        assert [d.characters for d in run.token_bits] == [len(d.text) for d in text]


def test_a_word_in_its_context(report, trained):
    folder, found = report
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    assert found["words"]["pandemonium"] == {"occurrences": 0, "bits": {}}
    lines = texts["words"]["lantern"]
    assert found["words"]["lantern"]["occurrences"] > len(lines) == 20
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert f"the first 20 of {found['words']['lantern']['occurrences']}" in page
    assert all(line["word"].strip().lower() == "lantern" for line in lines)
    run = Run(trained / "words")
    (arm,) = arms.group([run])
    documents = load_corpus(run.experiment).test
    number, start, end = breakdown.occurrences(documents, "lantern")[0]
    assert documents[number].text[start:end] == " lantern"
    expected = arm.per_character[number][start:end].sum()
    assert lines[0]["bits"]["words"] == pytest.approx(expected)


def test_the_words_of_a_text_are_counted_by_kind():
    from textgen.data.documents import Document

    training = [Document("t", "sea " * 120 + "gull " * 12 + "tide tide " + "bell")]
    held_out = [Document("h", "A sea, gull tide\nbell Ulthar 1926.")]
    words = breakdown.cut_words(held_out, training)
    found = [breakdown.ORDER[kind] for kind in words.word_class]
    assert (
        found
        == ("unseen frequent punctuation common rare space once unseen numbers punctuation").split()
    )
    assert words.name.tolist() == [False] * 7 + [True] + [False] * 2
    assert words.position.tolist()[:8] == [1, 0, 1, 2, 3, -1, 0, 1]
    assert len(words.position) == len(held_out[0].text) + 1


def test_the_seconds_of_a_curve_are_those_of_the_plan_if_there_is_one(trained):
    (arm,) = arms.group([Run(trained / "char-1")])
    plan = {"preparation_seconds": 7.0, "seconds_per_update": 0.25}
    planned, measured = data.arm_row(arm, plan), data.arm_row(arm, None)
    (curve,) = planned["curves"]
    assert curve["seconds"] == [7.0 + 0.25 * updates for updates in curve["updates"]]
    training = arm.first.metrics["training"]
    assert planned["seconds"] == 7.0 + 0.25 * training["updates"]
    assert measured["seconds"] == training["preparation_seconds"] + training["seconds"]
    ahead = [row["seconds"] + training["preparation_seconds"] for row in arm.first.history]
    assert measured["curves"][0]["seconds"] == ahead
    assert measured["curves"][0]["validation"] == curve["validation"]


def test_samples_are_those_of_all_seeds_at_every_temperature(report, trained):
    folder, found = report
    settings = evaluation.Evaluation()
    generated = found["generated"]
    assert generated["settings"]["temperatures"] == list(settings.temperatures)
    for each in generated["arms"].values():
        assert len(each) == len(settings.temperatures)
    for row in (*generated["rows"].values(), *generated["arms"]["char"]):
        assert set(row) == set(generated["labels"])
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    assert texts["samples"]
    for record in texts["samples"]:
        assert set(record["arms"]) <= {"char", "words"}
    drawn = evaluation.read_texts(trained / "char-2").sweep
    assert [len(each.texts) for each in drawn] == [settings.samples] * len(drawn)
    assert {len(t.text) for each in drawn for t in each.texts} == {settings.length}


def test_a_run_without_its_evaluation_gets_the_same_from_its_network(trained, tmp_path):
    copy = shutil.copytree(trained / "words", tmp_path / "words")
    before = evaluation.read_token_bits(copy)
    (copy / evaluation.TOKENS).unlink()
    texts = json.loads((copy / evaluation.TEXTS).read_text())
    assert ensure_evaluation(Run(copy))
    for a, b in zip(before, evaluation.read_token_bits(copy), strict=True):
        assert a.name == b.name
        assert (a.ends == b.ends).all()
        np.testing.assert_allclose(a.model, b.model, atol=1e-4)
        np.testing.assert_array_equal(a.spelling, b.spelling)
    again = json.loads((copy / evaluation.TEXTS).read_text())
    assert again["sweep"] == texts["sweep"]
    assert not ensure_evaluation(Run(copy))


def test_the_command_names_and_leaves_out_what_is_broken(textgen, trained, tmp_path):
    folders = {}
    for name, harm in {
        "cut": lambda f: (f / "metrics.json").write_text("{"),
        "swapped": lambda f: shutil.copy(trained / "words" / "tokens.npz", f / "tokens.npz"),
        "unfinished": lambda f: (f / "model.weights.h5").unlink(),
    }.items():
        folders[name] = shutil.copytree(trained / "char-2", tmp_path / name)
        harm(folders[name])
    given = ("--name", "broken")
    done = textgen("compare", trained / "char-1", *folders.values(), *given)
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "reports" / "broken" / "report.json").read_text())
    assert [arm["name"] for arm in found["arms"]] == ["char"]
    left_out = {Path(each["folder"]).name: each["found"] for each in found["left_out"]}
    assert set(left_out) == {*folders}
    assert "no model.weights.h5" in left_out["unfinished"]
    assert "adds up to" in left_out["swapped"]
    said = done.err.replace("\n", "")  # a long path is cut at the edge of the terminal
    for name in left_out:
        assert f"{name}" in said
    assert "Traceback" not in done.err
    assert (tmp_path / "reports" / "broken" / "index.html").stat().st_size > 10_000

    for name in ("../../x", "a/b", "a\nb", "/x"):
        outside = textgen("compare", trained / "char-1", "--name", name)
        assert (outside.code, "it names a folder" in outside.err) == (2, True)
    wrong = textgen("compare", trained / "char-1", tmp_path / "unfinishd")
    assert wrong.code == 2
    assert "no such folder" in wrong.err
    assert f"did you mean {folders['unfinished']}?" in wrong.err.replace("\n", "")
    nothing = textgen("compare", folders["cut"])
    assert nothing.code == 2
    assert "no run that can be read" in nothing.err


def test_other_splits_are_refused_and_flagged_when_asked(textgen, trained, tmp_path, corpus_folder):
    path = write_experiment(tmp_path / "other.toml", corpus_folder)
    overrides = ["split.seed=3", "training.updates=20"]
    package.train(path, overrides=overrides, runs_folder=tmp_path / "runs", quiet=True)
    given = (trained / "char-1", tmp_path / "runs" / "other")
    metrics = json.loads((given[1] / "metrics.json").read_text())
    metrics["training"]["seconds"] += 100  # two runs this short may take equally long
    (given[1] / "metrics.json").write_text(json.dumps(metrics))
    refused = textgen("compare", *given)
    assert refused.code == 2
    assert "different texts or splits" in refused.err
    assert "--different-texts" in refused.err
    done = textgen("compare", *given, "--different-texts", "--name", "flagged")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "reports" / "flagged" / "report.json").read_text())
    assert "NOT COMPARABLE" in found["warnings"][0]
    assert any("no budget in common" in warning for warning in found["warnings"])
    assert found["contrasts"] == []
    assert [arm["alike"] for arm in found["arms"]] == [True, False]
    assert list(found["generated"]["arms"]) == ["char"]
    assert "NOT COMPARABLE" in (tmp_path / "reports" / "flagged" / "index.html").read_text()
    done = textgen("compare", *given[::-1], "--different-texts")
    places = [done.out.index(each) for each in ("\nother ", "\non other text", "\nchar ")]
    assert places == sorted(places)  # char has fewer bits, but of another text


def test_other_texts_under_the_same_names_are_refused():
    def arm(name, text):
        corpus = {"kind": "folder", "sha256": text, "split_sha256": "names"}
        return SimpleNamespace(name=name, first=SimpleNamespace(metrics={"corpus": corpus}))

    assert arms.check_comparable([arm("a", "one"), arm("b", "one")], anyway=False) == []
    with pytest.raises(TextgenError, match="different texts or splits"):
        arms.check_comparable([arm("a", "one"), arm("b", "two")], anyway=False)
    loaded = SimpleNamespace(description={"sha256": "two", "split_sha256": "names"})
    assert not arms.is_on(arm("a", "one"), loaded)
    assert arms.is_on(arm("b", "two"), loaded)


def test_an_answer_of_a_report_is_that_of_all_its_questions_together():
    """The same two arms: an answer alone, none as one question of twelve, as Holm has it."""
    draw = np.random.default_rng(1)
    units = draw.integers(5_000, 50_000, 11)
    plain = units * draw.normal(1.9, 0.1, 11)
    first = np.stack([plain + units * draw.normal(-0.02, 0.04, 11) for _ in range(3)])
    there = {
        "a": SimpleNamespace(bits=first, units=units, remembered=-first),
        "b": SimpleNamespace(bits=(other := np.stack([plain] * 3)), units=units, remembered=-other),
    }
    expected = significance.compare_arms(first, there["b"].bits, units)
    assert 0.05 / 12 < expected.p < 0.05
    for others, verdict, p in ((0, "better", expected.p), (11, "can't tell", 12 * expected.p)):
        asked = [Contrast("a", "b", ""), *[Contrast("a", f"lost{i}", "") for i in range(others)]]
        (found,) = data.tested(asked, there)
        assert found["verdict"] == verdict
        assert found["p_adjusted"] == pytest.approx(p)
        assert (found["low"], found["high"]) == (expected.low, expected.high)
        assert found["difference"] == expected.difference
        both = found["with_memory"]
        assert both["difference"] == -expected.difference
        assert both["verdict"] == ("worse" if others == 0 else "can't tell")
        assert len(data.disagreements([found])) == (others == 0)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"words": ["--x", "two words"], "title": "--What is 'better'?"},
        {"name": "other", "different_texts": True, "embed": ["char"]},
    ],
    ids=lambda given: " ".join(given) or "nothing",
)
def test_the_command_of_a_report_repeats_it(textgen, trained, tmp_path, given):
    given = {"reports_folder": tmp_path / "here", **given}
    found = package.compare_runs([trained / "char-1", trained / "words"], quiet=True, **given)
    assert found.report["words"].keys() == set(given.get("words", []))
    shutil.move(found.folder, tmp_path / "before")
    python, arguments = found.report["command"].split(" textgen ")
    assert python == "python -m"
    again = textgen(*shlex.split(arguments))
    assert again.code == 0, again.err
    for name in ("report.json", "texts.json"):
        before, after = (f / name for f in (tmp_path / "before", found.folder))
        assert after.read_text(encoding="utf-8") == before.read_text(encoding="utf-8")


def test_what_no_command_can_repeat_is_named(trained, tmp_path):
    asked = [Contrast("words", "char", "Do words beat characters?")]
    runs = [trained / "char-1", trained / "words"]
    found = package.compare_runs(runs, contrasts=asked, reports_folder=tmp_path, quiet=True)
    shown = (found.folder / "index.html").read_text(encoding="utf-8")
    assert "repeats the report, except for what was given from Python: contrasts." in shown


@pytest.mark.parametrize(("kind", "shown"), [("folder", False), ("lovecraft", True)])
def test_the_article_s_word_is_shown_in_its_own_tales(trained, tmp_path, monkeypatch, kind, shown):
    monkeypatch.setattr(
        "textgen.data.load_text", lambda *given: replace(load_text(*given), kind=kind)
    )
    found = package.compare_runs([trained / "char-1"], reports_folder=tmp_path, quiet=True)
    for name in ("report.json", "index.html"):
        text = (found.folder / name).read_text(encoding="utf-8")
        assert ("pandemonium" in text) == shown
        assert "the article" not in text


@pytest.mark.parametrize(
    ("verdict", "yes", "answer"),
    [
        ("worse", "", "char is better than words, by "),
        ("worse", "first is lower", "No: char is better than words, by "),
        ("worse", "second is lower", "Yes: char is better than words, by "),
        ("better", "second is lower", "No: words is better than char, by "),
        ("equal", "", "words and char are equal to within 0.01 bits per character"),
        ("equal", "second is lower", "No: words and char are equal to within 0.01"),
        ("can't tell", "second is lower", "Too close to call between words and char"),
    ],
)
def test_terminal_page_and_notebook_give_the_same_answer(
    trained, tmp_path, monkeypatch, capsys, verdict, yes, answer
):
    """To a question that may ask whether the first arm is worse."""
    monkeypatch.setattr(data, "verdict", lambda *_: verdict)
    monkeypatch.setattr("textgen.evaluation.significance.verdict", lambda *_: verdict)
    asked = Contrast("words", "char", "Does reading words hurt?", yes)
    runs = [trained / "char-1", trained / "words"]
    found = package.compare_runs(runs, contrasts=[asked], reports_folder=tmp_path)
    page = (found.folder / "index.html").read_text(encoding="utf-8")
    (opening,) = re.findall(r'class="opening"><bdi>(.*?)</bdi>', page)
    assert html.unescape(opening).startswith(answer)
    for shown in (capsys.readouterr().out, html.unescape(found._repr_html_())):
        shown = " ".join(shown.split())
        assert f"Does reading words hurt? {answer}" in shown
        assert ("Yes" in shown, "No:" in shown) == ("Yes" in answer, "No:" in answer)
    (word,) = re.findall(r'<strong class="word [a-z]+">(.*?)</strong>', page)
    starts = ("Yes", "No", "Too close to call") if yes else ("char is better", "Equal")
    assert word in starts
    assert word in answer or not yes


def test_a_question_without_an_answer_is_told_and_still_counted(trained, tmp_path):
    compared = package.compare_runs(
        [trained / "char-1", trained / "words"],
        contrasts=[Contrast("words", "char"), Contrast("absent", "char", "Is nothing better?")],
        reports_folder=tmp_path,
        quiet=True,
    )
    folder, found = compared.folder, compared.report
    assert (found["questions"], len(found["contrasts"])) == (2, 1)
    (contrast,) = found["contrasts"]
    assert contrast["p_adjusted"] == min(1.0, 2 * contrast["p"])
    assert "Holm over 2 contrasts" in contrast["sentence"]
    assert any("Is nothing better? There is no result for absent" in w for w in found["warnings"])
    assert "corrected for 2 questions" in (folder / "index.html").read_text(encoding="utf-8")


def test_arms_of_one_name_give_a_report_one_folder():
    assert _joined(["char", "char (runs)", "char (b/runs)"]) == "char-char (runs)-char (b_runs)"
    assert _joined(list("abcde")) == "a-b-c-d-and-others"


def test_as_many_updates_on_unequal_amounts_of_text_are_a_warning(report):
    folder, found = report
    (warning,) = [text for text in found["warnings"] if "training.seconds" in text]
    assert warning in (folder / "index.html").read_text(encoding="utf-8")
    assert all(f"{arm['name']} {arm['characters']:,.0f}" in warning for arm in found["arms"])

    def unequal(characters, took=(9, 3), **budget):
        settings = [{key: value[i] for key, value in budget.items()} for i in (0, 1)]
        given = [
            SimpleNamespace(first=SimpleNamespace(experiment=SimpleNamespace(resolved=resolved)))
            for resolved in ({"training": each} for each in settings)
        ]
        rows = [
            {"name": "a", "updates": [300], "characters": characters[0], "seconds": took[0]},
            {"name": "b", "updates": [300], "characters": characters[1], "seconds": took[1]},
        ]
        return bool(data.unmatched(given, rows))

    assert unequal((310_000, 770_000), updates=(300, 300))
    assert not unequal((310_000, 320_000), updates=(300, 300))
    assert not unequal((310_000, 770_000), seconds=(30, 30))
    assert unequal((310_000, 770_000), updates=(300, None), epochs=(None, 2.0))
    assert not unequal((310_000, 770_000), (9, 9.1), updates=(300, None), seconds=(None, 9))


def test_some_arms_without_a_cache_is_a_warning():
    def row(name, *orders):
        return {"name": name, "memory": list(orders)}

    assert data.memories([row("a"), row("b")]) == []
    assert data.memories([row("a", 1), row("b", 2)]) == []
    (told,) = data.memories([row("a", 1), row("b"), row("c")])
    assert "b, c none" in told


def test_an_ensemble_beside_a_single_network_is_a_warning():
    def arm(name, **settings):
        experiment = SimpleNamespace(backbone=SimpleNamespace(**settings))
        return SimpleNamespace(name=name, first=SimpleNamespace(experiment=experiment))

    assert data.ensembles([arm("a"), arm("b", members=1)]) == []
    assert data.ensembles([arm("a", members=2), arm("b", members=2)]) == []
    (told,) = data.ensembles([arm("a", members=3), arm("b")])
    assert "a is an ensemble of 3 networks" in told


def test_questions_without_an_answer_are_warnings():
    asked = [Contrast("a", "b", "Is a better?"), Contrast("a", "lost"), Contrast("gone", "lost")]
    found = data.unanswered(asked, {"a", "b"})
    assert [told.partition("no result for ")[2] for told in found] == ["lost.", "gone and lost."]


def test_a_passage_stands_around_its_word_or_in_the_middle():
    paragraphs = [f"Paragraph {i} " + "of words " * 30 for i in range(40)]
    paragraphs[20] += "and a lantern in it"
    held_out = [
        Document("short", "Nothing."),
        Document("long", "\n\n".join(paragraphs)),
        Document("longest", "one two " * 5000),
    ]
    found = passage(held_out, [], "lantern")
    assert found["document"] == "long"
    assert "lantern" in found["text"]
    assert found["text"].startswith("Paragraph ")
    assert held_out[1].text[found["start"] :].startswith(found["text"])
    assert 600 <= len(found["text"]) <= 1200
    other = passage(held_out, [], "")
    middle = other["start"] + len(other["text"]) / 2
    assert other["document"] == "long"  # of middling size
    assert middle == pytest.approx(len(held_out[1].text) / 2, abs=600)
    assert passage([Document("tiny", "Only this.")], [], "")["text"] == "Only this."


def test_the_same_run_twice_is_refused(textgen, trained):
    done = textgen("compare", trained / "char-1", trained / "char-1")
    assert done.code == 2
    assert "more than once" in done.err


def test_any_passage_is_scored(textgen, trained, tmp_path):
    text = "The tide left a zymurgical bell."
    (tmp_path / "passage.txt").write_text(text)
    shown = textgen("score", trained / "words", "--file", tmp_path / "passage.txt")
    assert shown.code == 0, shown.err
    done = textgen("score", trained / "words", "--text", text, "--json")
    found = json.loads(done.out)
    assert "".join(each[0] for each in found["stretches"]) == text
    total = sum(model + spelling for _, model, spelling in found["stretches"]) + found["end"]
    assert found["total"] == pytest.approx(total)
    assert found["bits_per_character"] == pytest.approx(total / (len(text) + 1))
    assert f"{found['bits_per_character']:.4f} bits per character" in shown.out
    assert "zymurgical" in shown.out
    missing = textgen("score", trained / "words", "--file", tmp_path / "none.txt")
    assert (missing.code, "no such file" in missing.err) == (2, True)
