"""From token ids to logits: backbones, output layers, objectives, batches, sampling."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
