"""What every segmenter gives: the words of a stretch of text that no spaces divide."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence


class Segmenter(ABC):
    """The base of segmenters; a subclass is a frozen dataclass, whose fields are its settings."""

    @abstractmethod
    def segment(self, stretch: str) -> Sequence[str]:
        """The words of a stretch; joined together they are the stretch.

        A cut before a combining mark is left out afterwards.

        Args:
            stretch: letters and marks of unsegmented scripts, at least one, without spaces, digits
                and punctuation.
        """

    @property
    def extra_data(self) -> tuple[str, ...]:
        """Data from outside the training split that it uses, in words for the reports."""
        return ()
