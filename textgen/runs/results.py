"""What a run writes about itself: ``manifest.json``, ``metrics.json``, samples, ``summary.md``."""

from __future__ import annotations

import datetime
import platform
import shlex
from importlib import metadata
from pathlib import Path
from typing import Any

import textgen
from textgen.core.experiment import Experiment
from textgen.core.machine import cores, processor, tensorflow_in_effect
from textgen.data.documents import Document
from textgen.data.language import UNKNOWN, language_name, word_list
from textgen.data.loading import Corpus
from textgen.evaluation.likelihood import UNIT, DocumentBits, by_position, summarise
from textgen.evaluation.metrics import real_words, training_words
from textgen.evaluation.mixture import MixtureSampler
from textgen.evaluation.units import (
    NOTHING,
    UNIT_COLUMNS,
    format_bits,
    format_number,
    markdown_table,
    published_units,
    unit_rows,
)
from textgen.models.sampler import Sampler
from textgen.runs.generation import annotated, article_readout, encode_prompt, sample_texts
from textgen.runs.schemas import Figures, Metrics, Part
from textgen.tokenizers.base import Tokenizer
from textgen.training.checkpoint import Progress
from textgen.training.preparation import Prepared

READOUT = 400
HUMAN = 50_000
"""Characters of held-out human text whose share of real words is given for comparison."""


TIMES = "seconds validation_seconds validation_share calibration_seconds_per_update".split()
"""What is kept of how long a training took."""


def run_metrics(
    experiment: Experiment,
    loaded: Corpus,
    prepared: Prepared,
    progress: Progress,
    parameters: int,
    scored: dict[str, list[DocumentBits]],
    samples: list[dict[str, Any]],
) -> dict[str, Any]:
    """The content of ``metrics.json``, but for ``plan`` and ``sha256``.

    Args:
        experiment, loaded, prepared: what the training started from.
        progress: where it ended.
        parameters: of the network.
        scored: the documents of validation and of test.
        samples: as ``samples.json`` holds them.
    """
    tokenizer, training = prepared.tokenizer, prepared.encoded[0]
    per_epoch = sum(e.characters + 1 for e in training)
    metrics: dict[str, Any] = {
        "name": experiment.name,
        "unit": UNIT,
        "corpus": loaded.description,
        "context": experiment.objective.context,
        "vocabulary_size": tokenizer.size,
        "extra_data": prepared.extra_data,
        **{part: summarise(d, tokenizer.charged) for part, d in scored.items()},
        "training": {
            "preparation_seconds": prepared.seconds,
            **{name: getattr(progress, name) for name in TIMES},
            "characters": round(progress.updates * progress.characters_per_update),
            "characters_of_training_text": per_epoch,
            "updates": progress.updates,
            "updates_planned": progress.updates_planned,
            "parameters": parameters,
            "best_interval": progress.best_interval,
            "intervals": progress.intervals,
            "final_loss": progress.history[-1]["loss"],
            "loss": experiment.training.loss,
        },
        "generation": word_shares(experiment, loaded, samples),
    }
    for part, documents in (("validation", loaded.validation), ("test", loaded.test)):
        metrics[part]["published"] = published_units(
            metrics[part], documents, closed=tokenizer.closed_vocabulary
        )
    if not experiment.objective.carries_state:
        metrics["test"]["model_bits_by_position"] = by_position(
            scored["test"], experiment.objective.length
        )
    return metrics


PACKAGES = ("keras", "numpy", "spacy", "gensim")


def repeat_command(folder: Path, experiment: Experiment) -> str:
    """The command that trains the run of a folder again."""
    parts = ["python", "-m", "textgen", "run", str(folder / "experiment.toml")]
    return shlex.join([*parts, "--runs", str(folder.parent), "--overwrite"])


def describe_run(experiment: Experiment, loaded: Corpus, folder: Path) -> dict[str, Any]:
    """The content of ``manifest.json``."""
    import tensorflow as tf  # loaded already; the name of its package varies: tensorflow-cpu, …

    versions = {name: metadata.version(name) for name in PACKAGES}
    return {
        "textgen": textgen.__version__,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": repeat_command(folder, experiment),
        "experiment": experiment.resolved,
        "seed": experiment.seed,
        "corpus": loaded.description,
        "documents": {
            part: [document.name for document in getattr(loaded, part)]
            for part in ("train", "validation", "test")
        },
        "python": platform.python_version(),
        "packages": {"tensorflow": tf.__version__, **versions},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": cores(),
        **tensorflow_in_effect(),
    }


def draw_samples(
    experiment: Experiment,
    tokenizer: Tokenizer,
    sampler: Sampler,
    mixture: MixtureSampler | None,
    loaded: Corpus,
) -> list[dict[str, Any]]:
    """Samples at the experiment's settings, by the network alone or by its ``mixture`` with a
    memory, then the article's read-out of a validation text, if its beginning has any known
    characters."""
    writer = mixture if mixture and experiment.sampling.memory else sampler
    drawn = sample_texts(writer, tokenizer, experiment.sampling, experiment.seed)
    real = max(loaded.validation, key=lambda d: d.characters).text
    known = "".join(c for c in real[: 2 * READOUT] if not tokenizer.unknown(c))[:READOUT]
    if not len(encode_prompt(tokenizer, known)):
        return drawn
    return drawn + article_readout(sampler, tokenizer, [known])


def word_shares(
    experiment: Experiment, loaded: Corpus, records: list[dict[str, Any]]
) -> dict[str, Any]:
    """Shares of real words: in the samples, in the article's read-out, in held-out human text."""
    training = training_words(document.text for document in loaded.sample)
    texts = {
        "samples": "\n".join(r["text"] for r in records if r["method"] == "sample"),
        "article_readout": "\n".join(r["text"] for r in records if r["method"] == "article"),
        "human": _opening(loaded.test),
    }
    language = loaded.language.code
    return {
        "temperature": experiment.sampling.temperature,
        "word_list": word_list(language),
        "real_words": {name: real_words(text, training, language) for name, text in texts.items()},
    }


def _opening(documents: list[Document]) -> str:
    """The beginning of every document, about HUMAN characters in all."""
    each = HUMAN // len(documents)
    return "\n".join(document.text[:each] for document in documents)


def samples_text(records: list[dict[str, Any]]) -> str:
    """``samples.txt``."""
    parts = []
    for record in records:
        settings = {k: v for k, v in record.items() if k not in ("prompt", "text", "filled")}
        parts.append("── " + "  ".join(f"{k} {v}" for k, v in settings.items()))
        if record["method"] == "article":
            parts.append(f"[real text]\n{record['prompt']}\n[guesses]\n{record['text']}\n")
        else:
            parts.append(f"{record['prompt']}{record['text']}\n")
            if record["filled"]:
                parts.append(
                    f"[filled placeholders marked]\n{record['prompt']}{annotated(record)}\n"
                )
    return "\n".join(parts)


def summary_markdown(
    experiment: Experiment,
    loaded: Corpus,
    metrics: Metrics,
    records: list[dict[str, Any]],
    folder: Path,
) -> str:
    """``summary.md`` of a run folder."""
    warning = f"> **{loaded.warning}**\n\n".replace("\n", "\n> ", 2) if loaded.warning else ""
    lines = [f"# {experiment.name}\n", warning + _figures(metrics), _published(metrics)]
    lines += [_training(metrics)]
    lines.append(_words(metrics))
    lines += [f"**Extra data:** {data}.\n" for data in metrics.extra_data]
    for record in records[:2]:
        if record["method"] == "sample":
            lines.append(f"Sample at temperature {record['temperature']}:\n")
            lines.append(_quote(record["prompt"] + record["text"]) + "\n")
            if record["filled"]:
                lines.append("The same, filled placeholders marked:\n")
                lines.append(_quote(record["prompt"] + annotated(record)) + "\n")
    corpus = metrics.corpus
    lines.append(
        f"Corpus: {corpus.kind} ({corpus.origin}; {corpus.licence}), "
        f"sha256 {corpus.sha256[:16]}, split {corpus.split_sha256[:16]}, "
        f"seed {experiment.seed}. Repeat with `{repeat_command(folder, experiment)}`.\n"
    )
    return "\n".join(lines)


def _figures(metrics: Metrics) -> str:
    columns = (
        "split", "model", "+ spelling", "= total", "with memory", "mean over documents",
        "tokens/character", "replaced", "documents", "characters",
    )  # fmt: skip
    rows = []
    for name in ("validation", "test"):
        part: Part = metrics[name]
        model, spelling, total = bits_cells(part)
        rows.append(
            [
                name,
                model,
                spelling,
                f"**{total}**" if part.bits_per_character else total,
                memory_cell(part),
                format_number(part.mean_over_documents, 4),
                format_number(part.tokens_per_character),
                f"{part.replacement_rate:.2%}",
                str(part.documents),
                f"{part.characters:,}",
            ]
        )
    table = markdown_table(columns, rows)
    return f"In {metrics.unit}; lower is better. {MEANING}\n\n{table}\n"


MEANING = (
    "Model + spelling = total is what the network charges alone. A memory of the document, of its "
    "tokens and of its rare words, is another distribution; samples are of the network alone "
    "unless they say otherwise."
)


def bits_cells(figures: Figures) -> tuple[str, str, str]:
    """Model, spelling and total bits per character of a part of the text."""
    bits = figures.bits_per_character
    model, spelling, total = format_bits(bits.model_dump() if bits else None, 4)
    return model, spelling, total


def memory_cell(part: Part) -> str:
    """Bits per character of a part with a memory of the document."""
    return bits_cells(part.memory)[2] if part.memory.bits_per_character else NOTHING


def _published(metrics: Metrics) -> str:
    """The test figures in the units of published ones."""
    if (found := metrics.test.published) is None:
        return ""
    return (
        "The test part in the units of published figures. End marks of documents are paid for and, "
        f"as elsewhere, not counted. {found['comparable'].capitalize()}.\n\n"
        f"{markdown_table(UNIT_COLUMNS, unit_rows(found), (0, 3))}\n"
    )


def _training(metrics: Metrics) -> str:
    t = metrics.training
    part = f" (of {t.validation_share:.0%} of its text each time)" if t.validation_share < 1 else ""
    return (
        f"{t.parameters:,} parameters; {t.updates:,} updates, {t.characters:,} characters "
        f"({t.characters / t.characters_of_training_text:.1f} times the training text) in "
        f"{t.seconds:.0f} seconds after {t.preparation_seconds:.0f} of preparation, and "
        f"{t.validation_seconds:.0f} of validation{part}. Best validation "
        f"{t.best_interval} of {t.intervals}. Context: {metrics.context}.\n"
    )


def _words(metrics: Metrics) -> str:
    texts = ", ".join(
        f"{name.replace('_', ' ')} {share['strict']:.1%} ({share['in_training']:.1%} seen in "
        "training)"
        for name, share in metrics.generation["real_words"].items()
    )
    return f"{real_words_title(metrics)}: {texts}.\n"


def real_words_title(metrics: Metrics) -> str:
    """What "real words" are: without a list of the language's words, those of the training text."""
    language = metrics.corpus.language.code
    if metrics.generation["word_list"]:
        return "Real words" if language == "en" else f"Real words of {language_name(language)}"
    missing = f"there is no list of words of {language_name(language)}"
    if language == UNKNOWN:
        missing = "the language is not known"
    return f"Words of the training text ({missing})"


def _quote(text: str) -> str:
    return "\n".join("> " + line for line in text.splitlines())
