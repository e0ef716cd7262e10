"""Nothing of a text is lost, what is hidden is charged, and words are cut where Unicode says."""

import dataclasses
import itertools
import json
import random
import re
from functools import partial

import numpy as np
import pytest
import regex
from conftest import (
    POLICIES,
    SENTENCES,
    GivenEndings,
    fitted,
    made_up,
    plug_ins,
    run_python,
    small_experiment,
)
from fuzz.targets import encode, loaded
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uniseg.wordbreak import words as segments

from textgen.core import registry
from textgen.core.errors import TextgenError
from textgen.core.tokens import ESCAPE
from textgen.report.arms import tokenizer_in_words
from textgen.testing import check_plugin, every_sequence
from textgen.tokenizers.base import with_characters_per_token
from textgen.tokenizers.casing import CAPITAL, FIRST_OWN, JOIN, UPPER
from textgen.tokenizers.characters import Characters, CharacterTokenizer
from textgen.tokenizers.encoded import CHARACTER_BITS
from textgen.tokenizers.rare_replaced import RareReplaced
from textgen.tokenizers.rare_words import ClassPolicy, Drop, Spell, Unk
from textgen.tokenizers.segmentation import LETTERS, BudouX, Segmenter, pretokenize
from textgen.tokenizers.steps import chance
from textgen.tokenizers.subwords import Subwords
from textgen.tokenizers.whitespace import SPACING, SPELLED, Whitespace
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.fast

TEXT = (
    "The cat sat on the mat. The cat's mat -- a red one -- is Old. <NN> I said: 'no!'\n\n"
    "The dog sat on the old mat; the dog is red. Ærø, naïve: 日本語! \t\r\n\0"
)
TEXTS = TEXT + made_up(8, 1), TEXT
CONFIGS = [
    Characters(), Subwords("bpe", 300), Subwords("unigram", 300), Whitespace(),
    *map(Words, POLICIES), *(Words(policy, minimum_count=1) for policy in POLICIES),
    Words(Unk(), minimum_count=4),
    RareReplaced(Unk()), RareReplaced(GivenEndings(), 3, Subwords("bpe", 300)),
    RareReplaced(Unk(recall=False), 1, Subwords("unigram", 300)),
]  # fmt: skip
each_config = pytest.mark.parametrize("config", CONFIGS, ids=repr)
wordy = st.text(st.sampled_from("abAB é1'’-–.,\n\t <>☃_ß"), max_size=40)
texts = st.text(st.characters()) | wordy | st.sampled_from([TEXT.upper(), TEXT.title(), TEXT, ""])


@each_config
@settings(max_examples=25, deadline=None)
@given(text=texts)
def test_every_text_comes_back_and_what_is_hidden_is_charged(config, text):
    encoded = encode(fitted(config, *TEXTS), text)
    again = loaded(config, *TEXTS).encode(text)
    np.testing.assert_array_equal(again.tokens, encoded.tokens)
    np.testing.assert_allclose(again.spelling_bits, encoded.spelling_bits)
    ends, policy = [0, *encoded.ends, len(text)], getattr(config, "rare_words", None)
    assert ends[-2] == len(text) or isinstance(policy, Drop)
    for surface, place in zip(encoded.surfaces, encoded.places, strict=True):
        within = text[ends[place] : ends[place + 1]]
        assert "".join(surface) in within or isinstance(policy, Spell)


@pytest.mark.parametrize("config", [Characters(), Subwords("bpe", 300), Subwords("unigram", 300)])
def test_a_character_never_seen_costs_the_same_in_every_arm(config):
    tokenizer = config.fit([TEXT])
    encoded = tokenizer.encode("the ☃ and \ud800☃ mat")
    assert encoded.tokens.itemsize == (1 if tokenizer.size <= 256 else 2)  # stored narrow
    assert encoded.surfaces == ("☃", "\ud800", "☃")
    assert encoded.spelling_bits.tolist() == [CHARACTER_BITS] * 3
    assert encoded.replaced == (encoded.tokens == ESCAPE).sum() == 3
    assert tokenizer.unknown("the ☃z☃") == sorted({"☃", "z"})
    assert tokenizer.render(np.array([0, *tokenizer.encode("the mat").tokens, 1])).text == "the mat"


@pytest.mark.parametrize("config", [*CONFIGS[:4], Words(Unk()), Words(POLICIES[-1])], ids=repr)
def test_any_training_text_will_do(config):
    for training in ([], [""], ["so so so so"], ["日本 日本 \ud800 x x"]):
        if isinstance(config, Words) and not "".join(training):
            continue  # there is no vocabulary without a word
        tokenizer = config.fit(training, training)
        assert tokenizer.decode(tokenizer.encode("so never, \ud800")) == "so never, \ud800"


@pytest.mark.parametrize("config", [c for c in CONFIGS if "Pos(" not in repr(c)], ids=repr)
def test_later_text_leaves_the_tokens_before_it_as_they_are(config):
    """All of them where a space follows between words, and of characters anywhere; elsewhere the
    last word is open. But for tags: a tagger may look ahead, since the tag itself is sent."""
    tokenizer = fitted(config, *TEXTS)
    text = TEXT + " The dog sat, unfathomably, on one old mat -- a cat's mat. I said no."
    whole = tokenizer.encode(text).tokens
    between = {match.start() + 1 for match in re.finditer(r"\w (?=\w)", text)}
    assert len(between) > 20
    for place in sorted(between.union(range(0, len(text), 5))):
        before = tokenizer.encode(text[:place])
        settled = len(before.tokens)
        if place not in between and not isinstance(config, Characters):
            settled = sum(before.ends < text.rfind(" ", 0, place))
        np.testing.assert_array_equal(before.tokens[:settled], whole[:settled])


LONG = made_up(80, 0) + TEXT[-22:]


@pytest.mark.parametrize("config", CONFIGS[1:3], ids=repr)
def test_subwords_are_longer_than_characters_and_have_readable_names(config):
    tokenizer = fitted(config, LONG, "")
    assert tokenizer.characters_per_token == len(LONG) / tokenizer.encode(LONG).pieces > 1.2
    measured = with_characters_per_token(tokenizer, ["", LONG])
    assert measured.characters_per_token == tokenizer.characters_per_token
    assert len(set(tokenizer.names)) == len(tokenizer.names) == tokenizer.size
    assert {" ", "e", "<æ>"} < set(tokenizer.names)  # the byte E6 is no æ
    assert "".join(tokenizer.names[s] for s in tokenizer.encode("Our bell!").tokens) == "Our bell!"
    # generated bytes that are no text do not fail
    tokenizer.render(np.random.default_rng(0).integers(0, tokenizer.size, 3000))
    first, *_ = tokenizer.encode("日").tokens  # a piece of a character
    end = tokenizer.encode(" the").tokens
    assert tokenizer.render(np.array([0, 1, first, *end])).text == "\ufffd the"
    assert tokenizer.render(end, before="Our ☃").text == " the"
    assert tokenizer.render(np.array([], dtype=np.int64), before="Our").text == ""


@pytest.mark.parametrize(("model", "longest"), [("bpe", 2), ("bpe", 4), ("unigram", 2)])
def test_no_subword_is_longer_than_it_may_be(model, longest):
    lengths = dict[int | None, int]()
    for limit in (None, longest):
        tokenizer = fitted(Subwords(model, 400, max_token_length=limit), LONG, "")
        assert tokenizer.decode(tokenizer.encode(LONG)) == LONG
        lengths[limit] = max(map(len, tokenizer.pieces))  # a character for each byte
    assert lengths[longest] == longest < lengths[None]


@pytest.mark.parametrize("subwords", [None, Subwords(size=300)])
@pytest.mark.parametrize("policy", [Unk(), GivenEndings()], ids=repr)
def test_the_rare_words_of_words_are_replaced_and_charged_in_other_units(policy, subwords):
    words = fitted(Words(policy, minimum_count=25))
    tokenizer = fitted(RareReplaced(policy, 25, subwords))
    text = made_up(9, 6) + " A puffin, unseen; Puffins!"
    expected = words.encode(text)
    encoded = tokenizer.encode(text)
    assert encoded.surfaces == expected.surfaces
    assert encoded.replaced == expected.replaced == len(encoded.surfaces) > 5
    np.testing.assert_allclose(encoded.spelling_bits, expected.spelling_bits)
    np.testing.assert_allclose(encoded.remembered_bits, expected.remembered_bits)
    names = [tokenizer.names[token] for token in encoded.tokens[encoded.places]]
    assert names == [words.names[token] for token in expected.tokens[expected.places]]
    np.testing.assert_array_equal(encoded.ends[encoded.places], expected.ends[expected.places])
    units = [token for token in encoded.tokens.tolist() if token >= tokenizer.first_unit]
    left = tokenizer.render(np.array(units)).text
    removed = sum(map(len, encoded.surfaces))
    assert len(left) == len(text) - removed


@pytest.mark.parametrize(
    ("subwords", "units"),
    [({}, "characters"), ({"subwords": {"size": 8000}}, "8,000 subwords by byte-pair encoding")],
)
def test_a_report_says_which_words_are_replaced_in_which_units(subwords, units):
    tokenizer = {"kind": "rare_replaced", "rare_words": "unk", "minimum_count": 5, **subwords}
    resolved = small_experiment(tokenizer=tokenizer).resolved["tokenizer"]
    expected = f"{units}, words seen fewer than 5 times replaced by one token"
    assert tokenizer_in_words(resolved) == expected


@pytest.mark.parametrize("subwords", [None, Subwords(size=300, max_token_length=4)])
def test_rare_words_in_other_units_keep_the_contract_of_tokenizers(subwords):
    check_plugin("tokenizer", RareReplaced(Unk(), 3, subwords))


def test_a_policy_without_tokens_of_its_own_cannot_replace_words_in_other_units():
    for policy in (Drop(), Spell()):
        with pytest.raises(ValueError, match="no tokens of their own"):
            RareReplaced(policy)


def in_words(text, **options):
    return fitted(Words(Unk(), **options), text, text)


def test_modifiers_stand_before_words_known_in_another_form():
    tokenizer = in_words("x the the mat mat.")
    the, mat = map(tokenizer.names.index, (" the", " mat"))
    assert tokenizer.encode(" the The THE").tokens.tolist() == [the, CAPITAL, the, UPPER, the]
    assert tokenizer.encode("mat").tokens.tolist() == [JOIN, mat]
    assert tokenizer.encode("Mat").tokens.tolist() == [JOIN, CAPITAL, mat]


def test_rare_words_are_those_below_the_minimum_count_and_others_come_by_frequency():
    text = "aa bb bb cc cc cc."
    for minimum, expected in ((2, [" cc", " bb"]), (3, [" cc"])):
        names = in_words(text, minimum_count=minimum).names
        assert names[FIRST_OWN] == "<unk>"
        assert [n for n in names if n.startswith(" ")] == expected
    with pytest.raises(TextgenError, match="minimum_count"):
        in_words(text, minimum_count=50)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("minimum", [1, 2])
def test_whatever_a_text_holds_of_the_training_text_was_trained(policy, minimum):
    """No word has a token that training never met; some are rare even if one time is enough."""
    once = " ".join("once" + chr(97 + i) + chr(97 + j) for i in range(8) for j in range(8))
    text = made_up(20, 3) * 2 + " " + once
    tokenizer = fitted(Words(policy, minimum_count=minimum), text, text)
    trained, encoded = (tokenizer.encode(text, training=t) for t in (True, False))
    np.testing.assert_array_equal(encoded.tokens, trained.tokens)
    assert encoded.replaced == (32 if minimum == 1 else 64)


def test_rare_words_of_the_prompt_come_back_in_what_is_written():
    texts = ["the man saw the dog . " * 5 + "Akeley saw Wilmarth ."] * 3
    tuning = ["the man saw Zadok . Zadok saw the dog . Zadok saw Zadok . " * 5]
    tokenizer = Words(Unk(), minimum_count=4).fit(texts, tuning)
    tokens = np.full(40, tokenizer.names.index("<unk>"))

    def drawn(before, cached=True):
        return tokenizer.render(tokens, before=before, seed=3, cached=cached).text

    before = "the man saw Wildogak ."
    assert "Wildogak" in drawn(before)
    assert "Wildogak" not in drawn(before, cached=False)
    assert drawn(before + " ") == drawn(before) != drawn("dog")


def test_every_entry_is_a_documented_frozen_dataclass_and_every_policy_is_tested():
    entries = {
        point: {registry.lookup(point, kind, "test") for kind in registry.plugin_table(point)}
        for point in registry.POINTS
    }
    for cls in set.union(*entries.values()):
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen
        assert cls.__doc__
    for cls in entries["rare_words"]:
        assert any(isinstance(policy, cls) for policy in POLICIES), cls


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_surface_form_is_hidden_by_a_token_or_missing_before_it(policy):
    tokenizer = fitted(Words(policy, minimum_count=25))
    encoded = tokenizer.encode(made_up(9, 6))
    tokens = encoded.tokens.tolist()
    open_places = [n for n in range(len(tokens)) if tokenizer.steps_at(tokens, n) is not None]
    if tokenizer.gap_steps is not None:
        open_places.append(len(tokens))  # the end
        assert all(tokenizer.surface_steps([token]) is None for token in range(tokenizer.size))
    assert encoded.places.tolist() == open_places


def test_choices_that_cost_something_else_than_is_charged_are_found(monkeypatch):
    def surface_steps(self, tokens):
        def cheap(known):
            yield from chance(0.5, True)
            return known

        return cheap if tokens and tokens[-1] == ESCAPE else None

    monkeypatch.setattr(CharacterTokenizer, "surface_steps", surface_steps)
    with pytest.raises(AssertionError, match=r"bits are charged, its choices cost 1\.0"):
        check_plugin("tokenizer", Characters())


exec(plug_ins()["shape"], code := {"__name__": "shape"})
Shape = code["Shape"]  # a policy of another package
with_docstring = partial(dataclasses.make_dataclass, frozen=True, namespace={"__doc__": "One."})
Half = with_docstring("Half", ["weight"])
Idle = with_docstring("Idle", [], bases=(ClassPolicy,))
Bare = dataclasses.make_dataclass("Bare", [("weight", float, 1.0)], frozen=True)


@pytest.mark.parametrize(
    ("point", "plugin", "message"),
    [
        ("metric", Half(1.0), "Half lacks "),
        ("metric", Half, "'weight'; check an instance"),
        ("metrics", Half, "did you mean 'metric'"),
        ("rare_words", Idle, "abstract methods '?classes'?, '?classify"),
        ("rare_words", object, "object is not a dataclass"),
        ("metric", Bare, "Bare has no docstring"),
    ],
)
def test_what_a_plugin_lacks_is_said(point, plugin, message):
    with pytest.raises((AssertionError, ValueError), match=message):
        check_plugin(point, plugin)


BROKEN = """
from dataclasses import dataclass
from textgen.testing import check_plugin
from textgen.tokenizers.characters import Characters, CharacterTokenizer

@dataclass
class Thawed: "Not frozen."

CharacterTokenizer.decode = lambda self, document: "another text"
for point, plugin in (("metric", Thawed()), ("tokenizer", Characters())):
    try:
        check_plugin(point, plugin)
    except AssertionError as error:
        print(error)
"""


def test_a_contract_is_checked_where_python_leaves_assertions_out():
    done = run_python("-O", "-c", BROKEN)
    said = done.out.splitlines()
    assert said == ["Thawed is not frozen", "'' is not restored from its tokens"], done.err


def test_a_class_policy_is_charged_and_generated_like_those_of_textgen(monkeypatch):
    texts = [made_up(40, 1) + " Akeley met 17 owls, 23 gulls and Wilmarth."]
    tokenizer = Words(Shape()).fit(texts, [made_up(10, 2) + " Zadok Zadok 99."], 1)
    encoded = tokenizer.encode("the keeper watched Cthulhu unfathomable 1928 Cthulhu.")
    shapes = [tokenizer.names[token] for token in encoded.tokens if 5 <= token < 8]
    assert shapes == ["<capitalised>", "<other>", "<number>", "<capitalised>"]
    rendered = tokenizer.render(encoded.tokens, seed=2)
    assert {name for _, _, name in rendered.filled} == {"number", "capitalised", "other"}
    for wrong in (["other", "large"], ["other"]):
        monkeypatch.setattr(Shape, "classify", lambda *_, wrong=wrong: wrong)
        with pytest.raises(ValueError, match=r"classify: 2 of .*'capitalised'.* received .*other"):
            Words(Shape()).fit(["so so so owl gull"], [], 1)


# every line begins and ends with a space
PTB = "".join(f" {line} \n" for line in ["the <unk> fell N points", "no one knew why", "the tide"])
PRETOKENISED = Whitespace().fit([PTB])


def test_tokens_are_words_and_line_ends_and_nothing_else():
    check_plugin("tokenizer", Whitespace())
    encoded = PRETOKENISED.encode(" the tide fell \n no one knew <unk> \n")
    names = [PRETOKENISED.names[token] for token in encoded.tokens]
    assert names == ["the", "tide", "fell", "\n", "no", "one", "knew", "<unk>", "\n"]
    assert (encoded.pieces, encoded.replaced, encoded.surfaces) == (9, 0, ())
    assert sorted(PRETOKENISED.names[4:]) == sorted({"\n", *PTB.split()})


@pytest.mark.parametrize("outer", ["", " "])
@pytest.mark.parametrize("empty", ["\n", " \n"])
def test_white_space_that_is_always_the_same_has_no_token(outer, empty):
    """As in PTB (a space at both ends of a line) and in WikiText (which has empty lines, too)."""
    draw = random.Random(0)
    some = (draw.choices(["a", "b", "<unk>", "="], k=draw.randint(1, 9)) for _ in range(18))
    lines = [" ".join(words) for words in some]
    text = "".join(f"{outer}{line}{outer}\n" if line[0] != "=" else empty for line in lines)
    tokenizer = Whitespace().fit([text])
    tokens = tokenizer.encode(text).tokens
    assert len(tokens) == len(text.split()) + text.count("\n")
    assert SPACING not in tokens
    assert SPACING in tokenizer.unwritable
    assert tokenizer.render(tokens).text == text


def test_other_white_space_is_a_token_and_is_charged():
    plain = PRETOKENISED.encode(" the tide \n")
    for text in (" the  tide \n", "the tide \n", " the tide\n", " the\ttide \n", " the tide \n "):
        encoded = PRETOKENISED.encode(text)
        assert encoded.tokens.tolist().count(SPACING) == encoded.replaced == 1
        assert encoded.spelling_bits[0] > 0
        assert len(encoded.tokens) == len(plain.tokens) + 1
        assert PRETOKENISED.decode(encoded) == text


def test_unusual_white_space_of_the_training_text_is_cheaper_and_is_written_again():
    code = "if a :\n    b\n        c\n    d\n" * 30
    tokenizer = Whitespace().fit([code], ["if b :\n        c\n"])
    known, new = (tokenizer.encode(f"{space}c\n") for space in (" " * 8, "   "))
    assert tokenizer.encode("    c\n").surfaces == ()  # the usual one
    assert known.spelling_bits[0] < 2 < 5 < new.spelling_bits[0]
    given = {"tokens": np.array([SPACING, known.tokens[1]])}
    fills = ({"fill": fill, **given} for fill in ("scored", "pool"))
    drawn, pooled = ({tokenizer.render(**f, seed=s).text for s in range(20)} for f in fills)
    assert pooled == {"c", " " * 8 + "c"} <= drawn


def test_generated_tokens_continue_a_prompt():
    tokens = PRETOKENISED.encode(" the tide \n no").tokens
    for before in (" the", " the "):
        assert PRETOKENISED.render(tokens[1:], before=before).text == " tide \n no"
    assert PRETOKENISED.render(tokens, before="why \n").text == " the tide \n no"
    word = np.array([SPELLED])
    made = PRETOKENISED.render(word, before=" the", seed=3)
    assert made.text[0] == " "
    assert [made.text[a:b] for a, b, _ in made.filled] == [made.text[1:]]
    assert made.text[1:] not in PRETOKENISED.names
    assert PRETOKENISED.render(word, before=" the", fill="mark").text == " <spelled>"


def test_a_word_outside_the_vocabulary_is_spelled_and_cheaper_where_it_stood_before():
    encoded = PRETOKENISED.encode(" the walrus fell \n the walrus  fell \n the  walrus fell \n")
    assert encoded.tokens.tolist()[1] == SPELLED
    assert encoded.spelling_bits[0] > PRETOKENISED.encode(" the wal fell \n").spelling_bits[0] > 5
    for surface, number in (("walrus", 3), ("  ", 2)):
        places = [i for i, each in enumerate(encoded.surfaces) if each == surface]
        ratios = (encoded.remembered_bits / encoded.spelling_bits)[places]
        assert ratios[0] == pytest.approx(1)
        assert len(ratios) == number
        assert max(ratios[1:]) < 1
    given = {"tokens": np.array([SPELLED]), "before": " the thistle fell \n" * 30}
    for cached in (True, False):
        drawn = (PRETOKENISED.render(**given, seed=s, cached=cached).text for s in range(40))
        assert ([*drawn].count(" thistle") > 8) == cached


def test_a_temperature_is_about_the_words_outside_a_closed_vocabulary():
    text = "a b  ab ba\n\n" * 9 + "aab b\n"
    tokenizer = Whitespace().fit([text], ["a bb aba ab\nb abab\n"])
    words = ["".join(letters) for letters in every_sequence("ab", 10)]
    outside = [(word, "word") for word in words if word not in tokenizer.words]
    alone, _ = tokenizer.spellers[SPELLED].document_bits(outside)
    chances = 2**-alone / np.sum(2**-alone)  # no character is drawn that was never seen
    for temperature in (0.5, 0.8):
        found = np.exp(tokenizer.temperature_offsets(temperature))
        mean = np.sum(chances * 2 ** (-alone * (1 / temperature - 1)))
        assert found[SPELLED] == pytest.approx(mean, rel=0.15)
        assert found[SPACING] < 1
        assert (found[SPELLED + 1 :] == 1).all()


HARD = "aZé1٣'’.:,;\"-_ \u202f\u0301\u05b8א\u0e01\u0e33\u0e48漢カーひ\u200d😀👩🇩🇪\n\r\tक्षि가\u1100"


@pytest.mark.parametrize("language", SENTENCES)
def test_every_word_is_a_word_of_the_unicode_segmentation(language):
    """Of two libraries: the one that is used, and one that has the rules of its own."""
    text, pieces = SENTENCES[language], pretokenize(SENTENCES[language])
    expected, *others = (
        [segment for segment in cut if regex.search(r"[\p{L}\p{N}]", segment)]
        for cut in (segments(text), regex.split(r"(?V1w)\b", text), [p.strip(" ") for p in pieces])
    )
    assert others == [expected, expected]
    assert ends(pieces) <= ends(segments(text))


def ends(parts) -> set[int]:
    return set(itertools.accumulate(map(len, parts)))


@given(st.text(st.characters()) | st.text(st.sampled_from(HARD), max_size=12))
@example("\r\u200d\U0001f5fa")
@example("\r\u0e33\u200d\U0001f22f")
@settings(max_examples=300, deadline=None)
def test_no_character_is_lost_and_cuts_are_word_boundaries_but_a_few(text):
    """But beside connectors and between spaces; a mark is not cut off, with a segmenter neither."""
    for pieces in (pretokenize(text, EveryTwo()), pretokenize(text)):
        assert "".join(pieces) == text
        for before, piece in itertools.pairwise(pieces):
            if regex.match(r"[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]", piece):
                assert regex.search(r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]$", before), pieces
    boundaries = ends(regex.split(r"(?V1w)\b", text))
    for cut in ends(pieces) - boundaries:
        before, after = text[cut - 1], text[cut : cut + 1]
        tailored = (
            (before.isspace() and after.isspace())
            or regex.search(r"\p{WB=ExtendNumLet}[\p{M}\p{Cf}]*$", text[:cut])
            or regex.match(r"\p{WB=ExtendNumLet}", after)
            or regex.search(r"\s[\p{M}\p{Cf}\p{GCB=SpacingMark}]*\p{WB=ZWJ}$", text[:cut])
        )
        assert tailored, (pieces, cut)


def test_cuts_that_are_tailored():
    cases = {
        "Don't go--the  o'clock\n\nI": "Don't| go|--|the| | o'clock|\n\n|I",
        "I 'said' 12th _x": "I| '|said|'| 12th| _|x",
        "a  b": "a| | b",
        "(“no...”) -- ‘yes’ --- ¿¿": "(|“|no|...|”|)| --| ‘|yes|’| ---| ¿¿",
        "_so_ x_y __init__": "_|so|_| x|_|y| __|init|__",
        "mot\u202f! 1\u202f000": "mot|\u202f|!| 1|\u202f|000",
        "a\n\n\nb\r\n\r\nc\t\td": "a|\n\n\n|b|\r\n\r\n|c|\t|\t|d",
        "12th 1,000 3.14 e.g. U.S.A. 8:30": "12th| 1,000| 3.14| e.g|.| U.S.A|.| 8|:|30",
        "\ud800a\udfff": "\ud800|a|\udfff",
        "👩‍🚀👩‍🚀 🇩🇪🇫🇷 😂😂": "👩‍🚀|👩‍🚀| 🇩🇪|🇫🇷| 😂😂",
    }
    for text, pieces in cases.items():
        assert pretokenize(text) == pieces.split("|")
    assert all(map(LETTERS.fullmatch, ("हिन्दी", "cafe\u0301")))  # marks belong to a word of letters
    assert not any(map(LETTERS.fullmatch, ("don't", "12th", "", "-", "a b")))


@dataclasses.dataclass(frozen=True)
class EveryTwo(Segmenter):
    """Two characters are a word."""

    def segment(self, stretch):
        return [stretch[i : i + 2] for i in range(0, len(stretch), 2)]


def test_a_segmenter_cuts_stretches_without_spaces_and_nothing_else(monkeypatch):
    text = "abc 日本語の字 (漢) x_カナ12 ไทย"
    expected = "abc| 日本|語の|字| (|漢|)| x|_|カナ|12| ไท|ย"
    assert pretokenize(text, EveryTwo()) == expected.split("|")
    assert pretokenize("がかき\u3099", EveryTwo()) == ["がか", "き\u3099"]
    assert pretokenize("かき\u3099か", EveryTwo()) == ["かき\u3099か"]  # cut before a mark
    for wrong in (["日"], ["日本", "", "語"], []):  # text is lost
        monkeypatch.setattr(EveryTwo, "segment", lambda self, stretch, wrong=wrong: wrong)
        with pytest.raises(ValueError, match=r"EveryTwo\.segment: words that join to '日本語'"):
            pretokenize("日本語", EveryTwo())


def test_japanese_and_thai_are_cut_into_words_by_budoux():
    wanted = {
        "ja": ("吾輩は猫である。名前はまだ無い。", "吾輩|は|猫|で|ある|。|名前|は|まだ|無い|。"),
        "th": ("สวัสดีครับ ผมเรียนภาษาไทย", "สวัสดี|ครับ| ผม|เรียน|ภาษาไทย"),
    }
    for model, (text, joined) in wanted.items():
        pieces, config = joined.split("|"), Words(Unk(), minimum_count=1, segmenter=BudouX(model))
        assert pretokenize(text, config.segmenter) == pieces
        tokenizer = config.fit([text, text], [text], 1)
        loaded = config.load(json.loads(json.dumps(tokenizer.state())))
        for each in (tokenizer, loaded):
            assert set(pieces) <= set(each.names)
            assert len(each.encode(text).tokens) == len(pieces)
    for segmenter in (config.segmenter, EveryTwo()):
        check_plugin("segmenter", segmenter)
