"""Bits per character of each model's samples under every other model.

A sample is the beginning of a document that goes on, so no end mark is charged, and it is cut at
its last space, since half a word at the end would cost word models many bits.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from textgen.core import UNREADABLE, TextgenError, write_json
from textgen.data import Document
from textgen.report.arms import Arm
from textgen.runs import Evaluation, Run

FILE = "cross.json"
"""In the folder of the run that scores: sha256 of a group of samples → bits per character."""
HUMAN = "human text"
SAMPLES = 10
"""Of an arm that the others score."""


def samples(arm: Arm) -> list[Document]:
    """Some samples of an arm's first seed at the headline temperature, cut at white space."""
    wanted = Evaluation().temperature
    texts = next(s["texts"] for s in arm.first.texts["sweep"] if s["temperature"] == wanted)
    return [
        Document(f"sample {number}", _whole_words(record["text"]))
        for number, record in enumerate(texts[:SAMPLES])
    ]


def _whole_words(text: str) -> str:
    return (text if text[-1:].isspace() else text.rpartition(" ")[0] or text).rstrip()


def openings(documents: Sequence[Document]) -> list[Document]:
    """As many beginnings of held-out documents, no longer than a sample."""
    longest = sorted(documents, key=lambda document: -len(document.text))[:SAMPLES]
    return [Document(d.name, _whole_words(d.text[: Evaluation().length])) for d in longest]


def cross_scores(
    arms: Sequence[Arm],
    documents: Sequence[Document],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, dict[str, float]]:
    """Scorer → writer → bits per character of the writer's samples, :data:`HUMAN` among the
    writers. Arms whose bits are not those of a distribution over the text score nothing. What was
    scored before is read from the scorer's run folder.

    Args:
        arms: scorers and writers.
        documents: held-out ones.
        say: called with a line before whatever takes time.
    """
    texts = {HUMAN: openings(documents), **{arm.name: samples(arm) for arm in arms}}
    keys = {name: _key(documents) for name, documents in texts.items()}
    result = {}
    for arm in arms:
        if not arm.charged:
            continue
        known = _read(arm.first.folder)
        missing = [name for name, key in keys.items() if key not in known]
        if missing:
            say(f"{arm.name} reads the samples of {len(missing)} writers …")
            found = _score(arm.first, [texts[name] for name in missing])
            known |= {keys[name]: bits for name, bits in zip(missing, found, strict=True)}
            with contextlib.suppress(TextgenError):  # a read-only folder is no reason to stop
                write_json(arm.first.folder / FILE, known)
        result[arm.name] = {name: known[key] for name, key in keys.items()}
    return result


def _key(documents: Sequence[Document]) -> str:
    return hashlib.sha256(
        "\x00".join(d.text for d in documents).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _read(folder: Path) -> dict[str, float]:
    try:
        return dict(json.loads((folder / FILE).read_text(encoding="utf-8")))
    except UNREADABLE:
        return {}


def _score(run: Run, texts: Sequence[Sequence[Document]]) -> list[float]:
    """Bits per character of some groups of texts under a run."""
    everything = [document for group in texts for document in group]
    costs = iter(Run(run.folder).score_documents(everything))  # its network is freed afterwards
    result = []
    for group in texts:
        each = [next(costs) for _ in group]
        bits = sum(d.model - float(d.model_bits[-1]) + d.spelling_bits for d in each)
        result.append(bits / max(1, sum(d.characters for d in each)))
    return result
