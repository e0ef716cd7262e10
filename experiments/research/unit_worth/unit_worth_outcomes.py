"""What became of the claims and expectations of the study, by the protocol (appendix.md).

It reads the grids in a folder of reports. A claim whose runs have not been recorded has no outcome.
"""

import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from textgen.evaluation.significance import LEVEL, MARGIN, Difference, Lead
from textgen.report.grid import CellRecord

sys.path.append(str(Path(__file__).parents[1] / "tools"))
import recompute_factors
import unit_worth
from unit_worth import PooledFactor, Question

RESULTS = Path(__file__).parent / "results"
# (text, seconds for which a list of settings was searched) → the studies whose budgets are pooled.
LADDERS = {
    ("tales", 60): ("tales_curves_60s",),
    ("tales", 300): ("tales_curves_300s", "tales_longest"),
    ("speeches", 60): ("speeches_curves_60s",),
    ("speeches", 300): ("speeches_curves_300s",),
    ("swahili", 60): ("swahili_curves_60s",),
    ("swahili", 300): ("swahili_curves_300s",),
}
TEXTS = ("tales", "speeches", "swahili")
# Text → the study of characters whose settings were searched at 540 s, for them alone, and its arm.
OWN_SEARCH = {"tales": "tales_characters_540s", "speeches": "speeches_characters_540s"}
SEARCHED = "characters_540s"
# Of words, the network that the claims are about first.
WORDS = ("word_spell", "words")
# Both programs agree on a factor, and on the ends of a set, within these shares.
FACTORS_AGREE = 0.05
ENDS_AGREE = 0.2
# Behind a bound that is none of its set.
OUTSIDE = " ‡"


class Outcome(NamedTuple):
    """What was measured, in words, and what the protocol says of it."""

    measured: str
    said: str


class Row(NamedTuple):
    """An outcome of a claim, and what it is of."""

    claim: int
    where: str
    what: str
    outcome: Outcome


class Expectation(NamedTuple):
    """A row of the protocol's table.

    Attributes:
        number: of the row.
        ranges: the ends that the table states, which a test compares with it.
        measure: reports → the outcome; None where a run is missing.
    """

    number: int
    ranges: tuple[tuple[float, float], ...]
    measure: Callable[[Path], Outcome | None]


# ---- records


@functools.cache
def factors_of(
    reports: Path, text: str, settings: int, without_preparation: bool = False
) -> dict[tuple[float, str, str], PooledFactor]:
    """(planned budget of the second arm, first arm, second arm) → the factor, of one list of
    settings; empty if nothing has been recorded."""
    folders = recorded(reports, text, settings)
    if not folders:
        return {}
    pool = unit_worth.pooled(folders, without_preparation=without_preparation)
    if without_preparation:  # the claims ask for words against characters alone
        asked = [(first, "characters") for first in WORDS]
        pool = pool._replace(contrasts=[pair for pair in pool.contrasts if pair in asked])
    return unit_worth.factors(pool)


@functools.cache
def factors_again(
    reports: Path, text: str, settings: int
) -> dict[tuple[float, str, str], recompute_factors.Recomputed]:
    """As :func:`factors_of`, by the program that does without textgen."""
    folders = recorded(reports, text, settings)
    return recompute_factors.pooled_factors(folders) if folders else {}


@functools.cache
def factors_of_own_search(
    reports: Path, text: str
) -> dict[tuple[float, str, str], tuple[PooledFactor, recompute_factors.Recomputed]]:
    """The factors of words, settings for 300 s, over characters whose settings were searched at
    540 s, by both programs; empty if nothing has been recorded."""
    folders = [reports / f"{text}_curves_300s", reports / OWN_SEARCH[text]]
    if not all(any(folder.glob("cells/*.json")) for folder in folders):
        return {}
    asked = [(first, SEARCHED) for first in WORDS]
    pool = unit_worth.pooled(folders)._replace(contrasts=asked)
    again = recompute_factors.pooled_factors(folders, asked)
    return {key: (one, again[key]) for key, one in unit_worth.factors(pool).items()}


def factor_of_own_search(reports: Path, text: str) -> PooledFactor | None:
    """The factor of self-spelling words over these characters after 540 s."""
    found = factors_of_own_search(reports, text).get((540, "word_spell", SEARCHED))
    return found[0] if found else None


def recorded(reports: Path, text: str, settings: int) -> list[Path]:
    """The folders of the pooled studies that have recorded a cell."""
    folders = [reports / study for study in LADDERS[text, settings]]
    return [folder for folder in folders if any(folder.glob("cells/*.json"))]


@functools.cache
def family(reports: Path) -> dict[Question, Lead]:
    return unit_worth.family(reports)


def cell_of(reports: Path, study: str, seconds: float, arms: tuple[str, ...]) -> CellRecord | None:
    """The recorded cell of a study for a budget; None if there is none, or if it lacks an arm."""
    cell = unit_worth.cell_of(reports, study, seconds)
    return cell if cell is not None and {*arms} <= cell.arms.keys() else None


def difference(
    reports: Path, study: str, seconds: float, first: str, *others: str
) -> Difference | None:
    """The first arm's bits minus the other's, or minus the mean of the others'."""
    return unit_worth.answer(reports, Question(study, seconds, first, others))


# ---- in words


def signed(value: float, decimals: int = 3) -> str:
    return f"{value:+.{decimals}f}".replace("-", "−")


def bits_in_words(found: Difference) -> str:
    """A difference and its interval; no third decimal beside one that is wider than 0.05."""
    decimals = 3 if found.high - found.low <= 0.05 else 2
    value, low, high = (
        signed(each, decimals) for each in (found.difference, found.low, found.high)
    )
    return f"{value} ({low} to {high})"


def factor_in_words(one: PooledFactor) -> str:
    """A factor; a bound where it lies outside the budgets."""
    if not one.found.gains:
        return "none: the second arm gained too little"
    return unit_worth.value_in_words(one) + (OUTSIDE if is_outside_its_set(one) else "")


def is_outside_its_set(one: PooledFactor) -> bool:
    """Whether the bound that stands for a factor is none of its set. A factor between the budgets
    always is: the interval at its crossing contains 0."""
    found = one.found
    if not found.gains or found.value is not None:
        return False
    if one.is_ahead:
        return found.high < one.largest
    return found.low > one.smallest


def set_in_words(one: PooledFactor) -> str:
    return unit_worth.set_in_words(one.found.low, one.found.high)


def steps_in_words(one: PooledFactor) -> str:
    """The largest step that budgets alone show."""
    return f"at least {one.steps[-1]}" if one.steps else "less than 3"


def agree(one: PooledFactor, other: recompute_factors.Recomputed) -> bool:
    """Whether both programs find the same."""
    found = one.found
    values = [found.value, other.value]
    if None in values:
        values_agree = values == [None, None]
    else:
        values_agree = math.isclose(found.value, other.value, rel_tol=FACTORS_AGREE)
    ends = (found.low, other.low), (found.high, other.high)
    ends_agree = all(math.isclose(a, b, rel_tol=ENDS_AGREE) for a, b in ends)
    return values_agree and ends_agree and one.steps == other.steps


# ---- claims


def claims(reports: Path) -> list[Row]:
    """The outcomes of all claims, as far as they are on record."""
    rows = list[Row]()
    for first in WORDS:
        rows += _less_compute(reports, first)
    for first in WORDS:
        rows += _growing_factor(reports, first)
    return [*rows, *_replaced(reports), *_beside_subwords(reports), *_length(reports)]


def settings_of(study: str) -> int:
    """The seconds for which the settings of a study were searched."""
    return 60 if study.endswith("_60s") else 300


def _less_compute(reports: Path, first: str) -> list[Row]:
    """Claim 1."""
    rows = list[Row]()
    for study, seconds in (where for budgets in unit_worth.CURVES for where in budgets):
        lead = family(reports).get(Question(study, seconds, first, ("characters",)))
        if lead is None:
            continue
        text = study.partition("_")[0]
        one = factors_of(reports, text, settings_of(study)).get((seconds, first, "characters"))
        shows = "no factor, as characters gained too little"
        is_factor_shown = False
        if one is not None and one.found.gains:
            shows = f"set {set_in_words(one)}, budgets alone {steps_in_words(one)}"
            is_factor_shown = one.found.low / unit_worth.TIMINGS_OFF > 1 or 3 in one.steps
        said = "open"
        if lead.found.low > 0:
            said = "refuted"
        elif is_ahead(lead) and is_factor_shown:
            said = "confirmed"
        rows.append(
            Row(
                1,
                f"{text}, {seconds:g} s",
                f"`{first}`, characters",
                Outcome(f"{lead_in_words(lead)}; {shows}", said),
            )
        )
    return rows


def is_ahead(lead: Lead) -> bool:
    """Whether the first arm needs fewer bits, by corrected p."""
    return lead.p_adjusted < LEVEL and lead.found.difference < 0


def lead_in_words(lead: Lead) -> str:
    return f"{bits_in_words(lead.found)}, p {lead.p_adjusted:.3f}"


def _growing_factor(reports: Path, first: str) -> list[Row]:
    """Claim 2, and the same growth from 180 to 540 s."""
    key = (first, "characters")
    short = factors_of(reports, "tales", 60, without_preparation=True)
    long = factors_of(reports, "tales", 300, without_preparation=True)
    of_arms = f"`{first}`, characters"
    rows = list[Row]()
    claimed = _from_60_to_180(
        short.get((60, *key)), short.get((180, *key)), again=long.get((180, *key))
    )
    if claimed is not None:
        rows.append(Row(2, "tales, 60 to 180 s", of_arms, claimed))
    told_beside = _from_180_to_540(long.get((180, *key)), long.get((540, *key)))
    if told_beside is not None:
        rows.append(Row(2, "tales, 180 to 540 s", of_arms, told_beside))
    return rows


def _from_60_to_180(
    before: PooledFactor | None, after: PooledFactor | None, again: PooledFactor | None
) -> Outcome | None:
    """Whether a factor grows, with the settings for 60 s; a growth is confirmed only if the factor
    at 180 s with the settings for 300 s shows it again."""
    if before is None or after is None:
        return None
    at_180 = set_in_words(after) if after.found.gains else "none"
    measured = f"settings for 60 s: {set_in_words(before)} at 60 s, {at_180} at 180 s"
    if again is not None:
        measured += f"; settings for 300 s: {factor_in_words(again)} at 180 s"
    said = growth(before, after)
    if said == "confirmed" and (again is None or not _lies_above(again, before.found.high)):
        said = "open"
    return Outcome(measured, said)


def _from_180_to_540(before: PooledFactor | None, after: PooledFactor | None) -> Outcome | None:
    if before is None or after is None:
        return None
    at_540 = set_in_words(after) if after.found.gains else "none"
    measured = f"settings for 300 s: {set_in_words(before)} at 180 s, {at_540} at 540 s"
    said = {"confirmed": "grows", "refuted": "shrinks", "open": "open"}[growth(before, after)]
    return Outcome(measured, said)


def growth(before: PooledFactor, after: PooledFactor) -> str:
    """What two sets of one list say of a factor that grows."""
    if not (before.found.gains and after.found.gains) or before.found.high == math.inf:
        return "open"
    if after.found.low > before.found.high:
        return "confirmed"
    if after.found.high < before.found.low:
        return "refuted"
    return "open"


def _lies_above(one: PooledFactor, end: float) -> bool:
    """Whether a factor, which may be a bound from below, is larger than the end of a set."""
    if not one.found.gains:
        return False
    if one.found.value is not None:
        return one.found.value > end
    return one.is_ahead and one.largest > end


def _replaced(reports: Path) -> list[Row]:
    """Claim 3."""
    rows = list[Row]()
    for study, seconds in (where for budgets in unit_worth.CAUSES for where in budgets):
        questions = [
            Question(study, seconds, "words", (other,)) for other in unit_worth.REPLACED[seconds]
        ]
        leads = [family(reports).get(question) for question in questions]
        told = [lead for lead in leads if lead is not None]
        if len(told) < len(leads):
            continue
        said = "open"
        if any(lead.found.low > -MARGIN for lead in told):
            said = "refuted"
        elif all(lead.p_adjusted < LEVEL and lead.found.high < -MARGIN for lead in told):
            said = "confirmed"
        names = " and ".join(f"`{other}`" for question in questions for other in question.others)
        measured = "; ".join(lead_in_words(lead) for lead in told)
        where = f"{study.partition('_')[0]}, {seconds:g} s"
        rows.append(Row(3, where, f"`words`, {names}", Outcome(measured, said)))
    return rows


def _beside_subwords(reports: Path) -> list[Row]:
    """Claim 4."""
    found = difference(reports, "tales_curves_300s", 180, "word_spell", "subwords")
    if found is None:
        return []
    said = "open"
    if found.low > -MARGIN:
        said = "confirmed"
    elif found.high < -MARGIN:
        said = "refuted"
    outcome = Outcome(bits_in_words(found), said)
    return [Row(4, "tales, 180 s", "`word_spell`, `subwords`", outcome)]


def _length(reports: Path) -> list[Row]:
    """Claim 5."""
    ((longer, shorter),) = unit_worth.OF_LENGTH
    leads = family(reports)
    if not {longer, shorter} <= leads.keys():
        return []
    by_length, by_number = leads[longer], leads[shorter]
    said = "open"
    if is_ahead(by_number):
        said = "refuted"
    elif (
        by_length.p_adjusted < LEVEL
        and by_length.found.high < -MARGIN
        and by_number.p_adjusted < LEVEL
        and by_number.found.low > 0
    ):
        said = "confirmed"
    measured = f"{lead_in_words(by_length)}; {lead_in_words(by_number)}"
    what = "`subwords`, `subwords_short`; `subwords_short`, mean of `subwords` and `subwords_2000`"
    return [Row(5, "tales, 180 s", what, Outcome(measured, said))]


# ---- expectations

HOLDS, FAILS, OPEN = "holds", "fails", "open"


def _said(holds: bool) -> str:
    return HOLDS if holds else FAILS


def factor_outcome(one: PooledFactor, low: float, high: float) -> Outcome:
    """Whether a factor lies in a range. One outside the budgets fails where no value beyond its
    bound could hold."""
    measured = factor_in_words(one)
    if not one.found.gains:
        return Outcome(measured, FAILS)
    measured += f" (set {set_in_words(one)})"
    if one.found.value is not None:
        return Outcome(measured, _said(low <= one.found.value <= high))
    is_excluded = high <= one.largest if one.is_ahead else low >= one.smallest
    return Outcome(measured, FAILS if is_excluded else OPEN)


def _factor(
    number: int, ends: tuple[float, float], text: str, settings: int, seconds: float, *arms: str
) -> Expectation:
    def measure(reports: Path) -> Outcome | None:
        one = factors_of(reports, text, settings).get((seconds, *arms))
        return None if one is None else factor_outcome(one, *ends)

    return Expectation(number, (ends,), measure)


def _factor_in_both_lists(
    number: int, ends: tuple[float, float], seconds: float, *arms: str
) -> Expectation:
    def measure(reports: Path) -> Outcome | None:
        outcomes = dict[int, Outcome]()
        for settings in (60, 300):
            one = factors_of(reports, "tales", settings).get((seconds, *arms))
            if one is not None:
                outcomes[settings] = factor_outcome(one, *ends)
        if not outcomes:
            return None
        measured = "; ".join(
            f"settings for {settings} s: {each.measured}" for settings, each in outcomes.items()
        )
        all_said = {each.said for each in outcomes.values()}
        if FAILS in all_said:
            return Outcome(measured, FAILS)
        is_open = len(outcomes) < 2 or OPEN in all_said
        return Outcome(measured, OPEN if is_open else HOLDS)

    return Expectation(number, (ends,), measure)


def _steps(number: int, text: str, shown: int, not_shown: int | None, first: str) -> Expectation:
    """A step that budgets alone show at 540 s, and one that they do not."""

    def measure(reports: Path) -> Outcome | None:
        one = factors_of(reports, text, 300).get((540, first, "characters"))
        if one is None:
            return None
        if not one.found.gains:
            return Outcome(factor_in_words(one), FAILS)
        return Outcome(
            steps_in_words(one), _said(shown in one.steps and not_shown not in one.steps)
        )

    return Expectation(number, (), measure)


def _difference(
    number: int, ends: tuple[float, float], study: str, seconds: float, first: str, other: str
) -> Expectation:
    def measure(reports: Path) -> Outcome | None:
        found = difference(reports, study, seconds, first, other)
        if found is None:
            return None
        return Outcome(bits_in_words(found), _said(ends[0] <= found.difference <= ends[1]))

    return Expectation(number, (ends,), measure)


def reading_speed(cell: CellRecord, arm: str) -> float | None:
    """Characters of text that an arm read in a second of compute; None where that is not on
    record."""
    runs = cell.arms[arm].runs
    read = [run.characters for run in runs if run.characters is not None]
    seconds = [run.compute for run in runs if run.compute is not None]
    if not runs or len(read) < len(runs) or len(seconds) < len(runs):
        return None
    return sum(read) / sum(seconds)


READ = (1.7, 3.2)  # times as many characters in a second


def _read(reports: Path) -> Outcome | None:
    arms = ("words", "characters")
    cell = cell_of(reports, "tales_curves_300s", 540, arms)
    if cell is None:
        return None
    words, characters = (reading_speed(cell, arm) for arm in arms)
    if words is None or characters is None:
        return None
    ratio = words / characters
    return Outcome(f"{ratio:.2f}", _said(READ[0] <= ratio <= READ[1]))


def _short_subwords(reports: Path) -> Outcome | None:
    to_others = {
        other: difference(reports, *unit_worth.LENGTHS, "subwords_short", other)
        for other in ("subwords_2000", "subwords")
    }
    if None in to_others.values():
        return None
    to_2000, to_8000 = to_others.values()
    assert to_2000 is not None
    assert to_8000 is not None
    measured = f"{bits_in_words(to_2000)} from 2,000; {bits_in_words(to_8000)} from 8,000"
    return Outcome(measured, _said(abs(to_2000.difference) < abs(to_8000.difference)))


def own_counts(cell: CellRecord, arm: str) -> Difference | None:
    """Bits of an arm's network minus those of the n-grams of its own tokens; None without these."""
    if "counts" not in cell.parts(arm):
        return None
    parts = [cell.bits(arm, part).sum(axis=2) for part in ("network", "counts")]
    return unit_worth.compare_arms(*parts, cell.units(), cell.folds())


BESIDE_COUNTS = (-0.09, 0.0)  # at 540 s


def _beside_counts(reports: Path) -> Outcome | None:
    said = dict[float, tuple[str, bool]]()
    for study, seconds, low, high in (
        ("tales_curves_60s", 60, 0.0, math.inf),
        ("tales_curves_300s", 540, *BESIDE_COUNTS),
    ):
        cell = cell_of(reports, study, seconds, ("characters",))
        found = None if cell is None else own_counts(cell, "characters")
        if found is not None:
            said[seconds] = bits_in_words(found), low <= found.difference <= high
    if not said:
        return None
    measured = "; ".join(f"{bits} at {seconds:g} s" for seconds, (bits, _) in said.items())
    if not all(holds for _, holds in said.values()):
        return Outcome(measured, FAILS)
    return Outcome(measured, HOLDS if len(said) == 2 else OPEN)


CURVE, CAUSE = "tales_curves_300s", "tales_causes_300s"
SPELL, WORD = ("word_spell", "characters"), ("words", "characters")
EXPECTATIONS = [
    _factor(1, (1.2, 2.8), "tales", 60, 60, *SPELL),
    _factor_in_both_lists(2, (2, 6), 180, *SPELL),
    _factor(3, (3, 12), "tales", 300, 540, *SPELL),
    _steps(4, "tales", 3, 9, "word_spell"),
    _factor(5, (3.5, 5.5), "tales", 60, 60, *WORD),
    _factor(6, (15, 40), "tales", 300, 540, *WORD),
    _steps(7, "tales", 27, None, "words"),
    Expectation(8, (READ,), _read),
    _factor(9, (0.8, 2.5), "tales", 300, 180, "word_spell", "subwords"),
    _difference(10, (0.09, 0.15), CAUSE, 180, "word_spell", "words"),
    _difference(11, (0.05, 0.12), CAUSE, 180, "subwords", "subwords_replaced"),
    _difference(12, (0.03, 0.12), CAUSE, 180, "characters", "characters_replaced"),
    _difference(13, (-0.22, -0.10), CAUSE, 180, "words", "characters_replaced"),
    Expectation(14, (), _short_subwords),
    _steps(15, "speeches", 3, 27, "word_spell"),
    _factor(16, (0.8, 2.2), "swahili", 60, 60, *SPELL),
    _difference(17, (-0.06, 0.02), "swahili_curves_300s", 180, *SPELL),
    _difference(18, (-0.07, 0.02), "swahili_curves_300s", 180, *WORD),
    Expectation(19, (BESIDE_COUNTS,), _beside_counts),
]
