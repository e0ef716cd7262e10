"""The content of a report, computed from its arms.

Words are the same for all arms, whatever their tokens: a word is what the word tokenizer cuts out,
its leading space included, and costs what its characters cost. The bits of a token of several
characters are divided equally among them.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from textgen.evaluation.scores import UNIT, Averages, DocumentBits, averages
from textgen.evaluation.units import count
from textgen.models.backbones import Backbone
from textgen.report import schema
from textgen.report.arms import Arm, descriptions, is_on, matched_settings
from textgen.report.contrast import Contrast
from textgen.report.learning import ArmCurve, arm_curve, factor_of
from textgen.report.sentences import cautions, looping_cautions, unlearnt_cautions
from textgen.report.spending import unequal_spending
from textgen.runs.finished import Run
from textgen.runs.generation import evaluation_for
from textgen.runs.results import Figures, Text, TrainingContent
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
Plan = Mapping[str, Any]  # of an arm, as plan.json has it


def build_report(
    arms: Sequence[Arm],
    folds: Sequence[Corpus],
    references: Sequence[Reference],
    contrasts: Sequence[Contrast],
    plan: Mapping[str, Plan],
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
    loaded = folds[0]
    pooled = pool_folds(folds)
    human = Human([document.text for document in loaded.sample], loaded.language.code)
    same_text = [arm for arm in arms if is_on(arm, folds)]
    scored = [arm for arm in same_text if arm.charged]
    described = descriptions(arms)
    timed = {name: planned for name, planned in plan.items() if planned.get("seconds_per_update")}
    rows = [
        arm_row(arm, described[arm.name], is_on(arm, folds), timed.get(arm.name)) for arm in arms
    ]
    curves = dict[str, ArmCurve]()
    for arm in scored:
        curve = arm_curve(arm, timed.get(arm.name))
        if curve:
            curves[arm.name] = curve
    for arm_described in rows:
        if arm_described.name in curves:
            arm_described.points = curves[arm_described.name].points
    words = cut_words(folds)
    bits = {arm.name: class_bits(arm, words) for arm in scored}
    tested = tested_contrasts(contrasts, scored, bits, pooled.unit) if scored else []
    asked = {(contrast.first, contrast.second): asdict(contrast) for contrast in contrasts}
    for row in tested:
        pair = (row.first, row.second)
        row.unequal = [*unequal_spending([arm for arm in rows if arm.name in pair])]
        if row.part == "network":
            row.factor = factor_of(pair, curves.get(row.first), curves.get(row.second))
        if plan:
            declared = [plan.get(name, {}).get("declared", ()) for name in pair]
            row.planned = all(asked[pair] in questions for questions in declared)
    generated = measure_samples(same_text, loaded, human)
    texts = [curve.texts for curve in curves.values()]
    without_network = [reference_row(reference, scored, texts) for reference in references]
    part = arms[0].part
    unlearnt = unlearnt_cautions(rows, without_network) if part == "network" else []
    warnings = [
        *warnings,
        *_text_cautions(loaded),
        *unlearnt,
        *cautions(arms, rows, contrasts, tested),
        *looping_cautions(generated),
    ]
    report = schema.Report(
        **about,
        part=part,
        signature=signature(arms, rows, pooled),
        unit=UNIT,
        margin=significance.MARGIN,
        corpus=pooled.description,
        folds=len(folds),
        test_bytes=count(pooled.test).utf8_bytes,
        warnings=warnings,
        arms=rows,
        references=without_network,
        questions=len(contrasts),
        contrasts=tested,
        documents=document_rows(scored) if scored else [],
        word_classes=word_classes(scored, words, bits) if scored else [],
        generated=generated,
    )
    wrote = arms[0].first.experiment.sampling.part
    shown = passages(pooled.test, scored) if scored else []
    samples = samples_shown(same_text, loaded, human)
    written = {name: curve.samples for name, curve in curves.items()}
    return report, schema.Texts(part=wrote, passages=shown, samples=samples, curves=written)


def signature(arms: Sequence[Arm], rows: Sequence[schema.ArmRow], corpus: Corpus) -> str:
    """What the figures of a report depend on, in one line: the versions that trained its runs, text
    and split by the beginning of their hashes, part, seeds × folds, budgets, and whether settings
    are matched."""
    versions = "/".join(sorted({v for row in rows for v in row.versions})) or "unknown"
    budgets = {f"{amount:.12g} {kind}" for row in rows for kind, amount in row.budget.items()}
    seeds = "/".join(str(n) for n in sorted({len(arm.seeds) for arm in arms}))
    text = corpus.sha256[:8]
    split = str(corpus.description["split_sha256"])[:8]
    settings = "matched" if len({matched_settings(arm) for arm in arms}) == 1 else "own"
    return (
        f"textgen:{versions}|text:{text}|split:{split}|part:{arms[0].part}|"
        f"seeds:{seeds}×{len(arms[0].folds)}|budget:{'/'.join(sorted(budgets))}|settings:{settings}"
    )


def _text_cautions(loaded: Corpus) -> list[schema.Caution]:
    texts = [loaded.warning, same_works(loaded)]
    if loaded.is_sampled:
        characters = f"{count_characters(loaded.sample):,} characters"
        texts.append(
            f"Words and phrases were looked up in {characters} of the training text; some that are "
            "called new or unseen may be in the rest."
        )
    return [schema.Caution(text=text) for text in texts if text]


def arm_row(arm: Arm, described: str, same_text: bool, plan: Plan | None = None) -> schema.ArmRow:
    """An arm, with what a study has planned for it."""
    first = arm.first.metrics
    settings = arm.first.experiment.training
    backbone = arm.first.experiment.backbone
    training = [run.metrics.training for run in arm.runs]
    updates = [each.updates for each in training]
    seconds = measured = _mean([each.preparation_seconds + each.seconds for each in training])
    preparation = _mean([each.preparation_seconds for each in training])
    if plan:
        preparation = float(plan["preparation_seconds"])
        seconds = preparation + _mean(updates) * plan["seconds_per_update"]
    compute = _mean_of_known([each.compute for each in training])
    without_preparation = _mean_of_known([each.compute_without_preparation for each in training])
    if plan:
        compute = seconds
        without_preparation = seconds - preparation
    parts = dict[str, schema.Bits]()
    validation = None
    if arm.charged:
        parts = {part: _test_bits(arm.with_part(part)) for part in arm.parts}
        validation = _mean_bits(
            [_averages(run.metrics.validation.parts[arm.part]) for run in arm.runs]
        )
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
        replacement_rate=_mean([run.metrics.test.replacement_rate for run in arm.runs]),
        parameters=training[0].parameters,
        updates=updates,
        updates_planned=_mean([each.updates_planned for each in training]),
        characters=_mean([each.characters for each in training]),
        passes=_mean([each.passes for each in training]),
        seconds=seconds,
        seconds_measured=measured,
        compute=compute,
        compute_without_preparation=without_preparation,
        multiplications=_mean_of_known([each.multiplications for each in training]),
        preparation_seconds=preparation,
        budget={key: value for key in BUDGETS if (value := getattr(settings, key))},
        timing=_timing(training, plan),
        threads=training[0].threads or settings.threads,
        start=str(settings.start or ""),
        networks=backbone.members if isinstance(backbone, Backbone) else 1,
        curves=[_curve(run, plan) for run in arm.runs],
        test=parts.get(arm.part),
        validation=validation,
        parts=parts,
    )


def _timing(trainings: Sequence[TrainingContent], plan: Plan | None) -> float | None:
    """Seconds an update during some trainings, over those that turned seconds into updates; None
    where none did."""
    ratios = list[float]()
    for training in trainings:
        timed = training.calibration_seconds_per_update
        if plan:
            timed = plan["seconds_per_update"]
        if training.seconds_per_update and timed:
            ratios.append(training.seconds_per_update / timed)
    return _mean(ratios) if ratios else None


def _mean_of_known(values: Sequence[float | None]) -> float | None:
    """The mean; None where not all are known."""
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _trained_run(run: Run, part: str) -> schema.TrainedRun:
    version, commit, processor = _made_by(run)
    return schema.TrainedRun(
        seed=run.experiment.seed,
        fold=run.experiment.split.fold,
        folder=str(run.folder),
        total=run.bits(part),
        audits=[*audit_lines(run.folder)],
        version=version,
        commit=commit,
        processor=processor,
    )


def _made_by(run: Run) -> tuple[str, str, str]:
    """Version and commit of the code that trained a run, and the processor; empty if its manifest
    is lost, which no figure needs."""
    try:
        return run.manifest.textgen, run.manifest.commit, run.manifest.processor
    except TextgenError:
        return "", "", ""


def _curve(run: Run, plan: Plan | None) -> schema.Curve:
    """Validation figures over a training. Where there is a plan, the seconds are those of its
    calibration on an idle machine; else the elapsed ones."""
    training = run.metrics.training
    updates = [row["updates"] for row in run.history]
    if plan:
        preparation, pace = plan["preparation_seconds"], plan["seconds_per_update"]
        seconds = [preparation + number * pace for number in updates]
    else:
        seconds = [training.preparation_seconds + row["seconds"] for row in run.history]
    return schema.Curve(
        seed=run.experiment.seed,
        seconds=seconds,
        characters=[number * training.characters / training.updates for number in updates],
        updates=updates,
        validation=[row["validation_bits_per_character"] for row in run.history],
    )


def _test_bits(arm: Arm) -> schema.Bits:
    """Figures of an arm on the test text, of its folds together."""
    rows = [
        [(bits.characters, bits.model.sum(), bits.spelling.sum()) for bits in documents]
        for documents in arm.tested
    ]
    return _bits_of(rows, arm.fold_of)


def _bits_of(
    rows: Sequence[Sequence[tuple[int, float, float]]], folds: np.ndarray | None = None
) -> schema.Bits:
    """Figures of documents as often as they were scored: of the characters of each, its bits of
    model and of spelling. The interval is over documents."""
    characters, model, spelling = np.array(rows).transpose(2, 0, 1)
    ends = significance.bootstrap_interval(model + spelling, characters[0] + 1, folds)
    return _mean_bits([averages(documents) for documents in rows], *ends)


def _averages(figures: Figures) -> Averages:
    bits = figures.bits_per_character
    mean = figures.mean_over_documents
    assert bits is not None, "of an arm that is charged for everything"
    assert mean is not None
    return {
        "bits_per_character": {
            "model": bits.model,
            "spelling": bits.spelling,
            "total": bits.total,
        },
        "mean_over_documents": mean,
    }


def _mean_bits(
    runs: Sequence[Averages], low: float = math.inf, high: float = math.inf
) -> schema.Bits:
    """The mean of the figures of each run, and the ends of an interval."""
    rows = [run["bits_per_character"] for run in runs]
    model = _mean([row["model"] for row in rows])
    spelling = _mean([row["spelling"] for row in rows])
    totals = [row["total"] for row in rows]
    return schema.Bits(
        model=model,
        spelling=spelling,
        total=model + spelling,
        mean_over_documents=_mean([run["mean_over_documents"] for run in runs]),
        deviation=float(np.std(totals, ddof=1)) if len(totals) > 1 else None,
        low=low,
        high=high,
    )


def reference_row(
    reference: Reference, arms: Sequence[Arm], asked: Sequence[list[tuple[str, int]]]
) -> schema.ReferenceRow:
    """A baseline; the intervals of both splits are over documents, those of the leads that arms
    have on it also over the arms' seeds.

    Args:
        reference: the baseline.
        arms: those that have bits.
        asked: names and characters of the texts of each curve.
    """

    def bits_of(documents: Sequence[DocumentBits]) -> schema.Bits:
        return _bits_of([[(d.characters, d.model, d.spelling_bits) for d in documents]])

    validation = reference.validation.get("counts")
    cached = reference.test.get("with_cache")
    tested = reference.test[reference.part]
    beside = tested
    if cached and arms and arms[0].part == "with_cache":
        beside = cached
    once = [document.model + document.spelling_bits for document in beside]
    bits = np.array([once, once])  # twice the same: it has no chance
    return schema.ReferenceRow(
        label=reference.label,
        meaning=reference.meaning,
        command=reference.command or None,
        part=reference.part,
        test=bits_of(tested),
        leads={arm.name: _effect(arm, arm.bits, bits) for arm in arms},
        validation=bits_of(validation) if validation else None,
        with_cache=bits_of(cached) if cached else None,
        curve=_level_of_beginnings(reference, asked),
    )


def _level_of_beginnings(
    reference: Reference, asked: Sequence[list[tuple[str, int]]]
) -> float | None:
    """Bits per character of the texts of all curves; None where it was not asked for these."""
    beginnings = reference.beginnings.get("counts", [])
    texts = [(document.name, document.characters) for document in beginnings]
    if not asked or any(texts != of_curve for of_curve in asked):
        return None
    bits = sum(document.model + document.spelling_bits for document in beginnings)
    return bits / sum(document.characters for document in beginnings)


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
    by_name = {arm.name: arm for arm in arms}
    found = _differences(arms[0].part, contrasts, arms, tested_on)
    found_by_part = {
        part: _differences(part, contrasts, arms, tested_on) for part in _other_parts(arms)
    }
    rows = list[schema.ContrastRow]()
    for number, contrast in enumerate(contrasts):
        if number not in found:
            continue
        first, second = by_name[contrast.first], by_name[contrast.second]
        row = schema.ContrastRow(
            first=contrast.first,
            second=contrast.second,
            question=contrast.question,
            yes=contrast.yes if contrast.question else "",
            parts={
                part: others[number] for part, others in found_by_part.items() if number in others
            },
            where=where(first, classes[contrast.first], classes[contrast.second]),
            changes=changes(first, second),
            **dict(found[number]),
        )
        rows.append(row)
    return rows


def _other_parts(arms: Sequence[Arm]) -> list[PartName]:
    """The parts that arms are compared by besides their own. Without counts, ``with_counts`` is the
    network again."""
    counted = any("counts" in arm.parts for arm in arms)
    return [part for part in PARTS if part != arms[0].part and (counted or part != "with_counts")]


def where(arm: Arm, first: np.ndarray, second: np.ndarray) -> dict[str, schema.Effect]:
    """What the words of each of :data:`CLASSES` add to the difference of two arms that were tested
    as this one, from their :func:`class_bits`."""
    return {name: _effect(arm, first[..., i], second[..., i]) for name, i in CLASS_NUMBERS.items()}


def changes(first: Arm, second: Arm) -> dict[str, schema.Effect]:
    """What counts of the training text and a document cache change of the difference of two arms,
    where both have them."""
    steps: list[tuple[PartName, PartName, PartName]] = [
        ("network", "with_counts", "counts"),
        ("with_counts", "with_cache", "with_cache"),
    ]
    found = dict[str, schema.Effect]()
    for below, part, needed in steps:
        if needed in first.parts and needed in second.parts:
            found[part] = _effect(first, _change(first, below, part), _change(second, below, part))
    return found


def _change(arm: Arm, below: PartName, part: PartName) -> np.ndarray:
    """(seeds, documents) float64: the bits of a part minus those of the part it is built on."""
    return arm.with_part(part).bits - arm.with_part(below).bits


def _effect(arm: Arm, first: np.ndarray, second: np.ndarray) -> schema.Effect:
    """The difference of two arms that were tested as this one, of bits (seeds, documents)."""
    found = significance.compare_arms(first, second, arm.units, arm.fold_of)
    return schema.Effect(difference=found.difference, low=found.low, high=found.high)


def _differences(
    part: PartName, contrasts: Sequence[Contrast], arms: Sequence[Arm], tested_on: str
) -> dict[int, schema.Difference]:
    """The number of a contrast → the difference of its arms by a part, where both have it."""
    bits = {arm.name: arm.with_part(part).bits for arm in arms if part in arm.parts}
    units = arms[0].units
    pairs = {
        number: (bits[contrast.first], bits[contrast.second])
        for number, contrast in enumerate(contrasts)
        if contrast.first in bits and contrast.second in bits
    }
    found = {
        number: significance.compare_arms(first, second, units, arms[0].fold_of)
        for number, (first, second) in pairs.items()
    }
    rows = dict[int, schema.Difference]()
    for number, lead in significance.tested(found, len(contrasts)).items():
        first, second = pairs[number]
        dearer = max(first.sum() / len(first), second.sum() / len(second))
        needed = None
        if lead.verdict is significance.Verdict.TOO_CLOSE:
            needed = significance.what_would_tell(lead.found, len(contrasts))
        rows[number] = schema.Difference(
            part=part,
            **asdict(lead.found),
            share=abs(lead.found.difference) * units.sum() / dearer,
            p_adjusted=lead.p_adjusted,
            tested_on=tested_on,
            verdict=lead.verdict,
            needed=needed,
            spread=significance.by_document(first, second, units),
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
    settings = evaluation_for(loaded)
    shown = list[schema.Samples]()

    def show(prompt: str, temperature: float, texts: Mapping[str, Text]) -> None:
        if texts:
            written = {name: _sample_text(text, human) for name, text in texts.items()}
            shown.append(schema.Samples(prompt=prompt, temperature=temperature, arms=written))

    for prompt in settings.prompts:
        prompted = [(arm.name, text) for arm in arms for text in arm.first.texts.prompted]
        texts = {name: text for name, text in prompted if text.prompt == prompt}
        show(prompt, settings.temperature, texts)
    for temperature in settings.temperatures:
        drawn = {arm.name: drawn_texts(arm, temperature) for arm in arms}
        fewest = min((len(samples) for samples in drawn.values()), default=0)
        for number in range(min(SAMPLES_SHOWN, fewest)):
            show("", temperature, {name: samples[number] for name, samples in drawn.items()})
    return shown


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
        name: Figure(*(None if value is None else round(value, 6) for value in figure))
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
    rows = list[tuple[int, int, int]]()
    number = 0
    for corpus in folds:
        counts = Counter[str]()
        for document in corpus.sample:
            counts.update(split_space(token)[1] for token in pretokenize(document.text))
        for document in corpus.test:
            for token in pretokenize(document.text):
                core = split_space(token)[1]
                word_class = _word_class(core, counts[core])
                rows.append((number, CLASS_NUMBERS[word_class], len(token)))
            rows.append((number, CLASS_NUMBERS["end"], 1))
            number += 1
    return Words(*np.array(rows, dtype=np.int64).T)


def _word_class(core: str, count: int) -> str:
    """The class of a word without its space, which the training text has so many times."""
    if core[:1].isalpha():
        by_count = ("unseen", "once", "rare", "common", "frequent")
        return by_count[bisect_right((1, 2, COMMON, FREQUENT), count)]
    if core[:1].isdigit():
        return "numbers"
    return "punctuation" if core.strip() else "space"


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
    shape = (len(arm.units), len(CLASSES))
    place = np.repeat(words.document * len(CLASSES) + words.word_class, words.length)
    sums = list[np.ndarray]()
    for documents in arm.tested:
        bits = np.concatenate([document.per_character() for document in documents])
        sums.append(np.bincount(place, bits, math.prod(shape)).reshape(shape))
    return np.array(sums)


def passages(documents: Sequence[Document], arms: Sequence[Arm]) -> list[schema.Passage]:
    """Held-out text with each arm's stretches of it, first seed: a typical passage under every part
    that all arms have, then the beginnings of some documents."""
    part = arms[0].part
    typical = _typical(documents, arms)
    spans = [(part, typical)]
    shared = [other for other in PARTS if all(other in arm.parts for arm in arms)]
    if "counts" not in shared:  # then it may be the network again
        shared = [other for other in shared if other != "with_counts"]
    spans += [(other, typical) for other in shared if other != part]
    for number, document in enumerate(documents[:MAX_OPENINGS]):
        spans.append((part, (number, 0, _word_end(document.text, 0, OPENING_CHARACTERS))))
    return [
        schema.Passage(
            part=part,
            document=documents[number].name,
            start=start,
            text=documents[number].text[start:end],
            arms={arm.name: _stretches(arm.with_part(part), number, start, end) for arm in arms},
        )
        for part, (number, start, end) in dict.fromkeys(spans)
        if end > start
    ]


def _typical(documents: Sequence[Document], arms: Sequence[Arm]) -> tuple[int, int, int]:
    """(document, start, end) of a passage from the middle of a document: the one that costs the
    arms most nearly what all held-out text costs them."""

    usual = [arm.bits.mean(axis=0).sum() / arm.units.sum() for arm in arms]

    def distance(span: tuple[int, int, int]) -> float:
        number, start, end = span
        costs = [arm.per_character[number][start : end + 1].mean() for arm in arms]
        return sum(abs(cost - mean) for cost, mean in zip(costs, usual, strict=True))

    spans = [(number, *_middle(document.text)) for number, document in enumerate(documents)]
    return min(spans, key=distance)


def _middle(text: str) -> tuple[int, int]:
    """Start and end of a passage that begins with a paragraph or a word."""
    start = max(0, (len(text) - PASSAGE_CHARACTERS) // 2)
    paragraph = text.rfind("\n\n", max(0, start - PASSAGE_CHARACTERS // 4), start + 1)
    start = paragraph + 2 if paragraph >= 0 else text.rfind(" ", 0, start + 1) + 1
    return start, _word_end(text, start, PASSAGE_CHARACTERS)


def _word_end(text: str, start: int, length: int) -> int:
    """The end of a stretch of about this length from ``start`` that cuts no word."""
    end = start + length
    if end >= len(text):
        return len(text)
    return max(text.rfind(" ", start, end), start + length // 2)


def _stretches(arm: Arm, number: int, start: int, end: int) -> list[tuple[int, int, float, float]]:
    """Start, end, and bits of model and spelling of the stretches of an arm between two places of a
    document; places count from the first of the two."""
    without_end_mark = arm.tested[0][number].stretches()[:-1]
    return [
        (
            max(each.start, start) - start,
            min(each.end, end) - start,
            round(each.model, 3),
            round(each.spelling, 3),
        )
        for each in without_end_mark
        if each.end > start and each.start < end
    ]
