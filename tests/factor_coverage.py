"""How often do sets of factors hold the factor, and how wide are they?

    python tests/factor_coverage.py [TIMES]

Made-up bits of two arms after four budgets, each three times the one before, on documents of the
lengths of the tales or on 40 others in three or five folds. Along the logarithm of compute an arm
falls as a power law. Documents vary, in how hard they are for one arm beside the other and in how
fast this changes along the way; so do seeds and folds, which move the documents of a budget
together.
"""

import sys
from dataclasses import dataclass

import numpy as np

from textgen.evaluation import significance
from textgen.evaluation.factor import Factor, Learning, factor
from textgen.evaluation.units import markdown_table

TALES = [1924, 3815, 9199, 12257, 13320, 14143, 14153, 15585, 20609, 90509, 150819]
COMPUTES = np.array([20.0, 60.0, 180.0, 540.0])
REFERENCE = 100.0  # seconds at which an arm's power law has its scale


@dataclass(frozen=True)
class Scenario:
    """What is made up.

    Attributes:
        name: in words.
        ahead: the faster arm's floor below the slower one's, bits per character.
        faster: times the compute that the slower arm needs to fall as far from its floor.
        exponent: of both power laws; the smaller, the straighter.
        scale: of both at REFERENCE, bits per character; the smaller, the flatter.
        folds: in how many the documents are tested; 0: the tales, in one.
        seeds: of each arm.
        documents, slopes: deviations between documents, bits per character: of the difference, and
            of its change while compute grows threefold.
        networks: the same between trainings.
    """

    name: str
    ahead: float
    faster: float
    exponent: float = 0.35
    scale: float = 0.4
    folds: int = 0
    seeds: int = 3
    documents: float = 0.02
    slopes: float = 0.004
    networks: float = 0.005

    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """The slower and the faster arm at each budget."""
        slower = 1.5 + self.scale * (COMPUTES / REFERENCE) ** -self.exponent
        faster = 1.5 - self.ahead
        faster += self.scale * (self.faster * COMPUTES / REFERENCE) ** -self.exponent
        return slower, faster

    def truth(self) -> float:
        """The factor of the chords at the largest budget; 0 or inf outside the budgets."""
        slower, faster = self.levels()
        if faster[-1] > slower[-1]:
            return 0.0
        if faster[0] < slower[-1]:
            return np.inf
        reached = np.exp(np.interp(-slower[-1], -faster, np.log(COMPUTES)))
        return float(COMPUTES[-1] / reached)

    def draw(
        self, rng: np.random.Generator
    ) -> tuple[Learning, Learning, np.ndarray, np.ndarray | None]:
        """Both arms, the characters of documents, and their folds."""
        units = np.array(TALES)
        folds = None
        of_fold = np.zeros(len(units), dtype=int)
        if self.folds:
            units = np.exp(rng.normal(9.6, 0.7, 40)).astype(int) + 1
            folds = of_fold = np.arange(40) % self.folds
        difference = self.documents * rng.normal(size=len(units))
        change = self.slopes * rng.normal(size=len(units))
        arms = list[Learning]()
        for levels, share in zip(self.levels(), (-0.5, 0.5), strict=True):
            bits = list[np.ndarray]()
            for step, level in enumerate(levels):
                networks = self.networks * rng.normal(size=(self.seeds, max(1, self.folds)))
                noise = self.networks / 2 * rng.normal(size=(self.seeds, len(units)))
                documents = level + share * (difference + change * (step - 1.5))
                bits.append(units * (documents + networks[:, of_fold] + noise))
            arms.append(Learning(COMPUTES, np.array(bits)))
        slower, faster = arms
        return slower, faster, units, folds


SCENARIOS = [
    Scenario("about 3 times", ahead=0.0, faster=3.5),
    Scenario("about 9 times", ahead=0.1, faster=3.5),
    Scenario("about 9 times, five folds", ahead=0.1, faster=3.5, folds=5, seeds=1),
    Scenario("no difference", ahead=0.0, faster=1.0),
    Scenario("no difference, five folds", ahead=0.0, faster=1.0, folds=5, seeds=1),
    Scenario("about 9 times, three folds", ahead=0.1, faster=3.5, folds=3, seeds=1),
    Scenario("no difference, three folds", ahead=0.0, faster=1.0, folds=3, seeds=1),
    Scenario("plateau, three folds", ahead=0.01, faster=2.0, scale=0.02, folds=3, seeds=1),
    Scenario("more than the budgets hold", ahead=0.3, faster=3.0),
    Scenario("just within the budgets", ahead=0.242, faster=3.0),
    Scenario("just beyond the budgets", ahead=0.262, faster=3.0),
    Scenario("never reached", ahead=-0.2, faster=1.0),
    Scenario("both on a plateau", ahead=0.01, faster=2.0, scale=0.02),
    Scenario("plateau, five folds", ahead=0.01, faster=2.0, scale=0.02, folds=5, seeds=1),
    Scenario("two seeds, documents alike", ahead=0.05, faster=3.0, seeds=2, documents=0.003),
]


def holds(found: Factor, truth: float) -> bool:
    """Whether a set has a factor in it; one outside the budgets, if the set is open there."""
    return found.low <= truth <= found.high


def main(times: int = 1000) -> None:
    significance.RESAMPLES = 2**11
    head = ["case", "factor", "held", "open", "width of closed sets"]
    rows = list[list[str]]()
    for scenario in SCENARIOS:
        rng = np.random.default_rng(1)
        truth = scenario.truth()
        held = 0
        widths = list[float]()
        for _ in range(times):
            slower, faster, units, folds = scenario.draw(rng)
            found = factor(slower, faster, len(COMPUTES) - 1, units, folds)
            held += holds(found, truth)
            if found.low > 0 and found.high < np.inf:
                widths.append(found.high / found.low)
        width = f"{np.median(widths):.2f} times" if widths else ""
        closed = len(widths) / times
        rows.append(
            [scenario.name, f"{truth:.3g}", f"{held / times:.1%}", f"{1 - closed:.0%}", width]
        )
    print(markdown_table(head, rows))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
