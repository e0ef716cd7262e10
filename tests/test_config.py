import copy
import pickle
import re
import tomllib
from pathlib import Path

import pytest
import tomli_w
from conftest import ROOT

from textgen.core import experiment as config
from textgen.core.errors import RefusedText, TextgenError
from textgen.core.reading import SettingsReader
from textgen.core.settings import Growth
from textgen.models.backbones import LSTM

pytestmark = pytest.mark.fast

CHAR = ROOT / "experiments" / "char.toml"
BASE = """
corpus = "wikipedia"
tokenizer = "characters"
objective = "next_token"
[training]
updates = 5
"""


def load(tmp_path, text, *overrides):
    path = tmp_path / "e.toml"
    path.write_text(text, encoding="utf-8")
    return config.load_experiment(path, overrides)


def complaint(tmp_path, text, *overrides) -> str:
    with pytest.raises(TextgenError) as caught:
        load(tmp_path, text, *overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("backbone.ngrams.rwos=3", ["backbone.ngrams.rwos", "did you mean 'rows'"]),
        ("objective.kind=nxt_token", ["did you mean 'next_token'"]),
        ("tokenizer.kind=words", ["tokenizer.rare_words", "cluster, drop, neighbour, pos, sign"]),
        ("tokenizer={kind='words',rare_words={size=3}}", ["rare_words", "cluster, drop, neigh"]),
        ("training.epochs=2", ["updates and epochs", "one of seconds, characters, updates"]),
        ("corpus.kind=folder", ["corpus.path"]),
        ("corpus.shair=0.5", ["corpus.shair", "did you mean 'share'"]),
        ("corpus.fallback={kind='file',pth='x'}", ["corpus.fallback.pth", "did you mean 'path'"]),
        ("minimum_count=5", ["did you mean tokenizer.minimum_count?"]),
        ("strip=lines", ["did you mean corpus.strip?"]),
        ("corpus.share=0", ["corpus.share", "greater than 0"]),
        ("corpus.share=1.5", ["corpus.share", "less than 1, not 1.5"]),
        ("split.test='a.txt,b.txt'", ["split.test", "number or", "array", "not 'a.txt,b.txt'"]),
        *((f"name={name}", ["name: "]) for name in ("''", "'a\"b'", '"a\' #"', "ü", "a" * 101)),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_do(tmp_path, setting, parts):
    text = BASE if "epochs" not in setting else BASE + "epochs = 2"
    message = complaint(tmp_path, text, *([setting] if text == BASE else []))
    assert all(part in message for part in parts), message
    assert str(tmp_path / "e.toml") in message or message.startswith("--set: ")


@pytest.mark.parametrize("given", ["At night", "[At night, In fog]", "[]]"])
def test_what_is_said_of_a_list_without_quotes_is_what_works(tmp_path, given):
    message = complaint(tmp_path, BASE, f"sampling.prompts={given}")
    (offered,) = re.findall("--set '(.*)' on a command line", message)
    prompts = load(tmp_path, BASE, offered).sampling.prompts
    assert prompts == tuple(part.strip() for part in given.strip("[]").split(","))


def test_overrides_are_read_as_toml_and_the_last_budget_counts(tmp_path):
    changes = ['objective={kind="shifted",window=4,shift=2}', "name=a-b", "training.seconds=2.5"]
    experiment = load(tmp_path, BASE, *changes)
    assert (experiment.training.seconds, experiment.training.updates) == (2.5, None)
    assert (experiment.objective.window, experiment.objective.shift) == (4, 2)
    assert "table.key=value" in complaint(tmp_path, BASE, "training.seconds")
    assert "several lines" in complaint(tmp_path, BASE, "seed=1\nname='other'")
    changes = ["training.updates=3", "training.updates=7"]  # of the same one the last counts
    assert load(tmp_path, BASE, *changes).training.updates == 7
    message = complaint(tmp_path, BASE, "training.seconds=5", *changes)
    assert "training.seconds and training.updates" in message


def test_an_include_keeps_what_is_not_changed_and_naming_a_kind_changes_nothing(tmp_path):
    (tmp_path / "base.toml").write_text(BASE + "batch = 7\n", encoding="utf-8")
    training = load(tmp_path, 'include = "base.toml"\n[training]\nepochs = 2\n').training
    assert (training.batch, training.epochs, training.updates) == (7, 2, None)
    before = config.load_experiment(CHAR)
    for change in ("backbone.kind=lstm", "backbone=lstm", "backbone.kind='lstm'"):
        assert config.load_experiment(CHAR, [change]) == before
    including = f'include = "{CHAR.as_posix()}"\nname = "char"\n[backbone]\nkind = "lstm"\n'
    again = load(tmp_path, including, "tokenizer.kind=characters", "objective.kind=next_token")
    assert (again, again.left_out) == (before, ())
    marked = "\ufeff" + including.replace(CHAR.as_posix(), "char.toml")  # of a name, with a mark
    assert load(tmp_path, marked) == before


def test_a_setting_that_a_kind_lacks_is_named_where_the_kind_is_a_string(tmp_path):
    assert "corpus.path" in complaint(tmp_path, BASE.replace("wikipedia", "folder"))


def test_another_kind_keeps_what_both_have(tmp_path):
    more = 'input = "embedding", embedding_size = 5, ngrams = { orders = [2], rows = 30 }'
    own = f"backbone = {{ units = [8, 9], forget_bias = true, {more} }}{BASE}"
    lstm, gru = load(tmp_path, own), load(tmp_path, own, "seed=3", "backbone.kind=gru")
    differing = {"kind", "forget_bias"}
    kept = {key: value for key, value in lstm.resolved["backbone"].items() if key not in differing}
    assert gru.resolved["backbone"] == {"kind": "gru", **kept}
    (line,) = gru.left_out
    assert all(part in line for part in ("backbone.kind", "gru", "forget_bias"))
    (tmp_path / "own.toml").write_text(own, encoding="utf-8")
    included = load(tmp_path, 'name = "e"\nseed = 3\ninclude = "own.toml"\nbackbone = "gru"\n')
    assert included == gru
    assert included.left_out[0].replace(str(tmp_path / "e.toml"), "--set") == line
    changes = ["backbone.units=[4]", "backbone.kind=gru", "backbone.dropout=0.5"]
    changed = load(tmp_path, own, *changes).backbone  # in whatever order
    assert (changed.units, changed.dropout, changed.embedding_size) == ((4,), 0.5, 5)
    assert "forget_bias" in complaint(tmp_path, own, "backbone=gru", "backbone.forget_bias=true")
    whole = load(tmp_path, own, 'backbone={kind="lstm",units=[7]}', "backbone.forget_bias=true")
    assert (whole.backbone, whole.left_out) == (LSTM(units=(7,), forget_bias=True), ())


def test_a_table_with_a_kind_is_all_there_is_and_one_without_changes_what_it_holds(tmp_path):
    own = f"backbone = {{ units = [8], input = 'embedding', embedding_size = 5 }}{BASE}"
    changed = load(tmp_path, own, "backbone={units=[4],embedding_size=6}").backbone
    assert (changed.units, changed.input, changed.embedding_size) == ((4,), "embedding", 6)
    assert load(tmp_path, own, "backbone={kind='lstm'}").backbone == LSTM()


def test_windows_grow_in_stages_that_end_in_turn_where_a_state_is_carried(tmp_path):
    growth = "training.growth=[{until=0.1,window=0.25},{until=0.4,batch=4}]"
    stages = load(tmp_path, BASE, growth).training.growth
    assert stages == (Growth(0.1, window=0.25), Growth(0.4, batch=4))
    for ends in ("[{until=0.4},{until=0.4}]", "[{until=0.4},{until=0.2}]", "[{until=1.0}]"):
        assert "growth" in complaint(tmp_path, BASE, f"training.growth={ends}")
    assert "training.growth" in complaint(tmp_path, BASE, growth, "objective.kind=shifted")


def test_a_date_is_text_on_the_command_line_and_refused_in_a_file(tmp_path):
    assert load(tmp_path, BASE, "name=2020-01-01").name == "2020-01-01"
    message = complaint(tmp_path, "name = 2020-01-01" + BASE)
    assert "e.toml: a date or time" in message
    assert "quotes" in message


def test_groups_go_with_their_kind_of_corpus(tmp_path):
    tales, folder = "groups = [['a', 'b']]\n", "[corpus]\nkind = 'folder'\npath = 'p'\n"
    (tmp_path / "base.toml").write_text(f"{BASE}[split]\ntest = 0.3\n{tales}", encoding="utf-8")
    include = 'include = "base.toml"\n'
    assert load(tmp_path, include).split.groups == (("a", "b"),)
    whole = "corpus={kind='folder',path='p'}"
    other = ["corpus.path=p", "corpus.kind=folder"]
    own = "split={groups=[['c','d']]}"
    for text, *changes in ((include + folder,), (include, *other), (include, whole)):
        split = load(tmp_path, text, *changes).split
        assert (split.groups, split.test) == ((), 0.3)
        assert load(tmp_path, text, own, *changes).split.groups == (("c", "d"),)
    split = load(tmp_path, f"{include}{folder}[split]\ngroups = [['e', 'f']]\n").split
    assert (split.groups, split.test) == ((("e", "f"),), 0.3)


KINDS = [  # a table, overrides, some of what is there then, and what is left out
    ("tokenizer = { kind = 'words', size = 300, rare_words = 'unk' }", ["tokenizer.kind=subwords"],
     "tokenizer = { kind = 'subwords', size = 300, model = 'bpe' }", ["rare_words"]),
    ("tokenizer = { kind = 'words', rare_words = { kind = 'cluster', size = 8, clusters = 9 } }",
     ["tokenizer.rare_words.kind=neighbour"], "tokenizer.rare_words = { kind = 'neighbour', "
     "vectors = 'fasttext', size = 8, epochs = 5 }", ["clusters"]),
    ("tokenizer = { kind = 'words', rare_words = 'pos', minimum_count = 70 }",
     ["tokenizer.rare_words=spell"],
     "tokenizer = { rare_words = { kind = 'spell' }, minimum_count = 70 }", []),
    ("embedding = { kind = 'word2vec', epochs = 3, frozen = true }",
     ["embedding.kind=file", "embedding.path=vectors.txt"],
     "embedding = { frozen = true, path = 'vectors.txt' }", ["epochs"]),
    ("corpus = { kind = 'file', path = 'a', pieces = 3, source = 's', drop = 'x', share = 0.5,"
     " fallback = 'wikipedia' }", ["corpus.kind=folder", "corpus.path=b"],
     "corpus = { path = 'b', drop = 'x', share = 0.5, licence = \"the user's own\" }",
     ["pieces", "source"]),
]  # fmt: skip


@pytest.mark.parametrize(("table", "changes", "kept", "left_out"), KINDS)
def test_any_table_with_a_kind_keeps_what_belongs_to_both(tmp_path, table, changes, kept, left_out):
    own = tomli_w.dumps({**tomllib.loads(BASE), **tomllib.loads(table.replace("\n", ""))})
    experiment = load(tmp_path, own, *changes)
    for name, values in tomllib.loads(kept).items():
        assert experiment.resolved[name] == experiment.resolved[name] | values
    assert not {"source", "fallback"} & experiment.resolved["corpus"].keys()
    assert len(experiment.left_out) == bool(left_out)
    assert all(name in experiment.left_out[0] for name in left_out)


@pytest.mark.parametrize(
    "fallback", ["{ kind = 'folder', path = 'q' }", "{ kind = 'lovecraft' }", "'lovecraft'"]
)
def test_another_fallback_keeps_nothing_of_the_old_one(tmp_path, fallback):
    old = "{ kind = 'file', path = 'p', pieces = 3 }"
    own = BASE.replace('"wikipedia"', f"{{ kind = 'wikipedia', fallback = {old} }}")
    (tmp_path / "own.toml").write_text(own, encoding="utf-8")
    changed = load(tmp_path, f'include = "own.toml"\ncorpus.fallback = {fallback}\n')
    given = tomllib.loads(f"fallback = {fallback}")["fallback"]
    given = {"kind": given} if isinstance(given, str) else given
    assert changed.resolved["corpus"]["fallback"].items() >= given.items()
    assert "pieces" not in changed.resolved["corpus"]["fallback"]
    (line,) = changed.left_out
    assert "corpus: fallback.kind" in line
    assert "pieces = 3" in line
    overrides = [f"corpus.fallback.{key}={value}" for key, value in given.items()]
    assert load(tmp_path, own, *overrides).resolved["corpus"] == changed.resolved["corpus"]


def test_a_missing_experiment_is_offered_experiments_and_a_missing_study_studies():
    offered = {}
    for studies in (False, True):
        with pytest.raises(TextgenError) as caught:
            SettingsReader(studies).read(Path("smal"))
        offered[studies] = caught.value.hint.rpartition("known: ")[2].split(", ")
    assert {"char", "word_rare_unk"} <= {*offered[False]}
    assert "study_small" in offered[True]
    assert {*offered[False]}.isdisjoint(offered[True])


@pytest.mark.parametrize("error", [TextgenError("a"), RefusedText("a", "b", place=(1, 3))])
def test_an_error_can_be_copied_and_sent_to_another_process(error):
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
