"""Plug-ins for textgen, from outside of it."""
