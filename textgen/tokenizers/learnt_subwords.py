"""Subwords learnt from a text, or read from a tokenizer.json of the Hugging Face library."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from textgen.core import RefusedText, TextgenError

BYTES = 256
UNSEEN_STEP = 1e-4
"""Between the scores that the Unigram trainer gives to one byte it has not seen and the next."""


def train_subwords(texts: Iterable[str], model: str, size: int) -> str:
    """The content of a tokenizer.json learnt from texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = model == "bpe"
    tokenizer = Tokenizer(models.BPE() if bpe else models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = (trainers.BpeTrainer if bpe else trainers.UnigramTrainer)(
        vocab_size=size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator(texts, trainer)
    if not bpe:
        tokenizer.model = models.Unigram(_settled(json.loads(tokenizer.to_str())["model"]["vocab"]))
    return tokenizer.to_str()


def _settled(scores: list[tuple[str, float | None]]) -> list[tuple[str, float]]:
    """A Unigram vocabulary that is the same from run to run.

    The trainer sums in the order of a hash table, which changes scores (natural logarithms) by up
    to 4e-11, and ranks the bytes it has not seen in that order, upwards from the lowest score. So
    scores are rounded, those bytes share the lowest, and ties are broken by spelling. Without any
    training text there are no scores.
    """
    low = min((score for _, score in scores if score is not None), default=0.0)
    unseen = low + BYTES * UNSEEN_STEP
    settled = [
        (piece, round(low if score is None or (len(piece) == 1 and score < unseen) else score, 3))
        for piece, score in scores
    ]
    return sorted(settled, key=lambda entry: (-entry[1], entry[0]))


def read_subwords(path: Path) -> tuple[str, str]:
    """An external tokenizer.json, and what it is called in the reports.

    Truncation, padding, post-processing and dropout are switched off.
    """
    from tokenizers import Tokenizer

    try:
        content = path.read_bytes()
        data = json.loads(content)
        data |= {"truncation": None, "padding": None, "post_processor": None}
        if "dropout" in data["model"]:
            data["model"]["dropout"] = None
        tokenizer = Tokenizer.from_str(json.dumps(data)).to_str()
    except Exception as error:  # the library raises nothing narrower
        missing = isinstance(error, FileNotFoundError)
        raise TextgenError(
            f"tokenizer.file: {path}",
            found="no such file"
            if missing
            else f"something else ({type(error).__name__}: {error})",
            expected="a tokenizer.json of the Hugging Face tokenizers library",
            hint="correct the path, or leave `file` out to learn subwords from the training text",
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    return tokenizer, f"subwords from {path.name} (sha256 {digest[:12]}…)"


def loses(file: str, text: str, back: str) -> RefusedText:
    """The refusal of a text that does not come back."""
    pairs = enumerate(zip(text, back, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(text), len(back)))
    part = slice(max(0, at - 10), at + 20)
    return RefusedText(
        f"tokenizer.file: {file}",
        text=text,
        place=(at, at + 1),
        found=f"{text[part]!r} comes back as {back[part]!r}",
        expected="a tokenizer from which every text comes back exactly",
        hint="use one over bytes that neither lower-cases, strips nor normalises, or leave `file` "
        "out to learn subwords from the training text",
    )
