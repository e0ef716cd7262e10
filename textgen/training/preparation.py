"""What comes before the network: the tokenizer, the texts as tokens, the first vectors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from textgen.core.cache import Stopwatch
from textgen.core.errors import TextgenError
from textgen.core.experiment import Experiment
from textgen.core.machine import usable_threads
from textgen.core.settings import Training
from textgen.core.tokens import BOUNDARY
from textgen.data.loading import Corpus
from textgen.embeddings.vectors import Vectors
from textgen.evaluation.counts import MAX_CHARACTERS, TrainingCounts
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.encoded import Encoded, EncodedDocument
from textgen.tokenizers.fitting import fit_tokenizer
from textgen.training.encoding import encode_training


@dataclass(frozen=True)
class Prepared:
    """What is fitted before the network.

    Attributes:
        tokenizer: the fitted tokenizer.
        encoded: the training and the validation documents.
        vectors: what the embedding layer starts from.
        counts: (V,) int64 occurrences of every token in the text that the tokenizer was fitted on.
        training_counts: n-grams of the same text, if the experiment has them.
        seconds: what all this took, by the processor's own clock where the run has a single thread;
            of what the cache keeps, the processor time that it once took.
    """

    tokenizer: Tokenizer
    encoded: tuple[Encoded, list[EncodedDocument]]
    vectors: Vectors
    counts: np.ndarray
    training_counts: TrainingCounts | None
    seconds: float

    @property
    def extra_data(self) -> list[str]:
        return [*self.tokenizer.extra_data, *self.vectors.extra_data]


def prepare(experiment: Experiment, loaded: Corpus) -> Prepared:
    """Fit everything on the training split, of a large corpus on a sample of it, and encode all of
    it; what the cache saves is counted all the same.

    Raises:
        TextgenError: vectors for a backbone that has no embedding, or whatever a plug-in finds.
    """
    width = experiment.backbone.embedding_width
    if width is None and experiment.resolved["embedding"]["kind"] != "random":
        message = "backbone.input: without an embedding layer the vectors would not be used"
        raise TextgenError(message, 'set it to "embedding", or leave out [embedding]')
    alone = usable_threads(experiment.training.threads) == 1
    watch = Stopwatch(time.process_time if alone else time.perf_counter)
    with watch.counting():
        tokenizer = fit_tokenizer(experiment.tokenizer, loaded, experiment.seed)
        training = encode_training(experiment, tokenizer, loaded)
        validation = [tokenizer.encode(document.text) for document in loaded.validation]
        # those that the tokenizer was fitted on: of a large corpus a sample
        sample = {document.name for document in loaded.sample}
        documents, tokens = [], []
        for document, encoded in zip(loaded.train, training, strict=True):
            if document.name in sample:
                documents.append(document)
                tokens.append(encoded.tokens)
        vectors = Vectors()
        if width is not None:
            names = tokenizer.names
            vectors = experiment.embedding.vectors(names, tokens, width, experiment.seed)
        counts = np.bincount(np.concatenate(tokens), minlength=tokenizer.size)
        counts[BOUNDARY] += len(tokens)  # every document's end
        training_counts = None
        orders = experiment.training_counts.orders
        if orders:
            texts = [document.text for document in documents]
            first, cut_short = counted(tokenizer, texts, tokens)
            training_counts = TrainingCounts(orders, first, cut_short, tokenizer.size)
    encoded_parts = training, validation
    return Prepared(tokenizer, encoded_parts, vectors, counts, training_counts, watch.seconds())


def counted(
    tokenizer: Tokenizer, texts: Sequence[str], tokens: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], bool]:
    """The first MAX_CHARACTERS of some documents as tokens, and whether the last is cut short."""
    ends = np.cumsum([len(text) for text in texts])
    whole = int(np.searchsorted(ends, MAX_CHARACTERS, side="right"))  # documents that fit
    room = MAX_CHARACTERS - (int(ends[whole - 1]) if whole else 0)
    if whole == len(texts) or not room:
        return list(tokens[:whole]), False
    cut = tokenizer.encode(texts[whole][:room], training=True)
    return [*tokens[:whole], cut.tokens], True


def subtract_preparation_time(settings: Training, preparation: float) -> Training:
    """The training settings with the time of the preparation taken off a budget in seconds.

    Raises:
        TextgenError: nothing is left.
    """
    if settings.seconds is None:
        return settings
    if preparation >= settings.seconds:
        message = f"{settings.seconds:g}; the preparation alone took {preparation:.1f}"
        hint = f"give more, e.g. --set training.seconds={preparation * 3:.0f}"
        raise TextgenError(f"training.seconds: {message}", hint)
    return replace(settings, seconds=settings.seconds - preparation)
