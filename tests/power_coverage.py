"""How often is the number right that would settle a question?

    python tests/power_coverage.py [TIMES]

Made-up trainings of two arms on the tales or on other documents: documents vary in how hard they
are for one arm beside the other, seeds move all documents together. Where a first study is too
close to call, the number of documents, or of seeds, that it names is drawn afresh and tested. The
right number is what the same rule says of the true difference and the true deviations.
"""

import sys
from dataclasses import dataclass, replace

import numpy as np

from textgen.evaluation import significance
from textgen.evaluation.significance import (
    Difference,
    Verdict,
    compare_arms,
    verdict,
    what_would_tell,
)
from textgen.evaluation.units import markdown_table

TALES = [1924, 3815, 9199, 12257, 13320, 14143, 14153, 15585, 20609, 90509, 150819]
# More than so many are not drawn.
MAX_DRAWN = 3000


@dataclass(frozen=True)
class Case:
    """What is made up; deviations are in bits per character.

    Attributes:
        name: in words.
        lead: the true difference.
        documents: how many, of the lengths of the tales where there are eleven.
        seeds: of each arm.
        spread: deviation of the difference between documents.
        luck: deviation of an arm between seeds.
    """

    name: str
    lead: float
    documents: int
    seeds: int
    spread: float
    luck: float

    def truth(self) -> Difference:
        """The difference with its true errors, of documents of the mean unevenness."""
        units = lengths(np.random.default_rng(0), self.documents)
        documents_error = self.spread * float(np.sqrt(np.sum(units**2))) / units.sum()
        networks_error = self.luck * (2 / self.seeds) ** 0.5 if self.seeds > 1 else 0.0
        ends = (self.lead - 0.1, self.lead + 0.1)
        seeds = (self.seeds, self.seeds)
        return Difference(
            self.lead, *ends, 0.5, self.documents, seeds, 1, documents_error, networks_error
        )

    def test(self, rng: np.random.Generator) -> Difference:
        """A study."""
        units = lengths(rng, self.documents)
        plain = rng.normal(1.9, 0.12, len(units))
        effect = self.lead + self.spread * rng.normal(size=len(units))
        arms = list[np.ndarray]()
        for share in (0.5, -0.5):
            networks = self.luck * rng.normal(size=(self.seeds, 1))
            noise = self.luck / 2 * rng.normal(size=(self.seeds, len(units)))
            arms.append(units * (plain + share * effect + networks + noise))
        first, second = arms
        return compare_arms(first, second, units)

    def is_settled(self, found: Difference) -> bool:
        """Whether a study says what is true."""
        said = verdict(found, found.p)
        if abs(self.lead) < significance.MARGIN:
            return said is Verdict.EQUAL
        return said is (Verdict.WORSE if self.lead > 0 else Verdict.BETTER)


def lengths(rng: np.random.Generator, documents: int) -> np.ndarray:
    """Characters of documents: those of the tales, or log-normal ones nearly as uneven."""
    if documents == len(TALES):
        return np.array(TALES)
    return np.exp(rng.normal(9.6, 0.7, documents)).astype(int) + 1


CASES = [
    Case("documents vary", 0.02, 20, 3, 0.05, 0.001),
    Case("documents vary, one seed", 0.02, 20, 1, 0.05, 0.0),
    Case("seeds vary", 0.02, 40, 3, 0.005, 0.02),
    Case("seeds vary, two of each", 0.02, 40, 2, 0.005, 0.012),
    Case("both vary", 0.02, 20, 3, 0.05, 0.012),
    Case("the tales", 0.02, 11, 5, 0.03, 0.005),
    Case("a small lead", 0.012, 30, 3, 0.03, 0.004),
    Case("no lead", 0.0, 12, 3, 0.02, 0.002),
]


def main(times: int = 1000) -> None:
    significance.RESAMPLES = 2**11
    head = ["case", "too close", "of", "right", "named", "within 2 times", "settles"]
    rows = list[list[str]]()
    for case in CASES:
        rng = np.random.default_rng(1)
        truth = what_would_tell(case.truth())
        close = 0
        named = dict[str, list[int]]()
        settled = dict[str, list[bool]]()
        for _ in range(times):
            found = case.test(rng)
            if verdict(found, found.p) is not Verdict.TOO_CLOSE:
                continue
            close += 1
            needed = what_would_tell(found)
            larger = dict[str, Case]()
            if needed.what == "documents":
                seeds = needed.networks if needed.seeds_besides and needed.networks else case.seeds
                larger["documents"] = replace(case, documents=needed.number, seeds=seeds)
            if needed.what == "seeds":
                larger["seeds"] = replace(case, seeds=needed.number)
            if needed.networks and not needed.seeds_besides:
                larger["seeds"] = replace(case, seeds=needed.networks)
            for of, study in larger.items():
                number = study.documents if of == "documents" else study.seeds
                named.setdefault(of, []).append(number)
                if number <= MAX_DRAWN and study.seeds <= MAX_DRAWN:
                    settled.setdefault(of, []).append(case.is_settled(study.test(rng)))
        right = {"documents": 0, "seeds": truth.networks}
        right[truth.what] = truth.number
        for of, numbers in sorted(named.items()):
            near = [right[of] / 2 <= number <= 2 * right[of] for number in numbers]
            low, middle, high = np.quantile(numbers, [0.1, 0.5, 0.9])
            rows.append(
                [
                    case.name,
                    f"{close / times:.0%}",
                    f"{of}, named {len(numbers) / close:.0%}",
                    f"{right[of] or '–'}",
                    f"{middle:.0f} ({low:.0f} to {high:.0f})",
                    f"{np.mean(near):.0%}" if right[of] else "",
                    f"{np.mean(settled[of]):.0%}" if settled.get(of) else "",
                ]
            )
    print(markdown_table(head, rows, left=(0, 2)))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
