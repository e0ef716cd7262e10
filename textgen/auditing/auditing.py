"""An audit: every check, on one text."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.auditing.sources import Source, source_of
from textgen.core import TextgenError

if TYPE_CHECKING:  # NumPy: not needed for --help
    from textgen.auditing.certificate import Certificate
    from textgen.auditing.protocol import Claim


def audit_model(
    model: str | Path | Callable[[], Any],
    text: str,
    *,
    claim: Claim | dict[str, Any] | None = None,
    memory: bool = False,
    end: bool = True,
    own_process: bool = True,
    say: Callable[[str], object] = lambda line: None,
) -> Certificate:
    """Audit a language model: is what it claims about a text a likelihood?

    Args:
        model: a run folder, a Hugging Face folder, an ARPA file, ``"file.py:Class"``, or a class
            or function that makes a model (:class:`textgen.auditing.Model`).
        text: what it is audited on. A few thousand characters tell all that there is to tell.
        claim: what is claimed about this text, a :class:`textgen.auditing.Claim` or its fields;
            it replaces those of the model's own claim.
        memory: audit a run with its memory of the document, not the network alone.
        end: whether a Hugging Face model is charged for the end of the text.
        own_process: decode in a process of its own, which shares nothing with this one. A class
            or function that is not given by name is decoded here, by another instance.
        say: is told what is being done.

    Returns:
        The certificate: ``.passed``, ``.checks``, ``.save(path)``; ``print`` shows it in words.

    Raises:
        TextgenError: no such model, no text, an invalid claim, or a model that does not keep
            to the protocol.
    """
    if not text:
        raise TextgenError("the text", found="no character", expected="a few thousand of them")
    try:
        given = {"model": _named(model), "memory": memory, "end": end}
        source = source_of(**given)
        named = given if own_process and not callable(model) else None
        return _audited(source, text, claim, named, say)
    except TextgenError:
        raise
    except Exception as error:
        raise TextgenError(
            str(model),
            found=f"the model raised {type(error).__name__}: {error}",
            expected="a model that keeps to the protocol in experiments/notes/auditing.md",
            hint="--debug shows where it was raised",
        ) from error


def _named(model: Any) -> Any:
    return model if callable(model) else os.fspath(model)


def _audited(
    source: Source,
    text: str,
    claim: Claim | dict[str, Any] | None,
    named: dict[str, Any] | None,
    say: Callable[[str], object],
) -> Certificate:
    from textgen.auditing import checks as of
    from textgen.auditing.certificate import certificate
    from textgen.auditing.claims import claimed_of
    from textgen.auditing.elsewhere import decoded_elsewhere
    from textgen.auditing.protocol import as_claim, claim_of, tokens_of
    from textgen.auditing.walking import decoded, measure

    say("reading the text …")
    one, other = source.open(), source.open()
    claim = as_claim(claim)
    own = claim_of(one, text)
    if own is not None and claim is not None:  # the figure replaces the model's own, bits stay
        given = {k: v for k, v in dataclasses.asdict(claim).items() if v is not None}
        own = dataclasses.replace(own, **{"count": None, **given})
    tokens = tokens_of(one, text)
    length = len(tokens) - (one.end is not None)
    claimed = claimed_of(own or claim, text, length, one.end)
    measured = measure(one, tokens)
    right, told = claimed.denominator(measured.total)
    # the other has not seen any text yet
    read = partial(decoded_elsewhere, named) if named else partial(decoded, other)
    say("compressing it, and decoding it elsewhere …")
    coder = of.arithmetic_coder(
        read, "another process" if named else "a fresh instance", text, measured, claimed
    )
    say("sums, other texts, awkward strings …")
    found = [
        of.sums_to_one(one, text, measured),
        of.no_look_ahead(one, other, text, own),
        of.every_character_charged(measured, claimed),
        of.encode_and_decode(one, other, text),
        of.Check(
            "denominator", right, told,
            "bits over too large a number are too few: characters are not bytes, nor words tokens",
        ),
        coder,
    ]  # fmt: skip
    return certificate(source, text, claimed, measured, found)
