"""A report's page holds the figures of its data, and is safe with any text."""

import itertools
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from report_sample import bits, contrast, hostile, plain_sample, sample, typed

from textgen.core.experiment import load_experiment
from textgen.data.documents import Document
from textgen.evaluation.significance import Needed
from textgen.evaluation.units import UNCHARGED
from textgen.report import building, page, sentences
from textgen.report.arms import descriptions
from textgen.report.comparison import show
from textgen.report.page import render_page
from textgen.report.schema import Bits, ContrastRow, Effect, Passage, Report, SampleText
from textgen.runs.console import Screen

pytestmark = pytest.mark.fast


class Elements(HTMLParser):
    """The elements of a page, in ``rows`` of (tag, attributes); comments and the like are some."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.rows.append((tag, dict(attrs)))

    def handle_comment(self, data):
        self.rows.append(("comment", {}))

    handle_decl = unknown_decl = handle_pi = handle_comment


def test_whatever_names_and_texts_hold_stays_text_and_nothing_is_loaded():
    text = render_page(*hostile())
    elements = Elements(text).rows
    harmless = Elements(render_page(*hostile("a\ny", "b\nee", "s\nee"))).rows
    kinds = [{(tag, n) for tag, a in rows for n in (*a, "")} for rows in (elements, harmless)]
    assert kinds[0] <= kinds[1]
    assert [tag for tag, _ in elements].count("script") == 1
    assert not [a for _, attributes in elements for a in attributes if a.startswith("on")]
    links = [a[key] for _, a in elements for key in ("src", "href", "data") if key in a]
    assert links
    assert all(target.startswith(("#", "data:")) for target in links)
    assert not re.search(r"\x00|@import|url\((?!#)", text)
    assert any("default-src 'none'" in a.get("content", "") for tag, a in elements if tag == "meta")
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for tag, a in elements if tag == "a"} <= set(ids)


def test_there_may_be_few_or_many_arms():
    for totals, seeds, references in (
        ({"char": 1.9}, 1, False),
        ({"word_drop": None}, 2, True),
        ({f"a{i}": 1.7 + i / 50 for i in range(16)}, 3, True),
    ):
        report, texts = sample(totals, seeds, references)
        text = render_page(report, texts)
        assert all(name in text for name in totals)
        assert (UNCHARGED in text) == (None in totals.values())
        assert ("Nothing is compared" in text) == (len(totals) == 1)
        assert Report.model_validate_json(report.model_dump_json(by_alias=True)) == report


def test_a_part_favours_an_arm_whoever_leads():
    report, texts = sample({"a": 1.9, "b": 1.8})
    (own,) = report.contrasts
    for change, favoured in ((-0.3, own.first), (0.3, own.second)):
        own.changes["with_cache"].difference = change
        assert f"Document caches favour {favoured} by 0.300" in render_page(report, texts)


def test_bounds_may_be_open_seeds_of_unequal_length_and_arms_of_other_texts():
    report, texts = plain_sample({"char": 1.906, "word_unk": 1.718, "elsewhere": 1.5})
    report["arms"][0]["test"] |= {"low": None, "high": None}
    report["contrasts"] = [report["contrasts"][0] | {"low": None, "high": None}]
    report["arms"][2]["same_text"] = False
    for key in ("updates", "characters", "seconds", "validation"):
        report["arms"][1]["curves"][0][key].pop()
    by_arm = [row["bits"] for row in report["documents"]]
    by_arm += [row["shares"] for row in report["word_classes"]]
    for row in by_arm + [passage["arms"] for passage in texts["passages"]]:
        del row["elsewhere"]
    report, texts = typed(report, texts)
    text = re.sub("<(script|style)>.*?</", "", render_page(report, texts), flags=re.S)
    assert [arm.name for arm in report.scored] == ["word_unk", "char"]
    assert not re.search(r"\b(inf|nan|None)\b", text)


@pytest.mark.parametrize("declared", [True, False])
def test_some_of_the_arms_have_a_headline_that_speaks_of_no_others(declared):
    report, texts = plain_sample({"a": 1.9, "b": 1.7, "c": 1.8, "d": 2.0, "free": None})
    report, _ = typed(report | {"declared": declared}, texts)
    claims, ranked = sentences.claims(report), ["b", "c", "a", "d"]
    for count in range(1, 5):
        for shown in itertools.combinations(ranked, count):
            first = next(claim for claim in claims if set(claim.arms) <= set(shown))
            asked = [c for c in report.contrasts if {c.first, c.second} <= set(shown)]
            about = first.contrast  # whose other parts stand below the headline
            assert about is None or {about.first, about.second} == set(first.arms)
            if declared and asked:
                assert first.arms == (asked[0].first, asked[0].second)
            else:
                assert set(first.arms) == set(shown[:2])


def test_an_answer_says_who_needs_fewer_bits():
    plain, texts = plain_sample({"char": 1.9, "word": 1.7})
    for verdict, answer, winner in (
        ("better", "Yes. Networks alone: word needs 0.200 fewer", "word"),
        ("worse", "No. Networks alone: char needs 0.200 fewer", "char"),
        ("equal", "No. Networks alone: word and char are equal to within 0.01", None),
        ("too close to call", "Networks alone: Too close to call between word and char.", None),
    ):
        row = contrast("word", "char", verdict, -0.2, "Is word better?")
        report, shown = typed(plain | {"contrasts": [row]}, texts)
        assert sentences.claims(report)[0].answer.startswith(answer)
        assert sentences.winner(report.contrasts[0]) == winner
        account = render_page(report, shown).partition("Where the lead comes from")[2]
        assert re.findall(r"<bdi>(\w+) needs 0.200 fewer, mainly", account) == [winner] * bool(
            winner
        )
    row = ContrastRow(**contrast("word", "char", "better", -0.2, ""), share=0.105)
    said = "word needs 0.200 fewer bits per character than char (10.5%)"
    assert said in sentences.difference(row)


@pytest.mark.parametrize(
    ("lead", "other"), [(-0.2, -0.05), (-0.2, 0.05), (0.2, 0.05), (0.2, -0.05)]
)
def test_other_parts_say_whether_the_arm_ahead_needs_fewer_or_more_there(lead, other):
    verdict = "better" if lead < 0 else "worse"
    row = ContrastRow(**contrast("word", "char", verdict, lead, ""))
    row.parts["with_cache"].difference = other
    ahead = "word" if lead < 0 else "char"
    amount = "fewer" if lead * other > 0 else "more"
    said = f"With a document cache: {ahead} needs 0.050 {amount}."
    assert sentences.by_other_parts(row) == said


@pytest.mark.parametrize(
    ("difference", "low", "high", "said"),
    [
        (-0.3, -0.4, -0.2, "char needs 0.300 fewer bits per character (0.200 to 0.400)."),
        (0.3, 0.2, 0.4, "char needs 0.300 more bits per character (0.200 to 0.400)."),
        (0.3, -0.1, 0.7, "char needs 0.300 more bits per character (the interval contains 0)."),
    ],
)
def test_a_lead_on_a_model_from_elsewhere_says_who_needs_more(difference, low, high, said):
    found = SimpleNamespace(difference=difference, low=low, high=high)
    assert sentences.leads(SimpleNamespace(leads={"char": found})) == said


def test_bits_are_also_given_per_byte_with_and_without_end_marks():
    report, texts = sample({"char": 1.9})
    assert "bits per byte" not in render_page(report, texts)  # of a report that does not know bytes
    report.corpus = {**report.corpus, "test": {"documents": 5, "characters": 995}}
    report.test_bytes = 1495
    found = page.per_unit(report, report.scored[0].test)
    assert found == pytest.approx((1.9, 1900 / 995, 1900 / 1500, 1900 / 1495))
    drawn = render_page(report, texts)
    table = drawn[drawn.index("Bits per character and per byte") :]
    assert all(figure in table for figure in ("1.900", "1.910", "1.267", "1.271"))


def test_advice_names_what_is_needed_and_a_caveat_the_margin():
    row = contrast("first", "second", "too close to call", -0.02, "")
    for needed, folds, parts in (
        (Needed("seeds", 6), 1, ["6 seeds per arm", "more documents alone would not"]),
        (Needed("folds", 5), 3, ["5 folds or more"]),
        (Needed("folds", 9), 5, ["about 9 folds", "more documents alone would not"]),
        (Needed("documents", 30), 1, ["about 30 such documents would settle"]),
        (Needed("documents", 30, False, 8), 1, ["30 such documents or 8 seeds per arm would"]),
        (Needed("documents", 30, False, 8), 5, ["30 such documents or 8 folds would"]),
        (Needed("documents", 30, True, 8), 1, ["30 such documents and 8 seeds per arm together"]),
        (Needed("documents", 30, True), 1, ["30 such documents and at least two seeds per arm"]),
        (Needed("documents", 501), 1, ["Settling this would take about 501 such documents."]),
        (Needed("documents", 501, True, 8), 1, ["501 such documents and 8 seeds per arm."]),
    ):
        said = sentences.advice(ContrastRow(**row | {"needed": needed, "folds": folds}))
        assert all(part in said for part in parts), said
    for nearest, small in ((-0.009, True), (-0.011, False)):
        changed = {"verdict": "better", "low": -0.03, "high": nearest}
        caveat = sentences.caveat(ContrastRow(**row | changed))
        assert ("It may be less than 0.01, too little to matter." in caveat) is small
        assert "no difference" not in caveat  # which would deny the answer beside it


def test_a_caveat_counts_what_the_answer_rests_on():
    row = contrast("a", "b", "better", -0.2, "") | {"low": -0.3, "high": -0.1, "documents": 7}
    said = sentences.caveat(ContrastRow(**row | {"seeds": [2, 3], "tested_on": "pieces"}))
    assert (
        said
        == "Between 0.100 and 0.300 with 95% confidence, over 7 held-out pieces and 2 + 3 seeds."
    )
    said = sentences.caveat(ContrastRow(**row | {"folds": 4}))
    assert "over 7 held-out documents, each in one of 4 folds" in said
    for seeds, who in (([1, 1], "each model"), ([1, 2], "one model")):
        assert f"{who} was trained once" in sentences.caveat(ContrastRow(**row | {"seeds": seeds}))


IN_A_SENTENCE = {
    "frequent": "frequent", "common": "common", "rare": "rare", "once": "once",
    "unseen": "unknown", "punctuation": "punctuation", "numbers": "numbers", "space": "spaces",
    "end": "end marks",
}  # fmt: skip


def test_a_class_of_words_is_called_what_it_is():
    assert sentences.WHERE.keys() == building.CLASSES.keys() == IN_A_SENTENCE.keys()
    assert all(word in sentences.WHERE[name] for name, word in IN_A_SENTENCE.items())
    held_out = [Document("h", "sea")]
    for times in (0, 1, 2, 9, 10, 99, 100, 1000):
        corpus = SimpleNamespace(sample=[Document("t", "sea " * times)], test=held_out)
        first = building.cut_words([corpus]).word_class[0]
        meaning = [*building.CLASSES.values()][first]
        meaning = meaning.replace("once", "1 to 1 times").replace("do not", "0 to 0 times")
        low, high = re.search(r"(\d+)(?: to (\d+))? times", meaning).groups()
        assert int(low) <= times <= int(high or times), meaning


def test_parts_are_called_what_they_are():
    named = {"network": "Networks", "with_counts": "counts", "with_cache": "cache"}
    for part, words in (named | {"counts": "without a network"}).items():
        assert words in sentences.BY_PART[part]
    assert len({*sentences.BY_PART.values()}) == 4
    for part, word in (("with_counts", "Counts"), ("with_cache", "cache")):
        assert word in sentences.CHANGED_BY[part]


def test_the_terminal_has_every_part_in_its_column(capsys, tmp_path):
    report, texts = sample({"char": 1.9, "word": 1.7})
    show(Screen(), tmp_path, report, texts)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["model", "network", "with", "cache", "network,", "95%"] in rows
    assert ["word", "1.700", "1.669", "1.685–1.717"] in rows
    assert ["char", "1.900", "1.869", "1.885–1.917"] in rows
    assert ["PPMd", "–", "–", "1.815–1.847"] in rows


def test_an_axis_is_counted_in_what_it_says():
    report, texts = sample({"char": 1.9, "word": 1.7})
    units = {"seconds": 1, "millions": 10**6, "thousands": 10**3}
    ends = {key: max(getattr(c, key)[-1] for a in report.arms for c in a.curves)
            for key in ("seconds", "characters", "updates")}  # fmt: skip
    for plot, (key, end) in zip(page.plots(report, texts), ends.items(), strict=True):
        assert plot.unit == units[re.match(r"\w+", plot.axis)[0]]
        assert key in plot.axis
        assert plot.across.high * plot.unit == pytest.approx(end)


def test_large_numbers_are_said_in_three_digits():
    numbers = {9_999: "9,999", 64_000: "64 k", 530_000: "0.53 M", 18_500_000: "18.5 M"}
    numbers |= {2_500_000_000: "2.5 G"}
    assert {number: page.count(number) for number in numbers} == numbers


def test_a_stretch_is_coloured_by_all_its_bits_per_character():
    spans = [(0, 2, 1.0, 0.0), (2, 4, 1.0, 3.5), (4, 5, 9.5, 0.0)]
    passage = Passage(part="network", document="d", start=0, text="abcde", arms={"x": spans})
    heats = [heat for text, heat, *_ in page.stretches(passage, "x") if text]
    assert heats == [sum(edge <= bits for edge in page.HEAT_EDGES) for bits in (0.5, 2.25, 9.5)]
    bits = [bits for text, _, bits, _ in page.stretches(passage, "x") if text]
    assert bits == ["1.00 0.00", "1.00 3.50", "9.50 0.00"]


def test_blocks_of_a_text_are_called_pieces_wherever_they_are_counted():
    report, texts = plain_sample({"char": 1.9, "word": 1.7})
    report["corpus"] = report["corpus"] | {"unit": "pieces"}
    (row,) = report["contrasts"]
    for found in (row, *row["parts"].values()):
        found["tested_on"] = "pieces"
    assert not re.search(r"\d documents", render_page(*typed(report, texts)))


def test_filled_and_copied_stretches_may_overlap_and_spans_are_escaped_and_counted():
    spans = [(0, 2, 1.0, 0.5), (2, 5, 9.0, 0.0), (5, 6, 0.0, 0.0)]
    passage = Passage(part="network", document="d", start=0, text="a <b>\ncd", arms={"x": spans})
    assert page.mean_bits(passage, "x") == pytest.approx(10.5 / 6)
    assert "".join(text for text, *_ in page.stretches(passage, "x")) == "a <b>\ncd"
    made = SampleText(text="abcdefgh", filled=[(1, 3, "NN")], copied=[(2, 6)])
    expected = [("a", "", 0), ("b", "NN", 0), ("c", "NN", 1), ("def", "", 1), ("gh", "", 0)]
    assert list(page.pieces(made)) == expected
    plain = made.model_copy(update={"filled": [], "copied": []})
    assert [text for text, *_ in page.pieces(plain)] == ["abcdefgh"]


def test_a_model_without_a_network_is_judged_by_the_interval_of_the_lead_on_it():
    leads = {
        "far": (0.1, 0.02, 0.2, "better than"),
        "near": (0.05, -0.01, 0.12, "too close to call against"),  # however far the figures
        "same": (0.004, 0.001, 0.009, "as good as"),
        "ahead": (-0.008, -0.015, -0.001, "worse than"),  # however near
        "few": (-0.3, None, None, "too close to call against"),
    }
    report, _ = sample(dict.fromkeys(leads, 1.8))
    for row in report.references:
        other = Effect(difference=9.0, low=9.0, high=9.0)
        row.leads = dict.fromkeys(leads, other)
    best = min(report.references, key=lambda row: row.test.total)
    best.leads = {
        name: Effect(difference=difference, low=low, high=high)
        for name, (difference, low, high, _) in leads.items()
    }
    said = sentences.without_network(report)
    for name, (*_, how) in leads.items():
        assert said[name] == f"Best without a network: {best.label}, {how} {name}."
    cached = next(row for row in report.references if row is not best)
    cached.with_cache = Bits(**bits(1.5))
    assert sentences.without_network(report) == said
    report.part = "with_cache"
    for name, line in sentences.without_network(report).items():
        assert line == f"Best without a network: {cached.label}, better than {name}."


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_what_is_behind_them(theme):
    """WCAG 2.1: 4.5 for text, 3 for lines and marks."""
    files = (ROOT / "textgen" / name for name in ("interactive/theme.css", "report/page.css"))
    style = "".join(file.read_text(encoding="utf-8") for file in files)
    pairs = re.findall(r"--(\w+):light-dark\((#\w+),(#\w+)\)", style)
    colours = {name: both[theme] for name, *both in pairs if name != "c"}
    arms = [both[theme] for name, *both in pairs if name == "c"]

    def luminance(colour):
        values = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05

    def stand_out(least, front, behind):
        for pair in itertools.product(front, behind):
            low, high = sorted(luminance(colours.get(colour, colour)) for colour in pair)
            assert high / low >= least, pair

    stand_out(4.5, ("ink", "muted", "warn", "accent"), ("paper", "raised"))
    stand_out(4.5, ["ink"], ("heat", "filled", "copied"))
    stand_out(3, (*arms, "above", "below"), ["paper"])
    assert len(arms) == 7


TOKENIZERS = [
    '"characters"', '{kind="subwords", size=4000}', '{kind="subwords", model="unigram"}',
    *(f'{{kind="words", rare_words={policy}}}' for policy in (
        '"unk"', '{kind="pos", tags="noun"}', '{kind="cluster", clusters=20}', '"spell"'
    )),
]  # fmt: skip
APART = {
    'backbone={kind="gru", units=[16]}': "GRU of 16",
    'embedding={kind="word2vec"}': "word2vec",
    'objective={kind="encoder_decoder", read=8, write=4}': "encoder_decoder",
    "training.batch=7": "training.batch 7",
}


def test_arms_are_described_by_their_tokenizers_and_what_sets_them_apart(experiment_file):
    def described(*arms):
        settings = ([arm, "backbone.input=embedding"] for arm in arms)
        runs = [SimpleNamespace(experiment=load_experiment(experiment_file, s)) for s in settings]
        named = [SimpleNamespace(name=str(i), first=run) for i, run in enumerate(runs)]
        texts = [*descriptions(named).values()]
        assert len({*texts}) == len(arms)
        return texts

    texts = described(*(f"tokenizer={tokenizer}" for tokenizer in TOKENIZERS))
    assert not re.search("units|updates", "".join(texts))  # what they share is not said
    for setting, part in APART.items():
        plain, apart = described("training.batch=8", setting)
        assert (part in plain, part in apart) == (False, True)
