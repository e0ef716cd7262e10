"""Where words are cut: as the default word boundaries of Unicode, in twenty-nine languages."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from uniseg.wordbreak import words as segments

from textgen.tokenizers.words.pieces import only_letters, pretokenize, unsegmented_share

SENTENCES = {
    "Amharic": "ሰላም፣ ዛሬ ጥሩ ቀን ነው። ነገ 12 ሰዎች ይመጣሉ።",
    "Arabic": "السَّلامُ عَلَيْكُم، وصل القطار في الساعة ٨:٣٠ صباحًا.",
    "Armenian": "Բարեւ ձեզ, այսօր շատ գեղեցիկ օր է։",
    "Basque": "Kaixo, lagunok! Gaur 3.500 liburu heldu dira etxera.",
    "Bengali": "আমি বাংলায় গান গাই, তুমি কি শুনছ?",
    "Cherokee": "ᎣᏏᏲ, ᏙᎯᏧ? ᎠᏂᏴᏫ ᎠᏁᎲ.",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy, řekl p. Novák.",
    "English": "She didn't know the o’clock; at 3.30 p.m. 1,500 well-read people left -- gone...",
    "Estonian": "Täna sõi õpetaja öösel 12,5 õuna; kas sa tead?",
    "Finnish": "Hän sanoi: ”Äiti lähti yöllä!” Kello oli 4.15.",
    "French": "L'été dernier, aujourd’hui encore, qu'est-ce qu’il a dit ? « Rien », dit-elle.",
    "Georgian": "გამარჯობა, დღეს კარგი ამინდია.",
    "German": "Die Ära endete; u\u0308ber 1.000 Bücher blieben (z.B. Müllers “Größe”).",
    "Greek": "Καλημέρα· πώς είσαι; Ήρθαν 20 άνθρωποι.",
    "Gujarati": "આજે હવામાન સારું છે, ક્ષમા કરશો.",
    "Hebrew": "שָׁלוֹם לְכֻלָּם! צה\"ל וג'ירפה הלכו הביתה.",
    "Hindi": "नमस्ते, मैं हिन्दी पढ़ता हूँ। क्या आप ठीक हैं?",
    "Hungarian": "Árvíztűrő tükörfúrógép, mondta az őr 7-kor.",
    "Icelandic": "Þetta er ágæt bók, sagði Æsa við Óðin.",
    "Korean": "안녕하세요, 오늘은 3시에 만나요.",
    "Persian": "می‌خواهم کتاب‌ها را بخوانم؛ نمی‌دانم.",
    "Polish": "Zażółć gęślą jaźń – powiedział prof. Wójcik.",
    "Russian": "Он сказал: «Ещё бы!», и всё-таки ушёл в 18.30.",
    "Spanish": "¿Cómo estás, señor? ¡Qué niño más pequeño!",
    "Swahili": "Habari ya asubuhi? Watoto ng'ombe wanakunywa maji.",
    "Tamil": "வணக்கம், நான் தமிழ் படிக்கிறேன்.",
    "Turkish": "İstanbul'da ışık söndü; Ağrı'ya gittik.",
    "Ukrainian": "Сьогодні п'ять м’ячів, а вчора їх було 10.",
    "Vietnamese": "Tôi đang học tiếng Việt, rất khó nhưng vui.",
}
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
        )
        assert tailored, (pieces, cut)


@given(st.one_of(anything, hard))
@settings(max_examples=300)
def test_a_mark_is_never_cut_off(text):
    pieces = pretokenize(text)
    for before, piece in zip(pieces, pieces[1:], strict=False):
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


def test_scripts_without_spaces_are_recognised():
    assert unsegmented_share("ภาษาไทยไม่มีช่องว่าง") > 0.9
    assert unsegmented_share("日本語の文章です。カタカナー") == 1
    assert unsegmented_share("ភាសាខ្មែរ") > 0.9
    assert unsegmented_share("Only English, and one 漢.") < 0.1
    assert unsegmented_share("한국어는 띄어 쓴다") == unsegmented_share("हिन्दी") == 0
    assert unsegmented_share("123 ...") == 0


def test_marks_belong_to_a_word_of_letters():
    assert only_letters("हिन्दी") and only_letters("cafe\u0301")
    assert not any(map(only_letters, ("don't", "12th", "", "-", "a b")))


def _ends(parts) -> set[int]:
    ends, at = set(), 0
    for part in parts:
        at += len(part)
        ends.add(at)
    return ends
