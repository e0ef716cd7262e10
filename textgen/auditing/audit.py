"""An audit: six checks of what a language model claims about a text."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import inspect
import json
import math
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

import textgen
from textgen.auditing import checks
from textgen.auditing.adapters import HuggingFaceModel, RunModel
from textgen.auditing.claims import (
    CheckedClaim,
    Claim,
    ModelFactory,
    as_claim,
    own_claim,
    tokens_of,
)
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.files import write_json
from textgen.runs.finished import load_run

AUDIT_FILES = {"audit.json": "the network alone", "audit_memory.json": "with its memory"}
"""Audits in the folder of a run, and what was audited."""
RUN_FILES = ("experiment.toml", "tokenizer.json", "memory.json", "model.weights.h5")
"""The files of a run that decide what it predicts."""
VERDICTS = {True: "passed", False: "FAILED", None: "no claim"}
indented = partial(
    textwrap.wrap,
    width=100,
    initial_indent=" " * 10,
    subsequent_indent=" " * 10,
    break_long_words=False,
    break_on_hyphens=False,
)


@dataclass(frozen=True)
class Audit:
    """The result of an audit, and the content of ``audit.json``.

    Attributes:
        textgen: its version.
        model, kind: what was audited.
        fingerprint: sha256 of what the model is made of.
        text_sha256, characters, utf8_bytes: of the text that it was audited on.
        tokens: of the text, its end included.
        bits: what they cost; None where one has no probability.
        claim: what was claimed, without the parts.
        checks: all six, in order.
    """

    textgen: str
    model: str
    kind: str
    fingerprint: str
    text_sha256: str
    characters: int
    utf8_bytes: int
    tokens: int
    bits: float | None
    claim: dict[str, float | int | str | None]
    checks: list[checks.Check]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def passed_number(self) -> int:
        return sum(check.passed is True for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if check.passed is False]

    def __str__(self) -> str:
        lines = [
            f"Audit of {self.model} ({self.kind})",
            f"on {self.characters:,} characters, {self.utf8_bytes:,} bytes of UTF-8",
            "",
        ]
        for check in self.checks:
            lines.append(f"{VERDICTS[check.passed]:<9} {check.name}")
            lines += indented(check.measured)
            lines += indented(f"Why it matters: {check.meaning}.") * (check.passed is False)
        end = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        end += "; nothing was claimed for the other" * any(c.passed is None for c in self.checks)
        return "\n".join(
            [*lines, "", f"{self.passed_number} of {len(self.checks)} checks passed{end}"]
        )

    def save(self, path: str | Path | None = None) -> None:
        """Write the audit: into the folder of an audited run, else here, unless there is a path.

        Raises:
            TextgenError: it cannot be written.
        """
        if path is None:
            alone, with_memory = AUDIT_FILES
            run = Path(self.model) / RUN_FILES[0]
            name = with_memory if self.kind.endswith(AUDIT_FILES[with_memory]) else alone
            path = run.parent / name if run.exists() else Path(alone)
        write_json(Path(path), dataclasses.asdict(self))


def audit_lines(folder: Path) -> list[str]:
    """One line for each audit in the folder of a run: its result, or why it says nothing about this
    run. Empty where the run was not audited."""
    lines = []
    for name, part in AUDIT_FILES.items():
        path = folder / name
        if not path.exists():
            continue
        try:
            audit = TypeAdapter(Audit).validate_json(path.read_bytes())
        except UNREADABLE:
            lines.append(f"its {name} is damaged: audit it again")
            continue
        if audit.fingerprint != _fingerprint(folder / file for file in RUN_FILES):
            lines.append(f"its {name} does not fit its weights: audit it again")
        elif audit.failed:
            lines.append(f"audited, {part}: failed {', '.join(audit.failed)}")
        else:
            lines.append(f"audited, {part}: passed {audit.passed_number} checks")
    return lines


def audit_model(
    model: str | Path | ModelFactory,
    text: str,
    *,
    claim: Claim | dict[str, Any] | None = None,
    memory: bool = False,
    end: bool = True,
    own_process: bool = True,
    say: Callable[[str], object] = lambda line: None,
) -> Audit:
    """Audit a language model: are the bits that it claims for a text a likelihood?

    Args:
        model: a run folder, a Hugging Face folder, ``"file.py:Class"``, or a class or function that
            makes a model (:class:`textgen.auditing.Model`).
        text: what it is audited on; a few thousand characters are enough.
        claim: what is claimed about this text, a :class:`textgen.auditing.Claim` or its fields;
            it replaces those of the model's own claim.
        memory: audit a run with its memory of the document, not the network alone.
        end: whether a Hugging Face model is charged for the end of the text.
        own_process: decode in another process, which shares nothing with this one. A class or
            function that is not given by name is decoded here, by another instance.
        say: called with what is being done.

    Raises:
        TextgenError: no such model, no text, an invalid claim, or a model that does not keep
            to the protocol.
    """
    if not text:
        raise TextgenError("the text", found="no characters", expected="a few thousand of them")
    try:
        source = _open_source(model, memory, end)
        if own_process and not callable(model):
            arguments = [os.fspath(model), memory, end]
            decode = partial(_decode_elsewhere, arguments)
        else:
            decode = None
        return _run_checks(source, text, as_claim(claim), decode, say)
    except TextgenError:
        raise
    except Exception as error:
        raise TextgenError(
            str(model),
            found=f"the model raised {type(error).__name__}: {error}",
            expected="a model that keeps to the protocol in experiments/notes/auditing.md",
            hint="--debug shows where it was raised",
        ) from error


def _run_checks(
    source: _Source,
    text: str,
    claim: Claim | None,
    decode_elsewhere: Callable[[np.ndarray, int], str] | None,
    say: Callable[[str], object],
) -> Audit:
    say("reading the text …")
    one, other = source.open(), source.open()
    own = own_claim(one, text)
    if own is not None and claim is not None:  # the given figure replaces the model's own
        given = {k: v for k, v in dataclasses.asdict(claim).items() if v is not None}
        own = dataclasses.replace(own, **{"count": None, **given})
    tokens, ended = tokens_of(one, text), one.end is not None
    claimed = CheckedClaim.of(own or claim, text, len(tokens) - ended)
    measured = checks.measure(one, tokens)
    say("compressing it, and decoding it again …")  # before the other has seen any text
    decode = decode_elsewhere or partial(checks.decode_words, other)
    decoder = "another process" if decode_elsewhere else "another instance"
    coder = checks.arithmetic_coder(decode, decoder, text, measured, claimed)
    say("sums, other texts, awkward strings …")
    encoded = text.encode("utf-8", "surrogatepass")
    kept = dataclasses.asdict(claimed.claim) | {"parts": None, "ends": None}
    return Audit(
        textgen=textgen.__version__,
        model=source.name,
        kind=source.kind,
        fingerprint=_fingerprint(source.files),
        text_sha256=hashlib.sha256(encoded).hexdigest(),
        characters=len(text),
        utf8_bytes=len(encoded),
        tokens=len(tokens),
        bits=measured.total if math.isfinite(measured.total) else None,
        claim={k: v.item() if isinstance(v, np.generic) else v for k, v in kept.items()},
        checks=[
            checks.sums_to_one(one, text, measured),
            checks.no_look_ahead(one, other, text, own),
            checks.every_character_charged(measured, claimed, ended),
            checks.encode_and_decode(one, other, text),
            checks.correct_denominator(measured, claimed),
            coder,
        ],
    )


@dataclass(frozen=True)
class _Source:
    """A model that can be opened any number of times, and the files that it is made of."""

    name: str
    kind: str
    open: ModelFactory
    files: Iterable[Path]


def _open_source(model: str | Path | ModelFactory, memory: bool, end: bool) -> _Source:
    """The source of a model as :func:`audit_model` takes it."""
    made = model if callable(model) else None
    name = str(model) if made is None else getattr(made, "__qualname__", str(made))
    folder = Path(name)
    if made is None and (parts := name.rpartition(":"))[0].endswith(".py"):
        made = _load_class(Path(parts[0]), parts[2])
    hub = made is None and (folder / "config.json").exists()
    hub = hub and not (folder / "experiment.toml").exists()
    if not hub and not end:
        raise _wrong_option(name, "--no-end", "a Hugging Face folder")
    if memory and (made is not None or hub):
        raise _wrong_option(name, "--memory", "a run of textgen")
    if made is not None:
        try:
            file = inspect.getsourcefile(made)
        except TypeError:  # neither a class nor a function
            file = None
        return _Source(name, "a class in Python", made, [Path(file)] if file else [])
    if hub:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        kind, factory = "a Hugging Face folder", partial(HuggingFaceModel, folder, end)
        return _Source(name, kind, factory, files)
    if load_run(folder).memory is None and memory:
        raise TextgenError(
            name, found="a run without a memory of the document", expected="one with a memory",
            hint="leave out --memory",
        )  # fmt: skip
    kind = f"a run of textgen, {list(AUDIT_FILES.values())[memory]}"
    files = [folder / file for file in RUN_FILES]
    return _Source(name, kind, lambda: RunModel(load_run(folder), memory), files)


def _wrong_option(name: str, option: str, kind: str) -> TextgenError:
    return TextgenError(
        name, found=f"{option}, which it does not have", expected=f"{option} with {kind}",
        hint="leave it out",
    )  # fmt: skip


def _fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _load_class(path: Path, name: str) -> ModelFactory:
    if not path.is_file():
        raise TextgenError(str(path), found="no such file", expected="a Python file with a class")
    spec = importlib.util.spec_from_file_location(f"audited_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and inspect look
    spec.loader.exec_module(module)
    made: ModelFactory | None = getattr(module, name, None)
    if made is None or not callable(made):
        known = ", ".join(each for each, value in vars(module).items() if inspect.isclass(value))
        expected = known or "a class in this file"
        raise TextgenError(f"{path}:{name}", found="no class of this name", expected=expected)
    return made


def _decode_elsewhere(source: list[Any], words: np.ndarray, length: int) -> str:
    """:func:`textgen.auditing.checks.decode_words` in another process, which is given nothing but
    the compressed words. What instances share here, such as a table of their class, is not there.

    Args:
        source: the arguments of :func:`_open_source`.

    Raises:
        RuntimeError: the last line of what the process printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        order, result = Path(folder) / "order.json", Path(folder) / "text.json"
        order.write_text(json.dumps([source, words.tolist(), length]), encoding="utf-8")
        command = [sys.executable, "-m", "textgen.auditing.audit", str(order), str(result)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["it was killed"])[-1])
        return str(json.loads(result.read_text(encoding="utf-8")))


def _decode_order(order: Path, result: Path) -> None:
    source, words, length = json.loads(order.read_text(encoding="utf-8"))
    model = _open_source(*source).open()
    text = checks.decode_words(model, np.array(words, dtype=np.uint32), length)
    result.write_text(json.dumps(text), encoding="utf-8")


if __name__ == "__main__":
    _decode_order(*map(Path, sys.argv[1:]))
