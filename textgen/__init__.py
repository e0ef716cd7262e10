"""textgen: character, word and subword text generators compared on one LSTM backbone.

Every command is also a function::

    import textgen

    run = textgen.train("experiments/char_small.toml")
    for record in run.generate("At night", samples=3):
        print(record["text"])
    textgen.compare_runs([run, "runs/word_small"]).plot()

Nothing heavy is imported before it is used.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
