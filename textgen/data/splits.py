"""Documents divided into training, validation and test part.

Lists and the customary names of files come first, or a fold of a cross-validation is the test part.
What they leave open is drawn from the training text: by a hash of names, in contiguous shares of
one text, or in blocks of all documents.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.data.documents import (
    Document,
    count_characters,
    cut_text,
    find_cut,
    is_blank,
    numbered,
)

PARTS = ("train", "validation", "test")
Parts = dict[str, list[Document]]
# Characters of a part, at most, that is drawn by a hash: all that is held out is scored.
HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
# Test documents that a 95% interval of a difference needs: 2^(1 − 6) is below 0.05.
MIN_TEST_DOCUMENTS = 6
# How far beyond its exact place a boundary may fall, in characters.
BOUNDARY_REACH = 5_000
# Blocks of test text: seven can answer three questions. More, where each has so many characters.
MIN_TEST_BLOCKS, MAX_TEST_BLOCKS, BLOCK_CHARACTERS = 8, 12, 4_000
# What text is for that lies between training and test text where no validation text is drawn, and
# how much there is, by the characters of the test text.
LEFT_OUT, LEFT_OUT_SHARE = "left out", Fraction(1, 4)
# A random subset is of pieces: of documents larger than one of so many parts of its size.
SUBSET_PIECES = 8
# Names of files and folders that say which part they are.
CONVENTIONAL_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "validation"),
    "test": "test",
}
# ``train.txt``, ``ptb.valid.txt``, ``wiki.test.tokens``.
PART_FILE = re.compile(rf"(|.*[._/-])({'|'.join(CONVENTIONAL_NAMES)})(|\..*)", re.DOTALL)
# What the name of a document that was cut out of a larger file ends with.
PIECE_NUMBER = re.compile(r"(#\d+)+( \(its first [\d,]+ characters\))?$")


@dataclass(frozen=True)
class Division:
    """A corpus in three parts.

    Attributes:
        train, validation, test: the documents of each.
        how: in words, how they were divided; empty if by a hash of names.
        unit: what was divided: ``"documents"``, or ``"pieces"`` of them.
        is_prescribed: whether lists or the names of files say which part a document is in.
    """

    train: list[Document]
    validation: list[Document]
    test: list[Document]
    how: str = ""
    unit: str = "documents"
    is_prescribed: bool = False


def divide(documents: list[Document], settings: Split, one_text: bool = False) -> Division:
    """The documents that hold text in three parts, as ``[split]`` says.

    Args:
        documents: in the order of the corpus.
        settings: the table.
        one_text: the documents are the pieces of one text.

    Raises:
        TextgenError: lists or names that do not divide them, a part without text, a divided group.
    """
    contiguous = settings.method == "contiguous"
    documents = [d for d in documents if (contiguous and one_text) or not d.is_blank]
    if all(d.is_blank for d in documents):
        raise TextgenError("corpus: every document is empty or left out")
    assigned, how = assigned_parts(documents, settings)
    parts: Parts = {part: [] for part in PARTS}
    for document in documents:
        parts[assigned.get(document.name, "train")].append(document)
    shares = _drawn_shares(documents, parts, settings)
    if shares:
        drawn, how_drawn = _draw(parts["train"], bool(assigned), settings, shares, one_text)
        parts |= drawn
        if assigned:
            how_drawn = f"; {' and '.join(shares)} from the training text, {how_drawn}"
        how += how_drawn
    _check_parts(documents, parts)
    _check_groups(parts, settings)
    unit = "pieces" if one_text or settings.method == "blocks" else "documents"
    is_prescribed = bool(assigned) and not settings.folds
    return Division(**parts, how=how, unit=unit, is_prescribed=is_prescribed)


def _drawn_shares(documents: list[Document], parts: Parts, settings: Split) -> dict[str, float]:
    """The held-out parts that are drawn from the training text, each with its share of that."""
    train = parts["train"]
    if not train:
        return {}
    whole = count_characters(documents if settings.folds else train)
    shares = dict[str, float]()
    for part, share in (("test", settings.test), ("validation", settings.validation)):
        if isinstance(share, float) and not parts[part]:
            shares[part] = share * (whole / count_characters(train))
    return shares


def _draw(
    train: list[Document],
    some_assigned: bool,
    settings: Split,
    shares: Mapping[str, float],
    one_text: bool,
) -> tuple[Parts, str]:
    """Training text, divided anew into training text and the parts of some shares; and how.

    Raises:
        TextgenError: contiguous shares of several documents.
    """
    if settings.method == "contiguous" or (some_assigned and len(train) == 1):
        if not one_text and len(train) > 1:
            message = f'split.method: "contiguous" cuts one text, not {len(train)} documents'
            raise TextgenError(message, 'read one file, corpus.kind = "file", or use "blocks"')
        how = "into contiguous shares"
        if settings.exact:
            how += ", cut at the exact character"
        if settings.first == "validation":
            how += ", validation text first"
        elif _leaves_out(settings, shares):
            how += ", with text left out between training and test text"
        return _contiguous(train, settings, shares), how
    if settings.method == "blocks":
        how = "into blocks"
        if "test" in shares and "validation" in shares:
            how += ", with validation text between training and test text"
        elif _leaves_out(settings, shares):
            how += ", with text left out between training and test text"
        return _blocks(train, shares), how
    return _by_hash(train, settings, shares), "by a hash of the names" if some_assigned else ""


def _check_parts(documents: list[Document], parts: Parts) -> None:
    """Refuse a part without text."""
    for part in PARTS:
        if all(d.is_blank for d in parts[part]):
            names = name_some([d.name for d in documents])
            message = (
                f"split: no text for the {part} part among {len(documents)} documents: {names}"
            )
            hint = "at least three documents or groups are needed; kind=file cuts a file into many"
            raise TextgenError(message, hint)


def _check_groups(parts: Parts, settings: Split) -> None:
    """Refuse a group of documents, or of what their pieces are of, in several parts."""
    for group in settings.groups:
        divided = list[str]()
        for part in PARTS:
            names = [d.name for d in parts[part]]
            found = [n for n in names if n in group or n.rpartition("#")[0] in group]
            if found:
                divided.append(f"{name_some(found)} in the {part} part")
        if len(divided) > 1:
            message = f"split.groups: one group is divided: {', '.join(divided)}"
            raise TextgenError(message, "keep its documents whole, in one part, or drop the group")


def _by_hash(documents: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
    """Groups of documents are taken in the order of a hash of their names and the seed. Each
    becomes part of the test if it still fits into the test's share of all characters, else of the
    validation if it fits there, else of the training text. A group larger than both shares is
    therefore trained on, unless a part would stay empty."""
    total = count_characters(documents)
    room = {part: min(share * total, HELD_OUT[part]) for part, share in shares.items()}
    drawn: dict[str, list[list[Document]]] = {part: [] for part in ("train", *shares)}
    for group in _grouped(documents, settings):
        size = count_characters(group)
        part = next((part for part in shares if size <= room[part]), "train")
        if part != "train":
            room[part] -= size
        drawn[part].append(group)
    for part in (*shares, "train"):
        donors = [groups for groups in drawn.values() if len(groups) > 1]
        if donors and not drawn[part]:
            choose = max if part == "train" else min
            group = choose(donors[0], key=count_characters)
            donors[0].remove(group)
            drawn[part].append(group)
    return {part: [d for group in groups for d in group] for part, groups in drawn.items()}


def _fold(documents: list[Document], settings: Split, fold: int, folds: int) -> list[Document]:
    """The test documents of one fold of a cross-validation: groups, in the order of the hash but
    large ones before the rest, are dealt to the fold with the fewest characters so far."""
    groups = _grouped(documents, settings)
    if len(groups) < max(folds, 3):
        message = f"split.folds: {folds}, but {len(documents)} documents form {len(groups)} groups"
        raise TextgenError(message, hint="use fewer folds, or at least three documents")
    dealt: list[list[Document]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    large = count_characters(documents) / (4 * folds)
    for group in sorted(groups, key=lambda group: count_characters(group) < large):
        smallest = sizes.index(min(sizes))
        dealt[smallest] += group
        sizes[smallest] += count_characters(group)
    return dealt[fold - 1]


def _grouped(documents: Iterable[Document], settings: Split) -> list[list[Document]]:
    """The documents by groups, in the order of a hash. Groups that share a document are one; a
    document outside all groups is a group of its own."""
    group_of: dict[str, tuple[str, ...]] = {}
    for group in settings.groups:
        joined = [member for name in group for member in group_of.get(name, (name,))]
        members = tuple(dict.fromkeys(joined))
        group_of |= dict.fromkeys(members, members)
    groups: dict[tuple[str, ...], list[Document]] = {}
    for document in documents:
        key = group_of.get(document.name, (document.name,))
        groups.setdefault(key, []).append(document)
    return [groups[key] for key in sorted(groups, key=lambda key: hash_of(key, settings.seed))]


def shorten(division: Division, documents: list[Document], settings: Split) -> Division:
    """As much of the training text as ``train_characters`` says.

    Nested: whole documents in the order of a hash, which every fold has of its own, and the
    beginning of one. Random: see :func:`_random_subset`; then validation text is at most a tenth of
    the training text.

    Args:
        division: of the documents.
        documents, settings: as for :func:`divide`.

    Raises:
        TextgenError: there is less text.
    """
    train, room = division.train, settings.train_characters
    if room and room > (available := count_characters(train)):
        message = f"split.train_characters: {room:,}, but the training text has {available:,}"
        raise TextgenError(message, "give a smaller number, or leave it out to train on all")
    if settings.train_subset == "random":
        if room:
            before = [replace(settings, fold=fold) for fold in range(1, settings.fold or 1)]
            texts = [*(divide(documents, other).train for other in before), train]
            train = _random_subset(texts, room, settings.seed)
        validation, tenth = division.validation, max(1, count_characters(train) // 10)
        if count_characters(validation) > tenth:
            validation = _random_subset([validation], tenth, settings.seed)
        return replace(division, train=train, validation=validation)
    if not room:
        return division
    kept, seed = dict[str, Document](), settings.seed + (settings.fold or 0)
    for d in sorted(train, key=lambda d: hash_of((d.name,), seed)):
        if room <= 0:
            break
        kept[d.name] = d
        if d.characters > room:
            kept[d.name] = Document(f"{d.name} (its first {room:,} characters)", d.text[:room])
        room -= d.characters
    return replace(division, train=[kept[d.name] for d in train if d.name in kept])


def _random_subset(texts: Sequence[list[Document]], size: int, seed: int) -> list[Document]:
    """So many characters of the last of several texts, at random. Each text in turn takes what none
    before it has taken; only where too little of that is left, two share some."""
    used = Counter[str]()
    taken = list[Document]()
    for documents in texts:
        taken = _take_at_random(documents, size, seed, used)
    return taken


def _take_at_random(
    documents: list[Document], size: int, seed: int, used: Counter[str]
) -> list[Document]:
    """So many characters of documents, or of pieces of those larger than a part of that.

    Args:
        documents: where they are taken from.
        size: how many.
        seed: of the order of the pieces.
        used: characters of a piece that are taken, by its name; gets what is taken here.
    """
    pieces = list[Document]()
    for document in documents:
        count = max(1, math.ceil(SUBSET_PIECES * document.characters / size))
        pieces += numbered(document.name, cut_text(document.text, count))
    pieces.sort(key=lambda piece: hash_of((piece.name,), seed))
    fresh = [piece for piece in pieces if used[piece.name] < piece.characters]
    used_up = [piece for piece in pieces if used[piece.name] >= piece.characters]
    taken = list[Document]()
    room = size
    for piece in fresh + used_up:
        start = used[piece.name]
        if start >= piece.characters:
            start = 0
        text = piece.text[start : start + room]
        if not is_blank(text):
            if text != piece.text:
                name = f"{piece.name} (characters {start + 1:,} to {start + len(text):,})"
                taken.append(Document(name, text))
            else:
                taken.append(piece)
            used[piece.name] += len(text)
            room -= len(text)
    return taken


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()


def find_groups(settings: Split, names: Sequence[str], setting: str) -> Split:
    """The settings with groups of these documents; arguments and errors as for
    :func:`find_documents`."""
    entries = (entry for group in settings.groups for entry in group)
    found = find_documents(entries, names, setting)
    groups = (tuple(chain(*map(found.__getitem__, group))) for group in settings.groups)
    return replace(settings, groups=tuple(groups))


def _contiguous(pieces: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
    """The beginning of a text for training, then validation, then test; validation comes first
    where the settings say so. Joined together, the parts are the text, but for what is left out in
    front of the test text where no validation text is drawn.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves ``int(0.9 *
    characters)`` before it. A text that comes in pieces is cut into pieces of about that size,
    shorter where there would be fewer than MIN_TEST_DOCUMENTS in the last part.
    """
    text = "".join(piece.text for piece in pieces)
    stretches = _contiguous_texts(text, settings, shares)
    texts = {part: [stretch] for part, stretch in stretches.items()}
    if len(pieces) > 1:
        last = [*stretches.values()][-1]
        size = min(len(text) / len(pieces), max(1, len(last) / MIN_TEST_DOCUMENTS))
        for part, stretch in stretches.items():
            texts[part] = cut_text(stretch, max(1, round(len(stretch) / size)))
    name = PIECE_NUMBER.sub("", pieces[0].name)
    documents = numbered(name, [piece for part in texts for piece in texts[part] if piece])
    parts: Parts = {}
    start = 0
    for part in texts:
        end = start + sum(1 for piece in texts[part] if piece)
        parts[part] = documents[start:end]
        start = end
    parts.pop(LEFT_OUT, None)
    return parts


def _leaves_out(settings: Split, shares: Mapping[str, float]) -> bool:
    """Whether text is left out between training and test text, as there is no validation text to
    lie there. Cuts at the exact character are those of others, who left nothing out."""
    return "test" in shares and "validation" not in shares and not settings.exact


def _contiguous_texts(text: str, settings: Split, shares: Mapping[str, float]) -> dict[str, str]:
    """The stretches of a text in their order, by the part that each is for.

    Unless the settings say that it is exact, a boundary falls on the first blank line (else line
    end, else space) at most BOUNDARY_REACH characters and a quarter of the next part beyond.
    """
    sizes = {part: Fraction(str(share)) for part, share in shares.items()}
    if _leaves_out(settings, shares):
        sizes[LEFT_OUT] = sizes["test"] * LEFT_OUT_SHARE
    sizes["train"] = 1 - sum(sizes.values(), Fraction())
    order = ["train", "validation", LEFT_OUT, "test"]
    if settings.first == "validation":
        order = ["validation", "train", LEFT_OUT, "test"]
    order = [part for part in order if part in sizes]
    ends = [int(len(text) * share) for share in accumulate(sizes[part] for part in order)]
    cuts = [0]
    for end, next_end in pairwise(ends):
        reach = 0 if settings.exact else min(BOUNDARY_REACH, (next_end - end) // 4)
        cuts.append(find_cut(text, end, end + reach) or end)
    stretches = pairwise([*cuts, len(text)])
    return {part: text[a:b] for part, (a, b) in zip(order, stretches, strict=True)}


class _Block(NamedTuple):
    """A stretch of the text of all documents, joined: what it is for, and where it ends."""

    part: str
    end: float


def _blocks(documents: list[Document], shares: Mapping[str, float]) -> Parts:
    """Equal stretches of the text, through all documents: each has a block of training, one of
    validation, one of test and one of validation text. So no test text has a neighbour that is
    trained on, and it comes from all over the corpus. Where no validation text is drawn, text is
    left out in its place."""
    total = count_characters(documents)
    test = shares.get("test", 0.0)
    if "validation" in shares:
        beside_test, size = "validation", shares["validation"] / 2
    else:
        beside_test, size = LEFT_OUT, test * LEFT_OUT_SHARE / 2
    count = max(MIN_TEST_BLOCKS, min(MAX_TEST_BLOCKS, int(test * total / BLOCK_CHARACTERS)))
    stretch = [
        ("train", 1 - test - 2 * size),
        (beside_test, size),
        ("test", test),
        (beside_test, size),
    ] * count
    ends = accumulate(share for _, share in stretch)
    blocks = [
        _Block(part, total / count * end) for (part, _), end in zip(stretch, ends, strict=True)
    ]
    blocks[-1] = _Block(beside_test, math.inf)
    smallest = min(size, test) if test else size
    reach = int(total / count * smallest / 4)
    parts: Parts = {part: [] for part in ("train", *shares)}
    start = current = 0
    for document in documents:
        end = start + document.characters
        ending = 0
        while blocks[current + ending].end < end:
            ending += 1
        inside = blocks[current : current + ending + 1]
        for part, piece in _cut_at_blocks(document, start, inside, reach):
            if part != LEFT_OUT:
                parts[part].append(piece)
        current += ending
        start = end
    return parts


def _cut_at_blocks(
    document: Document, start: int, blocks: Sequence[_Block], reach: int
) -> list[tuple[str, Document]]:
    """The pieces of a document, each with what it is for; without those of white space alone.

    Args:
        document: whose first character is the ``start``-th of all documents.
        start: see above.
        blocks: that it is in; the last does not end inside it.
        reach: how far beyond the end of a block a cut may fall, in characters, and how near to an
            end of the document none falls.
    """
    text = document.text
    cuts = [0]
    for block in blocks[:-1]:
        ideal = int(block.end) - start
        cut = find_cut(text, ideal, min(ideal + reach, len(text))) or ideal
        if cut < reach:
            cut = 0
        elif len(text) - cut < reach:
            cut = len(text)
        cuts.append(cut)
    pieces = [text[a:b] for a, b in pairwise([*cuts, len(text)])]
    kept = [
        (block.part, piece)
        for block, piece in zip(blocks, pieces, strict=True)
        if not is_blank(piece)
    ]
    named = numbered(document.name, [piece for _, piece in kept])
    return [(part, piece) for (part, _), piece in zip(kept, named, strict=True)]


def assigned_parts(documents: list[Document], settings: Split) -> tuple[dict[str, str], str]:
    """The part of every document for which the settings or the names of files say it, and how.

    Raises:
        TextgenError: as for :func:`listed_parts` and :func:`customary_parts`; too many folds.
    """
    names = [d.name for d in documents]
    if settings.lists:
        return listed_parts(names, settings), "as [split] names the documents"
    if settings.fold and settings.folds:
        test = _fold(documents, settings, settings.fold, settings.folds)
        how = f"by document into {settings.folds} folds; fold {settings.fold} is the test part"
        return {d.name: "test" for d in test}, how
    parts = customary_parts(names) if settings.method is None else {}
    how = "as the names of the files say" if parts else ""
    if parts and "test" not in parts.values():
        parts = {name: "test" if part == "validation" else part for name, part in parts.items()}
        how += ", with the held-out part as the test part"
    return parts, how


def listed_parts(names: Sequence[str], settings: Split) -> dict[str, str]:
    """The part of every document that a list of ``[split]`` names.

    Raises:
        TextgenError: an entry that matches nothing, or a document in both lists.
    """
    parts: dict[str, str] = {}
    for part, entries in settings.lists.items():
        for entry, found in find_documents(entries, names, f"split.{part}").items():
            for name in found:
                if parts.setdefault(name, part) != part:
                    message = f"split.{part}: {entry!r} names {name}, as split.{parts[name]} does"
                    raise TextgenError(message)
    return parts


def customary_parts(names: Sequence[str]) -> dict[str, str]:
    """The part of every document of a corpus whose names say it; empty if they do not.

    They do if a training part and a held-out part go by :data:`CONVENTIONAL_NAMES`, as files that
    are otherwise called alike or as folders.

    Raises:
        TextgenError: there are such names and others, or several sets of them.
    """
    sets: dict[tuple[str, ...], dict[str, str]] = {}
    for name in names:
        file = PIECE_NUMBER.sub("", name).lower()
        folder, inside, _ = file.partition("/")
        if match := PART_FILE.fullmatch(file):
            sets.setdefault((match[1], match[3]), {})[name] = CONVENTIONAL_NAMES[match[2]]
        elif inside and folder in CONVENTIONAL_NAMES:
            sets.setdefault((), {})[name] = CONVENTIONAL_NAMES[folder]
    for parts in sets.values():
        if {"train"} < set(parts.values()):
            beside = [name for name in names if name not in parts]
            if beside:
                message = f"corpus: {name_some([*parts])} are named like split parts, "
                message += f"not {name_some(beside)}"
                hint = 'set [corpus] pattern, list documents in [split], or draw: method = "hash"'
                raise TextgenError(message, hint=hint)
            return parts
    return {}


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
        for key in {name, PIECE_NUMBER.sub("", name)}:
            called.setdefault(key, []).append(name)
    found = dict[str, list[str]]()
    for entry in entries:
        found[entry] = called.get(entry) or [name for name in names if fnmatchcase(name, entry)]
    wrong = [entry for entry, meant in found.items() if not meant]
    if wrong and setting:
        near = [repr(name) for entry in wrong for name in get_close_matches(entry, names, 1)]
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
