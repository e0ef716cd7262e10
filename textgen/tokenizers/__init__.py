"""PLUG-IN: text ↔ symbols."""

TABLE = {
    "characters": "textgen.tokenizers.characters:Characters",
    "subwords": "textgen.tokenizers.subwords:Subwords",
    "words": "textgen.tokenizers.words:Words",
}
