"""Baselines fitted to the training split of an experiment, and scored on its test split."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, TextgenError, lookup, plugin_table

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.data import Corpus, Document


def baseline(
    experiment: Experiment,
    loaded: Corpus,
    orders: Sequence[int] = (),
    *,
    kind: str = "kneser_ney",
    command: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Fit baselines to the training split of an experiment, and score the test split.

    Args:
        experiment: its tokenizer, seed and memory are used, its backbone and training are not;
            compressors use none of it.
        loaded: its corpus.
        orders: one model for each; if empty, one model of the default order.
        kind: one of the plug-in point ``baseline``.
        command: of ``kind="command"``, the program that compresses.

    Yields:
        One record per model: order, seconds to fit and score, what was measured, and ``test``, the
        figures of :func:`textgen.evaluation.likelihood.summarise` and the same in published units.
        What a baseline does not have (an order, a tokenizer, tokens) is None.

    Raises:
        TextgenError: unknown kind, an order that it does not accept, or too large a corpus.
    """
    from textgen.evaluation.baselines.base import Bytes, score_baseline
    from textgen.evaluation.likelihood import tuned_memory
    from textgen.tokenizers import fit_tokenizer

    entry = lookup("baseline", kind, "--kind")
    check_orders(orders, kind, entry)
    fixed = _fixed(command, kind, entry)
    models = [entry(order=order, **fixed) for order in orders] or [entry(**fixed)]
    _check_size(kind, entry, loaded)
    tokenizer = None
    if not entry.reads_bytes:
        tokenizer = fit_tokenizer(experiment.tokenizer, loaded, experiment.seed)
    reader = tokenizer or Bytes()
    training = [reader.encode(d.text, training=True).tokens for d in loaded.train]
    test = [reader.encode(d.text) for d in loaded.test]
    levels = experiment.memory.orders if tokenizer else ()
    validation = [reader.encode(d.text) for d in loaded.validation] if levels else []
    for settings in models:
        start = time.perf_counter()
        model, memory = settings.fit(training, reader.size), None
        if levels:
            scored = score_baseline(model, loaded.validation, validation)
            memory = tuned_memory(levels, scored, validation)
        bits = score_baseline(model, loaded.test, test, memory)
        yield {
            "baseline": kind,
            "order": getattr(settings, "order", None),
            "command": getattr(settings, "command", None),
            **_described(experiment, loaded, tokenizer),
            "seconds": time.perf_counter() - start,
            "test": _figures(bits, tokenizer, loaded.test),
        }


def _fixed(command: str | None, kind: str, entry: Any) -> dict[str, str]:
    """The settings of a baseline but its order."""
    if command is None:
        return {}
    if not hasattr(entry, "command"):
        raise TextgenError(
            "--command", found=f"{command!r}, with --kind {kind}", expected="--kind command",
            hint="leave one of the two out",
        )  # fmt: skip
    return {"command": command}


def _described(experiment: Experiment, loaded: Corpus, tokenizer: Any) -> dict[str, Any]:
    """What a record says of experiment, tokenizer and corpus."""
    from textgen.evaluation.likelihood import UNIT

    return {
        "experiment": experiment.name,
        "tokenizer": tokenizer and experiment.resolved["tokenizer"],
        "seed": experiment.seed,
        "vocabulary_size": tokenizer and tokenizer.size,
        "extra_data": list(tokenizer.extra_data) if tokenizer else [],
        "unit": UNIT,
        "corpus": loaded.description,
    }


def _figures(bits: Sequence[Any], tokenizer: Any, documents: Sequence[Document]) -> dict[str, Any]:
    from textgen.evaluation.likelihood import summarise
    from textgen.evaluation.units import published_units

    found = summarise(bits, tokenizer is None or tokenizer.charged)
    if tokenizer is None:
        found |= dict.fromkeys(("tokens", "tokens_per_character"))  # one piece each
    closed = tokenizer is not None and tokenizer.closed_vocabulary
    return found | {"published": published_units(found, documents, closed=closed)}


def _check_size(kind: str, entry: Any, loaded: Corpus) -> None:
    from textgen.evaluation.references import too_much

    if why := too_much(entry.reads_bytes, loaded):
        raise TextgenError(
            f"--kind {kind}",
            found=why,
            expected="less: n-grams take some 150 bytes of memory per character, and a compressor "
            "reads the whole training text once per document",
            hint="use a part of the corpus",
        )


def check_orders(orders: Sequence[int], kind: str, entry: Any) -> None:
    """Refuse orders that a baseline does not accept.

    Raises:
        TextgenError: it has no order, or not this one.
    """
    allowed = entry.orders
    for order in orders:
        if not allowed:
            kinds = sorted(plugin_table("baseline"))
            with_orders = [k for k in kinds if lookup("baseline", k, "--kind").orders]
            raise TextgenError(
                "--order",
                found=f"{order}, with --kind {kind}",
                expected=f"no --order: {kind} has none",
                hint=f"leave it out, or take --kind {' or '.join(with_orders)}",
            )
        if order not in allowed:
            raise TextgenError(
                "--order",
                found=str(order),
                expected=f"a whole number from {allowed[0]} to {allowed[-1]} for --kind {kind}",
            )
