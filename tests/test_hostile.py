"""Bad files, settings and arguments: one sentence, exit code 2, nothing written, no traceback."""

import re
import shutil
from itertools import cycle, product
from pathlib import Path

import pytest
from conftest import made_up

from textgen.core.experiment import TABLES
from textgen.core.files import write_file
from textgen.core.terminal import visible

DEEP = 5_000
VALID = """
corpus = { kind = "folder", path = "tales" }
tokenizer = "characters"
objective = { kind = "next_token", window = 16 }
training = { updates = 10 }
"""
LONG = "n" * 5_000
BUDGET = "[budget]\nupdates = 5\n"
ARM = "[arms.a]\nexperiment = 'valid.toml'\nseeds = 1\n"
STRANGE = "half a \udcff pair"
short = "{!r:.50}".format


@pytest.fixture(scope="module")
def home(tmp_path_factory, finished_run) -> Path:
    """A folder with texts, an experiment, a study and a finished run."""
    home = tmp_path_factory.mktemp("hostile")
    for i in range(6):
        write_file(home / "tales" / f"{i}.txt", made_up(20, i))
    shutil.copytree(finished_run(), home / "runs" / "tiny")
    write_file(home / "valid.toml", VALID)
    write_file(home / "study.toml", BUDGET + ARM)
    write_file(home / "binary.toml", bytes(range(256)))
    (home / "loop.toml").symlink_to("loop.toml")
    (home / "dangling.toml").symlink_to("nowhere")
    (home / "folder.toml").mkdir()
    return home


@pytest.fixture
def refused(home, tmp_path, textgen, monkeypatch):
    """Runs a command, which has to be refused on one screen and to leave nothing behind."""
    trained = []
    monkeypatch.setattr("textgen.runs.pipeline._train", lambda *_, **__: trained.append(1))
    before = sorted(home.iterdir())

    def command(name: str, *arguments) -> str:
        given = (str(each).replace("{home}", str(home)) for each in arguments)
        done = textgen(name, *given, code=2)
        assert not trained
        usage = "usage: " in done.err  # of argparse
        said = done.err.removeprefix("LEFT OUT: ") if name == "compare" else done.err
        assert usage or said != done.err or said.startswith("textgen: "), done.err[:2000]
        assert usage or len(said.splitlines()) <= (12 if name == "compare" else 6), said[:2000]
        assert len(done.err) < (20_000 if usage else 4_000), len(done.err)
        assert not {*done.err} & {*map(chr, range(9)), *map(chr, range(11, 32)), "\u202e"}
        assert not (tmp_path / "reports").exists()
        assert not list((tmp_path / "runs").rglob("metrics.json"))
        return done.err

    (tmp_path / "tales").symlink_to(home / "tales")
    yield command
    assert sorted(home.iterdir()) == before


TOML = [
    "", "a b c", "a = " + "[" * DEEP + "]" * DEEP, "a = " + "{b = " * DEEP + "1" + "}" * DEEP,
    "[training]\nupdates = " + "[" * 150 + "]" * 150, ".".join(["a"] * 20_000) + " = 1",
    "[" + ".".join(["training"] * 20_000) + "]", LONG + " = 1", "seed = " + "9" * 5_000,
    "seed = 0x" + "f" * 5_000, "seed = 99999999999999999999", "seed = 2020-01-01",
    'name = "a\\u0000b"', 'name = "a\\u001b[2J"', '[arms.a]\nexperiment = "char.toml"',
    bytes(range(256)), VALID.encode("utf-16"), b'name = "\xed\xa0\x80"',
    *(f'include = "{name}"' for name in ("bad.toml", "", "a\\u0000b", LONG, "binary.toml")),
    'include = ["a", "b"]', 'include = "loop.toml"', 'include = "/dev/null"',
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "content"),
    zip(cycle(["run", "baseline", "corpus", "study"]), TOML, strict=False),
    ids=short,
)
def test_a_bad_file_is_refused(refused, home, tmp_path, command, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for name in ("loop", "dangling", "binary"):
        (tmp_path / f"{name}.toml").symlink_to(home / f"{name}.toml")
    refused("run" if "arms" in str(content) else command, path)


def test_includes_without_end_are_refused(refused, tmp_path):
    for i in range(25):
        (tmp_path / f"{i}.toml").write_text(f'include = "{i + 1}.toml"')
    (tmp_path / "25.toml").write_text(VALID)
    assert "deep" in refused("run", tmp_path / "0.toml")


VALUES = ["3", '"x"', "[[1]]", "2020-01-01", "nan", "{ x = 1 }"]
SETTINGS = [
    "training.updates=0", "training.updates=true", f"training.updates={10**30}",
    "training.seconds=nan", "training.seconds=inf", "training.batch=1e9", "backbone.units=[nan]",
    f"backbone.units=[{10**30}]", "backbone.x=1", "backbone.tied_output=true", "backbone.ngrams={}",
    "backbone={input='embedding',tied_output=true,projection=5}",
    "backbone={kind='transformer',head_size=5}", "backbone={kind='gru',forget_bias=true}",
    "split.test=0.5", "split.test=[]", "split.test=['']", "split.groups=[[]]", "split.fold=1",
    "split.folds=2", "split.exact=true", "split.test=['none*']", "split.test=['\\u0000']",
    "split.groups=[['0.txt','none']]", "sampling.samples=10_001", "sampling.prompts=[]",
    "sampling.prompts=['☃']", "sampling.top_p=0", "sampling.part=with_cache", "cache.orders=[2,1]",
    "cache.orders=[65]", "cache.learning_rate=0.1", f"objective.window={2**63}",
    "tokenizer={kind='subwords',size=256}", "tokenizer={kind='words',rare_words='x'}",
    "tokenizer={kind='words',rare_words='unk',minimum_count=99999}", "tokenizer={kind='words'}",
    "embedding={kind='word2vec'}", "embedding={kind='file',path='none'}",
    "embedding={kind='file',path='tales/0.txt'}", "embedding={kind='file',path='a\\u0000b'}",
    "corpus.path=none", "corpus.path=tales/0.txt", "corpus.path=''", "corpus.path='a\\u0000b'",
    f"corpus.path={LONG}", "corpus.path=/dev/null", "corpus.pattern='../*'", "corpus.pattern='**x'",
    "corpus.pattern='/etc/*'", "corpus.pattern='a\\u0000b'", f"corpus.pattern={LONG}",
    "corpus.encoding='a\\u0000b'", "corpus.encoding=''", "corpus.encoding=hex",
    "corpus.encoding=undefined", "corpus.keep=''", "corpus.keep=☃", "corpus.replace={ab='c'}",
    "corpus={kind='file',path='tales'}", "corpus={kind='file',path='/dev/null'}",
    "corpus={kind='file',path='tales/0.txt',sha256='" + "0" * 64 + "'}", "seed=2147483648",
    "language=english", "name=..", "name='a\\nb'", f"name={LONG}", "arms.a=1", "include=x",
    "x=1", "", "=", "a", "..=1", "a..b=1", "seed=1\nname='x'", "seed",
    "training=3\n[x]", ".".join(["a"] * 20_000) + "=1", ".".join(["training"] * 40) + "=1",
    "a=" + "[" * DEEP, "training.updates=" + "[" * DEEP + "]" * DEEP, "a=" + "{b=" * DEEP,
    "seed=" + "9" * 5_000, "seed=0x" + "f" * 5_000, f"{LONG}=1", f"name={STRANGE}", f"{STRANGE}=1",
    "na\0me=1", f"corpus.path={STRANGE}", f"sampling.prompts=['{STRANGE}']", "name=a\x1b[2Jb",
]  # fmt: skip


@pytest.mark.parametrize(
    "setting", [*SETTINGS, *(f"{table}={value}" for table, value in product(TABLES, VALUES))],
    ids=short,
)  # fmt: skip
def test_a_bad_setting_is_refused(refused, setting):
    message = refused("run", "{home}/valid.toml", "--set", setting)
    table, dot, _ = setting.partition("=")[0].partition(".")
    if dot and table in ("training", "split", "backbone", "cache", "objective"):
        assert table in message


PATHS = ["", ".", "/", "none", "none.toml", "folder.toml", "loop.toml", "dangling.toml",
         "/dev/null", "binary.toml", "tales/0.txt", "valid.toml/x", LONG, f"{LONG}.toml", "a\0b",
         STRANGE, "../none", "char\n", "\x1b[2J"]  # fmt: skip


UNICODE = "text that is not valid Unicode"


def shown(path: str) -> str:
    """A path as a message has it, behind a colon; of a long one, the beginning."""
    full = visible(str(Path(path))).replace("\n", "\u240a")
    return f": {full[:500]}"


def path_cases():
    """(arguments of a command, what is named)"""
    commands = cycle(["run", "generate", "study", "score", "baseline", "compare", "corpus", "play"])
    for path in (*PATHS, *(f"{{home}}/{path}" for path in PATHS if path)):
        for command in (next(commands), next(commands)):
            if command == "corpus" and path.endswith("."):  # a folder of texts
                continue
            arguments = [command, path]
            if command == "score":
                arguments.append("--text=a")
            yield arguments, shown(path)


# options of commands; with some, in a tuple, what is named in place of the option
RUN_OPTIONS = {
    "generate": [
        f"--length={10**22}", "--length=x", "--length=" + "9" * 5_000, "--temperature=nan",
        f"--top-k={10**30}", "--top-p=0", f"--samples={10**9}", "--fill=x",
        (f"--prompt={STRANGE}", UNICODE), ("--prompt=☃", "--prompt: '☃' (U+2603)"),
        ("--prompt=a\0b", "--prompt: '\\x00'"), ("--prompt=\x1b[2J", "--prompt: '\\x1b'"),
        ("--method=article", "--method article"), "--x",
    ],
    "score": [
        ("", "--text --file --split --items"), "--part=x", "--text=",
        *((f"--file={path}", shown(path)) for path in (
            "none", ".", "a\0b", LONG, STRANGE, "/dev/null/x", "/dev/null"
        )),
    ],
    "compare": ["--name=../../x", "--name=a\nb", f"--name={LONG}", f"--name={STRANGE}",
                "--name=a\0b", "--name=\x1b"],
    "play": ["--port=-1", "--port=65536", "--port=" + "9" * 5_000],
}  # fmt: skip
FILE_OPTIONS = {
    "run": [
        "--name=a/b", f"--name={LONG}", "--name=a\0b", (f"--name={STRANGE}", UNICODE),
        *((f"--runs={path}", shown(path)) for path in ("tales/0.txt", "a\0b", LONG, "/dev/null")),
    ],
    "study": [
        "--workers=x", "--workers=0", "--address=127.0.0.1:1",
        *((f"--runs={path}", shown(path)) for path in ("a\0b", LONG, "/dev/null")),
    ],
    "baseline": ["--order=0", f"--order={10**30}", "--kind=x", "--kind=", "--command={input",
                 "--command=", "--command=none {input}", "--command=a\0b {input}"],
    "corpus": ["--path=tales", ("--set=corpus.encoding=x", "corpus.encoding: 'x'"),
               ("--set=corpus.keep=''", "corpus.keep: ")],
}  # fmt: skip
# arguments of a command, what is named
OTHERS = [
    (["corpus", "folder"], "corpus.path"),
    *((["corpus", path], shown(path)) for path in ("fo\0lder", "\x1b", "folder2")),
    (["corpus", "file", "--set=corpus.path=."], "corpus.path: . is a folder"),
    (["corpus", "folder", "--set=corpus.path=none"], "corpus.path: none"),
    (["corpus", "folder", f"--set=corpus.path={STRANGE}"], UNICODE),
    (["corpus", "folder", "--set=corpus=3"], "corpus: no kind"),
    (["corpus", "folder", "--set=corpus.path=tales", "--set=split=3"], "split: "),
    (["schema", "x"], "arguments: x"),
    (["schema", "--x"], "arguments: --x"),
    (["try", "tales", "--seeds=0"], "--seeds 0"),
    (["try", "tales", "--minutes=nan"], "--minutes nan"),
    (["try", "tales", "--minutes=inf"], "--minutes inf"),
]


def option_cases():
    """(arguments of a command, what is named)"""
    for command, options in (RUN_OPTIONS | FILE_OPTIONS).items():
        target = {"study": "study.toml"}.get(command, "valid.toml")
        target = "runs/tiny" if command in RUN_OPTIONS else target
        for each in options:
            option, named = each if isinstance(each, tuple) else (each, each.partition("=")[0])
            yield [command, f"{{home}}/{target}", *filter(None, [option])], named
    yield from OTHERS


CASES = [*path_cases(), *option_cases()]


@pytest.mark.parametrize(("arguments", "named"), CASES, ids=short)
def test_a_bad_argument_is_refused(refused, home, arguments, named):
    """With its name in full, that of the option or of the file."""
    said = refused(*arguments).splitlines()
    said = said[-1] if said[0].startswith("usage: ") else said[0]
    named = named.replace("{home}", str(home))
    if named.startswith("--") and " " not in named:  # or the setting, which is named alike
        word = named.lstrip("-").replace("-", "[-_]")
        assert re.search(rf"(?<!\w){word}(?!\w)", said), said
    else:
        assert named in said


TWIN = ARM.replace("arms.a", "arms.b") + "set = ['sampling.length=61']\n"
CONTRAST = "[[contrasts]]\nfirst = 'a'\nsecond = 'b'\n"
STUDIES = {
    "[arms]": "no budget",
    BUDGET: "no arm",
    ARM: "exactly one of seconds, characters, updates",
    BUDGET + "seconds = 3\n" + ARM: "seconds and updates",
    BUDGET + "parametres = 3\n" + ARM: "did you mean 'parameters'",
    BUDGET + ARM.replace("1", "1000000000"): "arms.a.seeds",
    "folds = 10000000000\n" + BUDGET + ARM: "folds",
    BUDGET + ARM + "set = ['x']": "arms.a",
    BUDGET + ARM + "set = ['training.epochs=4']\n": "decides training.epochs",
    BUDGET + ARM.replace("valid.toml", "no.toml"): "no such file",
    BUDGET + ARM.replace("arms.a", "arms.'a/b'"): "arms.a/b",
    BUDGET + ARM + ARM.replace("arms.a", "arms.b"): "same experiment as arms.a",
    BUDGET + ARM + CONTRAST: "no arm 'b'; known: a",
    BUDGET + ARM + TWIN + CONTRAST + CONTRAST: "each pair once",
    BUDGET + ARM + "[[contrasts]]\nfirst = 'a'\nsecond = 'a'": "two different arms",
    BUDGET + ARM + TWIN + CONTRAST + "yes = 'first'": "first is lower",
    VALID: "belongs in an experiment",
}


@pytest.mark.parametrize("content", STUDIES, ids=short)
def test_a_bad_study_is_refused(refused, tmp_path, content):
    (tmp_path / "bad.toml").write_text(content, encoding="utf-8")
    (tmp_path / "valid.toml").write_text(VALID, encoding="utf-8")
    message = refused("study", tmp_path / "bad.toml")
    assert "bad.toml" in message
    assert STUDIES[content] in message
