from .comparison import PRECISIONS as PRECISIONS
from .comparison import compare_runs as compare_runs
from .result import Comparison as Comparison
