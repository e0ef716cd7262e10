"""What a report says in sentences, on its page, on the terminal and in a notebook."""

import math
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from textgen.evaluation.significance import ENOUGH_FOLDS, MARGIN, MAX_TIMES, Verdict
from textgen.report import schema
from textgen.report.arms import Arm
from textgen.report.contrast import Contrast
from textgen.report.spending import BUSY, LOAD, PROCESSOR, unequal_spending

# A part of the models, at the beginning of a sentence.
BY_PART = {
    "network": "Networks alone",
    "with_counts": "With counts of the training text",
    "with_cache": "With a document cache",
    "counts": "Counts alone, without a network",
}
CHANGED_BY = {"with_counts": "Counts of the training text", "with_cache": "Document caches"}
# Classes of words in a sentence.
WHERE = {
    "frequent": "frequent words",
    "common": "common words",
    "rare": "rare words",
    "once": "words seen once",
    "unseen": "unknown words",
    "punctuation": "punctuation",
    "numbers": "numbers",
    "space": "spaces and line ends",
    "end": "end marks",
}
# Of an arm's bits, that are worth a sentence.
LEAST_SPELLED = 0.005
# Share of an arm's words in immediate repetitions that is worth a warning.
MAX_LOOPS = 0.05
# Validations of a training, at least, that show whether it went on for too long.
MIN_CURVE = 4


@dataclass(frozen=True)
class Claim:
    """Something that can be said of some arms.

    Attributes:
        arms: their names.
        question: that it answers, if one was asked.
        answer: in a sentence or two.
        caveat: how far it can be trusted.
        contrast: that it is about, if two arms were tested.
    """

    arms: tuple[str, ...]
    question: str
    answer: str
    caveat: str
    contrast: schema.ContrastRow | None = None

    def __str__(self) -> str:
        return f"{self.question} {self.answer}".strip()


def claims(report: schema.Report) -> list[Claim]:
    """The answers to declared questions, then what can be said of every two arms and of each, best
    first: of some of the arms, the first claim that speaks of no others is the headline."""
    made = [contrast_claim(contrast) for contrast in report.contrasts]
    pairs = {frozenset(claim.arms): claim for claim in made}
    result = list(made) if report.declared else []
    for arm, worse in combinations(report.scored, 2):
        result.append(pairs.get(frozenset((arm.name, worse.name))) or _pair_claim(arm, worse))
    return result + [_arm_claim(arm, len(report.scored) == 1) for arm in report.scored]


def unequal(what: Collection[str]) -> str:
    """That two arms did not have something alike, or not the seconds that they were given."""
    unlike = [each for each in what if each != BUSY]
    said = list[str]()
    if unlike:
        said.append(f"The two arms did not have the same {' or '.join(unlike)}.")
    if BUSY in what:
        said.append("The machine was busy: training took longer than its budget in seconds.")
    return " ".join(said)


def contrast_claim(contrast: schema.ContrastRow) -> Claim:
    """The answer to a question about two arms."""
    part = f"{BY_PART[contrast.part]}: " * bool(contrast.parts)
    said = answer(contrast, contrast)
    said = f"{said}. " if said in ("Yes", "No") else ""
    late = "This question is not in the plan." * (contrast.planned is False)
    cautions = filter(None, (late, unequal(contrast.unequal), caveat(contrast)))
    pair = contrast.first, contrast.second
    text = f"{said}{part}{difference(contrast)}."
    return Claim(pair, contrast.question, text, " ".join(cautions), contrast)


def answer(contrast: schema.ContrastRow, found: schema.Difference) -> str:
    """The answer to a contrast's question by a part of the models, or which arm
    is better where the question is not one of yes or no."""
    if found.verdict is Verdict.TOO_CLOSE:
        return "Too close to call"
    if found.verdict is Verdict.EQUAL:
        return "No" if contrast.yes else "Equal"
    better = found.verdict is Verdict.BETTER
    if contrast.yes:
        return "Yes" if better == (contrast.yes == "first is lower") else "No"
    winner = contrast.first if better else contrast.second
    return f"{winner} {be(winner)} better"


def difference(contrast: schema.ContrastRow) -> str:
    """Which of two arms needs fewer bits, as far as is known; without a full stop."""
    first, second = contrast.first, contrast.second
    if contrast.verdict is Verdict.TOO_CLOSE:
        unknown = f"Too close to call between {first} and {second}"
        low, high = contrast.low or 0.0, contrast.high or 0.0
        if not low < 0 < high:
            return unknown
        fewer = f"{-low:.3f} fewer bits per character for {first} to {high:.3f} fewer for {second}"
        return f"{unknown}: the 95% interval runs from {fewer}"
    if contrast.verdict is Verdict.EQUAL:
        return f"{first} and {second} are equal to within {MARGIN:g} bits per character"
    better, worse = (first, second) if winner(contrast) == first else (second, first)
    bits = f"{abs(contrast.difference):.3f} fewer bits per character"
    share = f" ({contrast.share:.1%})" * bool(contrast.share)
    return f"{needs(better)} {bits} than {worse}{share}"


def factor(contrast: schema.ContrastRow) -> str:
    """How much more compute the worse of two arms needed at least, or that it no longer gained;
    empty where their curves say neither, or where the test text does not have the same arm ahead.
    """
    found = contrast.factor
    ahead = winner(contrast)
    if contrast.low is None or contrast.high is None:  # documents are too few for an answer
        ahead = contrast.first if contrast.difference < 0 else contrast.second
    if found is None or found.after is None or found.faster != ahead:
        return ""
    after = duration(found.after)
    compute = duration(found.compute)
    if found.stopped:
        return (
            f"{found.slower} no longer gained at {compute} and had not reached what {found.faster} "
            f"had after {after}: a lead of {found.lead:.3f} was left."
        )
    if found.times is None or found.times <= 1:
        return ""
    where = ""
    if not found.significant:
        where = ", in these two runs" if found.trainings == 2 else ", in these runs"
    return (
        f"{found.slower} would need more than {found.times:g} times the compute: what "
        f"{found.faster} had reached after {after}, {found.slower} had not reached after "
        f"{compute}{where}."
    )


def duration(seconds: float) -> str:
    """Seconds, with a decimal where there are few: ``2.5 s``, ``48 s``, ``3,600 s``."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:,.0f} s"


def needs(name: str) -> str:
    """The beginning of a sentence: ``words need``, ``char needs``."""
    return f"{name} need{'s' * (not name.endswith('s'))}"


def be(name: str) -> str:
    """The verb of ``words``, ``char``."""
    return "are" if name.endswith("s") else "is"


def have(name: str) -> str:
    """The beginning of a sentence: ``words have``, ``char has``."""
    return f"{name} {'have' if name.endswith('s') else 'has'}"


def score(name: str) -> str:
    """The beginning of a sentence: ``words score``, ``char scores``."""
    return f"{name} score{'' if name.endswith('s') else 's'}"


def by_other_parts(contrast: schema.ContrastRow) -> str:
    """What the other parts of the models answer, a sentence each."""
    ahead = contrast.first if contrast.difference < 0 else contrast.second
    parts = []
    for part, found in contrast.parts.items():
        fewer = (found.difference < 0) == (contrast.difference < 0)
        bits = f"{needs(ahead)} {abs(found.difference):.3f} {'fewer' if fewer else 'more'}"
        bits += ", too close to call" * (found.verdict is Verdict.TOO_CLOSE)
        parts.append(f"{BY_PART[part]}: {bits}.")
    return " ".join(parts)


def answers_otherwise(contrast: schema.ContrastRow) -> bool:
    """Whether another part of the models answers the question otherwise."""
    return any(found.verdict is not contrast.verdict for found in contrast.parts.values())


def winner(contrast: schema.ContrastRow) -> str | None:
    """The name of the better arm, if it is known."""
    return {Verdict.BETTER: contrast.first, Verdict.WORSE: contrast.second}.get(contrast.verdict)


def caveat(contrast: schema.ContrastRow) -> str:
    """How far an answer can be trusted, in a sentence or two."""
    if contrast.verdict is Verdict.TOO_CLOSE:
        return advice(contrast)
    low, high = contrast.low or 0.0, contrast.high or 0.0
    if contrast.verdict is not Verdict.EQUAL:
        low, high = sorted((abs(low), abs(high)))
    bounds = f"Between {low:.3f} and {high:.3f} with 95% confidence".replace("-", "−")
    documents = f"{bounds}, over {contrast.documents} held-out {contrast.tested_on}"
    small = ""
    if contrast.verdict is not Verdict.EQUAL and low < MARGIN:
        small = f" It may be less than {MARGIN:g}, too little to matter."
    if contrast.folds > 1:
        return f"{documents}, each in one of {contrast.folds} folds.{small}"
    if min(contrast.seeds) > 1:
        return f"{documents} and {' + '.join(map(str, contrast.seeds))} seeds.{small}"
    once = "each model" if max(contrast.seeds) == 1 else "one model"
    return f"{documents}. This holds for these runs only: {once} was trained once.{small}"


def advice(found: schema.Difference) -> str:
    """What would settle a difference that is too close to call."""
    needed = found.needed
    if not needed:
        return ""
    if needed.what == "folds" and found.folds < ENOUGH_FOLDS:
        return f"Divide the text into {needed.number} folds or more: fewer widen the interval."
    if found.low is None or found.high is None:
        return f"Hold out {needed.number} {found.tested_on} or more: fewer give no interval."
    size = "large" if abs(found.difference) >= MARGIN else "small"
    looks = f"If the lead is as {size} as it looks"
    trained = _trained(needed.networks, found)
    if needed.what != "documents":
        alone = f"more {found.tested_on} alone would not"
        return (
            f"{looks}, about {_trained(needed.number, found)} would settle the question; {alone}."
        )
    documents = f"about {needed.number:,} such {found.tested_on}"
    if needed.number > MAX_TIMES * found.documents:
        besides = f" and {trained}" if needed.networks else ""
        return f"Settling this would take {documents}{besides}."
    if not needed.seeds_besides and needed.networks:
        return f"{looks}, {documents} or {trained} would settle the question."
    if needed.seeds_besides and needed.networks:
        return f"{looks}, {documents} and {trained} together would settle the question."
    if needed.seeds_besides:
        return f"{looks}, {documents} and at least two seeds per arm would settle the question."
    return f"{looks}, {documents} would settle the question."


def _trained(number: int, found: schema.Difference) -> str:
    """Of what each arm is trained so often: ``6 seeds per arm``, ``9 folds``."""
    return f"{number:,} folds" if found.folds > 1 else f"{number:,} seeds per arm"


def _pair_claim(better: schema.ArmRow, worse: schema.ArmRow) -> Claim:
    ahead = f"{better.name} {be(better.name)} ahead: {better.total:.3f} bits per character, against"
    caution = f"{unequal(unequal_spending([better, worse]))} Not tested.".strip()
    answer = f"{ahead} {worse.total:.3f} for {worse.name}."
    return Claim((better.name, worse.name), "", answer, caution)


def _arm_claim(arm: schema.ArmRow, alone: bool) -> Claim:
    answer = f"{needs(arm.name)} {arm.total:.3f} bits per character."
    return Claim((arm.name,), "", answer, "There is no other run to compare it with." * alone)


def without_network(report: schema.Report) -> dict[str, str]:
    """An arm's name → how the best model without a network does beside it, by the interval of the
    lead that the arm has on it; {} without one."""
    counted = [row for row in report.references if row.part == "counts"]
    if not counted:
        return {}
    best = min(counted, key=lambda row: row.compared(report.part).total)
    return {
        name: f"Best without a network: {best.label}, {_beside(best.leads[name])} {name}."
        for name in (arm.name for arm in report.scored)
        if name in best.leads
    }


def _beside(lead: schema.Effect) -> str:
    """How a model does beside the arm that has this lead on it, which is below 0 if the arm is
    better; bounds that too few documents leave open decide nothing."""
    low = -math.inf if lead.low is None else lead.low
    high = math.inf if lead.high is None else lead.high
    if low >= -MARGIN and high <= MARGIN:
        return "as good as"
    if high < 0:
        return "worse than"
    if low > 0:
        return "better than"
    return "too close to call against"


def leads(reference: schema.ReferenceRow) -> str:
    """How far arms are ahead of a model that is none of them, or behind it."""
    return " ".join(lead(arm, found) for arm, found in reference.leads.items())


def lead(arm: str, found: schema.Effect) -> str:
    """How far an arm is ahead of a model that is none, or behind it."""
    more = "fewer" if found.difference < 0 else "more"
    bits = f"{abs(found.difference):.3f} {more} bits per character"
    if found.low is None or found.high is None:
        return f"{needs(arm)} {bits} (too few documents for an interval)."
    if found.low * found.high <= 0:
        return f"{needs(arm)} {bits} (the interval contains 0)."
    nearer, farther = sorted([abs(found.low), abs(found.high)])
    return f"{needs(arm)} {bits} ({nearer:.3f} to {farther:.3f})."


def audits(report: schema.Report) -> list[tuple[str, str]]:
    """(an arm's name, what an audit of one of its runs says), where there are any."""
    return [
        (arm.name, f"{arm.name}, seed {run.seed}, {line}.")
        for arm in report.arms
        for run in arm.runs
        for line in run.audits
    ]


def cautions(
    arms: Sequence[Arm],
    rows: Sequence[schema.ArmRow],
    declared: Sequence[Contrast],
    tested: Sequence[schema.ContrastRow],
) -> list[schema.Caution]:
    """All warnings about some arms, in the order of their weight.

    Args:
        arms: all of a report.
        rows: the same as the report has them.
        declared, tested: contrasts.
    """
    charged = {row.name for row in rows if row.test and row.same_text}
    watched = {arm.name: arm.first.experiment.training.watch for arm in arms}
    watching = [row for row in rows if watched[row.name] == "validation"]
    parts = {arm.name: f"has sampling.part = {arm.first.experiment.sampling.part}" for arm in arms}
    unlike = "Weights are chosen, curves drawn and samples written by unlike parts of the models."
    return [
        *spending_cautions(rows),
        *overfitting_cautions(watching),
        *unlike_parts_cautions(rows),
        *unanswered_cautions(declared, charged),
        *disagreement_cautions(tested, arms[0].part),
        *[schema.Caution(text=unlike, by_arm=parts)] * (len({*parts.values()}) > 1),
    ]


def better_by_counting(
    row: schema.ArmRow, references: Sequence[schema.ReferenceRow]
) -> list[tuple[str, float]]:
    """What needs fewer bits than an arm's network, and its bits per character: n-grams of the same
    tokens, and the best compressor. Compressors have no figure of the validation text."""
    network = row.parts.get("network")
    if not network:
        return []
    better = list[tuple[str, float]]()
    counts = row.parts.get("counts")
    if counts and network.total - counts.total > MARGIN:
        better.append(("n-grams of the same tokens", counts.total))
    ahead = [
        it
        for it in references
        if it.part == "counts"
        and it.validation is None
        and row.name in it.leads
        and _beside(it.leads[row.name]) == "better than"
    ]
    if ahead:
        best = min(ahead, key=lambda it: it.test.total)
        better.append((best.label, best.test.total))
    return better


def unlearnt_cautions(
    rows: Sequence[schema.ArmRow], references: Sequence[schema.ReferenceRow]
) -> list[schema.Caution]:
    """Where a network is worse than counts of its own tokens, or than a compressor.

    Args:
        rows: the arms of a report about networks.
        references: of the same report.
    """
    unlearnt = dict[str, str]()
    for row in rows:
        if better := better_by_counting(row, references):
            than = " and ".join(f"{label} ({bits:.3f})" for label, bits in better)
            needed = row.parts["network"].total
            unlearnt[row.name] = f"scored {needed:.3f} bits per character, worse than {than}"
    text = "A network that is worse than counting has not yet learnt what counting learns."
    return [schema.Caution(text=text, by_arm=unlearnt)] if unlearnt else []


def spending_cautions(rows: Sequence[schema.ArmRow]) -> Iterator[schema.Caution]:
    """One for everything that the arms did not have alike."""
    for what, by_arm in unequal_spending(rows).items():
        text = f"The arms did not have the same {what}."
        if what == BUSY:
            text = (
                "The machine was busy: training took longer than its budget in seconds, and how "
                "many updates were made depends on what else it did. A study times every arm alone."
            )
        # updates are counted before a training, so that these change seconds and no figure
        has_weight = what not in (LOAD, PROCESSOR)
        yield schema.Caution(text=text, by_arm=by_arm, foremost=has_weight)


def overfitting_cautions(rows: Sequence[schema.ArmRow]) -> list[schema.Caution]:
    """Where the validation figure of an arm was best in the first half of its training."""
    early = {}
    for row in rows:
        curves = [curve for curve in row.curves if len(curve.validation) >= MIN_CURVE]
        best = (c.updates[int(np.argmin(c.validation))] for c in curves)
        if curves and (share := max(best) / max(row.updates_planned, *row.updates)) <= 0.5:
            said = f"had the best validation figure after {share:.0%} of the training"
            early[row.name] = f"{said}; the weights from that point are scored"
    text = "Longer training will not help the arms named here; more text or dropout might."
    return [schema.Caution(text=text, by_arm=early)] if early else []


def looping_cautions(generated: schema.Generated) -> list[schema.Caution]:
    """Where samples at the usual temperature repeat themselves."""
    place = generated.settings["temperatures"].index(generated.settings["temperature"])
    loops = {arm: rows[place]["loops"][0] or 0.0 for arm, rows in generated.arms.items()}
    often = {arm: share for arm, share in loops.items() if share > MAX_LOOPS}
    notes = {arm: f"repeated {share:.0%} of the words immediately" for arm, share in often.items()}
    text = "Better prediction is not better writing: samples run in loops."
    return [schema.Caution(text=text, by_arm=notes)] if notes else []


def unlike_parts_cautions(rows: Sequence[schema.ArmRow]) -> Iterator[schema.Caution]:
    """Where only some arms have counts of the training text, or a document cache."""
    for what, orders in (("counts", "training_counts"), ("a document cache", "cache")):
        without = [row.name for row in rows if not getattr(row, orders)]
        if 0 < len(without) < len(rows):
            text = f"Figures with {what} compare unlike models."
            yield schema.Caution(text=text, by_arm=dict.fromkeys(without, "had none"))


def unanswered_cautions(
    declared: Sequence[Contrast], charged: Set[str]
) -> Iterator[schema.Caution]:
    """One for each declared contrast whose arms do not both have bits per character."""
    for c in declared:
        if missing := [name for name in (c.first, c.second) if name not in charged]:
            text = f"No answer: {_asked(c)} There is no result for {' and '.join(missing)}."
            yield schema.Caution(text=text, arms=[c.first, c.second])


def disagreement_cautions(
    tested: Sequence[schema.ContrastRow], part: str
) -> Iterator[schema.Caution]:
    """One for each contrast that another part of the models answers otherwise."""
    for c in filter(answers_otherwise, tested):
        said = list[str]()
        for name, found in {part: c, **c.parts}.items():
            less = "fewer" if found.difference < 0 else "more"
            bits = f"{abs(found.difference):.3f} bits {less}"
            said.append(f"{BY_PART[name]}: {answer(c, found)} ({bits}).")
        text = f"Parts of the models disagree. {_asked(c)} {' '.join(said)}"
        yield schema.Caution(text=text, arms=[c.first, c.second])


def _asked(contrast: Contrast | schema.ContrastRow) -> str:
    return contrast.question or f"{contrast.first} against {contrast.second}:"
