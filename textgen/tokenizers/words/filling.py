"""Generated placeholders become words that fit where they stand."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from textgen.tokenizers.tokens import Rendered
from textgen.tokenizers.words.rare_words.base import FittedPolicy, Placeholder

SENTENCE_END = re.compile(r"(?:^|\n\s*\n|[.!?])[\s\"'“”‘’()\[\]-]*$")
ARTICLE = re.compile(r"(?:^|(?<=[^\w'’]))([Aa])(n?)$")
VOWEL_SOUND = re.compile(
    r"(?!uni(?![dmn])|unanim|u[bcfhjkqrst][aeiou]|eu|ewe|onc?e(?:\b|self|ness))[aeiou]|hour|honest|honou?r|heir",
    re.IGNORECASE,
)
"""A word that begins with a vowel as it is spoken: an hour and an uncle, but a unit and a one."""


class Writer:
    """A text that grows, with words in the place of its placeholders.

    One name serves a passage: the first name that is drawn, or the first two that stand side by
    side, come back whenever a name is called for. Under a policy with a memory of the document,
    names come back as often as it says, as all its words do, but never next to themselves. "a" and
    "an" are corrected. A filled word is capitalised where a sentence begins; elsewhere it loses its
    capital if it is known to be no name and to have a form without. Words that the network spelled
    itself are left as they are.

    Args:
        policy: draws the surface forms of placeholders.
        fill: one of :data:`textgen.tokenizers.FILL`.
        random: the source of random numbers.
        before: the text that is continued.
        earlier: the placeholders in it, each with its surface form.
    """

    def __init__(
        self,
        policy: FittedPolicy,
        fill: str,
        random: Random,
        before: str,
        earlier: Iterable[tuple[int, str]] = (),
    ) -> None:
        self._policy, self._mode, self._random = policy, fill, random
        self._parts: list[str] = []
        self._length = 0
        self._tail = before[-40:]
        self._marks: list[tuple[int, int, str]] = []
        self._names: dict[int, list[str]] = {}
        self._beside: list[str] = []
        self._earlier: dict[int, Counter[str]] = {}
        for token, surface in earlier:
            self._earlier.setdefault(token, Counter())[surface] += 1
        self._last = (-2, -1)
        self._token = -1

    def surface(self, token: int, place: int) -> str:
        """A surface form for a generated placeholder at ``place``."""
        self._token = token
        if self._mode == "mark" or not self._policy.proper(token):
            return self._surface(token)
        adjacent = self._last[0] == place - 1
        rank = self._last[1] + 1 if adjacent else 0
        self._last = (place, rank)
        if self._policy.remembers:
            self._beside = self._beside if rank else []
            self._beside.append(self._surface(token, self._beside))
            return self._beside[-1]
        known = self._names.setdefault(token, [])
        if rank >= len(known):  # also the first of its kind behind a name of another
            known.append(self._surface(token))
        return known[min(rank, len(known) - 1)]

    def _surface(self, token: int, beside: Sequence[str] = ()) -> str:
        """A surface form for ``token``; of the earlier ones none of those ``beside`` it."""
        earlier = self._earlier.setdefault(token, Counter())
        offered = earlier
        if beside:
            offered = Counter({w: n for w, n in earlier.items() if w not in beside})
        word = self._policy.draw_surface(token, self._mode, self._random, offered)
        earlier[word] += 1
        return word

    def write(self, text: str) -> None:
        """Append a text as it is."""
        if text:
            self._parts.append(text)
            self._length += len(text)
            self._tail = (self._tail + text)[-40:]

    def place(self, item: Placeholder) -> None:
        """Append a filled word, adapted to its place, and note where it stands."""
        if not item.word:
            return
        token, self._token = self._token, -1
        spelled = token < 0  # by the network
        word = item.word if spelled or self._mode == "mark" else self._fit(item.word, token)
        if item.spaced:
            if not spelled:
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

    def rendered(self) -> Rendered:
        """The text so far."""
        return Rendered("".join(self._parts), tuple(self._marks))
