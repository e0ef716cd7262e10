"""Parts of a text that are drawn: by a hash of names, in folds, in contiguous shares of one text,
or in blocks of all documents; and subsets of a training text."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, chain
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

Parts = dict[str, list[Document]]
# Characters of a part, at most, that is drawn by a hash: all that is held out is scored.
HELD_OUT = {"test": 4_000_000, "validation": 2_000_000}
# Test documents that a 95% interval of a difference needs: 2^(1 − 6) is below 0.05.
MIN_TEST_DOCUMENTS = 6
# How far beyond its exact place a boundary may fall, in characters.
BOUNDARY_REACH = 5_000
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


class Stretch(NamedTuple):
    """Some characters of a text, from ``start`` to ``end``, and the part that they are for."""

    part: str
    start: int
    end: int

    def moved(self, characters: int) -> "Stretch":
        """The same, so many characters further on."""
        return Stretch(self.part, self.start + characters, self.end + characters)


Group = list[Document]


def by_hash(documents: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
    """Groups of documents are taken in the order of a hash of their names and the seed. Each
    becomes part of the test if it still fits into the test's share of all characters, else of the
    validation if it fits there, else of the training text. A group larger than both shares is
    therefore trained on, unless a part would stay empty."""
    total = count_characters(documents)
    room = {part: min(share * total, HELD_OUT[part]) for part, share in shares.items()}
    drawn: dict[str, list[Group]] = {part: [] for part in ("train", *shares)}
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


def _fill_empty_parts(drawn: dict[str, list[Group]]) -> None:
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


def fold_documents(
    documents: list[Document], settings: Split, fold: int, folds: int
) -> list[Document]:
    """The test documents of one fold of a cross-validation: groups, in the order of the hash but
    large ones before the rest, are dealt to the fold with the fewest characters so far."""
    groups = _grouped(documents, settings)
    if len(groups) < max(folds, 3):
        message = f"split.folds: {folds}, but {len(documents)} documents form {len(groups)} groups"
        raise TextgenError(message, hint="use fewer folds, or at least three documents")
    dealt: list[list[Document]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    limit = count_characters(documents) / (4 * folds)
    large = list[Group]()
    small = list[Group]()
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


def _grouped(documents: Iterable[Document], settings: Split) -> list[Group]:
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


def hash_of(group: tuple[str, ...], seed: int) -> str:
    return hashlib.sha256(f"{seed}:{'+'.join(sorted(group))}".encode()).hexdigest()


def contiguous_parts(pieces: list[Document], settings: Split, shares: Mapping[str, float]) -> Parts:
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
    if leaves_out(settings, shares):
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
    for number, part in enumerate(order[:-1]):
        end = exact_ends[number]
        if not settings.exact:
            size_of_next = exact_ends[number + 1] - end
            reach = min(BOUNDARY_REACH, size_of_next // 4)
            end = find_cut(text, end, end + reach) or end
        stretches.append(Stretch(part, start, end))
        start = end
    stretches.append(Stretch(order[-1], start, len(text)))
    return stretches


def leaves_out(settings: Split, shares: Mapping[str, float]) -> bool:
    """Whether text is left out between training and test text, as there is no validation text to
    lie there. Cuts at the exact character are those of others, who left nothing out."""
    return "test" in shares and "validation" not in shares and not settings.exact


def _cut_stretches(text: str, stretches: Sequence[Stretch], size: float) -> list[Stretch]:
    """Stretches of about this size, in place of longer ones."""
    pieces = list[Stretch]()
    for stretch in stretches:
        count = max(1, round((stretch.end - stretch.start) / size))
        start = stretch.start
        for piece in cut_text(text[stretch.start : stretch.end], count):
            end = start + len(piece)
            pieces.append(Stretch(stretch.part, start, end))
            start = end
    return pieces


def _add_stretches(parts: Parts, document: Document, stretches: Sequence[Stretch]) -> None:
    """Add stretches of a document, none of which is empty, to the parts that they are for, each as
    a document with its number. What is left out has a number, too."""
    text = document.text
    pieces = numbered(document.name, [text[start:end] for _, start, end in stretches])
    for stretch, piece in zip(stretches, pieces, strict=True):
        if stretch.part != LEFT_OUT:
            parts[stretch.part].append(piece)


def in_blocks(documents: list[Document], shares: Mapping[str, float]) -> Parts:
    """Equal rounds of blocks, through the text of all documents:

        documents  | first       | second                      | third         | …
        blocks     | train    |v|test|v| train    |v|test|v| train    |v|test|v| …
                   |<---- a round ---->|

    v is validation text, or text that is left out where no validation text is drawn. So no test
    text has a neighbour that is trained on, and it comes from all over the corpus. Documents are
    cut near the ends of blocks.
    """
    total = count_characters(documents)
    full_test_blocks = int(shares.get("test", 0) * total / BLOCK_CHARACTERS)
    rounds = max(MIN_TEST_BLOCKS, min(MAX_TEST_BLOCKS, full_test_blocks))
    blocks_in_round = _blocks_in_round(shares)
    blocks = _block_stretches(blocks_in_round, rounds, total)
    smallest_held_out = min(share for part, share in blocks_in_round if part != "train")
    reach = int(total / rounds * smallest_held_out / 4)  # a quarter of such a block
    parts: Parts = {part: [] for part in ("train", *shares)}
    start = 0
    for document in documents:
        end = start + len(document.text)
        # also a block that ends where the document starts: its end may move into the document
        touching = [
            block.moved(-start) for block in blocks if block.end >= start and block.start < end
        ]
        stretches = _cut_at_blocks(document.text, touching, reach)
        with_text = [s for s in stretches if not is_blank(document.text[s.start : s.end])]
        _add_stretches(parts, document, with_text)
        start = end
    return parts


def _blocks_in_round(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """The part of each block of a round in their order, with its share of the round."""
    if "test" not in shares:
        # two halves, as on both sides of a test block
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
    blocks[-1] = blocks[-1]._replace(end=total)  # rounding may have ended it before
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


def nested_subset(documents: list[Document], size: int, seed: int) -> list[Document]:
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


def random_subset(texts: Sequence[list[Document]], size: int, seed: int) -> list[Document]:
    """So many characters of the last of several texts, at random. Each text in turn takes what none
    before it has taken; only where too little of that is left, two share some."""
    used = Counter[str]()  # of each piece, by its name: characters that texts have taken
    passages_of_last = list[Passage]()
    for documents in texts:
        pieces = _shuffled_pieces(documents, size, seed)
        passages_of_last = _choose_passages(pieces, size, used)
        for passage in passages_of_last:
            used[passage.piece.name] += passage.end - passage.start
    return [passage.as_document() for passage in passages_of_last]


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
