"""Corpora: where raw text comes from, its documents, and their split."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
