"""Which language is a text in? As py3langid says (Barbaresi, after Lui and Baldwin 2012), a naive
Bayes classifier of strings of bytes that knows 139 languages; by the script where that alone tells.

Does not handle: languages that it does not know, of which it takes some for a relative (Sorbian for
Polish, Tswana for Northern Sotho); texts in several languages, of which that of most is named.
"""

import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from textgen.core.errors import TextgenError

if TYPE_CHECKING:  # documents ask for languages to guess encodings
    from py3langid.langid import LanguageIdentifier

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
# The code of ISO 639 for a language that is not known.
UNKNOWN = "und"
TABLES = tomllib.loads(Path(__file__).with_name("languages.toml").read_text(encoding="utf-8"))
LANGUAGE_NAMES: dict[str, str] = TABLES["names"]
SAME_AS: dict[str, str] = TABLES["same_as"]
UNSPACED, UNSPACED_SCRIPTS = frozenset(TABLES["unspaced"]), frozenset(TABLES["unspaced_scripts"])
# How sure the classifier has to be of a language.
LIKELY = 0.5
# How sure of one that a document is in unlike the rest. Of excerpts of 2,000 characters from New
# Testaments in Basque, Estonian, Gujarati, Swahili and Ukrainian and from Lovecraft's tales it
# knows all but one of 1,199 at 0.9 or above; that one, a list of names, it takes for Latin at 0.3.
SURE = 0.9
# Documents that are looked at to tell the language of a text, at most.
SAMPLED_DOCUMENTS = 24
# Characters from inside each, at most.
SAMPLED_CHARACTERS = 6000
# Characters that the classifier gets at once.
EXCERPT_CHARACTERS = 2000
# Letters among so many characters of a document, from which on its own language is looked for.
MIN_LETTERS = 800


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
            hint = 'state the ISO 639 code: language = "…" (textgen try: --language)'
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
        hint = "give its ISO 639 code, e.g. eu for Basque"
        raise TextgenError(f"language {language!r}: unknown language", hint)
    return code


def is_same_language(code: str, other: str) -> bool:
    """Whether two codes are of one language here, as Croatian and Serbo-Croatian are."""
    return SAME_AS.get(code, code) == SAME_AS.get(other, other)


@cache
def word_list(code: str) -> str | None:
    """The code under which wordfreq lists the words of a language; None if it has no list, or one
    that takes a segmenter."""
    from wordfreq import available_languages

    code = SAME_AS.get(code, code)
    take_segmenter = {"ja", "ko", "zh"}
    if code in available_languages("small") and code not in take_segmenter:
        return code
    return None


def find_language(documents: Sequence["Document"], stated: str | None = None) -> Language:
    """The language of some documents.

    Args:
        documents: of the training split.
        stated: its code, if the experiment says so.
    """
    step = max(1, len(documents) // SAMPLED_DOCUMENTS)
    sampled = documents[::step][:SAMPLED_DOCUMENTS]
    text = "\n".join(d.excerpt(SAMPLED_CHARACTERS) for d in sampled)
    if stated is not None:
        return Language(stated, main_script(text), stated=True)
    return detect_language(text)


def foreign_language(document: "Document", detected: Language) -> Language | None:
    """The language of a document that is surely not in the language of the rest, else None. Of a
    short document nothing is sure.

    Args:
        document: one of a corpus.
        detected: the language of that corpus.
    """
    text = document.excerpt(EXCERPT_CHARACTERS)
    if sum(map(str.isalpha, text)) < MIN_LETTERS:
        return None
    language = detect_language(text, SURE)
    differs = language.code != detected.code
    if UNKNOWN in (language.code, detected.code):
        differs = language.script != detected.script
    return language if differs else None


def detect_language(text: str, least: float = LIKELY) -> Language:
    """The language of a text by its letters alone, if its mean probability in excerpts is at least
    ``least``: so that of most of a text in several."""
    script = main_script(text)
    if script not in TABLES["known_scripts"]:
        return Language(TABLES["language_of_script"].get(script, UNKNOWN), script)
    votes = Counter[str]()  # characters, by language
    for start in range(0, len(text), EXCERPT_CHARACTERS):
        excerpt = text[start : start + EXCERPT_CHARACTERS]
        code, probability = _classifier().classify(excerpt)
        votes[SAME_AS.get(code, code)] += len(excerpt) * probability
    code = max(votes, key=votes.__getitem__)
    return Language(code if votes[code] >= least * len(text) else UNKNOWN, script)


@lru_cache(maxsize=100)
def likeliest_language(text: str) -> str:
    """The code of the language that the classifier thinks likeliest, however unlikely it is."""
    return _classifier().classify(text)[0]


@lru_cache(maxsize=20_000)
def chance_of(language: str, text: str) -> float:
    """How likely a short text is in a language, from 0 to 1.

    Args:
        language: a code of :func:`likeliest_language`.
        text: some words.
    """
    return dict(_classifier().rank(text))[language]


@cache
def _classifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # takes half a second

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _script_of(letter: str) -> str:
    """The first word of a letter's name in Unicode: of LATIN SMALL LETTER A, Latin."""
    name = unicodedata.name(letter, "other").replace("-", " ")
    name = name.removeprefix("HALFWIDTH ").removeprefix("FULLWIDTH ")
    first, _, _ = name.partition(" ")
    if first == "CJK":
        return "Han"
    return first.title()


def main_script(text: str) -> str:
    """The script of most letters of a text, as Unicode names it; empty if it has none."""
    scripts = Counter[str]()
    for letter, count in Counter(filter(str.isalpha, text)).items():
        scripts[_script_of(letter)] += count
    return max(scripts, key=lambda script: (scripts[script], script), default="")
