from .core import load_experiment as load_experiment
from .data import corpus_statistics as corpus_statistics
from .report import compare as compare
from .runs import generate as generate
from .runs import load_run as load_run
from .runs import run as run
from .runs import score as score
from .studies import study as study

__version__: str
