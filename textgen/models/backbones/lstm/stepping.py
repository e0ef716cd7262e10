"""A network that reads one token at a time, as plain arithmetic on its weights.

Inside a loop that writes text, layers cost time twice: when the loop is compiled, for every layer
is traced and optimised, and at every step, because a product of one row with a matrix runs on one
thread. Here a layer's products are one product, with its weights side by side, and where rows are
few that product is dealt out to the threads, each of which then keeps its share of the weights in
its own cache.

Equations: see :mod:`textgen.models.backbones.lstm.layer` and :mod:`textgen.models.output`.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf


class Step:
    """What a network of LSTM layers computes for one token; to be made in the graph that calls it,
    so that its weights are put in order once and not at every step.

    Dropout is that of a network which is not trained: none.

    Args:
        network: a :class:`textgen.models.backbones.stack.RecurrentStack` of LSTM layers.
        threads: that may share a product.
    """

    def __init__(self, network: Any, threads: int) -> None:
        self.initial_state, embedding = network.initial_state, network.embedding
        self._vectors = None if embedding is None else tf.convert_to_tensor(embedding.embeddings)
        reads_ids = network.reads_tokens and embedding is None
        self._cells = []
        for number, layer in enumerate(network.recurrent):
            cell = layer.cell
            kernel, recurrent = map(tf.convert_to_tensor, (cell.kernel, cell.recurrent_kernel))
            # a one-hot vector times the kernel is one of its rows: no product
            table = kernel if number == 0 and reads_ids else None
            joined = recurrent if table is not None else tf.concat([kernel, recurrent], axis=0)
            bias = tf.convert_to_tensor(cell.bias)
            self._cells.append((table, _Product(joined, threads), bias))
        self._normalisations = network.normalisations
        self._projection = network.projection and _dense(network.projection, threads)
        layer = network.output_layer
        if layer is not None:
            kind = _Adaptive if layer.adaptive else _Logits
            self.output_layer = kind(layer, self._vectors, threads)

    def features(self, inputs: Any, state: Any, training: bool = False) -> tuple[Any, Any]:
        """As of the network, for one position: (B, 1) token ids or (B, 1, n) vectors."""
        x, after = inputs[:, 0], []
        if self._vectors is not None:
            x = tf.gather(self._vectors, x)
        layers = zip(self._cells, self._normalisations, state, strict=True)
        for (table, product, bias), normalise, (h, c) in layers:
            if table is not None:
                gates = tf.gather(table, x) + product(h)
            else:
                gates = product(tf.concat([x, h], axis=-1))
            i, f, g, o = tf.split(gates + bias, 4, axis=-1)
            c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
            x = tf.sigmoid(o) * tf.tanh(c)
            after.append((x, c))
            if normalise is not None:
                x = normalise(x[:, None], training=False)[:, 0]
        if self._projection is not None:
            x = self._projection(x)
        return x[:, None], after


class _Logits:
    """Of a plain softmax: features (B, n) → logits (B, V)."""

    adaptive = False

    def __init__(self, layer: Any, vectors: Any, threads: int) -> None:
        if layer.dense is not None:
            self._logits = _dense(layer.dense, threads)
        else:
            self._logits = _Product(tf.transpose(vectors), threads)

    def __call__(self, features: Any) -> Any:
        return self._logits(features)


class _Adaptive:
    """Of an adaptive softmax: features (B, n) → log-probabilities (B, V), or level by level."""

    adaptive = True

    def __init__(self, layer: Any, vectors: Any, threads: int) -> None:
        self.tail_size = layer.tail_size
        kernel, bias = map(tf.convert_to_tensor, layer.head_weights())
        self.head_logits = _Product(kernel, threads, bias)
        self._narrow = None
        if layer.vectors:
            self._tail = _Product(tf.transpose(vectors[layer.head_size :]), threads)
        else:
            self._narrow = _dense(layer.tail_projection, threads)
            self._tail = _dense(layer.tail, threads)

    def tail_log_probabilities(self, features: Any) -> Any:
        """ln P of the tail's tokens if it is one of them: (B, n) → (B, V − head)."""
        narrow = features if self._narrow is None else self._narrow(features)
        return tf.nn.log_softmax(self._tail(narrow))

    def __call__(self, features: Any) -> Any:
        head = tf.nn.log_softmax(self.head_logits(features))
        tail = self.tail_log_probabilities(features)
        return tf.concat([head[:, :-1], head[:, -1:] + tail], axis=-1)


class _Product:
    """Rows (B, n) times weights (n, m), whose columns are dealt out to threads if rows are few."""

    def __init__(self, weights: Any, threads: int, bias: Any = None) -> None:
        self.width = weights.shape[1]
        self._weights, self._bias = weights, bias
        if threads > 1:
            each = math.ceil(self.width / threads)
            padded = tf.pad(weights, [[0, 0], [0, each * threads - self.width]])
            self._weights = tf.stack(tf.split(padded, threads, axis=1))

    def __call__(self, rows: Any) -> Any:
        if len(self._weights.shape) == 2:
            found = tf.matmul(rows, self._weights)
        else:
            parts = tf.matmul(tf.tile(rows[None], [self._weights.shape[0], 1, 1]), self._weights)
            found = tf.concat(tf.unstack(parts), axis=-1)[:, : self.width]
        return found if self._bias is None else found + self._bias


def _dense(layer: Any, threads: int) -> _Product:
    bias = None if layer.bias is None else tf.convert_to_tensor(layer.bias)
    return _Product(tf.convert_to_tensor(layer.kernel), threads, bias)
