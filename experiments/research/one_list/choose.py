"""Chooses the settings that the search found, by its trainings on both of its texts.

    python experiments/research/one_list/choose.py

Only trainings whose updates were planned count. It writes the files of ``experiments/tuned_60s/``,
``matched_60s/``, ``tuned/`` and ``matched/``: *tuned* is the setting of a level with the least mean
of bits per character over both texts, *matched* the setting that all levels have tried on both
texts with the least mean regret, the bits above the best setting of a level on a text. Windows are
those of the first text. Nothing is written for seconds of which a training is missing.
"""

import functools
import json
import statistics
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from textgen.core.files import write_file
from textgen.evaluation.units import markdown_table

FOLDER = Path(__file__).parent
EXPERIMENTS = FOLDER.parents[1]
TEXTS = {"tune": "Austen's chapters", "tune_shakespeare": "tiny Shakespeare"}
LEVELS = ("characters", "subwords", "words", "word_spell")
# Seconds → the ending of folders, and the settings that each level tries on both texts.
CHOSEN: dict[int, tuple[str, dict[str, tuple[int, ...]]]] = {
    60: ("_60s", dict.fromkeys(LEVELS, (0, 1, 29, 46))),
    300: (
        "",
        {
            "characters": (35, 41, 43, 44, 45, 46),
            "subwords": (32, 35, 39),
            "words": (32, 35, 38),
            "word_spell": (32, 35, 38),
        },
    ),
}

# The settings of characters after 540 seconds, and the searches that tried them on both texts.
NINE_MINUTES = (33, 36, 40, 45)
SEARCHES_540S = ("tune_540s", "tune_540s_shakespeare")


@dataclass(frozen=True)
class Choice:
    """What is chosen for some seconds.

    Attributes:
        trials: (level, setting) → its training on each text.
    """

    trials: dict[tuple[str, int], list[dict[str, Any]]]

    def settings(self, level: str) -> list[int]:
        """Those that a level has tried."""
        return [setting for other, setting in self.trials if other == level]

    def mean(self, level: str, setting: int) -> float:
        """Bits per character, over both texts."""
        return statistics.mean(trial["bits"] for trial in self.trials[level, setting])

    def tuned(self, level: str) -> int:
        """The setting of a level with the least mean."""
        return min(self.settings(level), key=lambda setting: self.mean(level, setting))

    @property
    def matched(self) -> int:
        """Of the settings that all levels have tried, the one with the least mean regret."""
        of_all = set.intersection(*(set(self.settings(level)) for level in LEVELS))
        return min(sorted(of_all), key=self.regret)

    def regret(self, setting: int) -> float:
        """Bits above the best setting of a level on a text, mean over all of both."""
        above = list[float]()
        for level in LEVELS:
            for text, trial in enumerate(self.trials[level, setting]):
                of_level = [self.trials[level, each][text] for each in self.settings(level)]
                above.append(trial["bits"] - min(each["bits"] for each in of_level))
        return statistics.mean(above)


@functools.cache
def search(text: str) -> dict[str, Any]:
    """``tune.json`` of a text."""
    return json.loads((FOLDER / "results" / f"{text}.json").read_text("utf-8"))


@functools.cache
def by_the_clock() -> dict[str, list[dict[str, Any]]]:
    """Text → its trainings by the clock that planned ones have replaced."""
    return json.loads((FOLDER / "results" / "by_the_clock.json").read_text("utf-8"))


def choose(seconds: int) -> Choice | None:
    """What is chosen for some seconds; None as long as a training is missing."""
    _, tried = CHOSEN[seconds]
    return _choice(tuple(TEXTS), tried, seconds)


def choose_for_nine_minutes() -> Choice | None:
    """What is chosen for characters after 540 seconds; None as long as a training is missing."""
    return _choice(SEARCHES_540S, {"characters": NINE_MINUTES}, 540)


def _choice(
    searches: tuple[str, ...], tried: dict[str, tuple[int, ...]], seconds: int
) -> Choice | None:
    trials = dict[tuple[str, int], list[dict[str, Any]]]()
    for level, settings in tried.items():
        for setting in settings:
            found = [_planned(name, level, setting, seconds) for name in searches]
            ended = [trial for trial in found if trial is not None]
            if len(ended) < len(found):
                return None
            trials[level, setting] = ended
    return Choice(trials)


def _planned(text: str, level: str, setting: int, seconds: int) -> dict[str, Any] | None:
    for trial in search(text)["trials"]:
        is_it = (trial["arm"], trial["setting"], trial["seconds"]) == (level, setting, seconds)
        if is_it and trial.get("seconds_per_update"):
            return trial
    return None


def files(seconds: int, choice: Choice) -> dict[Path, str]:
    """What the experiment files of a choice hold."""
    ending, _ = CHOSEN[seconds]
    held = dict[Path, str]()
    for level in LEVELS:
        for kind, setting in (("tuned", choice.tuned(level)), ("matched", choice.matched)):
            path = EXPERIMENTS / f"{kind}{ending}" / f"{level}.toml"
            held[path] = _file(level, setting, kind, choice)
    return held


def _file(level: str, setting: int, kind: str, choice: Choice) -> str:
    first, second = choice.trials[level, setting]
    settings = search("tune")["settings"]
    said = (
        f"{kind.capitalize()}: setting {setting} of the {len(settings)} in experiments/tune.toml. "
        f"After {first['seconds']:g} s of one thread of {first['processor']}, the network needs "
        f"{first['bits']:.4f} bits per character of validation text of {TEXTS['tune']}, and "
        f"{second['bits']:.4f} of {TEXTS['tune_shakespeare']}. experiments/research/one_list says "
        "how it was chosen."
    )
    about = textwrap.fill(said, 98, initial_indent="# ", subsequent_indent="# ")
    data: dict[str, Any] = {"include": f"../levels/{level}.toml"}
    for name, value in settings[setting].items():
        table, dot, key = name.partition(".")
        if dot:
            data.setdefault(table, {})[key] = value
    data["objective"] = {"window": first["window"]}
    return f"{about}\n\n{tomli_w.dumps(data)}"


def chosen_table(seconds: str) -> str:
    """The trainings that decide: bits per character of both texts, and updates on both; the chosen
    setting of a level is bold. In Markdown."""
    choice = choose_for_nine_minutes() if seconds == "540" else choose(int(seconds))
    assert choice is not None
    rows = list[list[str]]()
    for (level, setting), (first, second) in choice.trials.items():
        mean = f"{choice.mean(level, setting):.3f}"
        if setting == choice.tuned(level):
            mean = f"**{mean}**"
        bits = [f"{trial['bits']:.3f}" for trial in (first, second)]
        updates = [f"{trial['updates']:,}" for trial in (first, second)]
        rows.append([level, str(setting), *bits, mean, *updates])
    of_texts = [f"updates, {text}" for text in TEXTS.values()]
    return markdown_table(["level", "setting", *TEXTS.values(), "mean", *of_texts], rows) + "\n"


if __name__ == "__main__":
    for each in CHOSEN:
        found = choose(each)
        if found:
            for path, content in files(each, found).items():
                write_file(path, content)
            tuned = ", ".join(f"{level} {found.tuned(level)}" for level in LEVELS)
            print(f"{each} s: matched {found.matched}; tuned {tuned}")
        else:
            print(f"{each} s: trainings are missing")
