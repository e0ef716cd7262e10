"""PLUG-IN: what stands in for a rare word; by class, see ``ClassPolicy`` in ``classes.py``."""

TABLE = {
    "unk": "textgen.tokenizers.words.rare_words.classes:Unk",
    "pos": "textgen.tokenizers.words.rare_words.classes:Pos",
    "cluster": "textgen.tokenizers.words.rare_words.vectors:Cluster",
    "neighbour": "textgen.tokenizers.words.rare_words.vectors:Neighbour",
    "drop": "textgen.tokenizers.words.rare_words.classes:Drop",
    "spell": "textgen.tokenizers.words.rare_words.classes:Spell",
}
