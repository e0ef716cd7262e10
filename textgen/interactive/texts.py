"""The texts that tokens stand for."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence

import numpy as np

from textgen.tokenizers import BOUNDARY, ESCAPE, Tokenizer

BROKEN = "\ufffd"


class TokenTexts:
    """The texts of all tokens behind some modifiers of the next one.

    Args:
        tokenizer: of the tokens.
        modifiers: those before.

    Attributes:
        texts: (V,) the text that each token stands for wherever it stands, ``""`` for a modifier of
            the token after it, None where the text cannot be told from the token.
        sorted, tokens: known texts in order, and their tokens.
        single: whether each is of one character.
        modifiers: the tokens whose text is ``""``.
        open: the tokens whose text is None, but for those that are never written.
        starts, numbers: the characters that known texts begin with, and for every token the place
            of its own among them, (V,) int64, one further for all others.
    """

    def __init__(self, tokenizer: Tokenizer, modifiers: Sequence[int]) -> None:
        self.texts, self._begun = list[str | None](), dict[int, str]()
        for token in range(tokenizer.size):
            given = np.array([*modifiers, token])
            shown = tokenizer.render(given, before="a", fill="mark")
            text: str | None = shown.text
            if token in (BOUNDARY, ESCAPE) or shown.filled:
                text = None
            elif BROKEN in shown.text:  # some bytes of a character are missing
                self._begun[token] = shown.text[: shown.text.index(BROKEN)]
                text = None
            self.texts.append(text)
        pairs = sorted((text, token) for token, text in enumerate(self.texts) if text)
        self.sorted, self.tokens = [text for text, _ in pairs], [token for _, token in pairs]
        self.single = max(map(len, self.sorted)) == 1
        self.modifiers = [token for token, text in enumerate(self.texts) if text == ""]
        self.open = [token for token, text in enumerate(self.texts) if text is None]
        self.starts = sorted({text[0] for text in self.sorted})
        places = {c: i for i, c in enumerate(self.starts)}
        numbers = [places[text[0]] if text else len(places) for text in self.texts]
        self.numbers = np.array(numbers, dtype=np.int64)

    def agreeing(self, wanted: str) -> Iterator[tuple[int, str]]:
        """The tokens whose known text begins with ``wanted``, or is a beginning of it."""
        at = bisect.bisect_left(self.sorted, wanted)
        while at < len(self.sorted) and self.sorted[at].startswith(wanted):
            yield self.tokens[at], self.sorted[at]
            at += 1
        for end in range(1, len(wanted)):
            at = bisect.bisect_left(self.sorted, wanted[:end])
            while at < len(self.sorted) and self.sorted[at] == wanted[:end]:
                yield self.tokens[at], wanted[:end]
                at += 1

    def may_agree(self, token: int, wanted: str) -> bool:
        """Whether the text of an open token may begin with ``wanted``: an end or a character never
        seen does not, nor does the first byte of another character."""
        if not wanted:
            return True
        if token in (BOUNDARY, ESCAPE):
            return False
        begun = self._begun.get(token)
        if begun is None:
            return True
        if len(wanted) <= len(begun):
            return begun.startswith(wanted)
        return wanted.startswith(begun) and not wanted[len(begun)].isascii()
