"""python -m textgen.baseline EXPERIMENT: what n-grams and compressors make of the same text."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen import cli, config
from textgen.baselines import TABLE
from textgen.errors import TextgenError
from textgen.registry import lookup

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.corpora.loading import Loaded


def baseline(
    experiment: config.Experiment,
    loaded: Loaded,
    orders: Sequence[int] = (),
    *,
    kind: str = "kneser_ney",
) -> Iterator[dict[str, Any]]:
    """Fit baselines to the training split of an experiment, and score the test split.

    Args:
        experiment: its tokenizer, seed and document cache count; its backbone and training do not.
            Of a compressor not even these do.
        loaded: its corpus.
        orders: one model each; none: one model of the usual order.
        kind: an entry of :data:`textgen.baselines.TABLE`.

    Yields:
        One record a model: order, seconds to fit and score, and ``test``, the figures of
        :func:`textgen.likelihood.summarise`, with what they were measured on. What a baseline does
        not have (an order, a tokenizer, symbols) is None.

    Raises:
        TextgenError: no such kind, an order that it does not take, or too large a corpus.
    """
    from textgen import preparing
    from textgen.baselines.base import Bytes, score
    from textgen.likelihood import UNIT, summarise, tuned_cache
    from textgen.references import too_much

    entry = lookup("baseline", kind, "--kind")
    _check(orders, kind, entry)
    if why := too_much(entry.reads_bytes, loaded):
        raise TextgenError(
            f"--kind {kind}",
            found=why,
            expected="less: n-grams take some 150 bytes of memory a character, and a compressor "
            "reads all training text once a document",
            hint="take a part of the corpus",
        )
    codec = None
    if not entry.reads_bytes:
        codec = preparing.fitted(experiment.tokenizer, loaded, experiment.seed)
    reader = codec or Bytes()
    training = [reader.encode(d.text, training=True).symbols for d in loaded.train]
    test = [reader.encode(d.text) for d in loaded.test]
    cached = experiment.document_cache.orders if codec else ()
    validation = [reader.encode(d.text) for d in loaded.validation] if cached else []
    for made in [entry(order=order) for order in orders] or [entry()]:
        start = time.perf_counter()
        model, cache = made.fit(training, reader.size), None
        if cached:
            cache = tuned_cache(cached, score(model, loaded.validation, validation), validation)
        bits = score(model, loaded.test, test, cache)
        figures = summarise(bits, codec is None or codec.charged)
        if codec is None:  # a document is one piece
            figures |= dict.fromkeys(("symbols", "symbols_per_character"))
        yield {
            "baseline": kind,
            "order": getattr(made, "order", None),
            "experiment": experiment.name,
            "tokenizer": codec and experiment.resolved["tokenizer"],
            "seed": experiment.seed,
            "symbols": codec and codec.size,
            "extra_data": list(codec.extra_data) if codec else [],
            "unit": UNIT,
            "corpus": loaded.description,
            "seconds": time.perf_counter() - start,
            "test": figures,
        }


def _check(orders: Sequence[int], kind: str, entry: Any) -> None:
    allowed = entry.orders
    for order in orders:
        if not allowed:
            with_orders = [k for k in sorted(TABLE) if lookup("baseline", k, "--kind").orders]
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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser("baseline", "Score n-grams over an experiment's symbols, or compressors.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    parser.add_argument("--kind", choices=sorted(TABLE), default="kneser_ney")
    parser.add_argument(
        "--order",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help="symbols in the longest n-gram (if not given, 4), or bytes that ppmd looks back on "
        "(8); may be repeated",
    )
    cli.settings(parser, "split.seed=1")
    parser.add_argument("--json", action="store_true", help="one JSON record a model")
    return cli.guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.console import Screen
    from textgen.corpora.loading import load_corpus

    _check(given.order, given.kind, lookup("baseline", given.kind, "--kind"))
    experiment = config.load(given.experiment, given.set)
    loaded = load_corpus(experiment)
    screen = Screen(quiet=given.json)
    screen.corpus(experiment.name, loaded)
    found = baseline(experiment, loaded, given.order, kind=given.kind)
    if given.json:
        for record in found:
            print(json.dumps(record, ensure_ascii=False), flush=True)
    else:
        _print(screen.console, loaded, found)


def _print(console: Any, loaded: Loaded, records: Iterable[dict[str, Any]]) -> None:
    from rich.table import Table

    from textgen.console import figures

    d = loaded.description
    console.print(f"  corpus sha256 {d['sha256'][:16]}…  split sha256 {d['split_sha256'][:16]}…")
    first, *_ = records = list(records)
    reads = "" if first["tokenizer"] else " (on the text itself, not the experiment's symbols)"
    console.print(f"  {first['baseline']}{reads} on the test part, {first['unit']}")
    for data in first["extra_data"]:
        console.print(f"  EXTRA DATA: {data}")
    table = Table("order", "model", "+ spelling", "= total", "symbols/character", "replaced")
    for record in records:
        test = record["test"]
        table.add_row(
            str(record["order"] or "–"),
            *figures(test["bits_per_character"]),
            f"{test['symbols_per_character']:.3f}" if record["tokenizer"] else "–",
            f"{test['replacement_rate']:.1%}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
