"""`textgen tune`: one list of settings for every arm, and what is matched and tuned by it."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from conftest import ProcessHere, write_experiment

from textgen import cli
from textgen.core.errors import Diverged, TextgenError
from textgen.core.experiment import load_experiment
from textgen.data.loading import load_corpus
from textgen.studies import by_hand, places, process, tuning
from textgen.studies.sharing import take
from textgen.studies.study import load_study
from textgen.training import begun, trial
from textgen.training.begun import Begun

STUDY = """
set = ["training.batch=3", "cache.orders=[]"]
[budget]
updates = 10
[arms]
narrow = { experiment = "char.toml", seeds = 1 }
wide = { experiment = "char.toml", seeds = 1, set = ["backbone.units=[32]"] }
[tune]
settings = 6
seconds = [1, 2]
keep = 1
[tune.space]
"training.learning_rate" = [1e-3, 1e-2]
"backbone.dropout" = [0.0, 0.1, 0.2]
span = [8, 16]
"""


@pytest.fixture
def study(tmp_path, corpus_folder):
    write_experiment(tmp_path / "char.toml", corpus_folder)
    path = tmp_path / "levels.toml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture
def trained(monkeypatch):
    """In place of trainings: bits by a formula, and the experiments that were given."""
    calls = []

    def try_setting(self, experiment, scratch, span, seconds, known):
        assert [*Path(scratch).iterdir()] == []
        experiment = load_experiment(experiment)
        calls.append(experiment)
        rate, dropout = experiment.training.learning_rate, experiment.backbone.dropout
        wide = experiment.backbone.units == (32,)
        bits = 2 + 10 * rate + (1 - dropout if wide else dropout) + span / 1000
        figures = dict.fromkeys(("updates", "parameters", "preparation_seconds"), 1)
        pace = known.get(process.processor(), seconds / 100)
        given = {"seconds_per_update": pace, "processor": process.processor()}
        return figures | {"bits": bits, "window": span, "curve": [bits], **given}

    monkeypatch.setattr(process.Jobs, "try_setting", try_setting)
    run_here(monkeypatch)
    return calls


def run_here(monkeypatch):
    """Have trainings take place in this process."""
    monkeypatch.setattr(places, "Worker", ProcessHere)


@pytest.fixture
def spoiled(monkeypatch):
    """Trainings by a formula, some without a figure: those of (arm, dropout) in the dictionary
    have its bits, or raise its error."""
    spoils = {}

    def try_setting(self, experiment, scratch, span, seconds, known):
        experiment = load_experiment(experiment)
        arm = "wide" if experiment.backbone.units == (32,) else "narrow"
        rate, dropout = experiment.training.learning_rate, experiment.backbone.dropout
        bits = 2 + rate + dropout + span / 1000
        for key in ((arm, dropout), (arm, None)):
            bits = spoils.get(key, bits)
        if isinstance(bits, TextgenError):
            raise bits
        figures = dict.fromkeys(("updates", "parameters", "preparation_seconds"), 1)
        return figures | {
            "bits": bits,
            "window": span,
            "curve": [],
            "processor": process.processor(),
        }

    monkeypatch.setattr(process.Jobs, "try_setting", try_setting)
    run_here(monkeypatch)
    return spoils


def tune(path, **options):
    return tuning.tune(path, reports_folder=path.parent / "reports", quiet=True, **options)


def test_each_value_stands_equally_often_in_the_list_which_its_seed_decides(study):
    search = load_study(study).tune
    settings = tuning.draw_settings(search)
    assert settings == tuning.draw_settings(search)
    for name, values in search.space.items():
        assert Counter(s[name] for s in settings) == dict.fromkeys(values, 6 // len(values))


def test_no_two_settings_of_a_list_are_alike_and_a_space_of_too_few_is_refused(study):
    search = load_study(study).tune
    every = replace(search, settings=12)
    assert len({json.dumps(setting) for setting in tuning.draw_settings(every)}) == 12
    with pytest.raises(TextgenError, match="13 settings are asked for, and 12 differ"):
        tuning.draw_settings(replace(search, settings=13))


def test_a_setting_may_be_a_table_or_a_list_of_tables(study, trained):
    growth = "[[], [{ until = 0.5, window = 0.5 }]]"
    ngrams = "[{ orders = [2], rows = 64 }]"
    values = f'"training.growth" = {growth}\n"backbone.ngrams" = {ngrams}\n'
    one_list = STUDY.replace("span =", f'{values}"backbone.input" = ["embedding"]\nspan =')
    study.write_text(one_list, encoding="utf-8")
    tune(study)
    assert {len(e.training.growth) for e in trained} == {0, 1}
    assert {e.backbone.ngrams.rows for e in trained} == {64}
    best = load_experiment(study.parent / "reports" / "levels" / "tuned_2s" / "wide.toml")
    assert best.backbone.ngrams.orders == (2,)


def test_all_arms_try_one_list_and_go_on_with_the_best_of_any(study, trained):
    tried = tune(study)
    first, second = tried.costs(1), tried.costs(2)
    assert first["narrow"].keys() == first["wide"].keys() == {*range(6)}
    best = {min(costs, key=costs.get) for costs in first.values()}
    assert second["narrow"].keys() == second["wide"].keys() == best
    assert {e.training.seconds for e in trained} == {1, 2}


def test_what_is_tuned_is_best_for_its_arm_and_what_is_matched_costs_all_arms_least(study, trained):
    tried = tune(study)
    folder, costs = study.parent / "reports" / "levels", tried.costs(2)
    regrets = {
        n: sum(costs[arm][n] - min(costs[arm].values()) for arm in costs) / 2 for n in costs["wide"]
    }
    assert tried.regrets(2) == pytest.approx(regrets)
    matched = tried.settings[min(regrets, key=regrets.get)]
    for kind in ("tuned", "matched"):
        for arm, units in (("narrow", (24,)), ("wide", (32,))):
            experiment = load_experiment(folder / f"{kind}_2s" / f"{arm}.toml")
            best = tried.settings[min(costs[arm], key=costs[arm].get)]
            wanted = best if kind == "tuned" else matched
            assert experiment.backbone.units == units
            assert (experiment.training.batch, experiment.cache.orders != ()) == (3, True)
            assert experiment.objective.window == wanted["span"]
            assert experiment.backbone.dropout == wanted["backbone.dropout"]
    text = (folder / "tune.md").read_text()
    assert all(f"{trial.bits:.4f}" in text for trial in tried.trials)
    after_one = load_experiment(folder / "tuned_1s" / "wide.toml")
    best = tried.settings[tried.tuned(1)["wide"]]
    assert after_one.backbone.dropout == best["backbone.dropout"]


def test_a_loss_that_is_no_number_is_the_worst_of_its_arm_and_never_matched(study, spoiled):
    spoiled["narrow", 0.0] = None
    tried = tune(study)
    without = {n for n, values in enumerate(tried.settings) if values["backbone.dropout"] == 0.0}
    assert without
    assert without.isdisjoint(tried.regrets(1))
    assert without.isdisjoint([tried.tuned(1)["narrow"]])
    assert tried.tuned(1)["wide"] in without  # whose own trainings had a figure


def test_an_arm_without_any_figure_decides_nothing_and_is_named(study, spoiled):
    spoiled["narrow", None] = None
    with pytest.raises(TextgenError, match="narrow: no training has a figure"):
        tune(study)
    folder = study.parent / "reports" / "levels"
    assert (folder / "matched_2s" / "wide.toml").exists()
    assert [path.name for path in folder.glob("tuned_*/*")] == ["wide.toml"] * 2


def test_a_training_that_fails_ends_no_other_and_is_made_again(study, spoiled, capsys):
    spoiled["narrow", 0.1] = TextgenError("out of paper")
    tried = tuning.tune(study, reports_folder=study.parent / "reports")
    told = capsys.readouterr().err
    failed = [n for n, values in enumerate(tried.settings) if values["backbone.dropout"] == 0.1]
    assert f"narrow, setting {failed[0]}: out of paper" in " ".join(told.split())
    assert len(tried.costs(1)["wide"]) == 6
    assert set(tried.costs(1)["narrow"]) == {*range(6)} - {*failed}
    spoiled.clear()
    assert len(tune(study).costs(1)["narrow"]) == 6


def test_a_search_that_goes_on_elsewhere_names_both_processors(study, trained, monkeypatch, capsys):
    before = tune(study)
    file = study.parent / "reports" / "levels" / "tune.json"
    stored = json.loads(file.read_text())
    stored["trials"] = stored["trials"][:3]
    file.write_text(json.dumps(stored))
    for module in (tuning, process):
        monkeypatch.setattr(module, "processor", lambda: "abacus")
    after = tuning.tune(study, reports_folder=study.parent / "reports")
    assert after.processors == sorted({before.trials[0].processor, "abacus"})
    told = " ".join(capsys.readouterr().err.split())
    assert "abacus" in told
    assert "abacus" in (file.parent / "tune.md").read_text()


def test_nothing_is_left_of_a_training_but_its_settings(study, trained):
    tune(study)
    left = {path.suffix for path in (study.parent / "reports" / "levels" / "logs").iterdir()}
    assert left == {".toml"}  # figures are in tune.json


def test_a_search_that_was_interrupted_goes_on_and_ends_alike(study, trained):
    whole = tune(study)
    file = study.parent / "reports" / "levels" / "tune.json"
    stored = json.loads(file.read_text())
    stored["trials"] = stored["trials"][:5]
    file.write_text(json.dumps(stored))
    trained.clear()
    assert tune(study, workers=2).costs(2) == whole.costs(2)
    assert len(trained) == len(whole.trials) - 5
    dropped = ({*range(6)} - {*whole.kept(1)}).pop()  # which one arm tried when more were kept
    one = next(t for t in whole.trials if t.setting == dropped and t.arm == "narrow")
    stored = json.loads(file.read_text())
    stored["trials"].append({**asdict(one), "seconds": 2})
    file.write_text(json.dumps(stored))
    assert tune(study).regrets(2) == whole.regrets(2)


def test_a_trial_that_another_process_makes_meanwhile_is_not_made_again(
    study, trained, monkeypatch
):
    reports = study.parent / "reports"
    command = ["tune", str(study), "--job=trial/1s/narrow/0", f"--reports={reports}"]

    def take_after_another(lock, *seconds):
        monkeypatch.setattr(by_hand, "take", take)
        assert cli.main(command) == 0
        return take(lock, *seconds)

    monkeypatch.setattr(by_hand, "take", take_after_another)
    assert cli.main(command) == 0
    assert len(trained) == 1
    assert len(json.loads((reports / "levels" / "tune.json").read_text())["trials"]) == 1


def test_a_list_may_grow_and_is_replaced_only_if_asked(study, trained):
    before = tune(study)
    study.write_text(STUDY + "[[tune.more]]\nsettings = 2\nspace = { span = [32, 64] }\n")
    trained.clear()
    after = tune(study)
    assert after.settings[:6] == before.settings
    assert [s.keys() for s in after.settings[6:]] == [{"span"}] * 2
    assert [t for t in after.trials if t.seconds == 1][:12] == before.trials[:12]
    assert sum(e.training.seconds == 1 for e in trained) == 4
    study.write_text(STUDY.replace("settings = 6", "settings = 4"))
    with pytest.raises(TextgenError, match="other settings"):
        tune(study)
    assert len(tune(study, overwrite=True).costs(1)["wide"]) == 4


def test_a_process_that_has_begun_goes_on_beside_one_with_a_longer_list(study, trained):
    reports = study.parent / "reports"
    older = tuning.open_search(tuning.load_search(study), reports)
    study.write_text(STUDY + "[[tune.more]]\nsettings = 2\nspace = { span = [32, 64] }\n")
    newer = tuning.open_search(tuning.load_search(study), reports)
    first = tuning.known_jobs(newer)[0]
    last = tuning.known_jobs(newer)[-1]
    tuning.make_trial(newer, last, by_hand.ThisProcess())
    tuning.make_trial(older, first, by_hand.ThisProcess())
    assert older.ended().keys() == {first.name}
    assert newer.ended().keys() == {first.name, last.name}
    stored = json.loads((reports / "levels" / "tune.json").read_text())
    assert stored["settings"] == newer.tuning.settings
    study.write_text(STUDY)  # which would leave out what has been tried
    with pytest.raises(TextgenError, match="other settings"):
        tune(study)


def test_a_search_of_an_earlier_version_goes_on_although_settings_have_been_added(study, trained):
    tune(study)
    file = study.parent / "reports" / "levels" / "tune.json"
    stored = json.loads(file.read_text())
    for arm in stored["arms"].values():
        del arm["training"]["growth"]
    file.write_text(json.dumps(stored))
    trained.clear()
    tune(study)
    assert trained == []


def test_a_single_trial_of_a_later_budget_is_told_to_wait(study, trained, capsys):
    options = [f"--reports={study.parent / 'reports'}"]
    assert cli.main(["tune", str(study), "--job=trial/2s/wide/0", *options]) == 2
    assert "all trainings of the budget before have to end first" in capsys.readouterr().err
    assert cli.main(["tune", str(study), "--job=trial/2s/wide/99", *options]) == 2
    assert "no such job" in capsys.readouterr().err


def test_on_a_cluster_the_processors_of_its_nodes_matter(study, trained, monkeypatch, capsys):
    monkeypatch.setattr(process, "processor", lambda: "abacus")
    tune(study)

    class Elsewhere(places.Processes):
        """A cluster, whose nodes are all of one kind."""

        processors = frozenset({"abacus"})

        def check(self, jobs, folder):
            pass

    monkeypatch.setattr(tuning, "Cluster", Elsewhere)
    monkeypatch.setattr(tuning, "open_place", lambda *_: Elsewhere())
    capsys.readouterr()
    tune(study)
    assert "Earlier trainings" not in capsys.readouterr().err
    Elsewhere.processors = frozenset({"slide rule"})
    tune(study)
    assert "the next are on slide rule" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dropout", "drop", "unknown setting"),
        ("[0.0, 0.1, 0.2]", "[0.0, 1.5]", "less than 1"),
        ("[0.0, 0.1, 0.2]", "[]", "at least 1"),
        ("[1, 2]", "[2, 1]", "must be ascending"),
        ("keep = 1", 'matched = ["wild"]', "no arm 'wild'"),
        ("span = [8, 16]", "span = [8, 64.5]", "64.5 is no number of characters"),
        ("span = [8, 16]", "span = [-3]", "-3 is no number of characters"),
        ('"backbone.dropout"', '"training.seconds"', "the study decides"),
        ("updates = 10", "updates = [5, 10]", "one text, size, budget"),
        (
            "[tune.space]",
            "more = [{settings = 1, space = {drop = [1]}}]\n[tune.space]",
            "unknown setting",
        ),
    ],
)
def test_a_wrong_search_is_refused_before_any_training(study, trained, capsys, old, new, message):
    study.write_text(STUDY.replace(old, new))
    assert cli.main(["tune", str(study), "--reports", str(study.parent / "reports")]) == 2
    assert message in capsys.readouterr().err
    assert not trained


def test_a_training_makes_as_many_updates_as_its_seconds_hold_by_the_fastest_timing(
    study, tmp_path, monkeypatch
):
    here = process.processor()

    def tried(name, known=None, turns=(0.02, 0.01, 0.04)):
        monkeypatch.setattr(Begun, "seconds_per_update", Mock(side_effect=turns))
        (tmp_path / name).mkdir()
        given = str(study.parent / "char.toml"), str(tmp_path / name)
        return process.Jobs().try_setting(*given, span=8, seconds=1.0, known=known or {})

    for name, known, fastest in (
        ("a", {}, 0.01),
        ("b", {here: 0.03}, 0.01),
        ("c", {here: 0.005}, 0.005),
        ("other", {"another processor": 0.005}, 0.01),
    ):
        figures = tried(name, known)
        left = 1.0 - figures["preparation_seconds"]
        assert (figures["seconds_per_update"], figures["updates"]) == (fastest, int(left / fastest))
    with pytest.raises(TextgenError, match="preparation alone"):
        tried("d", turns=(2.0, 2.0, 2.0))


def test_a_setting_that_was_timed_before_is_planned_by_the_fastest_timing(study, trained):
    tune(study)
    file = study.parent / "reports" / "levels" / "tune.json"
    stored = json.loads(file.read_text())
    later = [each for each in stored["trials"] if each["seconds"] == 2]
    assert {each["seconds_per_update"] for each in later} == {0.01}  # not 0.02, as after 2 s
    stored["trials"] = [each for each in stored["trials"] if each["seconds"] == 1]
    for each in stored["trials"]:
        each["processor"] = "abacus"  # whose timings say nothing about this one
    file.write_text(json.dumps(stored))
    again = [each for each in tune(study).trials if each.seconds == 2]
    assert {each.seconds_per_update for each in again} == {0.02}


def test_a_training_is_scored_by_all_of_the_validation_text(study, tmp_path, monkeypatch):
    monkeypatch.setattr(begun, "load_corpus", lambda e: replace(load_corpus(e), test=[]))
    experiment = load_experiment(study.parent / "char.toml")
    figures = trial.train_and_score(begun.begin(experiment, span=8), 10, tmp_path / "a")
    assert figures["window"] == 8
    subwords = "tokenizer={kind='subwords',size=300}"
    of_subwords = load_experiment(study.parent / "char.toml", [subwords])
    tokens = trial.train_and_score(begun.begin(of_subwords, span=40), 1, tmp_path / "b")["window"]
    assert tokens < 30  # not characters
    assert figures["updates"] == 10
    assert figures["bits"] == pytest.approx(figures["curve"][-1], abs=0.2)
    monkeypatch.setattr(trial.loop, "train", Mock(side_effect=Diverged("no number")))
    assert trial.train_and_score(begun.begin(experiment), 10, tmp_path / "c")["bits"] is None
