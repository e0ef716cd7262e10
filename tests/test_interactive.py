"""What models are asked: what comes next, what a text costs, a text that grows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from asked import asked_runs
from conftest import made_up

from textgen.core.errors import RefusedText, TextgenError
from textgen.interactive.models import MAX_MODELS, open_models

TEXT = "The keeper watched the tide. The keeper "


@pytest.fixture(scope="module")
def models(finished_run):
    opened = open_models(asked_runs(finished_run))
    return {model.name: model for model in opened}


def written(model, prompt, *, memory=False, **settings):
    given = {"length": 60, "temperature": 0.9, "top_k": 0, "top_p": 1.0, "seed": 4} | settings
    return "".join(model.write(prompt, memory=memory, **given))


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("name", ["char", "word", "subword"])
def test_the_next_tokens_are_those_of_the_distribution_that_is_scored(models, name, memory):
    """As bits of the text that goes on with each of them."""
    model = models[name]
    found = dict(model.next_tokens(TEXT, memory))
    assert list(found.values()) == sorted(found.values(), reverse=True)
    lead = model.run.tokenizer.spaces_lead
    for token, probability in itertools.islice(found.items(), 4):
        if token.startswith("<") or (lead and not token.startswith(" ")):
            continue
        text = TEXT.rstrip() + token if lead else TEXT + token
        last = model.run.tokens(text)[-2]
        assert last["text"] == token
        bits = last["with_memory"] if memory else last["model"]
        assert -np.log2(probability) == pytest.approx(bits, abs=1e-3)


def test_no_answer_depends_on_what_was_asked_before(models):
    text = made_up(8, 3).replace("\n", " ")[:300]
    for model in models.values():
        (fresh,) = open_models([model.run.folder])
        for end in [*range(0, 301, 30), 100, 250]:
            model.next_tokens(text[:end])
        asked, alone = (dict(each.next_tokens(text)) for each in (model, fresh))
        assert asked.keys() == alone.keys()
        assert list(asked.values()) == pytest.approx(list(alone.values()), rel=1e-5)


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("name", ["char", "word", "subword"])
def test_a_seed_writes_what_generate_writes_and_settings_count(models, name, memory):
    model = models[name]
    first = written(model, "The ", memory=memory)
    assert len(first) == 60
    settings = {"length": 60, "temperature": 0.9, "seed": 4}
    assert first == model.run.generate("The ", memory=memory, **settings)[0]["text"]
    assert first != written(model, "The ", memory=memory, seed=5)
    cold = written(model, "The", memory=memory, temperature=0.0)
    assert cold == written(model, "The", memory=memory, temperature=0.0, seed=5)
    assert cold == written(model, "The", memory=memory, temperature=1.5, top_k=1)


def test_what_a_text_costs_is_what_is_scored(models):
    text = "The keeper watched Zoë's lantern."
    for model in models.values():
        found, scored = model.price(text), model.run.score(text)
        bits = sum(network + spelling for _, _, network, spelling, _ in found["stretches"])
        assert bits + found["end"] == pytest.approx(scored["total"])
        assert found["stretches"][0][0] == 0
        assert found["stretches"][-1][1] == len(text)
        assert all(a[1] == b[0] for a, b in itertools.pairwise(found["stretches"]))
        remembered = sum(stretch[4] for stretch in found["stretches"])
        assert remembered < scored["with_memory"]["total"] <= remembered + 40


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model: model.price(""), "0 characters"),
        (lambda model: model.price("x" * 20_001), "20,001 characters"),
        (lambda model: written(model, "The", temperature=-1), "temperature"),
        (lambda model: open_models([model.run.folder] * 2), "twice"),
        (lambda model: open_models([model.run.folder] * (MAX_MODELS + 1)), f"at most {MAX_MODELS}"),
        (lambda model: open_models(["nowhere"]), "nowhere"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_message(models, ask, message):
    with pytest.raises(TextgenError) as error:
        ask(models["char"])
    assert message in str(error.value)


@pytest.mark.parametrize("ask", [lambda model, text: model.next_tokens(text), written])
def test_a_text_that_cannot_be_read_is_refused_with_its_place(models, ask):
    text = "The keeper\nwatched\tthe 日 tide\u0301 日."
    with pytest.raises(RefusedText) as error:
        ask(models["char"], text)
    start, end = error.value.place
    assert text[start:end] == text[18]
    for part in ("'\\t' (U+0009)", "line 2, column 8", "'日' (U+65E5)", "'\u25cc\u0301' (U+0301)"):
        assert part in str(error.value)
    with pytest.raises(RefusedText) as error:
        ask(models["word"], "x" * 4005)
    assert error.value.place == (0, 5)
