"""Tiny networks whose weights are kept cost the same bits as when they were recorded.

``python tests/test_golden.py`` records them again: only a change of what is computed may need it.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import made_up_cache, trusted, write_experiment, write_tales

from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus
from textgen.evaluation.dynamic import DynamicEvaluation
from textgen.evaluation.model import LanguageModel
from textgen.training.loop import new_network
from textgen.training.preparation import prepare

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parent / "golden"
WORDS = 'tokenizer={kind="words",minimum_count=30,rare_words='
EMBEDDED = 'backbone={kind="lstm",units=[12],input="embedding",embedding_size=8'
NGRAMS = ",ngrams={orders=[2,3],rows=97}}"
CASES = {
    "characters": [],
    "bytes": ['tokenizer={kind="subwords",size=257}'],
    "subwords": ['tokenizer={kind="subwords",size=280}', EMBEDDED + ",tied_output=true}"],
    "unigram": ['tokenizer={kind="subwords",size=300,model="unigram"}'],
    "whitespace": ['tokenizer={kind="whitespace"}'],
    "unk": [WORDS + '"unk"}', EMBEDDED + ",adaptive_softmax={head=12,tail_size=4}}"],
    "pos": [WORDS + '"pos"}'],
    "noun": [WORDS + '{kind="pos",tags="noun"}}'],
    "cluster": [WORDS + '{kind="cluster",clusters=3,epochs=1}}'],
    "neighbour": [WORDS + '{kind="neighbour",epochs=1}}'],
    "drop": [WORDS + '"drop"}'],
    "signature": [WORDS + '{kind="signature",signatures=6}}'],
    "spell": [WORDS + '"spell"}'],
    "encoder_decoder": ['objective={kind="encoder_decoder",read=6,write=4}'],
    "one_shot": ['objective={kind="encoder_decoder",read=6,write=4,feedback=false}'],
    "shifted": ['objective={kind="shifted",window=6,shift=2}'],
    "gru": ['backbone={kind="gru",units=[12,8],normalisation="layer"}'],
    "mingru": ['backbone={kind="mingru",units=[12]}'],
    "transformer": ['backbone={kind="transformer",units=[12],head_size=4,context=10}'],
    "ngrams": [EMBEDDED + NGRAMS],
    "output_ngrams": [EMBEDDED + ",tied_output=true,output_ngrams={orders=[2,4],rows=97}}"],
    "counts": ["training_counts.orders=[0,1,2,4]"],
    "counted_words": [WORDS + '"spell"}', EMBEDDED + NGRAMS, "training_counts.orders=[1,2]"],
    "ensemble": ['backbone={kind="lstm",units=[8],members=2}'],
}


def token_bits(folder: Path, changes: list[str], weights: list[np.ndarray] | None):
    """Bits of every token of the test text, by name, and the network's weights."""
    file = write_experiment(folder / "tiny.toml", write_tales(folder / "tales", 12, 1))
    experiment = load_experiment(file, changes)
    corpus = load_corpus(experiment)
    prepared = prepare(experiment, corpus)
    network = new_network(experiment, prepared)
    if weights is None:
        random = np.random.default_rng(0)
        weights = [w + random.normal(0, 0.3, w.shape).astype("f") for w in network.get_weights()]
    network.set_weights(weights)
    if counts := prepared.training_counts:
        trusted(counts, *experiment.training_counts.orders)
    number, cache, bits = len(network.trainable_variables), made_up_cache(1, 3), {}
    kinds = {"memory": cache}
    learns = ("backbone", "objective", "training_counts")
    if not changes or any(change.startswith(learns) for change in changes):
        dynamic = DynamicEvaluation((1e-3,) * number, (1e-2,) * number)
        kinds["learning"] = replace(cache, dynamic=dynamic)
    for name, kind in kinds.items():
        model = LanguageModel(prepared.tokenizer, experiment.objective, network, counts, kind)
        scores = model.score(corpus.test)
        for key, part in (("model", "with_counts"), (name, "with_cache")):
            bits[key] = np.concatenate([d.model_bits for d in scores[part]])
            spelling = "spelling" if key == "model" else f"{name}_spelling"
            bits[spelling] = np.concatenate([d.surface_bits for d in scores[part]])
    return bits, weights


@pytest.mark.parametrize("name", CASES)
def test_the_same_weights_cost_the_same_bits(tmp_path, name):
    with np.load(FOLDER / f"{name}.npz") as stored:
        expected = dict(stored)
    weights = [expected.pop(f"weight{i}") for i in range(int(expected.pop("weights")))]
    computed, _ = token_bits(tmp_path, CASES[name], weights)
    assert computed.keys() == expected.keys()
    for key, bits in computed.items():
        np.testing.assert_allclose(bits, expected[key], rtol=1e-4, atol=1e-4, err_msg=key)


if __name__ == "__main__":  # all cases, or those that are named
    for case in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory() as scratch:
            recorded, kept_weights = token_bits(Path(scratch), CASES[case], None)
        arrays = {f"weight{i}": weight for i, weight in enumerate(kept_weights)}
        np.savez_compressed(FOLDER / f"{case}.npz", weights=len(arrays), **arrays, **recorded)
        print(case, {key: round(float(bits.sum()), 3) for key, bits in recorded.items()})
