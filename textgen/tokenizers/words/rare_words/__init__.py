"""PLUG-IN: what stands in for a rare word; by class, see ``ClassPolicy`` in ``classes.py``."""

TABLE = {
    "unk": "textgen.tokenizers.words.rare_words.classes:Unk",
    "pos": "textgen.tokenizers.words.rare_words.classes:Pos",
    "cluster": "textgen.tokenizers.words.rare_words.classes:Cluster",
    "neighbour": "textgen.tokenizers.words.rare_words.classless:Neighbour",
    "drop": "textgen.tokenizers.words.rare_words.classless:Drop",
    "spell": "textgen.tokenizers.words.rare_words.classless:Spell",
}
