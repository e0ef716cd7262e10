"""Documents divided into training, validation and test part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from textgen.core import Split, TextgenError
from textgen.data.documents import Document

HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
"""Characters of a part, at most, whatever its share of a large corpus would be: all that is held
out is scored, token by token. The rest is trained on."""


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


def split(documents: list[Document], settings: Split) -> tuple[list[Document], ...]:
    """Train, validation and test documents.

    Groups of documents are taken in the order of a hash of their names and the seed. Groups that
    share a document are one group, and none is ever divided. Each becomes part of the test if it
    still fits into the test's share of all characters, else of the validation if it fits there,
    else of the training text. A group larger than both shares is therefore always trained on. Of a
    large corpus a share is no more than HELD_OUT.

    Raises:
        TextgenError: a part stays empty.
    """
    group_of = _group_of(settings.groups)
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        groups.setdefault(group_of.get(document.name, (document.name,)), []).append(document)
    total = sum(d.characters for d in documents)
    shares = {"test": settings.test, "validation": settings.validation}
    room = {part: min(share * total, HELD_OUT[part]) for part, share in shares.items()}
    parts: dict[str, list[list[Document]]] = {"train": [], "validation": [], "test": []}
    for key in sorted(groups, key=lambda key: hash_of(key, settings.seed)):
        size = _size(groups[key])
        part = next((p for p in ("test", "validation") if size <= room[p]), "train")
        if part != "train":
            room[part] -= size
        parts[part].append(groups[key])
    _fill_empty(parts)
    for part, members in parts.items():
        if not members:
            among = f" in {len(groups)} groups" if len(groups) < len(documents) else ""
            raise TextgenError(
                f"corpus: {part} part",
                found=f"nothing: the corpus is divided by documents, and has {len(documents)}"
                + among,
                expected="at least three documents, or groups of them, one for each part",
                hint="cut the text into more documents ([corpus] pieces or separator)",
            )
    train, validation, test = (
        [d for group in members for d in group] for members in parts.values()
    )
    return train, validation, test


def _group_of(groups: Sequence[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """The group of each name."""
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        members = tuple(dict.fromkeys(m for name in group for m in found.get(name, (name,))))
        found |= dict.fromkeys(members, members)
    return found


def _size(group: Sequence[Document]) -> int:
    return sum(document.characters for document in group)


def _fill_empty(parts: dict[str, list[list[Document]]]) -> None:
    """With few or very uneven documents, an empty part gets the shortest training group."""
    for part in ("test", "validation"):
        if not parts[part] and len(parts["train"]) > 1:
            shortest = min(parts["train"], key=_size)
            parts["train"].remove(shortest)
            parts[part].append(shortest)


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()
