from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.models.batches import NO_TARGET, Windows
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted

OBJECTIVES = [NextToken(4), Shifted(5, 5), Shifted(5, 2), EncoderDecoder(3, 4)]
DOCUMENTS = [np.arange(1, n + 1, dtype=np.uint8) for n in (1, 9, 30, 4, 17)]


def collect(batches, objective):
    """What each document's targets were, by (document, place), from scoring batches."""
    found = {}
    for spans, _, documents, starts in batches:
        for span, document, start in zip(spans, documents, starts, strict=True):
            for i, target in enumerate(span[objective.before :]):
                if document >= 0 and target != NO_TARGET:
                    assert (document, start + i) not in found
                    found[int(document), int(start) + i] = int(target)
                elif document < 0:
                    assert target == NO_TARGET
    return found


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_scoring_shows_every_target_exactly_once(objective, rows):
    found = collect(Windows(DOCUMENTS, objective).scoring(rows), objective)
    assert found == {
        (d, i): int(token)
        for d, document in enumerate(DOCUMENTS)
        for i, token in enumerate([*document, 0])
    }


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_context_is_the_text_before_padded_with_the_boundary(objective):
    windows = Windows(DOCUMENTS, objective)
    start = 2 * objective.length
    (span,) = windows.spans(np.array([2]), np.array([start]))
    padded = np.concatenate([np.zeros(40, dtype=int), DOCUMENTS[2]])
    before = padded[40 + start - objective.before : 40 + start]
    np.testing.assert_array_equal(span[: objective.before], before)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("start", [1, 5, 23])
def test_training_can_be_taken_up_at_any_update(objective, start):
    windows = Windows(DOCUMENTS, objective)
    whole = list(itertools.islice(windows.training(2, seed=3), 40))
    rest = list(itertools.islice(windows.training(2, seed=3, start=start), 40 - start))
    for (a, fresh_a), (b, fresh_b) in zip(whole[start:], rest, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(fresh_a, fresh_b)


def test_carried_rows_read_on_where_they_stopped():
    windows = Windows(DOCUMENTS, NextToken(4))
    batches = list(itertools.islice(windows.training(2, seed=0), windows.updates_per_epoch(2)))
    for (before, _), (after, fresh) in itertools.pairwise(batches):
        for row in range(2):
            if not fresh[row]:
                assert after[row][0] == before[row][-1]
            else:
                assert after[row][0] == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(1, 5),
)
def test_an_epoch_of_shuffled_windows_covers_about_the_whole_text(lengths, window, batch):
    objective = Shifted(window, 1)
    documents = [np.full(n, 1, dtype=np.uint8) for n in lengths]
    windows = Windows(documents, objective)
    updates = windows.updates_per_epoch(batch)
    seen = sum(
        int((spans[:, 1:] != NO_TARGET).sum())
        for spans, _ in itertools.islice(windows.training(batch, 0), updates)
    )
    total = sum(lengths) + len(lengths)
    assert seen >= total - window * (batch + len(lengths))


@pytest.mark.parametrize(("shift", "fixed"), [(1, True), (5, True), (1, False)])
def test_windows_begin_at_the_same_places_in_every_epoch_where_they_are_fixed(shift, fixed):
    windows = Windows(DOCUMENTS, Shifted(5, shift, fixed))
    updates = windows.updates_per_epoch(2)
    batches = itertools.islice(windows.training(2, seed=3), 20 * updates)
    shown = {tuple(map(int, span)) for spans, _ in batches for span in spans}
    scored = {tuple(map(int, span)) for spans, *_ in windows.scoring(1) for span in spans}
    assert (shown == scored) == fixed
