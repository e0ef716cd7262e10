from .comparison import PRECISIONS as PRECISIONS
from .comparison import Comparison as Comparison
from .comparison import compare_runs as compare_runs
