"""What a run stores of its model beside the network: the bits of every token of held-out text by
part, and how far counts and cache are trusted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textgen.core.files import read_arrays, write_file, write_json
from textgen.core.settings import PARTS
from textgen.evaluation.counts import TrainingCounts
from textgen.evaluation.model import LanguageModel
from textgen.evaluation.scores import DocumentBits, Scores
from textgen.ngrams.pitman_yor import PitmanYor
from textgen.tokenizers.encoded import Encoded, EncodedDocument

TOKENS_FILE = "tokens.npz"
COUNTS_FILE = "training_counts.npz"
CACHE_FILE = "cache.json"


class Stretch(NamedTuple):
    """Characters of a document, from ``start`` to before ``end``, and the bits of the model and of
    spelling that they cost. The end mark is one as well, behind the last character, of none."""

    start: int
    end: int
    model: float
    spelling: float


@dataclass(frozen=True)
class TokenBits:
    """One document's bits by token under one part of a model, the end mark last.

    Attributes:
        name: the document's.
        ends: (n + 1,) int64, where the text of each token ends, in characters.
        model: (n + 1,) float64, −log2 P(token | earlier tokens).
        spelling: (n + 1,) float64, −log2 P(surface form | token).
    """

    name: str
    ends: np.ndarray
    model: np.ndarray
    spelling: np.ndarray

    @property
    def total(self) -> float:
        """Bits of the whole document."""
        return float(self.model.sum() + self.spelling.sum())

    @property
    def characters(self) -> int:
        return int(self.ends[-1])

    def tokens(self) -> list[Stretch]:
        """Each token, the end mark last; some have no text."""
        tokens = list[Stretch]()
        start = 0
        columns = (self.ends.tolist(), self.model.tolist(), self.spelling.tolist())
        for end, model, spelling in zip(*columns, strict=True):
            tokens.append(Stretch(start, end, model, spelling))
            start = end
        return tokens

    def stretches(self) -> list[Stretch]:
        """The document in stretches of at least one character, and last its end mark.

        A token without text of its own (a case modifier, the first byte of a character) is counted
        with the next token that has some. Words dropped after the last token are a stretch of their
        own, for their spelling.
        """
        *tokens, end_mark = self.tokens()
        stretches = list[Stretch]()
        model = spelling = 0.0  # of the tokens since the last stretch
        for token in tokens:
            model += token.model
            spelling += token.spelling
            if token.end > token.start:
                stretches.append(Stretch(token.start, token.end, model, spelling))
                model = spelling = 0.0
        model += end_mark.model
        spelling += end_mark.spelling
        if end_mark.end > end_mark.start:  # words were dropped after the last token
            stretches.append(Stretch(end_mark.start, end_mark.end, 0.0, spelling))
            spelling = 0.0
        stretches.append(Stretch(end_mark.end, end_mark.end, model, spelling))
        return stretches

    def per_character(self) -> np.ndarray:
        """(characters + 1,) float64: each stretch's bits in equal parts, the end mark's last."""
        stretches = self.stretches()
        bits = np.array([stretch.model + stretch.spelling for stretch in stretches])
        lengths = np.array([stretch.end - stretch.start for stretch in stretches])
        lengths[-1] = 1  # the end mark counts as a character
        return np.repeat(bits / lengths, lengths)


# Part of a model → the documents of a split.
TokenTables = dict[str, list[TokenBits]]


def token_tables(encoded: Encoded, scores: Scores) -> TokenTables:
    """Bits of every token of documents, as they were encoded and scored, and where its text ends;
    dropped words are an entry of their own, without model bits."""
    return {
        part: [
            _bits_of_tokens(document, bits)
            for document, bits in zip(encoded, documents, strict=True)
        ]
        for part, documents in scores.items()
    }


def _bits_of_tokens(encoded: EncodedDocument, bits: DocumentBits) -> TokenBits:
    model = bits.model_bits.astype(np.float64)
    spelling = np.zeros(len(bits.model_bits))
    np.add.at(spelling, encoded.places, bits.surface_bits)
    ends = np.append(encoded.ends, encoded.characters)
    if encoded.starts is None:
        return TokenBits(bits.name, ends, model, spelling)
    entries = list[tuple[int, float, float]]()  # end, model and spelling of each
    end = 0
    for token, start in enumerate(encoded.starts.tolist()):
        of_spelling = float(spelling[token])
        if start > end:  # words were dropped before this token, which its spelling pays for
            entries.append((start, 0.0, of_spelling))
            of_spelling = 0.0
        end = int(encoded.ends[token])
        entries.append((end, float(model[token]), of_spelling))
    entries.append((encoded.characters, float(model[-1]), float(spelling[-1])))
    all_ends, of_model, of_spellings = zip(*entries, strict=True)
    return TokenBits(
        bits.name, np.array(all_ends, np.int64), np.array(of_model), np.array(of_spellings)
    )


def write_token_bits(path: Path, splits: Mapping[str, TokenTables]) -> None:
    """``tokens.npz``: for each split ``SPLIT/names`` and ``SPLIT/sizes`` of its documents; for each
    of its tokens ``SPLIT/ends`` and, by part, bits of the model, ``SPLIT/PART``, and of spelling,
    ``SPLIT/PART/spelling``, where these are not those of ``network``."""
    arrays = dict[str, np.ndarray]()
    for split, parts in splits.items():
        documents = parts["network"]
        arrays[f"{split}/names"] = np.array([document.name for document in documents])
        arrays[f"{split}/sizes"] = np.array([len(document.ends) for document in documents])
        arrays[f"{split}/ends"] = np.concatenate([d.ends for d in documents]).astype(np.int32)
        for part, rows in parts.items():
            arrays[f"{split}/{part}"] = np.concatenate([d.model for d in rows]).astype(np.float32)
            if part in ("network", "with_cache"):  # the others spell as the network does
                spelling = np.concatenate([d.spelling for d in rows]).astype(np.float32)
                arrays[f"{split}/{part}/spelling"] = spelling
    _write_arrays(path, arrays)


def _write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    write_file(path, lambda file: np.savez_compressed(file, **arrays))


def read_token_bits(path: Path, split: str) -> TokenTables:
    """The bits of one split in ``tokens.npz``."""
    data = read_arrays(path)
    names = data[f"{split}/names"].tolist()
    cuts = np.cumsum(data[f"{split}/sizes"])[:-1]

    def by_document(name: str, kind: type) -> list[np.ndarray]:
        return np.split(data[f"{split}/{name}"].astype(kind), cuts)

    ends = by_document("ends", np.int64)
    tables = TokenTables()
    for part in PARTS:
        if f"{split}/{part}" not in data:
            continue
        spelled = part if f"{split}/{part}/spelling" in data else "network"
        model = by_document(part, np.float64)
        spelling = by_document(f"{spelled}/spelling", np.float64)
        tables[part] = [TokenBits(*row) for row in zip(names, ends, model, spelling, strict=True)]
    return tables


def write_mixture(folder: Path, model: LanguageModel) -> None:
    """How far the counts and the cache of a model are trusted: ``training_counts.npz``, with the
    tokens of the documents that were counted, and ``cache.json``."""
    if counts := model.counts:
        processes = counts.processes
        arrays = {
            "tokens": np.concatenate(counts.documents),
            "lengths": np.array([len(document) for document in counts.documents]),
            "cut": np.array(counts.cut),
            "orders": np.array(processes[0].orders),
            "discounts": np.array([process.discounts for process in processes]),
            "strengths": np.array([process.strengths for process in processes]),
            "weights": np.array(counts.weights),
        }
        _write_arrays(folder / COUNTS_FILE, arrays)
    if model.cache:
        write_json(folder / CACHE_FILE, asdict(model.cache))


def read_training_counts(path: Path, vocabulary_size: int) -> TrainingCounts:
    """The content of ``training_counts.npz``."""
    data = read_arrays(path)
    documents = np.split(data["tokens"], np.cumsum(data["lengths"])[:-1])
    orders = data["orders"].tolist()
    counts = TrainingCounts(orders, documents, bool(data["cut"]), vocabulary_size)
    counts.processes = [
        PitmanYor(orders, discounts, strengths)
        for discounts, strengths in zip(
            data["discounts"].tolist(), data["strengths"].tolist(), strict=True
        )
    ]
    counts.weights = data["weights"].tolist()
    return counts
