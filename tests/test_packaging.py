"""What a user gets without a checkout: files by name, plug-ins of other packages, the schema."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import jsonschema
import pytest
from conftest import ROOT
from packaging.requirements import Requirement

import textgen
from textgen import cli
from textgen.core import experiment, settings, system
from textgen.core.errors import TextgenError
from textgen.core.experiment import TABLES, load_experiment
from textgen.evaluation.metrics import every_metric
from textgen.studies.study import Study, load_study

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = [
    *(ROOT / "experiments").glob("*.toml"),
    *(ROOT / "experiments" / "article").rglob("*.toml"),
    *(ROOT / "experiments" / "benchmarks").glob("*.toml"),
]
PLUGIN = '''
from dataclasses import dataclass
from textgen.tokenizers.rare_words import Unk

@dataclass(frozen=True)
class Hashed(Unk):
    """One of so many tokens."""
    buckets: int = 7

@dataclass(frozen=True)
class Shouting:
    """Capital letters."""
    labels = {}
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with plug-ins, as pip would install it; a function that adds entry points."""
    (tmp_path / "brought.py").write_text(PLUGIN)
    folder = tmp_path / "brought-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def add(**groups):
        lines = [f"[textgen.{group}]\n{entry}\n" for group, entry in groups.items()]
        (folder / "entry_points.txt").write_text("\n".join(lines))

    return add


def test_plugins_of_other_packages_are_known_everywhere(installed, capsys):
    installed(
        rare_words="hashed = brought:Hashed", metric="shouting = brought:Shouting",
        corpus="mine = textgen.data.corpora:Folder",
        baseline="mine = textgen.evaluation.baselines:KneserNey",
    )  # fmt: skip
    changes = ["tokenizer.rare_words={kind='hashed', buckets=3}", "corpus.kind=mine"]
    made = load_experiment("word_rare_unk", [*changes, "corpus.path=texts"])
    assert made.tokenizer.rare_words.buckets == 3
    assert made.resolved["tokenizer"]["rare_words"]["kind"] == "hashed"
    assert type(every_metric()[-1]).__name__ == "Shouting"
    assert cli.main(["corpus"]) == 0
    assert "mine " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["baseline", "--help"])
    assert "mine" in capsys.readouterr().out
    assert cli.main(["schema"]) == 0
    assert "buckets" in capsys.readouterr().out


def test_an_unknown_kind_may_be_that_of_a_missing_package_and_none_replaces_a_kind(installed):
    installed(rare_words="hashed = brought:Hashed")
    with pytest.raises(TextgenError) as caught:
        load_experiment("word_rare_unk", ["tokenizer.rare_words.kind=hashd"])
    for part in ("did you mean 'hashed'", "cluster, drop, hashed", "package that brings it"):
        assert part in str(caught.value)
    installed(rare_words="unk = brought:Hashed")
    assert settings.lookup("rare_words", "unk").__module__.startswith("textgen.")
    with pytest.raises(TextgenError, match="unk = brought:Hashed"):
        settings.plugin_table("rare_words")
    installed(metrics="shouting = brought:Shouting")
    with pytest.raises(TextgenError, match=r"textgen\.metrics(.|\n)*did you mean 'metric'"):
        settings.plugin_table("metric")


def test_entry_points_are_not_read_for_kinds_of_textgen(monkeypatch):
    def refuse():
        raise AssertionError

    monkeypatch.setattr(metadata, "distributions", refuse)
    assert load_experiment("char").name == "char"


def test_a_file_in_front_of_one_comes_before_that_of_textgen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    for file in ("experiments/char_small.toml", "char_small.toml"):
        (tmp_path / file).write_text(
            f'include = "{ROOT}/experiments/char.toml"\nseed = {len(file)}\n'
        )
        assert load_experiment("char_small").seed == len(file)


def test_experiments_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        experiment, "EXPERIMENT_FOLDERS", (tmp_path / "no checkout", ROOT / "experiments")
    )
    (tmp_path / "char").mkdir()
    for name in ("char", "char.toml", "experiments/char.toml", "article/shift_3"):
        assert load_experiment(name).name == Path(name).stem
    study = load_study("study_small")
    assert (study.name, len(study.arms)) == ("study_small", 2)
    (tmp_path / "own.toml").write_text(
        '[budget]\nupdates = 5\n[arms.a]\nexperiment = "char.toml"\nseeds = 1\n'
    )
    assert load_study("own.toml").experiment("a").training.updates == 5
    for wrong, name in (("chr", "char"), ("article/shift3", "article/shift_3")):
        with pytest.raises(TextgenError, match=f"did you mean '{name}'"):
            load_experiment(wrong)


@pytest.fixture(scope="module")
def schemas():
    """Validators of experiment files (False) and of study files (True)."""
    made = {False: experiment.json_schema(), True: experiment.json_schema(Study)}
    for schema in made.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return {study: jsonschema.Draft202012Validator(schema) for study, schema in made.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_files_that_come_with_textgen_match_the_schema(path, schemas):
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    schemas["arms" in data].validate(data)
    if "arms" not in data and "objective" in data and "include" not in data:
        schemas[False].validate(load_experiment(path).resolved)


WRONG = [
    "trainign = {}", "training.batch = 0", "tokenizer.kind = 'wrods'", "corpus.fallback = 3",
    "tokenizer = { kind = 'characters', case = 'lower' }", "backbone.adaptive_softmax.hed = 3",
    "tokenizer.rare_words = { kind = 'unk', tags = 'fine' }",
    "arms.char = { experiment = 'char.toml', seeds = 0 }", "threads = 0",
]  # fmt: skip


def test_the_schema_has_every_setting_and_kind_once_and_nothing_else(schemas):
    properties = schemas[False].schema["properties"]
    names, *tables = properties["embedding"]["anyOf"]
    kinds = [table["properties"]["kind"]["const"] for table in tables]
    assert names["enum"] == kinds == sorted(settings.plugin_table("embedding"))
    assert {"include", "name", "seed", "language", *TABLES} == set(properties)
    for text in WRONG:
        assert not schemas["arms" in text or "threads" in text].is_valid(tomllib.loads(text)), text


def test_the_version_is_printed(capsys):
    for command in (["--version"], ["run", "--version"]):
        with pytest.raises(SystemExit, match="0"):
            cli.main(command)
        assert capsys.readouterr().out == f"textgen {textgen.__version__}\n"


def test_the_cache_is_where_the_system_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.delenv("TEXTGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert system.cache_folder() == tmp_path / "textgen"
    monkeypatch.setenv("TEXTGEN_CACHE", str(tmp_path / "own"))
    assert system.cache_folder() == tmp_path / "own"


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-cpu.lock", "requirements-test.lock"]
)
def test_a_lock_has_every_dependency_and_no_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert not re.search(r"https?:|file:|^-|/", text.replace(" \\\n", ""), re.MULTILINE)
    if "cpu" in name:
        assert "tensorflow" not in pinned
        pinned["tensorflow"] = pinned["tensorflow-cpu"]
    wanted_lines = list(PROJECT["project"]["dependencies"])
    if "test" in name:
        extras = PROJECT["project"]["optional-dependencies"]
        wanted_lines += [line for line in extras["test"] if not line.startswith("textgen-compare")]
    for line in wanted_lines:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[wanted.name.lower()]), line


def test_the_wheel_carries_experiments_and_sources(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    paths = {each.distribution_path for each in builder.recurse_included_files()}
    for path in FILES:
        assert f"textgen/{path.relative_to(ROOT)}" in paths
    assert {"textgen/data/SOURCES.toml", "textgen/py.typed", "textgen/core/__init__.py"} <= paths
    assert all(path.startswith("textgen/") for path in paths)
    assert not [path for path in paths if "/results/" in path or path.endswith((".sh", ".md"))]
