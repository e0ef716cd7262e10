"""Fills the marked tables of README.md and of the pages in docs/ and experiments/ from the results
of runs.

    python experiments/research/tools/table.py [QUESTION FOLDER]

It writes every table between its two marks. With a question, the name of a folder in
experiments/research, it first copies what FOLDER holds into that question's results: metrics.json
(and article.json) of runs, the report.json and the figures of a report, or the cells of a grid.

A mark names a table and the results that it is drawn from, ``QUESTION/NAME``. A test fails when a
table differs from its results.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import statistics
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from textgen.core.files import write_json
from textgen.core.reading import find_experiment
from textgen.evaluation.significance import LEVEL, Lead
from textgen.evaluation.units import PART_LABELS, format_number, markdown_table
from textgen.report.comparison import Comparison, result_lines
from textgen.report.grid import CELLS_FOLDER, GRID_FILE, Grid, compare_cells
from textgen.report.schema import Report, Texts
from textgen.report.sentences import WHERE
from textgen.studies.study import load_study
from textgen.studies.tuning import Trial, Tuning, summary

sys.path.append(str(Path(__file__).parents[1] / "one_list"))
sys.path.append(str(Path(__file__).parents[1] / "what_predicts"))
sys.path.append(str(Path(__file__).parents[1] / "unit_worth"))
import choose
import unit_worth
import unit_worth_outcomes as outcomes
import unit_worth_page
import what_predicts

RESEARCH = Path(__file__).parents[1]
ROOT = RESEARCH.parents[1]
PAGES = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "experiments").rglob("*.md")),
)
MARK = re.compile(r"(<!-- table: ([\w/ -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
ARCHITECTURES = {"lstm": "LSTM", "gru": "GRU", "mingru": "minGRU", "transformer": "transformer"}
SEARCHES = "words_or_characters"  # the question that textgen tune was asked for
ENGLISH = ("tales", "speeches")  # the texts of README's answer
LEVELS = {"char": "characters", "subword": "subwords", "word": "words"}


def stored(name: str) -> Path:
    """The file or folder of results that a page calls QUESTION/NAME."""
    question, _, rest = name.partition("/")
    return RESEARCH / question / "results" / rest


def result(name: str) -> dict[str, Any]:
    return json.loads(stored(f"{name}.json").read_text(encoding="utf-8"))


def bits(metrics: dict[str, Any], part: str = "test") -> float:
    return metrics[part]["bits_per_character"]["total"]


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table whose head has its columns separated by bars."""
    return markdown_table(head.split("|"), rows) + "\n"


def wrapped(text: str, indent: str = "") -> str:
    """In lines as pages have them; never within a word, where a line end would become a space."""
    return textwrap.fill(text, 140, subsequent_indent=indent, break_on_hyphens=False)


def millions(number: float, digits: int = 1) -> str:
    return f"{number / 1e6:.{digits}f} M"


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


def ablation_table() -> str:
    """Read-out (columns), optimiser settings and target (rows)."""
    rows = []
    for batches, target in itertools.product(("large", "small"), ("next", "block")):
        name = f"{batches}_batches_{target}"
        metrics, found, figures = measured(name)
        batch = "4,096 at 5e-4" if batches == "large" else "64 at 1e-3"
        aim = "one character on" if target == "next" else "the next block"
        known = [known_words(found, "read_out"), known_words(found, "fed_back", "0.8")]
        seen = millions(metrics["training"]["characters"])
        rows.append([f"`{name}`", batch, aim, seen, *figures, *known])
    head = (
        "run|batch and learning rate|target|characters seen|updates|binary cross-entropy|"
        "bpc, training text|bpc, tales held out|"
        "known words: read out, not fed back|sampled at 0.8, fed back"
    )
    return table(head, rows)


def candidate_table(name: str) -> str:
    """Trainings with a change beside those without: bits per character of validation text, what
    the change loses, and updates."""
    found = result(name)
    trained = dict[tuple[str, str, int, bool], dict[str, Any]]()
    for each in found["trainings"]:
        trained[each["level"], each["text"], each["seed"], each["changed"]] = each
    rows = []
    for level, text, seed in dict.fromkeys(key[:3] for key in sorted(trained)):
        before = trained[level, text, seed, False]
        after = trained[level, text, seed, True]
        bits_of = [f"{each['bits']:.3f}" for each in (before, after)]
        loss = f"{after['bits'] - before['bits']:.3f}"
        updates = f"{before['updates']:,} and {after['updates']:,}"
        rows.append([level, text, str(seed), *bits_of, loss, updates])
    first, second = found["names"]
    return table(f"level|text|seed|{first}|{second}|loss|updates, {first} and {second}", rows)


def architectures_table() -> str:
    """Held-out bits per character of architectures (rows) by level, with intervals."""
    arms = {arm["name"]: arm for arm in result("architectures/study_architectures")["arms"]}
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
    head = "|".join(f"{level} (95% interval)|parameters" for level in LEVELS.values())
    return table(f"architecture|{head}", rows)


def verdicts_table(name: str) -> str:
    """What a study was asked, and the answers."""
    answers = {"better": "Yes", "worse": "No", "equal": "No", "can't tell": "Too close to call"}
    rows = []
    for c in result(name)["contrasts"]:
        figures = f"{c['difference']:+.3f}", f"{c['low']:+.3f} to {c['high']:+.3f}"
        rows.append([c["question"], f"**{answers[c['verdict']]}**", *figures])
    return table("question|answer|bits per character|95% interval", rows)


def tiny_shakespeare_table() -> str:
    """nanoGPT's recipe and the arms on the held-out tenth of tiny Shakespeare, best first; means
    over seeds."""
    rows = []

    def add(model: str, training: str, seeds: Sequence[float], memory: str = "") -> None:
        bits_ = statistics.mean(seeds)
        spread = f"{statistics.stdev(seeds):.4f}" if len(seeds) > 1 else ""
        nats = f"**{bits_ * math.log(2):.4f}**"
        row = [model, training, nats, f"{bits_:.3f}", spread, f"{len(seeds)}", memory]
        rows.append((bits_, row))

    recipe = result("shakespeare/nanogpt_cpu")
    by_asked = itertools.groupby(recipe, lambda r: (r["asked"], r["train"], r["threads"]))
    for (asked, share, threads), group in by_asked:
        runs = list(group)
        unit = "iterations" if asked["iterations"] else "seconds"
        command = f"nanogpt_cpu.py INPUT --{unit} {asked[unit]:.0f}"
        command += f" --train {share}" * (share != 0.9)
        updates, seconds = (statistics.mean(r[k] for r in runs) for k in ("iterations", "seconds"))
        training = f"{updates:,.0f} iterations, {seconds:.0f} s, "
        training += f"{threads} thread{'s' * (threads > 1)}"
        for way in ("strided", "side_by_side"):
            name = f"`{command}`, {way.replace('_', ' ')}"
            add(name, training, [r[way]["bits_per_character"] for r in runs])
    for arm in result("shakespeare/study_shakespeare")["arms"]:
        training = f"{arm['updates'][0]:,} updates, {arm['seconds']:.0f} s, 2 threads"
        memory = arm["test"]["with_memory"]["total"] * math.log(2)
        add(f"`{arm['name']}`", training, [r["total"] for r in arm["runs"]], f"{memory:.4f}")
    head = "model|training|nats|bits|deviation over seeds, bits|seeds|nats, with cache"
    return table(head, [row for _, row in sorted(rows)])


def parts_table(study: str) -> str:
    """Bits per character of a study's arms by part, and how much of them n-grams spell."""
    rows = []
    for arm in sorted(result(study)["arms"], key=lambda arm: arm["test"]["total"]):
        cells = [f"{arm['parts'][part]['total']:.3f}" for part in PART_LABELS]
        network = arm["parts"]["network"]
        interval = f"{network['low']:.3f} to {network['high']:.3f}"
        spelled = f"{network['spelling'] / network['total']:.0%}"
        deviation = f"{network['deviation']:.4f}"
        own = [f"`{arm['name']}`", f"**{cells[0]}**", interval, deviation, *cells[1:], spelled]
        rows.append([*own, f"{arm['updates'][0]:,}", millions(arm["parameters"])])
    head = "arm|network|95% interval|deviation over seeds|with counts|with cache|counts alone"
    return table(head + "|of the network's, spelled by n-grams|updates|parameters", rows)


def _lead(found: dict[str, Any]) -> str:
    return f"{found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def parts_leads_table(study: str) -> str:
    """The first arm's bits minus the second's: by networks, what counts and cache change, and under
    both; where the characters of the networks' lead stand."""
    rows = []
    for c in result(study)["contrasts"]:
        changes = [_lead(c["changes"][part]) for part in ("with_counts", "with_cache")]
        both = f"{c['parts']['with_cache']['difference']:+.3f}"
        rows.append([f"`{c['first']}` − `{c['second']}`", f"**{_lead(c)}**", *changes, both])
    return table("difference|networks|counts change|caches change|with both", rows)


def parts_where_table(study: str) -> str:
    """Where the characters of the networks' differences stand."""
    rows, names = [], list[str]()
    for c in result(study)["contrasts"]:
        names = [WHERE[name] for name in c["where"]]
        figures = [f"{place['difference']:+.3f}" for place in c["where"].values()]
        rows.append([f"`{c['first']}` − `{c['second']}`", *figures])
    return table("|".join(["difference", *names]), rows)


def grid(name: str) -> Grid:
    return Grid(stored(name))


def _chosen(own: Grid, end: str) -> dict[str, str]:
    """Cells whose names end so, without that end."""
    return {name: name.removesuffix(f"-{end}") for name in own.cells if name.endswith(end)}


def grid_bits_table(name: str, end: str = "") -> str:
    """Bits per character of a grid's networks (rows) in its cells whose names end with ``end``."""
    own = grid(name)
    cells, bits = _chosen(own, end), own.curves()
    arms = {arm: None for cell in cells for arm in own.cells[cell].arms}
    rows = [[f"`{arm}`", *(f"{bits[cell, arm, 'network']:.3f}" for cell in cells)] for arm in arms]
    return table("|".join(["arm", *cells.values()]), rows)


def grid_leads_table(name: str, end: str = "", part: str = "network") -> str:
    """What a grid's contrasts (rows) are in its cells whose names end with ``end``."""
    own, rows = grid(name), []
    cells, leads = _chosen(own, end), own.leads(part)
    for c in own.contents.contrasts:
        found = [_difference(leads[cell, c.first, c.second]) for cell in cells]
        rows.append([f"`{c.first}` − `{c.second}`", *found])
    return table("|".join(["difference", *cells.values()]), rows)


def _difference(lead: Lead) -> str:
    text = _lead(asdict(lead.found))
    return f"**{text}**" if lead.verdict in ("better", "worse") else text


def _gain(found: dict[str, Any]) -> str:
    return "{gain:+.1f} ({low:+.1f} to {high:+.1f})".format_map(found)


def reading_table() -> str:
    """What the surprisals of each part of each arm add to a regression on reading times, the most
    first."""
    rows, measured = [], result("reading_times/reading_times")["arms"]
    for own in sorted(measured, key=lambda own: -own["gains"]["books"]["gain"]):
        milliseconds = ", ".join(f"{bit:.2f}" for bit in own["ms_per_bit"])
        cells = [own["arm"], PART_LABELS[own["part"]], f"{own['bits_per_word']:.2f}", milliseconds]
        rows.append([*cells, *map(_gain, own["gains"].values())])
    return table("arm|part|bits a word|ms a bit|" + "|".join(measured[0]["gains"]), rows)


def reading_differences_table() -> str:
    """Differences of gains: of networks, of network and counts, of what a cache adds."""
    asked = {"network"}, {"network", "counts"}, {"with_counts", "with_cache"}
    pairs = result("reading_times/reading_times")["differences"]
    near = [pair for pair in pairs if {of.rpartition(" ")[2] for of in pair["of"]} in asked]
    return table("gain of|less that of|difference", [[*p["of"], _gain(p)] for p in near])


def answer() -> str:
    """What README answers: when self-spelling words, and subwords, predict as well as characters
    after 180 seconds.

    The sentences are of this outcome: both ahead on the two texts that have been run, words on the
    tales not if timings are wrong; and n-grams of words, whose rare ones n-grams of letters spell,
    ahead of the character network.
    """
    records, claimed = outcomes.RESULTS, outcomes.claims(outcomes.RESULTS)
    said = {(row.claim, row.where, row.what): row.outcome.said for row in claimed}
    of_words = "`word_spell`, characters"
    assert said[1, "speeches, 180 s", of_words] == "confirmed"
    assert said[1, "tales, 180 s", of_words] == "open"
    spelled, subwords = list[str](), list[str]()
    for text in ENGLISH:
        study = f"{text}_curves_300s"
        for first in outcomes.WORDS:
            question = unit_worth.Question(study, 180, first, ("characters",))
            assert outcomes.family(records)[question].verdict == "better"
        cell = outcomes.cell_of(records, study, 180, ("words", "characters"))
        assert cell is not None
        ngrams, network = cell.bits("words", "counts"), cell.bits("characters")
        assert ngrams.sum() < network.sum()
        assert compare_cells(cell, "subwords", cell, "characters").high < 0
        spelled.append(unit_worth_page.when_reached(text, "word_spell"))
        subwords.append(unit_worth_page.when_reached(text, "subwords"))
    sentences = (
        "**Words or subwords predict better than characters, on two English texts.** A character "
        "network trains for three minutes on one core. A word network that spells rare words "
        f"itself predicts Lovecraft's tales as well {spelled[0]}, and speeches of American "
        f"presidents {spelled[1]}. A subword network does so {subwords[0]} and {subwords[1]}. "
        "After three minutes, both lead the character network on either text; the 95% intervals "
        "of these leads are not corrected for the number of comparisons. "
        "**But** on the tales this saving could vanish if the timings were wrong by a fifth. On "
        "both texts, counts of word n-grams, with rare words spelled by n-grams of letters, "
        "predict better than the character network."
    )
    return wrapped(sentences) + "\n"


def findings() -> str:
    """What README has found: the factor after more time, what n-grams decide, and where the lead is
    not shown. Each sentence is of the outcome that is asserted beside it."""
    found = (_times_finding(), _ngrams_finding(), _languages_finding())
    bullets = [wrapped(each, "  ") for each in found]
    scope = (
        "Time is measured in seconds of one core, in this program. Each kind of token has the best "
        "of the settings that were tried for it at five minutes (for subwords, with a smaller "
        "vocabulary). Both English texts had already steered the design of textgen. [The page of "
        "the study](experiments/research/unit_worth/README.md) has intervals, other settings, and "
        "how fast each network reads."
    )
    return "\n".join(bullets) + "\n\n" + wrapped(scope) + "\n"


def _times_finding() -> str:
    """The factor after nine minutes, beside characters that were searched there."""
    factors = list[float]()
    for text in ENGLISH:
        after_nine = outcomes.factor_of_own_search(outcomes.RESULTS, text)
        assert after_nine is not None
        assert after_nine.found.value is not None
        assert after_nine.found.low > 1
        factors.append(after_nine.found.value)
    growth = [row for row in outcomes.claims(outcomes.RESULTS) if row.claim == 2]
    assert growth
    assert all(row.outcome.said == "open" for row in growth)
    return (
        "- **After nine minutes there is a saving on both texts; whether it grows with time is "
        "open.** "
        "A character network trains for nine minutes, with the best of four settings that were "
        "tried at nine minutes. Self-spelling words reach the same bits "
        f"{factors[0]:.1f} times as fast on the tales and {factors[1]:.1f} times as fast on the "
        "speeches. This comparison was not planned."
    )


def _ngrams_finding() -> str:
    """When words are where characters are if n-grams spell their rare words; what is left of their
    lead where n-grams spell the same words for characters, too; and what is left of the lead of
    self-spelling words where both models also count."""
    reached, leads, counted = list[str](), list[float](), list[float]()
    for text in ENGLISH:
        reached.append(unit_worth_page.when_reached(text, "words"))
        lead = outcomes.difference(
            outcomes.RESULTS, f"{text}_causes_300s", 180, "words", "characters_replaced_tuned"
        )
        assert lead is not None
        assert lead.high < 0
        leads.append(-lead.difference)
        arms = ("word_spell", "characters")
        cell = outcomes.cell_of(outcomes.RESULTS, f"{text}_curves_300s", 180, arms)
        assert cell is not None
        alone = compare_cells(cell, "word_spell", cell, "characters")
        both = compare_cells(cell, "word_spell", cell, "characters", "with_counts")
        assert alone.difference < both.difference < both.high < 0
        counted.append(-both.difference)
    return (
        "- **N-grams decide much of a lead.** Where n-grams of letters spell its rare words, a "
        "word network predicts as well as a character network of three minutes "
        f"{reached[0]} on the tales, and {reached[1]} on the speeches. Where n-grams spell the "
        "same words for characters, too, words still lead by at least "
        f"{min(leads):.2f} bits per character. Where both networks also count n-grams of their own "
        "tokens, the lead of self-spelling words after three minutes shrinks to "
        f"{counted[0]:.2f} on the tales and {counted[1]:.2f} on the speeches (not planned)."
    )


def _languages_finding() -> str:
    """The lead of today in Swahili, and what an earlier study found in two other languages."""
    question = unit_worth.Question("swahili_curves_300s", 180, "word_spell", ("characters",))
    today = outcomes.family(outcomes.RESULTS)[question]
    assert today.found.high < 0
    assert today.p_adjusted >= LEVEL
    cell = outcomes.cell_of(outcomes.RESULTS, *question[:2], ("word_spell", "characters"))
    assert cell is not None
    counted = compare_cells(cell, "word_spell", cell, "characters", "with_counts")
    assert counted.low < 0 < counted.high
    own = grid("what_predicts/what_predicts")
    with_counts = own.leads("with_counts")
    for text in ("swahili", "ukrainian"):
        pair = (what_predicts.late()[text].name, *what_predicts.LEAD)
        assert own.leads("network")[pair].found.high < 0
        assert with_counts[pair].verdict == "too close to call"
    return (
        "- **Other languages are an open question.** In Swahili, self-spelling words lead "
        "characters after three minutes, but this lead is not certain after correction for all "
        "questions of the study. With counts on both sides, no lead is established (not planned). "
        "In an [earlier study](experiments/research/what_predicts/README.md), words with help from "
        "n-grams led in Swahili and Ukrainian after three minutes (95% intervals, uncorrected). "
        "With counts on both sides, no lead was established there, either."
    )


def try_answer() -> str:
    """What ``textgen try`` has answered for the tales."""
    report = Report.model_validate(result("try/try"))
    lines = [textwrap.fill(line, 104) for line in result_lines(report)[:2]]
    return "\n".join(["```", *lines, "…", "```"]) + "\n"


def costs_table() -> str:
    """What ``textgen try`` has taken, by size of text."""
    rows = [
        [f"{row['characters']:,}", f"{row['seconds'] / 60:.1f}", f"{row['gigabytes']:.1f} GB"]
        for row in result("try/costs")["rows"]
    ]
    return table("characters|minutes|peak memory", rows)


def samples_quoted() -> str:
    """The beginnings of what the levels wrote."""
    written = result("try/samples")
    quotes = (
        f"> **{level}:** {textwrap.shorten(written['prompt'] + text, 115, placeholder=' …')}"
        for level, text in written["arms"].items()
    )
    return "\n>\n".join(quotes) + "\n"


def word_by_hand(word: str) -> str:
    """What the networks of characters and of words of docs/example pay for a word of the passage
    that the page begins with, with the space before it."""
    texts = Texts.model_validate_json((ROOT / "docs/example/texts.json").read_bytes())
    passage = next(p for p in texts.passages if p.part == "network" and p.start)
    start = passage.text.index(f" {word}")
    end = start + len(word) + 1
    rows = []
    for name in ("characters", "words"):
        inside = [row for row in passage.arms[name] if start <= row[0] and row[1] <= end]
        bits = [model + spelling for _, _, model, spelling in inside]
        for (first, last, *_), own in zip(inside, bits, strict=True):
            piece = passage.text[first:last].replace(" ", "␣")
            rows.append([name, f"`{piece}`", f"{2**-own:.4f}", f"{own:.2f}"])
        if len(bits) > 1:
            rows.append([name, "together", f"{2 ** -sum(bits):.6f}", f"{sum(bits):.2f}"])
    return table("network|token|probability|bits", rows)


def search(name: str) -> Tuning:
    """What a search for matched and tuned settings has tried; ``QUESTION/NAME``, or the name of one
    of SEARCHES."""
    question, _, study_name = name.rpartition("/")
    question = question or SEARCHES
    study = load_study(find_experiment(study_name, RESEARCH / question))
    assert study.tune
    found = result(f"{question}/{study_name}")
    trials = [Trial(**trial) for trial in found["trials"]]
    return Tuning(study, study.tune, found["settings"], trials)


def tuned_table(name: str, seconds: str = "") -> str:
    """What a search found at a budget in seconds, or at the last one that it has begun."""
    found = search(name)
    last = max(trial.seconds for trial in found.trials)
    return summary(found, [float(seconds or last)])


def searches(first: str, *others: str) -> Tuning:
    """Searches on one text as one."""
    found = search(first)
    settings, trials = [*found.settings], [*found.trials]
    for other in map(search, others):
        trials += (replace(t, setting=t.setting + len(settings)) for t in other.trials)
        settings += other.settings
    return replace(found, settings=settings, trials=trials)


def regrets_on_both() -> list[tuple[dict[str, Any], list[float]]]:
    """Settings that two texts have tried for 300 seconds, and the mean regret on either and on
    both; the least on both first."""
    austen, shakespeare = searches("tune", "tune_austen"), searches("tune_shakespeare")
    on_austen, on_shakespeare = austen.regrets(300), shakespeare.regrets(300)
    pairs = [
        (austen.settings[n], [own, other, (own + other) / 2])
        for (n, own), (m, other) in itertools.product(on_austen.items(), on_shakespeare.items())
        if austen.settings[n] == shakespeare.settings[m]
    ]
    return sorted(pairs, key=lambda pair: pair[1][-1])


def tuned_both_table() -> str:
    """:func:`regrets_on_both`."""
    found = regrets_on_both()
    rows = [[*map(json.dumps, s.values()), *(f"{r:.4f}" for r in own)] for s, own in found]
    names = "|".join(name.rpartition(".")[2] for name in found[0][0])
    return table(f"{names}|Austen|tiny Shakespeare|mean", rows)


# How the marks on pages name them; what follows a name there are its arguments
TABLES: dict[str, Callable[..., str]] = {
    "answer": answer,
    "findings": findings,
    "try_answer": try_answer,
    "costs": costs_table,
    "samples": samples_quoted,
    "word_by_hand": word_by_hand,
    "tuned": tuned_table,
    "tuned_both": tuned_both_table,
    "chosen": choose.chosen_table,
    "bits": grid_bits_table,
    "leads": grid_leads_table,
    "reading": reading_table,
    "reading_differences": reading_differences_table,
    "parts": parts_table,
    "parts_leads": parts_leads_table,
    "parts_where": parts_where_table,
    "verdicts": verdicts_table,
    "finding": what_predicts.finding,
    "predictions": what_predicts.predictions_table,
    "claim": what_predicts.claim_table,
    "shares": what_predicts.shares_table,
    "where": what_predicts.where_table,
    "worth_short": unit_worth_page.in_short,
    "worth_sentences": unit_worth_page.sentences,
    "worth_picture": unit_worth_page.picture,
    "worth_factors": unit_worth_page.factors_table,
    "worth_tales": unit_worth_page.tales_table,
    "worth_claims": unit_worth_page.claims_table,
    "worth_expectations": unit_worth_page.expectations_table,
    "worth_curves": unit_worth_page.curves_table,
    "worth_causes": unit_worth_page.causes_table,
    "tiny_shakespeare": tiny_shakespeare_table,
    "architectures": architectures_table,
    "candidate": candidate_table,
    "ablation": ablation_table,
}


def written(mark: re.Match[str]) -> str:
    """The table that a mark names, between its marks."""
    name, *arguments = mark[2].split()
    return mark[1] + "\n" + TABLES[name](*arguments) + "\n" + mark[3]


def filled(page: str) -> str:
    """The page with every table as the results have it."""
    return MARK.sub(written, page)


def take_report(folder: Path, kept: Path) -> None:
    """Keep a report's figures, which hold no text, and a drawing of them."""
    from matplotlib.figure import Figure

    report = json.loads((folder / "report.json").read_text("utf-8"))
    text = json.dumps(report, ensure_ascii=False, separators=(",", ":"))
    (kept / f"{report['name']}.json").write_text(text + "\n", "utf-8")
    overview = Figure()
    Comparison(folder).plot(overview.subplots())
    overview.savefig(kept / f"{report['name']}_overview.svg", bbox_inches="tight")


def take_grid(folder: Path, kept: Path) -> None:
    """Keep the records of a grid's cells."""
    copy = kept / folder.name
    for path in [folder / GRID_FILE, *sorted((folder / CELLS_FOLDER).glob("*.json"))]:
        target = copy / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def take_runs(folder: Path, kept: Path) -> None:
    """Keep the figures of all runs below a folder."""
    for path in sorted(folder.rglob("metrics.json")):
        copy = kept / path.parent.relative_to(folder).with_suffix(".json")
        metrics = json.loads(path.read_text(encoding="utf-8"))
        origin = metrics["corpus"]["origin"]
        if Path(origin).is_absolute():  # where a text lay on this machine stays private
            metrics["corpus"]["origin"] = Path(origin).name
        write_json(copy, metrics)
        if (path.parent / "article.json").exists():
            copy = copy.with_name(f"{copy.stem}_measured.json")
            copy.write_bytes((path.parent / "article.json").read_bytes())


def main(question: str = "", folder: str = "") -> None:
    if question:
        kept = RESEARCH / question / "results"
        kept.mkdir(exist_ok=True)
        take = take_runs
        if (Path(folder) / GRID_FILE).exists():
            take = take_grid
        elif (Path(folder) / "report.json").exists():
            take = take_report
        take(Path(folder), kept)
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
