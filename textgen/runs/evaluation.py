"""What a comparison needs of a run beside its figures: bits of every token, and sampled texts.

Temperatures, prompts, lengths and seed are the same for all runs, whatever their experiments say
about sampling. A run writes both files when it ends.

tokens.npz    one row a token of the test documents: where its text ends, the network's bits, and
              the spelling bits of its surface form; both also with a memory of the document
texts.json    samples of the network alone: over a sweep of temperatures, and after the same prompts
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from textgen.core.settings import Sampling
from textgen.core.system import read_arrays, write_file
from textgen.data.documents import Document
from textgen.data.language import UNSPACED
from textgen.data.loading import Corpus
from textgen.evaluation.likelihood import DocumentBits
from textgen.evaluation.sampler import Sampler
from textgen.runs.generation import Moved, Writer, requests
from textgen.runs.results import Texts
from textgen.tokenizers.base import Tokenizer
from textgen.tokenizers.tokens import EncodedDocument, Rendered

OPENING_CHARACTERS = 40
"""Of a document, in which the words of a prompt are looked for."""


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
    beginnings = (document.text.lstrip()[:OPENING_CHARACTERS] for document in loaded.validation)
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
        with_memory: the same with a memory of the document; None without one.
    """

    name: str
    ends: np.ndarray
    model: np.ndarray
    spelling: np.ndarray
    with_memory: TokenBits | None = None

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
        lengths = np.append(ends - starts, 1)
        return np.repeat((model + spelling) / lengths, lengths)


def token_table(
    tokenizer: Tokenizer, documents: Sequence[Document], costs: Sequence[DocumentBits]
) -> list[TokenBits]:
    """Bits of every token of scored documents, and where its text ends; dropped words are an entry
    of their own, without model bits."""
    table = []
    for document, bits in zip(documents, costs, strict=True):
        encoded, size = tokenizer.encode(document.text), document.characters
        alone = _bits_of_tokens(encoded, size, bits)
        if bits.with_memory is not None:
            alone = replace(alone, with_memory=_bits_of_tokens(encoded, size, bits.with_memory))
        table.append(alone)
    return table


def _bits_of_tokens(encoded: EncodedDocument, size: int, bits: DocumentBits) -> TokenBits:
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


def write_token_bits(path: Path, table: Sequence[TokenBits]) -> None:
    """``tokens.npz``: ``names`` and ``sizes`` of the documents; for each token ``ends``, and in
    ``bits`` those of model and spelling, then both with a memory if there is one."""
    bits = [
        np.stack([bits for scored in (document, document.with_memory) if scored
                  for bits in (scored.model, scored.spelling)])
        for document in table
    ]  # fmt: skip
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        names=np.array([document.name for document in table]),
        sizes=np.array([len(document.ends) for document in table]),
        ends=np.concatenate([document.ends for document in table]).astype(np.int32),
        bits=np.concatenate(bits, axis=1).astype(np.float32),
    )
    write_file(path, buffer.getvalue())


def read_token_bits(path: Path) -> list[TokenBits]:
    """The content of ``tokens.npz``."""
    data = read_arrays(path)
    names, cuts = data["names"].tolist(), np.cumsum(data["sizes"])[:-1]
    ends = np.split(data["ends"].astype(np.int64), cuts)
    bits = np.split(data["bits"].astype(np.float64), cuts, axis=1)
    table = []
    for name, places, (*alone, model, spelling) in zip(names, ends, bits, strict=True):
        last = TokenBits(name, places, model, spelling)
        table.append(TokenBits(name, places, alone[0], alone[1], last) if alone else last)
    return table


def draw_texts(
    sampler: Sampler,
    tokenizer: Tokenizer,
    settings: Evaluation,
    moved: Moved | None = None,
) -> Texts:
    """The content of ``texts.json``. All temperatures are drawn side by side."""
    sweep = [
        Sampling(samples=settings.samples, length=settings.length, temperature=temperature)
        for temperature in settings.temperatures
    ]
    wanted = [
        request
        for sampling in sweep
        for request in requests(sampling, settings.seed, f"temperature {sampling.temperature}")
    ]
    written = Writer(sampler, tokenizer, sweep[0]).write(wanted, moved)
    texts, number = list(map(_as_data, written)), settings.samples
    known = tuple(prompt for prompt in settings.prompts if not tokenizer.unknown(prompt))
    prompted = Sampling(known or ("",), settings.prompted, 1, settings.temperature)
    continued = requests(prompted, settings.seed, "prompts")[: len(known)]
    following = Writer(sampler, tokenizer, prompted).write(continued) if known else []
    content = {
        "settings": asdict(settings),
        "sweep": [
            {"temperature": temperature, "texts": texts[i * number : (i + 1) * number]}
            for i, temperature in enumerate(settings.temperatures)
        ],
        "prompted": [
            {"prompt": prompt, **_as_data(text)}
            for prompt, text in zip(known, following, strict=True)
        ],
    }
    return Texts.model_validate(content)


def _as_data(text: Rendered) -> dict[str, Any]:
    return {"text": text.text, "filled": list(text.filled)}
