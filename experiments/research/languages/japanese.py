"""The Japanese text of the languages' table: prose of Debian's reference manual, a file a section.

    apt-get download debian-reference-ja && dpkg -x debian-reference-ja_*.deb manual
    python experiments/research/languages/japanese.py manual japanese

Paragraphs in which less than half of the characters are kana or kanji (commands, lists of packages)
are left out, and sections with less than 300 characters.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

JAPANESE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
SHORTEST = 300


class Sections(HTMLParser):
    """Collects ``sections``: lists of the paragraphs under each heading of the second level."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[list[str]] = [[]]
        self._open = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "h2":
            self.sections.append([])
        elif tag == "p":
            self.sections[-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._open = False

    def handle_data(self, data: str) -> None:
        if self._open:
            self.sections[-1][-1] += data


def main(manual: str, target: str) -> None:
    folder, total = Path(target), 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(manual).rglob("ch*.ja.html")):
        parser = Sections()
        parser.feed(path.read_text(encoding="utf-8"))
        for number, paragraphs in enumerate(parser.sections):
            joined = [" ".join(paragraph.split()) for paragraph in paragraphs]
            kept = [p for p in joined if 2 * len(JAPANESE.findall(p)) > len(p)]
            text = "\n".join(kept) + "\n"
            if len(text) >= SHORTEST:
                name = f"{path.name.partition('.')[0]}_{number:02}.txt"
                (folder / name).write_text(text, encoding="utf-8")
                total += len(text)
    print(f"{total:,} characters in {len(list(folder.glob('*.txt')))} files")


if __name__ == "__main__":
    main(*sys.argv[1:])
