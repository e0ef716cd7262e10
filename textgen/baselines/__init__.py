"""PLUG-IN: the numbers to beat."""

TABLE = {
    "kneser_ney": "textgen.baselines.kneser_ney:KneserNey",
    "ppmd": "textgen.baselines.compressors:PPMd",
    "unigram": "textgen.baselines.unigram:Unigram",
    "xz": "textgen.baselines.compressors:XZ",
}
