"""What everything rests on: experiments and studies from TOML, errors, plug-ins, files, processes.

No text and no network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
