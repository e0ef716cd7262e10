"""Documents divided into training, validation and test part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from textgen.core import Split, TextgenError
from textgen.data import contiguous
from textgen.data.documents import Document
from textgen.data.given import PIECE, customary_parts, few, listed_parts

HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
"""Characters of a part, at most, whatever its share of a large corpus would be: all that is held
out is scored, token by token. The rest is trained on. Parts that are given, contiguous or a fold
are as large as they are."""
GIVEN = "as"
"""What the words for a division begin with, where it is given."""
Groups = dict[tuple[str, ...], list[Document]]
Parts = dict[str, list[Document]]


@dataclass(frozen=True)
class Division:
    """A corpus in three parts.

    Attributes:
        train, validation, test: the documents of each.
        how: in words, how they were divided; empty if by a hash of names.
    """

    train: list[Document]
    validation: list[Document]
    test: list[Document]
    how: str = ""


def given_parts(names: Sequence[str], settings: Split) -> tuple[dict[str, str], str]:
    """The part of every document for which it is given, and in words, by what.

    Raises:
        TextgenError: as for :func:`textgen.data.given.listed_parts` and
            :func:`textgen.data.given.customary_parts`.
    """
    if settings.lists:
        return listed_parts(names, settings), f"{GIVEN} [split] names the documents"
    if settings.method is not None or settings.folds is not None:
        return {}, ""
    found = customary_parts(names)
    by = f"{GIVEN} the names of the files say"
    if found and "test" not in found.values():
        found = {n: "test" if part == "validation" else part for n, part in found.items()}
        by += ", what is held out being the test, for test text steers nothing"
    return found, by


def divide(
    documents: list[Document],
    settings: Split,
    given: Mapping[str, str] | None = None,
    by: str = "",
    one_text: bool = False,
) -> Division:
    """The documents in three parts, as ``[split]`` says.

    Args:
        documents: all of them that hold text, in the order of the corpus.
        settings: the table.
        given, by: from :func:`given_parts`.
        one_text: the documents are the pieces of one text.

    Raises:
        TextgenError: a part stays empty, or a group is divided.
    """
    if given:
        parts, how = _as_given(documents, settings, given)
        how = by + how
    elif settings.method == "contiguous":
        shares = _shares(settings, ("validation", "test"))
        parts, where = _in_order(documents, settings, shares, one_text or len(documents) == 1)
        begins = "validation text first, " if settings.first == "validation" else ""
        how = f"in contiguous shares, {begins}{where}"
    elif settings.folds is not None and settings.fold is not None:
        parts = _fold(documents, settings, settings.fold, settings.folds)
        how = f"by document into {settings.folds} folds, of which {settings.fold} is the test"
    else:
        train, validation, test = split(documents, settings)
        return Division(train, validation, test)
    for part in ("train", "validation", "test"):
        if not any(d.text.strip() for d in parts[part]):
            raise TextgenError(
                f"split: {part} part",
                found=f"no text, with {len(documents)} documents divided {how}",
                expected="text in each part",
                hint="change [split] or the texts; one of white space alone is left out",
            )
    _check_whole_groups(parts, settings)
    return Division(parts["train"], parts["validation"], parts["test"], how)


def split(documents: list[Document], settings: Split) -> tuple[list[Document], ...]:
    """Train, validation and test documents by a hash of their names; see :func:`_by_hash`."""
    parts = _by_hash(documents, settings, _shares(settings, ("test", "validation")))
    return parts["train"], parts["validation"], parts["test"]


def _shares(settings: Split, parts: Iterable[str]) -> dict[str, float]:
    """Of those of the parts that are not lists."""
    shares = {part: getattr(settings, part) for part in parts}
    return {part: share for part, share in shares.items() if not isinstance(share, tuple)}


def _as_given(
    documents: list[Document], settings: Split, given: Mapping[str, str]
) -> tuple[Parts, str]:
    """What is given; a held-out part that is not is drawn from the training text."""
    parts: Parts = {"train": [], "validation": [], "test": []}
    for document in documents:
        parts[given.get(document.name, "train")].append(document)
    shares = _shares(settings, ("test", "validation"))
    missing = {part: share for part, share in shares.items() if part not in given.values()}
    if not missing or not parts["train"]:
        return parts, ""
    named = f"; {' and '.join(reversed(missing))}"
    if settings.method == "contiguous" or len(parts["train"]) == 1:
        shares = dict(reversed(missing.items()))
        drawn, where = _in_order(parts["train"], settings, shares, len(parts["train"]) == 1)
        return parts | drawn, f"{named} from the end of the training text, {where}"
    drawn = _by_hash(parts["train"], settings, missing)
    return parts | drawn, f"{named} from the training text, by a hash of the names"


def _in_order(
    documents: list[Document], settings: Split, shares: Mapping[str, float], one_text: bool
) -> tuple[Parts, str]:
    """Contiguous shares, and where the text was cut."""
    if one_text:
        at = (
            "at the very character" if settings.exact else "at the end of a line where there is one"
        )
        exact = bool(settings.exact)
        return contiguous.of_one_text(
            documents, shares, exact, settings.first or "train"
        ), f"cut {at}"
    if settings.exact:
        raise TextgenError(
            "split.exact",
            found=f"true, and a corpus of {len(documents)} documents",
            expected="one text: documents are not cut",
            hint='read one file with [corpus] kind = "file" and no separator',
        )
    if len(documents) <= len(shares):
        raise _too_few("test", documents, len(documents))
    parts = contiguous.of_documents(documents, shares, settings.first or "train")
    return parts, "whole documents in their order"


def _by_hash(documents: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
    """Groups of documents are taken in the order of a hash of their names and the seed. Groups that
    share a document are one group, and none is ever divided. Each becomes part of the test if it
    still fits into the test's share of all characters, else of the validation if it fits there,
    else of the training text. A group larger than both shares is therefore trained on, unless a
    part would stay empty. Of a large corpus a share is no more than HELD_OUT.

    Args:
        documents: what is divided.
        settings: seed and groups.
        shares: of the held-out parts, in the order in which they choose.

    Raises:
        TextgenError: a part stays empty.
    """
    groups = _grouped(documents, settings.groups)
    total = sum(d.characters for d in documents)
    room = {part: min(share * total, HELD_OUT[part]) for part, share in shares.items()}
    parts: dict[str, list[list[Document]]] = {part: [] for part in ("train", *shares)}
    for key in _in_hash_order(groups, settings.seed):
        size = _size(groups[key])
        part = next((p for p in shares if size <= room[p]), "train")
        if part != "train":
            room[part] -= size
        parts[part].append(groups[key])
    _fill_empty(parts)
    for part, members in parts.items():
        if not members:
            raise _too_few(part, documents, len(groups))
    return {part: [d for group in members for d in group] for part, members in parts.items()}


def _fold(documents: list[Document], settings: Split, fold: int, folds: int) -> Parts:
    """One fold of a cross-validation is the test; the validation is drawn from the rest.

    Groups, in the order of the hash but large ones before the others, are dealt to the fold with
    the fewest characters so far. Of two folds each gets two groups at least: what is not the test
    is training and validation text.
    """
    groups = _grouped(documents, settings.groups)
    least = max(folds, 4 if folds == 2 else 3)
    if len(groups) < least:
        raise TextgenError(
            "split.folds",
            found=f"{folds}, and {len(documents)} documents in {len(groups)} groups",
            expected=f"at least {least} documents, or groups of them",
            hint="use fewer folds (three of three documents), or cut the text into more",
        )
    dealt: list[list[list[Document]]] = [[] for _ in range(folds)]
    large = sum(d.characters for d in documents) / (4 * folds)
    order = _in_hash_order(groups, settings.seed)
    for key in sorted(order, key=lambda key: _size(groups[key]) < large):
        min(dealt, key=lambda part: sum(map(_size, part))).append(groups[key])
    if folds == 2:
        fewer, more = sorted(dealt, key=len)
        while len(fewer) < 2:
            shortest = min(more, key=_size)
            more.remove(shortest)
            fewer.append(shortest)
    chosen = [[d for group in part for d in group] for part in dealt]
    rest = [d for i, part in enumerate(chosen, start=1) if i != fold for d in part]
    total = sum(d.characters for d in documents) / sum(d.characters for d in rest)
    shares = {part: share * total for part, share in _shares(settings, ["validation"]).items()}
    return {**_by_hash(rest, settings, shares), "test": chosen[fold - 1]}


def _grouped(documents: Iterable[Document], groups: Sequence[Sequence[str]]) -> Groups:
    """The documents by groups; one that is in none is a group of its own."""
    group_of: dict[str, tuple[str, ...]] = {}
    for group in groups:
        members = tuple(dict.fromkeys(m for name in group for m in group_of.get(name, (name,))))
        group_of |= dict.fromkeys(members, members)
    found: Groups = {}
    for document in documents:
        found.setdefault(group_of.get(document.name, (document.name,)), []).append(document)
    return found


def _size(group: Sequence[Document]) -> int:
    return sum(document.characters for document in group)


def _fill_empty(parts: dict[str, list[list[Document]]]) -> None:
    """With few or very uneven documents, an empty held-out part gets the shortest training group
    or, where there is but one, the shortest of another part; an empty training part the longest."""
    held_out = [part for part in ("test", "validation") if part in parts]
    for part in held_out:
        if not parts[part]:
            for giver in ("train", *held_out):
                if len(parts[giver]) > 1:
                    shortest = min(parts[giver], key=_size)
                    parts[giver].remove(shortest)
                    parts[part].append(shortest)
                    break
    for giver in held_out:
        if not parts["train"] and len(parts[giver]) > 1:
            longest = max(parts[giver], key=_size)
            parts[giver].remove(longest)
            parts["train"].append(longest)


def _too_few(part: str, documents: Sequence[Document], groups: int) -> TextgenError:
    among = f" in {groups} groups" if groups < len(documents) else ""
    found = f"nothing: the corpus is divided by documents, and has {len(documents)}{among}"
    hint = (
        "add documents, or join them in one file, which is cut: --set corpus.kind=file --set "
        "corpus.path=FILE"
    )
    if all(PIECE.search(document.name) for document in documents):
        found += f", cut from one file, of {_size(documents):,} characters in all"
        hint = "use a longer text, or one that divides into more: see corpus.pieces and separator"
    return TextgenError(
        f"corpus: {part} part",
        found=found,
        expected="at least three documents, or groups of them, one for each part",
        hint=hint,
    )


def _check_whole_groups(parts: Parts, settings: Split) -> None:
    """Refuse a split that divides a group."""
    part_of = {d.name: part for part, documents in parts.items() for d in documents}
    for group in settings.groups:
        found = {name: part_of[name] for name in group if name in part_of}
        if len(set(found.values())) > 1:
            raise TextgenError(
                "split.groups",
                found=few([f"{name} in the {part} part" for name, part in found.items()]),
                expected="documents that share text in one part",
                hint="change the lists, the shares or the group",
            )


def _in_hash_order(groups: Groups, seed: int) -> list[tuple[str, ...]]:
    return sorted(groups, key=lambda key: hash_of(key, seed))


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()
