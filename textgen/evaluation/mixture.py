"""The distribution that is scored, token by token: the network, and a memory of the document if
there is one. What is written with it is drawn from it exactly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textgen.evaluation.dynamic import Learner
from textgen.evaluation.memory import Memory, MemoryState
from textgen.evaluation.scorer import scorer
from textgen.models.base import Objective
from textgen.models.sampler import FREE, MIN_TEMPERATURE
from textgen.tokenizers.tokens import BOUNDARY, ESCAPE

Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""((V,) float64 probabilities, numbers in [0, 1) (n,)) → the tokens of n rows, (n,) integers."""


class Stepper:
    """A model read one token at a time: what an arithmetic coder, or a curious person, needs.

    ``probabilities`` gives P(next token | what was appended) as (V,) float64 that sum to 1; it may
    be called once between two appends. Encoder and decoder see the very same floats. Under a memory
    with which the network goes on learning, its weights change until :meth:`close`.
    """

    def __init__(self, objective: Objective, network: Any, memory: Memory | None = None) -> None:
        self._read = MemoryState(memory) if memory else None
        self._learner = Learner(objective, network, memory.learning if memory else None)
        self._carry = objective.begin(network, 1)
        self._next, self._append = scorer(objective, network).next_logits, objective.append

    def probabilities(self) -> np.ndarray:
        logits, self._carry = self._next(self._carry)
        values = softmax(logits.numpy()[0])
        return values if self._read is None else self._read.mixed(values)

    def append(self, token: int) -> None:
        if self._read is not None:
            self._read.add(token)
        self._learner.append(token)
        self._carry = self._append(self._carry, np.array([token], dtype=np.int32))

    def close(self) -> None:
        """Put back what the network was."""
        self._learner.restart()


class MixtureSampler:
    """Draws from a network with a memory of the document.

    A text is written token by token from exactly the distribution that is scored, but for the
    tokens that are never drawn. Rows that have the same tokens so far share one memory.

    Args:
        objective, network, memory: the model.
        unwritable: tokens that are never drawn.
    """

    def __init__(
        self,
        objective: Objective,
        network: Any,
        memory: Memory,
        unwritable: Sequence[int] = (BOUNDARY, ESCAPE),
    ) -> None:
        self._objective, self._network, self._memory = objective, network, memory
        self._unwritable = list(unwritable)

    def draw(
        self,
        forced: np.ndarray,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seeds: Sequence[int] | None = None,
        choose: Choose | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fill in the free places of a batch; arguments and result are those of
        :meth:`textgen.models.Sampler.draw`. Where the network goes on learning from what it writes,
        texts are written one after another.

        Args:
            choose: takes the place of drawing; temperature, top-k and top-p are then not used.
        """
        seeds = range(len(forced)) if seeds is None else seeds
        uniform = np.stack([np.random.default_rng(s).random(forced.shape[1]) for s in seeds])

        def drawn(chances: np.ndarray, uniform: np.ndarray) -> np.ndarray:
            cumulated = shaped(chances, self._unwritable, temperature, top_k, top_p).cumsum()
            return np.searchsorted(cumulated / cumulated[-1], uniform, side="right")

        choose = choose or drawn
        if self._memory.learning is None:
            return self._write(forced, uniform, choose, None)
        learner = Learner(self._objective, self._network, self._memory.learning)
        try:
            rows = [
                self._write(row[None], own[None], choose, learner)
                for row, own in zip(forced, uniform, strict=True)
            ]
        finally:
            learner.restart()
        return np.concatenate([r[0] for r in rows]), np.concatenate([r[1] for r in rows])

    def _write(
        self, forced: np.ndarray, uniform: np.ndarray, choose: Choose, learner: Learner | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a batch side by side; with a learner, a single one."""
        if learner is not None:
            learner.restart()
        step = scorer(self._objective, self._network).next_logits
        carry = self._objective.begin(self._network, len(forced))
        tokens, choices = np.zeros((2, *forced.shape), dtype=np.int32)
        groups = [(MemoryState(self._memory), np.arange(len(forced)))]
        for place in range(forced.shape[1]):
            logits, carry = step(carry)
            values = logits.numpy()
            for state, rows in groups:
                chances = state.mixed(softmax(values[rows[0]]))
                choices[rows, place] = choose(chances, uniform[rows, place])
            given = forced[:, place]
            tokens[:, place] = np.where(given == FREE, choices[:, place], given)
            groups = [part for group in groups for part in _divided(*group, tokens[:, place])]
            carry = self._objective.append(carry, tokens[:, place])
            if learner is not None:
                learner.append(int(tokens[0, place]))
        return tokens, choices


def _divided(
    state: MemoryState, rows: np.ndarray, tokens: np.ndarray
) -> list[tuple[MemoryState, np.ndarray]]:
    """The rows of a group by the token that came, each with the memory after it."""
    members = defaultdict[int, list[int]](list)
    for row, token in zip(rows.tolist(), tokens[rows].tolist(), strict=True):
        members[token].append(row)
    states = [state, *(state.copy() for _ in range(len(members) - 1))]
    for each, token in zip(states, members, strict=True):
        each.add(token)
    return [(each, np.array(part)) for each, part in zip(states, members.values(), strict=True)]


def shaped(
    chances: np.ndarray, unwritable: Sequence[int], temperature: float, top_k: int, top_p: float
) -> np.ndarray:
    """The distribution (V,) that is drawn from."""
    chances = chances.copy()
    chances[list(unwritable)] = 0.0
    with np.errstate(divide="ignore"):
        logs = np.log(chances) / max(temperature, MIN_TEMPERATURE)
    if 0 < top_k < len(logs):
        logs[np.argsort(-logs, kind="stable")[top_k:]] = -np.inf
    found = softmax(logs)
    if top_p < 1:
        order = np.argsort(-found, kind="stable")
        enough = int(np.searchsorted(np.cumsum(found[order]), top_p)) + 1
        found[order[enough:]] = 0.0
    return found / found.sum()


def softmax(logits: np.ndarray) -> np.ndarray:
    """(V,) of any precision → (V,) float64."""
    values = logits.astype(np.float64)
    values = np.exp(values - values.max())
    return values / values.sum()
