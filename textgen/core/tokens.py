"""Token ids with a meaning of their own, the same in every vocabulary."""

BOUNDARY = 0  # stands before and after a document, and for padding
ESCAPE = 1  # a character that the training text did not hold
RESERVED = 2  # how many ids are reserved: a vocabulary's own begin here
