"""From an experiment and its text to trained weights."""
