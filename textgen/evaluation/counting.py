"""What n-grams and compressors make of an experiment's text."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, TextgenError, lookup, plugin_table

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.data import Corpus


def baseline(
    experiment: Experiment,
    loaded: Corpus,
    orders: Sequence[int] = (),
    *,
    kind: str = "kneser_ney",
) -> Iterator[dict[str, Any]]:
    """Fit baselines to the training split of an experiment, and score the test split.

    Args:
        experiment: its tokenizer, seed and document memory count; its backbone and training do not.
            Of a compressor not even these do.
        loaded: its corpus.
        orders: one model each; none: one model of the usual order.
        kind: one of the plug-in point ``baseline``.

    Yields:
        One record a model: order, seconds to fit and score, and ``test``, the figures of
        :func:`textgen.evaluation.likelihood.summarise`, with what they were measured on. What a
        baseline does not have (an order, a tokenizer, tokens) is None.

    Raises:
        TextgenError: no such kind, an order that it does not take, or too large a corpus.
    """
    from textgen.evaluation.baselines.base import Bytes, score_baseline
    from textgen.evaluation.likelihood import UNIT, summarise, tuned_memory
    from textgen.evaluation.references import too_much
    from textgen.tokenizers import fit_tokenizer

    entry = lookup("baseline", kind, "--kind")
    check_orders(orders, kind, entry)
    if why := too_much(entry.reads_bytes, loaded):
        raise TextgenError(
            f"--kind {kind}",
            found=why,
            expected="less: n-grams take some 150 bytes of memory a character, and a compressor "
            "reads all training text once a document",
            hint="take a part of the corpus",
        )
    tokenizer = None
    if not entry.reads_bytes:
        tokenizer = fit_tokenizer(experiment.tokenizer, loaded, experiment.seed)
    reader = tokenizer or Bytes()
    training = [reader.encode(d.text, training=True).tokens for d in loaded.train]
    test = [reader.encode(d.text) for d in loaded.test]
    cached = experiment.memory.orders if tokenizer else ()
    validation = [reader.encode(d.text) for d in loaded.validation] if cached else []
    for made in [entry(order=order) for order in orders] or [entry()]:
        start = time.perf_counter()
        model, memory = made.fit(training, reader.size), None
        if cached:
            memory = tuned_memory(
                cached, score_baseline(model, loaded.validation, validation), validation
            )
        bits = score_baseline(model, loaded.test, test, memory)
        figures = summarise(bits, tokenizer is None or tokenizer.charged)
        if tokenizer is None:  # a document is one piece
            figures |= dict.fromkeys(("tokens", "tokens_per_character"))
        yield {
            "baseline": kind,
            "order": getattr(made, "order", None),
            "experiment": experiment.name,
            "tokenizer": tokenizer and experiment.resolved["tokenizer"],
            "seed": experiment.seed,
            "vocabulary_size": tokenizer and tokenizer.size,
            "extra_data": list(tokenizer.extra_data) if tokenizer else [],
            "unit": UNIT,
            "corpus": loaded.description,
            "seconds": time.perf_counter() - start,
            "test": figures,
        }


def check_orders(orders: Sequence[int], kind: str, entry: Any) -> None:
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


def print_records(console: Any, loaded: Corpus, records: Iterable[dict[str, Any]]) -> None:
    from rich.table import Table

    from textgen.evaluation.likelihood import format_bits

    d = loaded.description
    console.print(f"  corpus sha256 {d['sha256'][:16]}…  split sha256 {d['split_sha256'][:16]}…")
    first, *_ = records = list(records)
    reads = "" if first["tokenizer"] else " (on the text itself, not the experiment's tokens)"
    console.print(f"  {first['baseline']}{reads} on the test part, {first['unit']}")
    for data in first["extra_data"]:
        console.print(f"  EXTRA DATA: {data}")
    table = Table("order", "model", "+ spelling", "= total", "tokens/character", "replaced")
    for record in records:
        test = record["test"]
        table.add_row(
            str(record["order"] or "–"),
            *format_bits(test["bits_per_character"]),
            f"{test['tokens_per_character']:.3f}" if record["tokenizer"] else "–",
            f"{test['replacement_rate']:.1%}",
        )
    console.print(table)
