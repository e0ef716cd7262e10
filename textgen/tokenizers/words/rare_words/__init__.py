"""PLUG-IN: what stands in for a rare word; by class, see ``ClassPolicy`` in ``classes.py``."""

TABLE = {
    "unk": "textgen.tokenizers.words.rare_words.unk:Unk",
    "pos": "textgen.tokenizers.words.rare_words.pos:Pos",
    "cluster": "textgen.tokenizers.words.rare_words.cluster:Cluster",
    "neighbour": "textgen.tokenizers.words.rare_words.neighbour:Neighbour",
    "drop": "textgen.tokenizers.words.rare_words.drop:Drop",
    "spell": "textgen.tokenizers.words.rare_words.spell:Spell",
}
