from .execution import study as study
