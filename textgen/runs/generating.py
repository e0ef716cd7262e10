"""Text from a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgen.core import Sampling, TextgenError, build

METHODS = ("sample", "article")


def generate(
    folder: str | Path,
    prompt: str = "",
    *,
    length: int = 500,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    samples: int = 1,
    fill: str = "pool",
    method: str = "sample",
) -> list[dict[str, Any]]:
    """Texts written by a run.

    Args:
        folder: the run folder.
        prompt: how the text begins. With ``method="article"``: the real text that is read.
        length: characters to write.
        temperature: 0 takes the most probable token; higher is more varied.
        top_k, top_p: restrict the choice; 0 and 1.0 do not.
        seed: repeats a sample.
        samples: how many.
        fill: what becomes of a generated placeholder: ``"pool"``, ``"spell"`` or ``"mark"``.
        method: ``"sample"``, or ``"article"`` for the teacher-forced argmax (see
            :func:`textgen.runs.generation.article_readout`).

    Returns:
        Records with ``prompt``, ``text`` and the settings.

    Raises:
        TextgenError: no such run, a prompt with unknown characters, a setting out of range.
    """
    from textgen.runs.generation import article_readout, encode_prompt, generate
    from textgen.runs.saved import load_light, load_run

    settings = build(
        Sampling,
        {
            "prompts": [prompt],
            "length": length,
            "samples": samples,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "fill": fill,
        },
        "generate",
    )
    if method not in METHODS:
        raise TextgenError("--method", found=repr(method), expected=" or ".join(METHODS))
    if not 0 <= seed < 2**31:
        raise TextgenError("--seed", found=str(seed), expected="a whole number from 0, below 2^31")
    light = load_light(Path(folder))
    given = encode_prompt(light[1], prompt)  # before TensorFlow is loaded
    if method == "article" and not len(given):
        raise TextgenError(
            "--prompt",
            found=f"{prompt!r}, which is no token of this run" if prompt else "nothing",
            expected="the real text that --method article reads",
            hint='give some, e.g. --prompt "The tide was out."',
        )
    run = load_run(folder, light)
    if method == "article":
        return article_readout(run.objective, run.network, run.tokenizer, [prompt])
    from textgen.models import Sampler

    sampler = Sampler(run.objective, run.network, run.tokenizer.unwritable)
    return generate(sampler, run.tokenizer, settings, seed)
