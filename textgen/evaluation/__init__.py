"""Bits per character: likelihood, memory of the document, baselines, metrics, significance."""

from textgen.evaluation.metrics import Label as Label
from textgen.evaluation.metrics import ratio as ratio
from textgen.evaluation.metrics import table as table
