"""The tables that every experiment has, and the types of their settings."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field

from textgen.core.errors import TextgenError
from textgen.core.validation import Plugin

BUDGETS = ("seconds", "characters", "updates", "epochs")
Count = Annotated[int, Field(gt=0, lt=2**63)]  # of at least one
Whole = Annotated[int, Field(ge=0, lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
FOLDER_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
# No file or folder of Windows has these names, whatever stands behind a first dot.
RESERVED_NAMES = {"con", "prn", "aux", "nul"}
RESERVED_NAMES |= {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
LanguageCode = Annotated[str, Field(pattern="^[a-z]{2,3}$", description="ISO 639, e.g. de")]
Text = Annotated[str, Field(min_length=1)]
Character = Annotated[str, Field(min_length=1, max_length=1)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
# The parts of a language model, see :mod:`textgen.evaluation.model`.
PartName = Literal["network", "with_counts", "with_cache", "counts"]
PARTS: tuple[PartName, ...] = get_args(PartName)
Temperature = Annotated[float, Field(ge=0, le=10)]
MAX_SAMPLED_CHARACTERS = 10_000_000  # some hours of a laptop


def check_name(name: str, where: str) -> None:
    """Raises:
    TextgenError: it can name no folder.
    """
    if not re.fullmatch(FOLDER_NAME, name):
        hint = "use at most 100 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        raise TextgenError(f"{where}: {name!r} cannot name a folder", hint)
    try:
        _check_for_windows(name)
    except ValueError as error:
        raise TextgenError(f"{where}: {error}", "add a word to it") from None


def _check_for_windows(name: str) -> str:
    if name.endswith(".") or name.partition(".")[0].lower() in RESERVED_NAMES:
        raise ValueError(f"{name!r} cannot name a folder on Windows")
    return name


# Of a folder.
Name = Annotated[str, Field(pattern=f"^{FOLDER_NAME}$"), AfterValidator(_check_for_windows)]


def check_one_budget(table: str, settings: Any, names: Sequence[str]) -> None:
    """Raises:
    ValueError: not exactly one of the settings of these names is stated in a table.
    """
    stated = [name for name in names if getattr(settings, name) is not None]
    if len(stated) != 1:
        budgets = f"states {' and '.join(stated)}" if stated else "states no budget"
        raise ValueError(f"[{table}] {budgets}; exactly one of {', '.join(names)} is needed")


# Names of documents, or patterns of names, e.g. ["test/*"].
Documents = Annotated[tuple[Text, ...], Field(min_length=1)]
# A held-out part: a fraction of what has no part yet, or its documents.
HeldOut = Annotated[float, Field(gt=0, lt=0.5)] | Documents
# Documents that share text.
Group = Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True)
class CorpusOptions:
    """Settings of every corpus besides those of its kind: changes to its text, the same for all
    arms. Characters are replaced first, then left out; lines are stripped last.

    Args:
        keep: the only characters to keep; ``"article"`` stands for the article's own 75.
        strip: ``"lines"`` leaves out white space at both ends of every line.
        drop: characters to leave out.
        replace: what takes the place of a character, e.g. ``{ "æ" = "ae" }``.
        share: the first documents only, up to this share of all characters.
        fallback: the corpus to use where this one cannot be fetched.
    """

    keep: Text | None = None
    strip: Literal["lines"] | None = None
    drop: str = ""
    replace: dict[Character, str] | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    fallback: Annotated[Any, Plugin("corpus")] = None


@dataclass(frozen=True)
class Split:
    """How the text is divided into training, validation and test parts.

    Args:
        validation: a fraction of the characters that no list and no file name gives a part, drawn
            by document; or a list of documents, by name or pattern (``*``, ``?``, ``[…]``). With
            folds, a fraction of all characters, but at most half of those that are not tested.
        test: the same for the test part.
        seed: seed of the hash that draws documents.
        groups: lists of documents that share text and must go to the same part; or a regular
            expression: documents in whose names it finds the same belong together. If it has a
            group in parentheses, what that one finds counts.
        method: how unlisted documents are drawn. ``"hash"``: by a hash of names and ``seed``.
            ``"contiguous"``: one text is cut, training text first, then validation, then test.
            ``"blocks"``: all documents are cut, so that the test part has at least eight pieces,
            none of them next to a training piece. By default, file names such as ``train.txt``
            decide, or else the hash.
        exact: cut a contiguous text at the exact character, not at a line end.
        first: the part that a contiguous text begins with.
        fold: number of the test fold, from 1; each document is tested in exactly one fold.
        folds: number of folds of a cross-validation.
        train_characters: characters of training text to keep; the other parts do not change, and a
            smaller number keeps a subset of what a larger number keeps.
        train_subset: with ``"random"``, ``train_characters`` keeps random documents and pieces of
            long ones. Two folds share none of these while the text suffices. Validation text is
            then at most a tenth of the training text.

    Raises:
        ValueError: settings that do not go together.
    """

    validation: HeldOut = 0.08
    test: HeldOut = 0.12
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] = 0
    groups: str | tuple[Group, ...] = ()
    method: Literal["hash", "contiguous", "blocks"] | None = None
    exact: bool | None = None
    first: Literal["train", "validation"] | None = None
    fold: Count | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    train_characters: Count | None = None
    train_subset: Literal["nested", "random"] | None = None

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """The lists that are given, by part."""
        parts = {"validation": self.validation, "test": self.test}
        return {part: names for part, names in parts.items() if isinstance(names, tuple)}

    def __post_init__(self) -> None:
        contiguous = self.method == "contiguous"
        names = [name for listed in self.lists.values() for name in listed]
        if isinstance(self.groups, str):
            check_pattern(self.groups)
        if self.exact and not contiguous:
            raise ValueError('exact = true needs method = "contiguous"')
        if self.first == "validation" and (names or not contiguous):
            raise ValueError('first = "validation" needs method = "contiguous" and no lists')
        if (self.fold is None) != (self.folds is None):
            raise ValueError("fold and folds go together, e.g. fold = 1, folds = 5")
        if self.fold and self.folds and self.fold > self.folds:
            raise ValueError(f"there is no fold {self.fold} of {self.folds} folds")
        if self.folds and (names or self.method in ("contiguous", "blocks")):
            raise ValueError('folds exclude lists, method = "contiguous" and method = "blocks"')


def check_pattern(pattern: str) -> None:
    """Check that something is a regular expression that finds one part of a name.

    Raises:
        ValueError: it is not.
    """
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        message = f"groups: {pattern!r} is no regular expression: {error}"
        raise ValueError(message) from None
    if groups > 1:
        raise ValueError(
            f"groups: {pattern!r} has {groups} groups in parentheses: keep one of them"
        )


def check_rising(name: str, values: Sequence[Any]) -> None:
    """Check that each number is above the one before it; ``"all"`` is the largest.

    Raises:
        ValueError: one is not.
    """
    numbers = [math.inf if value == "all" else value for value in values]
    for number, following in pairwise(numbers):
        if number >= following:
            raise ValueError(f"{name} must be ascending: {list(values)}")


@dataclass(frozen=True)
class TrainingCountsSettings:
    """Counts of the training text: the part ``with_counts`` of a model mixes them into what its
    network predicts (see :mod:`textgen.evaluation.counts`).

    Args:
        orders: context lengths in tokens, ascending, a level of counts each; empty: no counts.

    Raises:
        ValueError: orders that do not rise.
    """

    orders: tuple[Annotated[int, Field(ge=0, le=16)], ...] = ()

    def __post_init__(self) -> None:
        check_rising("orders", self.orders)


@dataclass(frozen=True)
class CacheSettings:
    """A document cache: the part ``with_cache`` of a model mixes its predictions with counts of the
    document so far (see :mod:`textgen.evaluation.counts`).

    Args:
        orders: context lengths in tokens, ascending, a level of the cache each; empty: no cache. A
            cache also makes rare words cheaper once the document has used them.
        learning_rate: learning rate of dynamic evaluation (see :mod:`textgen.evaluation.dynamic`):
            in the part ``with_cache`` the network also keeps learning from the document, in steps
            of this size in units of the gradient's RMS; 0: no dynamic evaluation.

    Raises:
        ValueError: orders that do not rise, or a learning rate without orders.
    """

    orders: tuple[Annotated[int, Field(ge=0, le=64)], ...] = ()
    learning_rate: Annotated[float, Field(ge=0, lt=1)] = 0.0

    def __post_init__(self) -> None:
        check_rising("orders", self.orders)
        if self.learning_rate and not self.orders:
            raise ValueError("learning_rate needs orders, e.g. [3, 4, 5]")


@dataclass(frozen=True)
class Growth:
    """The first updates of a training, with smaller windows or fewer rows than the rest.

    Args:
        until: the share of all updates after which they end.
        window: length of their windows, as a share of the full length.
        batch: windows per update; 0: as in ``[training]``.
    """

    until: Annotated[float, Field(gt=0, lt=1)]
    window: Annotated[float, Field(gt=0, le=1)] = 1.0
    batch: Whole = 0


@dataclass(frozen=True)
class Training:
    """How the backbone is trained. Exactly one of the four budgets is given.

    After a sixth of the planned updates without a better validation figure, a training that watches
    validation text returns to the best weights and cools: the learning rate falls to zero over a
    fifth of the updates made, or over those that are left. Then the training ends.

    Args:
        seconds: training time, converted into a number of updates after a short calibration.
        characters: characters seen in total, repeats included.
        updates: number of updates of the weights.
        epochs: passes over the training text.
        start: the folder of a finished run with the same text, tokenizer and network. Training
            continues from the best weights of that run, with the batches after its last one. The
            learning rate rises and falls once more, and the figures include what that run spent.
        batch: windows per update, each from a different place in the training text.
        growth: stages at the beginning with smaller windows or fewer of them, such as
            ``[{until = 0.1, window = 0.2}, {until = 0.4, window = 0.5}]``; only where the state is
            carried from window to window.
        optimizer: the Keras optimizer of this name.
        learning_rate: the highest learning rate.
        table_rate: ratio of the learning rate of a backbone's tables (``ngrams`` and
            ``output_ngrams``) to that of its other weights; tables have an optimizer of their own,
            without decay or clipping (:class:`textgen.training.step.RowAdagrad`).
        schedule: the learning rate after the warm-up: ``"cosine"`` lowers it to zero along a
            cosine, ``"constant"`` keeps it.
        warmup: the fraction of the updates over which the learning rate rises from zero.
        weight_decay: weight decay of ``"adamw"``, decoupled from the gradient.
        clip_norm: largest norm of the gradient over all weights; 0: no clipping.
        loss: ``"binary"`` is the article's: a binary cross-entropy for each token.
        validations: number of validations within the budget, or one per epoch if that is more.
            Each keeps the best weights; a checkpoint is written after the first, and then at
            most every 30 seconds. Intervals are as even as
            possible; a training too short for ten updates per validation has fewer validations.
            They read as much of the validation text, spread evenly over it, as takes about 2% of
            the training.
        curve: characters of validation text that the network is asked for again and again while it
            learns: after 1/128, 1/64, … 1/2 and all of the updates, when it also writes a sample.
            Text and prompt are the same for all tokenizers. Nothing in the training depends on it.
            0: no curve.
        patience: number of validations without a better figure after which training ends early, if
            it does not cool before. 0: only the end of cooling ends training early.
        watch: the figure that picks the weights: bits per character of the validation text, or the
            loss on the training text.
        threads: threads of TensorFlow; 0: one per core. An update gives at least four rows to each
            that it uses.
        deterministic: refuse operations whose results depend on the order of threads.
    """

    seconds: Positive | None = None
    characters: Count | None = None
    updates: Count | None = None
    epochs: Positive | None = None
    start: Path | None = None
    batch: Count = 16
    growth: tuple[Growth, ...] = ()
    optimizer: Literal["adamw", "adam", "rmsprop", "sgd"] = "adamw"
    learning_rate: Positive = 4e-3
    table_rate: Positive = 30.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Fraction = 0.02
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    loss: Literal["categorical", "binary"] = "categorical"
    validations: Count = 20
    curve: Whole = 3000
    patience: Whole = 0
    watch: Literal["validation", "training"] = "validation"
    threads: Whole = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        ends = [stage.until for stage in self.growth]
        if ends != sorted(set(ends)):
            raise ValueError(
                f"growth: stages end at {ends}, and each must end after the one before"
            )


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn after training. Together the samples have at most 10,000,000
    characters.

    Args:
        prompts: how the samples begin.
        length: characters per sample, the same for all arms.
        samples: number of samples after each prompt.
        temperature: below 1, likelier tokens are preferred; 0: always the likeliest token.
        top_k: sample from the k most probable tokens; 0: from all.
        top_p: sample from the most probable tokens that together reach this probability.
        fill: what replaces a generated placeholder: a word drawn with the probability that is
            charged for it (``"scored"``), a training word that reads well there (``"pool"``), or a
            mark.
        part: the part of the model that writes (see :mod:`textgen.evaluation.model`); validation
            selects the best weights for this part.

    Raises:
        ValueError: a cache with another fill than ``"scored"``, or more text than that.
    """

    prompts: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    length: Annotated[int, Field(gt=0, le=1_000_000)] = 1000
    samples: Annotated[int, Field(gt=0, le=10_000)] = 8
    temperature: Temperature = 0.8
    top_k: Whole = 0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    fill: Literal["scored", "pool", "mark"] = "scored"
    part: PartName = "network"

    def __post_init__(self) -> None:
        if self.part == "with_cache" and self.fill != "scored":
            raise ValueError('with_cache needs fill = "scored": no other fill is scored as sampled')
        written = len(self.prompts) * self.samples * self.length
        if written > MAX_SAMPLED_CHARACTERS:
            most = f"prompts × samples × length may be at most {MAX_SAMPLED_CHARACTERS:,}"
            raise ValueError(f"{written:,} characters in all: {most}")
