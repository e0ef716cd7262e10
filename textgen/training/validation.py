"""Bits per character of the validation split while training: all of it, or its beginning."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from textgen.evaluation.scorer import rows_at_once, scorer
from textgen.models.base import Objective
from textgen.models.batches import Windows
from textgen.tokenizers.tokens import EncodedDocument

MAX_STREAMS, MIN_STREAM_TOKENS = 64, 2000
TIMED_BATCHES, MIN_BATCHES = 3, 4
"""Batches that are timed, and the fewest of a validation."""


class Validation:
    """The validation split, cut into parallel streams that each begin with an empty state: figures
    are a little above the exact one of the whole split, which is computed once at the end.

    Args:
        objective, network: the model.
        documents: of the validation split.
    """

    def __init__(
        self, objective: Objective, network: Any, documents: Sequence[EncodedDocument]
    ) -> None:
        self._network, self._score = network, scorer(objective, network).bits
        self._windows = Windows(documents, objective)
        tokens = len(self._windows.flat)
        streams = max(1, min(MAX_STREAMS, tokens // MIN_STREAM_TOKENS))
        self._rows = rows_at_once(network, objective.length, streams)
        self._batches = self._windows.updates_per_epoch(self._rows)
        characters = sum(document.characters + 1 for document in documents)
        self._tokens_per_character = tokens / characters
        spelling = sum(float(document.spelling_bits.sum()) for document in documents)
        self._spelling = spelling / characters

    def bits_per_character(self, share: float = 1.0) -> float:
        """Of the first ``share`` of each stream."""
        bits = self.bits_per_token(math.ceil(share * self._batches))
        return bits * self._tokens_per_character + self._spelling

    def bits_per_token(self, batches: int) -> float:
        """Of the first so many batches."""
        state = self._network.initial_state(self._rows)
        total, count = 0.0, 0
        for spans, fresh in itertools.islice(self._windows.training(self._rows, 0), batches):
            bits, state = self._score(spans, fresh, state)
            total += float(tf.reduce_sum(bits))
            count += int((spans[:, self._windows.before :] >= 0).sum())
        return total / count

    def share_within(self, seconds: float) -> float:
        """The share of the split that is scored in about so many seconds, at least MIN_BATCHES."""
        self.bits_per_token(1)  # compiles
        timed = min(TIMED_BATCHES, self._batches)
        start = time.perf_counter()
        self.bits_per_token(timed)
        per_batch = (time.perf_counter() - start) / timed
        return min(1.0, max(MIN_BATCHES, int(seconds / per_batch)) / self._batches)
