"""The 67 tales of the article, downloaded once and checked against a sha256 each."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from textgen.core.errors import CorpusUnavailable, TextgenError, visible
from textgen.core.files import cache_folder
from textgen.data.corpora.base import CorpusConfig, check_sha256, source
from textgen.data.documents import Document
from textgen.data.reading import read_text


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
        if not (folder / name).exists():
            found = f"{folder / name}: no such file among the {len(files)} tales of TEXTGEN_DATA"
            raise TextgenError(found, hint="correct TEXTGEN_DATA, or unset it to download them")
        own = 'use an unchanged copy, or read your own texts with kind = "folder"'
        check_sha256(folder / name, expected, own)


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
    for name in files:
        try:
            fetcher.fetch(name, downloader=pooch.HTTPDownloader(timeout=20))
        except (requests.RequestException, OSError) as error:
            raise CorpusUnavailable(
                address + name,
                found=f"the download failed: {type(error).__name__}",
                hint="connect to the internet, set TEXTGEN_MIRROR or TEXTGEN_DATA (README), "
                'or use [corpus] kind = "wikipedia", which needs no download',
            ) from None
        except ValueError:
            found = f"{address + name}: another file than the published tale (sha256)"
            raise TextgenError(found, hint="use another mirror") from None
    return folder
