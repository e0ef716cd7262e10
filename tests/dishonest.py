"""Nine models that claim more than they predict, byte by byte, each beside its honest twin.

They are small, but what they do is what is done: docs/audit.md says where.
"""

from typing import ClassVar

import numpy as np

END = 256


class Honest:
    """Bytes by those before them, counted in the text so far."""

    end = END
    share = 0.3

    def start(self):
        self.counts = np.full((END + 1, END + 1), 0.02)
        self.read = [END]

    def next_log_probabilities(self):
        with np.errstate(divide="ignore"):  # some of them give 0 to a token
            return np.log(self.chances(self.read))

    def chances(self, read):
        row = self.counts[read[-1]]
        return (1 - self.share) * row / row.sum() + self.share * self.cached(read)

    def cached(self, read):
        return np.bincount(read[-20:], minlength=END + 1) / len(read[-20:])

    def append(self, token):
        self.counts[self.read[-1], token] += 1
        self.read.append(token)

    def encode(self, text):
        return list(text.encode())

    def decode(self, tokens):
        return bytes(tokens).decode()

    def claim(self, text):
        parts = self.bits([*self.encode(text), END])
        figure = {"value": sum(parts) / self.denominator(text), "unit": "bits_per_byte"}
        return {**figure, "bits": sum(parts), "parts": parts}

    def denominator(self, text):
        return len(text.encode())

    def bits(self, tokens):
        self.start()
        found = []
        for token in tokens:
            found.append(-self.next_log_probabilities()[token] / np.log(2))
            self.append(token)
        return found


class UnnormalisedCache(Honest):
    def chances(self, read):
        row = self.counts[read[-1]]
        return row / row.sum() + self.share * self.cached(read)


class TeacherLeakage(Honest):
    def encode(self, text):
        self.coming = [*super().encode(text), END]
        return self.coming[:-1]

    def chances(self, read):
        known = np.zeros(END + 1)
        known[self.coming[min(len(read), len(self.coming)) - 1]] = 1.0
        return 0.5 * super().chances(read) + 0.5 * known


class DroppedRareWords(Honest):
    share = 0.0

    def encode(self, text):
        self.whole = text
        known = "the", "a", "and", "of", "was", "keeper", "lantern"
        return super().encode(" ".join(word for word in text.split(" ") if word in known))

    def decode(self, tokens):
        return self.whole


class WrongByteCount(Honest):
    def denominator(self, text):
        return len(text.replace(" ", "▁").encode())


class BestOfOverlappingWindows(Honest):
    def bits(self, tokens):
        whole, best = super().bits(tokens), []
        for size in (8, 32, 128):
            windows = [super(BestOfOverlappingWindows, self).bits(tokens[start : start + size])
                       for start in range(0, len(tokens), size)]  # fmt: skip
            best.append([bit for window in windows for bit in window])
        return np.min([whole, *best], axis=0).tolist()


class LookAheadOfOne(Honest):
    def bits(self, tokens):
        behind = np.full((END + 1, END + 1), 0.02)
        found = []
        next_ones = [*tokens[1:], END]
        for alone, token, after in zip(super().bits(tokens), tokens, next_ones, strict=True):
            seen = behind[after] / behind[after].sum()
            found.append(-np.log2(0.5 * 2.0**-alone + 0.5 * seen[token]))
            behind[after, token] += 1
        return found


class AlphabetOfTheText(Honest):
    known = np.ones(END + 1)

    def encode(self, text):
        tokens = super().encode(text)
        self.known = np.isin(np.arange(END + 1), [*tokens, END])
        return tokens

    def chances(self, read):
        chances = super().chances(read) * self.known
        return chances / chances.sum()


class AdaptedBeforehand(Honest):
    learnt = 0.0

    def encode(self, text):
        tokens = super().encode(text)
        self.learnt = np.zeros((END + 1, END + 1))
        np.add.at(self.learnt, ([END, *tokens], [*tokens, END]), 1)
        return tokens

    def start(self):
        super().start()
        self.counts += self.learnt


class LooksAtTheEnd(Honest):
    last = b""

    def encode(self, text):
        self.last = "".join(text.split()[-1:]).encode()
        return super().encode(text)

    def chances(self, read):
        chances = super().chances(read)
        chances[list(self.last)] *= 1 + 0.5 * (len(read) > 100)
        return chances / chances.sum()


class Generous(Honest):
    """Gives away more than there is; what it states is how much."""

    given = 1.05

    @property
    def tolerance(self):
        return 1.2 * (self.given - 1)

    def chances(self, read):
        return self.given * super().chances(read)


class RoundedDown(Honest):
    """Claims half a bit less, which is little for a text that is long enough."""

    def claim(self, text):
        bits = super().claim(text)["bits"] - 0.5
        return {"value": bits / self.denominator(text), "unit": "bits_per_byte", "bits": bits}


class Knowing(Honest):
    """Whoever encodes the text hands over its length: the end comes only where it is."""

    def encode(self, text):
        self.length = len(text.encode())
        return super().encode(text)

    def chances(self, read):
        known = super().chances(read)
        known[END] *= 1e-9 + (len(read) > self.length)
        return known / known.sum()


class Shared(TeacherLeakage):
    """Every instance knows the first text that one has encoded, for it stands in the class."""

    coming: ClassVar[list[int]] = []

    def encode(self, text):
        tokens = Honest.encode(self, text)
        if not self.coming:
            self.coming.extend([*tokens, END])
        return tokens

    def chances(self, read):
        return super().chances(read) if self.coming else Honest.chances(self, read)


# model → the checks that it fails; its honest twin fails none
GALLERY = {
    UnnormalisedCache: {"sums to one", "arithmetic coder"},
    TeacherLeakage: {"sums to one", "no look-ahead", "arithmetic coder"},
    DroppedRareWords: {"encode and decode", "arithmetic coder"},
    WrongByteCount: {"denominator"},
    BestOfOverlappingWindows: {"every character charged", "arithmetic coder"},
    LookAheadOfOne: {"no look-ahead", "every character charged", "arithmetic coder"},
    AlphabetOfTheText: {"sums to one", "no look-ahead", "arithmetic coder"},
    AdaptedBeforehand: {"no look-ahead", "arithmetic coder"},
    LooksAtTheEnd: {"no look-ahead", "arithmetic coder"},
}
