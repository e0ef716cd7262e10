"""python -m textgen.baseline EXPERIMENT: what n-grams over the same symbols reach."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from textgen import cli, config
from textgen.baselines import TABLE
from textgen.corpora.loading import Loaded, load_corpus
from textgen.errors import TextgenError
from textgen.likelihood import UNIT, DocumentBits, summarise
from textgen.symbols import Encoded

ORDER = 4
LONGEST = 16
"""Longer n-grams hardly ever occur twice, and memory grows with their length."""


def baseline(
    experiment: config.Experiment,
    loaded: Loaded,
    orders: Sequence[int] = (ORDER,),
    *,
    kind: str = "kneser_ney",
) -> Iterator[dict[str, Any]]:
    """Fit n-grams to the training split, over an experiment's symbols, and score the test split.

    Args:
        experiment: its tokenizer and seed count; its backbone and training do not.
        loaded: its corpus.
        orders: one model each.
        kind: an entry of :data:`textgen.baselines.TABLE`.

    Yields:
        One record a model: order, seconds to fit and score, and ``test``, the figures of
        :func:`textgen.likelihood.summarise`, with what they were measured on.
    """
    module, _, name = TABLE[kind].partition(":")
    entry = getattr(importlib.import_module(module), name)
    texts = [d.text for d in loaded.train]
    codec = experiment.tokenizer.fit(texts, [d.text for d in loaded.validation], experiment.seed)
    training = [codec.encode(text, training=True).symbols for text in texts]
    test = [codec.encode(d.text) for d in loaded.test]
    for order in orders:
        start = time.perf_counter()
        bits = _document_bits(entry(order=order).fit(training, codec.size), loaded, test)
        yield {
            "baseline": kind,
            "order": order,
            "experiment": experiment.name,
            "tokenizer": experiment.resolved["tokenizer"],
            "seed": experiment.seed,
            "symbols": codec.size,
            "extra_data": list(codec.extra_data),
            "unit": UNIT,
            "corpus": loaded.description,
            "seconds": time.perf_counter() - start,
            "test": summarise(bits, codec.charged),
        }


def _document_bits(model: Any, loaded: Loaded, encoded: Sequence[Encoded]) -> list[DocumentBits]:
    bits = model.symbol_bits([e.symbols for e in encoded])
    return [
        DocumentBits(d.name, e.characters, b, e.spelling_bits, e.tokens, e.replaced)
        for d, e, b in zip(loaded.test, encoded, bits, strict=True)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser("baseline", "Score n-grams over the symbols of an experiment.")
    parser.add_argument("experiment", type=Path, help="a TOML file, e.g. experiments/char.toml")
    parser.add_argument("--kind", choices=sorted(TABLE), default="kneser_ney")
    parser.add_argument(
        "--order",
        action="append",
        type=int,
        default=[],
        metavar="N",
        help=f"symbols in the longest n-gram, {ORDER} if not given; may be repeated",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="change a setting, e.g. --set split.seed=1; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="one JSON record an order")
    return cli.guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.console import Screen

    orders = given.order or [ORDER]
    for order in orders:
        if not 1 <= order <= LONGEST:
            raise TextgenError(
                "--order", found=str(order), expected=f"a whole number from 1 to {LONGEST}"
            )
    experiment = config.load(given.experiment, given.set)
    loaded = load_corpus(experiment)
    screen = Screen(quiet=given.json)
    screen.corpus(experiment.name, loaded)
    found = baseline(experiment, loaded, orders, kind=given.kind)
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
    console.print(f"  {first['baseline']} on the test part, {first['unit']}")
    for data in first["extra_data"]:
        console.print(f"  EXTRA DATA: {data}")
    table = Table("order", "model", "+ spelling", "= total", "symbols/character", "replaced")
    for record in records:
        test = record["test"]
        table.add_row(
            str(record["order"]),
            *figures(test["bits_per_character"]),
            f"{test['symbols_per_character']:.3f}",
            f"{test['replacement_rate']:.1%}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
