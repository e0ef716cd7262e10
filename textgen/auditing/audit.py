"""An audit: six checks of what a language model claims about a text."""

import hashlib
import json
import math
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

import textgen
from textgen.auditing.checks import CHECKS, Case, Check, Verdict, decode_words
from textgen.auditing.claims import Claim, ModelFactory, as_claim, own_claim
from textgen.auditing.sources import RUN, open_source
from textgen.core.errors import TextgenError
from textgen.core.files import UNREADABLE, sha256_of, write_json
from textgen.core.progress import Say, ignore
from textgen.core.settings import PARTS
from textgen.core.terminal import json_line
from textgen.runs.console import read_passage
from textgen.runs.folder import checksums

# Audits in the folder of a run, and what was audited.
AUDIT_FILES = {f"audit{f'_{part}' * (part != 'network')}.json": part for part in PARTS}


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
        indent = " " * 10
        wrap = partial(textwrap.wrap, initial_indent=indent, subsequent_indent=indent, width=100)
        lines = [f"Audit of {self.model} ({self.kind})"]
        lines += [f"on {self.characters:,} characters, {self.utf8_bytes:,} bytes of UTF-8", ""]
        for check in self.checks:
            lines += [f"{check.verdict:<9} {check.name}", *wrap(check.measured)]
            if check.name in self.failed:
                lines += wrap(f"Expected: {CHECKS[check.name].__doc__}")
        end = "" if self.passed else f"; {self.result}"
        lines += ["", f"{self.passed_number} of {len(self.checks)} checks passed{end}"]
        return "\n".join(lines)

    def save(self, path: str | Path | None = None) -> None:
        """Write the audit: into the folder of an audited run, else here, unless there is a path.

        Raises:
            TextgenError: it cannot be written, or would stand in the folder of another run.
        """
        own = [Path(self.model, n) for n, part in AUDIT_FILES.items() if self.kind == RUN + part]
        path = Path(path or (own or [Path("audit.json")])[0])
        is_own = path.resolve() in [file.resolve() for file in own]
        if (path.parent / "manifest.json").exists() and not is_own:
            message = f"{path} was not written: a run's folder holds audits of that run alone"
            raise TextgenError(message, "write the audit elsewhere: --output FILE")
        write_json(path, asdict(self))


def audit_lines(folder: Path) -> Iterator[str]:
    """One line for each audit in the folder of a run; empty where the run was not audited. Only an
    audit of this part of it with the files that it has now says what it found."""
    for name, part in AUDIT_FILES.items():
        if not (path := folder / name).exists():
            continue
        try:
            audit = TypeAdapter(Audit).validate_json(path.read_bytes())
            fits = (audit.kind, audit.sha256) == (RUN + part, checksums(folder))
        except UNREADABLE:
            yield f"{name} is damaged: audit the run again"
            continue
        again = f"{name} belongs to another model or other weights: audit the run again"
        yield f"audited, {part}: {audit.result}" if fits else again


def audit_model(
    model: str | Path | ModelFactory,
    text: str,
    *,
    claim: Claim | Mapping[str, Any] | None = None,
    part: str = "network",
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
        TextgenError: no such model, no text, an invalid claim, or a model that does not keep
            to the protocol.
    """
    if not text:
        raise TextgenError("the text to audit is empty", "a few thousand characters are enough")
    try:
        source = open_source(model, part, end)
        asked = vars(as_claim(claim))
        names = asked if asked["value"] else ("bits", "parts")
        claimed = {name: asked[name] for name in names if asked[name] is not None}
        reader, twin = source.open(), source.open()
        if callable(model):
            decode = partial(decode_words, source.open())
        else:
            decode = partial(_decode_elsewhere, [os.fspath(model), part, end])
        say("reading the text …")
        case = Case(reader, twin, text, replace(own_claim(reader, text), **claimed), decode)
        checks = []
        for name, measure in CHECKS.items():
            say(f"{name} …")
            found, measured = measure(case)
            right: Verdict = "passed" if found else "FAILED"
            checks.append(Check(name, found if isinstance(found, str) else right, measured))
    except TextgenError:
        raise
    except Exception as error:
        message = f"{model}: the model raised {type(error).__name__}: {error}"
        hint = "docs/audit.md has the protocol; --debug shows where it was raised"
        raise TextgenError(message, hint) from error
    encoded = text.encode("utf-8", "surrogatepass")
    fields = asdict(case.claim) | {"parts": None}
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
        claim={k: v.item() if isinstance(v, np.generic) else v for k, v in fields.items()},
        checks=checks,
    )


def audit(
    model: str, *, part: str, no_end: bool, output: Path | None, json: bool, **options: Any
) -> int:
    """``textgen audit``."""
    passage = read_passage(options["text"], options["file"])
    claim = Claim(options["claim"], options["unit"], options["end_counted"])
    say = partial(print, file=sys.stderr, flush=True)
    result = audit_model(model, passage, claim=claim, part=part, end=not no_end, say=say)
    print(json_line(asdict(result), indent=2) if json else result)
    result.save(output)
    return 0 if result.passed else 1


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


if __name__ == "__main__":
    source, words, length = json.load(sys.stdin)
    reader = open_source(*source).open()
    print("\n" + json.dumps(decode_words(reader, np.array(words, "u4"), length)))
