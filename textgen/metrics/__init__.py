"""PLUG-IN: what generated text looks like next to human text."""
