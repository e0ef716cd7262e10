"""What the page of the study shows: sentences, a figure and tables, from the grids on record.

    python experiments/research/unit_worth/unit_worth_page.py      draws the figure; tools/table.py
                                                                   writes the rest into the page

Without records there is no figure, and every table is empty.
"""

import re
import sys
import textwrap
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "one_list"))
sys.path.append(str(Path(__file__).parents[1] / "tools"))
import choose
import recompute_factors
import unit_worth
from unit_worth import PooledFactor
from unit_worth_outcomes import (
    EXPECTATIONS,
    LADDERS,
    RESULTS,
    TEXTS,
    WORDS,
    agree,
    bits_in_words,
    cell_of,
    claims,
    difference,
    factor_in_words,
    factors_again,
    factors_of,
    family,
    own_counts,
    recorded,
    set_in_words,
    settings_of,
    steps_in_words,
)

from textgen.core.files import write_file
from textgen.evaluation.significance import LEVEL, bootstrap_interval
from textgen.evaluation.units import NOTHING, markdown_table
from textgen.report.grid import CellRecord
from textgen.report.page import LogScale, scale_of

PAGE = Path(__file__).parent / "README.md"
FIGURES = {False: "curves_light.svg", True: "curves_dark.svg"}  # by whether the page is dark
ARMS = ("characters", "subwords", "words", "word_spell")
NAMES = {
    "characters": "characters",
    "subwords": "8,000 subwords",
    "words": "words",
    "word_spell": "self-spelling words",
}
# A training that took less than this share of its budget ended early.
WHOLE = 0.97
MARKS = "†: more bits than n-grams of its own tokens. Seconds in a cell: training ended early.\n"
WORDS_IN_WORDS = {
    "word_spell": "self-spelling words",
    "words": "words whose rare ones n-grams spell",
}
OUTSIDE = " ‡"
OUTSIDE_MEANS = (
    "‡: this bound lies outside its set, because more compute did not always help the first arm. "
    "The bound\nis of its last crossing, the set of all that the interval allows.\n"
)
# Text → where it is, in a sentence.
ON_TEXT = {"tales": "on the tales", "speeches": "on the speeches", "swahili": "on Swahili"}
FROM_HERE = "in seconds of one core, in this program, and with the best settings found here"


def _titled(title: str, table: str) -> str:
    return f"**{title}**\n\n{table}\n"


# ---- sentences


def sentences(reports: Path = RESULTS) -> str:
    """The finding at the largest budgets on record, and on how many texts words lead."""
    leads = [
        said
        for first in WORDS
        for text, budgets in zip(TEXTS, unit_worth.CURVES, strict=True)
        for said in _lead_sentences(reports, text, budgets, first)
    ]
    quoted = _quoted(reports)
    if quoted is not None:
        _, seconds = quoted[1].budget
        leads += _texts_counted(reports, seconds)
    found = [*leads, *_growth_sentence(reports), *_replaced_sentence(reports)]
    if not found:
        return ""
    said = [*found, f"All of this holds {FROM_HERE}.", _searched()]
    if quoted is not None:
        said += _about_networks(quoted)
    filled = [textwrap.fill(f"- {each}", 140, subsequent_indent="  ") for each in said]
    return "\n".join(filled) + "\n"


def _quoted(reports: Path) -> tuple[str, CellRecord] | None:
    """The study of the tales' largest budget on record that the claims are about, and its cell."""
    for study, seconds in unit_worth.CURVES[0]:
        cell = cell_of(reports, study, seconds, (*WORDS, "characters"))
        if cell is not None:
            return study, cell
    return None


def _lead_sentences(
    reports: Path, text: str, budgets: list[tuple[str, float]], first: str
) -> list[str]:
    """The factor at the largest budget on record; where characters gained too little for one, the
    difference, and the factor at the largest budget that has one.

    Args:
        budgets: studies and seconds, the largest first.
        first: the arm of words.
    """
    said = list[str]()
    for study, seconds in budgets:
        settings = settings_of(study)
        one = factors_of(reports, text, settings).get((seconds, first, "characters"))
        if one is None:
            continue
        if one.found.gains:
            return [*said, _factor_sentence(one, ON_TEXT[text], seconds, settings, first)]
        found = difference(reports, study, seconds, first, "characters")
        assert found is not None
        if not said:
            said.append(
                f"After {seconds:g} s {ON_TEXT[text]}, {WORDS_IN_WORDS[first]} minus characters: "
                f"{bits_in_words(found)} bits per character (settings for {settings} s). "
                "Characters gained too little for a factor."
            )
    return said


def _factor_sentence(
    one: PooledFactor, where: str, seconds: float, settings: int, first: str
) -> str:
    compute = one.found.compute
    times = factor_in_words(one).replace("> ", "more than ").replace("< ", "less than ")
    if one.found.value is not None:
        reached = f"reach after {compute / one.found.value:,.0f} s"
    elif one.is_ahead:
        reached = f"have passed after {compute / one.largest:,.0f} s"
    else:
        reached = f"do not reach within {compute / one.smallest:,.0f} s"
    return (
        f"What characters reach {where} after {seconds:g} s of one core, {WORDS_IN_WORDS[first]} "
        f"{reached}: a factor of {times} (set {set_in_words(one)}; settings for "
        f"{settings} s)."
    )


def _texts_counted(reports: Path, seconds: float) -> list[str]:
    """On how many texts self-spelling words lead after so many seconds, by corrected p alone."""
    leads = [
        lead
        for question, lead in family(reports).items()
        if (question.first, question.others, question.seconds)
        == ("word_spell", ("characters",), seconds)
    ]
    if not leads:
        return []
    ahead = [lead for lead in leads if lead.p_adjusted < LEVEL and lead.found.difference < 0]
    return [
        f"After {seconds:g} s, self-spelling words need fewer bits than characters on {len(ahead)} "
        f"of {len(leads)} texts (p < 0.05, corrected for ten chains of questions)."
    ]


def _growth_sentence(reports: Path) -> list[str]:
    rows = [row for row in claims(reports) if row.claim == 2 and "word_spell" in row.what]
    said = list[str]()
    for row in rows:
        verb = {
            "confirmed": "grows",
            "grows": "grows",
            "refuted": "shrinks",
            "shrinks": "shrinks",
            "open": "is not known to grow or to shrink",
        }[row.outcome.said]
        said.append(
            f"In seconds of updates, the factor of self-spelling words {verb} on the "
            f"{row.where.replace(', ', ', from ')}: {row.outcome.measured}."
        )
    return said


def _replaced_sentence(reports: Path) -> list[str]:
    rows = [row for row in claims(reports) if row.claim == 3 and row.where.startswith("tales")]
    if not rows:
        return []
    row = rows[0]
    verb = {
        "confirmed": "words need fewer bits per character than characters",
        "refuted": "words need no fewer bits per character than characters",
        "open": "it is open whether words need fewer bits per character than characters",
    }[row.outcome.said]
    return [
        f"Where n-grams spell the same rare words on both sides, {verb} ({row.where}): "
        f"{row.outcome.measured}."
    ]


def _searched() -> str:
    """How many trainings each level has had in the search."""
    trials = [trial for text in choose.TEXTS for trial in choose.search(text)["trials"]]
    said = list[str]()
    for level in choose.LEVELS:
        number = sum(trial["arm"] == level for trial in trials)
        said.append(f"{level} {number}")
    return f"Trainings that searched for settings, on both texts of the search: {', '.join(said)}."


def _about_networks(quoted: tuple[str, CellRecord]) -> list[str]:
    """Which networks have vectors of n-grams, and which need more bits than the n-grams of their
    own tokens."""
    study, cell = quoted
    vectors = ", ".join(f"`{arm}` {_vectors(cell, arm)}" for arm in cell.arms)
    said = [
        f"Vectors of n-grams in these networks (settings for {settings_of(study)} s): {vectors}."
    ]
    behind = list[str]()
    for arm in cell.arms:
        counts = own_counts(cell, arm)
        if counts is not None and counts.difference > 0:
            behind.append(f"`{arm}`")
    if behind:
        said.append(
            f"After {cell.budget[1]:g} s, n-grams of their own tokens need fewer bits on the tales "
            f"than {' and '.join(behind)}."
        )
    return said


# ---- tables


def factors_table(which: str = "", reports: Path = RESULTS) -> str:
    """Factors, by text, list and budget: of words and self-spelling words over characters at the
    budgets that the claims are about, or of all arms at all budgets."""
    asked = {
        (study, seconds, first)
        for budgets in unit_worth.CURVES
        for study, seconds in budgets
        for first in WORDS
    }
    rows = list[list[str]]()
    for (text, settings), studies in LADDERS.items():
        again = factors_again(reports, text, settings)
        for (seconds, first, second), one in factors_of(reports, text, settings).items():
            is_asked = second == "characters" and (studies[0], seconds, first) in asked
            if not which and not is_asked:
                continue
            study = _study_of(reports, studies, seconds, (first, second))
            found = difference(reports, study, seconds, first, second) if study else None
            row = [text, f"{settings} s", f"{seconds:,g} s", f"`{first}` over `{second}`"]
            row.append(NOTHING if found is None else bits_in_words(found))
            row.append(factor_in_words(one) + (OUTSIDE if is_outside_its_set(one) else ""))
            if one.found.gains:
                widened = unit_worth.widened_set_in_words(one)
                row += [set_in_words(one), widened, steps_in_words(one)]
            else:
                row += [NOTHING, NOTHING, NOTHING]
            other = again[seconds, first, second]
            row.append("agrees" if agree(one, other) else _in_words_again(other))
            rows.append(row)
    if not rows:
        return ""
    head = [
        "text",
        "settings for",
        "budget of the second",
        "arms",
        "difference",
        "factor",
        "set",
        "timings a fifth off",
        "budgets alone",
        "second program",
    ]
    title = "Factors of compute, all arms and budgets." if which else "Factors of compute."
    titled = _titled(title, markdown_table(head, rows, left=range(4)))
    is_marked = any(OUTSIDE in cell for row in rows for cell in row)
    return f"{titled}\n{OUTSIDE_MEANS}" if is_marked else titled


def is_outside_its_set(one: PooledFactor) -> bool:
    """Whether the bound that stands for a factor is none of its set. A factor between the budgets
    always is: the interval at its crossing contains 0."""
    found = one.found
    if not found.gains or found.value is not None:
        return False
    if one.is_ahead:
        return found.high < one.largest
    return found.low > one.smallest


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


def claims_table(reports: Path = RESULTS) -> str:
    """What became of the claims."""
    rows = [
        [str(row.claim), row.where, row.what, row.outcome.measured, row.outcome.said]
        for row in claims(reports)
    ]
    if not rows:
        return ""
    head = ["claim", "where", "of", "measured", "outcome"]
    return _titled("What became of the claims.", markdown_table(head, rows, left=range(5)))


def expected() -> dict[int, tuple[str, str]]:
    """Number of an expectation → its quantity and what is expected, as the page has them."""
    text = PAGE.read_text(encoding="utf-8")
    section = text[text.index("\n## Expectations") : text.index("\n## Published rows")]
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
    return _titled("What became of the expectations.", markdown_table(head, rows, left=range(5)))


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
    value = bits.mean(axis=0).sum() / cell.units().sum()
    decimals = 3 if high - low <= 0.05 else 2
    counts = own_counts(cell, arm)
    mark = " †" if counts is not None and counts.difference > 0 else ""
    spent = cell.compute(arm)
    early = ""
    if spent is not None and spent < WHOLE * cell.budget[1]:
        early = f", {spent:,.0f} s"
    return f"{value:.{decimals}f}{mark} ({low:.{decimals}f} to {high:.{decimals}f}){early}"


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
            rows.append([name, *("" if each is None else bits_in_words(each) for each in found)])
        if name == "gain of characters":
            both = [unit_worth.interaction(cell) for cell in cells]
            shown = ["" if each is None else bits_in_words(each) for each in both]
            rows.append(["interaction: gain of words − gain of characters", *shown])
    title = "Causes: bits per character of networks, and their differences."
    return _titled(title, markdown_table(["", *columns], rows)) + "\n" + MARKS


# ---- figure


def picture(reports: Path = RESULTS) -> str:
    """The figure as the page shows it, light or dark."""
    if not figure(False, reports):
        return ""
    alt = (
        "Bits per character of the tales against seconds of compute, four networks; the best "
        "settings for 300 seconds as lines, those for 60 seconds dashed"
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
LEFT, RIGHT, TOP, BOTTOM = 56.0, 624.0, 44.0, 340.0


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
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 384" font-size="13" '
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
    axis = "seconds of compute on one core; dashed: settings for 60 s, lines: for 300 s"
    drawn.append(_label(RIGHT, BOTTOM + 36, axis, ink, "end"))
    drawn.append(_label(4, 16, "bits per character", ink))
    colours = dict(zip(ARMS, HUES[is_dark], strict=True))
    for number, arm in enumerate(ARMS):
        drawn.append(_label(140 + 124 * number, 16, f"● {NAMES[arm]}", colours[arm]))
    for (settings, arm), line in curves.items():
        dashes = ' stroke-dasharray="5 4"' if settings == 60 else ""
        path = "L".join(f"{x(compute):.1f} {y(bits):.1f}" for compute, bits in line)
        colour = colours[arm]
        drawn.append(f'<path fill="none" stroke="{colour}" stroke-width="2"{dashes} d="M{path}"/>')
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
