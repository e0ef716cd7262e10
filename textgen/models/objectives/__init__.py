"""PLUG-IN: what is predicted from what: windows, targets, scoring, generation."""

TABLE = {
    "next_token": "textgen.models.objectives.stepwise:NextToken",
    "shifted": "textgen.models.objectives.stepwise:Shifted",
    "encoder_decoder": "textgen.models.objectives.encoder_decoder:EncoderDecoder",
}
