"""Where words are cut: as the default word boundaries of Unicode, in twenty-nine languages."""

import itertools
import json
from dataclasses import dataclass

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentences import SENTENCES
from uniseg.wordbreak import words as segments

from textgen.testing import check_plugin
from textgen.tokenizers.pieces import BudouX, Segmenter, only_letters, pretokenize
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words

hard = st.text(
    st.sampled_from(
        "aZé1٣'’.:,;\"-_ \u202f\u0301\u05b8א\u0e01\u0e33\u0e48漢カーひ\u200d😀👩🇩🇪\n\r\tक्षि가\u1100"
    ),
    max_size=12,
)


@pytest.mark.parametrize("language", SENTENCES)
def test_every_word_is_a_word_of_the_unicode_segmentation(language):
    """Of two libraries: the one that is used, and one that has the rules of its own. What stands
    between words is cut no finer."""
    text, pieces = SENTENCES[language], pretokenize(SENTENCES[language])
    expected, *others = (
        [segment for segment in cut if regex.search(r"[\p{L}\p{N}]", segment)]
        for cut in (segments(text), regex.split(r"(?V1w)\b", text), [p.strip(" ") for p in pieces])
    )
    assert others == [expected, expected]
    assert ends(pieces) <= ends(segments(text))


def ends(parts) -> set[int]:
    return set(itertools.accumulate(map(len, parts)))


@given(st.one_of(st.text(st.characters()), hard))
@example("\r\u200d\U0001f5fa")
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
            or regex.search(r"\s[\p{M}\p{Cf}]*\p{WB=ZWJ}$", text[:cut])
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
    assert all(map(only_letters, ("हिन्दी", "cafe\u0301")))  # marks belong to a word of letters
    assert not any(map(only_letters, ("don't", "12th", "", "-", "a b")))


@dataclass(frozen=True)
class EveryTwo(Segmenter):
    """Words of two characters."""

    def segment(self, stretch):
        return [stretch[i : i + 2] for i in range(0, len(stretch), 2)]


def test_a_segmenter_cuts_stretches_without_spaces_and_nothing_else():
    text = "abc 日本語の字 (漢) x_カナ12 ไทย"
    expected = "abc| 日本|語の|字| (|漢|)| x|_|カナ|12| ไท|ย"
    assert pretokenize(text, EveryTwo()) == expected.split("|")
    assert pretokenize("がかき\u3099", EveryTwo()) == ["がか", "き\u3099"]
    assert pretokenize("かき\u3099か", EveryTwo()) == ["かき\u3099か"]  # cut before a mark


@pytest.mark.parametrize("wrong", [["日"], ["日本", "", "語"], []])
def test_a_segmenter_that_loses_text_is_refused(wrong, monkeypatch):
    monkeypatch.setattr(EveryTwo, "segment", lambda self, stretch: wrong)
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
