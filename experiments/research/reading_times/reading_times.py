"""Do the surprisals of a network predict how long people take to read a word?

    git clone https://github.com/languageMIT/naturalstories
    python reading_times.py naturalstories runs/words-1 runs/characters-1

Natural Stories (Futrell et al. 2021): ten stories, read word by word at one's own pace. A run
scores each story as a document of its own. Two linear regressions predict the mean reading time of
a word: one by the length, the log frequency and a touching sign of the word and of the two before
it, one by their surprisals, too. Both are fitted on nine stories and judged on the tenth; all is
taken relative to its mean in the story, as no reader has read all stories. The *gain* is what
surprisal adds to the log likelihood of a word, in nats (Goodkind & Bicknell 2018). Intervals are
Student's t over the ten stories.

The corpus is CC BY-NC-SA 4.0: no word and no time of it is written.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats
from tabulate import tabulate

from textgen.core.files import write_json
from textgen.report.arms import Arm, group_runs
from textgen.runs.finished import load_run

RESULTS = Path(__file__).parent / "results" / "reading_times.json"
RTS = "naturalstories_RTS"
# File → its times, and how many words further on they belong. Until May 2025 the corpus gave every
# time to the word before; of these files only the first was corrected.
TIMES = {"processed_RTs.tsv": ("RT", 0), "processed_wordinfo.tsv": ("meanItemRT", 1)}
SENTENCE_END = re.compile(r"[.?!]['\")]*$")
SIGN = re.compile(r"^\W|\W$")
EMPTY = 3, range(228, 233)  # of story 3, from 0: readers saw a word that was empty about here
# Frequencies of Google Books, of the run's training text or none; times in ms, or their logarithms;
# with the number of a word in its story, too, or with whether the story has had it before
VARIANTS = ("books", "own", "none", "books, log times", "books, place", "books, repeated")


class Words(NamedTuple):
    """The words of all stories: of each itself, its story from 1, its mean time in milliseconds,
    nan for none, and the natural logarithm of its count in Google Books and one."""

    word: list[str]
    story: np.ndarray
    time: np.ndarray
    books: np.ndarray


def read_rows(path: Path, names: list[str] | None = None) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, names, delimiter="\t", quoting=csv.QUOTE_NONE))


def place(row: dict[str, str]) -> tuple[int, int]:
    return int(row["item"]), int(row["zone"])


def read_corpus(folder: Path, name: str) -> Words:
    """The words, with the times of a file of :data:`TIMES`."""
    home, times, (column, shift) = folder / RTS, dict[Any, Any](), TIMES[name]
    words = {place(row): row["word"] for row in read_rows(home / "all_stories.tok")}
    for row in read_rows(home / name):
        story, zone = place(row)
        assert words[story, zone] == row["word"], f"{name}: {row['word']!r}, another word"
        times.setdefault((story, zone + shift), []).append(float(row[column]))
    rows = read_rows(folder / "freqs" / "freqs-1.tsv", ["code", "n", "token", "count"])
    rows = [row for row in rows if row["code"].endswith(".word") and row["count"] != "NA"]
    counts = {tuple(map(int, r["code"].split(".")[:2])): float(r["count"]) for r in rows}
    order = sorted(words)
    time = np.array([np.mean(times.get(own, [np.nan])) for own in order])
    books = np.log1p([counts.get(own, 0.0) for own in order])
    return Words([words[own] for own in order], np.array(order)[:, 0], time, books)


def with_earlier(values: np.ndarray, story: np.ndarray, words: int = 2) -> np.ndarray:
    """(n, k) values → (n, (words + 1) k): those of each word and of the words before it in its
    story, nan where there is none."""
    columns = [values]
    for lag in range(1, words + 1):
        same = np.r_[np.zeros(lag, bool), story[lag:] == story[:-lag]]
        columns.append(np.where(same[:, None], np.roll(values, lag, axis=0), np.nan))
    return np.hstack(columns)


def kept_words(words: Words) -> tuple[np.ndarray, dict[str, int]]:
    """Which words are analysed, and how many are left out for each reason, first reason first."""
    last = np.array([bool(SENTENCE_END.search(word)) for word in words.word])
    number = number_in_story(words)
    reasons = {
        "no time": np.isnan(words.time),
        "of the first two of a story": number < 2,
        "last of a sentence or story": last | np.r_[np.diff(words.story) > 0, True],
        "first of a sentence": np.r_[False, last[:-1]],
        "beside an empty word": (words.story == EMPTY[0]) & np.isin(number, EMPTY[1]),
    }
    kept, left_out = np.ones(len(last), bool), dict[str, int]()
    for reason, found in reasons.items():
        left_out[reason] = int((kept & found).sum())
        kept &= ~found
    return kept, left_out


def of_next_word(words: Words) -> float:
    """The effect of the length of the next word, which nobody has seen yet, as a fraction of that
    of the word itself: about 0 where words and times are aligned."""
    lengths = np.array([[1.0, len(word)] for word in words.word])
    rows = np.column_stack([with_earlier(lengths, words.story, 3), np.roll(words.time, 1)])
    rows = rows[~np.isnan(rows).any(axis=1)]
    weights = np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0]
    return float(weights[1] / weights[3])


def fit(bits: np.ndarray, controls: np.ndarray, words: Words, log: bool = False) -> Any:
    """Of a surprisal (n,): its gain in each story, and its effects, milliseconds a bit, on the time
    of the word and of the next two."""
    kept = kept_words(words)[0]
    columns = with_earlier(np.column_stack([bits, controls]), words.story)
    rows = np.column_stack([columns, np.log(words.time) if log else words.time])[kept]
    story, surprisal = words.story[kept], np.arange(0, columns.shape[1], columns.shape[1] // 3)
    for number in np.unique(story):
        rows[story == number] -= rows[story == number].mean(axis=0)

    def likelihoods(x: np.ndarray) -> np.ndarray:
        result = list[float]()
        for own in (story == number for number in np.unique(story)):
            errors = rows[:, -1] - x @ np.linalg.lstsq(x[~own], rows[~own, -1], rcond=None)[0]
            result.append(stats.norm.logpdf(errors[own], scale=errors[~own].std()).mean())
        return np.array(result)

    gains = likelihoods(rows[:, :-1]) - likelihoods(np.delete(rows[:, :-1], surprisal, axis=1))
    return gains, np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0][surprisal]


def over_stories(gains: np.ndarray) -> dict[str, Any]:
    """Mean, 95% interval and all stories."""
    low, high = stats.t.interval(0.95, len(gains) - 1, gains.mean(), stats.sem(gains))
    return {"gain": gains.mean(), "low": low, "high": high, "stories": gains.tolist()}


def number_in_story(words: Words) -> np.ndarray:
    """(n,): of each word in its story, from 0."""
    return np.arange(len(words.story)) - np.searchsorted(words.story, words.story)


def is_repeated(words: Words) -> list[float]:
    """(n,): 1 for a word whose letters have stood in its story before, else 0."""
    letters = [re.sub(r"\W", "", word).lower() for word in words.word]
    keys = [*zip(words.story, letters, strict=True)]
    first = {key: place for place, key in reversed([*enumerate(keys)])}
    return [float(first[key] < place) for place, key in enumerate(keys)]


def measure(arm: Arm, words: Words) -> Iterator[dict[str, Any]]:
    """Figures of every part of an arm, means over its seeds; gains in thousandths of a nat."""
    name = f"{arm.first.folder.resolve().parent.name} {arm.name.partition(' (')[0]}"
    plain = np.array([[len(word), bool(SIGN.search(word))] for word in words.word], float)
    texts = [" ".join(np.array(words.word)[words.story == n]) for n in np.unique(words.story)]
    tables = [[row for text in texts for row in run.words(text)] for run in arm.runs]
    assert all([row["word"] for row in table] == words.word for table in tables)
    own = np.log1p([arm.first.training_words[word] for word in words.word])
    books = np.c_[plain, words.books]
    each = [books, np.c_[plain, own], plain, books]
    number = number_in_story(words)
    each += [np.c_[books, number, np.log1p(number)], np.c_[books, is_repeated(words)]]
    controls = dict(zip(VARIANTS, each, strict=True))
    for part in arm.parts:
        if (key := f"{part}_word_bits") in tables[0][0]:
            bits = np.array([[row[key] for row in table] for table in tables])
            fits = {v: [fit(b, c, words, "log" in v) for b in bits] for v, c in controls.items()}
            gains = {v: 1e3 * np.mean([g for g, _ in seeds], axis=0) for v, seeds in fits.items()}
            found = {"arm": name, "part": part, "runs": len(bits), "bits_per_word": bits.mean()}
            found["ms_per_bit"] = np.mean([ms for _, ms in fits[VARIANTS[0]]], axis=0).tolist()
            yield found | {"gains": {v: over_stories(each) for v, each in gains.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, help="a clone of languageMIT/naturalstories")
    parser.add_argument("runs", type=Path, nargs="+", help="run folders; means over seeds")
    given = parser.parse_args()
    name = min(TIMES, key=lambda name: not (given.corpus / RTS / name).exists())
    words = read_corpus(given.corpus, name)
    if abs(ahead := of_next_word(words)) > 1 / 3:
        raise SystemExit(f"{name}: times go with the length of the next word by {ahead:.2f}")
    kept, left_out = kept_words(words)
    arms = group_runs([load_run(folder) for folder in given.runs])
    rows, pairs = [row for arm in arms for row in measure(arm, words)], []
    for two in itertools.combinations(rows, 2):
        if any(len({row[key] for row in two}) == 1 for key in ("arm", "part")):
            a, b = (np.array(row["gains"][VARIANTS[0]]["stories"]) for row in two)
            pairs.append({"of": [f"{r['arm']} {r['part']}" for r in two], **over_stories(a - b)})
    record = {"times": name, "words": int(kept.sum()), "left_out": left_out, "next_word": ahead}
    write_json(RESULTS, record | {"arms": rows, "differences": pairs})
    shown = "{gain:+.1f} ({low:+.1f} to {high:+.1f})".format_map
    head = ("arm", "part", "bits_per_word")
    table = [[*map(row.get, head), *map(shown, row["gains"].values())] for row in rows]
    print(tabulate(table, [*head, *VARIANTS], "pipe", ".2f"), "\n")
    table = [[*row["of"], shown(row)] for row in pairs]
    print(tabulate(table, ["gain of", "less that of", "difference"], "pipe"))


if __name__ == "__main__":
    main()
