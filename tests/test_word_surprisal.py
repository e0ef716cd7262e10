"""The surprisal of words: the same events under every tokenizer, and probabilities of them."""

import math
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from conftest import POLICIES, GivenEndings, made_up_cache, tiny_model, trusted_counts

import textgen as package
from textgen.core.errors import TextgenError
from textgen.core.experiment import resolve_experiment
from textgen.core.settings import PARTS
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.evaluation import passes, surprisal
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.sampler import Stepper
from textgen.evaluation.surprisal import find_words, word_bits
from textgen.models.objectives import NextToken
from textgen.models.settings import Adaptive, NGrams
from textgen.runs.console import read_items
from textgen.runs.finished import Run
from textgen.testing import every_sequence
from textgen.tokenizers.base import walk
from textgen.tokenizers.borders import WHITE
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.parts_of_speech import Pos
from textgen.tokenizers.rare_replaced import RareReplaced
from textgen.tokenizers.rare_words import Drop, Unk
from textgen.tokenizers.steps import follow
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.word_cache import DocumentCounts
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.long

TRAINING = ["a ab  b abb a ab b\n\nbab a ab b. ab\na \n\n ab ba\n", "ab a. b\n\na ab  ab", "b a ab"]


TOKENIZERS = [
    Characters(), Subwords(size=264), Subwords(model="unigram", size=264),
    *(Words(policy) for policy in POLICIES if not isinstance(policy, (Drop, Pos))),
    Words(Unk(), minimum_count=1), RareReplaced(GivenEndings()), RareReplaced(Unk(), 1),
]  # fmt: skip
each_tokenizer = pytest.mark.parametrize("config", TOKENIZERS, ids=repr)
TEXT = "Ab  abba.\n\nB\tab xab\u00e9 abba \n ab AB. aab"
OBJECTIVE = NextToken(window=5)


@cache
def toy_tokenizer(config):
    return config.fit(TRAINING, ["a ba ab aab b.\n\nb"], 1)


def toy_model(config, with_network=True, scale=1.0, **settings):
    """With all parts, or the counts alone, which are read without TensorFlow."""
    tokenizer = toy_tokenizer(config)
    tokens = [tokenizer.encode(text, training=True).tokens for text in TRAINING]
    model = LanguageModel(tokenizer, OBJECTIVE, None, trusted_counts(tokens, tokenizer.size, 0, 2))
    if not with_network:
        return model
    network = tiny_model(OBJECTIVE, tokenizer.size, scale=scale, **settings)
    return replace(model, network=network, cache=made_up_cache(0, 1, 3))


def bits_of_tokens(model, text, part):
    """Of every token with what it hides, the end mark last."""
    encoded = model.tokenizer.encode(text)
    (scored,) = model.score([Document("d", text)])[part]
    bits = scored.model_bits.astype(float)
    np.add.at(bits, encoded.places, scored.surface_bits)
    return bits


def chance_after(model, text, openings_of):
    """Of openings behind a text, token by token; and the chance of its end."""
    stepper, earlier = Stepper(model), DocumentCounts() if model.cache else None

    def read(choice):
        if choice.probabilities is None and choice.known != BOUNDARY:
            stepper.append(choice.known)
        return choice.known

    follow(walk(model.tokenizer, model.tokenizer.encode(text), earlier), read)
    mass = 0.0
    for first, weights in openings_of(model.tokenizer.borders(earlier)):
        branch, chance = stepper.copy(), 1.0
        for token in first:
            chance *= branch.probabilities()[token]
            branch.append(token)
        mass += chance * float(weights @ branch.probabilities())
    return mass, stepper.probabilities()[BOUNDARY]


def token_by_token(model, encoded, positions):
    """The answers of every part at words' positions, with every token and every opening read by
    itself."""
    answers = {part: surprisal.Answers({0: 0.0}, {}, {}) for part in model.parts}
    behind = {place for p in positions for place in (p.border, p.end)} - {0}
    gaps = {p.opens: (p.gap, p.lead) for p in positions}
    earlier = DocumentCounts() if model.cache else None
    stepper, places = Stepper(model), iter(range(len(encoded.tokens) + 1))

    def log_chance(part, openings):
        mass = 0.0
        for first, weights in openings:
            branch, chance = stepper.copy(), 1.0
            for token in first:
                chance *= branch.probabilities(part)[token]
                branch.append(token)
            mass += chance * float(weights @ branch.probabilities(part))
        return math.log2(mass)

    def read(choice):
        if choice.probabilities is not None:
            return choice.known
        place = next(places)
        for part, (border, word, entropy) in answers.items():
            borders = model.tokenizer.borders(earlier if part == "with_cache" else None)
            if place in behind:
                border[place] = log_chance(part, borders.border())
            if place in gaps:
                word[place] = log_chance(part, borders.word(*gaps[place]))
            chances = np.maximum(stepper.probabilities(part), 1e-300)
            entropy[place] = -float(chances @ np.log2(chances))
        if choice.known != BOUNDARY:
            stepper.append(choice.known)
        return choice.known

    follow(walk(model.tokenizer, encoded, earlier), read)
    return answers


NETWORKS = [
    {"kind": "gru"}, {"kind": "mingru"}, {"members": 2},
    {"kind": "transformer", "units": (8, 8), "context": 6, "head_size": 4, "scale": 2.0},
    {"input": "embedding", "embedding_size": 6, "ngrams": NGrams((2, 3), 50)},
    {"input": "embedding", "embedding_size": 6, "output_ngrams": NGrams((2, 4), 50)},
    {"adaptive_softmax": Adaptive(head=8, tail_size=4), "units": (8, 6)},
    {"scale": 150.0},  # with probabilities for which float32 has no room
]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "network"),
    [
        *((config, {}) for config in TOKENIZERS),
        *((TOKENIZERS[i % 4], network) for i, network in enumerate(NETWORKS)),
    ],
    ids=repr,
)
def test_in_passes_words_cost_what_they_do_token_by_token(config, network, monkeypatch):
    monkeypatch.setattr(passes, "PLACES_AT_ONCE", (7,))  # words lie across windows
    model = toy_model(config, **network)
    text = f"{TEXT} x\u00e9 abba\n\n\n abba xab\u00e9 xab\u00e9\tab AB"
    found = word_bits(model, text)
    with monkeypatch.context() as slow:
        answers = Mock(side_effect=lambda *asked: token_by_token(*asked[:3]))
        slow.setattr(surprisal, "answers", answers)
        expected = word_bits(model, text)
    assert answers.called
    assert list(found) == list(expected) == list(PARTS)
    for part, rows in found.items():
        np.testing.assert_allclose(rows, expected[part], atol=1e-4, err_msg=part)
        total, slow_total = (np.array(each)[:, :2].sum() for each in (rows, expected[part]))
        assert total == pytest.approx(slow_total, rel=1e-6)
    for rows in word_bits(model, text, entropy=False).values():
        assert {row.entropy for row in rows} == {None}


def test_how_far_the_reading_is_is_told():
    told = []
    word_bits(toy_model(Characters()), "ab ba " * 200, moved=lambda *far: told.append(far))
    assert told[0] == (0, 1201)
    assert len(told) > 1
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@each_tokenizer
def test_openings_are_those_of_every_text_and_of_each_only_once(config):
    """Behind a word, of every text that may follow: does a border come?"""
    tokenizer = toy_tokenizer(config)
    border = tokenizer.borders().border()
    for before in ("a", "ab bab.", "b\n\nAb"):
        plain = tokenizer.encode(before)
        own, hidden = tuple(plain.tokens.tolist()), plain.surfaces
        known = len(own)
        for letters in every_sequence("abA. \n\t\u00e9", 3):
            after = "".join(letters)
            encoded = tokenizer.encode(before + after, training=True)
            tokens = [*encoded.tokens.tolist(), BOUNDARY]
            weights = [
                each[tokens[known + len(first)]]
                for first, each in border
                if tuple(tokens[: known + len(first)]) == (*own, *first)
            ]
            if after[:1] in ("", *WHITE):
                assert tuple(tokens[:known]) == own
                assert 0 < sum(weights) <= 1 + 1e-9, (before, after)
            elif tuple(tokens[:known]) == own and encoded.surfaces[: len(hidden)] == hidden:
                assert 1 not in weights, (before, after)


@each_tokenizer
def test_bits_add_up_to_the_score_but_for_the_last_border(config):
    model = toy_model(config)
    for text in (TEXT, "ab", " \n\nab "):
        words = word_bits(model, text)
        assert tuple(words) == PARTS
        for part, rows in words.items():
            tokens = bits_of_tokens(model, text, part)
            last = find_words(text)[-1][1]
            size = len(model.tokenizer.encode(text[:last]).tokens)
            border, end = chance_after(model.part(part), text[:last], lambda b: b.border())
            expected = tokens[:size].sum() - math.log2(border)
            assert sum(row.gap + row.word for row in rows) == pytest.approx(expected, abs=1e-6)
            assert end <= border <= 1 + 1e-6
            for row in rows:
                assert min(row.spelling, row.gap, row.word) > -1e-4
                assert 0 <= row.entropy <= math.log2(model.tokenizer.size) + 1e-6


@pytest.mark.parametrize("part", PARTS)
def test_entropy_is_that_of_the_next_token_in_bits(part):
    """As another library computes it, behind all that stands before each word."""
    model, text = toy_model(Characters()), "ab  b a"
    tokens, stepper, found = model.tokenizer.encode(text).tokens.tolist(), Stepper(model), []
    for token in tokens:
        found.append(scipy.stats.entropy(stepper.probabilities(part), base=2))
        stepper.append(token)
    expected = [found[start] for start, _ in find_words(text)]
    entropies = [row.entropy for row in word_bits(model, text)[part]]
    assert entropies == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("config", "network", "longest"),
    [
        *((config, False, 3) for config in TOKENIZERS),
        *((TOKENIZERS[i], True, 1) for i in (0, 1, 3)),
    ],
)
def test_probabilities_of_all_words_sum_to_at_most_one(config, network, longest):
    """Of short ones behind some white space; and of white space, each with a word, and the end."""
    model = toy_model(config, network)
    for before in ("ab ", "", "b\n\n"):
        sums = dict.fromkeys(model.parts, 0.0)
        for letters in every_sequence("ab.", longest):
            if word := "".join(letters):
                for part, rows in word_bits(model, before + word, len(before)).items():
                    sums[part] += 2.0 ** -rows[-1].word
        assert all(0 < mass <= 1 + 1e-5 for mass in sums.values()), (before, sums)
    gaps = dict.fromkeys(model.parts, 0.0)
    for white in every_sequence(" \n\t", longest):
        if white:
            for part, rows in word_bits(model, f"ab{''.join(white)}b", 1).items():
                gaps[part] += 2.0 ** -rows[-1].gap
    for part, mass in gaps.items():
        border, end = chance_after(model.part(part), "ab", lambda b: b.border())
        assert 0.1 < mass + end / border <= 1 + 1e-5, part


@pytest.mark.parametrize("part", PARTS)
def test_a_walk_along_the_characters_finds_the_same(part):
    """P(what begins with x) for every x is that of its tokens, so all events are sums of these."""
    model = toy_model(Characters())

    def begins(text):
        return 2.0 ** -bits_of_tokens(model, text, part)[: len(text)].sum()

    def white(text):
        return sum(begins(text + c) for c in WHITE)

    def ends(text):
        return 2.0 ** -bits_of_tokens(model, text, part).sum()

    text, bordered = "ab  b.\n\nba a", 1.0
    for (start, end), row in zip(find_words(text), word_bits(model, text)[part], strict=True):
        opened = begins(text[:start]) - white(text[:start]) - ends(text[:start])
        assert row.gap == pytest.approx(math.log2(bordered / opened), abs=1e-4)
        bordered = white(text[:end]) + ends(text[:end])
        assert row.word == pytest.approx(math.log2(opened / bordered), abs=1e-4)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("before", ["ab ", "b\n\n"])
def test_a_word_has_the_share_of_its_tokens_among_all_that_open_one(kind, before):
    """Of subwords: P(its canonical tokens, then white space) over P(a token that opens a word)."""
    model = toy_model(Subwords(model=kind, size=264), with_network=False)
    tokenizer, text = model.tokenizer, before.rstrip()
    white = [i == BOUNDARY or name[0] in WHITE for i, name in enumerate(tokenizer.names)]
    tokens = tokenizer.encode(text).tokens.tolist()

    def read(path):
        """The chance of a path behind the text, and P(next token) behind it."""
        stepper, chance = Stepper(model), 1.0
        for place, token in enumerate([*tokens, *path]):
            chance *= stepper.probabilities()[token] if place >= len(tokens) else 1.0
            stepper.append(token)
        return chance, stepper.probabilities()

    opened = 0.0
    for first, weights in tokenizer.borders().word(before[len(text) :], ""):
        chance, chances = read(first)
        opened += chance * float(weights @ chances)
    for word in ("a", "b", "ab", "aab", "bab"):
        path = tokenizer.encode(before + word).tokens.tolist()
        assert path[: len(tokens)] == tokens
        chance, chances = read(path[len(tokens) :])
        row = word_bits(model, before + word, len(before))["counts"][-1]
        expected = chance * chances[white].sum() / opened
        assert 2.0**-row.word == pytest.approx(expected, rel=1e-4), word


@pytest.mark.parametrize(
    ("config", "network"),
    [*((config, False) for config in TOKENIZERS), (TOKENIZERS[1], True), (TOKENIZERS[3], True)],
)
def test_later_text_changes_no_earlier_word_and_context_is_read(config, network):
    model = toy_model(config, network)
    rows = word_bits(model, TEXT)
    for number, (start, end) in [*enumerate(find_words(TEXT))][1::4]:
        for later in (" b", "\n\nAb ab."):
            changed = word_bits(model, TEXT[:end] + later)
            for part in model.parts:
                earlier = rows[part][: number + 1]
                np.testing.assert_allclose(changed[part][: number + 1], earlier, atol=1e-4)
        for part, behind in word_bits(model, TEXT, start).items():
            # sums over tokens are of float32, and other words are beside these in a batch
            np.testing.assert_allclose(behind, rows[part][number:], atol=1e-6)


def test_where_it_is_not_known_how_words_end_is_said(finished_run):
    model = toy_model(Words(Unk()), with_network=False)
    with pytest.raises(TextgenError, match="a token holds white space"):
        word_bits(model, "a\t\u0301b")
    assert len(word_bits(model, "a \u00a0b")["counts"]) == 2
    for policy in (Drop(), Pos()):
        with pytest.raises(ValueError, match=r"policy (drop|pos)"):
            toy_tokenizer(Words(policy)).borders()
    with pytest.raises(ValueError, match="policy pos"):
        toy_tokenizer(RareReplaced(Pos())).borders()
    with pytest.raises(ValueError, match="among subwords"):
        toy_tokenizer(RareReplaced(Unk(), subwords=Subwords(size=264))).borders()
    with pytest.raises(ValueError, match="Whitespace"):
        toy_tokenizer(Whitespace()).borders()
    run = package.load_run(finished_run())
    shifted = {"objective": {"kind": "shifted", "window": 8, "shift": 1}}
    run.experiment = resolve_experiment(run.experiment.resolved | shifted)
    with pytest.raises(TextgenError, match="objective"):
        run.words("a")


def test_a_run_writes_a_table_of_words(finished_run, textgen, tmp_path, monkeypatch):
    char, word = finished_run(), finished_run("word")
    text = "The tide left, the xylophone\tstayed."
    (tmp_path / "items.csv").write_text(
        'item,text,context\n1,"the tide left, \n a bell!","The keeper"\nb,the shore.,\n'
    )
    run = package.load_run(word)
    frame = pd.DataFrame(run.words(text, entropy=True))
    assert frame.word.tolist() == text.split()
    assert [text[a:b] for a, b in zip(frame.start, frame.end, strict=True)] == text.split()
    assert frame.occurrences.tolist()[0] > 0
    assert frame.frequency_bits.isna().tolist() == [n == 0 for n in frame.occurrences]
    shares = frame.occurrences[frame.occurrences > 0] / run.training_words.total()
    np.testing.assert_allclose(2.0 ** -frame.frequency_bits.dropna(), shares)
    total = run.score(text)["parts"]["network"]
    summed = frame.network_gap_bits.sum() + frame.network_word_bits.sum()
    assert 0 <= total["total"] - summed <= total["end"]
    printed = textgen("score", char, word, "--items=items.csv", "--words=words.csv", "--entropy")
    assert printed.out.splitlines()[0] == "7 words → words.csv"
    table = pd.read_csv(tmp_path / "words.csv")
    assert table.item.tolist() == ["1"] * 5 + ["b"] * 2
    assert table["word"].tolist() == "the tide left, a bell! the shore.".split()
    alone = pd.DataFrame(run.words("the tide left, \n a bell!", "The keeper", entropy=True))
    joined = pd.DataFrame(run.words("The keeper the tide left, \n a bell!", entropy=True))
    for part in run.model.parts:
        for kind in ("gap", "word", "spelling", "entropy"):
            column = f"{part}_{kind}_bits"
            np.testing.assert_allclose(table[f"word_{column}"][:5], alone[column], atol=1e-5)
            np.testing.assert_allclose(joined[column][2:], alone[column], atol=1e-5)
            assert f"char_{column}" in table
    textgen("score", word, "--text", text, "--words=one.csv")
    one = pd.read_csv(tmp_path / "one.csv")
    assert one.item.tolist() == [1] * len(frame)
    np.testing.assert_allclose(one.network_word_bits, frame.network_word_bits, atol=1e-5)
    assert run.words("") == []
    lost = Mock(side_effect=TextgenError("no such file"))
    monkeypatch.setattr(Run, "corpus", property(lost))
    run = package.load_run(word)
    assert [run.words(text)[0]["occurrences"] for text in ("the tide", "a bell")] == [None, None]
    lost.assert_called_once()  # however many texts there are
    book = "a " * 100_000  # longer than a field of a CSV file may be
    (tmp_path / "items.csv").write_text(f"item,text,context\n1,b,{book}\n")
    assert read_items(tmp_path / "items.csv") == [("1", "b", book)]


def test_words_come_with_every_note_about_the_training_text(
    finished_run, textgen, tmp_path, monkeypatch
):
    sentence = "Vas\u00edli said he couldn\u2019t, and the old harbour remembered."
    training = [Document("a", f"{sentence} The tide.")]
    load_text = Mock(return_value=SimpleNamespace(train=training, sample=training))
    monkeypatch.setattr(Run, "corpus", property(load_text))
    typed = '"Vasili couldn\'t" \u2603'

    def notes(*passage):
        out = textgen("score", *passage).out
        return [line for line in out.splitlines() if line.startswith("note: ")]

    char, word = finished_run(), finished_run("word")
    for text in (typed, sentence, f"One night {sentence[:-3]}", "The tide"):
        alone = notes(char, f"--text={text}")
        assert notes(char, f"--text={text}", "--words=w.csv") == alone != []
        assert notes(char, word, f"--text={text}", "--words=w.csv") == alone
    notes(char, word, f"--text={typed}", "--words=w.csv")
    table = pd.read_csv(tmp_path / "w.csv", keep_default_na=False)
    assert table.char_new_characters.tolist() == ['"', "'\"", "\u2603"]
    assert table.word_new_characters.tolist() == table.char_new_characters.tolist()
    items = pd.DataFrame({"item": [7, 8, 9], "text": [sentence, typed, "Vasili"]})
    items.to_csv(tmp_path / "items.csv", index=False)
    several = "\n".join(notes(char, "--items=items.csv", "--words=w.csv"))
    for part in ("whole passages 7:", "U+2603", "Vas\u00edli for Vasili"):
        assert part in several
    load_text.side_effect = TextgenError("no such file")
    assert notes(char, "--text=a", "--words=w.csv") == notes(char, "--text=a")
    table = pd.read_csv(tmp_path / "w.csv")
    assert table.new_characters.isna().all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--text=a", "--words=none/w.csv"], "no file can be written"),
        (["--split=test", "--words=w.csv"], "--words"),
        (["--text=a", "--json", "--words=w.csv"], "--words"),
        (["--text=a", "--entropy"], "--entropy"),
        (["--items=bad.csv", "--words=w.csv"], "columns item and text"),
        (["--items=bad.csv"], "--items"),
        (["--items=head.csv", "--words=w.csv"], "no items"),
        (["--items=short.csv", "--words=w.csv"], "line 2 lacks an item"),
        (["--text=   ", "--words=w.csv"], "no words"),
    ],
)
def test_what_words_need_is_said(finished_run, textgen, tmp_path, options, said):
    (tmp_path / "bad.csv").write_text("name;text\n1;a\n")
    (tmp_path / "head.csv").write_text("item,text\n")
    (tmp_path / "short.csv").write_text("text,item\na\n")
    textgen("score", finished_run(), *options, code=2, said=said)
    assert not (tmp_path / "w.csv").exists()
