"""What is known of the article's stored weights, measured on runs.

    python experiments/research/article/measure.py runs/50_to_50_125_units …

For each run: bits on its training text (as ``textgen score RUN --split train`` prints them), and
how many of the words it writes occur in any of the tales, those held out included, as they stand
before anything is left out: read out as in the article, and with its own output fed back.
Everything goes to ``article.json`` in the run folder, from where ../tools/table.py takes it.
"""

from __future__ import annotations

import sys
from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgen.core.experiment import resolve_experiment
from textgen.core.files import write_json
from textgen.core.settings import Sampling
from textgen.core.tensorflow import start_tensorflow
from textgen.data.loading import load_text
from textgen.evaluation.metrics import words
from textgen.evaluation.model import LanguageModel
from textgen.runs.finished import Run, score_split
from textgen.runs.generation import article_readout, sample_texts

WINDOWS = 1000
"""The first so many of the training text are read out, as the author did."""
ROWS = 20
"""Of a batch that they are dealt to."""
TEMPERATURES = (0.5, 0.8)


def measure(run: Run) -> dict[str, Any]:
    """The content of ``article.json``."""
    loaded = load_text(run.experiment, run.metrics.corpus.sha256)
    documents = run.experiment.corpus.documents()
    tales = {word for document in documents for word in words(document.text)}
    length = WINDOWS // ROWS * run.experiment.objective.length
    text = "".join(document.text for document in loaded.train)
    real = [text[i * length : (i + 1) * length] for i in range(ROWS)]
    network = run.part("network")
    guesses = [article_readout(network, passage) for passage in real]
    models = {"fed_back": network}
    if run.experiment.resolved["objective"].get("shift") == 1:
        models["fed_back_and_carried_on"] = carried(run, network)
    return {
        "training_text": score_split(run, "train")["parts"]["network"],
        "characters_written": length * ROWS,
        "known_words": {
            "human": known(real, tales),
            "read_out": known([guess["text"] for guess in guesses], tales),
            **{
                way: {str(t): known(drawn(model, t, length), tales) for t in TEMPERATURES}
                for way, model in models.items()
            },
        },
    }


def carried(run: Run, network: LanguageModel) -> LanguageModel:
    """The same network, its state never reset: what it writes is not cut into windows."""
    resolved = {**run.experiment.resolved, "objective": {"kind": "next_token"}}
    return replace(network, objective=resolve_experiment(resolved).objective)


def drawn(model: LanguageModel, temperature: float, length: int) -> list[str]:
    settings = replace(Sampling(), length=length, samples=ROWS, temperature=temperature)
    return [record["text"] for record in sample_texts(model, settings, seed=1)]


def known(texts: list[str], tales: Set[str]) -> dict[str, float]:
    """How many words there are and the share of them that occurs in the tales; the same without
    words of one letter, of which a read-out has many and the tales have some ("t", "d")."""
    found = words("\n".join(texts))
    longer = [word for word in found if len(word) > 1]
    return {
        "words": len(found),
        "known": sum(word in tales for word in found) / max(len(found), 1),
        "longer_words": len(longer),
        "longer_known": sum(word in tales for word in longer) / max(len(longer), 1),
    }


def main(folders: list[str]) -> None:
    start_tensorflow()
    for folder in folders:
        found = measure(Run(folder))
        write_json(Path(folder) / "article.json", found)
        bits = found["training_text"]["bits_per_character"]["total"]
        print(f"{folder}: {bits:.4f} bits per character of the training text")
        print(f"known words: {found['known_words']}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
