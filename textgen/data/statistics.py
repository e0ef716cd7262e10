"""Statistics of a corpus."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from textgen.core.experiment import Experiment, resolve_text
from textgen.data.corpora import Folder
from textgen.data.language import WORD
from textgen.data.loading import corpus_warnings, load_corpus

MINIMUM_COUNTS = (1, 2, 3, 5, 10)


def corpus_statistics(settings: Mapping[str, Any] | Experiment) -> dict[str, Any]:
    """Sizes, characters, words and hapaxes of a corpus, the share of held-out words outside the
    vocabulary for several minimum counts, the names of the documents of each part, how each begins
    and ends, what is not read and why, and warnings.

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
        words_of_part = train if part == "train" else held_out
        for document in documents:
            text = document.text
            read.append({"name": document.name, "characters": len(text), **_ends(text)})
            characters.update(text)
            words_of_part.update(WORD.findall(text))
    words = train + held_out
    outside = dict[str, float]()
    for least in MINIMUM_COUNTS:
        unknown = sum(count for word, count in held_out.items() if train[word] < least)
        outside[str(least)] = unknown / max(1, held_out.total())
    not_read = dict.fromkeys(corpus.blank, "empty")
    if isinstance(experiment.corpus, Folder):
        not_read |= experiment.corpus.not_read()
    return {
        **corpus.description,
        "documents": sum(map(len, corpus.parts.values())),
        "characters": characters.total(),
        "distinct_characters": len(characters),
        "alphabet": "".join(sorted(characters)),
        "words": words.total(),
        "distinct_words": len(words),
        "words_that_occur_once": sum(count == 1 for count in words.values()),
        "outside_vocabulary": outside,
        "names": corpus.names,
        "not_read": not_read,
        "read": sorted(read, key=lambda document: document["name"]),
        "warnings": corpus_warnings(experiment, corpus),
    }


def _ends(text: str) -> dict[str, str]:
    """The first and the last line that is not blank."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return {"first": "", "last": ""}
    return {"first": lines[0], "last": lines[-1]}
