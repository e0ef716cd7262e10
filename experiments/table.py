"""Fills the tables of README.md and of the pages under experiments/ from the results of runs.

    python experiments/table.py [FOLDER]   copies what FOLDER holds into experiments/results
                                           first: metrics.json (and article.json) of runs, or
                                           the report.json and the figures of a report; then
                                           writes every table between its two marks

A test fails when a table differs from the results it stands for.
"""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textgen.evaluation import format_bits, format_number, markdown_table
from textgen.report import figures
from textgen.report.drawing import write_svg
from textgen.runs.generation import annotated

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
PAGES = (ROOT / "README.md", *sorted((ROOT / "experiments").rglob("*.md")))
MARK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
PREDICTED = {1: 1.95, 2: 2.91, 3: 3.57, 5: 4.20, 10: 4.33, 50: 4.345}
"""Entropy of a character given the text up to s back, n-gram estimates on one split."""
PLACES = (1, 2, 3, 5, 10, 20, 30, 50)
ARMS = (
    "char subword_bpe word_full word_rare_unk word_rare_pos word_rare_noun word_rare_cluster "
    "word_rare_neighbour word_rare_drop word_spell word_word2vec word_fasttext"
).split()
COUNTS = (1, 2, 3, 5, 10)
LANGUAGES = "basque cherokee estonian gujarati swahili ukrainian japanese".split()
ARCHITECTURES = {"lstm": "LSTM", "gru": "GRU", "mingru": "minGRU", "transformer": "transformer"}
LEVELS = ("char", "subword", "word")
SETTINGS = ("100_units_50", "125_units_30", "150_units_50", "100_units_10")


def result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def bits(metrics: dict[str, Any], part: str = "test") -> float:
    return metrics[part]["bits_per_character"]["total"]


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table whose head has its columns separated by bars."""
    return markdown_table(head.split("|"), rows) + "\n"


def three(figures: dict[str, Any]) -> list[str]:
    return list(format_bits(figures["bits_per_character"]))


def split(bits: dict[str, Any]) -> str:
    model, spelling, _ = format_bits(bits)
    return f"{model} + {spelling}"


def real_words(metrics: dict[str, Any]) -> str:
    shares = metrics["generation"]["real_words"]
    return f"{shares['samples']['strict']:.1%} ({shares['human']['strict']:.1%})"


def millions(number: float, digits: int = 1) -> str:
    return f"{number / 1e6:.{digits}f} M"


NO_CACHE = " --set memory.orders=[]"
GONE = ("tokenizer.rare_words.memory=false",)
"""Settings that runs were made with and that say what always holds today."""
ON_ONE_CORE = f"{NO_CACHE} --set training.threads=1 --set training.seconds=2000"
SETTINGS_OF = {
    "word_count_5": f"word_count_5.toml{NO_CACHE}",
    "char_hour": "char_hour.toml",
    "char_hour_dropout": "char_hour.toml --set backbone.dropout=0.3 --name char_hour_dropout",
    "char_hour_weight_drop": "char_hour.toml --set backbone.weight_drop=0.25 "
    "--name char_hour_weight_drop",
    "char_hour_two_layers": "char_hour.toml --set backbone.units=[512,512] "
    "--set backbone.weight_drop=0.25 --set training.batch=64 --set training.learning_rate=4e-3"
    f"{NO_CACHE} --name char_hour_two_layers",
    "word_hour": f"word_hour.toml{ON_ONE_CORE}",
    "word_hour_untied": "word_hour.toml --set backbone.tied_output=false "
    f"--set backbone.adaptive_softmax.head=2000{ON_ONE_CORE} --name word_hour_untied",
    "hour_alone/word_hour": "word_hour.toml --set 'backbone.adaptive_softmax={head=2000}' "
    "--set training.threads=1 --set memory.learning_rate=1.5e-4",
    "hour_alone/char_hour": "char_hour.toml --set backbone.units=[512] "
    "--set training.threads=1 --set memory.learning_rate=1.5e-4",
}
"""What the command of a run says where it is not its file alone."""


def two_cores_table(folder: str) -> str:
    """The runs of a folder of results."""
    rows = []
    for path in sorted((RESULTS / folder).glob("*.json")):
        m = result(f"{folder}/{path.stem}")
        training = m["training"]
        settings = SETTINGS_OF.get(path.stem, f"{path.stem}.toml{NO_CACHE}")
        rows.append(
            [
                f"`python -m textgen.run experiments/{settings}`",
                *three(m["test"]),
                real_words(m),
                millions(training["parameters"], 2),
                millions(training["characters"]),
                f"{training['seconds']:.0f}",
            ]
        )
    head = "command|model|+ spelling|= bpc|real words (human)|parameters|characters seen|seconds"
    return table(head, rows)


def search_table(name: str) -> str:
    """Trials of a search, best first, by validation bits per character."""
    trials = json.loads((RESULTS / "search" / f"{name}.json").read_text("utf-8"))
    rows = [
        [
            f"`{trial}`",
            ", ".join(f"`{setting}`" for setting in found["settings"] if setting not in GONE)
            or "as in the file",
            f"{found['validation']:.4f}",
            f"{found['updates']:,}",
            f"{found['milliseconds_per_update']:.1f}",
            millions(found["parameters"], 2),
            f"`{found['kernel']}`",
        ]
        for trial, found in sorted(trials.items(), key=lambda item: item[1]["validation"])
    ]
    head = "trial|settings|validation bpc|updates planned|ms an update|parameters|kernel"
    return table(head, rows)


def arms_table() -> str:
    """Arms by their total, best first."""
    rows = []
    for m in sorted(map(result, ARMS), key=bits):
        training, bits_ = m["training"], m["test"]["bits_per_character"]
        rows.append(
            [
                f"`{m['name']}`",
                f"**{format_number(bits_['total'])}**",
                split(bits_),
                format_number(m["test"]["mean_over_documents"]),
                f"{m['test']['replacement_rate']:.1%}",
                f"{m['test']['tokens_per_character']:.3f}",
                real_words(m),
                millions(training["parameters"], 2),
                millions(training["characters"]),
                f"{training['preparation_seconds']:.0f} + {training['seconds']:.0f}",
            ]
        )
    head = (
        "arm|bpc|model + spelling|mean over tales|replaced|"
        "tokens a character|real words (human)|parameters|characters seen|"
        "preparation + training, s"
    )
    return table(head, rows)


def reversal_table() -> str:
    """One policy at several minimum counts, and what an n-gram makes of the same tokens."""
    rows = []
    for count in COUNTS:
        m = result({1: "word_full", 2: "word_rare_unk"}.get(count, f"word_rare_unk_{count}"))
        gram, plain = (ngram(f"unk_{count}{end}") for end in ("", "_no_recall"))
        spelling = plain["test"]["bits_per_character"]["spelling"]
        parts = [each["test"]["bits_per_character"]["model"] for each in (m, gram)]
        rows.append(
            [
                str(count),
                f"{m['vocabulary_size']:,}",
                f"{m['test']['replacement_rate']:.1%}",
                *three(m["test"]),
                *three(gram["test"]),
                format_number(spelling),
                *(format_number(part + spelling) for part in parts),
            ]
        )
    head = (
        "minimum count|vocabulary|replaced|LSTM: model|+ spelling|= total|"
        "4-gram: model|+ spelling|= total|"
        "without recall: + spelling|LSTM = total|4-gram = total"
    )
    return table(head, rows)


def alone_table(folder: str) -> str:
    """Runs by their network alone, best first, and what they reach with a memory."""
    found = [result(f"{folder}/{path.stem}") for path in (RESULTS / folder).glob("*.json")]
    rows = []
    for m in sorted(found, key=bits):
        training, both = m["training"], m["test"]["with_memory"]["bits_per_character"]
        settings = SETTINGS_OF.get(f"{folder}/{m['name']}", f"{m['name']}.toml")
        rows.append(
            [
                f"`python -m textgen.run experiments/{settings}`",
                *three(m["test"]),
                format_number(both["total"]),
                format_number(both["total"] - bits(m)),
                millions(training["parameters"], 2),
                f"{training['updates']:,}",
                f"{training['preparation_seconds']:.0f} + {training['seconds']:.0f}",
            ]
        )
    return table(
        "command|model|+ spelling|= bpc, network alone|with memory|the memory's part|parameters|"
        "updates|preparation + training, s",
        rows,
    )


def ngram(name: str) -> dict[str, Any]:
    return result(f"ngrams/{name}")


def ngrams_table() -> str:
    rows = []
    for path in sorted((RESULTS / "ngrams").glob("*.json")):
        m = ngram(path.stem)
        if not path.stem.startswith("unk_") and not path.stem.endswith("_memory"):
            rows.append([f"`{m['experiment']}`", str(m["order"]), *three(m["test"])])
    return table("tokens of|order|model|+ spelling|= total", rows)


def cache_table() -> str:
    """What a memory of the document saves of the spelling, by policy and minimum count."""
    rows = []
    for path in sorted((RESULTS / "ngrams").glob("*_memory.json")):
        cached, plain = ngram(path.stem), ngram(path.stem.removesuffix("_memory"))
        name, count = cached["experiment"], re.match(r"unk_(\d+)", path.stem)
        (_, before, total), (_, after, lower) = (three(each["test"]) for each in (plain, cached))
        saved = bits(plain) - bits(cached)
        minimum = count[1] if count else "2"
        rows.append([f"`{name}`", minimum, before, after, f"{saved:.3f}", total, lower])
    rows.sort(key=lambda row: (row[0], int(row[1])))
    head = (
        "arm|minimum count|spelling without|with a memory|saved|4-gram, total without|with a memory"
    )
    return table(head, rows)


def samples_list() -> str:
    """The first sentence with a filled placeholder of each of ten samples."""
    sentences = json.loads((RESULTS / "samples" / "word_rare_pos.json").read_text("utf-8"))
    return "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(sentences, 1)) + "\n"


def first_sentences(records: Sequence[dict[str, Any]]) -> list[str]:
    """Of each sample the first whole sentence that holds a filled placeholder, those in bold."""
    found = []
    for record in records:
        marked = annotated(record, "**{}** ({})")
        sentences = re.split(r"(?<=[.!?])\s+", " ".join(marked.split()))
        found += [s for s in sentences[1:-1] if "**" in s][:1]
    return found


def readings_table() -> str:
    rows = []
    names = [f"{s}_{reading}" for reading in ("block", "next") for s in SETTINGS]
    for name in [*names, "100_units_50_next_categorical", "150_units_50_next_long"]:
        m = result(name)
        words = m["generation"]["real_words"]
        rows.append(
            [
                f"`{name}`",
                m["training"]["loss"],
                f"{m['training']['final_loss']:.4f}",
                f"{bits(m):.3f}",
                millions(m["training"]["characters"]),
                f"{words['samples']['in_training']:.0%}",
                f"{words['article_readout']['in_training']:.0%} "
                f"of {words['article_readout']['words']}",
            ]
        )
    head = (
        "run|loss|its value at the end|bpc|"
        "characters seen|known words, sampled|known words, read out"
    )
    return table(head, rows)


AUTHOR = "the author's stored weights|2,420|0.0306|2.76 to 2.78||25%|57%|71%||"
"""As measured on them; see the page."""


def known_words(measured: dict[str, Any], way: str, temperature: str = "") -> str:
    """Share of known words among those of two letters or more, of how many where they are few, and
    among all; empty where it was not measured."""
    found = measured["known_words"].get(way)
    if found is None:
        return ""
    found = found[temperature] if temperature else found
    few = f" of {found['longer_words']}" if found["longer_words"] < 1000 else ""
    return f"{found['longer_known']:.0%}{few} ({found['known']:.0%})"


def measured(name: str) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """metrics.json and article.json of a run, and updates, loss, bits on its training text and on
    the tales held out."""
    metrics, found = result(f"article/{name}"), result(f"article/{name}_measured")
    training = metrics["training"]
    figures = [f"{training['updates']:,}", f"{training['final_loss']:.4f}"]
    train = found["training_text"]["bits_per_character"]["total"]
    return metrics, found, [*figures, f"{train:.3f}", f"{bits(metrics):.3f}"]


def exact_table() -> str:
    """The article's runs repeated, as far as they were, and the author's own weights."""
    rows = [AUTHOR.split("|")]
    for name in ("50_to_50_125_units_batch_256", "small_batches_next", "10_to_10_short"):
        _, found, figures = measured(name)
        shares = [
            known_words(found, way, temperature)
            for way in ("fed_back", "fed_back_and_carried_on")
            for temperature in ("0.8", "0.5")
        ]
        rows.append([f"`{name}`", *figures, known_words(found, "read_out"), *shares])
    head = (
        "run|updates|binary cross-entropy|bpc, training text|bpc, tales held out|"
        "known words: read out|fed back at 0.8|at 0.5|fed back, state carried on, at 0.8|at 0.5"
    )
    return table(head, rows)


def ablation_table() -> str:
    """Read-out (columns), optimiser settings and target (rows)."""
    rows = []
    for batches, target in itertools.product(("large", "small"), ("next", "block")):
        name = f"{batches}_batches_{target}"
        metrics, found, figures = measured(name)
        rows.append(
            [
                f"`{name}`",
                "4,096 at 5e-4" if batches == "large" else "64 at 1e-3",
                "one character on" if target == "next" else "the next block",
                millions(metrics["training"]["characters"]),
                *figures,
                known_words(found, "read_out"),
                known_words(found, "fed_back", "0.8"),
            ]
        )
    head = (
        "run|batch and learning rate|target|characters seen|updates|binary cross-entropy|"
        "bpc, training text|bpc, tales held out|"
        "known words: read out, not fed back|sampled at 0.8, fed back"
    )
    return table(head, rows)


def sweep_table() -> str:
    rows = []
    for shift, predicted in PREDICTED.items():
        measured = bits(result(f"shift_{shift}"))
        within = "yes" if abs(measured - predicted) <= 0.15 else "no"
        shown = format_number(predicted), format_number(measured)
        rows.append([str(shift), *shown, f"{measured - predicted:+.3f}", within])
    return table("shift|predicted|measured|difference|within 0.15", rows)


def positions_table() -> str:
    rows = []
    for name in ("shift_50", "decoder_one_shot_50", "decoder_one_shot_30", "decoder_feedback_50"):
        m = result(name)
        by = m["test"]["model_bits_by_position"]
        figures = [f"{by[p - 1]:.2f}" if p <= len(by) else "" for p in PLACES]
        rows.append([f"`{name}`", f"{bits(m):.3f}", *figures])
    return table("|".join(["run", "bpc", *(f"place {p}" for p in PLACES)]), rows)


def study_table(name: str) -> str:
    """The arms of a study, best first, and the lines beside them."""
    report = result(f"reports/{name}")
    older = any(arm["test"].get("memory_saves") for arm in report["arms"])
    both = any(arm["test"].get("with_memory") for arm in report["arms"])

    def costs(test: dict[str, Any]) -> list[str]:
        """Interval, model + spelling, and the total with a memory if any arm of the study has one;
        in older reports, whose totals are with it, what it saves."""
        saved, remembered = test.get("memory_saves"), test.get("with_memory")
        shown = [f"{test['low']:.3f} to {test['high']:.3f}", split(test)]
        shown += [format_number(saved) if saved else ""] * older
        return shown + [format_number(remembered["total"]) if remembered else ""] * both

    rows = []
    for arm in sorted(report["arms"], key=lambda arm: arm["test"]["total"]):
        test = arm["test"]
        rows.append(
            [
                f"`{arm['name']}`",
                f"**{format_number(test['total'])}**",
                *costs(test),
                f"{format_number(test['deviation'], 4)} ({len(arm['seeds'])})",
                f"{arm['replacement_rate']:.1%}",
                millions(arm["parameters"], 2),
                millions(arm["characters"]),
                f"{arm['seconds']:.0f}",
            ]
        )
    for line in sorted(report["references"], key=lambda line: line["test"]["total"]):
        test = line["test"]
        rows.append([line["label"], format_number(test["total"]), *costs(test), *[""] * 5])
    head = (
        "arm|bpc"
        + ", with memory" * older
        + "|95 % interval|model + spelling|"
        + "memory saves|" * older
        + "with memory|" * both
        + "deviation over seeds (number)|replaced|parameters|characters seen|seconds"
    )
    return table(head, rows)


def architectures_table() -> str:
    """Held-out bits per character of architectures (rows) by level, with intervals."""
    arms = {arm["name"]: arm for arm in result("reports/study_architectures")["arms"]}
    rows = []
    for kind, name in ARCHITECTURES.items():
        cells = []
        for level in LEVELS:
            arm, others = arms[f"{kind}_{level}"], (arms[f"{k}_{level}"] for k in ARCHITECTURES)
            test, best = arm["test"], min(each["test"]["total"] for each in others)
            total = format_number(test["total"])
            total = f"**{total}**" if test["total"] == best else total
            cells.append(f"{total} ({test['low']:.3f} to {test['high']:.3f})")
            cells.append(millions(arm["parameters"]))
        rows.append([name, *cells])
    head = "|".join(f"{level}s (95 % interval)|parameters" for level in LEVELS)
    return table(f"architecture|{head}", rows)


def equal_search_table(name: str) -> str:
    """The arms of an equal search: the first and the best trial, and what changed between."""
    rows = []
    for arm, trials in result(f"search/{name}").items():
        first, best = trials[0], min(trials, key=lambda trial: trial["validation"])
        changed = [
            f"`{key}` = {json.dumps(value)}"
            for key, value in best["settings"].items()
            if value != first["settings"][key]
        ]
        rows.append(
            [
                arm,
                str(len(trials)),
                format_number(first["validation"]),
                format_number(best["validation"]),
                ", ".join(changed) or "the first",
                f"{best['updates']:,}",
                f"{best['milliseconds_per_update']:.1f}",
                millions(best["parameters"], 2),
            ]
        )
    head = "arm|trials|first, validation bpc|best|changed in the best|its updates|ms an update"
    return table(f"{head}|parameters", rows)


def cache_orders_table() -> str:
    """Validation figures of some runs by the orders of a memory of the document, and by
    whether it tells kinds of context apart."""
    rows = [
        [
            f"`{run}`",
            ", ".join(map(str, trial["orders"])) or "no memory",
            f"{trial['one_kind']:.4f}" if trial["orders"] else "",
            f"{trial['validation']:.4f}",
        ]
        for run, trials in result("memory/orders").items()
        for trial in trials
    ]
    return table("run of the study|orders|one kind|six kinds of context", rows)


def training_counts_table() -> str:
    """Test figures of some runs with what was counted in the document, the training text, both."""
    keys = ("network", "network and document", "training", "training and document")
    rows = [
        [f"`{run}`", *(f"{found[key]:.3f}" for key in keys)]
        for run, found in result("memory/training").items()
    ]
    head = "run|network|with the document|with the training text|with both"
    return table(head, rows)


def verdicts_table(name: str) -> str:
    """What a study was asked, and the answers."""
    report = result(f"reports/{name}")
    older = any(arm["test"].get("memory_saves") for arm in report["arms"])
    asked = report["contrasts"]
    both = any(c.get("with_memory") for c in asked)
    rows = [
        [
            c["question"],
            f"**{c['verdict']}**" + ", of these runs" * (c["scope"] == "these runs"),
            f"`{c['first']}` − `{c['second']}`: {c['difference']:+.3f}",
            f"{c['low']:+.3f} to {c['high']:+.3f}",
            f"{c['p_adjusted']:.3f}",
        ]
        + [f"{m['verdict']}, {m['difference']:+.3f}" for m in [c.get("with_memory")] if m]
        for c in asked
    ]
    head = "question|answer|difference, bpc" + ", with memory" * older
    head += "|95 % interval|p (Holm)" + "|with memory" * both
    return table(head, rows)


def languages_table() -> str:
    """Bits per character of languages (rows) by level (columns), and what the same books cost."""
    rows = []
    for language in LANGUAGES:
        found = [result(f"languages/{language}_{level}") for level in ("char", "subword", "word")]
        alone, words = [bits(m) for m in found], found[2]["test"]
        both = [m["test"]["with_memory"]["bits_per_character"]["total"] for m in found]
        best = min(alone)
        published = found[alone.index(best)]["test"]["published"]["alone"]
        kilobits = best * (words["characters"] + words["documents"]) / 1000
        rows.append(
            [
                language.capitalize(),
                f"{words['characters']:,}",
                *(f"**{b:.3f}**" if b == best else format_number(b) for b in alone),
                *map(format_number, both),
                f"{words['replacement_rate']:.1%}",
                format_number(published["bits_per_byte"]["as_published"]),
                f"{kilobits:,.0f}",
            ]
        )
    head = (
        "language|test characters|characters|subwords|words|characters, with memory|"
        "subwords, with memory|words, with memory|words replaced|best, bits per byte|"
        "best, kilobits"
    )
    return table(head, rows)


def tiny_shakespeare_table() -> str:
    """nanoGPT's recipe and the arms on the held-out tenth of tiny Shakespeare, best first."""
    rows, recipe = [], RESULTS.parent / "benchmarks" / "nanogpt_cpu.json"
    for found in json.loads(recipe.read_text(encoding="utf-8")):
        asked = "iterations" if found["asked"]["iterations"] else "seconds"
        trained = f"{found['iterations']:,} iterations, {found['seconds']:.0f} s"
        command = f"nanogpt_cpu.py INPUT --{asked} {found['asked'][asked]:.0f}"
        command += f" --train {found['train']}" * (found["train"] != 0.9)
        for way in ("strided", "side_by_side"):
            nats = found[way]["nats_per_character"]
            shown = [f"**{nats:.4f}**", f"{found[way]['bits_per_character']:.3f}", "", "", ""]
            trained_on = f"{trained}, {found['threads']} thread{'s' * (found['threads'] > 1)}"
            rows.append((nats, [f"`{command}`, {way.replace('_', ' ')}", trained_on, *shown]))
    for arm in ("char", "transformer", "subword", "word", "char_tuned", "word_tuned"):
        m = result(f"benchmarks/tiny_shakespeare_{arm}")
        alone, both = m["test"]["published"]["alone"], m["test"]["published"]["with_memory"]
        nats, bits_, token, word = (
            alone[f"{unit}"]["as_published"]
            for unit in (
                "nats_per_character", "bits_per_character", "perplexity_per_token",
                "perplexity_per_word",
            )
        )  # fmt: skip
        training = m["training"]
        seconds = training["preparation_seconds"] + training["seconds"]
        rows.append(
            (
                nats,
                [
                    f"`{m['name']}`",
                    f"{training['updates']:,} updates, {seconds:.0f} s, 2 threads",
                    f"**{nats:.4f}**",
                    f"{bits_:.3f}",
                    f"{token:.1f}",
                    f"{word:,.0f}",
                    f"{both['nats_per_character']['as_published']:.4f}",
                ],
            )
        )
    head = "model|training|nats|bits|perplexity per token|perplexity per word|nats, with memory"
    return table(head, [row for _, row in sorted(rows)])


TABLES: dict[str, Callable[[], str]] = {
    "tiny_shakespeare": tiny_shakespeare_table,
    "languages": languages_table,
    "study": lambda: study_table("study"),
    "verdicts": lambda: verdicts_table("study"),
    "study_levels": lambda: study_table("study_levels"),
    "verdicts_levels": lambda: verdicts_table("study_levels"),
    "study_laptop": lambda: study_table("study_laptop"),
    "verdicts_laptop": lambda: verdicts_table("study_laptop"),
    "study_slow": lambda: study_table("study_slow"),
    "study_one_core": lambda: study_table("study_one_core"),
    "verdicts_one_core": lambda: verdicts_table("study_one_core"),
    "arms": arms_table,
    "alone": lambda: alone_table("alone"),
    "hour_alone": lambda: alone_table("hour_alone"),
    "two_cores": lambda: two_cores_table("two_cores"),
    "hour": lambda: two_cores_table("hour"),
    "search_char": lambda: search_table("char"),
    "search_words": lambda: search_table("words"),
    "search_subwords": lambda: search_table("subwords"),
    "architectures": architectures_table,
    "search_architectures": lambda: equal_search_table("architectures"),
    "verdicts_architectures": lambda: verdicts_table("study_architectures"),
    "study_shakespeare": lambda: study_table("study_shakespeare"),
    "verdicts_shakespeare": lambda: verdicts_table("study_shakespeare"),
    "search_auto_1": lambda: search_table("auto_1"),
    "search_auto_2": lambda: search_table("auto_2"),
    "search_scaling_char": lambda: search_table("scaling_char"),
    "search_scaling_subword": lambda: search_table("scaling_subword"),
    "search_scaling_word": lambda: search_table("scaling_word"),
    "search_ngrams": lambda: search_table("ngrams"),
    "reversal": reversal_table,
    "ngrams": ngrams_table,
    "memory": cache_table,
    "cache_orders": cache_orders_table,
    "training_counts": training_counts_table,
    "precision": lambda: study_table("precision"),
    "verdicts_precision": lambda: verdicts_table("precision"),
    "samples": samples_list,
    "readings": readings_table,
    "exact": exact_table,
    "ablation": ablation_table,
    "sweep": sweep_table,
    "positions": positions_table,
}


def filled(page: str) -> str:
    """The page with every table as the results have it."""
    return MARK.sub(lambda m: m[1] + "\n" + TABLES[m[2]]() + "\n" + m[3], page)


FIGURES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "overview": figures.overview,
    "curves": lambda report: figures.with_legend(figures.curves(report, "seconds"), report),
}


def take_report(folder: Path) -> None:
    """Keep a report's figures, which hold no text, and its drawings."""
    report = json.loads((folder / "report.json").read_text("utf-8"))
    kept = RESULTS / "reports"
    kept.mkdir(exist_ok=True)
    text = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
    (kept / f"{report['name']}.json").write_text(text + "\n", "utf-8")
    for kind in FIGURES:
        write_svg(kept / f"{report['name']}_{kind}.svg", FIGURES[kind](report))


def main(runs: str | None) -> None:
    if runs and (Path(runs) / "report.json").exists():
        take_report(Path(runs))
    elif runs:
        for path in sorted(Path(runs).rglob("metrics.json")):
            copy = RESULTS / path.parent.relative_to(runs).with_suffix(".json")
            copy.parent.mkdir(parents=True, exist_ok=True)
            metrics = json.loads(path.read_text(encoding="utf-8"))
            origin = metrics["corpus"]["origin"]
            if Path(origin).is_absolute():  # where a text lay on this machine is nobody's business
                metrics["corpus"]["origin"] = Path(origin).name
            text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
            copy.write_text(text, encoding="utf-8")
            if (path.parent / "article.json").exists():
                copy = copy.with_name(f"{copy.stem}_measured.json")
                copy.write_bytes((path.parent / "article.json").read_bytes())
        drawn = Path(runs) / "word_rare_pos_samples.json"
        if drawn.exists():
            records = [json.loads(line) for line in drawn.read_text("utf-8").splitlines()]
            text = json.dumps(first_sentences(records)[:10], indent=2, ensure_ascii=False)
            (RESULTS / "samples").mkdir(exist_ok=True)
            (RESULTS / "samples" / "word_rare_pos.json").write_text(text + "\n", "utf-8")
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
