"""The fixed tables of an experiment file. A constructor's signature is its schema in TOML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

Count = Annotated[int, Field(gt=0)]
"""A whole number of at least one."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Temperature = Annotated[float, Field(ge=0, le=10)]


@dataclass(frozen=True)
class Split:
    """How documents are divided; ``validation`` and ``test`` are fractions of all characters.

    Groups are documents that share text and must fall on the same side.
    """

    validation: Annotated[float, Field(gt=0, lt=0.5)] = 0.08
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.12
    seed: int = 0
    groups: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class MemorySettings:
    """What a document has shown so far is mixed into what the network says when text is scored (see
    :mod:`textgen.evaluation.memory`): a level for each of the ``orders``, which are numbers of
    tokens to look back on, rising. Without orders there is no memory.

    Raises:
        ValueError: orders that do not rise.
    """

    orders: tuple[Annotated[int, Field(ge=0, le=64)], ...] = ()

    def __post_init__(self) -> None:
        if list(self.orders) != sorted(set(self.orders)):
            raise ValueError(f"orders that do not rise: {list(self.orders)}")


@dataclass(frozen=True)
class Training:
    """How the backbone is trained. Exactly one of the four budgets is given.

    ``seconds`` is turned into a fixed number of updates after a short calibration. ``characters``
    counts characters seen, repeats included. ``validations`` is how often within the budget the
    validation split is looked at, the checkpoint written and the best weights kept; a training is
    as many such rounds of equally many tens of updates, so its updates are the nearest number of
    that kind to the budget (a few per cent off where there are only hundreds).

    ``kernel`` is how an update is computed; ``"auto"`` takes what is fastest here for a training
    that is long enough for it to matter, and ``deterministic`` the first. ``strategy`` divides
    every batch among the GPUs of this machine (``"mirrored"``) or among the processes that
    ``TF_CONFIG`` names (``"multi_worker"``); the same updates are made as on one device.

    ``ema_decay`` is how much of the weights' running average is kept at each update (Polyak &
    Juditsky 1992, with exponential weights); with 0 there is none, otherwise the average is what
    is validated and saved.
    """

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    epochs: Positive | None = None
    batch: Count = 16
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd"] = "adamw"
    learning_rate: Positive = 4e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Fraction = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    ema_decay: Fraction = 0.0
    loss: Literal["categorical", "binary"] = "categorical"
    validations: Count = 20
    patience: Annotated[int, Field(ge=0)] = 0
    kernel: Literal["auto", "fused", "unrolled", "unrolled_bfloat16"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0
    strategy: Literal["one", "mirrored", "multi_worker"] = "one"
    deterministic: bool = False


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn: after training, and now and then while it goes on.

    ``length`` is in characters, in all arms. ``fill`` says what becomes of a generated
    placeholder: a training word it stood for, a newly spelled one, or a mark.
    """

    prompts: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    length: Count = 1000
    samples: Count = 8
    temperature: Temperature = 0.8
    top_k: Annotated[int, Field(ge=0)] = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    fill: Literal["pool", "spell", "mark"] = "pool"
    every: Annotated[int, Field(ge=0)] = 5
