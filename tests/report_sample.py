"""Reports with made-up figures."""

import itertools

import numpy as np
from conftest import made_up

from textgen.evaluation.significance import Needed
from textgen.report import schema

CLASSES = {"frequent": "words that occur often", "unseen": "never", "end": "of documents"}
LABELS = {
    "word_length": ("mean length of a word", "letters", ".2f"),
    "real_words": ("in the training text, or a word", "of words", ".1%"),
    "loops": ("words in a stretch that is repeated at once", "of words", ".1%"),
    "made_up": ("a measure of another package", "things", ".0f"),
}
CORPUS = {
    "kind": "folder", "origin": "made up", "licence": "anyone's",
    "sha256": "0123456789abcdef" * 4, "split_sha256": "fedcba9876543210" * 4,
    "unit": "documents",
    "train": {"documents": 48, "characters": 2_000_000},
    "test": {"documents": 5, "characters": 300_000},
}  # fmt: skip
HEAD = {
    "name": "sample", "title": "Characters against words", "unit": "bits per character",
    "margin": 0.01, "command": "python -m textgen study study.toml", "corpus": CORPUS,
    "not_repeated": [], "warnings": [], "left_out": [],
    "part": "network", "signature": "textgen:0|part:network",
}  # fmt: skip
TEMPERATURES = [0.5, 0.8, 1.0, 1.2]
STARTS = ("At night", 0.8), ("It was", 0.8), *(("", t) for t in TEMPERATURES)
REFERENCES = {"unigram": 4.345, "character 6-gram": 1.931, "character 8-gram": 1.898, "PPMd": 1.83}
SETTINGS = {
    "described": "words, those seen fewer than 5 times replaced by one token", "same_text": True,
    "cache": [0, 1, 2], "context": "the whole document", "vocabulary_size": 15_400,
    "replacement_rate": 0.044, "parameters": 3_770_000, "characters": 14.2e6, "passes": 7.1,
    "seconds": 180.0, "seconds_measured": 193.0, "preparation_seconds": 4.0,
}  # fmt: skip


def bits(total: float, spelling: float = 0.0) -> dict:
    alone = {"model": total - spelling, "spelling": spelling, "total": total, "deviation": 0.004}
    alone |= {"mean_over_documents": total, "low": total - 0.015, "high": total + 0.017}
    return alone


def _arm(name: str, total: float | None, seeds: int, draw) -> dict:
    rounds, numbers = np.arange(1, 15), list(range(1, seeds + 1))
    axes = {"updates": 90, "characters": 1e6, "seconds": 13.0}
    mean, curves = (total or 2) + 1.4 * rounds**-1.3, []
    for number in numbers:
        validation = (mean + 0.01 * draw.normal(size=14)).tolist()
        along = {key: (rounds * unit).tolist() for key, unit in axes.items()}
        curves.append({"seed": number, "validation": validation} | along)
    test = bits(total, 0.2 if name.startswith("word") else 0.0) if total else None
    own = {"name": name, "seeds": numbers, "curves": curves, "test": test, "validation": test}
    own["runs"] = [{"seed": n, "folder": name, "total": total, "audits": []} for n in numbers]
    own["extra_data"] = ["tags of a tagger trained elsewhere"] if "pos" in name else []
    own["updates"] = [1200 + n for n in numbers]
    own["parts"] = {"network": test, "with_cache": bits(total - 0.031)} if total else {}
    return SETTINGS | own


def _lead(difference: float) -> dict:
    return {"difference": difference, "low": difference - 0.02, "high": difference + 0.02}


def contrast(first: str, second: str, verdict: str, difference: float, question: str) -> dict:
    figures = {
        "difference": difference, "low": difference - 0.02, "high": difference + 0.02,
        "p": 0.002, "p_adjusted": 0.006, "documents": 5, "seeds": [2, 2], "verdict": verdict,
        "needed": Needed("documents", 30) if verdict == "too close to call" else None,
    }  # fmt: skip
    cached = figures | {"verdict": "equal", "part": "with_cache"}
    effect = {key: figures[key] for key in ("difference", "low", "high")}
    names = {"first": first, "second": second, "question": question, "part": "network"}
    names |= {"yes": "first is lower"}
    names |= {"where": {"frequent": effect, "unseen": effect}, "changes": {"with_cache": effect}}
    return names | figures | {"parts": {"with_cache": cached}}


def _stretches(text: str, words: bool, draw) -> list[tuple]:
    ends = [i for i, c in enumerate(text) if c == " " or not words]
    return [
        (a, b, round(float(draw.gamma(1.2, 1.6)) * (b - a) ** 0.4, 3), 9.0 * (draw.random() < 0.1))
        for a, b in itertools.pairwise(sorted({0, *ends, len(text)}))
    ]


def typed(report: dict, texts: dict) -> tuple[schema.Report, schema.Texts]:
    return schema.Report(**report), schema.Texts(**texts)


def sample(*given) -> tuple[schema.Report, schema.Texts]:
    return typed(*plain_sample(*given))


def plain_sample(totals: dict, seeds: int = 2, references: bool = True) -> tuple[dict, dict]:
    """The report and the texts of arms with these bits per character, or none, as plain data."""
    draw = np.random.default_rng(1)
    charged = {name: total for name, total in totals.items() if total}
    first, *others = list(charged) or [""]
    verdicts = itertools.cycle(("better", "worse", "equal", "too close to call"))
    report = HEAD | {"declared": True, "questions": len(others), "documents": []}
    texts = {"part": "network", "passages": [], "samples": []}
    report["arms"] = [_arm(name, total, seeds, draw) for name, total in totals.items()]
    report["references"] = [
        {"label": label, "meaning": f"{label}, fitted", "command": f"textgen baseline {label}"}
        | {"test": bits(total), "validation": bits(total)}
        | {"leads": {name: _lead(own - total) for name, own in charged.items()}}
        for label, total in REFERENCES.items()
        if references
    ]
    leads = {name: charged[name] - charged[first] for name in others}
    report["contrasts"] = [
        contrast(name, first, next(verdicts), lead, f"Is {name} better?")
        for name, lead in leads.items()
    ]
    for i in range(CORPUS["test"]["documents"] if charged else 0):
        own = {n: t - 0.05 * i + 0.02 * draw.normal() for n, t in charged.items()}
        document = {"name": f"tale_{i}", "characters": 50_000 + 1000 * i, "bits": own}
        report["documents"].append(document)
    report["word_classes"] = [
        {"name": kind, "meaning": meaning, "count": 900 // i}
        | {"shares": dict.fromkeys(charged, 0.8 / i)}
        for i, (kind, meaning) in enumerate(CLASSES.items(), 1)
        if charged
    ]
    report["generated"] = _generated(totals, draw)
    for i in range(3 if charged else 0):
        text = made_up(40, i)[:700]
        arms = {n: _stretches(text, n.startswith("word"), draw) for n in charged}
        passage = {"part": "network", "document": f"tale_{i}", "start": 0, "text": text}
        texts["passages"].append(passage | {"arms": arms})
    for prompt, temperature in STARTS:
        arms = {n: _written(f" {n} {temperature} ", i) for i, n in enumerate(totals)}
        texts["samples"].append({"prompt": prompt, "temperature": temperature, "arms": arms})
    return report, texts


def _written(start: str, seed: int) -> dict:
    text = start + made_up(12, seed)[:300]
    return {"text": text, "filled": [(5, 11, "<NN>")], "copied": [(8, 48)]}


def _generated(totals: dict, draw) -> dict:
    def row(shift: float) -> dict:
        values = 0.5 * (1 + shift) + 0.02 * draw.normal(size=len(LABELS))
        return {n: (v, v - 0.03, v + 0.03) for n, v in zip(LABELS, values, strict=True)}

    keys = ("meaning", "unit", "form")
    return {
        "labels": {name: dict(zip(keys, label, strict=True)) for name, label in LABELS.items()},
        "settings": {"samples": 20, "length": 1500, "temperatures": TEMPERATURES}
        | {"temperature": 0.8},
        "human": row(0) | {"loops": (None, None, None)},
        "arms": {n: [row(0.05 * (i + t)) for t in range(4)] for i, n in enumerate(totals)},
    }


SCRIPT = "<script>document.title='broken'</script>"
QUOTES = "\"both\" & 'kinds' $x_1$ {{ 7*7 }} `code`"
ODD = "_emoji \U0001f419 and \ud800 half, \x00 and \x1b"
BITS = (1.906, 1.707, 1.726, None, 1.825)
RANKED = [SCRIPT, "word_pos", ODD, "char", QUOTES]


def hostile(script=SCRIPT, quotes=QUOTES, odd=ODD):
    names = ("char", script, "word_pos", quotes, odd)
    report, texts = plain_sample(dict(zip(names, BITS, strict=True)))
    report |= {"title": script + quotes, "corpus": CORPUS | {"licence": script}}
    report["warnings"] = [{"text": "Look out: " + script, "by_arm": {script: quotes}}]
    report["left_out"] = [{"folder": "runs/" + script, "reason": quotes}]
    report["contrasts"][0] |= {"question": script + odd + quotes}
    for passage in texts["passages"]:
        text = (script + odd + "\n\n" + quotes + passage["text"])[:700]
        passage |= {"document": script, "text": text}
    for record in texts["samples"]:
        for made in record["arms"].values():
            made["text"] = f" the{script}\n- {quotes}\n\n    {odd}" + made["text"]
    return typed(report, texts)
