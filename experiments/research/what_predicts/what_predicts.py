"""The quantities of the study on units, what four texts predict of each for a fifth, and what
became of it. The protocol is ../log/2026-11-29-what-predicts.md.

    cd experiments/research/what_predicts
    python what_predicts.py             draws the page's figure; ../tools/table.py writes the tables
                                        of the pages
    python what_predicts.py predict     writes results/predictions.json first; needs every cell of
                                        the four texts
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from textgen.evaluation.significance import Difference, compare_arms
from textgen.evaluation.units import markdown_table
from textgen.report.grid import CellRecord, Grid
from textgen.report.sentences import WHERE

RESULTS = Path(__file__).parent / "results"
PREDICTIONS = RESULTS / "predictions.json"
FIGURE = RESULTS / "what_predicts.svg"
ARMS = ("characters", "subwords", "words", "word_spell")
SEEN, UNSEEN = ("tales", "wikipedia", "swahili", "ukrainian"), "speeches"
ENGLISH = (*SEEN[:2], UNSEEN)
NO_DIFFERENCE = 0.01  # bits per character
# The figure's colours, on light paper and on dark.
STYLE = """<style>
rect,text,circle{fill:currentColor} path{stroke:currentColor}
.paper{color:#fff} .ink{color:#222} .line{color:#ddd} .zero{color:#555}
.subwords{color:#986c0b} .words{color:#4a62b3} .word_spell{color:#007a58}
@media (prefers-color-scheme:dark){
.paper{color:#131416} .ink{color:#e8e5df} .line{color:#343941} .zero{color:#a3a8b0}
.subwords{color:#cc9522} .words{color:#249bf1} .word_spell{color:#00a05c}}
</style>"""


def _bits(cell: CellRecord, arms: str, part: str) -> np.ndarray:
    """(seeds, documents) of an arm, or midway between two; under a class of words, those that
    networks need there."""
    if part in cell.classes:
        return np.array(cell.arms[arms].where)[..., cell.classes.index(part)]
    return np.mean([cell.bits(arm, part).sum(axis=2) for arm in arms.split(" + ")], axis=0)


def _compared(cell: CellRecord, first: np.ndarray, second: np.ndarray) -> Difference:
    return compare_arms(first, second, cell.units(), cell.folds())


def difference(cell: CellRecord, first: str, second: str, part: str = "network") -> Difference:
    return _compared(cell, _bits(cell, first, part), _bits(cell, second, part))


class Quantity(NamedTuple):
    """A row of the protocol: in which cells it is measured, and as what difference of two arms
    under a part; a share of another difference has a range but no interval."""

    number: str
    cell: str
    name: str
    arms: tuple[str, ...]
    whole: tuple[str, ...] = ()

    def measure(self, cell: CellRecord) -> float:
        value = difference(cell, *self.arms).difference
        return value / difference(cell, *self.whole).difference if self.whole else value

    def known(self, cell: CellRecord) -> bool:
        return {*" + ".join(self.arms[:2]).split(" + ")} <= cell.arms.keys()


LATE = "all-180s"
LEAD, COUNTED = ("words", "characters"), ("words", "characters", "with_counts")
OVER_SPELL, FREQUENT = ("words", "word_spell"), (*LEAD, "frequent")
SPELL, MIDWAY = ("word_spell", "characters"), ("word_spell", "words + characters")
SPELLING = "of the lead of `words`, what n-grams, listed words and endings are worth"
FORMS = "as in the study", "characters with a window of 64", "another backbone"
# Words, words that the network spells, and characters in these forms
TRIPLES = {
    "": ("words", "word_spell", "characters"),
    "s": ("words", "word_spell", "characters_64"),
    "b": ("words_320", "word_spell_320", "characters_320"),
}


def of_triple(mark: str, words: str, spell: str, characters: str) -> list[Quantity]:
    """What the claim rests on."""
    between = f"`{spell}` − (`{words}` + `{characters}`) / 2"
    return [
        Quantity(f"1{mark}", LATE, f"`{words}` − `{characters}`", (words, characters)),
        Quantity(f"3{mark}", LATE, f"`{spell}` − `{characters}`", (spell, characters)),
        Quantity(f"9{mark}", LATE, between, (spell, f"{words} + {characters}")),
    ]


QUANTITIES = [
    *(quantity for mark, triple in TRIPLES.items() for quantity in of_triple(mark, *triple)),
    Quantity("1", "145000-180s", "`words` − `characters`", LEAD),
    Quantity("2", "145000-20s", "`word_spell` − `characters`", SPELL),
    Quantity("3c", LATE, "as 3, with counts", (*SPELL, "with_counts")),
    Quantity("4", LATE, SPELLING, OVER_SPELL, LEAD),
    Quantity("4c", LATE, f"{SPELLING}, with counts", (*OVER_SPELL, "with_counts"), COUNTED),
    Quantity("5", "all-20s", "`subwords` − `characters`", ("subwords", "characters")),
    Quantity("5", LATE, "`subwords` − `characters`", ("subwords", "characters")),
    Quantity("6", LATE, "`word_spell` − `subwords`", ("word_spell", "subwords")),
    Quantity("7", LATE, "of the lead of `words`, what is left with counts", COUNTED, LEAD),
    Quantity("8", LATE, "of the lead of `words`, what lies in frequent words", FREQUENT, LEAD),
    Quantity("9c", LATE, "as 9, with counts", (*MIDWAY, "with_counts")),
]


class Prediction(NamedTuple):
    """For one more text: ``sign`` is 0 where the texts disagree in it."""

    sign: int
    low: float
    high: float


def predict(values: Sequence[float]) -> Prediction:
    """Mean ± t(n − 1, 0.975) · s · √(1 + 1/n): a 95% prediction interval for one more value."""
    number = len(values)
    reach = stats.t.ppf(0.975, number - 1) * statistics.stdev(values) * math.sqrt(1 + 1 / number)
    signs = {int(np.sign(value)) for value in values}
    sign = signs.pop() if len(signs) == 1 else 0
    return Prediction(sign, statistics.mean(values) - reach, statistics.mean(values) + reach)


def outcome(quantity: Quantity, prediction: Prediction, cell: CellRecord) -> str:
    """What became of a prediction: of its range, and of its sign where there is one."""
    value = quantity.measure(cell)
    range_ = "in the range" if prediction.low <= value <= prediction.high else "missed the range"
    if not prediction.sign or quantity.whole:
        return range_ if quantity.whole else f"{range_}, no sign predicted"
    found = difference(cell, *quantity.arms)
    low, high = sorted(prediction.sign * end for end in (found.low, found.high))
    none = low > -NO_DIFFERENCE and high < NO_DIFFERENCE
    sign = "refuted" if high < 0 or none else "confirmed" if low > 0 else "open"
    return f"{range_}, sign {sign}"


def write_predictions() -> None:
    """Once; a cell that is missing is an error."""
    cells, written = records(), []
    for quantity in QUANTITIES:
        values = [quantity.measure(cells[f"{text}-{quantity.cell}"]) for text in SEEN]
        about = {"number": quantity.number, "cell": quantity.cell, "quantity": quantity.name}
        written.append({**about, "values": values, "prediction": predict(values)})
    with PREDICTIONS.open("x", encoding="utf-8") as file:
        json.dump(written, file, indent=1, ensure_ascii=False)


def rows() -> list[list[str]]:
    """From the predictions written down: number and name, cell, values on the texts seen, sign and
    range; and, empty until the unseen text has this cell, its value and the outcome."""
    stored = json.loads(PREDICTIONS.read_text("utf-8")) if PREDICTIONS.exists() else []
    result, cells = [], records()
    for quantity, row in zip(QUANTITIES, stored, strict=bool(stored)):
        prediction, shown = Prediction(*row["prediction"]), [f"{v:+.3f}" for v in row["values"]]
        signs = {1: "above 0", -1: "below 0", 0: "none"}
        sign = "" if quantity.whole else signs[prediction.sign]
        range_ = f"{prediction.low:+.3f} to {prediction.high:+.3f}"
        test, found = cells.get(f"{UNSEEN}-{quantity.cell}"), ["", ""]
        if test and quantity.known(test):
            found = [f"{quantity.measure(test):+.3f}", outcome(quantity, prediction, test)]
        about = quantity.number, quantity.name, quantity.cell
        result.append([*about, *shown, sign, range_, *found])
    return result


def records() -> dict[str, CellRecord]:
    """The study's cells; those of the whole texts after 180 seconds have the arms of
    what_predicts_backbone.toml, too."""
    folders = [RESULTS / "what_predicts", RESULTS / "what_predicts_backbone"]
    cells, others = (Grid(folder).cells if folder.exists() else {} for folder in folders)
    for other in others.values():
        if own := cells.get(f"{other.text}-{LATE}"):
            assert (own.sha256, own.documents) == (other.sha256, other.documents)
            own.arms.update(other.arms)
    return cells


def predictions_table() -> str:
    """The quantities on the texts seen, what they predict, and what became of the predictions."""
    head = ["", "quantity", "training text, budget", *SEEN, "sign", "range", UNSEEN, "outcome"]
    return markdown_table(head, rows()) + "\n"


def claim_table() -> str:
    """What became of the claim's parts (rows) on the unseen text: as it is, with the shorter window
    and with the other backbone."""
    own, parts = rows(), ("words lead", "without n-grams", "by more than half of the lead")
    said = [f"{value}: {outcome.partition(', ')[2]}" for *_, value, outcome in own[:9]]
    table = [[part, *said[i::3]] for i, part in enumerate(parts)]
    return markdown_table([UNSEEN, *FORMS], table) + "\n"


def late() -> dict[str, CellRecord]:
    """Of every text that has it, the cell of the whole after 180 seconds."""
    return {cell.text: cell for name, cell in records().items() if name.endswith(LATE)}


def shares_left(part: str) -> list[float]:
    """Of the lead of words over characters on each English text, after 180 seconds and by one part
    of the models, the share that self-spelling words have."""
    cells = late()
    return [
        difference(cells[text], *SPELL, part).difference
        / difference(cells[text], *LEAD, part).difference
        for text in ENGLISH
    ]


def finding(part: str = "network") -> str:
    """What the networks of all texts, alone or with counts, say in two sentences. Shares are of
    the leads on English texts."""
    cells, said = late(), list[str]()
    for pair in (LEAD, SPELL):
        found = [difference(cell, *pair, part) for cell in cells.values()]
        values, ahead = [d.difference for d in found], [d.high < 0 for d in found]
        ends = f"{min(values):+.3f} to {max(values):+.3f}".replace("-", "−")
        said.append(f"{sum(ahead)} of {len(ahead)} texts (differences: {ends})")
    shares = shares_left(part)
    core = cells[SEEN[0]].arms[ARMS[0]].plan["processor"]
    given = "" if part == "network" else ", mixed with n-gram counts of the training text"
    return (
        f"**After three minutes on one core ({core}){given}, word networks need fewer bits per "
        f"character, by 95% intervals, than character networks on {said[0]}.** Word networks that "
        f"spell rare words themselves need fewer on {said[1]}. On English texts, {min(shares):.0%} "
        f"to {max(shares):.0%} of the lead remains when the network must spell them itself.\n"
    )


def shares_table() -> str:
    """Of the networks' lead of words over characters, what the networks that spell keep, by text
    and triple; behind it, the shares for which spelling networks are not told apart from such a
    mixture of the other two (Fieller 1954), to a fiftieth, from −100% to 200%."""
    table = []
    for text, cell in late().items():
        row = [text]
        for triple in TRIPLES.values():
            w, s, c = (_bits(cell, arm, "network") for arm in triple)
            tested = {k: _compared(cell, s, c + k / 50 * (w - c)) for k in range(-50, 101)}
            held = [k / 50 for k, found in tested.items() if found.low <= 0 <= found.high]
            share = (c - s).sum() / (c - w).sum()
            row.append(f"{share:.0%} ({min(held):.0%} to {max(held):.0%})")
        table.append(row)
    return markdown_table(["text", *FORMS], table) + "\n"


def where_table(first: str, second: str) -> str:
    """Where the characters of a difference of networks stand (columns), by text."""
    cells, table = late(), []
    for text, cell in cells.items():
        gaps = (_bits(cell, first, each) - _bits(cell, second, each) for each in cell.classes)
        shown = (f"{gap.mean(axis=0).sum() / cell.units().sum():+.3f}" for gap in gaps)
        table.append([text, *shown])
    classes = next(iter(cells.values())).classes
    return markdown_table(["text", *(WHERE[name] for name in classes)], table) + "\n"


def figure() -> str:
    """Of every text, the whole, 180 seconds: what networks of three arms need beyond those of
    characters, with 95% intervals, as SVG."""
    texts = late()
    leads = {(t, arm): difference(c, arm, LEAD[1]) for t, c in texts.items() for arm in ARMS[1:]}
    ends = [0.0, *(end for found in leads.values() for end in (found.low, found.high))]
    low, high = math.floor(10 * min(ends)), math.ceil(10 * max(ends)) or 1  # tenths of a bit

    def x(value: float) -> int:
        return round(84 + 376 * (10 * value - low) / (high - low))

    bottom = 30 + 64 * len(texts)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="480" height="{bottom + 46}" '
        f'viewBox="0 0 480 {bottom + 46}" font-size="14" font-family="sans-serif">',
        STYLE,
        '<rect class="paper" width="100%" height="100%"/>',
    ]
    for tenth in range(low, high + 1):
        kind = "line" if tenth else "zero"
        lines += [f'<path class="{kind}" d="M{x(tenth / 10)} 26V{bottom}"/>']
        lines += [_label(x(tenth / 10), bottom + 16, f"{tenth / 10:.1f}", "middle")]
    for number, arm in enumerate(ARMS[1:]):
        lines += [_label(84 + 130 * number, 16, f"● {arm}", kind=arm)]
        for place, text in enumerate(texts):
            found, y = leads[text, arm], 46 + 64 * place + 16 * number
            reach = f"M{x(found.low)} {y}H{x(found.high)}"
            lines += [f'<path class="{arm}" d="{reach}" stroke-width="2"/>']
            lines += [f'<circle class="{arm}" cx="{x(found.difference)}" cy="{y}" r="4.5"/>']
    lines += [_label(4, 66 + 64 * place, text) for place, text in enumerate(texts)]
    lines.append(_label(460, bottom + 38, "bits per character, minus those of characters", "end"))
    return "\n".join([*lines, "</svg>", ""])


def _label(x: int, y: int, text: str, anchor: str = "start", kind: str = "ink") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    if sys.argv[1:] == ["predict"]:
        write_predictions()
    FIGURE.write_text(figure(), encoding="utf-8")
