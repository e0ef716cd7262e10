"""Bytes → text: which encoding is a file in that is not UTF-8 and says nothing of it?

charset-normalizer names the encodings that are possible at all, and most of these read the same
text. Which of them it is, the language tells: every word that is not ASCII is read in each, and
py3langid says how likely it is a word of the language that the passages around it are in. The files
of a folder are asked together and are read as the same, but for one that cannot be read so, or is
far more likely another.

Does not handle: files in several encodings; EBCDIC.
"""

import codecs
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from charset_normalizer import from_bytes

from textgen.core.files import PathKind, kind_of
from textgen.core.terminal import visible
from textgen.data.formats import is_formatted
from textgen.data.language import chance_of, likeliest_language

# Those of UTF-32 come first: one of UTF-16 begins them.
BYTE_ORDER_MARKS = {
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
# Encodings of two or four bytes a character, tried in this order where there is no such mark.
UNMARKED = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
# Bytes of the passage that is looked at for a guess.
PASSAGE_BYTES = 4_000
# Words that are not ASCII that are looked at, at most.
MAX_WORDS = 200
# Bytes of such a word, at most.
WORD_BYTES = 300
# Files of a folder, at most, that are asked what all are in.
MAX_ASKED = 40
# Bytes of the passage of a file that may contradict its folder.
FILE_PASSAGE_BYTES = 1_000
# Words of a file that may contradict its folder, at most.
FILE_WORDS = 20
# Fewer words contradict nothing.
MIN_FILE_WORDS = 10
# Words that are looked at first.
FIRST_WORDS = 40
# An encoding whose mean chance of these is so much below the best is not looked at any more.
FAR = 0.15
# Mean chances of words that differ by no more are alike.
ALIKE = 0.01
# A file in which another encoding's is higher by more is clearly in another than its folder.
CLEARLY = 0.15
# The usual ones of the most text, tried in this order among those alike.
USUAL = tuple(f"cp{number}" for number in (1252, 1250, 1251, 1253, 1254, 1257, 1255, 1256, 1258))
# More bytes that continue a character of UTF-8, in front of the first byte that is not UTF-8, are
# there by no chance: the file is damaged UTF-8.
MAX_CONTINUATION_BYTES = 16
EXAMPLE_CHARACTERS = 60
# What to do where the guess for a file of a corpus is wrong.
STATE_ENCODING = "state corpus.encoding"


class _FileAsRead(NamedTuple):
    """A file whose encoding was guessed, and when it was last changed, in ns."""

    path: Path
    encoding: str
    changed: int


class _Announcement(NamedTuple):
    """What :func:`_announce` says, and of which state of the files."""

    files_as_read: tuple[_FileAsRead, ...]
    files: int
    cure: str


_announced = set[_Announcement]()  # in this process


def byte_order_mark(data: bytes) -> str | None:
    """The encoding that the first bytes of a file say."""
    for mark, name in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return name
    return None


def find_fault(data: bytes) -> int | None:
    """The first byte that is not UTF-8, or a NUL byte, half of a character of UTF-16."""
    nul = data.find(b"\0")
    if nul >= 0:
        return nul
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return None


@dataclass(frozen=True)
class Evidence:
    """What a guess looks at.

    Attributes:
        passage: some lines, the first of which is not ASCII.
        words: what stands between spaces and is not ASCII, each once.
    """

    passage: bytes
    words: tuple[bytes, ...]


def find_evidence(data: bytes, fault: int) -> Evidence:
    """What there is in a file whose first byte that is not UTF-8 is ``fault``."""
    start = max(_line_start(data, fault), fault - WORD_BYTES)
    words = dict[bytes, None]()
    for line in data[start:].splitlines():
        for word in line.split():
            if not word.isascii():
                words[word[:WORD_BYTES]] = None
        if len(words) >= MAX_WORDS:
            break
    return Evidence(data[start : start + PASSAGE_BYTES], tuple(words)[:MAX_WORDS])


def _line_start(data: bytes, place: int) -> int:
    """Where the line begins that a byte is in."""
    line_end = data.rfind(b"\n", 0, place)
    if line_end < 0:
        return 0
    return line_end + 1


def continuation_bytes(text: bytes) -> int:
    """How many bytes of text in UTF-8 continue a character: of ASCII none, of others one to three a
    character."""
    return len(text) - len(text.decode("utf-8"))


def _joined(evidence: Sequence[Evidence]) -> Evidence:
    """That of several files, about as much of each."""
    share = PASSAGE_BYTES // len(evidence)
    passage = b"\n".join(_whole_lines(each.passage, share) for each in evidence)
    words = dict[bytes, None]()
    for number in range(MAX_WORDS):  # the first word of each file, the second of each, …
        for each in evidence:
            if number < len(each.words):
                words[each.words[number]] = None
    return Evidence(passage, tuple(words)[:MAX_WORDS])


def _whole_lines(passage: bytes, most: int) -> bytes:
    """The first lines, or the beginning of a long first one."""
    if len(passage) <= most:
        return passage
    line_end = passage.rfind(b"\n", 0, most)
    if line_end < 0:
        return passage[:most]
    return passage[: line_end + 1]


def _rate(evidence: Evidence, encoding: str) -> float | None:
    """The mean chance that a word, read in an encoding, is one of the language that the passage
    then is in; None if they are no text in it."""
    passage = evidence.passage.decode(encoding, "ignore")
    new_decoder = codecs.getincrementaldecoder(encoding)  # passes over half a character at the end
    try:
        words = [new_decoder().decode(word) for word in evidence.words]
    except UnicodeDecodeError:
        return None
    language = likeliest_language(passage)
    return sum(chance_of(language, word) for word in words) / len(words)


def _rate_all(evidence: Evidence) -> dict[str, float]:
    """The possible encodings in the order in which they are preferred, each with its chance, but
    for those that a few of the words show to be far less likely."""
    possible = set[str]()
    for match in from_bytes(evidence.passage, enable_fallback=False):
        possible.update(match.could_be_from_charset)
    if possible:
        possible.add(USUAL[0])
    ordered = [name for name in USUAL if name in possible] + sorted(possible.difference(USUAL))
    by_first = _chances(Evidence(evidence.passage, evidence.words[:FIRST_WORDS]), ordered)
    best = max(by_first.values(), default=0.0)
    return _chances(evidence, [name for name in by_first if by_first[name] >= best - FAR])


def _chances(evidence: Evidence, encodings: Sequence[str]) -> dict[str, float]:
    rated = {name: _rate(evidence, name) for name in encodings}
    return {name: chance for name, chance in rated.items() if chance is not None}


def _choose(chances: Mapping[str, float]) -> str | None:
    """The first of the encodings that are about as likely as the likeliest."""
    best = max(chances.values(), default=0.0)
    return next((name for name, chance in chances.items() if chance >= best - ALIKE), None)


def _choose_for(path: Path, chances: Mapping[str, float]) -> str | None:
    """The one chosen among those that a whole file can be read in."""
    left = dict(chances)
    while name := _choose(left):
        if _can_read(path, name):
            return name
        del left[name]
    return None


def _can_read(path: Path, encoding: str) -> bool:
    try:
        path.read_bytes().decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _guess_for(path: Path, evidence: Evidence, of_folder: str) -> str | None:
    """The encoding of a file: its folder's, unless the file cannot be read so or contradicts it."""
    passage = _whole_lines(evidence.passage, FILE_PASSAGE_BYTES)
    sample = Evidence(passage, evidence.words[:FILE_WORDS])
    if not _can_read(path, of_folder):
        return _choose_for(path, _rate_all(sample))
    as_folder = _rate(sample, of_folder)
    if as_folder is None or len(sample.words) < MIN_FILE_WORDS:
        return of_folder
    chances = _rate_all(sample)
    if max(chances.values(), default=0.0) > as_folder + CLEARLY:
        return _choose_for(path, chances)
    return of_folder


def _guess_together(evidence: Mapping[Path, Evidence]) -> dict[Path, str]:
    """File → its encoding, if there is a guess."""
    step = math.ceil(len(evidence) / MAX_ASKED)
    chances = _rate_all(_joined([*evidence.values()][::step]))
    of_folder = _choose(chances)
    if of_folder is None:
        return {}
    guesses = dict[Path, str]()
    for path, found in evidence.items():
        if len(evidence) == 1:
            guess = _choose_for(path, chances)
        else:
            guess = _guess_for(path, found, of_folder)
        if guess is not None:
            guesses[path] = guess
    return guesses


def guess_unmarked(data: bytes) -> str | None:
    """Of text with NUL bytes, the encoding of two or four bytes a character in which most bytes
    that may be spaces and line ends are."""
    blank = (data.count(b" ") + data.count(b"\n")) / 2
    for encoding in UNMARKED:
        text = data.decode(encoding, "replace")
        if text.count(" ") + text.count("\n") > blank:
            return encoding
    return None


class Guesses:
    """The encodings of those of some files that are not UTF-8 and have no byte-order mark.

    All are guessed when the first is asked for, and one line on standard error then names them,
    once a process for the same files.

    Args:
        paths: of the files of a folder, or of one file.
        cure: what to do if a guess is wrong.
    """

    def __init__(self, paths: Collection[Path], cure: str = STATE_ENCODING) -> None:
        self._paths = [*paths]
        self._cure = cure

    def encoding_of(self, path: Path) -> str | None:
        """That of one of the files; None where there is no guess."""
        return self._encodings.get(path)

    @cached_property
    def _encodings(self) -> dict[Path, str]:
        evidence = dict[Path, Evidence]()
        guessed = dict[Path, str]()
        is_mixed = False  # whether others are, or say that they are, in UTF-8 or the like
        for path in self._paths:
            data = _bytes_of(path)
            fault = find_fault(data)
            if fault is None or byte_order_mark(data):
                is_mixed = is_mixed or not data.isascii()
            elif b"\0" in data:
                if encoding := guess_unmarked(data):
                    guessed[path] = encoding
            elif continuation_bytes(data[:fault]) <= MAX_CONTINUATION_BYTES:
                evidence[path] = find_evidence(data, fault)
        if evidence:
            guessed |= _guess_together(evidence)
        if guessed:
            is_mixed = is_mixed or len(set(guessed.values())) > 1
            cure = self._cure
            if is_mixed:
                which = "this file" if len(guessed) == 1 else "these files"
                cure = f"convert {which} to UTF-8 (corpus.encoding is for all files)"
            _announce_once(guessed, len(self._paths), cure)
        return guessed


def _bytes_of(path: Path) -> bytes:
    """The content of a file of plain text; none if that is not to be had, as its reader says."""
    if is_formatted(path) or kind_of(path) is not PathKind.FILE:
        return b""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _announce_once(guessed: Mapping[Path, str], files: int, cure: str) -> None:
    """As :func:`_announce`, once a process for the same files, until one of them is changed."""
    as_read = [
        _FileAsRead(path, encoding, path.stat().st_mtime_ns) for path, encoding in guessed.items()
    ]
    announcement = _Announcement(tuple(as_read), files, cure)
    if announcement not in _announced:
        _announced.add(announcement)
        _announce(guessed, files, cure)


def _announce(guessed: Mapping[Path, str], files: int, cure: str) -> None:
    """Say what files are read as, with a line of each encoding as evidence.

    Args:
        guessed: file → its encoding.
        files: how many were looked at.
        cure: what to do if a guess is wrong.
    """
    by_encoding = dict[str, list[Path]]()
    for path, encoding in guessed.items():
        by_encoding.setdefault(encoding, []).append(path)
    sentences = list[str]()
    for encoding, paths in by_encoding.items():
        which = f"{paths[0]} is"
        if len(paths) > 1:
            which = f"{paths[0]} and {len(paths) - 1:,} more of {files:,} files are"
        sentences.append(f"{which} read as {encoding}, a guess: “{_example(paths[0], encoding)}”")
    print(visible(f"note: {'; '.join(sentences)}; if it is wrong, {cure}"), file=sys.stderr)


def _example(path: Path, encoding: str) -> str:
    """The beginning of the first line that shows whether an encoding is right."""
    lines = path.read_bytes().decode(encoding, "replace").splitlines()
    line = next((line.strip() for line in lines if not line.isascii()), "")
    first = next((place for place, letter in enumerate(line) if not letter.isascii()), 0)
    start = max(0, first - EXAMPLE_CHARACTERS // 2)
    return line[start : start + EXAMPLE_CHARACTERS]
