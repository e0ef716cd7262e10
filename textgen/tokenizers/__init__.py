"""PLUG-IN: text to piece ids and back."""

from textgen.tokenizers.rare_words import Classifier as Classifier
from textgen.tokenizers.rare_words import ClassPolicy as ClassPolicy
from textgen.tokenizers.rare_words import RareWords as RareWords
from textgen.tokenizers.segmentation import Segmenter as Segmenter

TABLE = {
    "characters": "textgen.tokenizers.characters:Characters",
    "rare_replaced": "textgen.tokenizers.rare_replaced:RareReplaced",
    "subwords": "textgen.tokenizers.subwords:Subwords",
    "whitespace": "textgen.tokenizers.whitespace:Whitespace",
    "words": "textgen.tokenizers.words:Words",
}
