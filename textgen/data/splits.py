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
from itertools import accumulate, chain, islice, pairwise

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.data.documents import Document, count_characters, cut_text, find_cut, numbered

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
        division: in words, how they were divided; empty if by a hash of names.
        unit: what was divided: ``"documents"``, or ``"pieces"`` of them.
        given: whether lists or the names of files say which part a document is in.
    """

    train: list[Document]
    validation: list[Document]
    test: list[Document]
    division: str = ""
    unit: str = "documents"
    given: bool = False


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
    train, shares = parts["train"], dict[str, float]()
    for part, share in (("test", settings.test), ("validation", settings.validation)):
        if isinstance(share, float) and train and not parts[part]:
            whole = documents if settings.folds else train
            shares[part] = share * (count_characters(whole) / count_characters(train))
    if shares:
        drawn = "by a hash of the names" if assigned else ""
        if contiguous or (assigned and len(train) == 1):
            if not one_text and len(train) > 1:
                message = f'split.method: "contiguous" cuts one text, not {len(train)} documents'
                raise TextgenError(message, 'read one file, corpus.kind = "file", or use "blocks"')
            parts |= _contiguous(train, settings, shares)
            drawn = "into contiguous shares" + ", cut at the exact character" * bool(settings.exact)
            drawn += ", validation text first" * (settings.first == "validation")
        elif settings.method == "blocks":
            parts |= _blocks(train, shares)
            between = ", with validation text between training and test text"
            drawn = "into blocks" + between * (len(shares) > 1)
        else:
            parts |= _by_hash(train, settings, shares)
        how += f"; {' and '.join(shares)} from the training text, " * bool(assigned) + drawn
    for part in PARTS:
        if all(d.is_blank for d in parts[part]):
            of = f"{len(documents)} documents: {few([d.name for d in documents])}"
            message = f"split: no text for the {part} part among {of}"
            hint = "at least three documents or groups are needed; kind=file cuts a file into many"
            raise TextgenError(message, hint)
    for group in map(set, settings.groups):
        names = {  # of documents, or of their pieces
            part: [d.name for d in parts[part] if group & {d.name, d.name.rpartition("#")[0]}]
            for part in PARTS
        }
        divided = [f"{few(own)} in the {part} part" for part, own in names.items() if own]
        if len(divided) > 1:
            message = f"split.groups: one group is divided: {', '.join(divided)}"
            raise TextgenError(message, "keep its documents whole, in one part, or drop the group")
    unit = "pieces" if one_text or settings.method == "blocks" else "documents"
    return Division(**parts, division=how, unit=unit, given=bool(assigned) and not settings.folds)


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
    """So many characters of the last of several texts, at random: documents, or pieces of those
    larger than an eighth of that. Each text in turn takes what none before it has taken; only where
    too little of that is left, two share some."""
    used, kept = Counter[str](), list[Document]()  # characters, by the name of the piece
    for documents in texts:
        counts = [max(1, math.ceil(8 * d.characters / size)) for d in documents]
        pairs = zip(documents, counts, strict=True)
        cut = (numbered(d.name, cut_text(d.text, n)) for d, n in pairs)
        pieces = sorted(chain(*cut), key=lambda d: hash_of((d.name,), seed))
        pieces.sort(key=lambda d: used[d.name] >= d.characters)
        kept, room = [], size
        for d in pieces:
            start = used[d.name] if used[d.name] < d.characters else 0
            text = d.text[start : start + room]
            if text.strip():
                part = f"{d.name} (characters {start + 1:,} to {start + len(text):,})"
                kept.append(d if text == d.text else Document(part, text))
                used[d.name] += len(text)
                room -= len(text)
    return kept


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
    where the settings say so. Joined together, the parts are the text.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves ``int(0.9 *
    characters)`` before it. Unless the settings say that it is exact, a boundary falls on the first
    blank line (else line end, else space) at most BOUNDARY_REACH characters and a quarter of a part
    beyond. A text that comes in pieces is cut into pieces of about that size, shorter where there
    would be fewer than MIN_TEST_DOCUMENTS in the last part.
    """
    sizes = {part: Fraction(str(shares[part])) for part in ("validation", "test") if part in shares}
    sizes = {"train": 1 - sum(sizes.values(), Fraction()), **sizes}
    if settings.first == "validation":
        sizes = {"validation": sizes.pop("validation"), **sizes}
    text, cuts = "".join(d.text for d in pieces), [0]
    for start, end in pairwise(int(len(text) * share) for share in accumulate(sizes.values())):
        reach = 0 if settings.exact else min(BOUNDARY_REACH, (end - start) // 4)
        cuts.append(find_cut(text, start, start + reach) or start)
    parts = [[text[start:end]] for start, end in pairwise([*cuts, len(text)])]
    if len(pieces) > 1:
        size = min(len(text) / len(pieces), max(1, len(parts[-1][0]) / MIN_TEST_DOCUMENTS))
        parts = [cut_text(part, max(1, round(len(part) / size))) for (part,) in parts]
    name = PIECE_NUMBER.sub("", pieces[0].name)
    parts = [[*filter(None, texts)] for texts in parts]
    documents = iter(numbered(name, [*chain(*parts)]))
    pairs = zip(sizes, parts, strict=True)
    return {part: [*islice(documents, len(texts))] for part, texts in pairs}


def _blocks(documents: list[Document], shares: Mapping[str, float]) -> Parts:
    """Equal stretches of the text, through all documents: each has a block of training, one of
    validation, one of test and one of validation text. So no test text has a neighbour that is
    trained on, and it comes from all over the corpus."""
    total = count_characters(documents)
    test, validation = shares.get("test", 0.0), shares.get("validation", 0.0)
    count = max(MIN_TEST_BLOCKS, min(MAX_TEST_BLOCKS, int(test * total / BLOCK_CHARACTERS)))
    sizes = [1 - test - validation, validation / 2, test, validation / 2] * count
    ends = [total / count * end for end in accumulate(sizes)]
    order = ["train", "validation", "test", "validation"] * count
    parts: Parts = {part: [] for part in ("train", *shares)}
    reach = int(total / count * min(test, validation / 2) / 4)
    start, block = 0, 0
    for document in documents:
        text, cuts, inside = document.text, [0], [order[block]]
        while block + 1 < len(ends) and ends[block] < start + len(text):
            ideal = int(ends[block]) - start
            cut = find_cut(text, ideal, min(ideal + reach, len(text))) or ideal
            cuts.append(0 if cut < reach else len(text) if len(text) - cut < reach else cut)
            block += 1
            inside.append(order[block])
        start += len(text)
        pieces = [text[a:b] for a, b in pairwise([*cuts, len(text)])]
        kept = [(text, part) for text, part in zip(pieces, inside, strict=True) if text.strip()]
        named = numbered(document.name, [text for text, _ in kept])
        for piece, (_, part) in zip(named, kept, strict=True):
            parts[part].append(piece)
    return parts


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
                message = f"corpus: {few([*parts])} are named like split parts, not {few(beside)}"
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
    found = {e: called.get(e) or [n for n in names if fnmatchcase(n, e)] for e in entries}
    wrong = [entry for entry, own in found.items() if not own]
    if wrong and setting:
        near = [repr(name) for entry in wrong for name in get_close_matches(entry, names, 1)]
        hint = f"did you mean {few(near)}?" if near else f"the documents are {few(names)}"
        message = f"{setting}: no document matches {few([*map(repr, wrong)])}"
        raise TextgenError(message, hint)
    return found


def few(names: Sequence[str], most: int = 4) -> str:
    """The first names, in a sentence."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")
