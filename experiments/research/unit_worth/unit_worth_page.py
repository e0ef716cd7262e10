"""What the page of the study shows: sentences, a figure and tables, from the grids on record.

    python experiments/research/unit_worth/unit_worth_page.py      draws the figure; tools/table.py
                                                                   writes the rest into the page

Without records there is no figure, and every table is empty.
"""

import math
import re
import statistics
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).parents[1] / "one_list"))
sys.path.append(str(Path(__file__).parents[1] / "tools"))
import choose
import recompute_factors
import unit_worth
from unit_worth import PooledFactor, Question
from unit_worth_outcomes import (
    EXPECTATIONS,
    LADDERS,
    OUTSIDE,
    OWN_SEARCH,
    RESULTS,
    SEARCHED,
    TEXTS,
    WORDS,
    agree,
    bits_in_words,
    cell_of,
    claims,
    difference,
    factor_in_words,
    factor_of_own_search,
    factors_again,
    factors_of,
    factors_of_own_search,
    family,
    is_ahead,
    own_counts,
    reading_speed,
    recorded,
    set_in_words,
    settings_of,
    steps_in_words,
)

from textgen.core.files import write_file
from textgen.evaluation.significance import Difference, Lead, bootstrap_interval
from textgen.evaluation.units import NOTHING, markdown_table
from textgen.report.grid import CellRecord, compare_cells
from textgen.report.page import LogScale, scale_of

APPENDIX = Path(__file__).parent / "appendix.md"
FIGURES = {False: "curves_light.svg", True: "curves_dark.svg"}  # by whether the page is dark
ARMS = ("characters", "subwords", "word_spell", "words")
NAMES = {
    "characters": "characters",
    "subwords": "8,000 subwords",
    "word_spell": "self-spelling words",
    "words": "words, rare ones spelled by n-grams",
}
# A training that took less than this share of its budget ended early.
WHOLE = 0.97
# The arm of the causes whose settings are best for characters, not for all arms together.
TUNED = "characters_replaced_tuned"
BEHIND_MEANS = "†: the second arm needs more bits than n-grams of its own tokens.\n"
MARKS = "†: more bits than n-grams of its own tokens. Seconds in a cell: training ended early.\n"
OUTSIDE_MEANS = (
    "‡: this bound lies outside its set, because more compute did not always help the first arm. "
    "The bound\nis of its last crossing, the set of all that the interval allows.\n"
)
OF_A_STEP = (
    "p is that of a step of its chain: of two questions the larger, and never below that of the "
    "step before.\n"
)
# Text → where it is, in a sentence.
ON_TEXT = {"tales": "on the tales", "speeches": "on the speeches", "swahili": "on Swahili"}
CORRECTED = "p < 0.05, corrected for ten chains of questions"
ABOUT = (
    "All of this holds in seconds of one core, in this program, and with the best of the settings "
    "that were tried for each level. Both English texts had steered the design of this study."
)


def _titled(title: str, table: str) -> str:
    return f"**{title}**\n\n{table}\n"


# ---- sentences


def in_short(reports: Path = RESULTS) -> str:
    """Three sentences for everybody, about the largest budget of the tales that has a factor."""
    for study, seconds in unit_worth.CURVES[0]:
        one = _factor_of(reports, "tales", study, seconds, "word_spell")
        if one is not None and one.found.gains:
            break
    else:
        return ""
    leads, reached = dict[str, Lead](), dict[str, list[str]]()
    without_factor, alike, words_ahead = list[str](), list[str](), list[str]()
    for text in TEXTS:
        of_text = study.replace("tales", text)
        cell = cell_of(reports, of_text, seconds, (*WORDS, "subwords", "characters"))
        if cell is None:
            continue
        question = Question(of_text, seconds, "word_spell", ("characters",))
        leads[text] = family(reports)[question]
        beside = compare_cells(cell, "word_spell", cell, "subwords")
        if beside.low <= 0 <= beside.high:
            alike.append(ON_TEXT[text])
        elif beside.high < 0:
            words_ahead.append(ON_TEXT[text])
        for first in WORDS:
            one = _factor_of(reports, text, of_text, seconds, first)
            if one is not None and one.found.gains:
                reached.setdefault(first, []).append(f"{_reached(one)} {ON_TEXT[text]}")
            elif first == "word_spell":
                without_factor.append(ON_TEXT[text])
    ahead = [lead for lead in leads.values() if is_ahead(lead)]
    to_come = ""
    if len(leads) < len(TEXTS):
        to_come = f"; of {len(TEXTS)} planned"
    said = [
        f"Given {seconds:g} seconds of one core each, a network that reads words, and spells rare "
        "ones itself, predicts unseen text better than one that reads characters, on "
        f"{len(ahead)} of {len(leads)} texts ({CORRECTED}{to_come}).{_not_certain(leads)}"
        f"{_saving(reports, seconds)}",
        f"What characters reach in these {seconds:g} seconds (settings for {settings_of(study)} "
        f"s), self-spelling words reach {_listed(reached['word_spell'])}, and words whose rare "
        f"ones n-grams spell {_listed(reached['words'])}.{_too_little(without_factor)}"
        f"{_times_as_fast(reports)}",
    ]
    if alike:
        said.append(
            f"After {seconds:g} seconds, 8,000 subwords and self-spelling words cannot be told "
            f"apart {_listed(alike)}.{_words_ahead(words_ahead)}"
            f"{_later_than_subwords(reports, seconds)}"
        )
    return "".join(_item(each, f"{number}. ") for number, each in enumerate(said, start=1))


def _not_certain(leads: dict[str, Lead]) -> str:
    """The texts where self-spelling words need fewer bits, but not by corrected p."""
    said = ""
    for text, lead in leads.items():
        if not is_ahead(lead) and lead.found.difference < 0:
            where = ON_TEXT[text].replace("on", "On", 1)
            said += (
                f" {where}, the lead is not certain after this correction: "
                f"{bits_in_words(lead.found)} bits per character, p {lead.p_adjusted:.2f}."
            )
    return said


def _too_little(without_factor: list[str]) -> str:
    if not without_factor:
        return ""
    return f" Characters gain too little for such a time {_listed(without_factor)}."


def _words_ahead(words_ahead: list[str]) -> str:
    if not words_ahead:
        return ""
    return (
        f" Self-spelling words are ahead of these subwords {_listed(words_ahead)} (95% interval, "
        "uncorrected)."
    )


def _saving(reports: Path, seconds: float) -> str:
    """What became of the claim that self-spelling words save compute, on each text."""
    where = dict[str, list[str]]()
    for row in claims(reports):
        text, _, budget = row.where.partition(", ")
        is_asked = row.claim == 1 and row.what.startswith("`word_spell`")
        if is_asked and budget == f"{seconds:g} s":
            where.setdefault(row.outcome.said, []).append(ON_TEXT[text])
    said = ", and ".join(f"{outcome} {_listed(texts)}" for outcome, texts in where.items())
    return (
        f" Whether reading words saves compute at {seconds:g} s, also if timings are a fifth off "
        f"(claim 1 of the appendix), is {said}."
    )


def _times_as_fast(reports: Path) -> str:
    """The factors over characters with settings searched at 540 s."""
    factors = list[str]()
    for text in OWN_SEARCH:
        one = factor_of_own_search(reports, text)
        if one is not None and one.found.value is not None:
            factors.append(f"{one.found.value:.1f} times as fast {ON_TEXT[text]}")
    if not factors:
        return ""
    return (
        " What characters reach in 540 seconds, with the best of four settings tried at that time, "
        f"self-spelling words reach {_listed(factors)} (a comparison that was not planned)."
    )


def _later_than_subwords(reports: Path, seconds: float) -> str:
    """Where self-spelling words have left subwords behind after more seconds, uncorrected."""
    ahead = list[str]()
    latest = 0.0
    for text, budgets in zip(TEXTS, unit_worth.CURVES, strict=True):
        study, longest = budgets[0]
        found = difference(reports, study, longest, "word_spell", "subwords")
        if longest > seconds and found is not None and found.high < 0:
            ahead.append(f"{ON_TEXT[text]}{_nothing_gained(reports, study, longest)}")
            latest = longest
    if not ahead:
        return ""
    return (
        f" After {latest:g} seconds self-spelling words are ahead {_listed(ahead)} (95% intervals, "
        "uncorrected)."
    )


def _nothing_gained(reports: Path, study: str, seconds: float) -> str:
    """That subwords need no fewer bits than at the budget before, where this is so; and whether
    their trainings ended early."""
    cells = unit_worth.cells_of(reports / study)
    before, last = [cell for cell in cells if cell.budget[1] <= seconds][-2:]
    if compare_cells(last, "subwords", before, "subwords").difference < 0:
        return ""
    early = " ended early and" if _is_early(last, "subwords") else ""
    return f", where trainings of subwords{early} gained nothing after {before.budget[1]:g} seconds"


def sentences(reports: Path = RESULTS) -> str:
    """The finding: of each text what self-spelling words lead by and how many times the compute
    characters need, then words, subwords, counts and causes, and what all of this is about."""
    found = list[str]()
    for text, budgets in zip(TEXTS, unit_worth.CURVES, strict=True):
        found += _of_text(reports, text, budgets)
    found += [
        *_own_search(reports),
        *_texts_counted(reports),
        *_over_characters(reports, "words", "Words whose rare ones n-grams spell"),
        *_over_characters(reports, "subwords", "8,000 subwords"),
        *_beside_subwords(reports),
        *_with_counts(reports),
        *_replaced_sentence(reports),
        *_earlier_than_the_curve(reports),
        *_by_list(reports),
    ]
    if not found:
        return ""
    measured = [*_measured(reports), *_text_read(reports)]
    said = [*found, ABOUT, *measured, _searched(), *_about_networks(reports)]
    return "".join(_item(each, "- ") for each in said)


def _item(sentence: str, mark: str) -> str:
    """An item of a list, in lines; never broken within a word, where it would become a space."""
    indent = " " * len(mark)
    text = textwrap.fill(mark + sentence, 140, subsequent_indent=indent, break_on_hyphens=False)
    return f"{text}\n"


def _of_text(reports: Path, text: str, budgets: list[tuple[str, float]]) -> list[str]:
    """The leads of self-spelling words on a text, and the factor at its largest budget that has
    one; between it and larger budgets, that characters gain nothing.

    Args:
        budgets: studies and seconds, the largest first.
    """
    leads, factors, flat = list[str](), list[str](), list[str]()
    for study, seconds in budgets:
        found = difference(reports, study, seconds, "word_spell", "characters")
        if found is None:
            continue
        cell = unit_worth.cell_of(reports, study, seconds)
        assert cell is not None
        settings = f"settings for {settings_of(study)} s"
        if _is_behind(cell, "characters"):
            settings += "; characters need more bits than their own n-grams"
        leads.insert(0, f"{bits_in_words(found)} after {seconds:g} s ({settings})")
        one = _factor_of(reports, text, study, seconds, "word_spell")
        if one is None or factors:
            continue
        if one.found.gains:
            factors = [_factor_sentence(one, text, seconds, settings_of(study))]
        else:
            flat += _no_gain(reports, text, study, seconds)
    if not leads:
        return []
    where = ON_TEXT[text].removeprefix("on ")
    lead = (
        f"On {where}, bits per character of self-spelling words minus characters: {_listed(leads)}."
    )
    return [lead, *factors, *flat]


def _is_behind(cell: CellRecord | None, arm: str) -> bool:
    """Whether a network needs more bits than the n-grams of its own tokens."""
    counts = None if cell is None else own_counts(cell, arm)
    return counts is not None and counts.difference > 0


def _listed(said: list[str]) -> str:
    *others, last = said
    return f"{', '.join(others)} and {last}" if others else last


def _factor_of(
    reports: Path, text: str, study: str, seconds: float, first: str
) -> PooledFactor | None:
    return factors_of(reports, text, settings_of(study)).get((seconds, first, "characters"))


def when_reached(text: str, first: str, reports: Path = RESULTS) -> str:
    """When an arm that is ahead needs no more bits than characters of 180 s."""
    one = _factor_of(reports, text, f"{text}_curves_300s", 180, first)
    assert one is not None
    assert one.found.gains
    assert one.is_ahead
    return _reached(one)


def _seconds_reached(one: PooledFactor) -> float:
    """Where the factor has no value, the smallest budget at which the first arm is ahead."""
    times = one.largest if one.found.value is None else one.found.value
    return one.found.compute / times


def _factor_sentence(one: PooledFactor, text: str, seconds: float, settings: int) -> str:
    if _excludes_nothing(one):
        return (
            f"What characters reach {ON_TEXT[text]} after {seconds:g} s of one core, self-spelling "
            f"words may reach sooner or later: {_times(one, settings)}."
        )
    return (
        f"What characters reach {ON_TEXT[text]} after {seconds:g} s of one core, self-spelling "
        f"words reach {_reached(one)}: {_times(one, settings)}."
    )


def _reached(one: PooledFactor) -> str:
    """When the first arm needs no more bits than the second one's budget has left it with."""
    if one.found.value is None and not one.is_ahead:
        return f"only after more than {one.found.compute / one.smallest:,.0f} s"
    is_sure = one.found.value is None and one.found.low >= one.largest
    if is_sure:
        return f"within {_seconds_reached(one):,.0f} s"
    at_most = " at most" if one.found.value is None else ""
    return f"after{at_most} about {_seconds_reached(one):,.0f} s"


def _times(one: PooledFactor, settings: int) -> str:
    """A factor, its set, and the set that errors of timing allow; no factor where its set is open
    at both ends."""
    if _excludes_nothing(one):
        return f"no factor is excluded (settings for {settings} s)"
    value = unit_worth.value_in_words(one).replace("< ", "less than ")
    if value.startswith("> "):
        about = "about " if one.found.low < one.largest else ""
        value = f"{about}{value[2:]} or more"
    return (
        f"a factor of {value} (set {set_in_words(one)}, or {unit_worth.widened_set_in_words(one)} "
        f"if timings are a fifth off; settings for {settings} s)"
    )


def _excludes_nothing(one: PooledFactor) -> bool:
    """Whether the set of a factor is open at both ends."""
    return one.found.low == 0 and one.found.high == math.inf


def _no_gain(reports: Path, text: str, study: str, seconds: float) -> list[str]:
    """That characters gain too little for a factor since the budget before."""
    cells = unit_worth.cells_of(reports / study)
    before, last = [cell for cell in cells if cell.budget[1] <= seconds][-2:]
    gain = compare_cells(last, "characters", before, "characters")
    return [
        f"Characters gain too little for a factor {ON_TEXT[text]} from {before.budget[1]:g} to "
        f"{seconds:g} s with their settings: {bits_in_words(gain)}."
    ]


def _own_search(reports: Path) -> list[str]:
    """What changes where characters have settings that were searched at 540 s."""
    said = list[str]()
    for text, study in OWN_SEARCH.items():
        one = factor_of_own_search(reports, text)
        curves = unit_worth.cell_of(reports, f"{text}_curves_300s", 540)
        own = unit_worth.cell_of(reports, study, 540)
        if one is None or curves is None or own is None:
            continue
        gain = compare_cells(own, SEARCHED, curves, "characters")
        lead = compare_cells(curves, "word_spell", own, SEARCHED)
        times = "no factor, as they gain too little from 180 s on"
        if one.found.gains:
            times = _times(one, 300)
        said.append(
            f"With settings searched at 540 s, for characters alone, their bits change "
            f"{ON_TEXT[text]} by {bits_in_words(gain)} after 540 s. Self-spelling words minus "
            f"these characters: {bits_in_words(lead)}; {times}."
        )
    return said


def _texts_counted(reports: Path) -> list[str]:
    """On how many texts self-spelling words lead after the largest budget of each, by corrected p
    alone."""
    leads = list[Lead]()
    of_family = family(reports)
    for budgets in unit_worth.CURVES:
        asked = [Question(*where, "word_spell", ("characters",)) for where in budgets]
        leads += [of_family[each] for each in asked if each in of_family][:1]
    if not leads:
        return []
    ahead = [lead for lead in leads if is_ahead(lead)]
    return [
        "After the largest budget of each text, self-spelling words need fewer bits than "
        f"characters on {len(ahead)} of {len(leads)} texts ({CORRECTED})."
    ]


def _over_characters(reports: Path, first: str, name: str) -> list[str]:
    """The factors of an arm over characters, at the largest budget of each text that has one."""
    told = list[str]()
    for text, budgets in zip(TEXTS, unit_worth.CURVES, strict=True):
        for study, seconds in budgets:
            one = _factor_of(reports, text, study, seconds, first)
            if one is not None and one.found.gains:
                factor = _times(one, settings_of(study))
                doubts = _doubts(reports, Question(study, seconds, first, ("characters",)))
                where = ON_TEXT[text].replace("on", "On", 1)
                told.append(f"{where}, at {seconds:g} s: {factor}{doubts}.")
                break
    if not told:
        return []
    return [f"{name}, over characters. {' '.join(told)}"]


def _doubts(reports: Path, question: Question) -> str:
    """What weakens a lead over characters: weak characters, or a p that is too large."""
    doubts = list[str]()
    if _is_behind(unit_worth.cell_of(reports, question.study, question.seconds), "characters"):
        doubts.append("characters need more bits than their own n-grams there")
    lead = family(reports).get(question)
    if lead is not None and not is_ahead(lead):
        doubts.append("the lead is not certain after correction")
    return "".join(f"; {doubt}" for doubt in doubts)


def _at_180(reports: Path) -> list[tuple[str, CellRecord]]:
    """The texts whose curves have 180 s on record, and their cells."""
    cells = [(text, unit_worth.cell_of(reports, f"{text}_curves_300s", 180)) for text in TEXTS]
    return [(text, cell) for text, cell in cells if cell is not None]


def _beside_subwords(reports: Path) -> list[str]:
    told, counted = list[str](), list[str]()
    for text, cell in _at_180(reports):
        found = compare_cells(cell, "word_spell", cell, "subwords")
        told.append(f"{bits_in_words(found)} {ON_TEXT[text]}")
        found = compare_cells(cell, "word_spell", cell, "subwords", "with_counts")
        counted.append(f"{bits_in_words(found)} {ON_TEXT[text]}")
    if not told:
        return []
    return [
        f"Self-spelling words minus 8,000 subwords, after 180 s: {_listed(told)}. Where both also "
        f"count n-grams (not planned): {_listed(counted)}."
    ]


def _with_counts(reports: Path) -> list[str]:
    spelled, words = list[str](), list[str]()
    for text, cell in _at_180(reports):
        for first, told in (("word_spell", spelled), ("words", words)):
            found = compare_cells(cell, first, cell, "characters", "with_counts")
            told.append(f"{bits_in_words(found)} {ON_TEXT[text]}")
    if not spelled:
        return []
    return [
        "Where both also count n-grams of their own tokens (not planned), self-spelling words "
        f"minus characters, after 180 s: {_listed(spelled)}. Words whose rare ones n-grams spell, "
        f"minus characters: {_listed(words)}."
    ]


def _replaced_sentence(reports: Path) -> list[str]:
    """What is left of the lead of words where n-grams spell rare words for characters, too, by
    text; and what this spelling changes for characters."""
    told, changed, costs = list[str](), list[str](), list[str]()
    for budgets in unit_worth.CAUSES:
        for study, seconds in budgets:
            cell = cell_of(reports, study, seconds, ("words", "characters_replaced"))
            if cell is None:
                continue
            text = study.partition("_")[0]
            found = compare_cells(cell, "words", cell, "characters_replaced")
            said = (
                "Where the same n-grams spell the same rare words on both sides, words minus "
                f"characters {ON_TEXT[text]} after {seconds:g} s: {bits_in_words(found)} with "
                f"matched settings{_left_behind(cell, 'characters_replaced')}"
            )
            if TUNED in cell.arms:
                own = compare_cells(cell, "words", cell, TUNED)
                said += (
                    f", and {bits_in_words(own)} with those that the search found best for "
                    f"characters{_left_behind(cell, TUNED)}"
                )
            told.append(f"{said}.")
            curves = unit_worth.cell_of(reports, f"{text}_curves_300s", seconds)
            if TUNED in cell.arms and curves is not None:
                gain = compare_cells(curves, "characters", cell, TUNED)
                changed.append(f"{bits_in_words(gain)} {ON_TEXT[text]}")
                if gain.high < 0:
                    costs.append(ON_TEXT[text])
            break
    if not changed:
        return told
    said = (
        "With the settings that the search found best for characters, characters without this "
        f"spelling minus characters with it: {_listed(changed)} (of two studies, timed apart)."
    )
    if costs:
        said += f" This spelling costs characters bits {_listed(costs)}."

    return [*told, said]


def _left_behind(cell: CellRecord, arm: str) -> str:
    if not _is_behind(cell, arm):
        return ""
    return ", which leave characters behind their own n-grams"


def _earlier_than_the_curve(reports: Path) -> list[str]:
    """A factor holds one list of settings, so it may show too late where self-spelling words are
    ahead."""
    told = [
        f"{bits_in_words(found)} {ON_TEXT[text]}" for text, found in after_a_third(reports).items()
    ]
    if not told:
        return []
    return [
        "A factor holds one list of settings for both arms. With the settings for 60 s, "
        "self-spelling words after 60 s minus characters after 180 s with those for 300 s: "
        f"{_listed(told)} (95% intervals, uncorrected; not planned)."
    ]


def after_a_third(reports: Path) -> dict[str, Difference]:
    """Text → self-spelling words of 60 s, with settings for 60 s, minus characters of 180 s, with
    those for 300 s; only where both ran on one kind of processor."""
    found = dict[str, Difference]()
    for text, later in _at_180(reports):
        earlier = unit_worth.cell_of(reports, f"{text}_curves_60s", 60)
        if earlier is None:
            continue
        on = _processors({60: earlier}, "word_spell")
        if on == _processors({180: later}, "characters"):
            found[text] = compare_cells(earlier, "word_spell", later, "characters")
    return found


def _by_list(reports: Path) -> list[str]:
    """How much the factor at one budget depends on the settings."""
    both = [
        factors_of(reports, "tales", settings).get((60, "word_spell", "characters"))
        for settings in (60, 300)
    ]
    short, long = both
    if short is None or long is None:
        return []
    said = (
        "Factors depend on the settings: at 60 s on the tales that of self-spelling words is "
        f"{unit_worth.value_in_words(short)} with the settings for 60 s, and "
        f"{unit_worth.value_in_words(long)} with those for 300 s."
    )
    later = difference(reports, "tales_curves_60s", 180, "word_spell", "characters")
    cell = cell_of(reports, "tales_curves_60s", 180, ("word_spell", "characters"))
    if later is not None and cell is not None:
        said += (
            " At 180 s with the settings for 60 s, self-spelling words minus characters: "
            f"{bits_in_words(later)}{_ended_early(cell, 'word_spell')}."
        )
    outcomes = {row.outcome.said for row in claims(reports) if row.claim == 2}
    if outcomes:
        said += (
            " Whether the factor grows with compute (claim 2 of the appendix) is "
            f"{_listed(sorted(outcomes))}."
        )
    return [said]


def _is_early(cell: CellRecord, arm: str) -> bool:
    spent = cell.compute(arm)
    return spent is not None and spent < WHOLE * cell.budget[1]


def _ended_early(cell: CellRecord, arm: str) -> str:
    if not _is_early(cell, arm):
        return ""
    return f", of trainings that ended early, after {cell.compute(arm):,.0f} s"


def _measured(reports: Path) -> list[str]:
    """How much more compute the runs of 180 s measured than was planned for them."""
    told = list[str]()
    for text, cell in _at_180(reports):
        of_arms = list[str]()
        for arm in ("characters", "word_spell"):
            planned = cell.compute(arm)
            spent = [run.compute for run in cell.arms[arm].runs if run.compute is not None]
            if planned and spent:
                of_arms.append(f"`{arm}` {statistics.mean(spent) / planned:.2f}")
        told.append(f"{ON_TEXT[text]} {', '.join(of_arms)}")
    if not told:
        return []
    return [
        "Compute is counted as planned. During the runs of 180 s, two at a time, measured compute "
        f"over planned compute was: {'; '.join(told)}."
    ]


def _text_read(reports: Path) -> list[str]:
    """How much text the networks read in a second, over what characters read."""
    told = list[str]()
    for text, cell in _at_180(reports):
        others = reading_speed(cell, "characters")
        speeds = [(arm, reading_speed(cell, arm)) for arm in ("word_spell", "words", "subwords")]
        of_arms = [f"`{arm}` {speed / others:.1f}" for arm, speed in speeds if speed and others]
        if of_arms:
            told.append(f"{ON_TEXT[text]} {', '.join(of_arms)}")
    if not told:
        return []
    return [
        f"Text read in a second of the runs of 180 s, over what characters read: {'; '.join(told)}."
    ]


def _searched() -> str:
    """How many trainings each level has had in the search."""
    trials = [trial for text in choose.TEXTS for trial in choose.search(text)["trials"]]
    trials += [trial for text in choose.TEXTS for trial in choose.by_the_clock()[text]]
    said = list[str]()
    for level in choose.LEVELS:
        number = sum(trial["arm"] == level for trial in trials)
        said.append(f"{level} {number}")
    longest = choose.choose_for_nine_minutes()
    if longest is not None:
        said.append(f"and characters {2 * len(longest.trials)} more at 540 s")
    return f"Trainings of the search that are on record, both of its texts: {', '.join(said)}."


def _about_networks(reports: Path) -> list[str]:
    """Which networks of the tales have vectors of n-grams, by list, and which need more bits than
    the n-grams of their own tokens after the largest budget."""
    said, behind = list[str](), list[str]()
    for study, seconds in unit_worth.CURVES[0]:
        cell = cell_of(reports, study, seconds, (*WORDS, "characters"))
        if cell is None:
            continue
        vectors = ", ".join(f"`{arm}` {_vectors(cell, arm)}" for arm in cell.arms)
        sentence = f"Vectors of n-grams with settings for {settings_of(study)} s: {vectors}."
        if not said:
            behind = _behind_counts(cell)
        if sentence not in said:
            said.append(sentence)
    return said + behind


def _behind_counts(cell: CellRecord) -> list[str]:
    behind = [f"`{arm}`" for arm in cell.arms if _is_behind(cell, arm)]
    if not behind:
        return []
    return [
        f"After {cell.budget[1]:g} s, n-grams of their own tokens need fewer bits on the tales "
        f"than {_listed(behind)}."
    ]


# ---- tables


FACTORS_HEAD = ["text", "settings for", "budget of the second", "arms", "difference", "factor"]
FACTORS_HEAD += ["set", "timings a fifth off", "budgets alone"]


class FactorRow(NamedTuple):
    """A factor of the tables.

    Attributes:
        about: text, settings, budget and arms.
        found: the difference at that budget; None where it is another study's.
        one, other: the factor by textgen, and by the second program.
        is_over_characters: whether it is over characters, at a budget that the claims are about.
        is_behind: whether the second arm needs more bits than the n-grams of its own tokens.
    """

    about: list[str]
    found: Difference | None
    one: PooledFactor
    other: recompute_factors.Recomputed
    is_over_characters: bool
    is_behind: bool


def _factor_rows(reports: Path) -> list[FactorRow]:
    asked = {where for budgets in unit_worth.CURVES for where in budgets}
    rows = list[FactorRow]()
    for (text, settings), studies in LADDERS.items():
        again = factors_again(reports, text, settings)
        for key, one in factors_of(reports, text, settings).items():
            seconds, first, second = key
            study = _study_of(reports, studies, seconds, (first, second))
            found = difference(reports, study, seconds, first, second) if study else None
            about = [text, f"{settings} s", f"{seconds:,g} s", f"`{first}` over `{second}`"]
            is_shown = second == "characters" and (studies[0], seconds) in asked
            of_second = _study_of(reports, studies, seconds, (second,))
            is_behind = _is_behind(unit_worth.cell_of(reports, of_second, seconds), second)
            rows.append(FactorRow(about, found, one, again[key], is_shown, is_behind))
    for text, study in OWN_SEARCH.items():
        for (seconds, first, second), both in factors_of_own_search(reports, text).items():
            curves = unit_worth.cell_of(reports, f"{text}_curves_300s", seconds)
            own = unit_worth.cell_of(reports, study, seconds)
            assert curves is not None
            assert own is not None
            found = compare_cells(curves, first, own, second)
            settings = "300 s; characters 540 s"
            about = [text, settings, f"{seconds:,g} s", f"`{first}` over `{second}`"]
            is_behind = _is_behind(own, second)
            rows.append(FactorRow(about, found, *both, True, is_behind))
    return rows


def factors_table(which: str = "", reports: Path = RESULTS) -> str:
    """Factors, by text, list and budget: those on record over characters, at the budgets that the
    claims are about; or of all arms at all budgets, also where there is none, beside what the
    second program finds."""
    every = _factor_rows(reports)
    with_factor = [row for row in every if row.one.found.gains]
    shown = every if which else [row for row in with_factor if row.is_over_characters]
    if not shown:
        return ""
    rows = [_factor_cells(row) for row in shown]
    head = FACTORS_HEAD
    title = "Factors of compute."
    if which:
        rows = [[*cells, _second_program(row)] for cells, row in zip(rows, shown, strict=True)]
        head = [*FACTORS_HEAD, "second program"]
        title = "Factors of compute, all arms and budgets."
    said = _titled(title, markdown_table(head, rows, left=range(4)))
    if not which:
        here, of_all = (
            sum(agree(row.one, row.other) for row in told) for told in (shown, with_factor)
        )
        said += (
            f"\nThe second program agrees on {here} of {len(shown)} rows, and on {of_all} of the "
            f"{len(with_factor)} of the appendix.\n"
        )
    if any(row.is_behind for row in shown):
        said += f"\n{BEHIND_MEANS}"
    is_marked = any(OUTSIDE in cell for cells in rows for cell in cells)
    return f"{said}\n{OUTSIDE_MEANS}" if is_marked else said


def _factor_cells(row: FactorRow) -> list[str]:
    one = row.one
    *about, arms = row.about
    mark = " †" if row.is_behind else ""
    found = NOTHING if row.found is None else bits_in_words(row.found)
    cells = [*about, f"{arms}{mark}", found, factor_in_words(one)]
    if one.found.gains:
        widened = unit_worth.widened_set_in_words(one)
        return [*cells, set_in_words(one), widened, steps_in_words(one)]
    return [*cells, NOTHING, NOTHING, NOTHING]


def _second_program(row: FactorRow) -> str:
    if not row.one.found.gains:
        return NOTHING
    return "agrees" if agree(row.one, row.other) else _in_words_again(row.other)


def _study_of(
    reports: Path, studies: tuple[str, ...], seconds: float, arms: tuple[str, str]
) -> str:
    """The study that has both arms after so many seconds; empty where none has."""
    for study in studies:
        if cell_of(reports, study, seconds, arms) is not None:
            return study
    return ""


def _in_words_again(other: recompute_factors.Recomputed) -> str:
    value = "outside" if other.value is None else f"{other.value:.1f}"
    return f"{value} (set {unit_worth.set_in_words(other.low, other.high)}), steps {other.steps}"


def tales_table(reports: Path = RESULTS) -> str:
    """For the guide on compute: factors over characters on the tales at 180 s."""
    rows = list[list[str]]()
    for first in ("subwords", "word_spell", "words"):
        one = _factor_of(reports, "tales", "tales_curves_300s", 180, first)
        if one is not None and one.found.gains:
            rows.append(
                [NAMES[first], "characters", f"{factor_in_words(one)} ({set_in_words(one)})"]
            )
    if not rows:
        return ""
    head = ["ahead", "behind", "times the compute, 95% set"]
    return markdown_table(head, rows, left=range(3)) + "\n"


def claims_table(reports: Path = RESULTS) -> str:
    """What became of the claims."""
    rows = [
        [str(row.claim), row.where, row.what, row.outcome.measured, row.outcome.said]
        for row in claims(reports)
    ]
    if not rows:
        return ""
    head = ["claim", "where", "of", "measured", "outcome"]
    titled = _titled("What became of the claims.", markdown_table(head, rows, left=range(5)))
    return f"{titled}\n{OF_A_STEP}"


def expected() -> dict[int, tuple[str, str]]:
    """Number of an expectation → its quantity and what is expected, as the appendix has them."""
    text = APPENDIX.read_text(encoding="utf-8")
    section = text.partition("**As they were written.**")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {int(number): (quantity, range_) for number, quantity, range_, _ in rows}


def expectations_table(reports: Path = RESULTS) -> str:
    """What became of the expectations."""
    of_page = expected()
    rows = list[list[str]]()
    for each in EXPECTATIONS:
        outcome = each.measure(reports)
        if outcome is not None:
            rows.append([str(each.number), *of_page[each.number], *outcome])
    if not rows:
        return ""
    head = ["", "quantity", "expected", "measured", "outcome"]
    titled = _titled("What became of the expectations.", markdown_table(head, rows, left=range(5)))
    is_marked = any(OUTSIDE in cell for row in rows for cell in row)
    return f"{titled}\n{OUTSIDE_MEANS}" if is_marked else titled


def curves_table(reports: Path = RESULTS) -> str:
    """A table for each text: bits per character after each budget, by list and arm."""
    tables = list[str]()
    for text in TEXTS:
        rows = dict[tuple[int, str], dict[float, CellRecord]]()
        for (of_text, settings), studies in LADDERS.items():
            for study in studies if of_text == text else ():
                for cell in unit_worth.cells_of(reports / study):
                    for arm in cell.arms:
                        rows.setdefault((settings, arm), {})[cell.budget[1]] = cell
        if not rows:
            continue
        budgets = sorted({budget for cells in rows.values() for budget in cells})
        shown = list[list[str]]()
        for (settings, arm), cells in rows.items():
            first = next(iter(cells.values()))
            bits = [_bits(cells[each], arm) if each in cells else "" for each in budgets]
            vectors = _vectors(first, arm)
            shown.append([f"{settings} s", f"`{arm}`", vectors, *bits, _processors(cells, arm)])
        head = ["settings for", "arm", "vectors of n-grams"]
        head += [*(f"{budget:,g} s" for budget in budgets), "processor"]
        title = f"Bits per character of {text}, networks alone, with 95% intervals."
        tables.append(_titled(title, markdown_table(head, shown, left=range(3))))
    if not tables:
        return ""
    return "\n".join([*tables, MARKS])


def _bits(cell: CellRecord, arm: str) -> str:
    """Bits per character of an arm, with their interval."""
    bits = cell.bits(arm).sum(axis=2)
    low, high = bootstrap_interval(bits, cell.units(), cell.folds())
    value = _mean_bits(cell, arm)
    decimals = 3 if high - low <= 0.05 else 2
    mark = " †" if _is_behind(cell, arm) else ""
    early = f", {cell.compute(arm):,.0f} s" if _is_early(cell, arm) else ""
    return f"{value:.{decimals}f}{mark} ({low:.{decimals}f} to {high:.{decimals}f}){early}"


def _mean_bits(cell: CellRecord, arm: str) -> float:
    """Bits per character, the mean over runs."""
    bits = cell.bits(arm).sum(axis=2)
    return float(bits.mean(axis=0).sum() / cell.units().sum())


def _vectors(cell: CellRecord, arm: str) -> str:
    """Where the network of an arm has vectors of n-grams."""
    backbone = cell.arms[arm].plan["experiment"]["backbone"]
    places = {"ngrams": "input", "output_ngrams": "output"}
    has = [place for setting, place in places.items() if backbone.get(setting)]
    return " and ".join(has) or "none"


def _processors(cells: dict[float, CellRecord], arm: str) -> str:
    runs = [run for cell in cells.values() for run in cell.arms[arm].runs]
    return "; ".join(sorted({run.processor for run in runs}))


CAUSES_SHOWN = [
    ("gain of words", "word_spell", ("words",)),
    ("gain of 8,000 subwords", "subwords", ("subwords_replaced",)),
    ("gain of characters", "characters", ("characters_replaced",)),
    ("`words` − `characters_replaced`", "words", ("characters_replaced",)),
    ("`words` − `characters_replaced_tuned`", "words", ("characters_replaced_tuned",)),
    ("`words` − `subwords_replaced`", "words", ("subwords_replaced",)),
    ("`word_spell` − `characters`", "word_spell", ("characters",)),
    ("`word_spell` − `subwords`", "word_spell", ("subwords",)),
    ("`subwords` − `subwords_short`", "subwords", ("subwords_short",)),
    (
        "`subwords_short` − mean of `subwords` and `subwords_2000`",
        "subwords_short",
        ("subwords", "subwords_2000"),
    ),
]


def causes_table(reports: Path = RESULTS) -> str:
    """Bits of the arms of the causes, what replacing gains, the interaction, and other
    differences, by text and budget."""
    columns = dict[str, tuple[str, float, CellRecord]]()
    for study, seconds in (where for budgets in unit_worth.CAUSES for where in budgets[::-1]):
        cell = cell_of(reports, study, seconds, ())
        if cell is not None:
            columns[f"{study.partition('_')[0]}, {seconds:g} s"] = study, seconds, cell
    if not columns:
        return ""
    cells = [cell for _, _, cell in columns.values()]
    rows = list[list[str]]()
    for arm in dict.fromkeys(arm for cell in cells for arm in cell.arms):
        rows.append([f"`{arm}`", *(_bits(c, arm) if arm in c.arms else "" for c in cells)])
    for name, first, others in CAUSES_SHOWN:
        found = [
            difference(reports, s, seconds, first, *others) for s, seconds, _ in columns.values()
        ]
        if any(found):
            marked = ["" if each is None else bits_in_words(each) for each in found]
            for number, cell in enumerate(cells):
                if marked[number] and _is_behind(cell, others[-1]):
                    marked[number] += " †"
            rows.append([name, *marked])
        if name == "gain of characters":
            both = [unit_worth.interaction(cell) for cell in cells]
            shown = ["" if each is None else bits_in_words(each) for each in both]
            rows.append(["interaction: gain of words − gain of characters", *shown])
    title = "Causes: bits per character of networks, and their differences."
    table = _titled(title, markdown_table(["", *columns], rows))
    return f"{table}\n{MARKS}A difference has the mark of its last network.\n"


# ---- figure


def picture(reports: Path = RESULTS) -> str:
    """The figure as the page shows it, light or dark."""
    if not figure(False, reports):
        return ""
    alt = (
        "Bits per character of the tales against seconds of compute, four networks; the best "
        "settings for 300 seconds as lines, those for 60 seconds dashed, and those of characters "
        "for 540 seconds dotted"
    )
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="results/{FIGURES[True]}">'
    image = f'<img src="results/{FIGURES[False]}" alt="{alt}">'
    return f"<picture>{dark}{image}</picture>\n"


# As the report's page has its lines: textgen/interactive/theme.css.
HUES = {
    False: ("#986c0b", "#4a62b3", "#009c71", "#a31600"),
    True: ("#cc9522", "#249bf1", "#00a05c", "#ffc18f"),
}
PAPER = {False: "#fdfcf9", True: "#14161a"}
INK = {False: "#1d1f22", True: "#e8e5df"}
RULE = {False: "#dcd8cf", True: "#343941"}
# From the left, in the order of ARMS.
NAMES_AT = (4, 100, 225, 377)
LEFT, RIGHT, TOP, BOTTOM = 56.0, 624.0, 64.0, 360.0
# By the seconds that settings are for.
DASHES = {60: ' stroke-dasharray="5 4"', 300: "", 540: ' stroke-dasharray="2 3"'}


def figure(is_dark: bool, reports: Path = RESULTS) -> str:
    """Bits per character of the tales against compute, as SVG; empty without records."""
    curves = dict[tuple[int, str], list[tuple[float, float]]]()
    for settings in (60, 300):
        folders = recorded(reports, "tales", settings)
        if folders:
            pool = unit_worth.pooled(folders)
            for arm, learning in pool.learning.items():
                levels = learning.levels(pool.units).tolist()
                points = zip(learning.computes.tolist(), levels, strict=True)
                curves[settings, arm] = list(points)
    if not curves:
        return ""
    searched = unit_worth.cells_of(reports / OWN_SEARCH["tales"])
    if searched:
        curves[540, "characters"] = [
            (cell.budget[1], _mean_bits(cell, SEARCHED)) for cell in searched
        ]
    points = [point for line in curves.values() for point in line]
    computes = [compute for compute, _ in points]
    across = LogScale(0.9 * min(computes), 1.1 * max(computes))
    up = scale_of(bits for _, bits in points)

    def x(compute: float) -> float:
        return LEFT + across.place(compute) / 100 * (RIGHT - LEFT)

    def y(bits: float) -> float:
        return BOTTOM - up.place(bits) / 100 * (BOTTOM - TOP)

    rule, ink = RULE[is_dark], INK[is_dark]
    drawn = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 404" font-size="13" '
        f'font-family="sans-serif"><rect width="100%" height="100%" fill="{PAPER[is_dark]}"/>'
    ]
    for place, name in across.ticks():
        at = LEFT + place / 100 * (RIGHT - LEFT)
        drawn.append(f'<path stroke="{rule}" d="M{at:.1f} {TOP:g}V{BOTTOM:g}"/>')
        drawn.append(_label(at, BOTTOM + 17, name, ink, "middle"))
    for place, name in up.ticks():
        at = BOTTOM - place / 100 * (BOTTOM - TOP)
        drawn.append(f'<path stroke="{rule}" d="M{LEFT:g} {at:.1f}H{RIGHT:g}"/>')
        drawn.append(_label(LEFT - 6, at + 4, name, ink, "end"))
    axis = (
        "seconds of compute on one core; dashed: settings for 60 s, lines: for 300 s, "
        "dotted: for 540 s"
    )
    drawn.append(_label(RIGHT, BOTTOM + 36, axis, ink, "end"))
    drawn.append(_label(4, 16, "bits per character", ink))
    colours = dict(zip(ARMS, HUES[is_dark], strict=True))
    for arm, place in zip(ARMS, NAMES_AT, strict=True):
        drawn.append(_label(place, 42, f"● {NAMES[arm]}", colours[arm]))
    for (settings, arm), line in curves.items():
        path = "L".join(f"{x(compute):.1f} {y(bits):.1f}" for compute, bits in line)
        colour = colours[arm]
        line_style = f'stroke="{colour}" stroke-width="2"{DASHES[settings]}'
        drawn.append(f'<path fill="none" {line_style} d="M{path}"/>')
        drawn += [
            f'<circle cx="{x(compute):.1f}" cy="{y(bits):.1f}" r="3" fill="{colour}"/>'
            for compute, bits in line
        ]
    return "\n".join([*drawn, "</svg>", ""])


def _label(x: float, y: float, text: str, fill: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{text}</text>'


if __name__ == "__main__":
    for is_dark, name in FIGURES.items():
        drawn = figure(is_dark)
        if drawn:
            write_file(RESULTS / name, drawn)
