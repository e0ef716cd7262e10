"""The regression of reading_times.py, on a made-up corpus with a known effect."""

import json
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, made_up

sys.path.append(str(ROOT / "experiments" / "research" / "reading_times"))
import reading_times as reading

pytestmark = pytest.mark.fast

EFFECTS = [4.0, 2.0, 0.0]  # milliseconds a bit, on the word and on the next two


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Ten stories in the corpus's files, and the surprisals that their times were made with."""
    draw, folder = np.random.default_rng(1), tmp_path_factory.mktemp("stories")
    home = folder / "naturalstories_RTS"
    home.mkdir()
    (folder / "freqs").mkdir()
    tokens, means, readers, counts, bits = [], [], [], [], []
    for story in range(1, 11):
        words = made_up(30, story).split()[:150]
        own = draw.gamma(2, 3, len(words))
        earlier = np.convolve(own, EFFECTS)[: len(words)]
        lengths = np.array([len(word) for word in words])
        times = 250 + 10 * story + 7 * lengths + earlier + draw.normal(0, 15, len(words))
        bits += own.tolist()
        for zone, (word, time) in enumerate(zip(words, times.tolist(), strict=True), 1):
            tokens.append(f"{word}\t{zone}\t{story}")
            if zone > 1:  # the file that was not corrected
                means.append(f"{words[zone - 2]}\t{zone - 1}\t{story}\t{time}")
            readers += [f"{word}\t{zone}\t{story}\t{time + more}" for more in (-30, 30)]
            counts.append(f"{story}.{zone}.word\t1\t{word}\t{10 * len(word)}\tNA")
            counts.append(f"{story}.{zone}.1\t1\t{word}\t7\tNA")
    head = "word\tzone\titem"
    for name, columns, rows in (
        ("all_stories.tok", head, tokens),
        ("processed_wordinfo.tsv", f"{head}\tmeanItemRT", means),
        ("processed_RTs.tsv", f"{head}\tRT", readers),
    ):
        (home / name).write_text("\n".join([columns, *rows]) + "\n")
    (folder / "freqs" / "freqs-1.tsv").write_text("\n".join(counts) + "\n")
    return folder, np.array(bits)


def test_both_files_of_times_belong_to_the_same_words(corpus):
    folder, _ = corpus
    each, means = (reading.read_corpus(folder, name) for name in reading.TIMES)
    later = ~np.isnan(means.time)
    assert (~later).sum() == 10  # of each story the first
    np.testing.assert_allclose(each.time[later], means.time[later])
    assert means.books[0] == pytest.approx(np.log(10 * len(means.word[0]) + 1))
    kept, left_out = reading.kept_words(means)
    assert kept.sum() + sum(left_out.values()) == len(kept)
    for words in (each, means):
        assert abs(reading.of_next_word(words)) < 0.2
    assert abs(reading.of_next_word(means._replace(time=np.roll(means.time, -1)))) > 1 / 3


@pytest.mark.parametrize("log", [False, True])
def test_an_effect_is_found_and_none_where_there_is_none(corpus, log):
    folder, bits = corpus
    words = reading.read_corpus(folder, "processed_RTs.tsv")
    controls = np.array([[len(word)] for word in words.word], float)
    gains, effects = reading.fit(bits, controls, words, log)
    assert reading.over_stories(gains)["low"] > 0.1
    if not log:
        np.testing.assert_allclose(effects, EFFECTS, atol=0.6)
    shuffled = np.random.default_rng(2).permutation(bits)
    assert reading.over_stories(reading.fit(shuffled, controls, words, log)[0])["gain"] < 0.005
    twice = np.c_[controls, bits]  # what the controls know is no gain
    assert np.abs(reading.fit(bits, twice, words, log)[0]).max() < 1e-6


def test_the_figures_of_every_arm_and_part_are_written(corpus, tmp_path, monkeypatch):
    folder, bits = corpus
    words = reading.read_corpus(folder, "processed_RTs.tsv").word

    def arm(name, bits):
        left = iter(bits.tolist())
        run = SimpleNamespace(
            folder=tmp_path / "runs" / name,
            training_words=Counter(words),
            words=lambda text: [{"word": w, "network_word_bits": next(left)} for w in text.split()],
        )
        return SimpleNamespace(name=name, runs=[run], first=run, parts=["network", "with_cache"])

    arms = [arm("known", bits), arm("shuffled", np.random.default_rng(2).permutation(bits))]
    monkeypatch.setattr(sys, "argv", ["reading_times.py", str(folder), "runs/known"])
    monkeypatch.setattr(reading, "RESULTS", tmp_path / "figures.json")
    monkeypatch.setattr(reading, "load_run", str)
    monkeypatch.setattr(reading, "group_runs", lambda runs: arms)
    reading.main()
    record = json.loads((tmp_path / "figures.json").read_text())
    known, shuffled = record["arms"]
    assert (known["arm"], known["part"], known["runs"]) == ("runs known", "network", 1)
    for name in reading.VARIANTS:
        assert known["gains"][name]["low"] > 100 > 5 > shuffled["gains"][name]["gain"]
    (pair,) = record["differences"]
    assert pair["of"] == ["runs known network", "runs shuffled network"]
    gains = [row["gains"]["books"]["gain"] for row in record["arms"]]
    assert pair["gain"] == pytest.approx(gains[0] - gains[1])


def test_places_and_repeated_words_are_those_of_a_story():
    words = reading.Words(
        ["The", "tide,", "the", "tide", "The"], np.array([1, 1, 1, 2, 2]), *[np.zeros(5)] * 2
    )
    assert reading.is_repeated(words) == [0, 0, 1, 0, 0]
    assert reading.number_in_story(words).tolist() == [0, 1, 2, 0, 1]
