"""Run folders in, one report out: figures that add up, broken runs named, other texts refused."""

import base64
import csv
import html
import io
import json
import os
import re
import shlex
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from conftest import made_up
from dishonest import Honest
from matplotlib.figure import Figure
from report_sample import contrast, sample

import textgen as package
from textgen.auditing.sources import kind_of_run
from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.evaluation import significance
from textgen.evaluation.baselines import Reference
from textgen.evaluation.metrics import Human, human_passages, measure
from textgen.evaluation.scores import DocumentBits
from textgen.report import arms, building, sentences
from textgen.report.comparison import Comparison, every_pair, folder_name, result_lines, words_link
from textgen.report.contrast import Contrast
from textgen.report.page import render_page
from textgen.report.schema import ContrastRow
from textgen.report.spending import BUSY, PROCESSOR
from textgen.runs import generation
from textgen.runs.finished import Run
from textgen.runs.folder import checksums
from textgen.runs.stored import TokenBits

pytestmark = pytest.mark.long

TINY = ["training.updates=5", "sampling.samples=1"]
ns = SimpleNamespace  # plain data


@pytest.fixture(scope="module")
def trained(tmp_path_factory, finished_run) -> Path:
    """Two seeds of a character arm and one of a word arm, finished; the first is audited."""
    home = tmp_path_factory.mktemp("compared")
    first = shutil.copytree(finished_run("char"), home / "char-1")
    shutil.copytree(finished_run("char", "seed=2", name="char-2"), home / "char-2")
    shutil.copytree(finished_run("word", "tokenizer.minimum_count=74"), home / "word")
    own = {"model": str(first), "kind": kind_of_run("network"), "sha256": checksums(first)}
    replace(package.audit_model(Honest, "A passage."), **own).save()
    return home


@pytest.fixture(scope="module")
def compared(trained, tmp_path_factory):
    runs = [trained / "char-1", Run(trained / "char-2"), str(trained / "word")]
    reports = tmp_path_factory.mktemp("reports")
    return package.compare_runs(runs, name="three", reports_folder=reports, quiet=True)


def test_other_looks_at_the_same_test_text_are_counted(trained, compared, tmp_path):
    assert compared.report.other_looks == 0
    two = [trained / "char-1", os.path.relpath(trained / "word")]
    found = package.compare_runs(two, reports_folder=tmp_path, quiet=True)
    assert found.report.other_looks == 1
    assert "1 more run was scored on this test text" in page_of(found)


def test_parts_are_those_that_a_model_has_counts_and_cache_for(trained, compared, tmp_path):
    two = [trained / "char-1", trained / "word"]  # with a cache, without counts
    found = package.compare_runs(two, part="with_cache", reports_folder=tmp_path, quiet=True)
    for comparison, other in ((compared, "with_cache"), (found, "network")):
        row = comparison.contrasts[0]
        assert (row.parts.keys(), row.changes.keys()) == ({other}, {"with_cache"})


def test_a_lead_on_a_model_without_chance_is_as_uncertain_as_the_seeds():
    tested = [DocumentBits(f"d{i}", 999, np.array([2000.0]), np.zeros(1), 0, 0) for i in range(6)]
    bits = np.repeat([[1890.0], [2090.0]], 6, axis=1)  # seeds differ, documents do not
    arm = ns(name="a", bits=bits, units=np.full(6, 1000.0), fold_of=None)
    row = building.reference_row(Reference("r", "r", "", test={"counts": tested}), [arm], [])
    assert row.leads["a"].low < row.leads["a"].difference < 0 < row.leads["a"].high

    row = building.reference_row(
        Reference("r", "r", "", test={"counts": tested[:3]}),
        [ns(name="a", bits=bits[:, :3], units=arm.units[:3], fold_of=None)],
        [],
    )
    assert "(too few documents for an interval)" in sentences.leads(row)


def test_a_model_without_a_network_has_its_own_figures_of_both_held_out_parts():
    def documents(bits):
        return [DocumentBits(f"d{i}", 99, np.array([bits]), np.zeros(1), 0, 0) for i in range(6)]

    test = {"counts": documents(200.0), "with_cache": documents(150.0)}
    made = Reference("r", "r", "", validation={"counts": documents(300.0)}, test=test)
    row = building.reference_row(made, [], [])
    assert (row.test.total, row.validation.total, row.with_cache.total) == (2.0, 3.0, 1.5)
    assert row.curve is None


def test_a_model_without_a_network_stands_beside_curves_of_the_text_that_it_was_asked_for():
    asked = [DocumentBits(f"d{i}", 100, np.full(9, 20.0), np.full(9, 5.0), 0, 0) for i in range(2)]
    made = Reference("r", "r", "", test={"counts": asked}, beginnings={"counts": asked})
    texts = [("d0", 100), ("d1", 100)]
    assert building.reference_row(made, [], [texts, texts]).curve == 2.25  # no end marks
    for other in ([], [texts[:1]], [texts, [("d0", 100), ("d1", 99)]]):
        assert building.reference_row(made, [], other).curve is None


@pytest.mark.parametrize("parts", [("network", "with_cache"), ("network", "network")])
def test_what_other_parts_chose_and_wrote_is_said(monkeypatch, parts):
    monkeypatch.setattr(sentences, "spending_cautions", lambda rows: ())
    both = [ns(sampling=ns(part=part), training=ns(watch="validation")) for part in parts]
    two = [
        ns(name=name, part="network", first=ns(experiment=e))
        for name, e in zip("ab", both, strict=True)
    ]
    said = " ".join(map(str, sentences.cautions(two, [], [], [])))
    assert ("b has sampling.part = with_cache" in said) == (parts[0] != parts[1]) == bool(said)


def page_of(comparison):
    return html.unescape((comparison.folder / "index.html").read_text(encoding="utf-8"))


def texts_of(comparison):
    return json.loads((comparison.folder / "texts.json").read_text(encoding="utf-8"))


def test_the_figures_are_those_of_the_runs_and_add_up(compared, trained):
    char, words = compared.arms
    assert (char.name, char.seeds, words.name) == ("char", [1, 2], "word")
    runs = [Run(trained / name) for name in ("char-1", "char-2")]
    totals = [run.bits() for run in runs]
    assert char.test.total == pytest.approx(np.mean(totals))
    assert char.test.deviation == pytest.approx(np.std(totals, ddof=1))
    documents = compared.report.documents
    for arm in compared.arms:
        assert (arm.test.low, arm.test.high) == (None, None)  # two documents
        assert arm.test.total == arm.test.model + arm.test.spelling
        bits, weights = zip(*((d.bits[arm.name], d.characters + 1) for d in documents), strict=True)
        assert np.average(bits, weights=weights) == pytest.approx(arm.test.total, abs=1e-4)
        shares = sum(row.shares[arm.name] for row in compared.report.word_classes)
        assert shares == pytest.approx(arm.test.total, abs=1e-4)
    assert words.test.spelling > 0
    (tested,) = compared.contrasts
    assert tested.difference == pytest.approx(words.test.total - char.test.total, abs=1e-4)
    dearer = max(words.test.total, char.test.total)
    assert tested.share == pytest.approx(abs(tested.difference) / dearer, abs=1e-4)
    assert (tested.first, tested.second) == ("word", "char")
    assert len(compared.warnings) == 2  # numbered texts, and equal updates on unequal amounts
    audits = [run.audits for arm in compared.arms for run in arm.runs]
    assert audits == [["audited, network: the text is too short"], [], []]
    assert page_of(compared).count(": the text is too short") == 1


@pytest.mark.parametrize(("arm", "folder"), [("word", "word"), ("char", "char-1")])
def test_passages_have_the_bits_of_the_run_of_the_first_seed(compared, trained, arm, folder):
    run, passages = Run(trained / folder), texts_of(compared)["passages"]
    texts = load_corpus(run.experiment).test
    documents = {
        (part, d.name): (d, bits)
        for part, own in run.token_bits.items()
        for d, bits in zip(texts, own, strict=True)
    }
    assert {passage["part"] for passage in passages} == {"network", "with_cache"}
    for passage in passages:
        document, bits = documents[passage["part"], passage["document"]]
        start, length = passage["start"], len(passage["text"])
        assert document.text[start : start + length] == passage["text"]
        spans = [span for span in passage["arms"][arm] if span[0] > 0 and span[1] < length]
        total = sum(model + spelling for _, _, model, spelling in spans)
        inside = bits.per_character()[start + spans[0][0] : start + spans[-1][1]]
        assert total == pytest.approx(inside.sum(), abs=0.1)


def document_bits(name, text, per_character):
    ends, bits = np.arange(1, len(text) + 1), np.full(len(text) + 1, per_character)
    return TokenBits(name, np.append(ends, len(text)), bits, 0 * bits)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_passage_that_is_shown_first_costs_what_all_text_costs(order):
    """Documents of 1, 2 and 3 bits a character: that of 2 is typical, wherever it stands."""
    named = {"cheap": 1.0, "typical": 2.0, "dear": 3.0}
    names = [[*named][place] for place in order]
    documents = [Document(name, made_up(60, 1)) for name in names]
    tested = [document_bits(d.name, d.text, named[d.name]) for d in documents]
    experiment = ns(parts=("network",), split=ns(fold=None), seed=1)
    run = ns(charged=True, experiment=experiment, token_bits={"network": tested})
    arm = arms.Arm("a", (run,))
    first, *openings = building.passages(documents, [arm])
    assert first.document == "typical"
    assert first.start > 0
    assert [p.document for p in openings] == names
    assert {p.start for p in openings} == {0}


def test_the_words_of_passages_are_a_csv_under_every_arm_that_has_words():
    report, texts = sample({"char": 1.9, "subword": 1.8, "word": 1.7})
    names = [passage.document for passage in texts.passages]
    texts.passages[0].start, texts.passages[1].start = 4, 0  # the first is not a beginning
    held_out = [Document(name, "") for name in names[:2]]
    refused = Mock(side_effect=TextgenError("no words"))

    def words(text, context, entropy, moved):
        return [{"index": i, "word": w, "network_word_bits": i}
                for i, w in enumerate(text.split(), 1)]  # fmt: skip

    known, unknown = (ns(check_words=each, words=words) for each in (Mock(), refused))
    runs = {"char": known, "pos": unknown, "word": known}
    arms = [ns(name=name, first=run) for name, run in runs.items()]
    link = words_link(arms, texts, held_out)
    page = render_page(report, texts, {"packed": {}, "left_out": {}, "words": link})
    assert re.findall('href="(data:[^"]+)" download="words.csv"', page) == [link]
    start, _, content = link.partition(",")
    assert start == "data:text/csv;base64"
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))
    assert [row["word"] for row in rows] == texts.passages[1].text.split()
    assert {row["item"] for row in rows} == {names[1]}
    assert {key.partition("_")[0] for key in rows[0]} == {"item", "index", "word", "char"}
    assert words_link(arms[1:2], texts, held_out) == words_link(arms, texts, []) == ""


def test_the_words_of_a_text_are_counted_by_kind():
    training = [Document("t", "sea " * 120 + "gull " * 12 + "tide tide " + "bell")]
    held_out = [Document("h", "A sea, gull tide\nbell Ulthar 1926.")]
    words = building.cut_words([ns(sample=training, test=held_out)])
    classes = list(building.CLASSES)
    expected = "unseen frequent punctuation common rare space once unseen numbers punctuation end"
    assert [classes[number] for number in words.word_class] == expected.split()


def test_the_seconds_of_a_curve_are_those_of_the_plan_if_there_is_one(trained):
    (arm,) = arms.group_runs([Run(trained / "char-1")])
    plan = {"preparation_seconds": 7.0, "seconds_per_update": 0.25}
    planned, measured = (building.arm_row(arm, "", True, each) for each in (plan, None))
    (curve,), training = planned.curves, arm.first.metrics.training
    assert curve.seconds == [7.0 + 0.25 * updates for updates in curve.updates]
    assert planned.seconds == 7.0 + 0.25 * training.updates
    training.updates_planned = 9 * training.updates  # it went back to its best weights
    assert building.arm_row(arm, "", True, plan).seconds == planned.seconds
    assert measured.seconds == training.preparation_seconds + training.seconds


def test_an_arm_says_what_its_runs_have_read_and_how_long_an_update_took(trained):
    """Along a curve, in passes over the training text, against the planned pace, and under the part
    of the models that is asked about."""
    run = Run(trained / "char-1")
    (arm,) = arms.group_runs([run])
    training, text = run.metrics.training, load_corpus(run.experiment).train
    training.calibration_seconds_per_update, training.seconds_per_update = 0.2, 0.3
    row = building.arm_row(arm, "", True)
    (curve,) = row.curves
    assert row.passes == training.characters / sum(d.characters + 1 for d in text)
    assert curve.updates[-1] == training.updates
    assert curve.characters[-1] == row.characters == training.characters
    assert row.timing == pytest.approx(1.5)
    plan = {"preparation_seconds": 7.0, "seconds_per_update": 0.1}
    assert building.arm_row(arm, "", True, plan).timing == pytest.approx(3.0)
    validated = run.metrics.validation.parts
    for part in ("network", "with_cache"):
        found = building.arm_row(arm.with_part(part), "", True).validation
        assert found.total == validated[part].bits_per_character.total
    assert validated["network"] != validated["with_cache"]
    assert row.multiplications == training.multiplications > 0
    training.multiplications = None
    assert building.arm_row(arm, "", True).multiplications is None


def test_a_signature_names_all_that_the_figures_depend_on(experiment_file):
    def arm(seeds, *settings):
        first = ns(experiment=load_experiment(experiment_file, settings))
        return ns(first=first, seeds=seeds, folds=(1, 2, 3), part="with_cache")

    corpus = ns(sha256="0123456789", description={"split_sha256": "fedcba9876"})
    char = arm([1, 2])
    rows = [
        ns(versions=["0.3"], budget={"updates": 60}),
        ns(versions=["0.2"], budget={"updates": 90}),
    ]
    longer = arm([1], "tokenizer.kind=subwords", "training.updates=90")
    assert building.signature([char, longer], rows, corpus) == (
        "textgen:0.2/0.3|text:01234567|split:fedcba98|part:with_cache|seeds:1/2×3|"
        "budget:60 updates/90 updates|settings:matched"
    )
    other = arm([1, 2], "training.batch=9")
    said = building.signature([char, other], rows[:1], corpus)
    assert said.endswith("|seeds:2×3|budget:60 updates|settings:own")


def test_the_bits_of_every_seed_stand_beside_a_document(compared, trained):
    runs = [Run(trained / name) for name in ("char-1", "char-2")]
    for row in compared.report.documents:
        expected = [
            d.total / (d.characters + 1)
            for run in runs
            for d in run.token_bits["network"]
            if d.name == row.name
        ]
        assert row.bits_by_seed["char"] == pytest.approx(expected)
        assert row.bits["char"] == pytest.approx(np.mean(expected))


def test_human_text_beside_samples_is_that_of_the_test_part(compared, trained):
    corpus, settings = load_corpus(Run(trained / "word").experiment), generation.Evaluation()
    human = Human([document.text for document in corpus.sample], corpus.language.code)
    texts = [document.text for document in corpus.test]
    passages = human_passages(texts, settings.samples, settings.length, building.SEED)
    found = compared.report.generated.human
    for name, figure in measure(passages, human).items():
        assert found[name].value == pytest.approx(figure.value, abs=1e-6, nan_ok=True), name


def test_a_number_that_ends_a_name_is_a_seed_if_others_or_a_study_say_so(trained):
    first, second = (Run(trained / name) for name in ("char-1", "char-2"))
    for runs, names, expected in (
        ([second], (), "char-2"), ([second], ("char",), "char"), ([first, second], (), "char"),
    ):  # fmt: skip
        assert [arm.name for arm in arms.group_runs(runs, names)] == [expected]


ALONE = {  # a setting → whether arms that differ in it alone are matched
    "tokenizer.kind=subwords": True,
    "objective.window=32": True,
    "backbone.adaptive_softmax.head=5": True,
    "training.updates=70": True,
    "sampling.length=9": True,
    "training.learning_rate=5e-3": False,
    "training.batch=9": False,
    "backbone.units=[25]": False,
    'objective={kind="shifted",shift=8,window=16}': False,
    "embedding.kind=word2vec": False,
}


@pytest.mark.parametrize("setting", ALONE)
def test_arms_are_matched_that_differ_in_tokenizer_and_budget_alone(experiment_file, setting):
    """A tokenizer brings the window, in tokens, and the levels of its output with it."""
    plain = ["backbone.input=embedding", "backbone.embedding_size=8"]
    pair = (load_experiment(experiment_file, [*plain, *more]) for more in ([], [setting]))
    one, other = (arms.matched_settings(arms.Arm("a", (ns(experiment=e),))) for e in pair)
    assert (one == other) is ALONE[setting]


def test_a_question_that_the_plan_lacks_is_not_said_to_be_declared(trained, tmp_path):
    asked = Contrast("word", "char", "Does reading words hurt?", "second is lower")
    plans = [{"declared": [asdict(asked)]}, {"declared": []}]
    for plan, declared in zip(plans, (True, False), strict=True):
        given = {"contrasts": [asked], "plan": {"word": plans[0], "char": plan}, "quiet": True}
        runs = [trained / "char-1", trained / "word"]
        made = package.compare_runs(runs, reports_folder=tmp_path, **given)
        page = page_of(made)
        assert made.contrasts[0].planned is declared
        assert ("These questions were declared before the runs" in page) is declared
        assert ("This question is not in the plan." in page) is not declared


def test_every_two_runs_are_compared_where_no_study_asks():
    pairs = [(c.first, c.second) for c in every_pair("abc")]
    assert pairs == [("b", "a"), ("c", "a"), ("c", "b")]
    report, _ = sample({"a": 1.9, "b": 1.8, "c": 1.7})
    rows = [contrast(*pair, "better", -0.1, "Is it better?") for pair in pairs]
    report.declared, report.contrasts = False, [ContrastRow(**row) for row in rows]
    best, _, worst, *_ = sentences.claims(report)
    assert (best.arms, worst.arms) == (("c", "b"), ("b", "a"))
    assert "Not tested" not in best.caveat + worst.caveat


def test_samples_are_those_of_all_seeds_at_every_temperature(compared, trained):
    settings, generated = generation.Evaluation(), compared.report.generated
    assert {len(rows) for rows in generated.arms.values()} == {len(settings.temperatures)}
    assert all(set(row) == set(generated.labels) for row in generated.arms["char"])
    samples = texts_of(compared)["samples"]
    assert {s["temperature"] for s in samples} == set(settings.temperatures)
    drawn = Run(trained / "char-2").texts.sweep[0].texts[1].text
    prompted = [s for s in samples if s["prompt"]]
    for arm, folder in (("char", "char-1"), ("word", "word")):
        own = {text.prompt: text.text for text in Run(trained / folder).texts.prompted}
        assert prompted
        for s in prompted:
            assert s["arms"][arm]["text"] == own[s["prompt"]][: building.SAMPLE_CHARACTERS]
            assert s["temperature"] == settings.temperature
    written = [s["arms"]["char"]["text"] for s in samples if not s["prompt"]]
    assert len(written) == len(settings.temperatures) * building.SAMPLES_SHOWN
    assert any(drawn.startswith(text) for text in written)


def test_a_comparison_is_an_object(compared):
    comparison = Comparison(compared.folder)
    char, words = (f"{arm.test.total:.4f}" for arm in comparison.arms)
    assert f"char {char}, word {words}" in repr(comparison)
    axes = comparison.plot(Figure().subplots())
    assert {"word", "char"} <= {label.get_text() for label in axes.get_yticklabels()}
    comparison.arms[0].name = "<b>"
    assert f"<td>&lt;b&gt;</td><td>{char}</td>" in comparison._repr_html_()
    with pytest.raises(TextgenError, match=r"no report\.json"):
        Comparison(compared.folder.parent)


def test_the_command_names_and_leaves_out_what_is_broken(textgen, trained, tmp_path):
    folders = {}
    assert folder_name(["char", "char (b/runs)", *"cde"]) == "char-char (b_runs)-c-d-and-others"
    for name in ("cut", "swapped", "unfinished"):
        folders[name] = shutil.copytree(trained / "char-2", tmp_path / name)
    (folders["cut"] / "metrics.json").write_text("{")
    shutil.copy(trained / "word" / "tokens.npz", folders["swapped"])
    (folders["unfinished"] / "model.weights.h5").unlink()
    done = textgen("compare", trained / "char-1", *folders.values(), "--name", "broken")
    report = Comparison(tmp_path / "reports" / "broken").report
    assert [arm.name for arm in report.arms] == ["char"]
    left_out = {Path(run["folder"]).name: run["reason"] for run in report.left_out}
    assert set(left_out) == {*folders}
    assert "model.weights.h5" in left_out["unfinished"]
    assert "sha256" in left_out["swapped"]
    assert all(name in done.err.replace("\n", "") for name in left_out)
    for given, message in (
        ([folders["cut"]], "runs can be compared"),
        ([trained / "char-1"] * 2, "with the same seed"),
    ):
        textgen("compare", *given, code=2, said=message)


def test_other_splits_are_refused_and_flagged_when_asked(textgen, trained, tmp_path, finished_run):
    given = (trained / "char-1", finished_run("char", "split.seed=3", name="other"))
    textgen("compare", *given, code=2, said="--different-texts")
    textgen("compare", *given, "--different-texts", "--name", "flagged")
    flagged = Comparison(tmp_path / "reports" / "flagged")
    for shown in (flagged.warnings[0], page_of(flagged)):
        assert "NOT COMPARABLE" in shown
    assert flagged.contrasts == []
    assert [arm.same_text for arm in flagged.arms] == [True, False]
    assert list(flagged.report.generated.arms) == ["char"]
    reverse = textgen("compare", *given[::-1], "--different-texts")
    assert ("char (on" in reverse.out, "other (on" in reverse.out) == (True, False), reverse.err


def test_other_texts_under_the_same_names_are_refused():
    corpora = [ns(kind="folder", sha256=text, split_sha256="names") for text in ("one", "two")]
    runs = [ns(metrics=ns(corpus=c)) for c in corpora]
    one, two = (ns(name=run.metrics.corpus.sha256, first=run, folds=(run,)) for run in runs)
    assert arms.check_comparable([one, one], anyway=False) == []
    with pytest.raises(TextgenError, match="different texts or splits"):
        arms.check_comparable([one, two], anyway=False)
    loaded = ns(description=vars(corpora[1]))
    loaded.sha256 = "two"
    assert [arms.is_on(each, [loaded]) for each in (one, two)] == [False, True]


@pytest.mark.slow
def test_folds_are_pooled_so_that_every_document_is_tested_once(finished_run, tmp_path):
    def run(arm, fold):
        settings = (f"seed={fold}", f"split.fold={fold}", "split.folds=3", *TINY)
        trained = finished_run(arm, *settings, name=f"{arm}-{fold}-fold{fold}")
        return Run(shutil.copytree(trained, tmp_path / "runs" / trained.name))

    runs = [run(arm, fold) for fold in (1, 2, 3) for arm in ("char", "word")]
    found = package.compare_runs(runs, reports_folder=tmp_path, quiet=True).report
    rows = {row.name: row for row in found.documents}
    assert len(rows) == len(found.documents) == found.corpus["test"]["documents"]
    for arm, own in (("char", runs[::2]), ("word", runs[1::2])):
        documents = [(n, d) for n, run in enumerate(own, 1) for d in run.token_bits["network"]]
        assert {d.name: n for n, d in documents} == {name: row.fold for name, row in rows.items()}
        for _, d in documents:
            assert rows[d.name].bits[arm] == pytest.approx(d.total / (d.characters + 1))
        total = sum(d.total for _, d in documents) / sum(d.characters + 1 for _, d in documents)
        (row,) = [row for row in found.arms if row.name == arm]
        assert row.test.total == pytest.approx(total)
        classes = sum(word_class.shares[arm] for word_class in found.word_classes)
        assert classes == pytest.approx(total)
    (tested,) = found.contrasts
    assert (tested.folds, tested.seeds) == (3, [1, 1])
    assert tested.documents == len(rows)

    two = package.compare_runs([*runs[:4], runs[5]], reports_folder=tmp_path, quiet=True)
    assert [Path(row["folder"]) for row in two.report.left_out] == [r.folder for r in runs[:4:2]]
    assert [row.name for row in two.arms] == ["word"]
    assert (two.report.other_looks, found.other_looks) == (3, 0)
    with pytest.raises(TextgenError, match="none of 4 runs can be compared"):
        package.compare_runs(runs[:4], reports_folder=tmp_path, quiet=True)
    with pytest.raises(TextgenError, match="different texts or splits"):
        package.compare_runs([runs[0], runs[3]], reports_folder=tmp_path, quiet=True)


@dataclass(frozen=True)
class Toy:
    name: str
    by_part: dict
    units: np.ndarray
    part: str = "network"

    parts, charged = ("network", "with_counts", "with_cache"), True
    fold_of = property(lambda self: np.zeros(len(self.units), np.int64))
    bits = property(lambda self: self.by_part.get(self.part, self.by_part["network"]))

    def with_part(self, part):
        return replace(self, part=part)


def test_an_answer_of_a_report_is_that_of_all_its_questions_together():
    """The same two arms: an answer alone, none as one question of twelve, as Holm has it."""
    draw = np.random.default_rng(1)
    units = draw.integers(5_000, 50_000, 11)
    plain = units * draw.normal(1.9, 0.1, 11)
    first = np.stack([plain + units * draw.normal(-0.02, 0.04, 11) for _ in range(3)])
    both = {"a": first, "b": np.stack([plain] * 3)}
    given = [Toy(n, {"network": b, "with_cache": -b}, units) for n, b in both.items()]
    last = np.eye(len(building.CLASSES))[-1]  # all bits of a document are its end mark's
    classes = {name: bits[:, :, None] * last for name, bits in both.items()}
    expected = significance.compare_arms(*both.values(), units)
    assert 0.05 / 12 < expected.p < 0.05
    for more, verdict, p in ((0, "better", expected.p), (11, "too close to call", 12 * expected.p)):
        asked = [Contrast("a", "b", ""), *[Contrast("a", f"lost{i}", "") for i in range(more)]]
        (row,) = building.tested_contrasts(asked, given, classes, "pieces")
        assert row.verdict == verdict
        assert row.p_adjusted == pytest.approx(p)
        for figure in ("low", "high", "difference"):
            assert getattr(row, figure) == getattr(expected, figure)
        assert list(row.parts) == ["with_cache"]
        cached = row.parts["with_cache"]
        assert cached.difference == -expected.difference
        assert cached.verdict == ("worse" if more == 0 else "too close to call")
        assert len([*sentences.disagreement_cautions([row], "network")]) == (more == 0)
        where, change = row.where.values(), row.changes["with_cache"]
        assert sum(each.difference for each in where) == pytest.approx(expected.difference)
        assert change.difference == pytest.approx(-2 * expected.difference)
        assert bool(row.needed) == (more > 0)


def test_the_command_of_a_report_repeats_it(textgen, trained, tmp_path):
    given = {"title": "--What is 'better'?", "different_texts": True, "embed": ["char"]}
    given |= {"reports_folder": tmp_path / "here", "quiet": True}
    made = package.compare_runs([trained / "char-1", trained / "word"], **given)
    python, _, arguments = made.report.command.partition(" textgen ")
    shutil.move(made.folder, tmp_path / "before")
    assert python == "python -m"
    textgen(*shlex.split(arguments))
    for name in ("report.json", "texts.json", "index.html"):
        assert (made.folder / name).read_bytes() == (tmp_path / "before" / name).read_bytes()
    figures = (made.folder / "report.json").read_text("utf-8")  # has no text
    samples = json.loads((made.folder / "texts.json").read_text("utf-8"))["samples"]
    assert not [s for s in samples if s["prompt"] and json.dumps(s["prompt"]) in figures]


@pytest.mark.usefixtures("compared")  # which has scored what is without a network
def test_terminal_page_and_notebook_give_the_same_answer(trained, tmp_path, monkeypatch, capsys):
    """To a question that asks whether the first arm is worse; counting, what no command can
    repeat, and a question without an answer, which still counts, are named as well."""
    monkeypatch.setattr(significance, "verdict", lambda *_: significance.Verdict("worse"))
    asked = Contrast("word", "char", "Does reading words hurt?", "second is lower")
    answer, lost = "Yes. Networks alone: char needs", Contrast("absent", "char", "Is it better?")
    runs = [trained / "char-1", trained / "word"]
    made = package.compare_runs(runs, contrasts=[asked, lost], reports_folder=tmp_path)
    page, printed = page_of(made), " ".join(capsys.readouterr().out.split())
    assert printed.startswith(f"Does reading words hurt? {answer}")
    assert f'class="said"><bdi>{answer}' in page
    assert f"Does reading words hurt? {answer}" in html.unescape(made._repr_html_())
    for shown in (printed, page):
        assert "Best without a network: " in shown
    assert "repeats the report, except for what was given from Python: contrasts." in page
    (row,) = made.contrasts
    assert (made.report.questions, row.p_adjusted) == (2, min(1.0, 2 * row.p))
    assert any("Is it better? There is no result for absent" in w for w in made.warnings)


def spent(name, characters=310_000, seconds=30.0, /, **given):
    usual = {"budget": {"seconds": 30}, "updates": [300], "timing": 1.02, "threads": 2}
    usual |= {"start": "", "extra_data": [], "networks": 1, "versions": ["0.3"]}
    usual["processors"] = ["abacus"]
    return ns(**{"name": name, "characters": characters, "seconds": seconds} | usual | given)


def spending_cautions(*others, **given):
    return sentences.spending_cautions([spent("a", **given), *others])


def unlike_parts_cautions(*orders):
    rows = [ns(name=n, training_counts=[], cache=o) for n, o in zip("abc", orders, strict=False)]
    return sentences.unlike_parts_cautions(rows)


def overfitting_cautions(*validation, planned=40):
    curve = ns(validation=validation, updates=[10, 20, 30, 40])
    row = ns(name="a", curves=[curve], updates=[40], updates_planned=planned)
    return sentences.overfitting_cautions([row])


def looping_cautions(**loops):
    arms = {arm: [{"loops": (0.0,)}, {"loops": (share,)}] for arm, share in loops.items()}
    settings = {"temperatures": [0.5, 0.8], "temperature": 0.8}
    return sentences.looping_cautions(ns(arms=arms, settings=settings))


def unlearnt_cautions(network=2.5, counts=None, ppmd=None, low=0.1):
    parts = {"network": ns(total=network)}
    if counts is not None:
        parts["counts"] = ns(total=counts)
    references = [ns(part="counts", validation=ns(total=1.0), test=ns(total=1.0), leads={})]
    if ppmd is not None:
        lead = ns(difference=network - ppmd, low=low, high=1.0)
        compressor = ns(label="PPMd", part="counts", validation=None, test=ns(total=ppmd))
        compressor.leads = {"a": lead}
        references.append(compressor)
    return sentences.unlearnt_cautions([ns(name="a", parts=parts)], references)


MANY = 770_000
UPDATES = {"budget": {"updates": 300}}


@pytest.mark.parametrize(
    ("cautions", "parts"),
    [
        (spending_cautions(spent("b", MANY, 9, **UPDATES), **UPDATES), ["b saw 770,000 char"]),
        (spending_cautions(spent("b", 320_000, 9, **UPDATES), **UPDATES), []),
        (spending_cautions(spent("b", MANY, 9)), []),
        (spending_cautions(spent("b", MANY, 9, budget={"epochs": 2}, updates=[200])),
         ["budget. a saw 310,000"]),
        (spending_cautions(spent("b", 313_000, 34, budget={"epochs": 2}, updates=[200])), []),
        (spending_cautions(spent("b", 320_000, 34, budget={"epochs": 2}, updates=[200])),
         ["budget. a saw 310,000"]),
        (spending_cautions(spent("b", MANY, 60, updates=[600], start="runs/b")),
         ["b saw 770,000 characters in 600 updates and 60 seconds",
          "weights. b went on from runs/b"]),
        (spending_cautions(spent("b", timing=1.1), spent("c", timing=None)), []),
        (spending_cautions(spent("b", timing=0.85, updates=[259])),
         ["300 updates and 30 seconds, at 102% of the planned time per update; b saw 310,000 "
          "characters in 259 updates"]),
        (spending_cautions(spent("b", threads=16), spent("c", threads=0)), ["a had 2; b had 16"]),
        (spending_cautions(spent("b", extra_data=["GloVe", "tags"])), ["data. b used GloVe, tags"]),
        (spending_cautions(spent("b", extra_data=["GloVe"]), extra_data=["GloVe"]), []),
        (overfitting_cautions(2.0, 2.1, 2.2, 2.3), ["best validation figure after 25%"]),
        (overfitting_cautions(2.0, 2.1, 1.9, 2.3), []),
        (overfitting_cautions(2.0, 2.1, 1.9, 1.8, planned=200), ["figure after 20%"]),
        (unlearnt_cautions(counts=2.3),
         ["counting learns. a scored 2.500 bits per character, worse than n-grams of the same "
          "tokens (2.300)"]),
        (unlearnt_cautions(counts=2.3, ppmd=1.9), ["same tokens (2.300) and PPMd (1.900)"]),
        (unlearnt_cautions(counts=2.6, ppmd=1.9), ["worse than PPMd (1.900)"]),
        (unlearnt_cautions(counts=2.495, ppmd=1.9, low=-0.1), []),  # too close to call
        (unlearnt_cautions(), []),
        (looping_cautions(a=0.224, b=0.01, c=None), ["loops. a repeated 22%"]),
        (looping_cautions(a=0.04), []),
        (unlike_parts_cautions([1], [2]), []),
        (unlike_parts_cautions([1], [], []), ["document cache compare unlike models. b had none"]),
        (spending_cautions(spent("b", networks=3)), ["a had 1; b had 3"]),
        (spending_cautions(spent("b", 320_000, 36.0, updates=[240])),
         ["machine was busy: training took longer than its budget in seconds, and how many updates "
          "were made depends on what else it did. A study times every arm alone. b made 240 "
          "updates in 36 seconds instead of 30"]),
        (spending_cautions(spent("b", 320_000, 32.0)), []),
        (spending_cautions(spent("b", 320_000, 36.0, **UPDATES), **UPDATES), []),
        (spending_cautions(spent("b", versions=["0.2", "0.3"])),
         ["version of textgen. a was trained by 0.3; b was trained by 0.2 and 0.3"]),
        (spending_cautions(spent("b", versions=[])), []),
        (spending_cautions(spent("b", processors=["abacus", "slide rule"])),
         ["processor. a was trained on abacus; b was trained on abacus and slide rule"]),
        (spending_cautions(spent("b", processors=[])), []),
    ],
)  # fmt: skip
def test_arms_that_are_not_alike_are_a_warning(cautions, parts):
    cautions = [*cautions]
    assert len(cautions) == len(parts)
    assert all(part in str(text) for part, text in zip(parts, cautions, strict=True))


def test_a_load_that_changes_no_figure_does_not_stand_beside_the_answer():
    (of_load,) = spending_cautions(spent("b", timing=0.85))
    (of_threads,) = spending_cautions(spent("b", threads=16))
    report, texts = sample({"a": 1.9, "b": 1.8})
    report.warnings = [of_load, of_threads]
    answer, solid = render_page(report, texts).split('<section id="solid">')
    assert "number of threads" in answer
    assert "machine load" not in answer
    assert "number of threads" in solid
    assert "machine load" in solid


def test_an_answer_says_what_its_two_arms_did_not_have_alike():
    report, _ = sample({"a": 1.9, "b": 1.8, "c": 1.7})
    report.contrasts[0].unequal = ["number of threads", "outside data"]
    _, but, caveat, *_ = result_lines(report)
    said = "The two arms did not have the same number of threads or outside data."
    assert caveat.startswith(f"{said} Between")
    assert but == "But the two arms did not have the same number of threads or outside data."
    assert [said in claim.caveat for claim in sentences.claims(report)[:2]] == [True, False]
    report.contrasts[0].unequal = [BUSY]
    _, _, caveat, *_ = result_lines(report)
    assert caveat.startswith("The machine was busy: ")
    report.contrasts[0].unequal = [PROCESSOR]
    _, _, caveat, *_ = result_lines(report)
    assert caveat.startswith("The two arms did not have the same processor. ")


def test_the_versions_that_trained_the_runs_are_named_beside_the_verdict(trained, tmp_path):
    """And in the signature, whichever version writes the report; other commits are recorded."""
    home = tmp_path / "runs"
    code = {"char-1": ("9.1", "c0ffee"), "char-2": ("9.1", "c0ffee+dirty"), "word": ("9.2", "")}
    for name, (version, commit) in code.items():
        manifest = shutil.copytree(trained / name, home / name) / "manifest.json"
        content = json.loads(manifest.read_text("utf-8"))
        content |= {"textgen": version, "commit": commit}
        manifest.write_text(json.dumps(content), "utf-8")
    for names, signed in ((code, "9.1/9.2"), (["char-1", "char-2"], "9.1")):
        runs = [home / name for name in names]
        made = package.compare_runs(runs, reports_folder=tmp_path, quiet=True)
        assert made.report.signature.startswith(f"textgen:{signed}|")
        differ = len(runs) == 3
        warned = "The arms did not have the same version of textgen. char was trained by 9.1; "
        assert any(line.startswith(warned) for line in made.warnings) is differ
        verdict = "\n".join(result_lines(made.report))
        assert ("did not have the same" in verdict and "version of textgen" in verdict) is differ
        assert ("version of textgen" in page_of(made)) is differ
        recorded = {run.folder: (run.version, run.commit) for a in made.arms for run in a.runs}
        assert recorded == {str(home / name): code[name] for name in names}
    (home / "word" / "manifest.json").unlink()  # which no figure needs
    made = package.compare_runs([home / "word"], reports_folder=tmp_path, quiet=True)
    assert made.report.signature.startswith("textgen:unknown|")


def test_a_report_about_other_runs_is_replaced_only_when_asked(textgen, trained, tmp_path):
    char, word = trained / "char-1", trained / "word"
    textgen("compare", char, word, "--name", "mine", "--quiet")
    report = tmp_path / "reports" / "mine" / "report.json"
    first = report.read_bytes()
    refused = textgen("compare", char, "--name", "mine", "--quiet", code=2, said="--overwrite")
    assert "holds a report about other runs" in refused.err
    assert "--name OTHER" in refused.err
    assert report.read_bytes() == first
    again = ["compare", word, os.path.relpath(char, tmp_path), "--title", "Mine"]
    textgen(*again, "--name", "mine", "--quiet")
    assert Comparison(report.parent).report.title == "Mine"
    textgen("compare", char, "--name", "mine", "--overwrite", "--quiet")
    assert len(Comparison(report.parent).arms) == 1
    report.unlink()  # what is left is a page of something else
    textgen("compare", char, "--name", "mine", code=2, said="other runs")
