"""Audits of honesty: is what a model claims about a text a likelihood?"""
