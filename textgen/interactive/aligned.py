"""Where the script lies that shows what several models pay for one text."""

from pathlib import Path

ALIGNED = Path(__file__).with_suffix(".js")
