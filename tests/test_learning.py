"""What a report says of how arms learned: their curves as one, the factor, the chart."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import made_up
from report_sample import plain_sample, typed

from textgen.evaluation.significance import Verdict
from textgen.report import page, sentences
from textgen.report.arms import Arm
from textgen.report.comparison import result_lines, show
from textgen.report.learning import arm_curve, factor_of
from textgen.report.page import LogScale
from textgen.runs.console import Screen
from textgen.runs.results import CurveContent, TrainingContent

pytestmark = pytest.mark.fast

UPDATES = [4, 8, 16, 32]


class Trained:
    """As much of a run as a curve is made of."""

    def __init__(self, levels, *, seed=1, fold=None, pace=0.5, planned=32, texts=("a", "b")):
        updates = UPDATES[: len(levels)]
        points = [
            {
                "updates": number,
                "seconds": 9.0,
                "bits": [100 * level, 300 * level],
                "sample": f"{number} updates",
                "compute": 2 + pace * number,
                "compute_without_preparation": pace * number,
                "characters": 1000.0 * number,
                "passes": number / 8,
            }
            for number, level in zip(updates, levels, strict=True)
        ]
        curve = {"documents": list(texts), "characters": [100, 300], "points": points}
        training = {
            "preparation_seconds": 2.0, "seconds": 9.0, "validation_seconds": 1.0,
            "seconds_per_update": pace, "updates": updates[-1], "updates_planned": planned,
            "characters": 1000 * updates[-1], "characters_of_training_text": 8000,
            "parameters": 9, "best_interval": 1, "intervals": 1,
        }  # fmt: skip
        self.metrics = SimpleNamespace(
            curve=CurveContent.model_validate(curve),
            training=TrainingContent.model_validate(training),
        )
        self.experiment = SimpleNamespace(seed=seed, split=SimpleNamespace(fold=fold))


def curve_of(*runs, plan=None):
    return arm_curve(Arm("arm", runs), plan)


SLOW = [4.0, 3.5, 3.1, 2.8]
FAST = [3.2, 2.7, 2.4, 2.2]


def test_the_curve_of_an_arm_is_the_mean_over_its_seeds_of_all_folds_together():
    folds = [("a", "b"), ("c", "d")]
    runs = [
        Trained([level + 0.1 * seed + fold for level in SLOW], seed=seed, fold=fold, texts=texts)
        for fold, texts in enumerate(folds, 1)
        for seed in (1, 2)
    ]
    curve = curve_of(*runs)
    assert [name for name, _ in curve.texts] == ["a", "b", "c", "d"]
    assert curve.folds.tolist() == [0, 0, 1, 1]
    assert curve.learning.bits.shape == (4, 2, 4)
    np.testing.assert_allclose([point.bits for point in curve.points], np.array(SLOW) + 0.15 + 1.5)
    assert [point.compute for point in curve.points] == [4, 6, 10, 18]
    assert [point.passes for point in curve.points] == [0.5, 1, 2, 4]
    assert curve.samples[-1] == "32 updates"
    assert not curve.learning.stopped


def test_a_plan_gives_the_compute_of_a_curve():
    plan = {"preparation_seconds": 7.0, "seconds_per_update": 0.25}
    points = curve_of(Trained(SLOW), plan=plan).points
    assert [point.compute for point in points] == [8, 9, 11, 15]
    assert [point.compute_without_preparation for point in points] == [1, 2, 4, 8]


def test_of_runs_that_ended_early_those_points_count_that_all_have_and_the_ends():
    curve = curve_of(Trained(SLOW), Trained([4.0, 3.5, 3.3], seed=2))
    assert [point.updates for point in curve.points] == [4, 8, 24]
    assert curve.points[-1].bits == pytest.approx((2.8 + 3.3) / 2)
    assert curve.learning.stopped


def test_runs_without_compute_have_no_curve_and_curves_of_other_texts_no_factor():
    old = Trained(SLOW)
    old.metrics.curve.points[1].compute = None
    assert curve_of(Trained(SLOW), old) is None
    old.metrics.curve = None
    assert curve_of(old) is None
    slow = curve_of(Trained(SLOW))
    assert factor_of(("slow", "other"), slow, None) is None
    assert factor_of(("slow", "other"), slow, curve_of(Trained(FAST, texts=("a", "x")))) is None


def test_a_factor_names_the_arms():
    slow = curve_of(Trained(SLOW))
    fast = curve_of(Trained(FAST))
    found = factor_of(("slow", "fast"), slow, fast)
    assert (found.slower, found.faster, found.trainings) == ("slow", "fast", 2)
    assert (found.compute, found.after, found.times) == (18, 6, 3)
    assert found.lead == pytest.approx(0.6)
    assert factor_of(("fast", "slow"), fast, slow) == found


def report_with_points():
    """Of ``char``, ``word`` and ``old``, which has no points."""
    report, texts = plain_sample({"char": 1.9, "word": 1.7, "old": 2.0})
    curves = {"char": curve_of(Trained(SLOW)), "word": curve_of(Trained(FAST))}
    for arm in report["arms"]:
        if arm["name"] in curves:
            arm["points"] = [point.model_dump() for point in curves[arm["name"]].points]
    texts["curves"] = {name: curve.samples for name, curve in curves.items()}
    (contrast, _) = report["contrasts"]
    contrast["factor"] = factor_of(("char", "word"), *curves.values()).model_dump()
    return typed(report, texts)


def test_the_answer_is_followed_by_the_factor_where_the_test_agrees(capsys, tmp_path):
    report, texts = report_with_points()
    contrast = report.contrasts[0]
    assert sentences.winner(contrast) == contrast.factor.faster == "word"
    said = (
        "char would need more than 3 times the compute: what word had reached after 6.0 s, "
        "char had not reached after 18 s, in these two runs."
    )
    assert sentences.factor(contrast) == said
    assert said in result_lines(report)
    show(Screen(), tmp_path, report, texts)
    assert said in " ".join(capsys.readouterr().out.split())
    contrast.verdict = Verdict.TOO_CLOSE
    assert sentences.factor(contrast) == ""
    contrast.low = contrast.high = None  # documents are too few for an answer
    assert sentences.factor(contrast) == said
    contrast.factor.significant = True
    assert sentences.factor(contrast).endswith("after 18 s.")
    contrast.factor.times = 1.0
    assert sentences.factor(contrast) == ""
    contrast.factor.stopped = True
    assert sentences.factor(contrast).endswith("a lead of 0.600 was left.")
    contrast.factor.faster = "char"
    assert sentences.factor(contrast) == ""
    contrast.factor = None
    assert sentences.factor(contrast) == ""


def test_the_chart_of_learning_is_over_the_logarithm_of_compute():
    report, texts = report_with_points()
    plot, *others = page.plots(report, texts)
    assert plot.references == []
    ngrams, compressor = report.references[:2]
    ngrams.curve, compressor.curve = 2.3, 9.0
    plot, *others = page.plots(report, texts)
    (line,) = plot.references  # not beyond all curves
    assert line == (plot.up.place(2.3), ngrams.label)
    assert [*plot.mean] == ["word", "char"]
    assert plot.mean["char"].tolist() == [[4, 4.0], [6, 3.5], [10, 3.1], [18, 2.8]]
    assert plot.said["word"][1] == (
        "word after 6.0 s of compute, 8 updates, 1.00 passes over the text: 2.700\n8 updates"
    )
    assert page.without_points(report) == ["old"]
    assert [len(plot.mean) for plot in others] == [3, 3, 3]
    report.arms.pop()
    plot, read, *others = page.plots(report, texts)
    assert read.mean["char"][:, 0].tolist() == [4000, 8000, 16000, 32000]
    assert read.references == plot.references
    assert [plot.axis.split()[0] for plot in others] == ["seconds,", "thousands"]
    for arm in report.arms:
        arm.points = []
    assert len(page.plots(report, texts)) == 3
    drawn = page.render_page(*report_with_points())
    assert "char would need more than 3 times the compute" in drawn


def test_at_every_moment_each_arm_is_shown_as_it_was_at_its_last_look():
    report, texts = report_with_points()
    for arm in report.arms:
        for number, point in enumerate(arm.points):
            point.compute = [4, 6, 10, 18][number] * (1.0 if arm.name == "char" else 1.5)
    seconds = page.moments(report)
    assert seconds == [4, 6, 9, 10, 15, 18, 27]
    looks = page.looks(report, texts)
    assert [*looks] == ["word", "char"]
    assert [look.since for look in looks["char"]] == [0, 1, 3, 5]
    before, *others = looks["word"]
    assert (before.since, before.point, before.text) == (0, None, "")
    assert [look.since for look in others] == [1, 2, 4, 6]
    for since, point, text in others:
        assert point.compute == seconds[since]
        assert text == f"{point.updates:.0f} updates"
    report.arms[0].points[1].compute = 4.01  # nearly one moment with the first, of the same arm
    assert page.moments(report)[0] == 4.01
    assert page.looks(report, texts)["char"][0].text == "8 updates"
    texts.curves["char"].pop()
    assert [*page.looks(report, texts)] == ["word"]
    texts.curves.clear()
    assert 'id="moment"' not in page.render_page(report, texts)


def test_without_a_script_and_in_print_the_last_look_is_shown_and_it_costs_a_tenth_of_the_page():
    report, texts = report_with_points()
    texts.curves = {name: [made_up(9, n)[:200] for n in range(4)] for name in texts.curves}
    drawn = page.render_page(report, texts)
    section = re.search('(?s)<section id="watch">.*?</section>', drawn)[0]
    assert re.findall(r'class="look" data-since="(\d)"( hidden)?', section) == 2 * [
        ("0", " hidden"), ("1", " hidden"), ("2", " hidden"), ("3", "")
    ]  # fmt: skip
    assert '<label class="chooser" hidden>' in section  # which does nothing without a script
    assert 10 * len(section) <= len(drawn) - len(section)


def test_equal_ratios_are_equally_long():
    scale = LogScale(1.0, 100.0)
    assert [scale.place(value) for value in (0.5, 1, 10, 100, 200)] == [0, 0, 50, 100, 100]
    assert [name for _, name in scale.ticks()] == ["1", "10", "100"]
    assert [name for _, name in LogScale(0.05, 20_000).ticks()][-2:] == ["1,000", "10,000"]
    assert [name for _, name in LogScale(3, 60).ticks()] == ["5", "10", "20", "50"]
    assert [name for _, name in LogScale(3, 12).ticks()] == [*"3456789", "10"]
