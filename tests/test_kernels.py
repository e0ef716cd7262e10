from __future__ import annotations

from pathlib import Path

import pytest
from conftest import write_experiment

from textgen.core import experiment as config
from textgen.data.loading import load_corpus
from textgen.models.backbones.lstm import LSTM
from textgen.training import kernels, preparation


@pytest.fixture
def work(tmp_path, corpus_folder, monkeypatch):
    """Chooses a kernel for a tiny network under some settings; the memory is its own."""
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "cache"))
    path = write_experiment(tmp_path / "tiny.toml", corpus_folder)

    def choose(*overrides):
        experiment = config.load_experiment(path, ["training.updates=3000", *overrides])
        prepared = preparation.prepare(experiment, load_corpus(experiment))
        network = experiment.objective.build(experiment.backbone, prepared.tokenizer.size)
        return kernels.choose_kernel(
            experiment, experiment.training, network, prepared.encoded[0], 1
        )

    return choose


def test_the_fastest_is_taken_and_timed_only_once(work, monkeypatch):
    seconds = {name: 3.0 - i for i, name in enumerate(kernels.candidates(LSTM.kernels))}
    timed = []

    def times(experiment, network, windows, threads):
        timed.append(experiment.training.batch)
        return seconds

    monkeypatch.setattr(kernels, "_times", times)
    for _ in range(2):
        assert work() == kernels.Kernel(kernels.candidates(LSTM.kernels)[-1], seconds)
    assert len(timed) == 1
    work("training.batch=4")
    assert timed[1:] == [4]


def test_times_that_cannot_be_kept_are_no_reason_to_stop(work, tmp_path, monkeypatch):
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "occupied"))
    seconds = {name: 3.0 - i for i, name in enumerate(kernels.candidates(LSTM.kernels))}
    monkeypatch.setattr(kernels, "_times", lambda *_: seconds)
    assert work().name == kernels.candidates(LSTM.kernels)[-1]


def test_kernels_are_really_timed(work, monkeypatch):
    monkeypatch.setattr(kernels, "SECONDS", 0.0)
    monkeypatch.setattr(kernels, "candidates", lambda kernels: ["fused"])
    found = work()
    assert found.name == "fused"
    assert 0 < found.tried["fused"] < 10


def test_a_moment_of_other_work_does_not_decide(work, monkeypatch):
    """The better of two rounds counts, and each kernel is traced before the next is set up."""
    answers, steps = iter([9.0, 2.0, 1.0, 3.0]), []

    def time_updates(trainer, schedule, data, seconds, least):
        steps.append(trainer)
        return next(answers), 2

    monkeypatch.setattr(kernels, "candidates", lambda kernels: ["fused", "unrolled"])
    monkeypatch.setattr(kernels, "time_updates", time_updates)
    assert work() == kernels.Kernel("fused", {"fused": 1.0, "unrolled": 2.0})
    assert steps[:2] == steps[2:]


@pytest.mark.parametrize("override", ["training.deterministic=true", "training.updates=500"])
def test_some_trainings_take_the_first_kernel(work, override, monkeypatch):
    def time(*_):
        raise AssertionError("nothing is to be timed")

    monkeypatch.setattr(kernels, "_times", time)
    assert work(override) == kernels.Kernel("fused", {})


def test_a_kernel_can_be_asked_for(work):
    assert work('training.kernel="unrolled"') == kernels.Kernel("unrolled", {})


def test_bfloat16_needs_a_processor_that_has_it(monkeypatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: "flags : fpu avx2")
    assert kernels.candidates(LSTM.kernels) == ["fused", "unrolled"]
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: "flags : fpu amx_bf16")
    assert kernels.candidates(LSTM.kernels) == list(LSTM.kernels)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_AMX")
    assert kernels.candidates(LSTM.kernels) == list(LSTM.kernels)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")  # oneDNN aborts where it is asked for more
    assert kernels.candidates(LSTM.kernels) == ["fused", "unrolled"]
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2 --xla_cpu_enable_fast_math=false")
    assert kernels.candidates(LSTM.kernels) == ["fused", "unrolled"]
