"""Which language is a text in? By its script, and by the frequency lists of wordfreq.

A script that only one widely used language is written in gives the language away. Where languages
share a script, those with a list in wordfreq (Speer 2022, zenodo.org/records/7199437) are
recognised: the text is in the language whose list makes its words most likely, unless even there
most of them are missing.

Does not handle: languages without a list that share their script with others (Basque, Estonian,
Swahili, Marathi, Amharic, Serbian in Cyrillic …), for which the answer is :data:`UNKNOWN` with the
script; texts in several languages, one of which is named.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import regex

from textgen.core.errors import TextgenError
from textgen.data.documents import Document

# From a letter to the word's end as Unicode Standard Annex #29 has it: combining marks and inner
# apostrophes belong to a word, underscores do not, digits do behind a letter. In scripts without
# spaces between words it is a character.
WORD = regex.compile(
    r"""
    \p{WB=ALetter}++(?=[ \n,;!?"()-]|\.[ \n])  # the common case, without the slower \b
    | \p{L}\P{WB=ExtendNumLet}*?(?:\b(?!\p{GCB=SpacingMark})|(?=\p{WB=ExtendNumLet}))
    """,
    regex.VERSION1 | regex.VERBOSE | regex.DOTALL | regex.WORD,
)
POINTS = regex.compile(r"(?<=[\p{Hebrew}\p{Arabic}])\p{M}+")
# The code of ISO 639 for a language that is not known.
UNKNOWN = "und"
# Script → the languages whose words wordfreq lists.
LISTED_LANGUAGES = {
    "Latin": "ca cs da de en es fi fil fr hu id is it lt lv ms nb nl pl pt ro sh sk sl sv tr vi",
    "Cyrillic": "bg mk ru uk",
    "Arabic": "ar fa ur",
    "Hebrew": "he",
    "Devanagari": "hi",
    "Bengali": "bn",
    "Tamil": "ta",
    "Greek": "el",
}
PAIR = regex.compile(r"(\S+)=(\S+)")
# Script → the one widely used language that is written in it.
LANGUAGE_OF_SCRIPT = dict(
    PAIR.findall("""Armenian=hy Cherokee=chr Georgian=ka Gujarati=gu Gurmukhi=pa Han=zh Hangul=ko
    Kannada=kn Khmer=km Lao=lo Malayalam=ml Myanmar=my Oriya=or Sinhala=si Telugu=te Thai=th
    Tibetan=bo""")
)
LANGUAGE_NAMES = dict(
    PAIR.findall("""ar=Arabic bg=Bulgarian bn=Bengali bo=Tibetan ca=Catalan chr=Cherokee cs=Czech
    da=Danish de=German el=Greek en=English es=Spanish et=Estonian eu=Basque fa=Persian fi=Finnish
    fil=Filipino fr=French gu=Gujarati he=Hebrew hi=Hindi hr=Croatian hu=Hungarian hy=Armenian
    id=Indonesian is=Icelandic it=Italian ja=Japanese ka=Georgian km=Khmer kn=Kannada ko=Korean
    lo=Lao lt=Lithuanian lv=Latvian mk=Macedonian ml=Malayalam ms=Malay my=Burmese nb=Norwegian
    nl=Dutch or=Odia pa=Punjabi pl=Polish pt=Portuguese ro=Romanian ru=Russian sh=Serbo-Croatian
    si=Sinhala sk=Slovak sl=Slovenian sr=Serbian sv=Swedish sw=Swahili ta=Tamil te=Telugu th=Thai
    tr=Turkish uk=Ukrainian ur=Urdu vi=Vietnamese zh=Chinese""")
)
# Codes of languages whose words wordfreq lists under another one.
LISTED_UNDER = {"no": "nb", "nn": "nb", "sr": "sh", "hr": "sh", "bs": "sh", "tl": "fil"}
# Languages without spaces between words.
UNSPACED = frozenset({"bo", "ja", "km", "lo", "my", "th", "zh"})
# Scripts in which Unicode's rules find no words; Tibetan marks its syllables.
UNSPACED_SCRIPTS = frozenset("Han Hiragana Katakana Khmer Lao Myanmar Tai Thai".split())
# From this share of kana on, a text in Han characters and kana is Japanese.
MIN_KANA_SHARE = 0.1
# log10 frequency of a word that is not in a list: below that of the rarest ones in it, −6.5.
UNLISTED_WORD = -8.0
# Mean log10 frequency of a text's words: below the first no list fits it, and a text whose words
# are as frequent in English as the second needs no other list. spaCy's example sentences in thirty
# languages lie between −3.0 (Urdu) and −5.3 (Turkish) by their own lists, Lovecraft's tales at
# −3.4, and at −4.9 by the list of Filipino, which borrows from English; languages without a list at
# −5.5 (Tswana by the list of Malay) or below, the Estonian New Testament at −6.5 by that of
# Finnish.
LIKELY_LANGUAGE, SURE_LANGUAGE = -5.5, -4.5
# How much of a text is looked at: so many documents, so many characters from inside each.
SAMPLED_DOCUMENTS, SAMPLED_CHARACTERS = 24, 6000
# Mean log10 frequency of words below which a document is in another language than that of the list.
# Of pieces of 700 characters, Lovecraft's lie at −5.1 or above and those of the Ukrainian New
# Testament at −5.4, by their own lists; Estonian, Basque and Swahili at −6.5 or below by the
# English one.
FOREIGN_LANGUAGE = -6.0
# Letters of a document from which on its own language is looked for, in so many characters.
MIN_LETTERS, EXCERPT_CHARACTERS = 800, 2000


@dataclass(frozen=True)
class Language:
    """The language of a text.

    Attributes:
        code: of ISO 639, or :data:`UNKNOWN`.
        script: that of most letters, in Unicode's name; empty without letters.
        stated: whether the experiment says so; else it was detected.
    """

    code: str
    script: str
    stated: bool = False

    @property
    def name(self) -> str:
        """In English, or the code where there is no name; "an unknown language"."""
        return language_name(self.code)

    def __str__(self) -> str:
        script = f"{self.script} script" if self.script else "no letters"
        if self.code == UNKNOWN:
            hint = 'state its ISO 639 code: language = "…", in try --language'
            return f"not recognised ({script}); {hint}"
        return f"{self.name} ({self.code}, {script}), {'stated' if self.stated else 'detected'}"


def language_name(code: str) -> str:
    """A language in English; its code where there is no name for it."""
    return "an unknown language" if code == UNKNOWN else LANGUAGE_NAMES.get(code, code)


def code_of(language: str) -> str:
    """The code of a language that is given by its name in English, or by its code.

    Raises:
        TextgenError: it is neither.
    """
    codes = {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
    code = codes.get(language.lower(), language)
    if not regex.fullmatch("[a-z]{2,3}", code):
        hint = "give its code of ISO 639, such as eu for Basque"
        raise TextgenError(f"language {language!r}: no language is known by this name", hint)
    return code


def word_list(code: str) -> str | None:
    """The code under which wordfreq lists the words of a language; None if it has no list, or one
    that takes a segmenter."""
    code = LISTED_UNDER.get(code, code)
    return code if any(code in codes.split() for codes in LISTED_LANGUAGES.values()) else None


def find_language(documents: Sequence[Document], stated: str | None = None) -> Language:
    """The language of some documents.

    Args:
        documents: of the training split.
        stated: its code, if the experiment says so.
    """
    step = max(1, len(documents) // SAMPLED_DOCUMENTS)
    sampled = documents[::step][:SAMPLED_DOCUMENTS]
    text = "\n".join(_excerpt(d.text, SAMPLED_CHARACTERS) for d in sampled)
    if stated is not None:
        return Language(stated, main_script(text), stated=True)
    return detect_language(text)


def _excerpt(text: str, characters: int) -> str:
    """Characters from inside a text, where titles and licences are past."""
    start = max(0, min(len(text) // 3, len(text) - characters))
    return text[start : start + characters]


def foreign_language(document: Document, detected: Language) -> Language | None:
    """The language of a document that is surely not in the language of the rest, else None. Of a
    short document nothing is sure.

    Args:
        document: one of a corpus.
        detected: the language of that corpus.
    """
    text = _excerpt(document.text, EXCERPT_CHARACTERS)
    if sum(map(str.isalpha, text)) < MIN_LETTERS:
        return None
    script, words = main_script(text), count_words(text)
    listed = LISTED_LANGUAGES.get(script, "").split()
    expected = script == detected.script and detected.code in listed
    if expected and mean_log_frequency(words, detected.code) >= FOREIGN_LANGUAGE:
        return None
    language = detect_language(text)
    sure = expected
    if script != detected.script:
        sure = language.code != detected.code or language.code == UNKNOWN
    elif language.code in listed:
        sure |= mean_log_frequency(words, language.code) >= SURE_LANGUAGE
    return language if sure else None


def detect_language(text: str) -> Language:
    """The language of a text by its letters and words alone."""
    scripts, script = _letters_by_script(text), main_script(text)
    kana = scripts["Hiragana"] + scripts["Katakana"]
    if kana > MIN_KANA_SHARE * scripts.total():
        return Language("ja", script)
    if script in LANGUAGE_OF_SCRIPT:
        return Language(LANGUAGE_OF_SCRIPT[script], script)
    codes = LISTED_LANGUAGES.get(script, "").split()
    words = count_words(text)
    if "en" in codes and mean_log_frequency(words, "en") >= SURE_LANGUAGE:
        return Language("en", script)
    means = {code: mean_log_frequency(words, code) for code in codes}
    best = max(means, key=means.__getitem__, default=UNKNOWN)
    likely = means.get(best, -math.inf) >= LIKELY_LANGUAGE
    return Language(best if likely else UNKNOWN, script)


def main_script(text: str) -> str:
    """The script of most letters of a text; empty if it has none."""
    scripts = _letters_by_script(text)
    return max(scripts, key=lambda script: (scripts[script], script), default="")


def _letters_by_script(text: str) -> Counter[str]:
    letters: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            letters[_script_of(letter)] += count
    return letters


@cache
def _script_of(letter: str) -> str:
    """As the first word of its name in Unicode says."""
    first = unicodedata.name(letter, "other").replace("-", " ").partition(" ")[0]
    return "Han" if first == "CJK" else first.title()


def count_words(text: str) -> Counter[str]:
    """Words as wordfreq's lists have them: lower-cased, Hebrew and Arabic without points."""
    text = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    return Counter(WORD.findall(POINTS.sub("", text)))


def mean_log_frequency(words: Mapping[str, int], code: str) -> float:
    """Mean log10 frequency of some words in a language; −∞ without words. A word with an
    apostrophe that is not listed is taken for its longer part."""
    from wordfreq import get_frequency_dict  # takes a tenth of a second

    frequencies, total = get_frequency_dict(code, "small"), 0.0
    for word, count in words.items():
        frequency = frequencies.get(word) or frequencies.get(max(word.split("'"), key=len))
        total += count * (math.log10(frequency) if frequency else UNLISTED_WORD)
    return total / sum(words.values()) if words else -math.inf
