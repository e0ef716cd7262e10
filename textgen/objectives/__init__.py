"""PLUG-IN: what is predicted from what: windows, targets, scoring, generation."""

TABLE = {
    "next_token": "textgen.objectives.stepwise:NextToken",
    "shifted": "textgen.objectives.stepwise:Shifted",
    "encoder_decoder": "textgen.objectives.encoder_decoder:EncoderDecoder",
}
