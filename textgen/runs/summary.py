"""Samples of a finished training, their real words, and ``summary.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgen.core import Experiment
from textgen.data import UNKNOWN, Corpus, Document, language_name, word_list
from textgen.evaluation import (
    NOTHING,
    UNIT_COLUMNS,
    MixtureSampler,
    format_bits,
    format_number,
    markdown_table,
    real_words,
    training_words,
    unit_rows,
)
from textgen.models import Sampler
from textgen.runs.generation import annotated, article_readout, encode_prompt, sample_texts
from textgen.runs.manifest import repeat_command
from textgen.tokenizers import Tokenizer

READOUT = 400
HUMAN = 50_000
"""Characters of held-out human text whose share of real words is given for comparison."""


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
    metrics: dict[str, Any],
    records: list[dict[str, Any]],
    folder: Path,
) -> str:
    """``summary.md`` of a run folder."""
    warning = f"> **{loaded.warning}**\n\n".replace("\n", "\n> ", 2) if loaded.warning else ""
    lines = [f"# {experiment.name}\n", warning + _figures(metrics), _published(metrics)]
    lines += [_training(metrics)]
    lines.append(_words(metrics))
    lines += [f"**Extra data:** {data}.\n" for data in metrics["extra_data"]]
    for record in records[:2]:
        if record["method"] == "sample":
            lines.append(f"Sample at temperature {record['temperature']}:\n")
            lines.append(_quote(record["prompt"] + record["text"]) + "\n")
            if record["filled"]:
                lines.append("The same, filled placeholders marked:\n")
                lines.append(_quote(record["prompt"] + annotated(record)) + "\n")
    description = metrics["corpus"]
    lines.append(
        f"Corpus: {description['kind']} ({description['origin']}; {description['licence']}), "
        f"sha256 {description['sha256'][:16]}, split {description['split_sha256'][:16]}, "
        f"seed {experiment.seed}. Repeat with `{repeat_command(folder, experiment)}`.\n"
    )
    return "\n".join(lines)


def _figures(metrics: dict[str, Any]) -> str:
    names = ("split", "model", "+ spelling", "= total", "with memory", "mean over documents",
             "tokens/character")  # fmt: skip
    columns = (*names, "replaced", "documents", "characters")
    rows = []
    for part in ("validation", "test"):
        m = metrics[part]
        model, spelling, total = format_bits(m["bits_per_character"], 4)
        rows.append(
            [
                part,
                model,
                spelling,
                f"**{total}**" if m["bits_per_character"] else total,
                remembered(m),
                format_number(m["mean_over_documents"], 4),
                format_number(m["tokens_per_character"]),
                f"{m['replacement_rate']:.2%}",
                str(m["documents"]),
                f"{m['characters']:,}",
            ]
        )
    table = markdown_table(columns, rows)
    return f"In {metrics['unit']}; lower is better. {MEANING}\n\n{table}\n"


MEANING = (
    "Model + spelling = total is what the network charges alone. A memory of the document, of its "
    "tokens and of its rare words, is another distribution; samples are of the network alone "
    "unless they say otherwise."
)


def remembered(figures: dict[str, Any]) -> str:
    """Bits per character of a split with a memory of the document."""
    both = figures["with_memory"] and figures["with_memory"]["bits_per_character"]
    return format_bits(both, 4)[2] if both else NOTHING


def _published(metrics: dict[str, Any]) -> str:
    """The test figures in the units of published ones."""
    found = metrics["test"]["published"]
    if found is None:
        return ""
    return (
        "The test part in the units of published figures. End marks of documents are paid for and, "
        f"as elsewhere, not counted. {found['comparable'].capitalize()}.\n\n"
        f"{markdown_table(UNIT_COLUMNS, unit_rows(found), (0, 3))}\n"
    )


def _training(metrics: dict[str, Any]) -> str:
    t = metrics["training"]
    share = t["validation_share"]
    part = f" (of {share:.0%} of its text each time)" if share < 1 else ""
    return (
        f"{t['parameters']:,} parameters; {t['updates']:,} updates, {t['characters']:,} characters "
        f"({t['characters'] / t['characters_of_training_text']:.1f} times the training text) in "
        f"{t['seconds']:.0f} seconds after {t['preparation_seconds']:.0f} of preparation, and "
        f"{t['validation_seconds']:.0f} of validation{part}. Best validation "
        f"{t['best_interval']} of {t['intervals']}. Context: {metrics['context']}.\n"
    )


def _words(metrics: dict[str, Any]) -> str:
    shares = metrics["generation"]["real_words"]
    texts = ", ".join(
        f"{name.replace('_', ' ')} {share['strict']:.1%} ({share['in_training']:.1%} seen in "
        "training)"
        for name, share in shares.items()
    )
    return f"{real_words_title(metrics)}: {texts}.\n"


def real_words_title(metrics: dict[str, Any]) -> str:
    """What "real words" are: without a list of the language's words, those of the training text."""
    language = metrics["corpus"]["language"]["code"]
    if metrics["generation"]["word_list"]:
        return "Real words" if language == "en" else f"Real words of {language_name(language)}"
    missing = f"there is no list of words of {language_name(language)}"
    if language == UNKNOWN:
        missing = "the language is not known"
    return f"Words of the training text ({missing})"


def _quote(text: str) -> str:
    return "\n".join("> " + line for line in text.splitlines())
