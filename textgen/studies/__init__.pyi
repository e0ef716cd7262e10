from .execution import run_study as run_study
