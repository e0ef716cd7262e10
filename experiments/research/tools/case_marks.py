"""Writes the texts of a folder in lower case, with marks from which their capitals come back.

    python experiments/research/tools/case_marks.py austen austen_marked

``⇧`` stands before a capital letter, ``⇪`` before a word in capitals; both before the space that
precedes it, so that a word begins with its space as it does elsewhere. Says how many characters
the texts have, plain and marked: bits of marked texts are divided by the plain ones.
"""

import re
import sys
from pathlib import Path

LETTER, WORD = "⇧", "⇪"
CAPITALS = re.compile(r"( ?)([^\W\d_]+)")
MARKED = re.compile(f"({LETTER}|{WORD})( ?)([^\\W\\d_]+)")


def mark(text: str) -> str:
    """The text in lower case, with marks."""
    return CAPITALS.sub(_mark_word, text)


def unmark(text: str) -> str:
    """The text that ``mark`` was given."""
    return MARKED.sub(_unmark_word, text)


def _mark_word(match: re.Match[str]) -> str:
    space, word = match.groups()
    if len(word) > 1 and word == word.upper() and word.lower().upper() == word:
        return WORD + space + word.lower()
    letters = [_mark_letter(letter) for letter in word]
    if letters[0] != word[0]:
        letters[0] = LETTER + space + word[0].lower()
        space = ""
    return space + "".join(letters)


def _mark_letter(letter: str) -> str:
    comes_back = letter != letter.lower() and letter.lower().upper() == letter
    return LETTER + letter.lower() if comes_back else letter


def _unmark_word(match: re.Match[str]) -> str:
    kind, space, word = match.groups()
    if kind == WORD:
        return space + word.upper()
    return space + word[0].upper() + word[1:]


def main(folder: str, marked_folder: str) -> None:
    """Write the marked texts."""
    Path(marked_folder).mkdir(exist_ok=True)
    plain_characters = 0
    marked_characters = 0
    for path in sorted(Path(folder).glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        marked = mark(text)
        assert unmark(marked) == text, path
        (Path(marked_folder) / path.name).write_text(marked, encoding="utf-8")
        plain_characters += len(text)
        marked_characters += len(marked)
    print(f"{plain_characters:,} characters, {marked_characters:,} with marks")


if __name__ == "__main__":
    main(*sys.argv[1:])
