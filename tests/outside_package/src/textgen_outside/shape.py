"""Rare words by their shape."""

from dataclasses import dataclass

from textgen.tokenizers import ClassPolicy


@dataclass(frozen=True)
class Shape(ClassPolicy):
    """One token for numbers, one for capitalised words, one for all others."""

    classes = ("number", "capitalised", "other")

    def classify(self, pieces, rare):
        return [self.shape(word.core) for word in rare]

    def shape(self, word):
        number, capitalised, other = self.classes
        return number if word.isdigit() else capitalised if word.istitle() else other
