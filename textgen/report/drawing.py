"""How figures look and become SVG: colours by theme, one style, no pyplot state.

Arms have seven hues, chosen by a search for the largest minimal distance in Oklab under normal
vision and simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira & Fernandes, IEEE
TVCG 15, 2009), at a contrast of at least 3 to 1 with the paper. A hue has its own marker; from the
eighth arm on lines are dashed and markers hollow.

Figures are drawn in stand-in colours, which become CSS variables on a page and fixed colours in a
file. One unit of a figure is one CSS pixel.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from textgen.core.files import write_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
INK, MUTED, RULE, PAPER = "#010203", "#010204", "#010205", "#010206"
STAND_INS = {INK: "ink", MUTED: "muted", RULE: "rule", PAPER: "paper"} | {
    f"#0102{16 + hue:02x}": f"arm{hue}" for hue in range(HUES)
}
HALO = "halo"
"""Gid of text that is drawn with an edge of paper around it. Matplotlib's path effects would turn
it into outlines."""
EDGE = "paint-order: stroke; stroke: #ffffff; stroke-width: 3px"
FONTS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
UNNEEDED = (
    r"<metadata>.*?</metadata>",
    r'<style type="text/css">.*?</style>',
    r"font-family: [^;\"]*;? ?",
    r' transform="rotate\(-?0 [^"]*"',
    r' id="[\w.]+_\d+"',
    r"(?<=>)\s+(?=<)",
)
"""What Matplotlib writes and no browser needs, as patterns."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "textgen",
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 11,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.dpi": 72,
}


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


def arm_colour(number: int) -> str:
    """The stand-in colour of an arm."""
    return f"#0102{16 + number % HUES:02x}"


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib with the report's settings, and silent about characters its font lacks: the
    reader's browser has others."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        yield


def in_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws a figure, in the report's style."""

    @wraps(draw)
    def drawn(*arguments: Any, **options: Any) -> Figure:
        with styled():
            return draw(*arguments, **options)

    return drawn


def axes(
    width: int, height: int, across: str, up: str = "", *, left: int = 38, right: int = 8
) -> tuple[Figure, Axes]:
    """A figure of one pair of axes, the vertical one named above it, where its name can be read.

    Args:
        width, height, left, right: of the figure and its margins, in CSS pixels.
        across, up: what the axes show.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    top, bottom = 28 if up else 8, 40
    plot = figure.add_axes(
        (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    )
    plot.set_xlabel(across)
    if up:
        figure.text(0, 1 - 2 / height, f"↑ {up}", va="top", ha="left", color=MUTED)
    return figure, plot


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    for pattern in UNNEEDED:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return re.sub(r'(?<= )(d|x|y|transform)="[^"]*"', lambda m: _shorter(m[0]), text)


def _shorter(attribute: str) -> str:
    """Hundredths of a pixel and no line breaks."""
    text = re.sub(r"\s*\n\s*", "", attribute)
    return re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), text)


def _recoloured(text: str, colours: Callable[[str], str]) -> str:
    return re.sub(
        "|".join(STAND_INS), lambda m: colours(STAND_INS[m[0].lower()]), text, flags=re.IGNORECASE
    )


def inline(figure: Figure, key: str, title: str, description: str) -> Markup:
    """A figure as an SVG element for a page, in the colours of the page's theme.

    Args:
        key: prefix of its ids, different for each figure of a page.
        title, description: read out in its place.
    """
    text = _svg(figure)
    text = text[text.index("<svg") :]
    text = text.replace("xlink:href", "href")
    text = text.replace(f'id="{HALO}"', f'class="{HALO}"')
    text = re.sub(r'id="arm-(\d+)"', r'class="arm" data-arm="\1"', text)
    text = re.sub(r"(id=\"|url\(#|href=\"#)", rf"\1{key}-", text)
    text = _recoloured(text, lambda name: f"var(--{name})")
    width, height = (round(float(size * 72)) for size in figure.get_size_inches())
    head = (
        f'<svg viewBox="0 0 {width} {height}" style="max-width:{width}px;--w:{width}px" role="img" '
        f'aria-labelledby="{key}-title {key}-about"><title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-about">{escape(description)}</desc>'
    )
    return Markup(head + text[text.index(">") + 1 :].strip())


def alone(figure: Figure) -> str:
    """A figure as an SVG document of its own: the light theme's colours on white."""
    colours = {**THEMES["light"], **{f"arm{i}": c for i, c in enumerate(ARMS["light"])}}
    colours["paper"] = "#ffffff"
    text = _recoloured(_svg(figure), colours.__getitem__).replace('pt"', '"', 2)
    head = text.index(">", text.index("<svg")) + 1
    background = '<rect width="100%" height="100%" fill="#ffffff"/>'
    rules = f"* {{stroke-linejoin: round}} text {{font-family: {FONTS}}} #{HALO} text {{{EDGE}}}"
    return f"{text[:head]}<style>{rules}</style>{background}{text[head:]}"


def write_svg(path: Path, figure: Figure) -> None:
    """Write a figure as a file of its own.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    write_file(path, alone(figure))
