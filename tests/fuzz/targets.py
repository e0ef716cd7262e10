"""What is fuzzed: targets take any bytes and may do nothing but succeed or raise TextgenError.

The same targets are driven by hypothesis, for some seconds (tests/test_fuzz.py), and by atheris,
guided by coverage, for as long as is wanted (tests/fuzz/run.py). Bytes that have failed once are
kept in tests/fuzz/cases/TARGET/ and are run by the suite.
"""

from __future__ import annotations

from pathlib import Path

from fuzz.common import Target
from fuzz.readers import (
    SPLITS,
    split,
    text,
    text_seeds,
    vector_seeds,
    vectors,
)
from fuzz.report_page import PAGES, page
from fuzz.run_folder import run, run_seeds
from fuzz.settings import STUDY, experiment, experiment_seeds, study
from fuzz.tokenizing import tokenizer, tokenizer_seeds

CASES = Path(__file__).parent / "cases"
TARGETS = {
    "experiment": Target(experiment, experiment_seeds, 150),
    "study": Target(study, lambda: [STUDY], 60),
    "tokenizer": Target(tokenizer, tokenizer_seeds, 250),
    "text": Target(text, text_seeds, 120),
    "split": Target(split, lambda: SPLITS, 150),
    "vectors": Target(vectors, vector_seeds, 100),
    "run": Target(run, run_seeds, 250),
    "page": Target(page, lambda: PAGES, 3),
}
