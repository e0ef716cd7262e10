"""Generated placeholders become words that fit where they stand."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from random import Random

from textgen.tokenizers.tokens import DocumentCounts, Rendered, draw_surface
from textgen.tokenizers.words.rare_words.base import FittedPolicy, Placeholder

SENTENCE_END = re.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
ARTICLE = re.compile(r"(?:^|(?<=[^\w'’]))([Aa])(n?)$")
VOWEL_SOUND = re.compile(
    r"(?!uni(?![dmn])|unanim|u[bcfhjkqrst][aeiou]|eu|ewe|onc?e(?:\b|self|ness))[aeiou]|hour|honest|honou?r|heir",
    re.IGNORECASE,
)
"""A word that begins with a vowel as it is spoken: an hour and an uncle, but a unit and a one."""


class ScoredWriter:
    """A text that grows, the surface form of each placeholder drawn with exactly the probability
    that is charged for it.

    Args:
        policy: describes surface forms.
        tokens: that are written.
        random: the source of random numbers.
        earlier: the rare words of the text that is continued, where those of the document so far
            matter; None without a memory.
    """

    fill = "scored"

    def __init__(
        self,
        policy: FittedPolicy,
        tokens: Sequence[int],
        random: Random,
        earlier: DocumentCounts | None = None,
    ) -> None:
        self._policy, self._tokens = policy, tokens
        self._random, self._earlier = random, earlier
        self._parts: list[str] = []
        self._length = 0
        self._marks: list[tuple[int, int, str]] = []

    def surface(self, token: int, place: int) -> str:
        """A surface form for a generated placeholder at ``place``."""
        steps_of = self._policy.surface_steps(self._tokens[max(0, place - 1) : place + 1])
        assert steps_of is not None
        return draw_surface(steps_of(None), self.fill, self._random, self._earlier)

    def write(self, text: str) -> None:
        """Append a text as it is."""
        if text:
            self._parts.append(text)
            self._length += len(text)

    def place(self, item: Placeholder) -> None:
        """Append a filled word, and note where it stands."""
        if item.word:
            self.write(" " * item.spaced)
            self._marks.append((self._length, self._length + len(item.word), item.token))
            self.write(item.word)

    def rendered(self) -> Rendered:
        """The text so far."""
        return Rendered("".join(self._parts), tuple(self._marks))


class Writer(ScoredWriter):
    """A text that grows, with words in the place of its placeholders that read well there, whatever
    is charged for them.

    One name serves a passage: the first name that is drawn, or the first two that stand side by
    side, come back whenever a name is called for. "a" and "an" are corrected. A filled word is
    capitalised where a sentence begins; elsewhere it loses its capital if it is known to be no name
    and to have a form without. Words that the network spelled itself are left as they are.

    Args:
        policy, tokens, random: as in :class:`ScoredWriter`.
        fill: one of :data:`textgen.tokenizers.FILL` but ``"scored"``.
        before: the text that is continued.
        articles: whether "a" and "an" are corrected, as in English.
    """

    def __init__(
        self,
        policy: FittedPolicy,
        tokens: Sequence[int],
        random: Random,
        fill: str,
        before: str,
        articles: bool = True,
    ) -> None:
        super().__init__(policy, tokens, random)
        self.fill, self._tail, self._articles = fill, before[-40:], articles
        self._names: dict[int, list[str]] = {}
        self._last = (-2, -1)
        self._token = -1

    def surface(self, token: int, place: int) -> str:
        if token < 0:
            return ""  # the model writes text without gaps
        self._token = token
        if self.fill == "mark" or not self._policy.proper(token):
            return super().surface(token, place)
        rank = self._last[1] + 1 if self._last[0] == place - 1 else 0
        self._last = (place, rank)
        known = self._names.setdefault(token, [])
        if rank >= len(known):  # also the first of its kind behind a name of another
            known.append(super().surface(token, place))
        return known[min(rank, len(known) - 1)]

    def write(self, text: str) -> None:
        super().write(text)
        self._tail = (self._tail + text)[-40:]

    def place(self, item: Placeholder) -> None:
        """Append a filled word, adapted to its place, and note where it stands."""
        if not item.word:
            return
        token, self._token = self._token, -1
        spelled = token < 0  # by the network
        word = item.word if spelled or self.fill == "mark" else self._fit(item.word, token)
        if item.spaced:
            if self._articles and not spelled:
                self._article(word)
            self.write(" ")
        start = self._length
        self.write(word)
        self._marks.append((start, self._length, item.token))

    def _fit(self, word: str, token: int) -> str:
        proper = self._policy.proper(token)
        if proper and word.isupper():
            word = word[:1] + word[1:].lower()  # from a title, as a rule
        if SENTENCE_END.search(self._tail):
            return word[:1].upper() + word[1:]
        lower = word[:1].lower() + word[1:]
        if proper is False and self._policy.known(lower):
            return lower
        return word

    def _article(self, word: str) -> None:
        """Correct an "a" or "an" that was just written."""
        found = ARTICLE.search(self._tail) if self._parts else None
        if not found or not word[:1].isalpha() or not self._parts[-1].endswith(found.group()):
            return
        if self._marks and self._marks[-1][1] == self._length:
            return  # it fills a placeholder itself
        plain = unicodedata.normalize("NFD", word)
        right = found.group(1) + ("n" if VOWEL_SOUND.match(plain) else "")
        last = self._parts.pop()
        self._length -= len(last)
        self._tail = self._tail[: -len(last)] if len(last) <= len(self._tail) else ""
        self.write(last[: len(last) - len(found.group())] + right)
