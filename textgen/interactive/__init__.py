"""Trained models that are asked: what they write, what they expect next, what a text costs them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
