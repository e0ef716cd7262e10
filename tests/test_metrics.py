from __future__ import annotations

from textgen.metrics.real_words import real_words, training_words, words


def test_words_keep_apostrophes_and_leave_out_digits():
    assert words("Don't—stop, 3 O’Brien's x2!") == ["don't", "stop", "o'brien's", "x"]


def test_shares_of_real_words():
    training = training_words(["The Necronomicon of Alhazred"])
    found = real_words("the Necronomicon pandemonium's tf sreun alhazred", training)
    assert found["words"] == 6
    assert found["in_training"] == 3 / 6
    assert found["strict"] == 4 / 6  # "tf" and "sreun" are no words
    assert real_words("123", training)["words"] == 0
