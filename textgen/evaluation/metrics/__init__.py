"""PLUG-IN: how generated text compares with human text."""

TABLE = {
    "letters": "textgen.evaluation.metrics.letters:Letters",
    "word_lengths": "textgen.evaluation.metrics.lengths:WordLengths",
    "real_words": "textgen.evaluation.metrics.vocabulary:RealWords",
    "known_words": "textgen.evaluation.metrics.vocabulary:KnownWords",
    "article": "textgen.evaluation.metrics.article:Article",
    "capitals": "textgen.evaluation.metrics.article:Capitals",
    "sentences": "textgen.evaluation.metrics.lengths:Sentences",
    "zipf": "textgen.evaluation.metrics.vocabulary:Zipf",
    "heaps": "textgen.evaluation.metrics.vocabulary:Heaps",
    "distinct": "textgen.evaluation.metrics.repetition:Distinct",
    "self_bleu": "textgen.evaluation.metrics.repetition:SelfBleu",
    "loops": "textgen.evaluation.metrics.repetition:Loops",
    "copying": "textgen.evaluation.metrics.copying:Copying",
    "novelty": "textgen.evaluation.metrics.copying:Novelty",
    "refilled": "textgen.evaluation.metrics.copying:Refilled",
}
