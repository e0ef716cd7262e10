"""What a report says, as data: ``report.json`` (figures alone, which may be published) and
``texts.json`` (samples and held-out passages, which may hold text of the corpus).

Bits are per character of raw text, one end mark per document included. An interval's bound that too
few documents leave open is None.
"""

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from textgen.core.settings import PartName
from textgen.evaluation.metrics import Figure, Label
from textgen.evaluation.significance import ByDocument, Needed, Verdict

SCHEMA = 6
# Bits per character: references this far above the worst arm are not shown beside the arms.
NEAR = 0.3
MAX_NEAR_REFERENCES = 3


# The end of an interval; None where it is open.
Bound = Annotated[float | None, BeforeValidator(lambda x: None if abs(x or 0) == math.inf else x)]


class Row(BaseModel, allow_inf_nan=False, populate_by_name=True):
    """What the parts of both files share."""


class Bits(Row):
    """What held-out text costs under a part of a model, mean over seeds, with a 95% interval."""

    model: float
    spelling: float
    total: float
    mean_over_documents: float
    deviation: float | None = None
    low: Bound = None
    high: Bound = None


class TrainedRun(Row):
    """One run of an arm.

    Attributes:
        audits: lines about its audits.
        version: of textgen, that trained it; empty where that is not known.
        commit: of the code that trained it; empty where that was no checkout.
        processor: that trained it; empty where that is not known.
    """

    seed: int
    fold: int | None = None
    folder: str
    total: float | None
    audits: list[str]
    version: str = ""
    commit: str = ""
    processor: str = ""


class Curve(Row):
    """A training as validation saw it."""

    seed: int
    seconds: list[float]
    characters: list[float]
    updates: list[float]
    validation: list[float]


class CurvePoint(Row):
    """A look at the networks of an arm while they learned, mean over its runs.

    Attributes:
        compute, compute_without_preparation: seconds, see :mod:`textgen.training.compute`; by the
            timing of a study's plan where there is one.
        updates: made.
        characters: of training text that were read, with repeats.
        passes: how many times that is the training text.
        bits: per character of the beginnings of some validation documents, without end marks.
    """

    compute: float
    compute_without_preparation: float
    updates: float
    characters: float
    passes: float
    bits: float


class ArmRow(Row):
    """An arm: one experiment under its seeds.

    Attributes:
        described: what it is, in words.
        same_text: whether it was scored on the report's text and split.
        updates_planned: more than ``updates`` where a training went back to its best weights.
        seconds: preparation and training, by the timing of a study's plan where there is one.
        seconds_measured: those that passed.
        compute, compute_without_preparation: as :class:`CurvePoint` has them, at the end; None
            where no update was timed.
        multiplications: see :mod:`textgen.training.multiplications`, mean over runs; None where
            they are not known.
        budget: as set for each training.
        timing: seconds an update during training, over those that turned seconds into updates;
            None where none were timed.
        threads: that it was trained on; 0 where that is not known.
        start: a run whose weights it began with.
        networks: of an ensemble.
        test, validation: of the part that the report is about; None if its bits are not those of a
            distribution over the text.
        points: of its curve; empty where a run has none.
        parts: every part of its models → its bits on the test text.
    """

    name: str
    described: str
    same_text: bool
    seeds: list[int]
    runs: list[TrainedRun]
    training_counts: list[int] = []
    cache: list[int] = []
    context: str
    vocabulary_size: int
    extra_data: list[str]
    replacement_rate: float
    parameters: int
    updates: list[int]
    updates_planned: float = 0.0
    characters: float
    passes: float
    seconds: float
    seconds_measured: float
    compute: float | None = None
    compute_without_preparation: float | None = None
    multiplications: float | None = None
    preparation_seconds: float
    budget: dict[str, float] = {}
    timing: float | None = None
    threads: int = 0
    start: str = ""
    networks: int = 1
    curves: list[Curve]
    points: list[CurvePoint] = []
    test: Bits | None
    validation: Bits | None
    parts: dict[str, Bits] = {}

    @property
    def total(self) -> float:
        """Bits per character, of the part that the report is about; inf without."""
        return self.test.total if self.test else math.inf

    @property
    def versions(self) -> list[str]:
        """The versions of textgen that trained its runs, as far as they are known."""
        return sorted({run.version for run in self.runs if run.version})

    @property
    def processors(self) -> list[str]:
        """The processors that trained its runs, as far as they are known."""
        return sorted({run.processor for run in self.runs if run.processor})


class Effect(Row):
    """A difference in bits per character, or some of it: below 0 in favour of the first arm."""

    difference: float
    low: Bound
    high: Bound


class ReferenceRow(Row):
    """A model without a network (part ``counts``), or a network that was trained elsewhere, scored
    on the same split; compressors on its test text alone.

    Attributes:
        leads: of each arm on it, with its cache if the report is about models with a cache.
        curve: its bits per character of the text that the curves of the arms are of; None where
            these are of no or of other text.
    """

    label: str
    meaning: str
    command: str | None
    part: PartName = "counts"
    test: Bits
    validation: Bits | None
    with_cache: Bits | None = None
    leads: dict[str, Effect] = {}
    curve: float | None = None

    def compared(self, part: PartName) -> Bits:
        """Its bits beside arms of a part."""
        return self.with_cache if part == "with_cache" and self.with_cache else self.test


class Difference(Effect):
    """The first arm's bits minus the second's. ``share``: how large that is beside what the worse
    of the two needs; ``part``: of the models; ``needed``: what would settle it where it is too
    close to call; ``spread``: see :class:`textgen.evaluation.significance.ByDocument`."""

    part: PartName = "network"
    share: float = 0.0
    p: float
    p_adjusted: float
    documents: int
    seeds: list[int]
    folds: int = 1
    tested_on: str = "documents"
    verdict: Verdict
    needed: Needed | None = None
    spread: ByDocument | None = None


class Factor(Row):
    """What the curves of two arms say about the slower one, which ended worse: see
    :class:`textgen.evaluation.factor.Passed`.

    Attributes:
        slower, faster: the arms.
        trainings: of both together.
        lead: of the faster one at the end, bits per character of the text of the curves.
        compute: of the slower one, seconds.
        after: compute after which the faster one stayed below the slower one's end.
        times: the slower one needed more than so many times the compute.
        stopped: whether there is no factor because the slower one no longer gained.
        tested: bits of the faster one then, minus those of the slower one at its end.
        significant: whether these differ.
    """

    slower: str
    faster: str
    trainings: int
    lead: float
    compute: float
    after: float | None = None
    times: float | None = None
    stopped: bool = False
    tested: Effect | None = None
    significant: bool = False


class ContrastRow(Difference):
    """A tested difference under the part of the models that the report is about.

    Attributes:
        parts: the same under every other part that both arms have.
        where: class of words → what their characters add to the difference.
        changes: part → how it changes the difference of the part that it is built on.
        factor: how much more compute the slower network needed at least, by the curves of both;
            None where these are not of the same text, or the report is not about networks.
        yes: which arm has fewer bits where the answer is yes; empty if the question does not say.
        planned: whether the question is in the plan that a study made before its runs; None
            without a study.
        unequal: what the arms did not have alike, see :mod:`textgen.report.spending`.
    """

    first: str
    second: str
    question: str
    yes: str = ""
    planned: bool | None = None
    unequal: list[str] = []
    parts: dict[str, Difference] = {}
    where: dict[str, Effect] = {}
    changes: dict[str, Effect] = {}
    factor: Factor | None = None


class DocumentRow(Row):
    """A held-out document, and what it costs by arm: mean over seeds, and of each of them."""

    name: str
    characters: int
    fold: int | None = None
    bits: dict[str, float]
    bits_by_seed: dict[str, list[float]] = {}


class WordClass(Row):
    """Words of one kind in the held-out text, or its end marks; ``shares``: an arm's name → what
    they add to its bits per character."""

    name: str
    meaning: str
    count: int
    shares: dict[str, float]


class Generated(Row):
    """Measures of human text, and of the samples of each arm at each of the temperatures in
    ``settings``."""

    labels: dict[str, Label]
    settings: dict[str, Any]
    human: dict[str, Figure]
    arms: dict[str, list[dict[str, Figure]]]


class Caution(Row):
    """What a reader is warned of.

    Attributes:
        text: a sentence or two.
        arms: those that it is about together, by their names.
        by_arm: an arm's name → what is said of it alone, behind the text.
        foremost: whether it stands below the first screen; else only where a reader asks how solid
            the answer is.
    """

    text: str
    arms: list[str] = []
    by_arm: dict[str, str] = {}
    foremost: bool = True

    def __str__(self) -> str:
        notes = "; ".join(f"{name} {note}" for name, note in self.by_arm.items())
        return f"{self.text} {notes}".strip()


class NextStep(Row):
    """What a reader can do next.

    Attributes:
        purpose: what for.
        command: that does it.
    """

    purpose: str
    command: str

    def __str__(self) -> str:
        return f"{self.purpose}: {self.command}"


class Report(Row):
    """``report.json``.

    Attributes:
        part: of the models, that its figures are of.
        signature: what they depend on, in one line.
        folds: in how many every document was tested once.
        test_bytes: of UTF-8 that the test text takes; 0 where that is not known.
        declared: whether somebody chose the contrasts.
        questions: over which p is corrected.
        cells: of a grid, in which they were asked.
        other_looks: how many more runs in the same folders have been scored on this test text.
        next_step: what makes the answer surer; None where nobody has said.
    """

    version: int = Field(SCHEMA, alias="schema")
    name: str
    title: str
    unit: str
    margin: float
    command: str
    part: PartName
    signature: str
    not_repeated: list[str]
    corpus: dict[str, Any]
    folds: int = 1
    test_bytes: int = 0
    warnings: list[Caution]
    left_out: list[dict[str, str]]
    arms: list[ArmRow]
    references: list[ReferenceRow]
    declared: bool
    questions: int
    cells: int = 1
    other_looks: int = 0
    next_step: NextStep | None = None
    contrasts: list[ContrastRow]
    documents: list[DocumentRow]
    word_classes: list[WordClass]
    generated: Generated

    @property
    def ranked(self) -> list[ArmRow]:
        """Arms, best first; then those without bits per character, last those on another text."""
        return sorted(self.arms, key=lambda arm: (not arm.same_text, arm.total))

    @property
    def scored(self) -> list[ArmRow]:
        """Arms that can be compared in bits per character, best first."""
        return [arm for arm in self.ranked if arm.test and arm.same_text]

    @property
    def side_by_side(self) -> list[ArmRow | ReferenceRow]:
        """The arms on one text, and the best models without a network near them, best first."""
        worst = max((arm.total for arm in self.scored), default=0.0)
        near = [row for row in self.references if row.test.total <= worst + NEAR]
        near = sorted(near, key=lambda row: row.test.total)[:MAX_NEAR_REFERENCES]
        return sorted([*self.scored, *near], key=lambda row: row.test.total if row.test else 0.0)

    @property
    def numbers(self) -> dict[str, int]:
        """An arm's name → its number, which gives it its colour everywhere."""
        return {arm.name: number for number, arm in enumerate(self.ranked)}

    @property
    def planned(self) -> bool:
        """Whether the seconds of the arms are planned ones, not those that passed."""
        return any(arm.seconds != arm.seconds_measured for arm in self.arms)


class Passage(Row):
    """Held-out text, and by arm its stretches under a part of the model: start, end, bits of model
    and of spelling."""

    part: PartName
    document: str
    start: int
    text: str
    arms: dict[str, list[tuple[int, int, float, float]]]


class SampleText(Row):
    """Generated text: (start, end, token) of what fills in placeholders, (start, end) of long
    stretches copied from the training text."""

    text: str
    filled: list[tuple[int, int, str]]
    copied: list[tuple[int, int]]


class Samples(Row):
    """What each arm wrote after a prompt, which may be empty, at a temperature."""

    prompt: str
    temperature: float
    arms: dict[str, SampleText]


class Texts(Row):
    """``texts.json``.

    Attributes:
        part: of the models, that wrote the samples.
        curves: an arm's name → what the network of its first run wrote at each point of its curve.
    """

    part: PartName
    passages: list[Passage]
    samples: list[Samples]
    curves: dict[str, list[str]] = {}
