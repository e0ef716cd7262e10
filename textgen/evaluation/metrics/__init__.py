"""PLUG-IN: what generated text looks like next to human text."""

TABLE = {
    "letters": "textgen.evaluation.metrics.letters:Letters",
    "word_lengths": "textgen.evaluation.metrics.word_lengths:WordLengths",
    "known_words": "textgen.evaluation.metrics.known_words:KnownWords",
    "article": "textgen.evaluation.metrics.article:Article",
    "sentences": "textgen.evaluation.metrics.sentences:Sentences",
    "zipf": "textgen.evaluation.metrics.zipf:Zipf",
    "heaps": "textgen.evaluation.metrics.heaps:Heaps",
    "distinct": "textgen.evaluation.metrics.distinct:Distinct",
    "self_bleu": "textgen.evaluation.metrics.self_bleu:SelfBleu",
    "loops": "textgen.evaluation.metrics.loops:Loops",
    "copying": "textgen.evaluation.metrics.copying:Copying",
    "novelty": "textgen.evaluation.metrics.novelty:Novelty",
    "refilled": "textgen.evaluation.metrics.refilled:Refilled",
}
