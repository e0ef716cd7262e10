"""An audit: six checks of what a language model claims about a text."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

import textgen
from textgen.auditing import checks, sources
from textgen.auditing.claims import (
    CheckedClaim,
    Claim,
    ModelFactory,
    as_claim,
    own_claim,
    tokens_of,
)
from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.system import write_json

AUDIT_FILES = {"audit.json": sources.ALONE, "audit_memory.json": sources.WITH_MEMORY}
"""Audits in the folder of a run, and what was audited."""
VERDICTS = {True: "passed", False: "FAILED", None: "no claim"}
INDENT = " " * 10


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
        wrap = textwrap.TextWrapper(100, initial_indent=INDENT, subsequent_indent=INDENT)
        lines = [f"Audit of {self.model} ({self.kind})"]
        lines += [f"on {self.characters:,} characters, {self.utf8_bytes:,} bytes of UTF-8", ""]
        for check in self.checks:
            lines += [f"{VERDICTS[check.passed]:<9} {check.name}", *wrap.wrap(check.measured)]
            if check.passed is False:
                lines += wrap.wrap(f"Why it matters: {checks.MEANINGS[check.name]}.")
        end = f"; failed: {', '.join(self.failed)}" if self.failed else ""
        lines += ["", f"{self.passed_number} of {len(self.checks)} checks passed{end}"]
        return "\n".join(lines)

    def save(self, path: str | Path | None = None) -> None:
        """Write the audit: into the folder of an audited run, else here, unless there is a path.

        Raises:
            TextgenError: it cannot be written.
        """
        if path is None:
            name = next((n for n, part in AUDIT_FILES.items() if self.kind.endswith(part)), None)
            path = Path(self.model) / name if name else Path("audit.json")
        write_json(Path(path), asdict(self))


def audit_lines(folder: Path) -> list[str]:
    """One line for each audit in the folder of a run: its result, or why it says nothing about this
    run. Empty where the run was not audited."""
    lines = []
    for name, part in AUDIT_FILES.items():
        if not (path := folder / name).exists():
            continue
        try:
            audit = TypeAdapter(Audit).validate_json(path.read_bytes())
        except UNREADABLE:
            lines.append(f"its {name} is damaged: audit it again")
            continue
        if audit.fingerprint != sources.fingerprint(folder / file for file in sources.RUN_FILES):
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
            makes a model (:class:`textgen.auditing.claims.Model`).
        text: what it is audited on; a few thousand characters are enough.
        claim: what is claimed about this text, a :class:`textgen.auditing.claims.Claim` or its
            fields; it replaces those of the model's own claim.
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
        raise TextgenError("the text to audit is empty", "a few thousand characters are enough")
    try:
        source, decode = sources.open_source(model, memory, end), None
        if own_process and not callable(model):
            decode = partial(_decode_elsewhere, [os.fspath(model), memory, end])
        return _run_checks(source, text, as_claim(claim), decode, say)
    except TextgenError:
        raise
    except Exception as error:
        raise TextgenError(
            f"{model}: the model raised {type(error).__name__}: {error}",
            "experiments/notes/auditing.md has the protocol; --debug shows where it was raised",
        ) from error


def _run_checks(
    source: sources.Source,
    text: str,
    claim: Claim | None,
    decode_elsewhere: Callable[[np.ndarray, int], str] | None,
    say: Callable[[str], object],
) -> Audit:
    say("reading the text …")
    model, twin = source.open(), source.open()
    own = own_claim(model, text)
    if own is not None and claim is not None:  # the given figure replaces the model's own
        fields = {key: value for key, value in asdict(claim).items() if value is not None}
        own = replace(own, **{"count": None, **fields})
    tokens, ended = tokens_of(model, text), model.end is not None
    claimed = CheckedClaim(own or claim, text, len(tokens) - ended)
    measured = checks.measure(model, tokens)
    say("compressing it, and decoding it again …")  # before the twin has seen any text
    decode = decode_elsewhere or partial(checks.decode_words, twin)
    decoder = "another process" if decode_elsewhere else "another instance"
    coder = checks.arithmetic_coder(decode, decoder, text, measured, claimed)
    say("sums, other texts, awkward strings …")
    encoded = text.encode("utf-8", "surrogatepass")
    fields = asdict(claimed.claim) | {"parts": None}
    return Audit(
        textgen=textgen.__version__,
        model=source.name,
        kind=source.kind,
        fingerprint=sources.fingerprint(source.files),
        text_sha256=hashlib.sha256(encoded).hexdigest(),
        characters=len(text),
        utf8_bytes=len(encoded),
        tokens=len(tokens),
        bits=measured.total if math.isfinite(measured.total) else None,
        claim={k: v.item() if isinstance(v, np.generic) else v for k, v in fields.items()},
        checks=[
            checks.sums_to_one(model, text, measured),
            checks.no_look_ahead(model, twin, text, own),
            checks.every_character_charged(measured, claimed, ended),
            checks.encode_and_decode(model, twin, text),
            checks.correct_denominator(measured, claimed),
            coder,
        ],
    )


def _decode_elsewhere(source: list[Any], words: np.ndarray, length: int) -> str:
    """:func:`textgen.auditing.checks.decode_words` in another process, which is given nothing but
    the compressed words. What instances share here, such as a table of their class, is not there.

    Args:
        source: the arguments of :func:`textgen.auditing.sources.open_source`.

    Raises:
        RuntimeError: the last line of what the process printed.
    """
    order = json.dumps([source, words.tolist(), length])
    command = [sys.executable, "-m", "textgen.auditing.audit"]
    done = subprocess.run(command, input=order, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["it was killed"])[-1])
    return str(json.loads(done.stdout.splitlines()[-1]))  # what a model prints comes before


def _decode_order() -> None:
    source, words, length = json.load(sys.stdin)
    model = sources.open_source(*source).open()
    print("\n" + json.dumps(checks.decode_words(model, np.array(words, np.uint32), length)))


if __name__ == "__main__":
    _decode_order()
