"""One run: its folder, its pipeline, its texts."""
