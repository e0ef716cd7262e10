"""The language of a text: detected by script and words, or stated."""

from __future__ import annotations

import pytest
import wordfreq
from conftest import made_up
from sentences import SENTENCES

from textgen.core import TextgenError, json_schema, load_experiment
from textgen.data import Document, detect_language, load_corpus, word_list
from textgen.data.language import LISTS, NAMES, ONLY, SAME, UNKNOWN, Language, find_language

CODES = {
    "Arabic": "ar", "Armenian": "hy", "Bengali": "bn", "Cherokee": "chr",
    "English": "en", "Finnish": "fi", "French": "fr", "Georgian": "ka", "German": "de",
    "Greek": "el", "Gujarati": "gu", "Hebrew": "he", "Hindi": "hi", "Icelandic": "is",
    "Korean": "ko", "Persian": "fa", "Russian": "ru", "Spanish": "es",
    "Tamil": "ta", "Ukrainian": "uk", "Vietnamese": "vi",
}  # fmt: skip
MORE = {
    "cs": "Ráno jsem vstal brzy a šel k moři, protože bylo krásné počasí.",
    "pl": "Rano wstałem wcześnie i poszedłem nad morze, bo pogoda była piękna.",
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "zh": "我们今天去学校上课。",
    "th": "สวัสดีครับ ผมเรียนภาษาไทย",
    "my": "မြန်မာစာ သင်နေပါတယ်။",
    "tr": "Sabah erkenden kalktım ve denize doğru yürüdüm; hava çok güzeldi.",
    "hu": "Reggel korán felkeltem, és lementem a tengerhez, mert szép idő volt.",
}
WITHOUT_A_LIST = {
    "Basque": "Goizean goiz jaiki nintzen, eta itsasora joan nintzen, eguraldi ederra baitzegoen.",
    "Estonian": "Hommikul tõusin vara üles ja läksin mere äärde, sest ilm oli väga ilus.",
    "Swahili": "Asubuhi niliamka mapema nikaenda baharini kwa sababu hali ya hewa ilikuwa nzuri.",
}


@pytest.mark.parametrize("language", CODES)
def test_a_sentence_is_enough(language):
    assert detect_language(SENTENCES[language]).code == CODES[language]


@pytest.mark.parametrize("code", MORE)
def test_scripts_without_spaces_and_long_words(code):
    assert detect_language(MORE[code]).code == code


@pytest.mark.parametrize("language", WITHOUT_A_LIST)
def test_a_language_without_a_list_is_not_taken_for_another(language):
    found = detect_language(WITHOUT_A_LIST[language] + " " + SENTENCES[language])
    assert (found.code, found.script) == (UNKNOWN, "Latin")
    assert "not recognised (Latin script)" in str(found)


def test_nothing_and_nothing_but_numbers():
    for text in ("", "123 -- 456", "\n"):
        assert detect_language(text) == Language(UNKNOWN, "")
    assert detect_language("ሰላም ዓለም").script == "Ethiopic"


def test_a_preface_in_english_does_not_decide():
    preface = "This eBook is for the use of anyone anywhere at no cost. " * 20
    german = "Am Morgen stand ich früh auf und ging ans Meer, denn das Wetter war schön. " * 400
    documents = [Document("a", preface + german), Document("b", german)]
    assert find_language(documents).code == "de"
    assert find_language(documents, "nds") == Language("nds", "Latin", stated=True)


def test_the_tables_agree_with_wordfreq():
    listed = {code for codes in LISTS.values() for code in codes.split()}
    assert listed | {"ja", "ko", "zh"} == set(wordfreq.available_languages("small"))
    assert set(SAME.values()) <= listed
    assert (listed | set(ONLY.values()) | SAME.keys() - {"nn", "tl"}) <= NAMES.keys()
    assert word_list("hr") == "sh"
    assert word_list("en") == "en"
    assert word_list("ja") is word_list("eu") is word_list(UNKNOWN) is None


def test_the_language_is_a_setting_and_stands_in_the_description(experiment_file, corpus_folder):
    found = load_corpus(load_experiment(experiment_file)).description["language"]
    assert found == {"code": "en", "script": "Latin", "stated": False}
    stated = load_experiment(experiment_file, ['language="de"'])
    assert stated.language == stated.resolved["language"] == "de"
    plain = load_experiment(experiment_file)
    assert "language" not in plain.resolved
    assert plain.text_key != stated.text_key
    found = load_corpus(stated).description["language"]
    assert found == {"code": "de", "script": "Latin", "stated": True}
    with pytest.raises(TextgenError, match=r"language\n.*'German'\n.*code of ISO 639"):
        load_experiment(experiment_file, ['language="German"'])
    assert "language" in json_schema()["properties"]


def test_made_up_text_of_the_tests_is_english():
    assert detect_language(made_up(20, 1)).code == "en"
