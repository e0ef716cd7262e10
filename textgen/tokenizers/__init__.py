"""PLUG-IN: text to piece ids and back."""

import lazy_loader

TABLE = {
    "characters": "textgen.tokenizers.characters:Characters",
    "subwords": "textgen.tokenizers.subwords:Subwords",
    "whitespace": "textgen.tokenizers.whitespace:Whitespace",
    "words": "textgen.tokenizers.words.tokenizer:Words",
}

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
