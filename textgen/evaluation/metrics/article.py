"""What the article's author counted by hand: most of it is about English."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textgen.evaluation.metrics.base import Human, Label, Pairs, Ratios, Sample

WORDS = ("the", "and", "than", "that")
ENDINGS = ("ing", "ed", "tion")
PREPOSITIONS = frozenset(
    """aboard about above across after against along amid amidst among amongst around at athwart
    before behind below beneath beside besides between betwixt beyond by concerning despite down
    during except for from in inside into like near of off on onto opposite out outside over past
    regarding round since through throughout till to toward towards under underneath until unto up
    upon via with within without""".split()
)
PRONOUNS = frozenset(
    """i me my mine myself we us our ours ourselves you your yours yourself yourselves thou thee thy
    thine thyself ye he him his himself she her hers herself it its itself they them their theirs
    themselves who whom whose whoever whomever which what whatever anybody anyone anything everybody
    everyone everything nobody none nothing somebody someone something oneself""".split()
)
"""Personal, possessive, reflexive, relative, interrogative and indefinite; not "this" and "that"
and their plurals, which stand before a noun as a rule or join clauses."""
FIRST_LETTER = re.compile(r"""(?:^|[\s“‘«‹(\[{—–_*-])["'`“‘’]*([^\W\d_])""")


@dataclass(frozen=True)
class Article(Ratios):
    """Frequent words, endings, prepositions and pronouns of English; it applies to no other
    language.

    A form counts whatever its use, without a tagger: "like" and "to" are prepositions, "her" a
    pronoun, "thing" ends in -ing. A pronoun may carry a clitic ("I'm", "they'd").
    """

    labels: ClassVar[dict[str, Label]] = {
        **{f"word_{word}": Label(f"“{word}”", "of words", ".2%") for word in WORDS},
        **{f"ending_{e}": Label(f"words ending in -{e}", "of words", ".2%") for e in ENDINGS},
        "prepositions": Label("prepositions", "of words"),
        "pronouns": Label("pronouns", "of words"),
    }

    def applies(self, language: str) -> bool:
        return language == "en"

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            counts, total = sample.counts, len(sample.words)
            found = [counts[word] for word in WORDS]
            found += [sum(n for w, n in counts.items() if w.endswith(e)) for e in ENDINGS]
            found.append(sum(n for w, n in counts.items() if w in PREPOSITIONS))
            found.append(sum(n for w, n in counts.items() if w.split("'")[0] in PRONOUNS))
            yield [(n, total) for n in found]


@dataclass(frozen=True)
class Capitals(Ratios):
    """Capitals in the right place, in any script that has some.

    A capital is in place where a word starts: at the start of the text or after white space, an
    opening bracket, a dash, an asterisk or an underscore, with or without an opening quote between;
    the inner capitals of "NASA" and "McCoy" are not, nor the second initial of "H.P.".
    """

    labels: ClassVar[dict[str, Label]] = {
        "capitals_in_place": Label("capitals that start a word", "of capital letters"),
    }

    def pairs(self, samples: Sequence[Sample], human: Human) -> Pairs:
        for sample in samples:
            capital, placed = capitals(sample.text)
            yield [(placed, capital)]


def capitals(text: str) -> tuple[int, int]:
    """How many capital letters a text has, and how many of them start a word."""
    placed = sum(match.group(1).isupper() for match in FIRST_LETTER.finditer(text))
    return sum(map(str.isupper, text)), placed
