"""What models are asked: what comes next, against sums by hand; texts that grow."""

from __future__ import annotations

import itertools
import math
import pickle
import time
from collections import Counter
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from asked import open_runs
from conftest import POLICIES, made_up, write_experiment

import textgen
from textgen.core import RefusedText, Sampling, TextgenError
from textgen.evaluation.mixture import Stepper
from textgen.interactive.expectation import NEXT_WORD, expect
from textgen.interactive.opening import open_models
from textgen.interactive.paying import paid
from textgen.interactive.reader import KEPT, Reader
from textgen.interactive.texts import TokenTexts
from textgen.interactive.writing import _Growing, sampling, write
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.words.tokenizer import Words

TEXTS = ["", "The", "The ke", "The keeper watched the shore.", "The keeper wat", "our "]


@pytest.fixture(scope="module")
def readers(tmp_path_factory, corpus_folder):
    return open_runs(tmp_path_factory.mktemp("asked"), corpus_folder)


@cache
def chances_after(reader, tokens):
    return reader.read(tokens).chances.tolist()


@cache
def rendered(reader, tokens):
    return reader.tokenizer.render(np.array(tokens), before="a", fill="mark")


def continuations(reader, tokens, target, modifiers=()):
    """P that the text after some tokens begins so: a sum over all tokens, what placeholders stand
    for spelled, one token at a time."""
    total, following = 0.0, reader.tokenizer.placeholder_texts()
    for token, chance in enumerate(chances_after(reader, (*tokens, *modifiers))[2:], start=2):
        shown = rendered(reader, (*modifiers, token))
        if shown.filled:
            own = (*modifiers, token)
            spelled = [following(own, target[:i]).get(c, 0.0) for i, c in enumerate(target)]
            total += chance * math.prod(spelled)
        elif not shown.text and len(modifiers) < 3:
            total += chance * continuations(reader, tokens, target, (*modifiers, token))
        elif shown.text.startswith(target):
            total += chance
        elif shown.text and target.startswith(shown.text):
            after = (*tokens, *modifiers, token)
            total += chance * continuations(reader, after, target[len(shown.text) :])
    return total


def before_last_word(reader, text):
    """Tokens and text to go, by hand: the same cut, by trying all."""
    if reader.label == "char":
        return reader.tokens(text), ""
    cut = len(text.rstrip()) if text.endswith(" ") else max(0, text.rfind(" "))
    if text.endswith("."):
        cut = len(text) - 1
    start = text[:cut]
    return tuple(reader.tokenizer.encode(start).tokens.tolist()), text[cut:]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["char", "word", "subword"])
def test_the_next_character_is_what_all_tokens_that_begin_so_sum_to(readers, name, text):
    reader = readers[name]
    found = expect(reader, text)
    tokens, lacking = before_last_word(reader, text)
    alphabet = [c for c, _ in found.characters]
    sums = {c: continuations(reader, tokens, lacking + c) for c in alphabet}
    total = sum(sums.values())
    assert len(alphabet) > 5
    assert sum(p for _, p in found.characters) + found.open_characters == pytest.approx(1)
    told = 1 - found.open_characters
    for character, p in found.characters[:6]:
        assert p / told == pytest.approx(sums[character] / total, abs=found.open_characters + 1e-4)
    assert found.open_characters < (0.5 if name == "subword" and not lacking else 0.1)
    if name == "char":
        assert found.open_characters < 1e-6 + reader.read(tokens).chances[:2].sum()


@pytest.mark.parametrize("name", ["char", "subword"])
def test_the_next_word_is_a_product_and_the_character_after_it_no_part_of_it(readers, name):
    reader = readers[name]
    found = expect(reader, "The keeper", words=5)
    assert len(found.words) == 5
    assert sum(p for _, p in found.words) + found.open_words == pytest.approx(1)
    word, p = found.words[0]
    after = set().union(*filter(None, reader.texts))
    ends = [c for c in after if NEXT_WORD.match(word + c).end() == len(word)]
    tokens, lacking = before_last_word(reader, "The keeper")
    whole = sum(continuations(reader, tokens, lacking + c) for c in after)
    byhand = sum(continuations(reader, tokens, lacking + word + c) for c in ends) / whole
    assert p == pytest.approx(byhand, abs=found.open_words)
    assert p <= byhand * 1.01


def test_a_word_model_offers_its_tokens(readers):
    reader = readers["word"]
    found = expect(reader, "The keeper ", words=5)
    chances = reader.read(reader.tokenizer.encode("The keeper").tokens.tolist()).chances
    for word, p in found.words:
        assert reader.texts.index(f" {word}") > 0
        assert p > chances[reader.texts.index(f" {word}")] * 0.999


def test_with_memory_it_is_the_distribution_that_is_scored_with_memory(readers):
    reader, text = readers["char"], "The keeper watched the tide. The keeper "
    stepper = Stepper(reader.run.objective, reader.run.network, reader.run.memory)
    for token in reader.tokens(text):
        stepper.probabilities()
        stepper.append(token)
    chances = stepper.probabilities()
    np.testing.assert_allclose(reader.read(reader.tokens(text), True).chances, chances, atol=1e-9)
    found = dict(expect(reader, text, memory=True).characters)
    alone = dict(expect(reader, text).characters)
    token = reader.tokens("w")[0]
    assert found["w"] == pytest.approx(chances[token], rel=1e-6)
    assert found["w"] != pytest.approx(alone["w"], rel=1e-3)


def test_what_was_read_before_is_not_read_again_and_no_answer_depends_on_it(readers):
    reader = readers["char"]
    text = made_up(8, 3).replace("\n", " ")[:300]
    reader._places.clear()
    whole = reader.read(reader.tokens(text)).chances
    reader._places.clear()
    for end in range(0, 301, 7):
        reader.read(reader.tokens(text[:end]))
    np.testing.assert_allclose(reader.read(reader.tokens(text)).chances, whole, atol=1e-12)
    assert len(reader._places) <= KEPT


def test_a_seed_writes_the_same_text_and_settings_count(readers):
    for reader in readers.values():
        settings = sampling({"length": 60, "temperature": 0.9})
        first, again = ("".join(write(reader, "The ", settings, 4)) for _ in range(2))
        assert first == again
        assert len(first) == 60
        assert first != "".join(write(reader, "The ", settings, 5))
        cold = sampling({"length": 30, "temperature": 0.0})
        assert "".join(write(reader, "The", cold, 1)) == "".join(write(reader, "The", cold, 2))
        narrow = sampling({"length": 30, "temperature": 1.5, "top_k": 1})
        assert "".join(write(reader, "The", narrow, 3)) == "".join(write(reader, "The", cold, 1))


def test_writing_with_memory_leaves_the_place_it_began_at_as_it_was(readers):
    settings = sampling({"length": 60, "memory": True})
    reader, text = readers["char"], "The keeper"
    first, again = ("".join(write(reader, text, settings, 4)) for _ in range(2))
    assert first == again
    fresh = Reader(reader.run, reader.label).read(reader.tokens(text), True)
    assert reader.read(reader.tokens(text), True).counts._tables == fresh.counts._tables


@pytest.mark.parametrize("name", ["word", "subword"])
@pytest.mark.parametrize(
    "text", ["The keeper wat", "The", "Our neighbour left the ", "The keeper wl"]
)
def test_an_unfinished_word_is_finished_as_it_is_expected(readers, name, text):
    reader = readers[name]
    found = expect(reader, text)
    settings = sampling({"length": 1, "temperature": 1.0})
    firsts = Counter("".join(write(reader, text, settings, seed)) for seed in range(300))
    told = 1 - found.open_characters
    for character, p in found.characters[:4]:
        error = 4 * math.sqrt(p * (1 - p) / 300) + found.open_characters + 0.01
        assert firsts[character] / 300 == pytest.approx(p / told, abs=error)


def test_the_coldest_text_takes_the_most_probable_character_each_time(readers):
    reader, text = readers["char"], "The"
    cold = "".join(write(reader, text, sampling({"length": 12, "temperature": 0.0}), 1))
    for character in cold:
        assert expect(reader, text).characters[0][0] == character
        text += character


TOKENIZERS = [
    Characters(),
    Subwords(size=300),
    *(Words(minimum_count=6, rare_words=p) for p in POLICIES),
]


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("config", TOKENIZERS, ids=repr)
def test_pieces_of_a_text_are_the_text(config, memory, monkeypatch):
    """As it is rendered whole, when what fills placeholders is not random."""
    texts = [made_up(60, seed).replace("lantern", f"lantern é{seed}x", 2) for seed in range(4)]
    tokenizer = config.fit(texts, texts[:1], 1)
    monkeypatch.setattr("textgen.tokenizers.words.filling.draw_surface", lambda *_: "zq")
    reader = SimpleNamespace(tokenizer=tokenizer, texts=TokenTexts(tokenizer, ()).texts)
    allowed = sorted({*range(tokenizer.size)} - {*tokenizer.unwritable})
    random = np.random.default_rng(5)
    for prompt in ("", "The ", "Our neighbour"):
        tokens = np.array([*tokenizer.encode(texts[2][:80]).tokens, *random.choice(allowed, 60)])
        tokens = np.array([token for token in tokens if token in set(allowed)])
        growing = _Growing(reader, prompt, Sampling(memory=memory), 1)
        grown = "".join(growing.add(int(token)) for token in tokens)
        whole = tokenizer.render(tokens, before=prompt, memory=memory).text
        if tokenizer.spaces_lead and prompt.endswith(" "):
            whole = whole.removeprefix(" ")
        assert whole.startswith(grown) if "\ufffd" not in whole else len(grown) > 20
        assert len(grown) > 0.8 * len(whole)


def test_what_a_text_costs_is_what_is_scored(readers):
    text = "The keeper watched Zoë's lantern."
    for reader in readers.values():
        found, scored = paid(reader, text), reader.run.score(text)
        bits = sum(model + spelling for _, _, model, spelling, _ in found["stretches"])
        assert bits + found["end"] == pytest.approx(scored["total"])
        assert found["stretches"][0][0] == 0
        assert found["stretches"][-1][1] == len(text)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(found["stretches"]))
        remembered = sum(each[4] for each in found["stretches"])
        assert remembered < scored["with_memory"]["total"] <= remembered + 40


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: paid(r, ""), "0 characters"),
        (lambda r: paid(r, "x" * 20_001), "20,001 characters"),
        (lambda r: expect(r, "日"), "U+65E5"),
        (lambda r: next(write(r, "日", sampling({}), 1)), "U+65E5"),
        (lambda r: sampling({"length": 10**9}), "at most 4,000"),
        (lambda r: sampling({"temperature": float("nan")}), "temperature"),
        (lambda r: sampling({"lenght": 3}), "lenght"),
        (lambda r: open_models([r.run.folder] * 2), "twice"),
        (lambda r: open_models([r.run.folder] * 9), "at most 8"),
        (lambda r: open_models(["nowhere"]), "nowhere"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_message(readers, ask, message):
    with pytest.raises(TextgenError) as error:
        ask(readers["char"])
    assert message in str(error.value)


@pytest.mark.parametrize("ask", [expect, lambda r, text: next(write(r, text, sampling({}), 1))])
def test_a_text_that_cannot_be_read_is_refused_with_its_place(readers, ask):
    text = "The keeper\nwatched\tthe 日 tide\u0301 日."
    with pytest.raises(RefusedText) as error:
        ask(readers["char"], text)
    start, end = error.value.place
    assert (error.value.text, text[start:end]) == (text, text[18])
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.place, str(again)) == (error.value.place, str(error.value))
    message = str(error.value)
    assert "the text, for char\n" in message
    assert "'\\t' (U+0009) at offset 18, line 2, column 8, which is not in" in message
    assert "further on '日' (U+65E5), '\u25cc\u0301' (U+0301)\n" in message
    with pytest.raises(RefusedText, match="leave out the first 5") as error:
        ask(readers["word"], "x" * 4005)
    assert error.value.place == (0, 5)
    with pytest.raises(RefusedText, match="leave out the last 7") as error:
        paid(readers["word"], "x" * 20_007)
    assert error.value.place == (20_000, 20_007)


@pytest.mark.parametrize("name", ["word", "subword"])
def test_a_text_is_encoded_once_to_be_cut(readers, name, monkeypatch):
    """And looked at once for where its tokens end."""
    reader, text = readers[name], "The keeper watched the shore. Our neighb"
    inner, encoded = type(reader.tokenizer).encode, []
    monkeypatch.setattr(
        type(reader.tokenizer), "encode", lambda self, t: encoded.append(t) or inner(self, t)
    )
    tokens, rest = reader.cut(text)
    assert encoded == [text[: -len(rest)]]
    assert tokens == tuple(inner(reader.tokenizer, text[: -len(rest)]).tokens.tolist())


def test_other_prompts_are_continued_with_other_random_numbers(readers):
    """Of a model that expects the same whatever it has read."""
    (weak,) = open_models([readers["char"].run.folder])
    weak.run.network.set_weights([0 * each for each in weak.run.network.get_weights()])
    settings = sampling({"length": 150})
    first, again, other = (
        "".join(write(weak, prompt, settings, 1)) for prompt in ("The tide", "The tide", "Our")
    )
    assert first == again
    assert not any(first[i : i + 60] in other for i in range(len(first) - 59))


@pytest.fixture(scope="module")
def quoting(tmp_path_factory):
    """A word model, with a memory, of text with apostrophes, quotes and rare names."""
    folder = tmp_path_factory.mktemp("quoting")
    tales = folder / "tales"
    tales.mkdir()
    names = ["Zorbalon", "Zorbanet", "Quamish", "Quorrel", "Nebulet", "Nebbish"]
    for i in range(12):
        lines = [
            f'"I don\'t know," said {names[(i + k) % 6]}.\n\n"It\'s late. {ENDING[k % 3]}"'
            for k in range(60)
        ]
        (tales / f"{i:02d}.txt").write_text("\n\n".join(lines), encoding="utf-8")
    file = write_experiment(folder / "tiny.toml", tales)
    own = ['tokenizer={kind="words", rare_words="unk", minimum_count=100}', "sampling.every=0"]
    own += ['backbone.input="embedding"', "memory.orders=[0, 1]", "training.updates=150"]
    textgen.train(file, overrides=own, name="q", runs_folder=folder / "runs", quiet=True)
    return open_models([folder / "runs" / "q"])[0]


ENDING = ["The sea is calm.", "We can't stay.", "You won't see."]


@pytest.mark.parametrize("memory", [False, True])
def test_characters_told_one_by_one_multiply_to_no_more_than_the_word(quoting, memory):
    """Of words with apostrophes, behind quotes and line ends, and of rare ones."""
    start = '"I don\'t know," said Quamish.\n\n"It\'s late. We can\'t stay."\n\n'
    for text in ('"I don\'t know," said ', start + '"I', start, start + '"I don\'t know," said '):
        for word in ("don't", "Zorbalon", "Quamish", "It's", "\"I don't"):
            product, told = 1.0, text
            for character in word:
                found = expect(quoting, told, memory)
                p = dict(found.characters).get(character, 0.0)
                assert p > 0, (told, character)
                product *= p + found.open_characters
                told += character
            assert 0 < product <= 1 + 1e-9
    after = expect(quoting, '"I don', memory)
    assert after.characters[0][0] == "'"
    assert dict(expect(quoting, "\"I don'", memory).characters)["t"] > 0.9
    rare = dict(expect(quoting, start + '"I don\'t know," said Zorba', memory).characters)
    assert rare["l"] + rare["n"] > 0.5


def test_an_unfinished_rare_word_is_none_that_was_seen(quoting):
    text = '"I don\'t know," said Quam'
    alone, both = (dict(expect(quoting, text, memory).characters) for memory in (False, True))
    assert both["i"] == pytest.approx(alone["i"], abs=0.1)
    assert alone["i"] > 0.5


@pytest.mark.parametrize("text", ["-" * 60, "\n" * 300, "." * 200, "e" * 3000, "'" * 90])
def test_repeated_characters_are_answered_soon(quoting, readers, text):
    for reader in (quoting, readers["subword"]):
        if not reader.tokenizer.unknown(text):
            began = time.perf_counter()
            next(write(reader, text, sampling({"length": 3, "memory": True}), 1))
            expect(reader, text, memory=True)
            assert time.perf_counter() - began < 20
