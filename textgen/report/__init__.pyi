from .comparison import PRECISIONS as PRECISIONS
from .comparison import WORDS as WORDS
from .comparison import check_there as check_there
from .comparison import compare as compare
from .result import Comparison as Comparison
