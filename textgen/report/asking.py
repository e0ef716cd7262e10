"""Models inside the page of a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textgen.core import TextgenError
from textgen.report.arms import Arm

PROMPT = "At night"


def embedded(
    arms: Sequence[Arm], wanted: Sequence[str], precision: str, warn: Callable[[str], None]
) -> dict[str, Any]:
    """What a page needs of models that are asked in it, each the first seed of its arm.

    Args:
        arms: those of the report.
        wanted: names of arms; all if empty.
        precision: of their weights, see :func:`textgen.interactive.portable_model`.
        warn: is told what cannot be taken along.

    Returns:
        ``precision``; ``packed``: arm → its model as base64; ``left_out``: arm → why it cannot be
        taken along; ``prompt``, to begin with.

    Raises:
        TextgenError: a name that is not that of an arm.
    """
    from textgen.interactive import portable_model

    names = [arm.name for arm in arms]
    if unknown := [name for name in wanted if name not in names]:
        raise TextgenError(
            "--embed", found=", ".join(unknown), expected=f"arms of the report: {', '.join(names)}",
            hint="name some of these, or none for all",
        )  # fmt: skip
    packed, left_out, prompt = dict[str, str](), dict[str, str](), ""
    for arm in arms:
        if wanted and arm.name not in wanted:
            continue
        try:
            packed[arm.name] = portable_model(arm.first, precision)
            prompt = prompt or next(iter(arm.first.experiment.sampling.prompts), "")
        except TextgenError as error:
            left_out[arm.name] = error.found
            warn(f"{arm.name}: not in the page: {error.found}")
    return {
        "precision": precision, "packed": packed, "left_out": left_out, "prompt": prompt or PROMPT,
    }  # fmt: skip
