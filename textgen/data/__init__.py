"""Corpora: where raw text comes from, its documents, and their split."""
