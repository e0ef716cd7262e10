"""Where models come from: a run, a Hugging Face folder, an ARPA file, a class of one's own."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import TextgenError

if TYPE_CHECKING:
    from textgen.auditing.protocol import Opener

AUDIT, AUDIT_MEMORY = "audit.json", "audit_memory.json"
"""Certificates in the folder of a run: of the network alone, and with its memory."""
FITTED = ("experiment.toml", "tokenizer.json", "memory.json", "model.weights.h5")
"""The files of a run that decide what it predicts."""


@dataclass(frozen=True)
class Source:
    """A model that can be opened any number of times.

    Attributes:
        name, kind: for people.
        open: makes an instance that has seen nothing.
        fingerprint: sha256 of what the model is made of.
        certificate: where its certificate belongs.
    """

    name: str
    kind: str
    open: Opener
    fingerprint: str
    certificate: Path = Path(AUDIT)


def source_of(model: Any, *, memory: bool = False, end: bool = True) -> Source:
    """The source of a model as :func:`textgen.audit_model` takes it.

    Raises:
        TextgenError: there is no such model, or not with a memory, or not without an end.
    """
    made, given = (model if callable(model) else None), str(model)
    if made is not None and hasattr(made, "__qualname__"):
        given = f"{made.__module__}:{made.__qualname__}"
    path, _, name = given.rpartition(":")
    if made is None and path.endswith(".py"):
        made = _loaded(Path(path), name)
    found = Path(given if made else os.fspath(model))
    names = {each.name for each in found.iterdir()} if not made and found.is_dir() else set()
    hub = "config.json" in names and "experiment.toml" not in names
    if not hub and not end:
        raise _only(given, "--no-end", "a Hugging Face folder")
    if memory and (made or hub or found.is_file()):
        raise _only(given, "--memory", "a run of textgen")
    if made is not None:
        return _of_class(made, given)
    if hub:
        return _of_hugging_face(found, end)
    return _of_arpa(found) if found.is_file() else _of_run(found, memory)


def _only(given: str, option: str, kind: str) -> TextgenError:
    return TextgenError(
        given, found=f"{option}, which it does not have", expected=f"{option} with {kind}",
        hint="leave it out",
    )  # fmt: skip


def run_fingerprint(folder: Path) -> str:
    """sha256 of the files of a run that decide what it predicts."""
    return _hashed(folder / name for name in FITTED)


def _hashed(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _of_run(folder: Path, memory: bool) -> Source:
    from textgen.runs import load_run

    run = load_run(folder)
    if memory and run.memory is None:
        raise TextgenError(
            str(folder), found="a run without a memory of the document",
            expected="one with a memory", hint="leave out --memory",
        )  # fmt: skip

    def opened() -> Any:
        from textgen.auditing.of_run import RunModel

        return RunModel(load_run(folder), memory)

    kind = f"a run of textgen, {'with its memory' if memory else 'the network alone'}"
    where = folder / (AUDIT_MEMORY if memory else AUDIT)
    return Source(str(folder), kind, opened, run_fingerprint(folder), where)


def _of_hugging_face(folder: Path, end: bool) -> Source:
    from textgen.auditing.of_hugging_face import HuggingFaceModel, libraries

    libraries()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return Source(
        str(folder), "a Hugging Face folder", lambda: HuggingFaceModel(folder, end), _hashed(files)
    )


def _of_arpa(path: Path) -> Source:
    from textgen.auditing.of_arpa import ArpaModel, read_arpa

    table = read_arpa(path)
    return Source(str(path), "an ARPA file", lambda: ArpaModel(table), _hashed([path]))


def _of_class(made: Callable[[], Any], name: str) -> Source:
    """A class, known by the text of the file that it stands in."""
    try:
        file = inspect.getsourcefile(made)
    except TypeError:  # no class or function, but what calls one
        file = None
    return Source(name, "a class in Python", made, _hashed([Path(file)] if file else []))


def _loaded(path: Path, name: str) -> Callable[[], Any]:
    if not path.is_file():
        raise TextgenError(str(path), found="no such file", expected="a Python file with a class")
    spec = importlib.util.spec_from_file_location(f"audited_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses and inspect look
    spec.loader.exec_module(module)
    made = getattr(module, name, None)
    if not callable(made):
        known = ", ".join(each for each, value in vars(module).items() if inspect.isclass(value))
        raise TextgenError(
            f"{path}:{name}",
            found="no class of this name",
            expected=known or "a class in this file",
        )
    return made
