"""From token ids to logits: backbones, output layers, objectives, batches."""

from textgen.models.backbones import Recurrent as Recurrent
