"""Documents divided into training, validation and test part.

Lists and the customary names of files come first (:mod:`textgen.data.assigned`), or a fold of a
cross-validation is the test part. What they leave open is drawn from the training text
(:mod:`textgen.data.drawn`): by a hash of names, in contiguous shares of one text, or in blocks of
all documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from textgen.core.errors import TextgenError
from textgen.core.settings import Split
from textgen.data.assigned import customary_parts, listed_parts, name_some
from textgen.data.documents import Document, count_characters
from textgen.data.drawn import (
    Parts,
    by_hash,
    contiguous_parts,
    fold_documents,
    in_blocks,
    leaves_out,
    nested_subset,
    random_subset,
)

PARTS = ("train", "validation", "test")
# Of the training text that a fold leaves, the most that becomes validation text.
MAX_FOLD_SHARE = 0.5


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
    # One text that is cut where shares begin is cut with all of its pieces, blank ones, too.
    keeps_blank = contiguous and one_text
    documents = [d for d in documents if keeps_blank or not d.is_blank]
    if all(d.is_blank for d in documents):
        raise TextgenError("corpus: every document is empty or left out")
    assigned, how_assigned = assigned_parts(documents, settings)
    parts: Parts = {part: [] for part in PARTS}
    for document in documents:
        parts[assigned.get(document.name, "train")].append(document)
    shares = _drawn_shares(documents, parts, settings)
    method = _method(parts["train"], bool(assigned), settings)
    if not shares:
        how = how_assigned
        is_cut = False
    else:
        if method == "contiguous":
            _check_one_text(parts["train"], one_text)
        parts |= _draw(parts["train"], method, settings, shares)
        how = _how(how_assigned, method, settings, shares)
        is_cut = method in ("contiguous", "blocks")
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


def _draw(
    train: list[Document], method: str, settings: Split, shares: Mapping[str, float]
) -> Parts:
    """What is left of a training text, and the parts that are drawn from it."""
    if method == "hash":
        return by_hash(train, settings, shares)
    if method == "blocks":
        return in_blocks(train, shares)
    return contiguous_parts(train, settings, shares)


def _how(how_assigned: str, method: str, settings: Split, shares: Mapping[str, float]) -> str:
    """In words, how documents were divided, some of which were drawn; empty if all were drawn by a
    hash of their names, which is usual."""
    if method == "hash" and not how_assigned:
        return ""
    if method == "hash":
        how_drawn = "by a hash of the names"
    elif method == "blocks":
        how_drawn = _how_in_blocks(settings, shares)
    else:
        how_drawn = _how_contiguous(settings, shares)
    if not how_assigned:
        return how_drawn
    return f"{how_assigned}; {' and '.join(shares)} from the training text, {how_drawn}"


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
    elif leaves_out(settings, shares):
        how += ", with text left out between training and test text"
    return how


def _how_in_blocks(settings: Split, shares: Mapping[str, float]) -> str:
    how = "into blocks"
    if "test" in shares and "validation" in shares:
        how += ", with validation text between training and test text"
    elif leaves_out(settings, shares):
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
    groups_of = dict[str, list[int]]()  # name → numbers of its groups
    for number, group in enumerate(settings.groups):
        for name in group:
            groups_of.setdefault(name, []).append(number)
    found: list[Parts] = [{} for _ in settings.groups]  # of each group, its documents by part
    for part in PARTS:
        for document in parts[part]:
            cut_from, _, _ = document.name.rpartition("#")
            for number in {*groups_of.get(document.name, ()), *groups_of.get(cut_from, ())}:
                found[number].setdefault(part, []).append(document)
    for members in found:
        if len(members) > 1:
            divided = list[str]()
            for part, documents in members.items():
                divided.append(f"{name_some([d.name for d in documents])} in the {part} part")
            message = f"split.groups: one group is divided: {', '.join(divided)}"
            raise TextgenError(message, "keep its documents whole, in one part, or drop the group")


def shorten(division: Division, documents: list[Document], settings: Split) -> Division:
    """As much of the training text as ``train_characters`` says.

    Nested: whole documents in the order of a hash, which every fold has of its own, and the
    beginning of one. Random: see :func:`random_subset`; then validation text is at most a tenth of
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
    seed = settings.seed
    if settings.fold:
        seed += settings.fold
    return replace(division, train=nested_subset(train, size, seed))


def _shorten_at_random(division: Division, documents: list[Document], settings: Split) -> Division:
    train = division.train
    if settings.train_characters:
        texts = [*_training_texts_of_earlier_folds(documents, settings), train]
        train = random_subset(texts, settings.train_characters, settings.seed)
    validation = division.validation
    tenth = max(1, count_characters(train) // 10)
    if count_characters(validation) > tenth:
        validation = random_subset([validation], tenth, settings.seed)
    return replace(division, train=train, validation=validation)


def _training_texts_of_earlier_folds(
    documents: list[Document], settings: Split
) -> list[list[Document]]:
    if settings.fold is None:
        return []
    folds = range(1, settings.fold)
    return [divide(documents, replace(settings, fold=fold)).train for fold in folds]


def assigned_parts(documents: list[Document], settings: Split) -> tuple[dict[str, str], str]:
    """The part of every document for which the settings or the names of files say it, and how.

    Raises:
        TextgenError: as for :func:`listed_parts` and :func:`customary_parts`; too many folds.
    """
    names = [d.name for d in documents]
    if settings.lists:
        return listed_parts(names, settings), "as [split] names the documents"
    if settings.fold and settings.folds:
        test = fold_documents(documents, settings, settings.fold, settings.folds)
        how = f"by document into {settings.folds} folds; fold {settings.fold} is the test part"
        return {d.name: "test" for d in test}, how
    parts = customary_parts(names) if settings.method is None else {}
    how = "as the names of the files say" if parts else ""
    if parts and "test" not in parts.values():
        parts = {name: "test" if part == "validation" else part for name, part in parts.items()}
        how += ", with the held-out part as the test part"
    return parts, how
