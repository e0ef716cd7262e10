"""Audits: every arm and adapter passes, and each dishonesty fails what should catch it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import sys
from functools import partial
from types import SimpleNamespace

import dishonest
import gpt2
import numpy as np
import pytest
from conftest import POLICIES, ROOT, in_turn, made_up, made_up_memory, tiny_model
from dishonest import GALLERY, Honest, Words

import textgen as package
from textgen.auditing.audit import audit_lines
from textgen.auditing.checks import WORD, Decoder, Encoder
from textgen.auditing.claims import Claim
from textgen.auditing.sources import HuggingFaceModel, RunModel
from textgen.core.errors import TextgenError
from textgen.evaluation.dynamic import Learning
from textgen.evaluation.likelihood import score_documents
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.tokenizers import words as word_level
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.pieces import BudouX
from textgen.tokenizers.rare_words import Drop, Unk
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace

TEXT = made_up(40, 3)[:700]
PAGE = ROOT / "experiments" / "notes" / "auditing.md"


@pytest.mark.parametrize("model", [Honest, Words, *GALLERY], ids=lambda model: model.__name__)
def test_each_dishonest_model_fails_what_should_catch_it_and_its_twin_nothing(model):
    _, caught = GALLERY.get(model, (None, set()))
    audit = package.audit_model(model, TEXT)
    assert set(audit.failed) == caught
    assert audit.passed == (audit.passed_number == 6) == (not caught)
    assert (f"failed: {', '.join(audit.failed)}" in str(audit)) == bool(caught)


def test_the_page_tells_what_catches_whom():
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE))
    expected = {model.__name__: ", ".join(sorted(caught)) for model, (_, caught) in GALLERY.items()}
    assert {
        name: ", ".join(sorted(caught.split(", "))) for name, caught in rows.items()
    } == expected


def test_the_class_on_the_page_passes(tmp_path, textgen):
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.py").write_text(found, encoding="utf-8")
    done = textgen("audit", "mine.py:Bytes", "--text", TEXT)
    assert done.code == 0, done.out + done.err
    assert "5 of 6 checks passed" in done.out  # it claims nothing


class Letters(Honest):
    """Two letters, each as probable as the end: nothing else can be written."""

    alphabet, end, mass = "ab", 2, 1.0

    def start(self):
        pass

    def append(self, token):
        pass

    def next_log_probabilities(self):
        return np.log(np.full(3, self.mass / 3))

    def encode(self, text):
        return ["ab".index(letter) for letter in text]  # ValueError: it has no others

    def decode(self, tokens):
        return "".join("ab"[token] for token in tokens)

    def claim(self, text):
        return Claim(math.log2(3), "bits_per_character", True, len(text) + 1)


@pytest.mark.parametrize("mass", [1.0, 1.001])
def test_all_texts_of_a_whole_alphabet_sum_to_exactly_one(mass):
    class Some(Letters):
        pass

    Some.mass = mass
    audit = package.audit_model(Some, "abba" * 30)
    assert ("sums to one" in audit.failed) == (mass > 1)
    assert audit.passed == (mass == 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"bits": c["bits"] - sum(c["parts"][:16]), "parts": None},
        lambda c: {"bits": sum(c["parts"][:-1]), "parts": None},
        lambda c: {"parts": [0.0, *c["parts"][1:]]},
        lambda c: {"parts": [math.nan, *c["parts"][1:]]},
        lambda c: {"parts": c["parts"][:-1]},
    ],
)
def test_what_is_left_out_of_a_sum_is_found(change):
    class Cheating(Honest):
        def claim(self, text):
            return super().claim(text) | change(super().claim(text))

    assert "every character charged" in package.audit_model(Cheating, TEXT).failed


@pytest.mark.parametrize(
    ("claim", "right"),
    [
        ({"value": 1.0}, False),
        ({"unit": "bits_per_byte", "count": 600}, False),
        ({"unit": "bits_per_byte"}, True),
        ({"unit": "nats_per_character"}, False),
        ({"unit": "perplexity_per_word"}, False),
    ],
)
def test_a_figure_is_held_against_its_denominator(claim, right):
    own = Honest().claim(TEXT)
    claim = {"value": own["value"], "bits": own["bits"], **claim}
    assert package.audit_model(Honest, TEXT, claim=claim).checks[4].passed is right


@pytest.mark.parametrize("unit", ["bits_per_byte", "nats_per_character", "perplexity_per_token"])
def test_a_figure_alone_is_turned_into_bits(unit):
    class Silent(Honest):
        claim = None

    own = Honest().claim(TEXT)
    value = {
        "bits_per_byte": own["value"],
        "nats_per_character": own["bits"] * math.log(2) / len(TEXT),
        "perplexity_per_token": 2 ** (own["bits"] / len(TEXT)),
    }[unit]
    audit = package.audit_model(Silent, TEXT, claim={"value": value, "unit": unit})
    assert audit.passed_number == 6
    wrong = package.audit_model(Silent, TEXT, claim={"value": 0.9 * value, "unit": unit})
    assert set(wrong.failed) == {"every character charged", "denominator", "arithmetic coder"}


def test_a_length_that_is_known_beforehand_is_seen():
    class Knowing(Honest):
        """The end comes only where it is."""

        def encode(self, text):
            self.length = len(text.encode())
            return super().encode(text)

        def chances(self, read):
            found = super().chances(read)
            found[dishonest.END] *= 1e-9 + (len(read) > self.length)
            return found / found.sum()

    assert "no look-ahead" in package.audit_model(Knowing, TEXT).failed


SHARED = """

class Shared(Honest):
    coming = []  # of the class, so that every instance knows it

    def encode(self, text):
        self.coming[:] = [*super().encode(text), END]
        return self.coming[:-1]

    def chances(self, read):
        known = np.zeros(END + 1)
        known[self.coming[min(len(read), len(self.coming)) - 1] if self.coming else 0] = 1.0
        return 0.5 * super().chances(read) + 0.5 * known
"""


def test_what_instances_share_is_not_there_in_another_process(tmp_path):
    path = tmp_path / "shared.py"
    path.write_text((ROOT / "tests" / "dishonest.py").read_text("utf-8") + SHARED)
    found = package.audit_model(f"{path}:Shared", TEXT)
    assert "another process reads another text" in found.checks[5].measured
    here = package.audit_model(f"{path}:Shared", TEXT, own_process=False)
    assert "another instance reads the text again" in here.checks[5].measured


TOKENIZERS = [
    Characters(),
    Subwords(size=260),
    *(word_level.Words(policy) for policy in POLICIES),
    Whitespace(),
]
OBJECTIVES = [NextToken(window=7), Shifted(window=3, shift=2), EncoderDecoder(read=3, write=2)]


TRAINING, TUNING = made_up(150, 4), made_up(60, 5).replace("gull", "puffin")


def tiny_run(config, objective, training=TRAINING, tuning=TUNING):
    """As much of a finished run as an audit asks for."""
    tokenizer = config.fit([training], [tuning], 1)
    network = tiny_model(objective, tokenizer.size, scale=1.5)
    parts = objective, network, tokenizer
    run = SimpleNamespace(
        tokenizer=tokenizer, network=network, objective=objective,
        memory=made_up_memory(0, 1, 3),
    )  # fmt: skip
    run.score_documents = lambda documents: score_documents(*parts, documents, run.memory)
    return run


@in_turn(config=TOKENIZERS, objective=OBJECTIVES)
def test_every_arm_passes(config, objective, monkeypatch):
    monkeypatch.setattr("textgen.auditing.checks.SHORT_TEXT_PLACES", 60)
    run = tiny_run(config, objective)
    text = TEXT[:240].replace("lantern", "candle").replace("e", "é", 1)
    for memory in (False, True):
        audit = package.audit_model(lambda memory=memory: RunModel(run, memory), text)
        assert audit.passed_number == 6, str(audit)


def test_words_that_a_segmenter_cuts_pass():
    text = "今日は天気がいいです。私は東京に行きました。明日も学校に行きます。 "
    config = word_level.Words(Unk(), minimum_count=3, segmenter=BudouX("ja"))
    run = tiny_run(config, NextToken(window=7), text * 8, "今日は学校に行きました。犬が好きです。")
    shown = "今日は大阪に行きました。犬が食べます。夜明け前に電車が来ました。"
    audit = package.audit_model(lambda: RunModel(run, True), shown)
    assert audit.passed_number == 6, str(audit)


def test_a_network_that_goes_on_learning_passes():
    def opened():
        run = tiny_run(Characters(), NextToken(window=7))
        number = len(run.network.trainable_variables)
        learning = Learning((0.1,) * number, (0.3,) * number)
        run.memory = dataclasses.replace(run.memory, learning=learning)
        return RunModel(run, True)

    audit = package.audit_model(opened, TEXT[:120])
    assert audit.passed_number == 6, str(audit)


def test_an_arm_that_drops_words_for_nothing_does_not_pass():
    run = tiny_run(word_level.Words(Drop(charged=False)), NextToken(window=7))
    text = TEXT[:240].replace("lantern", "candle")
    found = package.audit_model(lambda: RunModel(run, False), text)
    assert {"encode and decode", "arithmetic coder"} <= set(found.failed)
    assert found.checks[4].passed is None  # nor does it claim a figure


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return gpt2.write_folder(tmp_path_factory.mktemp("hub") / "gpt2")


def stand_in(monkeypatch, network=gpt2.Network):
    for name, module in gpt2.modules(network).items():
        monkeypatch.setitem(sys.modules, name, module)


SPECIAL = TEXT[:150] + " é☃ <|endoftext|> " + TEXT[150:200]


@pytest.mark.parametrize("installed", [False, True], ids=["stand-in", "installed"])
def test_a_hugging_face_folder_passes(folder, monkeypatch, installed):
    if installed:
        pytest.importorskip("transformers")
        pytest.importorskip("torch").set_num_threads(1)
    else:
        stand_in(monkeypatch)
    monkeypatch.setattr("textgen.auditing.checks.SHORT_TEXT_PLACES", 60)
    audit = package.audit_model(folder, SPECIAL, own_process=False)
    assert (audit.passed, audit.passed_number) == (True, 5), str(audit)
    bits = HuggingFaceModel(folder, end=False).claim(SPECIAL).bits
    claim = {"value": bits / len(SPECIAL.encode()), "unit": "bits_per_byte"}
    without = package.audit_model(folder, SPECIAL, claim=claim, end=False, own_process=False)
    assert without.passed_number == 6, str(without)
    assert without.tokens == audit.tokens - 1


def test_a_folder_whose_attention_has_no_mask_does_not_pass(folder, monkeypatch):
    stand_in(monkeypatch, gpt2.Seeing)
    failed = package.audit_model(folder, TEXT[:300], own_process=False).failed
    assert {"no look-ahead", "every character charged"} <= set(failed)


def test_missing_libraries_and_damaged_folders_are_named(folder, tmp_path, monkeypatch, textgen):
    monkeypatch.setitem(sys.modules, "transformers", None)
    done = textgen("audit", folder, "--text", TEXT)
    assert (done.code, "pip install transformers torch" in done.err) == (2, True)
    stand_in(monkeypatch)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    done = textgen("audit", "empty", "--text", TEXT)
    assert (done.code, "cannot be read" in done.err) == (2, True)


def test_a_run_shows_its_audits_as_long_as_they_fit(tmp_path):
    assert audit_lines(tmp_path) == []
    empty = hashlib.sha256().hexdigest()  # of a folder without any of a run's files
    found = package.audit_model(dishonest.WrongByteCount, TEXT)
    dataclasses.replace(found, fingerprint=empty).save(tmp_path / "audit.json")
    (tmp_path / "audit_memory.json").write_text("[]")
    failed, damaged = audit_lines(tmp_path)
    assert failed == "audited, the network alone: failed denominator"
    assert damaged == "its audit_memory.json is damaged: audit it again"
    (tmp_path / "tokenizer.json").write_text("{}")
    assert audit_lines(tmp_path)[0].startswith("its audit.json does not fit its weights")


def test_the_command_says_by_its_exit_code(tmp_path, textgen):
    (tmp_path / "models.py").write_text((ROOT / "tests" / "dishonest.py").read_text("utf-8"))
    (tmp_path / "text.txt").write_text(TEXT)
    audit = partial(textgen, "audit")
    value = Honest().claim(TEXT)["value"]
    done = audit("models.py:Honest", "--file", "text.txt", "--claim", f"{value:.3f}",
                 "--unit", "bits_per_byte", "--divided-by", len(TEXT))  # fmt: skip
    assert (done.code, "6 of 6 checks passed" in done.out) == (0, True)
    assert json.loads((tmp_path / "audit.json").read_text())["model"] == "models.py:Honest"
    done = audit("models.py:UnnormalisedCache", "--text", TEXT, "--json", "--output", "other.json")
    assert done.code == 1
    assert json.loads(done.out) == json.loads((tmp_path / "other.json").read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ["models.py:Missing", "--text", "a"],
        ["nothing.py:Missing", "--text", "a"],
        ["models.py:Honest", "--file", "none.txt"],
        ["models.py:Honest", "--text", ""],
        *(["models.py:Honest", "--text", "a", "--claim", f] for f in ("little", "1e400", "1e-400")),
        ["models.py:Misspelt", "--text", "a"],
        ["models.py:Broken", "--text", "a"],
        ["models.py:Flat", "--text", "a"],
        ["nowhere", "--text", "a"],
        ["models.py:Honest", "--text", "a", "--memory"],
        ["models.py:Honest", "--text", "a", "--no-end"],
        ["wrong.py:Honest", "--text", "a"],
    ],
)
def test_bad_input_has_one_message_and_code_2(tmp_path, textgen, arguments):
    own = (
        "\nclass Broken(Honest):\n    def encode(self, text):\n        return {}[text]\n"
        "\nclass Flat(Honest):\n    def next_log_probabilities(self):\n"
        "        return super().next_log_probabilities()[None]\n    claim = None\n"
        "\nclass Misspelt(Honest):\n    def claim(self, text):\n        return {'bit': 9.0}\n"
    )
    source = (ROOT / "tests" / "dishonest.py").read_text("utf-8")
    (tmp_path / "models.py").write_text(source + own)
    (tmp_path / "wrong.py").write_text("class Honest(:")
    done = textgen("audit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert "Traceback" not in done.err
    assert "raised TypeError" not in done.err


@pytest.mark.parametrize(
    "claim", [{"valu": 1.9}, {"value": "1.9"}, {"value": math.inf}, {"value": math.nan}, 1.9]
)
def test_an_invalid_claim_is_named(claim):
    with pytest.raises(TextgenError, match="the claim"):
        package.audit_model(Honest, TEXT, claim=claim)


def test_the_coder_is_exact_for_the_improbable():
    chances = np.array([0.9, 0.0, *[2.0**-30] * 4096])  # the coder alone makes 2^-24 of them
    chances[1] = 1 - chances.sum()
    message = [0, 1, 2, 4000] * 50
    encoder = Encoder()
    for index in message:
        encoder.put(chances, index)
    bits = -sum(math.log2(chances[index]) for index in message)
    assert -16 < WORD * len(encoder.words()) - bits <= 64
    decoder = Decoder(encoder.words())
    assert [decoder.get(chances) for _ in message] == message
