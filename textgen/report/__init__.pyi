from .comparison import WORDS as WORDS
from .comparison import compare as compare
