from .comparison import PRECISIONS as PRECISIONS
from .comparison import compare as compare
from .result import Comparison as Comparison
