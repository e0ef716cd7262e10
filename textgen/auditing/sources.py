"""Where an audited model comes from: a finished run, a Hugging Face folder, a class in Python."""

import inspect
import math
import runpy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import log_softmax

from textgen.auditing.claims import Claim, ModelFactory
from textgen.core.errors import TextgenError
from textgen.core.settings import PartName
from textgen.core.tokens import BOUNDARY
from textgen.data.documents import Document
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.sampler import Stepper
from textgen.runs.finished import check_folder, load_run
from textgen.runs.folder import CHECKED
from textgen.tokenizers.base import walk
from textgen.tokenizers.encoded import EncodedDocument
from textgen.tokenizers.steps import Choice, Choices, follow, take_known
from textgen.tokenizers.word_cache import DocumentCounts

# Tokens that a model reads at once where its settings name no limit.
DEFAULT_CONTEXT_TOKENS = 1024
# At most: what a large vocabulary predicts at so many places takes gigabytes.
MAX_CONTEXT_TOKENS = 2048
IN_PYTHON = "a class in Python"
OTHERS = "give a Hugging Face model's folder (none is downloaded), or file.py:Class"


@dataclass(frozen=True)
class Source:
    """A model that can be opened any number of times, and the files that it is read from; the kind
    is in words."""

    name: str
    kind: str
    open: ModelFactory
    files: Sequence[Path]


def open_source(model: str | Path | ModelFactory, part: PartName, end: bool) -> Source:
    """The source of a model as :func:`textgen.auditing.audit.audit_model` takes it.

    Raises:
        TextgenError: no such model, or an option that it does not have.
    """
    name = getattr(model, "__qualname__", str(model))
    file, _, class_name = name.rpartition(":")
    folder = Path(name)
    is_python = callable(model) or file.endswith(".py")
    is_hugging_face = not is_python and (folder / "config.json").exists()
    is_run = not is_python and not is_hugging_face
    if part != "network" and not is_run:
        raise TextgenError(f"{name}: --part applies to runs of textgen only")
    if not end and not is_hugging_face:
        raise TextgenError(f"{name}: --no-end applies to Hugging Face folders only")
    if callable(model):
        return Source(name, IN_PYTHON, model, [])
    if is_python:
        return Source(name, IN_PYTHON, load_class(Path(file), class_name), [Path(file)])
    if is_hugging_face:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
        return Source(name, "a Hugging Face folder", partial(HuggingFaceModel, folder, end), files)
    check_folder(folder, OTHERS)
    load_run(folder).experiment.check_part(part)
    files = [folder / checked for checked in CHECKED if (folder / checked).exists()]
    return Source(name, kind_of_run(part), lambda: RunModel(load_run(folder).part(part)), files)


def kind_of_run(part: PartName) -> str:
    """The kind of a source that is a part of a run."""
    return f"a run of textgen, part {part}"


def load_class(path: Path, name: str) -> ModelFactory:
    """A class of a Python file.

    Raises:
        TextgenError: no such file or class.
    """
    if not path.is_file():
        raise TextgenError(f"{path}: no such file")
    values = runpy.run_path(str(path), run_name=path.stem)
    factory: ModelFactory | None = values.get(name)
    if not callable(factory):
        classes = ", ".join(key for key, value in values.items() if inspect.isclass(value))
        raise TextgenError(f"{path}: no class {name!r}", f"its classes: {classes or 'none'}")
    return factory


class RunModel:
    """A language model of textgen, by all that it has. Tokens are the choices that make a document:
    those of the next token, and after them those that spell out a surface form.

    Args:
        model: not used elsewhere, for a network that goes on learning changes its weights.
    """

    end: int | None = BOUNDARY

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._tokenizer = model.tokenizer
        self.spelled_from = model.tokenizer.size
        self._stepper: Stepper | None = None

    def start(self) -> None:
        self._close()
        self._stepper = Stepper(self._model)
        self._walking = self._choices()
        self._choice: Choice = next(self._walking)

    def _close(self) -> None:
        if self._stepper is not None:
            self._stepper.close()
        self._stepper = None

    def next_log_probabilities(self) -> np.ndarray:
        with np.errstate(divide="ignore"):
            if self._choice.probabilities is None:
                return np.log(self._reader().probabilities())
            impossible = np.full(self.spelled_from, -math.inf)
            return np.concatenate([impossible, np.log(self._choice.probabilities())])

    def append(self, token: int) -> None:
        if self._choice.probabilities is None:
            self._reader().append(token)
        self._choice = self._walking.send(token - self._first(self._choice))

    def _reader(self) -> Stepper:
        if self._stepper is None:
            raise RuntimeError("start() comes first")
        return self._stepper

    def _choices(self, document: EncodedDocument | None = None) -> Choices[EncodedDocument]:
        earlier = None if self._model.cache is None else DocumentCounts()
        return walk(self._tokenizer, document, earlier)

    def _first(self, choice: Choice) -> int:
        """The first token of a choice: those of spellings come after those of the network."""
        return 0 if choice.probabilities is None else self.spelled_from

    def encode(self, text: str) -> list[int]:
        tokens = list[int]()

        def read(choice: Choice) -> int:
            tokens.append(self._first(choice) + take_known(choice))
            return take_known(choice)

        follow(self._choices(self._tokenizer.encode(text)), read)
        return tokens[:-1]  # without the end

    def decode(self, tokens: Sequence[int]) -> str:
        left = iter((*tokens, BOUNDARY))

        def take_next(choice: Choice) -> int:
            return next(left) - self._first(choice)

        document: EncodedDocument = follow(self._choices(), take_next)
        return self._tokenizer.decode(document)

    def claim(self, text: str) -> Claim:
        """What ``textgen score`` says: all windows of the text at once, not step by step."""
        self._close()
        (scored,) = self._model.score([Document("text", text)])[self._model.own_part]
        figure = scored.bits_per_character if self._tokenizer.charged else None
        bits = float(scored.model_bits.sum() + scored.surface_bits.sum())
        return Claim(figure, "bits_per_character", True, bits)


class HuggingFaceModel:
    """A model of a folder, with its own tokenizer; ``context`` tokens are read at once.

    A text begins behind the token for the beginning, or else that for the end. Where the context is
    full, its older half is forgotten; so it is in :meth:`claim`, which reads whole stretches at
    once.

    Args:
        folder: with ``config.json``, the weights and the tokenizer.
        end: whether the end of a text is a token.

    Raises:
        TextgenError: the libraries are not installed, the folder cannot be read, or it has neither
            token.
    """

    def __init__(self, folder: Path, end: bool = True) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            hint = "pip install transformers torch"
            raise TextgenError(f"{folder}: reading this folder needs {error.name}", hint) from None
        transformers.logging.disable_progress_bar()
        self._torch = torch
        local = {"local_files_only": True, "trust_remote_code": False}
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), **local)
            network = transformers.AutoModelForCausalLM.from_pretrained(str(folder), **local)
        except Exception as error:  # its libraries raise many kinds
            cause = str(error).partition("\n")[0][:200]
            raise TextgenError(f"{folder}: the folder cannot be read: {cause}") from None
        self._network = network.float().eval()
        # what is carried from token to token has one name in some versions and another in others
        names = inspect.signature(network.forward).parameters
        self._cache = "cache" if "cache" in names else "past_key_values"
        begin: int | None = self._tokenizer.bos_token_id
        self.end: int | None = self._tokenizer.eos_token_id
        if begin is None and self.end is None:
            raise TextgenError(f"{folder}: its tokenizer has neither bos_token nor eos_token")
        self._begin = int(self.end if begin is None else begin)
        unknown = self._tokenizer.unk_token_id
        is_begin_or_end = unknown in (begin, self.end)  # as GPT-2 has it: bytes need none
        self.unknown: int | None = None if is_begin_or_end else unknown
        if not end:
            self.end = None
        limit = getattr(network.config, "max_position_embeddings", None)
        self.context = min(int(limit or DEFAULT_CONTEXT_TOKENS), MAX_CONTEXT_TOKENS)
        self._kept = max(1, self.context // 2)  # tokens that are left of a context that is full

    def start(self) -> None:
        self._tokens = [self._begin]
        self._forget()

    def _forget(self) -> None:
        """Nothing is read of the tokens yet."""
        self._read = 0
        self._past: object = None

    def append(self, token: int) -> None:
        self._tokens.append(token)

    def next_log_probabilities(self) -> np.ndarray:
        if len(self._tokens) > self.context:
            first_kept = len(self._tokens) - self._kept
            self._tokens = self._tokens[first_kept:]
            self._forget()
        logs, self._past = self._logs(self._tokens[self._read :], self._past)
        self._read = len(self._tokens)
        return logs[-1]

    def _logs(self, tokens: Sequence[int], past: object = None) -> tuple[np.ndarray, object]:
        """(n, V) float64, log-probabilities of what follows each token; and what is carried on."""
        with self._torch.no_grad():
            inputs = {"input_ids": self._torch.tensor([list(tokens)]), self._cache: past}
            outputs = self._network(**inputs, use_cache=True)
        logs = log_softmax(outputs.logits[0].double().numpy(), axis=-1)
        return logs, getattr(outputs, self._cache)

    def encode(self, text: str) -> list[int]:
        # a special token's name in a text is text
        options = {"add_special_tokens": False, "split_special_tokens": True}
        return list(self._tokenizer.encode(text, **options))

    def decode(self, tokens: Sequence[int]) -> str:
        options = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return str(self._tokenizer.decode(list(tokens), **options))

    def claim(self, text: str) -> Claim:
        """Bits of a text, read in stretches as long as the context."""
        tokens = [self._begin, *self.encode(text)]
        if self.end is not None:
            tokens.append(self.end)
        parts = list[float]()  # of every token but the first
        start = 0
        while len(parts) < len(tokens) - 1:
            logs, _ = self._logs(tokens[start : start + self.context])
            first = len(parts)
            end = min(start + self.context, len(tokens) - 1)
            for place in range(first, end):
                log = float(logs[place - start, tokens[place + 1]])
                parts.append(-log / math.log(2))
            # stretches overlap: where the next one has its first new place, it has read `_kept`
            # tokens, most of them of this one
            start = len(parts) + 1 - self._kept
        return Claim(bits=sum(parts), parts=parts)
