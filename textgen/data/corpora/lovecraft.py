"""The 67 tales of the article, downloaded once and checked against a sha256 each."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from textgen.core import CorpusUnavailable, TextgenError, cache_folder, visible
from textgen.data.corpora.base import CorpusConfig, source
from textgen.data.decoding import read_text
from textgen.data.documents import Document


@dataclass(frozen=True)
class Lovecraft(CorpusConfig):
    """Tales by H. P. Lovecraft, one document each.

    Args:
        mirror: base address of another copy to download; the environment variable
            ``TEXTGEN_MIRROR`` has the same effect. If ``TEXTGEN_DATA`` names a folder, nothing is
            downloaded and ``$TEXTGEN_DATA/lovecraft/*.txt`` is read.
    """

    mirror: str | None = None

    @property
    def origin(self) -> str:
        return source("lovecraft")["origin"]

    @property
    def licence(self) -> str:
        return source("lovecraft")["licence"]

    def documents(self) -> list[Document]:
        files: dict[str, str] = source("lovecraft")["files"]
        local = os.environ.get("TEXTGEN_DATA")
        if local:
            folder = Path(local) / "lovecraft"
            _verify(folder, files)
        else:
            folder = _download(self.mirror or os.environ.get("TEXTGEN_MIRROR"), files)
        return [Document(name.removesuffix(".txt"), read_text(folder / name)) for name in files]


def _verify(folder: Path, files: dict[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.exists():
            raise TextgenError(
                str(path),
                found="no such file",
                expected=f"the {len(files)} tales listed in data/SOURCES.toml",
                hint="correct TEXTGEN_DATA, or unset it to download them",
            )
        if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise TextgenError(
                str(path),
                found="other bytes than the published tale (sha256 differs)",
                expected=f"sha256 {expected}",
                hint='use an unchanged copy, or read your own texts with kind = "folder"',
            )


def _download(mirror: str | None, files: dict[str, str]) -> Path:
    import logging

    import pooch
    import requests

    folder = cache_folder() / "lovecraft"
    address = (mirror or source("lovecraft")["url"]).rstrip("/") + "/"
    pooch.get_logger().setLevel(logging.ERROR)
    fetcher = pooch.create(path=folder, base_url=address, registry=dict(files), retry_if_failed=1)
    missing = [name for name in files if not (folder / name).exists()]
    if missing:
        print(f"downloading {len(missing)} tales from {visible(address)}", file=sys.stderr)
    for name, digest in files.items():
        try:
            fetcher.fetch(name, downloader=pooch.HTTPDownloader(timeout=20))
        except (requests.RequestException, OSError) as error:
            raise CorpusUnavailable(
                address + name,
                found=f"the download failed: {type(error).__name__}",
                expected="a reachable copy of the tales",
                hint="connect to the internet, set TEXTGEN_MIRROR or TEXTGEN_DATA (README), "
                'or use [corpus] kind = "wikipedia", which needs no download',
            ) from None
        except ValueError:
            raise TextgenError(
                address + name,
                found="other bytes than the published tale (sha256 differs)",
                expected=f"sha256 {digest}",
                hint="use another mirror",
            ) from None
    return folder
