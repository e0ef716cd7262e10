"""Documents are cut into windows: every token is predicted, once, behind the text before it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.models.batches import NO_TARGET, Windows
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted

pytestmark = pytest.mark.fast

OBJECTIVES = [NextToken(4), Shifted(5, 5), Shifted(5, 2), EncoderDecoder(3, 4)]
DOCUMENTS = [np.arange(1, n + 1, dtype=np.uint8) for n in (1, 9, 30, 4, 17)]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_scoring_shows_every_target_once_behind_the_text_before_it(objective, rows):
    shown, before = {}, objective.before
    for batch in Windows(DOCUMENTS, objective).scoring(rows):
        for span, _, document, start in zip(*batch, strict=True):
            if document < 0:
                assert (span[before:] == NO_TARGET).all()
                continue
            padded = np.concatenate([np.zeros(before, dtype=int), DOCUMENTS[document]])
            np.testing.assert_array_equal(span[:before], padded[start : start + before])
            for i, target in enumerate(span[before:]):
                if target != NO_TARGET:
                    assert (document, start + i) not in shown
                    shown[document, start + i] = target
    assert shown == {
        (d, i): token for d, text in enumerate(DOCUMENTS) for i, token in enumerate([*text, 0])
    }


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_training_can_be_taken_up_at_any_update(objective):
    windows = Windows(DOCUMENTS, objective)
    whole = list(itertools.islice(windows.training(2, seed=3), 40))
    for start in (1, 5, 23):
        rest = list(itertools.islice(windows.training(2, seed=3, start=start), 40 - start))
        np.testing.assert_equal(whole[start:], rest)


def test_carried_rows_read_on_where_they_stopped():
    windows = Windows(DOCUMENTS, NextToken(4))
    batches = list(itertools.islice(windows.training(2, seed=0), windows.updates_per_epoch(2)))
    for (before, _), (after, fresh) in itertools.pairwise(batches):
        np.testing.assert_array_equal(after[:, 0], np.where(fresh, 0, before[:, -1]))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 9), st.integers(1, 5))
def test_an_epoch_of_shuffled_windows_covers_about_the_whole_text(lengths, window, batch):
    windows = Windows([np.full(n, 1, dtype=np.uint8) for n in lengths], Shifted(window, 1))
    epoch = itertools.islice(windows.training(batch, 0), windows.updates_per_epoch(batch))
    seen = sum(int((spans[:, 1:] != NO_TARGET).sum()) for spans, _ in epoch)
    total = sum(lengths) + len(lengths)
    assert seen >= total - window * (batch + len(lengths))


@pytest.mark.parametrize(("shift", "fixed"), [(1, True), (5, True), (1, False)])
def test_windows_begin_at_the_same_places_in_every_epoch_where_they_are_fixed(shift, fixed):
    windows = Windows(DOCUMENTS, Shifted(5, shift, fixed))
    batches = itertools.islice(windows.training(2, seed=3), 20 * windows.updates_per_epoch(2))
    shown = {tuple(map(int, span)) for spans, _ in batches for span in spans}
    scored = {tuple(map(int, span)) for spans, *_ in windows.scoring(1) for span in spans}
    assert (shown == scored) == fixed
