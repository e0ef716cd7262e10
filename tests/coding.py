"""A text through an arithmetic coder and back: what a claimed likelihood is worth.

The coder is driven by the model's probabilities for tokens and by the policy's for what a token
leaves open. Both directions take the same choices in the same order.
"""

from __future__ import annotations

import numpy as np

from textgen.auditing.checks import WORD, Decoder, Encoder
from textgen.evaluation.sampler import Stepper
from textgen.tokenizers.base import walk


def take(tokenizer, stepper, choose, known=None, memory=None):
    """A document whose choices ``choose`` takes, from (probabilities, index of the known text)."""
    walking, sent = walk(tokenizer, known, memory is not None), None
    while True:
        try:
            choice = walking.send(sent)
        except StopIteration as end:
            stepper.close()
            return end.value
        of_token = choice.probabilities is None
        chances = stepper.probabilities() if of_token else choice.probabilities()
        sent = choose(chances, choice.known)
        if of_token:
            stepper.append(sent)


def there_and_back(tokenizer, objective, network, text, memory=None):
    """(bits on the wire, those without rounding, decoded text) of ``text`` under a model, perhaps
    with a memory of it."""
    encoder, bits = Encoder(), []

    def write(chances, index):
        bits.append(-np.log2(chances[index] / np.sum(chances)))
        encoder.put(chances, index)
        return index

    stepper = Stepper(objective, network, memory)
    take(tokenizer, stepper, write, tokenizer.encode(text), memory)
    decoder, stepper = Decoder(encoder.words()), Stepper(objective, network, memory)
    again = take(tokenizer, stepper, lambda chances, index: decoder.get(chances), None, memory)
    return WORD * len(encoder.words()), sum(bits), tokenizer.decode(again)
