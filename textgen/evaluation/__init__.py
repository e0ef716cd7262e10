"""Bits per character: likelihood, memory of the document, baselines, metrics, significance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
