"""What is exported predicts the same in a process that has no textgen."""

import json
import re
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import run_python

import textgen as package
from textgen.core.errors import TextgenError
from textgen.models.backbones import GRU, LSTM, MinGRU, Transformer
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.models.settings import Adaptive, NGrams
from textgen.runs import export
from textgen.runs.finished import Run

pytestmark = pytest.mark.long

SIZE = 20
EMBEDDED = {"input": "embedding", "embedding_size": 5}
NGRAMS = {"ngrams": NGrams((2, 3), 30, 0.5), "output_ngrams": NGrams((2, 4), 30)}
BACKBONES = {
    "lstm": LSTM(units=(8,)),
    "lstm of two layers": LSTM(units=(8, 7), **EMBEDDED, dropout=0.2, projection="vocabulary"),
    "gru": GRU(units=(8, 6), projection=5),
    "mingru": MinGRU(units=(8, 6), normalisation="layer"),
    "transformer": Transformer(units=(8, 6), context=3, head_size=4, dropout=0.2),
    "transformer that sees one token": Transformer(units=(8,), context=1, head_size=4),
    "n-gram vectors": LSTM(units=(8,), **EMBEDDED, **NGRAMS),
    "n-gram vectors of a transformer": Transformer(units=(8,), head_size=4, **EMBEDDED, **NGRAMS),
    "adaptive": GRU(units=(8,), normalisation="batch", adaptive_softmax=Adaptive(6, 3)),
    "tied": LSTM(units=(8,), **EMBEDDED, tied_output=True),
    "tied and adaptive": MinGRU(
        units=(5,), **EMBEDDED, tied_output=True, adaptive_softmax=Adaptive(6)
    ),
    "ensemble": LSTM(units=(8,), **EMBEDDED, output_ngrams=NGrams((2,), 9), members=3),
}
# textgen cannot be imported; texts are read in parts, and in one
LOAD = """
import json, sys
sys.modules["textgen"] = None
import numpy as np
sys.path.insert(0, sys.argv[1])
import textgen_model
tokens = np.load(sys.argv[2])
for folder in sys.argv[3:]:
    model = textgen_model.load(folder)
    whole, _ = model(tokens)
    state, parts = None, []
    for start, end in ((0, 1), (1, 5), (5, 6), (6, 12)):
        log_probabilities, state = model(tokens[:, start:end], state)
        parts.append(log_probabilities)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    print(json.dumps(np.array(whole).tolist()))
"""


def random_network(backbone):
    """A network whose weights are all other than at the beginning of a training."""
    network = NextToken(4).build(backbone, SIZE)
    random = np.random.default_rng(3)
    network.set_weights([random.uniform(0.1, 1.0, w.shape) for w in network.get_weights()])
    signs = [random.choice([-1.0, 1.0], w.shape) for w in network.get_weights()]
    trainable = {id(each) for each in network.trainable_variables}
    weights = [
        weight * sign if id(variable) in trainable else weight  # a variance is positive
        for variable, weight, sign in zip(
            network.weights, network.get_weights(), signs, strict=True
        )
    ]
    network.set_weights(weights)
    return network


@pytest.mark.slow
def test_every_kind_predicts_the_same_without_textgen(tmp_path):
    tokens = np.random.default_rng(1).integers(0, SIZE, (2, 12)).astype(np.int32)
    np.save(tmp_path / "tokens.npy", tokens)
    shutil.copy(export.LOADER, tmp_path / export.LOADER_FILE)
    expected, folders = [], []
    for name, backbone in BACKBONES.items():
        network = random_network(backbone)
        logits, _ = network(tf.constant(tokens), network.initial_state(2))
        expected.append(tf.nn.log_softmax(logits).numpy())
        folder = tmp_path / name
        folder.mkdir()
        export.write_network(network, backbone, folder)
        assert [path.name for path in folder.iterdir()] == ["model.keras"]
        folders.append(folder)
    done = run_python("-c", LOAD, tmp_path, tmp_path / "tokens.npy", *folders)
    assert done.code == 0, done.err
    for name, line, logs in zip(BACKBONES, done.out.splitlines(), expected, strict=True):
        found = np.array(json.loads(line))
        np.testing.assert_allclose(np.exp(found), np.exp(logs), atol=1e-5, err_msg=name)
        np.testing.assert_allclose(found, logs, atol=1e-3, err_msg=name)


def test_what_predicts_something_else_is_not_written(tmp_path, monkeypatch):
    backbone = BACKBONES["tied"]
    network = random_network(backbone)
    monkeypatch.setattr(export, "_copy_weights", lambda trained, copy: None)
    with pytest.raises(RuntimeError, match="probabilities differ"):
        export.write_network(network, backbone, tmp_path)
    assert not list(tmp_path.iterdir())


# arm → changes of it, and a text that the code on its card reads
ARMS = {
    "char": ((), "The old"),
    "word": ((), ""),
    "subword": (("backbone.ngrams={orders=[2,3],rows=97}",), "The old"),
}


@pytest.mark.slow
@pytest.mark.parametrize("arm", ARMS)
def test_a_run_is_exported_and_its_card_runs_without_textgen(tmp_path, finished_run, textgen, arm):
    changes, text = ARMS[arm]
    run = package.load_run(finished_run(arm, *changes))
    assert "folder" in textgen("export", run.folder, "folder").out
    folder = tmp_path / "folder"
    written = {path.name for path in folder.iterdir()}
    files = "model.keras textgen_model.py tokens.json tokenizer.json experiment.toml README.md"
    assert written == set(files.split())
    card = (folder / "README.md").read_text(encoding="utf-8")
    metrics = run.metrics
    said = [metrics.corpus.licence, f"{metrics.training.parameters:,} parameters", "minutes"]
    for figures in metrics.test.parts.values():
        said.append(f"{figures.bits_per_character.total:.4f}")
    assert not [each for each in said if each not in card]
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    program = "import sys\nsys.modules['textgen'] = None\n" + code
    done = run_python("-c", program, folder=folder, PYTHONIOENCODING="utf-8")
    assert done.code == 0, done.err
    read = [0, *run.tokenizer.encode(text).tokens.tolist()]
    logits, _ = run.network(tf.constant([read]), run.network.initial_state(1))
    chances = tf.nn.softmax(logits[0, -1]).numpy()
    likeliest = np.argsort(-chances)[:5]
    lines = [line.split(" ", 1) for line in done.out.splitlines()]
    assert [name for _, name in lines] == [repr(run.tokenizer.names[token]) for token in likeliest]
    np.testing.assert_allclose(
        [float(chance) for chance, _ in lines], chances[likeliest], atol=2e-6
    )


def test_a_folder_is_named_after_the_run_and_nothing_in_one_is_replaced(
    tmp_path, finished_run, textgen, monkeypatch
):
    run = finished_run("char")
    monkeypatch.chdir(tmp_path)
    assert package.export_model(run) == export.EXPORTS / "char"
    assert keras.saving.load_model("exports/char/model.keras").count_params() > 0
    before = {path: path.read_bytes() for path in (tmp_path / "exports/char").iterdir()}
    textgen("export", run, code=2, said="exports/char is not empty")
    assert before == {path: path.read_bytes() for path in (tmp_path / "exports/char").iterdir()}
    (tmp_path / "exports/char/README.md").unlink()  # an export that was not finished
    textgen("export", run)
    assert before.keys() == {*(tmp_path / "exports/char").iterdir()}
    (tmp_path / "file").write_text("mine")
    textgen("export", run, "file", code=2, said="file: a file")
    textgen("export", "nowhere", code=2, said="nowhere")


class Mine(LSTM):
    """Of a plug-in."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"objective": Shifted(8, 2)}, "objective Shifted cannot be exported"),
        ({"objective": EncoderDecoder(4, 4)}, "objective EncoderDecoder cannot be exported"),
        ({"backbone": Mine(units=(24,))}, "Mine of 24 units cannot be exported"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path, finished_run, change, said):
    run = Run(finished_run("char"))
    run.experiment = replace(run.experiment, **change)
    with pytest.raises(TextgenError, match=said):
        package.export_model(run, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
