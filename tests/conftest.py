"""Shared pieces: a tiny corpus that is written here, tiny models, a command as a user runs it."""

import contextlib
import ctypes
import gc
import io
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import hypothesis
import numpy as np
import pytest
from filelock import FileLock

import textgen as package
from textgen import cli
from textgen.core import files, tensorflow
from textgen.core.experiment import resolve_experiment
from textgen.evaluation.counts import DocumentCache, TrainingCounts
from textgen.evaluation.model import LanguageModel
from textgen.ngrams.pitman_yor import CONTEXT_KINDS, PitmanYor
from textgen.report import building
from textgen.runs import generation
from textgen.studies.process import Jobs
from textgen.tokenizers.parts_of_speech import Pos
from textgen.tokenizers.rare_word_vectors import Cluster, Neighbour
from textgen.tokenizers.rare_words import Drop, Spell, Unk
from textgen.tokenizers.signatures import SIGNS, Endings, Signature
from textgen.training.checkpoint import Progress

ENDINGS_LEARNT = {"…" + ending: SIGNS[0] + ending[::-1] for ending in ("", "b", "ab", "n", "ed")}
ENDINGS_LEARNT |= {"Aa…": SIGNS[1], "AA…": SIGNS[2]}


class ProcessHere:
    """In place of a process of a study: its jobs are done here, and printed where the test does."""

    def __init__(self, *_):
        self.jobs = Jobs()

    def do(self, job, log, **arguments):
        return getattr(self.jobs, job)(**arguments)

    def end(self):
        pass

    stop = wait = end


@dataclass(frozen=True)
class GivenEndings(Signature):
    """The policy by endings, which are given: of texts as short as these none are learnt."""

    def learn(self, data):
        return Endings(ENDINGS_LEARNT)


# every rare-word policy; a contract test checks that none is missing
POLICIES = [
    Unk(), Unk(recall=False), Pos(), Pos(tags="noun"), Cluster(clusters=3, epochs=1),
    Neighbour(epochs=1), Drop(), GivenEndings(), Spell(),
]  # fmt: skip
ROOT = Path(__file__).parents[1]
SENTENCES = tomllib.loads((ROOT / "tests/sentences.toml").read_text(encoding="utf-8"))
hypothesis.settings.register_profile("no deadline", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("no deadline")
SUBJECTS = ["the keeper", "a lantern", "our neighbour", "the tide", "one gull", "the old harbour"]
VERBS = ["watched", "followed", "remembered", "left", "kept", "answered"]
ENDINGS = ["the shore.", "a bell!", "no one?", "its own light;", "the long night.", "a grey road."]


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session", autouse=True)
def _environment(shared):
    """No user's data or cache folder is used, and every process tests this checkout."""
    os.environ.pop("TEXTGEN_DATA", None)
    os.environ["TEXTGEN_CACHE"] = str(shared / "cache")
    paths = str(ROOT), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # of 15 texts of 1,000 characters, and of passages of 800, nothing more is seen
    generation.Evaluation = partial(generation.Evaluation, samples=4, length=200, prompted=150)
    building.PASSAGE_CHARACTERS, building.OPENING_CHARACTERS = 200, 100


# whether graphs made from now on are compiled by XLA
COMPILE = [False]


@cache
def start_tensorflow() -> None:
    """As the commands do, but only what has the mark ``xla`` is compiled: compiling a tiny network
    takes far longer than running it."""
    tensorflow.start_tensorflow()
    import tensorflow as tf

    from textgen.models import layers, output, recurrent  # noqa: F401 - decorated when imported

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    function = tf.function

    def plain(*arguments, jit_compile=None, **settings):
        return function(*arguments, jit_compile=jit_compile and COMPILE[0], **settings)

    tf.function = plain
    gc.freeze()  # what is imported by now is not looked at again and again


# files of tests say of themselves that all of them, but those marked ``slow``, need no TensorFlow
FAST_FILE = re.compile(r"^pytestmark = .*\bmark\.fast\b", re.MULTILINE)
ONLY_FAST = "fast and not slow"


def pytest_configure(config):
    if config.option.markexpr == "fast":
        config.option.markexpr = ONLY_FAST


def pytest_ignore_collect(collection_path, config):
    """Nothing that imports TensorFlow is imported for tests that do not need it."""
    if config.option.markexpr != ONLY_FAST or not collection_path.stem.startswith("test_"):
        return None
    return not FAST_FILE.search(collection_path.read_text(encoding="utf-8")) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """The files that take longest come first, those with the most whole programs before others, so
    that no worker is left alone with one."""
    programs = Counter(item.path for item in items if item.get_closest_marker("slow"))

    def place(item) -> tuple:
        is_long = item.get_closest_marker("long") is not None
        return not is_long, -programs[item.path], item.path.stem

    items.sort(key=place)


def needs_tensorflow(item) -> bool:
    return bool(item.get_closest_marker("slow") or not item.get_closest_marker("fast"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if needs_tensorflow(item):
        start_tensorflow()
    COMPILE[0] = item.get_closest_marker("xla") is not None
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    yield
    if session.config.option.markexpr == ONLY_FAST:
        assert "tensorflow" not in sys.modules


def made_up(sentences: int, seed: int) -> str:
    """English-like text with some structure to learn, the same for a seed."""
    draw = random.Random(seed)
    lines = [
        f"{draw.choice(SUBJECTS).capitalize()} {draw.choice(VERBS)} {draw.choice(ENDINGS)}"
        for _ in range(sentences)
    ]
    return "\n\n".join(" ".join(lines[i : i + 4]) for i in range(0, len(lines), 4))


def made_up_cache(*orders: int) -> DocumentCache:
    """A document cache in which neighbouring kinds of context have other numbers."""
    places = np.arange(len(orders))[:, None] + np.arange(CONTEXT_KINDS)
    discounts, strengths = 0.05 + 0.15 * (places % 6), 50.0 / 3.0 ** (places % 6)
    return DocumentCache(orders, discounts.tolist(), strengths.tolist())


def trusted(counts: TrainingCounts, *orders: int) -> TrainingCounts:
    """Counts of the training text with two processes that differ, and weights of every level."""
    settings = made_up_cache(*orders)
    pairs = ((settings.discounts[::turn], settings.strengths[::turn]) for turn in (1, -1))
    weights = np.random.default_rng(1).dirichlet([1, 1, 1], len(orders) + 1)
    counts.processes = [PitmanYor(orders, *pair) for pair in pairs]
    counts.weights = weights.tolist()
    return counts


def trusted_counts(documents: Sequence[np.ndarray], size: int, *orders: int) -> TrainingCounts:
    return trusted(TrainingCounts(orders, documents, False, size), *orders)


def made_up_counts(size: int, *orders: int) -> TrainingCounts:
    random = np.random.default_rng(2)
    return trusted_counts([random.integers(1, size, n) for n in (40, 1, 25)], size, *orders)


def load_progress(folder: Path) -> Progress:
    """That of the checkpoint in a run folder."""
    return Progress(**json.loads(str(files.read_arrays(folder / "checkpoint.npz")["progress"])))


def write_tales(folder: Path, shortest: int = 40, growth: int = 5) -> Path:
    folder.mkdir(exist_ok=True)
    for i in range(12):
        text = made_up(shortest + growth * i, i)
        (folder / f"tale{i:02d}.txt").write_text(text, encoding="utf-8")
    return folder


def missing(needed: str) -> NoReturn:
    """What a test needs is not there: it is skipped, but where nothing may be."""
    if os.environ.get("CI") == "true":
        pytest.fail(needed)
    pytest.skip(needed)


@contextlib.contextmanager
def made_once(folder: Path):
    """Whether this is the process that has to make a folder; others wait until it is made. Of a
    maker that failed nothing is left."""
    with FileLock(f"{folder}.lock"):
        done = Path(f"{folder}.done")
        is_first = not done.exists()
        if is_first:
            shutil.rmtree(folder, ignore_errors=True)
        yield is_first
        done.touch()


@pytest.fixture(scope="session")
def corpus_folder(shared) -> Path:
    with made_once(shared / "tales") as first:
        return write_tales(shared / "tales") if first else shared / "tales"


TRAINING, TUNING = made_up(150, 4), made_up(60, 5).replace("gull", "puffin")


@cache
def fitted(config, training: str = TRAINING, tuning: str = TUNING):
    """A tokenizer that is fitted on a text, once for all tests in this process."""
    return config.fit([training], [tuning], 1)


def small_experiment(**tables):
    needed = {"corpus": "wikipedia", "tokenizer": "characters", "objective": "next_token"}
    return resolve_experiment({**needed, "training": {"updates": 1}, **tables})


def write_experiment(path: Path, corpus_folder: Path, orders="[1, 3]", length=120) -> Path:
    """An experiment file for a tiny network on the tiny corpus."""
    text = f"""corpus = {{ kind = "folder", path = "{corpus_folder.as_posix()}" }}
split = {{ validation = 0.2, test = 0.2 }}
tokenizer.kind = "characters"
objective = {{ kind = "next_token", window = 16 }}
backbone.units = [24]
cache.orders = {orders}
training = {{ updates = 60, batch = 8, learning_rate = 1e-2, validations = 3, curve = 0 }}
[sampling]
length = {length}
samples = 2
"""
    path.write_text(text, encoding="utf-8")
    return path


def plug_ins() -> dict[str, str]:
    page = (ROOT / "docs/plug-ins.md").read_text(encoding="utf-8")
    codes = re.findall(r'```python\n(""".*?)```', page, re.DOTALL)
    return dict(zip(("shape", "exclamations", "elman"), codes, strict=True))


@pytest.fixture
def temporary(tmp_path) -> Path:
    """An empty folder, to be the TMPDIR of commands that are to leave nothing in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def experiment_file(tmp_path, corpus_folder) -> Path:
    return write_experiment(tmp_path / "tiny.toml", corpus_folder)


EMBEDDED = 'backbone={kind="lstm", units=[24], input="embedding", embedding_size=12}'
ARMS = {
    "char": [],
    "word": ['tokenizer={kind="words", rare_words="unk", minimum_count=60}', EMBEDDED],
    "subword": ['tokenizer={kind="subwords", size=280}', EMBEDDED],
}
COUNTED = "training_counts.orders=[1,2]"
SHORT = ["training.updates=40", "training.validations=1", "sampling.length=40"]


@pytest.fixture(scope="session")
def finished_run(shared, corpus_folder):
    """The folder of a run of an arm, trained once for all tests that ask for the same name and
    changes: a test that changes files of it takes a copy."""

    @cache
    def folder(arm: str = "char", *changes: str, name: str | None = None) -> Path:
        settings = [*ARMS[arm], *SHORT, *changes]
        home = shared / blake2b(repr((settings, name or arm)).encode(), digest_size=8).hexdigest()
        with made_once(home) as first:
            if first:
                home.mkdir()
                file = write_experiment(home / "tiny.toml", corpus_folder)
                where = {"runs_folder": home, "quiet": True}
                package.train(file, overrides=settings, name=name or arm, **where)
        return home / (name or arm)

    return folder


@pytest.fixture(scope="session")
def asked_runs(finished_run) -> list[Path]:
    subword = finished_run("subword", "backbone.ngrams={orders=[2,3],rows=97}")
    return [finished_run("char", COUNTED), finished_run("word"), subword]


@pytest.fixture
def copied_run(finished_run, tmp_path):

    def folder(arm: str = "char", *changes: str, name: str | None = None) -> Path:
        return Path(shutil.copytree(finished_run(arm, *changes), tmp_path / (name or arm)))

    return folder


def run_python(*arguments, folder=None, seconds=240, **variables: str) -> SimpleNamespace:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, env={**os.environ, **variables},
        capture_output=True, encoding="utf-8", timeout=seconds,
    )  # fmt: skip
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def python(code: str, **variables: str) -> str:
    """What a Python program prints in a process of its own; it has to end without an error."""
    done = run_python("-c", code, PYTHONIOENCODING="utf-8", **variables)
    assert done.code == 0, done.err
    return done.out


@pytest.fixture
def textgen(tmp_path, monkeypatch):
    """Runs ``textgen COMMAND …`` in ``tmp_path``, in this process: TensorFlow is loaded once. With
    ``process=True`` it is ``python -m textgen COMMAND …``, as a user gives it. It has to end with
    ``code``, and to say what is ``said`` where errors stand."""

    def command(name, *arguments, code=0, said="", process=False, **variables) -> SimpleNamespace:
        run = partial(run_python, "-m", "textgen", folder=tmp_path) if process else run_here
        done = run(name, *arguments, **variables)
        assert (done.code, said in done.err) == (code, True), done.out + done.err
        assert "Traceback" not in done.err
        return done

    def run_here(*arguments, **variables) -> SimpleNamespace:
        out, err = io.StringIO(), io.StringIO()
        streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with monkeypatch.context() as here, streams[0], streams[1]:
            here.chdir(tmp_path)
            for key, value in variables.items():
                here.setenv(key, value)
            try:
                code = cli.main([*map(str, arguments)])
            except SystemExit as end:  # of argparse
                code = end.code
        return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())

    return command


MAX_KEPT_BYTES = 2_000_000_000


@pytest.fixture(scope="module", autouse=True)
def _memory_is_given_back():
    """What files of tests have compiled and loaded does not stay for all that follow."""
    yield
    status = Path("/proc/self/statm")
    if status.exists() and int(status.read_text().split()[1]) * 4096 < MAX_KEPT_BYTES:
        return
    kept_model.cache_clear()
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def in_turn(possible=lambda *pair: True, **axes: list) -> pytest.MarkDecorator:
    """Parametrize a test by two axes: every value of the longer one with one of the shorter one, in
    turn. All other possible pairs are marked ``full``."""
    shorter, cases = min(map(len, axes.values())), []
    for (i, first), (j, second) in itertools.product(*map(enumerate, axes.values())):
        marks = () if i % shorter == j % shorter else pytest.mark.full
        if possible(first, second):
            cases.append(pytest.param(first, second, id=f"{first!r}-{second!r}", marks=marks))
    return pytest.mark.parametrize(tuple(axes), cases)


def tiny_experiment(objective, network, training) -> SimpleNamespace:
    backbone = network.parts()[0].config
    return SimpleNamespace(objective=objective, backbone=backbone, training=training, seed=3)


def new_model(objective, size: int, kind="lstm", seed=0, scale: float = 4.0, **settings):
    import keras

    from textgen.core.registry import lookup

    keras.utils.set_random_seed(seed)
    network = objective.build(lookup("backbone", kind)(**{"units": (12,)} | settings), size)
    network.set_weights([w * scale for w in network.get_weights()])
    return network


@cache
def kept_model(compiled: bool, *arguments, **settings):
    network = new_model(*arguments, scale=1.0, **settings)
    return network, network.get_weights()


def tiny_model(objective, size: int, *, scale: float = 4.0, **settings):
    """One object for all calls with the same settings, traced once, with its first weights."""
    network, weights = kept_model(COMPILE[0], objective, size, **settings)
    network.set_weights([w * scale for w in weights])
    return network


def toy_model(objective, network, size: int, unwritable=(), **others) -> LanguageModel:
    tokenizer = SimpleNamespace(size=size, unwritable=unwritable)
    tokenizer.temperature_offsets = lambda temperature: np.zeros(size)
    return LanguageModel(tokenizer, objective, network, **others)
