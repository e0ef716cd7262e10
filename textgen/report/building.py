"""The content of a report, computed from its arms.

Words are the same for all arms, whatever their tokens: a word is what the word tokenizer cuts out,
its leading space included, and costs what its characters cost. The bits of a token of several
characters are divided equally among them.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from textgen.auditing.audit import audit_lines
from textgen.core.errors import TextgenError
from textgen.core.settings import BUDGETS, PARTS, PartName
from textgen.data.documents import Document, count_characters
from textgen.data.loading import Corpus, pool_folds, same_works
from textgen.evaluation import metrics, significance
from textgen.evaluation.baselines import Reference
from textgen.evaluation.metrics import Figure, Human, copied_spans, measure, metric_labels
from textgen.evaluation.scores import UNIT, DocumentBits, averages
from textgen.report import schema
from textgen.report.arms import Arm, descriptions, is_on, matched_settings
from textgen.report.contrast import Contrast
from textgen.report.sentences import cautions, looping_cautions
from textgen.report.spending import unequal_spending
from textgen.runs.finished import Run
from textgen.runs.generation import evaluation_for
from textgen.runs.results import Text
from textgen.tokenizers.segmentation import pretokenize
from textgen.tokenizers.vocabulary import split_space

# Draws the passages of human text.
SEED = 1
# How many samples without a prompt the page has at each temperature, and how long they are.
SAMPLES_SHOWN, SAMPLE_CHARACTERS = 2, 400
FREQUENT, COMMON = 100, 10
# Every character of the text is in a word of one of these classes.
CLASSES = {
    "frequent": f"words that occur {FREQUENT} times or more in the training text",
    "common": f"words that occur {COMMON} to {FREQUENT - 1} times",
    "rare": f"words that occur 2 to {COMMON - 1} times",
    "once": "words that occur once",
    "unseen": "words that do not occur in the training text",
    "punctuation": "punctuation and other signs",
    "numbers": "numbers",
    "space": "line ends and spaces outside words",
    "end": "end marks of documents",
}
CLASS_NUMBERS = {name: number for number, name in enumerate(CLASSES)}
PASSAGE_CHARACTERS, OPENING_CHARACTERS = 800, 500
# How many documents have their beginnings among the passages.
MAX_OPENINGS = 5
ByArm = Mapping[str, np.ndarray]


def build_report(
    arms: Sequence[Arm],
    folds: Sequence[Corpus],
    references: Sequence[Reference],
    contrasts: Sequence[Contrast],
    plan: Mapping[str, Mapping[str, Any]],
    warnings: Sequence[schema.Caution],
    **about: Any,
) -> tuple[schema.Report, schema.Texts]:
    """The content of ``report.json`` and of ``texts.json``.

    Args:
        arms: at least one.
        folds: the corpus of the first arm in each of its folds; of one, as a rule.
        references: baselines scored on the same split.
        contrasts: what is tested, Holm over all of them.
        plan: arm → what a study has planned for it: its questions, and where it has a budget in
            seconds, those that preparation and updates take.
        warnings: what a reader must know first.
        about: further attributes of the report.
    """
    loaded, pooled = folds[0], pool_folds(folds)
    human = Human([document.text for document in loaded.sample], loaded.language.code)
    same_text = [arm for arm in arms if is_on(arm, folds)]
    scored = [arm for arm in same_text if arm.charged]
    described = descriptions(arms)
    timed = {name: own for name, own in plan.items() if own.get("seconds_per_update")}
    rows = [arm_row(a, described[a.name], is_on(a, folds), timed.get(a.name)) for a in arms]
    words = cut_words(folds)
    bits = {arm.name: class_bits(arm, words) for arm in scored}
    tested = tested_contrasts(contrasts, scored, bits, pooled.unit) if scored else []
    asked = {(c.first, c.second): asdict(c) for c in contrasts}
    for row in tested:
        pair = row.first, row.second
        row.unequal = [*unequal_spending([arm for arm in rows if arm.name in pair])]
        declared = [plan.get(name, {}).get("declared", ()) for name in pair]
        row.planned = all(asked[pair] in own for own in declared) if plan else None
    generated = measure_samples(same_text, loaded, human)
    warnings = [*warnings, *_text_cautions(loaded), *cautions(arms, rows, contrasts, tested)]
    report = schema.Report(
        **about,
        part=arms[0].part,
        signature=signature(arms, rows, pooled),
        unit=UNIT,
        margin=significance.MARGIN,
        corpus=pooled.description,
        folds=len(folds),
        warnings=[*warnings, *looping_cautions(generated)],
        arms=rows,
        references=[reference_row(reference, scored) for reference in references],
        questions=len(contrasts),
        contrasts=tested,
        documents=document_rows(scored) if scored else [],
        word_classes=word_classes(scored, words, bits) if scored else [],
        generated=generated,
    )
    wrote = arms[0].first.experiment.sampling.part
    shown = passages(pooled.test, scored) if scored else []
    samples = samples_shown(same_text, loaded, human)
    return report, schema.Texts(part=wrote, passages=shown, samples=samples)


def signature(arms: Sequence[Arm], rows: Sequence[schema.ArmRow], corpus: Corpus) -> str:
    """What the figures of a report depend on, in one line: the versions that trained its runs, text
    and split by the beginning of their hashes, part, seeds × folds, budgets, and whether settings
    are matched."""
    versions = "/".join(sorted({v for row in rows for v in row.versions})) or "unknown"
    budgets = [arm.first.experiment.training for arm in arms]
    named = {
        f"{getattr(own, key):.12g} {key}" for own in budgets for key in BUDGETS if getattr(own, key)
    }
    seeds = "/".join(str(n) for n in sorted({len(arm.seeds) for arm in arms}))
    text, split = corpus.sha256[:8], str(corpus.description["split_sha256"])[:8]
    settings = "matched" if len({matched_settings(arm) for arm in arms}) == 1 else "own"
    return (
        f"textgen:{versions}|text:{text}|split:{split}|part:{arms[0].part}|"
        f"seeds:{seeds}×{len(arms[0].folds)}|budget:{'/'.join(sorted(named))}|settings:{settings}"
    )


def _text_cautions(loaded: Corpus) -> list[schema.Caution]:
    texts = [loaded.warning, same_works(loaded)]
    if loaded.sample is not loaded.train:
        text = f"Words and phrases were looked up in {count_characters(loaded.sample):,} characters"
        text += " of the training text; some that are called new or unseen may be in the rest."
        texts.append(text)
    return [schema.Caution(text=text) for text in texts if text]


def arm_row(
    arm: Arm, described: str, same_text: bool, plan: Mapping[str, Any] | None = None
) -> schema.ArmRow:
    """An arm, with what a study has planned for it."""
    first = arm.first.metrics
    training, settings = [run.metrics.training for run in arm.runs], arm.first.experiment.training
    timed = plan and plan["seconds_per_update"]
    paces = [(t.seconds_per_update, timed or t.calibration_seconds_per_update) for t in training]
    timing = [taken / planned for taken, planned in paces if taken and planned]
    measured = _mean(t.preparation_seconds + t.seconds for t in training)
    preparation = _mean(t.preparation_seconds for t in training)
    seconds, planned = measured, _mean(t.updates_planned for t in training)
    if plan:
        preparation = float(plan["preparation_seconds"])
        seconds = preparation + _mean(t.updates for t in training) * plan["seconds_per_update"]
    parts, validation = dict[str, schema.Bits](), None
    if arm.charged:
        parts = {part: _test_bits(arm.of(part)) for part in arm.parts}
        validation = _mean_bits([dict(run.metrics.validation.parts[arm.part]) for run in arm.runs])
    return schema.ArmRow(
        name=arm.name,
        described=described,
        same_text=same_text,
        seeds=arm.seeds,
        runs=[_trained_run(run, arm.part) for run in arm.runs],
        training_counts=list(arm.first.experiment.training_counts.orders),
        cache=list(arm.first.experiment.cache.orders),
        context=first.context,
        vocabulary_size=first.vocabulary_size,
        extra_data=first.extra_data,
        replacement_rate=_mean(run.metrics.test.replacement_rate for run in arm.runs),
        parameters=training[0].parameters,
        updates=[t.updates for t in training],
        updates_planned=planned,
        characters=_mean(t.characters for t in training),
        passes=_mean(t.characters / t.characters_of_training_text for t in training),
        seconds=seconds,
        seconds_measured=measured,
        preparation_seconds=preparation,
        budget={key: value for key in BUDGETS if (value := getattr(settings, key))},
        timing=_mean(timing) if timing else None,
        threads=training[0].threads or settings.threads,
        start=str(settings.start or ""),
        networks=getattr(arm.first.experiment.backbone, "members", 1),
        curves=[_curve(run, plan) for run in arm.runs],
        test=parts.get(arm.part),
        validation=validation,
        parts=parts,
    )


def _mean(values: Iterable[Any]) -> float:
    return float(np.mean(list(values)))


def _trained_run(run: Run, part: str) -> schema.TrainedRun:
    version, commit = _code_of(run)
    return schema.TrainedRun(
        seed=run.experiment.seed,
        fold=run.experiment.split.fold,
        folder=str(run.folder),
        total=run.bits(part),
        audits=[*audit_lines(run.folder)],
        version=version,
        commit=commit,
    )


def _code_of(run: Run) -> tuple[str, str]:
    """Version and commit of the code that trained a run; empty if its manifest is lost, which no
    figure needs."""
    try:
        return run.manifest.textgen, run.manifest.commit
    except TextgenError:
        return "", ""


def _curve(run: Run, plan: Mapping[str, Any] | None) -> schema.Curve:
    """Validation figures over a training. Where there is a plan, the seconds are those of its
    calibration on an idle machine; else the elapsed ones."""
    training, history = run.metrics.training, run.history
    updates = [row["updates"] for row in history]
    seconds = [training.preparation_seconds + row["seconds"] for row in history]
    if plan:
        seconds = [plan["preparation_seconds"] + n * plan["seconds_per_update"] for n in updates]
    return schema.Curve(
        seed=run.experiment.seed,
        seconds=seconds,
        characters=[n * training.characters / training.updates for n in updates],
        updates=updates,
        validation=[row["validation_bits_per_character"] for row in history],
    )


def _test_bits(arm: Arm) -> schema.Bits:
    """Figures of an arm on the test text, of its folds together."""
    rows = [[(d.characters, d.model.sum(), d.spelling.sum()) for d in own] for own in arm.tested]
    return _bits_of(rows, arm.fold_of)


def _bits_of(
    rows: Sequence[Sequence[tuple[int, float, float]]], folds: np.ndarray | None = None
) -> schema.Bits:
    """Figures of documents as often as they were scored: of the characters of each, its bits of
    model and of spelling. The interval is over documents."""
    characters, model, spelling = np.array(rows).transpose(2, 0, 1)
    ends = significance.bootstrap_interval(model + spelling, characters[0] + 1, folds)
    return _mean_bits([averages(documents) for documents in rows], *ends)


def _mean_bits(
    runs: Sequence[Mapping[str, Any]], low: float = math.inf, high: float = math.inf
) -> schema.Bits:
    """The mean of the figures of each run, and the ends of an interval."""
    rows = [dict(run["bits_per_character"]) for run in runs]
    model, spelling = (_mean(row[key] for row in rows) for key in ("model", "spelling"))
    totals = [row["total"] for row in rows]
    bits = {"model": model, "spelling": spelling, "total": model + spelling}
    mean = _mean(run["mean_over_documents"] for run in runs)
    deviation = float(np.std(totals, ddof=1)) if len(totals) > 1 else None
    return schema.Bits(**bits, mean_over_documents=mean, deviation=deviation, low=low, high=high)


def reference_row(reference: Reference, arms: Sequence[Arm]) -> schema.ReferenceRow:
    """A baseline; the intervals of both splits are over documents, those of the leads that arms
    have on it also over the arms' seeds."""

    def bits_of(documents: Sequence[DocumentBits]) -> schema.Bits:
        return _bits_of([[(d.characters, d.model, d.spelling_bits) for d in documents]])

    validation, cached = reference.validation.get("counts"), reference.test.get("with_cache")
    tested = reference.test[reference.part]
    beside = tested
    if cached and arms and arms[0].part == "with_cache":
        beside = cached
    bits = np.array([[d.model + d.spelling_bits for d in beside]] * 2)  # no chance
    return schema.ReferenceRow(
        label=reference.label,
        meaning=reference.meaning,
        command=reference.command or None,
        part=reference.part,
        test=bits_of(tested),
        leads={arm.name: _effect(arm, arm.bits, bits) for arm in arms},
        validation=bits_of(validation) if validation else None,
        with_cache=bits_of(cached) if cached else None,
    )


def tested_contrasts(
    contrasts: Sequence[Contrast], arms: Sequence[Arm], classes: ByArm, tested_on: str
) -> list[schema.ContrastRow]:
    """The contrasts whose arms have bits, with Holm's correction over all that were declared: by
    the part that the arms are of, and by every other one that both arms have.

    Args:
        contrasts, arms: of the report.
        classes: :func:`class_bits` of each arm.
        tested_on: what the text was divided into.
    """
    part, counted = arms[0].part, any("counts" in arm.parts for arm in arms)
    others = [p for p in PARTS if p != part and (counted or p != "with_counts")]
    by_part = {p: _differences(p, contrasts, arms, tested_on) for p in (part, *others)}
    named = {arm.name: arm for arm in arms}
    return [
        schema.ContrastRow(
            first=c.first,
            second=c.second,
            question=c.question,
            yes=c.yes if c.question else "",
            parts={p: rows[number] for p, rows in by_part.items() if p != part and number in rows},
            where=where(named[c.first], classes[c.first], classes[c.second]),
            changes=changes(named[c.first], named[c.second]),
            **dict(by_part[part][number]),
        )
        for number, c in enumerate(contrasts)
        if number in by_part[part]
    ]


def where(arm: Arm, first: np.ndarray, second: np.ndarray) -> dict[str, schema.Effect]:
    """What the words of each of :data:`CLASSES` add to the difference of two arms that were tested
    as this one, from their :func:`class_bits`."""
    return {name: _effect(arm, first[..., i], second[..., i]) for name, i in CLASS_NUMBERS.items()}


def changes(first: Arm, second: Arm) -> dict[str, schema.Effect]:
    """What counts of the training text and a document cache change of the difference of two arms,
    where both have them."""
    return {
        part: _effect(first, *(arm.of(part).bits - arm.of(below).bits for arm in (first, second)))
        for (below, part), own in zip(pairwise(PARTS[:3]), ("counts", "with_cache"), strict=True)
        if own in first.parts and own in second.parts
    }


def _effect(arm: Arm, first: np.ndarray, second: np.ndarray) -> schema.Effect:
    """Of bits (seeds, documents) of two arms that were tested as this one."""
    found = significance.compare_arms(first, second, arm.units, arm.fold_of)
    return schema.Effect(difference=found.difference, low=found.low, high=found.high)


def _differences(
    part: PartName, contrasts: Sequence[Contrast], arms: Sequence[Arm], tested_on: str
) -> dict[int, schema.Difference]:
    """Those of the contrasts whose arms both have a part, by their numbers."""
    bits = {arm.name: arm.of(part).bits for arm in arms if part in arm.parts}
    units, folds = arms[0].units, arms[0].fold_of
    wanted = {i: c for i, c in enumerate(contrasts) if c.first in bits and c.second in bits}
    pairs = {i: (bits[c.first], bits[c.second]) for i, c in wanted.items()}
    found = {i: significance.compare_arms(*pair, units, folds) for i, pair in pairs.items()}
    rows = {}
    for number, (d, p, verdict) in significance.tested(found, len(contrasts)).items():
        pair, open_question = pairs[number], verdict is significance.Verdict.TOO_CLOSE
        dearer = max(own.sum() / len(own) for own in pair)
        rows[number] = schema.Difference(
            part=part,
            **asdict(d),
            share=abs(d.difference) * units.sum() / dearer,
            p_adjusted=p,
            tested_on=tested_on,
            verdict=verdict,
            needed=significance.what_would_tell(d, len(contrasts)) if open_question else None,
            spread=significance.by_document(*pair, units),
        )
    return rows


def document_rows(arms: Sequence[Arm]) -> list[schema.DocumentRow]:
    """Every held-out document, hardest first."""
    rows = [
        schema.DocumentRow(
            name=document.name,
            characters=document.characters,
            fold=arms[0].folds[arms[0].fold_of[i]].experiment.split.fold,
            bits={a.name: float(a.bits[:, i].mean() / a.units[i]) for a in arms},
            bits_by_seed={a.name: (a.bits[:, i] / a.units[i]).tolist() for a in arms},
        )
        for i, document in enumerate(arms[0].tested[0])
    ]
    return sorted(rows, key=lambda row: -sum(row.bits.values()))


def drawn_texts(arm: Arm, temperature: float) -> list[Text]:
    """An arm's samples at a temperature: as many as one run drew, its seeds taking turns, all in
    the first fold."""
    sweeps = [first.texts.sweep for first, *_ in arm.repeats]
    drawn = [next(s.texts for s in sweep if s.temperature == temperature) for sweep in sweeps]
    return [drawn[number % len(drawn)][number] for number in range(min(map(len, drawn)))]


def samples_shown(arms: Sequence[Arm], loaded: Corpus, human: Human) -> list[schema.Samples]:
    """What arms wrote: after the same prompts, then after nothing at every temperature."""
    settings, written = evaluation_for(loaded), []
    for prompt in settings.prompts:
        prompted = [(arm.name, text) for arm in arms for text in arm.first.texts.prompted]
        texts: dict[str, Text] = {name: text for name, text in prompted if text.prompt == prompt}
        written.append((prompt, settings.temperature, texts))
    for temperature in settings.temperatures:
        drawn = {arm.name: drawn_texts(arm, temperature) for arm in arms}
        for number in range(min([SAMPLES_SHOWN, *map(len, drawn.values())])):
            texts = {name: samples[number] for name, samples in drawn.items()}
            written.append(("", temperature, texts))
    return [
        schema.Samples(
            prompt=prompt,
            temperature=temperature,
            arms={name: _sample_text(text, human) for name, text in texts.items()},
        )
        for prompt, temperature, texts in written
        if texts
    ]


def _sample_text(record: Text, human: Human) -> schema.SampleText:
    text = record.text[:SAMPLE_CHARACTERS]
    filled = [span for span in record.filled if span[1] <= len(text)]
    return schema.SampleText(text=text, filled=filled, copied=copied_spans(text, human))


def measure_samples(arms: Sequence[Arm], loaded: Corpus, human: Human) -> schema.Generated:
    """All metrics over the sweep of temperatures, beside human text of equal size."""
    settings = evaluation_for(loaded)
    texts = [document.text for document in loaded.test]
    written = metrics.human_passages(texts, settings.samples, settings.length, SEED)
    return schema.Generated(
        labels=metric_labels(human.language),
        settings=asdict(settings) | {"prompts": []},  # which may be words of the texts
        human=_rounded(measure(written, human)),
        arms={
            arm.name: [
                _rounded(measure([metrics.Sample(t.text) for t in drawn_texts(arm, at)], human))
                for at in settings.temperatures
            ]
            for arm in arms
        },
    )


def _rounded(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    return {
        name: Figure(*(value and round(value, 6) for value in figure))
        for name, figure in figures.items()
    }


class Words(NamedTuple):
    """The words of the held-out documents, one after another, each document's end mark after them.

    Attributes:
        document: (n,) int64, the number of its document.
        word_class: (n,) int64, index into :data:`CLASSES`.
        length: (n,) int64, in characters; of an end mark 1.
    """

    document: np.ndarray
    word_class: np.ndarray
    length: np.ndarray


def cut_words(folds: Sequence[Corpus]) -> Words:
    """The words of the held-out documents of all folds, and how frequent each is in the training
    text of its own.

    A word is looked up unchanged, capitals included, without its leading space.
    """
    rows, number = list[tuple[int, int, int]](), 0
    for corpus in folds:
        counts: Counter[str] = Counter()
        for document in corpus.sample:
            counts.update(split_space(token)[1] for token in pretokenize(document.text))
        for document in corpus.test:
            for token in pretokenize(document.text):
                core = split_space(token)[1]
                rows.append((number, _word_class(core, counts[core]), len(token)))
            rows.append((number, CLASS_NUMBERS["end"], 1))
            number += 1
    return Words(*np.array(rows, dtype=np.int64).T)


def _word_class(core: str, count: int) -> int:
    if core[:1].isalpha():
        by_count = ("unseen", "once", "rare", "common", "frequent")
        return CLASS_NUMBERS[by_count[bisect_right((1, 2, COMMON, FREQUENT), count)]]
    kind = "numbers" if core[:1].isdigit() else "punctuation" if core.strip() else "space"
    return CLASS_NUMBERS[kind]


def word_classes(arms: Sequence[Arm], words: Words, classes: ByArm) -> list[schema.WordClass]:
    """What each of :data:`CLASSES` adds to the bits per character of each arm, from their
    :func:`class_bits`."""
    counts = np.bincount(words.word_class, minlength=len(CLASSES)).tolist()
    units = arms[0].units.sum()
    shares = {name: bits.mean(axis=0).sum(axis=0) / units for name, bits in classes.items()}
    return [
        schema.WordClass(
            name=name,
            meaning=meaning,
            count=counts[number],
            shares={arm: float(bits[number]) for arm, bits in shares.items()},
        )
        for number, (name, meaning) in enumerate(CLASSES.items())
    ]


def class_bits(arm: Arm, words: Words) -> np.ndarray:
    """(seeds, documents, classes) float64: the bits of the words of each class, end marks last."""
    shape = len(arm.units), len(CLASSES)
    place = np.repeat(words.document * len(CLASSES) + words.word_class, words.length)
    bits = (np.concatenate([d.per_character() for d in documents]) for documents in arm.tested)
    return np.array([np.bincount(place, own, math.prod(shape)).reshape(shape) for own in bits])


def passages(documents: Sequence[Document], arms: Sequence[Arm]) -> list[schema.Passage]:
    """Held-out text with each arm's stretches of it, first seed: a typical passage under every part
    that all arms have, then the beginnings of some documents."""
    typical, own = _typical(documents, arms), arms[0].part
    spans = [(own, typical)]
    for number, document in enumerate(documents[:MAX_OPENINGS]):
        spans.append((own, (number, 0, _word_end(document.text, 0, OPENING_CHARACTERS))))
    shared = [p for p in PARTS if p != own and all(p in arm.parts for arm in arms)]
    spans[1:1] = [(p, typical) for p in shared if "counts" in shared or p != "with_counts"]
    return [
        schema.Passage(
            part=part,
            document=documents[number].name,
            start=start,
            text=documents[number].text[start:end],
            arms={arm.name: _stretches(arm.of(part), number, start, end) for arm in arms},
        )
        for part, (number, start, end) in dict.fromkeys(spans)
        if end > start
    ]


def _typical(documents: Sequence[Document], arms: Sequence[Arm]) -> tuple[int, int, int]:
    """(document, start, end) of a passage from the middle of a document: the one that costs the
    arms most nearly what all held-out text costs them."""

    def distance(span: tuple[int, int, int]) -> float:
        number, start, end = span
        costs = [(a.per_character[number][start : end + 1].mean(), a) for a in arms]
        return sum(abs(cost - a.bits.mean(axis=0).sum() / a.units.sum()) for cost, a in costs)

    return min(((n, *_middle(d.text)) for n, d in enumerate(documents)), key=distance)


def _middle(text: str) -> tuple[int, int]:
    """Start and end of a passage that begins with a paragraph or a word."""
    start = max(0, (len(text) - PASSAGE_CHARACTERS) // 2)
    paragraph = text.rfind("\n\n", max(0, start - PASSAGE_CHARACTERS // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    return start, _word_end(text, start, PASSAGE_CHARACTERS)


def _word_end(text: str, start: int, length: int) -> int:
    """The end of a stretch of about this length from ``start`` that cuts no word."""
    end = min(len(text), start + length)
    return max(text.rfind(" ", start, end), start + length // 2) if end < len(text) else end


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[tuple[int, int, float, float]]:
    cells = zip(*arm.tested[0][number].cells(), strict=False)  # without the end mark
    return [
        (max(0, int(a) - start), min(end, int(b)) - start, round(float(m), 3), round(float(s), 3))
        for a, b, m, s in cells
        if b > start and a < end
    ]
