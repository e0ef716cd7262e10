"""The JSON schema (draft 2020-12) of experiment and study files, for completion in editors.

It follows from the constructors, as the checks of :mod:`textgen.core.building` do. Nothing but a
``kind`` is required, for a file may include another one.
"""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Literal, Union

from pydantic import ConfigDict, Discriminator, Field, Tag, create_model

from textgen.core.building import settings_model
from textgen.core.experiment import PARTS, Identity, TextOptions
from textgen.core.registry import POINTS, lookup, plugin_table
from textgen.core.settings import CorpusOptions
from textgen.core.study import Study

DRAFT = "https://json-schema.org/draft/2020-12/schema"
INCLUDE = (Annotated[str, Field(description="a file beside this one to start from")], "")


def json_schema(*, study: bool = False) -> dict[str, Any]:
    """The JSON schema of experiment files, or of study files."""
    if study:
        model = settings_model(Study, without=("name", "path"), include=INCLUDE)
    else:
        parts: dict[str, Any] = {
            name: (_choice(name) if part.fixed is None else part.fixed, {})
            for name, part in PARTS.items()
        }
        shared = settings_model(CorpusOptions).model_fields
        options = {name: (option.annotation, option) for name, option in shared.items()}
        options["fallback"] = parts["corpus"]
        parts["corpus"] = (_choice("corpus", "Corpus", **options), {})
        language = settings_model(TextOptions).model_fields["language"]
        about: dict[str, Any] = {"language": (language.annotation, language)}
        model = settings_model(Identity, name="Experiment", include=INCLUDE, **about, **parts)
    return {"$schema": DRAFT, **_partial(model.model_json_schema())}


def _choice(point: str, prefix: str = "", **options: Any) -> Any:
    """What a plug-in point may be set to: the name of a kind, a table that names one and has its
    settings, or, over a file that is included, a table with settings only.

    Args:
        point: one of :data:`textgen.core.registry.POINTS`.
        prefix: tells models for the same point apart.
        options: settings that all kinds have: (annotation, default).
    """
    prefix = prefix or point
    choices: list[Any] = []
    settings: dict[str, list[Any]] = {}
    for kind in sorted(plugin_table(point)):
        cls = lookup(point, kind, point)
        inner = [name for name in inspect.signature(cls).parameters if name in POINTS]
        fields = {**{name: (_choice(name), {}) for name in inner}, **options}
        model = settings_model(cls, name=f"{prefix} {kind}", kind=(Literal[kind], ...), **fields)
        choices.append(Annotated[model, Tag(kind)])
        for name, field in model.model_fields.items():
            if name != "kind":
                settings.setdefault(name, []).append(
                    Annotated[field.annotation, None, *field.metadata]
                )
    kinds: Any = Literal[tuple(sorted(plugin_table(point)))]
    choices.append(Annotated[kinds, Tag("the name of a kind")])
    # a union of as many as there are cannot be written with |
    mixed: Any = {name: (Union[tuple(kept)], None) for name, kept in settings.items()}  # noqa: UP007
    config = ConfigDict(extra="forbid")
    rest: Any = create_model(f"{prefix} of an included file", __config__=config, **mixed)
    choices.append(Annotated[rest, Tag("settings only")])
    one_of: Any = Union[tuple(choices)]  # noqa: UP007
    return Annotated[one_of, Discriminator(lambda value: value["kind"])]


def _partial(schema: Any) -> Any:
    """Without requirements other than those of a ``kind``."""
    if isinstance(schema, list):
        return [_partial(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _partial(value) for key, value in schema.items() if key != "required"}
    return {**kept, "required": ["kind"]} if "kind" in schema.get("required", ()) else kept
