"""Models that a page takes along: the same tokens and bits in a browser as in Python."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from asked import make_runs
from chromium import headless
from conftest import made_up, tiny_model

import textgen
from textgen.core.errors import TextgenError
from textgen.data.documents import Document
from textgen.evaluation.likelihood import score_documents
from textgen.interactive.portable import ALIGNED, SCRIPTS, portable_model
from textgen.models.backbones import GRU, LSTM, MinGRU
from textgen.models.objectives import NextToken
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.words.pieces import pretokenize, word_break_classes

CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ALIGNED, *SCRIPTS))
TEXT = made_up(60, 99)[:1950] + " Quagmires by Ulthar's sea, unseasonable \u2014 ODD."
ODD = (
    "a b\tc\n\r\n\u2028 . ,;:'\"’`-_—… A É ß ǆ Ǆ İ ı 1 ٣ ª א ב ״ ׳ ア ー ァ あ 漢 ไ เ กำ ຳ े ा क "
    "\u0301 \u00ad \u200d \u200b \u2060 \u202f \u203f 👍 🏽 👨 🇩 🇪 ☺ \ufe0f \u3000 \u00a0 \x85 "
    "\x0b \x00 \u0600 ·  · ٫ ٬"
).split(" ")
"""Characters that Unicode's rules for the boundaries of words tell apart."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """An empty page."""
    with headless(tmp_path_factory.mktemp("browser"), "about:blank") as driver:
        driver.set_script_timeout(120)
        yield driver


def done(driver, body, *arguments):
    """What the body of an asynchronous function returns in the browser, behind the scripts."""
    script = f"""const given = [...arguments], end = given.pop();
        {CODE}
        const body = async (...given) => {{ {body} }}
        body(...given).then(end, error => end({{failed: String(error)}}))"""
    found = driver.execute_async_script(script, *arguments)
    assert not (isinstance(found, dict) and "failed" in found), found
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory, corpus_folder):
    folders = make_runs(tmp_path_factory.mktemp("taken"), corpus_folder)
    return {folder.name: textgen.load_run(folder) for folder in folders}


def odd_texts(number, seed):
    draw = random.Random(seed)
    plain = list("abc ABC  .,'-\n1")
    pools = [[*plain, *filter(None, ODD), " "], list(filter(None, ODD)), plain]
    return ["".join(draw.choices(draw.choice(pools), k=draw.randint(0, 14))) for _ in range(number)]


def test_a_text_is_cut_into_the_same_words(browser):
    texts = [*odd_texts(6000, 1), TEXT]
    cut = "const pieces = new Pieces(given[0]); return given[1].map(text => pieces.cut(text))"
    found = done(browser, cut, word_break_classes(), texts)
    for text, ends in zip(texts, found, strict=True):
        expected = np.cumsum([len(piece) for piece in pretokenize(text)]).tolist()
        assert ends == expected, (text, pretokenize(text))


@pytest.mark.parametrize(("exact", "share"), [(True, 5e-5), (False, 5e-3)])
@pytest.mark.parametrize("name", ["char", "word", "subword"])
def test_a_text_costs_the_same(browser, runs, name, exact, share):
    score = """const model = await Model.from("m", given[0])
        return [model.tokenizer.encode(given[1]).tokens, await model.price(given[1])]"""
    tokens, found = done(browser, score, portable_model(runs[name], exact), TEXT)
    expected = runs[name].score(TEXT)
    assert tokens == runs[name].tokenizer.encode(TEXT).tokens.tolist()
    assert found["total"] == pytest.approx(expected["total"], rel=share)
    assert found["bits_per_character"] == pytest.approx(expected["bits_per_character"], rel=share)
    stretches = sum(model + spelling for _, _, model, spelling in found["stretches"])
    assert stretches + found["end"] == pytest.approx(found["total"])
    assert expected["spelling"] > 0  # rare words, or characters never seen


def test_odd_texts_are_encoded_and_charged_the_same(browser, runs):
    texts = odd_texts(400, 2)
    encode = """const model = await Model.from("m", given[0])
        return given[1].map(text => model.tokenizer.encode(text))"""
    for name, run in runs.items():
        found = done(browser, encode, portable_model(run), texts)
        for text, own in zip(texts, found, strict=True):
            expected = run.tokenizer.encode(text)
            assert own["tokens"] == expected.tokens.tolist(), (name, text)
            spelling = sum(bits for _, _, bits in own["stretches"])
            assert spelling == pytest.approx(float(expected.spelling_bits.sum()), rel=1e-9), text
            assert max((end for _, end, _ in own["stretches"]), default=0) == len(text)


NETWORKS = {
    "two layers": LSTM(units=(12, 10)),
    "projected": LSTM(units=(12,), projection="vocabulary"),
    "n-grams": LSTM(
        units=(12,), input="embedding", embedding_size=6, ngrams={"orders": [2, 4], "rows": 97}
    ),
    "tied": LSTM(units=(12,), input="embedding", embedding_size=6, tied_output=True),
    "adaptive": LSTM(units=(12,), adaptive_softmax={"head": 5, "tail_size": 4}),
    "gru": GRU(units=(12, 9)),
    "mingru": MinGRU(units=(12, 9), input="embedding", embedding_size=6),
}  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_network_computes_the_same(browser, kind):
    from textgen.core.plugins import build

    backbone, objective = NETWORKS[kind], NextToken()
    given = {key: value for key, value in vars(backbone).items() if value is not False}
    backbone = build(type(backbone), given, "backbone")
    tokenizer = Characters().fit([TEXT])
    import keras

    keras.utils.set_random_seed(4)
    network = objective.build(backbone, tokenizer.size)
    random_ = np.random.default_rng(5)
    network.set_weights([random_.normal(0, 0.7, w.shape) for w in network.get_weights()])
    run = SimpleNamespace(
        folder=Path("m"), tokenizer=tokenizer, objective=objective, network=network,
        experiment=SimpleNamespace(backbone=backbone),
    )  # fmt: skip
    score = 'return await (await Model.from("m", given[0])).price(given[1])'
    found = done(browser, score, portable_model(run, exact=True), TEXT[:300])
    (scored,) = score_documents(objective, network, tokenizer, [Document("m", TEXT[:300])])
    bits = [*(stretch[2] for stretch in found["stretches"]), found["end"]]
    assert bits == pytest.approx(scored.model_bits.tolist(), abs=2e-4)


def test_a_seed_writes_the_same_again_and_another_something_else(browser, runs):
    write = """let found = ""
        const model = await Model.from("m", given[0])
        const settings = { length: 120, temperature: 0.9, seed: given[2] }
        for await (const piece of model.write(given[1], settings)) found += piece
        return found"""
    for run in runs.values():
        packed = portable_model(run)
        first, again, other = (done(browser, write, packed, "The old ", seed) for seed in (1, 1, 2))
        assert first == again != other
        assert len(first) == 120
        assert not (run.tokenizer.spaces_lead and first.startswith(" "))


def test_other_prompts_are_continued_with_other_random_numbers(browser, runs):
    """Of a model that expects the same whatever it has read."""
    run = textgen.load_run(runs["char"].folder)
    run.network.set_weights([0 * each for each in run.network.get_weights()])
    write = """let found = ""
        const model = await Model.from("m", given[0])
        const settings = { length: 150, temperature: 0.9, seed: 1 }
        for await (const piece of model.write(given[1], settings)) found += piece
        return found"""
    packed = portable_model(run, exact=True)
    first, again, other = (
        done(browser, write, packed, prompt) for prompt in ("The tide", "The tide", "Our")
    )
    assert first == again
    assert not any(first[i : i + 60] in other for i in range(len(first) - 59))


def test_a_text_that_grows_and_changes_is_read_as_if_it_were_new(browser, runs):
    texts = [TEXT[:40], TEXT[:97], TEXT[:50], "", TEXT[:30] + "sea" + TEXT[30:90], TEXT[:90]]
    expect = """const one = await Model.from("m", given[0]), found = []
        for (const text of given[1]) {
          const fresh = await Model.from("m", given[0])
          found.push([await one.expect(text), await fresh.expect(text)])
        }
        return found"""
    for run in runs.values():
        for again, fresh in done(browser, expect, portable_model(run), texts):
            assert again == fresh


def test_rare_words_are_drawn_as_they_are_charged(browser, runs):
    drawn = """const { tokenizer } = await Model.from("m", given[0]), random = randoms(7)
        return Array.from({ length: 3000 }, () => tokenizer.speller.drawn("unk", random))"""
    words = done(browser, drawn, portable_model(runs["word"]))
    speller = runs["word"].tokenizer.policy.speller
    for word in sorted(set(words), key=words.count)[-5:]:
        share = 2.0 ** -speller.bits(word, "unk")
        spread = (share * (1 - share) / len(words)) ** 0.5
        assert words.count(word) / len(words) == pytest.approx(share, abs=5 * spread), word


def test_what_has_no_counterpart_says_so(runs):
    run = runs["char"]
    network = tiny_model(NextToken(), run.tokenizer.size, units=(6, 6), normalisation="layer")
    other = SimpleNamespace(
        folder=Path("runs/m"), tokenizer=run.tokenizer, objective=run.objective, network=network,
        experiment=SimpleNamespace(backbone=LSTM(units=(6, 6), normalisation="layer")),
    )  # fmt: skip
    with pytest.raises(TextgenError, match="normalised layers"):
        portable_model(other)
    other.tokenizer = Subwords(model="unigram", size=280).fit([TEXT])
    with pytest.raises(TextgenError, match=r"(?s)runs/m.*Unigram subwords"):
        portable_model(other)
