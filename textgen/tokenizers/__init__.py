"""PLUG-IN: text to piece ids and back."""

from textgen.tokenizers.words.rare_words.classes import ClassPolicy as ClassPolicy
from textgen.tokenizers.words.segmenters import Segmenter as Segmenter

TABLE = {
    "characters": "textgen.tokenizers.characters:Characters",
    "subwords": "textgen.tokenizers.subwords:Subwords",
    "whitespace": "textgen.tokenizers.whitespace:Whitespace",
    "words": "textgen.tokenizers.words.tokenizer:Words",
}
