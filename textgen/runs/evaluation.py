"""What a comparison needs of a run beside its figures: bits of every token, and sampled texts.

Temperatures, prompts, lengths and seed are the same for all runs, whatever their experiments say
about sampling. A run writes both files when it ends; if they are missing, or were written with
other settings, they are made from the saved network.

tokens.npz    for every test document: where the text of each token ends, the network's bits, and
              the spelling bits of its surface form; both also with a memory of the document
texts.json    samples of the network alone: over a sweep of temperatures, and after the same prompts
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.errors import TextgenError
from textgen.core.files import read_arrays, write_file, write_json
from textgen.core.settings import Sampling
from textgen.data.documents import Document
from textgen.data.language import UNSPACED
from textgen.data.loading import Corpus
from textgen.evaluation.likelihood import DocumentBits
from textgen.models.sampler import Sampler
from textgen.runs.generation import sample_texts
from textgen.runs.schemas import Texts, read_content, reading
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import EncodedDocument

TOKENS, TEXTS = "tokens.npz", "texts.json"
PROMPT = 40
"""Characters of a document in which the words of a prompt are looked for."""
MADE_AGAIN = "delete it: the next comparison makes it again from the saved network"
COLUMNS = ("names", "sizes", "ends", "model", "spelling")
REMEMBERED = ("model_with_memory", "spelling_with_memory")


@dataclass(frozen=True)
class Evaluation:
    """How the texts of a comparison are sampled: ``samples`` of ``length`` characters from the
    start of a document at each of the ``temperatures``, and one of ``prompted`` characters at
    ``temperature`` after each of the ``prompts`` that the model has tokens for."""

    temperatures: tuple[float, ...] = (0.5, 0.8, 1.0, 1.2)
    temperature: float = 0.8
    samples: int = 20
    length: int = 1500
    prompts: tuple[str, ...] = ("At night", "The old man", "It was")
    prompted: int = 600
    seed: int = 1


def evaluation_for(loaded: Corpus) -> Evaluation:
    """The settings for a text. Where it is not in English the prompts are the first words of
    validation documents, or their first characters in a language without spaces."""
    settings, language = Evaluation(), loaded.language.code
    if language == "en":
        return settings
    beginnings = (document.text.lstrip()[:PROMPT] for document in loaded.validation)
    openings = [
        text[:4] if language in UNSPACED else " ".join(text.split()[:2]) for text in beginnings
    ]
    prompts = tuple(dict.fromkeys(filter(None, openings)))
    return replace(settings, prompts=prompts[: len(settings.prompts)])


@dataclass(frozen=True)
class TokenBits:
    """One document's bits by token, the end mark last.

    Attributes:
        name: the document's.
        ends: (n + 1,) int64, where the text of each token ends, in characters.
        model: (n + 1,) float64, −log2 P(token | earlier tokens).
        spelling: (n + 1,) float64, −log2 P(surface form | token).
        remembered: the same with a memory of the document; None without one.
    """

    name: str
    ends: np.ndarray
    model: np.ndarray
    spelling: np.ndarray
    remembered: TokenBits | None = None

    @property
    def total(self) -> float:
        """Bits of the whole document."""
        return float(self.model.sum() + self.spelling.sum())

    @property
    def characters(self) -> int:
        return int(self.ends[-1])

    def cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The document in stretches of at least one character, the end mark apart.

        A token without text of its own (a case modifier, the first byte of a character) is counted
        with the next token that has some. Words dropped after the last token are a stretch of their
        own, for their spelling.

        Returns:
            Starts and ends of m stretches (m,), and bits of model and spelling (m + 1,) float64,
            the end mark's last.
        """
        before = np.concatenate([[0], self.ends[:-2]])
        with_text = np.append(self.ends[:-1] > before, True)
        group = np.concatenate([[0], np.cumsum(with_text)[:-1]])
        count = int(group[-1]) + 1
        model = np.bincount(group, weights=self.model, minlength=count)
        spelling = np.bincount(group, weights=self.spelling, minlength=count)
        ends = self.ends[:-1][with_text[:-1]]
        if self.characters > (ends[-1] if len(ends) else 0):
            ends = np.append(ends, self.characters)
            model, spelling = np.insert(model, -1, 0.0), np.append(spelling, 0.0)
        return np.concatenate([[0], ends[:-1]])[: len(ends)], ends, model, spelling

    def per_character(self) -> np.ndarray:
        """(characters + 1,) float64: each stretch's bits in equal parts, the end mark's last."""
        starts, ends, model, spelling = self.cells()
        bits = model + spelling
        lengths = np.append(ends - starts, 1)
        return np.repeat(bits / lengths, lengths)


def token_table(
    tokenizer: Tokenizer, documents: Sequence[Document], costs: Sequence[DocumentBits]
) -> list[TokenBits]:
    """Bits of every token of scored documents, and where its text ends; dropped words are an entry
    of their own, without model bits."""
    result = []
    for document, bits in zip(documents, costs, strict=True):
        encoded, size = tokenizer.encode(document.text), document.characters
        alone = bits_of_tokens(encoded, size, bits)
        if bits.with_memory is not None:
            alone = replace(alone, remembered=bits_of_tokens(encoded, size, bits.with_memory))
        result.append(alone)
    return result


def bits_of_tokens(encoded: EncodedDocument, size: int, bits: DocumentBits) -> TokenBits:
    """Bits of every token of a document of ``size`` characters."""
    model, spelling = bits.model_bits.astype(np.float64), np.zeros(len(bits.model_bits))
    np.add.at(spelling, encoded.places, bits.surface_bits)
    ends = np.append(encoded.ends, size)
    if encoded.starts is not None:
        before = np.concatenate([[0], encoded.ends])[: len(encoded.starts)]
        gaps = np.flatnonzero(encoded.starts > before)
        moved = spelling[gaps]
        spelling[gaps] = 0.0
        ends = np.insert(ends, gaps, encoded.starts[gaps])
        model, spelling = np.insert(model, gaps, 0.0), np.insert(spelling, gaps, moved)
    return TokenBits(bits.name, ends, model, spelling)


def write_evaluation(
    folder: Path,
    tokenizer: Tokenizer,
    sampler: Sampler,
    loaded: Corpus,
    costs: Sequence[DocumentBits],
) -> None:
    """Write both files of a run whose test documents have been scored."""
    table = token_table(tokenizer, loaded.test, costs)
    sizes = [len(each.ends) for each in table]
    remembered = [each.remembered for each in table if each.remembered is not None]
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "names": np.array([each.name for each in table]),
        "sizes": np.array(sizes),
        "ends": np.concatenate([each.ends for each in table]).astype(np.int32),
        **_columns(table, ("model", "spelling")),
        **(_columns(remembered, REMEMBERED) if remembered else {}),
    }
    np.savez_compressed(buffer, **arrays)
    write_file(folder / TOKENS, buffer.getvalue())
    write_json(folder / TEXTS, draw_texts(sampler, tokenizer, evaluation_for(loaded)))


def _columns(table: Sequence[TokenBits], names: Sequence[str]) -> dict[str, np.ndarray]:
    columns = ([each.model for each in table], [each.spelling for each in table])
    return {
        name: np.concatenate(column).astype(np.float32)
        for name, column in zip(names, columns, strict=True)
    }


def draw_texts(sampler: Sampler, tokenizer: Tokenizer, settings: Evaluation) -> dict[str, Any]:
    """The content of ``texts.json``."""
    sweep, seconds = list[dict[str, Any]](), 0.0
    for temperature in settings.temperatures:
        start = time.perf_counter()
        wanted = Sampling(("",), settings.length, settings.samples, temperature)
        use = f"temperature {temperature}"
        records = sample_texts(sampler, tokenizer, wanted, settings.seed, use)
        if sweep:  # the first one compiles the loop
            seconds += time.perf_counter() - start
        texts = [{"text": r["text"], "filled": r["filled"]} for r in records]
        sweep.append({"temperature": temperature, "texts": texts})
    drawn = (len(sweep) - 1) * settings.samples * settings.length
    prompts = tuple(prompt for prompt in settings.prompts if not tokenizer.unknown(prompt))
    wanted = Sampling(prompts, settings.prompted, 1, settings.temperature)
    prompted = sample_texts(sampler, tokenizer, wanted, settings.seed, "prompts") if prompts else []
    return {
        "settings": _plain(settings),
        "characters_per_second": drawn / seconds if seconds else None,
        "sweep": sweep,
        "prompted": [{key: r[key] for key in ("prompt", "text", "filled")} for r in prompted],
    }


def _plain(settings: Evaluation) -> dict[str, Any]:
    return json.loads(json.dumps(asdict(settings)))


def is_current(folder: Path, loaded: Corpus) -> bool:
    """Whether the files of a finished run are there, with samples of these settings."""
    with suppress(TextgenError):
        return (folder / TOKENS).exists() and read_texts(folder).settings == _plain(
            evaluation_for(loaded)
        )
    return False


def read_token_bits(folder: Path) -> list[TokenBits]:
    """The content of ``tokens.npz``.

    Raises:
        TextgenError: it is missing or damaged.
    """
    with reading(folder / TOKENS, MADE_AGAIN):
        data = read_arrays(folder / TOKENS)
        names, cuts = _documents(data)
        ends = np.split(data["ends"].astype(np.int64), cuts)
        if any(np.diff(each, prepend=0).min() < 0 for each in ends):
            raise ValueError("ends that go back")

        def table(*keys: str) -> list[TokenBits]:
            columns = [np.split(_bits(data[key], data["ends"]), cuts) for key in keys]
            return [TokenBits(*row) for row in zip(names, ends, *columns, strict=True)]

        alone = table("model", "spelling")
        if REMEMBERED[0] not in data:
            return alone
        pairs = zip(alone, table(*REMEMBERED), strict=True)
        return [replace(each, remembered=other) for each, other in pairs]


def _documents(data: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """The names of the documents, and where all but the first begin among the tokens."""
    remembered = REMEMBERED if REMEMBERED[0] in data else ()
    if missing := {*COLUMNS, *remembered} - {*data}:
        raise ValueError(f"no {', '.join(sorted(missing))}")
    names, sizes, tokens = data["names"], data["sizes"], data["ends"]
    kinds = names.dtype.kind + sizes.dtype.kind + tokens.dtype.kind
    shapes = names.ndim == 1 and names.shape == sizes.shape
    if kinds != "Uii" or not shapes or sizes.min() < 1 or tokens.shape != (sizes.sum(),):
        raise ValueError("arrays that do not belong together")
    return names.tolist(), np.cumsum(sizes)[:-1]


def _bits(column: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    if column.dtype.kind != "f" or column.shape != tokens.shape or not np.isfinite(column).all():
        raise ValueError("bits that are not finite numbers")
    return column.astype(np.float64)


def read_texts(folder: Path) -> Texts:
    """The content of ``texts.json``.

    Raises:
        TextgenError: it is missing or damaged.
    """
    return read_content(folder / TEXTS, Texts, MADE_AGAIN)
