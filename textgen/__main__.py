"""``python -m textgen NAME …``: the same as ``textgen NAME …``."""

from textgen.cli import script

if __name__ == "__main__":
    script()
