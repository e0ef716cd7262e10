"""Three tiny runs that are asked: characters, words with rare ones, subwords."""

from __future__ import annotations

from conftest import write_experiment

import textgen
from textgen.interactive.models import open_models

ARMS = {
    "char": [],
    "word": [
        'tokenizer={kind="words", rare_words="unk", minimum_count=60}',
        "memory.orders=[0, 1]",
    ],
    "subword": ['tokenizer.kind="subwords"', "tokenizer.size=280"],
}


def make_runs(folder, corpus_folder):
    """Their folders."""
    file = write_experiment(folder / "tiny.toml", corpus_folder)
    for name, changes in ARMS.items():
        own = [*changes, "sampling.every=0", "training.updates=40", "sampling.length=40"]
        if name != "char":
            own += ['backbone.input="embedding"', "backbone.embedding_size=12"]
        textgen.train(file, overrides=own, name=name, runs_folder=folder / "runs", quiet=True)
    return [folder / "runs" / name for name in ARMS]


def open_runs(folder, corpus_folder):
    """Readers by name."""
    return {reader.label: reader for reader in open_models(make_runs(folder, corpus_folder))}
