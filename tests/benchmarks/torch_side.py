"""The reference that most people would write: ``nn.LSTM``, AdamW, float32, two threads."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from textgen.core.settings import Training
from textgen.models.backbones import LSTM
from textgen.models.batches import Windows

THREADS = 2
ROWS = 16
"""Documents that are scored at once."""


class Network(nn.Module):
    """The sizes of a textgen backbone: embedding, LSTM layers, full or adaptive softmax, dropout in
    the same places."""

    def __init__(self, size: int, backbone: LSTM) -> None:
        super().__init__()
        (units,) = set(backbone.units)
        self.embedding = nn.Embedding(size, backbone.embedding_size)
        between = backbone.dropout if len(backbone.units) > 1 else 0.0
        self.lstm = nn.LSTM(
            backbone.embedding_size, units, len(backbone.units), batch_first=True, dropout=between
        )
        self.dropout = nn.Dropout(backbone.dropout)
        levels = backbone.adaptive(size)
        self.adaptive = levels is not None
        if self.adaptive:  # the width of its tail is units / div_value
            self.output: Any = nn.AdaptiveLogSoftmaxWithLoss(
                units, size, [levels.head], div_value=units / levels.tail_size, head_bias=True
            )
        else:
            self.output = nn.Linear(units, size)

    def features(self, tokens: Any, states: Any) -> tuple[Any, Any]:
        x, states = self.lstm(self.dropout(self.embedding(tokens)), states)
        return self.dropout(x), states

    def nats(self, features: Any, labels: Any) -> Any:
        """−ln P(label): (N, units), (N,) → (N,)."""
        if self.adaptive:
            return -self.output(features, labels).output
        return nn.functional.cross_entropy(self.output(features), labels, reduction="none")

    def probabilities(self, features: Any) -> Any:
        if self.adaptive:
            return self.output.log_prob(features).exp()
        return torch.softmax(self.output(features), dim=-1)

    def zero_states(self, batch: int) -> tuple[Any, Any]:
        shape = (self.lstm.num_layers, batch, self.lstm.hidden_size)
        return torch.zeros(shape), torch.zeros(shape)


class Trainer:
    """A network, its optimizer, and states that are carried from update to update."""

    def __init__(self, size: int, backbone: LSTM, settings: Training, seed: int = 0) -> None:
        torch.set_num_threads(THREADS)
        torch.manual_seed(seed)
        self.network, self.settings = Network(size, backbone), settings
        self.states = self.network.zero_states(settings.batch)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )

    def update(self, spans: np.ndarray, fresh: np.ndarray, rate: float) -> float:
        """One update from a batch of :class:`Windows` at a learning rate; the loss in nats."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        spans_, kept = torch.from_numpy(spans).long(), torch.from_numpy(~fresh)[None, :, None]
        states = tuple(state * kept for state in self.states)
        features, states = self.network.features(spans_[:, :-1].clamp(min=0), states)
        self.states = tuple(state.detach() for state in states)
        targets = spans_[:, 1:].reshape(-1)
        told = targets >= 0
        loss = self.network.nats(features.flatten(0, 1)[told], targets[told]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return float(loss.detach())

    def train(self, windows: Windows, seconds: float, seed: int) -> int:
        """For so long, the rate rising and falling with the clock; how many updates that were."""
        begin, updates = time.perf_counter(), 0
        for updates in itertools.count():
            part = (time.perf_counter() - begin) / seconds
            if part >= 1:
                break
            if updates == 0:
                self.network.train()
                batches = windows.training(self.settings.batch, seed)
            rise = min(1.0, part / self.settings.warmup) if self.settings.warmup else 1.0
            left = max(0.0, (part - self.settings.warmup) / (1 - self.settings.warmup))
            fall = 0.5 * (1 + math.cos(math.pi * left))
            self.update(*next(batches), self.settings.learning_rate * rise * fall)
        return updates

    def bits(self, documents: Sequence[np.ndarray], objective: Any) -> float:
        """Bits of all tokens and end marks, the state carried through each document."""
        self.network.eval()
        windows, total = Windows(documents, objective), 0.0
        rows = min(ROWS, len(documents))
        states = self.network.zero_states(rows)
        with torch.no_grad():
            for spans, fresh, _, _ in windows.scoring(rows):
                spans_, kept = torch.from_numpy(spans).long(), torch.from_numpy(~fresh)
                states = tuple(state * kept[None, :, None] for state in states)
                features, states = self.network.features(spans_[:, :-1].clamp(min=0), states)
                targets = spans_[:, 1:].reshape(-1)
                told = targets >= 0
                nats = self.network.nats(features.flatten(0, 1)[told], targets[told])
                total += float(nats.double().sum()) / math.log(2)
        return total
