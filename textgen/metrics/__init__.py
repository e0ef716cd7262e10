"""PLUG-IN: what generated text looks like next to human text."""

TABLE = {
    "letters": "textgen.metrics.letters:Letters",
    "word_lengths": "textgen.metrics.word_lengths:WordLengths",
    "known_words": "textgen.metrics.known_words:KnownWords",
    "article": "textgen.metrics.article:Article",
    "sentences": "textgen.metrics.sentences:Sentences",
    "zipf": "textgen.metrics.zipf:Zipf",
    "heaps": "textgen.metrics.heaps:Heaps",
    "distinct": "textgen.metrics.distinct:Distinct",
    "self_bleu": "textgen.metrics.self_bleu:SelfBleu",
    "loops": "textgen.metrics.loops:Loops",
    "copying": "textgen.metrics.copying:Copying",
    "novelty": "textgen.metrics.novelty:Novelty",
    "refilled": "textgen.metrics.refilled:Refilled",
}
