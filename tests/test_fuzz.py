"""Any bytes, for some seconds: the targets of tests/fuzz, which is also run for hours."""

from __future__ import annotations

import pytest
from fuzz.common import ODD, changed, words_of
from fuzz.targets import CASES, TARGETS
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from textgen.core.errors import TextgenError

KEPT = [
    pytest.param(path.parent.name, path, id=f"{path.parent.name}-{path.name}")
    for path in sorted(CASES.glob("*/*"))
]


def near(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes of which some were changed."""
    piece = st.one_of(st.sampled_from([*ODD, *words_of(seeds)]), st.binary(max_size=6))
    change = st.tuples(st.integers(0, 1 << 16), st.booleans(), st.integers(0, 9), piece)
    return st.builds(changed, st.sampled_from(seeds), st.lists(change, max_size=4))


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_taken_or_refused_with_one_message(name):
    target = TARGETS[name]
    seeds = target.seeds()
    for seed in seeds:
        target.check(seed)
    every = st.one_of(near(seeds), near(seeds), near(seeds), st.binary(max_size=200))

    @settings(
        max_examples=target.examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(every)
    def check(data):
        target.check(data)

    check()


@pytest.mark.parametrize(("name", "path"), KEPT)
def test_what_failed_once_does_not_again(name, path):
    TARGETS[name].check(path.read_bytes())


def test_seeds_get_where_they_should(monkeypatch):
    """They are accepted as they are: a fuzzer that starts from what is refused finds little."""
    errors, init = [], TextgenError.__init__
    monkeypatch.setattr(TextgenError, "__init__", lambda *a, **k: errors.append(k) or init(*a, **k))
    for name in set(TARGETS) - {"page"}:
        for seed in TARGETS[name].seeds():
            TARGETS[name].check(seed)
    assert errors == []
