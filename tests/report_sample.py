"""Reports with made-up figures, shaped as textgen.report.data does."""

from __future__ import annotations

import itertools

import numpy as np
from conftest import made_up

from textgen.evaluation.significance import answer

CLASSES = {
    "frequent": "words that occur 100 times or more",
    "rare": "words that occur 2 to 9 times",
    "unseen": "words that do not occur",
    "punctuation": "punctuation and other signs",
    "end": "end marks of documents",
}
LABELS = {
    "word_length": ("mean length of a word", "letters", ".2f", "human", "Letters"),
    "real_words": (
        "in the training text, or a word of English",
        "of words",
        ".1%",
        "human",
        "Words",
    ),
    "ending_ing": ("words that end in -ing", "of words", ".2%", "human", "Words"),
    "distinct_2": ("different pairs of words in 100 words", "of them", ".1%", "human", "Variety"),
    "loops": ("words in a stretch that is repeated at once", "of words", ".1%", "lower", "Variety"),
    "copied": ("characters in copied stretches", "of characters", ".1%", "human", "Copies"),
    "made_up": ("a measure no one has grouped", "things", ".0f", "human", "Others"),
}
CORPUS = {
    "kind": "folder",
    "origin": "made up",
    "licence": "anyone's",
    "sha256": "0123456789abcdef" * 4,
    "split_sha256": "fedcba9876543210" * 4,
    "fallback": False,
    "train": {"documents": 48, "characters": 2_000_000},
    "validation": {"documents": 8, "characters": 250_000},
    "test": {"documents": 5, "characters": 300_000},
}
TEMPERATURES = [0.5, 0.8, 1.0, 1.2]


def _arm(name: str, total: float | None, seeds: list[int], draw: np.random.Generator) -> dict:
    rounds = np.arange(1, 15)
    spelling = 0.2 if name.startswith("word") else 0.0
    test = total and {
        "model": total - spelling,
        "spelling": spelling,
        "total": total,
        "deviation": 0.004 if len(seeds) > 1 else None,
        "mean_over_documents": total - 0.013,
        "low": total - 0.015,
        "high": total + 0.017,
    }
    if test:
        test["with_memory"] = {**test, "total": total - 0.031, "model": test["model"] - 0.031}
    return {
        "name": name,
        "seeds": seeds,
        "described": f"words; what {name} is",
        "runs": [
            {"seed": s, "folder": f"runs/{name}-{s}", "total": total, "audits": []} for s in seeds
        ],
        "tokenizer": {"kind": "words", "rare_words": {"kind": "unk"}},
        "backbone": {"units": [256, 256]},
        "memory": [0, 1, 2],
        "context": "the whole document so far",
        "vocabulary_size": 15_400,
        "extra_data": ["tags of a tagger trained elsewhere"] if "pos" in name else [],
        "tokens_per_character": 0.207,
        "replacement_rate": 0.044,
        "parameters": 3_770_000,
        "updates": [1200 + s for s in seeds],
        "characters": 14.2e6,
        "passes": 7.1,
        "seconds": 180.0,
        "alike": True,
        "seconds_measured": 193.0,
        "preparation_seconds": 4.0,
        "samples_per_second": 12.3,
        "curves": [
            {
                "seed": s,
                "updates": (rounds * 90).tolist(),
                "characters": (rounds * 1e6).tolist(),
                "seconds": (rounds * 13.0).tolist(),
                "validation": (
                    (total or 2) + 1.4 * rounds**-1.3 + 0.01 * draw.normal(size=len(rounds))
                ).tolist(),
            }
            for s in seeds
        ],
        "test": test or None,
        "validation": test or None,
    }


def reference(key: str, label: str, total: float) -> dict:
    costs = {"model": total, "spelling": 0.0, "total": total}
    return {
        "key": key,
        "label": label,
        "meaning": f"{label}, fitted on the training text",
        "command": f"python -m textgen baseline experiments/char.toml --{key}",
        "test": costs
        | {
            "low": total - 0.02,
            "high": total + 0.02,
            "mean_over_documents": total,
            "with_memory": None,
        },
        "validation": costs,
    }


def contrast(first: str, second: str, verdict: str, difference: float, question: str) -> dict:
    yes = "first is lower"
    return {
        "first": first,
        "second": second,
        "question": question,
        "difference": difference,
        "low": difference - 0.02,
        "high": difference + 0.02,
        "p": 0.002,
        "p_adjusted": 0.006,
        "scope": "these documents and seeds",
        "documents": 5,
        "seeds": [2, 2],
        "verdict": verdict,
        "answer": answer(first, second, verdict, yes),
        "sentence": f"{first} is {verdict} compared with {second}: {difference:+.3f} bits.",
        "with_memory": {
            "verdict": "equal", "answer": "No", "difference": 0.001, "low": -0.004, "high": 0.006,
            "p_adjusted": 0.7,
        },
    }  # fmt: skip


def stretches(text: str, length: int, draw: np.random.Generator) -> list[list[float]]:
    """Words if ``length`` is 0, else stretches of so many characters."""
    ends = (
        [i for i, c in enumerate(text) if c == " "]
        if not length
        else range(length, len(text), length)
    )
    cuts = [0, *(e for e in ends if e), len(text)]
    return [
        [
            a,
            b,
            round(float(draw.gamma(1.2, 1.6)) * (b - a) ** 0.4, 3),
            float(draw.random() < 0.1) * 9,
        ]
        for a, b in itertools.pairwise(cuts)
    ]


def sample(
    totals: dict[str, float | None], seeds: int = 2, references: bool = True
) -> tuple[dict, dict]:
    """``report.json`` and ``texts.json`` of arms with these bits per character."""
    draw = np.random.default_rng(1)
    numbers = list(range(1, seeds + 1))
    arms = [_arm(name, total, numbers, draw) for name, total in totals.items()]
    charged = {name: total for name, total in totals.items() if total}
    names = list(charged)
    documents = [
        {
            "name": f"tale_{i}",
            "characters": 50_000 + 1000 * i,
            "bits": {n: t + 0.05 * i + 0.02 * draw.normal() for n, t in charged.items()},
        }
        for i in range(CORPUS["test"]["documents"])
    ]
    text = made_up(60, 3)[:1200]
    word = {
        "document": "tale_1",
        "before": "through the ",
        "word": " pandemonium",
        "after": " of bells",
        "bits": {n: 20.0 + 3 * draw.normal() for n in names},
    }
    report = {
        "schema": 1,
        "name": "sample",
        "title": "Characters against words, made up",
        "unit": "bits per character of raw text, one end mark a document included",
        "margin": 0.01,
        "command": "python -m textgen study experiments/study.toml",
        "not_repeated": [],
        "corpus": CORPUS,
        "warnings": [],
        "left_out": [],
        "arms": arms,
        "references": [
            reference("unigram", "unigram", 4.345),
            reference("ngram6", "character 6-gram", 1.931),
            reference("ngram8", "character 8-gram", 1.898),
            reference("ppmd", "PPMd", 1.83),
        ]
        if references
        else [],
        "declared": True,
        "questions": max(0, len(names) - 1),
        "contrasts": [
            contrast(n, names[0], ("better", "worse", "equal", "can't tell")[i % 4],
                     charged[n] - charged[names[0]], f"Is {n} better?")
            for i, n in enumerate(names[1:])
        ],
        "documents": documents if names else [],
        "breakdown": {
            "classes": {**CLASSES, "names": "names: also counted above"},
            "by_class": {
                n: {
                    kind: {"count": 900 // i, "bits": 3.0 * i + draw.random(), "share": 0.8 / i}
                    for i, kind in enumerate([*CLASSES, "names"], 1)
                }
                for n in names
            },
            "by_position": {n: [3.0, 1.2, *(1 / np.arange(2, 11)).tolist()] for n in names},
        },
        "words": {"pandemonium": {"occurrences": 1, "bits": word["bits"]} if names else
                  {"occurrences": 0, "bits": {}}, "quux": {"occurrences": 0, "bits": {}}},
        "generated": _generated(totals, draw),
    }  # fmt: skip
    texts = {
        "passage": {
            "document": "tale_1",
            "start": 400,
            "text": text,
            "arms": {n: stretches(text, 0 if n.startswith("word") else 1, draw) for n in names},
        },
        "words": {"pandemonium": [word] if names else [], "quux": []},
        "samples": [
            {
                "prompt": prompt,
                "arms": {
                    n: {
                        "text": " " + made_up(12, i)[:500],
                        "filled": [[5, 11, "<NN>"]],
                        "copied": [[8, 48]],
                    }
                    for i, n in enumerate(totals)
                },
            }
            for prompt in ("At night", "It was")
        ],
        "passages": [
            {
                "document": f"tale_{i}",
                "start": 0,
                "text": made_up(30, i)[:500],
                "arms": {n: stretches(made_up(30, i)[:500], i, draw) for n in names},
            }
            for i in range(3)
        ]
        if names
        else [],
        "sweep": {
            "temperatures": TEMPERATURES,
            "arms": {
                n: [[f"{n} {t} {k}: {made_up(4, k)}" for k in range(3)] for t in TEMPERATURES]
                for n in totals
            },
        },
    }
    return report, texts


def _generated(totals: dict[str, float | None], draw: np.random.Generator) -> dict:
    def row(shift: float) -> dict:
        made = {}
        for name, (_, _, form, *_) in LABELS.items():
            value = (0.5 if form.endswith("%") else 4.0) * (1 + shift) + 0.02 * draw.normal()
            made[name] = [value, value - 0.03, value + 0.03]
        return made

    keys = ("meaning", "unit", "form", "better", "group")
    rows = {"human": row(0), "shuffled": row(0.2), "unigram": row(-0.3)}
    rows["unigram"]["loops"] = [None, None, None]
    return {
        "labels": {name: dict(zip(keys, label, strict=True)) for name, label in LABELS.items()},
        "settings": {
            "samples": 20,
            "length": 1500,
            "temperatures": TEMPERATURES,
            "temperature": 0.8,
            "seed": 1,
        },
        "rows": rows,
        "arms": {n: [row(0.05 * (i + t)) for t in range(4)] for i, n in enumerate(totals)},
    }  # fmt: skip


SCRIPT = "<script>document.title='broken'</script>"
QUOTES = "\"both\" & 'kinds' $x_1$ | `code` **bold**"
ODD = "_emoji \U0001f419 and \ud800 half, \x00 and \x1b"
BITS = (1.906, 1.707, 1.726, None, 1.825)
RANKED = [SCRIPT, "word_pos", ODD, "char", QUOTES]


def hostile(script: str = SCRIPT, quotes: str = QUOTES, odd: str = ODD) -> tuple[dict, dict]:
    """A report whose every text tries to be more than text."""
    report, texts = sample(dict(zip(("char", script, "word_pos", quotes, odd), BITS, strict=True)))
    report["title"] = script + quotes
    report["warnings"] = ["Look out: " + script]
    report["left_out"] = [{"folder": "runs/" + script, "found": quotes}]
    report["contrasts"][0]["question"] = script + odd
    report["contrasts"][0]["sentence"] = quotes
    report["corpus"] = report["corpus"] | {"licence": script}
    texts["passage"]["text"] = (script + odd + "\n\n" + quotes + texts["passage"]["text"])[:1200]
    for record in texts["samples"]:
        for made in record["arms"].values():
            made["text"] = f" the{script}\n- {quotes}\n\n    {odd}" + made["text"]
    texts["words"]["pandemonium"][0]["before"] = "a | b\n" + script
    texts["passages"][0]["document"] = script
    text = texts["passages"][0]["text"]
    texts["passages"][0]["text"] = (script + text[len(script) :])[: len(text)]
    texts["sweep"]["arms"]["char"][0][0] = script + odd
    return report, texts
