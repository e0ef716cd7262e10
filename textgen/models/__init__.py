"""From token ids to logits: backbones, output layers, objectives, batches, sampling."""

from textgen.models.backbones import Recurrent as Recurrent
