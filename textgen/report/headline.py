"""What stands beside an answer on the first screen: the same without jargon, and the one *but* that
matters most."""

import math
from collections.abc import Sequence

from textgen.evaluation.significance import MARGIN, Verdict
from textgen.report import sentences
from textgen.report.schema import ArmRow, ContrastRow, Report
from textgen.report.sentences import Claim
from textgen.report.spending import BUSY, LOAD, PROCESSOR, unequal_spending

# A part of the models, in the middle of a sentence.
IN_PART = {
    "network": "for networks alone",
    "with_counts": "with n-gram counts mixed in",
    "with_cache": "with a document cache",
}

# The name of an arm → what its model reads, in a sentence without jargon.
READS = {"characters": "letters", "subwords": "pieces of words", "words": "words"}
# Shares in words; what is said of a share is the nearest by ratio.
FRACTIONS = {
    "half": 1 / 2,
    "a third": 1 / 3,
    "a quarter": 1 / 4,
    "a fifth": 1 / 5,
    "a sixth": 1 / 6,
    "a seventh": 1 / 7,
    "an eighth": 1 / 8,
    "a tenth": 1 / 10,
    "a twentieth": 1 / 20,
}
LEAST_FRACTION = 0.035  # less than that is "slightly",
LARGEST_FRACTION = 0.6  # and more "more than half"
NUMBERS = "no one two three four five six seven eight nine ten eleven twelve".split()
# How far two times may be apart, as a ratio, to be one.
ALIKE = 1.1


def in_plain_words(report: Report, claim: Claim) -> str:
    """The answer to a question of yes or no in a sentence that needs no knowledge of the field;
    empty where there is no answer, or no such question."""
    contrast = claim.contrast
    if contrast is None or sentences.answer(contrast, contrast) not in ("Yes", "No"):
        return ""
    arms = {arm.name: arm for arm in report.scored}
    first, second = contrast.first, contrast.second
    after = _after(arms[first], arms[second])
    texts = "documents" if contrast.tested_on == "documents" else "passages"
    number = len(report.documents)
    if contrast.verdict is Verdict.EQUAL:
        both = f"The program {_called(first)} and the one {_called(second)}"
        of = f"the {_number(number)} {texts} that neither had seen"
        return f"{both} were equally surprised by {of}{after}."
    ahead, behind = (first, second) if sentences.winner(contrast) == first else (second, first)
    wins = sum(row.bits[ahead] < row.bits[behind] for row in report.documents)
    where = f"ahead on {_number(wins)} of the {_number(number)}"
    if wins == number:
        where = f"on all {_number(number)}"
    less = f"{_fraction(contrast.share)} less surprised than the one {_called(behind)}"
    return f"The program {_called(ahead)} was {less}, {where} {texts} that neither had seen{after}."


def _called(name: str) -> str:
    return f"that reads {READS[name]}" if name in READS else f"called {name}"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else f"{count:,}"


def _fraction(share: float) -> str:
    if share < LEAST_FRACTION:
        return "slightly"
    if share > LARGEST_FRACTION:
        return "more than half"
    nearest = min(FRACTIONS, key=lambda name: abs(math.log(FRACTIONS[name] / share)))
    return f"about {nearest}"


def _after(first: ArmRow, second: ArmRow) -> str:
    """How long two arms were trained; empty where they were not trained alike."""
    if not _as_long([first, second]):
        return ""
    longer = max(first.seconds, second.seconds)
    if longer < 120:
        return f", after {longer:.0f} seconds each"
    minutes = longer / 60
    if minutes < 10:
        return f", after {minutes:.2g} minutes each"
    return f", after {minutes:,.0f} minutes each"


def _as_long(arms: Sequence[ArmRow]) -> bool:
    """Whether arms were trained for as long, preparation included."""
    seconds = [arm.seconds for arm in arms]
    return max(seconds) <= ALIKE * min(seconds)


def but(report: Report, claim: Claim) -> str:
    """The one sentence, beginning with *But*, that qualifies a claim most; of several that would do
    so, the weightiest."""
    arms = [arm for arm in report.scored if arm.name in claim.arms]
    contrast = claim.contrast
    unequal = contrast.unequal if contrast else list(unequal_spending(arms))
    found = [_unlike(unequal), _unread(arms), _unlearnt(report, arms)]
    if contrast:
        found += [_trained_once(contrast), _by_counts(contrast), _busy(contrast, arms)]
        found.append(_extent(contrast))
    elif len(arms) == 1:
        found.append("But no other model stands beside it.")
    else:
        found.append("But this lead was not tested.")
    return next(sentence for sentence in found if sentence)


def seconds_to_read_twice(arm: ArmRow) -> float:
    """Seconds of preparation and training in which an arm would read its training text twice."""
    training = arm.seconds - arm.preparation_seconds
    return arm.preparation_seconds + training * 2 / arm.passes


def _unlike(unequal: Sequence[str]) -> str:
    weighty = [what for what in unequal if what not in (BUSY, LOAD, PROCESSOR)]
    return f"But {_lowered(sentences.unequal(weighty))}" if weighty else ""


def _unread(arms: Sequence[ArmRow]) -> str:
    """A network that has not read its training text once, and what it would take."""
    least = min(arms, key=lambda arm: arm.passes)
    if least.passes >= 1:
        return ""
    percent = math.floor(100 * least.passes)
    share = f"only {percent}%" if percent else "less than 1%"
    enough = f"{_rounded_up(2 / least.passes):g} times the budget"
    if _as_long(arms):
        enough = f"{_rounded_up(seconds_to_read_twice(least)):,.0f} seconds each"
    read = f"{sentences.have(least.name)} read {share} of the training text"
    return f"But {read}; {enough} would be enough to read it twice."


def _unlearnt(report: Report, arms: Sequence[ArmRow]) -> str:
    """A network that counting beats, the one that it beats by most."""
    if report.part != "network":
        return ""
    beaten = list[tuple[float, str]]()
    for arm in arms:
        for label, bits in sentences.better_by_counting(arm, report.references):
            counting = f"{sentences.needs(label)} {bits:.3f} bits per character"
            said = (
                f"But {sentences.have(arm.name)} not yet learnt what counting knows: {counting} "
                f"and {arm.name} {arm.total:.3f}, so longer training may change the lead."
            )
            beaten.append((arm.total - bits, said))
    return max(beaten)[1] if beaten else ""


def _trained_once(contrast: ContrastRow) -> str:
    if contrast.folds > 1 or min(contrast.seeds) > 1:
        return ""
    who = "each model" if max(contrast.seeds) == 1 else "one of the models"
    return f"But {who} was trained once: three seeds of each would show how much is chance."


def _by_counts(contrast: ContrastRow) -> str:
    """Another part of the models with a network that answers otherwise, or counts that take away
    most of a lead."""
    for part, found in contrast.parts.items():
        if part not in IN_PART or found.verdict is contrast.verdict:
            continue
        match found.verdict:
            case Verdict.TOO_CLOSE:
                said = f"{contrast.first} and {contrast.second} are too close to call"
            case Verdict.EQUAL:
                said = f"{contrast.first} and {contrast.second} are equal to within {MARGIN:g}"
            case _:
                ahead = contrast.first if found.difference < 0 else contrast.second
                said = f"{sentences.needs(ahead)} {abs(found.difference):.3f} bits fewer"
        return f"But {IN_PART[part]}, {said}."
    counted = contrast.parts.get("with_counts")
    if counted and sentences.winner(contrast) and contrast.part == "network":
        left = abs(counted.difference)
        lead = abs(contrast.difference)
        if left < lead / 2:
            some = f"{left:.3f} of the lead of {lead:.3f} remain"
            return f"But {IN_PART['with_counts']}, {some}: n-grams know most of what it says."
    return ""


def _busy(contrast: ContrastRow, arms: Sequence[ArmRow]) -> str:
    """A busy machine, where what it cost a training may exceed half the interval."""
    timed = [arm for arm in arms if "seconds" in arm.budget]
    if BUSY not in contrast.unequal or not timed:
        return ""
    slowest = max(timed, key=_overrun)
    if _cost_of_load(slowest) <= _half_interval(contrast):
        return ""
    took = f"{slowest.name} took {slowest.seconds:.0f} seconds instead of"
    return f"But the machine was busy: {took} {slowest.budget['seconds']:g}."


def _overrun(arm: ArmRow) -> float:
    """Seconds that a training took, over those that it was given."""
    return arm.seconds / arm.budget["seconds"]


def _cost_of_load(arm: ArmRow) -> float:
    """Bits per character that the updates lost to a busy machine would have gained, by the end of
    an arm's curve; inf where that is not known."""
    if len(arm.points) < 2:
        return math.inf
    before, end = arm.points[-2:]
    slope = (before.bits - end.bits) / math.log(end.compute / before.compute)
    return slope * math.log(_overrun(arm))


def _half_interval(contrast: ContrastRow) -> float:
    if contrast.low is None or contrast.high is None:
        return math.inf
    return (contrast.high - contrast.low) / 2


def _extent(contrast: ContrastRow) -> str:
    """How large or small a difference may be, or what would settle it."""
    if contrast.verdict is Verdict.TOO_CLOSE:
        settles = sentences.advice(contrast)
        return f"But {_lowered(settles)}" if settles else "But nobody knows what would settle it."
    ends = [abs(bound or 0.0) for bound in (contrast.low, contrast.high)]
    if contrast.verdict is Verdict.EQUAL:
        return f"But other such {contrast.tested_on} may set them {max(ends):.3f} apart."
    if min(ends) < MARGIN:
        return f"But the lead may be less than {MARGIN:g}, too little to matter."
    reach = f"anywhere from {min(ends):.3f} to {max(ends):.3f}"
    return f"But on other such {contrast.tested_on} the lead may be {reach}."


def _lowered(sentence: str) -> str:
    """A sentence that another word begins."""
    return sentence[:1].lower() + sentence[1:]


def _rounded_up(number: float) -> float:
    """To two digits, so that what is said suffices."""
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.ceil(round(number / step, 9)) * step
