"""What TensorBoard is told of a finished run: its figures, its settings, its texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textgen.core import Experiment


def write_log(
    folder: Path, experiment: Experiment, metrics: dict[str, Any], samples: Sequence[dict[str, Any]]
) -> None:
    """Add to the TensorBoard log, at the run's last update.

    Args:
        folder: of the log.
        experiment: its settings are a text.
        metrics: the content of ``metrics.json``: bits per character of the held-out parts.
        samples: records of samples, a text for each prompt.

    Raises:
        TextgenError: the disk is full or cannot be written.
    """
    import tensorflow as tf
    import tomli_w

    from textgen.training import writing_log

    updates = metrics["training"]["updates"]
    writer = tf.summary.create_file_writer(str(folder))
    with writing_log(folder), writer.as_default(step=updates):
        for part in ("validation", "test"):
            alone, both = metrics[part]["bits_per_character"], metrics[part]["with_memory"]
            for name, bits in (("", alone), ("_with_memory", both and both["bits_per_character"])):
                if bits:
                    tf.summary.scalar(f"{part}/bits_per_character{name}", bits["total"])
        settings = tomli_w.dumps(experiment.resolved)
        tf.summary.text("settings", _verbatim(settings))
        for record in samples:
            name = f"sample/{record['prompt'] or 'after nothing'}"
            tf.summary.text(name, _verbatim(record["prompt"] + record["text"]))
        writer.flush()


def _verbatim(text: str) -> str:
    """A text as Markdown that shows it as it is."""
    return "\n".join(f"    {line}" for line in text.split("\n"))
