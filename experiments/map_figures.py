"""What the map says, from ``results/map/*.json`` alone: leads, predictions, tables and the picture.

    python experiments/map_figures.py            # draws results/map/map.svg, writes map.json
    python experiments/map_figures.py coverage   # simulates how often the intervals hold the lead

A lead is the difference of two networks' bits over all documents of all folds, divided by their
characters. Its interval: documents are resampled by subsets, as in reports; folds, each of which
has networks of its own, add what they vary beyond their documents, times Student's t.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from textgen.core.system import write_json
from textgen.evaluation.significance import LEVEL, ByDocument, by_document, holm
from textgen.evaluation.units import format_number, markdown_table

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "map"
WHOLE = 10**9
SIZES = (145_000, 360_000, 900_000, WHOLE)
SECONDS = ("20", "60", "180")
LEVELS = ("words", "subwords", "characters")
LANGUAGES = ("basque", "cherokee", "estonian", "gujarati", "swahili", "ukrainian")
RESAMPLES = 2**13


class Term(NamedTuple):
    """One model in a lead: of a level, after some seconds (or its n-grams), at a size."""

    level: str
    seconds: str = "180"
    size: int = WHOLE
    sign: int = 1

    @property
    def minus(self) -> Term:
        return self._replace(sign=-self.sign)


class Lead(NamedTuple):
    """Terms added up, as bits per character: below 0 the first of two is better.

    Attributes:
        difference: over all documents.
        low, high, p: 95 % interval, and two-sided, of no difference.
        ahead: by how many per cent of the second term's bits the first needs fewer.
        folds: of each fold.
        spread: over documents.
    """

    difference: float
    low: float
    high: float
    p: float
    ahead: float
    folds: list[float]
    spread: ByDocument

    @property
    def sure(self) -> bool:
        return self.low > 0 or self.high < 0


@cache
def record(text: str, fold: int, size: int, level: str) -> dict[str, Any]:
    """What is kept of a level at a place; empty where there is nothing yet."""
    name = f"{text}-{fold}-{'whole' if size == WHOLE else size}-{level}.json"
    path = RESULTS / name
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def bits_of(text: str, fold: int, size: int, model: tuple[str, str]) -> dict[str, list[float]]:
    """Document → [characters + 1, bits …] of a level after some seconds, or of its n-grams."""
    level, seconds = model
    kept = record(text, fold, size, level)
    cell = kept.get("ngrams") if seconds == "ngrams" else kept.get("cells", {}).get(seconds)
    return cell["documents"] if cell else {}


def interval(
    bits: np.ndarray, units: np.ndarray, folds: np.ndarray, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Low, high and p of Σ bits / Σ units, (D,) each; ``folds`` says which fold has a document."""
    rng = np.random.default_rng(0)
    whole, total = bits.sum() / units.sum(), units.sum()
    chosen = rng.integers(0, 2, (resamples, len(bits))).astype(np.float64)
    draws = (chosen @ bits) / np.maximum(chosen @ units, 1.0)
    names = sorted(set(folds))
    places = [folds == name for name in names]
    error = (bits - whole * units) / total
    own = [(bits[p] - units[p] * bits[p].sum() / units[p].sum()) / total for p in places]
    count = len(names)
    between = sum(error[p].sum() ** 2 for p in places) * count / (count - 1)
    between -= sum(float(np.sum(e**2)) for e in own)
    shifts = math.sqrt(max(0.0, between)) * rng.standard_t(count - 1, resamples)
    draws = np.concatenate([draws + shifts, draws - shifts])
    low, high = np.quantile(draws, (0.025, 0.975))
    p = 2 * (min(np.sum(draws <= 0), np.sum(draws >= 0)) + 1) / (len(draws) + 1)
    return float(low), float(high), min(1.0, float(p))


def lead(text: str, folds: int, *terms: Term) -> Lead | None:
    """Terms added up, document by document, in all folds; None where a cell is missing."""
    rows = list[tuple[float, ...]]()
    for fold in range(1, folds + 1):
        found = [bits_of(text, fold, term.size, (term.level, term.seconds)) for term in terms]
        if not all(found):
            return None
        assert len({frozenset(documents) for documents in found}) == 1
        rows += [(fold, found[0][d][0], *(each[d][1] for each in found)) for d in found[0]]
    fold_of, units, *costs = np.array(rows).T
    bits = sum(term.sign * cost for term, cost in zip(terms, costs, strict=True))
    whole = float(bits.sum() / units.sum())
    places = [fold_of == fold for fold in range(1, folds + 1)]
    return Lead(
        whole,
        *interval(bits, units, fold_of),
        -100 * float(bits.sum() / costs[1].sum()),
        [float(bits[place].sum() / units[place].sum()) for place in places],
        by_document(bits[np.newaxis], np.zeros((1, len(bits))), units),
    )


def simulate(times: int = 2000) -> None:
    """How often the interval holds the lead of made-up differences on documents of the tales'
    lengths, in their folds: ``results/map/coverage.json``."""
    rows = [
        (fold, row[0])
        for fold in range(1, 6)
        for row in bits_of("tales", fold, WHOLE, ("words", "180")).values()
    ]
    assert {fold for fold, _ in rows} == {1, 2, 3, 4, 5}
    found = [
        {"folds": folds, "slope": slope, "spread": spread, "between": between, "times": times}
        for folds, slope, spread, between in itertools.product(
            (5, 3), (0, -0.02), (0.01, 0.03), (0, 0.004, 0.012)
        )
    ]
    for case in found:
        fold_of, units = np.array([row for row in rows if row[0] <= case["folds"]]).T
        rng = np.random.default_rng(1)
        mean, held = case["slope"] * np.log2(units), 0
        truth = np.sum(mean * units) / units.sum()
        for _ in range(times):
            shifts = rng.normal(0, case["between"], 5)[fold_of.astype(int) - 1]
            leads = mean + rng.normal(0, case["spread"], len(units)) + shifts
            low, high, _ = interval(leads * units, units, fold_of, 2**10)
            held += low <= truth <= high
        case["covered"] = held / times
    write_json(RESULTS / "coverage.json", found)


def coverage_table() -> str:
    """How often the interval covers, by what the lead depends on."""
    path = RESULTS / "coverage.json"
    found = json.loads(path.read_text("utf-8")) if path.exists() else []
    rows = [
        [*(f"{c[key]:g}" for key in ("folds", "slope", "spread", "between")), f"{c['covered']:.1%}"]
        for c in found
    ]
    head = "folds|change per doubling of length|SD between documents|SD between folds|coverage"
    return markdown_table(head.split("|"), rows, left=()) + "\n"


class Part(NamedTuple):
    """A part of a prediction: the lead of its terms, expected between these bounds.

    It refutes the prediction where its sign is not theirs, a strict one also where its interval
    holds 0; others are described only.
    """

    prediction: int
    text: str
    low: float
    high: float
    terms: tuple[Term, ...]
    rule: Literal["sign", "strict", "described"] = "sign"

    @property
    def sign(self) -> int:
        return 1 if self.low + self.high > 0 else -1

    def refuted_by(self, found: Lead) -> bool:
        wrong = found.difference * self.sign <= 0 or (self.rule == "strict" and not found.sure)
        return wrong and self.rule != "described"


def _words_characters(seconds: str = "180", size: int = WHOLE) -> tuple[Term, Term]:
    return Term("words", seconds, size), Term("characters", seconds, size, -1)


def _subwords_characters(size: int) -> tuple[Term, Term]:
    return Term("subwords", size=size), Term("characters", size=size, sign=-1)


def _over_n_grams(level: str, size: int) -> tuple[Term, Term]:
    return Term(level, size=size), Term(level, "ngrams", size, -1)


SMALLEST = SIZES[0]
PREDICTIONS = (
    Part(
        1,
        "words − characters, the whole, 20 s",
        -0.08,
        -0.02,
        _words_characters("20"),
        "described",
    ),
    Part(1, "words − characters, the whole", -0.15, -0.09, _words_characters(), "strict"),
    Part(
        1,
        "the same, minus the difference after 20 s",
        -0.13,
        -0.01,
        (*_words_characters(), *(term.minus for term in _words_characters("20"))),
    ),
    Part(
        2, "words − characters, 145,000", -0.12, -0.03, _words_characters(size=SMALLEST), "strict"
    ),
    Part(3, "subwords − characters, 145,000", 0.0, 0.06, _subwords_characters(SMALLEST)),
    Part(3, "subwords − characters, the whole", -0.07, -0.02, _subwords_characters(WHOLE)),
    *(
        Part(4, f"{level} − their n-grams, 145,000", -math.inf, 0.0, _over_n_grams(level, SMALLEST))
        for level in LEVELS
    ),
    Part(
        4,
        "words − their n-grams, the whole",
        -math.inf,
        -0.12,
        _over_n_grams("words", WHOLE),
        "described",
    ),
    Part(
        4,
        "words − their n-grams, 145,000 minus the whole",
        0.0,
        math.inf,
        (*_over_n_grams("words", SMALLEST), *(t.minus for t in _over_n_grams("words", WHOLE))),
    ),
)


def predictions_table() -> str:
    """The four predictions, part by part, and what becomes of each.

    p is the largest of a prediction's parts that are not only described, as all of them have to
    hold, then Holm's over the four. A prediction is refuted by the rule of its parts; it holds
    where it is not and p is below 0.05.
    """
    found = [(part, lead("tales", 5, *part.terms)) for part in PREDICTIONS]
    known = {n: all(one for part, one in found if part.prediction == n) for n in range(1, 5)}
    refuted = {part.prediction for part, one in found if one and part.refuted_by(one)}
    largest = [
        1.0
        if number in refuted or not known[number]
        else max(
            one.p
            for part, one in found
            if one and part.prediction == number and part.rule != "described"
        )
        for number in known
    ]
    adjusted, rows = dict(zip(known, holm(largest), strict=True)), list[list[str]]()
    for part, one in found:
        if not one:
            continue
        number, spread = part.prediction, one.spread
        first = known[number] and number not in {int(row[0]) for row in rows if row[0]}
        p = adjusted[number]
        outcome = "refuted" if number in refuted else "holds" if p < LEVEL else "undecided"
        rows.append(
            [
                str(number) if first else "",
                part.text,
                _expected(part),
                *_lead_cells(one),
                _between(min(one.folds), max(one.folds)),
                _between(*spread.without_one),
                f"{spread.mean_over_documents:+.3f}",
                ("< 0.001" if p < 0.001 else f"{p:.3f}") * first,
                f"**{outcome}**" * first,
            ]
        )
    head = (
        "|difference after 180 s|expected|found|95 % interval|of single folds|"
        "without one document|all documents alike|p (Holm)|prediction"
    )
    return markdown_table(head.split("|"), rows, left=(0, 1)) + "\n"


def _between(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}"


def _expected(part: Part) -> str:
    if math.isinf(part.low):
        return f"below {part.high:g}"
    return f"above {part.low:g}" if math.isinf(part.high) else f"{part.low:g} to {part.high:g}"


def _lead_cells(found: Lead) -> list[str]:
    text = f"{found.difference:+.3f}"
    return [f"**{text}**" if found.sure else text, _between(found.low, found.high)]


def mean_of(text: str, folds: int, size: int, model: tuple[str, str]) -> float:
    """Bits per character over all documents of all folds."""
    rows = [d for f in range(1, folds + 1) for d in bits_of(text, f, size, model).values()]
    return sum(row[1] for row in rows) / sum(row[0] for row in rows)


def unseen(text: str, folds: int, size: int) -> float:
    """The share of unknown words, mean over folds."""
    return statistics.mean(
        record(text, fold, size, "words")["unseen_words"] for fold in range(1, folds + 1)
    )


def best_n_grams(text: str, folds: int, size: int) -> float:
    """Bits of the level whose n-grams are best on validation text."""

    def on_validation(level: str) -> float:
        records = (record(text, fold, size, level) for fold in range(1, folds + 1))
        return sum(min(r["ngrams"]["validation"].values()) for r in records)

    return mean_of(text, folds, size, (min(LEVELS, key=on_validation), "ngrams"))


def rows_of(text: str, folds: int, size: int) -> list[list[str]]:
    """For each budget: seconds, bits of the three levels, and two leads with intervals."""
    rows = list[list[str]]()
    for seconds in SECONDS:
        ours = [Term(level, seconds, size) for level in LEVELS]
        if not all(bits_of(text, f, size, t[:2]) for f in range(1, folds + 1) for t in ours):
            continue
        bits = [mean_of(text, folds, size, term[:2]) for term in ours]
        cells = [f"**{b:.3f}**" if b == min(bits) else f"{b:.3f}" for b in bits]
        words, subwords, characters = ours
        for first in (words, subwords):
            found = lead(text, folds, first, characters.minus)
            assert found
            cells.append(" (".join(_lead_cells(found)) + ")")
        rows.append([seconds, *cells])
    return rows


def tales_table() -> str:
    """The tales: sizes and seconds (rows), the levels and their leads (columns)."""
    rows = list[list[str]]()
    for size in SIZES:
        for row in rows_of("tales", 5, size):
            grams = format_number(best_n_grams("tales", 5, size))
            name = "the whole" if size == WHOLE else f"{size:,}"
            rows.append([name, f"{unseen('tales', 5, size):.1%}", grams, *row])
    head = "training text|unknown words|best n-grams|seconds|" + COLUMNS
    return markdown_table(head.split("|"), rows) + "\n"


COLUMNS = "words|subwords|characters|words − characters|subwords − characters"


def subwords_table() -> str:
    """Whether n-grams choose the subwords that a network needs: 4,000 against the chosen."""
    rows = list[list[str]]()
    for seconds in SECONDS:
        more, chosen = Term("subwords_4000", seconds), Term("subwords", seconds, sign=-1)
        characters = Term("characters", seconds, sign=-1)
        found = [lead("tales", 5, more, other) for other in (chosen, characters)]
        if all(found):
            bits = (mean_of("tales", 5, WHOLE, term[:2]) for term in (more, chosen, characters))
            leads = (" (".join(_lead_cells(one)) + ")" for one in found if one)
            rows.append([seconds, *(f"{b:.3f}" for b in bits), *leads])
    head = "seconds|4,000 subwords|chosen|characters|4,000 − chosen|4,000 − characters"
    return markdown_table(head.split("|"), rows, left=()) + "\n"


def testaments_table() -> str:
    """The testaments after the longest budget, by their share of unknown words."""
    folds = 3
    rows, points = list[list[str]](), list[tuple[float, float]]()
    for text in sorted(
        (t for t in LANGUAGES if complete(t, folds)), key=lambda t: unseen(t, 3, WHOLE)
    ):
        *_, row = rows_of(text, folds, WHOLE)
        found = lead(text, folds, *_words_characters())
        assert found
        share = f"{unseen(text, folds, WHOLE):.1%}"
        grams = format_number(best_n_grams(text, folds, WHOLE))
        rows.append([text.capitalize(), share, grams, *row[1:], f"{found.ahead:+.1f} %"])
        points.append((unseen(text, folds, WHOLE), found.ahead))
    if not rows:
        return "No language is complete yet.\n"
    head = f"language|unknown words|best n-grams|{COLUMNS}|words ahead by"
    text = markdown_table(head.split("|"), rows) + "\n"
    if len(points) == len(LANGUAGES):
        correlation = spearmanr(*zip(*points, strict=True)).statistic
        text += f"\nRank correlation of unknown words and the lead of words: {correlation:+.2f}.\n"
    return text


def complete(text: str, folds: int) -> bool:
    return all(
        bits_of(text, fold, WHOLE, (level, seconds))
        for fold, level, seconds in itertools.product(range(1, folds + 1), LEVELS, SECONDS)
    )


def answer() -> str:
    """The map in two sentences, for README."""
    large, small = (lead("tales", 5, *_words_characters(size=size)) for size in (WHOLE, SMALLEST))
    known, unknown = (f"{unseen('tales', 5, size):.0%}" for size in (WHOLE, SMALLEST))
    cell = record("tales", 1, WHOLE, "words")["cells"]["180"]
    return (
        "**Words do better, with little text as with much.** Each of the 67 tales tested once, in "
        "five folds, after three minutes\n"
        f"on one core ({cell['processor']}): words need {-large.difference:.3f} bits per character "
        "fewer than characters\n"
        f"(95 % interval {-large.high:.3f} to {-large.low:.3f}). Trained on 145,000 characters "
        f"alone, where {unknown} of the words are unknown\n"
        f"to them and not {known}, they need {-small.difference:.3f} fewer ({-small.high:.3f} to "
        f"{-small.low:.3f}; [all figures](experiments/log/2026-11-29-the-map.md)).\n"
    )


TABLES = {
    "map_answer": answer,
    "map_tales": tales_table,
    "map_predictions": predictions_table,
    "map_subwords": subwords_table,
    "map_testaments": testaments_table,
    "map_coverage": coverage_table,
}


def trainings() -> list[dict[str, Any]]:
    """Words against characters in every fold, for ``textgen try``: ``lead`` in per cent of the
    characters' bits, above 0 where words need fewer."""
    found = list[dict[str, Any]]()
    for text, size, fold in itertools.product(("tales", *LANGUAGES), SIZES, range(1, 6)):
        for seconds in SECONDS:
            ours, theirs = (
                list(bits_of(text, fold, size, (level, seconds)).values())
                for level in ("words", "characters")
            )
            if ours and theirs:
                lead = 100 * (1 - sum(d[1] for d in ours) / sum(d[1] for d in theirs))
                unknown = record(text, fold, size, "words")["unseen_words"]
                place = {"text": text, "fold": fold, "seconds": int(seconds)}
                cell = record(text, fold, size, "words")["cells"][seconds]
                place["characters"] = cell["training_characters"]
                found.append({**place, "unknown": round(unknown, 4), "lead": round(lead, 2)})
    return found


def draw(path: Path) -> None:
    """Leads on the tales by size and seconds, and all texts by their share of unknown words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    for panel, level in zip(axes, ("words", "subwords"), strict=False):
        for number, size in enumerate(SIZES):
            pairs = [(Term(level, s, size), Term("characters", s, size, -1)) for s in SECONDS]
            found = [(float(p[0].seconds), lead("tales", 5, *p)) for p in pairs]
            points = [(1.04 ** (number - 1.5) * s, one) for s, one in found if one]
            if points:
                label = "the whole" if size == WHOLE else f"{size:,} characters"
                _whiskers(panel, points, f"C{number}", label)
        panel.set_xscale("log")
        panel.set_xticks([20, 60, 180], ["20", "60", "180"], minor=False)
        panel.set_xticks([], minor=True)
        panel.set_xlabel("seconds of one core")
        panel.set_title(f"{level} − characters, bits per character", fontsize=9)
    axes[0].legend(fontsize=7)
    for text, folds in (("tales", 5), *((name, 3) for name in LANGUAGES)):
        for size in SIZES if text == "tales" else (WHOLE,):
            if found_lead := lead(text, folds, *_words_characters(size=size)):
                share, scale = 100 * unseen(text, folds, size), found_lead.ahead
                bounds = [scale * b / found_lead.difference for b in found_lead[1:3]]
                error = [[scale - min(bounds)], [max(bounds) - scale]]
                colour = f"C{SIZES.index(size)}" if text == "tales" else "0.4"
                axes[2].errorbar([share], [scale], error, fmt="o", color=colour, markersize=4)
                axes[2].annotate("" if text == "tales" else text, (share, scale), fontsize=7)
    axes[2].set_xlabel("unknown words, %")
    axes[2].set_title("words ahead after 180 s, % of the bits", fontsize=9)
    for panel in axes:
        panel.axhline(0, color="0.7", linewidth=1, zorder=0)
    figure.savefig(path)


def _whiskers(panel: Any, points: list[tuple[float, Lead]], colour: str, label: str) -> None:
    at, leads = zip(*points, strict=True)
    middle = [one.difference for one in leads]
    error = [
        [one.difference - one.low for one in leads],
        [one.high - one.difference for one in leads],
    ]
    panel.errorbar(at, middle, error, color=colour, label=label, capsize=2)


if __name__ == "__main__":
    if sys.argv[1:] == ["coverage"]:
        simulate()
    else:
        draw(RESULTS / "map.svg")
        lines = (json.dumps(training) for training in trainings())
        (HERE / "map.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
