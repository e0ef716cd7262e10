"""Audits of honesty: do the bits that a model claims for a text come from valid probabilities?"""
