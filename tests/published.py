"""Models of bytes that repeat the faults of published figures, each by one method.

docs/audit-gallery.md says where they were found. The first one is honest, and so are the others
without that method.

textgen audit tests/published.py:MissingSpaceToken --file passage.txt
"""

import re

import numpy as np

END = 256
SPACE = "▁"  # U+2581, which SentencePiece writes for a space


class Bytes:
    """A byte by the one before it, counted in the text so far; bits per byte of the text."""

    end = END

    def start(self):
        self.counts = np.full((END + 1, END + 1), 0.02)
        self.last = END

    def next_log_probabilities(self):
        row = self.counts[self.last]
        return np.log(row / row.sum())

    def append(self, token):
        self.counts[self.last, token] += 1
        self.last = token

    def encode(self, text):
        return list(text.encode())

    def decode(self, tokens):
        return bytes(tokens).decode()

    def bytes_of(self, text):
        """What the bits of a text are divided by."""
        return len(text.encode())

    def claim(self, text):
        bits = 0.0
        self.start()
        for token in [*self.encode(text), END]:
            bits -= self.next_log_probabilities()[token] / np.log(2)
            self.append(token)
        return {"value": bits / self.bytes_of(text), "unit": "bits_per_byte", "bits": bits}


class ReplacementCharacter(Bytes):
    """Counts the bytes of each token's own text: of a token that is a part of a character, those of
    the three-byte U+FFFD that stands in its place."""

    def bytes_of(self, text):
        texts = [bytes([token]).decode("utf-8", "replace") for token in self.encode(text)]
        return sum(len(each.encode()) for each in texts)


class SpaceAsThreeTokens(Bytes):
    """Without a token for ▁ a space becomes the tokens of its three bytes. This is no fault."""

    def encode(self, text):
        return list(text.replace(" ", SPACE).encode())

    def decode(self, tokens):
        return bytes(tokens).decode().replace(SPACE, " ")


class MissingSpaceToken(SpaceAsThreeTokens):
    """Counts a byte for each token of a byte, so three for a space."""

    def bytes_of(self, text):
        return len(self.encode(text))


class SpaceCountedTwice(Bytes):
    """Counts the space in front of a word with the word, and once more by itself."""

    def bytes_of(self, text):
        return len(text.encode()) + len(re.findall(r" (?=\S)", text))


class Casefolded(Bytes):
    """Scores the text in small letters in place of the text."""

    def encode(self, text):
        return super().encode(text.casefold())


class Detokenised(Bytes):
    """Scores the text with fewer spaces around its marks, and divides by the bytes of the text."""

    def encode(self, text):
        return super().encode(detokenised(text))


def detokenised(text):
    """Text in the manner of WikiText as it is usually written."""
    text = re.sub(r" @(.)@ ", r"\1", text)
    text = re.sub(r" ([.,;:!?)])", r"\1", text)
    return text.replace("( ", "(").replace(" \n", "\n")
