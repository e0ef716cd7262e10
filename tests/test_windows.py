"""Documents are cut into windows: every token is predicted, once, behind the text before it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgen.models.batches import NO_TARGET, Windows
from textgen.models.objectives import EncoderDecoder, NextToken, Shifted
from textgen.training.stream import Stage, Stream, updates_per_epoch

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


def stream_of(documents, objective, rows, seed=0, window=None):
    windows = Windows(documents, objective)
    return Stream(windows, [Stage(1.0, rows, window or objective.length)], seed)


def first_batches(stream, number, start=0):
    return list(itertools.islice(stream.batches(start), number))


GROWING = [Stage(0.3, 2, 2), Stage(0.3, 2, 4), Stage(0.4, 3, 5)]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
@pytest.mark.parametrize("stages", [[Stage(1.0, 2, 4)], GROWING], ids=["one", "growing"])
def test_training_can_be_taken_up_at_any_update(objective, stages):
    stream = Stream(Windows(DOCUMENTS, objective), stages, 3, updates=40)
    whole = first_batches(stream, 60)
    for start in (1, 5, 23, 41):
        np.testing.assert_equal(whole[start:], first_batches(stream, 60 - start, start))


def test_batches_grow_in_stages_by_shares_of_the_updates():
    objective = NextToken(5)
    stream = Stream(Windows(DOCUMENTS, objective), GROWING, 3, updates=20)
    shapes = [batch.spans.shape for batch in first_batches(stream, 25)]
    assert shapes == [(2, 1 + 2)] * 6 + [(2, 1 + 4)] * 6 + [(3, 1 + 5)] * 13
    assert first_batches(stream, 13)[12].fresh.all()  # another number of rows begins anew


def test_carried_rows_read_on_where_they_stopped():
    batches = first_batches(stream_of(DOCUMENTS, NextToken(4), 2), 40)
    assert any(not batch.fresh.any() for batch in batches)
    for before, after in itertools.pairwise(batches):
        read_on = after.spans[~after.fresh, 0]
        np.testing.assert_array_equal(read_on, before.spans[~after.fresh, -1])


TEXTS = st.lists(st.integers(1, 90), min_size=1, max_size=5)


def distinct_documents(lengths):
    """Documents in which every token is another one."""
    tokens = np.arange(1, sum(lengths) + 1, dtype=np.uint16)
    return np.split(tokens, np.cumsum(lengths)[:-1])


def begun_in(epoch):
    """Where rows begin in the first batch of an epoch, as tokens with those before them."""
    return [(int(span[0]), int(span[1])) for span in epoch.spans]


def epochs_of(stream, tokens):
    """The first batch of each epoch: of those that begin when all tokens have been read once."""
    read = tokens
    for batch in stream.batches():
        if read >= tokens:
            assert batch.fresh.all()
            yield batch
            read = 0
        read += int((batch.spans[:, 1:] >= 0).sum())


ROWS = st.integers(1, 4)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.tuples(TEXTS, ROWS, st.integers(4, 9)),  # no fewer tokens of a window than rows
        st.tuples(TEXTS.map(lambda lengths: lengths[:1]), ROWS, st.integers(1, 9)),
    ),
    st.integers(0, 3),
)
def test_no_row_begins_where_one_has_begun_in_an_earlier_epoch(text, seed):
    """In as many epochs as a row has windows."""
    lengths, rows, window = text
    tokens = sum(lengths) + len(lengths)
    stream = stream_of(distinct_documents(lengths), NextToken(window), rows, seed)
    epochs = itertools.islice(epochs_of(stream, tokens), tokens // (window * rows))
    begun = [token for epoch in epochs for token in begun_in(epoch)]
    assert len({*begun}) == len(begun)


def test_seeds_read_a_text_of_one_document_from_other_places():
    document = np.arange(1, 200, dtype=np.uint8)
    first, other = (first_batches(stream_of([document], NextToken(4), 3, s), 1) for s in (0, 1))
    assert not np.array_equal(first[0].spans, other[0].spans)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.integers(1, 9), st.integers(1, 5), st.sampled_from([NextToken, Shifted]))
def test_an_epoch_covers_about_the_whole_text(lengths, window, rows, objective):
    shift = {} if objective is NextToken else {"shift": 1}
    windows = Windows(distinct_documents(lengths), objective(window, **shift))
    stream = Stream(windows, [Stage(1.0, rows, window)], 0)
    total = sum(lengths) + len(lengths)
    shown, read = set(), 0
    for batch in stream.batches():
        targets = batch.spans[:, 1:]
        shown |= {int(token) for token in targets[targets > 0]}
        read += int((targets >= 0).sum())
        if read >= total:
            break
    assert len(shown) >= sum(lengths) - window * (2 * rows + len(lengths))


@pytest.mark.parametrize(("shift", "fixed"), [(1, True), (5, True), (1, False)])
def test_windows_begin_at_the_same_places_in_every_epoch_where_they_are_fixed(shift, fixed):
    windows = Windows(DOCUMENTS, Shifted(5, shift, fixed))
    stage = Stage(1.0, 2, 5)
    batches = first_batches(Stream(windows, [stage], 3), 20 * updates_per_epoch(windows, stage))
    shown = {tuple(map(int, span)) for spans, _ in batches for span in spans}
    scored = {tuple(map(int, span)) for spans, *_ in windows.scoring(1) for span in spans}
    assert (shown == scored) == fixed
