"""Trained models that are asked: what they write, what they expect next, what a text costs them."""
