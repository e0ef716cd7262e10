from .auditing import audit_model as audit_model
from .core import Experiment as Experiment
from .core import load_experiment as load_experiment
from .data import Corpus as Corpus
from .data import corpus_statistics as corpus_statistics
from .report import Comparison as Comparison
from .report import compare_runs as compare_runs
from .runs import Run as Run
from .runs import generate_text as generate_text
from .runs import load_run as load_run
from .runs import score_text as score_text
from .runs import train as train
from .studies import run_study as run_study
from .tokenizers import Tokenizer as Tokenizer

__version__: str
