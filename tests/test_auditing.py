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
from textgen.auditing.adapters import HuggingFaceModel, RunModel
from textgen.auditing.audit import audit_lines
from textgen.auditing.claims import Claim
from textgen.auditing.coder import WORD, Decoder, Encoder
from textgen.core.errors import TextgenError
from textgen.evaluation.dynamic import Learning
from textgen.evaluation.likelihood import score_documents
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import Whitespace
from textgen.tokenizers.words import tokenizer as word_level
from textgen.tokenizers.words.rare_words.classes import Unk
from textgen.tokenizers.words.rare_words.classless import Drop
from textgen.tokenizers.words.segmenters import BudouX

TEXT = made_up(40, 3)[:700]
PAGE = ROOT / "experiments" / "notes" / "auditing.md"


@pytest.mark.parametrize("model", GALLERY, ids=lambda model: model.__name__)
def test_each_dishonest_model_fails_what_should_catch_it_and_nothing_else(model):
    _, caught = GALLERY[model]
    found = package.audit_model(model, TEXT)
    assert set(found.failed) == caught
    assert not found.passed
    assert f"failed: {', '.join(found.failed)}" in str(found)


@pytest.mark.parametrize("twin", [Honest, Words], ids=lambda model: model.__name__)
def test_the_honest_twins_pass_everything(twin):
    found = package.audit_model(twin, TEXT)
    assert (found.passed, found.passed_number) == (True, 6)


def test_the_page_tells_what_catches_whom():
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE))
    told = {model.__name__: ", ".join(sorted(caught)) for model, (_, caught) in GALLERY.items()}
    assert {name: ", ".join(sorted(caught.split(", "))) for name, caught in rows.items()} == told


def test_the_class_on_the_page_passes(tmp_path, textgen):
    (found,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mine.py").write_text(found, encoding="utf-8")
    done = textgen("audit", "mine.py:Bytes", "--text", TEXT)
    assert done.code == 0, done.out + done.err
    assert "5 of 6 checks passed" in done.out  # it claims nothing


class Letters(Honest):
    """Two letters, each as probable as the end: nothing else can be written."""

    alphabet, end = "ab", 2

    def start(self):
        self.read = []

    def next_log_probabilities(self):
        return np.log(np.full(3, 1 / 3) * self.too_much)

    too_much = 1.0

    def append(self, token):
        pass

    def encode(self, text):
        if set(text) - {"a", "b"}:
            raise ValueError("only a and b")
        return ["ab".index(letter) for letter in text]

    def decode(self, tokens):
        return "".join("ab"[token] for token in tokens)

    def claim(self, text):
        bits = math.log2(3) * (len(text) + 1)
        return Claim(bits / (len(text) + 1), "bits_per_character", True, len(text) + 1, bits)


def test_all_texts_of_a_whole_alphabet_sum_to_exactly_one():
    found = package.audit_model(Letters, "abba" * 30)
    assert found.passed, str(found)
    assert "add up to 1 (expected: exactly one" in found.checks[0].measured
    assert "no tokens for 10 more" in found.checks[3].measured

    class More(Letters):
        too_much = 1.001

    assert "sums to one" in package.audit_model(More, "abba" * 30).failed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: {"bits": c["bits"] - sum(c["parts"][:16])}, "those from 16 on cost"),
        (lambda c: {"bits": sum(c["parts"][:-1])}, "what all but the last cost"),
        (lambda c: {"parts": [0.0, *c["parts"][1:]]}, "1 of 701 parts are charged nothing"),
        (lambda c: {"parts": [math.nan, *c["parts"][1:]]}, "1 of 701 parts are charged nothing"),
        (lambda c: {"parts": c["parts"][:-1]}, "ends at token 700 of 701"),
    ],
)
def test_what_is_left_out_of_a_sum_is_found(change, told):
    class Cheating(Honest):
        def claim(self, text):
            own = super().claim(text)
            changed = change(own)
            if "bits" in changed:
                del own["parts"]
            return {**own, **changed}

    found = package.audit_model(Cheating, TEXT)
    assert told in found.checks[2].measured
    assert "every character charged" in found.failed


@pytest.mark.parametrize(
    ("claim", "right", "told"),
    [
        ({"value": 1.0}, False, "1.0000 bits per character are claimed"),
        ({"unit": "bits_per_byte", "count": 600}, False, "divides by 600"),
        ({"unit": "bits_per_byte"}, True, "as claimed"),
        ({"unit": "nats_per_character"}, False, "it would be right as bits per byte"),
        ({"unit": "perplexity_per_word"}, False, "perplexity per word are claimed"),
    ],
)
def test_a_figure_is_held_against_its_denominator(claim, right, told):
    made = Honest().claim(TEXT)
    claim = {"value": made["value"], "bits": made["bits"], **claim}
    check = package.audit_model(Honest, TEXT, claim=claim).checks[4]
    assert check.passed is right
    assert told in check.measured


def test_a_figure_alone_is_turned_into_bits():
    class Silent(Honest):
        claim = None

    made = Honest().claim(TEXT)
    for unit, value in {
        "bits_per_byte": made["value"],
        "nats_per_character": made["bits"] * math.log(2) / len(TEXT),
        "perplexity_per_token": 2 ** (made["bits"] / len(TEXT)),
    }.items():
        assert (
            package.audit_model(Silent, TEXT, claim={"value": value, "unit": unit}).passed_number
            == 6
        )
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
    told = []  # of the class, so that every instance knows it

    def encode(self, text):
        self.told[:] = [*super().encode(text), END]
        return self.told[:-1]

    def chances(self, read):
        known = np.zeros(END + 1)
        known[self.told[min(len(read), len(self.told)) - 1] if self.told else 0] = 1.0
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
        found = package.audit_model(lambda memory=memory: RunModel(run, memory), text)
        assert found.passed, str(found)
        assert found.passed_number == 6


@pytest.mark.parametrize("policy", [Unk(), Drop()], ids=repr)
def test_words_that_a_segmenter_cuts_pass(policy):
    text = "今日は天気がいいです。私は東京に行きました。明日も学校に行きます。 "
    config = word_level.Words(policy, minimum_count=3, segmenter=BudouX("ja"))
    tuning = "今日は学校に行きました。犬が好きです。"
    run = tiny_run(config, NextToken(window=7), text * 8, tuning)
    shown = "今日は大阪に行きました。犬が食べます。夜明け前に電車が来ました。"
    found = package.audit_model(lambda: RunModel(run, True), shown)
    assert found.passed_number == 6, str(found)


def test_a_network_that_goes_on_learning_passes():
    def opened():
        run = tiny_run(Characters(), NextToken(window=7))
        number = len(run.network.trainable_variables)
        learning = Learning((0.1,) * number, (0.3,) * number)
        run.memory = dataclasses.replace(run.memory, learning=learning)
        return RunModel(run, True)

    found = package.audit_model(opened, TEXT[:120])
    assert found.passed_number == 6, str(found)


def test_an_arm_that_drops_words_for_nothing_does_not_pass():
    run = tiny_run(word_level.Words(Drop(charged=False)), NextToken(window=7))
    text = TEXT[:240].replace("lantern", "candle")
    found = package.audit_model(lambda: RunModel(run, False), text)
    assert {"encode and decode", "arithmetic coder"} <= set(found.failed)
    assert found.checks[4].passed is None  # nor does it claim a figure


def readers():
    """Modules that read a Hugging Face folder: those of the tests, and the real ones if there."""
    from importlib.util import find_spec

    real = ["installed"] if find_spec("torch") and find_spec("transformers") else []
    return ["stand-in", *real]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return gpt2.write_folder(tmp_path_factory.mktemp("hub") / "gpt2")


@pytest.fixture(params=readers())
def reader(request, monkeypatch):
    if request.param == "installed":
        import torch

        torch.set_num_threads(1)
    else:
        for name, module in gpt2.modules().items():
            monkeypatch.setitem(sys.modules, name, module)


SPECIAL = TEXT[:150] + " é☃ <|endoftext|> " + TEXT[150:200]
BITS = 2052.08
"""What it costs; both readers of the folder say so."""


@pytest.mark.usefixtures("reader")
def test_a_hugging_face_folder_passes(folder, monkeypatch):
    monkeypatch.setattr("textgen.auditing.checks.SHORT_TEXT_PLACES", 60)
    found = package.audit_model(folder, SPECIAL, own_process=False)
    assert found.passed, str(found)
    assert found.passed_number == 5
    assert found.bits == pytest.approx(BITS, rel=1e-4)
    bits = HuggingFaceModel(folder, end=False).claim(SPECIAL).bits
    claim = {"value": bits / len(SPECIAL.encode()), "unit": "bits_per_byte"}
    without = package.audit_model(folder, SPECIAL, claim=claim, end=False, own_process=False)
    assert without.passed_number == 6, str(without)
    assert without.tokens == found.tokens - 1


def test_a_folder_whose_attention_has_no_mask_does_not_pass(folder, monkeypatch):
    for name, module in gpt2.modules(gpt2.Seeing).items():
        monkeypatch.setitem(sys.modules, name, module)
    failed = package.audit_model(folder, TEXT[:300], own_process=False).failed
    assert {"no look-ahead", "every character charged"} <= set(failed)


def test_missing_libraries_and_damaged_folders_are_told(folder, tmp_path, monkeypatch, textgen):
    monkeypatch.setitem(sys.modules, "transformers", None)
    done = textgen("audit", folder, "--text", TEXT)
    assert (done.code, "pip install transformers torch" in done.err) == (2, True)
    for name, module in gpt2.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    done = textgen("audit", "empty", "--text", TEXT)
    assert (done.code, "a folder that cannot be read" in done.err) == (2, True)


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
    told = audit("models.py:Honest", "--file", "text.txt", "--claim", f"{value:.3f}",
                 "--unit", "bits_per_byte", "--divided-by", len(TEXT))  # fmt: skip
    assert (told.code, "6 of 6 checks passed" in told.out) == (0, True)
    assert json.loads((tmp_path / "audit.json").read_text())["model"] == "models.py:Honest"
    told = audit("models.py:UnnormalisedCache", "--text", TEXT, "--json", "--output", "other.json")
    assert told.code == 1
    assert json.loads(told.out) == json.loads((tmp_path / "other.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["models.py:Nobody", "--text", "a"], "no class of this name"),
        (["nothing.py:Nobody", "--text", "a"], "no such file"),
        (["models.py:Honest", "--file", "none.txt"], "no such file"),
        (["models.py:Honest", "--text", ""], "at least one character"),
        (["models.py:Honest", "--text", "a", "--claim", "little"], "'little'"),
        (["models.py:Honest", "--text", "a", "--claim", "1e400"], "'1e400'"),
        (["models.py:Honest", "--text", "a", "--claim", "1e-400"], "'1e-400'"),
        (["models.py:Misspelt", "--text", "a"], "'bit'"),
        (["models.py:Broken", "--text", "a"], "raised KeyError"),
        (["models.py:Flat", "--text", "a"], "shape (1, 257)"),
        (["nowhere", "--text", "a"], "no such folder"),
        (["models.py:Honest", "--text", "a", "--memory"], "--memory with a run"),
        (["models.py:Honest", "--text", "a", "--no-end"], "--no-end with a Hugging Face folder"),
        (["wrong.py:Honest", "--text", "a"], "raised SyntaxError"),
    ],
)
def test_bad_input_has_one_message_and_code_2(tmp_path, textgen, arguments, told):
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
    assert told in done.err
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
