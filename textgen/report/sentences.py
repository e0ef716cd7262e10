"""What a report says in sentences, on its page, on the terminal and in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np

from textgen.core.settings import Contrast
from textgen.evaluation.significance import MARGIN
from textgen.report import spending
from textgen.report.arms import Arm
from textgen.report.schema import ArmRow, Caution, ContrastRow, Difference, Report

COST = "{0.characters:,.0f} characters, {0.updates[0]:,} updates, {0.seconds:.0f} seconds"
# What arms did not have alike → a figure of an arm, and what is said of the arm if it has one.
UNEQUAL = {
    spending.BUDGET: ("updates", COST),
    spending.WORK: ("updates", COST),
    spending.LOAD: ("timing", COST + ", with {0.timing:.0%} of the time planned for an update"),
    spending.THREADS: ("threads", "had {0.threads}"),
    spending.START: ("start", "went on from {0.start}"),
    spending.OUTSIDE_DATA: ("extra_data", "uses {1}"),
    spending.NETWORKS: ("networks", "has {0.networks}"),
}
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
    """

    arms: tuple[str, ...]
    question: str
    answer: str
    caveat: str

    def __str__(self) -> str:
        return f"{self.question} {self.answer}".strip()


def claims(report: Report) -> list[Claim]:
    """The answers to declared questions, then what can be said of every two arms and of each, best
    first: of some of the arms, the first claim that speaks of no others is the headline."""
    made = [contrast_claim(contrast) for contrast in report.contrasts]
    pairs = {frozenset(claim.arms): claim for claim in made}
    result = list(made) if report.declared else []
    scored = report.scored
    for place, arm in enumerate(scored):
        for worse in scored[place + 1 :]:
            result.append(pairs.get(frozenset((arm.name, worse.name))) or _pair_claim(arm, worse))
    return result + [_arm_claim(arm) for arm in scored]


def tested_on(corpus: Mapping[str, Any]) -> str:
    """What a text, as a corpus describes it, was divided into."""
    cut = "blocks" in corpus.get("division", "") or corpus["kind"] == "file"
    return "pieces" if cut else "documents"


def headline(report: Report) -> Claim | None:
    """The answer in one claim; None where no arm has bits per character."""
    return next(iter(claims(report)), None)


def unequal(what: Sequence[str]) -> str:
    """That two arms did not have something alike."""
    return f"The two did not have the same {' or '.join(what)}." if what else ""


def contrast_claim(contrast: ContrastRow) -> Claim:
    """The answer to a question about two arms."""
    answer = f"{difference(contrast)}."
    if contrast.answer in ("Yes", "No"):
        answer = f"{contrast.answer}. {answer}"
    late = "This question is not in the plan." * (contrast.planned is False)
    cautions = filter(None, (late, unequal(contrast.unequal), caveat(contrast)))
    return Claim((contrast.first, contrast.second), contrast.question, answer, " ".join(cautions))


def difference(contrast: ContrastRow) -> str:
    """Which of two arms needs fewer bits, as far as is known; without a full stop."""
    first, second = contrast.first, contrast.second
    if contrast.verdict == "can't tell":
        unknown = f"Too close to call between {first} and {second}"
        low, high = contrast.low or 0.0, contrast.high or 0.0
        if not low < 0 < high:
            return unknown
        bounds = (
            f"from {-low:.3f} fewer bits per character with {first} to {high:.3f} with {second}"
        )
        return f"{unknown}: with 95 % confidence anything {bounds}"
    if contrast.verdict == "equal":
        return f"{first} and {second} are equal to within {MARGIN:g} bits per character"
    better, worse = (first, second) if contrast.verdict == "better" else (second, first)
    bits = f"{abs(contrast.difference):.3f} fewer bits per character"
    bits += f" ({contrast.share:.1%})" * bool(contrast.share)
    return f"With {better} it takes {bits} than with {worse}"


def winner(contrast: ContrastRow) -> str | None:
    """The name of the better arm, if it is known."""
    return {"better": contrast.first, "worse": contrast.second}.get(contrast.verdict)


def counts_line(report: Report) -> str:
    """That counts of the training text are mixed in when training has ended, and where the plan of
    a study has each training validated on the whole text, what they do to each arm."""
    arms = [arm for arm in report.scored if arm.training_counts and arm.validation and arm.curves]
    parts = [
        f"{arm.name} from {mean(min(curve.validation) for curve in arm.curves):.2f} to "
        f"{arm.validation.total:.2f}"
        for arm in arms
        if report.planned and arm.validation
    ]
    if not arms:
        return ""
    change = f" They take {', '.join(parts)}." * bool(parts)
    text = "When it has ended, counts of the training text are mixed into the predictions"
    return f"{text}, a part of the model in all other figures.{change}"


def caveat(contrast: ContrastRow) -> str:
    """How far an answer can be trusted, in a sentence or two."""
    if contrast.verdict == "can't tell":
        return contrast.advice
    low, high = contrast.low or 0.0, contrast.high or 0.0
    if contrast.verdict != "equal":
        low, high = sorted((abs(low), abs(high)))
    bounds = f"Between {low:.3f} and {high:.3f} with 95 % confidence".replace("-", "−")
    documents = f"{bounds}, over {contrast.documents} {contrast.tested_on} kept out of training"
    small = f" Less than {MARGIN:g} would count as no difference."
    small *= contrast.verdict != "equal" and low < MARGIN
    if contrast.folds > 1:
        return f"{documents}, each in one of {contrast.folds} folds.{small}"
    if contrast.scope != "these runs":
        return f"{documents} and {' + '.join(map(str, contrast.seeds))} seeds.{small}"
    once = "each model" if max(contrast.seeds) == 1 else "a model"
    return f"{documents}. This holds for these runs only: {once} was trained once.{small}"


def spread(difference: Difference) -> str:
    """Whether a difference hangs on one document, or on the long ones."""
    if not (found := difference.spread) or not found.without_one:
        return ""
    sign = 1 if difference.difference > 0 else -1
    low, high, alike = (
        f"{round(sign * value, 3) + 0.0:.3f}".replace("-", "−")  # + 0.0: no "−0.000"
        for value in (*found.without_one[::sign], found.mean_over_documents)
    )
    return (
        f"{found.agreeing} of {difference.documents} {difference.tested_on} agree; without any one "
        f"of them the lead is {low} to {high}; weighting all equally, {alike}. They carry as much "
        f"information as {found.equal_documents:.1f} of equal length."
    )


def _pair_claim(better: ArmRow, worse: ArmRow) -> Claim:
    first, second = (row.test.total if row.test else 0.0 for row in (better, worse))
    ahead = f"{better.name} is ahead: {first:.3f} bits per character, against {second:.3f}"
    caution = f"{unequal(spending.unequal_spending([better, worse]))} Not tested.".strip()
    return Claim((better.name, worse.name), "", f"{ahead} for {worse.name}.", caution)


def _arm_claim(arm: ArmRow) -> Claim:
    total = arm.test.total if arm.test else 0.0
    answer = f"{arm.name} needs {total:.3f} bits per character."
    return Claim((arm.name,), "", answer, "There is nothing to compare it with.")


def without_network(report: Report) -> dict[str, str]:
    """An arm's name → how the best model without a network does beside it; {} without one."""
    best = min(report.references, key=lambda row: row.test.total, default=None)
    if best is None:
        return {}
    bits, result = best.test.total, dict[str, str]()
    for arm in report.scored:
        ahead = (arm.test.total if arm.test else 0.0) - bits
        how = "does better" if ahead > 0 else "does worse"
        how = how if abs(ahead) > report.margin else "does as well"
        result[arm.name] = f"{best.label}, without a neural network, {how}: {bits:.3f}."
    return result


def audits(report: Report) -> list[tuple[str, str]]:
    """(an arm's name, what an audit of one of its runs says), where there are any."""
    return [
        (arm.name, f"{arm.name}, seed {run.seed}, {line}.")
        for arm in report.arms
        for run in arm.runs
        for line in run.audits
    ]


def cautions(
    arms: Sequence[Arm],
    rows: Sequence[ArmRow],
    declared: Sequence[Contrast],
    tested: Sequence[ContrastRow],
) -> list[Caution]:
    """All warnings about some arms, in the order of their weight.

    Args:
        arms: all of a report.
        rows: the same as the report has them.
        declared, tested: contrasts.
    """
    charged = {row.name for row in rows if row.test and row.same_text}
    watching = [
        row
        for arm, row in zip(arms, rows, strict=True)
        if arm.first.experiment.training.watch == "validation"
    ]
    return [
        *spending_cautions(rows),
        *overfitting_cautions(watching),
        *counts_cautions({row.name: row.training_counts for row in rows}),
        *memory_cautions({row.name: row.memory for row in rows}),
        *unanswered_cautions(declared, charged),
        *disagreement_cautions(tested),
    ]


def spending_cautions(rows: Sequence[ArmRow]) -> list[Caution]:
    """One for everything that the arms did not have alike."""
    result = []
    for what in spending.unequal_spending(rows):
        figure, form = UNEQUAL[what]
        by_arm = {r.name: form.format(r, ", ".join(r.extra_data)) for r in rows if r[figure]}
        result.append(Caution(text=f"The arms did not have the same {what}.", by_arm=by_arm))
    return result


def overfitting_cautions(rows: Sequence[ArmRow]) -> list[Caution]:
    """Where the validation figure of an arm was best in the first half of its training."""
    early = {}
    for row in rows:
        curves = [curve for curve in row.curves if len(curve.validation) >= MIN_CURVE]
        shares = [c.updates[int(np.argmin(c.validation))] / c.updates[-1] for c in curves]
        if shares and max(shares) <= 0.5:
            early[row.name] = (
                f"was best after {np.mean(shares):.0%} of its training, which is what is scored"
            )
    text = "More minutes will not help these; more text or more dropout might."
    return [Caution(text=text, by_arm=early)] if early else []


def counts_cautions(orders: Mapping[str, Sequence[int]]) -> list[Caution]:
    """Where only some arms have counts of the training text."""
    return _where_some_lack(orders, "Not every arm has counts of the training text.", "has none")


def memory_cautions(orders: Mapping[str, Sequence[int]]) -> list[Caution]:
    """Where only some arms have a memory of the document."""
    text = "Compare the figures of the networks alone."
    return _where_some_lack(orders, text, "has no memory of the document")


def _where_some_lack(orders: Mapping[str, Sequence[int]], text: str, note: str) -> list[Caution]:
    without = [name for name, own in orders.items() if not own]
    some = 0 < len(without) < len(orders)
    return [Caution(text=text, by_arm=dict.fromkeys(without, note))] if some else []


def unanswered_cautions(declared: Sequence[Contrast], charged: Set[str]) -> list[Caution]:
    """One for each declared contrast whose arms do not both have bits per character."""
    rows = []
    for c in declared:
        if missing := [name for name in (c.first, c.second) if name not in charged]:
            text = f"No answer: {_asked(c)} There is no result for {' and '.join(missing)}."
            rows.append(Caution(text=text, arms=[c.first, c.second]))
    return rows


def disagreement_cautions(tested: Sequence[ContrastRow]) -> list[Caution]:
    """One for each contrast that is answered differently with a memory of the document."""
    return [
        Caution(
            text=f"The answer depends on the memory: {_asked(c)} {c.answer} for the networks alone "
            f"({c.difference:+.3f}), {both.answer} with a memory of the document "
            f"({both.difference:+.3f}).",
            arms=[c.first, c.second],
        )
        for c in tested
        if (both := c.with_memory) and both.answer != c.answer
    ]


def _asked(contrast: Contrast | ContrastRow) -> str:
    return contrast.question or f"{contrast.first} against {contrast.second}:"
