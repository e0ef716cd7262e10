"""The part of a document, where lists of ``[split]`` or the customary names of files say it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import chain

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.data.documents import without_piece_number

# Names of files and folders that say which part they are.
CONVENTIONAL_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "validation"),
    "test": "test",
}
# ``train.txt``, ``ptb.valid.txt``, ``wiki.test.tokens``.
PART_FILE = re.compile(
    rf"(?P<before>|.*[._/-])(?P<name>{'|'.join(CONVENTIONAL_NAMES)})(?P<after>|\..*)", re.DOTALL
)


def listed_parts(names: Sequence[str], settings: Split) -> dict[str, str]:
    """The part of every document that a list of ``[split]`` names.

    Raises:
        TextgenError: an entry that matches nothing, or a document in both lists.
    """
    parts: dict[str, str] = {}
    for part, entries in settings.lists.items():
        for entry, found in find_documents(entries, names, f"split.{part}").items():
            for name in found:
                if parts.get(name, part) != part:
                    message = f"split.{part}: {entry!r} names {name}, as split.{parts[name]} does"
                    raise TextgenError(message)
                parts[name] = part
    return parts


def customary_parts(names: Sequence[str]) -> dict[str, str]:
    """The part of every document of a corpus whose names say it; empty if they do not.

    They do if a training part and a held-out part go by :data:`CONVENTIONAL_NAMES`, as files that
    are otherwise called alike or as folders.

    Raises:
        TextgenError: there are such names and others, or several sets of them.
    """
    # by what files that are otherwise called alike share of their names, or of the folders
    sets: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        file = without_piece_number(name).lower()
        folder, slash, _ = file.partition("/")
        match = PART_FILE.fullmatch(file)
        if match:
            called_alike = sets.setdefault((match["before"], match["after"]), {})
            called_alike[name] = CONVENTIONAL_NAMES[match["name"]]
        elif slash and folder in CONVENTIONAL_NAMES:
            in_folders = sets.setdefault(("folders",), {})
            in_folders[name] = CONVENTIONAL_NAMES[folder]
    for parts in sets.values():
        found = set(parts.values())
        if "train" in found and len(found) > 1:
            _check_all_named(names, parts)
            return parts
    return {}


def _check_all_named(names: Sequence[str], parts: Mapping[str, str]) -> None:
    """Refuse documents beside those that are named like split parts."""
    beside = [name for name in names if name not in parts]
    if beside:
        message = f"corpus: {name_some([*parts])} are named like split parts, "
        message += f"not {name_some(beside)}"
        hint = 'set [corpus] pattern, list documents in [split], or draw: method = "hash"'
        raise TextgenError(message, hint=hint)


def find_groups(settings: Split, names: Sequence[str], setting: str = "") -> Split:
    """The settings with groups of these documents, as lists of their names.

    Raises:
        TextgenError: as for :func:`find_documents`, also for a pattern; or a pattern that puts all
            documents into one group.
    """
    if isinstance(settings.groups, str):
        groups = found_parts(settings.groups, names).values()
        if setting and not groups:
            message = f"{setting}: {settings.groups!r} is found in the name of no document"
            raise TextgenError(message, f"the documents are {name_some(names)}")
        if any(len(group) == len(names) for group in groups):
            message = (
                f"{setting or 'split.groups'}: {settings.groups!r} finds the same in all names"
            )
            hint = "all documents would be of one group, and none could be tested"
            raise TextgenError(message, hint)
        return replace(settings, groups=tuple(map(tuple, groups)))
    found = find_documents(chain.from_iterable(settings.groups), names, setting)
    listed = list[tuple[str, ...]]()
    for group in settings.groups:
        named = list[str]()
        for entry in group:
            named += found[entry]
        listed.append(tuple(named))
    return replace(settings, groups=tuple(listed))


def found_parts(pattern: str, names: Sequence[str]) -> dict[str, list[str]]:
    """What a regular expression, or its group in parentheses, finds in names of documents → those
    names."""
    expression = re.compile(pattern)
    found = dict[str, list[str]]()
    for name in names:
        match = expression.search(without_piece_number(name))
        if match is None:
            continue
        part = match[1] if expression.groups else match[0]
        if part:
            found.setdefault(part, []).append(name)
    return found


def find_documents(
    entries: Iterable[str], names: Sequence[str], setting: str = ""
) -> dict[str, list[str]]:
    """Entry → the documents that it means: the one of this name, or all pieces of the file of this
    name; where there is none, those whose names it matches as a pattern.

    Raises:
        TextgenError: an entry of a setting, if one is named, that means none.
    """
    called = dict[str, list[str]]()
    for name in names:
        for key in {name, without_piece_number(name)}:
            called.setdefault(key, []).append(name)
    found = dict[str, list[str]]()
    for entry in entries:
        found[entry] = called.get(entry) or [name for name in names if fnmatchcase(name, entry)]
    wrong = [entry for entry, meant in found.items() if not meant]
    if wrong and setting:
        near = list[str]()
        for entry in wrong:
            near += map(repr, get_close_matches(entry, names, n=1))
        hint = f"the documents are {name_some(names)}"
        if near:
            hint = f"did you mean {name_some(near)}?"
        message = f"{setting}: no document matches {name_some([*map(repr, wrong)])}"
        raise TextgenError(message, hint)
    return found


def name_some(names: Sequence[str], most: int = 4) -> str:
    """The first names, in a sentence."""
    shown = ", ".join(names[:most])
    more = len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown
