"""A text through an arithmetic coder and back: what a claimed likelihood is worth.

The coder is driven by the model's probabilities for tokens and by the policy's for what a token
leaves open. Both directions take the same choices in the same order.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from textgen.auditing.checks import WORD, Encoder, decode_words, read, tokens_of
from textgen.auditing.sources import RunModel


def there_and_back(tokenizer, objective, network, text, memory=None):
    """(bits on the wire, those without rounding, decoded text) of ``text`` under a model, perhaps
    with a memory of it."""
    run = SimpleNamespace(tokenizer=tokenizer, objective=objective, network=network, memory=memory)
    model, encoder, bits = RunModel(run, memory is not None), Encoder(), 0.0
    tokens = tokens_of(model, text)
    for token, chances in zip(tokens, read(model, tokens), strict=True):
        bits -= np.log2(chances[token] / chances.sum())
        encoder.put(chances, token)
    words = encoder.words()
    return WORD * len(words), bits, decode_words(model, words, len(tokens))
