"""Statistics of a corpus."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from textgen.core.errors import visible
from textgen.core.experiment import Experiment, resolve_text
from textgen.data.language import WORD, Language
from textgen.data.loading import corpus_warnings, load_corpus, split_lines

MINIMUM_COUNTS = (1, 2, 3, 5, 10)
MAX_SHOWN = 40  # characters of a line of a document
STATISTICS = """{kind}  {origin}
licence: {licence}
sha256 {sha256:.16}…  split {split_sha256:.16}…
{documents} documents, {characters:,} characters, {distinct_characters} distinct
{words:,} words, {distinct_words:,} distinct, {words_that_occur_once:,} of them occur once
train part: {train[documents]} documents, {train[characters]:,} characters
validation part: {validation[documents]} documents, {validation[characters]:,} characters
test part: {test[documents]} documents, {test[characters]:,} characters"""


def corpus_statistics(settings: Mapping[str, Any] | Experiment) -> dict[str, Any]:
    """Sizes, characters, words and hapaxes of a corpus, the share of held-out words outside the
    vocabulary for several minimum counts, the names of the documents of each part, how each begins
    and ends, and warnings.

    Args:
        settings: an experiment, or its tables that decide on the text: ``corpus``, ``split``,
            ``language``.
    """
    experiment = settings if isinstance(settings, Experiment) else resolve_text(settings)
    corpus = load_corpus(experiment)
    characters = Counter[str]()
    train = Counter[str]()
    held_out = Counter[str]()
    read = list[dict[str, Any]]()
    for part, documents in corpus.parts.items():
        for name, text in ((document.name, document.text) for document in documents):
            first, *_, last = [line for line in text.splitlines() if line.strip()] * 2 or ["", ""]
            read.append({"name": name, "characters": len(text), "first": first, "last": last})
            characters.update(text)
            (train if part == "train" else held_out).update(WORD.findall(text))
    words = train + held_out
    return {
        **corpus.description,
        "documents": sum(map(len, corpus.parts.values())),
        "characters": characters.total(),
        "distinct_characters": len(characters),
        "alphabet": "".join(sorted(characters)),
        "words": words.total(),
        "distinct_words": len(words),
        "words_that_occur_once": sum(count == 1 for count in words.values()),
        "outside_vocabulary": {
            str(least): sum(n for word, n in held_out.items() if train[word] < least)
            / max(1, held_out.total())
            for least in MINIMUM_COUNTS
        },
        "names": corpus.names,
        "read": sorted(read, key=lambda document: document["name"]),
        "warnings": corpus_warnings(experiment, corpus),
    }


def print_statistics(statistics: Mapping[str, Any], documents: bool = False) -> None:
    """The statistics on the terminal, how its ``documents`` begin and end, and the warnings."""
    outside = statistics["outside_vocabulary"].items()
    shares = ", ".join(f"{least}: {share:.1%}" for least, share in outside)
    lines = [
        *STATISTICS.format(**statistics).split("\n"),
        f"held-out words outside the vocabulary, by minimum count: {shares}",
        f"language: {Language(**statistics['language'])}",
        *split_lines(statistics["names"], statistics.get("division", "")),
    ]
    if documents:
        for document in statistics["read"]:
            ends = " … ".join(document[end][:MAX_SHOWN] for end in ("first", "last"))
            lines.append(f"  {document['name']}: {document['characters']:,} characters: {ends}")
    console = Console(highlight=False)
    for line in lines:
        console.print(Text(visible(line)))
    for warning in statistics["warnings"]:
        console.print(Text(visible(f"warning: {warning}"), style="bold yellow"))
