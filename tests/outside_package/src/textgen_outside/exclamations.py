"""How excited is a text?"""

from dataclasses import dataclass

from textgen.evaluation import Label, ratio, table


@dataclass(frozen=True)
class Exclamations:
    """Exclamation marks for every 1,000 words."""

    labels = {"exclamations": Label("exclamation marks", "per 1,000 words", ".1f")}

    def counts(self, samples, human):
        return table([[len(s.words), s.text.count("!")] for s in samples], 2)

    def values(self, total, human):
        return {"exclamations": 1000 * ratio(total[..., 1], total[..., 0])}
