"""Writes the pages of docs/reference that come from the code: all of them, or one.

python tests/reference.py [experiment-files | command-line | python]
"""

import inspect
import json
import re
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import get_type_hints

import textgen
from textgen import cli
from textgen.core import experiment, registry, settings, validation
from textgen.report import contrast
from textgen.report.comparison import Comparison
from textgen.runs.finished import Run
from textgen.studies.study import Budget, Resources, Search, Study, StudyArm, StudyText
from textgen.testing import check_plugin

SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):\n", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w[\w, ]*): (.*(?:\n {5}.*)*)", re.MULTILINE)
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
WORDS = {"array": "list", "object": "table", "string": "text", "integer": "whole number"}
WORDS |= {"number": "number", "boolean": "true or false"}
LARGE = 1e9  # a bound that nobody has to know
INNER = {"tokenizer": ("rare_words", "segmenter")}  # tables in tables
STUDY = {"budget": Budget, "arms.NAME": StudyArm, "[contrasts]": contrast.Contrast}
STUDY |= {"texts.NAME": StudyText, "tune": Search, "resources": Resources}
TABLES = {
    *experiment.TABLES,
    *"budget arms contrasts texts tune resources options left_out".split(),
}


def prose(text):
    """Text of a docstring in Markdown, a line a paragraph."""
    text = text.replace(":mod:", "").replace("``", "`")
    text = re.sub(r":\w+:`(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def sections(of):
    """The sections of a docstring; under an empty name what comes before them."""
    first, *rest = SECTION.split(inspect.cleandoc(of.__doc__ or ""))
    return {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}


def table(*rows):
    first, *lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in (first, " | ".join(["---"] * len(rows[0])), *lines))


def value_of(schema, defined):
    """What a setting may be, from its JSON schema."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        inner = defined[name]["properties"].items()
        defaults = {key: own.get("default") for key, own in inner}
        shown = [
            key if default is None else f"{key} = {default}" for key, default in defaults.items()
        ]
        return "table of " + ", ".join(f"`{each}`" for each in shown)
    if choices := schema.get("anyOf"):
        if any("kind" in choice.get("properties", ()) for choice in choices):
            return "a kind, or a table with a `kind`"
        shown = [value_of(each, defined) for each in choices if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(shown))
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return " or ".join(f"`{json.dumps(value)}`" for value in values)
    if inner := schema.get("items") or schema.get("additionalProperties"):
        return f"{WORDS[schema['type']]} of {value_of(inner, defined)}"
    name = schema.get("format") or WORDS[schema["type"]]
    bounds = {sign: schema[key] for key, sign in BOUNDS.items() if key in schema}
    return ", ".join([name, *(f"{s} {n:,}" for s, n in bounds.items() if abs(n) < LARGE)])


def rows_of(cls):
    """Name, value, default and meaning of each setting of a dataclass."""
    defined, meanings = validation.adapter(cls).json_schema()["$defs"], {}
    for base in reversed(cls.__mro__):
        meanings |= dict(ENTRY.findall(sections(base).get("Args", "")))
    own, left_out = defined[cls.__name__], TABLES | ({"path"} if cls is Study else set())
    for name in [field.name for field in fields(cls) if field.init and field.name not in left_out]:
        schema, required = own["properties"][name], name in own.get("required", ())
        given = "" if schema.get("default") is None else f"`{json.dumps(schema['default'])}`"
        shown = "required" if required else given
        yield f"`{name}`", value_of(schema, defined), shown, prose(meanings[name])


def settings_of(cls):
    head = "setting", "value", "default", "meaning"
    return prose(sections(cls)[""]), table(head, *rows_of(cls))


def kinds_of(point):
    """The kinds at a plug-in point, and every setting with the kinds that have it."""
    rows, kinds = {}, sorted(registry.plugin_table(point))
    for kind in kinds:
        cls = registry.lookup(point, kind)
        yield f"**`{kind}`**: {prose(sections(cls)[''])}"
        for row in rows_of(cls):
            rows.setdefault(row, []).append(kind)
    shown = [(n, "all" if own == kinds else ", ".join(own), *r) for (n, *r), own in rows.items()]
    yield table(("setting", "of", "value", "default", "meaning"), *shown)


def experiment_files():
    yield from ("# Experiment files and study files", *settings_of(experiment.Experiment))
    yield 'A table with kinds also takes `kind = "…"`; `include = "…"` starts from another file.'
    for name in experiment.TABLES:
        point, plain = name in registry.POINTS, get_type_hints(experiment.Experiment)[name]
        yield from (f"## `[{name}]`", *(kinds_of(name) if point else settings_of(plain)))
        yield from settings_of(settings.CorpusOptions) if name == "corpus" else ()
        for inner in INNER.get(name, ()):
            yield from (f"## `[{name}.{inner}]`", *kinds_of(inner))
    yield from ("# Study files", *settings_of(Study))
    for name, cls in STUDY.items():
        yield from (f"## `[{name}]`", *settings_of(cls))


def command_line():
    yield "# Command line"
    for name, (add_arguments, _) in cli.COMMANDS.items():
        parser = cli.Parser(f"textgen {name}", formatter_class=partial(cli.Help, width=100))
        add_arguments(parser)
        text = prose(add_arguments.__doc__)
        yield from (f"## `textgen {name}`", f"{text[:1].upper()}{text[1:]}.")
        yield f"```\n{parser.format_help()}```"


def call_of(name, each):
    """A function with its arguments; a property by its name."""
    if not callable(each):
        return name
    own = inspect.signature(each)
    bare = [p.replace(annotation=p.empty) for p in own.parameters.values() if p.name != "self"]
    text = str(own.replace(parameters=bare, return_annotation=own.empty))
    return name + re.sub(r"<.*>", "…", re.sub(r"\w+Path\((.*?)\)", r"\1", text))


def python():
    yield "# Python"
    named = {f"textgen.{name}": getattr(textgen, name) for name in textgen.PUBLIC}
    for cls in (Run, Comparison):
        public = {name: each for name, each in vars(cls).items() if name[0] != "_" and each.__doc__}
        named |= {cls.__name__: cls, **{f"{cls.__name__}.{n}": each for n, each in public.items()}}
    named["textgen.testing.check_plugin"] = check_plugin
    for name, each in named.items():
        yield f"## `{call_of(name, each)}`"
        for title, text in sections(each).items():
            listed = [f"- `{names}`: {prose(entry)}" for names, entry in ENTRY.findall(text)]
            listed = listed if title in ("Args", "Attributes", "Raises") else [prose(text)]
            yield "\n".join([f"**{title}**\n"] * bool(title) + listed)


PAGES = {"experiment-files": experiment_files, "command-line": command_line, "python": python}


def page(name):
    return "\n\n".join(filter(None, PAGES[name]())) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        path = Path(__file__).parents[1] / "docs" / "reference" / f"{name}.md"
        path.write_text(page(name), encoding="utf-8")
