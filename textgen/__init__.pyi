from .auditing import audit as audit
from .core import Experiment as Experiment
from .core import load_experiment as load_experiment
from .data import Corpus as Corpus
from .data import corpus_statistics as corpus_statistics
from .report import Comparison as Comparison
from .report import compare as compare
from .runs import Run as Run
from .runs import generate as generate
from .runs import load_run as load_run
from .runs import run as run
from .runs import score as score
from .studies import study as study
from .tokenizers import Tokenizer as Tokenizer

__version__: str
