"""Bad files, settings and arguments at every command: one message, exit code 2, nothing written."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from conftest import made_up, write_experiment

import textgen as package
from textgen.core.experiment import TABLES

DEEP = 5_000
VALID = """
[corpus]
kind = "folder"
path = "tales"
[tokenizer]
kind = "characters"
[objective]
kind = "next_token"
window = 16
[backbone]
units = [24]
[training]
updates = 10
batch = 8
[sampling]
length = 50
samples = 1
"""
LONG = "n" * 5_000
STRANGE = "half a \udcff pair"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with texts, an experiment, a study and a finished run."""
    home = tmp_path_factory.mktemp("hostile")
    tales = home / "tales"
    tales.mkdir()
    for i in range(6):
        (tales / f"{i}.txt").write_text(made_up(20, i), encoding="utf-8")
    (tales / "deep.json").write_text('{"model":' * 100_000)
    (tales / "list.json").write_text("[1, 2]")
    write_experiment(home / "tiny.toml", tales)
    package.train(
        home / "tiny.toml", overrides=["training.updates=10"], runs_folder=home / "runs", quiet=True
    )
    (home / "valid.toml").write_text(VALID, encoding="utf-8")
    (home / "study.toml").write_text(
        '[budget]\nupdates = 5\n[arms.a]\nexperiment = "valid.toml"\nseeds = 1\n', encoding="utf-8"
    )
    (home / "loop.toml").symlink_to("loop.toml")
    (home / "dangling.toml").symlink_to("nowhere")
    (home / "binary.toml").write_bytes(bytes(range(256)))
    (home / "folder.toml").mkdir()
    return home


@pytest.fixture
def refused(home, tmp_path, textgen, monkeypatch):
    """Runs a command, which has to be refused with one message and to leave nothing behind."""

    def accepted(*_, **__):
        raise AssertionError("this was accepted")

    monkeypatch.setattr("textgen.runs.pipeline._train", accepted)
    before = sorted(home.iterdir())

    def command(name: str, *arguments) -> str:
        done = textgen(name, *arguments)
        told = f"{done.out}\n{done.err}"
        assert done.code == 2, told[:2000]
        assert "Traceback" not in told
        usage = "usage: " in done.err  # of argparse
        assert len(done.err) < (20_000 if usage else 4_000), len(done.err)
        said = done.err.removeprefix("LEFT OUT: ") if name == "compare" else done.err
        assert usage or said != done.err or said.startswith("textgen: "), done.err[:2000]
        assert usage or len(said.splitlines()) <= (12 if name == "compare" else 6), said[:2000]
        assert not {*done.err} & {*map(chr, range(9)), *map(chr, range(11, 32)), "\u202e"}
        assert not (tmp_path / "reports").exists()
        runs = tmp_path / "runs"
        assert not runs.exists() or not [p for p in runs.rglob("*") if p.name == "metrics.json"]
        return done.err

    (tmp_path / "tales").symlink_to(home / "tales")
    yield command
    assert sorted(home.iterdir()) == before


TOML = {
    "empty": "",
    "no TOML": "a b c",
    "brackets": "a = " + "[" * DEEP,
    "closed brackets": "a = " + "[" * DEEP + "]" * DEEP,
    "nested tables": "a = " + "{b = " * DEEP + "1" + "}" * DEEP,
    "nested below the limit of Python": "[training]\nupdates = " + "[" * 150 + "]" * 150,
    "dotted key": ".".join(["a"] * 20_000) + " = 1",
    "dotted table": "[" + ".".join(["training"] * 20_000) + "]",
    "a long key": LONG + " = 1",
    "a long number": "seed = " + "9" * 5_000,
    "a long hexadecimal number": "seed = 0x" + "f" * 5_000,
    "a large number": "seed = 99999999999999999999",
    "a long name": f'name = "{LONG}"',
    "a date": "seed = 2020-01-01",
    "a time": "[training]\nupdates = 10:00:00",
    "NUL in it": 'name = "a\0b"',
    "NUL as an escape": 'name = "a\\u0000b"',
    "an escape sequence": 'name = "a\\u001b[2J"',
    "twice": "seed = 1\nseed = 2",
    "a study": '[arms.a]\nexperiment = "char.toml"',
    "bytes": bytes(range(256)),
    "UTF-16": VALID.encode("utf-16"),
    "half a pair": b'name = "\xed\xa0\x80"',
    "a mark": b"\xef\xbb\xbfseed = 1",
    "includes itself": 'include = "bad.toml"',
    "includes nothing": 'include = ""',
    "includes a folder": 'include = "tales"',
    "includes what is missing": 'include = "none.toml"',
    "includes NUL": 'include = "a\\u0000b"',
    "includes a long name": f'include = "{LONG}"',
    "includes a number": "include = 3",
    "includes a list": 'include = ["a", "b"]',
    "includes bytes": 'include = "binary.toml"',
    "includes a loop": 'include = "loop.toml"',
    "includes a link to nothing": 'include = "dangling.toml"',
    "includes a device": 'include = "/dev/null"',
}


@pytest.mark.parametrize("command", ["run", "baseline", "corpus", "study"])
@pytest.mark.parametrize("content", TOML.values(), ids=TOML)
def test_a_bad_file_is_refused(refused, home, tmp_path, command, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("loop", "dangling", "binary"):
        (tmp_path / f"{name}.toml").symlink_to(home / f"{name}.toml")
    if (command, content) == ("study", TOML["a study"]):
        return
    refused(command, path)


def test_includes_without_end_are_refused(refused, tmp_path):
    for i in range(1_500):
        (tmp_path / f"{i}.toml").write_text(f'include = "{i + 1}.toml"')
    (tmp_path / "1500.toml").write_text(VALID)
    assert "deep" in refused("run", tmp_path / "0.toml")


VALUES = ["3", '"x"', "[]", "[[1]]", "true", "2020-01-01", "nan", "{ x = 1 }", '"a\\u001b"']


@pytest.mark.parametrize(("table", "value"), itertools.product(TABLES, VALUES))
def test_a_table_that_is_none_is_refused(refused, home, table, value):
    if (table, value) in {("backbone", "[]"), ("embedding", '"random"')}:
        return
    refused("run", home / "valid.toml", "--set", f"{table}={value}")


SETTINGS = [
    "training.updates=0", "training.updates=-1", "training.updates=1.5", "training.updates='1'",
    "training.updates=true", "training.updates=[]", f"training.updates={10**30}",
    "training.seconds=nan", "training.seconds=inf", "training.seconds=-inf", "training.seconds=0",
    "training.epochs=nan", "training.characters=0", "training.batch=0", "training.batch=1e9",
    "training.learning_rate=nan", "training.learning_rate=-inf", "training.learning_rate=0",
    "training.weight_decay=inf", "training.weight_decay=-1", "training.clip_norm=nan",
    "training.clip_norm=inf", "training.warmup=nan", "training.warmup=1", "training.ema_decay=nan",
    "training.validations=0", "training.patience=-1", "training.threads=-1",
    "training.optimizer=adamm", "training.schedule=cos", "training.loss=3",
    "training.deterministic=1", "training.table_rate=inf",
    "backbone.units=[]", "backbone.units=[0]", "backbone.units=[nan]", "backbone.units=3",
    "backbone.units=[[1]]", f"backbone.units=[{10**30}]", "backbone.units=auto",
    "backbone.dropout=nan", "backbone.dropout=1", "backbone.dropout=-0.1", "backbone.kind=lstn",
    "backbone.x=1", "backbone.input=x", "backbone.embedding_size=0", "backbone.tied_output=1",
    "split.test=nan", "split.test=0.5", "split.test=[]", "split.test=[1]", "split.test=['']",
    "split.validation=inf", "split.validation=-0.1", "split.seed=1.5", "split.groups=[[]]",
    "split.groups=[['a'], []]", "split.groups=[1]", "split.fold=1", "split.folds=1",
    "split.folds=2", "split.method=x", "split.exact=true", "split.first=test", "split.train=[]",
    "split.test=['none*']", "split.test=['\\u0000']", "split.groups=[['0.txt','none']]",
    "sampling.length=0", f"sampling.length={10**22}", "sampling.length=1_000_001",
    "sampling.length=nan", "sampling.samples=0", "sampling.samples=10_001", "sampling.prompts=[]",
    "sampling.prompts=['☃']", "sampling.prompts=[1]", "sampling.temperature=nan",
    "sampling.temperature=inf", "sampling.temperature=11", "sampling.top_p=0", "sampling.top_p=nan",
    "sampling.top_k=-1", "sampling.fill=x", "sampling.memory=true", "sampling.every=-1",
    "memory.orders=[2,1]", "memory.orders=[-1]", "memory.orders=[65]", "memory.orders=[nan]",
    "memory.learning_rate=nan", "memory.learning_rate=0.1", "memory.orders=3",
    "objective.window=0", "objective.window=nan", "objective.kind=x", f"objective.window={2**63}",
    "tokenizer={kind='subwords',file='none'}", "tokenizer={kind='subwords',file='tales'}",
    "tokenizer={kind='subwords',file='tales/0.txt'}", "tokenizer={kind='subwords',file='\\u0000'}",
    "tokenizer={kind='subwords',file='tales/deep.json'}", "tokenizer={kind='subwords',file=3}",
    "tokenizer={kind='subwords',file='tales/list.json'}", "tokenizer={kind='subwords',file=''}",
    f"tokenizer={{kind='subwords',file='{LONG}'}}", "tokenizer.kind=x", "tokenizer.size=3",
    "embedding.kind=x",
    "tokenizer={kind='subwords',size=0}", "tokenizer={kind='words',rare_words='x'}",
    "tokenizer={kind='words',rare_words='unk',minimum_count=-1}", "tokenizer={kind='words'}",
    "tokenizer={kind='words',rare_words={kind='cluster',clusters=nan}}",
    "embedding={kind='file',path='none'}", "embedding={kind='file',path='tales'}",
    "embedding={kind='file',path='tales/0.txt'}", "embedding={kind='file',path='a\\u0000b'}",
    "corpus.kind=x", "corpus.path=none", "corpus.path=tales/0.txt", "corpus.path=''",
    "corpus.path='a\\u0000b'", f"corpus.path={LONG}", "corpus.path=3", "corpus.path=/dev/null",
    "corpus.pattern='../*'", "corpus.pattern='/etc/*'", "corpus.pattern=''", "corpus.pattern='**x'",
    "corpus.pattern='a\\u0000b'", "corpus.pattern='*.none'", f"corpus.pattern={LONG}",
    "corpus.encoding=x", "corpus.encoding='a\\u0000b'", "corpus.encoding=''", "corpus.encoding=hex",
    "corpus.encoding=utf-16", "corpus.encoding=rot13", f"corpus.encoding={LONG}",
    "corpus.encoding=undefined", "corpus.encoding=punycode",
    "corpus.keep=''", "corpus.keep=☃", "corpus.share=nan", "corpus.share=1", "corpus.share=0",
    "corpus.drop=3", "corpus.replace={ab='c'}", "corpus.replace=3", "corpus.strip=x",
    "corpus={kind='file',path='tales'}", "corpus={kind='file',path='none'}",
    "corpus={kind='file',path='a\\u0000b'}", "corpus={kind='file',path='tales/0.txt',pieces=0}",
    "corpus={kind='file',path='tales/0.txt',sha256='x'}", "corpus={kind='file',path='/dev/null'}",
    "corpus={kind='file',path='tales/0.txt',pieces=1}", "corpus.fallback=x", "corpus.fallback=3",
    "corpus={kind='file',path='tales/0.txt',sha256='" + "0" * 64 + "'}",
    "language=english", "language=3", "seed=-1", "seed=nan", "seed=2147483648", "seed='x'",
    "name=''", "name=a/b", "name=..", "name='a\\nb'", f"name={LONG}", "name=3", "name=-x",
    "arms.a=1", "document_cache=1", "include=x", "x=1", "", "=", "=1", "a", ".", "..=1", "a..b=1",
    "a.=1", ".a=1", "seed=1\nname='x'", "seed", "training.=3", "training=3\n[x]",
    ".".join(["a"] * 20_000) + "=1", ".".join(["training"] * 40) + "=1", "a=" + "[" * DEEP,
    "training.updates=" + "[" * DEEP + "]" * DEEP, "a=" + "{b=" * DEEP, "seed=" + "9" * 5_000,
    "seed=0x" + "f" * 5_000, f"{LONG}=1", f"name={STRANGE}", f"{STRANGE}=1", "na\0me=1",
    f"corpus.path={STRANGE}", f"sampling.prompts=['{STRANGE}']", "name=a\x1b[2Jb",
]  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda text: repr(text)[:40])
def test_a_bad_setting_is_refused(refused, home, setting):
    refused("run", home / "valid.toml", "--set", setting)


EXPERIMENTS = ["", ".", "/", "none", "none.toml", "folder.toml", "loop.toml", "dangling.toml",
               "binary.toml", "tales/0.txt", "valid.toml/x", "/dev/null", LONG, f"{LONG}.toml",
               "a\0b", STRANGE, "../none", "char\n", "runs/tiny", "\x1b[2J"]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "path"), itertools.product(["run", "study", "baseline", "corpus"], EXPERIMENTS),
    ids=lambda text: repr(text)[:30],
)  # fmt: skip
def test_what_is_no_experiment_is_refused(refused, home, command, path):
    refused(command, path if path.startswith("/") or not path else f"{home}/{path}")
    if path not in ("", "/", "/dev/null"):
        refused(command, path)


@pytest.mark.parametrize(
    ("command", "path"),
    itertools.product(["generate", "score", "compare", "play"], [*EXPERIMENTS, "tales", "runs"]),
    ids=lambda text: repr(text)[:30],
)  # fmt: skip
def test_what_is_no_run_is_refused(refused, home, command, path):
    more = {"score": ["--text=a"]}.get(command, [])
    if path == "runs/tiny":
        more, path = {"generate": ["--length=0"], "score": ["--file=none"], "compare": ["--name=/"],
                      "play": ["--port=-1"]}[command], f"{home}/{path}"  # fmt: skip
    refused(command, path, *more)


OPTIONS = {
    "generate": [
        "--length=0", "--length=-1", f"--length={10**22}", "--length=x", "--length=1.5",
        "--length=" + "9" * 5_000, "--temperature=nan", "--temperature=inf", "--temperature=-1",
        "--temperature=x", "--top-k=-1", "--top-k=x", "--top-p=0", "--top-p=2", "--top-p=nan",
        "--seed=-1", f"--seed={2**31}", f"--seed={10**30}", "--samples=0", f"--samples={10**9}",
        "--method=x", "--fill=x", f"--prompt={STRANGE}", "--prompt=☃", "--prompt=a\0b",
        "--prompt=\x1b[2J", "--method=article", "--x", f"--top-k={10**30}",
    ],
    "score": ["", "--file=none", "--file=.", "--file=a\0b", f"--file={LONG}", "--part=x",
              f"--file={STRANGE}", "--file=/dev/null/x", "--x"],
    "compare": ["--name=../../x", "--name=a/b", "--name=a\nb", f"--name={LONG}", "--name=.",
                f"--name={STRANGE}", "--name=a\0b", "--x", "--name=\x1b"],
    "play": ["--port=-1", "--port=65536", "--port=x", "--port=" + "9" * 5_000],
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "option"), [(c, o) for c, options in OPTIONS.items() for o in options],
    ids=lambda text: repr(text)[:30],
)  # fmt: skip
def test_a_bad_option_is_refused(refused, home, command, option):
    refused(command, home / "runs" / "tiny", *([option] if option else []))


OTHERS = [
    ("run", "--name="), ("run", "--name=a/b"), ("run", '--name=a"b'), ("run", "--name=a\nb"),
    ("run", '--name=a"\n#'), ("run", f"--name={LONG}"), ("run", "--name=a\0b"), ("run", "--x"),
    ("run", f"--name={STRANGE}"), ("run", "--runs=tales/0.txt"),
    ("run", "--runs=a\0b"), ("run", f"--runs={LONG}"),
    ("run", "--runs=/dev/null"), ("study", "--workers=x"), ("study", "--workers=0"),
    ("study", "--workers=-1"), ("study", f"--runs={LONG}"), ("study", "--runs=a\0b"),
    ("study", "--runs=/dev/null"), ("study", "--x"), ("baseline", "--order=0"),
    ("baseline", "--order=x"), ("baseline", f"--order={10**30}"), ("baseline", "--kind=x"),
    ("baseline", "--kind="), ("baseline", "--command={input"), ("baseline", "--command="),
    ("baseline", "--command=none {input}"), ("baseline", "--command=a\0b {input}"),
    ("baseline", "--x"), ("corpus", "--path=tales"), ("corpus", "--encoding=x"),
    ("corpus", "--keep="), ("corpus", "--x"), ("schema", "x"), ("schema", "--x"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "option"), OTHERS, ids=lambda text: repr(text)[:30])
def test_a_bad_option_of_other_commands_is_refused(refused, home, command, option):
    file = {"schema": None, "study": home / "study.toml"}.get(command, home / "valid.toml")
    refused(command, *([file] if file else []), option)


CORPORA = [
    ("folder",), ("folder", "--path=none"), ("folder", "--path=a\0b"), ("folder", f"--path={LONG}"),
    ("folder", "--path=tales", "--encoding=x"), ("folder", "--path=tales", "--encoding=a\0b"),
    ("folder", "--path=tales", "--keep="), ("folder", f"--path={STRANGE}"), ("file", "--path=."),
    ("file", "--path=none"), ("file", "--path=a\0b"), ("fo\0lder",), ("\x1b",), ("folder2",),
    ("folder", "--path=tales", "--set", "x=1"), ("folder", "--path=tales", "--set", "split=3"),
    ("folder", "--path=tales", f"--keep={STRANGE}"), ("folder", "--path=/dev/null"),
    ("folder", "--path=tales", "--set", "corpus=3"), ("folder", "--set", "corpus.path=3"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", CORPORA, ids=lambda each: repr(each)[:40])
def test_a_corpus_that_is_none_is_refused(refused, arguments):
    refused("corpus", *arguments)


STUDIES = [
    "[budget]",
    "[arms]",
    "[budget]\nupdates = 5",
    "[budget]\nupdates = nan\n[arms.a]",
    "[budget]\nupdates = 5\n[arms.a]",
    "[budget]\nupdates = 5\n[arms]\na = 3",
    "budget = 3",
    "[budget]\nupdates = 5\nseconds = 3\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1",
    "[budget]\nseconds = inf\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'none.toml'\nseeds = 1",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'a\\u0000b'\nseeds = 1",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = '/dev/null'\nseeds = 1",
    f"[budget]\nupdates = 5\n[arms.a]\nexperiment = '{LONG}'\nseeds = 1",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 0",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = [-1]",
    f"[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = {10**9}",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1\nset = ['x']",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1\nset = ['seed=3']",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1\nset = 3",
    "[budget]\nupdates = 5\n[arms.'a/b']\nexperiment = 'valid.toml'\nseeds = 1",
    "[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1\n[[contrasts]]",
    "threads = 0\n[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1",
    "title = 3\n[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1",
    "x = 3\n[budget]\nupdates = 5\n[arms.a]\nexperiment = 'valid.toml'\nseeds = 1",
    VALID,
]


@pytest.mark.parametrize("content", STUDIES, ids=lambda text: repr(text)[:60])
def test_a_bad_study_is_refused(refused, home, tmp_path, content):
    (tmp_path / "bad.toml").write_text(content, encoding="utf-8")
    (tmp_path / "valid.toml").write_text(VALID, encoding="utf-8")
    refused("study", tmp_path / "bad.toml")
