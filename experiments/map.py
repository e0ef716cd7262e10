"""Which level wins, at which size of text, after how many minutes? One network a cell of the map.

    python experiments/map.py measure                # how many updates each budget holds, once
    python experiments/map.py run [--workers 2]      # all cells; those on record are kept

Both take ``--texts tales``, ``--levels words characters`` and the like, to begin with some.

A cell is a text, a fold of its documents, a size of its training text, a level and a budget in
seconds of one core. In each fold the test part is what that fold leaves out, so that every document
of a text is tested once; the validation part is drawn from the rest, and training texts of smaller
sizes are beginnings of the same documents in the same order, which is the fold's own, so that they
lie within the larger ones. The seed of a network is its fold. How many words, or subwords, a
tokenizer knows is chosen by n-grams of its tokens on validation text, in every cell. Every budget
is a training of its own, with a schedule of its own.

Results are kept in ``results/map/``, one JSON file for each level of a text, fold and size: bits of
every test document, without a word of it. An interrupted run is repeated and goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "map"
PLAN = RESULTS / "plan.json"
SECONDS = (20, 60, 180)
VALIDATIONS = 6


class Level(NamedTuple):
    """An experiment, the order of n-grams of its tokens, and the setting that they choose."""

    file: str
    order: int
    setting: str
    values: tuple[int, ...]
    everywhere: bool = True


# As in the study of five seeds, but for what is chosen in every cell; one level checks that choice.
LEVELS = {
    "characters": Level("char.toml", 8, "", ()),
    "subwords": Level("subword_bpe.toml", 5, "tokenizer.size", (300, 500, 1000, 2000, 4000)),
    "words": Level("word_rare_signature.toml", 4, "tokenizer.minimum_count", (2, 5, 10)),
    "subwords_4000": Level("subword_bpe.toml", 5, "tokenizer.size", (4000,), everywhere=False),
}


@dataclass(frozen=True)
class Text:
    """A text: settings of its corpus, its folds, and sizes of its training text in characters."""

    settings: tuple[str, ...]
    folds: int
    sizes: tuple[int, ...]


# Books that share sentences.
TOGETHER = [["mat.txt", "mar.txt", "luk.txt"], ["jud.txt", "2pe.txt"], ["eph.txt", "col.txt"]]


def testament(name: str, language: str) -> Text:
    """The New Testament in a language, a file a book, in a folder of ``TEXTGEN_DATA``."""
    folder = Path(os.environ.get("TEXTGEN_DATA", "")) / "languages" / name
    groups = json.dumps(TOGETHER)
    corpus = ("corpus.kind=folder", f"corpus.path={folder}", f"split.groups={groups}")
    return Text((*corpus, f"language={language}"), 3, (WHOLE,))


WHOLE = 10**9
LANGUAGES = {
    "basque": "eu",
    "cherokee": "chr",
    "estonian": "et",
    "gujarati": "gu",
    "swahili": "sw",
    "ukrainian": "uk",
}
TEXTS = {
    "tales": Text(("language=en",), 5, (WHOLE, 145_000, 360_000, 900_000)),
    **{name: testament(name, code) for name, code in LANGUAGES.items()},
}


class Place(NamedTuple):
    """A text, one of its folds and a size: what the networks of three levels are trained on."""

    text: str
    fold: int
    size: int

    @property
    def name(self) -> str:
        return f"{self.text}-{self.fold}-{'whole' if self.size == WHOLE else self.size}"


def places() -> list[Place]:
    """The largest and the smallest size first, in all folds: predictions speak of these."""
    ranks = range(max(len(text.sizes) for text in TEXTS.values()))
    return [
        Place(name, fold, text.sizes[rank])
        for rank, (name, text) in itertools.product(ranks, TEXTS.items())
        if rank < len(text.sizes)
        for fold in range(1, text.folds + 1)
    ]


def jobs(texts: list[str], levels: list[str]) -> list[tuple[Place, str]]:
    """A place and a level each; a level that is not wanted everywhere on the whole tales, last."""
    pairs = [
        (place, name)
        for place in places()
        for name in levels
        if place.text in texts
        and (LEVELS[name].everywhere or (place.text, place.size) == ("tales", WHOLE))
    ]
    return sorted(pairs, key=lambda pair: not LEVELS[pair[1]].everywhere)


def texts_of(place: Place, scratch: Path) -> Path:
    """The documents of a place in folders named after their parts, written once."""
    folder, unfinished = scratch / "texts" / place.name, scratch / "unfinished" / place.name
    if not folder.exists():
        shutil.rmtree(unfinished, ignore_errors=True)
        write_texts(place, unfinished)
        folder.parent.mkdir(exist_ok=True)
        unfinished.rename(folder)
    return folder


def write_texts(place: Place, folder: Path) -> None:
    from textgen.core.experiment import load_experiment
    from textgen.data.loading import load_corpus

    text = TEXTS[place.text]
    split = [f"split.folds={text.folds}", f"split.fold={place.fold}"]
    if place.size != WHOLE:
        split.append(f"split.train_characters={place.size}")
    corpus = load_corpus(load_experiment(HERE / "char.toml", [*text.settings, *split]))
    assert not corpus.warning, corpus.warning
    for part, documents in corpus.parts.items():
        (folder / part).mkdir(parents=True)
        for document in documents:
            name = document.name.replace("/", "_").removesuffix(".txt")
            (folder / part / f"{name}.txt").write_bytes(document.text.encode())


def settings_of(place: Place, folder: Path) -> list[str]:
    return [
        *TEXTS[place.text].settings,
        "corpus.kind=folder",
        f"corpus.path={folder}",
        "split.groups=[]",
        "training.threads=1",
        f"training.validations={VALIDATIONS}",
        f"seed={place.fold}",
        "sampling.samples=1",
        "sampling.length=1",
    ]


def choose(level: Level, settings: list[str]) -> dict[str, Any]:
    """The value of a level's setting by which n-grams charge validation text least, what they
    charge under each, and what those under this one charge each test document."""
    from textgen.core.experiment import load_experiment
    from textgen.data.loading import load_corpus
    from textgen.evaluation.baselines import KneserNey, score_baseline
    from textgen.tokenizers.encoding import fit_tokenizer

    tried = dict[str, tuple[float, Any]]()
    for value in level.values or (0,):
        own = [f"{level.setting}={value}"] if level.setting else []
        experiment = load_experiment(HERE / level.file, [*settings, *own])
        corpus = load_corpus(experiment)
        tokenizer = fit_tokenizer(experiment.tokenizer, corpus, experiment.seed)
        splits = score_baseline(KneserNey(level.order), tokenizer, corpus)
        validation, test = (scores["counts"] for scores in splits)
        bits = sum(d.model + d.spelling_bits for d in validation)
        tried[str(value)] = bits / sum(d.characters + 1 for d in validation), test
    best = min(tried, key=lambda value: tried[value][0])
    return {
        "setting": f"{level.setting}={best}" if level.setting else "",
        "validation": {value: bits for value, (bits, _) in tried.items()},
        "documents": {
            d.name: [d.characters + 1, d.model + d.spelling_bits] for d in tried[best][1]
        },
    }


def unseen_words(settings: list[str]) -> float:
    """The share of running words in the test text that the training text has not, large or small;
    0 where there are no words."""
    from textgen.core.experiment import load_experiment
    from textgen.data.loading import load_corpus
    from textgen.tokenizers.pieces import pretokenize, split_space

    corpus = load_corpus(load_experiment(HERE / "char.toml", settings))
    train, test = (
        [split_space(piece)[1].lower() for document in part for piece in pretokenize(document.text)]
        for part in (corpus.train, corpus.test)
    )
    known, words = {*train}, [piece for piece in test if any(map(str.isalpha, piece))]
    return sum(word not in known for word in words) / max(1, len(words))


def open_record(place: Place, name: str, scratch: Path) -> tuple[Path, dict[str, Any], list[str]]:
    """The file of a level at a place, what it holds, n-grams at least, and a run's settings."""
    from textgen.core.system import write_json

    path = RESULTS / f"{place.name}-{name}.json"
    settings = settings_of(place, texts_of(place, scratch))
    record = json.loads(path.read_text()) if path.exists() else {**place._asdict(), "level": name}
    if "unseen_words" not in record:
        record["unseen_words"] = unseen_words(settings)
    if "ngrams" not in record:
        record["ngrams"] = choose(LEVELS[name], settings)
        write_json(path, record)
    return path, record, [*settings, *filter(None, [record["ngrams"]["setting"]])]


def run_cells(place: Place, name: str, scratch: Path) -> None:
    """The networks of one level at one place, for every budget; a file keeps each when it ends."""
    from textgen import train
    from textgen.core.system import processor, write_json
    from textgen.runs import generation

    path, record, settings = open_record(place, name, scratch)
    # what a run writes is not looked at here
    generation.Evaluation = partial(generation.Evaluation, samples=1, length=20, prompted=20)
    cells, plan = record.setdefault("cells", {}), json.loads(PLAN.read_text())
    for seconds in SECONDS:
        if str(seconds) in cells:
            continue
        updates = plan[f"{place.text}-{place.size}-{name}"]["updates"][str(seconds)]
        run = train(
            HERE / LEVELS[name].file,
            overrides=[*settings, f"training.updates={updates}"],
            name=f"{place.name}-{name}-{seconds}",
            runs_folder=scratch / "runs",
            quiet=True,
        )
        metrics = run.metrics
        cells[str(seconds)] = {
            "updates": updates,
            "best": metrics.training.best_interval,
            "processor": processor(),
            "parameters": run.network.count_params(),
            "vocabulary": run.tokenizer.size,
            "replaced": metrics.test.replacement_rate,
            "training_characters": metrics.corpus.train["characters"],
            "validation": run.bits("with_counts", "validation"),
            "documents": {
                d.name: [d.characters + 1, d.total, cached.total]
                for d, cached in zip(
                    run.token_bits["with_counts"], run.token_bits["with_cache"], strict=True
                )
            },
        }
        write_json(path, record)
        shutil.rmtree(run.folder)


def measure_all(scratch: Path, wanted: list[tuple[Place, str]]) -> None:
    """How many updates each budget holds: on fold 1, by the clock of the processor, one at a time,
    in three rounds, as a machine's speed moves; the median counts."""
    from textgen.core.experiment import load_experiment
    from textgen.core.system import processor, write_json
    from textgen.runs.folder import write_experiment
    from textgen.studies.study import TIMED_SECONDS
    from textgen.studies.workers import Processes

    plan = json.loads(PLAN.read_text()) if PLAN.exists() else {}
    keys = [
        (place.text, place.size, name)
        for place, name in wanted
        if place.fold == 1 and f"{place.text}-{place.size}-{name}" not in plan
    ]
    rounds = {key: list[dict[str, float]]() for key in keys}
    for number, key in itertools.product(range(3), keys):
        text, size, name = key
        settings = open_record(Place(text, 1, size), name, scratch)[2]
        log, output = scratch / f"{'-'.join(map(str, key))}.txt", scratch / "measured.json"
        write_experiment(
            log.with_suffix(".toml"),
            load_experiment(HERE / LEVELS[name].file, [*settings, "training.seconds=60"]),
        )
        with Processes() as processes:
            arguments = [str(log.with_suffix(".toml")), str(TIMED_SECONDS), str(output)]
            processes.run(["textgen.studies.study", *arguments], log)
        rounds[key].append(json.loads(output.read_text()))
        print(number, *key, rounds[key][-1], flush=True)
    for (text, size, name), measured in rounds.items():
        preparation = statistics.median(m["preparation_seconds"] for m in measured)
        alike = [  # where nothing is chosen, the network is the same at all sizes
            m
            for key, found in rounds.items()
            for m in found
            if key == (text, size, name) or (not LEVELS[name].setting and key[::2] == (text, name))
        ]
        each = statistics.median(m["seconds_per_update"] for m in alike)
        plan[f"{text}-{size}-{name}"] = {
            "processor": processor(),
            "rounds": measured,
            "updates": {
                seconds: max(1, int((seconds - preparation) / each)) for seconds in SECONDS
            },
        }
    write_json(PLAN, plan)


def run_all(scratch: Path, workers: int, wanted: list[tuple[Place, str]]) -> None:
    def run(job: tuple[Place, str]) -> None:
        place, name = job
        arguments = [str(x) for x in (*place, name)]
        command = [sys.executable, __file__, "cells", "--scratch", str(scratch), "--job"]
        done = subprocess.run([*command, *arguments], stderr=subprocess.PIPE, text=True)
        lines = done.stderr.strip().splitlines()
        failed = f"failed, {done.returncode}: {lines[-1:]}"
        print(place.name, name, failed if done.returncode else "done", flush=True)

    for place, _ in wanted:
        texts_of(place, scratch)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, wanted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure", "run", "cells"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()) / "textgen_map")
    parser.add_argument("--texts", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--job", nargs=4)
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    wanted = jobs(given.texts, given.levels)
    if given.what == "measure":
        measure_all(given.scratch, wanted)
    elif given.what == "run":
        run_all(given.scratch, given.workers, wanted)
    else:
        text, fold, size, name = given.job
        run_cells(Place(text, int(fold), int(size)), name, given.scratch)


if __name__ == "__main__":
    main()
