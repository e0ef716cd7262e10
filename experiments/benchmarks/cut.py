"""One file of a benchmark cut into train.txt, valid.txt and test.txt: 90, 5 and 5 % of its bytes.

    python experiments/benchmarks/cut.py text8.zip text8

That is the customary split of text8 and enwik8, 90, 5 and 5 million bytes. A cut that falls into a
character of UTF-8 is moved before it, by three bytes at most.
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

PARTS = {"train": 0.9, "valid": 0.95, "test": 1.0}
"""Where each part ends, as a share of all bytes."""


def read(path: Path) -> bytes:
    """A file, or the only one in a zip archive."""
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        return archive.read(name)


def character_start(data: bytes, place: int) -> int:
    """The beginning of the character at ``place``, or ``place`` at the end."""
    while place < len(data) and data[place] & 0xC0 == 0x80:
        place -= 1
    return place


def cut(data: bytes) -> dict[str, bytes]:
    """The parts; joined together they are the data."""
    found, start = {}, 0
    for part, share in PARTS.items():
        end = character_start(data, round(share * len(data)))
        found[part], start = data[start:end], end
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for part, data in cut(read(given.file)).items():
        (given.folder / f"{part}.txt").write_bytes(data)
        print(f"{given.folder / part}.txt: {len(data):,} bytes")


if __name__ == "__main__":
    main()
