"""A stack that reads one token at a time, as plain arithmetic on its weights.

Inside a loop that writes text, layers cost time twice: when the loop is compiled, for every layer
is traced and optimised, and at every step, because a product of one row with a matrix runs on one
thread. Here a layer's products are one product, with its weights side by side, and where rows are
few that product is dealt out to the threads, each of which then keeps its share of the weights in
its own cache.

Equations: see :mod:`textgen.models.backbones.lstm.layer` and :mod:`textgen.models.backbones.stack`.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from textgen.models.backbones.stack import tied_head
from textgen.models.two_level import WithPart, tied_weights

FEW_ROWS = 4
"""Up to so many rows, threads share the columns of a product; beyond, the rows keep them busy."""


class Step:
    """What a stack computes for one token; to be made in the graph that calls it, so that its
    weights are put in order once and not at every step.

    Called like the stack: [tokens (B, 1) or vectors (B, 1, units), h₁, c₁, …] → [logits (B, 1, V),
    h₁, c₁, …]. Dropout is that of a network which is not trained: none.

    Args:
        stack: as :func:`textgen.models.backbones.stack.stack` has built it, with logits.
        threads: that may share a product.
        by_level: in place of logits give the features (B, 1, n) that :meth:`head` and
            :meth:`tail` want, where the output has two levels.
    """

    def __init__(self, stack: Any, threads: int, by_level: bool = False) -> None:
        self.name = stack.name
        self._layers = {layer.name.removeprefix(f"{self.name}_"): layer for layer in stack.layers}
        embedding = self._layers.get("embedding")
        self._vectors = None if embedding is None else tf.convert_to_tensor(embedding.embeddings)
        self._cells, number = [], 1
        reads_tokens = len(stack.inputs[0].shape) == 2
        while layer := self._layers.get(f"lstm{number}"):
            cell = layer.cell
            kernel, recurrent = map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))
            # a one-hot vector times the kernel is one of its rows: no product
            table = kernel if number == 1 and reads_tokens and embedding is None else None
            joined = recurrent if table is not None else tf.concat([kernel, recurrent], axis=0)
            bias = tf.convert_to_tensor(cell.bias)
            normalise = self._layers.get(f"normalisation{number}")
            self._cells.append((table, _Product(joined, threads), bias, normalise))
            number += 1
        self._outputs = self._output_layers(threads, tied_head(stack))
        self.by_level = by_level and "head" in self._outputs

    def _output_layers(
        self, threads: int, tied: tuple[int, Any] | None
    ) -> dict[str, tuple[_Product, Any]]:
        made: dict[str, tuple[_Product, Any]] = {}
        for name in ("projection", "logits", "head", "tail_projection", "tail"):
            if layer := self._layers.get(name):
                kernel = tf.convert_to_tensor(layer.kernel)
                bias = None if layer.bias is None else tf.convert_to_tensor(layer.bias)
                made[name] = _Product(kernel, threads), bias
        if "logits" in made or "head" in made:
            return made
        vectors: Any = self._vectors
        if tied is None:
            return {**made, "logits": (_Product(tf.transpose(vectors), threads), None)}
        size, beyond = tied
        kernel, bias = tied_weights(vectors, size, beyond)
        made["head"] = _Product(kernel, threads), bias
        made["tail"] = _Product(tf.transpose(vectors[size:]), threads), None
        return made

    def __call__(self, inputs: Any, training: bool = False) -> list[Any]:
        read, *states = inputs
        x, after = read[:, 0], []
        if self._vectors is not None:
            x = tf.gather(self._vectors, x)
        for (table, product, bias, normalise), h, c in zip(
            self._cells, states[::2], states[1::2], strict=True
        ):
            if table is not None:
                gates = tf.gather(table, x) + product(h)
            else:
                gates = product(tf.concat([x, h], axis=-1))
            i, f, g, o = tf.split(gates + bias, 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            x = tf.sigmoid(o) * tf.tanh(c)
            after += [x, c]
            if normalise is not None:
                x = normalise(x[:, None], training=False)[:, 0]
        if "projection" in self._outputs:
            x = self._dense("projection", x)
        return [(x if self.by_level else self._logits(x))[:, None], *after]

    @property
    def tail_size(self) -> int:
        """V − head."""
        return int(self._outputs["tail"][0].width)

    def head(self, features: Any) -> Any:
        """Logits of the frequent tokens and, last, of the tail: (B, n) → (B, head + 1)."""
        return self._dense("head", features)

    def tail(self, features: Any) -> Any:
        """ln P of the other tokens if it is one of them: (B, n) → (B, V − head)."""
        if "tail_projection" in self._outputs:
            features = self._dense("tail_projection", features)
        return tf.nn.log_softmax(self._dense("tail", features))

    def _logits(self, x: Any) -> Any:
        if "head" in self._outputs:
            head = tf.nn.log_softmax(self.head(x))
            return tf.concat([head[:, :-1], head[:, -1:] + self.tail(x)], axis=-1)
        return self._dense("logits", x)

    def _dense(self, name: str, x: Any) -> Any:
        product, bias = self._outputs[name]
        return product(x) if bias is None else product(x) + bias


class _Product:
    """Rows (B, n) times weights (n, m), whose columns are dealt out to threads if rows are few."""

    def __init__(self, weights: Any, threads: int) -> None:
        self.width = weights.shape[1]
        self._weights = weights
        if threads > 1:
            each = math.ceil(self.width / threads)
            padded = tf.pad(weights, [[0, 0], [0, each * threads - self.width]])
            self._weights = tf.stack(tf.split(padded, threads, axis=1))

    def __call__(self, rows: Any) -> Any:
        if len(self._weights.shape) == 2:
            return tf.matmul(rows, self._weights)
        parts = tf.matmul(tf.tile(rows[None], [self._weights.shape[0], 1, 1]), self._weights)
        return tf.concat(tf.unstack(parts), axis=-1)[:, : self.width]


def stepwise(network: Any, batch: int, threads: int, by_level: bool = False) -> tuple[Any, Step]:
    """A network for an objective's ``next_logits`` whose part that writes is a :class:`Step`, and
    that part.

    Args:
        network: as an objective has built it.
        batch: rows.
        threads: that may share the work of few rows.
        by_level: of a step.
    """
    threads = threads if batch <= FEW_ROWS else 1
    for layer in network.layers:
        if layer.name == "decoder":
            step = Step(layer, threads, by_level)
            return WithPart(network, step), step
    step = Step(network, threads, by_level)
    return step, step
