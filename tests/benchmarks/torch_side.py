"""The reference that most people would write: ``nn.LSTM``, AdamW, float32."""

import math

import torch
from torch import nn

from textgen.models.batches import Windows
from textgen.training.stream import Stage, Stream

ROWS = 16  # documents that are scored at once


class Network(nn.Module):
    """The sizes of a textgen backbone, with dropout in the same places."""

    def __init__(self, size, backbone):
        super().__init__()
        (units,), width, layers = set(backbone.units), backbone.embedding_size, len(backbone.units)
        self.embedding = nn.Embedding(size, width)
        between = backbone.dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(width, units, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(backbone.dropout)
        levels = backbone.adaptive(size)
        self.adaptive = levels is not None
        if levels:  # the width of its tail is units / div_value
            self.output = nn.AdaptiveLogSoftmaxWithLoss(
                units, size, [levels.head], div_value=units / levels.tail_size, head_bias=True
            )
        else:
            self.output = nn.Linear(units, size)

    def features(self, tokens, states):
        x, states = self.lstm(self.dropout(self.embedding(tokens)), states)
        return self.dropout(x), states

    def nats(self, features, labels):
        if self.adaptive:
            return -self.output(features, labels).output
        return nn.functional.cross_entropy(self.output(features), labels, reduction="none")

    def zero_states(self, batch):
        shape = (self.lstm.num_layers, batch, self.lstm.hidden_size)
        return torch.zeros(shape), torch.zeros(shape)

    def spans(self, spans, fresh, states):
        """Nats of all targets of some spans from :class:`Windows`, and the states after them."""
        tokens, kept = torch.from_numpy(spans).long(), torch.from_numpy(~fresh)[None, :, None]
        states = tuple(state * kept for state in states)
        features, states = self.features(tokens[:, :-1].clamp(min=0), states)
        targets = tokens[:, 1:].reshape(-1)
        present = targets >= 0
        return self.nats(features.flatten(0, 1)[present], targets[present]), states


class Trainer:
    def __init__(self, size, backbone, settings, seed=0, threads=1):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.network, self.settings = Network(size, backbone), settings
        self.states = self.network.zero_states(settings.batch)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
        )

    def update(self, spans, fresh, rate):
        """One update at a learning rate; the loss in nats."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        nats, states = self.network.spans(spans, fresh, self.states)
        self.states, loss = tuple(state.detach() for state in states), nats.mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimizer.step()
        return float(loss.detach())

    def train(self, windows, updates, seed):
        """Make a number of updates, with textgen's default schedule of the learning rate: a linear
        warm-up, then a cosine decay."""
        self.network.train()
        warmup = self.settings.warmup
        stage = Stage(1.0, self.settings.batch, windows.length)
        batches = Stream(windows, [stage], seed).batches()
        for update in range(updates):
            part = update / updates
            rise = min(1.0, part / warmup) if warmup else 1.0
            fall = 0.5 * (1 + math.cos(math.pi * max(0.0, (part - warmup) / (1 - warmup))))
            self.update(*next(batches), self.settings.learning_rate * rise * fall)

    def bits(self, documents, objective):
        """Bits of all tokens and end marks, the state carried through each document."""
        self.network.eval()
        windows, total, rows = Windows(documents, objective), 0.0, min(ROWS, len(documents))
        states = self.network.zero_states(rows)
        with torch.no_grad():
            for spans, fresh, _, _ in windows.scoring(rows):
                nats, states = self.network.spans(spans, fresh, states)
                total += float(nats.double().sum()) / math.log(2)
        return total
