"""The tables that every experiment has, and types of settings.

Annotations say what is accepted, defaults what a setting is where a file leaves it out; editors get
the same as a JSON schema (:func:`textgen.core.study.json_schema`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from textgen.core.errors import TextgenError
from textgen.core.plugins import Plugin

BUDGETS = ("seconds", "characters", "updates", "epochs")
Count = Annotated[int, Field(gt=0, lt=2**63)]
"""A whole number of at least one."""
Whole = Annotated[int, Field(ge=0, lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
FOLDER_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
Name = Annotated[str, Field(pattern=f"^{FOLDER_NAME}$")]
"""Names a folder."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
LanguageCode = Annotated[str, Field(pattern="^[a-z]{2,3}$", description="ISO 639, e.g. de")]
Text = Annotated[str, Field(min_length=1)]
Character = Annotated[str, Field(min_length=1, max_length=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Temperature = Annotated[float, Field(ge=0, le=10)]
MAX_SAMPLED_CHARACTERS = 10_000_000
"""Characters of all samples: some hours of a laptop's time."""


def check_name(name: str, where: str) -> None:
    """Raises:
    TextgenError: it can name no folder.
    """
    if not re.fullmatch(FOLDER_NAME, name):
        hint = "at most 100 letters, digits, '.', '_' and '-', a letter or digit first"
        raise TextgenError(f"{where}: {name!r} cannot name a folder", hint)


def check_one_budget(table: str, settings: Any, names: Sequence[str]) -> None:
    """Raises:
    ValueError: not exactly one of the settings of these names is stated in a table.
    """
    stated = [name for name in names if getattr(settings, name) is not None]
    if len(stated) != 1:
        budgets = f"states {' and '.join(stated)}" if stated else "states no budget"
        raise ValueError(f"[{table}] {budgets}; exactly one of {', '.join(names)} is needed")


Documents = Annotated[tuple[Text, ...], Field(min_length=1)]
"""Names of documents, or patterns of names, e.g. ``["test/*"]``."""
HeldOut = Annotated[float, Field(gt=0, lt=0.5)] | Documents
"""A held-out part: a fraction of all characters, or its documents."""
Group = Annotated[tuple[str, ...], Field(min_length=1)]
"""Documents that share text."""


@dataclass(frozen=True)
class CorpusOptions:
    """What any corpus may have besides its own settings: how its text is changed, in the same way
    for all arms, and ``fallback``, the corpus to use where this one cannot be fetched.

    Characters are replaced first (``replace``, what takes the place of each), then some are left
    out (``drop``) or all but some (``keep``; ``"article"`` names the article's own 75), then white
    space at both ends of every line (``strip = "lines"``). ``share`` takes the first documents
    only, up to that share of all characters.

    Raises:
        ValueError: a character that is to be kept and left out.
    """

    keep: Text | None = None
    strip: Literal["lines"] | None = None
    drop: str = ""
    replace: dict[Character, str] | None = None
    share: Fraction | None = None
    fallback: Annotated[Any, Plugin("corpus")] = None

    def __post_init__(self) -> None:
        both = set(self.keep or "") & set(self.drop)
        if both and self.keep != "article":
            raise ValueError(f"characters both in keep and in drop: {''.join(sorted(both))!r}")


@dataclass(frozen=True)
class Split:
    """How the text is divided into training, validation and test part.

    ``validation`` and ``test`` are fractions of all characters, drawn by document, or lists of
    documents, by name or pattern (``*``, ``?``, ``[…]``). ``train`` is such a list; without it all
    that no list names is trained on, with it such a document is refused. ``method`` says how what
    is not listed is drawn: by a ``"hash"`` of names and ``seed``; ``"blocks"``: all documents are
    cut, so that the test part has at least six pieces, of which none has a neighbour that is
    trained on; or ``"contiguous"``: training text first, then validation, then test; one text is
    then cut, at line ends or, if ``exact``, at the very character; ``first = "validation"`` has the
    text begin with that part. ``fold`` of
    ``folds`` is cross-validation: each document is in the test part of exactly one fold. ``groups``
    name documents that share text and must go to the same part.

    Raises:
        ValueError: settings that do not go together.
    """

    validation: HeldOut = 0.08
    test: HeldOut = 0.12
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    groups: tuple[Group, ...] = ()
    train: Documents | None = None
    method: Literal["hash", "contiguous", "blocks"] | None = None
    exact: bool | None = None
    first: Literal["train", "validation"] | None = None
    fold: Count | None = None
    folds: Annotated[int, Field(ge=2)] | None = None

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The lists that are given, by part."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: names for part, names in parts.items() if isinstance(names, tuple)}

    def __post_init__(self) -> None:
        contiguous = self.method == "contiguous"
        names = [name for listed in self.lists.values() for name in listed]
        twice = next((name for name in names if names.count(name) > 1), None)
        if self.exact and not contiguous:
            raise ValueError('exact = true needs method = "contiguous"')
        if self.first == "validation" and (names or not contiguous):
            raise ValueError('first = "validation" needs method = "contiguous" and no lists')
        if twice is not None:
            raise ValueError(f"{twice!r} is listed twice")
        if (self.fold is None) != (self.folds is None):
            raise ValueError("fold and folds need each other, e.g. fold = 1, folds = 5")
        if self.fold and self.folds and self.fold > self.folds:
            raise ValueError(f"there is no fold {self.fold} of {self.folds} folds")
        if self.folds and (names or self.method in ("contiguous", "blocks")):
            raise ValueError(f"folds go neither with lists nor with method = {self.method!r}")


@dataclass(frozen=True)
class MemorySettings:
    """A memory of the document: beside the network alone, a second distribution is scored, in which
    the network's predictions are mixed with those of counts of the document so far (see
    :mod:`textgen.evaluation.memory`), one level for each of the ``orders``, which are lengths of
    context in tokens, rising. Rare words that stood in the document before are then cheaper, too.
    Without orders there is no memory of either kind.

    ``learning_rate``: under that second distribution the network, too, keeps learning from the
    document; this is the step size, in units of the gradient's RMS (dynamic evaluation, see
    :mod:`textgen.evaluation.dynamic`); 0: it does not.

    Raises:
        ValueError: orders that do not rise, or a learning rate without orders.
    """

    orders: tuple[Annotated[int, Field(ge=0, le=64)], ...] = ()
    learning_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def __post_init__(self) -> None:
        if list(self.orders) != sorted(set(self.orders)):
            raise ValueError(f"orders that do not rise: {list(self.orders)}")
        if self.learning_rate and not self.orders:
            raise ValueError("learning_rate needs orders, e.g. [3, 4, 5]")


@dataclass(frozen=True)
class Training:
    """How the backbone is trained. Exactly one of the four budgets is given.

    ``seconds`` is turned into a fixed number of updates after a short calibration. ``characters``
    counts characters seen, repeats included. ``validations`` is how often within the budget the
    model is validated, a checkpoint written and the best weights kept; ``patience`` ends a training
    after so many of them without a better figure. ``watch`` says which figure that is: the bits per
    character of the validation text, or the loss on the training text. The intervals are as even as
    can be, and of ten updates or more: a training of fewer than ten per validation has fewer
    validations.

    ``optimizer``: ``"muon"`` makes the update of a matrix between layers orthogonal (Jordan et al.
    2024) and leaves all other weights to AdamW; ``"adafactor"`` keeps of a matrix' second moments
    those of its rows and columns (Shazeer & Stern 2018), and its learning rate is a share of the
    size of the weights: 0.1 rather than 0.004.

    ``table_rate`` is the learning rate of a backbone's tables (``ngrams``) over that of its other
    weights; they have an optimizer of their own, without decay, clipping or average
    (:class:`textgen.training.optimizer.RowAdagrad`).

    ``ema_decay`` is how much of the weights' exponential moving average is kept at each update
    (after Polyak & Juditsky 1992); the average is then validated and saved. 0: no average.

    Raises:
        ValueError: weights that are averaged, while the loss on the training text, which is that of
            others, is watched.
    """

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    epochs: Positive | None = None
    batch: Count = 16
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd", "muon", "adafactor"] = "adamw"
    learning_rate: Positive = 4e-3
    table_rate: Positive = 30.0
    schedule: Literal["cosine", "constant", "wsd"] = "cosine"
    warmup: Fraction = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    ema_decay: Fraction = 0.0
    loss: Literal["categorical", "binary"] = "categorical"
    validations: Count = 20
    patience: Whole = 0
    watch: Literal["validation", "training"] = "validation"
    threads: Whole = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.ema_decay and self.watch == "training":
            raise ValueError('ema_decay needs watch = "validation"')


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn after training.

    ``length`` is in characters, in all arms; all samples together have no more than
    :data:`MAX_SAMPLED_CHARACTERS`. ``fill`` says what replaces a generated placeholder: a
    word drawn with the probability that is charged for it, a training word that reads well there, a
    newly spelled word, or a mark. With ``memory`` the samples after training are drawn from the
    network with its memory of the document.

    Raises:
        ValueError: a memory with another fill than ``"scored"``, or more text than that.
    """

    prompts: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    length: Annotated[int, Field(gt=0, le=1_000_000)] = 1000
    samples: Annotated[int, Field(gt=0, le=10_000)] = 8
    temperature: Temperature = 0.8
    top_k: Whole = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    fill: Literal["scored", "pool", "spell", "mark"] = "scored"
    memory: bool = False

    def __post_init__(self) -> None:
        if self.memory and self.fill != "scored":
            raise ValueError('memory needs fill = "scored": another fill is not what is scored')
        written = len(self.prompts) * self.samples * self.length
        if written > MAX_SAMPLED_CHARACTERS:
            most = f"prompts × samples × length may be {MAX_SAMPLED_CHARACTERS:,}"
            raise ValueError(f"{written:,} characters in all: {most}")
