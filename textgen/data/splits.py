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
    without_piece_number,
)

PARTS = ("train", "validation", "test")
Parts = dict[str, list[Document]]
# Characters of a part, at most, that is drawn by a hash: all that is held out is scored.
HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
# Test documents that a 95% interval of a difference needs: 2^(1 − 6) is below 0.05.
MIN_TEST_DOCUMENTS = 6
# How far beyond its exact place a boundary may fall, in characters.
BOUNDARY_REACH = 5_000
# Of the training text that a fold leaves, the most that becomes validation text.
MAX_FOLD_SHARE = 0.5
# Blocks of test text, at least: seven can answer three questions.
MIN_TEST_BLOCKS = 8
# More, up to so many, where each has BLOCK_CHARACTERS.
MAX_TEST_BLOCKS = 12
BLOCK_CHARACTERS = 4_000
# The part of text between training and test text where no validation text is drawn.
LEFT_OUT = "left out"
# How much of it there is, by the characters of the test text.
LEFT_OUT_SHARE = Fraction(1, 4)
# A random subset is of pieces: of documents larger than one of so many parts of its size.
SUBSET_PIECES = 8
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


class Stretch(NamedTuple):
    """Some characters of a text, from ``start`` to ``end``, and the part that they are for."""

    part: str
    start: int
    end: int

    def moved(self, characters: int) -> "Stretch":
        """The same, so many characters further on."""
        return Stretch(self.part, self.start + characters, self.end + characters)


@dataclass(frozen=True)
class Division:
    """A corpus in three parts.

    Attributes:
        train, validation, test: the documents of each.
        how: in words, how they were divided; empty if by a hash of names.
        unit: what was divided: ``"documents"``, or ``"pieces"`` of them.
        is_prescribed: whether lists or the names of files say which part a document is in.
        is_cut: whether documents were cut, so that those of the parts are others.
    """

    train: list[Document]
    validation: list[Document]
    test: list[Document]
    how: str = ""
    unit: str = "documents"
    is_prescribed: bool = False
    is_cut: bool = False


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
    is_cut = False
    if shares:
        method = _method(parts["train"], bool(assigned), settings)
        is_cut = method != "hash"
        if method == "hash":
            drawn = _by_hash(parts["train"], settings, shares)
            how_drawn = "by a hash of the names" if assigned else ""
        elif method == "blocks":
            drawn = _blocks(parts["train"], shares)
            how_drawn = _how_in_blocks(settings, shares)
        else:
            _check_one_text(parts["train"], one_text)
            drawn = _contiguous(parts["train"], settings, shares)
            how_drawn = _how_contiguous(settings, shares)
        parts |= drawn
        if assigned:
            how_drawn = f"; {' and '.join(shares)} from the training text, {how_drawn}"
        how += how_drawn
    _check_parts(documents, parts)
    _check_groups(parts, settings)
    unit = "pieces" if one_text or settings.method == "blocks" else "documents"
    is_prescribed = bool(assigned) and not settings.folds
    return Division(**parts, how=how, unit=unit, is_prescribed=is_prescribed, is_cut=is_cut)


def _drawn_shares(documents: list[Document], parts: Parts, settings: Split) -> dict[str, float]:
    """The held-out parts that are drawn from the training text, each with its share of that.

    In a fold the settings mean a share of all text, and a fold may leave little to train on. At
    most MAX_FOLD_SHARE of it is held out then.
    """
    train = parts["train"]
    if not train:
        return {}
    shares = dict[str, float]()
    for part, share in (("test", settings.test), ("validation", settings.validation)):
        if isinstance(share, float) and not parts[part]:
            shares[part] = share
    if settings.folds:
        times = count_characters(documents) / count_characters(train)
        shares = {part: min(MAX_FOLD_SHARE, share * times) for part, share in shares.items()}
    return shares


def _method(train: list[Document], some_assigned: bool, settings: Split) -> str:
    """How parts are drawn from training text. Of the only document that is left, it is the end."""
    if some_assigned and len(train) == 1:
        return "contiguous"
    return settings.method or "hash"


def _check_one_text(train: list[Document], one_text: bool) -> None:
    """Refuse contiguous shares of several documents."""
    if not one_text and len(train) > 1:
        message = f'split.method: "contiguous" cuts one text, not {len(train)} documents'
        raise TextgenError(message, 'read one file, corpus.kind = "file", or use "blocks"')


def _how_contiguous(settings: Split, shares: Mapping[str, float]) -> str:
    how = "into contiguous shares"
    if settings.exact:
        how += ", cut at the exact character"
    if settings.first == "validation":
        how += ", validation text first"
    elif _leaves_out(settings, shares):
        how += ", with text left out between training and test text"
    return how


def _how_in_blocks(settings: Split, shares: Mapping[str, float]) -> str:
    how = "into blocks"
    if "test" in shares and "validation" in shares:
        how += ", with validation text between training and test text"
    elif _leaves_out(settings, shares):
        how += ", with text left out between training and test text"
    return how


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
        fitting = [part for part in shares if size <= room[part]]
        if fitting:
            room[fitting[0]] -= size
            drawn[fitting[0]].append(group)
        else:
            drawn["train"].append(group)
    _fill_empty_parts(drawn)
    return {part: list(chain.from_iterable(groups)) for part, groups in drawn.items()}


def _fill_empty_parts(drawn: dict[str, list[list[Document]]]) -> None:
    """A part without a group gets one of the first part that has several: a held-out part the
    smallest, the training text the largest."""
    for part in ("test", "validation", "train"):
        if part not in drawn or drawn[part]:
            continue
        several = [groups for groups in drawn.values() if len(groups) > 1]
        if not several:
            return
        if part == "train":
            group = max(several[0], key=count_characters)
        else:
            group = min(several[0], key=count_characters)
        several[0].remove(group)
        drawn[part].append(group)


def _fold(documents: list[Document], settings: Split, fold: int, folds: int) -> list[Document]:
    """The test documents of one fold of a cross-validation: groups, in the order of the hash but
    large ones before the rest, are dealt to the fold with the fewest characters so far."""
    groups = _grouped(documents, settings)
    if len(groups) < max(folds, 3):
        message = f"split.folds: {folds}, but {len(documents)} documents form {len(groups)} groups"
        raise TextgenError(message, hint="use fewer folds, or at least three documents")
    dealt: list[list[Document]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    limit = count_characters(documents) / (4 * folds)
    large, small = list[list[Document]](), list[list[Document]]()
    for group in groups:
        if count_characters(group) >= limit:
            large.append(group)
        else:
            small.append(group)
    for group in large + small:
        smallest = sizes.index(min(sizes))
        dealt[smallest] += group
        sizes[smallest] += count_characters(group)
    return dealt[fold - 1]


def _grouped(documents: Iterable[Document], settings: Split) -> list[list[Document]]:
    """The documents by groups, in the order of a hash. Groups that share a document are one; a
    document outside all groups is a group of its own."""
    group_of: dict[str, tuple[str, ...]] = {}
    for group in settings.groups:
        joined = list[str]()
        for name in group:
            joined += group_of.get(name, (name,))
        members = tuple(dict.fromkeys(joined))
        for member in members:
            group_of[member] = members
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
    train, size = division.train, settings.train_characters
    if size is not None:
        available = count_characters(train)
        if size > available:
            message = f"split.train_characters: {size:,}, but the training text has {available:,}"
            raise TextgenError(message, "give a smaller number, or leave it out to train on all")
    if settings.train_subset == "random":
        return _shorten_at_random(division, documents, settings)
    if size is None:
        return division
    return replace(
        division, train=_nested_subset(train, size, settings.seed + (settings.fold or 0))
    )


def _nested_subset(documents: list[Document], size: int, seed: int) -> list[Document]:
    """So many characters: whole documents in the order of a hash, and the beginning of one."""
    kept = dict[str, Document]()
    room = size
    for document in sorted(documents, key=lambda document: hash_of((document.name,), seed)):
        if room <= 0:
            break
        if document.characters > room:
            name = f"{document.name} (its first {room:,} characters)"
            kept[document.name] = Document(name, document.text[:room])
        else:
            kept[document.name] = document
        room -= document.characters
    return [kept[document.name] for document in documents if document.name in kept]


def _shorten_at_random(division: Division, documents: list[Document], settings: Split) -> Division:
    train = division.train
    if settings.train_characters:
        texts = list[list[Document]]()
        for fold in range(1, settings.fold or 1):
            texts.append(divide(documents, replace(settings, fold=fold)).train)
        texts.append(train)
        train = _random_subset(texts, settings.train_characters, settings.seed)
    validation = division.validation
    tenth = max(1, count_characters(train) // 10)
    if count_characters(validation) > tenth:
        validation = _random_subset([validation], tenth, settings.seed)
    return replace(division, train=train, validation=validation)


class Passage(NamedTuple):
    """Some characters of a piece of text, from ``start`` to ``end``."""

    piece: Document
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.piece.text[self.start : self.end]

    def as_document(self) -> Document:
        """The piece, or a document that says in its name which characters of the piece it has."""
        if self.text == self.piece.text:
            return self.piece
        name = f"{self.piece.name} (characters {self.start + 1:,} to {self.end:,})"
        return Document(name, self.text)


def _random_subset(texts: Sequence[list[Document]], size: int, seed: int) -> list[Document]:
    """So many characters of the last of several texts, at random. Each text in turn takes what none
    before it has taken; only where too little of that is left, two share some."""
    used = Counter[str]()  # of each piece, by its name: characters that texts have taken
    passages = list[Passage]()
    for documents in texts:
        passages = _choose_passages(_shuffled_pieces(documents, size, seed), size, used)
        for passage in passages:
            used[passage.piece.name] += passage.end - passage.start
    return [passage.as_document() for passage in passages]


def _shuffled_pieces(documents: list[Document], size: int, seed: int) -> list[Document]:
    """Documents of which a subset of so many characters is taken, the larger ones in pieces, in the
    order of a hash."""
    pieces = list[Document]()
    for document in documents:
        count = max(1, math.ceil(SUBSET_PIECES * document.characters / size))
        pieces += numbered(document.name, cut_text(document.text, count))
    return sorted(pieces, key=lambda piece: hash_of((piece.name,), seed))


def _choose_passages(pieces: list[Document], size: int, used: Mapping[str, int]) -> list[Passage]:
    """Passages of so many characters together. A piece is used from its beginning on:

        | used | unused |

    What is unused comes first, then pieces that are used up, at last the used beginnings of others.

    Args:
        pieces: in the order in which they are taken.
        size: of all passages.
        used: characters of each piece that were taken before, by its name.
    """
    unused = list[Passage]()
    used_up = list[Passage]()
    used_beginnings = list[Passage]()
    for piece in pieces:
        border = used.get(piece.name, 0)
        if border >= piece.characters:
            used_up.append(Passage(piece, 0, piece.characters))
        else:
            unused.append(Passage(piece, border, piece.characters))
            used_beginnings.append(Passage(piece, 0, border))
    chosen = list[Passage]()
    room = size
    for passage in unused + used_up + used_beginnings:
        if room == 0:
            break
        end = min(passage.end, passage.start + room)
        shortened = passage._replace(end=end)
        if not is_blank(shortened.text):
            chosen.append(shortened)
            room -= end - passage.start
    return chosen


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()


def find_groups(settings: Split, names: Sequence[str], setting: str) -> Split:
    """The settings with groups of these documents; arguments and errors as for
    :func:`find_documents`."""
    found = find_documents(chain.from_iterable(settings.groups), names, setting)
    groups = list[tuple[str, ...]]()
    for group in settings.groups:
        members = list[str]()
        for entry in group:
            members += found[entry]
        groups.append(tuple(members))
    return replace(settings, groups=tuple(groups))


def _contiguous(pieces: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
    """One text, cut once into each of its parts, in one of these orders:

        | train | validation | test |
        | validation | train | test |    first = "validation"
        | train | left out | test |      where no validation text is drawn
        | train | test |                 the same, exact
        | train | validation |           where no test text is drawn

    A text that comes in pieces is cut into pieces of about that size, shorter where there would be
    fewer than MIN_TEST_DOCUMENTS in the last part.
    """
    text = "".join(piece.text for piece in pieces)
    stretches = _contiguous_stretches(text, settings, shares)
    if len(pieces) > 1:
        _, start, end = stretches[-1]
        most = max(1, (end - start) / MIN_TEST_DOCUMENTS)
        stretches = _cut_stretches(text, stretches, min(len(text) / len(pieces), most))
    stretches = [stretch for stretch in stretches if stretch.start < stretch.end]
    parts: Parts = {part: [] for part in ("train", *shares)}
    whole = Document(without_piece_number(pieces[0].name), text)
    _add_stretches(parts, whole, stretches)
    return parts


def _contiguous_stretches(text: str, settings: Split, shares: Mapping[str, float]) -> list[Stretch]:
    """One stretch of a text for each part and for what is left out, in their order.

    Shares count as the decimals that they are written as, so a test share of 0.1 leaves ``int(0.9 *
    characters)`` before it. Unless the settings say that it is exact, a boundary falls on the first
    blank line (else line end, else space) at most BOUNDARY_REACH characters and a quarter of the
    next part beyond.
    """
    sizes = {part: Fraction(str(share)) for part, share in shares.items()}
    if _leaves_out(settings, shares):
        sizes[LEFT_OUT] = sizes["test"] * LEFT_OUT_SHARE
    sizes["train"] = 1 - sum(sizes.values(), Fraction())
    order = ["train", "validation", LEFT_OUT, "test"]
    if settings.first == "validation":
        order = ["validation", "train", "test"]
    order = [part for part in order if part in sizes]
    shares_up_to = accumulate(sizes[part] for part in order)
    exact_ends = [int(len(text) * share) for share in shares_up_to]
    stretches = list[Stretch]()
    start = 0
    for part, (exact_end, end_of_next) in zip(order[:-1], pairwise(exact_ends), strict=True):
        end = exact_end
        if not settings.exact:
            reach = min(BOUNDARY_REACH, (end_of_next - exact_end) // 4)
            end = find_cut(text, exact_end, exact_end + reach) or exact_end
        stretches.append(Stretch(part, start, end))
        start = end
    stretches.append(Stretch(order[-1], start, len(text)))
    return stretches


def _leaves_out(settings: Split, shares: Mapping[str, float]) -> bool:
    """Whether text is left out between training and test text, as there is no validation text to
    lie there. Cuts at the exact character are those of others, who left nothing out."""
    return "test" in shares and "validation" not in shares and not settings.exact


def _cut_stretches(text: str, stretches: Sequence[Stretch], size: float) -> list[Stretch]:
    """Stretches of about this size, in place of longer ones."""
    pieces = list[Stretch]()
    for part, start, end in stretches:
        count = max(1, round((end - start) / size))
        for piece in cut_text(text[start:end], count):
            pieces.append(Stretch(part, start, start + len(piece)))
            start += len(piece)
    return pieces


def _add_stretches(parts: Parts, document: Document, stretches: Sequence[Stretch]) -> None:
    """Add stretches of a document, none of which is empty, to the parts that they are for, each as
    a document with its number. What is left out has a number, too."""
    text = document.text
    pieces = numbered(document.name, [text[start:end] for _, start, end in stretches])
    for stretch, piece in zip(stretches, pieces, strict=True):
        if stretch.part != LEFT_OUT:
            parts[stretch.part].append(piece)


def _blocks(documents: list[Document], shares: Mapping[str, float]) -> Parts:
    """Equal rounds of blocks, through the text of all documents:

        documents  | first       | second                      | third         | …
        blocks     | train    |v|test|v| train    |v|test|v| train    |v|test|v| …
                   |<---- a round ---->|

    v is validation text, or text that is left out where no validation text is drawn. So no test
    text has a neighbour that is trained on, and it comes from all over the corpus. Documents are
    cut near the ends of blocks.
    """
    total = count_characters(documents)
    rounds = int(shares.get("test", 0) * total / BLOCK_CHARACTERS)
    rounds = max(MIN_TEST_BLOCKS, min(MAX_TEST_BLOCKS, rounds))
    blocks_in_round = _blocks_in_round(shares)
    blocks = _block_stretches(blocks_in_round, rounds, total)
    smallest_held_out = min(share for part, share in blocks_in_round if part != "train")
    reach = int(total / rounds * smallest_held_out / 4)  # a quarter of such a block
    parts: Parts = {part: [] for part in ("train", *shares)}
    start = 0
    for document in documents:
        end = start + len(document.text)
        touching = [
            block.moved(-start) for block in blocks if start <= block.end and block.start < end
        ]
        stretches = _cut_at_blocks(document.text, touching, reach)
        with_text = [s for s in stretches if not is_blank(document.text[s.start : s.end])]
        _add_stretches(parts, document, with_text)
        start = end
    return parts


def _blocks_in_round(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """The part of each block of a round in their order, with its share of the round."""
    if "test" not in shares:
        half = ("validation", shares["validation"] / 2)
        return [("train", 1 - shares["validation"]), half, half]
    test = shares["test"]
    if "validation" in shares:
        beside_test = ("validation", shares["validation"] / 2)
    else:
        beside_test = (LEFT_OUT, test * LEFT_OUT_SHARE / 2)
    train = 1 - test - 2 * beside_test[1]
    return [("train", train), beside_test, ("test", test), beside_test]


def _block_stretches(
    blocks_in_round: list[tuple[str, float]], rounds: int, total: int
) -> list[Stretch]:
    """The blocks of so many rounds, as stretches of the text of all documents, joined."""
    blocks = list[Stretch]()
    rounds_so_far = 0.0
    start = 0
    for part, share in blocks_in_round * rounds:
        rounds_so_far += share
        end = int(total / rounds * rounds_so_far)
        blocks.append(Stretch(part, start, end))
        start = end
    blocks[-1] = blocks[-1]._replace(end=total)
    return blocks


def _cut_at_blocks(text: str, blocks: Sequence[Stretch], reach: int) -> list[Stretch]:
    """The stretches of the text of a document, one for each block that it touches.

    Args:
        text: of the document.
        blocks: counted in characters of this text: the first may begin before it, the last ends
            with it or behind it.
        reach: as for :func:`_cut_near`.
    """
    stretches = list[Stretch]()
    start = 0
    for block in blocks[:-1]:
        end = _cut_near(text, block.end, reach)
        stretches.append(Stretch(block.part, start, end))
        start = end
    stretches.append(Stretch(blocks[-1].part, start, len(text)))
    return stretches


def _cut_near(text: str, place: int, reach: int) -> int:
    """Where a text is cut that should be cut at a place: at most ``reach`` characters beyond, and
    at its beginning or end rather than less than ``reach`` from that."""
    cut = find_cut(text, place, min(place + reach, len(text))) or place
    if cut < reach:
        return 0
    if len(text) - cut < reach:
        return len(text)
    return cut


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
        file = without_piece_number(name).lower()
        folder, slash, _ = file.partition("/")
        match = PART_FILE.fullmatch(file)
        if match:
            called_alike = sets.setdefault((match["before"], match["after"]), {})
            called_alike[name] = CONVENTIONAL_NAMES[match["name"]]
        elif slash and folder in CONVENTIONAL_NAMES:
            in_folders = sets.setdefault((), {})
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
