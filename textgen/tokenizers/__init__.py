"""PLUG-IN: text ↔ symbols."""

TABLE = {
    "characters": "textgen.tokenizers.characters:Characters",
}
