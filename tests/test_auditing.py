"""Audits: every arm and adapter passes, and each dishonesty fails what should catch it."""

import contextlib
import dataclasses
import json
import math
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import dishonest
import numpy as np
import pytest
from conftest import (
    ROOT,
    fitted,
    in_turn,
    made_up,
    made_up_cache,
    made_up_counts,
    new_model,
    python,
)
from dishonest import END, GALLERY, Honest
from test_honesty import OBJECTIVES, TOKENIZERS

import textgen as package
from textgen.auditing.audit import audit_lines
from textgen.auditing.coder import WORD, Decoder, Encoder
from textgen.auditing.sources import HuggingFaceModel, RunModel, open_source
from textgen.core.errors import TextgenError
from textgen.core.settings import PARTS
from textgen.data.documents import Document
from textgen.data.loading import load_corpus
from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.evaluation.model import LanguageModel
from textgen.runs.folder import is_finished
from textgen.tokenizers import words as word_level
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.rare_words import Drop, Unk

pytestmark = pytest.mark.long

TEXT = made_up(40, 3)[:560]


@pytest.fixture(autouse=True)
def _few_short_texts(monkeypatch):
    monkeypatch.setattr("textgen.auditing.checks.SHORT_TEXT_PLACES", 60)


HARMLESS = Honest, dishonest.RoundedDown  # half a bit is nothing in a long text


@pytest.mark.parametrize("model", [*HARMLESS, *GALLERY], ids=lambda model: model.__name__)
def test_each_dishonest_model_fails_what_should_catch_it_and_its_twin_nothing(model):
    caught = GALLERY.get(model, set())
    audit = package.audit_model(model, TEXT)
    assert set(audit.failed) == caught
    assert audit.passed == (audit.passed_number == 6) == (not caught)
    assert (f"failed {', '.join(audit.failed)}" in str(audit)) == bool(caught)


def test_a_tolerance_is_a_thousandth_at_most():
    with pytest.raises(TextgenError, match=r"Generous\.tolerance is 0\.06"):
        package.audit_model(dishonest.Generous, TEXT)
    careful = type("Careful", (dishonest.Generous,), {"given": 1.0005})
    assert package.audit_model(careful, TEXT).passed


@pytest.mark.parametrize("length", [5, 20, 100])
def test_a_short_text_passes_for_nobody(length):
    eightfold = type("Eightfold", (dishonest.Generous,), {"given": 8, "tolerance": 0.0})
    models = Honest, dishonest.RoundedDown, eightfold
    honest, rounded, eightfold = (package.audit_model(each, TEXT[:length]) for each in models)
    assert (honest.failed, honest.passed, honest.checks[5].verdict) == ([], False, "too short")
    assert "too short" in str(honest).splitlines()[-1]
    assert not rounded.passed
    assert eightfold.failed == ["sums to one", "arithmetic coder"]


def test_the_page_says_what_catches_each_and_its_class_passes(tmp_path, textgen):
    page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    expected = {model.__name__: caught for model, caught in GALLERY.items()}
    assert {name: {*caught.split(", ")} for name, caught in rows} == expected
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    done = textgen("audit", "mine.py:Bytes", "--text", TEXT)
    assert "5 of 6 checks passed" in done.out  # it claims nothing


def claiming(claim):
    return type("Claiming", (Honest,), {"claim": claim})


def test_bits_of_tokens_may_be_an_array():
    arrays = claiming(lambda self, text: Honest.claim(self, text) | {"parts": self.array(text)})
    arrays.array = lambda self, text: np.array(Honest.claim(self, text)["parts"])
    assert package.audit_model(arrays, TEXT).passed


@pytest.mark.parametrize(
    "change",
    [
        lambda c: {"bits": c["bits"] - sum(c["parts"][:16]), "parts": None},
        lambda c: {"bits": sum(c["parts"][:-1]), "parts": None},
        *(lambda c, bad=bad: {"parts": [bad, *c["parts"][1:]]} for bad in (0.0, math.nan)),
        lambda c: {"parts": c["parts"][:-1]},
    ],
)
def test_what_is_left_out_of_a_sum_is_found(change):
    def claim(self, text):
        return (honest := Honest.claim(self, text)) | change(honest)

    assert "every character charged" in package.audit_model(claiming(claim), TEXT).failed


@pytest.mark.parametrize(
    ("unit", "of_bits", "own"),
    [
        ("bits_per_byte", lambda bits: bits / len(TEXT), Honest.claim),
        ("nats_per_character", lambda bits: bits * math.log(2) / len(TEXT), None),
        ("perplexity_per_token", lambda bits: 2 ** (bits / len(TEXT)), None),
    ],
)
def test_a_figure_is_held_against_its_denominator(unit, of_bits, own):
    value = of_bits(Honest().claim(TEXT)["bits"])
    for claim, failed in (
        ({"value": value, "unit": unit}, []),
        ({"value": 0.99 * value, "unit": unit}, ["denominator"]),
        ({"value": value, "unit": "perplexity_per_word"}, ["denominator"]),
    ):
        assert package.audit_model(claiming(own), TEXT, claim=claim).failed == failed
    own = claiming(lambda self, text: {"value": value, "unit": unit})  # which bits leave as it is
    assert not package.audit_model(own, TEXT, claim={"bits": Honest().claim(TEXT)["bits"]}).failed


def test_letters_that_spell_a_token_are_no_tokens_of_a_perplexity():
    model, text = tiny_run(word_level.Words(Unk())).part("network"), TEXT[:64]
    (scored,) = model.score([Document("text", text)])["network"]
    perplexity = 2 ** ((scored.model + scored.spelling_bits) / (len(scored.model_bits) - 1))
    claim = {"value": perplexity, "unit": "perplexity_per_token"}
    assert not package.audit_model(lambda: RunModel(model), text, claim=claim).failed


class OwnWords(Honest):
    known = sorted({*re.findall(r"\S+|\s", TEXT)})

    def encode(self, text):
        return [self.known.index(word) for word in re.findall(r"\S+|\s", text)]

    def decode(self, tokens):
        return "".join(self.known[token] for token in tokens)


def test_a_model_that_knows_the_words_of_the_text_alone_can_be_audited():
    assert not package.audit_model(OwnWords, TEXT).failed


def test_a_length_is_not_known_beforehand_and_nothing_is_shared_with_another_process():
    assert "no look-ahead" in package.audit_model(dishonest.Knowing, TEXT).failed
    here = package.audit_model(dishonest.Shared, TEXT)
    elsewhere = package.audit_model(f"{dishonest.__file__}:Shared", TEXT)
    assert ["arithmetic coder" in audit.failed for audit in (here, elsewhere)] == [False, True]


def tiny_run(config, objective=OBJECTIVES[1]):
    """A model with all parts."""
    tokenizer = fitted(config)
    network = new_model(objective, tokenizer.size, scale=1.5)
    counts, cache = made_up_counts(tokenizer.size, 0, 1, 3), made_up_cache(0, 1, 3)
    return LanguageModel(tokenizer, objective, network, counts, cache)


PARTED = [(OBJECTIVES[i], p) for i, p in zip((1, 3, 5, 1), PARTS, strict=True)]


@in_turn(config=TOKENIZERS, parted=PARTED)
def test_every_arm_passes(monkeypatch, config, parted):
    monkeypatch.setattr("textgen.auditing.checks.MIN_BITS", 0.0)
    objective, part = parted
    model = tiny_run(config, objective)
    text = TEXT[:64].replace("lantern", "candle").replace("e", "é", 1)
    audit = package.audit_model(lambda: RunModel(model.part(part)), text)
    assert audit.passed_number == 6, str(audit)
    assert audit.bits == pytest.approx(audit.claim["bits"], rel=1e-5)


def test_a_network_that_goes_on_learning_passes(monkeypatch):
    monkeypatch.setattr("textgen.auditing.checks.MIN_BITS", 0.0)

    def opened():
        model = tiny_run(Characters())
        number = len(model.network.trainable_variables)
        dynamic = DynamicEvaluation((0.1,) * number, (0.3,) * number)
        cache = dataclasses.replace(model.cache, dynamic=dynamic)
        return RunModel(dataclasses.replace(model, cache=cache))

    audit = package.audit_model(opened, TEXT[:50])
    assert audit.passed_number == 6, str(audit)
    assert audit.bits == pytest.approx(audit.claim["bits"], rel=1e-3)


def test_an_arm_that_drops_words_for_nothing_does_not_pass():
    model = tiny_run(word_level.Words(Drop(charged=False))).part("network")
    found = package.audit_model(lambda: RunModel(model), TEXT[:110].replace("lantern", "candle"))
    assert {"encode and decode", "arithmetic coder"} <= set(found.failed)


# what stands in for transformers and torch, which are a gigabyte: a tiny GPT-2 of bytes
CONTEXT, WIDTH = 96, 16
WEIGHTS = "model.safetensors"


class Network:
    """What ``AutoModelForCausalLM`` gives: the next token depends on the last and on the mean."""

    config = SimpleNamespace(max_position_embeddings=CONTEXT)
    masked = True  # or else it sees what comes where it reads a text at once

    def __init__(self) -> None:
        random = np.random.default_rng(5)
        self._vectors = 0.5 * random.normal(size=(END + 1, WIDTH))
        self._places = 0.5 * random.normal(size=(CONTEXT, WIDTH))

    def eval(self):
        return self

    float = eval

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        tokens = np.array([*(past_key_values or []), *input_ids[0]])  # all is read again
        x = self._vectors[tokens] + self._places[: len(tokens)]
        seen = np.tri(len(x)) if self.masked else np.ones((len(x), len(x)))
        x = x + 2 * seen @ x / seen.sum(axis=1, keepdims=True)
        logits = (x @ self._vectors.T)[-len(input_ids[0]) :]
        tensor = SimpleNamespace(double=lambda: SimpleNamespace(numpy=lambda: logits))
        return SimpleNamespace(logits=[tensor], past_key_values=tokens.tolist())

    __call__ = forward


class Letters:
    bos_token_id = eos_token_id = END
    unk_token_id = None

    def encode(self, text, add_special_tokens, split_special_tokens):
        assert (add_special_tokens, split_special_tokens) == (False, True)
        return list(text.encode())

    def decode(self, tokens, skip_special_tokens, clean_up_tokenization_spaces):
        assert not skip_special_tokens
        assert not clean_up_tokenization_spaces
        return bytes(token for token in tokens if token != END).decode(errors="replace")


def reader(kind):
    def from_pretrained(folder, local_files_only, trust_remote_code):
        assert (local_files_only, trust_remote_code) == (True, False)
        Path(folder, WEIGHTS).read_bytes()
        return kind()

    return SimpleNamespace(from_pretrained=from_pretrained)


MODULES = {
    "transformers": SimpleNamespace(
        AutoTokenizer=reader(Letters),
        AutoModelForCausalLM=reader(Network),
        logging=SimpleNamespace(disable_progress_bar=lambda: None),
    ),
    "torch": SimpleNamespace(no_grad=contextlib.nullcontext, tensor=np.array),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, name, module)
    (tmp_path / "gpt2").mkdir()
    for name in ("config.json", WEIGHTS):
        (tmp_path / "gpt2" / name).write_text("{}")
    return tmp_path / "gpt2"


def test_a_hugging_face_folder_passes_but_for_attention_without_a_mask(folder, monkeypatch):
    special = TEXT[:150] + " é☃ <|endoftext|> " + TEXT[150:200]
    audit = package.audit_model(lambda: HuggingFaceModel(folder), special)
    assert (audit.passed, audit.passed_number) == (True, 5), str(audit)
    source = open_source(folder, part="network", end=False)
    claim = {"value": source.open().claim(special).bits / len(special.encode())}
    without = package.audit_model(source.open, special, claim=claim | {"unit": "bits_per_byte"})
    assert without.passed_number == 6, str(without)
    monkeypatch.setattr(Network, "masked", False)
    failed = package.audit_model(lambda: HuggingFaceModel(folder), TEXT[:300]).failed
    assert {"no look-ahead", "every character charged"} <= set(failed)


@pytest.mark.parametrize("context", [1, 2, 3])
def test_a_context_of_few_tokens_is_never_exceeded(folder, monkeypatch, context):
    monkeypatch.setattr(Network, "config", SimpleNamespace(max_position_embeddings=context))
    audit = package.audit_model(lambda: HuggingFaceModel(folder), TEXT[:40])
    assert audit.failed == [], str(audit)
    assert audit.claim["bits"] == pytest.approx(audit.bits)


def test_a_model_from_elsewhere_is_compared_on_the_same_text(folder, finished_run, tmp_path):
    run, where = finished_run("char"), {"reports_folder": tmp_path / "reports", "quiet": True}
    report = package.compare_runs([run, f"hf:{folder}"], **where).report
    (row,) = [row for row in report.references if row.label == "gpt2"]
    documents = load_corpus(package.load_run(run).experiment).test
    bits = [HuggingFaceModel(folder).claim(document.text).bits for document in documents]
    assert row.test.total == pytest.approx(sum(bits) / sum(len(d.text) + 1 for d in documents))
    (page,) = tmp_path.glob("reports/*/index.html")
    assert "trained elsewhere" in page.read_text("utf-8")
    assert row.leads["char"].difference == pytest.approx(report.arms[0].test.total - row.test.total)


def test_what_cannot_be_used_is_named(folder, finished_run, monkeypatch, textgen):
    monkeypatch.setattr(Letters, "decode", lambda *_, **__: "another text")
    textgen("compare", finished_run("char"), f"hf:{folder}", code=2, said="or alters")
    monkeypatch.setattr(HuggingFaceModel, "decode", lambda self, tokens: bytes(tokens).decode())
    monkeypatch.setattr(Letters, "eos_token_id", None)
    textgen("compare", finished_run("char"), f"hf:{folder}", code=2, said="has no end token")
    broken = SimpleNamespace(from_pretrained=Mock(side_effect=RuntimeError("size mismatch")))
    with monkeypatch.context() as patch:
        patch.setattr(MODULES["transformers"], "AutoTokenizer", broken)
        textgen("compare", finished_run("char"), f"hf:{folder}", code=2, said="size mismatch")
    (folder / WEIGHTS).unlink()
    textgen("audit", folder, "--text", TEXT, code=2, said="cannot be read")
    monkeypatch.setitem(sys.modules, "transformers", None)
    textgen("audit", folder, "--text", TEXT, code=2, said="pip install transformers torch")


def test_a_run_has_and_shows_audits_of_itself_alone(tmp_path, finished_run, monkeypatch):
    run = shutil.copytree(finished_run("char"), tmp_path / "run")
    assert [*audit_lines(run)] == []
    audit = package.audit_model(run, TEXT[:60])
    audit.save()
    assert [*audit_lines(run)] == ["audited, network: the text is too short"]
    before = json.loads((run / "audit.json").read_text())
    monkeypatch.chdir(run)
    other = shutil.copytree(run, tmp_path / "other")
    for path in (None, "audit.json", run / "audit_with_cache.json", other / "metrics.json"):
        with pytest.raises(TextgenError, match="audits of that run alone"):
            package.audit_model(Honest, TEXT[:60]).save(path)
    with pytest.raises(TextgenError, match="audits of that run alone"):
        audit.save(other / "audit.json")
    dataclasses.replace(audit, model=".").save()
    dataclasses.replace(audit, model="../other").save()
    assert json.loads((other / "audit.json").read_text())["model"] == "../other"
    assert json.loads((run / "audit.json").read_text())["sha256"] == before["sha256"]
    assert is_finished(other)
    failed = [dataclasses.replace(check, verdict="FAILED") for check in audit.checks[:1]]
    dataclasses.replace(audit, checks=failed).save()
    assert [*audit_lines(run)] == ["audited, network: failed sums to one"]
    shutil.copy(run / "audit.json", run / "audit_with_cache.json")  # not of this part
    (line,) = [*audit_lines(run)][1:]
    assert "another model or other weights" in line
    (run / "audit_with_cache.json").write_text("[]")
    assert "audit_with_cache.json is damaged" in [*audit_lines(run)][1]
    with (run / "model.weights.h5").open("ab") as file:
        file.write(b"other")
    assert "another model or other weights" in next(audit_lines(run))


def test_the_command_says_by_its_exit_code(tmp_path, textgen):
    (tmp_path / "text.txt").write_text(TEXT)
    claim = "--claim", f"{Honest().claim(TEXT)['value']:.3f}", "--unit", "bits_per_byte"
    model = f"{dishonest.__file__}:Honest"
    done = textgen("audit", model, "--file", "text.txt", *claim)
    assert "6 of 6 checks passed" in done.out
    assert json.loads((tmp_path / "audit.json").read_text())["model"] == model
    options = "--text", TEXT, "--json", "--output", "other.json"
    done = textgen("audit", f"{dishonest.__file__}:UnnormalisedCache", *options, code=1)
    assert json.loads(done.out) == json.loads((tmp_path / "other.json").read_text())
    textgen("audit", model, "--text", TEXT[:90], code=1)  # too short


REFUSED = {  # a model, or an option → what is said
    "nowhere": "nowhere", "models.py:Missing": "no class", "nothing.py:Missing": "no such file",
    "wrong.py:Honest": "SyntaxError", "models.py:Misspelt": "none of the keys",
    "models.py:Broken": "raised KeyError", "models.py:Flat": "has shape", "--file=none": "none",
    "--text=": "no text", "--part=with_cache": "applies to runs", "--no-end": "applies to Hugging",
    "--unit=bits_per_byte": "--claim", "--end-counted": "--claim",
    "--claim=little": "little", "--claim=1e400": "above 0", "--claim=1e-400": "above 0",
}  # fmt: skip


@pytest.mark.parametrize("given", REFUSED)
def test_bad_input_has_one_message_and_code_2(tmp_path, textgen, given):
    arguments = ["models.py:Honest", given] if given.startswith("--") else [given]
    (tmp_path / "models.py").write_text(
        "from dishonest import Honest\n"
        "class Broken(Honest):\n    def encode(self, text):\n        return {}[text]\n"
        "class Flat(Honest):\n    def next_log_probabilities(self):\n"
        "        return super().next_log_probabilities()[None]\n    claim = None\n"
        "class Misspelt(Honest):\n    def claim(self, text):\n        return {'bit': 9.0}\n"
    )
    (tmp_path / "wrong.py").write_text("class Honest(:")
    text = ["--text=a"] if arguments[-1] not in ("--file=none", "--text=") else []
    assert textgen("audit", *arguments, *text, code=2, said=REFUSED[given]).out == ""


def test_without_a_coder_one_sentence_says_what_to_install(tmp_path, textgen, monkeypatch):
    """It has no wheel for Linux on ARM: all else works without it."""
    monkeypatch.setitem(sys.modules, "constriction", None)
    opened = Mock()
    with pytest.raises(TextgenError, match="an audit needs the arithmetic coder constriction"):
        package.audit_model(opened, TEXT)
    opened.assert_not_called()
    model = f"{dishonest.__file__}:Honest"
    textgen("audit", model, "--text", TEXT, code=2, said="pip install constriction")
    assert not list(tmp_path.iterdir())
    modules = "textgen.report.building", "textgen.report.comparison", "textgen.testing"
    imports = "".join(f"import {module}\n" for module in modules)
    python(f"import sys\nsys.modules['constriction'] = None\n{imports}")


def test_the_coder_is_exact_for_the_improbable():
    chances = np.array([0.9, 0.0, *[2.0**-30] * 4096])  # the coder alone makes 2^-24 of them
    chances[1] = 1 - chances.sum()
    message = [0, 1, 2, 4000] * 50
    encoder = Encoder()
    for index in message:
        encoder.put(chances, index)
    bits = -sum(math.log2(chances[index]) for index in message)
    assert -16 < encoder.bits() - bits <= 1
    assert 0 <= WORD * len(encoder.words()) - encoder.bits() <= 64
    decoder = Decoder(encoder.words())
    assert [decoder.get(chances) for _ in message] == message
