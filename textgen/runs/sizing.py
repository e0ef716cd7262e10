"""What is ``"auto"`` in the experiment of a run: chosen once, kept when the run is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgen.core import Experiment
from textgen.runs.folder import reading, stored_experiment
from textgen.runs.schemas import Chosen, read_json

if TYPE_CHECKING:
    from textgen.training import Prepared


def settled(
    folder: Path, experiment: Experiment, prepared: Prepared, resumed: bool
) -> tuple[Experiment, dict[str, Any] | None]:
    """An experiment with numbers for what is ``"auto"``, and how they were chosen; None where
    nothing was.

    Args:
        folder: of the run.
        resumed: the folder has been begun: its numbers stay.
    """
    if not experiment.automatic:
        return experiment, None
    if resumed:
        manifest = folder / "manifest.json"
        with reading(manifest):
            chosen = read_json(manifest, Chosen).get("chosen")
        return experiment.settled(stored_experiment(folder).resolved), chosen
    from textgen.training import described, settle

    experiment, candidates = settle(experiment, prepared)
    return experiment, described(candidates)
