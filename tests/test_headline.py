"""What stands on the first screen of a report beside its answer: the same without jargon, and
exactly one *but*."""

import re

import pytest
from report_sample import bits, contrast, plain_sample, sample, typed

from textgen.report import headline, sentences
from textgen.report.comparison import result_lines
from textgen.report.page import render_page
from textgen.report.schema import Bits, Caution, CurvePoint, Difference
from textgen.report.spending import BUSY, LOAD

pytestmark = pytest.mark.fast


def claimed(verdict="better", **changed):
    """A report of ``words`` and ``characters`` and its first claim, of which nothing is worth a
    warning but how far its interval reaches."""
    plain, texts = plain_sample({"words": 1.7, "characters": 1.9}, 2, False)
    row = contrast("words", "characters", verdict, -0.2, "Do words win?") | changed
    report, _ = typed(plain | {"contrasts": [row]}, texts)
    (row,) = report.contrasts
    row.parts = {}
    row.changes = {}
    return report, row


def but(report):
    return headline.but(report, sentences.claims(report)[0])


def other_part(verdict, difference):
    row = contrast("words", "characters", verdict, difference, "")
    return Difference(**{key: row[key] for key in Difference.model_fields if key in row})


def unlike(report, row):
    row.unequal = [LOAD, "training budget", BUSY]


def unread(report, row):
    report.arms[1].passes = 0.52
    report.arms[0].passes = 0.97


def unlearnt(report, row):
    report.arms[1].parts["counts"] = Bits(**bits(1.72))


def trained_once(report, row):
    row.seeds = [1, 1]


def by_counts(report, row):
    row.parts["with_counts"] = other_part("too close to call", -0.01)


def busy(report, row):
    row.unequal = [*row.unequal, BUSY]
    report.arms[0].budget = {"seconds": 30.0}
    report.arms[0].seconds = 45.0


# What may qualify an answer, the weightiest first, and what is said of it.
WEIGHTS = {
    unlike: "the two arms did not have the same training budget.",
    unread: "characters have read only 52% of the training text",
    unlearnt: "characters have not yet learnt what counting knows: n-grams of the same tokens need",
    trained_once: "each model was trained once",
    by_counts: "with n-gram counts mixed in, words and characters are too close to call.",
    busy: "the machine was busy: words took 45 seconds instead of 30.",
}


def test_of_several_doubts_the_weightiest_is_said_alone():
    doubts = list(WEIGHTS)
    for number, weightiest in enumerate(doubts):
        for others in (doubts[number:], [weightiest]):
            report, row = claimed()
            for doubt in reversed(others):
                doubt(report, row)
            assert but(report).startswith(f"But {WEIGHTS[weightiest]}")
    said = "But on other such documents the lead may be anywhere from 0.180 to 0.220."
    assert but(claimed()[0]) == said


def reports():
    yield sample({"char": 1.9, "subword": 1.8, "word": 1.7, "late": 1.75, "free": None})
    yield sample({"one": 1.9})
    for doubt in WEIGHTS:
        report, row = claimed()
        doubt(report, row)
        yield report, sample({"words": 1.7, "characters": 1.9})[1]
    for changed in (
        {"verdict": "equal", "low": -0.004, "high": 0.008},
        {"verdict": "too close to call"},
        {"verdict": "too close to call", "needed": None},
        {"verdict": "better", "low": -0.3, "high": -0.004},
        {"verdict": "worse", "low": None, "high": None},
    ):
        report, _ = claimed(**changed)
        yield report, sample({"words": 1.7, "characters": 1.9})[1]


def test_every_answer_has_one_but_of_one_sentence_with_at_most_two_figures():
    for report, texts in reports():
        claims = sentences.claims(report)
        for claim in claims:
            said = headline.but(report, claim)
            assert re.fullmatch(r"But [^A-Z].*\.", said)
            assert not re.search(r"\. |\bBut\b", said[4:])
            assert len(re.findall(r"\d[\d.,]*", said)) <= 2
        lines = [line for line in result_lines(report) if line.startswith("But ")]
        assert lines == [headline.but(report, claims[0])]
        first = first_screen(render_page(report, texts))
        assert first.count('class="but"') == len(claims)  # one for each that may be shown


def first_screen(page):
    return page.split('<section id="answer">')[1].split("</section>")[0]


def test_the_first_screen_is_question_answer_but_bars_and_samples():
    report, texts = sample({"char": 1.9, "subword": 1.8, "word": 1.7})
    report.warnings = [Caution(text="Look out!"), Caution(text="Or not.", foremost=False)]
    first = first_screen(render_page(report, texts))
    parts = [
        'class="question"',
        'class="said"',
        'class="plain"',
        'class="but"',
        'id="arms"',
        'class="wrote',
    ]
    places = [first.index(part) for part in parts]
    assert places == sorted(places)
    below = render_page(report, texts).split(first)[1]
    claim = sentences.claims(report)[0]
    others = [claim.caveat, sentences.by_other_parts(claim.contrast), "Look out!"]
    for said in [*others, *sentences.without_network(report).values()]:
        assert said not in first
        assert said in below
    assert "Or not." in below


@pytest.mark.parametrize("passes", [0.03, 0.52, 0.97, 0.999])
@pytest.mark.parametrize("seconds", [14.0, 48.0, 3_600.0])
def test_the_seconds_that_are_named_suffice_to_read_the_text_twice(passes, seconds):
    """At the same pace and with the same preparation, and are not many more than needed."""
    report, _ = claimed()
    slow = report.arms[1]
    slow.passes = passes
    for arm in report.arms:
        arm.seconds = seconds
    share, named = re.search(r"only (\d+)%.* ([\d,]+) seconds each", but(report)).groups()
    assert float(share) <= 100 * passes < 100
    pace = passes / (seconds - slow.preparation_seconds)
    read = pace * (float(named.replace(",", "")) - slow.preparation_seconds)
    assert 2 <= read < 2.4
    report.arms[0].seconds *= 3
    times = float(re.search(r"([\d.]+) times the budget", but(report))[1])
    assert 2 <= times * passes < 2.4


def test_of_two_networks_the_one_is_named_that_counting_beats_by_most():
    report, _ = claimed()
    better, worse = report.scored
    better.parts["counts"] = Bits(**bits(1.5))
    worse.parts["counts"] = Bits(**bits(1.75))
    assert f"and {better.name} 1.700, so" in but(report)
    worse.parts["counts"] = Bits(**bits(1.5))
    assert f"and {worse.name} 1.900, so" in but(report)
    report.part = "with_cache"  # which has counts of its own
    assert "counting" not in but(report)


def test_a_lead_that_counts_take_most_of_is_said_to_be_theirs():
    report, row = claimed()
    row.parts["with_counts"] = other_part("better", -0.09)
    assert "0.090 of the lead of 0.200 remain" in but(report)
    row.parts["with_counts"] = other_part("better", -0.11)
    assert "remain" not in but(report)


def test_a_busy_machine_is_named_only_where_it_may_have_mattered():
    """Half the interval is 0.02; half as many seconds again, at so many bits each time that
    compute doubles, are 0.58 times these bits."""
    report, row = claimed()
    busy(report, row)
    for slope, named in ((0.03, False), (0.04, True)):
        spent = {"compute_without_preparation": 1, "updates": 1, "characters": 1, "passes": 1}
        report.arms[0].points = [
            CurvePoint(compute=compute, bits=level, **spent)
            for compute, level in ((10, 2 + slope), (20, 2.0))
        ]
        assert ("busy" in but(report)) is named


def plainly(report):
    return headline.in_plain_words(report, sentences.claims(report)[0])


def with_leads(report, *leads):
    """The documents of a report, on each of which the words are so far ahead."""
    (row, *_) = report.documents
    report.documents = [
        row.model_copy(update={"bits": {"words": 1.7, "characters": 1.7 + lead}}) for lead in leads
    ]


def test_an_answer_is_also_said_without_jargon_and_last_on_the_terminal():
    report, row = claimed(share=0.233)
    for arm in report.arms:
        arm.seconds = 21.0
    with_leads(report, *[0.2] * 9)
    assert result_lines(report)[-1] == plainly(report)
    assert plainly(report) == (
        "The program that reads words was about a quarter less surprised than the one that reads "
        "letters, on all nine documents that neither had seen, after 21 seconds each."
    )
    with_leads(report, *[0.2] * 5, -0.1, 0.0)
    assert ", ahead on five of the seven documents that neither had seen, " in plainly(report)
    row.tested_on = "pieces"
    assert "pieces" not in plainly(report)
    row.verdict = "worse"
    assert plainly(report).startswith("The program that reads letters was")
    assert ", ahead on one of the seven passages" in plainly(report)


@pytest.mark.parametrize("verdict", ["better", "worse", "equal", "too close to call"])
@pytest.mark.parametrize("yes", ["first is lower", "second is lower", ""])
def test_only_yes_and_no_are_said_without_jargon(verdict, yes):
    report, row = claimed(verdict, yes=yes)
    answered = sentences.answer(row, row) in ("Yes", "No")
    assert bool(plainly(report)) is answered
    page = first_screen(render_page(report, sample({"words": 1.7, "characters": 1.9})[1]))
    assert ('class="plain"' in page) is answered


@pytest.mark.parametrize("share", [0.036, 0.07, 0.1, 0.15, 0.163, 0.22, 0.25, 0.31, 0.42, 0.6])
def test_a_share_in_words_is_near_the_share(share):
    report, _ = claimed(share=share)
    named = re.search(r"was about (an? \w+|half) less", plainly(report))[1]
    assert headline.FRACTIONS[named] == pytest.approx(share, rel=0.45)
    nearer = [abs(fraction - share) for fraction in headline.FRACTIONS.values()]
    assert abs(headline.FRACTIONS[named] - share) <= 1.5 * min(nearer)


def test_times_are_said_only_where_both_were_trained_as_long():
    report, _ = claimed()
    for times, said in (
        ((48.0, 50.0), "after 50 seconds each"),
        ((300.0, 300.0), "after 5 minutes each"),
        ((6000.0, 6000.0), "after 100 minutes each"),
        ((20.0, 60.0), None),
    ):
        for arm, seconds in zip(report.arms, times, strict=True):
            arm.seconds = seconds
        assert plainly(report).endswith(f", {said}." if said else "that neither had seen.")
