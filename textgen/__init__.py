"""textgen: character, word and subword text generators compared on one LSTM backbone."""

__version__ = "0.1.0"
