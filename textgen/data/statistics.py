"""Statistics of a corpus."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from textgen.core.experiment import Experiment, resolve_text
from textgen.data.language import WORD
from textgen.data.loading import corpus_warnings, load_corpus

MINIMUM_COUNTS = (1, 2, 3, 5, 10)


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
