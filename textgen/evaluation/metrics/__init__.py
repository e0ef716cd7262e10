"""PLUG-IN: how generated text compares with human text."""

TABLE = {
    "letters": "textgen.evaluation.metrics.letters:Letters",
    "word_lengths": "textgen.evaluation.metrics.lengths:WordLengths",
    "real_words": "textgen.evaluation.metrics.vocabulary:RealWords",
    "known_words": "textgen.evaluation.metrics.vocabulary:KnownWords",
    "article": "textgen.evaluation.metrics.article:Article",
    "capitals": "textgen.evaluation.metrics.article:Capitals",
    "distinct": "textgen.evaluation.metrics.repetition:Distinct",
    "loops": "textgen.evaluation.metrics.repetition:Loops",
    "copying": "textgen.evaluation.metrics.copying:Copying",
    "novelty": "textgen.evaluation.metrics.copying:Novelty",
    "refilled": "textgen.evaluation.metrics.copying:Refilled",
}
