"""PLUG-IN: what stands in for a rare word."""

TABLE = {
    "unk": "textgen.rare_words.unk:Unk",
    "pos": "textgen.rare_words.pos:Pos",
    "cluster": "textgen.rare_words.cluster:Cluster",
    "neighbour": "textgen.rare_words.neighbour:Neighbour",
    "drop": "textgen.rare_words.drop:Drop",
    "spell": "textgen.rare_words.spell:Spell",
}
