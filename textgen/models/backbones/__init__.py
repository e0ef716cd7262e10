"""PLUG-IN: what reads token ids one after another and carries a state along."""

TABLE = {
    "lstm": "textgen.models.backbones.lstm:LSTM",
    "gru": "textgen.models.backbones.gru:GRU",
    "mingru": "textgen.models.backbones.mingru:MinGRU",
    "transformer": "textgen.models.backbones.transformer:Transformer",
}
