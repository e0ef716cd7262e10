"""``python -m textgen.compare …``: the same as ``textgen compare …``."""

from textgen.cli import script

if __name__ == "__main__":
    script("compare")
