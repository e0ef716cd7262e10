"""What a report says, as plain data: ``report.json``.

``report.json`` holds figures alone and may be published; samples and the held-out passage, which
may hold text of the corpus, go to ``texts.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from textgen.auditing.audit import audit_lines
from textgen.core.settings import BUDGETS
from textgen.core.study import Contrast
from textgen.data.loading import Corpus
from textgen.evaluation.figures import copied_spans
from textgen.evaluation.likelihood import UNIT, DocumentBits, summarise
from textgen.evaluation.metrics import (
    Figure,
    Human,
    Sample,
    human_passages,
    measure,
    metric_labels,
    shuffled_text,
    unigram_text,
)
from textgen.evaluation.references import Reference
from textgen.evaluation.significance import (
    MARGIN,
    answer,
    bootstrap_interval,
    compare_arms,
    holm,
    verdict,
    verdict_sentence,
)
from textgen.report import breakdown
from textgen.report.arms import Arm, descriptions, is_on
from textgen.runs.evaluation import evaluation_for

Record = dict[str, Any]


def arm_row(arm: Arm, plan: Record | None) -> Record:
    """An arm, with what a study has planned for it."""
    first, resolved = arm.first.metrics, arm.first.experiment.resolved
    training = [run.metrics["training"] for run in arm.runs]
    speed = [run.texts["characters_per_second"] for run in arm.runs]
    measured = _mean(t["preparation_seconds"] + t["seconds"] for t in training)
    preparation = plan["preparation_seconds"] if plan else None
    return {
        "name": arm.name,
        "seeds": arm.seeds,
        "runs": [
            {
                "seed": run.experiment.seed,
                "folder": str(run.folder),
                "total": (bits := run.metrics.test.bits_per_character) and bits.total,
                "audits": audit_lines(run.folder),
            }
            for run in arm.runs
        ],
        "tokenizer": resolved["tokenizer"],
        "backbone": resolved["backbone"],
        "memory": resolved["memory"]["orders"],
        "context": first["context"],
        "vocabulary_size": first["vocabulary_size"],
        "extra_data": first["extra_data"],
        "tokens_per_character": first["test"]["tokens_per_character"],
        "replacement_rate": first["test"]["replacement_rate"],
        "parameters": training[0]["parameters"],
        "updates": [t["updates"] for t in training],
        "characters": _mean(t["characters"] for t in training),
        "passes": _mean(t["characters"] / t["characters_of_training_text"] for t in training),
        "seconds": float(preparation + training[0]["updates"] * plan["seconds_per_update"])
        if plan
        else measured,
        "seconds_measured": measured,
        "preparation_seconds": preparation
        if plan
        else _mean(t["preparation_seconds"] for t in training),
        "samples_per_second": _mean(speed) / 1000 if all(speed) else None,
        "curves": [_curve(run, plan) for run in arm.runs],
        "test": _figures(arm, "test") if arm.charged else None,
        "validation": _figures(arm, "validation") if arm.charged else None,
    }


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _figures(arm: Arm, part: str) -> Record:
    """A part's figures of the network alone, and under ``with_memory`` the same with a memory of
    the document; intervals for the test part only."""
    found = [run.metrics[part] for run in arm.runs]
    alone, both = _costs(found), None
    if arm.remembered is not None:
        both = _costs([each["with_memory"] for each in found])
        both |= _interval(arm.remembered, arm.units) if part == "test" else {}
    return {
        **alone,
        **(_interval(arm.bits, arm.units) if part == "test" else {}),
        "with_memory": both,
    }


def _costs(found: Sequence[Record]) -> Record:
    """Figures of runs, mean over seeds, and their standard deviation."""
    bits = [each["bits_per_character"] for each in found]
    model, spelling = (_mean(b[key] for b in bits) for key in ("model", "spelling"))
    totals = [b["total"] for b in bits]
    return {
        "model": model,
        "spelling": spelling,
        "total": model + spelling,
        "deviation": float(np.std(totals, ddof=1)) if len(totals) > 1 else None,
        "mean_over_documents": _mean(f["mean_over_documents"] for f in found),
    }


def _curve(run: Any, plan: Record | None) -> Record:
    """Validation figures over a training. Where there is a plan, the seconds are those of its
    calibration on an idle machine; else the elapsed ones."""
    training = run.metrics["training"]
    each = training["characters"] / training["updates"]
    before = (plan or training)["preparation_seconds"]
    return {
        "seed": run.experiment.seed,
        "updates": [row["updates"] for row in run.history],
        "characters": [row["updates"] * each for row in run.history],
        "seconds": [
            before + (row["updates"] * plan["seconds_per_update"] if plan else row["seconds"])
            for row in run.history
        ],
        "validation": [row["validation_bits_per_character"] for row in run.history],
    }


def reference_row(reference: Reference) -> Record:
    parts = {}
    for part, documents in (("test", reference.test), ("validation", reference.validation)):
        found = summarise(documents)
        parts[part] = _reference_costs(documents, found)
        remembered = [d.with_memory for d in documents if d.with_memory is not None]
        both = _reference_costs(remembered, found["with_memory"]) if remembered else None
        parts[part]["with_memory"] = both
    return {
        "key": reference.key,
        "label": reference.label,
        "meaning": reference.meaning,
        "command": reference.command,
        **parts,
    }


def _reference_costs(documents: Sequence[DocumentBits], found: Record) -> Record:
    bits = np.array([[d.model + d.spelling_bits for d in documents]])
    return {
        **found["bits_per_character"],
        **_interval(bits, np.array([d.characters + 1 for d in documents])),
        "mean_over_documents": found["mean_over_documents"],
    }


def _interval(bits: np.ndarray, units: np.ndarray) -> dict[str, float]:
    return dict(zip(("low", "high"), bootstrap_interval(bits, units), strict=True))


TOLERANCE = {"seconds": 0.1, "characters": 0.02, "updates": 0.0}
"""Relative difference up to which arms count as matched in a budget."""
UNEQUAL_WORK = 0.1
"""Relative difference in characters from which the same number of updates is not the same work."""


def unanswered(contrasts: Sequence[Contrast], charged: Set[str]) -> list[str]:
    """A warning for each declared contrast that cannot be answered.

    Args:
        charged: the arms that have bits per character.
    """
    return [
        f"No answer: {c.question or f'{c.first} against {c.second}'} There is no result "
        f"for {' and '.join(n for n in (c.first, c.second) if n not in charged)}."
        for c in contrasts
        if not {c.first, c.second} <= charged
    ]


def unmatched(arms: Sequence[Arm], rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where no budget is the same for all arms, neither as set nor as spent, or where
    only the number of updates is, but not the text that they have seen."""
    settings = [arm.first.experiment.resolved["training"] for arm in arms]
    alike = len({tuple(each.get(key) for key in BUDGETS) for each in settings}) == 1
    if len(rows) < 2 or (alike and settings[0].get("updates") is None):
        return []
    spent = {key: [float(np.mean(row[key])) for row in rows] for key in TOLERANCE}
    apart = {key: max(each) / max(1e-9, min(each)) - 1 for key, each in spent.items()}
    matched = ["updates"] if alike else [key for key in TOLERANCE if apart[key] <= TOLERANCE[key]]
    if not matched:
        found = ", ".join(f"{key} by up to {ratio:.0%}" for key, ratio in apart.items())
        return [f"The arms have no budget in common; they differ in {found}."]
    if matched != ["updates"] or apart["characters"] <= UNEQUAL_WORK:
        return []
    seen = ", ".join(f"{row['name']} {row['characters']:,.0f}" for row in rows)
    return [
        "The same number of updates was not equal work: the arms have seen different numbers of "
        f"characters of the training text ({seen}). An equal budget is one in seconds: "
        "training.seconds, or seconds in [budget] of a study."
    ]


def memories(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A warning where only some arms have a memory of the document."""
    without = [row["name"] for row in rows if not row["memory"]]
    if not 0 < len(without) < len(rows):
        return []
    return [
        f"Some arms have a memory of the document, {', '.join(without)} none: compare the figures "
        "of the networks alone."
    ]


def ensembles(arms: Sequence[Arm]) -> list[str]:
    """A warning where some arms are several networks and others are one."""
    sizes = {arm.name: getattr(arm.first.experiment.backbone, "members", 1) for arm in arms}
    if len(set(sizes.values())) < 2:
        return []
    told = [f"{name} is an ensemble of {n} networks" for name, n in sizes.items() if n > 1]
    return [f"Not every arm is a single network: {', '.join(told)}."]


def disagreements(contrasts: Sequence[dict[str, Any]]) -> list[str]:
    """A warning for each contrast that is answered differently with a memory of the document."""
    return [
        f"The answer depends on the memory: "
        f"{c['question'] or c['first'] + ' against ' + c['second'] + ':'} "
        f"{c['answer']} for the networks alone ({c['difference']:+.3f}), {both['answer']} with a "
        f"memory of the document ({both['difference']:+.3f})."
        for c in contrasts
        if (both := c["with_memory"]) and both["answer"] != c["answer"]
    ]


SEED = 1
FEW, SHOWN = 4, 500
"""Samples a temperature that a page shows, and characters of each."""


def samples(arm: Arm, temperature: float) -> list[Sample]:
    """An arm's samples at a temperature: as many as one run drew, its seeds taking turns."""
    drawn = [_drawn(run, temperature) for run in arm.runs]
    records = [drawn[number % len(drawn)][number] for number in range(min(map(len, drawn)))]
    return [Sample(r["text"], tuple((a, b, token) for a, b, token in r["filled"])) for r in records]


def _drawn(run: Any, temperature: float) -> list[dict[str, Any]]:
    return next(s["texts"] for s in run.texts["sweep"] if s["temperature"] == temperature)


def swept(arms: Sequence[Arm]) -> dict[str, Any]:
    """The beginnings of a few samples of each arm at every temperature: ``temperatures``, and
    ``arms``, the name of each → a list of texts a temperature."""
    if not arms:
        return {"temperatures": [], "arms": {}}
    warmth = [each["temperature"] for each in arms[0].first.texts["sweep"]]
    return {
        "temperatures": warmth,
        "arms": {
            arm.name: [[s.text[:SHOWN] for s in samples(arm, t)[:FEW]] for t in warmth]
            for arm in arms
        },
    }


def measures(arms: Sequence[Arm], loaded: Corpus, human: Human) -> dict[str, Any]:
    """All metrics over the sweep of temperatures, beside human text of equal size.

    Returns:
        ``labels``: metric → its :class:`textgen.evaluation.Label`; ``rows``: human, shuffled and
        unigram text → metric → [value, low, high]; ``arms``: arm → one such row per
        temperature.
    """
    settings = evaluation_for(loaded)
    passages = human_passages(
        [d.text for d in loaded.test], settings.samples, settings.length, SEED
    )
    rows = {
        "human": passages,
        "shuffled": shuffled_text(passages, SEED),
        "unigram": unigram_text(human, settings.samples, settings.length, SEED),
    }
    return {
        "labels": {name: label._asdict() for name, label in metric_labels(human.language).items()},
        "settings": asdict(settings),
        "rows": {name: _plain(measure(texts, human)) for name, texts in rows.items()},
        "arms": {
            arm.name: [
                _plain(measure(samples(arm, temperature), human))
                for temperature in settings.temperatures
            ]
            for arm in arms
        },
    }


def _plain(figures: Mapping[str, Figure]) -> dict[str, list[float | None]]:
    """None in place of NaN, which is not JSON, where there was nothing to count."""
    return {
        name: [None if value != value else round(value, 6) for value in figure]
        for name, figure in figures.items()
    }


def side_by_side(arms: Sequence[Arm], human: Human) -> list[dict[str, Any]]:
    """Samples after the same prompts with the same seed: one record per prompt, arm → ``text``,
    ``filled`` (start, end, token) and ``copied`` (start, end) stretches of it."""
    found: dict[str, dict[str, Any]] = {}
    for arm in arms:
        for record in arm.first.texts["prompted"]:
            found.setdefault(record["prompt"], {})[arm.name] = {
                "text": record["text"],
                "filled": record["filled"],
                "copied": [list(span) for span in copied_spans(record["text"], human)],
            }
    return [{"prompt": prompt, "arms": texts} for prompt, texts in found.items()]


SCHEMA = 3


@dataclass(frozen=True)
class ReportInput:
    """What a report is made of.

    Attributes:
        name, title: of the report.
        arms: at least one.
        loaded: the corpus of the first arm.
        references: baselines scored on the same split.
        contrasts: what is tested, Holm over all of them.
        declared: whether the contrasts were declared before the runs.
        plan: arm → what a study has planned for it: seconds on an idle machine.
        words: whose cost in context is shown.
        left_out: runs that could not be read, and why.
        warnings: what a reader must know first.
        command: repeats the report.
        not_repeated: what it leaves out, since only Python can give it.
    """

    name: str
    title: str
    arms: Sequence[Arm]
    loaded: Corpus
    references: Sequence[Reference]
    contrasts: Sequence[Contrast]
    declared: bool
    command: str
    words: Sequence[str]
    plan: Record = field(default_factory=dict)
    left_out: Sequence[dict[str, str]] = ()
    warnings: Sequence[str] = ()
    not_repeated: Sequence[str] = ()

    @property
    def same_text(self) -> list[Arm]:
        """The arms on the text and the split of the first."""
        return [arm for arm in self.arms if is_on(arm, self.loaded)]

    @property
    def alike(self) -> list[Arm]:
        """Those of them that have bits per character."""
        return [arm for arm in self.same_text if arm.charged]


def build(comparison: ReportInput) -> Record:
    """The content of ``report.json``, except for the measures of generated text."""
    arms = {arm.name: arm for arm in comparison.alike}
    contrasts = tested(comparison.contrasts, arms)
    words = breakdown.cut_words(comparison.loaded.test, comparison.loaded.sample)
    described = descriptions(comparison.arms)
    rows = [
        {
            **arm_row(arm, comparison.plan.get(arm.name)),
            "described": described[arm.name],
            "alike": is_on(arm, comparison.loaded),
        }
        for arm in comparison.arms
    ]
    return {
        "schema": SCHEMA,
        "name": comparison.name,
        "title": comparison.title,
        "unit": UNIT,
        "margin": MARGIN,
        "command": comparison.command,
        "not_repeated": list(comparison.not_repeated),
        "corpus": comparison.loaded.description,
        "warnings": [
            *comparison.warnings,
            *unmatched(comparison.arms, rows),
            *memories(rows),
            *ensembles(comparison.arms),
            *unanswered(comparison.contrasts, set(arms)),
            *disagreements(contrasts),
        ],
        "left_out": list(comparison.left_out),
        "arms": rows,
        "references": [reference_row(each) for each in comparison.references],
        "declared": comparison.declared,
        "questions": len(comparison.contrasts),
        "contrasts": contrasts,
        "documents": _documents(list(arms.values())),
        "breakdown": {
            "classes": {**breakdown.CLASSES, "names": breakdown.NAMES},
            "by_class": {name: breakdown.by_class(arm, words) for name, arm in arms.items()},
            "by_position": {name: breakdown.by_position(arm, words) for name, arm in arms.items()},
        },
    }


def tested(contrasts: Sequence[Contrast], arms: dict[str, Arm]) -> list[Record]:
    """The contrasts whose arms exist, with Holm's correction over all that were declared: of the
    networks alone, and under ``with_memory`` the same with a memory of the document, where both
    arms have one."""
    alone = _tested(contrasts, arms, {name: arm.bits for name, arm in arms.items()})
    remembered = {n: arm.remembered for n, arm in arms.items() if arm.remembered is not None}
    both = _tested(contrasts, arms, remembered)
    return [{**alone[i], "with_memory": both.get(i)} for i in alone]


def _tested(
    contrasts: Sequence[Contrast], arms: dict[str, Arm], bits: dict[str, np.ndarray]
) -> dict[int, Record]:
    """Those of the contrasts whose arms have bits, (seeds, documents) each, by their numbers."""
    wanted = {i: c for i, c in enumerate(contrasts) if c.first in bits and c.second in bits}
    found = [
        compare_arms(bits[c.first], bits[c.second], arms[c.first].units) for c in wanted.values()
    ]
    missing = [1.0] * (len(contrasts) - len(found))  # a failed run makes no other p smaller
    adjusted = holm([*(d.p for d in found), *missing])[: len(found)]
    return {
        i: {
            "first": c.first,
            "second": c.second,
            "question": c.question,
            **asdict(d),
            "seeds": list(d.seeds),
            "scope": d.scope,
            "p_adjusted": p,
            "verdict": verdict(d, p),
            "answer": answer(c.first, c.second, verdict(d, p), c.question and c.yes),
            "sentence": verdict_sentence(c.first, c.second, d, p, len(contrasts)),
        }
        for (i, c), d, p in zip(wanted.items(), found, adjusted, strict=True)
    }


def _documents(arms: Sequence[Arm]) -> list[Record]:
    """Bits per character of every held-out document, mean over seeds: of the networks alone, and
    with a memory of the document."""
    if not arms:
        return []
    return [
        {
            "name": document.name,
            "characters": document.characters,
            "bits": {arm.name: float(arm.bits[:, i].mean() / arm.units[i]) for arm in arms},
            "with_memory": {
                arm.name: float(arm.remembered[:, i].mean() / arm.units[i])
                for arm in arms
                if arm.remembered is not None
            },
        }
        for i, document in enumerate(arms[0].first.token_bits)
    ]


def ranked(report: Record) -> list[Record]:
    """Arms, best first; then those without bits per character, last those on another text."""
    return sorted(
        report["arms"],
        key=lambda row: (not row["alike"], not row["test"], row["test"] and row["test"]["total"]),
    )


def numbers(report: Record) -> dict[str, int]:
    """An arm's name → its number, which gives it colour and marker everywhere."""
    return {row["name"]: number for number, row in enumerate(ranked(report))}


def hardest_first(report: Record) -> list[Record]:
    """Documents by their mean bits per character, descending."""
    return sorted(
        report["documents"], key=lambda d: -sum(d["bits"].values()) / max(1, len(d["bits"]))
    )


def planned(report: Record) -> bool:
    """Whether the seconds of the arms are planned ones, not those that passed."""
    return any(row["seconds"] != row["seconds_measured"] for row in report["arms"])
