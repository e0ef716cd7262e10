"""Audits of honesty: is what a model claims about a text a likelihood?"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
