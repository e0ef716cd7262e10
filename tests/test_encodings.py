"""Files that are not UTF-8: what they are read as is told by their language, for a whole folder."""

import random
from functools import cache

import pytest
import wordfreq

from textgen.core.errors import TextgenError
from textgen.data.corpora import File, Folder
from textgen.data.documents import read_text
from textgen.runs.console import read_passage

pytestmark = pytest.mark.fast

# Language → the code page that its texts usually are in.
PAGES = {
    **dict.fromkeys(("es", "pt", "fr", "de", "sv"), "cp1252"),
    **dict.fromkeys(("pl", "cs"), "cp1250"),
    "el": "cp1253",
    "ru": "cp1251",
}
FILES = 4
# Of 54; the rest may be words that are in no language alone.
FEWEST_RIGHT = 51
CHINESE = "我們今天去學校上課，老師說明天會下雨。\n他們在公園裡散步，看見許多漂亮的花。\n"
ENGLISH = "A long preface in plain English letters, and then more of the same.\n"


@cache
def frequencies_of(language):
    """Of the words of a language that its code page can write."""
    page = PAGES[language]
    return {
        word: frequency
        for word, frequency in wordfreq.get_frequency_dict(language, "small").items()
        if word.encode(page, "ignore").decode(page) == word
    }


def lines_of(language, words, seed):
    """A text of words as often as wordfreq has them, in lines of ten."""
    frequencies = frequencies_of(language)
    drawn = random.Random(seed).choices([*frequencies], [*frequencies.values()], k=words)
    return "".join(" ".join(drawn[i : i + 10]) + "\n" for i in range(0, words, 10))


def write_texts(folder, texts, encoding):
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (folder / f"{encoding}-{number}.txt").write_bytes(text.encode(encoding))


def texts_in(folder):
    return [document.text for document in Folder(folder).documents()]


def test_a_folder_is_read_in_the_usual_code_page_of_its_language(tmp_path, capsys):
    wrong = []
    for words in (500, 5_000):
        for language, page in PAGES.items():
            for seed in range(3):
                folder = tmp_path / f"{language}-{words}-{seed}"
                texts = [lines_of(language, words, f"{seed} {n}") for n in range(FILES)]
                write_texts(folder, texts, page)
                if texts_in(folder) != texts:
                    wrong.append(folder.name)
    assert len(wrong) <= 54 - FEWEST_RIGHT, wrong
    notes = capsys.readouterr().err.splitlines()
    assert len(notes) == 54
    assert all("corpus.encoding" in note for note in notes)
    assert all(PAGES[language] in "".join(notes) for language in PAGES)


@pytest.mark.parametrize(("most", "one"), [("ru", "el"), ("fr", "pl"), ("ru", "de")])
def test_a_file_that_is_clearly_in_another_encoding_does_not_follow_its_folder(tmp_path, most, one):
    texts = [lines_of(most, 300, n) for n in range(3)]
    other = lines_of(one, 300, 1)
    write_texts(tmp_path, texts, PAGES[most])
    (tmp_path / "other.txt").write_bytes(other.encode(PAGES[one]))
    assert texts_in(tmp_path) == [*texts, other]


def test_of_english_with_typographic_marks_alone_these_are_read(tmp_path):
    text = "“It’s late,” she said – and left…\n" + ENGLISH * 30
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    assert read_text(tmp_path / "a.txt") == text


def test_one_file_in_another_encoding_is_to_be_converted_and_shown_once(tmp_path, capsys):
    write_texts(tmp_path, [ENGLISH * 5 + f"Café number {n}.\n" for n in range(59)], "utf-8")
    (tmp_path / "a.txt").write_bytes((CHINESE * 20).encode("big5"))
    for _ in range(3):
        assert texts_in(tmp_path)[0] == CHINESE * 20
    (note,) = capsys.readouterr().err.splitlines()
    assert "a.txt is read as big5" in note
    assert "convert this file to UTF-8" in note
    assert "corpus.encoding" in note
    assert CHINESE.splitlines()[0] in note


def test_a_garbled_line_shows_that_a_guess_is_wrong(tmp_path, capsys):
    (tmp_path / "a.txt").write_bytes(b"They sat down in the caf\x8e of the old town.\n" * 40)
    assert "caf\x8e" not in texts_in(tmp_path)[0]
    (note,) = capsys.readouterr().err.splitlines()
    assert texts_in(tmp_path)[0].splitlines()[0][10:40] in note


def test_a_pdf_file_is_no_text_whatever_its_name(tmp_path):
    header = "%PDF-1.7\n%âãÏÓ\n1 0 obj <</Type /Catalog>> endobj\n"
    (tmp_path / "a.txt").write_bytes(header.encode("latin-1") + random.Random(1).randbytes(2_000))
    for corpus in (Folder(tmp_path), File(tmp_path / "a.txt")):
        with pytest.raises(TextgenError, match=r"(?s)a\.txt: a PDF file.*pdftotext a\.txt"):
            corpus.documents()


def test_a_passage_that_is_not_utf8_is_to_be_saved_so(tmp_path, capsys):
    """What is scored has no settings of a corpus."""
    file = tmp_path / "a.txt"
    file.write_bytes(lines_of("de", 300, 1).encode("cp1252"))
    assert read_passage(None, file) == lines_of("de", 300, 1)
    file.write_bytes("hello".encode("utf-16-be"))
    with pytest.raises(TextgenError) as refused:
        read_passage(None, file)
    for told in (capsys.readouterr().err, str(refused.value)):
        assert "save it as UTF-8" in told
        assert "encoding" not in told
