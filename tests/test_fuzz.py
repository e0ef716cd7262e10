"""Any bytes, for some seconds, or as many as are asked for: the targets of tests/fuzz."""

import os
import re
from unittest.mock import Mock

import pytest
from fuzz.targets import CASES, ODD, TARGETS, words_of
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError

pytestmark = pytest.mark.fast

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))  # each time others


@st.composite
def near(draw, seeds: list[bytes]) -> bytes:
    """An input with other bytes in the place of some words or stretches."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        words = [word.span() for word in re.finditer(rb"[\w.-]+", data)]
        start = draw(st.integers(0, len(data)))
        places = [(start, start + draw(st.integers(0, 9)))]
        start, end = draw(st.sampled_from(words and draw(st.sampled_from([words, places]))))
        piece = draw(st.sampled_from([*ODD, *words_of(seeds)]) | st.binary(max_size=6))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_accepted_or_refused_with_one_message(name):
    target = TARGETS[name]

    @settings(
        max_examples=EXAMPLES or target.examples, derandomize=not EXAMPLES, database=None,
        deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(near(target.seeds) | near(target.seeds) | near(target.seeds) | st.binary(max_size=200))
    def check(data):
        target.check(data)

    check()


@pytest.mark.parametrize("path", sorted(CASES.glob("*/*")), ids=lambda path: path.name)
def test_what_failed_once_does_not_again(path):
    TARGETS[path.parent.name].check(path.read_bytes())


def test_seeds_are_accepted(monkeypatch):
    """A fuzzer that starts from what is refused finds little."""
    monkeypatch.setattr(TextgenError, "__init__", Mock(side_effect=AssertionError))
    for target in TARGETS.values():
        for seed in target.seeds:
            target.check(seed)
