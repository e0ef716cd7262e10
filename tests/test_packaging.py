"""What a user gets without a checkout; imports in one direction, nothing heavy at the door."""

import ast
import itertools
import re
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path
from unittest.mock import Mock

import jsonschema
import pytest
import tomli_w
from conftest import ROOT, python
from packaging.markers import Marker
from packaging.requirements import Requirement

from textgen import cli
from textgen.core import experiment, reading, registry
from textgen.core.errors import TextgenError
from textgen.core.experiment import TABLES, load_experiment
from textgen.evaluation.metrics import LettersDivergence, every_metric
from textgen.studies.study import Study, load_study
from textgen.tokenizers.rare_words import Unk

pytestmark = pytest.mark.fast

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FILES = sorted(ROOT.glob("experiments/**/*.toml"))
RESEARCH = ROOT / "experiments" / "research"
OPTIONAL = ("transformers", "torch", "pydantic-core")  # for audits; a part of pydantic
INCOMPLETE = ("base", "sweep", "base_words")  # included by others


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package with plug-ins, as pip would install it; a function that adds entry points."""
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
        rare_words="hashed = textgen.tokenizers.parts_of_speech:Pos",
        metric="mine = textgen.evaluation.metrics:LettersDivergence",
        corpus="mine = textgen.data.corpora:Folder",
        baseline="mine = textgen.evaluation.baselines:KneserNey",
    )
    changes = ["tokenizer.rare_words={kind='hashed', tags='noun'}", "corpus.kind=mine"]
    made = load_experiment("word_rare_unk", [*changes, "corpus.path=texts"])
    assert made.tokenizer.rare_words.tags == "noun"
    assert isinstance(every_metric()[-1], LettersDivergence)
    for command, shown in ((["corpus"], "mine "), (["schema"], '"hashed"')):
        assert cli.main(command) == 0
        assert shown in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cli.main(["baseline", "--help"])
    assert "mine" in capsys.readouterr().out


def test_an_unknown_kind_may_be_that_of_a_missing_package_and_none_replaces_a_kind(installed):
    installed(rare_words="hashed = brought:Missing")
    with pytest.raises(TextgenError) as caught:
        load_experiment("word_rare_unk", ["tokenizer.rare_words.kind=hashd"])
    for part in ("did you mean 'hashed'", "cluster, drop, hashed", "provides this kind"):
        assert part in str(caught.value)
    installed(rare_words="unk = brought:Missing")
    assert registry.lookup("rare_words", "unk") is Unk
    with pytest.raises(TextgenError, match="unk = brought:Missing"):
        registry.plugin_table("rare_words")


def test_entry_points_of_other_projects_break_nothing_and_explain_a_kind_that_is_missing(installed):
    installed(rules="mine = brought:Missing", metrics="counted = brought:Missing")
    assert {"mine", "counted"}.isdisjoint(registry.plugin_table("metric"))
    message = r"(?s)^unknown metric.*textgen\.metrics.*did you mean 'metric'"
    with pytest.raises(TextgenError, match=message):
        registry.lookup("metric", "counted")


def test_experiments_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = tmp_path / "no checkout", ROOT / "experiments"
    monkeypatch.setattr(reading, "EXPERIMENT_FOLDERS", folders)
    # and no entry points are read for kinds of textgen
    monkeypatch.setattr(metadata, "distributions", Mock(side_effect=AssertionError))
    (tmp_path / "char").mkdir()
    for name in ("char", "char.toml", "experiments/char.toml", "article/shift_3"):
        assert load_experiment(name).name == Path(name).stem
    assert len(load_study("study_small").arms) == 2
    own = 'budget.updates = 5\narms.a = { experiment = "char.toml", seeds = 1 }'
    (tmp_path / "own.toml").write_text(own)
    assert load_study("own.toml").experiment("a").training.updates == 5
    for wrong, name in (("chr", "char"), ("article/shift3", "article/shift_3")):
        with pytest.raises(TextgenError, match=f"did you mean '{name}'"):
            load_experiment(wrong)
    (tmp_path / "experiments").mkdir()  # what lies here comes before what comes with textgen
    for file in ("experiments/char_small.toml", "char_small.toml"):
        included = f'include = "{ROOT}/experiments/char.toml"'
        (tmp_path / file).write_text(f"{included}\nseed = {len(file)}\n")
        assert load_experiment("char_small").seed == len(file)


@pytest.fixture(scope="module")
def schemas():
    """Validators of experiment files (False) and of study files (True)."""
    made = {False: experiment.json_schema(), True: experiment.json_schema(Study)}
    for schema in made.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    return {study: jsonschema.Draft202012Validator(schema) for study, schema in made.items()}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_file_matches_the_schema_and_resolves_to_itself(path, schemas, tmp_path):
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    is_study = "arms" in reading.SettingsReader().read(path)
    schemas[is_study].validate(data)
    if is_study:
        assert all(c.question.endswith("?") and c.yes for c in load_study(path).contrasts)
    elif path.stem not in INCOMPLETE:
        made = load_experiment(path)
        schemas[False].validate(made.resolved)
        (tmp_path / f"{path.stem}.toml").write_text(tomli_w.dumps(made.resolved), encoding="utf-8")
        assert load_experiment(tmp_path / f"{path.stem}.toml") == made


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
    assert names["enum"] == kinds == sorted(registry.plugin_table("embedding"))
    assert {"include", "name", "seed", "language", *TABLES} == set(properties)
    for text in WRONG:
        assert not schemas["arms" in text or "threads" in text].is_valid(tomllib.loads(text)), text


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.lock")))
def test_a_lock_has_every_dependency_and_no_address(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    assert not re.search(r"https?:|file:|^-|/", text.replace(" \\\n", ""), re.MULTILINE)
    if "cpu" in name:
        assert "tensorflow" not in pinned
        pinned["tensorflow"] = pinned["tensorflow-cpu"]
    tested = PROJECT["project"]["optional-dependencies"]["test"] if "test" in name else []
    for wanted in map(Requirement, [*PROJECT["project"]["dependencies"], *tested]):
        own = wanted.name == PROJECT["project"]["name"]
        assert own or wanted.specifier.contains(pinned[wanted.name.lower()]), wanted


SYSTEMS = {  # the names of a system, and whether constriction has a wheel for it
    ("linux", "Linux", "x86_64"): True,
    ("linux", "Linux", "aarch64"): False,
    ("darwin", "Darwin", "arm64"): True,
    ("darwin", "Darwin", "x86_64"): True,
    ("win32", "Windows", "AMD64"): True,
}


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("*.lock")))
@pytest.mark.parametrize("system", SYSTEMS, ids=str)
def test_a_lock_installs_what_the_project_needs_on_every_system(name, system):
    """No more, either, of what has no wheel on some: one that is missing blocks all others."""
    lines = re.findall(r"^([\w.-]+)==[^\s;]+(?: ; ([^\\\n]+))?", (ROOT / name).read_text(), re.M)
    keys = "sys_platform", "platform_system", "platform_machine"
    environment = dict(zip(keys, system, strict=True)) | {"extra": ""}
    installed = {n for n, marker in lines if not marker or Marker(marker).evaluate(environment)}
    installed |= {"tensorflow"} & {each.removesuffix("-cpu") for each in installed}
    needed = {
        wanted.name.lower()
        for wanted in map(Requirement, PROJECT["project"]["dependencies"])
        if not wanted.marker or wanted.marker.evaluate(environment)
    }
    assert needed <= installed
    for packages in (needed, installed):
        assert ("constriction" in packages) is SYSTEMS[system]


def test_what_is_imported_is_declared():
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = itertools.chain(PROJECT["project"]["dependencies"], *extras)
    names = {*(Requirement(each).name.lower() for each in declared), *OPTIONAL}
    found, brought = set(), metadata.packages_distributions()
    for path in (ROOT / "textgen").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            found |= {a.name for a in node.names} if isinstance(node, ast.Import) else set()
            found |= {node.module} if isinstance(node, ast.ImportFrom) else set()
    for module in {name.partition(".")[0] for name in found} - sys.stdlib_module_names:
        by = {name.replace("_", "-").lower() for name in brought.get(module, [module])}
        assert module == "textgen" or by & names, module


def test_the_wheel_carries_experiments_and_sources():
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(ROOT))
    paths = {each.distribution_path for each in builder.recurse_included_files()}
    shipped = {p.relative_to(ROOT) for p in FILES if not p.is_relative_to(RESEARCH)}
    assert {f"textgen/{path}" for path in shipped} <= paths
    assert {"textgen/data/SOURCES.toml", "textgen/py.typed", "textgen/core/__init__.py"} <= paths
    assert all(path.startswith("textgen/") for path in paths)
    unwanted = (".sh", ".md", ".ipynb")
    assert not [path for path in paths if "/research/" in path or path.endswith(unwanted)]


def test_the_source_distribution_has_no_large_page_and_no_results_of_research():
    builder = pytest.importorskip("hatchling.builders.sdist").SdistBuilder(str(ROOT))
    files = list(builder.recurse_included_files())
    paths = {each.distribution_path for each in files}
    assert {"textgen/cli.py", "experiments/char.toml", "docs/README.md"} <= paths
    assert not [path for path in paths if "research" in path and "/results/" in path]
    assert max(Path(each.path).stat().st_size for each in files) < 2e6


PACKAGES = (
    "core ngrams data embeddings tokenizers models evaluation training runs interactive auditing "
    "report studies"
).split()
"""Each may import those before it."""
DOORS = "__main__ cli commands run compare testing".split()
HEAVY = {
    "tensorflow", "keras", "spacy", "gensim", "scipy", "wordfreq", "py3langid", "pooch", "requests",
    "ray", "matplotlib", "jinja2", "pyppmd", "pandas", "nbformat", "starlette", "uvicorn",
}  # fmt: skip
HEAVIEST = {"tensorflow", "keras", "spacy", "gensim", "matplotlib"}
MAX_LATE_IMPORTS = 12
"""Imports of textgen's own modules inside functions: where TensorFlow begins."""
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "textgen").rglob("*.py"))
}


def imports(module):
    """(module of textgen that is imported, whether inside a function) for each import of one."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    # those for annotations, below ``if TYPE_CHECKING``
    left_out = {n for block in tree.body if isinstance(block, ast.If) for n in ast.walk(block)}
    found = set()
    for node in {*ast.walk(tree)} - left_out:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add((full if full in MODULES else node.module, node.col_offset > 0))
        elif isinstance(node, ast.Import):
            found |= {(alias.name, node.col_offset > 0) for alias in node.names}
    return {(name, late) for name, late in found if name in MODULES}


IMPORTS = {module: imports(module) for module in MODULES}


def package(module):
    """The package of a module, or "" for the root's own."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in PACKAGES else ""


def test_imports_point_one_way():
    """The root holds doors and packages and nothing else."""
    names = {path.stem for path in (ROOT / "textgen").iterdir()}
    assert names - {"__init__", "__pycache__", "py", "README"} == {*PACKAGES, *DOORS}
    order = {name: i for i, name in enumerate(PACKAGES)}
    for module, found in IMPORTS.items():
        for name, _ in found:
            if package(module):
                assert package(name) or name == "textgen", f"{module} imports {name}, a door"
                below = order.get(package(name), 0) <= order[package(module)]
                assert below, f"{module} imports {name}, which comes after it"


def test_no_module_imports_itself_through_others_and_few_imports_are_late():
    graph = {m: {name for name, _ in found} for m, found in IMPORTS.items()}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    late = sorted((m, name) for m, found in IMPORTS.items() for name, late in found if late)
    assert len(late) <= MAX_LATE_IMPORTS, late


def test_no_door_imports_anything_heavy():
    """The commands, which come last, bring libraries of a moment."""
    code = "import runpy, sys, textgen\n"
    doors = sorted(DOORS, key="commands".__eq__)
    for door, heavy in zip(doors, [HEAVY] * (len(DOORS) - 1) + [HEAVIEST], strict=True):
        code += f"runpy.run_module('textgen.{door}')\n"
        code += f"assert not (found := {heavy!r} & set(sys.modules)), ({door!r}, found)\n"
    python(code)
