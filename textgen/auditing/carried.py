"""What the certificates in the folder of a run say of it."""

from __future__ import annotations

from pathlib import Path

from textgen.auditing.certificate import read_certificate
from textgen.auditing.sources import AUDIT, AUDIT_MEMORY, run_fingerprint
from textgen.core import TextgenError


def audit_lines(folder: Path) -> list[str]:
    """One line for each certificate in the folder of a run: what it says, or why it says nothing
    of this run. None where the run was not audited."""
    found = []
    for name, of in ((AUDIT, "the network alone"), (AUDIT_MEMORY, "with its memory")):
        path = folder / name
        if not path.exists():
            continue
        try:
            certificate = read_certificate(path)
        except TextgenError as error:
            found.append(f"its {name} says nothing: {error.found}")
            continue
        if certificate.data["model"]["fingerprint"] != run_fingerprint(folder):
            found.append(f"its {name} does not fit its weights: audit it again")
        elif certificate.passed:
            found.append(f"audited: passed {certificate.number} checks, {of} "
                         f"({certificate.signature})")  # fmt: skip
        else:
            found.append(f"audited, {of}: failed {', '.join(certificate.failed)} "
                         f"({certificate.signature})")  # fmt: skip
    return found
