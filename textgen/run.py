"""``python -m textgen.run …``: the same as ``textgen run …``."""

from textgen.cli import script

if __name__ == "__main__":
    script("run")
