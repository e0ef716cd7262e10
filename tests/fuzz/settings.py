"""Experiment and study files, and ``--set``."""

from __future__ import annotations

from fuzz.common import EXPERIMENT, folder, refused, text_in

from textgen.core.experiment import load_experiment, resolve_experiment
from textgen.studies.study import load_study


def experiment(data: bytes) -> None:
    """An experiment file; behind NUL bytes, ``--set`` overrides. What was read is the same when it
    is written and read again."""
    from textgen.runs.folder import write_experiment

    content, *overrides = data.split(b"\0")
    path, again = folder() / "fuzzed.toml", folder() / "again.toml"
    path.write_bytes(content)
    with refused():
        made = load_experiment(path, [text_in(each) for each in overrides[:5]])
        write_experiment(again, made)
        assert load_experiment(again) == made


def study(data: bytes) -> None:
    path = folder() / "study.toml"
    path.write_bytes(data)
    with refused():
        assert load_study(path).arms


def experiment_seeds() -> list[bytes]:
    import tomli_w

    plain = tomli_w.dumps(resolve_experiment(EXPERIMENT).resolved).encode()
    (folder() / "base.toml").write_bytes(plain)
    words = b'include = "base.toml"\n[tokenizer]\nkind = "words"\nrare_words = { kind = "unk" }\n'
    return [
        plain,
        plain + b"\0training.seconds=60\0backbone.units=[8, 8]\0tokenizer={kind='whitespace'}",
        words + b"\0seed=2\0memory.orders=[]\0split.test=['a*']",
    ]


STUDY = b"""
title = "fuzzed"
[budget]
updates = 5
[arms.a]
experiment = "char_small"
seeds = 2
[arms.b]
experiment = "char_small"
seeds = [1, 7]
set = ["backbone.units=[9]"]
[[contrasts]]
first = "a"
second = "b"
question = "?"
"""
