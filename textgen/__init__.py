"""textgen: character, word and subword text generators compared on one LSTM backbone.

What runs in a terminal is also a call::

    import textgen

    folder = textgen.run("experiments/char_small.toml")
    for record in textgen.generate(folder, prompt="At night", samples=3):
        print(record["text"])

Nothing heavy is imported before it is used.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
