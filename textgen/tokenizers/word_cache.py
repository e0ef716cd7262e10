"""The words that were spelled in a document so far."""

from collections import Counter, defaultdict


class DocumentCounts:
    """The words that were spelled in a document so far: class → word → occurrences."""

    def __init__(self) -> None:
        self.counts, self.totals = defaultdict[str, Counter[str]](Counter), Counter[str]()

    def add(self, word: str, name: str) -> None:
        """Count one more occurrence of a word of the class ``name``."""
        self.counts[name][word] += 1
        self.totals[name] += 1

    def before(self, word: str, name: str) -> tuple[int, int, int]:
        """How often a word occurred, and how many different ones and all of its class."""
        counts = self.counts[name]
        return counts[word], len(counts), self.totals[name]
