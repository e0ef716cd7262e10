"""Models that a page holds: the same tokens and bits in a browser as in Python."""

import json
import random
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from asked import element, finish, price, set_value, shown, type_text, write
from chromium import headless, overflow, requested, wait
from conftest import GivenEndings, made_up
from report_sample import hostile

import textgen
from textgen.core.errors import TextgenError
from textgen.core.terminal import visible
from textgen.core.tokens import RESERVED
from textgen.data.documents import Document
from textgen.evaluation.model import LanguageModel
from textgen.interactive import portable
from textgen.models.backbones import GRU, LSTM, MinGRU, Transformer
from textgen.models.objectives import NextToken
from textgen.models.settings import Adaptive, NGrams
from textgen.report.page import render_page
from textgen.tokenizers.casing import FIRST_OWN
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.rare_replaced import RareReplaced
from textgen.tokenizers.rare_word_vectors import Neighbour
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.word_distributions import MIN_TYPES_FOR_OWN_MODEL
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.long

HOSTILE = "<img src=x onerror=alert(1)><script>document.title='caught'</script>"
CODE = "\n".join(path.read_text(encoding="utf-8") for path in portable.SCRIPTS)
TEXT = made_up(60, 99)[:1950] + " Quagmires by Ulthar's sea, unseasonable \u2014 ODD."
ODD = (
    "a b\tc\n\r\n\u2028 . ,;:'\"’`-_—… A É ß ǆ Ǆ İ ı 1 ٣ ª א ב ״ ׳ ア ー ァ あ 漢 ไ เ กำ ຳ े ा क "
    "\u0301 \u00ad \u200d \u200b \u2060 \u202f \u203f 👍 🏽 👨 🇩 🇪 ☺ \ufe0f \u3000 \u00a0 \x85 "
    "\x0b \x00 \u0600 ·  · ٫ ٬"
).split(" ")
LEVELS = (  # as those of experiments/levels
    'tokenizer={kind="words", rare_words="signature", minimum_count=60}',
    'backbone={kind="lstm", units=[24], input="embedding", embedding_size=12, tied_output=true, '
    "adaptive_softmax={head=20}}",
)
PRICE = "return (await Model.from(given[0])).price(given[1])"
WRITE = """const model = await Model.from(given[0]), pieces = []
    const settings = { length: 120, temperature: 0.9, ...given[2] }
    for await (const piece of model.write(given[1], settings)) pieces.push(piece)
    return pieces.join("")"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with headless(tmp_path_factory.mktemp("browser"), "about:blank") as driver:
        driver.set_script_timeout(120)
        yield driver


def run_script(driver, body, *arguments):
    """What the body of an asynchronous function returns in the browser, behind the scripts."""
    script = f"""const given = [...arguments], end = given.pop();
        {CODE}
        const body = async (...given) => {{ {body} }}
        body(...given).then(end, error => end({{failed: String(error)}}))"""
    found = driver.execute_async_script(script, *arguments)
    assert not (isinstance(found, dict) and "failed" in found), found
    return found


@pytest.fixture(scope="module")
def runs(asked_runs, finished_run):
    """A page holds networks: that of characters has counts where it lies."""
    folders = [*asked_runs, finished_run("word", *LEVELS, name="endings")]
    return {folder.name: textgen.load_run(folder) for folder in folders}


def odd_texts(number, seed):
    draw = random.Random(seed)
    plain = list("abc ABC  .,'-\n1")
    pools = [[*plain, *filter(None, ODD), " "], list(filter(None, ODD)), plain]
    return ["".join(draw.choices(draw.choice(pools), k=draw.randint(0, 14))) for _ in range(number)]


@pytest.mark.parametrize("name", ["char", "word", "subword", "endings"])
def test_a_text_costs_the_same(browser, runs, name):
    found = run_script(browser, PRICE, portable.portable_model(runs[name]), TEXT)
    expected, own = runs[name].score(TEXT)["parts"]["network"], found["parts"]["network"]
    for key in ("total", "bits_per_character", "bits_per_character_without_end"):
        assert own[key] == pytest.approx(expected[key], rel=1e-3)
    assert "".join(stretch["text"] for stretch in found["stretches"]) == TEXT
    stretches = sum(stretch["model"] + stretch["spelling"] for stretch in found["stretches"])
    assert stretches + own["end"] == pytest.approx(own["total"])
    assert expected["spelling"] > 0  # rare words, or characters never seen


TOKENIZERS = {
    "characters": Characters(),
    "subwords": Subwords(size=300),
    "words, one token": Words(minimum_count=6, rare_words=Unk()),
    "words by endings": Words(minimum_count=6, rare_words=GivenEndings()),
    "words, spelled": Words(minimum_count=6, rare_words=Spell()),
    "rare words in characters": RareReplaced(minimum_count=6, rare_words=Unk()),
    "rare words in subwords": RareReplaced(GivenEndings(), 6, Subwords(size=300)),
}


@cache
def fitted(kind):
    """A tokenizer of a text with so many rare words that some classes have n-grams of their own."""
    draw = random.Random(4)
    number = 4 * MIN_TYPES_FOR_OWN_MODEL
    invented = {"".join(draw.choices("abdeln", k=draw.randint(2, 9))) for _ in range(number)}
    texts = [*(made_up(60, seed) for seed in range(4)), " ".join(sorted(invented)) + " Aab LED"]
    texts.append("a\n\n\nb\ufeff\x85\x85b" * 90)  # what is white space to some
    return TOKENIZERS[kind].fit(texts, [f"{made_up(60, 5)} nabbed led, Bean ab"], 1)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_odd_texts_are_encoded_charged_and_written_the_same(browser, kind):
    tokenizer = fitted(kind)
    texts = [*odd_texts(600, 2), TEXT, "a " + "abdeln" * 90, "a\n\n\ufeff\x85\x85b"]
    encode = """const tokenizer = new TOKENIZERS[given[0].kind](given[0])
        return given[1].map(text => tokenizer.encode(text))"""
    found = run_script(browser, encode, portable.portable_tokenizer(tokenizer), texts)
    for text, tokens in zip(texts, found, strict=True):
        expected = tokenizer.encode(text)
        assert [t["token"] for t in tokens] == expected.tokens.tolist(), text
        spelling = sum(t["bits"] for t in tokens)
        assert spelling == pytest.approx(float(expected.spelling_bits.sum()), rel=1e-9), text
        assert max((t["end"] for t in tokens), default=0) == len(text)
    drawn = {*range(tokenizer.size)} - {*tokenizer.unwritable}
    if kind.startswith("words") and kind != "words, spelled":
        drawn -= {*range(FIRST_OWN, tokenizer.policy.first_word)}  # each stands for a random word
    if kind.startswith("rare words"):
        drawn -= {*range(RESERVED, tokenizer.first_unit)}
    write = """const tokenizer = new TOKENIZERS[given[0].kind](given[0])
        return given[1].map(tokens => tokens.map(tokenizer.writer()).join(""))"""
    draw = random.Random(3)
    rows = [draw.choices(sorted(drawn), k=40) for _ in range(100)]
    written = run_script(browser, write, portable.portable_tokenizer(tokenizer), rows)
    for tokens, text in zip(rows, written, strict=True):
        whole = tokenizer.render(np.array(tokens)).text
        assert text == whole[: len(text)]
        assert len(whole) - len(text) < 4  # bytes of a character that is not complete


EMBEDDED = {"units": (12,), "input": "embedding", "embedding_size": 6}
NETWORKS = {
    "two layers": LSTM(units=(12, 10)), "projected": LSTM(units=(12,), projection="vocabulary"),
    "n-grams": LSTM(**EMBEDDED, ngrams=NGrams((2, 4), 97)),
    "n-grams before the output": LSTM(units=(12,), output_ngrams=NGrams((2, 3), 97)),
    "n-grams twice": GRU(**EMBEDDED, ngrams=NGrams((2,), 97), output_ngrams=NGrams((3, 5), 89)),
    "tied": LSTM(**EMBEDDED, tied_output=True),
    "adaptive": LSTM(units=(12,), adaptive_softmax=Adaptive(5, 4)),
    "tied, adaptive": LSTM(**EMBEDDED, tied_output=True, adaptive_softmax=Adaptive(5)),
    "gru": GRU(units=(12, 9)), "mingru": MinGRU(**EMBEDDED | {"units": (12, 9)}),
}  # fmt: skip


def untrained_run(backbone, tokenizer):
    """As much of a run as a page needs, of a network with random weights."""
    network = NextToken().build(backbone, tokenizer.size)
    draw = np.random.default_rng(5)
    network.set_weights([draw.normal(0, 0.4, w.shape) for w in network.get_weights()])
    return SimpleNamespace(
        folder=Path("runs/m"), tokenizer=tokenizer, network=network,
        experiment=SimpleNamespace(backbone=backbone, objective=NextToken()),
    )  # fmt: skip


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("large", [portable.LARGE, 50])
def test_every_network_computes_the_same(browser, kind, large, monkeypatch):
    """With weights rounded as the page has them, which moves a text's bits by less than 0.1%."""
    monkeypatch.setattr(portable, "LARGE", large)
    run = untrained_run(NETWORKS[kind], Characters().fit([TEXT]))

    def scored():
        model = LanguageModel(run.tokenizer, run.experiment.objective, run.network)
        (found,) = model.score([Document("m", TEXT[:300])])["network"]
        return found.model_bits

    found, exact = run_script(browser, PRICE, portable.portable_model(run), TEXT[:300]), scored()
    for weight in run.network.weights:
        name = "ngrams" if weight.name == "table" else weight.name
        step, numbers = portable.rounded(np.asarray(weight.value), name)
        weight.assign(numbers * step if step else numbers)
    bits = [*(stretch["model"] for stretch in found["stretches"]), found["parts"]["network"]["end"]]
    assert bits == pytest.approx(scored().tolist(), abs=2e-4)
    assert sum(bits) == pytest.approx(exact.sum(), rel=1e-3)


def test_a_seed_writes_the_same_again_and_settings_count(browser, runs):
    cold = {"temperature": 0}
    for run in runs.values():
        packed = portable.portable_model(run)
        first, again, other, coldest, likeliest, nucleus = (
            run_script(browser, WRITE, packed, "The old ", {"seed": 1, **settings})
            for settings in ({}, {}, {"seed": 2}, cold, {"top_k": 1}, {"top_p": 1e-9})
        )
        assert first == again != other
        assert coldest == likeliest == nucleus != first
        assert not (run.tokenizer.spaces_lead and first.startswith(" "))


def test_top_k_and_top_p_keep_what_python_keeps(browser):
    shape = "return Array.from(shaped(Float64Array.from(given[0], Math.log), [0], given[1]))"
    chances = [0.1, 0.3, 0.05, 0.25, 0.2, 0.1]
    for settings, kept in (
        ({"top_k": 2}, {1, 3}),
        ({"top_p": 0.5}, {1, 3}),  # of 0.9
        ({"top_k": 3, "top_p": 0.5}, {1, 3}),
        ({"top_k": 3, "top_p": 0.3}, {1}),
        ({"top_p": 0.99}, {1, 2, 3, 4, 5}),
    ):  # fmt: skip
        found = run_script(browser, shape, chances, {"temperature": 1, **settings})
        assert {i for i, mass in enumerate(found) if mass} == kept
        assert found[1] == pytest.approx(0.3 / 0.9)


def test_other_prompts_are_continued_with_other_random_numbers(browser, runs):
    """Of a model that expects the same whatever it has read."""
    run = textgen.load_run(runs["char"].folder)
    run.network.set_weights([0 * weight for weight in run.network.get_weights()])
    packed = portable.portable_model(run)
    first, other = (run_script(browser, WRITE, packed, p, {"seed": 1}) for p in ("The tide", "Our"))
    assert not any(first[i : i + 60] in other for i in range(len(first) - 59))


def test_a_text_that_grows_and_changes_is_read_as_if_it_were_new(browser, runs):
    texts = [TEXT[:40], TEXT[:97], TEXT[:50], "", TEXT[:30] + "sea" + TEXT[30:90], TEXT[:90]]
    expect = """const one = await Model.from(given[0]), found = []
        for (const text of given[1]) {
          const fresh = await Model.from(given[0])
          found.push([await one.expect(text), await fresh.expect(text)])
        }
        return found"""
    for run in runs.values():
        for again, fresh in run_script(browser, expect, portable.portable_model(run), texts):
            assert again == fresh


@pytest.mark.parametrize(
    ("kind", "name"),
    [("words, one token", "unk"), ("words by endings", "…"), ("words by endings", "…ed")],
)
def test_rare_words_are_drawn_as_they_are_charged(browser, kind, name):
    drawn = """const tokenizer = new TOKENIZERS.words(given[0]), random = randoms(7)
        return Array.from({ length: 3000 }, () => tokenizer.speller.drawn(given[1], random))"""
    words = run_script(browser, drawn, portable.portable_tokenizer(fitted(kind)), name)
    speller = fitted(kind).policy.speller
    for word in sorted(set(words), key=words.count)[-5:]:
        share = 2.0 ** -speller.document_bits([(word, name)])[0][0]
        spread = (share * (1 - share) / len(words)) ** 0.5
        assert words.count(word) / len(words) == pytest.approx(share, abs=5 * spread), word


def test_what_has_no_counterpart_says_so():
    for backbone, tokenizer, message in (
        (LSTM(units=(6, 6), normalisation="layer"), Characters(), "normalised layers"),
        (Transformer(units=(8, 8)), Characters(), "ransformer"),
        (LSTM(units=(6,)), Subwords(model="unigram", size=280), "Unigram subwords"),
        (LSTM(units=(6,)), Words(minimum_count=6, rare_words=Drop()), "policy drop"),
        (LSTM(units=(6,)), Words(minimum_count=6, rare_words=Neighbour(epochs=1)), "neighbour"),
        (LSTM(units=(6,), members=2), Characters(), "nsemble|members"),
    ):
        with pytest.raises(TextgenError, match=rf"(?s)runs/m.*{message}"):
            portable.portable_model(untrained_run(backbone, tokenizer.fit([TEXT])))


@pytest.fixture(scope="module")
def page(tmp_path_factory, runs):
    """A browser that shows a report with the models, under names of its arms; and the names."""
    names = dict(zip(filter(str.isprintable, hostile()[0].numbers), runs.values(), strict=False))
    packed = {name: portable.portable_model(run) for name, run in names.items()}
    folder = tmp_path_factory.mktemp("page")
    content = render_page(*hostile(), {"packed": packed, "left_out": {HOSTILE: HOSTILE}})
    (folder / "index.html").write_text(content, encoding="utf-8")
    with headless(folder, (folder / "index.html").as_uri()) as driver:
        yield driver, names


def test_models_write_once_their_section_is_seen_and_one_left_out_stays_out(page):
    driver, names = page
    column, address = "#ask-models article", driver.current_url
    number = driver.find_element("css selector", column).get_attribute("data-arm")
    for choice, left_out in ((f"#off={number}", 1), ("", 0)):
        driver.get("about:blank")
        driver.get(address + choice)
        there = [each.is_displayed() for each in driver.find_elements("css selector", column)]
        assert there == [False] * left_out + [True] * (len(names) - left_out)
        if left_out:
            driver.execute_script("document.getElementById('ask-form').scrollIntoView()")
            finish(driver)
            driver.find_element("css selector", f"#arms input[value='{number}']").click()
            wait(driver, "[...document.querySelectorAll('#ask .next')].every(ol => ol.children[0])")
    assert max(overflow(driver, width) for width in (390, 1280)) <= 0
    assert set(shown(driver).values()) == {""}
    driver.execute_script("document.getElementById('ask-form').scrollIntoView()")
    finish(driver)
    texts = shown(driver)
    assert texts.keys() == names.keys()
    assert {len(text) for text in texts.values()} == {400}


def test_a_text_costs_what_the_run_says_and_hostile_text_stays_text(page):
    driver, names = page
    text = "The old sailor remembered the quagmires."
    type_text(driver, text)
    notes = price(driver)
    for name, run in names.items():
        scored = run.score(text)["parts"]["network"]
        found = map(float, re.findall(r"[\d.]+", notes[name]))
        expected = scored["bits_per_character_without_end"], scored["bits_per_character"]
        assert [*found] == pytest.approx(expected, rel=1e-3, abs=6e-4)
    type_text(driver, HOSTILE)
    write(driver)
    assert "ot in the training text" in next(filter(None, shown(driver, ".wrong").values()))
    assert not driver.find_elements("css selector", "#ask img, #ask script")
    for setting, wrong in (("length", 10.5), ("length", -5), ("top_k", 0.5), ("top_p", 0)):
        set_value(driver, setting, wrong)
        element(driver, "write").click()
        finish(driver, "refused")
        set_value(driver, setting, "")
    text = "The old\x1b[31m sea\u202e and\x9b" + HOSTILE
    set_value(driver, "text", text)
    price(driver)
    assert set(shown(driver).values()) == {visible(text)}
    kinds = {url.partition(":")[0] for url in requested(driver)}
    assert not kinds & {"http", "https", "ws", "wss"}
    assert not driver.get_log("browser")


def test_compare_holds_the_models_that_are_named(textgen, runs, tmp_path):
    folders = [run.folder for run in runs.values()]
    textgen("compare", *folders, "--name", "held", "--embed", "word")
    content = (tmp_path / "reports/held/index.html").read_text(encoding="utf-8")
    rows = json.loads(re.search(r'id="models">(.*?)</script>', content, re.DOTALL)[1])
    assert [name for name, *_ in rows] == ["word"]
    textgen("compare", *folders, "--embed", "words", code=2, said="char, word, subword, endings")
