"""What counts as a word where words are counted, not modelled."""

from __future__ import annotations

import regex

WORD = regex.compile(
    r"""
    \p{WB=ALetter}++(?=[ \n,;!?"()-]|\.[ \n])  # the common case, without the slower \b
    | \p{L}\P{WB=ExtendNumLet}*?(?:\b(?!\p{GCB=SpacingMark})|(?=\p{WB=ExtendNumLet}))
    """,
    regex.VERSION1 | regex.VERBOSE | regex.DOTALL | regex.WORD,
)
"""From a letter to the word's end as Unicode Standard Annex #29 has it: combining marks and inner
apostrophes belong to a word, underscores do not, digits do behind a letter. In scripts without
spaces between words it is a character."""
