"""python -m textgen.generate RUN: text from a finished run."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textgen import cli
from textgen.config import build
from textgen.errors import TextgenError
from textgen.settings import Sampling
from textgen.tokenizers.base import REALISE

METHODS = ("sample", "article")
NOT_OPTIONS = ("run", "prompt", "json", "debug", "marked")


def sample(
    folder: str | Path,
    prompt: str = "",
    *,
    length: int = 500,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    samples: int = 1,
    realise: str = "pool",
    method: str = "sample",
) -> list[dict[str, Any]]:
    """Texts written by a run.

    Args:
        folder: the run folder.
        prompt: how the text begins. With ``method="article"``: the real text that is read.
        length: characters to write.
        temperature: 0 takes the most probable symbol; higher is more varied.
        top_k, top_p: restrict the choice; 0 and 1.0 do not.
        seed: repeats a sample.
        samples: how many.
        realise: what becomes of a generated placeholder: ``"pool"``, ``"spell"`` or ``"mark"``.
        method: ``"sample"``, or ``"article"`` for the teacher-forced argmax (see
            :func:`textgen.generation.article_readout`).

    Returns:
        Records with ``prompt``, ``text`` and the settings.

    Raises:
        TextgenError: no such run, a prompt with unknown characters, a setting out of range.
    """
    from textgen import generation, runs

    settings = build(
        Sampling,
        {
            "prompts": [prompt],
            "length": length,
            "samples": samples,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "realise": realise,
        },
        "generate",
    )
    if method not in METHODS:
        raise TextgenError("--method", found=repr(method), expected=" or ".join(METHODS))
    if not 0 <= seed < 2**31:
        raise TextgenError("--seed", found=str(seed), expected="a whole number from 0, below 2^31")
    light = runs.load_light(Path(folder))
    given = generation.encode_prompt(light[1], prompt)  # before TensorFlow is loaded
    if method == "article" and not len(given):
        raise TextgenError(
            "--prompt",
            found=f"{prompt!r}, which is no symbol of this run" if prompt else "nothing",
            expected="the real text that --method article reads",
            hint='give some, e.g. --prompt "The tide was out."',
        )
    run = runs.load(folder, light)
    backbone = run.experiment.backbone
    if method == "article":
        return generation.article_readout(run.objective, run.network, backbone, run.codec, [prompt])
    from textgen.sampling import Sampler

    sampler = Sampler(run.objective, run.network, backbone, run.codec.unwritable)
    return generation.generate(sampler, run.codec, settings, seed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = cli.parser("generate", "Write text with a finished run.")
    parser.add_argument("run", type=Path, help="a run folder, e.g. runs/char")
    parser.add_argument("--prompt", default="", help="how the text begins")
    parser.add_argument("--length", type=int, default=500, help="characters to write")
    parser.add_argument("--temperature", type=float, default=Sampling.temperature)
    parser.add_argument("--top-k", type=int, default=0, help="choose among so many; 0: all")
    parser.add_argument("--top-p", type=float, default=1.0, help="choose among this much mass")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="sample",
        help="article: guess every symbol of the real text given as --prompt, feeding nothing back",
    )
    parser.add_argument(
        "--realise",
        choices=REALISE,
        default="pool",
        help="placeholders become words of the training text, newly spelled ones, or marks",
    )
    parser.add_argument("--marked", action="store_true", help="mark the words that fill them")
    parser.add_argument("--json", action="store_true", help="one JSON record a line")
    return cli.guarded(_command, parser.parse_args(arguments))


def _command(given: argparse.Namespace) -> None:
    from textgen.generation import annotated

    options = {k: v for k, v in vars(given).items() if k not in NOT_OPTIONS}
    records = sample(given.run, given.prompt, **options)
    for i, record in enumerate(records):
        if given.json:
            print(json.dumps(record, ensure_ascii=False))
            continue
        if len(records) > 1:
            print(f"\n── sample {i + 1} of {len(records)} " + "─" * 40)
        text = annotated(record) if given.marked else record["text"]
        print((record["prompt"] if given.method == "sample" else "") + text)


if __name__ == "__main__":
    cli.leave(main())
