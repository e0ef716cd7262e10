"""Documents divided into training, validation and test part.

What is given by lists or by the customary names of files comes first; the rest is drawn by a hash
of names, in contiguous shares of the text, or as a fold of a cross-validation.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import pairwise

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.data.documents import Document
from textgen.data.reading import cut_text, numbered

HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
"""Characters of a part, at most, whatever its share of a large corpus would be: all that is held
out is scored, token by token. The rest is trained on. Parts that are given, contiguous or a fold
are as large as they are."""
Groups = dict[tuple[str, ...], list[Document]]


@dataclass(frozen=True)
class Division:
    """A corpus in three parts.

    Attributes:
        train, validation, test: the documents of each.
        division: in words, how they were divided; empty if by a hash of names.
        given: whether lists or the names of files say which part a document is in.
    """

    train: list[Document]
    validation: list[Document]
    test: list[Document]
    division: str = ""
    given: bool = False


def given_parts(names: Sequence[str], settings: Split) -> tuple[dict[str, str], str]:
    """The part of every document for which it is given, and in words, by what.

    Raises:
        TextgenError: as for :func:`textgen.data.splits.listed_parts` and
            :func:`textgen.data.splits.customary_parts`.
    """
    if settings.lists:
        return listed_parts(names, settings), "as [split] names the documents"
    if settings.method is not None or settings.folds is not None:
        return {}, ""
    found = customary_parts(names)
    by = "as the names of the files say"
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
            found = f"no text, with {len(documents)} documents divided {how}"
            hint = "change [split] or the texts; one of white space alone is left out"
            raise TextgenError(f"split: {part} part", found=found, hint=hint)
    _check_whole_groups(parts, settings)
    return Division(parts["train"], parts["validation"], parts["test"], how, bool(given))


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
        at = "at the end of a line where there is one"
        at = "at the very character" if settings.exact else at
        first = settings.first or "train"
        return _of_one_text(documents, shares, bool(settings.exact), first), f"cut {at}"
    if settings.exact:
        raise TextgenError(
            f"split.exact: true, and a corpus of {len(documents)} documents, which are not cut",
            hint='read one file with [corpus] kind = "file" and no separator',
        )
    if len(documents) <= len(shares):
        raise _too_few("test", documents, len(documents))
    parts = _of_documents(documents, shares, settings.first or "train")
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
    if all(PIECE_NAME.search(document.name) for document in documents):
        found += f", cut from one file, of {_size(documents):,} characters in all"
        hint = "use a longer text, or one that divides into more: see corpus.pieces and separator"
    expected = "at least three documents, or groups of them, one for each part"
    return TextgenError(f"corpus: {part} part", found=found, expected=expected, hint=hint)


def _check_whole_groups(parts: Parts, settings: Split) -> None:
    """Refuse a split that divides a group."""
    part_of = {d.name: part for part, documents in parts.items() for d in documents}
    for group in settings.groups:
        found = {name: part_of[name] for name in group if name in part_of}
        if len(set(found.values())) > 1:
            named = few([f"{name} in the {part} part" for name, part in found.items()])
            hint = "change the lists, the shares or the group"
            raise TextgenError(f"split.groups: documents of one group, {named}", hint=hint)


def _in_hash_order(groups: Groups, seed: int) -> list[tuple[str, ...]]:
    return sorted(groups, key=lambda key: hash_of(key, seed))


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()


CUSTOMARY = {"train": "train", "training": "train", "test": "test"} | dict.fromkeys(
    ("valid", "validation", "val", "dev"), "validation"
)
"""Names of files and folders that say which part they are."""
PART_FILE = re.compile(
    rf"(?P<prefix>(?:.*[._/-])?)(?P<part>{'|'.join(CUSTOMARY)})(?P<suffix>(?:\..*)?)"
)
"""``train.txt``, ``ptb.valid.txt``, ``wiki.test.tokens``."""
PIECE_NAME = re.compile(r"#\d+$")
"""What the name of a document that was cut out of a larger file ends with."""
DRAW_HINT = 'method = "hash" in [split] draws the parts from all of them'


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
                    where = f"split.{part}: {entry!r} names {name}"
                    raise TextgenError(f"{where}, and so does {by[name]!r} in split.{found[name]}")
                by[name] = entry
    left = [name for name in names if name not in found]
    if settings.train is not None and left:
        raise TextgenError(
            f"split.train: {few(left)}: named by no list",
            hint="leave train out to train on all that validation and test do not name, or leave "
            "files out by [corpus] pattern",
        )
    return found


def _matching(names: Sequence[str], entry: str, part: str) -> list[str]:
    exact = [name for name in names if entry in (name, PIECE_NAME.sub("", name))]
    found = exact or [name for name in names if fnmatchcase(name, entry)]
    if not found:
        near = get_close_matches(entry, names, 1)
        meant = f"did you mean {near[0]!r}?" if near else f"there is {few(names)}"
        hint = "textgen corpus shows what the documents are called"
        where = f"split.{part}: {entry!r} matches no document"
        raise TextgenError(f"{where}; {meant}", hint=hint)
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
        say = f"say which documents are which by [split] train, validation and test; {DRAW_HINT}"
        if len(whole) > 1:
            found = f"several sets of training and held-out text: {few(whole[0])}; {few(whole[1])}"
            raise TextgenError("corpus", found=found, hint=f"choose by [corpus] pattern, or {say}")
        others = [name for name in names if name not in whole[0]]
        if others:
            found = f"{few(whole[0])}, named as the parts of a given split, and {few(others)}"
            hint = f"leave others out by [corpus] pattern, or {say}"
            raise TextgenError(f"corpus: {found} beside them", hint=hint)
        return whole[0]
    return {}


def _of_files(names: Iterable[str]) -> list[dict[str, str]]:
    """Sets of files that are called alike but for their part: name → part."""
    sets: dict[tuple[str, str], dict[str, str]] = {}
    for name in names:
        if match := PART_FILE.fullmatch(PIECE_NAME.sub("", name).lower()):
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
            found = f"split.groups: {', '.join(missing)}: no such document"
            raise TextgenError(found, hint=f"names of documents are, e.g., {min(names)}")


def few(names: Sequence[str] | Mapping[str, str], most: int = 4) -> str:
    """The first names, in a sentence."""
    shown = list(names)[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


MIN_TEST_DOCUMENTS = 6
"""Test documents that a 95 % interval of a difference needs: 2^(1 − 6) is below 0.05."""
BOUNDARY_REACH = 5_000
"""How far beyond its exact place a boundary may fall, in characters."""
CUT_MARKS = ("\n\n", "\n", " ")
Parts = dict[str, list[Document]]


def in_order(shares: Mapping[str, float], first: str) -> list[str]:
    """The parts in the order of the text.

    Args:
        shares: of the held-out parts, in that order but for the ``first``.
        first: the part that the text begins with: ``"train"``, or one of those.
    """
    return [first, *(part for part in ("train", *shares) if part != first)]


def boundaries(total: int, shares: Mapping[str, float], first: str = "train") -> list[int]:
    """Where each part but the first begins.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves
    ``int(0.9 * total)`` characters before it.

    Args:
        total: characters.
        shares, first: as for :func:`in_order`.
    """
    exact = {part: Fraction(str(share)) for part, share in shares.items()}
    exact["train"] = Fraction(1) - sum(exact.values())
    order = in_order(shares, first)
    return [int(total * (1 - sum(exact[part] for part in order[i:]))) for i in range(1, len(order))]


def _of_documents(
    documents: Sequence[Document], shares: Mapping[str, float], first: str = "train"
) -> Parts:
    """Documents in their order, none of them cut: each goes where its middle lies. Every part gets
    one at least, if there are enough.

    Args:
        documents: in the order of the text.
        shares, first: as for :func:`in_order`.
    """
    starts = boundaries(sum(d.characters for d in documents), shares, first)
    middles, before = list[float](), 0
    for document in documents:
        middles.append(before + document.characters / 2)
        before += document.characters
    cuts = [0]
    for i, start in enumerate(starts):
        ideal = sum(middle < start for middle in middles)
        last = len(documents) - (len(starts) - i)  # leaves one for each of the parts behind
        cuts.append(max(cuts[-1] + 1, min(ideal, last)))
    parts = zip(in_order(shares, first), pairwise([*cuts, len(documents)]), strict=True)
    return {part: list(documents[a:b]) for part, (a, b) in parts}


def _of_one_text(
    pieces: Sequence[Document], shares: Mapping[str, float], exact: bool, first: str = "train"
) -> Parts:
    """One text, cut where the parts begin. Joined together, the parts are the text.

    A boundary falls on the first blank line (else line end, else space) at most BOUNDARY_REACH
    characters and a quarter of a part beyond its exact place. If the text comes whole, each part is
    one document. If it comes in pieces, every part is cut into pieces of about that size, shorter
    where there would be fewer than MIN_TEST_DOCUMENTS in the last part; of a text that is not in
    memory, only the held-out parts are, and only if they have fewer.

    Args:
        pieces: the text.
        shares, first: as for :func:`in_order`.
        exact: cut at the very character.
    """
    *_, last = shares
    pieces = [d for d in pieces if d.characters]
    name = PIECE_NAME.sub("", pieces[0].name)
    if len(pieces) == 1:
        return _sliced([Document(name, pieces[0].content)], shares, exact, first)
    size = sum(d.characters for d in pieces) / len(pieces)
    in_memory = all(isinstance(d.content, str) for d in pieces)
    whole = [Document(name, "".join(d.text for d in pieces))] if in_memory else pieces
    parts = _sliced(whole, shares, exact, first)
    size = min(size, sum(d.characters for d in parts[last]) / MIN_TEST_DOCUMENTS)
    if in_memory:
        return _renumbered(name, {part: _sections(found, size) for part, found in parts.items()})
    few = len(parts[last]) < MIN_TEST_DOCUMENTS
    return parts | {part: _sections(parts[part], size) for part in shares if few}


def _sliced(
    pieces: Sequence[Document], shares: Mapping[str, float], exact: bool, first: str
) -> Parts:
    """The pieces of each part. Those in which a boundary falls are cut there; the texts of others
    are not read."""
    total = sum(d.characters for d in pieces)
    starts = boundaries(total, shares, first)
    if not exact:
        parts = pairwise([*starts, total])
        starts = [_moved(pieces, a, min(BOUNDARY_REACH, (b - a) // 4)) for a, b in parts]
    found: Parts = {}
    fragments: dict[str, int] = {}
    cuts = pairwise([0, *starts, total])
    for part, (a, b) in zip(in_order(shares, first), cuts, strict=True):
        found[part], before = [], 0
        for piece in pieces:
            begin, end = max(a - before, 0), min(b - before, piece.characters)
            before += piece.characters
            if (begin, end) == (0, piece.characters):
                found[part].append(piece)
            elif begin < end:
                number = fragments[piece.name] = fragments.get(piece.name, 0) + 1
                found[part].append(Document(f"{piece.name}#{number}", piece.text[begin:end]))
    return found


def _moved(pieces: Sequence[Document], place: int, reach: int) -> int:
    """Where the text is cut, at ``place`` or a little behind it."""
    before = 0
    for piece in pieces:
        if before + piece.characters > place:
            return before + _place(piece.text, place - before, reach)
        before += piece.characters
    return place


def _place(text: str, target: int, reach: int) -> int:
    """Where a text is cut, from ``target`` on."""
    for mark in CUT_MARKS:
        # a mark that ends right at the target is as good as one behind it
        found = text.find(mark, max(0, target - len(mark)), target + reach)
        if found >= 0:
            return found + len(mark)
    return len(text) if target + reach >= len(text) else target  # a piece ends at a mark


def _sections(documents: Sequence[Document], size: float) -> list[Document]:
    """Documents cut into sections of about ``size`` characters."""
    found = list[Document]()
    for document in documents:
        pieces = round(document.characters / size)
        texts = [text for text in cut_text(document.text, pieces) if text] if pieces > 1 else []
        named = [Document(name, text) for name, text in numbered(document.name, texts)]
        found += named or [document]
    return found


def _renumbered(name: str, parts: Parts) -> Parts:
    """All documents numbered in the order of the text."""
    everything = numbered(name, [d for documents in parts.values() for d in documents])
    rest = iter(Document(label, document.content) for label, document in everything)
    return {part: [next(rest) for _ in documents] for part, documents in parts.items()}
