"""A grid's bits, differences and intervals, computed a second time from its records, with numpy and
without textgen.

    cd experiments/research
    python tools/recompute.py words_or_characters/results/study_matched [GRID ...]

It prints, for every cell: each arm's bits per character under each part; and for every contrast the
difference of networks (first − second), its interval and p. For the arms and cells of
log/2026-11-29-what-predicts.md it prints that protocol's quantities by text and, as ``next``, the
95% range for one more text, from the texts of one grid but the speeches.

A document costs its bits, those of spelling included, and has its characters and one end mark. Bits
are means over seeds. Each figure is a sum over the test documents divided by another such sum.

The 95% interval says what other documents might give under the same networks. It comes from 2,000
draws of n − 1 of the n documents of each fold, with replacement. Each draw's distance from the
figure is divided by √(χ² / df), so that few documents widen the interval as Student's t does. df is
one less than the number of equally long documents that would vary as much (Kish). What networks of
other seeds or other training text might give is not in the interval.

p comes from 16,384 random flips of the signs of the documents' differences. For a share, these are
the differences in its numerator.
"""

import json
import sys
from pathlib import Path

import numpy as np

ARMS, UNSEEN = ("characters", "subwords", "words", "word_spell"), "speeches"
DRAWS, FLIPS = 2_000, 2**14
# Number of texts → the 97.5th percentile of Student's t with one degree of freedom less.
T = {2: 12.706205, 3: 4.302653, 4: 3.182446}


def bits(cell: dict, arm: str, part: str = "network") -> np.ndarray:
    """What each test document costs, (D,)."""
    return np.sum(cell["arms"][arm]["test"][part], axis=2).mean(axis=0)


def characters(cell: dict) -> np.ndarray:
    """Of each test document with its end mark, (D,)."""
    return np.array([count + 1 for _, _, count in cell["documents"]["test"]])


def figures(cell: dict, above: np.ndarray, below: np.ndarray) -> list[float]:
    """Σ above / Σ below, the ends of its interval, and p.

    Args:
        cell: its test documents stand fold by fold.
        above, below: the numerator's and the denominator's share of each test document, (D,).
    """
    rng, value, units = np.random.default_rng(1), above.sum() / below.sum(), characters(cell)
    folds = np.unique([fold for fold, _, _ in cell["documents"]["test"]], return_counts=True)[1]
    drawn = np.hstack([rng.multinomial(n - 1, np.ones(n) / n, DRAWS) * n / (n - 1) for n in folds])
    df = max(units.sum() ** 2 / (units @ units) - 1, 1)
    errors = (drawn @ above / (drawn @ below) - value) / (rng.chisquare(df, DRAWS) / df) ** 0.5
    flipped = rng.choice([-1.0, 1.0], (FLIPS, len(above))) @ above
    p = (1 + np.sum(abs(flipped) > abs(above.sum()) * (1 - 1e-9))) / (1 + FLIPS)
    return [value, *(value + np.quantile(errors, (0.025, 0.975))), p]


def quantities(cell: dict) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The protocol's that belong to this cell: name, numerator and denominator, (D,) each."""
    place, units = f"{cell['size']}, {cell['budget'][1]:.0f} s", characters(cell)
    chars, subs, words, spell = (bits(cell, arm) for arm in ARMS)
    chars_c, _, words_c, spell_c = (bits(cell, arm, "with_counts") for arm in ARMS)
    one, other = (np.mean(cell["arms"][arm]["where"], axis=0) for arm in ("characters", "words"))
    frequent = (one - other)[:, cell["classes"].index("frequent")]
    rows = [
        ("145000, 180 s", "1 words - characters", words - chars, units),
        ("145000, 20 s", "2 word_spell - characters", spell - chars, units),
        ("all, 180 s", "3c with counts", spell_c - chars_c, units),
        ("all, 180 s", "4 (word_spell - words) / lead", spell - words, chars - words),
        ("all, 180 s", "4c with counts", spell_c - words_c, chars_c - words_c),
        (("all, 20 s", "all, 180 s"), "5 subwords - characters", subs - chars, units),
        ("all, 180 s", "6 word_spell - subwords", spell - subs, units),
        ("all, 180 s", "7 lead with counts / lead", chars_c - words_c, chars - words),
        ("all, 180 s", "8 lead in frequent words / lead", frequent, chars - words),
        ("all, 180 s", "9c with counts", spell_c - (words_c + chars_c) / 2, units),
    ]
    for mark, end, short in (("", "", ""), ("s", "", "_64"), ("b", "_320", "_320")):
        three = f"words{end}", f"word_spell{end}", f"characters{short}"
        if {*three} <= cell["arms"].keys():
            w, s, c = (bits(cell, arm) for arm in three)
            sums = ("1", w - c), ("3", s - c), ("9", s - (w + c) / 2)
            rows += [("all, 180 s", f"{n}{mark} of {', '.join(three)}", d, units) for n, d in sums]
    return [(f"{name}, {place}", *sums) for end, name, *sums in rows if place.endswith(end)]


def predict(values: list[float]) -> tuple[float, float]:
    """The 95% range for the value of one more text."""
    reach = T[len(values)] * np.std(values, ddof=1) * (1 + 1 / len(values)) ** 0.5
    return np.mean(values) - reach, np.mean(values) + reach


def read_cells(folder: Path) -> dict[str, dict]:
    """With the arms of the study of another backbone, where there is one beside it."""
    both = (sorted(each.glob("cells/*.json")) for each in (folder, Path(f"{folder}_backbone")))
    cells, others = ([json.loads(path.read_text("utf-8")) for path in own] for own in both)
    found = {cell["name"]: cell for cell in cells}
    for other in others:
        own = found.get(f"{other['text']}-all-180s", other)
        assert own["documents"] == other["documents"], f"{own['name']}: other documents"
        own["arms"].update(other["arms"])
    return found


def main(folder: Path) -> None:
    grid, texts = json.loads((folder / "grid.json").read_text("utf-8")), {}
    show = "{:+.4f} ({:+.4f} to {:+.4f}), p {:.4f}".format
    for cell in read_cells(folder).values():
        arms, units, place = cell["arms"], characters(cell), cell["name"]
        for arm, own in arms.items():
            each = (f"{p} {bits(cell, arm, p).sum() / units.sum():.4f}" for p in own["test"])
            print(f"{place} {arm}:", *each)
        for first, second in ((asked["first"], asked["second"]) for asked in grid["contrasts"]):
            found = figures(cell, bits(cell, first) - bits(cell, second), units)
            print(f"{place} {first} - {second}:", show(*found))
        for name, *sums in quantities(cell) if {*ARMS} <= arms.keys() else ():
            texts.setdefault(name, {})[cell["text"]] = figures(cell, *sums)
    for name, found in sorted(texts.items()):
        print(f"\n{name}", *(f"{text}: {show(*own)}" for text, own in found.items()), sep="\n  ")
        seen = [own[0] for text, own in found.items() if text != UNSEEN]
        if len(seen) in T:
            print("  next: {:+.4f} to {:+.4f}".format(*predict(seen)))


if __name__ == "__main__":
    for given in sys.argv[1:]:
        main(Path(given))
