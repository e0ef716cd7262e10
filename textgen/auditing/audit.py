"""An audit: six checks of what a language model claims about a text."""

import hashlib
import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

import textgen
from textgen.auditing.checks import CHECKS, Case, Check, decode_words
from textgen.auditing.claims import (
    Claim,
    ClaimFields,
    ModelFactory,
    as_claim,
    own_claim,
    replaced,
)
from textgen.auditing.coder import check_coder
from textgen.auditing.sources import kind_of_run, open_source
from textgen.core.errors import TextgenError
from textgen.core.files import UNREADABLE, sha256_of, write_json
from textgen.core.progress import Say, ignore
from textgen.core.settings import PARTS, PartName
from textgen.core.terminal import json_line
from textgen.runs.console import read_passage
from textgen.runs.folder import AUDIT_FILE, audit_file, checksums

# Width of an audit as text.
COLUMNS = 100


@dataclass(frozen=True)
class Audit:
    """The result of an audit, and the content of ``audit.json``.

    Attributes:
        textgen: its version.
        model, kind: what was audited.
        sha256: of the model's files, its weights among them; empty for a class that was passed as
            an object.
        text_sha256, characters, utf8_bytes: of the text that it was audited on.
        tokens: of the text, its end included.
        bits: what they cost; None where one has no probability.
        claim: what was claimed, without the parts.
        checks: all six, in order.
    """

    textgen: str
    model: str
    kind: str
    sha256: dict[str, str]
    text_sha256: str
    characters: int
    utf8_bytes: int
    tokens: int
    bits: float | None
    claim: dict[str, float | int | str | None]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether no check failed, and the text was long enough."""
        return all(check.verdict in ("passed", "no claim") for check in self.checks)

    @property
    def passed_number(self) -> int:
        return sum(check.verdict == "passed" for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if check.verdict == "FAILED"]

    @property
    def result(self) -> str:
        """What came out, in a few words."""
        if self.failed:
            return f"failed {', '.join(self.failed)}"
        return f"passed {self.passed_number} checks" if self.passed else "the text is too short"

    def __str__(self) -> str:
        lines = [
            f"Audit of {self.model} ({self.kind})",
            f"on {self.characters:,} characters, {self.utf8_bytes:,} bytes of UTF-8",
            "",
        ]
        for check in self.checks:
            lines.append(f"{check.verdict:<9} {check.name}")
            lines += _indented(check.measured)
            if check.name in self.failed:
                lines += _indented(f"Expected: {CHECKS[check.name].__doc__}")
        last = f"{self.passed_number} of {len(self.checks)} checks passed"
        if not self.passed:
            last += f"; {self.result}"
        return "\n".join([*lines, "", last])

    def save(self, path: str | Path | None = None) -> None:
        """Write the audit: into the folder of an audited run, else here, unless there is a path.

        Raises:
            TextgenError: it cannot be written, or would stand in the folder of another run.
        """
        usual = self._file_in_run() or Path(AUDIT_FILE)
        path = Path(path or usual)
        is_run = (path.parent / "manifest.json").exists()
        if is_run and not self._belongs_at(path):
            message = f"{path} was not written: a run's folder holds audits of that run alone"
            raise TextgenError(message, "write the audit elsewhere: --output FILE")
        write_json(path, asdict(self))

    @property
    def part(self) -> PartName | None:
        """The part of a run that was audited; None of another model."""
        parts: dict[str, PartName] = {kind_of_run(part): part for part in PARTS}
        return parts.get(self.kind)

    def _file_in_run(self) -> Path | None:
        """Where the audit of a run stands in its folder; None of another model."""
        return None if self.part is None else Path(self.model, audit_file(self.part))

    def _belongs_at(self, path: Path) -> bool:
        file = self._file_in_run()
        return file is not None and path.resolve() == file.resolve()


def _indented(text: str) -> list[str]:
    indent = " " * 10  # below the names of checks
    return textwrap.wrap(text, COLUMNS, initial_indent=indent, subsequent_indent=indent)


def audit_lines(folder: Path) -> Iterator[str]:
    """One line for each audit in the folder of a run; empty where the run was not audited. Only an
    audit of this part of it with the files that it has now says what it found."""
    for part in PARTS:
        name = audit_file(part)
        if (folder / name).exists():
            yield _audit_line(folder, name, part)


def _audit_line(folder: Path, name: str, part: PartName) -> str:
    try:
        audit = TypeAdapter(Audit).validate_json((folder / name).read_bytes())
        files = checksums(folder)
    except UNREADABLE:
        return f"{name} is damaged: audit the run again"
    if audit.part != part or audit.sha256 != files:
        return f"{name} belongs to another model or other weights: audit the run again"
    return f"audited, {part}: {audit.result}"


def audit_model(
    model: str | Path | ModelFactory,
    text: str,
    *,
    claim: Claim | ClaimFields | None = None,
    part: PartName = "network",
    end: bool = True,
    say: Say = ignore,
) -> Audit:
    """Audit a language model: check that the bits it claims come from valid probabilities.

    Args:
        model: a run folder, a Hugging Face folder, ``"file.py:Class"``, or a class or function that
            makes a model (:class:`textgen.auditing.claims.Model`). For a class
            or function, another instance in this process decodes the text; for the others, an
            instance in a process of its own.
        text: the text to audit the model on; a few thousand characters are enough.
        claim: what is claimed about this text, a :class:`textgen.auditing.claims.Claim` or its
            fields, which replace those of the model's own claim. Without a value, unit and end
            marks stay the model's own.
        part: the part of a run's model that is audited.
        end: whether a Hugging Face model is charged for the end of the text.
        say: called with a line about each step.

    Raises:
        TextgenError: no such model, no text, an invalid claim, a model that does not keep to the
            protocol, or the coder is not installed.
    """
    if not text:
        raise TextgenError("the text to audit is empty", "a few thousand characters are enough")
    check_coder()
    try:
        source = open_source(model, part, end)
        given = as_claim(claim)
        reader, twin = source.open(), source.open()
        if callable(model):
            decode = partial(decode_words, source.open())
        else:
            decode = partial(_decode_elsewhere, (os.fspath(model), part, end))
        say("reading the text …")
        case = Case(reader, twin, text, replaced(own_claim(reader, text), given), decode)
        checks = list[Check]()
        for name, measure in CHECKS.items():
            say(f"{name} …")
            verdict, measured = measure(case)
            checks.append(Check(name, verdict, measured))
    except TextgenError:
        raise
    except Exception as error:
        message = f"{model}: the model raised {type(error).__name__}: {error}"
        hint = "docs/audit.md has the protocol; --debug shows where it was raised"
        raise TextgenError(message, hint) from error
    encoded = text.encode("utf-8", "surrogatepass")
    return Audit(
        textgen=textgen.__version__,
        model=source.name,
        kind=source.kind,
        sha256={file.name: sha256_of(file) for file in source.files},
        text_sha256=hashlib.sha256(encoded).hexdigest(),
        characters=len(text),
        utf8_bytes=len(encoded),
        tokens=len(case.tokens),
        bits=case.total if math.isfinite(case.total) else None,
        claim={
            "value": _plain(case.claim.value),
            "unit": case.claim.unit,
            "end_marks": bool(case.claim.end_marks),
            "bits": _plain(case.claim.bits),
            "parts": None,
        },
        checks=checks,
    )


def _plain(figure: float | None) -> float | None:
    """A figure as JSON has it: a model may claim one of NumPy's."""
    return None if figure is None else float(figure)


def audit(
    model: str,
    *,
    text: str | None,
    file: Path | None,
    claim: float | None,
    unit: str,
    end_counted: bool,
    part: PartName,
    no_end: bool,
    output: Path | None,
    json: bool,
) -> int:
    """``textgen audit``, with the options of the command: what is audited, on what text, what is
    claimed about it, and where and how the audit is written.

    Returns:
        The exit code: 0 where the model passed.

    Raises:
        TextgenError: a unit or an end mark of a figure that is not claimed; or as
            :func:`audit_model`.
    """
    if claim is None and (unit != Claim.unit or end_counted):
        message = "--unit and --end-counted say what a claimed figure is in, and there is none"
        raise TextgenError(message, "add --claim FIGURE, or leave them out")
    say = partial(print, file=sys.stderr, flush=True)
    result = audit_model(
        model,
        read_passage(text, file),
        claim=Claim(claim, unit, end_counted),
        part=part,
        end=not no_end,
        say=say,
    )
    print(json_line(asdict(result), indent=2) if json else result)
    result.save(output)
    return 0 if result.passed else 1


def _decode_elsewhere(source: tuple[str, PartName, bool], words: np.ndarray, length: int) -> str:
    """:func:`textgen.auditing.checks.decode_words` in another process, which is given nothing but
    the compressed words. What instances share here, such as a table of their class, is not there.

    Args:
        source: the arguments of :func:`textgen.auditing.sources.open_source`.

    Raises:
        RuntimeError: the last line of what the process printed.
    """
    order = json.dumps([source, words.tolist(), length])
    command = [sys.executable, "-m", "textgen.auditing.audit"]
    done = subprocess.run(
        command, input=order, capture_output=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        printed = done.stderr.strip().splitlines()
        raise RuntimeError(printed[-1] if printed else "it was killed")
    return str(json.loads(done.stdout.splitlines()[-1]))  # what a model prints comes before


if __name__ == "__main__":
    source, words, length = json.load(sys.stdin)
    reader = open_source(*source).open()
    print("\n" + json.dumps(decode_words(reader, np.array(words, "u4"), length)))
