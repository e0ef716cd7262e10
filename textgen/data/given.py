"""Splits that are given: by lists of documents, or by the customary names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from textgen.core import Split, TextgenError

CUSTOMARY = {
    "train": "train", "training": "train",
    "valid": "validation", "validation": "validation", "val": "validation", "dev": "validation",
    "test": "test",
}  # fmt: skip
"""Names of files and folders that say which part they are."""
FILE = re.compile(rf"(?P<prefix>(?:.*[._/-])?)(?P<part>{'|'.join(CUSTOMARY)})(?P<suffix>(?:\..*)?)")
"""``train.txt``, ``ptb.valid.txt``, ``wiki.test.tokens``."""
PIECE = re.compile(r"#\d+$")
"""What the name of a document that was cut out of a larger file ends with."""
ANEW = 'method = "hash" in [split] draws the parts from all of them'


def listed_parts(names: Sequence[str], settings: Split) -> dict[str, str]:
    """The part of every document that a list of ``[split]`` names; empty if there are no lists.

    A list's entry is the name of a document or, if there is none of this name, a pattern. The
    pieces of a file too large for memory go by the name of the file, too.

    Raises:
        TextgenError: an entry that matches nothing, a document in two lists, or, where the training
            documents are listed, one in none.
    """
    found: dict[str, str] = {}
    by: dict[str, str] = {}
    for part, entries in settings.lists.items():
        for entry in entries:
            for name in _matching(names, entry, part):
                if found.setdefault(name, part) != part:
                    raise TextgenError(
                        f"split.{part}",
                        found=f"{entry!r} names {name}, and so does {by[name]!r} in "
                        f"split.{found[name]}",
                        expected="each document in one part",
                        hint="correct one of the two",
                    )
                by[name] = entry
    left = [name for name in names if name not in found]
    if settings.train is not None and left:
        raise TextgenError(
            "split.train",
            found=f"{few(left)}: named by no list",
            expected="every document in a list, if the training documents are listed",
            hint="leave train out to train on all that validation and test do not name, or leave "
            "files out by [corpus] pattern",
        )
    return found


def _matching(names: Sequence[str], entry: str, part: str) -> list[str]:
    exact = [name for name in names if entry in (name, PIECE.sub("", name))]
    found = exact or [name for name in names if fnmatchcase(name, entry)]
    if not found:
        near = get_close_matches(entry, names, 1)
        raise TextgenError(
            f"split.{part}",
            found=f"{entry!r}, which matches no document",
            expected=f"names of documents or patterns; did you mean {near[0]!r}?"
            if near
            else f"names of documents or patterns; there is {few(names)}",
            hint="textgen corpus shows what the documents are called",
        )
    return found


def customary_parts(names: Sequence[str]) -> dict[str, str]:
    """The part of every document of a corpus whose names say it; empty if they do not.

    They do if a training part and a held-out part go by :data:`CUSTOMARY` names, as files that are
    otherwise called alike or as folders.

    Raises:
        TextgenError: there are such names and others, or several sets of them.
    """
    for sets in (_of_files(names), _of_folders(names)):
        whole = [found for found in sets if {"train"} < set(found.values())]
        if not whole:
            continue
        if len(whole) > 1:
            raise TextgenError(
                "corpus",
                found=f"several sets of training and held-out text: {few(whole[0])}; "
                f"{few(whole[1])}",
                expected="one",
                hint="choose one by [corpus] pattern, or say which documents are which by [split] "
                f"train, validation and test; {ANEW}",
            )
        others = [name for name in names if name not in whole[0]]
        if others:
            raise TextgenError(
                "corpus",
                found=f"{few(whole[0])}, named as the parts of a given split, and {few(others)} "
                "beside them",
                expected="documents that all say by their names which part they are",
                hint="leave others out by [corpus] pattern, or say which documents are which by "
                f"[split] train, validation and test; {ANEW}",
            )
        return whole[0]
    return {}


def _of_files(names: Iterable[str]) -> list[dict[str, str]]:
    """Sets of files that are called alike but for their part: name → part."""
    sets: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        if match := FILE.fullmatch(PIECE.sub("", name).lower()):
            key = match["prefix"], match["suffix"]
            sets.setdefault(key, {})[name] = CUSTOMARY[match["part"]]
    return list(sets.values())


def _of_folders(names: Iterable[str]) -> list[dict[str, str]]:
    """The files in folders with the names of parts: name → part."""
    folders = ((name, name.partition("/")) for name in names)
    found = {
        name: CUSTOMARY[folder.lower()]
        for name, (folder, inside, _) in folders
        if inside and folder.lower() in CUSTOMARY
    }
    return [found]


def check_groups(settings: Split, names: set[str]) -> None:
    """Refuse a group of which some documents are missing; if all are, it is another corpus's.

    Raises:
        TextgenError: some documents of a group are there and others are not.
    """
    for group in settings.groups:
        missing = sorted(set(group) - names)
        if missing and len(missing) < len(set(group)):
            raise TextgenError(
                "split.groups",
                found=f"{', '.join(missing)}: no such document",
                expected=f"names of documents, e.g. {min(names)}",
                hint="documents that share text could end up on both sides: correct the name",
            )


def few(names: Sequence[str] | Mapping[str, str], most: int = 4) -> str:
    """The first names, in a sentence."""
    shown = list(names)[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
