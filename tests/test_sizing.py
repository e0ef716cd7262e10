"""Units and rows that are left to the machine."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "experiments"))
import scaling

from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment, resolve_experiment
from textgen.core.schema import json_schema
from textgen.core.toml import apply_overrides
from textgen.runs.folder import begin_folder, prepare_folder, stored_experiment
from textgen.runs.sizing import settled
from textgen.studies import calibration
from textgen.training import sizing

PLAIN = {
    "corpus": "wikipedia", "tokenizer": "characters", "objective": "next_token",
    "backbone": {"units": "auto", "input": "embedding"},
    "training": {"seconds": 300, "batch": "auto"},
}  # fmt: skip
LAW = sizing.law_for(1.0)


def prepared(characters=2_000_000, size=90, per_token=1.0, seconds=0.0):
    tokenizer = SimpleNamespace(size=size, characters_per_token=per_token)
    encoded = ([SimpleNamespace(characters=characters)], [])
    return SimpleNamespace(tokenizer=tokenizer, encoded=encoded, seconds=seconds)


@pytest.fixture
def machine(monkeypatch):
    """A machine of so many multiplications a second and thread."""

    def of(speed):
        monkeypatch.setattr(sizing, "multiplication_seconds", lambda *_: 1 / speed)

    of(2e10)
    return of


def test_the_law_says_what_is_known_of_learning():
    assert LAW.worth(1e6, 2e6) == 1e6
    assert 2e6 < LAW.worth(4e6, 2e6) < 4e6  # what is seen again is worth less
    assert LAW.worth(1e12, 2e6) <= 2e6 * (1 + LAW.repeated)
    bits = LAW.bits(4e5, 5e6, 2e6, 1024)
    assert 1 < bits < 3
    assert LAW.bits(8e5, 5e6, 2e6, 1024) < bits
    assert LAW.bits(4e5, 9e6, 2e6, 1024) < bits
    assert LAW.bits(4e5, 5e6, 2e6, 9000) > bits


def test_each_level_has_a_law_of_its_own():
    lengths = [sizing.law_for(n).characters_per_token for n in (0.5, 1.0, 3.0, 4.9, 20.0)]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 3


def test_the_laws_are_those_that_the_recorded_trials_follow():
    records = {level: scaling.trials(level) for level in scaling.LEVELS}
    found, kept = scaling.fitted(records), json.loads(sizing.FILE.read_text())
    assert kept.keys() == records.keys()
    for level, rows in records.items():
        law = sizing.Law(**kept[level])
        for row in rows:
            again = scaling.predicted(found[level], row)
            assert scaling.predicted(law, row) == pytest.approx(again, abs=0.005)
            close = 0.005 if scaling.trust(row) == 1 else 0.06
            assert again == pytest.approx(row["validation"], abs=close)


def test_a_quicker_machine_and_a_longer_training_take_a_larger_network(machine):
    experiment, sizes = resolve_experiment(PLAIN), []
    for speed in (5e8, 5e9, 5e10, 5e12):
        machine(speed)
        chosen, candidates = sizing.settle(experiment, prepared())
        assert not chosen.automatic
        assert chosen.backbone.units == candidates[0].units
        assert chosen.training.batch == candidates[0].batch
        assert [c.bits for c in candidates] == sorted(c.bits for c in candidates)
        sizes.append(chosen.backbone.units[0])
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    machine(5e9)
    longer = resolve_experiment({**PLAIN, "training": {"seconds": 30_000, "batch": "auto"}})
    assert sizing.settle(longer, prepared())[0].backbone.units[0] > sizes[1]


def test_the_preparation_is_taken_off_and_no_time_is_refused(machine):
    experiment = resolve_experiment(PLAIN)
    (_, all_of_it), (_, some) = (sizing.settle(experiment, prepared(seconds=s)) for s in (0, 200))
    same = {(c.units, c.batch): c.updates for c in some}
    first = all_of_it[0]
    assert same[first.units, first.batch] == pytest.approx(first.updates / 3, rel=0.01)
    with pytest.raises(TextgenError, match=r"training\.seconds"):
        sizing.settle(experiment, prepared(seconds=301))
    machine(1.0)
    with pytest.raises(TextgenError, match=r"too few for an update"):
        sizing.settle(experiment, prepared())


def test_what_is_a_number_stays(machine):
    units = resolve_experiment({**PLAIN, "training": {"seconds": 300, "batch": 24}})
    chosen, candidates = sizing.settle(units, prepared())
    assert chosen.training.batch == 24
    assert {c.batch for c in candidates} == {24}
    assert len(candidates) == len(sizing.UNITS)
    backbone = {**PLAIN["backbone"], "units": [96, 64]}
    rows = resolve_experiment({**PLAIN, "backbone": backbone})
    chosen, candidates = sizing.settle(rows, prepared())
    assert chosen.backbone.units == (96, 64)
    assert {c.batch for c in candidates} == set(sizing.ROWS)


def test_a_product_is_timed_in_the_shape_it_will_have():
    small, large = (sizing.multiplication_seconds(n, 4) for n in (8, 256))
    assert 0 < large < small < 1e-3  # calls cost more than products of so few numbers


@pytest.mark.parametrize("change", [{"seconds": None, "updates": 9}, {"strategy": "mirrored"}])
def test_without_seconds_and_on_several_devices_it_is_the_default(change):
    training = {k: v for k, v in {**PLAIN["training"], **change}.items() if v is not None}
    found = resolve_experiment({**PLAIN, "training": training})
    assert not found.automatic
    assert (found.backbone.units, found.training.batch) == ((320,), 16)
    assert found.resolved["backbone"]["units"] == [320]


@pytest.mark.parametrize("kind", ["gru", "mingru", "transformer"])
def test_other_backbones_are_refused_with_numbers_that_work(kind):
    """Nothing says how wide a layer of another kind should be: the law was fitted to LSTMs."""
    with pytest.raises(TextgenError) as caught:
        resolve_experiment({**PLAIN, "backbone": {"kind": kind, "units": "auto"}})
    message = str(caught.value)
    assert "experiment: backbone.units and training.batch\n" in message
    assert f"\"auto\" with backbone.kind = '{kind}'" in message
    assert len(message.splitlines()) == 4
    *_, numbers = message.partition("--set ")
    data = {**PLAIN, "backbone": {"kind": kind, "units": "auto"}}
    data = apply_overrides(data, numbers.split(" --set "))
    assert not resolve_experiment(data).automatic
    with pytest.raises(TextgenError, match=r"training\.batch\n.*'gru'(.|\n)*--set training.batch"):
        resolve_experiment({**PLAIN, "backbone": {"kind": "gru"}})


def test_auto_is_kept_in_the_settings_until_it_is_settled():
    experiment = resolve_experiment(PLAIN)
    assert experiment.resolved["backbone"]["units"] == "auto"
    assert experiment.resolved["training"]["batch"] == "auto"
    assert resolve_experiment(experiment.resolved).resolved == experiment.resolved
    chosen = experiment.settled({"backbone": {"units": [64]}, "training": {"batch": 8}})
    assert (chosen.backbone.units, chosen.training.batch) == ((64,), 8)
    assert not chosen.automatic
    with pytest.raises(TextgenError, match=r"backbone\.units"):
        resolve_experiment({**PLAIN, "backbone": {"units": "wide"}})


def test_editors_accept_auto():
    schema = json_schema()
    data = {"training": {"batch": "auto"}, "backbone": {"kind": "lstm", "units": "auto"}}
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"training": {"batch": "some"}}, schema)


def test_a_run_is_resumed_with_what_was_chosen(tmp_path, machine):
    experiment, folder = resolve_experiment(PLAIN), tmp_path / "run"
    prepare_folder(folder, experiment, False).release()
    chosen, reasons = settled(folder, experiment, prepared(), resumed=False)
    assert reasons["units"] == chosen.backbone.units
    begin_folder(folder, chosen, False)
    (folder / "manifest.json").write_text(json.dumps({"chosen": reasons}))
    (folder / "checkpoint").mkdir()
    machine(5e12)  # a quicker one would take another size
    prepare_folder(folder, experiment, False).release()
    again, kept = settled(folder, experiment, prepared(), resumed=True)
    assert again.resolved == chosen.resolved == stored_experiment(folder).resolved
    assert kept == json.loads(json.dumps(reasons))
    other = replace(experiment, resolved={**experiment.resolved, "seed": 2})
    with pytest.raises(TextgenError, match="different experiment"):
        prepare_folder(folder, other, False)
    assert settled(folder, chosen, prepared(), resumed=False) == (chosen, None)


def test_a_command_chooses_says_so_and_writes_why(textgen, experiment_file, tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "UNITS", (8, 12))
    monkeypatch.setattr("textgen.training.loop.CALIBRATION_SECONDS", 0.2)
    given = ["--set", "backbone.units=auto", "--set", "training.seconds=2"]
    done = textgen("run", experiment_file, *given)
    assert done.code == 0, done.err
    folder = tmp_path / "runs" / "tiny"
    reasons = json.loads((folder / "manifest.json").read_text())["chosen"]
    assert "chosen for this machine" in done.out
    assert {tuple(c["units"]) for c in reasons["candidates"]} == {(8,), (12,)}
    assert list(stored_experiment(folder).backbone.units) == reasons["units"]


def test_a_study_chooses_once_for_all_seeds(experiment_file, monkeypatch):
    monkeypatch.setattr(sizing, "UNITS", (8,))
    monkeypatch.setattr(sizing, "ROWS", (4,))
    monkeypatch.setattr("textgen.training.loop.CALIBRATION_SECONDS", 0.1)
    auto = ["backbone.units=auto", "training.batch=auto", "training.seconds=20"]
    found = calibration.measure(load_experiment(experiment_file, auto), seconds=0)
    assert (found["units"], found["batch"]) == ([8], 4)
