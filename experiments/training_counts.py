"""Would it help to count the training text as well? Networks, memories, n-grams, and all together.

    python experiments/training_counts.py RUN [RUN …]

What followed the last few tokens in the *training* text is mixed into what the network of a
finished run says, as a memory of the document mixes in what followed them in the document: the same
Pitman-Yor process, whose counts stay as they are. On it a memory of the document may stand. Both
are tuned on the validation split. What comes out of the test split is kept in
``experiments/results/memory/``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from textgen.evaluation.likelihood import (
    DocumentBits,
    score_documents,
    summarise,
    tuned_memory,
    with_memory,
)
from textgen.evaluation.memory import Counts, fitted
from textgen.tokenizers.tokens import BOUNDARY

RESULTS = Path(__file__).parent / "results" / "memory" / "training.json"
CHARACTERS, OTHERS = (1, 2, 3, 4, 5, 6, 8, 10), (0, 1, 2, 3)


def counts(
    training: Sequence[np.ndarray], others: Sequence[np.ndarray], orders: Sequence[int]
) -> Counts:
    """What the training documents have counted, for every token and end mark of the others.

    Args:
        training, others: (n,) tokens each.
        orders: rising.
    """
    before = np.full(max(orders) + 1, BOUNDARY)
    padded = [np.concatenate([before, s, [BOUNDARY]]) for s in (*training, *others)]
    text = np.concatenate(padded).astype(np.int64)
    told = np.concatenate([np.arange(len(p)) >= len(before) for p in padded])
    told[: len(before)] = False
    size = int(text.max()) + 1
    grams, current = {0: np.zeros(len(text), dtype=np.int64), 1: text}, text
    for length in range(2, max(orders) + 2):
        previous = np.concatenate([current[:1], current[:-1]])
        current = np.unique(previous * size + text, return_inverse=True)[1]
        grams[length] = current
    places = np.flatnonzero(told)
    seen = sum(len(p) for p in padded[: len(training)])
    counted, asked = places[places < seen], places[places >= seen]
    found = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
    for order in reversed(orders):
        whole, context = grams[order + 1], np.concatenate([[0], grams[order][:-1]])
        first = counted[np.unique(whole[counted], return_index=True)[1]]
        found.append((
            np.bincount(whole[counted], minlength=whole.max() + 1)[whole[asked]],
            np.bincount(context[counted], minlength=context.max() + 1)[context[asked]],
            np.bincount(context[first], minlength=context.max() + 1)[context[asked]],
        ))  # fmt: skip
        counted = first
    return Counts(*(np.array(rows, dtype=np.int32) for rows in zip(*reversed(found), strict=True)))


def measured(folder: Path) -> dict[str, float]:
    """Test bits per character of a run: its network alone, with counts of the training text, and
    either of them with a memory of the document."""
    from textgen.data.loading import load_text
    from textgen.runs import Run

    run = Run(folder)
    model = run.objective, run.network, run.tokenizer
    loaded = load_text(run.experiment, run.metrics["corpus"]["sha256"])
    characters = run.experiment.resolved["tokenizer"]["kind"] == "characters"
    orders = CHARACTERS if characters else OTHERS
    parts = [loaded.validation, loaded.test]
    encoded = [[run.tokenizer.encode(d.text) for d in part] for part in parts]
    training = [run.tokenizer.encode(d.text, training=True).tokens for d in loaded.train]
    plain = [score_documents(*model, part) for part in parts]
    counted = [counts(training, [e.tokens for e in part], orders) for part in encoded]
    chances = [np.exp2(-np.concatenate([d.model_bits for d in p]).astype(float)) for p in plain]
    mixture = fitted(orders, chances[0], counted[0])
    mixed = [
        _with(part, -np.log2(mixture.mixed(before, known)))
        for part, before, known in zip(plain, chances, counted, strict=True)
    ]
    result = {}
    for name, (validation, test) in {"network": plain, "training": mixed}.items():
        memory = tuned_memory(run.experiment.memory.orders, validation, encoded[0])
        for key, documents in (
            (name, test),
            (f"{name} and document", with_memory(memory, test, encoded[1])),
        ):
            found = summarise(documents)
            result[key] = (found["with_memory"] or found)["bits_per_character"]["total"]
    return result


def _with(documents: Sequence[DocumentBits], bits: np.ndarray) -> list[DocumentBits]:
    """The documents with other model bits, given for all of them end to end."""
    cuts = np.cumsum([len(d.model_bits) for d in documents])[:-1]
    parts = np.split(bits, cuts)
    return [replace(d, model_bits=part) for d, part in zip(documents, parts, strict=True)]


if __name__ == "__main__":
    kept = {}
    for each in map(Path, sys.argv[1:]):
        kept[each.name] = measured(each)
        print(each.name, {k: round(value, 4) for k, value in kept[each.name].items()}, flush=True)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
