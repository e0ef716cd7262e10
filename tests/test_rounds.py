"""What a run keeps of every validation: a sample and a passage, which change nothing else."""

from __future__ import annotations

import shutil

import keras
import pytest
from conftest import write_experiment

import textgen
from textgen.core.errors import TextgenError
from textgen.runs import rounds
from textgen.training import loop

WORDS = 'tokenizer={kind="words", minimum_count=90, rare_words='


@pytest.fixture(scope="module")
def train(tmp_path_factory, corpus_folder):
    """Finished runs of a tiny experiment."""
    home = tmp_path_factory.mktemp("rounds")
    path = write_experiment(home / "tiny.toml", corpus_folder)

    def made(name, *overrides):
        return textgen.train(path, overrides=overrides, name=name, runs_folder=home, quiet=True)

    return made


DROPOUT = "backbone.dropout=0.3"


@pytest.fixture(scope="module")
def whole(train):
    return train("whole", DROPOUT)


@pytest.mark.parametrize(
    "overrides",
    [
        [DROPOUT],
        [WORDS + '"unk"}', 'objective={kind="encoder_decoder", read=6, write=4}'],
        ['tokenizer={kind="subwords", size=300}', 'backbone={kind="gru", units=[8]}',
         "training.ema_decay=0.9", "sampling.temperature=0.5"],
        pytest.param([WORDS + '"pos"}', 'objective="shifted"'], marks=pytest.mark.full),
        pytest.param(['backbone={kind="transformer", units=[16]}'], marks=pytest.mark.full),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_round_is_what_its_weights_write_and_pay(train, whole, overrides):
    """Seen at the round whose weights were kept."""
    run = whole if overrides == [DROPOUT] else train("other", *overrides)
    kept = run.rounds
    assert [row["interval"] for row in kept["rounds"]] == [r["interval"] for r in run.history]
    row = kept["rounds"][run.metrics["training"]["best_interval"] - 1]
    settings = kept["sample"]
    assert settings["temperature"] == run.experiment.sampling.temperature
    (sample,) = run.generate(**settings)
    assert (row["text"], row["filled"]) == (sample["text"], sample["filled"])
    assert len(row["text"]) == rounds.SAMPLE
    stretches = run.score(kept["passage"])["stretches"]
    starts = [0, *kept["ends"][:-1]]
    texts = [kept["passage"][a:b] for a, b in zip(starts, kept["ends"], strict=True)]
    assert texts == [text for text, _, _ in stretches]
    assert row["model"] == pytest.approx([model for _, model, _ in stretches], abs=2e-3)
    assert kept["spelling"] == pytest.approx([bits for _, _, bits in stretches], abs=2e-3)
    if run is not whole:
        shutil.rmtree(run.folder)


def test_a_run_that_is_not_charged_in_full_has_no_bits(train):
    kept = train("drop", WORDS + '{kind="drop", charged=false}}').rounds
    assert kept["spelling"] is None
    assert {row["model"] for row in kept["rounds"]} == {None}
    assert all(row["text"] for row in kept["rounds"])


def test_a_training_is_the_same_without_it(train, whole, monkeypatch):
    monkeypatch.setattr(rounds, "recorder", lambda *_: keras.callbacks.Callback())
    without = train("without", DROPOUT)
    assert without.rounds is None
    assert without.metrics["test"] == whole.metrics["test"]


def test_a_training_cut_short_before_a_checkpoint_has_every_round_once(train, whole, monkeypatch):
    """The line of a round is there already, its checkpoint is not."""
    save, saved = loop.save_checkpoint, []

    def killed(*given):
        if len(saved) == 1:
            raise KeyboardInterrupt
        saved.append(save(*given))

    monkeypatch.setattr(loop, "save_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        train("cut", DROPOUT)
    folder = whole.folder.parent / "cut"
    assert len((folder / rounds.ROUNDS).read_text().splitlines()) == 3
    monkeypatch.undo()
    again = train("cut", DROPOUT)
    assert again.rounds == whole.rounds
    assert again.metrics["test"] == whole.metrics["test"]


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / rounds.ROUNDS).write_text('{"document": "tale"}\n{"interval": 1', encoding="utf-8")
    with pytest.raises(TextgenError, match="damaged"):
        rounds.read_rounds(tmp_path)
