"""Metrics are checked on text with a known answer. About 3 seconds."""

import math
from collections import Counter

import numpy as np
import pytest
from conftest import made_up

from textgen.auditing.checks import AWKWARD_TEXTS
from textgen.evaluation import metrics
from textgen.testing import check_metric

pytestmark = pytest.mark.fast

DOCUMENTS = [made_up(60, seed) for seed in range(6)]
HUMAN = metrics.Human(DOCUMENTS)
ODD = [*AWKWARD_TEXTS, "123 456", "🙂🙂 👩‍👩‍👧 İstanbul ǅ ß", "lone \ud800 surrogate \udfff"]


def values(texts, human):
    found = metrics.measure([metrics.Sample(text) for text in texts], human, resamples=0)
    return {name: figure.value for name, figure in found.items()}


def test_words_keep_apostrophes_and_leave_out_digits():
    text = "Don't—stop, 3 O’Brien's x2! 12th हिन्दी cafe\u0301 _so_ 語"
    assert metrics.words(text) == "don't stop o'brien's x2 th हिन्दी cafe\u0301 so 語".split()


@pytest.mark.parametrize(("language", "real"), [("de", 3), ("en", 4), ("eu", 2), ("und", 2)])
def test_real_words_are_those_of_the_text_s_language(language, real):
    text, training = "Der Wal Apfelbaum thoroughfare apple's sdfgh tf", "Der Wal und das Meer"
    known = {*metrics.words(training)}
    assert sum([w in known or metrics.is_listed(w, language) for w in metrics.words(text)]) == real
    figures = values([text], metrics.Human([training], language))
    if language in ("de", "en"):
        assert figures["real_words"] == pytest.approx(real / 7)
        assert figures["unseen_real_words"] == pytest.approx((real - 2) / 7)


def test_human_text_is_at_no_distance_from_itself_and_all_copied():
    found = values(DOCUMENTS, HUMAN)
    assert found["letters_divergence"] == pytest.approx(0, abs=1e-12)
    assert found["words_in_training"] == found["real_words"] == found["copied"] == 1
    assert [found[f"novel_{n}"] for n in (2, 3, 4, 5)] == [0, 0, 0, 0]


def test_stretches_repeated_at_once():
    for text, inside in (
        ("very very good", "..."), ("no no no end", "###."), ("he said he said nothing", "####."),
        ("so a b c a b c a b d", ".########."), ("a b c a b d", "......"), ("x x", ".."), ("", ""),
        (" ".join("abcdefghij" * 2), "#" * 20),
        (" ".join("abcdefghijk" * 2), "." * 22),  # eleven words are too many
    ):  # fmt: skip
        marked = {place for place, mark in enumerate(inside) if mark == "#"}
        assert metrics.looped(text.split()) == marked


def test_a_copied_stretch_is_found_to_the_character():
    copied = DOCUMENTS[2][100:180]
    text = "ZZ " + "qqq" + copied + "#zz"
    assert metrics.copied_spans(text, HUMAN) == [(6, 86)]
    assert metrics.copied_spans(copied[:29] + "#", HUMAN) == []
    assert metrics.copied_spans(copied[:30] + "#", HUMAN) == [(0, 30)]
    found = values([text, "QQQ"], HUMAN)
    assert found["copied"] == pytest.approx(80 / (len(text) + 3))
    assert found["longest_copy"] == 40
    human = metrics.Human(["abcdefgh" * 5 + "123456", "123456" + "stuvwxyz" * 5])
    text = "abcdefgh" * 5 + "123456" + "stuvwxyz" * 5
    assert metrics.copied_spans(text, human) == [(0, 46), (46, 86)]  # not over two documents
    assert metrics.copied_spans("efgh123456stuv" * 2 + "12", human) == []


def test_new_sequences_are_those_that_are_found_nowhere():
    draw = np.random.default_rng(1)
    documents = [" ".join(draw.choice(list("abcde"), size)) for size in (40, 1, 25)]
    samples = [" ".join(draw.choice(list("abcdex"), size)) for size in (30, 0, 1)]
    found = values(samples, metrics.Human(documents))
    for n in (2, 3, 4, 5):
        grams = [s.split()[i : i + n] for s in samples for i in range(len(s.split()) - n + 1)]
        new = [all(" ".join(gram) not in text for text in documents) for gram in grams]
        assert found[f"novel_{n}"] == pytest.approx(np.mean(new))


def test_figures_by_hand():
    for training, text, expected in (
        ("bC", "Ab, 12", {"letters_divergence": 0.5}),
        ("bC", "xyz", {"letters_divergence": 1}),
        ("नमस्ते", "नमस्ते", {"letters_divergence": 0, "word_length": 4}),  # marks are counted
        ("नमस्ते", "नमसत", {"letters_divergence": 0.1908745, "word_length": 4}),  # but not as length
        ("hello world", "don't " + "a" * 12, {"word_length": 8}),
        (
            "the cat and the dog and Yog-Sothoth",
            "The dog, the pandemonium; sreun Sothoth sothoth!",
            {"real_words": 6 / 7, "words_in_training": 5 / 7, "words_once_in_training": 3 / 7}
            | {"unseen_words": 2 / 7, "unseen_real_words": 1 / 7},
        ),
        (
            "a",
            "The king and I walked to that station, and they'd seen more than the usual in it.",
            dict.fromkeys(("word_than", "ending_ing", "ending_ed", "ending_tion"), 1 / 17)
            | {"word_the": 2 / 17, "prepositions": 2 / 17, "pronouns": 3 / 17},  # I, they'd, it
        ),
        ("a", "a b c d " * 25, {"distinct_1": 0.04, "distinct_2": 4 / 99, "distinct_3": 4 / 98}),
        ("a", "a b c d " * 25, {"loops": 1}),
        ("a", "a b", {"distinct_1": None}),
        ("a", 'He said: "Come," and “Go” -- (Stay)--No. _Yes_', {"capitals_in_place": 1}),
        ("a", "\n\n'Tis ‘Twas Anglo-Saxon", {"capitals_in_place": 1}),
        ("a", "tHe NASA McCoy H.P. O'Brien", {"capitals_in_place": 4 / 11}),
        ("a", 'so."He no 3D', {"capitals_in_place": 0}),
    ):
        found = values([text], metrics.Human([training]))
        assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("training", [DOCUMENTS, ["ab"], ["…"], [""], [], ODD])
def test_odd_texts_give_figures_or_none_but_no_errors(training):
    known = metrics.Human(training)
    for texts in [*([text] for text in ODD), ODD]:
        found = metrics.measure([metrics.Sample(text) for text in texts], known, resamples=3)
        assert list(found) == list(metrics.metric_labels())
    assert values([""], known)["real_words"] is None


def test_the_interval_of_a_share_is_that_of_its_standard_error():
    draw = np.random.default_rng(1)
    samples = [metrics.Sample("the " * n + "sea " * (20 - n)) for n in draw.binomial(20, 0.3, 200)]
    found = metrics.measure(samples, metrics.Human(["a"]), resamples=1000)
    assert all(f.low <= f.value <= f.high for f in found.values() if f.value is not None)
    low, high = found["word_the"][1:]
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.3 * 0.7 / (20 * 200)), rel=0.15)


def test_every_figure_has_a_name_of_its_own_and_a_label():
    names = [name for metric in metrics.every_metric() for name in metric.labels]
    assert len(set(names)) == len(names)
    assert {"letters_divergence", *metrics.LABELS} == {*names}
    for metric in metrics.every_metric():
        check_metric(metric)


def test_human_passages_are_beginnings_of_one_size_or_what_follows_and_do_not_overlap():
    numbered = [" ".join(f"{name}{i}" for i in range(600)) for name in "abc"] + ["short"]
    found = metrics.human_passages(numbered, 12, 500, seed=5)
    assert {len(sample.text) for sample in found} == {500}
    seen = Counter(token for s in found for token in s.text.split(" ")[:-1])
    assert max(seen.values()) == 1
    assert seen.keys() <= {token for document in numbered for token in document.split()}
    assert [s.text.split("0 ")[0] for s in sorted(found[:3], key=str)] == ["a", "b", "c"]
    assert {s.text[0] for s in found[3:6]} == {*"abc"}  # then what is next to these
    same, other = (metrics.human_passages(numbered, 12, 500, seed) for seed in (5, 6))
    assert found == same != other
    assert metrics.human_passages(["a b c", ""], 2, 100, seed=1) == [metrics.Sample("a b c")]


def test_what_is_counted_in_one_language_is_not_shown_in_another():
    shown = {code: metrics.metric_labels(code) for code in ("en", "de", "eu", "ja", "und")}
    assert {"pronouns", "word_the", "ending_ing"} <= shown["en"].keys() - shown["de"].keys()
    assert shown["de"].keys() - shown["eu"].keys() == {"real_words", "unseen_real_words"}
    for code, labels in shown.items():
        assert all("{" not in label.meaning for label in labels.values())
        assert list(values([DOCUMENTS[0]], metrics.Human(DOCUMENTS, code))) == list(labels)


def test_a_share_is_of_something_and_a_size_is_counted_in_something():
    for metric in metrics.every_metric():
        for name, label in metric.labels.items():
            assert ("%" in label.form) is label.unit.startswith("of "), name
