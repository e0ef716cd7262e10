"""What an audit has found: in words, as JSON, and signed by a hash of its content."""

from __future__ import annotations

import hashlib
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

import textgen
from textgen.core import UNREADABLE, TextgenError, write_json

if TYPE_CHECKING:
    from textgen.auditing.checks import Check
    from textgen.auditing.claims import Claimed
    from textgen.auditing.sources import Source
    from textgen.auditing.walking import Measured

SCHEMA = 1
NAMES = (
    "sums to one", "no look-ahead", "every character charged", "encode and decode", "denominator",
    "arithmetic coder",
)  # fmt: skip
"""Of the checks."""
WIDTH = 100
INDENTED: dict[str, Any] = {
    "initial_indent": " " * 10, "subsequent_indent": " " * 10, "break_long_words": False,
    "break_on_hyphens": False,
}  # fmt: skip
VERDICTS = {True: "passed", False: "FAILED", None: "no claim"}


class _Content(BaseModel):
    """Further keys are nobody's concern."""

    model_config = ConfigDict(strict=True)


class _Model(_Content):
    name: str
    kind: str
    fingerprint: str


class _Text(_Content):
    sha256: str
    characters: int
    utf8_bytes: int


class _Check(_Content):
    name: str
    passed: bool | None
    measured: str
    meaning: str


class _Certificate(_Content):
    """What is read of a certificate; whoever changes one can sign it, too."""

    textgen: str
    model: _Model
    text: _Text
    checks: list[_Check]
    sha256: str


class Certificate:
    """The result of an audit.

    Args:
        data: the content of ``audit.json``.
        path: where it belongs: in the folder of a run, or here.

    Attributes:
        data, path: the same.
    """

    def __init__(self, data: dict[str, Any], path: Path) -> None:
        self.data, self.path = data, path

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check["passed"] is not False for check in self.checks)

    @property
    def checks(self) -> list[dict[str, Any]]:
        """``name``, ``passed`` (None where nothing was claimed), ``measured``, ``meaning``."""
        return list(self.data["checks"])

    @property
    def number(self) -> int:
        """How many checks passed."""
        return sum(check["passed"] is True for check in self.checks)

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [check["name"] for check in self.checks if check["passed"] is False]

    @property
    def genuine(self) -> bool:
        """Whether the content is what was signed."""
        return self.data.get("sha256") == _digest(self.data)

    @property
    def signature(self) -> str:
        """One line that says what was audited, as below the tables of a report."""
        data = self.data
        parts = {
            "audit": data["sha256"][:12],
            "model": data["model"]["fingerprint"][:12],
            "text": data["text"]["sha256"][:12],
            "textgen": data["textgen"],
        }
        return " | ".join(f"{key}:{value}" for key, value in parts.items())

    def __str__(self) -> str:
        model, text = self.data["model"], self.data["text"]
        lines = [
            f"Audit of {model['name']} ({model['kind']})",
            f"on {text['characters']:,} characters, {text['utf8_bytes']:,} bytes of UTF-8",
            "",
        ]
        for check in self.checks:
            lines.append(f"{VERDICTS[check['passed']]:<9} {check['name']}: {check['meaning']}.")
            lines += textwrap.wrap(check["measured"], WIDTH, **INDENTED)
        end = "" if self.passed else f"; failed: {', '.join(self.failed)}"
        end += ", nothing was claimed for the other" * (self.passed and self.number < len(NAMES))
        lines += ["", f"{self.number} of {len(NAMES)} checks passed{end}", self.signature]
        return "\n".join(lines)

    def save(self, path: str | Path | None = None) -> None:
        """Write ``audit.json``, by default where it belongs.

        Raises:
            TextgenError: it cannot be written.
        """
        write_json(self.path if path is None else Path(path), self.data)


def certificate(
    source: Source, text: str, claimed: Claimed, measured: Measured, checks: Sequence[Check]
) -> Certificate:
    """The certificate of some checks, signed."""
    encoded = text.encode("utf-8", "surrogatepass")
    data = {
        "schema": SCHEMA,
        "textgen": textgen.__version__,
        "model": {"name": source.name, "kind": source.kind, "fingerprint": source.fingerprint},
        "text": {
            "sha256": hashlib.sha256(encoded).hexdigest(),
            "characters": len(text),
            "utf8_bytes": len(encoded),
        },
        "claim": claimed.data(),
        "measured": {
            "bits": measured.total if math.isfinite(measured.total) else None,
            "tokens": len(measured.tokens),
        },
        "checks": [asdict(check) for check in checks],
    }
    return Certificate({**data, "sha256": _digest(data)}, source.certificate)


def _digest(data: dict[str, Any]) -> str:
    """sha256 of everything but the signature itself: of the fingerprint of the model, the hash of
    the text and the version among the rest."""
    content = {key: value for key, value in data.items() if key != "sha256"}
    line = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(line.encode()).hexdigest()


def read_certificate(path: Path) -> Certificate:
    """A certificate that was saved.

    Raises:
        TextgenError: it is damaged, was changed, or was written by another version of textgen.
    """
    try:
        found = Certificate(json.loads(path.read_text(encoding="utf-8")), path)
        if not isinstance(found.data, dict) or "schema" not in found.data:
            raise ValueError("no schema")
        if found.data.get("schema") == SCHEMA and found.genuine:
            _Certificate.model_validate(found.data)
            return found
        told = "a certificate whose content is not what was signed, or of another version"
    except UNREADABLE as error:
        told = f"a damaged certificate ({type(error).__name__}: {error})"
    raise TextgenError(
        str(path), found=told, expected="what textgen audit wrote",
        hint="audit the model again, or remove the file",
    )  # fmt: skip
