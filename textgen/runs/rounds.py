"""What the network wrote and paid at every validation of its training: ``rounds.jsonl``.

The first line is a dictionary of what stays the same: ``document``, of the validation part; its
beginning, ``passage``; ``ends``, where in it each stretch ends, and ``spelling``, the bits of each;
``sample``, the settings. Each other line is a validation interval: its number, ``interval``; the
``text`` that the network wrote alone and what in it is ``filled`` in; ``model``, its bits for each
stretch, or None where these are not those of a distribution over the text.

A line is written before the checkpoint of its interval. A training that goes on drops what came
after its checkpoint, so that the file ends up the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment, write_file
from textgen.runs.folder import reading
from textgen.runs.schemas import Round, RoundsHead, checked

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.data import Corpus, Document
    from textgen.models import Sampler
    from textgen.tokenizers import Tokenizer
    from textgen.training import Progress

ROUNDS = "rounds.jsonl"
SAMPLE, PASSAGE = 200, 300
"""Characters of a sample, and, at most, of the passage."""


class Recorder:
    """Writes the file, and keeps the last sample in ``text``.

    It draws without the training's random numbers, and its time belongs to no budget.

    Args:
        folder: of the run.
        sampler: of ``network``, which is trained.
        loaded: the passage is the beginning of its first validation document.
    """

    text = ""

    def __init__(
        self, folder: Path, experiment: Experiment, tokenizer: Tokenizer, sampler: Sampler,
        network: Any, loaded: Corpus,
    ) -> None:  # fmt: skip
        self._folder, self._seed = folder, experiment.seed
        self._sampler, self._tokenizer = sampler, tokenizer
        self._settings = replace(
            experiment.sampling, prompts=("",), samples=1, length=SAMPLE, memory=False
        )
        self._passage = _Passage(experiment, tokenizer, network, loaded.validation[0])
        keys = ("length", "temperature", "top_k", "top_p", "fill")
        sample = {key: getattr(self._settings, key) for key in keys}
        self._head = {**self._passage.told, "sample": {**sample, "seed": experiment.seed}}
        self._rows = list[dict[str, Any]]()

    def start(self, progress: Progress) -> None:
        """Keep the lines of the intervals that are done."""
        rows = (read_rounds(self._folder) or {"rounds": []})["rounds"]
        self._rows = [row for row in rows if row["interval"] <= len(progress.history)]

    def add(self, progress: Progress) -> None:
        """Write the line of the last interval."""
        from textgen.runs.generation import sample_texts

        record = sample_texts(self._sampler, self._tokenizer, self._settings, self._seed)[0]
        self.text = record["text"]
        wrote = {key: record[key] for key in ("text", "filled")}
        interval = len(progress.history)
        self._rows.append({"interval": interval, **wrote, "model": self._passage.bits()})
        _write(self._folder, [self._head, *self._rows])


class _Passage:
    """The beginning of a document, and what it costs."""

    def __init__(
        self, experiment: Experiment, tokenizer: Tokenizer, network: Any, document: Document
    ) -> None:
        from textgen.data import Document

        text = document.text[:PASSAGE]
        if len(document.text) > PASSAGE:
            text = text.rpartition(" ")[0] or text  # the next word has the space
        self._document = Document(document.name, text)
        self._parts = experiment.objective, network
        self._encoded = tokenizer.encode(text)
        self._charged = tokenizer.charged
        _, ends, _, spelling = self._cells()
        self.told = {"document": document.name, "passage": text, "ends": ends.tolist()}
        self.told |= {"spelling": _rounded(spelling) if self._charged else None}

    def bits(self) -> list[float] | None:
        return _rounded(self._cells()[2]) if self._charged else None

    def _cells(self) -> Any:
        from textgen.evaluation import score_encoded
        from textgen.runs.evaluation import bits_of_tokens

        (scored,) = score_encoded(*self._parts, [self._document], [self._encoded])
        return bits_of_tokens(self._encoded, len(self._document.text), scored).cells()


def _rounded(bits: Any) -> list[float]:
    """Without the end mark's, which the passage does not have."""
    return [round(float(each), 3) for each in bits[:-1]]


def _write(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_file(folder / ROUNDS, text.encode("utf-8", "backslashreplace"))


def read_rounds(folder: Path) -> dict[str, Any] | None:
    """The first line of the file, and the others in ``rounds``; None where there is no file.

    Raises:
        TextgenError: it is damaged.
    """
    path = folder / ROUNDS
    if not path.exists():
        return None
    with reading(path):
        first, *lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        checked(RoundsHead, first)
        head, rounds = json.loads(first), [json.loads(line) for line in lines]
        for line, row in zip(lines, rounds, strict=True):
            checked(Round, line)
            if len(row["model"] or head["ends"]) != len(head["ends"]):
                raise ValueError(f"{len(row['model'])} stretches, not {len(head['ends'])}")
        return {**head, "rounds": rounds}
