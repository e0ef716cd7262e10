"""What models are asked: what comes next, what a text costs; texts that grow."""

from __future__ import annotations

import itertools
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from asked import open_runs
from conftest import POLICIES, made_up

from textgen.core.errors import RefusedText, TextgenError
from textgen.core.settings import Sampling
from textgen.evaluation.mixture import Stepper
from textgen.interactive.models import next_tokens, open_models, text_cost
from textgen.interactive.reader import MAX_KEPT_PLACES, Reader
from textgen.interactive.writing import _GrowingText, sampling, write
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.words.tokenizer import Words


@pytest.fixture(scope="module")
def readers(tmp_path_factory, corpus_folder):
    return open_runs(tmp_path_factory.mktemp("asked"), corpus_folder)


def test_with_memory_it_is_the_distribution_that_is_scored_with_memory(readers):
    reader, text = readers["char"], "The keeper watched the tide. The keeper "
    stepper = Stepper(reader.run.objective, reader.run.network, reader.run.memory)
    for token in reader.tokens(text):
        stepper.probabilities()
        stepper.append(token)
    chances = stepper.probabilities()
    np.testing.assert_allclose(
        reader.read(reader.tokens(text), True).probabilities, chances, atol=1e-9
    )
    found, alone = (dict(next_tokens(reader, text, memory)["tokens"]) for memory in (True, False))
    for name, probability in found.items():
        assert probability == pytest.approx(chances[reader.tokenizer.names.index(name)], rel=1e-6)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert found != alone


def test_what_was_read_before_is_not_read_again_and_no_answer_depends_on_it(readers):
    reader = readers["char"]
    text = made_up(8, 3).replace("\n", " ")[:300]
    reader._places.clear()
    whole = reader.read(reader.tokens(text)).probabilities
    reader._places.clear()
    for end in range(0, 301, 7):
        reader.read(reader.tokens(text[:end]))
    np.testing.assert_allclose(reader.read(reader.tokens(text)).probabilities, whole, atol=1e-12)
    assert len(reader._places) <= MAX_KEPT_PLACES


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
    monkeypatch.setattr("textgen.tokenizers.base.draw_surface", lambda *_: "zq")
    reader = SimpleNamespace(tokenizer=tokenizer)
    reader.texts = Reader.texts.func(reader)
    allowed = sorted({*range(tokenizer.size)} - {*tokenizer.unwritable})
    random = np.random.default_rng(5)
    for prompt in ("", "The ", "Our neighbour"):
        tokens = np.array([*tokenizer.encode(texts[2][:80]).tokens, *random.choice(allowed, 60)])
        tokens = np.array([token for token in tokens if token in set(allowed)])
        growing = _GrowingText(reader, prompt, Sampling(memory=memory), 1)
        grown = "".join(growing.add(int(token)) for token in tokens)
        whole = tokenizer.render(tokens, before=prompt, memory=memory).text
        if tokenizer.spaces_lead and prompt.endswith(" "):
            whole = whole.removeprefix(" ")
        assert whole.startswith(grown) if "\ufffd" not in whole else len(grown) > 20
        assert len(grown) > 0.8 * len(whole)


def test_what_a_text_costs_is_what_is_scored(readers):
    text = "The keeper watched Zoë's lantern."
    for reader in readers.values():
        found, scored = text_cost(reader, text), reader.run.score(text)
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
        (lambda r: text_cost(r, ""), "0 characters"),
        (lambda r: text_cost(r, "x" * 20_001), "20,001 characters"),
        (lambda r: next_tokens(r, "日"), "U+65E5"),
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


@pytest.mark.parametrize(
    "ask", [next_tokens, lambda r, text: next(write(r, text, sampling({}), 1))]
)
def test_a_text_that_cannot_be_read_is_refused_with_its_place(readers, ask):
    text = "The keeper\nwatched\tthe 日 tide\u0301 日."
    with pytest.raises(RefusedText) as error:
        ask(readers["char"], text)
    start, end = error.value.place
    assert (error.value.text, text[start:end]) == (text, text[18])
    again = pickle.loads(pickle.dumps(error.value))
    assert (again.place, str(again)) == (error.value.place, str(error.value))
    message = str(error.value)
    assert "the text, for char: " in message
    assert "'\\t' (U+0009) at offset 18, line 2, column 8, which is not in" in message
    assert "further on '日' (U+65E5), '\u25cc\u0301' (U+0301)" in message
    with pytest.raises(RefusedText, match="leave out the first 5") as error:
        ask(readers["word"], "x" * 4005)
    assert error.value.place == (0, 5)
    with pytest.raises(RefusedText, match="leave out the last 7") as error:
        text_cost(readers["word"], "x" * 20_007)
    assert error.value.place == (20_000, 20_007)


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
