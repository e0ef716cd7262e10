"""PLUG-IN: the numbers to beat."""

TABLE = {
    "kneser_ney": "textgen.baselines.kneser_ney:KneserNey",
}
