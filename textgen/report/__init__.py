"""The report of a comparison: its data, figures, and pages for people."""
