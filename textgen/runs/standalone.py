"""A network that textgen has trained, without textgen: NumPy, Keras and TensorFlow suffice.

    import numpy as np
    import textgen_model

    model = textgen_model.load()  # model.keras, in the folder of this file
    log_probabilities, state = model(np.array([[0, 5, 9]]))  # (1, 3, V), of the token behind each
    log_probabilities, state = model(np.array([[7]]), state)  # goes on where that ended

Tokens are numbers; ``tokens.json`` has what each stands for. Token 0 begins a text, and ends it
where it is drawn. What only a training needs, such as dropout, is not here.
"""

import math
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

Tensor: TypeAlias = Any  # of Keras' backend
# The tensors (B, …) of each layer, and then the last tokens, (B, longest n-gram − 1).
State: TypeAlias = list[Any]
Config: TypeAlias = dict[str, Any]

MODEL_FILE = "model.keras"
NORMALISATIONS = {
    "layer": keras.layers.LayerNormalization,
    "batch": keras.layers.BatchNormalization,
    "root mean square": keras.layers.RMSNormalization,
}


def load(folder: str | Path = Path(__file__).parent) -> "Network | Ensemble":
    """The network in a folder."""
    return keras.saving.load_model(Path(folder) / MODEL_FILE)


@keras.saving.register_keras_serializable(package="textgen_model")
class Network(keras.Model):
    """Layers between an embedding (or one-hot vectors) and an output layer.

    Args:
        settings: ``size`` V, the number of tokens; ``layers``, each with its ``kind``, its
            ``units`` and the ``normalisation`` behind it, one of NORMALISATIONS or None; of a
            transformer also ``heads``, ``head_size`` and ``context``. ``output`` has the settings
            of an Output. May be None: ``embedding`` and ``projection``, numbers of units;
            ``ngrams`` and ``output_ngrams``, with ``orders`` and ``rows``.
    """

    def __init__(self, settings: Config) -> None:
        super().__init__()
        self.settings = settings
        self.size: int = settings["size"]
        width = self.size
        self.embedding: keras.layers.Embedding | None = None
        if settings["embedding"]:
            width = settings["embedding"]
            self.embedding = keras.layers.Embedding(self.size, width, name="embedding")
            self.embedding.build((None, None))
        self.ngrams: NGramVectors | None = None
        if settings["ngrams"]:
            self.ngrams = NGramVectors(**settings["ngrams"], size=width)
        self.recurrent = list[keras.layers.Layer]()
        self.normalisations = list[keras.layers.Layer | None]()
        for layer_settings in settings["layers"]:
            layer = new_layer(layer_settings)
            layer.build((None, None, width))
            self.recurrent.append(layer)
            width = layer_settings["units"]
            normalisation = None
            if layer_settings["normalisation"]:
                normalisation = NORMALISATIONS[layer_settings["normalisation"]]()
                normalisation.build((None, None, width))
            self.normalisations.append(normalisation)
        self.projection: keras.layers.Dense | None = None
        if settings["projection"]:
            self.projection = dense(settings["projection"], width)
            width = settings["projection"]
        self.output_ngrams: NGramVectors | None = None
        if settings["output_ngrams"]:
            self.output_ngrams = NGramVectors(**settings["output_ngrams"], size=width)
        self.output_layer = Output(self.size, width, **settings["output"])
        both = (self.ngrams, self.output_ngrams)
        self.tokens_kept = max((max(each.orders) - 1 for each in both if each), default=0)
        self.built = True

    def get_config(self) -> Config:
        return {"settings": self.settings}

    def initial_state(self, batch: int) -> State:
        """The state before a text, in each of so many rows."""
        state: State = [tuple(layer.get_initial_state(batch)) for layer in self.recurrent]
        return [*state, ops.zeros((batch, self.tokens_kept), "int32")]

    def call(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read tokens.

        Args:
            tokens: (B, T) integers, T from 1 on; the first of a text is 0. A transformer compares
                every token with every other: read a long text in parts.
            state: of the tokens before them; None where a text begins.

        Returns:
            (B, T, V) float32, natural logarithms of P(token behind each of them); and the state.
        """
        tokens = ops.cast(tokens, "int32")
        length = tokens.shape[1]
        *states, last_tokens = self.initial_state(tokens.shape[0]) if state is None else state
        text = ops.concatenate([last_tokens, tokens], axis=1)
        vectors = None
        if self.embedding is None:
            x = ops.one_hot(tokens, self.size)
        else:
            x = self.embedding(tokens)
            vectors = self.embedding.embeddings
        if self.ngrams is not None:
            x = x + self.ngrams(text, length=length)
        after: State = []
        for number, layer in enumerate(self.recurrent):
            x, *layer_state = layer(x, initial_state=list(states[number]))
            after.append(tuple(layer_state))
            normalisation = self.normalisations[number]
            if normalisation is not None:
                x = normalisation(x)
        if self.projection is not None:
            x = self.projection(x)
        if self.output_ngrams is not None:
            x = x + self.output_ngrams(text, length=length)
        after.append(text[:, text.shape[1] - self.tokens_kept :])
        return self.output_layer(x, vectors), after


@keras.saving.register_keras_serializable(package="textgen_model")
class Ensemble(keras.Model):
    """The mean of what several networks predict; called as one of them.

    Args:
        members: the settings of each.
    """

    def __init__(self, members: list[Config]) -> None:
        super().__init__()
        self.members = [Network(settings) for settings in members]
        self.size = self.members[0].size
        self.built = True

    def get_config(self) -> Config:
        return {"members": [member.settings for member in self.members]}

    def initial_state(self, batch: int) -> State:
        return [member.initial_state(batch) for member in self.members]

    def call(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        if state is None:
            state = self.initial_state(tokens.shape[0])
        logs = []
        after: State = []
        for member, member_state in zip(self.members, state, strict=True):
            log_probabilities, state_after = member(tokens, member_state)
            logs.append(log_probabilities)
            after.append(state_after)
        return ops.logsumexp(ops.stack(logs), axis=0) - math.log(len(logs)), after


@keras.saving.register_keras_serializable(package="textgen_model")
class NGramVectors(keras.layers.Layer):
    """The sum of the vectors of the n-grams that end at each token. An n-gram has the vector of the
    row of a table that its hash names; all orders n share the table.

    Args:
        orders: n of each.
        rows: of the table.
        size: of a vector.
    """

    def __init__(self, orders: list[int], rows: int, size: int) -> None:
        super().__init__()
        self.orders = orders
        self.rows = rows
        self.size = size
        self.table = self.add_weight(shape=(rows, size), initializer="zeros", name="table")
        self.built = True

    def get_config(self) -> Config:
        return {"orders": list(self.orders), "rows": self.rows, "size": self.size}

    def call(self, text: Tensor, length: int) -> Tensor:
        """(B, earlier tokens + length) int32 → (B, length, size) float32."""
        numbers = ops.cast(text, "uint32") + np.uint32(1)
        hashed = ops.zeros((1, 1), "uint32")
        x = 0.0
        for order in range(1, max(self.orders) + 1):  # the token itself, the one before it, …
            start = text.shape[1] - length + 1 - order
            hashed = mix(hashed * np.uint32(0x9E3779B1) + numbers[:, start : start + length])
            if order in self.orders:
                row = ops.cast(ops.mod(hashed, np.uint32(self.rows)), "int32")
                x = x + ops.take(self.table, row, axis=0)
        return x


def mix(bits: Tensor) -> Tensor:
    """The finaliser of MurmurHash3 (Appleby 2011): (…) uint32 → (…) uint32."""
    bits = ops.bitwise_xor(bits, ops.right_shift(bits, np.uint32(16))) * np.uint32(0x85EBCA6B)
    bits = ops.bitwise_xor(bits, ops.right_shift(bits, np.uint32(13))) * np.uint32(0xC2B2AE35)
    return ops.bitwise_xor(bits, ops.right_shift(bits, np.uint32(16)))


def new_layer(settings: Config) -> keras.layers.Layer:
    """A layer: (B, T, n) float32 and a state → (B, T, units) float32, and each tensor of the state
    behind the last token."""
    units = settings["units"]
    if settings["kind"] == "lstm":
        return keras.layers.LSTM(units, return_sequences=True, return_state=True)
    if settings["kind"] == "gru":
        return keras.layers.GRU(units, return_sequences=True, return_state=True)
    if settings["kind"] == "mingru":
        return MinGRU(units)
    return Block(units, settings["heads"], settings["head_size"], settings["context"])


@keras.saving.register_keras_serializable(package="textgen_model")
class MinGRU(keras.layers.Layer):
    """h[t] = (1 − z[t]) h[t−1] + z[t] c[t]; gate z and candidate c see the input alone (Feng et al.
    2024, "Were RNNs All We Needed?").

    Args:
        units: of the state.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def get_config(self) -> Config:
        return {"units": self.units}

    def build(self, shape: tuple[None, None, int]) -> None:
        self.gate_candidate = dense(2 * self.units, shape[-1])
        self.built = True

    def get_initial_state(self, batch: int) -> list[Tensor]:
        return [ops.zeros((batch, self.units))]

    def call(self, x: Tensor, initial_state: list[Tensor]) -> tuple[Tensor, Tensor]:
        gate, candidate = ops.split(self.gate_candidate(x), 2, axis=-1)
        update = ops.sigmoid(gate)
        decay, added = ops.associative_scan(joined, (1 - update, update * candidate), axis=1)
        states = decay * initial_state[0][:, None] + added
        return states, states[:, -1]


def joined(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two neighbouring stretches of h ↦ decay · h + added as one."""
    decay_first, added_first = first
    decay_second, added_second = second
    return decay_first * decay_second, decay_second * added_first + added_second


@keras.saving.register_keras_serializable(package="textgen_model")
class Block(keras.layers.Layer):
    """Attention to the last ``context`` tokens (Vaswani et al. 2017), with keys and queries rotated
    by their places (Su et al. 2021), and a feed-forward layer with a squared ReLU.

    Its state: keys and values (B, heads, n, head_size) of the last n < context tokens.

    Args:
        units: width.
        heads: of the attention.
        head_size: numbers of a query, a key or a value in each.
        context: tokens that a token attends to, itself included.
    """

    def __init__(self, units: int, heads: int, head_size: int, context: int) -> None:
        super().__init__()
        self.units = units
        self.heads = heads
        self.head_size = head_size
        self.context = context
        self.fitted: keras.layers.Dense | None = None

    def get_config(self) -> Config:
        names = ("units", "heads", "head_size", "context")
        return {name: getattr(self, name) for name in names}

    def build(self, shape: tuple[None, None, int]) -> None:
        self.before_attention = keras.layers.RMSNormalization()
        self.before_attention.build((None, None, self.units))
        self.before_forward = keras.layers.RMSNormalization()
        self.before_forward.build((None, None, self.units))
        attended = self.heads * self.head_size
        self.queries_keys_values = dense(3 * attended, self.units, use_bias=False)
        self.attended = dense(self.units, attended, use_bias=False)
        self.wide = dense(4 * self.units, self.units, use_bias=False)
        self.narrow = dense(self.units, 4 * self.units, use_bias=False)
        if shape[-1] != self.units:
            self.fitted = dense(self.units, shape[-1], use_bias=False)
        self.built = True

    def get_initial_state(self, batch: int) -> list[Tensor]:
        return [ops.zeros((batch, self.heads, 0, self.head_size)) for _ in range(2)]

    def call(self, x: Tensor, initial_state: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        if self.fitted is not None:
            x = self.fitted(x)
        attended, keys, values = self.attend(self.before_attention(x), *initial_state)
        x = x + self.attended(attended)
        forward = ops.square(ops.relu(self.wide(self.before_forward(x))))
        return x + self.narrow(forward), keys, values

    def attend(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        length = x.shape[1]
        split = self.queries_keys_values(x)
        split = ops.reshape(split, (-1, length, 3, self.heads, self.head_size))
        # (B, heads, T, head_size) each
        queries, new_keys, new_values = ops.unstack(ops.transpose(split, (2, 0, 3, 1, 4)), axis=0)
        keys = ops.concatenate([keys, new_keys], axis=2)
        values = ops.concatenate([values, new_values], axis=2)
        places = np.arange(keys.shape[2])
        new_places = places[-length:]
        turned_keys = ops.transpose(rotate(keys, places), (0, 1, 3, 2))
        scores = ops.matmul(rotate(queries, new_places), turned_keys) / math.sqrt(self.head_size)
        distance = new_places[:, None] - places
        near = (distance >= 0) & (distance < self.context)
        shares = ops.softmax(ops.where(near, scores, -1e9))
        mixed = ops.transpose(ops.matmul(shares, values), (0, 2, 1, 3))
        mixed = ops.reshape(mixed, (-1, length, self.heads * self.head_size))
        first_kept = max(0, len(places) - (self.context - 1))
        return mixed, keys[:, :, first_kept:], values[:, :, first_kept:]


def rotate(vectors: Tensor, places: np.ndarray) -> Tensor:
    """Vectors turned by their places: numbers i and d/2 + i, a pair, by place · 10,000^(−2i/d)
    radians: (…, T, d) float32, (T,) → (…, T, d) float32."""
    half = vectors.shape[-1] // 2
    angles = places[:, None] * 10_000.0 ** (-np.arange(half) / half)
    cosine = np.cos(angles).astype("float32")
    sine = np.sin(angles).astype("float32")
    first, second = ops.split(vectors, 2, axis=-1)
    return ops.concatenate(
        [first * cosine - second * sine, first * sine + second * cosine], axis=-1
    )


@keras.saving.register_keras_serializable(package="textgen_model")
class Output(keras.layers.Layer):
    """A softmax over all tokens, or one in two levels (Grave et al. 2017): the ``head`` most
    frequent tokens and the tail as a whole, and the tokens of the tail.

    Args:
        size: V.
        width: n, of what it reads.
        tied: whether it takes the vectors of the embedding (Press & Wolf 2017).
        head: tokens in it; 0 of a plain softmax.
        tail: width of the tail's layer; 0 of a plain or a tied softmax.
    """

    def __init__(self, size: int, width: int, tied: bool, head: int, tail: int) -> None:
        super().__init__()
        self.size = size
        self.width = width
        self.tied = tied
        self.head_size = head
        self.tail_width = tail
        if tied:
            self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")
            if head > 0:
                self.beyond = dense(1, width)  # the logit of the tail as a whole
        elif head == 0:
            self.dense = dense(size, width)
        else:
            self.head = dense(head + 1, width)
            self.tail_projection = dense(tail, width, use_bias=False)
            self.tail = dense(size - head, tail)
        self.built = True

    def get_config(self) -> Config:
        return {
            "size": self.size,
            "width": self.width,
            "tied": self.tied,
            "head": self.head_size,
            "tail": self.tail_width,
        }

    def call(self, x: Tensor, vectors: Tensor | None) -> Tensor:
        """(B, T, n) float32, and the vectors (V, n) of the embedding, which only a tied one needs →
        (B, T, V) float32, natural logarithms of probabilities."""
        if self.tied:
            logits = ops.matmul(x, ops.transpose(vectors)) + self.bias
            if self.head_size == 0:
                return ops.log_softmax(logits)
            frequent = ops.concatenate([logits[..., : self.head_size], self.beyond(x)], axis=-1)
            rare = logits[..., self.head_size :]
        elif self.head_size == 0:
            return ops.log_softmax(self.dense(x))
        else:
            frequent = self.head(x)
            rare = self.tail(self.tail_projection(x))
        frequent = ops.log_softmax(frequent)
        of_tail = frequent[..., -1:]
        return ops.concatenate([frequent[..., :-1], of_tail + ops.log_softmax(rare)], axis=-1)


def dense(units: int, width: int, use_bias: bool = True) -> keras.layers.Dense:
    """A dense layer over vectors of a width."""
    layer = keras.layers.Dense(units, use_bias=use_bias)
    layer.build((None, width))
    return layer
