"""PLUG-IN: models without a network, whose bits per character a network has to beat."""

TABLE = {
    "command": "textgen.evaluation.baselines.compressors:Command",
    "kneser_ney": "textgen.evaluation.baselines.ngrams:KneserNey",
    "ppmd": "textgen.evaluation.baselines.compressors:PPMd",
    "unigram": "textgen.evaluation.baselines.ngrams:Unigram",
    "xz": "textgen.evaluation.baselines.compressors:XZ",
}
