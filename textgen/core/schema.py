"""The JSON schema (draft 2020-12) of experiment and study files, for completion in editors.

It is pydantic's, of the classes that files are checked with. Nothing but a ``kind`` is required,
for a file may include another one.
"""

from __future__ import annotations

from typing import Any

from textgen.core.building import adapter
from textgen.core.experiment import Experiment
from textgen.core.study import Study

DRAFT = "https://json-schema.org/draft/2020-12/schema"
INCLUDE = {"type": "string", "description": "a file beside this one to start from"}


def json_schema(*, study: bool = False) -> dict[str, Any]:
    """The JSON schema of experiment files, or of study files."""
    cls = Study if study else Experiment
    definitions = adapter(cls).json_schema()["$defs"]
    root = definitions.pop(cls.__name__)
    settings = root["properties"] = {"include": INCLUDE, **root["properties"]}
    for name in ("name", "path") if study else ("fallback", "options", "resolved", "left_out"):
        del settings[name]
    if not study:
        options = {"fallback": settings["corpus"], **definitions["CorpusOptions"]["properties"]}
        settings["corpus"] = {"anyOf": [_with(options, e) for e in settings["corpus"]["anyOf"]]}
    return {"$schema": DRAFT, **_partial({**root, "$defs": definitions})}


def _with(options: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    """A table with further settings; unchanged if it is but a list of kinds."""
    if "properties" not in table:
        return table
    return {**table, "properties": {**table["properties"], **options}}


def _partial(schema: Any) -> Any:
    """Without requirements other than those of a ``kind``."""
    if isinstance(schema, list):
        return [_partial(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _partial(value) for key, value in schema.items() if key != "required"}
    return {**kept, "required": ["kind"]} if "kind" in schema.get("required", ()) else kept
