"""Colours of a report, by theme, and how arms are told apart without them.

Arms have seven hues, chosen by a search for the largest least distance in Oklab under normal
vision and simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira & Fernandes, IEEE
TVCG 15, 2009), at a contrast of at least 3 to 1 with the paper. A hue has its own marker; from the
eighth arm on lines are dashed and markers hollow.
"""

from __future__ import annotations

from typing import NamedTuple

ARMS = {
    "light": ("#4a62b3", "#a31600", "#009c71", "#c768cb", "#986c0b", "#00527b", "#676a70"),
    "dark": ("#249bf1", "#ffc18f", "#00a05c", "#bb57b3", "#cc9522", "#59dcff", "#9a9da4"),
}
HEAT = {
    "light": (
        "#fcfaf1", "#f6ecd3", "#f2ddb7", "#f0cc9d", "#eebb85", "#eca86f", "#ea955b", "#e7814b",
        "#e6744a", "#e36a45",
    ),
    "dark": (
        "#1c1914", "#292011", "#38260e", "#482c0a", "#583107", "#6a3507", "#7c380c", "#8e3c16",
        "#a03e24", "#b24133",
    ),
}  # fmt: skip
"""From nothing to most, in equal steps of Oklab lightness; text stays readable on all of them."""
THEMES = {
    "light": {
        "paper": "#fdfcf9", "raised": "#f6f4ee", "ink": "#1d1f22", "muted": "#5c6168",
        "rule": "#dcd8cf", "better": "#0a6b4b", "worse": "#a0301a", "equal": "#3d5a80",
        "open": "#6f5a12", "above": "#c4651b", "below": "#3f6fb5", "filled": "#d9e6f7",
        "copied": "#f7dfa6", "accent": "#2f5d8a",
    },
    "dark": {
        "paper": "#14161a", "raised": "#1c1f24", "ink": "#e8e5df", "muted": "#a3a8b0",
        "rule": "#343941", "better": "#5fd0a5", "worse": "#ff9a80", "equal": "#9fc1ea",
        "open": "#e0c46c", "above": "#e08a45", "below": "#6ea3ea", "filled": "#23395a",
        "copied": "#5a430e", "accent": "#8fbdf0",
    },
}  # fmt: skip
HUES = len(ARMS["light"])


class Style(NamedTuple):
    """How an arm is drawn.

    Attributes:
        marker: Matplotlib's name of it.
        path: the same as an SVG path around the origin, 8 units wide.
        dash: lengths drawn and left out; empty for a whole line.
        hollow: whether the marker is an outline.
    """

    marker: str
    path: str
    dash: tuple[float, ...]
    hollow: bool


SHAPES = (
    ("o", "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z"),
    ("s", "M-3.2-3.2h6.4v6.4h-6.4z"),
    ("^", "M0-4L4 3.4H-4z"),
    ("D", "M0-4.2L4.2 0L0 4.2L-4.2 0z"),
    ("v", "M0 4L4-3.4H-4z"),
    ("P", "M-1.4-4h2.8v2.6H4v2.8H1.4V4h-2.8V1.4H-4v-2.8h2.6z"),
    ("X", "M-4-2L-2-4L0-2L2-4L4-2L2 0L4 2L2 4L0 2L-2 4L-4 2L-2 0z"),
)
DASHES = ((), (4.5, 2.2), (1.2, 1.6))


def style(number: int) -> Style:
    """How the arm of a number, from 0, is drawn."""
    marker, path = SHAPES[number % HUES]
    cycle = number // HUES
    return Style(marker, path, DASHES[cycle % len(DASHES)], cycle > 0)


def variables(theme: str) -> dict[str, str]:
    """CSS custom properties of a theme: name → colour."""
    return {
        **THEMES[theme],
        **{f"arm{i}": colour for i, colour in enumerate(ARMS[theme])},
        **{f"heat{i}": colour for i, colour in enumerate(HEAT[theme])},
    }
