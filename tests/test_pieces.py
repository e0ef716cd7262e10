"""Where words are cut: as the default word boundaries of Unicode, in twenty-nine languages."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sentences import SENTENCES
from uniseg.wordbreak import words as segments

from textgen.core.experiment import resolve_experiment
from textgen.testing import check_plugin
from textgen.tokenizers.pieces import Segmenter, only_letters, pretokenize
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words

anything = st.text(st.characters())
hard = st.text(
    st.sampled_from(
        "aZé1٣'’.:,;\"-_ \u202f\u0301\u05b8א\u0e01\u0e33\u0e48漢カーひ\u200d😀👩🇩🇪\n\r\tक्षि가\u1100"
    ),
    max_size=12,
)


def is_word(segment: str) -> bool:
    return regex.search(r"[\p{L}\p{N}]", segment) is not None


@pytest.mark.parametrize("language", SENTENCES)
def test_every_word_is_a_word_of_the_unicode_segmentation(language):
    """Of two libraries: the one that is used, and one that has the rules of its own."""
    text = SENTENCES[language]
    found = [piece.removeprefix(" ") for piece in pretokenize(text) if is_word(piece)]
    assert found == [each for each in segments(text) if is_word(each)]
    assert found == [each for each in regex.split(r"(?V1w)\b", text) if is_word(each)]


@pytest.mark.parametrize("language", SENTENCES)
def test_what_stands_between_words_is_cut_no_finer(language):
    text = SENTENCES[language]
    assert _ends(pretokenize(text)) <= _ends(segments(text))


@given(st.one_of(anything, hard))
@example("\r\u200d\U0001f5fa")
@settings(max_examples=300)
def test_cuts_are_word_boundaries_but_beside_connectors_and_between_spaces(text):
    pieces = pretokenize(text)
    assert "".join(pieces) == text
    boundaries = _ends(regex.split(r"(?V1w)\b", text))
    for cut in _ends(pieces) - boundaries:
        before, after = text[cut - 1], text[cut : cut + 1]
        tailored = (
            (before.isspace() and after.isspace())
            or regex.search(r"\p{WB=ExtendNumLet}[\p{M}\p{Cf}]*$", text[:cut])
            or regex.match(r"\p{WB=ExtendNumLet}", after)
            or regex.search(r"\s[\p{M}\p{Cf}]*\p{WB=ZWJ}$", text[:cut])
        )
        assert tailored, (pieces, cut)


@given(st.one_of(anything, hard))
@settings(max_examples=300)
def test_a_mark_is_never_cut_off(text):
    for segmenter in (None, EveryTwo()):
        check_marks(pretokenize(text, segmenter))


def check_marks(pieces):
    for before, piece in itertools.pairwise(pieces):
        if regex.match(r"[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=ZWJ}]", piece):
            assert regex.search(r"[\p{GCB=Control}\p{GCB=CR}\p{GCB=LF}]$", before), pieces


def test_cuts_that_are_tailored():
    cases = {
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


def test_marks_belong_to_a_word_of_letters():
    assert all(map(only_letters, ("हिन्दी", "cafe\u0301")))
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


@given(st.one_of(anything, hard))
def test_pieces_of_a_segmenter_are_the_text(text):
    assert "".join(pretokenize(text, EveryTwo())) == text
    tokenizer = Words(Unk(), 1, segmenter=EveryTwo()).fit(["a 日本語の字 ไทย"])
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("wrong", [["日"], ["日本", "", "語"], []])
def test_a_segmenter_that_loses_text_is_refused(wrong, monkeypatch):
    monkeypatch.setattr(EveryTwo, "segment", lambda self, stretch: wrong)
    with pytest.raises(ValueError, match=r"EveryTwo\.segment: words that join to '日本語'"):
        pretokenize("日本語", EveryTwo())


def experiment(segmenter):
    words = {"kind": "words", "rare_words": "unk", "minimum_count": 1, "segmenter": segmenter}
    settings = {"corpus": "wikipedia", "objective": "next_token", "training": {"updates": 1}}
    return resolve_experiment({**settings, "tokenizer": words})


def test_japanese_and_thai_are_cut_into_words_by_budoux():
    wanted = {
        "ja": ("吾輩は猫である。名前はまだ無い。", "吾輩|は|猫|で|ある|。|名前|は|まだ|無い|。"),
        "th": ("สวัสดีครับ ผมเรียนภาษาไทย", "สวัสดี|ครับ| ผม|เรียน|ภาษาไทย"),
    }
    for model, (text, pieces) in wanted.items():
        made = experiment({"kind": "budoux", "model": model})
        assert made.resolved["tokenizer"]["segmenter"] == {"kind": "budoux", "model": model}
        config = made.tokenizer
        assert pretokenize(text, config.segmenter) == pieces.split("|")
        tokenizer = config.fit([text], [text], 1)
        loaded = config.load(json.loads(json.dumps(tokenizer.state())))
        for each in (tokenizer, loaded):
            assert set(pieces.split("|")) <= set(each.names)
            assert len(each.encode(text).tokens) == len(pieces.split("|"))
        assert any("BudouX" in data for data in tokenizer.extra_data)
    check_plugin("segmenter", config.segmenter)


def _ends(parts) -> set[int]:
    ends, at = set(), 0
    for part in parts:
        at += len(part)
        ends.add(at)
    return ends
