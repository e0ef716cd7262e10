"""Token ids with a meaning of their own, the same in every vocabulary."""

BOUNDARY = 0  # before the first and after the last token of a document, and all padding before it
ESCAPE = 1  # a character that the training text did not hold
RESERVED = 2  # how many ids are reserved: a vocabulary's own begin here
